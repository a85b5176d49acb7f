"""Shares of a cluster: the arithmetic, the keeper, and drivers that share a real cluster."""

import threading
from types import SimpleNamespace

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from sie.search import share
from sie.search.session import start_ray, stop_ray
from sie.search.share import EXPIRE_S, FairShare, ShareKeeper, share_of, water_fill

wishes = st.dictionaries(st.integers(0, 99).map(str), st.integers(1, 20), min_size=1, max_size=8)


@given(capacity=st.integers(1, 40), wanted=wishes)
def test_shares_are_fair_and_leave_nothing_that_somebody_wants(capacity, wanted):
    shares = water_fill(capacity, wanted)
    assert all(1 <= shares[name] <= wanted[name] for name in wanted)
    if capacity >= len(wanted):
        assert sum(shares.values()) == min(capacity, sum(wanted.values()))
    hungry = [shares[name] for name in wanted if shares[name] < wanted[name]]
    if hungry:
        assert max(shares.values()) <= min(hungry) + 1


def test_who_leaves_or_falls_silent_gives_its_share_to_the_others():
    now = 0.0
    keeper = ShareKeeper(lambda: 8, lambda: now)
    assert keeper.renew("a", 8) == 8
    assert keeper.renew("b", 8) == 4
    assert keeper.renew("c", 2) == 2
    assert (keeper.renew("a", 8), keeper.renew("b", 8)) == (3, 3)
    keeper.leave("c")
    assert keeper.renew("a", 8) == 4
    now = EXPIRE_S + 1  # b was killed
    assert keeper.renew("a", 8) == 8


def test_a_search_on_its_own_machine_has_all_workers():
    with share_of(3, shared=False) as limit:
        assert limit() == 3


@pytest.fixture
def ray_here():
    start_ray(None)
    yield
    stop_ray()


@pytest.mark.usefixtures("ray_here")
def test_searches_ask_one_keeper_and_survive_its_end():
    one, other = FairShare(100), FairShare(100)
    one.ask()
    alone = one.limit
    other.ask()
    one.ask()
    assert one.limit + other.limit == max(alone, 2)
    ray.kill(ray.get_actor(share.NAME, namespace=share.NAMESPACE))
    one.ask()  # of a new keeper, which does not know of the other yet
    assert one.limit == alone
    other.ask()
    one.ask()
    assert one.limit + other.limit == max(alone, 2)
    other.leave()
    one.ask()
    assert one.limit == alone


class Keeper:
    """Stands in for the actor: a question lasts until Ray leaves, and then fails."""

    def __init__(self):
        self.asked, self.ray_leaves, self.heard = threading.Event(), threading.Event(), []
        self.renew, self.leave = (
            SimpleNamespace(remote=self._renew),
            SimpleNamespace(remote=self._leave),
        )

    def _renew(self, search, wanted):
        self.heard.append("renew")
        self.asked.set()
        self.ray_leaves.wait(20)
        raise AttributeError("core_worker")

    def _leave(self, search):
        self.heard.append("leave")


@pytest.fixture
def keeper(monkeypatch):
    made = Keeper()
    monkeypatch.setattr(share, "_keeper", lambda: made)
    monkeypatch.setattr(share, "RENEW_S", 0.01)
    return made


def test_who_leaves_waits_for_its_question_and_asks_no_more(keeper):
    one = FairShare(3)
    one.start()
    assert keeper.asked.wait(20)
    threading.Timer(0.2, keeper.ray_leaves.set).start()
    one.leave()
    assert not one.is_alive()
    assert keeper.heard[0] == "renew" and keeper.heard.count("renew") == 1


def test_a_question_that_outlasts_the_search_is_not_put_again(keeper, monkeypatch):
    monkeypatch.setattr(share, "JOIN_S", 0.1)
    one = FairShare(3)
    one.start()
    assert keeper.asked.wait(20)
    one.leave()
    assert one.is_alive()
    keeper.ray_leaves.set()
    one.join(20)
    assert keeper.heard == ["renew", "leave"]
