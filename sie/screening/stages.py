"""What is computed for every candidate, stage by stage with its time: from a shard to its results.

One process, one thread; where shards are screened lives in `pipeline`, what is made of the results
in `ranking`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sie.features.composition import element_fractions
from sie.features.pooled import pooled
from sie.features.record import OrbitFeatures
from sie.features.view_features import Shown, features_of_represented, represented
from sie.features.views import parse_view
from sie.screening.attempts import Failed, attempt
from sie.screening.distance import TrainingDistance
from sie.screening.intermetallic import is_intermetallic, lacks_anion_former
from sie.screening.novelty import novelty, shared_columns
from sie.screening.record import (
    GIVEN,
    PREDICTED,
    STAGES,
    Entry,
    Reader,
    Reject,
    Shard,
    ShardResult,
    result_schema,
)
from sie.structures.oxidation import assign_oxidation_states

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

    from sie.ensemble.predictor import SuperionicEnsemble
    from sie.ensemble.scores import Scores
    from sie.features.band_gap import BandGapModel

GROUP = 100
"""Crystals that are objects at the same time."""

NOVELTY_TOLERANCE = 0.05
"""Of the novelty filter (10.1039/d5dd00052a)."""

MAP_COMPONENTS = 2

Value = TypeVar("Value")


@dataclass(frozen=True)
class Models:
    """What candidates are judged with.

    Attributes
    ----------
    ensemble : SuperionicEnsemble
        Scores, and the compounds it has seen.
    band_gap : BandGapModel or None
        For entries without a band gap; None leaves them without.
    given_gaps : bool
        Whether band gaps of the source are used.
    novelty_tolerance : float
        Largest difference of element fractions from a known compound that is not novel.
    """

    ensemble: SuperionicEnsemble
    band_gap: BandGapModel | None = None
    given_gaps: bool = True
    novelty_tolerance: float = NOVELTY_TOLERANCE


class Screener:
    """Screens shards with one set of models.

    Parameters
    ----------
    models : Models
        Used as they are; nothing is copied.
    """

    def __init__(self, models: Models) -> None:
        from threadpoolctl import threadpool_limits

        # one thread a worker: there is a worker a core
        threadpool_limits(1)
        # spglib writes to the screen where it falls back to a tighter tolerance; all is well then
        os.environ.setdefault("SPGLIB_WARNING", "OFF")
        self.models = models
        self._ensemble = models.ensemble
        self._view = parse_view(models.ensemble.recipe.seen_as)
        self._distance = TrainingDistance.fit(models.ensemble.known.mean_vectors)
        self._seconds: dict[str, float] = {}

    def screen(self, shard: Shard, reader: Reader) -> ShardResult:
        """Screen the entries of a shard; a bad one costs a line among the rejects.

        Raises
        ------
        SieError
            When the source itself cannot be read any more.
        """
        import pyarrow as pa

        self._seconds = dict.fromkeys(STAGES, 0.0)
        rows: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        entries = iter(reader.read(shard))
        while group := self._read(entries):
            rows += self._group(group, rejects)
        schema = result_schema(self._ensemble.calibration is not None)
        table = pa.Table.from_pylist(rows, schema=schema)
        return ShardResult(shard.number, table, tuple(rejects), dict(self._seconds))

    def _read(self, entries: Iterator[Entry]) -> list[Entry]:
        with self._timing("reading"):
            return list(islice(entries, GROUP))

    def _group(self, group: Sequence[Entry], rejects: list[Reject]) -> list[dict[str, Any]]:
        """Screen some entries; return the rows of those that have a score."""
        reasons = {entry.place: entry.reason for entry in group if entry.structure is None}
        given = {entry.place: entry.structure for entry in group if entry.structure is not None}
        for place, structure in given.items():
            if not structure.composition.get_el_amt_dict().get("Li"):
                reasons[place] = "holds no lithium"
        with self._timing("representation"):
            shown = self._represented(_without(given, reasons), reasons)
        with self._timing("features"):
            features = self._features(shown, reasons)
        rows: list[dict[str, Any]] = []
        if features is not None:
            rows = self._rows([e for e in group if e.place not in reasons], features, reasons)
        rejects += [Reject(e.place, e.id, e.file, reasons[e.place]) for e in group
                    if e.place in reasons]  # fmt: skip
        return rows

    def _represented(self, structures: Mapping[int, Structure], reasons: dict[int, str]) -> Shown:
        def show(place: int) -> tuple[Structure, ...]:
            decorated, _ = assign_oxidation_states(structures[place])
            return represented({"": decorated}, self._view)[""]

        return {str(k): v for k, v in _each(structures, show, reasons).items()}

    def _features(self, shown: Shown, reasons: dict[int, str]) -> OrbitFeatures | None:
        """Compute a group at once; where one of it fails, each on its own."""
        megnet, view = self._ensemble.megnet, self._view
        try:
            return attempt(lambda: features_of_represented(shown, view, megnet))
        except Failed:
            good = _each(
                [int(key) for key in shown],
                lambda place: features_of_represented({"": shown[str(place)]}, view, megnet),
                reasons,
            )
        sound = {str(place): shown[str(place)] for place in good}
        return features_of_represented(sound, view, megnet) if sound else None

    def _rows(
        self, entries: Sequence[Entry], features: OrbitFeatures, reasons: dict[int, str]
    ) -> list[dict[str, Any]]:
        with self._timing("scoring"):
            scores = self._ensemble.score_features(features, _compositions(entries))
        for place, p_si in zip(features.ids, scores.p_si, strict=True):
            if not np.isfinite(p_si):
                reasons[int(place)] = "its score is no number"
        with self._timing("band_gap"):
            gaps = self._gaps([entry for entry in entries if entry.place not in reasons])
        with self._timing("comparison"):
            compared = self._compared(entries, features)
        rows = []
        for entry, judged in zip(entries, self._judged(scores), strict=True):
            if entry.place in reasons:
                continue
            gap, origin = gaps[entry.place]
            row = {**compared[entry.place], **judged}
            rows.append({**row, "band_gap_eV": gap, "band_gap_from": origin})
        return rows

    def _judged(self, scores: Scores) -> list[dict[str, Any]]:
        """Return the columns of each structure that hold what the ensemble says."""
        columns: dict[str, Any] = {"p_si": scores.p_si.tolist(), "p_si_sd": scores.sd.tolist()}
        if (calibration := self._ensemble.calibration) is not None:
            columns["p_si_raw"] = scores.raw.tolist()
            columns |= calibration.set_words(scores.raw)
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _gaps(self, entries: Sequence[Entry]) -> dict[int, tuple[float, str]]:
        """Return the band gap of every entry and where it is from; NaN and "" for none."""
        gaps: dict[int, tuple[float, str]] = {}
        missing: dict[str, Structure] = {}
        for entry in entries:
            given = self.models.given_gaps and math.isfinite(entry.band_gap)
            gaps[entry.place] = (entry.band_gap, GIVEN) if given else (math.nan, "")
            if not given and entry.structure is not None:
                missing[str(entry.place)] = entry.structure
        if self.models.band_gap is None or not missing:
            return gaps
        found = _each_or_all(missing, self.models.band_gap.gaps_eV)
        gaps |= {int(k): (float(v), PREDICTED) for k, v in found.items() if np.isfinite(v)}
        return gaps

    def _compared(
        self, entries: Sequence[Entry], features: OrbitFeatures
    ) -> dict[int, dict[str, Any]]:
        """Return what compares candidates with the training compounds, and what they are."""
        known = self._ensemble.known
        vectors = pooled(features).values[:, : features.dimension]
        distance = self._distance.of(vectors)
        on_map = self._distance.project(vectors)[:, :MAP_COMPONENTS]
        structures = [e.structure for e in entries if e.structure is not None]
        ours, theirs = self._fractions(_compositions(entries))
        judged = novelty(ours, theirs, self.models.novelty_tolerance)
        closest, deviation = closest_known(ours, theirs, judged.alike)
        rows = {}
        for i, (entry, structure) in enumerate(zip(entries, structures, strict=True)):
            rows[entry.place] = {
                "place": entry.place,
                "id": entry.id,
                "file": entry.file,
                **_description(structure),
                "novel": bool(judged.novel[i]),
                "closest_known": known.formulas[closest[i]],
                "closest_known_id": known.ids[closest[i]],
                "closest_deviation": float(deviation[i]),
                "d_training": float(distance[i]),
                "pc1": float(on_map[i, 0]),
                "pc2": float(on_map[i, 1]) if on_map.shape[1] > 1 else 0.0,
            }
        return rows

    def _fractions(self, compositions: Sequence[Composition]) -> tuple[np.ndarray, np.ndarray]:
        """Return element fractions of candidates and of known compounds, in the same columns."""
        known = self._ensemble.known
        found = element_fractions({str(i): item for i, item in enumerate(compositions)})
        return shared_columns(found.names, found.values, known.elements, known.fractions)

    @contextmanager
    def _timing(self, stage: str) -> Iterator[None]:
        # this thread's CPU time: other processes on the machine do not count
        began = time.thread_time()
        try:
            yield
        finally:
            self._seconds[stage] += time.thread_time() - began


def closest_known(
    candidates: np.ndarray, known: np.ndarray, alike: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the known compound whose composition is nearest to each candidate's.

    Parameters
    ----------
    candidates, known : numpy.ndarray
        Element fractions, shapes (n, m) and (k, m).
    alike : numpy.ndarray
        Int64, shape (n,): rows that are taken instead where they are not negative, those that the
        novelty rule names.

    Returns
    -------
    numpy.ndarray
        Int64, shape (n,): its row; the first of several.
    numpy.ndarray
        Float64, shape (n,): the largest difference of a fraction.
    """
    rows = np.empty(len(candidates), dtype=np.int64)
    deviations = np.empty(len(candidates))
    for i, candidate in enumerate(candidates):  # one at a time: k x m numbers of memory
        differences = np.abs(known - candidate).max(axis=1)
        rows[i] = alike[i] if alike[i] >= 0 else differences.argmin()
        deviations[i] = differences[rows[i]]
    return rows, deviations


