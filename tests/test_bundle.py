"""Two views adjusted with their points, and a third: clouds whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simbench.instruments.bundle import Bundle, bundle, camera_of, some, third_error
from simbench.instruments.matching import Matches
from simbench.metrics.reprojection import project

SHAPE = (240, 320)
FOCAL = 1.2 * 320


def views(seed: int, count: int = 48, focal: float = FOCAL, noise: float = 0.0) -> np.ndarray:
    """`count` points 4 to 10 m away seen from three places of an even way, [3, count, 2] px."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-1.5, -1.0, 4.0], [1.5, 1.0, 10.0], (count, 3))
    poses = np.stack([np.eye(4)] * 3)
    for i in range(3):
        poses[i, :3, :3] = Rotation.from_euler("y", -3.0 * i, degrees=True).as_matrix()
        poses[i, :3, 3] = [0.4 * i, 0.05 * i, 0.1 * i]
    uv = project(points, poses, np.stack([camera_of(focal, SHAPE)] * 3))
    return uv + rng.normal(0.0, noise, uv.shape)


def adjusted(uv: np.ndarray) -> Bundle:
    found = bundle(Matches(uv[0], uv[1]), SHAPE, None, 0.5)
    assert found is not None
    return found


def third(found: Bundle, uv: np.ndarray) -> float:
    error = third_error(found, uv[2], SHAPE, 1.0, np.random.default_rng(0))
    assert error is not None
    return error


@pytest.mark.parametrize("seed", range(2))
def test_clean_points_leave_nothing_over(seed: int) -> None:
    uv = views(seed)
    found = adjusted(uv)
    assert found.reproj_px < 0.02 and third(found, uv) < 0.1
    assert found.focal == pytest.approx(FOCAL, rel=0.05)
    want = np.array([0.4, 0.05, 0.1]) / np.linalg.norm([0.4, 0.05, 0.1])
    assert found.pose[:3, 3] @ want > np.cos(np.radians(3.0))
    turned = Rotation.from_matrix(found.pose[:3, :3]).as_euler("yxz", degrees=True)
    assert turned == pytest.approx([-3.0, 0.0, 0.0], abs=0.3)


def test_noise_reads_as_the_noise_that_it_is() -> None:
    values = [adjusted(views(seed, noise=0.3)).reproj_px for seed in range(4)]
    # A match has 4 coordinates and its point takes 3: one is left, a Gaussian whose square has median 0.455.
    assert np.mean(values) == pytest.approx(np.sqrt(0.455 / 2) * 0.3, abs=0.03)


def test_false_matches_do_not_move_the_camera() -> None:
    uv = views(3)
    uv[1, :8] = np.random.default_rng(3).uniform([0, 0], [320, 240], (8, 2))
    found = adjusted(uv)
    assert found.reproj_px < 0.05 and (found.error_px[:8] > 0.5).sum() >= 5
    assert np.median(found.error_px[8:]) < 0.05


def test_what_slides_along_its_epipolar_line_is_seen_only_in_a_third_view() -> None:
    """Depth made anew in each frame: two views agree with any of it, three do not."""
    rng = np.random.default_rng(4)
    points = rng.uniform([-1.5, -1.0, 4.0], [1.5, 1.0, 10.0], (48, 3))
    uv = []
    for i in range(3):
        remade = points * (1.0 if i == 0 else rng.uniform(0.7, 1.4, (48, 1)))
        # The camera goes along x without turning: lines are rows, for the remade points as well.
        pose = np.eye(4)
        pose[0, 3] = 0.4 * i
        x = remade @ pose[:3, :3].T + pose[:3, 3]
        rows = (points @ camera_of(FOCAL, SHAPE).T)[:, 1] / points[:, 2]
        uv.append(np.column_stack([FOCAL * x[:, 0] / x[:, 2] + SHAPE[1] / 2, rows]))
    bad = np.stack(uv)
    found = adjusted(bad)
    assert found.reproj_px < 0.1, "the two views leave nothing over"
    assert third(found, bad) > 2.0


