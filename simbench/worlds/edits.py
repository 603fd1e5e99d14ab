"""Edits of a scene as tables: carved balls, painted faces and changing voxels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simbench.worlds.scene import Paint, Scene

NEVER = 2**30
TEXELS = 192


CARVE = np.dtype([("frame", "<i4"), ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("radius", "<f4")], align=True)
STROKE = np.dtype(
    [("axis", "<i4"), ("sign", "<f4"), ("u", "<f4"), ("v", "<f4"), ("density", "<f4"), ("side", "<f4")]
    + [("r", "<f4"), ("g", "<f4"), ("b", "<f4")],
    align=True,
)


@dataclass(frozen=True)
class Edits:
    """All edits of a scene, grouped by body.

    `carves` CARVE [S]: the first frame a ball is out, its centre and radius (metres, body frame);
    `strokes` STROKE [P]: the face, u and v of texel 0, texels per metre, side in texels, linear light;
    `painted` int32 [P, R, R]; `carve_span`, `stroke_span` int32 [N, 2]: from, to; `shape` int32 [N, 3]
    cells of a grid, `start` int32 [T, N] of its first cell in `cells` uint8 (x slowest, z fastest).
    """

    carves: np.ndarray
    strokes: np.ndarray
    painted: np.ndarray
    carve_span: np.ndarray
    stroke_span: np.ndarray
    shape: np.ndarray
    start: np.ndarray
    cells: np.ndarray


def first_frame(time: float, fps: float) -> int:
    """The first frame at or after `time`; a frame within a millionth of it counts."""
    return max(0, math.ceil(time * fps - 1e-6)) if time < 1e8 else NEVER


def _spans(scene: Scene, owners: list[int]) -> np.ndarray:
    span = np.zeros((len(scene.bodies), 2), dtype=np.int32)
    for n in range(len(scene.bodies)):
        span[n] = sum(o < n for o in owners), sum(o <= n for o in owners)
    return span


def _index(scene: Scene) -> dict[str, int]:
    return {body.name: n for n, body in enumerate(scene.bodies)}


def _carves(scene: Scene, fps: float) -> tuple[np.ndarray, np.ndarray]:
    if not scene.carves:
        return np.zeros(0, dtype=CARVE), np.zeros((len(scene.bodies), 2), dtype=np.int32)
    index = _index(scene)
    carves = sorted(scene.carves, key=lambda c: index[c.body])
    rows = [(first_frame(c.time, fps), *c.centre, c.radius) for c in carves]
    return np.array(rows, dtype=CARVE), _spans(scene, [index[c.body] for c in carves])


def _entry(u: np.ndarray, v: np.ndarray, ex: float, ey: float, radius: float) -> np.ndarray:
    """Share of the way along a segment from the origin to (ex, ey) at which points come within `radius`."""
    gap = radius * radius - (u * u + v * v)
    a = ex * ex + ey * ey
    if not a > 0:
        return np.where(gap >= 0, 0.0, np.inf)
    b = u * ex + v * ey
    h = b * b + a * gap
    s = (b - np.sqrt(np.maximum(h, 0.0))) / a
    return np.where(gap >= 0, 0.0, np.where((h >= 0) & (s >= 0) & (s <= 1), s, np.inf))


def _touched(stroke: np.ndarray, radius: float, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """First time the brush is within `radius` of each texel, inf where never: [len(v), len(u)]."""
    first = np.full((len(v), len(u)), np.inf)
    for (t0, u0, v0), (t1, u1, v1) in pairwise(stroke):
        i0, i1 = np.searchsorted(u, (min(u0, u1) - radius, max(u0, u1) + radius))
        j0, j1 = np.searchsorted(v, (min(v0, v1) - radius, max(v0, v1) + radius))
        entry = _entry(u[None, i0:i1] - u0, v[j0:j1, None] - v0, u1 - u0, v1 - v0, radius)
        near = np.isfinite(entry)
        time = t0 + np.where(near, entry, 0.0) * (t1 - t0)
        part = first[j0:j1, i0:i1]
        part[near] = np.minimum(part, time)[near]
    return first


def _stroke(paint: Paint, fps: float) -> tuple[np.ndarray, tuple[float, ...]]:
    """Texture int32 [R, R] of first painted frames and its placement (u0, v0, texels per metre, R)."""
    points = np.array(paint.stroke, dtype=np.float64)
    if len(points) == 1:
        points = np.concatenate([points, points])
    low = points[:, 1:].min(axis=0) - paint.radius
    side = float((points[:, 1:].max(axis=0) + paint.radius - low).max())
    density = (TEXELS - 1) / side
    at = (np.arange(TEXELS) + 0.5) / density
    time = _touched(points, paint.radius, low[0] + at, low[1] + at)
    frame = np.full(time.shape, NEVER, dtype=np.int32)
    known = np.isfinite(time)
    frame[known] = np.maximum(0, np.ceil(time[known] * fps - 1e-6)).astype(np.int32)
    return frame, (float(low[0]), float(low[1]), density, float(TEXELS))


def _strokes(scene: Scene, fps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not scene.paints:
        span = np.zeros((len(scene.bodies), 2), dtype=np.int32)
        return np.zeros(0, dtype=STROKE), span, np.zeros((0, 1, 1), dtype=np.int32)
    index = _index(scene)
    paints = sorted(scene.paints, key=lambda p: index[p.body])
    drawn = [_stroke(paint, fps) for paint in paints]
    rows = []
    for paint, (_, place) in zip(paints, drawn, strict=True):
        light = np.array(paint.colour, dtype=np.float32)
        rows.append((paint.axis, paint.sign, *place, *(light * light)))
    span = _spans(scene, [index[p.body] for p in paints])
    return np.array(rows, dtype=STROKE), span, np.stack([texture for texture, _ in drawn])


def edit_tables(scene: Scene, frames: int, fps: float) -> Edits:
    """Carves, strokes and voxels of a scene as tables."""
    carves, carve_span = _carves(scene, fps)
    strokes, stroke_span, painted = _strokes(scene, fps)
    shape, start, cells = _grids(scene, frames, fps)
    return Edits(carves, strokes, painted, carve_span, stroke_span, shape, start, cells)


def _grids(scene: Scene, frames: int, fps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shapes, starts and cells; a snapshot is stored only where an edit changes one."""
    shape = np.zeros((len(scene.bodies), 3), dtype=np.int32)
    start = np.zeros((frames, len(scene.bodies)), dtype=np.int32)
    parts: list[np.ndarray] = []
    used = 0
    for n, body in enumerate(scene.bodies):
        if body.kind != "voxels":
            continue
        cells = np.array(body.voxels, dtype=np.uint8)
        shape[n] = cells.shape
        edits = sorted((e for e in scene.voxel_edits if e.body == body.name), key=lambda e: e.time)
        changes = [(first_frame(e.time, fps), e) for e in edits]
        for f in range(frames):
            now = [e for frame, e in changes if frame == f]
            if now:
                cells = cells.copy()
            for e in now:
                cells[e.cell] = e.value
            if f == 0 or now:
                parts.append(cells.reshape(-1))
                start[f, n] = used
                used += cells.size
            else:
                start[f, n] = start[f - 1, n]
    flat = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint8)
    return shape, start, np.ascontiguousarray(flat)
