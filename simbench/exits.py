"""Exit codes: each has one meaning, so that a script can tell worse from broken from not measured."""

from __future__ import annotations

from collections.abc import Sequence

OK = 0
WORSE = 1
TROUBLE = 2
INCOMPLETE = 3
INCONCLUSIVE = 4
INTERRUPTED = 130
TERMINATED = 143

MEANING = {
    OK: "measured",
    WORSE: "measured and worse (comparisons)",
    TROUBLE: "trouble: a bad option, a crash, a full disk",
    INCOMPLETE: "incomplete: more missing, invalid or failed videos than max_incomplete, or nothing measured",
    INCONCLUSIVE: "inconclusive, and strict=true (comparisons)",
    INTERRUPTED: "interrupted (Ctrl-C); the work is kept",
    TERMINATED: "terminated (SIGTERM); the work is kept",
}

GRAVEST_FIRST = (TERMINATED, INTERRUPTED, TROUBLE, INCOMPLETE, WORSE, INCONCLUSIVE, OK)


def worst(codes: Sequence[int]) -> int:
    """The gravest of several; nothing run at all is trouble."""
    return next((code for code in GRAVEST_FIRST if code in codes), TROUBLE)


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C except for the exit code."""
