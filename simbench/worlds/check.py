"""What a scene must be before it is drawn. Every complaint is one line that names the value."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from simbench.worlds.scene import KINDS, TEXTURES, Body, Curve, Paint, Scene

if TYPE_CHECKING:
    from simbench.worlds.compile import Tables

CARVABLE = ("sphere", "box", "cylinder")
MAX_FRAMES = 100_000


def clock(frames: int, fps: float) -> None:
    """Frames and rate of a clip."""
    if not 1 <= frames <= MAX_FRAMES:
        raise UserError(f"frames={frames} is outside 1..{MAX_FRAMES}; ask for at least one frame")
    if not (math.isfinite(fps) and fps > 0):
        raise UserError(f"fps={fps} is not a positive number; give frames per second, such as 8")


def scene(scene: Scene) -> None:
    """Names, kinds, curves and edits of a scene."""
    if not scene.bodies:
        raise UserError(f"scene {scene.family!r} has no bodies; give it at least one")
    if not 1.0 <= scene.camera.fov <= 150.0:
        raise UserError(f"camera fov={scene.camera.fov} is outside 1..150 degrees; choose one inside")
    curves = (("camera eye", scene.camera.eye), ("camera target", scene.camera.target))
    for name, curve in (*curves, ("light direction", scene.light.direction)):
        _curve(curve, 3, name)
    names = set()
    for body in scene.bodies:
        if body.name in names:
            raise UserError(f"two bodies are called {body.name!r}; names must differ")
        names.add(body.name)
        _body(body)
    _edits(scene)


def _curve(curve: Curve, width: int, where: str) -> None:
    if not curve.times or len(curve.times) != len(curve.values):
        raise UserError(
            f"{where}: {len(curve.times)} times and {len(curve.values)} values; give as many of each"
        )
    if any(len(value) < width for value in curve.values):
        raise UserError(f"{where}: a value has fewer than {width} numbers; give {width}")
    if any(not b > a for a, b in pairwise(curve.times)):
        raise UserError(f"{where}: times are not increasing; sort them and drop repeats")


def _body(body: Body) -> None:
    if body.kind not in KINDS:
        raise UserError(f"body {body.name!r} has unknown kind {body.kind!r}; choose from {', '.join(KINDS)}")
    material = body.material
    if material.texture not in TEXTURES:
        known = ", ".join(TEXTURES)
        raise UserError(f"body {body.name!r} has unknown texture {material.texture!r}; choose from {known}")
    if not material.scale > 0:
        raise UserError(f"body {body.name!r} has texture scale {material.scale}; give metres above 0")
    if not body.motion:
        raise UserError(f"body {body.name!r} has no motion segment; use rest(x, y, z) for a still body")
    starts = [segment.start for segment in body.motion]
    if any(not b >= a for a, b in pairwise(starts)):
        raise UserError(f"body {body.name!r} has motion segments out of order; sort them by start")
    _curve(body.size, 1 if body.kind in ("plane", "voxels") else 3, f"size of body {body.name!r}")
    for part, curve in (("colour", material.colour), ("other", material.other), ("offset", material.offset)):
        _curve(curve, 3, f"{part} of body {body.name!r}")
    _extent(body)


def _extent(body: Body) -> None:
    for value in body.size.values:
        used = value[:1] if body.kind == "voxels" else value[:3]
        if body.kind != "plane" and not all(s > 0 for s in used):
            raise UserError(f"body {body.name!r} has size {value}; every half extent must be above 0 m")
        if body.kind == "sphere" and not value[0] == value[1] == value[2]:
            raise UserError(f"sphere {body.name!r} has size {value}; a sphere needs three equal radii")
    if body.kind == "voxels":
        shapes = {len(column) for plane in body.voxels for column in plane}
        planes = {len(plane) for plane in body.voxels}
        if len(shapes) != 1 or len(planes) != 1 or 0 in shapes:
            raise UserError(f"body {body.name!r} has a ragged or empty voxel grid; give X x Y x Z cells")
    elif body.voxels:
        raise UserError(f"body {body.name!r} of kind {body.kind} carries voxels; use kind 'voxels'")


def _owner(scene: Scene, name: str, what: str, kinds: tuple[str, ...]) -> Body:
    for body in scene.bodies:
        if body.name == name:
            if body.kind not in kinds:
                raise UserError(
                    f"{what} of {name!r}, a {body.kind}, is not possible; use {' or '.join(kinds)}"
                )
            return body
    raise UserError(f"{what} names body {name!r}, which the scene lacks; name one of its bodies")


def _edits(scene: Scene) -> None:
    for carve in scene.carves:
        _owner(scene, carve.body, "carve", CARVABLE)
        if not all(map(math.isfinite, (*carve.centre, carve.radius, carve.time))) or carve.radius <= 0:
            raise UserError(
                f"carve of {carve.body!r} is not a ball with finite centre, time and radius above 0 m"
            )
    for paint in scene.paints:
        _owner(scene, paint.body, "paint", ("box",))
        _paint(paint)
    for edit in scene.voxel_edits:
        body = _owner(scene, edit.body, "voxel edit", ("voxels",))
        shape = (len(body.voxels), len(body.voxels[0]), len(body.voxels[0][0]))
        if not all(0 <= c < s for c, s in zip(edit.cell, shape, strict=True)):
            raise UserError(f"voxel edit at cell {edit.cell} is outside the grid {shape} of {edit.body!r}")
        if not 0 <= edit.value <= 6:
            raise UserError(f"voxel edit sets material {edit.value}; choose 0 (air) to 6 (leaves)")


def _paint(paint: Paint) -> None:
    if paint.axis not in (0, 1, 2) or paint.sign not in (-1, 1):
        raise UserError(f"paint face axis={paint.axis} sign={paint.sign}; use axis 0, 1, 2 and sign -1, 1")
    numbers = [x for point in paint.stroke for x in point]
    if not numbers or not all(map(math.isfinite, numbers)) or not paint.radius > 0:
        raise UserError(f"paint on {paint.body!r} needs a finite stroke and a radius above 0 m")


def finite(scene: Scene, tables: Tables) -> None:
    """No NaN and no infinity may reach a kernel."""
    table = tables.bodies
    whole = [name for name in table.dtype.names or () if table.dtype[name].kind == "i"]
    if np.isfinite(table.view(np.float32).reshape(*table.shape, -1)[..., len(whole) :]).all():
        _finite_frames(tables)
        return
    for name in table.dtype.names or ():
        bad = ~np.isfinite(table[name])
        if bad.any():
            frame, n = np.argwhere(bad)[0]
            raise UserError(
                f"body {scene.bodies[n].name!r} or the camera is not finite in frame {frame} ({name});"
                " look for NaN in motion, size, material, eye and target"
            )


def _finite_frames(tables: Tables) -> None:
    for name in tables.frames.dtype.names or ():
        if not np.isfinite(tables.frames[name]).all():
            raise UserError(f"camera or light of the scene is not finite ({name}); look for NaN in them")


def eye_outside(scene: Scene, tables: Tables) -> None:
    """The eye may not be inside a solid: there is nothing sensible to see."""
    o, size = np.abs(tables.vectors("ox oy oz")), tables.vectors("sx sy sz")
    ring = o[..., 0] * o[..., 0] + o[..., 2] * o[..., 2]
    r2 = size[..., 0] * size[..., 0]
    reach = np.maximum(o[..., 1] - np.where(tables.kind == KINDS.index("capsule"), size[..., 1], 0), 0)
    solid = {
        "sphere": ring + reach * reach < r2,
        "capsule": ring + reach * reach < r2,
        "box": (o < size).all(axis=-1),
        "cylinder": (ring < r2) & (o[..., 1] < size[..., 1]),
    }
    inside = np.zeros(ring.shape, dtype=bool)
    for n, body in enumerate(scene.bodies):
        if body.kind == "voxels":
            inside[:, n] = _eye_in_cell(tables, n)
        elif body.kind in solid:
            inside[:, n] = solid[body.kind][:, n]
    inside &= tables.drawn
    if inside.any():
        frame, n = np.argwhere(inside)[0]
        raise UserError(
            f"camera eye is inside body {scene.bodies[n].name!r} in frame {frame}; move the eye or the body"
        )


def _eye_in_cell(tables: Tables, n: int) -> np.ndarray:
    shape = tables.vectors("nx ny nz")[:, n]
    edge = tables.vectors("sx")[:, n]
    cell = np.floor(tables.vectors("ox oy oz")[:, n] / edge + shape / 2.0)
    outside = ((cell < 0) | (cell >= shape)).any(axis=-1)
    cell = np.clip(cell, 0, shape - 1)
    at = tables.bodies["start"][:, n] + (cell[:, 0] * shape[:, 1] + cell[:, 1]) * shape[:, 2] + cell[:, 2]
    return ~outside & (tables.cells[at.astype(np.int64)] != 0)
