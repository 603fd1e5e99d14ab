"""carve: a soft solid on a table is bitten by a round tool and keeps every bite.

A bite is the tool's own sphere at its deepest point, taken out at that moment: until then the solid
hides what is inside, and as each bite goes along a supporting normal and no deeper than the radius,
nothing that the tool swept is left standing. Difficulty adds bites and clutter.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._stage import Stage, ease, filmed, footprint, glide, scatter, stand, upright_to
from simbench.worlds.scene import Body, Camera, Carve, Event, Motion, Scene, Segment, Vec, constant

FIRST, LAST = 0.3, 0.75
TOP = 0.36
HOVER = 0.3
SOLIDS = ("ball", "cube", "cylinder")


@dataclass(frozen=True)
class Bite:
    """A surface `point` of the solid (body frame, metres) and the outward `normal` it is bitten along."""

    point: Vec
    normal: Vec

    def at(self, offset: float) -> Vec:
        """The point `offset` metres out along the normal."""
        x, y, z = (p + offset * n for p, n in zip(self.point, self.normal, strict=True))
        return (x, y, z)


@dataclass(frozen=True)
class Tool:
    """A ball of `radius` metres on a handle that points along `grip` (unit, world)."""

    radius: float
    depth: float
    grip: Vec
    reach: float
    thickness: float


def build(
    seed: int,
    duration: float,
    look: str,
    difficulty: float,
    split: str = "train",
    bites: int | None = None,
    solid: str = "any",
) -> Scene:
    """A solid (ball, cube, cylinder or any) bitten 2 to 6 times, or `bites` times."""
    if bites is not None and not 1 <= bites <= 8:
        raise UserError(f"bites={bites} is out of range; use 1 to 8")
    stage = Stage(random.Random(seed), look, split)
    rng = stage.rng
    kind = stage.chosen("solid", solid, SOLIDS)
    count = 2 + round(4 * difficulty) if bites is None else bites
    hue, other, *rest_hues = palette.pick_colours(rng, 6, split)
    body = _solid(stage, kind, hue)
    heart = body.motion[0].position
    side = rng.choice((-1.0, 1.0))
    tool = Tool(rng.uniform(0.3, 0.36), 0.24, _direction(side * 78.0, 38.0), 0.55, 0.06)
    chosen = _bites(rng, body, tool, side, count)
    times = _times(len(chosen), duration)
    head, handle = _tool(stage, tool, _path(body, chosen, tool, times, duration))
    sweep = side * (22.0 + 16.0 * difficulty)
    camera = _camera(rng, side, sweep, heart[1], duration)
    table = _table(stage)
    props = _props(stage, side, [other, *rest_hues][: 1 + round(2 * difficulty)])
    carves = tuple(
        Carve(body.name, t, b.at(tool.radius - tool.depth), tool.radius)
        for t, b in zip(times, chosen, strict=True)
    )
    tags = {
        "objects": [body.name, head.name, *(p.name for p in props)],
        "joined": [[head.name, handle.name]],
        "camera": {"move": "orbit", "amount": round(sweep, 3), "unit": "degrees"},
        "bites": len(chosen),
    }
    bodies = (
        stage.floor(0.8, ("grey", "slate blue", "sage", "mauve", "olive")),
        table,
        body,
        *props,
        head,
        handle,
    )
    return Scene(
        "carve",
        seed,
        duration,
        camera,
        bodies,
        stage.light(),
        carves=carves,
        events=_events(body, chosen, tool, times, duration),
        look=look,
        tags=tags,
    )


def _camera(rng: random.Random, side: float, sweep: float, height: float, duration: float) -> Camera:
    """An orbit of `sweep` degrees towards the bitten side, around the solid at `height` metres."""
    level, reach = rng.uniform(2.1, 2.6), rng.uniform(4.6, 5.1)

    def eye(time: float) -> Vec:
        """Where the camera is at a time."""
        angle = math.radians(-8.0 * side + sweep * ease(time / duration))
        return (reach * math.sin(angle), level, reach * math.cos(angle))

    return filmed(eye, lambda _: (0.0, height - 0.05, 0.0), duration, 40.0)


def _direction(azimuth: float, elevation: float) -> Vec:
    """Unit vector, degrees; azimuth 0 looks from the solid to the default camera (+z)."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return (math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a))


