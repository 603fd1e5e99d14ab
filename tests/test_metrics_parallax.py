"""Parallax against the best homography: the optimum, what it cannot beat, and what a video scores on it."""

from __future__ import annotations

import numpy as np
import pytest
from metrics_scenes import camera_path, cloud, intrinsics_of
from scipy.optimize import minimize

from simbench.metrics.parallax import best_homography, parallax_errors
from simbench.metrics.reprojection import project


def tracks(seed: int, flat: float = 1.0) -> np.ndarray:
    """Pixels [9, 60, 2] of a cloud of points, pressed to a plane by `flat` = 0."""
    points = cloud(seed) * [1.0, 1.0, flat]
    return project(points, camera_path(seed), intrinsics_of(9))


def fidelity(found: np.ndarray, true: np.ndarray, cap: float = 8.0) -> float:
    """1 for the truth, 0 for the best homography."""
    made, flat = parallax_errors(found, true, true[0], np.ones(true.shape[:2], bool), cap)
    return 1.0 - made.sum() / flat.sum()


def test_points_of_a_plane_have_no_parallax() -> None:
    uv = tracks(0, flat=0.0)
    for t in range(9):
        np.testing.assert_allclose(best_homography(uv[0], uv[t]), uv[t], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_homography_has_a_smaller_sum_of_distances(seed: int) -> None:
    import cv2

    uv = tracks(seed)
    best = np.hypot(*(best_homography(uv[0], uv[8]) - uv[8]).T).sum()
    start = cv2.findHomography(uv[0], uv[8], 0)[0]
    size = np.array([1, 1, 100, 1, 1, 100, 0.01, 0.01])

    def total(change: np.ndarray) -> float:
        """Sum of distances, px."""
        matrix = start + np.append(change * size, 0).reshape(3, 3)
        made = np.c_[uv[0], np.ones(60)] @ matrix.T
        return float(np.hypot(*(made[:, :2] / made[:, 2:] - uv[8]).T).sum())

    assert best <= total(np.zeros(8))
    found = minimize(total, np.zeros(8), method="Powell", options={"maxiter": 20000, "xtol": 1e-9}).fun
    assert best <= 1.01 * found


def test_truth_is_1_the_best_homography_0_and_a_frozen_picture_below() -> None:
    uv = tracks(1)
    assert fidelity(uv, uv) == 1.0
    flat = np.stack([best_homography(uv[0], each) for each in uv])
    assert fidelity(flat, uv) == pytest.approx(0.0, abs=1e-9)
    assert fidelity(np.repeat(uv[:1], 9, axis=0), uv) < 0
    for share in (-1.0, 0.5, 0.9):
        # Without the cap fidelity is the share of the parallax that is there.
        assert fidelity(flat + share * (uv - flat), uv, 1e6) == pytest.approx(1 - abs(1 - share))


def test_what_is_not_found_costs_the_cap_and_nothing_costs_more() -> None:
    uv = tracks(2)
    seen = np.ones((9, 60), bool)
    seen[:, 30:] = False
    lost, far = np.full_like(uv, np.nan), uv + 1000.0
    for found in (lost, far):
        made, flat = parallax_errors(found, uv, uv[0], seen, 8.0)
        assert made.tolist() == [8.0 * 30] * 9
        assert (flat <= made).all()
    none = parallax_errors(uv, uv, uv[0], np.zeros((9, 60), bool), 8.0)
    assert none[0].tolist() == none[1].tolist() == [0.0] * 9


def test_few_points_always_fit() -> None:
    uv = tracks(3)[:, :4]
    np.testing.assert_array_equal(best_homography(uv[0], uv[5]), uv[5])
