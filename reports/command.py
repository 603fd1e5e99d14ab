"""What commands of this package have alike: help, errors in one line, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.aggregate import ReportError

DONE, TROUBLE, NOTHING = 0, 2, 3
"""Exit codes: done; it could not be; done, but nothing came out."""


@dataclass(frozen=True)
class Answer:
    """What a command did: its exit code, what goes to stdout, and lines `said` beside it on stderr."""

    code: int
    printed: str
    said: tuple[str, ...] = ()


def helped(text: str | None, arguments: Sequence[str]) -> bool:
    """Whether `arguments` ask for help, which is `text` and is then printed."""
    if not set(arguments) & {"--help", "-h", "help"}:
        return False
    print((text or "").strip())
    return True


def answered(
    name: str, text: str | None, arguments: Sequence[str], answer: Callable[[Sequence[str]], Answer]
) -> int:
    """Run `python -m NAME`; its exit code. `text` is its help; ReportError and OSError become one line."""
    if helped(text, arguments or ["--help"]):
        return DONE if arguments else TROUBLE
    try:
        found = answer(arguments)
    except ReportError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return TROUBLE
    except OSError as error:
        said = str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        print(f"{name}: {said}; name another path", file=sys.stderr)
        return TROUBLE
    for line in found.said:
        print(f"{name}: {line}", file=sys.stderr)
    print(found.printed, end="")
    return found.code