def _solid(stage: Stage, shape: str, hue: str) -> Body:
    half = {"ball": (0.72, 0.72, 0.72), "cube": (0.6, 0.6, 0.6), "cylinder": (0.66, 0.6, 0.66)}[shape]
    pool = [t for t in palette.textures(stage.split) if t not in ("brick", "noise")]
    material = stage.coat(palette.colours("all")[hue], half, stage.rng.choice(pool))
    kind = palette.shape(shape).kind
    turn = (0.0, stage.rng.uniform(-0.6, 0.6) if kind == "box" else 0.0, 0.0)
    motion = (Segment(0.0, (0.0, TOP + half[1], 0.0), turn=turn),)
    return Body(f"soft-{shape}", kind, constant(*half), motion, material, role="mover")


def _table(stage: Stage) -> Body:
    colour = stage.muted("tan", ("brown", "tan", "sand"))
    texture = "dots" if stage.split == "test" else "noise"
    material = palette.surface(colour, texture, 0.35, palette.tint(colour, 0.3), 0.1, stage.look)
    half = (1.62, TOP / 2, 1.62)
    return Body("table", "cylinder", constant(*half), (Segment(0.0, (0.0, TOP / 2, 0.0)),), material)


def _props(stage: Stage, side: float, hues: list[str]) -> list[Body]:
    """Small things on the table, on the side that the tool does not come from."""
    rng = stage.rng
    shapes = palette.shapes(stage.split)
    things = []
    for i, hue in enumerate(hues):
        shape = rng.choice(shapes)
        things.append(stage.thing(f"{shape.name}-{i}", hue, rng.uniform(0.15, 0.2), shape))

    def spot(chance: random.Random) -> tuple[float, float]:
        """A random place on the table beside the solid."""
        a = math.radians(-side * chance.uniform(15.0, 150.0))
        far = chance.uniform(1.08, 1.32)
        return far * math.sin(a), far * math.cos(a)

    places = scatter(rng, [footprint(t) for t in things], spot, 0.04, [(0.0, 0.0, 0.86)])
    return [
        stand(t, *place, rng.uniform(-3.0, 3.0), TOP)
        for t, place in zip(things, places, strict=True)
        if place is not None
    ]


def _depth_inside(body: Body, point: Vec) -> float:
    """Signed distance of a point (body frame) to the whole solid, metres, negative inside."""
    a, b, c = body.size.at(0.0)
    x, y, z = (abs(p) for p in point)
    if body.kind == "sphere":
        return math.hypot(x, y, z) - a
    if body.kind == "cylinder":
        gaps = (math.hypot(x, z) - a, y - b)
        return math.hypot(*(max(g, 0.0) for g in gaps)) + min(max(gaps), 0.0)
    edges = (x - a, y - b, z - c)
    return math.hypot(*(max(g, 0.0) for g in edges)) + min(max(edges), 0.0)


