"""orbit: textured primitives on a ground between two walls, seen by a moving camera.

Nothing in the world moves, so every change of the picture is parallax. Difficulty adds objects and
lengthens the camera's way.
"""

from __future__ import annotations

import math
import random

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._stage import Stage, ease, filmed, footprint, lie, scatter, stand
from simbench.worlds.scene import Body, Camera, Scene, Vec

MOVES = ("orbit", "truck", "dolly", "crane")
PACES = ("eased", "even")
REACH = 2.35
BACK, SIDE = 3.3, 3.7


def build(
    seed: int,
    duration: float,
    look: str,
    difficulty: float,
    split: str = "train",
    camera: str = "any",
    pace: str = "eased",
    extent: float = 1.0,
    bare: bool = True,
) -> Scene:
    """A still life of 8 to 12 objects. `camera` is orbit, truck, dolly, crane or any; at an `even` pace it
    moves from the first frame to the last, eased it starts and stops softly. `extent` is a factor on how far.
    Without `bare` every object has a pattern, so that its depth can be seen.
    """
    if pace not in PACES:
        raise UserError(f"pace={pace} is unknown; use one of {', '.join(PACES)}")
    stage = Stage(random.Random(seed), look, split)
    rng = stage.rng
    move = stage.chosen("camera", camera, MOVES)
    side = rng.choice((-1.0, 1.0))
    objects = _still_life(stage, 8 + round(4 * difficulty), bare)
    filming, amount = _film(rng, move, side, duration, difficulty, pace, extent)
    bodies = (stage.floor(), *_walls(stage, side), *objects)
    tags = {
        "objects": [b.name for b in objects],
        "camera": {"move": move, "amount": amount, "unit": "degrees" if move == "orbit" else "metres"},
    }
    return Scene("orbit", seed, duration, filming, bodies, stage.light(0.0), look=look, tags=tags)


def _still_life(stage: Stage, count: int, bare: bool) -> list[Body]:
    rng = stage.rng
    hues = palette.pick_colours(rng, count, stage.split)
    pool = list(palette.shapes(stage.split)) * 3
    rng.shuffle(pool)
    shapes = [pool[i % len(pool)] for i in range(count)]
    sizes = [rng.uniform(0.3, 0.46) for _ in range(count)]
    things = [
        stage.thing(f"{shape.name}-{i}", hue, size, shape, bare)
        for i, (shape, hue, size) in enumerate(zip(shapes, hues, sizes, strict=True))
    ]
    lying = [
        t.kind in ("capsule", "cylinder") and t.size.at(0)[1] > 0.2 and rng.random() < 0.4 for t in things
    ]
    radii = [
        math.hypot(t.size.at(0)[0], t.size.at(0)[1] + t.size.at(0)[0]) if down else footprint(t)
        for t, down in zip(things, lying, strict=True)
    ]
    order = sorted(range(count), key=lambda i: -radii[i])
    places = scatter(rng, [radii[i] for i in order], _in_disc, 0.1)
    placed = []
    for i, place in zip(order, places, strict=True):
        yaw = rng.uniform(-math.pi, math.pi)
        if place is not None:
            placed.append((lie if lying[i] else stand)(things[i], *place, yaw))
    return placed


def _in_disc(rng: random.Random) -> tuple[float, float]:
    radius, angle = REACH * math.sqrt(rng.random()), rng.uniform(-math.pi, math.pi)
    return radius * math.sin(angle), radius * math.cos(angle)


def _walls(stage: Stage, side: float) -> tuple[Body, Body]:
    rng = stage.rng
    drawn, thick = rng.uniform(0.8, 1.15), 0.12
    height = 1.0 if stage.look == "plain" else drawn
    first, second = rng.sample([t for t in palette.textures(stage.split) if t != "flat"] * 2, 2)
    if stage.split == "train" and "brick" not in (first, second):
        first = "brick"
    if first == second and stage.split == "train":
        second = "noise" if first != "noise" else "stripe"
    warm = stage.muted("terracotta", ("terracotta", "sand", "tan", "mauve"))
    cool = stage.muted("sage", ("slate blue", "sage", "grey", "olive"))
    back = stage.wall("wall-back", (0.0, height, -BACK - thick), (SIDE, height, thick), first, warm)
    flank = stage.wall(
        "wall-side", (side * (SIDE + thick), height, 0.2), (thick, height, BACK + 0.2), second, cool
    )
    return back, flank


def _film(
    rng: random.Random, move: str, side: float, duration: float, difficulty: float, pace: str, extent: float
) -> tuple[Camera, float]:
    """The camera and how far it goes: degrees for an orbit, metres for the others."""
    turn = rng.choice((-1.0, 1.0))
    reach, height, aim = rng.uniform(5.7, 6.3), rng.uniform(2.2, 2.9), rng.uniform(0.2, 0.4)
    middle = -side * math.radians(rng.uniform(12.0, 26.0))
    sweep = math.radians((30.0 + 40.0 * difficulty) * extent)
    length = (1.6 + 1.6 * difficulty) * extent

    def pose(time: float) -> tuple[Vec, Vec]:
        """Eye and target of the camera at a time."""
        gone = time / duration
        share = turn * ((ease(gone) if pace == "eased" else min(max(gone, 0.0), 1.0)) - 0.5)
        angle = middle + (sweep * share if move == "orbit" else 0.0)
        radius = reach + (length * share * 0.8 if move == "dolly" else 0.0)
        up = height + (length * share if move == "crane" else 0.0)
        along = length * share if move == "truck" else 0.0
        shift = (along * math.cos(angle), 0.0, -along * math.sin(angle))
        eye = (radius * math.sin(angle) + shift[0], max(up, 0.5), radius * math.cos(angle) + shift[2])
        return eye, (shift[0], aim, shift[2])

    camera = filmed(lambda t: pose(t)[0], lambda t: pose(t)[1], duration, 43.0)
    far = {"orbit": math.degrees(sweep), "dolly": 0.8 * length}.get(move, length)
    return camera, round(turn * far, 3)
