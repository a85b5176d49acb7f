"""Progress of a step of many evaluations: a bar with an estimate, or plain lines.

What a terminal shows only; the steps live in `sie.study`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from sie.comparison.compare import Advance

LINE_SECONDS = 30.0
"""Where the output is no terminal, at most one line in so many seconds."""


class StepProgress:
    """Bars of the evaluations of one step; called with title, done and total, as `Started`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[latest]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )

    @contextmanager
    def showing(self) -> Iterator[StepProgress]:
        """Show bars for as long as the block runs."""
        with self._bars:
            yield self

    def __call__(self, title: str, done: int, total: int) -> Advance:
        """Add a bar, and return what moves it."""
        bar = self._bars.add_task(title, total=total, completed=done, latest="")
        state = {"done": done, "shown": time.monotonic(), "began": time.monotonic()}

        def advance(line: str) -> None:
            state["done"] += 1
            self._bars.update(bar, advance=1, latest=line)
            now = time.monotonic()
            last = state["done"] == total
            if not self._console.is_terminal and (last or now - state["shown"] > LINE_SECONDS):
                state["shown"] = now
                rate = (now - state["began"]) / max(state["done"] - done, 1)
                left = rate * (total - state["done"]) / 60
                text = f"{title}: {state['done']:.0f}/{total}, about {left:.0f} min left; {line}"
                self._console.print(text, highlight=False, markup=False, soft_wrap=True)

        return advance
