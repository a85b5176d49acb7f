import subprocess
import sys

from sie.comparison.claim import claim
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store

HOLDING = """
import sys, time
from sie.comparison.claim import claim
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store

class Named(Recorder):
    def __init__(self, uri, experiment):
        self.store, self._experiment = Store(uri), experiment

with claim(Named("sqlite:///a", "7")):
    print("held", flush=True)
    time.sleep(600)
"""


class Named(Recorder):
    """A recorder by its names alone."""

    def __init__(self, uri, experiment):
        self.store, self._experiment = Store(uri), experiment


def test_a_dead_process_holds_nothing_and_other_experiments_are_free():
    holding = subprocess.Popen([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True)
    try:
        assert holding.stdout.readline() == "held\n"
        with claim(Named("sqlite:///a", "8")), claim(Named("sqlite:///b", "7")):
            pass
    finally:
        holding.kill()
        holding.wait()
    with claim(Named("sqlite:///a", "7")):
        pass
