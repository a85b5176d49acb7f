"""The Slurm script, run for real with stand-ins for Slurm's own programs.

`srun` runs the step here, `scontrol` lists the nodes and notes a requeue. In most tests Ray and
Python are stand-ins as well, so that only the script's own decisions are seen; one runs it all.
"""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launch_files import DOCKER, REPOSITORY, given, options

SCRIPT = DOCKER / "slurm" / "search.sbatch"
TEXT = SCRIPT.read_text()

SRUN = """#!/bin/bash
# drop srun's options, keep what it is to run; --nodes tells how often
log= n=1
while [[ $1 == --* ]]; do
    case "$1" in --output=*) log=${1#*=} ;; --nodes=*) n=${1#*=} ;; esac
    echo "$1" >>"$NOTES/srun"
    shift
done
[[ -z $log ]] || exec >>"$log" 2>&1
set -m # every task is a group of processes, which ends as one
trap 'for task in $(jobs -p); do kill -- "-$task"; done; wait; exit 143' TERM
for ((i = 0; i < n; i++)); do "$@" & done
wait
"""
SCONTROL = """#!/bin/bash
case "$1 $2" in
    "show hostnames") printf 'node%d\\n' 1 2 ;;
    requeue*) echo "$2" >>"$NOTES/requeued" ;;
esac
"""
# a head and workers that stay until they are told to go
RAY = """#!/bin/bash
echo "$@" >>"$NOTES/ray"
[[ $1 == start ]] || exit 0
cat "$RAY_AUTH_TOKEN_PATH" >>"$NOTES/token"
stat -c %a "$RAY_AUTH_TOKEN_PATH" >>"$NOTES/rights"
exec sleep 100
"""
PYTHON = """#!/bin/bash
case "$1" in
    docker/wait_for_cpus.py) echo "$@" >>"$NOTES/waited"; echo 7 ;;
    *) echo "$@" >>"$NOTES/searched"; echo searching
       trap 'echo gently; exit 130' TERM
       for ((i = 0; i < SEARCH_TENTHS; i++)); do sleep 0.1; done
       exit "$SEARCH_CODE" ;;
esac
"""


class Job:
    """A job as Slurm would start it: the environment, the folder, the programs."""

    def __init__(self, folder: Path) -> None:
        self.notes, self.programs, self.bin = folder / "n", folder / "p", folder / "b"
        self.repository, self.number = folder / "r", os.getpid() % 10000 + 30000
        for path in (self.notes, self.programs, self.bin, self.repository):
            path.mkdir()
        # what a step looks up is here, and scontrol's `sleep 60` after a requeue is not waited for
        self._program(self.programs / "srun", SRUN)
        self._program(self.programs / "scontrol", SCONTROL)
        for name in ("docker", "experiments", "search_spaces", "sie"):
            (self.repository / name).symlink_to(REPOSITORY / name)

    def stand_in(self) -> None:
        """Put stand-ins for Ray and Python where the job looks for them."""
        self._program(self.bin / "ray", RAY)
        self._program(self.bin / "python", PYTHON)

    def start(self, *words: object, **told: object) -> subprocess.Popen:
        """Start the script."""
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.repository),
            "NOTES": str(self.notes),
            "SLURM_JOB_ID": str(self.number),
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_CPUS_PER_TASK": "4",
            "SLURM_SUBMIT_DIR": str(self.repository),
            "SIE_BIN": str(self.bin),
            "SIE_HEAD_IP": "127.0.0.2",
            "SIE_WAIT_S": "60",
            "SEARCH_TENTHS": "2",
            "SEARCH_CODE": "0",
            **{name: str(value) for name, value in told.items()},
        }
        return subprocess.Popen(
            ["bash", SCRIPT, *map(str, words)],
            env=environment,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def noted(self, name: str) -> list[str]:
        """Return what a stand-in wrote down."""
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_for(self, name: str, seconds: float = 60) -> None:
        """Wait until a stand-in has been called."""
        deadline = time.monotonic() + seconds
        while not self.noted(name):
            assert time.monotonic() < deadline, f"{name} was never called"
            time.sleep(0.05)

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IEXEC)


@pytest.fixture()
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture()
def stand_in(job):
    job.stand_in()
    return job


def end(process: subprocess.Popen, seconds: float = 60) -> tuple[int, str]:
    try:
        out, _ = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out


def end_after_requeue(job: Job, process: subprocess.Popen) -> str:
    """Wait for the requeue, then end the script as Slurm does."""
    job.wait_for("requeued")
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate(timeout=20)[0]


def test_a_search_that_ends_ends_the_job(stand_in):
    code, out = end(stand_in.start("--cluster", 3))
    assert code == 0, out
    assert "7 CPUs on node[1-2]" in out
    (searched,) = stand_in.noted("searched")
    assert searched.startswith("experiments/loco_search.py --address 127.0.0.2:")
    assert searched.endswith("--max-concurrent 7 --cluster 3")
    assert not stand_in.noted("requeued")


def test_head_and_workers_are_given_their_cpus_and_one_is_left_for_the_search(stand_in):
    end(stand_in.start())
    head, worker = [line for line in stand_in.noted("ray") if line.startswith("start")]
    assert "--head" in head
    assert "--num-cpus=3" in head
    assert "--num-cpus=4" in worker
    (waited,) = stand_in.noted("waited")
    assert "--cpus 7" in waited


