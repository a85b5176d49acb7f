"""Cluster searches written into a real store by the project's own record, without training."""

from __future__ import annotations

import dataclasses

import numpy as np
from search_examples import make_plan, make_result

from sie.models.config import TrialConfig
from sie.search.plan import SearchPlan
from sie.search.record import EndedTrial, Phase, PhaseTime, SearchOutcome, TimeUse, TrialTask
from sie.search.recording import SearchRecord
from sie.search.selection import SelectionRule, judge_repeats
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

RULE = SelectionRule()


def peak(epoch, height, n=80):
    """A curve with its best window of ten around an epoch."""
    return height - 0.002 * np.abs(np.arange(1, n + 1) - epoch)


def make(cluster, **changes) -> SearchPlan:
    return dataclasses.replace(make_plan(), cluster=cluster, **changes)


def config_of(i) -> TrialConfig:
    return TrialConfig(max_lr=3e-3, dropout_phi=round(0.1 * i, 1))


def record_search(
    store, folder, plan, curves_of_configs, name="study", configs=None, finish=True, rule=RULE
):
    """Record the repeats of some configurations; one shorter than 80 epochs has diverged.

    Returns the verdict over the winner and the id of the parent run.
    """
    recorder = Recorder(store, f"loco/{plan.dataset}/{plan.representation}-{plan.level}")
    record = SearchRecord(recorder, plan, name, folder, fresh=True)
    verdicts, ended = [], []
    for i, curves in enumerate(curves_of_configs):
        config = configs[i] if configs else config_of(i)
        results = [
            make_result(curve, TrialStatus.DIVERGED if len(curve) < 80 else TrialStatus.COMPLETED)
            for curve in curves
        ]
        verdicts.append(judge_repeats(config, results, rule))
        for r, result in enumerate(results):
            number = r * len(curves_of_configs) + i
            task = TrialTask(f"repeat-{config.hash[:8]}-{r:02d}", Phase.REPEAT, number, config, r)
            ended.append(EndedTrial(task, result, 0.0))
    for trial in ended:
        record.trial_started(trial.task)
        record.trial_ended(trial)
    record.flush()
    winner = max(filter(None, verdicts), key=lambda v: v.window.mean, default=None)
    phase = PhaseTime(0.0, 0.0, 0.0)
    use = TimeUse(0.0, 1.0, phase, phase, 0.0, 1)
    interrupted = not finish
    outcome = SearchOutcome(
        record.parent, (), (), (), tuple(filter(None, verdicts)), winner, interrupted, use
    )
    record.close(outcome, 0.4)
    return winner, record.parent
