"""The authored scene: what a family writes and what every truth is derived from.

Units are metres and seconds. The world is right-handed: x right, y up, z towards the viewer of the
default camera. Colours are sRGB in [0, 1]. Everything is plain data: `to_json` and `from_json` are
inverse, and a scene holds no frame rate and no image size, so one scene renders at any of both.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast, get_args, get_origin, get_type_hints

from simbench.errors import UserError

Vec = tuple[float, float, float]

KINDS = ("plane", "sphere", "box", "capsule", "cylinder", "voxels")
TEXTURES = ("flat", "checker", "stripe", "noise", "brick", "dots")


@dataclass(frozen=True)
class Curve:
    """A value over time: linear between keys, constant outside them. One key means constant.

    `times` [K] seconds, increasing; `values` [K] of equal-length tuples.
    """

    times: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, time: float) -> tuple[float, ...]:
        """The value at `time` seconds."""
        times, values = self.times, self.values
        if time <= times[0]:
            return values[0]
        for i in range(1, len(times)):
            if time <= times[i]:
                w = (time - times[i - 1]) / (times[i] - times[i - 1])
                return tuple(a + w * (b - a) for a, b in zip(values[i - 1], values[i], strict=True))
        return values[-1]


def constant(*value: float) -> Curve:
    """A curve that never changes."""
    return Curve((0.0,), (tuple(float(v) for v in value),))


@dataclass(frozen=True)
class Segment:
    """Closed-form motion from `start` seconds until the next segment starts.

    With s = t - start: position + velocity s + acceleration s^2 / 2; orientation is `turn` (axis
    times angle, radians, world frame) followed by a spin of `spin` rad/s about its own direction.
    """

    start: float
    position: Vec
    velocity: Vec = (0.0, 0.0, 0.0)
    acceleration: Vec = (0.0, 0.0, 0.0)
    turn: Vec = (0.0, 0.0, 0.0)
    spin: Vec = (0.0, 0.0, 0.0)


Motion = tuple[Segment, ...]


def rest(x: float, y: float, z: float, turn: Vec = (0.0, 0.0, 0.0)) -> Motion:
    """A body that stands still."""
    return (Segment(0.0, (x, y, z), turn=turn),)


def position_at(motion: Motion, time: float) -> Vec:
    """Centre of the body at `time` seconds, world frame, metres."""
    segment = motion[0]
    for candidate in motion[1:]:
        if candidate.start <= time:
            segment = candidate
    s = time - segment.start
    p, v, a = segment.position, segment.velocity, segment.acceleration
    return (
        p[0] + v[0] * s + a[0] * s * s / 2,
        p[1] + v[1] * s + a[1] * s * s / 2,
        p[2] + v[2] * s + a[2] * s * s / 2,
    )


@dataclass(frozen=True)
class Material:
    """Surface of a body. `texture` is a solid (3-D) pattern of `colour` and `other` in the body frame.

    `scale` is the cell size in metres, `inner` the colour of a carved interior, `specular` in [0, 1],
    `offset` shifts the pattern (metres, body frame) over time.
    """

    colour: Curve
    other: Curve = constant(1.0, 1.0, 1.0)
    texture: str = "flat"
    scale: float = 0.1
    inner: Vec = (0.95, 0.9, 0.75)
    specular: float = 0.0
    offset: Curve = constant(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Body:
    """One solid. `size` are half extents over time: sphere (r, r, r), box (x, y, z), capsule and
    cylinder (r, half length along y, r), plane (ignored: y = 0 in the body frame, infinite),
    voxels (edge e of a cell in metres, -, -). `role` says what it is for: static, mover, occluder, cue.
    It is drawn from `appears` until `vanishes` (seconds). `voxels[i][j][k]` (x, y, z) is a material:
    0 air, 1 grass, 2 dirt, 3 stone, 4 sand, 5 wood, 6 leaves; the grid of X x Y x Z cells is centred
    on the body, so cell (i, j, k) starts at ((i - X/2) e, (j - Y/2) e, (k - Z/2) e) in the body frame.
    A plane is seen from both sides and casts no shadow.
    """

    name: str
    kind: str
    size: Curve
    motion: Motion
    material: Material
    role: str = "static"
    appears: float = 0.0
    vanishes: float = 1e9
    voxels: tuple[tuple[tuple[int, ...], ...], ...] = ()


@dataclass(frozen=True)
class Camera:
    """A pinhole looking from `eye` to `target` (world, metres) with y up; `fov` is vertical, degrees."""

    eye: Curve
    target: Curve
    fov: float = 50.0


@dataclass(frozen=True)
class Light:
    """Direction towards the light, its ambient share, and the sky. No shadow and no fog in look plain."""

    direction: Curve = constant(0.4, 0.8, 0.45)
    ambient: float = 0.45
    shadow: bool = True
    fog: float = 0.0
    sky: Vec = (0.72, 0.82, 0.93)
    zenith: Vec = (0.55, 0.71, 0.92)


@dataclass(frozen=True)
class Carve:
    """From `time` on, a sphere (body frame, metres) is taken out of `body` (sphere, box or cylinder)."""

    body: str
    time: float
    centre: Vec
    radius: float


@dataclass(frozen=True)
class Paint:
    """A stroke on one face of a box: `axis` 0-2 and `sign` name the face; `stroke` holds (time, u, v)
    with u, v in metres from the face's centre along the body axes (z, y) for axis 0, (x, z) for axis 1
    and (x, y) for axis 2; all within `radius` of the brush takes `colour` from the time it passes.
    """

    body: str
    axis: int
    sign: int
    stroke: tuple[tuple[float, float, float], ...]
    radius: float
    colour: Vec


@dataclass(frozen=True)
class SetVoxel:
    """At `time` the `cell` of a voxel body becomes `value` (0 is air)."""

    body: str
    time: float
    cell: tuple[int, int, int]
    value: int


@dataclass(frozen=True)
class Event:
    """Something that happens: contact, hide, show, stop, bite, paint, mine, place. No generator sees it."""

    kind: str
    time: float
    bodies: tuple[str, ...]
    point: Vec = (0.0, 0.0, 0.0)
    impulse: float = 0.0


@dataclass(frozen=True)
class Caption:
    """Words for the whole clip, for training and for reading: short, long, structured (JSON text)."""

    short: str = ""
    long: str = ""
    structured: str = ""


@dataclass(frozen=True)
class Scene:
    """One world. `duration` is in seconds; `actions` are free-form commands at times."""

    family: str
    seed: int
    duration: float
    camera: Camera
    bodies: tuple[Body, ...]
    light: Light = Light()
    carves: tuple[Carve, ...] = ()
    paints: tuple[Paint, ...] = ()
    voxel_edits: tuple[SetVoxel, ...] = ()
    events: tuple[Event, ...] = ()
    caption: Caption = Caption()
    look: str = "rich"
    tags: dict[str, Any] = field(default_factory=dict)

    def body(self, name: str) -> Body:
        """The body called `name`."""
        for body in self.bodies:
            if body.name == name:
                return body
        raise KeyError(f"scene has no body {name!r}; it has {', '.join(b.name for b in self.bodies)}")

    def movers(self) -> tuple[Body, ...]:
        """Bodies that are scored, in order."""
        return tuple(b for b in self.bodies if b.role == "mover")

    def with_bodies(self, bodies: tuple[Body, ...]) -> Scene:
        """The same scene with other bodies."""
        return dataclasses.replace(self, bodies=bodies)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, floats by repr."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Scene:
        """The scene that `to_json` wrote; UserError on anything else."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"scene is not JSON ({error}); write it with Scene.to_json") from error
        return _restore(Scene, data, "scene")


