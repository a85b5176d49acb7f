import numpy as np
from search_examples import make_plan, make_result

from sie.models.config import TrialConfig
from sie.search.loco import judge, repeat_tasks
from sie.search.record import EndedTrial, Phase
from sie.search.selection import RankedTrial, SelectionRule
from sie.training.record import TrialStatus

TOP = [RankedTrial(TrialConfig(n_layers=n), 0.5, (n,)) for n in (2, 3)]
RULE = SelectionRule(2, 1)


def test_every_configuration_meets_every_seed_and_no_seed_of_the_search():
    plan = make_plan(top=2, repeats=3)
    tasks = repeat_tasks(plan, TOP)
    assert len(tasks) == 6
    assert [task.number for task in tasks] == list(range(6))
    seeds = {item.config: {t.seed for t in tasks if t.config == item.config} for item in TOP}
    assert len(set(map(frozenset, seeds.values()))) == 1
    assert all(len(own) == 3 for own in seeds.values())
    assert len({task.key for task in tasks}) == 6
    assert {task.phase for task in tasks} == {Phase.REPEAT}


def ended(task, curve, status=TrialStatus.COMPLETED):
    return EndedTrial(task, make_result(curve, status), 0.0)


def test_the_ranking_is_by_the_average_curve_not_by_the_best_repeat():
    plan = make_plan(top=2, repeats=2)
    # the first has one brilliant repeat, the second two good ones
    curves = {2: [[0.9, 0.9], [0.1, 0.1]], 3: [[0.6, 0.6], [0.6, 0.6]]}
    trials = [
        ended(task, np.array(curves[task.config.n_layers][task.number // 2]))
        for task in repeat_tasks(plan, TOP)
    ]
    judged = judge(TOP, trials, RULE)
    assert [item.config.n_layers for item in judged] == [3, 2]
    assert judged[1].mean == 0.5


def test_a_configuration_without_a_score_is_absent():
    tasks = repeat_tasks(make_plan(top=2, repeats=1), TOP)
    trials = [ended(tasks[0], [0.5, 0.5]), ended(tasks[1], [], TrialStatus.FAILED)]
    assert [item.config for item in judge(TOP, trials, RULE)] == [TOP[0].config]
