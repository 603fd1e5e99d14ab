"""Distances between two sets of videos, from their features: Frechet, its limit in N, kernel, the floor.

Frechet distance of two Gaussians: Dowson and Landau (1982); between features of pictures and of videos:
Heusel et al. (2017), Unterthiner et al. (2018). tr sqrt(S_a S_b) is the nuclear norm of A B^T, with A and B
the centred features over sqrt(N - ddof), so no square root of a matrix is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simbench.metrics._shapes import shaped

LEAST = 16
"""Videos on each side below which the limit in N is not fitted: two sizes, 8 videos in the smaller."""
LEAST_SCENES = 8
"""Scenes on each side below which it is not fitted, where videos of one scene stay together."""
BLOCKS = 4
"""The limit is fitted through the distances of 1, 2, ... BLOCKS blocks of the videos."""
LEAST_JACKKNIFE = 3
"""Scenes below which none can be left out of pairs of scenes."""
GROUPS = 20
"""Groups of videos that the jackknife leaves out in turn."""
ROWS = 1024
"""Rows of a kernel matrix that are held at a time."""
SPREAD = 1e-11
"""Relative error of the Cholesky route above which the QR route is taken."""


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided 95 % interval, in the unit of the distance."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Limit:
    """Where a line over 1/N ends, with a 95 % interval; not `straight`: at these N the bias does not yet fall
    with 1/N, and the value is an upper bound, often a loose one."""

    value: float
    low: float
    high: float
    straight: bool


def frechet(a: np.ndarray, b: np.ndarray, ddof: int = 1) -> float:
    """Frechet distance of Gaussians with the moments of `a` [N, D] and `b` [M, D]; squared, in squared units
    of the features (no unit).

    The covariance is over N - `ddof`: 1 as TensorFlow's, 0 as StyleGAN-V's. Never negative; of a set to
    itself 0 to rounding, 1e-14 of its variance. ValueError for too few rows and for what is not finite.
    """
    first, second = _pair(a, b, ddof + 1)
    gap = first.mean(axis=0) - second.mean(axis=0)
    first, second = _centred(first, ddof), _centred(second, ddof)
    spread = float(np.vdot(first, first) + np.vdot(second, second))
    return max(0.0, float(gap @ gap) + spread - 2.0 * _overlap(first, second))


def frechet_infinity(
    a: np.ndarray,
    b: np.ndarray,
    seed: int,
    ddof: int = 1,
    orders: int = 2,
    scenes: tuple[np.ndarray, np.ndarray] | None = None,
) -> Limit:
    """The Frechet distance of `a` [N, D] and `b` [M, D] for N and M without end; no unit.

    The bias of the Frechet distance falls with 1/N (Chong and Forsyth, 2020). Both sides are cut into k
    blocks (k = 1 to 4) in `orders` random orders, and a line through the mean distances of the blocks over
    1/n + 1/m is followed to 0. The interval is a jackknife over groups of videos, of both sides at once, with
    Student's t; it knows nothing of bending. `straight` says that the line of the two largest sizes alone
    ends inside of it; below 24 rows there are only two sizes, and it is never said. The value may be
    negative. `scenes`, labels int [N] and [M]: videos of one scene are alike, so blocks and groups are of
    whole scenes. ValueError below 16 rows or 8 scenes on a side.
    """
    first, second = _pair(a, b, LEAST)
    sides = [(rows, _numbered(rows, scenes and scenes[i])) for i, rows in enumerate((first, second))]
    rng = np.random.default_rng(seed)
    least = min(len(first), len(second))
    counts = [int(scene.max()) + 1 for _, scene in sides]
    if min(counts) < LEAST_SCENES:
        raise ValueError(f"scenes holds {min(counts)} on a side; give {LEAST_SCENES} or more")
    blocks = min(BLOCKS, least // (LEAST // 2), min(counts) // (LEAST_SCENES // 2))
    groups = min(GROUPS, least // 4, min(counts) // 2)
    ranks = list(zip(*(_ranks(count, groups, orders, rng) for count in counts), strict=True))

    def points(left_out: int | None) -> np.ndarray:
        """[blocks, 2]: 1/n + 1/m and the distance, means over the orders, without one group."""
        sizes = range(1, blocks + 1)
        found = [[_at(sides, r, k, ddof, left_out, groups) for k in sizes] for r in ranks]
        return np.mean(found, axis=0)

    whole = points(None)
    value = _end(whole)
    without = np.array([_end(points(group)) for group in range(groups)])
    error = math.sqrt((groups - 1) / groups * float(((without - without.mean()) ** 2).sum()))
    around = _interval(value, error, groups - 1)
    straight = blocks > 2 and around.low <= _end(whole[:2]) <= around.high
    return Limit(value, around.low, around.high, straight)


def kernel_distance(
    a: np.ndarray,
    b: np.ndarray,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
    biased: bool = False,
) -> float:
    """Squared maximum mean discrepancy of `a` [N, D] and `b` [M, D] under (gamma x.y + coef)^degree; no unit.

    gamma is 1/D where None. Degree 3 and coef 1 are KID's (Binkowski et al. 2018); JEDi (Luo et al. 2024) has
    degree 2, coef 0 and the `biased` form, which keeps the diagonal and is above 0 for two samples of one
    distribution. Unbiased (Gretton et al. 2012, equation 3) it may be negative. ValueError below 2 rows.
    """
    first, second = _pair(a, b, 2)
    sums = _kernel_sums(first, second, degree, gamma, coef)
    n, m = len(first), len(second)
    if biased:
        own = (sums.first + sums.first_own).sum() / n**2 + (sums.second + sums.second_own).sum() / m**2
    else:
        own = sums.first.sum() / (n * (n - 1)) + sums.second.sum() / (m * (m - 1))
    return float(own - 2.0 * sums.across.sum() / (n * m))


def kernel_interval(
    a: np.ndarray, b: np.ndarray, degree: int = 3, gamma: float | None = None, coef: float = 1.0
) -> Estimate:
    """Unbiased `kernel_distance` of `a` [N, D] and `b` [M, D] with a jackknife interval over videos; no unit.

    Each video of either side is left out in turn (Arvesen 1969 for U-statistics of two samples). ValueError
    below 3 rows.
    """
    first, second = _pair(a, b, 3)
    n, m = len(first), len(second)
    sums = _kernel_sums(first, second, degree, gamma, coef)
    own_first, own_second, across = sums.first.sum(), sums.second.sum(), sums.across.sum()
    mean_first, mean_second = own_first / (n * (n - 1)), own_second / (m * (m - 1))
    value = mean_first + mean_second - 2.0 * across / (n * m)
    less_first = (own_first - 2.0 * sums.first) / ((n - 1) * (n - 2)) + mean_second
    less_first = less_first - 2.0 * (across - sums.across) / ((n - 1) * m)
    less_second = (own_second - 2.0 * sums.second) / ((m - 1) * (m - 2)) + mean_first
    less_second = less_second - 2.0 * (across - sums.across_second) / (n * (m - 1))
    variance = sum(
        (len(v) - 1) / len(v) * float(((v - v.mean()) ** 2).sum()) for v in (less_first, less_second)
    )
    return _interval(float(value), math.sqrt(variance), min(n, m) - 1)


def kernel_between(
    a: np.ndarray,
    b: np.ndarray,
    scenes: np.ndarray,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
) -> Estimate:
    """Unbiased `kernel_distance` of `a` [N, D] and `b` [N, D] where scenes are independent; no unit.

    Row i of both is of the scene `scenes` int [N]. The kernel of two scenes is the mean over their rows, and
    only pairs of different scenes count, in the sets as well as across (Gretton et al. 2012, lemma 6,
    equation 4, with a scene for a sample): what repeats its own scene gains nothing, and a set is 0 from
    itself. With a jackknife interval over scenes. ValueError below 3 scenes.
    """
    sizes: dict[str, int] = {}
    first, second = (_checked(name, rows, sizes, "N D", 1) for name, rows in (("a", a), ("b", b)))
    scene = _numbered(first, scenes)
    count = int(scene.max()) + 1
    if count < LEAST_JACKKNIFE:
        raise ValueError(f"scenes holds {count} scenes; give {LEAST_JACKKNIFE} or more")
    scale = 1.0 / first.shape[1] if gamma is None else gamma
    share = np.equal.outer(np.arange(count), scene) / np.bincount(scene)[:, None]

    def across(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean kernel of each two scenes, [scenes, scenes]."""
        return np.asarray(share @ (scale * (x @ y.T) + coef) ** degree @ share.T)

    mixed = across(first, second)
    pairs = across(first, first) + across(second, second) - mixed - mixed.T
    np.fill_diagonal(pairs, 0.0)
    rows, total = pairs.sum(axis=1), float(pairs.sum())
    without = (total - 2.0 * rows) / ((count - 1) * (count - 2))
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return _interval(total / (count * (count - 1)), error, count - 1)


