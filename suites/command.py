"""What the commands of this package have alike: help, with every option and its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from suites.proof import ended, options

Chosen = TypeVar("Chosen")


def command(
    name: str,
    text: str | None,
    kind: type[Chosen],
    arguments: Sequence[str],
    work: Callable[[Chosen], int | None],
) -> int:
    """The exit code of `python -m suites.NAME`: `work` with options of `kind`, or on --help `text` and every
    option with its default."""
    if {"-h", "--help"} & set(arguments):
        print((text or "").strip() + "\n\nOptions and defaults:")
        for field in dataclasses.fields(kind):  # type: ignore[arg-type]
            if field.name != "own":
                default = "(of the suite)" if field.default is None else field.default
                print(f"  {field.name}={default}")
        return 0
    return ended(name, lambda: work(options(kind, arguments)))
