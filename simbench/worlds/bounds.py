"""Where on the image a body, or its shadow, can be: rays outside need not be traced.

Bounds are conservative, so they never change a pixel. They are in tangent units (u, v) and serve
every resolution.
"""

from __future__ import annotations

import numpy as np

from simbench.worlds.compile import CompiledClip
from simbench.worlds.pose import dot
from simbench.worlds.scene import KINDS

NEAR = 1e-2
FULL = np.array([-1e9, 1e9, -1e9, 1e9])
NONE = np.array([1e9, -1e9, 1e9, -1e9])
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
PLANE, SPHERE, CAPSULE, CYLINDER, VOXELS = (
    KINDS.index(k) for k in ("plane", "sphere", "capsule", "cylinder", "voxels")
)


def half_extents(clip: CompiledClip) -> np.ndarray:
    """Half extents [T, N, 3] of the boxes around the bodies in their own frames, metres."""
    tb = clip.tables
    half = tb.vectors("sx sy sz")
    capsule, tube = tb.kind == CAPSULE, (tb.kind == CAPSULE) | (tb.kind == CYLINDER)
    half[:, tube, 2] = half[:, tube, 0]
    half[:, capsule, 1] += half[:, capsule, 0]
    voxels = tb.kind == VOXELS
    half[:, voxels] *= tb.vectors("nx ny nz")[:, voxels] / 2
    return half


def _in_camera(clip: CompiledClip, points: np.ndarray) -> np.ndarray:
    """World points [T, N, 3] in the camera's frame."""
    return dot((points - clip.eyes[:, None])[..., None, :], clip.axes[:, None])


def _box_rects(clip: CompiledClip, half: np.ndarray) -> np.ndarray:
    """Rectangles [T, N, 4] (u0, u1, v0, v1) of the bodies' boxes, from their corners seen by the eye."""
    offset = CORNERS * half[:, :, None, :] - clip.tables.vectors("ox oy oz")[:, :, None]
    a, b, c = offset[..., 0], offset[..., 1], offset[..., 2]
    x, y, depth = (
        a * w[..., :1] + b * w[..., 1:2] + c * w[..., 2:]
        for w in (clip.tables.vectors(names) for names in ("xx xy xz", "yx yy yz", "zx zy zz"))
    )
    scale = 1.0 / np.where(depth > NEAR, depth, 1.0)
    u, v = x * scale, y * scale
    rects = np.stack([u.min(axis=2), u.max(axis=2), v.min(axis=2), v.max(axis=2)], axis=-1)
    rects[(depth <= NEAR).any(axis=2)] = FULL
    rects[(depth <= 0).all(axis=2)] = NONE
    return rects


def _ball_rects(camera: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Rectangles of balls: the tangents from the eye, exactly."""
    x, y, z = camera[..., 0], camera[..., 1], camera[..., 2]
    deep = z * z - radius * radius
    safe = (z - radius > NEAR) & (deep > 0)
    deep = np.where(safe, deep, 1.0)
    sx = radius * np.sqrt(np.maximum(x * x + deep, 0.0))
    sy = radius * np.sqrt(np.maximum(y * y + deep, 0.0))
    rects = np.stack(
        [(x * z - sx) / deep, (x * z + sx) / deep, (y * z - sy) / deep, (y * z + sy) / deep], axis=-1
    )
    rects[~safe] = FULL
    rects[z + radius < 0] = NONE
    return rects


def body_rects(clip: CompiledClip) -> np.ndarray:
    """Rectangles [T, N, 4] in (u, v) that hold every ray that can meet a body."""
    kind = clip.tables.kind
    rects = _box_rects(clip, half_extents(clip))
    ball = kind == SPHERE
    if ball.any():
        camera = _in_camera(clip, clip.positions[:, ball])
        rects[:, ball] = _ball_rects(camera, clip.tables.bodies["sx"][:, ball].astype(np.float64))
    rects[:, kind == PLANE] = FULL
    rects[~clip.tables.drawn] = NONE
    return rects


def _shadow_reach(clip: CompiledClip, radius: np.ndarray) -> np.ndarray:
    """How far [T, N] the shadow of each body's ball can still fall on something in view, metres."""
    tb = clip.tables
    solid = tb.kind != PLANE
    along = dot(clip.positions, clip.sun[:, None])
    lowest = np.where(solid, along - radius, np.inf).min(axis=1, keepdims=True)
    reach = along + radius - lowest
    planes = np.flatnonzero(~solid)
    if len(planes):
        reach = np.full_like(reach, np.inf) if not solid.any() else reach
    endless = np.full_like(along, np.inf)
    for n in planes:
        normal = clip.rotations[:, n, :, 1]
        side = np.where(dot(clip.eyes - clip.positions[:, n], normal) < 0, -1.0, 1.0)
        normal = normal * side[:, None]
        slope = dot(normal, clip.sun)
        gap = dot(clip.positions - clip.positions[:, n, None], normal[:, None])
        limit = (gap + radius) / np.where(slope > 1e-3, slope, 1.0)[:, None]
        hit = (slope > 1e-3)[:, None] & tb.drawn[:, n][:, None]
        endless = np.minimum(endless, np.where(hit, limit, np.inf))
    return endless if len(planes) else reach


def shadow_rects(clip: CompiledClip) -> np.ndarray:
    """Rectangles [T, N, 4] in (u, v) that hold every hit a body can shade.

    The shade of a ball is a half cylinder away from the light. No visible point lies behind a plane,
    so it ends where it has sunk below the first plane that faces the light.
    """
    tb = clip.tables
    half = half_extents(clip)
    radius = np.where(tb.kind == SPHERE, half[..., 0], np.sqrt(dot(half, half)))
    reach = _shadow_reach(clip, radius)
    far = np.minimum(reach, 1e6)[..., None]
    near_ball = _ball_rects(_in_camera(clip, clip.positions), radius)
    far_ball = _ball_rects(_in_camera(clip, clip.positions - far * clip.sun[:, None]), radius)
    rects = np.stack(
        [
            np.minimum(near_ball[..., 0], far_ball[..., 0]),
            np.maximum(near_ball[..., 1], far_ball[..., 1]),
            np.minimum(near_ball[..., 2], far_ball[..., 2]),
            np.maximum(near_ball[..., 3], far_ball[..., 3]),
        ],
        axis=-1,
    )
    lone = (near_ball[..., 0] > near_ball[..., 1]) != (far_ball[..., 0] > far_ball[..., 1])
    rects[lone | (reach > 1e5)] = FULL
    rects[:, tb.kind == PLANE] = NONE
    rects[~tb.drawn] = NONE
    return rects


def pixel_rects(rects: np.ndarray, width: int, height: int, samples: int, pitch: float) -> np.ndarray:
    """Rectangles int32 [T, N, 4] (x0, x1, y0, y1; ends excluded) in rays of a W x H image."""
    centre = np.array([width, width, height, height]) / 2.0
    at = (rects / pitch + centre) * samples - 0.5
    at = np.clip(np.floor(at) + np.array([-1.0, 3.0, -1.0, 3.0]), 0.0, 2.0 * centre * samples)
    return np.ascontiguousarray(at, dtype=np.int32)
