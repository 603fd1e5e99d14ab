"""Which size is best at a budget: a parabola of error over log N for runs of equal compute.

Known bias: where E is not symmetric in log N, and sizes are not placed evenly about the best, the vertex of
the parabola is off, the more the wider the sizes are spread (arXiv 2603.22339). The numbers say where to look
for the best size, not what it is to a few per cent.

Any three noisy errors have a parabola, and half of those have a minimum. So scenes and training seeds are
resampled as for laws (scaling.fit), and a size is named where the minimum stays between the sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.scaling.fit import DRAWS, Range, budgets, scene_weights, seed_pool, student

SIZES = 3
BIAS = "a parabola in log N is biased where sizes lie unevenly about the best (arXiv 2603.22339)"
ASTRAY = 0.025
"""Share of resampled parabolas without a minimum between the sizes above which no size is named."""


@dataclass(frozen=True)
class Best:
    """The best size at one budget with its 95 % interval, in parameters, and the error there. Both are None
    where `why` says that it is not identified."""

    compute: float
    sizes: tuple[float, ...]
    params: Range | None
    error: float | None
    why: str


def best_sizes(
    compute: np.ndarray, params: np.ndarray, values: np.ndarray, draws: int = DRAWS
) -> tuple[Best, ...]:
    """One Best for each budget at which runs [R] have SIZES sizes or more, of errors `values` [R, scenes].

    What seeds do is read from runs of one size at one budget; where no size has two, from how far more than
    SIZES sizes lie from their parabola; else it is not known, and the intervals are of scenes alone.
    """
    group, mean = budgets(compute), values.mean(1)
    many = [g for g in np.unique(group) if len(np.unique(params[group == g])) >= SIZES]
    rng = np.random.default_rng(0)
    noise = scene_weights(values.shape[1], rng, draws) @ values.T
    cell = np.unique(np.stack([group, params], 1), axis=0, return_inverse=True)[1].reshape(-1)
    pool = seed_pool(mean, cell)
    if pool is not None:
        df = len(pool) - len({int(c) for c in cell if (cell == c).sum() > 1})
    else:
        left = [_fit(params[group == g], mean[group == g])[1] for g in many]
        df = sum(len(part) - SIZES for part in left)
        pool = np.concatenate(left) * np.sqrt(sum(map(len, left)) / df) if df else None
    if pool is not None:
        noise = noise + rng.choice(pool, size=noise.shape) * student(df, rng, draws)[:, None]
    found = []
    for number in many:
        mine = group == number
        at = float(np.exp(np.log(compute[mine]).mean()))
        found.append(_best(at, params[mine], mean[mine], noise[:, mine]))
    return tuple(found)


def _fit(params: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bend, slope and level [3, ...] of parabolas over log N about its middle, of errors [R, ...], and what
    they leave of them."""
    x = np.log(params) - np.log(params).mean()
    design = np.stack([x * x, x, np.ones_like(x)], 1)
    found = np.linalg.pinv(design) @ errors
    return found, errors - design @ found


def _best(compute: float, params: np.ndarray, errors: np.ndarray, noise: np.ndarray) -> Best:
    logs = np.log(params)
    centre = float(logs.mean())
    low, high = float(logs.min()) - centre, float(logs.max()) - centre
    sizes = tuple(float(v) for v in np.unique(params))
    bend, slope, level = (float(v) for v in _fit(params, errors)[0])
    if bend <= 1e-12 * float(np.abs(errors).max()):
        return Best(compute, sizes, None, None, "error over log N has no minimum")
    vertex = -slope / (2 * bend)
    if not low <= vertex <= high:
        end = "smallest" if vertex < 0 else "largest"
        return Best(compute, sizes, None, None, f"the minimum lies beyond the {end} size")
    bends, slopes, _ = _fit(params, (errors + noise).T)[0]
    drawn = -slopes / (2 * np.where(bends > 0, bends, np.nan))
    inside = (low <= drawn) & (drawn <= high)
    astray = 1 - float(inside.mean())
    if astray > ASTRAY:
        why = f"{astray:.0%} of the resampled parabolas have no minimum between the sizes"
        return Best(compute, sizes, None, None, why)
    ends = np.exp(np.quantile(drawn[inside], [0.025, 0.975]) + centre)
    best = Range(float(np.exp(vertex + centre)), float(ends[0]), float(ends[1]))
    return Best(compute, sizes, best, level - slope**2 / (4 * bend), "")


def growth(best: tuple[Best, ...]) -> float | None:
    """The exponent of the best size over compute, N ~ C^x; None below two budgets that name one."""
    known = [(part.compute, part.params.value) for part in best if part.params is not None]
    if len(known) < 2:
        return None
    c, n = np.log(np.asarray(known)).T
    return float(np.polyfit(c, n, 1)[0])
