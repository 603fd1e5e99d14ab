"""plane_sweep: exact turns, analytic depths, and better later frames than any picture without depth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simbench.case import Condition
from simbench.generators import stereo, warp
from simbench.generators.plane_sweep import PlaneSweep, reproject
from simbench.generators.rollout import GREY
from simbench.worlds.clip import Clip, make_clip
from simbench.worlds.families import orbit
from simbench.worlds.scene import Camera, Curve

SIZE, FRAMES, GIVEN = 96, 13, 5
K = np.array([[110.0, 0.0, SIZE / 2], [0.0, 110.0, SIZE / 2], [0.0, 0.0, 1.0]])


def condition(
    frames: np.ndarray, poses: np.ndarray | None, given: int = GIVEN, k: np.ndarray = K
) -> Condition:
    count, height, width = frames.shape[:3]
    intrinsics = None if poses is None else np.tile(k, (count, 1, 1))
    kept = frames[:given].copy()
    return Condition("c", "cam", kept, "a room", width, height, count, 8.0, poses, intrinsics)


def pattern(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Smooth colours [..., 3], 0-255, of places (x, y): sums of waves."""
    rng = np.random.default_rng(seed)
    out = np.full((*x.shape, 3), 128.0)
    for _ in range(12):
        a, b, phase = rng.uniform(-9, 9), rng.uniform(-9, 9), rng.uniform(0, 6.28)
        out += rng.uniform(6, 16, 3) * np.sin(a * x + b * y + phase)[..., None]
    return np.clip(out, 0, 255)


def pixels() -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.stack([x, y, np.ones_like(x)], -1)


