"""Distances between sets of features, against 40 digits, closed forms, sqrtm and the peers' arithmetic."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simbench.metrics import distances
from simbench.metrics.distances import (
    floor,
    frechet,
    frechet_at,
    frechet_infinity,
    kernel_distance,
    kernel_interval,
)

SIZES = st.tuples(st.integers(3, 40), st.integers(3, 40), st.integers(1, 24))


def sample(seed: int, count: int, width: int, decay: float = 0.2, shift: float = 0.0) -> np.ndarray:
    """[count, width] Gaussian rows, correlated, with standard deviations that fall."""
    rng = np.random.default_rng([seed, width])
    turn = np.linalg.qr(np.random.default_rng(width).normal(size=(width, width)))[0]
    return (rng.normal(size=(count, width)) * np.exp(-decay * np.arange(width))) @ turn.T + shift


def by_mpmath(a: np.ndarray, b: np.ndarray, ddof: int) -> float:
    """The definition in 40 digits: eigenvalues of S_a^(1/2) S_b S_a^(1/2)."""
    from mpmath import mp

    with mp.workdps(40):
        moments = []
        for rows in (a, b):
            x = mp.matrix(rows.tolist())
            mean = [mp.fsum(x[i, j] for i in range(x.rows)) / x.rows for j in range(x.cols)]
            centred = mp.matrix(x.rows, x.cols)
            for i in range(x.rows):
                for j in range(x.cols):
                    centred[i, j] = x[i, j] - mean[j]
            moments.append((mean, centred.T * centred / (x.rows - ddof)))
        (mean_a, cov_a), (mean_b, cov_b) = moments
        values, vectors = mp.eigsy(cov_a)
        width = cov_a.rows
        root = vectors * mp.diag([mp.sqrt(max(v, mp.mpf(0))) for v in values]) * vectors.T
        inner = mp.eigsy(root * cov_b * root, eigvals_only=True)
        total = mp.fsum((p - q) ** 2 for p, q in zip(mean_a, mean_b, strict=True))
        total += mp.fsum(cov_a[i, i] + cov_b[i, i] for i in range(width))
        return float(total - 2 * mp.fsum(mp.sqrt(max(v, mp.mpf(0))) for v in inner))


def by_sqrtm(a: np.ndarray, b: np.ndarray) -> float:
    """What FID and FVD repositories do: sqrtm of the product of covariances, its imaginary part dropped."""
    from scipy.linalg import sqrtm

    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = sqrtm(first @ second)
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * np.trace(root).real)


def by_eigvals(a: np.ndarray, b: np.ndarray) -> float:
    """The arithmetic of torchmetrics' FrechetInceptionDistance: roots of the eigenvalues of the product."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(first @ second).astype(np.complex128)).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * roots.sum())


def by_kid(a: np.ndarray, b: np.ndarray, degree: int, gamma: float, coef: float) -> float:
    """The unbiased polynomial MMD written out over pairs, as in KernelInceptionDistance."""
    total, n, m = 0.0, len(a), len(b)
    for i in range(n):
        total += sum((gamma * a[i] @ a[j] + coef) ** degree for j in range(n) if j != i) / (n * (n - 1))
        total -= 2 * sum((gamma * a[i] @ b[j] + coef) ** degree for j in range(m)) / (n * m)
    for i in range(m):
        total += sum((gamma * b[i] @ b[j] + coef) ** degree for j in range(m) if j != i) / (m * (m - 1))
    return float(total)


@pytest.mark.parametrize(("n", "m", "width"), [(5, 7, 6), (6, 5, 9), (12, 30, 5), (30, 4, 6)])
@pytest.mark.parametrize("ddof", [0, 1])
def test_frechet_is_the_definition_in_40_digits(n: int, m: int, width: int, ddof: int) -> None:
    a, b = sample(1, n, width), 1.3 * sample(2, m, width, shift=0.4)
    assert frechet(a, b, ddof) == pytest.approx(by_mpmath(a, b, ddof), rel=1e-12)


@pytest.mark.parametrize(("n", "width"), [(60, 12), (300, 40), (20, 64)])
def test_frechet_is_what_repositories_compute(n: int, width: int) -> None:
    a, b = sample(3, n, width, 0.05), 1.2 * sample(4, n + 7, width, 0.05, shift=0.1)
    assert frechet(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-4)
    assert frechet(a, b) == pytest.approx(by_eigvals(a, b), rel=1e-4)


