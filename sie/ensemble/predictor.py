"""`SuperionicEnsemble`: what others load to score crystals. NumPy, pymatgen and spglib are enough.

Scoring only; files live in `sie.ensemble.storage`, the MLflow registry in `sie.ensemble.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.ensemble.calibrated import Calibration
from sie.ensemble.forest import Forest
from sie.ensemble.reading import Crystals, OnError, read_structures
from sie.ensemble.record import KnownCompounds, Member, Recipe, TrainedEnsemble
from sie.ensemble.scores import Scores
from sie.ensemble.storage import group_by_shape, load_ensemble, load_megnet
from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.features.view_features import compute_view
from sie.features.views import parse_view, seen_through
from sie.features.weights import MegnetWeights, bundled_weights
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.models.forward import attention, log_odds, stack
from sie.models.shapes import row_length
from sie.structures.oxidation import prepare

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

THRESHOLD = 0.5
"""P_SI from which a crystal counts as superionic."""


@dataclass(frozen=True)
class _Group:
    """Members of one shape side by side: their places in the ensemble and stacked weights."""

    places: list[int]
    config: TrialConfig
    weights: Mapping[str, np.ndarray]


class SuperionicEnsemble:
    """Probability that a Li-containing crystal is superionic, with its spread over the members.

    Members are networks and, where the recipe has one, a random forest on element fractions: P_SI
    is the networks' mean times 1 - w, plus w times the forest's probability. Where the recipe has a
    calibration, that number is the raw one, and P_SI is what the calibration makes of it.

    Structures are pymatgen Structures, paths of CIFs or texts of CIFs, ordered or disordered:
    one, a sequence, or a mapping from id.

    Parameters
    ----------
    ensemble : TrainedEnsemble
        Its weights are stacked by shape; nothing is kept of it beyond that and the records.
    megnet : MegnetWeights, optional
        Network that makes the features; by default the one that maml ships.

    Attributes
    ----------
    classes_ : numpy.ndarray
        [0, 1], the columns of `predict_proba`; 1 is sigma >= 1e-4 S/cm at room temperature.
    recipe, members, forest, calibration, known, about
        Of the ensemble; `members` are the networks.
    """

    def __init__(self, ensemble: TrainedEnsemble, megnet: MegnetWeights | None = None) -> None:
        if not ensemble.members:
            raise InputError("the ensemble has no members; build it again")
        self.classes_ = np.array([0, 1])
        self.recipe: Recipe = ensemble.recipe
        self.members: tuple[Member, ...] = ensemble.members
        self.forest: Forest | None = ensemble.forest
        self.calibration: Calibration | None = ensemble.calibration
        self.known: KnownCompounds = ensemble.known
        self.about: Mapping[str, Any] = ensemble.about
        self.megnet = bundled_weights() if megnet is None else megnet
        self._groups = [
            _Group(places, ensemble.members[places[0]].config, _stacked(ensemble, places))
            for places in group_by_shape(ensemble.members, ensemble.weights).values()
        ]

    @classmethod
    def load(cls, source: str | Path, tracking_uri: str | None = None) -> SuperionicEnsemble:
        """Read an ensemble.

        Parameters
        ----------
        source : str or Path
            Its folder, "models:/NAME/VERSION" (or /latest, or NAME@ALIAS) in the MLflow registry,
            or "runs:/ID/ensemble".
        tracking_uri : str, optional
            Store of the registry; by default MLFLOW_TRACKING_URI, else mlruns/mlflow.db.

        Raises
        ------
        InputError
            When there is no such ensemble or its files are damaged.
        TrackingError
            When the store cannot be reached.
        """
        if not str(source).startswith(("models:/", "runs:/")):
            return cls._from_folder(Path(source))
        from sie.ensemble.registry import fetched

        with fetched(str(source), tracking_uri) as folder:
            return cls._from_folder(folder)

    @classmethod
    def _from_folder(cls, folder: Path) -> SuperionicEnsemble:
        return cls(load_ensemble(folder), load_megnet(folder))

    def __len__(self) -> int:
        return len(self.members) + (self.forest is not None)

    @property
    def words(self) -> str:
        """What it is made of, in words."""
        words = f"{len(self.members)} networks"
        if (part := self.recipe.forest) is not None:
            words += f" and a forest of {part.n_trees} trees with weight {part.weight:g}"
        if self.calibration is not None:
            words += f", calibrated ({self.calibration.method})"
        return words

    @cached_property
    def member_weights(self) -> np.ndarray:
        """What each member counts in P_SI, float64, shape (n_members,), of sum 1."""
        n = len(self.members)
        if self.recipe.forest is None:
            return np.full(n, 1 / n)
        return np.append(np.full(n, (1 - self.recipe.forest.weight) / n), self.recipe.forest.weight)

    @cached_property
    def weights_hash(self) -> str:
        """Content hash of what members and calibration have learnt: equal for equal scores."""
        parts: list[Any] = [(g.places, dict(g.weights)) for g in self._groups]
        if self.forest is not None:
            parts.append((list(self.forest.elements), self.forest.arrays))
        if self.calibration is not None:
            parts.append(self.calibration.calibrator.as_dict())
        return content_hash("weights-1", parts)

    def predict_proba(
        self, structures: Crystals, errors: OnError = "raise", raw: bool = False
    ) -> np.ndarray:
        """Return the probabilities of class 0 and class 1 (P_SI), float64, shape (n, 2).

        They are calibrated where the ensemble has a calibration and `raw` is not asked for.
        """
        scores = self.score(structures, errors)
        p_si = scores.raw if raw else scores.p_si
        return np.stack([1 - p_si, p_si], axis=1)

    def predict(self, structures: Crystals, threshold: float = THRESHOLD) -> np.ndarray:
        """Return the classes, int64, shape (n,): 1 where P_SI reaches the threshold."""
        return (self.score(structures).p_si >= threshold).astype(np.int64)

    def prediction_sets(
        self, structures: Crystals, coverage: float = 0.9, errors: OnError = "raise"
    ) -> np.ndarray:
        """Return the classes that each structure's conformal set holds, bool, shape (n, 2).

        Columns are `classes_`. Of structures like those calibrated on, at least the share
        `coverage` of either class has its class in its set; a set of both classes decides nothing.
        For unlike chemistry `calibration.worth` says what was observed.

        Parameters
        ----------
        structures, errors
            As for `score`; a structure that cannot be used has an empty set.
        coverage : float
            In (0, 1).

        Raises
        ------
        InputError
            When the ensemble has no calibration, or the coverage is out of range.
        """
        if self.calibration is None:
            raise InputError(
                "the ensemble has no calibration, so no sets: build it with --calibrate platt"
            )
        return self.calibration.prediction_sets(self.score(structures, errors).raw, coverage)

    def member_scores(self, structures: Crystals, errors: OnError = "raise") -> np.ndarray:
        """Return the probability of class 1 of every member, float64, shape (n, n_members)."""
        return self.score(structures, errors).members

    def score(self, structures: Crystals, errors: OnError = "raise") -> Scores:
        """Return P_SI, its standard deviation over the members, and the members' own scores.

        A structure's scores do not depend on what else is given, up to rounding.

        Parameters
        ----------
        structures : Crystals
            See the class.
        errors : {"raise", "nan"}
            Whether a structure that cannot be used raises, or gets NaN and a line in `refused`.

        Raises
        ------
        InputError
            Naming the structure, when it cannot be read, has no Li, or cannot be represented.
        """
        reading = read_structures(structures, errors)
        usable, refused = dict(reading.structures), dict(reading.refused)
        try:
            features = self.features(usable) if usable else None
        except Exception:  # one bad structure of many; which one is found below
            if errors == "raise":
                raise
            features = self._features_one_by_one(usable, refused)
        members = np.full((len(reading.ids), len(self)), np.nan)
        if features is not None:
            place = {entry: i for i, entry in enumerate(reading.ids)}
            compositions = [usable[entry].composition for entry in features.ids]
            scored = self._probabilities(features, compositions)
            members[[place[entry] for entry in features.ids]] = scored
        return self._scores(reading.ids, members, refused)

    def features(self, structures: Mapping[str, Structure]) -> OrbitFeatures:
        """Return features as the members were trained on, oxidation states found on the way.

        Raises
        ------
        InputError
            Naming the id, when a crystal cannot be represented or holds an unknown element.
        """
        decorated, _ = prepare(structures)
        return compute_view(decorated, parse_view(self.recipe.seen_as), self.megnet)

    def score_features(
        self, features: OrbitFeatures, compositions: Sequence[Composition] | None = None
    ) -> Scores:
        """Return the scores of structures whose features are at hand.

        Parameters
        ----------
        features : OrbitFeatures
            Of the structures as the recipe represents them.
        compositions : sequence of Composition, optional
            Of the structures themselves, in the order of the features; a forest needs them.

        Raises
        ------
        InputError
            When the rows have another length than those the members were trained on, or
            compositions are missing.
        """
        return self._scores(features.ids, self._probabilities(features, compositions))

    def attention(self, features: OrbitFeatures) -> np.ndarray:
        """Return what share of its structure each row has in the last readout round.

        Returns
        -------
        numpy.ndarray
            Float64, shape (n_networks, n_rows); the rows of a structure sum to 1.
        """
        return self._by_network(attention, features)

    def _scores(
        self, ids: tuple[str, ...], members: np.ndarray, refused: Mapping[str, str] | None = None
    ) -> Scores:
        weights = None if self.forest is None else self.member_weights
        return Scores.of(ids, members, refused, weights, self.calibration)

    def _features_one_by_one(
        self, usable: Mapping[str, Structure], refused: dict[str, str]
    ) -> OrbitFeatures | None:
        """Return the features of those that have any, and list the others as refused."""
        good = {}
        for entry, structure in usable.items():
            try:
                self._require_features(entry, structure)
                good[entry] = structure
            except InputError as error:
                refused[entry] = str(error).removeprefix(f"structure {entry}: ")
        return self.features(good) if good else None

    def _require_features(self, entry: str, structure: Structure) -> None:
        try:
            self.features({entry: structure})
        except InputError:
            raise
        except Exception as error:  # what pymatgen and spglib raise is not one kind
            raise InputError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error

    def _probabilities(
        self, features: OrbitFeatures, compositions: Sequence[Composition] | None
    ) -> np.ndarray:
        """Return the probability of class 1, float64, shape (n_structures, n_members)."""
        odds = self._by_network(log_odds, features)
        networks = np.ascontiguousarray((0.5 * (1 + np.tanh(0.5 * odds))).T)
        if self.forest is None:
            return networks
        if compositions is None or len(compositions) != len(features):
            raise InputError(
                "the ensemble holds a forest on element fractions: give the composition of each "
                "structure beside its features"
            )
        return np.column_stack([networks, self.forest.of_compositions(compositions)])

    def _by_network(
        self, function: Callable[..., np.ndarray], features: OrbitFeatures
    ) -> np.ndarray:
        """Return what `function` gives for each network, its shapes run one after the other."""
        parts = [
            function(group.weights, group.config, self._seen(features, group))
            for group in self._groups
        ]
        result = np.empty((len(self.members), parts[0].shape[1]))
        for group, part in zip(self._groups, parts, strict=True):
            result[group.places] = part
        return result

    def _seen(self, features: OrbitFeatures, group: _Group) -> OrbitFeatures:
        """Return the columns that the networks of a group were trained on."""
        view, takes = group.config.view, row_length(group.weights, group.config, 1)
        whole = self.recipe.seen_as
        wanted = parse_view(whole).dimension if view else takes
        if features.dimension != wanted:
            raise InputError(
                f"features have rows of {features.dimension} numbers, the ensemble takes {whole} "
                f"({wanted}); compute them with the ensemble's features()"
            )
        return seen_through(features, whole, view)


def _stacked(ensemble: TrainedEnsemble, places: Iterable[int]) -> dict[str, np.ndarray]:
    return stack([ensemble.weights[place] for place in places])