def frechet_at(a: np.ndarray, b: np.ndarray, size: int, seed: int, draws: int = 8, ddof: int = 1) -> float:
    """Mean `frechet` of `draws` random subsets of `size` videos of `a` [N, D] and of `b` [M, D]; no unit.

    What a `floor` at the same size is to be set against. ValueError where a side has fewer than `size`.
    """
    first, second = _pair(a, b, max(size, ddof + 1))
    rng = np.random.default_rng(seed)
    if size == len(first) == len(second):
        return frechet(first, second, ddof)
    found = [
        frechet(first[rng.permutation(len(first))[:size]], second[rng.permutation(len(second))[:size]], ddof)
        for _ in range(draws)
    ]
    return math.fsum(found) / draws


def floor(
    real: np.ndarray,
    size: int,
    seed: int,
    draws: int = 8,
    ddof: int = 1,
    scenes: np.ndarray | None = None,
) -> Estimate:
    """Real against real: `frechet` of two disjoint random subsets of `size` rows of `real` [N, D]; no unit.

    The value is the mean of `draws` splits, the interval from the lowest to the highest of them: what this
    distance reads, at this number of videos, where nothing is wrong. `scenes`, labels int [N]: videos of one
    scene are alike, so the subsets are of `size` whole scenes. ValueError where N (the scenes) < 2 `size`.
    """
    features = _checked("real", real, {}, "N D", 2 * (ddof + 1))
    scene = _numbered(features, scenes)
    rng, count = np.random.default_rng(seed), int(scene.max()) + 1
    if not 0 < 2 * size <= count:
        kind = "rows" if scenes is None else "scenes"
        raise ValueError(f"real holds {count} {kind}; give {2 * max(size, 1)} or more")
    rows = [np.flatnonzero(scene == one) for one in range(count)]
    found = []
    for _ in range(draws):
        order = rng.permutation(count)
        parts = (order[:size], order[size : 2 * size])
        first, second = (features[np.concatenate([rows[i] for i in part])] for part in parts)
        found.append(frechet(first, second, ddof))
    return Estimate(math.fsum(found) / draws, min(found), max(found))


