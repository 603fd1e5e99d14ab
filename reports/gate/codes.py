"""Exit codes of a comparison: the same as those of `python -m simbench`, which a test holds them to."""

from __future__ import annotations

OK = 0
WORSE = 1
TROUBLE = 2
INCOMPLETE = 3
INCONCLUSIVE = 4
INTERRUPTED = 130
TERMINATED = 143

MEANING = {
    OK: "measured, and nothing is worse by the margin (or base=none: nothing to compare with)",
    WORSE: "regressed: worse by the margin or more",
    TROUBLE: "trouble: a bad option, a file that is damaged, a full disk",
    INCOMPLETE: "incomplete, not comparable, nothing measured, or no baseline",
    INCONCLUSIVE: "inconclusive, and strict=true",
    INTERRUPTED: "interrupted (Ctrl-C)",
    TERMINATED: "terminated (SIGTERM)",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C except for the exit code."""
