"""The baselines and controls on the test set: learnt from the development entries, scored once.

Vectors of both parts and what learns from them; the models are those of `sie.models`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.comparison.systems import BaselineSystem
from sie.features.cache import cached_features
from sie.features.composition import composition_statistics, element_fractions
from sie.features.descriptors import Descriptors
from sie.features.pooled import pooled
from sie.features.sendek_cache import cached_sendek
from sie.models.baselines import BASELINES, Inputs
from sie.search.problem import DevelopmentData
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import Split
from sie.structures.representations import Representation

if TYPE_CHECKING:
    from pymatgen.core import Structure

POOLED = (Representation.CAMN, 1)
"""What the pooled baselines see, as in every other table."""

FALLBACK = "forest-fractions"
"""The reference where no cluster can be left out."""

SEED = 0


@dataclass(frozen=True)
class BaselinePredictions:
    """What a baseline says of the test structures.

    Attributes
    ----------
    probabilities : numpy.ndarray
        Float64, shape (n_test,).
    settings : Mapping
        What it chose on the development entries.
    """

    probabilities: np.ndarray
    settings: Mapping[str, Any]


def vectors(crystals: Mapping[str, Structure], names: Sequence[str]) -> dict[Inputs, Descriptors]:
    """Return what the named baselines learn from; crystals carry oxidation states."""
    compositions = {
        entry: crystal.composition.element_composition for entry, crystal in crystals.items()
    }
    makers: dict[Inputs, Callable[[], Descriptors]] = {
        Inputs.SENDEK: lambda: cached_sendek(crystals),
        Inputs.FRACTIONS: lambda: element_fractions(compositions),
        Inputs.STATISTICS: lambda: composition_statistics(compositions),
        Inputs.POOLED: lambda: pooled(cached_features(crystals, *POOLED)),
    }
    return {kind: makers[kind]() for kind in dict.fromkeys(BASELINES[n].inputs for n in names)}


def joined(development: Descriptors, test: Descriptors) -> Descriptors:
    """Return both parts with the columns of development.

    A column that only test has, such as the fraction of an element that nothing to learn from
    holds, is dropped; one that test lacks is 0 there.
    """
    place = {name: i for i, name in enumerate(test.names)}
    values = np.zeros((len(test), len(development.names)))
    for column, name in enumerate(development.names):
        if name in place:
            values[:, column] = test.values[:, place[name]]
    return Descriptors(
        development.ids + test.ids, development.names, np.concatenate([development.values, values])
    )


def choose_reference(
    data: DevelopmentData,
    inputs: Mapping[Inputs, Descriptors],
    names: Sequence[str] = tuple(BASELINES),
    stage: Callable[[str], None] = lambda text: None,
) -> tuple[str, dict[str, float]]:
    """Return the baseline to compare with, and the scores that choose it.

    It is the one with the highest mean AUC-PR over left-out clusters of the development entries, so
    that the test set has no part in the choice.

    Parameters
    ----------
    data : DevelopmentData
        Labels and clusters.
    inputs : Mapping
        Vectors of at least the development entries.
    names : sequence of str
        Of `BASELINES`.
    stage : callable
        Told what is being done.

    Returns
    -------
    str, dict of str to float
        The name; mean AUC-PR by name, empty where no cluster holds both classes.
    """
    counts = usable_clusters(data.clustering, data.labels)
    splits = [loco_split(data.clustering, c.cluster, data.labels) for c in counts if c.usable]
    if not splits:
        return (FALLBACK if FALLBACK in names else names[0]), {}
    members = zip(data.clustering.ids, data.clustering.labels, strict=True)
    groups = {entry: int(number) for entry, number in members}
    means = {}
    for name in names:
        stage(f"leaving clusters out: {name}")
        system = _system(name, inputs, data.labels, groups)
        scores = [system.evaluate(split, SEED, None).scores["auc_pr"] for split in splits]
        means[name] = float(np.mean(scores))
    return max(means, key=means.__getitem__), means


def predict_test(
    name: str, inputs: Mapping[Inputs, Descriptors], labels: Mapping[str, int], split: Split
) -> BaselinePredictions:
    """Learn from the development entries and predict the test set.

    Parameters
    ----------
    name : str
        Of `BASELINES`.
    inputs : Mapping
        Vectors of both parts (`joined`).
    labels : Mapping[str, int]
        Of both parts; those of the test set are not learnt from.
    split : Split
        Development ids as training, test ids as validation.
    """
    found = _system(name, inputs, labels).evaluate(split, SEED, None)
    probabilities = np.array([found.probabilities[entry] for entry in split.validation])
    return BaselinePredictions(probabilities, {"seed": SEED, **found.settings})


def _system(
    name: str,
    inputs: Mapping[Inputs, Descriptors],
    labels: Mapping[str, int],
    groups: Mapping[str, int] | None = None,
) -> BaselineSystem:
    chosen = BASELINES[name]
    return BaselineSystem(name, chosen.model, inputs[chosen.inputs], labels, groups)
