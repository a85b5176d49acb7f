"""Features kept on disk, found again by the content of the crystals they were made from.

Ids do not enter the key: the same crystals under other names share a file.
"""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sie.datasets.record import structure_hash
from sie.errors import SieError
from sie.features.extract import check_level, level_label, levels_of_represented, represent_all
from sie.features.record import OrbitFeatures
from sie.features.view_features import features_of_represented, represented, side_by_side
from sie.features.views import View
from sie.features.weights import bundled_weights
from sie.files import cache_dir as default_cache_dir
from sie.files import replacing
from sie.hashing import content_hash
from sie.structures.representations import Representation

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

FORMAT = 1
FEATURE_CODE = "megnet-orbits-1"
"""Part of every key; to be raised when a change of code changes the numbers."""


def cached_features(
    structures: Mapping[str, Structure],
    representation: Representation | str,
    level: int,
    cache_dir: Path | None = None,
) -> OrbitFeatures:
    """Return the features of `compute_features`, from disk where they were computed before.

    The key is made of the represented crystals (so of their oxidation states' signs, where the
    representation uses them), the level, the network's weights and `FEATURE_CODE`. A file that
    cannot be read is replaced; a file that cannot be written is only logged. Several processes
    may ask for the same features at once.

    Parameters
    ----------
    cache_dir : Path, optional
        Folder of the files; by default `features` below `sie.files.cache_dir()`.
    """
    level = check_level(level)
    shown = represent_all(structures, representation)
    key = features_key(shown, level)
    folder = default_cache_dir() / "features" if cache_dir is None else cache_dir
    path = folder / f"{Representation(representation)}-{level_label(level)}-{key}.npz"
    if (found := _load(path, key, tuple(shown))) is not None:
        return found
    features = levels_of_represented(shown, (level,))[level]
    try:
        _save(path, key, features)
    except SieError as error:
        logger.warning("features are not kept: %s", error)
    return features


def cached_view(
    structures: Mapping[str, Structure], view: View, cache_dir: Path | None = None
) -> OrbitFeatures:
    """Return the features of `compute_view`, from disk where they were computed before.

    Levels of a single representation are kept, and found, one by one.
    """
    if len(view.representations) == 1:
        parts = [cached_features(structures, *block, cache_dir) for block in view.blocks]
        return side_by_side(parts)
    shown = represented(structures, view)
    crystals = [structure_hash(one) for each in shown.values() for one in each]
    key = content_hash(FEATURE_CODE, "view-1", bundled_weights().sha256, str(view), crystals)
    folder = default_cache_dir() / "features" if cache_dir is None else cache_dir
    path = folder / f"{view}-{key}.npz"
    if (found := _load(path, key, tuple(shown))) is not None:
        return found
    features = features_of_represented(shown, view)
    try:
        _save(path, key, features)
    except SieError as error:
        logger.warning("features are not kept: %s", error)
    return features


def features_key(shown: Mapping[str, Structure], level: int) -> str:
    """Return the hash of everything the features of represented crystals depend on."""
    crystals = [structure_hash(structure) for structure in shown.values()]
    return content_hash(FEATURE_CODE, bundled_weights().sha256, level_label(level), crystals)


def features_hash(
    structures: Mapping[str, Structure], representation: Representation | str, level: int
) -> str:
    """Name the features of structures by what they are made from, ids included.

    The same on every machine, unlike the last bits of the features themselves.
    """
    shown = represent_all(structures, representation)
    named = {entry: structure_hash(structure) for entry, structure in shown.items()}
    sha256 = bundled_weights().sha256
    return content_hash(FEATURE_CODE, sha256, str(representation), level_label(level), named)


def view_hash(structures: Mapping[str, Structure], view: View) -> str:
    """Name the features of a view by what they are made from, ids included."""
    parts = [features_hash(structures, *block) for block in view.blocks]
    return parts[0] if len(parts) == 1 else content_hash("view-1", parts)


def _save(path: Path, key: str, features: OrbitFeatures) -> None:
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            format=np.array(FORMAT),
            key=np.array(key),
            rows=features.rows,
            multiplicity=features.multiplicity,
            offsets=features.offsets,
            digest=np.array(_digest(features)),
        )


def _load(path: Path, key: str, ids: tuple[str, ...]) -> OrbitFeatures | None:
    """Read a cache file; None when there is none, or when it is damaged (which is logged)."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT or str(stored["key"]) != key:
                raise ValueError("written for something else")
            features = OrbitFeatures(ids, stored["rows"], stored["multiplicity"], stored["offsets"])
            if str(stored["digest"]) != _digest(features):
                raise ValueError("content does not match its checksum")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s is damaged (%s); the features are computed again", path, error)
        return None
    return features


def _digest(features: OrbitFeatures) -> str:
    return content_hash(features.rows, features.multiplicity, features.offsets)
