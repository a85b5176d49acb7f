"""What an ended search says of itself: winner, ranks of its runs, metrics, what MLflow shows.

Handed to the writer of `sie.search.recording`, which tries until the store takes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sie.search.places import FIRST, places, scores
from sie.search.record import SearchOutcome, TrialTask
from sie.search.selection import PENALTY, RepeatedConfig, SelectionRule
from sie.tracking.queries import children
from sie.tracking.recorder import Recorder
from sie.tracking.views import NO_PAGE, Page
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Ending:
    """The end of a search, to be written once the store takes it.

    Attributes
    ----------
    outcome : SearchOutcome
        What was found.
    rule : SelectionRule
        How curves were ranked.
    positive_fraction : float
        Of the validation cluster.
    page : Page
        What MLflow's pages show of the search.
    """

    outcome: SearchOutcome
    rule: SelectionRule
    positive_fraction: float
    page: Page = NO_PAGE

    def write(self, recorder: Recorder, run_of: Callable[[TrialTask], str]) -> None:
        """Write all of it; done twice, it leaves what it leaves when it is done once.

        Parameters
        ----------
        recorder : Recorder
            Writes into the search's experiment.
        run_of : callable
            Returns the run of a trial.
        """
        outcome, parent = self.outcome, self.outcome.run_id
        if self.page.note:
            recorder.describe(parent, self.page.note)
        for view in self.page.views:
            recorder.save_view(view)
        if outcome.winner is not None:
            recorder.save_json(parent, winner_record(outcome.winner), "winner.json")
        ranking = {"ranking": [winner_record(item) for item in outcome.judged]}
        recorder.save_json(parent, ranking, "repeats.json")
        if not outcome.interrupted:
            self._write_places(recorder, run_of)
        metrics = parent_metrics(outcome, self.positive_fraction)
        recorder.log(parent, metrics={**metrics, "mlflow_seconds": recorder.seconds})
        # last: until then the search counts as unfinished
        status = TrialStatus.INTERRUPTED if outcome.interrupted else TrialStatus.COMPLETED
        recorder.close_run(parent, status)

    def _write_places(self, recorder: Recorder, run_of: Callable[[TrialTask], str]) -> None:
        outcome = self.outcome
        below = children(recorder.store, recorder.experiment_id, outcome.run_id)
        written = {run.run_id: run.metrics for run in below}
        found = places(outcome, self.rule)
        for ended in (*outcome.searched, *outcome.repeated):
            run_id = run_of(ended.task)
            if run_id not in written:
                continue  # somebody has deleted it
            # one that failed has no score before the search gives it up
            wanted = {**scores(ended, self.rule), "rank": float(found[ended.task.key])}
            known = written[run_id]
            if new := {name: v for name, v in wanted.items() if known.get(name) != v}:
                recorder.log(run_id, metrics=new)


def parent_metrics(outcome: SearchOutcome, positive_fraction: float) -> dict[str, float]:
    """Return the metrics of a search's parent run.

    Parameters
    ----------
    outcome : SearchOutcome
        What was found.
    positive_fraction : float
        Of the validation cluster: the AUC-PR of a constant prediction.
    """
    ends, use = Counter(trial.result.status for trial in outcome.searched), outcome.time
    metrics = {f"trials_{status}": float(count) for status, count in ends.items()}
    metrics |= {
        "positive_fraction": positive_fraction,
        "workers": float(use.workers),
        "wall_seconds": use.wall,
        "starting_seconds": use.starting,
        "search_seconds": use.search.wall,
        "repeats_seconds": use.repeats.wall,
        "efficiency": use.efficiency,
        "search_efficiency": use.search_efficiency,
        "setup_share": use.setup_share,
        "tracking_share": use.tracking_share,
    }
    return metrics if outcome.interrupted else metrics | _best(outcome)


def _best(outcome: SearchOutcome) -> dict[str, float]:
    """Return the winner's scores; without one the best trial's, which has no `best_epoch` here."""
    if (winner := outcome.winner) is None:
        best = max((item.objective for item in outcome.top), default=PENALTY)
        return {"best_val_auc_pr": best, "rank": float(FIRST)}
    return {
        "best_val_auc_pr": winner.mean,
        "best_val_auc_pr_sd": winner.sd,
        "best_epoch": winner.window.centre,
        "best_val_mcc": winner.scores.get("val_mcc", float("nan")),
        # a parent stands for its winner: `metrics.rank = 1` finds both
        "rank": float(FIRST),
    }


def winner_record(item: RepeatedConfig) -> dict[str, Any]:
    """Return a judged configuration as plain values."""
    return {
        "config": item.config.as_dict(),
        "config_hash": item.config.hash,
        "val_auc_pr_mean": item.mean,
        "val_auc_pr_sd": item.sd,
        "val_auc_pr_values": list(item.values),
        "scores": dict(item.scores),
        "best_epoch": item.window.centre,
        "window": [item.window.first_epoch, item.window.last_epoch],
        "n_diverged": item.n_diverged,
        "n_failed": item.n_failed,
    }
