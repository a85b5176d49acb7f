"""Element embeddings of sites: the occupancy-weighted sum over what a site holds.

V0 of the method; the convolutions that follow are in `sie.features.megnet`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Composition


def embed_sites(contents: Iterable[Composition], embedding: np.ndarray) -> np.ndarray:
    """Return the occupancy-weighted sum of element embeddings; a vacancy adds nothing.

    Parameters
    ----------
    contents : iterable of Composition
        What each of n_sites sites holds.
    embedding : numpy.ndarray
        Float32, shape (n_elements, d); row Z belongs to atomic number Z.

    Returns
    -------
    numpy.ndarray
        Float32, shape (n_sites, d).

    Raises
    ------
    InputError
        When an element is heavier than the network knows.
    """
    rows = []
    for content in contents:
        row = np.zeros(embedding.shape[1])
        for species, amount in content.items():
            if not 0 < species.Z < len(embedding):
                raise InputError(
                    f"{species} has no MEGNet embedding (known: Z = 1 to {len(embedding) - 1}); "
                    "leave this structure out"
                )
            row += embedding[species.Z] * float(amount)
        rows.append(row)
    return np.array(rows, dtype=np.float32).reshape(-1, embedding.shape[1])
