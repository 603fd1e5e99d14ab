"""A scene becomes arrays: everything a renderer needs, for every frame, hashed.

The arrays say where the eye, the pixels' axes, the light and "up" lie in every body's own frame, so
that no backend multiplies matrices: a ray in a body's frame is eye + t (z + v y + u x).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simbench.errors import UserError
from simbench.worlds import check
from simbench.worlds.edits import Carves, Grids, Strokes, carve_tables, grid_tables, stroke_tables
from simbench.worlds.pose import dot, on_grid, sample_camera, sample_curve, sample_motion, unit
from simbench.worlds.scene import KINDS, TEXTURES, Body, Scene


class Tables(NamedTuple):
    """What kernels read. T frames, N bodies, S carves, P strokes; float32 unless said otherwise.

    `eye`, `ex`, `ey`, `ez`, `sun`, `up` [T, N, 3]: the eye, the camera axes, the direction to the
    light and the world's up in each body's frame; `colour`, `other`, `inner` are linear light.
    """

    kind: np.ndarray  # int32 [N]
    drawn: np.ndarray  # uint8 [T, N]
    size: np.ndarray  # [T, N, 3] metres
    eye: np.ndarray
    ex: np.ndarray
    ey: np.ndarray
    ez: np.ndarray
    sun: np.ndarray
    up: np.ndarray
    texture: np.ndarray  # int32 [N]
    colour: np.ndarray  # [T, N, 3]
    other: np.ndarray  # [T, N, 3]
    inner: np.ndarray  # [N, 3]
    offset: np.ndarray  # [T, N, 3] metres
    scale: np.ndarray  # [N] metres
    specular: np.ndarray  # [N]
    rise: np.ndarray  # [T, 3] world height gained along the camera's x, y, z
    sky: np.ndarray  # [2, 3] linear light: horizon, zenith
    light: np.ndarray  # [3] ambient, shadow (0 or 1), fog squared
    carve_span: np.ndarray  # int32 [N, 2] first and one past the last carve of a body
    carve_frame: np.ndarray  # int32 [S] first frame it holds in
    carve_ball: np.ndarray  # [S, 4] centre and radius, metres, body frame
    stroke_span: np.ndarray  # int32 [N, 2]
    stroke_face: np.ndarray  # int32 [P, 2] axis, sign
    stroke_map: np.ndarray  # [P, 4] u and v of texel 0, texels per metre, side in texels
    stroke_colour: np.ndarray  # [P, 3] linear light
    stroke_frame: np.ndarray  # int32 [P, R, R] frame from which texel [v, u] is painted
    grid_shape: np.ndarray  # int32 [N, 3] cells along x, y, z
    grid_start: np.ndarray  # int64 [T, N] where a body's cells begin in `cells`
    cells: np.ndarray  # uint8 flat


@dataclass(frozen=True)
class CompiledClip:
    """A scene at fixed times. `positions` [T, N, 3] and `rotations` [T, N, 3, 3] (body to world),
    `eyes` [T, 3], `axes` [T, 3, 3] (rows: camera x, y, z in the world) are float64 on a 2^-20 grid;
    `tangent` is tan(fov / 2).
    """

    tables: Tables
    positions: np.ndarray
    rotations: np.ndarray
    sun: np.ndarray
    eyes: np.ndarray
    axes: np.ndarray
    tangent: float
    fps: float

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return len(self.eyes)

    def digest(self) -> str:
        """sha256 of every array with its name, type and shape."""
        h = hashlib.sha256(f"{self.tangent!r} {float(self.fps)!r}".encode())
        arrays = dict(self.tables._asdict())
        arrays |= {"positions": self.positions, "rotations": self.rotations}
        arrays |= {"sun_world": self.sun, "eyes": self.eyes, "axes": self.axes}
        for name, array in sorted(arrays.items()):
            h.update(f"{name} {array.dtype.str} {array.shape}".encode())
            h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()


@dataclass(frozen=True)
class Stage:
    """Bodies sampled in float64: what tables, bounds and truth are derived from."""

    positions: np.ndarray
    rotations: np.ndarray
    size: np.ndarray


def compile_scene(scene: Scene, frames: int, fps: float) -> CompiledClip:
    """Sample `scene` at times f / fps, f < frames. UserError names what cannot be drawn."""
    check.clock(frames, fps)
    check.scene(scene)
    times = [f / fps for f in range(frames)]
    eyes, axes = sample_camera(scene.camera, times)
    stage = _stage(scene.bodies, times)
    sun = on_grid(unit(sample_curve(scene.light.direction, times), "light direction"))
    sun = np.broadcast_to(sun, (frames, 3))
    carves = carve_tables(scene, fps)
    grids = grid_tables(scene, frames, fps)
    tables = _tables(scene, times, stage, eyes, axes, sun, carves, stroke_tables(scene, frames, fps), grids)
    check.finite(scene, tables)
    check.eye_outside(scene, tables)
    tangent = float(on_grid(np.array(math.tan(math.radians(scene.camera.fov) / 2))))
    return CompiledClip(tables, stage.positions, stage.rotations, sun.copy(), eyes, axes, tangent, fps)


def _stack(rows: list[np.ndarray], frames: int) -> np.ndarray:
    """N arrays [T or 1, ...] as one [T, N, ...]."""
    out = np.empty((frames, len(rows), *rows[0].shape[1:]))
    for n, row in enumerate(rows):
        out[:, n] = row
    return out


def _stage(bodies: tuple[Body, ...], times: list[float]) -> Stage:
    poses = [sample_motion(body.motion, times) for body in bodies]
    size = _stack([sample_curve(body.size, times)[:, :3] for body in bodies], len(times))
    for n, body in enumerate(bodies):
        if body.kind == "plane":
            size[:, n] = 1.0
        if body.kind == "voxels":
            size[:, n] = size[:, n, :1]
    positions = on_grid(_stack([p for p, _ in poses], len(times)))
    return Stage(positions, on_grid(_stack([r for _, r in poses], len(times))), on_grid(size))


def _local(rotations: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """World vectors [T, 3] or [T, N, 3] in the bodies' frames, float32 [T, N, 3]."""
    if vector.ndim == 2:
        vector = vector[:, None]
    return _f32(dot(np.swapaxes(rotations, -1, -2), vector[..., None, :]))


