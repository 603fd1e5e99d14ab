"""Exact truth beside the pixels: cameras, centres, and points fixed to bodies followed over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simbench.worlds.compile import CompiledClip
from simbench.worlds.pose import dot, on_grid
from simbench.worlds.render import trace
from simbench.worlds.scene import KINDS

PER_BODY = 16
PER_VIEW = 6
GOLDEN = math.pi * (3.0 - math.sqrt(5.0))
PLANE, SPHERE, BOX, CAPSULE, CYLINDER, VOXELS = range(len(KINDS))


@dataclass(frozen=True)
class Tracks:
    """See clip.Clip: `points` [T, P, 3] world, `uv` [T, P, 2] pixels, `visible` [T, P], `body` int32 [P]."""

    points: np.ndarray
    uv: np.ndarray
    visible: np.ndarray
    body: np.ndarray


def intrinsics(clip: CompiledClip, width: int, height: int) -> np.ndarray:
    """Pinhole matrices float64 [T, 3, 3] in pixels."""
    focal = height / (2.0 * clip.tangent)
    k = np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]])
    return np.tile(k, (clip.frames, 1, 1))


def poses(clip: CompiledClip) -> np.ndarray:
    """World to camera float64 [T, 4, 4], OpenCV."""
    out = np.zeros((clip.frames, 4, 4))
    out[:, :3, :3] = clip.axes
    out[:, :3, 3] = -dot(clip.axes, clip.eyes[:, None])
    out[:, 3, 3] = 1.0
    return out


def to_camera(clip: CompiledClip, points: np.ndarray) -> np.ndarray:
    """World points [T, P, 3] in the camera's frame."""
    return dot((points - clip.eyes[:, None])[:, :, None, :], clip.axes[:, None])


def project(clip: CompiledClip, points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels [T, P, 2] of world points [T, P, 3]; NaN for what lies behind the eye."""
    camera = to_camera(clip, points)
    depth = np.where(camera[..., 2] > 1e-6, camera[..., 2], np.nan)
    focal = height / (2.0 * clip.tangent)
    return camera[..., :2] / depth[..., None] * focal + np.array([width / 2.0, height / 2.0])


def _directions() -> np.ndarray:
    """Evenly spread unit vectors [PER_BODY, 3] on a golden spiral."""
    rows = []
    for i in range(PER_BODY):
        y = 1.0 - (2 * i + 1) / PER_BODY
        ring, angle = math.sqrt(1.0 - y * y), GOLDEN * i
        rows.append((ring * math.cos(angle), y, ring * math.sin(angle)))
    return on_grid(np.array(rows))


def _on_surface(kind: int, size: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Points spread over a body's surface, body frame [T, PER_BODY, 3], for sizes [T, 3]."""
    r, hy = size[:, None, 0], size[:, None, 1]
    ring = np.sqrt(ways[:, 0] * ways[:, 0] + ways[:, 2] * ways[:, 2])
    rise = np.abs(ways[:, 1])
    if kind == SPHERE:
        return r[..., None] * ways
    if kind == BOX:
        return size[:, None, :] * (ways / np.abs(ways).max(axis=-1, keepdims=True))
    if kind == CYLINDER:
        tall = np.stack([r, hy, r], axis=-1)
        return tall * (ways / np.maximum(ring, rise)[:, None])
    around = ways / ring[:, None] * np.array([1.0, 0.0, 1.0])
    side = r[..., None] * around + hy[..., None] * ways * np.array([0.0, 1.0, 0.0])
    cap = r[..., None] * ways + hy[..., None] * np.sign(ways) * np.array([0.0, 1.0, 0.0])
    return np.where((np.arange(PER_BODY) % 2 > 0)[:, None], cap, side)


def _seen_on(
    clip: CompiledClip, kinds: tuple[int, ...], aspect: float, backend: str
) -> list[tuple[int, np.ndarray]]:
    """Points (body, body frame) of the first and last frame on bodies without a surface formula."""
    steps = (np.arange(PER_VIEW) + 0.5) / PER_VIEW * 2.0 - 1.0
    u, v = np.meshgrid(steps * clip.tangent * aspect, steps * clip.tangent)
    rays = np.stack([u.ravel(), v.ravel()], axis=-1).astype(np.float32)
    depth, ids = trace(clip, np.tile(rays, (clip.frames, 1, 1)), backend, sorted({0, clip.frames - 1}))
    tb = clip.tables
    o, x, y, z = (tb.vectors(names) for names in ("ox oy oz", "xx xy xz", "yx yy yz", "zx zy zz"))
    found = []
    for f in sorted({0, clip.frames - 1}):
        for p in np.flatnonzero(ids[f] >= 0):
            n = int(ids[f, p])
            if tb.kind[n] in kinds:
                way = z[f, n] + float(rays[p, 1]) * y[f, n] + float(rays[p, 0]) * x[f, n]
                found.append((n, o[f, n] + float(depth[f, p]) * way))
    return found


def tracks(clip: CompiledClip, width: int, height: int, backend: str = "numba") -> Tracks:
    """Points on every body: 16 around each solid, and those seen on planes and voxels at either end.

    A point is visible when the ray through its exact pixel meets its body at its depth: so carved
    air, hidden points and points outside the image are not.
    """
    tb = clip.tables
    ways = _directions()
    size = tb.vectors("sx sy sz")
    local, body = [], []
    for n, kind in enumerate(tb.kind):
        if kind not in (PLANE, VOXELS):
            local.append(_on_surface(int(kind), size[:, n], ways))
            body += [n] * PER_BODY
    for n, point in _seen_on(clip, (PLANE, VOXELS), width / height, backend):
        local.append(np.tile(point, (clip.frames, 1, 1)))
        body.append(n)
    owner = np.array(body, dtype=np.int32)
    fixed = np.concatenate(local, axis=1) if local else np.zeros((clip.frames, 0, 3))
    points = dot(clip.rotations[:, owner], fixed[..., None, :]) + clip.positions[:, owner]
    uv = project(clip, points, width, height)
    visible = _visible(clip, points, uv, owner, width, height, backend)
    return Tracks(points, uv, visible, owner)


def _visible(
    clip: CompiledClip,
    points: np.ndarray,
    uv: np.ndarray,
    owner: np.ndarray,
    width: int,
    height: int,
    backend: str,
) -> np.ndarray:
    inside = (uv[..., 0] >= 0) & (uv[..., 0] < width) & (uv[..., 1] >= 0) & (uv[..., 1] < height)
    focal = height / (2.0 * clip.tangent)
    rays = np.where(inside[..., None], (uv - np.array([width / 2.0, height / 2.0])) / focal, 0.0)
    depth, ids = trace(clip, rays.astype(np.float32), backend)
    true = to_camera(clip, points)[..., 2]
    return inside & (ids == owner) & (np.abs(depth - true) <= 1e-3 + 2e-3 * true)
