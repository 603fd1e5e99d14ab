"""Projection, triangulation and depth errors against OpenCV, SciPy's optimiser, loops and analytic scenes."""

from __future__ import annotations

import numpy as np
import pytest
from metrics_scenes import camera_path, cloud, intrinsics_of

from simbench.metrics import reprojection
from simbench.worlds.clip import make_clip
from simbench.worlds.families import build


def views(seed: int, noise: float = 0.0):
    """Poses, intrinsics, points, their pixels with noise, and which views see them."""
    poses, k, points = camera_path(seed), intrinsics_of(9), cloud(seed)
    rng = np.random.default_rng(seed)
    uv = reprojection.project(points, poses, k)
    return poses, k, points, uv + rng.normal(0, noise, uv.shape), rng.random(uv.shape[:2]) < 0.7


def test_projection_is_opencvs() -> None:
    import cv2

    poses, k, points, uv, _ = views(0)
    for t in range(9):
        turn = cv2.Rodrigues(poses[t, :3, :3])[0]
        theirs = cv2.projectPoints(points, turn, poses[t, :3, 3], k[t], None)[0][:, 0]
        np.testing.assert_allclose(uv[t], theirs, atol=1e-9)


def test_projection_is_the_renderers() -> None:
    clip = make_clip(build("orbit", 3), 64, 48, 5, 8.0)
    uv = reprojection.project(clip.points, clip.poses, clip.intrinsics)
    np.testing.assert_allclose(uv[clip.visible], clip.uv[clip.visible], atol=1e-9)


def test_reprojection_error_is_in_pixels_and_nan_behind_the_eye() -> None:
    poses, k, points, uv, _ = views(1)
    assert reprojection.reprojection_error(points, uv, poses, k) == pytest.approx(np.zeros((9, 60)))
    off = reprojection.reprojection_error(points, uv + [3.0, 4.0], poses, k)
    assert off == pytest.approx(np.full((9, 60), 5.0))
    tracked = np.tile(points, (9, 1, 1))
    assert reprojection.reprojection_error(tracked, uv + [3.0, 4.0], poses, k) == pytest.approx(off)
    tracked[2, 7] = -2 * np.linalg.inv(poses[2])[:3, :3] @ [0, 0, 1.0] + np.linalg.inv(poses[2])[:3, 3]
    bad = reprojection.reprojection_error(tracked, uv, poses, k)
    assert np.argwhere(np.isnan(bad)).tolist() == [[2, 7]]


def test_two_views_are_opencvs_and_many_views_are_exact() -> None:
    import cv2

    poses, k, points, uv, seen = views(2)
    pair = [0, 8]
    p = [k[t] @ poses[t, :3] for t in pair]
    theirs = cv2.triangulatePoints(p[0], p[1], uv[0].T, uv[8].T)
    theirs = (theirs[:3] / theirs[3]).T
    two = np.zeros_like(seen)
    two[pair] = True
    np.testing.assert_allclose(reprojection.triangulate(uv, two, poses, k, 0), theirs, atol=1e-8)
    enough = seen.sum(axis=0) >= 2
    np.testing.assert_allclose(
        reprojection.triangulate(uv, seen, poses, k)[enough], points[enough], atol=1e-8
    )


def test_refinement_is_the_least_squares_point() -> None:
    from scipy.optimize import least_squares

    poses, k, _, uv, seen = views(3, noise=1.0)
    linear = reprojection.triangulate(uv, seen, poses, k, 0)
    found = reprojection.triangulate(uv, seen, poses, k)
    for i in range(12):

        def residual(x: np.ndarray, i: int = i) -> np.ndarray:
            """Pixels off in the views that see the point."""
            return (reprojection.project(x[None], poses, k)[:, 0] - uv[:, i])[seen[:, i]].ravel()

        best = least_squares(residual, linear[i], xtol=1e-14, ftol=1e-14, gtol=1e-14)
        np.testing.assert_allclose(found[i], best.x, atol=1e-5)
        assert (residual(found[i]) ** 2).sum() <= (residual(linear[i]) ** 2).sum() + 1e-12


def test_noise_in_pixels_becomes_the_expected_error_in_depth() -> None:
    # Two views 1 m apart, 5 m before the point: sd of depth = z^2 / (f b) sqrt(2) sd.
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, 0, 3] = [0.5, -0.5]
    k = intrinsics_of(2)
    points = np.tile([0.0, 0.0, 5.0], (3000, 1))
    uv = reprojection.project(points, poses, k)
    uv = uv + np.random.default_rng(0).normal(0, 0.5, uv.shape)
    found = reprojection.triangulate(uv, np.ones((2, 3000), bool), poses, k)
    assert found[:, 2].std() == pytest.approx(25 / 150 * np.sqrt(2) * 0.5, rel=0.05)


def test_points_that_too_few_views_see_are_nan_and_outliers_stay_finite() -> None:
    poses, k, _, uv, seen = views(4)
    seen[:, 0], seen[:, 1] = False, False
    seen[3, 1] = True
    uv[~seen] = np.nan
    found = reprojection.triangulate(uv, seen, poses, k)
    assert np.isnan(found[:2]).all() and np.isfinite(found[2:]).all()
    rng = np.random.default_rng(0)
    wild = reprojection.triangulate(rng.uniform(-500, 500, uv.shape), np.ones_like(seen), poses, k)
    assert np.isfinite(wild).all()


