"""Features of Sendek et al. kept on disk, one small file a crystal, found again by its content.

Ids do not enter the name: the same crystal under another id, or in another dataset, is found too.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import SieError
from sie.features.descriptors import Descriptors
from sie.features.occupancy_sampling import SiteContents
from sie.features.sendek import SENDEK_NAMES, SendekResult, SendekSettings, sendek_features
from sie.files import cache_dir as default_cache_dir
from sie.files import write_text
from sie.hashing import content_hash

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

FORMAT = 1
SENDEK_CODE = "sendek-1"
"""Part of every key; to be raised when a change of code changes the numbers."""


def cached_sendek(
    structures: Mapping[str, Structure],
    settings: SendekSettings | None = None,
    cache_dir: Path | None = None,
) -> Descriptors:
    """Return the features of `sendek_descriptors`, from disk where they were computed before."""
    results = cached_sendek_results(structures, settings, cache_dir)
    values = np.array([result.values for result in results.values()])
    return Descriptors(tuple(results), SENDEK_NAMES, values.reshape(-1, len(SENDEK_NAMES)))


def cached_sendek_results(
    structures: Mapping[str, Structure],
    settings: SendekSettings | None = None,
    cache_dir: Path | None = None,
) -> dict[str, SendekResult]:
    """Return features with their standard errors, from disk where they were computed before.

    The key of a file is made of the crystal, the settings and `SENDEK_CODE`. A file that cannot
    be read is replaced; a file that cannot be written is only logged. Several processes may ask
    for the same crystals at once, and an interrupted run is continued by the next.

    Parameters
    ----------
    cache_dir : Path, optional
        Folder of the files; by default `sendek` below `sie.files.cache_dir()`.
    """
    chosen = settings or SendekSettings()
    folder = default_cache_dir() / "sendek" if cache_dir is None else cache_dir
    results: dict[str, SendekResult] = {}
    lost = ""
    for entry, structure in structures.items():
        key = sendek_key(structure, chosen)
        path = folder / key[:2] / f"{key}.json"
        if (found := _load(path, key)) is None:
            found = sendek_features(structure, chosen)
            try:
                write_text(path, _written(key, found))
            except SieError as error:
                lost = str(error)
        results[entry] = found
    if lost:
        logger.warning("features are not kept: %s", lost)
    _report(results)
    return results


def sendek_key(structure: Structure, settings: SendekSettings) -> str:
    """Return the hash of everything the features of a crystal depend on.

    Not `structure_hash`: a crystal with oxidation states and the same without share a file.
    """
    contents = SiteContents.of(structure)
    return content_hash(
        SENDEK_CODE,
        # adding 0.0 turns -0.0 into 0.0, which would otherwise hash differently
        np.round(structure.lattice.matrix, 6) + 0.0,
        np.round(structure.frac_coords, 6) + 0.0,
        contents.symbols,
        contents.chances,
        asdict(settings),
    )


def _written(key: str, result: SendekResult) -> str:
    return json.dumps(
        {
            "format": FORMAT,
            "key": key,
            "values": _plain(result.values),
            "standard_errors": _plain(result.standard_errors),
            "n_draws": result.n_draws,
            "converged": result.converged,
            "seconds": round(result.seconds, 6),
        }
    )


def _plain(numbers: np.ndarray) -> list[float | str]:
    """Return numbers that JSON can hold; float() reads the names of the others back."""
    return [number if math.isfinite(number) else str(number) for number in numbers.tolist()]


def _load(path: Path, key: str) -> SendekResult | None:
    """Read a cache file; None when there is none, or when it is damaged (which is logged)."""
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT or stored["key"] != key:
            raise ValueError("written for something else")
        values = np.array([float(v) for v in stored["values"]])
        errors = np.array([float(v) for v in stored["standard_errors"]])
        if not values.shape == errors.shape == (len(SENDEK_NAMES),):
            raise ValueError("wrong number of features")
        return SendekResult(
            values,
            errors,
            int(stored["n_draws"]),
            bool(stored["converged"]),
            float(stored["seconds"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is damaged (%s); the features are computed again", path, error)
        return None


def _report(results: Mapping[str, SendekResult]) -> None:
    if unconverged := [entry for entry, result in results.items() if not result.converged]:
        logger.info("averages did not converge in: %s", ", ".join(unconverged))
