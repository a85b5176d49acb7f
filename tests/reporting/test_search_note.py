"""The description of a search's run: what a reader must find in it, and that MLflow takes it."""

import dataclasses
import re

import pytest
from search_examples import make_plan, make_result

from sie.models.config import TrialConfig
from sie.reporting.search_note import begun_note, search_note
from sie.reporting.search_views import search_views, view_of
from sie.search.record import PhaseTime, SearchOutcome, TimeUse
from sie.search.selection import judge_repeats
from sie.tracking.recorder import NOTE_CHARS

PLAN = make_plan()
COMMAND = "python experiments/loco_search.py --cluster 0"


def outcome(n=3, interrupted=False):
    configs = [TrialConfig(max_lr=3e-3, dropout_phi=0.01 * i) for i in range(n)]
    results = [[make_result([0.7 - 0.01 * i + 0.02 * r] * 60) for r in range(2)] for i in range(n)]
    judged = tuple(judge_repeats(c, r, PLAN.rule) for c, r in zip(configs, results, strict=True))
    phase = PhaseTime(1.0, 1.0, 0.0)
    use = TimeUse(0.0, 1.0, phase, phase, 0.0, 1)
    winner = None if interrupted or not judged else judged[0]
    return SearchOutcome("f" * 32, (), (), (), judged, winner, interrupted, use)


def note(ended, remark="", plan=PLAN):
    figures = ("learning_curves", "repeats")
    views = {"Trials of cluster 0": "#/experiments/1/runs?viewStateShareKey=sie-cluster-0"}
    return search_note(plan, ended, 0.4, figures, views, COMMAND, remark)


def test_it_holds_winner_table_figures_views_and_the_way_back():
    text = note(outcome())
    told = text.replace("  \n", " ")
    assert told.startswith("**Winner of cluster 0: AUC-PR 0.710 ± 0.014** over 2 repeats")
    assert "a constant prediction scores 0.400" in told and "optimistic" in told
    assert "Cluster 0 of d left out, CAMN-V1, 12 trials" in told
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| rank", "| ---", "| 1", "| 2", "| 3"]
    address = f"get-artifact?path=figures%2Frepeats.png&run_uuid={'f' * 32}"
    assert f"[repeats]({address})" in text
    assert "![learning curves](get-artifact?path=figures%2Flearning_curves.png" in text
    assert "[Trials of cluster 0](#/experiments/1/runs?viewStateShareKey=sie-cluster-0)" in text
    assert f"```\n{COMMAND}\n```" in text


def test_doubts_and_missing_winners_are_said():
    assert "Beware: within one" in note(outcome(), "within one standard deviation")
    assert note(outcome(0), "no repeats were asked for").startswith(
        "**No winner for cluster 0**: no repeats were asked for."
    )
    assert note(outcome(interrupted=True)).startswith("**Stopped.**")
    assert COMMAND in begun_note(PLAN, COMMAND)


def test_no_line_of_text_runs_out_of_the_page():
    lines = note(outcome(), "a doubt " * 40).splitlines()
    assert all(len(line) < 110 for line in lines if not re.match(r"\| |!?\[|\*\*(Fig|Views)", line))


def test_a_name_cannot_change_the_page():
    plan = dataclasses.replace(PLAN, dataset="my_[data]<b>*x*")
    assert "my\\_\\[data\\]\\<b\\>\\*x\\*" in note(outcome(), plan=plan)


@pytest.mark.parametrize("n", [10, 40])
def test_mlflow_takes_the_longest(n):
    assert len(note(outcome(n))) < NOTE_CHARS


def test_views_show_one_search_all_clusters_and_winners():
    own, of_all, winners = search_views(PLAN, "p1")
    assert "tags.mlflow.parentRunId = 'p1'" in own.query
    parallel = of_all.charts[0]
    assert parallel["selectedParams"] == ["cluster", "max_lr", "dropout_phi", "n_layers"]
    assert parallel["selectedMetrics"] == ["rank", "best_val_auc_pr"]
    kinds = [chart["type"] for chart in own.charts]
    assert kinds == ["PARALLEL", "CONTOUR", "SCATTER", "SCATTER", "SCATTER"]
    assert winners.query == "tags.phase = 'cluster-search' and metrics.rank = 1"
    assert view_of([PLAN]).key == own.key and view_of([PLAN, PLAN]).key == of_all.key