def test_a_third_frame_that_was_zoomed_or_skewed_alone_costs_pixels() -> None:
    uv = views(5)
    middle = np.array([SHAPE[1], SHAPE[0]]) / 2
    found, clean = adjusted(uv), third(adjusted(uv), uv)
    skewed = uv.copy()
    skewed[2] = (uv[2] - middle) @ np.array([[1.0, 0.03], [0.0, 0.97]]) + middle
    assert clean < 0.1 and third(found, skewed) > 0.5


def test_a_homography_of_each_frame_is_seen_only_in_a_third_view() -> None:
    """A fundamental matrix has 7 free numbers, the adjusted camera 6: two views refuse one part in seven of a
    wobble, and the focal length takes most of that."""
    corners = np.array([[0, 0], [320, 0], [320, 240], [0, 240]], np.float32)
    two, three = [], []
    for seed in range(6):
        rng = np.random.default_rng([seed, 9])
        moved = [(corners + rng.normal(0.0, 0.015 * 240, (4, 2))).astype(np.float32) for _ in range(3)]
        uv = np.stack(
            [
                cv2.perspectiveTransform(seen[None], cv2.getPerspectiveTransform(corners, to))[0]
                for seen, to in zip(views(seed), moved, strict=True)
            ]
        )
        found = adjusted(uv)
        two.append(found.reproj_px)
        three.append(third(found, uv))
    assert np.median(two) < 0.1 and np.median(three) > 1.0


@pytest.mark.parametrize("what", ["turn", "roll", "flat"])
def test_what_a_homography_explains_is_explained(what: str) -> None:
    """A camera that only turns, or a wall that it goes past: any fundamental matrix fits, most give no
    camera."""
    rng = np.random.default_rng(8)
    depth = np.full((48, 1), 5.0) if what == "flat" else rng.uniform(3.0, 9.0, (48, 1))
    rays = np.column_stack([rng.uniform([-0.35, -0.28], [0.25, 0.22], (48, 2)), np.ones(48)])
    poses = np.stack([np.eye(4)] * 3)
    for i in range(3):
        axis = {"turn": [0.0, 3.0, 0.0], "roll": [0.0, 0.0, 7.0], "flat": [0.0, 0.0, 0.0]}[what]
        poses[i, :3, :3] = Rotation.from_euler("xyz", i * np.array(axis), degrees=True).as_matrix()
        poses[i, :3, 3] = [0.2 * i, 0.1 * i, 0.0] if what == "flat" else 0.0
    uv = project(rays * depth, poses, np.stack([camera_of(FOCAL, SHAPE)] * 3))
    uv = uv + rng.normal(0.0, 0.05, uv.shape)
    f, _ = cv2.findFundamentalMat(uv[0], uv[1], cv2.USAC_MAGSAC, 0.5, 0.999, 1000)
    found = bundle(Matches(uv[0], uv[1]), SHAPE, f, 0.5)
    assert found is not None and found.reproj_px < 0.1 and third(found, uv) < 0.4


def test_a_third_view_is_judged_on_points_that_its_camera_was_not_solved_on() -> None:
    """Eight points fix a camera that follows their noise; on the others it is worse than the noise itself,
    whose median distance is 1.18 standard deviations."""
    uv = views(7)
    found = adjusted(uv)
    few = np.where(np.arange(48)[:, None] % 3 == 0, uv[2], np.nan)
    rng = np.random.default_rng(7)
    errors = []
    for _ in range(12):
        noisy = few + rng.normal(0.0, 1.0, few.shape)
        errors.append(third_error(found, noisy, SHAPE, 4.0, rng))
    assert np.mean(errors) > 1.25


def test_too_few_have_no_answer() -> None:
    uv = views(6)
    assert bundle(Matches(uv[0, :15], uv[1, :15]), SHAPE, None, 0.5) is None
    found = adjusted(uv)
    hidden = uv[2].copy()
    hidden[15:] = np.nan
    assert third_error(found, hidden, SHAPE, 1.0, np.random.default_rng(0)) is None
    assert len(some(500)) == 48 and some(5).tolist() == [0, 1, 2, 3, 4] and len(np.unique(some(49))) == 48
