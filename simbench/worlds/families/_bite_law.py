"""The law of the bite stage: a round tool on a level way, and a solid that loses what the tool closes on.

The tool moves at one height. Where it snaps, the ball that it fills is taken out of the solid, once and for
all, if any of the solid is in it. A miss is the same way with every snap drawn back along the line on which
the tool came, until it stands `gap` short of the surface.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from simbench.worlds.scene import Vec

SIZES: dict[str, Vec] = {
    "ball": (0.64, 0.64, 0.64),
    "cube": (0.52, 0.36, 0.52),
    "cylinder": (0.64, 0.34, 0.64),
}
"""Half extents of the solids, metres."""
TABLE = 0.12
"""Height of the table's top, metres."""
BELOW = {"ball": 0.3, "cube": 0.1, "cylinder": 0.1}
"""How far below the solid's top the tool moves, metres."""
WAIT = 1.16
"""Distance from the solid's axis at which the tool waits and goes around, metres."""
SINK = 1.25
"""How deep a bite goes, in radii of the tool."""
WAYS = ("screen", "turn")
ARC = 12
LEG = 0.3
"""Of the time between two bites: what the tool takes from where it waits to the bite."""

Hole = tuple[float, float, float, float]
"""A ball taken out: x, y, z (metres from the solid's centre, along the world's axes at the start), radius."""


@dataclass(frozen=True)
class Layout:
    """The free parameters of one stage. Times in seconds, metres, radians.

    `place` is how far right of the middle the solid stands, `yaw` how it is turned; `touch` says whether the
    snaps at `times` from `angles` (0 is towards the camera, positive to the right) reach it or stop `gap`
    short; `leave`, `gone`, `come`, `back`: hiding begins, is complete, ends to be complete, is over.
    """

    solid: str
    aspect: float
    duration: float
    times: tuple[float, ...]
    angles: tuple[float, ...]
    touch: bool = True
    way: str = "screen"
    side: int = 1
    place: float = 0.0
    yaw: float = 0.0
    radius: float = 0.3
    gap: float = 0.07
    colour: str = "red"
    leave: float = 0.0
    gone: float = 0.0
    come: float = 0.0
    back: float = 0.0
    look: str = "plain"
    texture_seed: int = 0


def centre_of(layout: Layout) -> Vec:
    """The solid's centre, world, metres."""
    return (layout.place, TABLE + SIZES[layout.solid][1], 0.0)


def height_of(layout: Layout) -> float:
    """The height at which the tool moves, metres above the solid's centre."""
    return SIZES[layout.solid][1] - BELOW[layout.solid]


def depth(layout: Layout, point: Vec) -> float:
    """Signed distance of a point (metres from the solid's centre) to the whole solid, negative inside."""
    a, b, c = SIZES[layout.solid]
    cos, sin = math.cos(layout.yaw), math.sin(layout.yaw)
    x, y, z = abs(cos * point[0] - sin * point[2]), abs(point[1]), abs(sin * point[0] + cos * point[2])
    if layout.solid == "ball":
        return math.hypot(x, y, z) - a
    gaps = (math.hypot(x, z) - a, y - b) if layout.solid == "cylinder" else (x - a, y - b, z - c)
    return math.hypot(*(max(g, 0.0) for g in gaps)) + min(max(gaps), 0.0)


def around(layout: Layout, angle: float, far: float) -> Vec:
    """The point `far` from the solid's axis at the tool's height, metres from the solid's centre."""
    return (far * math.sin(angle), height_of(layout), far * math.cos(angle))


def reach(layout: Layout, angle: float, distance: float) -> float:
    """How far from the axis the tool's centre is `distance` from the solid's surface, coming from `angle`."""
    low, high = 0.0, 2.0
    for _ in range(40):
        middle = (low + high) / 2
        if depth(layout, around(layout, angle, middle)) < distance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def snap(layout: Layout, angle: float, touch: bool) -> Vec:
    """Where the tool's centre is when it snaps, metres from the solid's centre."""
    distance = layout.radius * (1.0 - SINK) if touch else layout.radius + layout.gap
    return around(layout, angle, reach(layout, angle, distance))


def holes(layout: Layout) -> tuple[tuple[float, Hole], ...]:
    """When what is taken out of the solid: nothing where the snaps do not reach it."""
    if not layout.touch:
        return ()
    return tuple(
        (time, (*snap(layout, angle, True), layout.radius))
        for time, angle in zip(layout.times, layout.angles, strict=True)
    )


def struck(layout: Layout, point: Vec, margin: float = 0.0) -> bool:
    """Does the tool with its centre at a point (metres from the solid's centre) reach into the solid?"""
    return depth(layout, point) < layout.radius - margin


@lru_cache(maxsize=2)
def tool_stops(layout: Layout) -> tuple[tuple[float, Vec], ...]:
    """The tool's way as (seconds, metres from the solid's centre), straight and steady between stops.
    Those of the last two layouts are kept."""
    step = layout.times[1] - layout.times[0] if len(layout.times) > 1 else 0.125 * layout.duration
    leg = LEG * step
    stops = [(0.0, around(layout, layout.angles[0], WAIT))]
    for i, (time, angle) in enumerate(zip(layout.times, layout.angles, strict=True)):
        if i:
            start, turn = stops[-1][0], angle - layout.angles[i - 1]
            for k in range(1, ARC):
                way = around(layout, layout.angles[i - 1] + turn * k / ARC, WAIT)
                stops.append((start + (time - leg - start) * k / ARC, way))
        outside = around(layout, angle, WAIT)
        stops += [(time - leg, outside), (time, snap(layout, angle, layout.touch)), (time + leg, outside)]
    return tuple(stops)


def tool_at(layout: Layout, time: float) -> Vec:
    """The tool's centre at a time, metres from the solid's centre."""
    stops = tool_stops(layout)
    for (t0, a), (t1, b) in pairwise(stops):
        if time <= t1:
            share = max(0.0, (time - t0) / (t1 - t0))
            return (
                a[0] + share * (b[0] - a[0]),
                a[1] + share * (b[1] - a[1]),
                a[2] + share * (b[2] - a[2]),
            )
    return stops[-1][1]


def to_facts(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    return dataclasses.asdict(layout)


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote, also after a trip through JSON."""
    plain = dict(facts)
    for name in ("times", "angles"):
        plain[name] = tuple(float(v) for v in plain[name])
    return Layout(**plain)
