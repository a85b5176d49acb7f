"""One process per cluster of chemistry on a shared Ray cluster, their lines told apart.

Starts and watches processes; what each of them does is `sie.cli.loco`'s business.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import IO

from rich.console import Console

from sie.cli import arguments
from sie.cli.loco_options import LocoOptions
from sie.cli.main import INTERRUPTED
from sie.cli.outcome import print_lines
from sie.errors import SieError
from sie.tracking.store import Store


def search_side_by_side(
    options: LocoOptions,
    clusters: Sequence[int],
    store: Store,
    view: str,
    console: Console,
) -> bool:
    """Search clusters in a process each, which share the Ray cluster fairly.

    Returns whether the user stopped them; `view` is where MLflow shows their trials.

    Raises
    ------
    SieError
        When a cluster could not be searched; the others are.
    """
    command = [sys.executable, str(arguments.REPOSITORY / "experiments" / "loco_search.py")]
    commands: dict[str, list[str]] = {}
    for cluster in clusters:
        words = replace(options, tracking_uri=None).arguments(str(cluster))
        own = [*command, *words, "--one-of-several"]
        own += ["--fresh"] if options.fresh else []
        own += ["--resume"] if options.resume and not commands else []
        commands[f"cluster {cluster}"] = own
    console.print(f"searching {len(commands)} clusters side by side; Ctrl-C stops all of them")
    # a password in it is nothing for a command line, which ps shows to all users
    handed = {arguments.HANDED_URI: options.tracking_uri} if options.tracking_uri else {}
    codes = run_side_by_side(commands, console, handed)
    failed = [name for name, code in codes.items() if code not in (0, INTERRUPTED)]
    if failed:
        raise SieError(
            f"{', '.join(failed)} could not be searched, see the lines above; the others are "
            "recorded, and the same command goes on from there"
        )
    stopped = INTERRUPTED in codes.values()
    ended = (
        "stopped; what had ended is recorded: the same command goes on from there"
        if stopped
        else f"all {len(codes)} clusters are searched"
    )
    look = [f"look at them: {store.ui_command()}", f"there, trials side by side: {view}"]
    print_lines(console, [ended, *look])
    return stopped


def run_side_by_side(
    commands: Mapping[str, Sequence[str]],
    console: Console,
    variables: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Run commands at once and print their lines behind their names; return their exit codes.

    Ctrl-C and SIGTERM are handed to every process, as often as they come: the first time they
    end in order, the second time at once. They end with this process, however it ends.

    Parameters
    ----------
    commands : Mapping
        Command lines by the name that stands before their lines.
    console : Console
        Where lines are printed, one at a time.
    variables : Mapping, optional
        What the processes' environment has besides this one's.
    """
    width = max(len(name) for name in commands)
    running = {name: _start(command, variables or {}) for name, command in commands.items()}
    printers = [
        threading.Thread(target=_print_lines, args=(process.stdout, f"{name:{width}} | ", console))
        for name, process in running.items()
    ]
    with _signals_for(running.values()):
        for printer in printers:
            printer.start()
        codes = {name: process.wait() for name, process in running.items()}
        for printer in printers:
            printer.join()
    return codes


def _start(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    # in a group of its own: the terminal's Ctrl-C would come twice, by itself and from here
    return subprocess.Popen(
        list(command),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_before_start(),
    )


def _before_start() -> Callable[[], None]:
    """Return what a new process does first: hear Ctrl-C, and on Linux die when this one dies."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None  # found before the fork

    def prepare() -> None:
        # this process may be a script's background job, which ignores Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prctl is not None:
            prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return prepare


def _print_lines(lines: IO[str] | None, prefix: str, console: Console) -> None:
    for line in lines or ():
        if line.strip():
            console.print(prefix + line.rstrip(), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _signals_for(processes: Iterable[subprocess.Popen[str]]) -> Iterator[None]:
    def hand_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
