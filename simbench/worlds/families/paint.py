"""paint: a brush paints a stroke on a wall and leaves; the stroke stays, seen from a moving camera.

The bristles touch the wall exactly while the stroke grows. Difficulty bends the stroke and lengthens
the camera's way.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise

from simbench.worlds import palette
from simbench.worlds.families._stage import (
    Stage,
    ease,
    filmed,
    footprint,
    glide,
    scatter,
    stand,
    upright_to,
)
from simbench.worlds.scene import Body, Event, Motion, Paint, Scene, Segment, Vec, constant

START, STOP, GONE = 0.3, 0.72, 0.95
STROKES = ("wave", "zigzag", "arch", "loop")
WIDE, HIGH, THICK = 3.5, 1.3, 0.15
BRISTLE = 0.09
HANDLE = 0.3
Stroke = tuple[tuple[float, float, float], ...]


def build(
    seed: int, duration: float, look: str, difficulty: float, split: str = "train", stroke: str = "any"
) -> Scene:
    """A wall of 7 x 2.6 m and one stroke: wave, zigzag, arch, loop or any."""
    stage = Stage(random.Random(seed), look, split)
    rng = stage.rng
    kind = stage.chosen("stroke", stroke, STROKES)
    hues = palette.pick_colours(rng, 6 if split != "test" else 4, split)
    wall = stage.wall(
        "wall", (0.0, HIGH, -THICK), (WIDE, HIGH, THICK), rng.choice(_makes(split)), stage.muted("sand")
    )
    backing = wall.material.colour.at(0.0)
    hue = max(hues[:3], key=lambda h: math.dist(palette.rgb(h), backing))
    others = [h for h in hues if h != hue]
    line = _stroke(rng, kind, duration, difficulty)
    # Tiny models see plain worlds at 32 px, where a thin stroke would be lost.
    radius = rng.uniform(0.13, 0.17) * (1.7 if look == "plain" else 1.0)
    brush = _brush(stage, palette.rgb(hue), radius, _path(line, duration))
    props = _props(stage, others[: 2 + round(2 * difficulty)])
    turn, reach, height = rng.choice((-1.0, 1.0)), rng.uniform(5.2, 5.7), rng.uniform(1.3, 1.9)
    sweep = turn * math.radians(26.0 + 26.0 * difficulty)

    def eye(time: float) -> Vec:
        """Where the camera is at a time."""
        angle = sweep * (ease(time / duration) - 0.5)
        return (reach * math.sin(angle), height, reach * math.cos(angle))

    camera = filmed(eye, lambda _: (0.0, 1.1, 0.0), duration, 40.0)
    begin, end = line[0][0], line[-1][0]
    tags = {
        "objects": [brush[0].name, *(p.name for p in props)],
        "joined": [[b.name for b in brush]],
        "camera": {"move": "orbit", "amount": round(math.degrees(sweep), 3), "unit": "degrees"},
        "stroke": kind,
        "paint": hue,
    }
    events = (
        Event("contact", begin, ("brush", "wall"), _on_wall(line[0])),
        Event("paint", begin, ("brush", "wall"), _on_wall(line[0])),
        Event("stop", end, ("brush", "wall"), _on_wall(line[-1])),
    )
    paints = (Paint("wall", 2, 1, line, radius, palette.rgb(hue)),)
    bodies = (stage.floor(), wall, *props, *brush)
    return Scene(
        "paint",
        seed,
        duration,
        camera,
        bodies,
        stage.light(),
        paints=paints,
        events=events,
        look=look,
        tags=tags,
    )


def _makes(split: str) -> tuple[str, ...]:
    return ("brick", "brick", "noise", "flat") if split != "test" else ("dots",)


def _on_wall(key: tuple[float, float, float]) -> Vec:
    return (key[1], HIGH + key[2], 0.0)


def _stroke(rng: random.Random, kind: str, duration: float, difficulty: float) -> Stroke:
    """(time, u, v): a curve across the wall, or its mirror image, at an even pace of the parameter."""
    half, swing = rng.uniform(1.1, 1.35), rng.uniform(0.24, 0.36)
    turns = 1.0 + 1.5 * difficulty
    phase, tilt = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(-0.12, 0.12)
    flip = rng.choice((-1.0, 1.0))

    def point(s: float) -> tuple[float, float]:
        """The stroke's place on the wall at a share of its length."""
        u, angle = half * (2.0 * s - 1.0), 2.0 * math.pi * turns * s + phase
        if kind == "wave":
            return u, swing * math.sin(angle)
        if kind == "zigzag":
            return u, swing * (4.0 * abs((turns * s + phase) % 1.0 - 0.5) - 1.0)
        if kind == "arch":
            return u, 1.5 * swing * (math.sin(math.pi * s) - 0.5) + 0.3 * swing * math.sin(angle)
        return u * 0.75 - 0.5 * swing * math.sin(angle), swing * math.cos(angle)

    keys = []
    count = 49
    for i in range(count):
        s = i / (count - 1)
        u, v = point(s)
        keys.append((duration * (START + (STOP - START) * s), flip * u, v + tilt * (2.0 * s - 1.0) + 0.12))
    return tuple(keys)


