"""Train-only variety of worlds: more looks than the families draw, and never one that only tests show.

Looks change, the law does not: an object keeps its motion, its colour and its place.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass

from simbench.worlds.families.occluder import Layout
from simbench.worlds.scene import Body, Scene, constant

LEAN = 0.6
"""Boxes turn by up to this many radians; a diamond, which only tests show, is turned by pi / 4."""
SQUARE = 0.8
"""A box whose sides differ by more than this ratio is called a block."""


@dataclass(frozen=True)
class Variety:
    """Probabilities. `board`: a wall ends above the floor and lower down; `shapes`: the movers of a clip
    may change; then `boxes` and `balls` are the shares of each kind that do."""

    board: float = 0.5
    shapes: float = 0.6
    boxes: float = 0.6
    balls: float = 0.2


def vary_layout(layout: Layout, rng: random.Random, options: Variety) -> Layout:
    """The same stage behind a board: a wall that leaves the floor, and the sky, in view.

    Cups and crossing lanes keep their wall. The board covers every lane by 0.02 image heights or more.
    """
    crossing = any(lane.dv != 0.0 for lane in layout.lanes)
    if layout.occluder != "wall" or layout.cup is not None or crossing or rng.random() >= options.board:
        return layout
    left, right, _, top = layout.screen
    heights = [lane.v for lane in layout.lanes]
    half = layout.diameter / 2
    upper = min(top, max(heights) + half + rng.uniform(0.02, 0.12))
    lower = min(heights) - half - rng.uniform(0.02, 0.25)
    return dataclasses.replace(layout, screen=(left, right, lower, upper))


def vary_scene(scene: Scene, rng: random.Random, options: Variety) -> Scene:
    """The same scene with some boxes among the movers turned and of other sides, some balls smaller."""
    if rng.random() >= options.shapes:
        return scene
    renamed: dict[str, str] = {}
    bodies = []
    for body in scene.bodies:
        if body.role != "mover":
            bodies.append(body)
            continue
        varied = _varied(body, rng, options)
        renamed[body.name] = varied.name
        bodies.append(varied)
    events = tuple(
        dataclasses.replace(e, bodies=tuple(renamed.get(name, name) for name in e.bodies))
        for e in scene.events
    )
    return dataclasses.replace(scene, bodies=tuple(bodies), events=events)


def _varied(body: Body, rng: random.Random, options: Variety) -> Body:
    share = rng.random()
    if body.kind == "box" and share < options.boxes:
        return _box(body, rng)
    if body.kind == "sphere" and share < options.balls:
        radius = body.size.at(0.0)[0] * rng.uniform(0.75, 1.0)
        return dataclasses.replace(body, size=constant(radius, radius, radius))
    return body


def _box(body: Body, rng: random.Random) -> Body:
    angle = rng.uniform(-LEAN, LEAN)
    half = body.size.at(0.0)[0]
    wide, tall = half * rng.uniform(0.6, 1.0), half * rng.uniform(0.7, 1.0)
    motion = tuple(dataclasses.replace(segment, turn=(0.0, 0.0, angle)) for segment in body.motion)
    blocky = min(wide, tall) / max(wide, tall) < SQUARE
    name = body.name.replace("cube", "block") if blocky else body.name
    return dataclasses.replace(body, name=name, size=constant(wide, tall, half), motion=motion)
