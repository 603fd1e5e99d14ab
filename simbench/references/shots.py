"""A scene filmed with its depth, and what cheats need of it: other cameras, warps, and the best flat motion.

Poses are world to camera (OpenCV), metres; pixel places (x, y) have their centres at +0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Setting
from simbench.errors import UserError
from simbench.metrics.trajectory import eyes
from simbench.worlds.film import SAMPLES
from simbench.worlds.scene import Scene

SKY = 20.0
"""Depth of the sky, in depths of the farthest thing."""

SAME = 0.03
"""Two depths that differ by less than this share belong to one surface."""


@dataclass(frozen=True)
class Shot:
    """The truth of a scene. `frames` uint8 [T, H, W, 3]; `depth` float64 [T, H, W] m, the sky far behind;
    `ids` int32 [T, H, W] of bodies, -1 is sky; `poses` float64 [T, 4, 4]; `camera` float64 [3, 3] px."""

    frames: np.ndarray
    depth: np.ndarray
    ids: np.ndarray
    poses: np.ndarray
    camera: np.ndarray

    def then(self, context: int, later: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """uint8 [T, H, W, 3]: the given frames, then what a cheat makes of the others."""
        return np.concatenate([self.frames[:context], np.asarray(later, np.uint8).reshape(-1, *self.size, 3)])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.frames.shape[1], self.frames.shape[2]

    def carried(self, source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
        """Where every pixel of one frame lies in another, float64 [H, W, 2] px (NaN behind the eye), and its
        depth there, float64 [H, W] m."""
        height, width = self.size
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(self.camera).T
        a, b = self.poses[source], self.poses[target]
        motion = b @ np.linalg.inv(a)
        there = (rays * self.depth[source][..., None]) @ motion[:3, :3].T + motion[:3, 3]
        ahead = np.where(there[..., 2:] > 1e-6, there[..., 2:], np.nan)
        return ((there / ahead) @ self.camera.T)[..., :2], there[..., 2]

    def matches(self, source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
        """Places [N, 2] px in two frames of up to about 1000 surface points that both show."""
        height, width = self.size
        place, depth = self.carried(source, target)
        cell = np.nan_to_num(np.floor(place), nan=-1.0).astype(int)
        inside = (cell >= 0).all(axis=-1) & (cell[..., 0] < width) & (cell[..., 1] < height)
        cell = np.where(inside[..., None], cell, 0)
        near = np.abs(self.depth[target][cell[..., 1], cell[..., 0]] - depth) < SAME * depth
        step = max(1, height // 32)
        kept = np.zeros((height, width), bool)
        kept[step // 2 :: step, step // 2 :: step] = True
        y, x = np.nonzero(kept & inside & near & (self.ids[source] >= 0))
        return np.stack([x + 0.5, y + 0.5], axis=-1), place[y, x]


def shot(scene: Scene, setting: Setting) -> Shot:
    """`scene` filmed by its own camera at a setting. The last one is kept, for the cheats of one case."""
    return _shot(scene.to_json(), setting)


@lru_cache(maxsize=1)
def _shot(scene: str, setting: Setting) -> Shot:
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render
    from simbench.worlds.truth import intrinsics, poses

    compiled = compile_scene(Scene.from_json(scene), setting.frames, setting.fps)
    drawn = render(compiled, setting.width, setting.height, SAMPLES)
    depth = drawn.depth.astype(np.float64)
    far = SKY * max(float(depth.max()), 1.0)
    camera = intrinsics(compiled, setting.width, setting.height)[0]
    out = Shot(drawn.rgb, np.where(depth > 0, depth, far), drawn.ids, poses(compiled), camera)
    for array in (out.frames, out.depth, out.ids, out.poses, out.camera):
        array.setflags(write=False)
    return out


def refilm(scene: Scene, setting: Setting, poses: np.ndarray, only: Sequence[int]) -> np.ndarray:
    """uint8 [len(only), H, W, 3]: `scene` from `poses` [T, 4, 4].

    Eyes that would stand in a solid or below the ground come nearer to where the scene's own camera is, until
    they do not.
    """
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    own = film_poses(scene, np.arange(setting.frames) / setting.fps)
    asked, true = eyes(poses), eyes(own)
    asked[:, 1] = np.maximum(asked[:, 1], np.minimum(true[:, 1], 0.2))
    for share in (1.0, 0.5, 0.25, 0.0):
        moved = posed(poses[:, :3, :3], true + share * (asked - true))
        try:
            compiled = compile_scene(scene, setting.frames, setting.fps, moved)
            break
        except UserError:
            if share == 0.0:
                raise
    return render(compiled, setting.width, setting.height, SAMPLES, only=only, truth=False).rgb


def film_poses(scene: Scene, times: np.ndarray) -> np.ndarray:
    """Poses [T, 4, 4] of the scene's own camera at `times` [T] seconds."""
    from simbench.worlds.pose import sample_camera

    places, axes = sample_camera(scene.camera, [float(t) for t in times])
    return posed(axes, places)