@pytest.mark.parametrize("route", ["cholesky", "qr"])
def test_both_routes_agree_where_both_hold(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = sample(5, 200, 30, 0.05), sample(6, 150, 30, 0.05, shift=1.0)
    assert distances._overlap_by_cholesky(a - a.mean(0), b - b.mean(0)) is not None
    expected = frechet(a, b)
    if route == "qr":
        monkeypatch.setattr(distances, "_overlap_by_cholesky", lambda *_: None)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-12)


def test_an_ill_conditioned_set_takes_the_safe_route() -> None:
    """Dead and repeated features: a third of the columns 0, a third copies, one of 1e-9."""
    a = sample(7, 90, 30, 0.0)
    a[:, :10] = 0.0
    a[:, 10:20] = a[:, 20:30]
    b = a[::-1] * 1.5
    assert distances._overlap_by_cholesky(a - a.mean(0), b - b.mean(0)) is None
    spread = float(((a - a.mean(0)) ** 2).sum()) / 89
    gap = float(((a.mean(0) - b.mean(0)) ** 2).sum())
    assert frechet(a, b) == pytest.approx(gap + 0.25 * spread, rel=1e-12)
    a[:, 0] = 1e-9 * np.arange(90)
    assert frechet(a, a) < 1e-10


@pytest.mark.parametrize("seed", range(6))
def test_dead_features_of_one_set_alone_take_the_safe_route(seed: int) -> None:
    """Its eigenvalues of 0 come out as 1e-17 of either sign."""
    a, b = sample(seed, 90, 20, 0.0), sample(seed + 50, 90, 20, 0.0)
    b[:, :12] = 0.0
    assert distances._overlap_by_cholesky(a - a.mean(0), b - b.mean(0)) is None
    exact = by_mpmath(a[:, 8:16], b[:, 8:16], 1)
    assert frechet(a[:, 8:16], b[:, 8:16]) == pytest.approx(exact, rel=1e-9)


def test_roots_of_small_eigenvalues_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variances over six decades, products over twelve: a root would be off by more than it may."""
    a, b = sample(8, 400, 40, decay=0.17), sample(9, 400, 40, decay=0.17)
    centred = a - a.mean(0), b - b.mean(0)
    assert distances._overlap_by_cholesky(*centred) is None
    assert 0 <= frechet(a, a) < 1e-10
    monkeypatch.setattr(distances, "SPREAD", 1.0)
    assert distances._overlap_by_cholesky(*centred) is not None


def test_gaussians_in_closed_form() -> None:
    """Moments set exactly: |mu|^2 + sum (s - t)^2 for commuting covariances."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(500, 8))
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / 499)).T
    s, t, mu = rng.uniform(0.5, 2, 8), rng.uniform(0.5, 2, 8), rng.normal(size=8)
    expected = float(mu @ mu + ((s - t) ** 2).sum())
    assert frechet(white * s, white[::-1] * t + mu) == pytest.approx(expected, rel=1e-12)


@given(SIZES, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_properties_of_frechet(sizes: tuple[int, int, int], seed: int) -> None:
    n, m, width = sizes
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, width)), rng.normal(size=(m, width)) * rng.uniform(0.1, 3)
    value = frechet(a, b)
    near: dict[str, Any] = {"rel": 1e-9, "abs": 1e-9}
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    assert value >= 0 and math.isfinite(value)
    assert frechet(b, a) == pytest.approx(value, **near)
    assert frechet(a + 5.0, b + 5.0) == pytest.approx(value, **near)
    assert frechet(a @ turn, b @ turn) == pytest.approx(value, **near)
    assert frechet(rng.permutation(a), rng.permutation(b)) == pytest.approx(value, **near)
    assert frechet(2 * a, 2 * b) == pytest.approx(4 * value, **near)
    assert 0 <= frechet(a, rng.permutation(a)) < 1e-10
    far = a + 3.0
    assert frechet(a, far) == pytest.approx(9.0 * width, rel=1e-9)


