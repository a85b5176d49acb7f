"""A random forest on element fractions as plain arrays: an ensemble's member without a network.

Grown by scikit-learn, evaluated by NumPy alone; how much it counts is the recipe's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sie.features.composition import element_fractions
from sie.features.descriptors import Descriptors

if TYPE_CHECKING:
    from pymatgen.core import Composition

N_TREES = 400
"""As the forest that stands in every table (`sie.models.baselines.FOREST`)."""

LEAF = -1
"""Child of a node that has none."""

AT_ONCE = 1_000
"""Structures that walk through the trees together: 400 trees take some 10 MB for them."""

ARRAYS = ("roots", "left", "right", "feature", "threshold", "value")


@dataclass(frozen=True)
class Forest:
    """Trees of a random forest, one after the other in the same arrays of nodes.

    Attributes
    ----------
    elements : tuple of str
        Shape (m,): columns of what it takes.
    roots : numpy.ndarray
        Int32, shape (n_trees,): first node of each tree.
    left, right : numpy.ndarray
        Int32, shape (n_nodes,): where a node leads to; both -1 at a leaf. A child comes after its
        parent.
    feature : numpy.ndarray
        Int32, shape (n_nodes,): the column that a node looks at.
    threshold : numpy.ndarray
        Float64, shape (n_nodes,): up to it, in float32, the way is to the left.
    value : numpy.ndarray
        Float64, shape (n_nodes,): share of class 1 among the training entries of a node.
    """

    elements: tuple[str, ...]
    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.value)
        if any(getattr(self, name).shape != (n,) for name in ARRAYS[1:]) or not len(self.roots):
            raise ValueError("a forest needs a tree, and one entry of every array for each node")
        inner = self.left != LEAF
        places = np.arange(n)[inner]
        # a child before its parent could lead round in a circle
        for child in (self.left[inner], self.right[inner]):
            if (child <= places).any() or (child >= n).any():
                raise ValueError("a node leads to one that is no later node")
        columns = self.feature[inner]
        if (columns < 0).any() or (columns >= len(self.elements)).any():
            raise ValueError("a node looks at a column that there is not")
        if (self.roots < 0).any() or (self.roots >= n).any():
            raise ValueError("a tree begins at a node that there is not")

    def __len__(self) -> int:
        return len(self.roots)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by their names."""
        return {name: getattr(self, name) for name in ARRAYS}

    def probabilities(self, fractions: np.ndarray) -> np.ndarray:
        """Return the probability of class 1: the mean over the trees of their leaves' shares.

        Parameters
        ----------
        fractions : numpy.ndarray
            Shape (n, m): element fractions, columns `elements`.

        Returns
        -------
        numpy.ndarray
            Float64, shape (n,).
        """
        # scikit-learn compares float32 numbers with float64 thresholds
        x = np.asarray(fractions, dtype=np.float32)
        starts = range(0, len(x), AT_ONCE)
        parts = [self._leaf_values(x[i : i + AT_ONCE]).mean(axis=1) for i in starts]
        return np.concatenate(parts) if parts else np.zeros(0)

    def of_compositions(self, compositions: Sequence[Composition]) -> np.ndarray:
        """Return the probability of class 1 of each composition, float64, shape (n,).

        An element that no training entry holds has no column; the fractions of the others are what
        they are.

        Raises
        ------
        InputError
            When a composition is empty.
        """
        if not len(compositions):
            return np.zeros(0)
        found = element_fractions({str(i): item for i, item in enumerate(compositions)})
        return self.probabilities(in_columns(found, self.elements))

    def _leaf_values(self, x: np.ndarray) -> np.ndarray:
        """Return the value of the leaf that each structure reaches in each tree."""
        nodes = np.tile(self.roots, (len(x), 1))
        rows = np.arange(len(x))[:, None]
        while (inner := self.left[nodes] != LEAF).any():
            # where a leaf is reached its column is no column, and the way ends
            columns = np.where(inner, self.feature[nodes], 0)
            below = x[rows, columns] <= self.threshold[nodes]
            onward = np.where(below, self.left[nodes], self.right[nodes])
            nodes = np.where(inner, onward, nodes)
        return self.value[nodes]


def in_columns(given: Descriptors, names: Sequence[str]) -> np.ndarray:
    """Return values in other columns, float64, shape (n, len(names)): 0 for those not given."""
    place = {name: i for i, name in enumerate(given.names)}
    values = np.zeros((len(given), len(names)))
    for column, name in enumerate(names):
        if name in place:
            values[:, column] = given.values[:, place[name]]
    return values


def grow_forest(
    fractions: Descriptors,
    labels: Mapping[str, int],
    ids: Sequence[str],
    seed: int,
    n_trees: int = N_TREES,
) -> Forest:
    """Grow the forest that stands in every table, and take its trees apart.

    Parameters
    ----------
    fractions : Descriptors
        Element fractions of at least these entries.
    labels : Mapping[str, int]
        Their classes.
    ids : sequence of str
        What is learnt from.
    seed : int
        Random state of the forest.
    n_trees : int
        Number of trees.

    Raises
    ------
    InputError
        When the entries hold a single class.
    """
    from dataclasses import replace

    from sie.models.baselines import FOREST, fit

    model = replace(FOREST, settings={**FOREST.settings, "n_estimators": n_trees})
    classes = np.array([labels[entry] for entry in ids])
    fitted = fit(model, fractions.rows_of(ids), classes, seed)
    trees = [tree.tree_ for tree in fitted.pipeline[-1].estimators_]
    counts = np.array([tree.node_count for tree in trees])
    roots = np.cumsum(counts) - counts

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees])

    shift = np.repeat(roots, counts)
    left, right = joined("children_left"), joined("children_right")
    weights = joined("value")[:, 0, :]
    return Forest(
        elements=fractions.names,
        roots=roots.astype(np.int32),
        left=np.where(left == LEAF, LEAF, left + shift).astype(np.int32),
        right=np.where(right == LEAF, LEAF, right + shift).astype(np.int32),
        feature=np.where(left == LEAF, LEAF, joined("feature")).astype(np.int32),
        threshold=np.where(left == LEAF, 0.0, joined("threshold")),
        value=weights[:, 1] / weights.sum(axis=1),
    )