def turning(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A camera that turns by `angles` [T] (radians) about y in a world painted on the sky: frames and
    poses.
    """
    frames, poses = [], []
    for angle in angles:
        c, s = np.cos(angle), np.sin(angle)
        pose = np.eye(4)
        pose[:3, :3] = [[c, 0, -s], [0, 1, 0], [s, 0, c]]
        rays = pixels() @ np.linalg.inv(K).T @ pose[:3, :3]
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        frames.append(pattern(2 * rays[..., 0], 2 * rays[..., 1], 1))
        poses.append(pose)
    return np.rint(frames).astype(np.uint8), np.array(poses)


def two_planes(shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square at depth 2 before a wall at depth 5, the camera moving along x: frames, poses, depth of
    all.
    """
    frames, poses, depths = [], [], []
    for shift in shifts:
        ray = pixels() @ np.linalg.inv(K).T
        near = 2.0 * ray[..., :2] + np.array([shift, 0.0])
        on = (np.abs(near) < 0.35).all(-1)
        far = 5.0 * ray[..., :2] + np.array([shift, 0.0])
        colour = np.where(
            on[..., None],
            pattern(3 * near[..., 0], 3 * near[..., 1], 2) * [1.0, 0.6, 0.5],
            pattern(far[..., 0], far[..., 1], 3) * [0.6, 0.8, 1.0],
        )
        pose = np.eye(4)
        pose[0, 3] = -shift
        frames.append(colour)
        poses.append(pose)
        depths.append(np.where(on, 2.0, 5.0))
    return np.rint(frames).astype(np.uint8), np.array(poses), np.array(depths)


def orbiting(seed: int) -> Clip:
    """A furnished room from a camera that goes round it at constant speed."""
    scene = orbit.build(seed, 1.5, "rich", 0.0, camera="orbit")
    times = np.linspace(0.0, 1.5, 25)
    eye, target = np.array(scene.camera.eye.at(0.0)), np.array(scene.camera.target.at(0.0))
    last = np.array(scene.camera.eye.at(1.5))
    turn = np.arctan2(last[0], last[2]) - np.arctan2(eye[0], eye[2])
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    radius, start = np.hypot(eye[0], eye[2]), np.arctan2(eye[0], eye[2])
    places = tuple(
        (float(radius * np.sin(a)), float(eye[1]), float(radius * np.cos(a)))
        for a in start + turn * times / 1.5
    )
    camera = Camera(
        Curve(tuple(map(float, times)), places), Curve((0.0,), (tuple(map(float, target)),)), 43.0
    )
    return make_clip(dataclasses.replace(scene, camera=camera), SIZE, SIZE, FRAMES, 8.0, samples=3)


def shown_before(clip: Clip) -> np.ndarray:
    """Pixels bool [H, W] of the last frame whose surface the last given frame shows."""
    turns, shifts = stereo.relative(clip.poses, clip.intrinsics, FRAMES - 1, np.array([GIVEN - 1]))
    depth = np.maximum(clip.depth[-1], 1e-6)[..., None]
    seen = pixels() @ turns[0].T * depth + shifts[0]
    u = np.clip(seen[..., :2] / seen[..., 2:], 0, SIZE - 1).astype(int)
    inside = ((seen[..., :2] > 0) & (seen[..., :2] < SIZE * seen[..., 2:])).all(-1)
    there = clip.depth[GIVEN - 1][u[..., 1], u[..., 0]]
    return inside & (np.abs(there - seen[..., 2]) < 0.05 * seen[..., 2]) & (clip.depth[-1] > 0)


def off(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def test_a_turn_is_the_exact_homography() -> None:
    frames, poses = turning(np.linspace(0.0, 0.25, FRAMES))
    answer = reproject(condition(frames, poses, given=1))
    turns, _ = stereo.relative(poses, np.tile(K, (FRAMES, 1, 1)), 0, np.arange(FRAMES))
    for t in range(1, FRAMES):
        shown = warp.rotated(frames[0].astype(np.float32), turns[t], SIZE, SIZE).nearness >= 0
        assert shown.mean() > 0.6
        assert off(answer[t][shown], frames[t][shown]) < 1.0


def test_a_turn_and_back_is_put_together_from_all_that_was_shown() -> None:
    angles = np.concatenate([np.linspace(0.0, 0.5, 7), np.linspace(0.5, 0.0, 7)[1:]])
    frames, poses = turning(angles)
    answer = reproject(condition(frames, poses, given=7))
    assert off(answer[7:], frames[7:]) < 1.0
    assert off(reproject(condition(frames, poses, given=1))[7:-1], frames[7:-1]) > 3.0


def test_two_planes_have_the_depths_they_were_drawn_with() -> None:
    frames, poses, depths = two_planes(np.linspace(0.0, 0.4, FRAMES))
    seen = condition(frames, poses)
    assert seen.poses is not None and seen.intrinsics is not None
    views = stereo.views_of(seen.given_frames, seen.poses, seen.intrinsics, GIVEN - 1)
    inverse = stereo.inverse_depth(views)
    error = np.abs(inverse * depths[GIVEN - 1] - 1)
    near = depths[GIVEN - 1] == 2.0
    assert np.median(error[~near]) < 0.003 and np.median(error[near]) < 0.03
    assert np.mean(error < 0.05) > 0.93


def test_two_planes_are_drawn_where_they_come_to_lie() -> None:
    frames, poses, _ = two_planes(np.linspace(0.0, 0.4, FRAMES))
    answer = reproject(condition(frames, poses))
    width = SIZE * 3 // 4
    assert off(answer[-1][:, :width], frames[-1][:, :width]) < 0.25 * off(
        frames[GIVEN - 1][:, :width], frames[-1][:, :width]
    )


@pytest.mark.parametrize("seed", [3, 4])
def test_a_room_is_drawn_better_than_by_any_picture_without_depth(seed: int) -> None:
    import cv2

    clip = orbiting(seed)
    seen = condition(clip.rgb, clip.poses, k=clip.intrinsics[0])
    answer = reproject(seen)
    both = clip.visible[GIVEN - 1] & clip.visible[-1]
    flat, _ = cv2.findHomography(clip.uv[GIVEN - 1][both] - 0.5, clip.uv[-1][both] - 0.5, 0)
    card = cv2.warpPerspective(clip.rgb[GIVEN - 1], flat, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    seen = shown_before(clip)
    truth = clip.rgb[-1][seen]
    assert seen.mean() > 0.5
    assert off(answer[-1][seen], truth) < 0.5 * off(card[seen], truth)
    assert off(answer[-1][seen], truth) < 0.35 * off(clip.rgb[GIVEN - 1][seen], truth)


def test_the_parallax_of_a_room_is_known() -> None:
    clip = orbiting(3)
    views = stereo.views_of(clip.rgb[:GIVEN], clip.poses, clip.intrinsics, GIVEN - 1)
    inverse = stereo.inverse_depth(views)
    solid = clip.depth[GIVEN - 1] > 0
    error = np.abs(inverse[solid] * clip.depth[GIVEN - 1][solid] - 1)
    assert np.median(error) < 0.01
    assert np.mean(error < 0.1) > 0.85


def test_without_poses_the_last_given_frame_stays() -> None:
    frames, poses = turning(np.linspace(0.0, 0.2, FRAMES))
    for given in (0, 1, GIVEN):
        answer = reproject(condition(frames, None, given))
        assert (answer[given:] == (frames[given - 1] if given else GREY)).all()
    assert (reproject(condition(frames, poses, 0)) == GREY).all()


def test_it_answers_as_a_generator_and_says_who_it_is() -> None:
    frames, poses, _ = two_planes(np.linspace(0.0, 0.2, FRAMES))
    generator = PlaneSweep()
    asked = [condition(frames, poses), condition(frames, None)]
    (first, second), again = generator(asked, [0, 1]), generator(asked[:1], [7])[0]
    assert first is not None and second is not None and again is not None
    assert first.digest() == again.digest() != second.digest()
    assert np.array_equal(first.frames[:GIVEN], frames[:GIVEN])
    assert generator.exposure == "zero-shot" and generator.identity()["version"] == 1
