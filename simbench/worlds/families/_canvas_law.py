"""The law of the canvas: where the brush goes, what it leaves, and which camera looks on.

A canvas of 1.3 x 1.3 m hangs on a wall; places on it are metres from its middle, x right and y up. The
brush paints one stroke while it is watched, then branches off to one of two sides: the two ways are mirror
images, and nothing before they part tells which comes. So no answer that is blind to the way that is
commanded has fewer wrong texels than the canvas kept as it was, once those that both ways paint are left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from simbench.worlds.families._stage import ease
from simbench.worlds.scene import Vec

TRIALS = ("passer", "away")
TOOLS, SURFACES = ("brush", "cursor"), ("canvas", "wall")
"""What paints, and on what: a wall is as white and flat as a canvas, with battens around the same square."""
HALF = 0.65
"""Half the canvas's side, metres."""
HIGH = 1.1
"""Height of the canvas's middle, metres."""
RADIUS = 0.12
"""Of every stroke, metres: 4.2 px across in an image of 32."""
SEEN = 1.84
"""What is in view across the shorter side of the image at the canvas, metres."""
AFAR = 4.0
END, LIFTED = 0.94, 0.97
"""Shares of the clip at which the stroke ends and the brush is off the canvas."""

Line = tuple[tuple[float, float, float], ...]
"""(time in seconds, x, y) in order, straight between them."""
Old = tuple[float, float, float, float, str]
"""A straight stroke that is there from the start: x, y of both ends, name of its colour."""


@dataclass(frozen=True)
class Layout:
    """The free parameters of one canvas. Times in seconds.

    `line` is the brush's way while it touches; it branches off at `parts`. `leave` and `back`: what comes
    between (the board of a passer-by, or the camera's turn) begins and is over. `side`: +1 where the camera
    moves to the right; the board then comes from the left and the camera turns left. `texture` is the wall's
    in look rich. Another `trial` than those of TRIALS: nothing comes between. `tool` of TOOLS, `surface` of
    SURFACES: on a wall `wall` is the colour of its battens.
    """

    aspect: float
    duration: float
    trial: str
    line: Line
    parts: float
    old: tuple[Old, ...]
    colour: str
    wall: str
    board: str
    texture: str
    side: int
    leave: float
    back: float
    look: str = "plain"
    texture_seed: int = 0
    tool: str = "brush"
    surface: str = "canvas"


def turned(quarter: int, x: float, y: float) -> tuple[float, float]:
    """(x, y) turned by quarters of a circle."""
    for _ in range(quarter % 4):
        x, y = -y, x
    return x, y


def tip(layout: Layout, time: float) -> tuple[float, float]:
    """Where the bristles touch at a time, metres on the canvas; before and after that, at the ends."""
    return along(layout.line, time)


def along(line: Line, time: float) -> tuple[float, float]:
    """Where a way is at a time."""
    if time <= line[0][0]:
        return line[0][1:]
    for (t0, x0, y0), (t1, x1, y1) in pairwise(line):
        if time <= t1:
            share = (time - t0) / (t1 - t0)
            return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
    return line[-1][1:]


def split_at(line: Line, time: float) -> tuple[Line, Line]:
    """The way until a time and from it on."""
    before = tuple(key for key in line if key[0] < time)
    after = tuple(key for key in line if key[0] > time)
    if not before or not after:
        return before, after
    middle = (time, *along(line, time))
    return (*before, middle), (middle, *after)


def timed(points: Sequence[tuple[float, float]], start: float, end: float) -> Line:
    """The way through points at an even pace."""
    legs = [math.dist(a, b) for a, b in pairwise(points)]
    total, gone, keys = sum(legs), 0.0, [(start, *points[0])]
    for leg, (x, y) in zip(legs, points[1:], strict=True):
        gone += leg
        keys.append((start + (end - start) * gone / total, x, y))
    return tuple(keys)


def action(layout: Layout, time: float) -> str:
    """The command of a frame: `lift`, or `brush 0.31 0.62`, shares of the canvas from its upper left."""
    if not layout.line[0][0] - 1e-9 <= time <= layout.line[-1][0] + 1e-9:
        return "lift"
    x, y = tip(layout, time)
    return f"brush {(x + HALF) / (2 * HALF):.3f} {(HALF - y) / (2 * HALF):.3f}"


def across(layout: Layout) -> float:
    """Half of what is in view from side to side at the canvas, metres."""
    return 0.5 * SEEN * max(layout.aspect, 1.0)


def fov(layout: Layout) -> float:
    """The camera's vertical angle of view, degrees."""
    return 2.0 * math.degrees(math.atan(0.5 * SEEN / min(layout.aspect, 1.0) / AFAR))


def eye(layout: Layout, time: float) -> Vec:
    """Where the camera is at a time: it moves sideways all the while."""
    return (0.55 * _way(layout, time), HIGH + 0.15, AFAR)


def _way(layout: Layout, time: float) -> float:
    return layout.side * (2.0 * ease((time / layout.duration - 0.08) / 0.8) - 1.0)


def yaw(layout: Layout, time: float) -> float:
    """How far the camera has turned away from the canvas, radians, positive to the left."""
    if layout.trial != "away":
        return 0.0
    full = math.atan(across(layout) / AFAR) + math.atan((HALF + 0.45) / AFAR)
    third = (layout.back - layout.leave) / 3.0
    share = ease((time - layout.leave) / third) - ease((time - layout.back + third) / third)
    return layout.side * full * share


def target(layout: Layout, time: float) -> Vec:
    """What the camera looks at: the canvas crosses a fifth of the image, and where it turns, leaves it."""
    x, _, z = eye(layout, time)
    ahead = 0.19 * _way(layout, time) - x
    turn = yaw(layout, time)
    return (
        x + ahead * math.cos(turn) - z * math.sin(turn),
        HIGH,
        z - z * math.cos(turn) - ahead * math.sin(turn),
    )


def to_facts(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    return dataclasses.asdict(layout)


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote, also after a trip through JSON."""
    plain = dict(facts)
    plain["line"] = tuple((float(t), float(x), float(y)) for t, x, y in plain["line"])
    plain["old"] = tuple((*(float(v) for v in o[:4]), str(o[4])) for o in plain["old"])
    return Layout(**plain)