def _path(line: Stroke, duration: float) -> Motion:
    """The bristles' tip: from beside the wall to the first point, along the stroke, and away again."""
    (t0, x0, y0), (t1, x1, y1) = (_lifted(line[0]), _lifted(line[-1]))
    ahead = math.copysign(1.0, x1 - x0)
    arrive = glide(
        [
            (0.0, (x0 - 1.9 * ahead, y0 + 0.2, 0.45)),
            (0.7 * t0, (x0 - 0.12 * ahead, y0, 0.22)),
            (t0, (x0, y0, 0.0)),
        ]
    )[:-1]
    leave = glide(
        [
            (t1, (x1, y1, 0.0)),
            (t1 + 0.07 * duration, (x1 + 0.1 * ahead, y1, 0.25)),
            (GONE * duration, (x1 + 2.0 * ahead, y1 + 0.2, 0.45)),
        ]
    )
    along = []
    for (ta, ua, va), (tb, ub, vb) in pairwise(line):
        velocity = ((ub - ua) / (tb - ta), (vb - va) / (tb - ta), 0.0)
        along.append(Segment(ta, (ua, HIGH + va, 0.0), velocity))
    return (*arrive, *along, *leave)


def _lifted(key: tuple[float, float, float]) -> tuple[float, float, float]:
    return key[0], key[1], HIGH + key[2]


def _brush(stage: Stage, colour: Vec, radius: float, tip: Motion) -> tuple[Body, Body, Body]:
    """Bristles full of paint, a steel ferrule and a wooden handle that leans down and back."""
    lean = (0.0, -0.88, 0.475)
    hairs = palette.surface(colour, "stripe", 0.03, palette.tint(colour, -0.25), 0.1, stage.look)
    steel = palette.surface((0.56, 0.58, 0.61), specular=0.8, look=stage.look)
    wood = palette.surface((0.72, 0.50, 0.28), "noise", 0.07, (0.55, 0.36, 0.18), 0.3, stage.look)
    if stage.split == "test":
        hairs, wood = palette.surface(colour), palette.surface((0.72, 0.50, 0.28), specular=0.3)

    def carried(away: Vec, turn: Vec = (0.0, 0.0, 0.0)) -> Motion:
        """The brush's path, moved by an offset and turned."""
        return tuple(
            Segment(
                s.start,
                (s.position[0] + away[0], s.position[1] + away[1], s.position[2] + away[2]),
                s.velocity,
                s.acceleration,
                turn,
            )
            for s in tip
        )

    below, middle = -radius - 0.07, HANDLE / 2 + 0.03
    grip = (0.0, below + middle * lean[1], BRISTLE + 0.03 + middle * lean[2])
    return (
        Body(
            "brush",
            "box",
            constant(radius, radius, BRISTLE),
            carried((0.0, 0.0, BRISTLE)),
            hairs,
            role="mover",
        ),
        Body(
            "ferrule",
            "box",
            constant(0.72 * radius, 0.07, 0.6 * BRISTLE),
            carried((0.0, below, BRISTLE + 0.03)),
            steel,
        ),
        Body("handle", "cylinder", constant(0.045, HANDLE / 2, 0.045), carried(grip, upright_to(lean)), wood),
    )


def _props(stage: Stage, hues: list[str]) -> list[Body]:
    """Low things on the ground to either side, out of the brush's way."""
    rng = stage.rng
    things = []
    for i, hue in enumerate(hues):
        shape = rng.choice([s for s in palette.shapes(stage.split) if s.name != "pillar"])
        things.append(stage.thing(f"{shape.name}-{i}", hue, rng.uniform(0.2, 0.3), shape))

    def spot(chance: random.Random) -> tuple[float, float]:
        """A random place on the ground before the wall."""
        return chance.choice((-1.0, 1.0)) * chance.uniform(0.7, 2.0), chance.uniform(1.2, 1.9)

    places = scatter(rng, [footprint(t) for t in things], spot, 0.1)
    return [
        stand(t, *place, rng.uniform(-3.0, 3.0))
        for t, place in zip(things, places, strict=True)
        if place is not None
    ]
