"""A suite that makes each case once, for tests that only look at what it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simbench.case import Case
from simbench.suite import Measures
from simbench.video import Video


class Kept:
    """`bare`, with the cases of a scene, and truth and scorer of a case, kept for whoever asks again.

    For one test module at a time: what it keeps grows with the scenes that are asked for.
    """

    def __init__(self, bare: Any) -> None:
        self.bare = bare
        self._cases: dict[str, Sequence[Case]] = {}
        self._truths: dict[str, Video] = {}
        self._scorers: dict[str, Callable[[Video], Measures]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)

    def cases(self, scene: str) -> Sequence[Case]:
        """See Suite."""
        if scene not in self._cases:
            self._cases[scene] = self.bare.cases(scene)
        return self._cases[scene]

    def oracle(self, case: Case) -> Video:
        """See Suite."""
        if case.id not in self._truths:
            self._truths[case.id] = self.bare.oracle(case)
        return self._truths[case.id]

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """See Suite."""
        if case.id not in self._scorers:
            self._scorers[case.id] = self.bare.scorer(case)
        return self._scorers[case.id]


def fresh(suite: Any) -> Any:
    """The suite itself, which keeps nothing."""
    return suite.bare if isinstance(suite, Kept) else suite