def test_baseline_angles() -> None:
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [1.0, 0.0, -1.0]
    points = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1000.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    seen = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]], bool)
    angles = reprojection.baseline_angle(points, seen, poses)
    assert angles[:3] == pytest.approx([90.0, np.degrees(2 * np.arctan(1e-3)), 0.0])
    assert np.isnan(angles[3])


def test_depth_errors_by_hand() -> None:
    true = np.array([1.0, 2.0, 4.0, 8.0])
    made = np.array([1.1, 2.0, 5.0, 4.0])
    assert reprojection.absrel(made, true) == pytest.approx((0.1 + 0 + 0.25 + 0.5) / 4)
    assert reprojection.depth_error_median(made, true) == pytest.approx((0.1 + 1.0) / 2)
    # 5 / 4 is exactly the ratio, and so outside it.
    assert reprojection.depth_within(made, true) == 0.5
    lost = np.array([np.nan, 2.0, 0.0, -4.0])
    assert np.isnan(reprojection.absrel(lost, true)) and reprojection.depth_within(lost, true) == 0.25
    none = np.empty(0)
    for measure in (reprojection.absrel, reprojection.depth_error_median, reprojection.depth_within):
        assert np.isnan(measure(none, none))
        assert measure(3 * made, 3 * true) == pytest.approx(
            measure(made, true) * (3 if measure is reprojection.depth_error_median else 1)
        )
        with pytest.raises(ValueError, match="depth of 0 m"):
            measure(made, np.array([1.0, 0.0, 1.0, 1.0]))


def brute_warp(first, second, poses, k, tolerance):
    """Which pixels of the first view land on a depth in the second that agrees, pixel by pixel."""
    valid, error = np.zeros(first.shape, bool), np.full(first.shape, np.nan)
    for y in range(first.shape[0]):
        for x in range(first.shape[1]):
            if first[y, x] <= 0:
                continue
            ray = np.linalg.solve(k[0], [x + 0.5, y + 0.5, 1.0]) * first[y, x]
            world = np.linalg.inv(poses[0]) @ np.append(ray, 1.0)
            there = (poses[1] @ world)[:3]
            u, v, w = k[1] @ there
            col, row = int(np.floor(u / w)), int(np.floor(v / w))
            inside = there[2] > 0 and 0 <= col < first.shape[1] and 0 <= row < first.shape[0]
            if inside and second[row, col] > 0 and second[row, col] >= (1 - tolerance) * there[2]:
                valid[y, x], error[y, x] = True, second[row, col] - there[2]
    return valid, error


@pytest.fixture(scope="module")
def clip():
    """An orbit of five frames."""
    return make_clip(build("orbit", 5, camera="orbit"), 40, 32, 5, 8.0)


@pytest.mark.parametrize("ends", [(0, 4), (4, 0)])
def test_warped_depth_is_the_definition(clip, ends: tuple[int, int]) -> None:
    a, b = ends
    p, k = clip.poses[[a, b]], clip.intrinsics[[a, b]]
    found = reprojection.warp_first_to_second_nearest(clip.depth[a], clip.depth[b], p, k)
    valid, error = brute_warp(clip.depth[a].astype(float), clip.depth[b].astype(float), p, k, 0.05)
    assert (found.valid == valid).mean() > 0.999
    both = found.valid & valid
    # Clips hold rotations to 2^-20, whose inverse is their transpose to about 1e-5 of the depth.
    np.testing.assert_allclose((found.sampled - found.expected)[both], error[both], atol=5e-4)


def test_true_depth_agrees_with_itself_and_wrong_depth_does_not(clip) -> None:
    p, k = clip.poses[[0, 4]], clip.intrinsics[[0, 4]]
    good = reprojection.warp_first_to_second_nearest(clip.depth[0], clip.depth[4], p, k)
    v = good.valid
    assert v.mean() > 0.4
    # Edges and slanted surfaces leave something at 40 x 32; the middle of it is a fraction of a per cent.
    true_error = np.median(np.abs(good.sampled - good.expected)[v] / good.expected[v])
    flat = np.full_like(clip.depth[0], np.median(clip.depth[0]))
    bad = reprojection.warp_first_to_second_nearest(flat, clip.depth[4], p, k)
    flat_error = np.median(np.abs(bad.sampled - bad.expected)[bad.valid] / bad.expected[bad.valid])
    assert true_error < 0.02 < 0.05 < flat_error


def test_what_is_hidden_in_the_second_view_is_not_judged() -> None:
    # A wall at 4 m, and in the second view a board at 1 m before its left half.
    first, second = np.full((8, 8), 4.0), np.full((8, 8), 4.0)
    second[:, :4] = 1.0
    second[0, 7] = 0.0
    poses, k = np.tile(np.eye(4), (2, 1, 1)), intrinsics_of(2, 8.0, 8.0)
    found = reprojection.warp_first_to_second_nearest(first, second, poses, k)
    assert found.valid[:, 4:].sum() == 31 and not found.valid[:, :4].any()
    assert found.expected == pytest.approx(first)
    back = reprojection.warp_first_to_second_nearest(second, first, poses, k)
    # The other way the board stands before the wall: not hidden, and 3 m off.
    assert back.valid.sum() == 63
    assert (back.sampled - back.expected)[:, :4] == pytest.approx(np.full((8, 4), 3.0))


def test_no_points_are_triangulated_to_none() -> None:
    poses, cameras = np.tile(np.eye(4), (3, 1, 1)), np.tile(np.eye(3), (3, 1, 1))
    none = reprojection.triangulate(np.zeros((3, 0, 2)), np.zeros((3, 0), bool), poses, cameras)
    assert none.shape == (0, 3)
