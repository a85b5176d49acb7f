"""Comparisons in MLflow: a parent run for every system, a child for every split and seed.

Says what is recorded under which name, and finds again what an earlier start has recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sie.comparison.record import SCORES, Evaluation, SystemResults
from sie.comparison.systems import System
from sie.errors import InputError
from sie.hashing import content_hash
from sie.splits.record import Split
from sie.tracking.environment import ROOMS_OF_NUMBERS, code_hash, environment_tags
from sie.tracking.queries import StoredRun, children, read_text, search
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

PARENT_PHASE = "system"
ARTIFACT = "evaluation.json"
_ROOMS = tuple(room for room in ROOMS_OF_NUMBERS if room != "search")


class SystemRecord:
    """The runs of one system on some splits; goes on with those of an earlier start.

    Parameters
    ----------
    recorder : Recorder
        Writes into the experiment.
    system : System
        Found again by its hash, the splits' hashes and the code.
    splits : sequence of Split
        What it is evaluated on.
    marks : Mapping
        Tags of every run: dataset_hash, hold_out_hash and the like.

    Attributes
    ----------
    run_id : str
        The parent run.
    done : dict
        Evaluations by (split, repeat) that are recorded.
    """

    def __init__(
        self,
        recorder: Recorder,
        system: System,
        splits: Sequence[Split],
        marks: Mapping[str, Any],
    ) -> None:
        self._recorder, self._system = recorder, system
        self._splits = {split.name: split for split in splits}
        hashes = sorted(split.hash for split in splits)
        parts = system.name, system.hash, hashes, code_hash(_ROOMS)
        self._hash = content_hash("comparison-2", *parts)
        self._marks = {**marks, "plan_hash": self._hash, "system": system.name}
        self.done: dict[tuple[str, int], Evaluation] = {}
        self.run_id = self._open()

    def write(self, evaluation: Evaluation, random_seed: int) -> None:
        """Record one evaluation; one that failed is evaluated again by the next start."""
        split, system = self._splits[evaluation.split], self._system
        key = f"{split.name}-seed-{evaluation.seed:02d}"
        tags = {
            **self._marks,
            **{name: split.method[name] for name in ("cluster", "fold") if name in split.method},
            "phase": system.kind,
            "split": split.name,
            "split_hash": split.hash,
            "seed": evaluation.seed,
            "random_seed": random_seed,
        }
        params = {**system.params, **evaluation.settings}
        run_id = self._recorder.open_run(key, f"{system.name} {key}", tags, params, self.run_id)
        self._recorder.save_json(run_id, evaluation.to_plain(), ARTIFACT)
        metrics = {f"val_{name}": value for name, value in evaluation.scores.items()}
        metrics |= {"seconds": evaluation.seconds}
        # a metric is a curve or a number: the last values of a curve are not the score
        curves = dict(evaluation.curves)
        metrics = {k if k not in curves else f"{k}_score": v for k, v in metrics.items()}
        self._recorder.close_run(run_id, evaluation.status, evaluation.reason, curves, metrics)
        self.done[evaluation.split, evaluation.seed] = evaluation

    def interrupt(self, reason: str) -> None:
        """Mark the parent as stopped; what is recorded below it is found by the next start."""
        self._recorder.close_run(self.run_id, TrialStatus.INTERRUPTED, reason)

    def close(self, n_repeats: int) -> SystemResults:
        """End the parent with the means over its evaluations, and return these.

        Repeats that only an earlier start asked for stay recorded, but do not count here.
        """
        order = {name: i for i, name in enumerate(self._splits)}
        asked = [item for item in self.done.values() if item.seed < n_repeats]
        ranked = sorted(asked, key=lambda item: (order[item.split], item.seed))
        self._recorder.log(self.run_id, metrics=_means(ranked))
        self._recorder.close_run(self.run_id, TrialStatus.COMPLETED)
        return SystemResults(self._system.name, self._system.kind, self.run_id, tuple(ranked))

    def _open(self) -> str:
        query = f"tags.plan_hash = '{self._hash}' and tags.phase = '{PARENT_PHASE}'"
        earlier = search(self._recorder.store, [self._recorder.experiment_id], query)
        if earlier:
            self._read(earlier[0])
            self._recorder.reopen_run(earlier[0].run_id)
            return earlier[0].run_id
        tags = {**self._marks, "phase": PARENT_PHASE, "kind": self._system.kind}
        return self._recorder.open_run(
            self._hash, self._system.name, {**tags, **environment_tags()}, self._system.params
        )

    def _read(self, parent: StoredRun) -> None:
        store = self._recorder.store
        for run in children(store, self._recorder.experiment_id, parent.run_id):
            if run.ended not in (None, TrialStatus.FAILED, TrialStatus.INTERRUPTED):
                evaluation = _artifact(self._recorder, run)
                self.done[evaluation.split, evaluation.seed] = evaluation


def _artifact(recorder: Recorder, run: StoredRun) -> Evaluation:
    text = read_text(recorder.store, run.run_id, ARTIFACT)
    try:
        return Evaluation.from_plain(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"run {run.run_id}: its artifact {ARTIFACT} is damaged; delete the run and start again"
        ) from error


def _means(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    """Return the mean over splits of each score's mean over seeds."""
    means = {}
    for score in SCORES:
        by_split: dict[str, list[float]] = {}
        for item in evaluations:
            by_split.setdefault(item.split, []).append(item.scores.get(score, np.nan))
        known = [np.nanmean(v) for v in by_split.values() if not np.isnan(v).all()]
        if known:
            means[f"val_{score}"] = float(np.mean(known))
    return means
