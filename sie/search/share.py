"""How many workers a search may have on a cluster that it shares with other searches.

Searches of several processes, and of several users, agree by asking one small actor on the
cluster; on this machine alone a search has all workers.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import ray
from ray.exceptions import RayError

log = logging.getLogger(__name__)

NAMESPACE, NAME = "sie", "shares"
RENEW_S = 2.0
"""Between two questions of a search."""

EXPIRE_S = 30.0
"""After which the share of a search that asks no more goes to the others."""

ANSWER_S = 20.0

JOIN_S = 5.0
"""What a question still under way has to end when the search leaves."""


def water_fill(capacity: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return fair shares: nobody gets more than wanted, and what one leaves goes to the others.

    Parameters
    ----------
    capacity : int
        Workers that there are.
    wanted : Mapping[str, int]
        What each search could use, in the order in which they came.

    Returns
    -------
    dict of str to int
        Shares that differ by at most one where both get less than wanted; at least one each, even
        where there are more searches than workers (Ray then lets them wait).
    """
    shares = dict.fromkeys(wanted, 0)
    left = capacity
    while left > 0 and (hungry := [name for name in wanted if shares[name] < wanted[name]]):
        for name in hungry[:left]:
            shares[name] += 1
        left -= min(left, len(hungry))
    return {name: max(share, 1) for name, share in shares.items()}


class ShareKeeper:
    """Knows the searches of a cluster; one process of no CPU there, named `NAME`.

    Parameters
    ----------
    capacity : callable
        Returns the CPUs of the cluster at the moment.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        capacity: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = capacity or cluster_cpus
        self._clock = clock
        self._wanted: dict[str, int] = {}
        self._seen: dict[str, float] = {}

    def renew(self, search: str, wanted: int) -> int:
        """Return the share of a search that is under way."""
        now = self._clock()
        self._wanted[search], self._seen[search] = wanted, now
        for silent in [name for name, seen in self._seen.items() if now - seen > EXPIRE_S]:
            self.leave(silent)
        return water_fill(self._capacity(), self._wanted)[search]

    def leave(self, search: str) -> None:
        """Give the share of a search to the others."""
        self._wanted.pop(search, None)
        self._seen.pop(search, None)


def cluster_cpus() -> int:
    """Return the CPUs of the cluster that this process belongs to."""
    return int(ray.cluster_resources().get("CPU", 1))


class FairShare(threading.Thread):
    """One search's share, asked for again and again in the background.

    Parameters
    ----------
    wanted : int
        Workers that the search could use.

    Attributes
    ----------
    limit : int
        Workers that it may use now.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__(name="fair share", daemon=True)
        self.limit = wanted
        self._wanted = wanted
        self._search = uuid.uuid4().hex
        self._left = threading.Event()
        self._keeper: Any = None

    def ask(self) -> None:
        """Renew the share; without an answer the last one holds."""
        limit = self._answer() or self._answer() or self.limit
        if limit != self.limit:
            log.info("this search may use %d workers now, not %d", limit, self.limit)
        self.limit = limit

    def _answer(self) -> int | None:
        if self._left.is_set():  # a new keeper would keep a share for nobody
            return None
        try:
            # the keeper ends with the driver that made it; the next to ask makes a new one
            self._keeper = self._keeper or _keeper()
            answer = self._keeper.renew.remote(self._search, self._wanted)
            return int(ray.get(answer, timeout=ANSWER_S))
        except Exception as error:
            # once the search has left, Ray may leave under the question: errors of any kind
            if not (self._left.is_set() or isinstance(error, (RayError, ValueError))):
                raise
            log.info("no answer about the share of the cluster: %s", error)
            self._keeper = None
            return None

    def __reduce__(self) -> tuple[Any, ...]:
        # Ray saves the searcher, which holds this; a thread cannot be saved
        return SimpleNamespace, (), {"limit": self.limit}

    def run(self) -> None:
        """Ask until the search ends."""
        while not self._left.wait(RENEW_S):
            self.ask()

    def leave(self) -> None:
        """Give the share to the others."""
        self._left.set()
        if self.is_alive():
            # or else the keeper hears the last question after the farewell
            self.join(JOIN_S)
        if (keeper := self._keeper) is not None:
            with suppress(RayError):
                keeper.leave.remote(self._search)


@contextmanager
def share_of(workers: int, shared: bool) -> Iterator[Callable[[], int]]:
    """Give a function that says how many trials may be out: all workers, or a fair share of them.

    Parameters
    ----------
    workers : int
        Trials that the search wants at once.
    shared : bool
        Whether other searches may be on the same cluster.
    """
    if not shared:
        yield lambda: workers
        return
    share = FairShare(workers)
    share.ask()
    share.start()
    try:
        yield lambda: share.limit
    finally:
        share.leave()


def _keeper() -> Any:
    remote = ray.remote(num_cpus=0, max_concurrency=1)(ShareKeeper)
    return remote.options(name=NAME, namespace=NAMESPACE, get_if_exists=True).remote()
