"""Processes side by side: their lines, their ends, and the signals that reach them."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from rich.console import Console

from sie.cli import arguments
from sie.cli.loco_options import LocoOptions
from sie.cli.side_by_side import run_side_by_side, search_side_by_side
from sie.tracking.store import Store

PATIENT = """
import signal, sys, time
def stop(number, frame):
    print("asked to stop", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
try:
    while True: time.sleep(0.05)
except KeyboardInterrupt:
    print("stopped", flush=True)
    sys.exit(130)
"""


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def python(code):
    return [sys.executable, "-c", code]


def test_every_line_stands_behind_its_name_and_codes_come_back():
    written = io.StringIO()
    several = {
        "cluster 3": python("print('one'); print('[bold]two[/]')"),
        "cluster 12": python("import sys; print('bad', file=sys.stderr); sys.exit(2)"),
    }
    codes = run_side_by_side(several, Console(file=written))
    assert codes == {"cluster 3": 0, "cluster 12": 2}
    assert sorted(written.getvalue().splitlines()) == [
        "cluster 12 | bad",
        "cluster 3  | [bold]two[/]",
        "cluster 3  | one",
    ]


def test_each_ctrl_c_is_handed_to_all():
    written = io.StringIO()

    def lines(text):
        return written.getvalue().count(text)

    def press_ctrl_c():
        wait_for(lambda: lines("ready") == 2)
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: lines("asked to stop") == 2)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    finger = threading.Thread(target=press_ctrl_c)
    finger.start()
    codes = run_side_by_side({"a": python(PATIENT), "b": python(PATIENT)}, Console(file=written))
    finger.join()
    assert codes == {"a": 130, "b": 130}
    assert lines("| stopped") == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_a_killed_parent_takes_its_processes_along():
    code = (
        "import sys; from rich.console import Console; "
        "from sie.cli.side_by_side import run_side_by_side as run; "
        "run({'a': [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); "
        "time.sleep(60)']}, Console())"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline().split("|")[1])
    parent.kill()
    parent.communicate(timeout=20)
    wait_for(lambda: not Path(f"/proc/{child}").exists() or "Z" in state_of(child))


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


URI = "postgresql://sie:hunter2-Zq9x@db.example.org/mlflow"
TELL = """
import pathlib, sys
sys.path.insert(0, {experiments!r})
import loco_search
found = loco_search.parser().parse_args()
print("told", *pathlib.Path("/proc/self/cmdline").read_text().split(chr(0)))
print("store", found.tracking_uri)
print("name", found.name)
"""


def test_the_store_is_told_by_the_environment_and_not_on_the_command_line(tmp_path, monkeypatch):
    script = tmp_path / "experiments" / "loco_search.py"
    script.parent.mkdir()
    script.write_text(TELL.format(experiments=str(arguments.REPOSITORY / "experiments")))
    monkeypatch.setattr(arguments, "REPOSITORY", tmp_path)
    monkeypatch.delenv(arguments.HANDED_URI, raising=False)
    written = io.StringIO()
    options = LocoOptions(None, Path(), tracking_uri=URI, name="mine", address="head:6379")
    search_side_by_side(options, [3, 5], Store(URI), "view", Console(file=written, width=1000))
    lines = written.getvalue().splitlines()
    for cluster in ("3", "5"):
        own = [line.split(" | ")[1] for line in lines if line.startswith(f"cluster {cluster} ")]
        assert f"store {URI}" in own and "name mine" in own
        (told,) = [line for line in own if line.startswith("told ")]
        assert f"--cluster {cluster} " in told and "--one-of-several" in told
        assert "hunter2-Zq9x" not in told and "--tracking-uri" not in told
    assert arguments.HANDED_URI not in os.environ
