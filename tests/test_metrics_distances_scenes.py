"""Distances where videos of one scene are alike: scenes are the unit, of the value and of its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from test_metrics_distances import sample

from simbench.metrics import distances
from simbench.metrics.distances import (
    floor,
    frechet,
    frechet_infinity,
    kernel_between,
    kernel_interval,
)


def scenes_of(rng: np.random.Generator, mu: float, count: int, width: int) -> np.ndarray:
    """Four clips of each of `count` scenes, alike but for a third of the spread, [4 count, width]."""
    middle = rng.normal(mu, 1, (count, width))
    return np.repeat(middle, 4, axis=0) + rng.normal(0, 0.3, (4 * count, width))


def test_scenes_are_the_unit_of_the_kernel_distance() -> None:
    """Linear kernel, true value mu^2: clips taken one by one read too much and cover in two thirds."""
    true, scenes = 0.16, np.repeat(np.arange(20), 4)
    found, single = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b = scenes_of(rng, 0, 20, 6), scenes_of(rng, 0.4, 20, 6)
        found.append(kernel_between(a, b, scenes, 1, coef=0.0))
        single.append(kernel_interval(a, b, 1, coef=0.0))
    values = np.array([e.value for e in found])
    assert abs(values.mean() - true) < 3 * values.std() / math.sqrt(200)
    assert 0.9 <= np.mean([e.low <= true <= e.high for e in found]) <= 0.99
    assert np.mean([e.value for e in single]) > 1.3 * true
    assert np.mean([e.low <= true <= e.high for e in single]) < 0.8


def test_the_kernel_between_scenes_is_its_definition() -> None:
    a, b, scenes = sample(1, 7, 5), sample(2, 7, 5, shift=0.5), np.array([4, 4, 9, 9, 9, 1, 2])

    def direct(kept: list[int]) -> float:
        """Mean over pairs of different scenes of the means over their clips."""
        pairs = [(s, t) for s in kept for t in kept if s != t]

        def between(x: np.ndarray, y: np.ndarray) -> float:
            """Of one set and another."""
            kernel = [(x[scenes == s] @ y[scenes == t].T / 5 + 1.0) ** 3 for s, t in pairs]
            return float(np.mean([k.mean() for k in kernel]))

        return between(a, a) + between(b, b) - 2 * between(a, b)

    found = kernel_between(a, b, scenes)
    assert found.value == pytest.approx(direct([4, 9, 1, 2]), rel=1e-12)
    without = np.array([direct([s for s in (4, 9, 1, 2) if s != out]) for out in (4, 9, 1, 2)])
    error = math.sqrt(3 / 4 * ((without - without.mean()) ** 2).sum())
    from scipy.stats import t

    assert found.high - found.value == pytest.approx(t.ppf(0.975, 3) * error, rel=1e-9)
    itself = kernel_between(a, a.copy(), scenes)
    assert max(abs(x) for x in (itself.value, itself.low, itself.high)) < 1e-12
    # What repeats its own scene and nothing else gains nothing: rows of a scene in another order.
    assert kernel_between(a, a[[1, 0, 3, 4, 2, 5, 6]], scenes).value == pytest.approx(0.0, abs=1e-12)
    for labels in (scenes.astype(float), scenes[:-1]):
        with pytest.raises(ValueError, match="scenes h"):
            kernel_between(a, b, labels)


def test_the_limit_keeps_scenes_whole() -> None:
    """True distance 8 x 0.3^2: clips taken one by one end at twice as much, with an interval around that."""
    true, scenes = 8 * 0.09, np.repeat(np.arange(48), 4)
    found, single = [], []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        a, b = scenes_of(rng, 0, 48, 8), scenes_of(rng, 0.3, 48, 8)
        found.append(frechet_infinity(a, b, seed, scenes=(scenes, scenes)))
        single.append(frechet_infinity(a, b, seed))
    assert abs(np.mean([e.value for e in found]) - true) < 0.35
    assert np.mean([e.low <= true <= e.high for e in found]) >= 0.8
    assert np.mean([e.value for e in single]) > 1.6 * true
    assert np.mean([e.low <= true <= e.high for e in single]) < 0.5
    alone = np.arange(192)
    assert frechet_infinity(a, b, 3, scenes=(alone, alone)) == frechet_infinity(a, b, 3)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (
            lambda a: frechet_infinity(a, a, 0, scenes=(np.arange(20), np.arange(20) // 3)),
            "scenes holds 7 on a side; give 8",
        ),
        (lambda a: kernel_between(a, a, np.arange(20) // 10), "scenes holds 2 scenes; give 3"),
        (lambda a: kernel_between(a, a[1:], np.arange(20)), r"b has shape \[19, 6\]"),
    ],
)
def test_what_has_too_few_scenes_is_refused(call: Any, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        call(np.random.default_rng(0).normal(size=(20, 6)))


def test_the_floor_is_between_sets_of_other_scenes() -> None:
    scenes, apart, whole, split = np.repeat(np.arange(16), 4), [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        real = scenes_of(rng, 0, 16, 6)
        apart.append(frechet(scenes_of(rng, 0, 8, 6), scenes_of(rng, 0, 8, 6)))
        whole.append(floor(real, 8, 0, scenes=scenes).value)
        split.append(floor(real, 32, 0).value)
    assert np.mean(whole) == pytest.approx(np.mean(apart), rel=0.15)
    assert np.mean(split) < 0.5 * np.mean(apart)
    mixed = np.random.default_rng(1).permutation(64)
    one, other = floor(real, 8, 3, scenes=scenes), floor(real[mixed], 8, 3, scenes=scenes[mixed] + 5)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-9)
    with pytest.raises(ValueError, match="real holds 16 scenes; give 18 or more"):
        floor(real, 9, 0, scenes=scenes)
    with pytest.raises(ValueError, match="give 2 or more"):
        floor(real, 0, 0)


def test_the_jackknife_leaves_out_each_scene_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call of each group is of one block: all scenes but those of the group."""
    calls: list[tuple[np.ndarray, np.ndarray]] = []

    def counted(a: np.ndarray, b: np.ndarray, ddof: int = 1) -> float:
        """In place of the distance: which rows it was asked of."""
        calls.append((a[:, 0], b[:, 0]))
        return 1.0 / len(a)

    monkeypatch.setattr(distances, "frechet", counted)
    labels = np.repeat(np.arange(25), 2)
    rows = np.arange(50.0)[:, None] * np.ones(3)
    frechet_infinity(rows, rows, 0, orders=1, scenes=(labels, labels))
    blocks = 1 + 2 + 3 + 4
    assert len(calls) % blocks == 0 and set(calls[0][0]) == set(range(50))
    for side in (0, 1):
        left = [set(range(50)) - set(calls[i][side].astype(int)) for i in range(blocks, len(calls), blocks)]
        assert sorted(x for each in left for x in each) == list(range(50))
        assert all(len(each) in (4, 6) and {x ^ 1 for x in each} == each for each in left)