@given(SIZES, st.integers(0, 10**6), st.sampled_from([(3, 1.0), (2, 0.0)]))
@settings(max_examples=40, deadline=None)
def test_properties_of_the_kernel_distance(
    sizes: tuple[int, int, int], seed: int, kernel: tuple[int, float]
) -> None:
    n, m, width = sizes
    degree, coef = kernel
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, width)), rng.normal(1, 1, size=(m, width))
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    value = kernel_distance(a, b, degree, coef=coef)
    assert kernel_distance(b, a, degree, coef=coef) == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert kernel_distance(a @ turn, b @ turn, degree, coef=coef) == pytest.approx(value, rel=1e-6, abs=1e-8)
    assert kernel_distance(rng.permutation(a), b, degree, coef=coef) == pytest.approx(value, abs=1e-8)
    assert kernel_distance(a, b, degree, coef=coef, biased=True) >= -1e-9
    assert kernel_distance(a, a, degree, coef=coef, biased=True) == pytest.approx(0.0, abs=1e-8)
    assert kernel_interval(a, b, degree, coef=coef).value == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("degree", "gamma", "coef"), [(3, 0.2, 1.0), (2, 0.2, 0.0), (1, 1.0, 0.0)])
def test_kernel_distance_is_kids_and_jedis(degree: int, gamma: float, coef: float) -> None:
    a, b = sample(1, 9, 5), sample(2, 7, 5, shift=0.5)
    expected = by_kid(a, b, degree, gamma, coef)
    assert kernel_distance(a, b, degree, gamma, coef) == pytest.approx(expected, rel=1e-12)
    assert kernel_distance(a, b, degree, None, coef) == pytest.approx(
        by_kid(a, b, degree, 1 / 5, coef), rel=1e-12
    )
    full = [(gamma * x @ y.T + coef) ** degree for x, y in ((a, a), (b, b), (a, b))]
    biased = full[0].mean() + full[1].mean() - 2 * full[2].mean()
    assert kernel_distance(a, b, degree, gamma, coef, biased=True) == pytest.approx(biased, rel=1e-10)


def test_rows_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = sample(1, 23, 5), sample(2, 19, 5, shift=0.5)
    whole = kernel_interval(a, b)
    monkeypatch.setattr(distances, "ROWS", 4)
    parts = kernel_interval(a, b)
    assert (parts.value, parts.low) == pytest.approx((whole.value, whole.low), rel=1e-12)


def test_the_jackknife_leaves_one_video_out() -> None:
    a, b = sample(1, 8, 5), sample(2, 6, 5, shift=0.5)
    variance = 0.0
    for first, rows in ((True, a), (False, b)):
        without = [np.delete(rows, i, axis=0) for i in range(len(rows))]
        v = np.array([kernel_distance(w, b) if first else kernel_distance(a, w) for w in without])
        variance += (len(v) - 1) / len(v) * ((v - v.mean()) ** 2).sum()
    found = kernel_interval(a, b)
    from scipy.stats import t

    assert found.high - found.value == pytest.approx(t.ppf(0.975, 5) * math.sqrt(variance), rel=1e-9)


def test_the_unbiased_kernel_distance_is_unbiased_and_its_interval_covers() -> None:
    """Linear kernel: the true value is |mu|^2 / D; over 300 draws."""
    mu = np.full(6, 0.6)
    true = float(mu @ mu) / 6
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        found.append(kernel_interval(rng.normal(size=(25, 6)), rng.normal(mu, 1, (30, 6)), 1, coef=0.0))
    values = np.array([e.value for e in found])
    assert abs(values.mean() - true) < 3 * values.std() / math.sqrt(300)
    assert 0.91 <= np.mean([e.low <= true <= e.high for e in found]) <= 0.99


def test_the_limit_takes_away_the_bias_and_covers() -> None:
    """16 features, 64 videos, true distance 16 x 0.3^2, of which plain Frechet reads twice as much."""
    true, found, raw = 16 * 0.09, [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(64, 16)), rng.normal(0.3, 1, (64, 16))
        found.append(frechet_infinity(a, b, seed))
        raw.append(frechet(a, b))
    values = np.array([e.value for e in found])
    assert np.mean(raw) - true > 1.5
    assert abs(values.mean() - true) < 0.25
    assert np.mean([e.low <= true <= e.high for e in found]) >= 0.9
    assert np.mean([e.straight for e in found]) >= 0.9


