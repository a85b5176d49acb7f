import io

import pytest
from rich.console import Console
from search_examples import make_plan, make_result

from sie.models.config import TrialConfig
from sie.reporting.console import (
    duration,
    mean_sd,
    plan_table,
    repeats_table,
    time_line,
)
from sie.search.record import PhaseTime, TimeUse
from sie.search.selection import SelectionRule, judge_repeats


def shown(item, width=100):
    console = Console(file=io.StringIO(), width=width)
    console.print(item)
    return console.file.getvalue()


def test_the_plan_says_what_will_be_done():
    text = shown(plan_table(make_plan(), workers=2, seconds=600))
    for part in (
        "12 trials",
        "160 epochs",
        "10 min on 2 workers",
        "infinitely many",
        "dropout_phi",
    ):
        assert part in text


def test_a_search_too_short_for_rungs_says_so():
    text = shown(plan_table(make_plan(max_epochs=20, grace_epochs=40, top=1), 1, 5))
    assert "at most 20 epochs; too short for any to be stopped" in text
    assert "1 configuration x 10 seeds x 20 epochs" in text


def judged(*values):
    rule = SelectionRule(1, 1)
    return judge_repeats(TrialConfig(), [make_result([v]) for v in values], rule)


def test_the_table_shows_mean_sd_and_what_was_varied_even_when_narrow():
    text = shown(repeats_table([judged(0.5, 0.7)], ["max_lr", "n_neurons"]), width=80)
    assert "0.600 ± 0.141" in text
    assert "max_lr 0.003" in text


def test_a_single_repeat_has_no_spread():
    assert mean_sd(judged(0.5)) == "0.500"


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (89.4, "89 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_durations_have_the_unit_a_person_would_use(seconds, text):
    assert duration(seconds) == text


def test_the_share_of_time_is_per_worker():
    search = PhaseTime(wall=60.0, training=90.0, setup=15.0)
    repeats = PhaseTime(wall=30.0, training=60.0, setup=5.0)
    use = TimeUse(4.0, 100.0, search, repeats, tracking=3.0, workers=2)
    line = time_line(use)
    assert line.startswith("2 min wall time (search 60 s, repeats 30 s) on 2 workers: 75% training")
    assert "4.0% starting Ray" in line
    assert "10.0% starting TensorFlow and building" in line
    assert "11.0% scheduling and waiting" in line
    assert "MLflow was waited for 3.0%" in line
    assert use.search_efficiency == pytest.approx(90 / (2 * 64))


def test_a_search_that_trained_nothing_has_no_shares():
    nothing = PhaseTime(0.0, 0.0, 0.0)
    use = TimeUse(0.0, 0.0, nothing, nothing, 0.0, 1)
    assert (use.efficiency, use.search_efficiency, use.idle_share) == (0, 0, 0)