def test_all_nodes_have_one_token_that_only_its_owner_reads_and_that_goes_with_the_job(stand_in):
    end(stand_in.start())
    (token,) = set("".join(stand_in.noted("token")).split()) or {""}
    assert len(token) in (64, 128)
    assert set(stand_in.noted("rights")) == {"600"}
    assert not list(stand_in.repository.glob(".sie-slurm-*"))
    called = "".join(stand_in.noted("ray") + stand_in.noted("searched") + stand_in.noted("srun"))
    assert token[:64] not in called


def test_when_the_time_is_nearly_up_the_search_stops_gently_and_the_job_goes_on_later(stand_in):
    process = stand_in.start("--cluster", 3, SEARCH_TENTHS=600)
    stand_in.wait_for("searched")
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGUSR1)
    out = end_after_requeue(stand_in, process)
    assert "gently" in out
    assert stand_in.noted("requeued") == [str(stand_in.number)]


def stopped_by(job: Job, how: signal.Signals, code: int) -> subprocess.Popen:
    """Start a search that answers the signal to stop with an exit code, and stop it."""
    job._program(job.bin / "python", PYTHON.replace("exit 130", f"exit {code}"))
    process = job.start(SEARCH_TENTHS=600)
    job.wait_for("searched")
    time.sleep(0.3)
    os.kill(process.pid, how)
    return process


@pytest.mark.parametrize("code", [0, 2])
def test_a_search_that_ended_in_time_or_cannot_run_is_not_put_back(stand_in, code):
    assert end(stopped_by(stand_in, signal.SIGUSR1, code))[0] == code
    assert not stand_in.noted("requeued")


@pytest.mark.parametrize("code", [1, 143, 137])
def test_a_search_that_ends_otherwise_when_time_is_up_goes_on_later(stand_in, code):
    process = stopped_by(stand_in, signal.SIGUSR1, code)  # 1: MLflow's server was away
    end_after_requeue(stand_in, process)
    assert stand_in.noted("requeued") == [str(stand_in.number)]


def test_an_error_after_a_cancel_is_not_put_back(stand_in):
    assert end(stopped_by(stand_in, signal.SIGTERM, 1))[0] == 1
    assert not stand_in.noted("requeued")


def test_a_cancelled_job_stops_gently_and_is_not_put_back(stand_in):
    process = stand_in.start(SEARCH_TENTHS=600)
    stand_in.wait_for("searched")
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGTERM)
    code, out = end(process)
    assert code == 130
    assert "gently" in out
    assert not stand_in.noted("requeued")


def test_after_so_many_restarts_it_asks(stand_in):
    process = stand_in.start(SEARCH_TENTHS=600, SIE_MAX_RESTARTS=3, SLURM_RESTART_COUNT=3)
    stand_in.wait_for("searched")
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGUSR1)
    code, out = end(process)
    assert code == 1
    assert "submit the job again" in out
    assert not stand_in.noted("requeued")


@pytest.mark.parametrize("wrong", [1, 2])
def test_an_error_of_the_search_is_the_jobs(stand_in, wrong):
    assert end(stand_in.start(SEARCH_CODE=wrong))[0] == wrong
    assert not stand_in.noted("requeued")


def test_a_head_that_does_not_start_is_said(stand_in):
    stand_in._program(stand_in.bin / "ray", "#!/bin/bash\nexit 1\n")
    code, out = end(stand_in.start())
    assert code == 1
    assert "head did not start on node1" in out


def test_slurm_is_told_to_warn_in_time_and_to_keep_what_is_left():
    told = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in TEXT.splitlines()
        if line.startswith("#SBATCH")
    )
    signalled, seconds = told["signal"].removeprefix("B:").split("@")
    assert signalled == "USR1"
    assert int(seconds) >= 120
    assert {"requeue", "no-kill"} <= set(told)
    assert told["mem-per-cpu"] == "2G"


def test_the_options_of_ray_and_of_the_search_exist(stand_in):
    end(stand_in.start("--cluster", 3))
    for line in stand_in.noted("ray"):
        command = line.split()
        if command[0] == "start":
            assert given(command) <= options("ray", "start")
    (searched,) = stand_in.noted("searched")
    assert given(searched) <= options("experiments/loco_search.py")
    (waited,) = stand_in.noted("waited")
    assert given(waited) <= options("docker/wait_for_cpus.py")


@pytest.mark.end_to_end
@pytest.mark.long
def test_a_search_over_two_nodes_runs_through_the_script(job, private_cache):
    told = {
        "SIE_BIN": Path(sys.executable).parent,
        "SLURM_CPUS_PER_TASK": 1,
        "SIE_CACHE_DIR": private_cache,
    }
    budget = ("--trials", 2, "--top", 1, "--repeats", 1, "--max-epochs", 12, "--grace-epochs", 4)
    process = job.start("--cluster", 3, "--preset", "quick", *budget, **told)
    code, out = end(process, 240)
    assert code == 0, out
    assert "2 CPUs on node[1-2]" in out
    assert "winner of cluster 3" in out
    assert "Traceback" not in out
