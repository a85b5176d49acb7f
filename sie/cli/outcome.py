"""What a search leaves behind for people: documents and figures in MLflow, lines on the screen.

Shows results and decides nothing; the command itself is in `sie.cli.loco`.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sie.reporting.console import describe_config, mean_sd, repeats_table, time_line
from sie.reporting.search_note import begun_note, search_note
from sie.reporting.search_views import search_views
from sie.search.differences import SPACE_FILE
from sie.search.plan import SearchPlan
from sie.search.problem import LearningProblem
from sie.search.record import SearchOutcome
from sie.search.selection import RepeatedConfig
from sie.splits.archive import save_hold_out, save_splits
from sie.splits.leakage import LeakageReport
from sie.splits.record import HoldOut, Split
from sie.tracking.inputs import DataInput
from sie.tracking.recorder import Recorder
from sie.tracking.views import Page


@dataclass(frozen=True)
class Prepared:
    """Data that is ready to be searched."""

    problem: LearningProblem
    held: HoldOut
    test_leakage: LeakageReport


def document(
    recorder: Recorder,
    run_id: str,
    prepared: Prepared,
    split: Split,
    plan: SearchPlan,
    command: str,
) -> None:
    """Keep what the search is made from as artifacts of its parent run, before the first trial."""
    problem = prepared.problem
    recorder.describe(run_id, begun_note(plan, command))
    leaks = {
        "split": problem.leakage(split).as_dict(),
        "test": prepared.test_leakage.as_dict(),
    }
    recorder.save_json(run_id, {**plan.as_dict(), "plan_hash": plan.hash}, "plan.json")
    recorder.save_json(run_id, plan.space.as_dict(), SPACE_FILE)
    recorder.save_json(run_id, problem.report.as_dict(), "dataset.json")
    recorder.save_text(run_id, problem.report.to_markdown(), "dataset.md")
    recorder.save_json(run_id, leaks, "leakage.json")
    with tempfile.TemporaryDirectory() as folder:
        splits, held = Path(folder) / "splits.json", Path(folder) / "hold_out.json"
        save_splits(splits, [split], problem.clustering, problem.hold_out_hash)
        save_hold_out(held, prepared.held)
        recorder.save_file(run_id, splits)
        recorder.save_file(run_id, held)


def draw(
    recorder: Recorder,
    problem: LearningProblem,
    floor: float,
    plan: SearchPlan,
    outcome: SearchOutcome,
) -> tuple[str, ...]:
    """Draw the search's figures, keep them in its parent run, and return their names."""
    import matplotlib.pyplot as plt

    from sie.reporting import search_figures as figures

    drawn = {
        "learning_curves": figures.learning_curves(
            outcome.searched, plan.rule, floor, plan.budget.rungs
        ),
        "search_progress": figures.search_progress(outcome.searched, floor),
        "clusters": figures.cluster_map(problem.clustering, problem.labels, plan.cluster),
    }
    if outcome.judged:
        objectives = {item.config.hash: item.objective for item in outcome.top}
        drawn["repeats"] = figures.repeats(outcome.judged, objectives, floor)
    for name, figure in drawn.items():
        if figure is not None:
            recorder.save_figure(outcome.run_id, figure, name)
            plt.close(figure)
    return tuple(name for name, figure in drawn.items() if figure is not None)


def data_input(prepared: Prepared, plan: SearchPlan, source: str) -> DataInput:
    """Return the dataset as the input of a search's runs."""
    report = prepared.problem.report
    profile = {
        "entries": report.entries,
        "superionic": report.positive,
        "kept away as test set": len(prepared.held.test),
    }
    context = f"cluster {plan.cluster} left out"
    return DataInput(plan.dataset, plan.dataset_hash, source, context, profile)


def page(
    recorder: Recorder,
    plan: SearchPlan,
    outcome: SearchOutcome,
    floor: float,
    figures: Sequence[str],
    command: str,
) -> Page:
    """Return what MLflow's pages show of an ended search."""
    views = search_views(plan, outcome.run_id)
    addresses = {view.name: view.address(recorder.experiment_id) for view in views}
    winner = outcome.winner
    remark = _no_winner(plan, outcome) if winner is None else weakness(winner, floor)
    note = search_note(plan, outcome, floor, figures, addresses, command, remark)
    return Page(note, views)


def print_outcome(plan: SearchPlan, outcome: SearchOutcome, floor: float, console: Console) -> None:
    """Print the table, the winner and where the time went."""
    searched = [p.name for p in plan.space.parameters if len(set(p.values)) > 1]
    if outcome.judged:
        console.print(repeats_table(outcome.judged, searched))
    if (winner := outcome.winner) is not None:
        n = len(winner.values)
        lines = [
            f"winner of cluster {plan.cluster}: AUC-PR {mean_sd(winner)} over "
            f"{n} repeat{'s' * (n != 1)} at epoch {winner.window.centre:g} "
            f"({describe_config(winner.config)})",
            f"a constant prediction scores {floor:.3f}; the winner's score is optimistic, because "
            "the cluster itself chose configuration and epoch",
        ]
        if weak := weakness(winner, floor):
            lines.append(f"beware: {weak}; search longer, or other ranges, before relying on it")
        print_lines(console, lines)
    elif not outcome.interrupted:
        print_lines(console, [f"no winner for cluster {plan.cluster}: {_no_winner(plan, outcome)}"])
    print_lines(console, [time_line(outcome.time)])


def weakness(winner: RepeatedConfig, floor: float) -> str:
    """Return why a winner may be no better than chance, or nothing."""
    weak = []
    if winner.mean - floor < (winner.sd if math.isfinite(winner.sd) else 0.0):
        weak.append("within one standard deviation of a constant prediction")
    if winner.scores.get("val_mcc") == 0:
        weak.append("MCC 0, so one class is predicted for everything")
    return "; ".join(weak)


def _no_winner(plan: SearchPlan, outcome: SearchOutcome) -> str:
    if not outcome.top:
        needed = plan.rule.first_full_window()
        ends = Counter(trial.result.status for trial in outcome.searched)
        counted = ", ".join(f"{count} {status}" for status, count in ends.items())
        return f"no trial scored up to epoch {needed} ({counted}); see the reasons in MLflow"
    if not plan.budget.n_repeats:
        return "no repeats were asked for (--top, --repeats)"
    return "no repeat gave a score; see the reasons of its runs in MLflow"


def print_next(
    experiment: str,
    ui_command: str,
    view: str,
    next_command: str,
    outcome: SearchOutcome,
    console: Console,
) -> None:
    """Print where the results are and what to run next."""
    lines = [
        f"results: MLflow experiment {experiment}, run {outcome.run_id}",
        f"look at them: {ui_command}",
        f"there, trials side by side: {view}",
    ]
    if outcome.interrupted:
        lines.append("stopped; what had ended is recorded: the same command goes on from there")
    elif outcome.winner is not None:
        lines.append(f"next, the other clusters: {next_command}")
    print_lines(console, lines)


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        # lines are searched and copied whole: the terminal may wrap them, rich must not
        console.print(line, highlight=False, markup=False, soft_wrap=True)
