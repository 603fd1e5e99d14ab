"""Which size is best at a budget: a parabola of error over log N for runs of equal compute.

Known bias: where E is not symmetric in log N, and sizes are not placed evenly about the best, the vertex of
the parabola is off, the more the wider the sizes are spread (arXiv 2603.22339). The numbers say where to look
for the best size, not what it is to a few per cent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.scaling.fit import budgets

SIZES = 3
BIAS = "a parabola in log N is biased where sizes lie unevenly about the best (arXiv 2603.22339)"


@dataclass(frozen=True)
class Best:
    """The best size at one budget. `params` is None where `why` says that it is not identified."""

    compute: float
    sizes: tuple[float, ...]
    params: float | None
    error: float | None
    why: str


def best_sizes(compute: np.ndarray, params: np.ndarray, errors: np.ndarray) -> tuple[Best, ...]:
    """One Best for each budget at which runs [R] have SIZES sizes or more."""
    group = budgets(compute)
    found = []
    for number in np.unique(group):
        mine = group == number
        if len(np.unique(params[mine])) >= SIZES:
            found.append(_best(float(np.exp(np.log(compute[mine]).mean())), params[mine], errors[mine]))
    return tuple(found)


def _best(compute: float, params: np.ndarray, errors: np.ndarray) -> Best:
    logs = np.log(params)
    centre = float(logs.mean())
    bend, slope, level = (float(v) for v in np.polyfit(logs - centre, errors, 2))
    sizes = tuple(float(v) for v in np.unique(params))
    if bend <= 1e-12 * float(np.abs(errors).max()):
        return Best(compute, sizes, None, None, "error over log N has no minimum")
    vertex = -slope / (2 * bend)
    if not logs.min() - centre <= vertex <= logs.max() - centre:
        end = "smallest" if vertex < 0 else "largest"
        return Best(compute, sizes, None, None, f"the minimum lies beyond the {end} size")
    return Best(compute, sizes, float(np.exp(vertex + centre)), level - slope**2 / (4 * bend), "")


def growth(best: tuple[Best, ...]) -> float | None:
    """The exponent of the best size over compute, N ~ C^x; None below two budgets that name one."""
    known = [(part.compute, part.params) for part in best if part.params is not None]
    if len(known) < 2:
        return None
    c, n = np.log(np.asarray(known)).T
    return float(np.polyfit(c, n, 1)[0])
