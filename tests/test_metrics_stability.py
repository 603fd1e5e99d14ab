"""Measures of one clip against analytic answers and independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from simbench.metrics.stability import (
    aligned_error,
    carried_back,
    histogram_distance,
    loop_error,
    outliers,
    survival,
    unevenness,
)

RNG = np.random.default_rng(5)


def test_a_picture_carried_back_is_scipys_linear_interpolation() -> None:
    picture, flow = RNG.random((9, 11, 2)), RNG.normal(0.0, 2.0, (9, 11, 2))
    shown, inside = carried_back(picture, flow)
    y, x = np.mgrid[:9, :11]
    at = np.stack([y + flow[..., 1], x + flow[..., 0]])
    for channel in range(2):
        want = map_coordinates(picture[..., channel], at, order=1, mode="constant", cval=np.nan)
        np.testing.assert_allclose(shown[inside, channel], want[inside], atol=1e-12)
    assert 0.3 < inside.mean() < 0.9 and np.isnan(shown[~inside]).all() and not np.isnan(shown[inside]).any()


def test_flow_there_and_back_comes_home_where_it_should() -> None:
    there = np.broadcast_to(np.array([2.0, -1.0]), (10, 12, 2)).copy()
    error = loop_error(there, -there)
    assert np.isnan(error[0]).all() and np.isnan(error[:, 10:]).all(), "these leave the frame"
    np.testing.assert_allclose(error[1:, :10], 0.0, atol=1e-12)
    back = -there
    back[4:, :, 0] += 3.0
    error = loop_error(there, back)
    np.testing.assert_allclose(error[5:, :10], 3.0)
    np.testing.assert_allclose(error[1:5, :10], 0.0, atol=1e-12)
    assert np.isnan(loop_error(there + 50.0, back)).all()


def test_survival_leaves_out_what_left() -> None:
    kept = np.array([True, True, False, False, False])
    inside = np.array([True, True, True, True, False])
    assert survival(kept, inside) == 0.5
    assert np.isnan(survival(kept, np.zeros(5, bool)))


def test_unevenness_of_known_motions() -> None:
    t = np.arange(9.0)
    straight = np.stack([2 * t, -t], axis=-1)
    back_and_forth = np.stack([t % 2, 0 * t], axis=-1)
    still = np.zeros((9, 2))
    lost = np.where(t[:, None] == 4, np.nan, straight)
    found = unevenness(np.stack([straight, back_and_forth, still, lost], axis=1))
    assert found[0] == pytest.approx(0.0) and found[1] == pytest.approx(2.0)
    assert np.isnan(found[2:]).all()
    assert unevenness(RNG.normal(size=(2000, 1, 2)))[0] == pytest.approx(np.sqrt(3.0), abs=0.05)
    # A circle turns by the same angle each frame: the change is 2 sin(angle / 2) of the way.
    circle = np.stack([np.cos(0.2 * t), np.sin(0.2 * t)], axis=-1)[:, None]
    assert unevenness(circle)[0] == pytest.approx(2 * np.sin(0.1))
    assert np.isnan(unevenness(circle[:2])).all()


def test_histograms_are_alike_or_disjoint() -> None:
    a = np.array([1.0, 3.0, 0.0, 0.0])
    assert histogram_distance(a, 7 * a) == pytest.approx(0.0)
    assert histogram_distance(a, a[::-1]) == pytest.approx(1.0)
    assert histogram_distance(a, np.array([3.0, 1.0, 0.0, 0.0])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="holds nothing"):
        histogram_distance(a, np.zeros(4))
    for wrong in (-1.0, np.nan):
        with pytest.raises(ValueError, match="give counts, 0 or more"):
            histogram_distance(a, np.array([5.0, wrong, 0.0, 0.0]))


def test_outliers_are_few_and_far() -> None:
    values = RNG.normal(0.0, 0.1, 400)
    assert not outliers(values, 6.0, 0.01).any()
    values[[3, 90]] = 1.5
    assert np.flatnonzero(outliers(values, 6.0, 0.01)).tolist() == [3, 90]
    # The floor: equal values but one that differs by next to nothing.
    assert not outliers(np.array([0.0, 0.0, 0.0, 0.001]), 6.0, 0.01).any()
    most = np.arange(100) % 10 > 2
    assert not outliers(most.astype(float), 6.0, 0.01).any(), "what differs nearly everywhere has none"
    assert outliers(np.zeros(0), 6.0, 0.01).shape == (0,)
    values[7] = np.nan
    with pytest.raises(ValueError, match="values holds nan"):
        outliers(values, 6.0, 0.01)


def test_depth_agrees_up_to_scale_and_shift() -> None:
    surface = RNG.uniform(0.1, 1.0, 500)
    assert aligned_error(3.0 * surface - 2.0, surface) == pytest.approx(0.0, abs=1e-9)
    with_wrong = 3.0 * surface - 2.0
    with_wrong[:20] = 50.0
    assert aligned_error(with_wrong, surface) < 0.2, "a few wrong pixels do not count"
    # Two independent uniform surfaces, each of half width 2: the median of |x - y| is 4 (1 - sqrt(1 / 2)).
    other = np.random.default_rng(8).random(20_000)
    uniform = np.random.default_rng(9).random(20_000)
    assert aligned_error(other, uniform) == pytest.approx(4 * (1 - np.sqrt(0.5)), abs=0.03)
    # Two independent Gaussians have a difference sqrt(2) times as wide.
    normal = np.random.default_rng(10).normal(size=(2, 20_000))
    assert aligned_error(*normal) == pytest.approx(np.sqrt(2), abs=0.03)
    assert aligned_error(-surface, surface) > 1.5, "near is not far"
    assert np.isnan(aligned_error(surface, np.ones(500)))
    assert np.isnan(aligned_error(surface[:7], surface[:7]))
