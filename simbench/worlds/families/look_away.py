"""look-away: a furnished yard richer than one view; the camera turns away, waits and comes back.

Nothing moves, so what was seen first must be there again. Difficulty widens the turn and adds
landmarks. Yaw is in degrees, positive to the left of the first view.
"""

from __future__ import annotations

import math
import random

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._stage import Stage, ease, filmed, footprint, scatter, stand
from simbench.worlds.scene import Body, Event, Paint, Scene, Vec

HALF = 4.4
LEAVE, GONE, RETURN, BACK = 0.12, 0.38, 0.5, 0.75
FOV = 52.0
LEAST, MORE = 70.0, 100.0
"""Degrees that the camera turns at difficulty 0, and how many more at difficulty 1."""


def build(
    seed: int,
    duration: float,
    look: str,
    difficulty: float,
    split: str = "train",
    angle: float | None = None,
    marks: int = 0,
) -> Scene:
    """A yard of 16 to 22 landmarks; the camera turns by `angle` degrees (default: 70 to 170).

    `marks` is the number of painted strokes on each wall."""
    if angle is not None and not -180.0 <= angle <= 180.0:
        raise UserError(f"angle={angle:g} is out of range; use -180 to 180 degrees")
    stage = Stage(random.Random(seed), look, split)
    rng = stage.rng
    drawn = (LEAST + MORE * difficulty) * rng.choice((-1.0, 1.0))
    turn = drawn if angle is None else angle
    heading = rng.uniform(-180.0, 180.0)
    landmarks = _landmarks(stage, 16 + round(6 * difficulty))
    height = rng.uniform(1.35, 1.65)

    def yaw(time: float) -> float:
        """The camera's heading at a time, radians."""
        share = time / duration
        gone = ease((share - LEAVE) / (GONE - LEAVE)) - ease((share - RETURN) / (BACK - RETURN))
        return math.radians(heading + turn * gone)

    def target(time: float) -> Vec:
        """Where the camera looks at a time."""
        a = yaw(time)
        return (-math.sin(a), height - 0.2, -math.cos(a))

    camera = filmed(
        lambda _: (0.0, height, 0.0),
        target,
        duration,
        FOV,
        [m * duration for m in (LEAVE, GONE, RETURN, BACK)],
    )
    tags = {
        "objects": [b.name for b in landmarks],
        "camera": {"move": "look-away", "amount": round(turn, 3), "unit": "degrees"},
        "landmarks": _bearings(landmarks, heading),
        "leave": LEAVE * duration,
        "return": RETURN * duration,
    }
    events = (Event("away", GONE * duration, ()), Event("back", BACK * duration, ()))
    walls = _yard(stage)
    bodies = (stage.floor(0.9), *walls, *landmarks)
    light = stage.light()
    paints = tuple(_mark(rng, wall) for wall in walls for _ in range(marks))
    return Scene(
        "look-away",
        seed,
        duration,
        camera,
        bodies,
        light,
        paints=paints,
        events=events,
        look=look,
        tags=tags,
    )


def _mark(rng: random.Random, wall: Body) -> Paint:
    """A stroke on the inner face of a wall, there from the start."""
    x, _, z = wall.motion[0].position
    along, tall, across = wall.size.at(0.0)
    axis, reach = (2, along) if abs(z) > abs(x) else (0, across)
    u, v = rng.uniform(-0.85, 0.85) * min(reach, HALF), rng.uniform(-0.2, 0.7) * tall
    stroke = []
    for _ in range(4):
        stroke.append((0.0, u, v))
        u += rng.uniform(-0.5, 0.5)
        v = min(max(v + rng.uniform(-0.4, 0.4), -0.8 * tall), 0.85 * tall)
    colour = palette.rgb(rng.choice(sorted(palette.colours("train"))))
    sign = -1 if (z if axis == 2 else x) > 0 else 1
    return Paint(wall.name, axis, sign, tuple(stroke), rng.uniform(0.05, 0.1), colour)


def _landmarks(stage: Stage, count: int) -> list[Body]:
    """Objects all around, one per sector, so that every direction has its own."""
    rng = stage.rng
    shapes = palette.shapes(stage.split)
    hues = palette.pick_colours(rng, count, stage.split)
    first = rng.uniform(0.0, 2.0 * math.pi)
    placed: list[Body] = []
    for i, hue in enumerate(hues):
        shape = shapes[(i + rng.randrange(2)) % len(shapes)]
        body = stage.thing(f"{shape.name}-{i}", hue, rng.uniform(*((0.22, 0.34), (0.36, 0.56))[i % 2]), shape)
        sector = first + 2.0 * math.pi * i / count

        def spot(
            chance: random.Random, sector: float = sector, near: bool = i % 2 == 0
        ) -> tuple[float, float]:
            """A random place in one sector around the camera."""
            bearing = sector + chance.uniform(-0.5, 0.5) * 2.0 * math.pi / count
            far = chance.uniform(2.2, 2.7) if near else chance.uniform(2.9, 3.7)
            return -far * math.sin(bearing), -far * math.cos(bearing)

        taken = [(*_ground(b), footprint(b)) for b in placed]
        place = scatter(rng, [footprint(body)], spot, 0.06, taken)[0]
        if place is not None:
            placed.append(stand(body, *place, rng.uniform(-math.pi, math.pi)))
    return placed


def _ground(body: Body) -> tuple[float, float]:
    x, _, z = body.motion[0].position
    return x, z


def _bearings(landmarks: list[Body], heading: float) -> dict[str, float]:
    """Yaw of every landmark against the first view, degrees in [-180, 180), positive to the left."""
    found = {}
    for body in landmarks:
        x, z = _ground(body)
        bearing = math.degrees(math.atan2(-x, -z)) - heading
        found[body.name] = round((bearing + 180.0) % 360.0 - 180.0, 3)
    return found


def _yard(stage: Stage) -> list[Body]:
    """Four walls of different make: two full-width ones, two fitted between them."""
    rng = stage.rng
    thick = 0.15
    makes = ["brick", "stripe", "noise", "checker"] if stage.split != "test" else ["dots"] * 4
    rng.shuffle(makes)
    muted = sorted(palette.stage_colours(stage.split))
    rng.shuffle(muted)
    if stage.look == "plain":
        muted = ["sage", "sand", "slate blue", "terracotta"]
    colours = [palette.rgb(muted[i % len(muted)]) for i in range(4)]
    walls = []
    for i, (name, make, colour) in enumerate(
        zip(("north", "south", "west", "east"), makes, colours, strict=True)
    ):
        drawn = rng.uniform(0.9, 1.25)
        height = 1.05 if stage.look == "plain" else drawn
        off = (HALF + thick) * (-1.0 if i % 2 == 0 else 1.0)
        if i < 2:
            centre, half = (0.0, height, off), (HALF + 2 * thick, height, thick)
        else:
            centre, half = (off, height, 0.0), (thick, height, HALF)
        walls.append(stage.wall(f"wall-{name}", centre, half, make, colour))
    return walls
