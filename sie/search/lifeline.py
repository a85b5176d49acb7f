"""Whether the head node of the cluster is still there, looked at while a search runs.

Ray itself waits for a minute and then ends the process from native code, with a line of its own
and nothing written; what a search does when the head is gone is decided here.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback

from sie.errors import SieError

log = logging.getLogger(__name__)

LOST_S = 40.0
"""How long the head may be away, watched; below the 60 s after which Ray ends the process."""

LOST_LOOKS = 3
"""How many looks in a row must find nobody, however long they took."""

LOOK_S = 2.0
"""Between two looks."""

ASK_S = 5.0
"""What the head has for an answer; with `LEAVE_S` after `LOST_S` still within Ray's 60 s."""

LEAVE_S = 15.0
"""What the search has for leaving in order, before the process is ended under it."""

JOIN_S = 2.0
"""What a look still under way has to end when nobody cares any more."""


class HeadLost(SieError):
    """The head node of the Ray cluster does not answer any more."""


class Lifeline(threading.Thread):
    """Looks after the head; ends the process where the main thread hangs in Ray.

    Parameters
    ----------
    address : str
        ``host:port`` of the head's control store.
    ask : callable
        Asks the store something within the seconds given and raises where no answer comes: a port
        accepts connections long after the process behind it hangs. None: the port alone.

    Attributes
    ----------
    lost : bool
        Whether the head has been away for longer than `LOST_S`, in `LOST_LOOKS` looks at least.
    """

    def __init__(self, address: str, ask: Callable[[float], object] | None = None) -> None:
        super().__init__(name="lifeline", daemon=True)
        self._address = address
        self._ask = ask
        self._left = threading.Event()
        self.lost = False

    @property
    def message(self) -> str:
        """What the user is told."""
        return (
            f"lost the Ray cluster: its head {self._address} has not answered for {LOST_S:g} s; "
            "what had ended is recorded: start the cluster, and the same command goes on from there"
        )

    def run(self) -> None:
        """Look until the head is lost or nobody cares any more."""
        before, away, looks = time.monotonic(), 0.0, 0
        while not self.lost and not self._left.wait(LOOK_S):
            answered, now = self._answers(), time.monotonic()
            # a process that was itself stopped (Ctrl-Z, a frozen container) has not watched
            watched, before = min(now - before, _longest_look()), now
            away, looks = (0.0, 0) if answered else (away + watched, looks + 1)
            self.lost = away > LOST_S and looks >= LOST_LOOKS
        if self.lost and not self._left.wait(LEAVE_S):
            sys.stderr.write(f"error: {self.message}\n")
            sys.stderr.flush()
            os._exit(SieError.exit_code)

    def leave(self) -> None:
        """Look no longer."""
        self._left.set()
        if self.is_alive():
            self.join(JOIN_S)

    def _answers(self) -> bool:
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_S).close()
            if self._ask is not None:
                self._ask(ASK_S)
        except Exception:  # noqa: BLE001 - while Ray leaves its client is gone: AttributeError
            return False
        return True


def _longest_look() -> float:
    """Return the seconds of a look at a head that is away: the pause, the port, the answer."""
    return 2 * LOOK_S + ASK_S + 1


def ask_head(seconds: float) -> object:
    """Ask the control store of this process's cluster something that costs it nothing.

    Raises
    ------
    ray.exceptions.RayError
        When no answer comes within the seconds.
    """
    from ray._private.worker import global_worker

    return global_worker.gcs_client.internal_kv_exists(b"lifeline", b"sie", timeout=seconds)


class HeadWatch(Callback):
    """Ray callback that ends a search whose head is lost.

    Parameters
    ----------
    lifeline : Lifeline or None
        Of the cluster that the search runs on; None: nobody looks.
    """

    def __init__(self, lifeline: Lifeline | None) -> None:
        self._lifeline = lifeline

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Raise once the head is lost.

        Raises
        ------
        HeadLost
            With the line for the user.
        """
        if self._lifeline is not None and self._lifeline.lost:
            raise HeadLost(self._lifeline.message)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Ray pickles its callbacks to disk, and nobody reads them."""
        return {}