def _support(rng: random.Random, body: Body, n: Vec) -> Bite:
    """A bite near direction `n`: a surface point whose outward normal cone holds the bite's normal."""
    a, b, c = body.size.at(0.0)
    if body.kind == "sphere":
        return Bite((a * n[0], a * n[1], a * n[2]), n)
    if body.kind == "cylinder":
        flat = math.hypot(n[0], n[2])
        ring = (n[0] / flat, 0.0, n[2] / flat)
        if rng.random() < 0.5:
            return Bite((a * ring[0], b * rng.uniform(-0.1, 0.5), a * ring[2]), ring)
        tilt = math.radians(rng.uniform(30.0, 60.0))
        normal = (math.cos(tilt) * ring[0], math.sin(tilt), math.cos(tilt) * ring[2])
        return Bite((a * ring[0], b, a * ring[2]), normal)
    x, z = math.copysign(a, n[0]), math.copysign(c, n[2])
    face = (
        (math.copysign(1.0, n[0]), 0.0, 0.0)
        if abs(n[0]) > abs(n[2])
        else (0.0, 0.0, math.copysign(1.0, n[2]))
    )
    if rng.random() < 0.5:
        spot = (x if face[0] else a * rng.uniform(-0.6, 0.6), b * rng.uniform(-0.1, 0.6))
        return Bite((spot[0], spot[1], z if face[2] else c * rng.uniform(-0.6, 0.6)), face)
    r = math.sqrt(0.5)
    edge = (rng.uniform(-0.5, 0.5) * a if face[2] else x, b, z if face[2] else rng.uniform(-0.5, 0.5) * c)
    return Bite(edge, (r * face[0], r, r * face[2]))


def _bites(rng: random.Random, body: Body, tool: Tool, side: float, count: int) -> list[Bite]:
    """`count` bites that face the camera's side, each starting on a part that is still whole."""
    yaw = body.motion[0].turn[1]
    chosen: list[Bite] = []
    for _ in range(600):
        if len(chosen) == count:
            break
        n = _direction(side * rng.uniform(-12.0, 88.0), rng.uniform(4.0, 62.0))
        bite = _support(rng, body, _turned(n, -yaw))
        first = bite.at(tool.radius)
        fresh = all(
            math.dist(bite.point, b.at(tool.radius - tool.depth)) > tool.radius * 1.02 for b in chosen
        )
        seen = _turned(bite.normal, yaw)
        camera_side = seen[2] + 0.35 * side * seen[0] > -0.05
        lowest = first[1] + body.size.at(0.0)[1] - tool.radius
        if fresh and camera_side and lowest > 0.02 and _handle_clear(body, bite, tool, yaw):
            chosen.append(bite)
    return chosen


def _turned(v: Vec, yaw: float) -> Vec:
    """`v` turned by `yaw` radians about y."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return (cos * v[0] + sin * v[2], v[1], cos * v[2] - sin * v[0])


def _handle_clear(body: Body, bite: Bite, tool: Tool, yaw: float) -> bool:
    """Whether the handle stays out of the whole solid at the deepest point of the bite."""
    centre, grip = bite.at(tool.radius - tool.depth), _turned(tool.grip, -yaw)
    for i in range(9):
        along = tool.radius + tool.reach * i / 8
        x, y, z = (c + along * g for c, g in zip(centre, grip, strict=True))
        if _depth_inside(body, (x, y, z)) < tool.thickness + 0.01:
            return False
    return True


def _times(count: int, duration: float) -> list[float]:
    """When each bite is at its deepest, seconds."""
    if count == 1:
        return [0.5 * duration]
    return [duration * (FIRST + (LAST - FIRST) * i / (count - 1)) for i in range(count)]


def _leg(times: list[float], duration: float) -> float:
    """Seconds from hovering to the deepest point, and back."""
    between = times[1] - times[0] if len(times) > 1 else 0.3 * duration
    return min(0.3 * between, 0.1 * duration)


def _path(body: Body, bites: list[Bite], tool: Tool, times: list[float], duration: float) -> Motion:
    """The way of the tool's head: in from the side, down and up for every bite, and off again."""
    heart, leg = body.motion[0].position, _leg(times, duration)
    away = (heart[0] + 2.9 * math.copysign(1.0, tool.grip[0]), heart[1] + 1.5, heart[2] + 0.6)
    rounds: list[tuple[float, Vec]] = [(0.0, away)]
    for time, bite in zip(times, bites, strict=True):
        deep, hover = (_world(body, bite.at(tool.radius + d)) for d in (-tool.depth, HOVER))
        rounds += _detour(body, tool, rounds[-1], (time - leg, hover))
        rounds += [(time - leg, hover), (time, deep), (time + leg, hover)]
    end = (min(0.98 * duration, rounds[-1][0] + 0.2 * duration), away)
    rounds += [*_detour(body, tool, rounds[-1], end), end]
    return glide(rounds)


