"""Records of an ensemble: its members, what it was made from, the compounds it has seen.

Records and their hashes only; how members are chosen, trained and kept lives beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from sie.datasets.record import require_name
from sie.ensemble.calibrated import Calibration
from sie.ensemble.forest import N_TREES, Forest
from sie.hashing import content_hash
from sie.models.config import TrialConfig


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes
    ----------
    cluster : int
        The left-out cluster whose search chose the configuration.
    rank : int
        Place of the configuration in that search, from 0, the winner.
    config : TrialConfig
        Hyperparameters.
    seed : int
        Of initial weights, order of structures and dropout.
    """

    cluster: int
    rank: int
    config: TrialConfig
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Return the member as plain values."""
        return {**vars(self), "config": self.config.as_dict()}


@dataclass(frozen=True)
class ForestPart:
    """A random forest on element fractions that is mixed into an ensemble.

    Attributes
    ----------
    weight : float
        What it counts, above 0 and below 1; the networks share the rest evenly.
    seed : int
        Its random state.
    n_trees : int
        Number of trees.
    """

    weight: float
    seed: int
    n_trees: int = N_TREES


@dataclass(frozen=True)
class CalibrationPart:
    """How an ensemble is calibrated on left-out clusters.

    Attributes
    ----------
    method : str
        Of `sie.ensemble.calibrated.METHODS`.
    seeds : int
        Networks of each configuration that are trained without each cluster.
    """

    method: str
    seeds: int = 1


@dataclass(frozen=True)
class Recipe:
    """Everything that determines an ensemble.

    Attributes
    ----------
    dataset, representation, level : str
        Names of the database, of the representation (CAMNS ...) and of the features (V0 ... V3);
        of the view that has the columns of all members, where these see different ones.
    dataset_hash, features_hash, hold_out_hash, clustering_hash : str
        Content hashes of what the members are trained on, of the test set kept away, and of the
        clusters that were left out.
    search_code_hash : str
        Sources that the searches ran with.
    searches : Mapping[int, str]
        Parent run of the search of each cluster.
    epochs : int
        Every member trains for so many.
    members : tuple of Member
        In the order of clusters, ranks and seeds.
    pretrained : str
        Hash of the weights that members start from; empty for cold starts.
    forest : ForestPart or None
        What is mixed in; None for networks alone, as in the article.
    calibration : CalibrationPart or None
        How probabilities are calibrated; None for raw ones.
    """

    dataset: str
    representation: str
    level: str
    dataset_hash: str
    features_hash: str
    hold_out_hash: str
    clustering_hash: str
    search_code_hash: str
    searches: Mapping[int, str]
    epochs: int
    members: tuple[Member, ...]
    pretrained: str = ""
    forest: ForestPart | None = None
    calibration: CalibrationPart | None = None

    @property
    def seen_as(self) -> str:
        """Name of the view that features are computed as, such as CAMNS-V1."""
        return f"{self.representation}-{self.level}"

    @cached_property
    def hash(self) -> str:
        """Content hash: two recipes with equal hashes are the same ensemble."""
        return content_hash("recipe-1", self.as_dict())

    @property
    def of_networks(self) -> Recipe:
        """The recipe of the networks alone, which other recipes may share."""
        return replace(self, forest=None, calibration=None)

    def mixed_p_si(self, networks: np.ndarray, forest: np.ndarray | None) -> np.ndarray:
        """Return P_SI before calibration from the networks' mean and the forest's probability."""
        if self.forest is None or forest is None:
            return networks
        return (1 - self.forest.weight) * networks + self.forest.weight * forest

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as values that JSON can hold."""
        plain = {**vars(self)}
        plain.pop("hash", None)  # where cached_property keeps it
        # what is not there leaves no trace: recipes without it keep their hash
        for name in _PARTS:
            if (part := plain.pop(name)) is not None:
                plain[name] = {**vars(part)}
        plain["searches"] = {str(cluster): run for cluster, run in self.searches.items()}
        plain["members"] = [member.as_dict() for member in self.members]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `as_dict` wrote down.

        Raises
        ------
        InputError
            When the dataset's name could lead out of the folder of results.
        """
        require_name(str(plain["dataset"]), "recipe of the ensemble")
        members = tuple(
            Member(**{**item, "config": TrialConfig.from_mapping(item["config"])})
            for item in plain["members"]
        )
        searches = {int(cluster): run for cluster, run in plain["searches"].items()}
        parts = {name: kind(**plain[name]) for name, kind in _PARTS.items() if name in plain}
        return cls(**{**plain, "members": members, "searches": searches, **parts})


_PARTS = {"forest": ForestPart, "calibration": CalibrationPart}
"""What a recipe may have besides its networks, by field."""


@dataclass(frozen=True)
class KnownCompounds:
    """The development compounds, which candidates are compared with.

    Attributes
    ----------
    ids, formulas : tuple of str
        Shape (n,).
    labels : numpy.ndarray
        Int8, shape (n,).
    log10_sigma : numpy.ndarray
        Float64, shape (n,), sigma in S/cm; NaN where only the class is known.
    elements : tuple of str
        Shape (m,): symbols, sorted.
    fractions : numpy.ndarray
        Float64, shape (n, m): atomic fractions.
    mean_vectors : numpy.ndarray
        Float64, shape (n, d): mean atom vector of each compound over the sites of its cell.
    """

    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    labels: np.ndarray
    log10_sigma: np.ndarray
    elements: tuple[str, ...]
    fractions: np.ndarray
    mean_vectors: np.ndarray

    def __post_init__(self) -> None:
        n, m = len(self.ids), len(self.elements)
        shapes = [a.shape for a in (self.labels, self.log10_sigma, self.fractions)]
        if shapes != [(n,), (n,), (n, m)] or self.mean_vectors.shape[:1] != (n,):
            raise ValueError("ids, labels, conductivities, fractions and vectors do not fit")


@dataclass(frozen=True)
class TrainedEnsemble:
    """All that is needed to score crystals.

    Attributes
    ----------
    recipe : Recipe
        What was planned.
    members : tuple of Member
        The networks there are: those of the recipe without those that diverged.
    weights : sequence of Mapping
        For each member its float32 arrays by name, as `AtomSets.named_weights` gives them.
    known : KnownCompounds
        What the members were trained on.
    train_loss : tuple of float
        Last training loss of each member.
    left_out : tuple of str
        Members of the recipe that diverged, with the reason, in words.
    about : Mapping
        Further plain values: versions, run ids, times.
    forest : Forest or None
        What is mixed in, where the recipe has a forest.
    calibration : Calibration or None
        From raw to calibrated probabilities, where the recipe has one.
    """

    recipe: Recipe
    members: tuple[Member, ...]
    weights: Sequence[Mapping[str, np.ndarray]]
    known: KnownCompounds
    train_loss: tuple[float, ...] = ()
    left_out: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    forest: Forest | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.members):
            raise ValueError("one set of weights for each member is needed")
        if (self.forest is None) != (self.recipe.forest is None):
            raise ValueError("a forest is needed where the recipe has one, and only there")
        if (self.calibration is None) != (self.recipe.calibration is None):
            raise ValueError("a calibration is needed where the recipe has one, and only there")