def _compositions(entries: Sequence[Entry]) -> list[Composition]:
    return [entry.structure.composition for entry in entries if entry.structure is not None]


def _description(structure: Structure) -> dict[str, Any]:
    composition = structure.composition.element_composition
    return {
        "formula": composition.formula.replace(" ", ""),
        "reduced_formula": composition.reduced_formula,
        "n_sites": len(structure),
        "ordered": bool(structure.is_ordered),
        "intermetallic": is_intermetallic(composition),
        "lacks_anion_former": lacks_anion_former(composition),
    }


def _each_or_all(
    structures: Mapping[str, Structure],
    compute: Callable[[Mapping[str, Structure]], Mapping[str, float]],
) -> dict[str, float]:
    """Compute for all at once; where one fails, for each alone, and leave out what fails."""
    try:
        return dict(attempt(lambda: compute(structures)))
    except Failed:
        found: dict[int, Mapping[str, float]] = _each(
            [int(key) for key in structures], lambda k: compute({str(k): structures[str(k)]}), {}
        )
    return {key: gap for one in found.values() for key, gap in one.items()}


def _each(
    places: Sequence[int] | Mapping[int, Any],
    compute: Callable[[int], Value],
    reasons: dict[int, str],
) -> dict[int, Value]:
    """Compute for each place; what is raised becomes a reason."""
    found = {}
    for place in places:
        try:
            found[place] = attempt(partial(compute, place))
        except Failed as failure:
            reasons[place] = failure.reason
    return found


def _without(given: Mapping[int, Structure], reasons: Mapping[int, str]) -> dict[int, Structure]:
    return {place: structure for place, structure in given.items() if place not in reasons}
