"""The border to code that is not ours: whatever a model or an instrument raises becomes a value."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LONGEST = 300
"""Characters of a reason: it stands in a table."""


@dataclass(frozen=True)
class Raised:
    """What a call raised: one line for tables, the traceback for the log."""

    reason: str
    traceback: str
    memory: bool


class Border:
    """Calls foreign code in a thread of its own, which hands back its exception instead of raising it.

    The thread also leaves the main thread free to answer signals while a model computes.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What `function` returns, or a Raised."""
        future = self._pool.submit(function, *arguments, **named)
        error = future.exception()
        return future.result() if error is None else describe(error)


@contextmanager
def border() -> Iterator[Border]:
    """A Border for the length of a block."""
    pool = ThreadPoolExecutor(1)
    try:
        yield Border(pool)
    finally:
        # Not waiting: after Ctrl-C a model may compute for minutes more.
        pool.shutdown(wait=False, cancel_futures=True)


def describe(error: BaseException) -> Raised:
    """`Type: message` in one line. Out of memory is told apart: torch's has no common base class."""
    name = type(error).__name__
    text = " ".join(f"{name}: {error}".split()).rstrip(": ")
    lines = "".join(traceback.format_exception(error))
    memory = isinstance(error, MemoryError) or name == "OutOfMemoryError"
    return Raised(text[:LONGEST], lines, memory)
