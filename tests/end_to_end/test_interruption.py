"""Ctrl-C in the middle of a search: nothing that had ended is lost, the same command goes on."""

import signal
import time
from pathlib import Path

import pytest

from sie.cli.main import INTERRUPTED
from sie.tracking.queries import children, search
from sie.tracking.store import open_store
from sie.training.record import TrialStatus

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "loco_search.py"

pytestmark = pytest.mark.end_to_end

OPTIONS = (
    "--cluster", "0", "--search-space", "quick", "--trials", "7", "--top", "1", "--repeats", "1",
    "--max-epochs", "24", "--grace-epochs", "10", "--max-concurrent", "2",
)  # fmt: skip


def stored(folder):
    store = open_store(None, folder / "mlruns")
    experiment = store.experiment("loco/starter/CAMNS-V1")
    parents = search(store, [experiment], "tags.phase = 'cluster-search'")
    return store, experiment, parents


def ended(folder):
    store, experiment, parents = stored(folder)
    runs = children(store, experiment, parents[0].run_id) if parents else []
    return {r.key: r for r in runs if r.ended not in (None, TrialStatus.INTERRUPTED)}


def interrupt_after_three_trials(terminal):
    open_store(None, terminal.folder / "mlruns")
    running = terminal.start("loco_search.py", *OPTIONS)
    deadline = time.monotonic() + 240
    while len(ended(terminal.folder)) < 3 and time.monotonic() < deadline:
        if running.poll() is not None:
            break
        time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    return running.returncode, out, err


@pytest.mark.long
def test_ctrl_c_keeps_what_had_ended_and_the_same_command_goes_on(terminal):
    code, out, err = interrupt_after_three_trials(terminal)
    assert code == INTERRUPTED, out + err
    assert "the same command goes on from there" in out
    assert "Traceback" not in err
    before = ended(terminal.folder)
    assert 3 <= len(before) < 7
    (parent,) = stored(terminal.folder)[2]
    assert parent.ended is TrialStatus.INTERRUPTED
    assert "best_val_auc_pr" not in parent.metrics

    ran = terminal.run("loco_search.py", *OPTIONS)
    assert ran.code == 0, ran.out + ran.err
    assert f"{len(before)} trials are done" in ran.out
    store, experiment, parents = stored(terminal.folder)
    assert [parent.run_id] == [item.run_id for item in parents]
    runs = children(store, experiment, parent.run_id)
    searched_runs = [run for run in runs if run.tags["phase"] == "search"]
    assert [run.key for run in searched_runs] == [f"trial-{number:04d}" for number in range(7)]
    after = ended(terminal.folder)
    assert {k: r.run_id for k, r in before.items()}.items() <= {
        k: r.run_id for k, r in after.items()
    }.items()
    assert "winner of cluster 0" in ran.out

    # what was under way was trained again as it had been drawn: the record can be reproduced
    cut = next(run for run in searched_runs if run.key not in before)
    ran = terminal.run("loco_search.py", "--rerun-trial", cut.run_id)
    assert ran.code == 0, ran.out + ran.err
    assert "equal bit for bit" in ran.out


KILLED = f"""
import os, runpy, signal, sys
from sie.search.recording import SearchRecord
SearchRecord.close = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
sys.argv[0] = {str(SCRIPT)!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.long
def test_a_driver_killed_before_its_search_counts_as_finished_has_shown_the_result(terminal):
    wrapper = terminal.folder / "killed_at_the_end.py"
    wrapper.write_text(KILLED)
    few = ("--trials", "3", "--max-epochs", "12", "--name", "killed")
    killed = terminal.run(wrapper, *OPTIONS, *few)
    assert killed.code == -signal.SIGKILL, killed.out + killed.err
    assert "winner of cluster 0" in killed.out

    again = terminal.run("loco_search.py", *OPTIONS, *few)
    assert again.code == 0, again.out + again.err
    assert "4 trials are done" in again.out
    assert "winner of cluster 0" in again.out
    store, experiment, parents = stored(terminal.folder)
    (parent,) = [item for item in parents if item.tags["search_name"] == "killed"]
    assert parent.status == "FINISHED"
    assert len(children(store, experiment, parent.run_id)) == 4
