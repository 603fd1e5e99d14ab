"""Several runs in order: every pair tested, and for each run the ranks that the tests leave open.

A run's best rank is 1 + how many are significantly better, its worst rank is the number of runs less how
many are significantly worse; with all pairs tested together by Holm, all ranks lie in these ranges at
once (Mogstad, Romano, Shaikh and Wilhelm 2024 build confidence sets for ranks from pairs in this way).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports.gate.reading import Run
from reports.gate.verdicts import Asked, Judged, judge


@dataclass(frozen=True)
class Ranked:
    """One run in a ranking: its mean over the common scenes and the ranks it may have."""

    label: str
    mean: float
    best: int
    worst: int

    @property
    def ranks(self) -> str:
        """`2`, or `2 to 4` where the tests leave that open."""
        return str(self.best) if self.best == self.worst else f"{self.best} to {self.worst}"


@dataclass(frozen=True)
class Ranking:
    """All runs in one metric, best first. `pairs`: (better placed, other, their difference)."""

    suite: str
    metric: str
    scenes: int
    rows: tuple[Ranked, ...]
    pairs: tuple[tuple[str, str, Judged], ...]


def rank(
    runs: Sequence[tuple[str, Run]], suite: str, metric: str, scenes: Sequence[str], lower: bool, alpha: float
) -> Ranking | None:
    """Rank labelled runs by `metric` over the `scenes` in which all have it; None without any."""
    parts = [run.parts[suite] for _, run in runs]
    common = [s for s in scenes if all(metric in part.scenes.get(s, {}) for part in parts)]
    if not common:
        return None
    values = np.array([[part.scenes[s][metric] for s in common] for part in parts])
    means = values.mean(-1)
    order = sorted(range(len(runs)), key=lambda i: (means[i] if lower else -means[i], runs[i][0]))
    places = list(combinations(order, 2))
    judged = judge([Asked(metric, values[j], values[i], 0.0, lower) for i, j in places], alpha)
    above = {i: 0 for i in order}
    below = {i: 0 for i in order}
    for (i, j), found in zip(places, judged, strict=True):
        if found.p <= found.level:
            above[j] += 1
            below[i] += 1
    rows = tuple(Ranked(runs[i][0], float(means[i]), 1 + above[i], len(runs) - below[i]) for i in order)
    pairs = tuple((runs[i][0], runs[j][0], found) for (i, j), found in zip(places, judged, strict=True))
    return Ranking(suite, metric, len(common), rows, pairs)
