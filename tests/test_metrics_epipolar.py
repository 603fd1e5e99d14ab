"""Epipolar errors against OpenCV, against lines drawn one by one, and against what noise must give."""

from __future__ import annotations

import numpy as np
import pytest
from metrics_scenes import camera_path, cloud, intrinsics_of

from simbench.metrics import epipolar
from simbench.metrics.reprojection import project


def pair(seed: int, count: int = 200):
    """F and exact matches of two views of a cloud of points."""
    poses = camera_path(seed)[[0, 7]]
    k = intrinsics_of(2)
    k[1, 0, 0] *= 1.3
    uv = project(cloud(seed, count), poses, k)
    return epipolar.fundamental(poses[0], poses[1], k[0], k[1]), uv[0], uv[1]


def test_exact_matches_lie_on_their_lines() -> None:
    f, a, b = pair(0)
    for error in (
        epipolar.sampson_squared,
        epipolar.symmetric_epipolar_squared,
        epipolar.epipolar_distance_mean,
    ):
        assert np.abs(error(f, a, b)).max() < 1e-9


def test_sampson_is_opencvs() -> None:
    import cv2

    f, a, b = pair(1)
    rng = np.random.default_rng(0)
    a, b = a + rng.normal(0, 2, a.shape), b + rng.normal(0, 2, b.shape)
    ours = epipolar.sampson_squared(f, a, b)
    theirs = [
        cv2.sampsonDistance(np.append(p, 1.0)[:, None], np.append(q, 1.0)[:, None], f)
        for p, q in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    np.testing.assert_allclose(epipolar.sampson(f, a, b) ** 2, ours, rtol=1e-12)


def test_symmetric_errors_are_distances_to_lines_drawn_one_by_one() -> None:
    import cv2

    f, a, b = pair(2, 40)
    rng = np.random.default_rng(1)
    a, b = a + rng.normal(0, 3, a.shape), b + rng.normal(0, 3, b.shape)
    in_second = cv2.computeCorrespondEpilines(a.reshape(-1, 1, 2), 1, f)[:, 0]
    in_first = cv2.computeCorrespondEpilines(b.reshape(-1, 1, 2), 2, f)[:, 0]
    two = [abs(x * u + y * v + w) for (x, y, w), (u, v) in zip(in_second, b, strict=True)]
    one = [abs(x * u + y * v + w) for (x, y, w), (u, v) in zip(in_first, a, strict=True)]
    squared = np.square(one) + np.square(two)
    np.testing.assert_allclose(epipolar.symmetric_epipolar_squared(f, a, b), squared, rtol=1e-8)
    np.testing.assert_allclose(epipolar.epipolar_distance_mean(f, a, b), np.add(one, two) / 2, rtol=1e-8)


def test_two_eyes_side_by_side_measure_the_rows() -> None:
    # Rectified: epipolar lines are rows, so d = |dy| in each image and Sampson's is half of dy squared.
    first, second = np.eye(4), np.eye(4)
    second[0, 3] = -1.0
    k = np.diag([100.0, 100.0, 1.0])
    f = epipolar.fundamental(first, second, k, k)
    a, b = np.array([[10.0, 20.0]]), np.array([[4.0, 23.0]])
    assert epipolar.sampson_squared(f, a, b)[0] == pytest.approx(9 / 2)
    assert epipolar.symmetric_epipolar_squared(f, a, b)[0] == pytest.approx(18)
    assert epipolar.epipolar_distance_mean(f, a, b)[0] == pytest.approx(3)


@pytest.mark.parametrize("sd", [0.5, 1.0, 2.0])
def test_noise_gives_the_expected_squares(sd: float) -> None:
    f, a, b = pair(3, 4000)
    rng = np.random.default_rng(5)
    a, b = a + rng.normal(0, sd, a.shape), b + rng.normal(0, sd, b.shape)
    squared = epipolar.sampson_squared(f, a, b)
    assert squared.mean() == pytest.approx(sd**2, rel=0.06)
    # The median of one degree of freedom: 0.4549 of the mean, a root of 0.674.
    assert epipolar.sqrt_median(squared) == pytest.approx(0.6745 * sd, rel=0.05)
    assert epipolar.symmetric_epipolar_squared(f, a, b).mean() == pytest.approx(4 * sd**2, rel=0.1)


def test_scale_of_f_and_exchange_of_the_images_play_no_part() -> None:
    f, a, b = pair(4)
    a = a + np.random.default_rng(2).normal(0, 2, a.shape)
    for error in (
        epipolar.sampson_squared,
        epipolar.symmetric_epipolar_squared,
        epipolar.epipolar_distance_mean,
    ):
        np.testing.assert_allclose(error(-7.0 * f, a, b), error(f, a, b), rtol=1e-9)
        np.testing.assert_allclose(error(f.T, b, a), error(f, a, b), rtol=1e-9)


def test_essential_has_two_equal_singular_values_and_batches_agree() -> None:
    poses = camera_path(6)
    batch = epipolar.essential(poses[:-1], poses[1:])
    for e, p, q in zip(batch, poses[:-1], poses[1:], strict=True):
        values = np.linalg.svd(e)[1]
        step = (q @ np.linalg.inv(p))[:3, 3]
        assert values == pytest.approx([np.linalg.norm(step)] * 2 + [0.0], abs=1e-12)
        np.testing.assert_allclose(epipolar.essential(p, q), e, atol=1e-15)


def test_one_outlier_moves_the_mean_and_not_the_median() -> None:
    squared = np.full(101, 4.0)
    squared[0] = 1e6
    assert epipolar.sqrt_median(squared) == 2.0
    assert np.sqrt(squared.mean()) > 99
    assert np.isnan(epipolar.sqrt_median(np.empty(0)))


def test_cameras_at_one_place_have_no_epipolar_geometry() -> None:
    f = epipolar.fundamental(np.eye(4), np.eye(4), np.eye(3), np.eye(3))
    assert np.isnan(f).all()
    assert np.isnan(epipolar.sampson_squared(f, np.zeros((2, 2)), np.zeros((2, 2)))).all()


def test_what_it_cannot_see() -> None:
    # Points moved along their epipolar lines, as by any wrong depth, cost nothing: why geometry needs more.
    f, a, b = pair(5)
    line = np.concatenate([a, np.ones((len(a), 1))], 1) @ f.T
    along = np.stack([line[:, 1], -line[:, 0]], -1) / np.hypot(line[:, 0], line[:, 1])[:, None]
    assert epipolar.sampson(f, a, b + 10.0 * along).max() < 1e-6
