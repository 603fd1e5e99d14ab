"""Depth, identities, tracks and cameras against the analytic scene."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from worlds_scenes import ball, plain_scene, random_scene

from simbench.worlds.clip import Clip, make_clip
from simbench.worlds.compile import CompiledClip, compile_scene
from simbench.worlds.render import render
from simbench.worlds.scene import Carve, Curve, Material, Scene, Segment, constant, position_at


def distance(kind: str, size: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Signed distance of body-frame points [P, 3] to a primitive, textbook formulas in float64."""
    r, hy = size[0], size[1]
    if kind == "plane":
        return p[:, 1]
    if kind == "sphere":
        return np.linalg.norm(p, axis=-1) - r
    if kind == "capsule":
        end = np.clip(p[:, 1], -hy, hy)
        return np.linalg.norm(p - np.stack([0 * end, end, 0 * end], axis=-1), axis=-1) - r
    if kind == "box":
        q = np.abs(p) - size
    else:
        q = np.stack([np.hypot(p[:, 0], p[:, 2]) - r, np.abs(p[:, 1]) - hy], axis=-1)
    return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(axis=-1), 0)


def world_points(clip: CompiledClip, depth: np.ndarray, frame: int) -> np.ndarray:
    """World points [H, W, 3] that a depth image of a frame stands for."""
    height, width = depth.shape
    pitch = 2 * clip.tangent / height
    u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rays = np.stack([u * pitch, v * pitch, np.ones_like(u)], axis=-1)
    return clip.eyes[frame] + depth[..., None] * (rays @ clip.axes[frame])


def gaps(scene: Scene, frame: int, size: int) -> list[float]:
    """Distance of every unprojected pixel to the surface of the body it shows."""
    clip = compile_scene(scene, 17, 8.0)
    drawn = render(clip, size, size, 1, only=[frame])
    world = world_points(clip, drawn.depth[0], frame)
    found: list[float] = []
    for n, body in enumerate(scene.bodies):
        if body.kind == "voxels":
            continue
        points = world[drawn.ids[0] == n] - clip.positions[frame, n]
        local = points @ clip.rotations[frame, n]
        gap = np.abs(distance(body.kind, clip.tables.vectors("sx sy sz")[frame, n], local))
        for carve in scene.carves:
            if carve.body == body.name and carve.time <= frame / 8.0:
                wall = np.abs(np.linalg.norm(local - np.array(carve.centre), axis=-1) - carve.radius)
                gap = np.minimum(gap, wall)
        near = np.linalg.norm(world[drawn.ids[0] == n] - clip.eyes[frame], axis=-1) < 25
        found += gap[near].tolist()
    return found


def test_unprojected_pixels_lie_on_their_surfaces() -> None:
    found = [g for seed in range(6) for g in gaps(random_scene(seed), 9, 48)]
    assert len(found) > 8000
    assert np.percentile(found, 99.9) <= 1e-4
    assert max(found) < 1e-3


def test_a_carved_hole_is_really_empty() -> None:
    scene = plain_scene(ball("apple", (0.0, 0.0, 0.0), 0.3))
    bitten = dataclasses.replace(scene, carves=(Carve("apple", 1.0, (0.0, 0.0, 0.3), 0.2),))
    clip = compile_scene(bitten, 17, 8.0)
    drawn = render(clip, 33, 33, 1)
    assert drawn.depth[7, 16, 16] == pytest.approx(3.7, abs=1e-5)
    assert drawn.depth[8, 16, 16] == pytest.approx(3.9, abs=1e-5)
    through = dataclasses.replace(scene, carves=(Carve("apple", 0.0, (0.0, 0.0, 0.0), 0.25), *bitten.carves))
    ring = render(compile_scene(through, 17, 8.0), 33, 33, 1)
    assert ring.depth[8, 16, 16] == pytest.approx(4.25, abs=1e-5)


