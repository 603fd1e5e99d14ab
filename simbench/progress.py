"""How far a run is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

EVERY = 5.0
"""Seconds between two plain lines."""


class Progress(Protocol):
    """Hears of each thing done."""

    def step(self, count: int = 1) -> None:
        """`count` more are done."""
        ...


class PlainLines:
    """`generate 120 of 384, 14 s left`, every few seconds, to a stream.

    What is left is told from the second step on: the first also loads and compiles."""

    def __init__(self, what: str, total: int, stream: TextIO) -> None:
        self._what, self._total, self._stream = what, total, stream
        self._done = self._first = 0
        self._warm = self._said = time.monotonic()

    def step(self, count: int = 1) -> None:
        """See Progress."""
        self._done += count
        now = time.monotonic()
        if not self._first:
            self._first, self._warm = self._done, now
        if now - self._said >= EVERY and self._done < self._total:
            self._said = now
            print(f"{self._what} {self._done} of {self._total}{self._left(now)}", file=self._stream)
            self._stream.flush()

    def _left(self, now: float) -> str:
        if self._done == self._first:
            return ""
        each = (now - self._warm) / (self._done - self._first)
        return f", {duration(each * (self._total - self._done))} left"


class Bar:
    """A rich progress bar."""

    def __init__(self, bar: object, task: int) -> None:
        self._bar, self._task = bar, task

    def step(self, count: int = 1) -> None:
        """See Progress."""
        self._bar.advance(self._task, count)  # type: ignore[attr-defined]


@contextmanager
def progress(what: str, total: int, stream: TextIO | None = None) -> Iterator[Progress]:
    """Progress over `total` things, on stderr unless `stream` says otherwise."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield PlainLines(what, total, stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(file=stream), transient=True) as bar:
        yield Bar(bar, bar.add_task(what, total=total))


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