def _f32(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=np.float32)


def linear(colour: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] as linear light; the transfer curve is a square, undone by a square root."""
    c = _f32(colour)
    return c * c


def _tables(
    scene: Scene,
    times: list[float],
    stage: Stage,
    eyes: np.ndarray,
    axes: np.ndarray,
    sun: np.ndarray,
    carves: Carves,
    strokes: Strokes,
    grids: Grids,
) -> Tables:
    frames, bodies, light = len(times), scene.bodies, scene.light
    materials = [body.material for body in bodies]
    drawn = np.array([[b.appears <= t < b.vanishes for b in bodies] for t in times], dtype=np.uint8)
    up = np.zeros_like(sun)
    up[:, 1] = 1.0
    turns = stage.rotations
    return Tables(
        kind=np.array([KINDS.index(b.kind) for b in bodies], dtype=np.int32),
        drawn=drawn,
        size=_f32(stage.size),
        eye=_local(turns, eyes[:, None] - stage.positions),
        ex=_local(turns, axes[:, 0]),
        ey=_local(turns, axes[:, 1]),
        ez=_local(turns, axes[:, 2]),
        sun=_local(turns, sun),
        up=_local(turns, up),
        texture=np.array([TEXTURES.index(m.texture) for m in materials], dtype=np.int32),
        colour=linear(_stack([sample_curve(m.colour, times)[:, :3] for m in materials], frames)),
        other=linear(_stack([sample_curve(m.other, times)[:, :3] for m in materials], frames)),
        inner=linear(np.array([m.inner for m in materials])),
        offset=_f32(on_grid(_stack([sample_curve(m.offset, times)[:, :3] for m in materials], frames))),
        scale=_f32(np.array([m.scale for m in materials])),
        specular=_f32(np.array([m.specular for m in materials])),
        rise=_f32(axes[:, :, 1]),
        sky=linear(np.array([light.sky, light.zenith])),
        light=_f32(np.array([light.ambient, float(light.shadow), light.fog * light.fog])),
        carve_span=carves.span,
        carve_frame=carves.frame,
        carve_ball=carves.ball,
        stroke_span=strokes.span,
        stroke_face=strokes.face,
        stroke_map=strokes.place,
        stroke_colour=linear(strokes.colour),
        stroke_frame=strokes.frame,
        grid_shape=grids.shape,
        grid_start=grids.start,
        cells=grids.cells,
    )


__all__ = ["CompiledClip", "Tables", "UserError", "compile_scene"]
