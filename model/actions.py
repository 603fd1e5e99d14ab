"""Commands as numbers: what a frame is told to do, in the words of the suites, as channels for the model.

A command is a word of WORDS (`forward`, `place stone`), or says where tools are in shares of the picture:
`brush 0.31 0.62`, `tool 0.343 0.337 snap screen 1.31`, `tool 0.4 0.4 open table 90`, `rod tip at 31.2 % from
the left, 50.0 % from the top; panel from the top over 30 % of the table`, `boots at ... and at ...`.
A coordinate is spread over KNOTS by linear interpolation, so that a linear layer can give each place in the
picture its own response and read the number back as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from simbench.errors import UserError

WORDS = (
    "forward", "back", "turn-left", "turn-right", "look-up", "look-down", "mine", "place",
    "wait", "up", "down", "left", "right", "take", "place earth", "place stone", "lift",
)  # fmt: skip
"""Commands of one word, a channel each."""
TOOLS = ("brush", "tool", "rod", "boots")
"""What moves to a place."""
KNOTS = np.linspace(-0.1, 1.1, 7)
"""Shares of the picture at which a coordinate has a channel; what lies outside counts as at its end."""
AXES = ("x", "y", "x2", "y2", "screen")
"""Coordinates: of the first place, of the second (the other boot), and of what slides across."""
CHANNELS = (
    *WORDS,
    *TOOLS,
    "snap",
    "table sine",
    "table cosine",
    "panel top",
    "panel bottom",
    *(f"{axis} {knot}" for axis in AXES for knot in range(len(KNOTS))),
)
"""Names of the channels of `Sample.actions`."""

NUMBER = r"(-?\d+(?:\.\d+)?)"
PLACE = rf"at {NUMBER} % from the left, {NUMBER} % from the top"
PANEL = rf"(?:; panel from the (top|bottom) over {NUMBER} % of the (?:table|ground))?"
BRUSH = re.compile(rf"brush {NUMBER} {NUMBER}")
TOOL = re.compile(rf"tool {NUMBER} {NUMBER} (snap|open) (screen|table) {NUMBER}")
ROD = re.compile(rf"rod tip {PLACE}{PANEL}")
BOOTS = re.compile(rf"boots {PLACE} and {PLACE}{PANEL}")


def encode(actions: Sequence[str]) -> np.ndarray:
    """float32 [T, len(CHANNELS)] of the command of each frame. UserError names one that is unknown."""
    return np.stack([_row(action) for action in actions])


@lru_cache(maxsize=4096)
def _row(action: str) -> np.ndarray:
    row = np.zeros(len(CHANNELS), np.float32)
    if action in WORDS:
        row[channel(action)] = 1.0
    elif found := BRUSH.fullmatch(action):
        row[channel("brush")] = 1.0
        _spread(row, found.groups(), 1.0)
    elif found := TOOL.fullmatch(action):
        x, y, snap, way, value = found.groups()
        row[channel("tool")], row[channel("snap")] = 1.0, float(snap == "snap")
        _spread(row, (x, y), 1.0)
        _beside(row, way, float(value))
    elif found := ROD.fullmatch(action) or BOOTS.fullmatch(action):
        *places, side, share = found.groups()
        row[channel("rod" if len(places) == 2 else "boots")] = 1.0
        _spread(row, places, 100.0)
        if side is not None:
            row[channel(f"panel {side}")] = float(share) / 100.0
    else:
        raise UserError(
            f"action {action!r} is unknown to models of this package, which are told {', '.join(WORDS)}, or"
            f" where one of {', '.join(TOOLS)} is, such as 'brush 0.3 0.6'; use one of these, or ask a suite"
            " whose actions they know (paint, bite, push, footprints, digital)"
        )
    row.flags.writeable = False
    return row


def _spread(row: np.ndarray, numbers: Sequence[str], whole: float) -> None:
    for axis, number in zip(AXES, numbers, strict=False):
        _at(row, axis, float(number) / whole)


def _beside(row: np.ndarray, way: str, value: float) -> None:
    """A screen at a share of the width, or a table turned by degrees."""
    if way == "screen":
        _at(row, "screen", value)
        return
    row[channel("table sine")] = math.sin(math.radians(value))
    row[channel("table cosine")] = math.cos(math.radians(value))


def _at(row: np.ndarray, axis: str, value: float) -> None:
    first = channel(f"{axis} 0")
    place = float(np.interp(value, KNOTS, np.arange(len(KNOTS))))
    low = min(int(place), len(KNOTS) - 2)
    row[first + low], row[first + low + 1] = 1.0 - (place - low), place - low


def channel(name: str) -> int:
    """The place of one of CHANNELS."""
    return CHANNELS.index(name)


def names(actions: np.ndarray) -> list[str]:
    """The words of rows [T, A] that hold one of WORDS each; an empty string where none is in force."""
    picked = actions[:, : len(WORDS)]
    return [WORDS[int(row.argmax())] if row.any() else "" for row in picked]


def mirrored(actions: np.ndarray) -> np.ndarray:
    """Rows [T, A] of a picture whose left and right are exchanged."""
    return actions[:, _other()] * _signs()


def _other() -> list[int]:
    """Which channel comes to each place in a mirror."""
    last = len(KNOTS) - 1
    found = []
    for name in CHANNELS:
        axis, _, knot = name.rpartition(" ")
        if axis in ("x", "x2", "screen"):
            name = f"{axis} {last - int(knot)}"
        elif name in WORDS and ("left" in name or "right" in name):
            name = name.replace("left", "*").replace("right", "left").replace("*", "right")
        found.append(channel(name))
    return found


def _signs() -> np.ndarray:
    return np.array([-1.0 if name == "table sine" else 1.0 for name in CHANNELS], np.float32)