def _detour(
    body: Body, tool: Tool, start: tuple[float, Vec], end: tuple[float, Vec]
) -> list[tuple[float, Vec]]:
    """A stop halfway, pushed outwards, where the straight way would graze the solid; else nothing."""
    (t0, a), (t1, b) = start, end
    heart = body.motion[0].position
    gap = min(_gap(body, tuple(p + i / 16 * (q - p) for p, q in zip(a, b, strict=True))) for i in range(17))
    if gap > tool.radius + 0.03:
        return []
    off = [(p + q) / 2 - h for p, q, h in zip(a, b, heart, strict=True)]
    off[1] = max(off[1], 0.0)
    reach = math.hypot(*body.size.at(0.0)) if body.kind != "sphere" else body.size.at(0.0)[0]
    stretch = (reach + tool.radius + 0.25) / max(math.hypot(*off), 1e-6)
    return [
        (
            (t0 + t1) / 2,
            (heart[0] + stretch * off[0], heart[1] + stretch * off[1], heart[2] + stretch * off[2]),
        )
    ]


def _gap(body: Body, point: tuple[float, ...]) -> float:
    """Signed distance of a world point to the whole solid, metres."""
    x, y, z = (p - h for p, h in zip(point, body.motion[0].position, strict=True))
    return _depth_inside(body, _turned((x, y, z), -body.motion[0].turn[1]))


def _world(body: Body, point: Vec) -> Vec:
    """A point of the solid's frame in the world, metres."""
    heart = body.motion[0].position
    x, y, z = _turned(point, body.motion[0].turn[1])
    return (heart[0] + x, heart[1] + y, heart[2] + z)


def _tool(stage: Stage, tool: Tool, path: Motion) -> tuple[Body, Body]:
    """A steel ball and the handle that is stuck into it."""
    plain = stage.look == "plain"
    steel = palette.surface((0.30, 0.33, 0.38), specular=0.9, look=stage.look)
    wood = palette.surface((0.66, 0.47, 0.29), "noise", 0.08, (0.5, 0.33, 0.18), 0.2, stage.look)
    if stage.split == "test" and not plain:
        wood = palette.surface((0.66, 0.47, 0.29), specular=0.2)
    r = tool.radius
    head = Body("tool", "sphere", constant(r, r, r), path, steel, role="mover")
    middle = r + tool.reach / 2 - 0.04
    offset = (middle * tool.grip[0], middle * tool.grip[1], middle * tool.grip[2])
    turn = upright_to(tool.grip)
    moved = tuple(Segment(s.start, _plus(s.position, offset), s.velocity, s.acceleration, turn) for s in path)
    size = constant(tool.thickness, tool.reach / 2, tool.thickness)
    return head, Body("handle", "cylinder", size, moved, wood)


def _plus(a: Vec, b: Vec) -> Vec:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _events(
    body: Body, bites: list[Bite], tool: Tool, times: list[float], duration: float
) -> tuple[Event, ...]:
    """Touch and bite of every round; `impulse` is the radius of the bite, metres."""
    leg, way = _leg(times, duration), HOVER + tool.depth
    pull = way / (leg / 2) ** 2
    touch = leg - math.sqrt(2 * tool.depth / pull) if way / 2 < HOVER else math.sqrt(2 * HOVER / pull)
    events = []
    for time, bite in zip(times, bites, strict=True):
        point = _world(body, bite.point)
        events.append(Event("contact", time - leg + touch, ("tool", body.name), point))
        events.append(
            Event("bite", time, ("tool", body.name), _world(body, bite.at(-tool.depth)), tool.radius)
        )
    return tuple(events)