def _restore(kind: Any, data: Any, where: str) -> Any:
    """Plain data back into the annotated type `kind`: dataclasses by field, lists into tuples."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(data, dict):
            raise UserError(f"{where} is {type(data).__name__}, not an object; write it with Scene.to_json")
        hints, make = get_type_hints(kind), cast(Callable[..., Any], kind)
        unknown = sorted(set(data) - set(hints))
        if unknown:
            raise UserError(f"{where} has unknown field {unknown[0]!r}; known: {', '.join(hints)}")
        missing = [
            f.name
            for f in dataclasses.fields(kind)
            if f.name not in data
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise UserError(f"{where} lacks field {missing[0]!r}; write it with Scene.to_json")
        return make(**{k: _restore(hints[k], v, f"{where}.{k}") for k, v in data.items()})
    if get_origin(kind) is tuple:
        if not isinstance(data, list):
            raise UserError(f"{where} is {type(data).__name__}, not a list; write it with Scene.to_json")
        args = get_args(kind)
        kinds = [args[0]] * len(data) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(kinds) != len(data):
            raise UserError(f"{where} has {len(data)} values, not {len(kinds)}; write it with Scene.to_json")
        return tuple(
            _restore(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, data, strict=True))
        )
    if kind is float and isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    if kind in (str, int, bool) and type(data) is not kind:
        raise UserError(f"{where} is {data!r}, not {kind.__name__}; write it with Scene.to_json")
    if kind is float:
        raise UserError(f"{where} is {data!r}, not a number; write it with Scene.to_json")
    return data