def test_a_limit_through_a_curve_says_so() -> None:
    rng = np.random.default_rng(0)
    found = frechet_infinity(rng.normal(size=(64, 400)), rng.normal(size=(64, 400)), 0)
    assert not found.straight and found.value > 100
    few = frechet_infinity(rng.normal(size=(17, 2)), rng.normal(size=(40, 2)), 0)
    assert not few.straight


def test_the_limit_uses_sets_of_two_sizes_and_its_seed() -> None:
    a, b = sample(1, 60, 6), sample(2, 200, 6, shift=0.3)
    assert frechet_infinity(a, b, 0) == frechet_infinity(a, b, 0)
    one, other = frechet_infinity(a, b, 0), frechet_infinity(a, b, 1)
    assert one != other and abs(one.value - other.value) < one.high - one.low
    back = frechet_infinity(b, a, 0)
    assert abs(back.value - one.value) < one.high - one.low


@pytest.mark.parametrize("orders", [1, 3])
def test_groups_keep_their_members_in_every_order(orders: int) -> None:
    ranks = distances._ranks(50, 8, orders, np.random.default_rng(0))
    edges = np.cumsum([0, *(len(p) for p in np.array_split(np.arange(50), 8))])
    groups = [np.searchsorted(edges, rank, side="right") for rank in ranks]
    for rank, group in zip(ranks, groups, strict=True):
        assert sorted(rank) == list(range(50))
        np.testing.assert_array_equal(group, groups[0])


def test_floor_is_real_against_real_at_that_size() -> None:
    real = sample(1, 80, 6)
    small, large = floor(real, 8, 0), floor(real, 40, 0)
    assert small.low <= small.value <= small.high
    assert small.value > large.value > 0
    other = sample(2, 80, 6)
    assert frechet_at(real, other, 40, 0) == pytest.approx(large.value, rel=0.5)
    assert frechet_at(real, other, 80, 0) == frechet(real, other)
    with pytest.raises(ValueError, match="real holds 80 rows; give 82"):
        floor(real, 41, 0)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda a: frechet(a[:1], a), "a holds 1 rows; give 2"),
        (lambda a: frechet(a, a[:, :3]), r"b has shape \[20, 3\]"),
        (lambda a: frechet(a, np.where(a > 1, np.nan, a)), "b holds numbers that are not finite"),
        (lambda a: frechet_infinity(a, a[:15], 0), "b holds 15 rows; give 16"),
        (lambda a: kernel_distance(a[:1], a), "a holds 1 rows; give 2"),
        (lambda a: kernel_interval(a, a[:2]), "b holds 2 rows; give 3"),
        (lambda a: frechet_at(a, a, 21, 0), "a holds 20 rows; give 21"),
    ],
)
def test_what_has_no_distance_is_refused(call: Any, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        call(np.random.default_rng(0).normal(size=(20, 6)))


def test_one_row_has_a_distance_without_ddof() -> None:
    a = np.random.default_rng(0).normal(size=(2, 6))
    assert frechet(a[:1], a[1:], ddof=0) == pytest.approx(float(((a[0] - a[1]) ** 2).sum()))


def test_a_decomposition_that_gives_up_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = sample(1, 9, 12), sample(2, 9, 12)
    expected = frechet(a, b)

    def gives_up(*_: Any, **__: Any) -> np.ndarray:
        """What LAPACK's gesdd does on rare matrices."""
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", gives_up)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.benchmark
def test_frechet_is_fifty_times_as_fast_as_sqrtm() -> None:
    a, b = sample(1, 256, 2048, 0.002), sample(2, 256, 2048, 0.002, shift=0.05)
    frechet(a, b)
    began = time.perf_counter()
    ours = frechet(a, b)
    middle = time.perf_counter()
    old = by_sqrtm(a, b)
    ended = time.perf_counter()
    print(f"frechet {1e3 * (middle - began):.0f} ms, sqrtm {1e3 * (ended - middle):.0f} ms")
    assert ours == pytest.approx(old, rel=1e-3)
    assert (ended - middle) / (middle - began) >= 50
