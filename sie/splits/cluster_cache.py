"""Clusterings kept in the cache folder, because UMAP's first call compiles for many seconds.

What makes two clusterings the same (the key) is decided by the caller.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from sie.errors import InputError, SieError
from sie.files import cache_dir, write_text
from sie.splits.archive import clustering_from_plain, clustering_to_plain
from sie.splits.record import Clustering

log = logging.getLogger(__name__)


def cache_file(key: str) -> Path:
    """Return the file of the clustering with this key."""
    return cache_dir() / "clusters" / f"{key}.json"


def read_cached(key: str, ids: tuple[str, ...]) -> Clustering | None:
    """Return the clustering kept under `key`, or None when there is none that can be used."""
    path = cache_file(key)
    try:
        clustering = clustering_from_plain(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, InputError) as error:
        log.warning("clusters are computed anew: %s cannot be used (%s)", path, error)
        return None
    return clustering if clustering.ids == ids else None


def write_cached(key: str, clustering: Clustering) -> None:
    """Keep a clustering under `key`; a cache that cannot be written costs only time."""
    try:
        write_text(cache_file(key), json.dumps(clustering_to_plain(clustering)))
    except SieError as error:
        log.warning("clusters are not kept: %s", error)
