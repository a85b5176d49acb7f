"""Actors of a real Ray: every job once, failures with their reason, lost workers replaced."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray

from sie.search import actors
from sie.search.actors import MAX_LOST_WORKERS, run_on_actors
from sie.search.session import start_ray, stop_ray


@dataclass(frozen=True)
class Job:
    name: str
    folder: Path
    kills: int = 0
    seconds: float = 0.0
    reason: str = ""


class Worker:
    def __init__(self):
        self._now = ""

    def work(self, job):
        self._now = job.name
        tries = len(list(job.folder.glob(f"{job.name}-*")))
        (job.folder / f"{job.name}-{tries}").touch()
        if tries < job.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(job.seconds)
        if job.reason:
            raise ValueError(job.reason)
        return job.name.upper()

    def now(self):
        return self._now


@pytest.fixture(scope="module")
def make():
    start_ray(None)
    yield ray.remote(num_cpus=1, max_concurrency=2)(Worker).remote
    stop_ray()


def run(make, jobs, workers=2, watch=None):
    ended = []
    run_on_actors(
        jobs,
        workers,
        make,
        lambda actor, job: actor.work.remote(job),
        lambda job, result, reason: ended.append((job.name, result, reason)),
        watch,
    )
    return sorted(ended)


def test_every_job_ends_once_with_its_result_or_reason(make, tmp_path):
    jobs = [Job(f"j{i}", tmp_path) for i in range(5)]
    jobs.append(Job("bad", tmp_path, reason="cannot\nbe done"))
    jobs.append(Job("lost", tmp_path, kills=MAX_LOST_WORKERS))
    jobs.append(Job("cursed", tmp_path, kills=99))
    ended = run(make, jobs)
    assert ended[0] == ("bad", None, "ValueError: cannot")
    assert ended[1][:2] == ("cursed", None)
    assert ended[1][2].startswith(f"worker lost {MAX_LOST_WORKERS + 1} times")
    assert ended[2:] == [(f"j{i}", f"J{i}", "") for i in range(5)] + [("lost", "LOST", "")]
    assert len(list(tmp_path.glob("cursed-*"))) == MAX_LOST_WORKERS + 1


def test_who_watches_can_ask_a_worker_that_is_busy(make, tmp_path, monkeypatch):
    monkeypatch.setattr(actors, "WATCH_SECONDS", 0.2)
    seen = set()

    def watch(running):
        seen.update((job.name, ray.get(actor.now.remote(), timeout=30)) for actor, job in running)

    assert run(make, [Job("slow", tmp_path, seconds=2.0)], watch=watch) == [("slow", "SLOW", "")]
    assert ("slow", "slow") in seen


def test_actors_are_ended_when_the_caller_stops(make, tmp_path):
    jobs = [Job("quick", tmp_path), Job("slow", tmp_path, seconds=60)]

    def stop(job, result, reason):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_actors(jobs, 2, make, lambda actor, job: actor.work.remote(job), stop)
    free = ray.cluster_resources()["CPU"]
    for _ in range(100):
        if ray.available_resources().get("CPU") == free:
            break
        time.sleep(0.1)
    assert ray.available_resources().get("CPU") == free


def test_no_jobs_need_no_ray():
    assert run(None, []) == []
