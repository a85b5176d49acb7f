from types import SimpleNamespace

import numpy as np
import pytest

from sie.training.early_stopping import EarlyStopping
from sie.training.ending import judge, one_line
from sie.training.record import TrialStatus

STOPPING = EarlyStopping(patience=5, start_epoch=2)


def trainer(n_epochs, diverged="", done=False):
    """A trainer as `judge` sees it: a flat curve of so many epochs."""
    curves = {"val_auc_pr": np.full(n_epochs, 0.5)}
    return SimpleNamespace(
        epoch=n_epochs, curves=curves, diverged=diverged, done=done or bool(diverged)
    )


def test_a_trial_that_may_go_on_has_no_ending():
    assert judge(trainer(4), STOPPING, 1.0, None) is None
    assert judge(trainer(400), None, 1.0, 2.0) is None


@pytest.mark.parametrize(
    ("state", "elapsed", "status", "n_epochs"),
    [
        (trainer(3, diverged="loss not finite", done=True), 99.0, TrialStatus.DIVERGED, 3),
        (trainer(20, done=True), 99.0, TrialStatus.EARLY_STOPPED, 8),
        (trainer(4, done=True), 99.0, TrialStatus.COMPLETED, 4),
        (trainer(4), 99.0, TrialStatus.TIMED_OUT, 4),
    ],
)
def test_there_is_one_ending_and_the_gravest_names_it(state, elapsed, status, n_epochs):
    ending = judge(state, STOPPING, elapsed, 10.0)
    assert (ending.status, ending.n_epochs) == (status, n_epochs)
    assert bool(ending.reason) == (status is not TrialStatus.COMPLETED)


def test_errors_become_one_line():
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(KeyError()) == "KeyError: no message"
    assert len(one_line(ValueError("x" * 1000))) == 300
