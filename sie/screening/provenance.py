"""Which of sie's sources make a row of the results: a screening goes on only with the same ones.

Fewer than those of a search: training may change while a long screening waits to go on.
"""

from __future__ import annotations

from pathlib import Path

import sie
from sie.hashing import content_hash

SOURCES = (
    "datasets/cif.py",
    "datasets/crystal_columns.py",
    "ensemble/forest.py",
    "ensemble/predictor.py",
    "ensemble/storage.py",
    "features/band_gap.py",
    "features/composition.py",
    "features/embedding.py",
    "features/extract.py",
    "features/graph.py",
    "features/megnet.py",
    "features/megnet_readout.py",
    "features/pooled.py",
    "features/weights.py",
    "models/atomsets_forward.py",
    "models/forward.py",
    "models/layered.py",
    "models/readout_weights.py",
    "models/shapes.py",
    "screening/distance.py",
    "screening/intermetallic.py",
    "screening/novelty.py",
    "screening/sources.py",
    "screening/stages.py",
    "screening/tables.py",
    "splits/similarity.py",
    "structures/orbits.py",
    "structures/oxidation.py",
    "structures/representations.py",
    "structures/shown.py",
)
"""Below the package's folder."""


def sources_hash(root: Path | None = None) -> str:
    """Hash the sources: the same hash, the same numbers.

    Parameters
    ----------
    root : Path, optional
        Folder of the package; by default that of this one.
    """
    folder = Path(sie.__file__).parent if root is None else root
    return content_hash({name: (folder / name).read_bytes() for name in SOURCES})
