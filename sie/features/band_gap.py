"""Band gaps of crystals, ordered or not, by MEGNet's regressor of 2018 (mp-2018.6.1).

Finding its file and running it over many crystals; graphs and networks live beside this module.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sie.downloads import fetch
from sie.errors import InputError, SieError
from sie.features.extract import in_batches
from sie.features.graph import OrbitGraph, orbit_graph
from sie.features.megnet_readout import crystal_values
from sie.features.weights import MegnetWeights, ReadoutWeights, read_readout, read_weights
from sie.files import cache_dir

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

COMMIT = "f3705760266f24b62c4810dd4abacfc25f4f64ae"
BASE_URL = (
    f"https://raw.githubusercontent.com/materialsvirtuallab/megnet/{COMMIT}/mvl_models/mp-2018.6.1/"
)
FILE = "band_gap_regression.hdf5"
SHA256 = {
    FILE: "e149197440863b06e819c3cc11550f7c78eee329b916112dab84d884d21306de",
    f"{FILE}.json": "96285e10309b8bc4091ec5c45b784958b3626e3b0d70ace96493717341438be9",
}

_FAILURES = (
    SieError, ValueError, ArithmeticError, LookupError, RuntimeError, TypeError, AttributeError,
)  # fmt: skip
"""What pymatgen, spglib and the graph raise for a crystal they cannot treat."""


class BandGapModel:
    """MEGNet's band-gap regressor (Chen et al. 2019, 10.1021/acs.chemmater.9b01294).

    Trained on 45,901 crystals of the Materials Project of June 2018, all with a PBE gap above 0, to
    a mean absolute error of 0.32 eV. It was never shown a metal, and gives one in seven of them
    more than 1 eV (25 of 169 Li compounds with a PBE gap up to 0.05 eV).

    Parameters
    ----------
    blocks : MegnetWeights
        The network up to its last block.
    readout : ReadoutWeights
        What follows.
    """

    def __init__(self, blocks: MegnetWeights, readout: ReadoutWeights) -> None:
        self.blocks = blocks
        self.readout = readout

    @property
    def sha256(self) -> str:
        """Of the weight file."""
        return self.blocks.sha256

    @classmethod
    def load(cls, path: Path | None = None) -> BandGapModel:
        """Load the network.

        Parameters
        ----------
        path : Path, optional
            band_gap_regression.hdf5 with its .json beside it, or their folder; another model than
            the published one is used with a warning. By default the published files, downloaded
            once into the cache.

        Raises
        ------
        InputError
            When the file is missing, unreadable or no such network.
        DownloadError
            When it cannot be fetched.
        """
        chosen = download() if path is None else local_file(path)
        try:
            blocks, readout = read_weights(chosen), read_readout(chosen)
        except (OSError, LookupError, ValueError, TypeError) as error:
            raise InputError(
                f"{chosen} and its .json cannot be read as a MEGNet model ({error}); give "
                f"megnet's mvl_models/mp-2018.6.1/{FILE}"
            ) from error
        if blocks.sha256 != SHA256[FILE]:
            logger.warning("%s is not the published band-gap model; used as it is", chosen)
        return cls(blocks, readout)

    def gaps_eV(self, structures: Mapping[str, Structure]) -> dict[str, float]:  # noqa: N802
        """Return the band gap of every crystal.

        Parameters
        ----------
        structures : Mapping[str, Structure]
            Crystals by id, as they are: with their lithium; oxidation states are not looked at.
            What a site holds enters as the mean of the embeddings, a vacancy as 0.

        Returns
        -------
        dict
            In eV, as the network gives it, a little below 0 now and then; NaN for crystals that
            cannot be treated, with a line in the log.
        """
        gaps = dict.fromkeys(structures, np.nan)
        treated: list[str] = []
        values = [
            crystal_values(batch, self.blocks, self.readout)
            for batch in in_batches(self._graphs(structures, treated))
        ]
        if values:
            gaps |= zip(treated, np.concatenate(values).astype(float).tolist(), strict=True)
        return gaps

    def _graphs(
        self, structures: Mapping[str, Structure], treated: list[str]
    ) -> Iterator[OrbitGraph]:
        """Yield the graphs of those that can be treated; `treated` is told their ids."""
        for entry, structure in structures.items():
            try:
                graph = orbit_graph(structure, self.blocks)
            except _FAILURES as error:
                logger.warning("structure %s has no band gap: %s", entry, error)
                continue
            treated.append(entry)
            yield graph


def local_file(path: Path) -> Path:
    """Return the weight file at a path or in the folder there.

    Raises
    ------
    InputError
        When it or its .json is missing.
    """
    given = path.expanduser()
    chosen = given / FILE if given.is_dir() else given
    for needed in (chosen, Path(f"{chosen}.json")):
        if not needed.is_file():
            raise InputError(
                f"no file at {needed}; give {FILE} of megnet's mvl_models/mp-2018.6.1 with its "
                ".json beside it, or leave the option away to download both"
            )
    return chosen


def download(base_url: str = BASE_URL) -> Path:
    """Fetch the two files into the cache, unless they are there already; return the HDF5 file.

    Raises
    ------
    DownloadError
        When one cannot be fetched, or is not the published one.
    """
    folder = cache_dir() / "models" / "megnet" / COMMIT[:12]
    for name, digest in SHA256.items():
        fetch(f"{base_url}{name}", digest, folder / name, f"fetch {' and '.join(SHA256)} by hand")
    return folder / FILE
