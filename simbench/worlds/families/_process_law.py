"""The law of the process stage: one thing whose state is a scalar that changes at a constant rate.

The state is the share of a range (ball, tank, candle, plant) or of a turn (clock, lights, which come
round again). All cases of a scene have one state at the moment from which nothing is seen, `gone`, and
rates of which half lie on either side of zero or are zero. So the state kept still is a median of what
is true at any later time, and no answer that is blind to the rate has a smaller sum of errors.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

PROCESSES = ("ball", "clock", "tank", "candle", "plant", "lights")
CIRCULAR = ("clock", "lights")
ONE_WAY = ("candle", "plant", "lights")
"""Candles never grow: two of the four rates of such a scene are zero."""
WAYS = ("curtain", "dark", "away")
LUMINOUS = ("candle", "lights")
"""What shines is seen in the dark, so the lights are not turned off on it."""
TEST_PROCESSES = ("plant",)
CLOSING, OPENING = 0.1, 0.1
"""How long hiding and showing take, as shares of the clip."""
JUMP = 1e-6

Path = tuple[tuple[float, float], ...]
"""(time in seconds, state) knots in order: linear between them, constant outside."""


@dataclass(frozen=True)
class Layout:
    """The free parameters of one stage. Times in seconds, places in image heights.

    `place` is how far right of the image's centre the thing stands; `side` is +1 where the curtain waits
    on the right and the camera turns left; `leave`, `gone`, `come`, `back`: hiding begins, is complete,
    ends to be complete, is over.
    """

    process: str
    aspect: float
    duration: float
    path: Path
    way: str = "curtain"
    hidden: bool = True
    side: int = 1
    place: float = 0.0
    colour: str = "red"
    backdrop: str = "grey"
    curtain: str = "brown"
    leave: float = 0.0
    gone: float = 0.0
    come: float = 0.0
    back: float = 0.0
    look: str = "plain"
    texture_seed: int = 0


def ways(process: str) -> tuple[str, ...]:
    """How this process can be hidden."""
    return tuple(way for way in WAYS if way != "dark" or process not in LUMINOUS)


def steady(state: float, rate: float, when: float, duration: float) -> Path:
    """The path that has `state` at `when` and changes by `rate` per second all the time."""
    return ((0.0, state - rate * when), (duration, state + rate * (duration - when)))


def state_at(path: Path, time: float) -> float:
    """The state at `time`, not wrapped."""
    if time <= path[0][0]:
        return path[0][1]
    for (t0, a), (t1, b) in pairwise(path):
        if time <= t1:
            return a + (b - a) * (time - t0) / (t1 - t0)
    return path[-1][1]


def rate_of(layout: Layout) -> float:
    """States per second at the start of the path."""
    (t0, a), (t1, b) = layout.path[:2]
    return (b - a) / (t1 - t0)


def apart(process: str, state: float, other: float) -> float:
    """`state` less `other`; the shorter way round where the state comes round again."""
    off = state - other
    return off - round(off) if process in CIRCULAR else off


def within(process: str, state: float) -> float:
    """The nearest state that the thing can have: what does not come round again ends at 0 and 1."""
    return state if process in CIRCULAR else min(max(state, 0.0), 1.0)


def phases(path: Path) -> list[tuple[float, float, float, float]]:
    """The pieces (t0, t1, state0, state1) of a path, cut wherever a third of a turn is complete."""
    out = []
    for (t0, a), (t1, b) in pairwise(path):
        first, last = min(a, b), max(a, b)
        marks = [k / 3 for k in range(math.floor(3 * first) + 1, math.ceil(3 * last))]
        stops = [a, *(marks if b > a else marks[::-1]), b]
        times = [t0 + (t1 - t0) * ((s - a) / (b - a) if b != a else 0.0) for s in stops[:-1]] + [t1]
        out += [
            (u, v, p, q)
            for (u, v), (p, q) in zip(pairwise(times), pairwise(stops), strict=True)
            if v - u > 4 * JUMP or t1 - t0 <= 4 * JUMP
        ]
    return out


def to_facts(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    return dataclasses.asdict(layout)


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote, also after a trip through JSON."""
    plain = dict(facts)
    plain["path"] = tuple((float(t), float(s)) for t, s in plain["path"])
    return Layout(**plain)