def posed(axes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Poses [T, 4, 4] of cameras that stand at `places` [T, 3] m, turned by [T, 3, 3], world to camera."""
    out = np.tile(np.eye(4), (len(places), 1, 1))
    out[:, :3, :3] = axes
    out[:, :3, 3] = -np.einsum("tij,tj->ti", axes, places)
    return out


def displaced(frame: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: each pixel shows what lay `shift` [H, W, 2] px before it; the border goes on."""
    import cv2

    height, width = frame.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    left, up = ((a - shift[..., i]).astype(np.float32) for i, a in enumerate((x, y)))
    return np.asarray(cv2.remap(frame, left, up, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def pushed(frame: np.ndarray, shift: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: each pixel goes `shift` [H, W, 2] px on, near ones (`depth` [H, W]) over far ones.

    Gaps that open are painted over from their edges (Telea 2004).
    """
    import cv2

    height, width = depth.shape
    order = np.argsort(depth, axis=None, kind="stable")
    place = np.indices((height, width))[::-1].reshape(2, -1).T[order] + shift.reshape(-1, 2)[order]
    x, y = np.floor(place + 0.5).astype(int).T
    rank = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
    nearest = np.full((height, width), len(order))
    np.minimum.at(nearest, (y[rank], x[rank]), rank)
    gap = (nearest == len(order)).astype(np.uint8)
    out = displaced(frame, shift.reshape(-1, 2)[order][np.minimum(nearest, len(order) - 1)])
    # Beside a wide gap the old edge of what went away is still mixed into the pixels.
    square = np.ones((3, 3), np.uint8)
    wide = cv2.dilate(cv2.morphologyEx(gap, cv2.MORPH_OPEN, square[:2, :2]), square)
    return np.asarray(cv2.inpaint(out, gap | wide, 3, cv2.INPAINT_TELEA)) if gap.any() else out


def warped(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] moved by a homography [3, 3] between places in px; the border goes on outwards."""
    import cv2

    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    whole = np.linalg.inv(half) @ matrix @ half
    size = (frame.shape[1], frame.shape[0])
    return cv2.warpPerspective(frame, whole, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def moved_by(matrix: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places [..., 2] px moved by a homography [3, 3]; NaN beyond its horizon."""
    out = places @ matrix[:, :2].T + matrix[:, 2]
    return out[..., :2] / np.where(out[..., 2:] > 1e-9, out[..., 2:], np.nan)


def flat_motion(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[3, 3], least squares over matches [N, 2] px; no motion where 8 points are not to be had."""
    import cv2

    found = cv2.findHomography(source, target, 0)[0] if len(source) >= 8 else None
    return np.eye(3) if found is None else found


def best_zoom(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[3, 3]: zoom and shift, least squares over matches [N, 2] px; no motion where 8 are not to be had."""
    if len(source) < 8:
        return np.eye(3)
    a, b = source.mean(axis=0), target.mean(axis=0)
    zoom = ((source - a) * (target - b)).sum() / ((source - a) ** 2).sum()
    shift = b - zoom * a
    return np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]], [0.0, 0.0, 1.0]])