def test_what_stands_behind_is_not_seen() -> None:
    wall = dataclasses.replace(ball("wall", (0.0, 0.0, 1.0), 0.3), kind="box")
    hidden, beside = ball("hidden", (0.0, 0.0, -0.5), 0.2), ball("beside", (0.6, 0.0, -0.5), 0.1)
    clip = make_clip(plain_scene(wall, hidden, beside), 48, 48, 3, 8.0)
    assert set(np.unique(clip.ids).tolist()) == {-1, 0, 2}
    assert not clip.visible[:, clip.point_body == 1].any()
    for n in (0, 2):
        seen = clip.visible[:, clip.point_body == n]
        assert seen.any(axis=1).all()
        assert not seen.all(axis=1).any()


@pytest.mark.parametrize("seed", range(4))
def test_tracks_agree_with_projection_identities_and_depth(seed: int) -> None:
    clip = make_clip(random_scene(seed), 64, 48, 17, 8.0, samples=1)
    camera = np.einsum("tij,tpj->tpi", clip.poses[:, :3, :3], clip.points) + clip.poses[:, None, :3, 3]
    pixels = np.einsum("tij,tpj->tpi", clip.intrinsics, camera)
    ahead = camera[..., 2] > 1e-6
    assert np.allclose(clip.uv[ahead], (pixels[..., :2] / pixels[..., 2:])[ahead], atol=1e-6)
    assert np.isnan(clip.uv[~ahead]).all()
    checked = 0
    for t, p in np.argwhere(clip.visible):
        u, v = clip.uv[t, p]
        x, y = int(u), int(v)
        around = clip.ids[t, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        depth = clip.depth[t, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        n = clip.point_body[p]
        if (around == n).all() and around.size == 9 and np.ptp(depth) < 0.5:
            slack = 0.02 + 0.1 * np.ptp(depth)
            assert depth.min() - slack <= camera[t, p, 2] <= depth.max() + slack
            checked += 1
        assert 0 <= u < 64
        assert 0 <= v < 48
    assert checked > 100


def visible_fraction(clip: Clip) -> float:
    """Share of points whose surrounding pixels all show their body that count as visible."""
    good, total = 0, 0
    for t, p in itertools.product(range(clip.uv.shape[0]), range(clip.uv.shape[1])):
        u, v = clip.uv[t, p]
        if 2 <= u < 46 and 2 <= v < 46:
            total += 1
            good += bool(clip.visible[t, p])
    return good / total


def test_half_of_a_lone_ball_is_seen() -> None:
    clip = make_clip(plain_scene(ball("ball", (0.0, 0.0, 0.0), 0.3)), 48, 48, 1, 8.0)
    assert 0.35 <= visible_fraction(clip) <= 0.6


def test_points_ride_on_their_bodies() -> None:
    motion = (Segment(0.0, (-0.3, 0.0, 0.0), (0.4, 0.0, 0.0), spin=(0.0, 0.0, 3.0)),)
    body = dataclasses.replace(ball("box", (0.0, 0.0, 0.0), 0.2, kind="box"), motion=motion)
    clip = make_clip(plain_scene(body), 32, 32, 9, 8.0)
    for t in range(9):
        centre = np.array(position_at(motion, t / 8.0))
        assert np.allclose(clip.positions[t, 0], centre, atol=2e-6)
        spokes = clip.points[t] - centre
        angle = 3.0 * t / 8.0
        turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        assert np.allclose(spokes, (clip.points[0] - clip.positions[0, 0]) @ turned.T, atol=1e-5)
        focal = 16 / np.tan(np.radians(8.0))
        assert np.allclose(clip.centres[t, 0], [16 + focal * centre[0] / 4.0, 16.0], atol=1e-3)


def test_bodies_come_and_go() -> None:
    body = dataclasses.replace(ball("ball", (0.0, 0.0, 0.0)), appears=0.5, vanishes=1.0)
    clip = make_clip(plain_scene(body), 16, 16, 17, 8.0)
    there = (clip.ids >= 0).any(axis=(1, 2))
    assert np.flatnonzero(there).tolist() == [4, 5, 6, 7]
    assert not clip.visible[~there].any()


def test_a_growing_body_grows_where_it_says() -> None:
    size = Curve((0.0, 2.0), ((0.1, 0.1, 0.1), (0.3, 0.3, 0.3)))
    body = dataclasses.replace(ball("ball", (0.0, 0.0, 0.0)), size=size)
    drawn = render(compile_scene(plain_scene(body), 17, 8.0), 33, 33, 1)
    assert 4 - drawn.depth[:, 16, 16] == pytest.approx(0.1 + 0.2 * np.arange(17) / 16, abs=1e-5)


def test_paint_appears_as_the_brush_passes() -> None:
    from simbench.worlds.scene import Paint

    wall = dataclasses.replace(ball("wall", (0.0, 0.0, 0.0), 0.5, (1.0, 1.0, 1.0)), kind="box")
    stroke = Paint("wall", 2, 1, ((0.0, -0.4, 0.0), (2.0, 0.4, 0.0)), 0.06, (0.0, 0.0, 1.0))
    scene = dataclasses.replace(plain_scene(wall), paints=(stroke,))
    clip = compile_scene(scene, 17, 8.0)
    drawn = render(clip, 65, 65, 1)
    blue = (drawn.rgb[:, 32] == np.array([0, 0, 255])).all(axis=-1)
    metres = (np.arange(65) + 0.5 - 32.5) * 2 * clip.tangent / 65 * 3.5
    for t in range(17):
        front = -0.4 + 0.4 * t / 8.0 + 0.06
        assert metres[blue[t]].max() == pytest.approx(front, abs=0.02)
        assert metres[blue[t]].min() == pytest.approx(-0.46, abs=0.02)
    rows = (drawn.rgb[16] == np.array([0, 0, 255])).all(axis=-1).any(axis=1)
    assert np.ptp(metres[rows]) == pytest.approx(0.12, abs=0.03)


def test_voxels_stand_where_the_grid_says_and_change_on_time() -> None:
    from simbench.worlds.scene import SetVoxel

    cells = (((0, 0), (0, 0)), ((0, 3), (0, 0)), ((0, 0), (0, 0)))
    body = dataclasses.replace(ball("grid", (0.1, 0.0, 0.0)), kind="voxels", size=constant(0.2), voxels=cells)
    scene = dataclasses.replace(plain_scene(body), voxel_edits=(SetVoxel("grid", 1.0, (1, 0, 1), 0),))
    clip = compile_scene(scene, 17, 8.0)
    drawn = render(clip, 64, 64, 1)
    world = world_points(clip, drawn.depth[0], 0)[drawn.ids[0] == 0]
    assert world.min(axis=0) == pytest.approx([0.0, -0.2, 0.2], abs=0.02)
    assert world.max(axis=0) == pytest.approx([0.2, 0.0, 0.2], abs=0.02)
    assert (drawn.ids[7] == 0).any()
    assert not (drawn.ids[8] == 0).any()


def test_a_pattern_rides_on_a_flat_face_without_specks() -> None:
    checks = Material(constant(0.0, 0.0, 0.0), constant(1.0, 1.0, 1.0), "checker", 0.1)
    wall = dataclasses.replace(ball("wall", (0.0, 0.0, 0.0), 0.4), kind="box", material=checks)
    drawn = render(compile_scene(plain_scene(wall), 1, 8.0), 128, 128, 1)
    inside = drawn.rgb[0, :, :, 0][drawn.ids[0] == 0]
    assert np.mean(inside < 40) == pytest.approx(0.5, abs=0.1)
    assert np.mean(inside > 215) == pytest.approx(0.5, abs=0.1)


def test_another_camera_films_the_same_world() -> None:
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.families import build
    from simbench.worlds.render import render
    from simbench.worlds.truth import poses

    scene = build("orbit", 3)
    own = compile_scene(scene, 5, 8.0)
    backwards = compile_scene(scene, 5, 8.0, poses(own)[::-1])
    there, back = (render(clip, 24, 24, 1).rgb for clip in (own, backwards))
    gap = np.abs(there[::-1].astype(int) - back)
    assert (gap > 2).mean() < 0.02, "filmed from the same places, nearly the same pictures"
    assert (np.abs(there.astype(int) - back) > 2).mean() > 0.2
