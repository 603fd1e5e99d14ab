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

from simbench.worlds import check
from simbench.worlds.edits import Edits, edit_tables
from simbench.worlds.pose import dot, on_grid, sample_camera, sample_curve, sample_motion, unit
from simbench.worlds.scene import KINDS, TEXTURES, Body, Scene


def _fields(names: str, kind: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names.split()]


BODY = np.dtype(
    _fields("kind texture drawn carve0 carve1 stroke0 stroke1 start nx ny nz", "<i4")
    + _fields("sx sy sz ox oy oz xx xy xz yx yy yz zx zy zz lx ly lz ux uy uz", "<f4")
    + _fields("r0 g0 b0 r1 g1 b1 r2 g2 b2 tx ty tz scale specular", "<f4"),
    align=True,
)
FRAME = np.dtype(_fields("rx ry rz r0 g0 b0 r1 g1 b1 ambient shadow fog2", "<f4"), align=True)


class Tables(NamedTuple):
    """What kernels read. T frames, N bodies, S carves, P strokes.

    `bodies` BODY [T, N]: kind and texture (indices into scene.KINDS and TEXTURES), drawn; its carves
    and strokes [from, to); where its voxels start in `cells` and their number along x, y, z. Then in
    the body's frame: half size s, eye o, camera axes x, y, z, direction to the light l, up u. Then
    linear light 0 (colour), 1 (other), 2 (inner), the pattern's offset t and scale, specular.
    `frames` FRAME [T]: world height gained along the camera's x, y, z; horizon 0 and zenith 1;
    ambient share, shadow (0 or 1), squared fog. `carves` and `strokes`: see edits.CARVE, STROKE.
    `painted` int32 [P, R, R]: frame from which texel [v, u] is painted. `cells` uint8, flat.
    """

    bodies: np.ndarray
    frames: np.ndarray
    carves: np.ndarray
    strokes: np.ndarray
    painted: np.ndarray
    cells: np.ndarray

    def vectors(self, names: str) -> np.ndarray:
        """Fields of `bodies` side by side, float64 [T, N, C]."""
        return np.stack([self.bodies[name].astype(np.float64) for name in names.split()], axis=-1)

    @property
    def kind(self) -> np.ndarray:
        """Kinds [N]."""
        return self.bodies["kind"][0]

    @property
    def drawn(self) -> np.ndarray:
        """True where a body is there, bool [T, N]."""
        return self.bodies["drawn"] > 0


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


def compile_scene(scene: Scene, frames: int, fps: float, poses: np.ndarray | None = None) -> CompiledClip:
    """Sample `scene` at times f / fps, f < frames. UserError names what cannot be drawn.

    `poses` float64 [T, 4, 4] (world to camera, OpenCV) film it from elsewhere than its own camera.
    """
    check.clock(frames, fps)
    check.scene(scene)
    times = [f / fps for f in range(frames)]
    if poses is None:
        eyes, axes = sample_camera(scene.camera, times)
    else:
        axes = on_grid(poses[:, :3, :3])
        eyes = on_grid(-dot(np.swapaxes(poses[:, :3, :3], 1, 2), poses[:, None, :3, 3]))
    stage = _stage(scene.bodies, times)
    sun = on_grid(unit(sample_curve(scene.light.direction, times), "light direction"))
    sun = np.broadcast_to(sun, (frames, 3)).copy()
    edits = edit_tables(scene, frames, fps)
    bodies = _bodies(scene, times, stage, edits)
    _place(bodies, stage, eyes, axes, sun)
    frame = _frames(scene, axes)
    tables = Tables(bodies, frame, edits.carves, edits.strokes, edits.painted, edits.cells)
    check.finite(scene, tables)
    check.eye_outside(scene, tables)
    tangent = float(on_grid(np.array(math.tan(math.radians(scene.camera.fov) / 2))))
    return CompiledClip(tables, stage.positions, stage.rotations, sun, eyes, axes, tangent, fps)


