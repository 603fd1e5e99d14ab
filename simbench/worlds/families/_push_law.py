"""The law of the push table: a rod moves what it touches, exactly as far as it reaches, and nothing else.

Places are (x, y) in short sides of the image from its centre, x right and y up, on a table seen from above.
A path is a tuple of (seconds, x, y) knots: straight and even between them, constant outside. The rod's path
is that of the middle of its leading face, with knots on whole frames, so that its places frame by frame tell
all of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Path = tuple[tuple[float, float, float], ...]

SIZE = 0.272
"""Diameter of a cylinder; a cube has 0.92 of it."""
HEAD = 0.06
"""Half of the rod's leading face."""
HALF = {"cube": 0.46 * SIZE, "cylinder": 0.5 * SIZE}
"""Half of what a shape takes along and across the rod's way."""


@dataclass(frozen=True)
class Block:
    """One block: its looks and its path."""

    colour: str
    shape: str
    path: Path

    @property
    def home(self) -> tuple[float, float]:
        """Where it is at first."""
        return self.path[0][1:]


@dataclass(frozen=True)
class Layout:
    """One table. The first of `blocks` is the one at which the rod is aimed; `would` is its path in the trial
    in which it is touched. `side` is +1 where the rod comes from the left. A panel from the top (`drop` = 1)
    or the bottom (-1) slides over the table from `leave` to `gone` and away from `come` to `back` (seconds).
    """

    aspect: float
    duration: float
    blocks: tuple[Block, ...]
    rod: Path
    would: Path
    side: int
    trial: str
    covered: bool
    leave: float
    gone: float
    come: float
    back: float
    drop: int = 1
    surface: str = "tan"
    panel: str = "brown"
    look: str = "plain"
    texture_seed: int = 0

    @property
    def view(self) -> tuple[float, float]:
        """Width and height of the view in short sides."""
        return max(1.0, self.aspect), max(1.0, 1.0 / self.aspect)

    @property
    def contact(self) -> float:
        """The moment at which the block is touched, in the trial in which it is."""
        return self.would[1][0]

    @property
    def way(self) -> float:
        """How far the block is pushed where it is touched, short sides."""
        return abs(self.would[-1][1] - self.would[0][1])


def at(path: Path, time: float) -> tuple[float, float]:
    """The place on a path at a time."""
    if time <= path[0][0]:
        return path[0][1:]
    for (t0, x0, y0), (t1, x1, y1) in pairwise(path):
        if time <= t1:
            share = (time - t0) / (t1 - t0)
            return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
    return path[-1][1:]


def carried(rod: Path, home: tuple[float, float], half: float, side: int) -> Path:
    """The path of a block of half size `half` that stands at `home`: it is where the rod's face has come at
    the farthest, and stays there when the rod leaves. A rod that passes beside it does not move it.
    """
    x, y = home
    path = [(0.0, x, y)]
    for (t0, x0, y0), (t1, x1, y1) in pairwise(rod):
        near, before, after = side * x - half, side * x0, side * x1
        if abs(0.5 * (y0 + y1) - y) >= half + HEAD or after <= near + 1e-12:
            continue
        touch = t0 + (t1 - t0) * max(0.0, (near - before) / (after - before))
        x = side * (after + half)
        path += [(touch, path[-1][1], y), (t1, x, y)]
    return tuple(path)


def moved(layout: Layout, paths: Sequence[Path]) -> Layout:
    """The layout with other paths of its blocks."""
    blocks = (dataclasses.replace(b, path=p) for b, p in zip(layout.blocks, paths, strict=True))
    return dataclasses.replace(layout, blocks=tuple(blocks))


def fractions(layout: Layout, place: tuple[float, float]) -> tuple[float, float]:
    """A place as shares of the width from the left and of the height from the top."""
    width, height = layout.view
    return 0.5 + place[0] / width, 0.5 - place[1] / height


def cover(layout: Layout, time: float) -> float:
    """Share of the way from beside the table to over it that the panel has gone."""
    if not layout.covered:
        return 0.0
    coming = (time - layout.leave) / (layout.gone - layout.leave)
    going = (time - layout.come) / (layout.back - layout.come)
    return min(max(coming, 0.0), 1.0) - min(max(going, 0.0), 1.0)


def to_facts(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    return dataclasses.asdict(layout)


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote, also after a trip through JSON."""
    plain = dict(facts)
    plain["rod"], plain["would"] = knots(plain["rod"]), knots(plain["would"])
    plain["blocks"] = tuple(Block(b["colour"], b["shape"], knots(b["path"])) for b in plain["blocks"])
    return Layout(**plain)


def knots(path: Sequence[Sequence[float]]) -> Path:
    """A path out of plain data."""
    return tuple((float(t), float(x), float(y)) for t, x, y in path)
