"""The looks of the bite stage: a layout and what is missing of its solid become a scene."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

from simbench.worlds import palette
from simbench.worlds.families._bite_law import (
    SIZES,
    TABLE,
    Hole,
    Layout,
    centre_of,
    holes,
    tool_stops,
)
from simbench.worlds.families._stage import glide
from simbench.worlds.scene import (
    Body,
    Camera,
    Carve,
    Event,
    Light,
    Material,
    Motion,
    Scene,
    Segment,
    Vec,
    constant,
)

ELEVATION = math.radians(58.0)
DISTANCE = 6.0
VIEW = 3.1
"""Metres that the shorter side of the image spans where the solid stands."""
AIM: Vec = (0.0, 0.35, 0.0)
NEAR = 2.2
"""How far before the middle the screen passes, metres towards the camera."""
INNER: Vec = (0.95, 0.9, 0.75)
SCREEN: Vec = (0.42, 0.40, 0.33)


def eye() -> Vec:
    """Where the camera stands, metres."""
    return (AIM[0], AIM[1] + DISTANCE * math.sin(ELEVATION), AIM[2] + DISTANCE * math.cos(ELEVATION))


def half_tangent(aspect: float) -> float:
    """Tangent of half the vertical field of view: the shorter side spans VIEW."""
    return 0.5 * VIEW / min(1.0, aspect) / DISTANCE


def project(layout: Layout, point: Vec) -> tuple[float, float]:
    """Shares of the image from the left and from the top at which a world point (metres) shows."""
    x, y, z = (p - q for p, q in zip(point, eye(), strict=True))
    sin, cos = math.sin(ELEVATION), math.cos(ELEVATION)
    ahead, up = -(y * sin + z * cos), y * cos - z * sin
    tangent = half_tangent(layout.aspect)
    return 0.5 + 0.5 * x / (ahead * tangent * layout.aspect), 0.5 - 0.5 * up / (ahead * tangent)


def lifted(layout: Layout, u: float, v: float, height: float) -> Vec:
    """The world point at `height` metres that shows at (u, v): the inverse of `project`."""
    sin, cos = math.sin(ELEVATION), math.cos(ELEVATION)
    tangent = half_tangent(layout.aspect)
    right, up = (2 * u - 1) * tangent * layout.aspect, (1 - 2 * v) * tangent
    ray = (right, up * cos - sin, -(up * sin) - cos)
    at = eye()
    far = (height - at[1]) / ray[1]
    return (at[0] + far * ray[0], height, at[2] + far * ray[2])


def stage(
    layout: Layout,
    eaten: Sequence[tuple[float, Hole]] | None = None,
    way: Sequence[tuple[float, Vec]] | None = None,
) -> Scene:
    """The scene of a layout. `eaten` (seconds, what is taken out) stands for what the law says, and `way`
    (seconds, metres from the solid's centre) for the tool's."""
    gone = holes(layout) if eaten is None else tuple(eaten)
    rng = random.Random(f"bite looks:{layout.texture_seed}")
    solid = _solid(layout, rng)
    bodies = [*_surround(layout, rng), solid, _tool(layout, tool_stops(layout) if way is None else way)]
    if layout.way == "screen":
        bodies.append(_screen(layout))
    light = Light(direction=constant(-0.3, 1.0, 0.5), ambient=0.55, shadow=False)
    if layout.look == "plain":
        light = Light(ambient=1.0, shadow=False, sky=(0.72, 0.82, 0.93), zenith=(0.72, 0.82, 0.93))
    return Scene(
        family="bite",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=Camera(
            constant(*eye()), constant(*AIM), math.degrees(2 * math.atan(half_tangent(layout.aspect)))
        ),
        bodies=tuple(bodies),
        light=light,
        carves=tuple(Carve(solid.name, t, _own(layout, hole), hole[3]) for t, hole in gone),
        events=_events(layout, solid.name),
        look=layout.look,
        tags={"objects": [solid.name, "tool"], "bites": len(gone)},
    )


def _own(layout: Layout, hole: Hole) -> Vec:
    """A hole's centre in the solid's own frame."""
    cos, sin = math.cos(layout.yaw), math.sin(layout.yaw)
    return (cos * hole[0] - sin * hole[2], hole[1], sin * hole[0] + cos * hole[2])


def _turning(layout: Layout, centre: Vec, yaw: float) -> Motion:
    """At rest, and where the table turns, one whole turn while it does."""
    still: Vec = (0.0, yaw, 0.0)
    if layout.way != "turn":
        return (Segment(0.0, centre, turn=still),)
    pace: Vec = (0.0, layout.side * 2 * math.pi / (layout.back - layout.leave), 0.0)
    return (
        Segment(0.0, centre, turn=still),
        Segment(layout.leave, centre, turn=still, spin=pace),
        Segment(layout.back, centre, turn=still),
    )


def _solid(layout: Layout, rng: random.Random) -> Body:
    colour, half = palette.rgb(layout.colour), SIZES[layout.solid]
    texture = rng.choice(("noise", "stripe", "checker"))
    material = Material(constant(*colour), constant(*colour), inner=INNER)
    if layout.look != "plain":
        shade = constant(*palette.tint(colour, -0.22))
        material = Material(constant(*colour), shade, texture, 0.17, INNER)
    kind = palette.shape(layout.solid).kind
    motion = _turning(layout, centre_of(layout), layout.yaw)
    return Body(f"soft-{layout.solid}", kind, constant(*half), motion, material, "mover")


def _surround(layout: Layout, rng: random.Random) -> list[Body]:
    """Floor, table, and a dark and a pale block whose grey levels say how bright the picture is."""
    shift = constant(rng.random(), rng.random(), rng.random())
    floor = _coat((0.60, 0.62, 0.65), layout, "checker", 0.4, shift)
    table = _coat((0.46, 0.36, 0.28), layout, "noise", 0.3, shift)
    centre = (layout.place, TABLE / 2, 0.0)
    square = Body(
        "table", "box", constant(0.86, TABLE / 2, 0.86), _turning(layout, centre, 0.0), table, "static"
    )
    plane = Body("floor", "plane", constant(1, 1, 1), (Segment(0.0, (0.0, 0.0, 0.0)),), floor)
    return [
        plane,
        square,
        _block("dark block", -1.3 * max(1.0, layout.aspect), (0.14, 0.15, 0.17)),
        _block("pale block", 1.3 * max(1.0, layout.aspect), (0.93, 0.93, 0.92)),
    ]


def _block(name: str, x: float, colour: Vec) -> Body:
    motion = (Segment(0.0, (x, 0.15, -1.35)),)
    return Body(name, "box", constant(0.22, 0.15, 0.22), motion, Material(constant(*colour)))


def _coat(colour: Vec, layout: Layout, texture: str, scale: float, shift: object) -> Material:
    if layout.look == "plain":
        return Material(constant(*colour))
    other = constant(*palette.tint(colour, 0.16))
    return Material(constant(*colour), other, texture, scale, offset=shift)  # type: ignore[arg-type]


def _tool(layout: Layout, way: Sequence[tuple[float, Vec]]) -> Body:
    r, heart = layout.radius, centre_of(layout)
    stops = [(t, (p[0] + heart[0], p[1] + heart[1], p[2] + heart[2])) for t, p in way]
    motion = []
    for (t0, a), (t1, b) in pairwise(stops):
        x, y, z = ((q - p) / (t1 - t0) for p, q in zip(a, b, strict=True))
        motion.append(Segment(t0, a, (x, y, z)))
    motion.append(Segment(*stops[-1]))
    colour = constant(0.25, 0.30, 0.42)
    return Body("tool", "sphere", constant(r, r, r), tuple(motion), Material(colour, colour), "mover")


def screen_at(layout: Layout, time: float) -> float:
    """How far right of the middle the screen's centre is, in image widths."""
    share = min(max((time - layout.leave) / (layout.gone - layout.leave), 0.0), 1.0)
    share -= min(max((time - layout.come) / (layout.back - layout.come), 0.0), 1.0)
    return layout.side * _away(layout) * (1.0 - share) / (_wide(layout) * 2)


def _wide(layout: Layout) -> float:
    """Half the image's width where the screen passes, metres."""
    return (DISTANCE - NEAR) * half_tangent(layout.aspect) * layout.aspect


def _away(layout: Layout) -> float:
    """How far the screen waits to the side, metres: out of the image."""
    return _wide(layout) + 0.58 + 0.02


def _screen(layout: Layout) -> Body:
    """A panel that faces the camera, slides before the solid and back."""
    y = AIM[1] + NEAR * math.sin(ELEVATION) - 0.05
    z = AIM[2] + NEAR * math.cos(ELEVATION)
    x, far = layout.place * (DISTANCE - NEAR) / DISTANCE, layout.side * _away(layout)
    plan = ((0.0, far), (layout.leave, far), (layout.gone, x), (layout.come, x), (layout.back, far))
    motion = glide([(t, (at, y, z)) for t, at in plan], (-ELEVATION, 0.0, 0.0))
    return Body("screen", "box", constant(0.58, 0.62, 0.02), motion, Material(constant(*SCREEN)), "occluder")


def _events(layout: Layout, name: str) -> tuple[Event, ...]:
    heart = centre_of(layout)
    made = []
    for time, hole in holes(layout):
        point = (heart[0] + hole[0], heart[1] + hole[1], heart[2] + hole[2])
        made.append(Event("bite", time, ("tool", name), point, layout.radius))
    if layout.way == "screen":
        made += [Event("hide", layout.gone, (name, "screen")), Event("show", layout.back, (name,))]
    return tuple(made)