def _stack(rows: list[np.ndarray], frames: int) -> np.ndarray:
    """N arrays [T or 1, ...] as one [T, N, ...]."""
    out = np.empty((frames, len(rows), *rows[0].shape[1:]))
    for n, row in enumerate(rows):
        out[:, n] = row
    return out


def _size(body: Body, times: list[float]) -> np.ndarray:
    """Sizes [T or 1, 3]: a plane has none, voxels have one edge."""
    if body.kind == "plane":
        return np.ones((1, 3))
    size = sample_curve(body.size, times)
    return np.repeat(size[:, :1], 3, axis=1) if body.kind == "voxels" else size[:, :3]


def _stage(bodies: tuple[Body, ...], times: list[float]) -> Stage:
    poses = [sample_motion(body.motion, times) for body in bodies]
    size = _stack([_size(body, times) for body in bodies], len(times))
    positions = on_grid(_stack([p for p, _ in poses], len(times)))
    return Stage(positions, on_grid(_stack([r for _, r in poses], len(times))), on_grid(size))


def linear(colour: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] as linear light; the transfer curve is a square, undone by a square root."""
    c = np.asarray(colour, dtype=np.float32)
    return c * c


def _fill(table: np.ndarray, names: str, values: np.ndarray) -> None:
    """Put the last axis of `values` into the fields `names`."""
    for i, name in enumerate(names.split()):
        table[name] = values[..., i]


def _bodies(scene: Scene, times: list[float], stage: Stage, edits: Edits) -> np.ndarray:
    """BODY [T, N] without what depends on camera and light."""
    bodies = scene.bodies
    materials = [body.material for body in bodies]
    count = len(times)
    table = np.zeros((count, len(bodies)), dtype=BODY)
    table["kind"] = [KINDS.index(b.kind) for b in bodies]
    table["texture"] = [TEXTURES.index(m.texture) for m in materials]
    table["drawn"] = [[b.appears <= t < b.vanishes for b in bodies] for t in times]
    _fill(table, "carve0 carve1", edits.carve_span)
    _fill(table, "stroke0 stroke1", edits.stroke_span)
    table["start"] = edits.start
    _fill(table, "nx ny nz", edits.shape)
    _fill(table, "sx sy sz", stage.size)
    _fill(table, "r0 g0 b0", linear(_stack([sample_curve(m.colour, times)[:, :3] for m in materials], count)))
    _fill(table, "r1 g1 b1", linear(_stack([sample_curve(m.other, times)[:, :3] for m in materials], count)))
    _fill(table, "r2 g2 b2", linear(np.array([m.inner for m in materials])))
    _fill(
        table, "tx ty tz", on_grid(_stack([sample_curve(m.offset, times)[:, :3] for m in materials], count))
    )
    table["scale"] = [m.scale for m in materials]
    table["specular"] = [m.specular for m in materials]
    return table


def _place(table: np.ndarray, stage: Stage, eyes: np.ndarray, axes: np.ndarray, sun: np.ndarray) -> None:
    """Eye, camera axes, light and up in every body's frame."""
    up = np.zeros_like(sun)
    up[:, 1] = 1.0
    turns = np.swapaxes(stage.rotations, -1, -2)
    _fill(table, "ox oy oz", dot(turns, (eyes[:, None] - stage.positions)[..., None, :]))
    for names, vector in (
        ("xx xy xz", axes[:, 0]),
        ("yx yy yz", axes[:, 1]),
        ("zx zy zz", axes[:, 2]),
        ("lx ly lz", sun),
        ("ux uy uz", up),
    ):
        _fill(table, names, dot(turns, vector[:, None, None, :]))


def _frames(scene: Scene, axes: np.ndarray) -> np.ndarray:
    """FRAME [T]."""
    light = scene.light
    table = np.zeros(len(axes), dtype=FRAME)
    _fill(table, "rx ry rz", axes[:, :, 1])
    _fill(table, "r0 g0 b0", linear(np.array(light.sky)))
    _fill(table, "r1 g1 b1", linear(np.array(light.zenith)))
    table["ambient"], table["shadow"], table["fog2"] = light.ambient, light.shadow, light.fog * light.fog
    return table