def _pair(a: np.ndarray, b: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Both sets as float64, finite and of at least `least` rows."""
    sizes: dict[str, int] = {}
    return _checked("a", a, sizes, "N D", least), _checked("b", b, sizes, "M D", least)


def _checked(name: str, array: np.ndarray, sizes: dict[str, int], shape: str, least: int) -> np.ndarray:
    rows = shaped(name, array, shape, sizes)
    if len(rows) < least:
        raise ValueError(f"{name} holds {len(rows)} rows; give {least} or more")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} holds numbers that are not finite; give finite features")
    return rows


def _centred(rows: np.ndarray, ddof: int) -> np.ndarray:
    return (rows - rows.mean(axis=0)) / math.sqrt(len(rows) - ddof)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """tr sqrt(S_a S_b) = || A B^T ||_* of centred features [N, D] and [M, D]."""
    if min(len(first), len(second)) > first.shape[1]:
        found = _overlap_by_cholesky(first, second)
        if found is not None:
            return found
    return _nuclear(_triangle(first) @ _triangle(second).T)


def _overlap_by_cholesky(first: np.ndarray, second: np.ndarray) -> float | None:
    """Sum of the roots of the eigenvalues of L^T S_b L with S_a = L L^T; None where rounding would show.

    An eigenvalue is known to eps of the largest, so its root is off by eps w_max / (2 sqrt(w)).
    """
    try:
        lower = np.linalg.cholesky(first.T @ first)
        values = np.linalg.eigvalsh((m := second @ lower).T @ m)
    except np.linalg.LinAlgError:
        return None
    if values[0] <= 0:
        return None
    roots = np.sqrt(values)
    off = np.finfo(np.float64).eps * values[-1] * (0.5 / roots).sum()
    return float(roots.sum()) if off <= SPREAD * roots.sum() else None


def _triangle(rows: np.ndarray) -> np.ndarray:
    """R of rows = Q R where there are more rows than columns: Q changes no singular value."""
    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows


def _nuclear(matrix: np.ndarray) -> float:
    try:
        values = np.linalg.svd(matrix, compute_uv=False)
    except np.linalg.LinAlgError:
        # Divide and conquer gives up on rare matrices; plain QR iteration does not.
        from scipy.linalg import svd

        values = svd(matrix, compute_uv=False, lapack_driver="gesvd")
    return float(values.sum())


def _ranks(count: int, groups: int, orders: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`orders` random orders, int [count] each, in which every group of neighbours has the same members."""
    members = np.array_split(rng.permutation(count), groups)
    found = []
    for _ in range(orders):
        order = np.concatenate([rng.permutation(group) for group in members])
        found.append(np.argsort(order))
    return found


def _numbered(rows: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """0, 1, ... for each scene of `rows` [N, D], int [N]; each row its own where there are no `labels`."""
    if labels is None:
        return np.arange(len(rows))
    given = shaped("scenes", labels, "N", {"N": len(rows)}, "int")
    return np.asarray(np.unique(given, return_inverse=True)[1])


def _at(
    sides: Sequence[tuple[np.ndarray, np.ndarray]],
    ranks: Sequence[np.ndarray],
    count: int,
    ddof: int,
    left_out: int | None,
    groups: int,
) -> tuple[float, float]:
    """(1/n + 1/m, mean distance) of `count` blocks; a scene keeps its block whatever is left out."""
    inverse, found = [], []
    for block in range(count):
        parts = []
        for (rows, scene), rank in zip(sides, ranks, strict=True):
            kept = rank % count == block
            if left_out is not None:
                edges = np.cumsum([0, *(len(part) for part in np.array_split(rank, groups))])
                kept &= (rank < edges[left_out]) | (rank >= edges[left_out + 1])
            parts.append(rows[kept[scene]])
        inverse.append(1.0 / len(parts[0]) + 1.0 / len(parts[1]))
        found.append(frechet(parts[0], parts[1], ddof))
    return math.fsum(inverse) / count, math.fsum(found) / count


def _end(points: np.ndarray) -> float:
    """Where the line of least squares through [K, 2] meets 0."""
    x, y = points.T
    return float(y.mean() - x.mean() * ((x - x.mean()) @ (y - y.mean())) / ((x - x.mean()) ** 2).sum())


def _interval(value: float, error: float, freedom: int) -> Estimate:
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.975)) * error
    return Estimate(value, value - half, value + half)


@dataclass(frozen=True)
class _Sums:
    """Row sums of the kernel: within each set without the diagonal [N], [M], the diagonals, and across."""

    first: np.ndarray
    second: np.ndarray
    first_own: np.ndarray
    second_own: np.ndarray
    across: np.ndarray
    across_second: np.ndarray


def _kernel_sums(
    first: np.ndarray, second: np.ndarray, degree: int, gamma: float | None, coef: float
) -> _Sums:
    scale = 1.0 / first.shape[1] if gamma is None else gamma

    def rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Sum of the kernel over `b` for each row of `a`."""
        parts = [((scale * (a[i : i + ROWS] @ b.T) + coef) ** degree).sum(1) for i in range(0, len(a), ROWS)]
        return np.concatenate(parts)

    own = [(scale * np.einsum("nd,nd->n", x, x) + coef) ** degree for x in (first, second)]
    return _Sums(
        rows(first, first) - own[0],
        rows(second, second) - own[1],
        own[0],
        own[1],
        rows(first, second),
        rows(second, first),
    )
