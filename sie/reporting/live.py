"""Progress of a search: trials done, running and stopped, best so far, time left, curves.

What a terminal shows; elsewhere plain lines. The trials themselves are run by `sie.search`.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sie.reporting.console import duration
from sie.reporting.sparkline import BLOCKS, PLAIN, sparkline
from sie.search.selection import OBJECTIVE
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from sie.search.record import EndedTrial, TrialTask

MOST_CURVES = 6
"""Running trials with a line each; a cluster has more of them than a screen has lines."""

ENDS = {
    TrialStatus.STOPPED_BY_SCHEDULER: "stopped",
    TrialStatus.EARLY_STOPPED: "early stopped",
    TrialStatus.DIVERGED: "diverged",
    TrialStatus.FAILED: "failed",
    TrialStatus.TIMED_OUT: "timed out",
    TrialStatus.INTERRUPTED: "interrupted",
}
"""How the ends are called that are not the end of the budget."""


class LiveProgress:
    """Observer that shows how a phase of a search fares.

    In a terminal a bar that moves, with the learning curves of running trials and of the best
    one below it; elsewhere a plain line at every tenth of the way.
    """

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console, self._title, self._total = console, title, total
        self._moves = console.is_terminal and not console.quiet
        self._running: dict[str, list[float]] = {}
        self._ends: Counter[TrialStatus] = Counter()
        self._best, self._best_key, self._best_curve = -math.inf, "", [0.0]
        self._began = time.monotonic()
        self._first_report = math.nan
        self._reported: set[str] = set()
        self._trained = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task(title, total=total, left="starting workers")
        self._live = Live(self, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> LiveProgress:
        if self._moves:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.clear()
        self._update()
        if self._moves:
            self._live.stop()

    def trial_started(self, task: TrialTask) -> None:
        """Count it as running."""
        self._running[task.key] = []
        self._update()

    def require(self) -> None:
        """Nothing ends a search for the sake of its picture."""

    def trial_reported(
        self, task: TrialTask, epoch: int, objective: float, curve: Sequence[float]
    ) -> None:
        """Lengthen its curve; a trial that a lost worker began again starts from nothing."""
        if math.isnan(self._first_report):
            self._first_report = time.monotonic()
        self._reported.add(task.key)
        kept = self._running.get(task.key, [])[: max(epoch - len(curve), 0)]
        self._running[task.key] = [*kept, *curve]
        self._update()

    def trial_ended(self, ended: EndedTrial) -> None:
        """Count it as done, and its objective if it counts."""
        key, status = ended.task.key, ended.result.status
        self._running.pop(key, None)
        self._ends[status] += 1
        # what an earlier start of the command has trained says nothing of the speed
        self._trained += key in self._reported
        if status.counts and ended.objective > self._best:
            self._best, self._best_key = ended.objective, key
            self._best_curve = [float(v) for v in ended.result.curves.get(OBJECTIVE, ())]
        self._update()
        done, every = self._ends.total(), max(self._total // 10, 1)
        if not self._console.is_terminal and (done % every == 0 or done == self._total):
            self._print_line(done)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the bar, and below it the curves as far as there are any."""
        # on lines of their own: 80 columns hold either
        yield Group(self._bar, Text(f"  {self._note()}"), *self._curves(options.ascii_only))

    def _print_line(self, done: int) -> None:
        elapsed = duration(time.monotonic() - self._began)
        left = self._left()
        self._console.print(
            f"{self._title}: {done}/{self._total}, {self._note()}, {elapsed} so far"
            + (f", {left}" if left else ""),
            highlight=False,
            soft_wrap=True,
        )

    def _update(self) -> None:
        self._bar.update(self._task, completed=self._ends.total(), left=self._left())

    def _note(self) -> str:
        best = f"best {self._best:.3f}" if math.isfinite(self._best) else "no score yet"
        parts = [best, f"{len(self._running)} running"] if self._running else [best]
        parts += [
            f"{self._ends[status]} {word}" for status, word in ENDS.items() if self._ends[status]
        ]
        return ", ".join(parts)

    def _left(self) -> str:
        """Return the time that the rest takes at the speed so far; nothing where none is known."""
        rest = self._total - self._ends.total()
        if not (self._trained and rest):
            return ""
        each = (time.monotonic() - self._first_report) / self._trained
        return f"about {duration(each * rest)} left"

    def _curves(self, ascii_only: bool) -> list[Table]:
        """Return validation AUC-PR by epoch, all on one scale."""
        shown = [(key, curve) for key, curve in self._running.items() if curve][:MOST_CURVES]
        if self._best_key:
            shown.append((f"best: {self._best_key}", self._best_curve))
        values = [v for _, curve in shown for v in curve if math.isfinite(v)]
        if not values:
            return []
        table = Table.grid(padding=(0, 2))
        for key, curve in shown:
            marks = PLAIN if ascii_only else BLOCKS
            line = sparkline(curve, min(values), max(values), marks=marks)
            last = f"{curve[-1]:.3f} at epoch {len(curve)}"
            table.add_row(Text(f"  {key}"), Text(line, style="cyan"), Text(last, style="dim"))
        return [table]
