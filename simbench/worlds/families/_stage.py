"""What the families share: grounds, walls, light, things that stand on the ground, camera paths."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.scene import Body, Camera, Curve, Light, Material, Segment, Vec, constant

KEYS_PER_SECOND = 32
FLOORS = ("grey", "slate blue", "tan", "sage", "terracotta", "olive", "mauve")


@dataclass(frozen=True)
class Stage:
    """The taste of one scene: its generator of chance, its look and its split."""

    rng: random.Random
    look: str
    split: str

    def chosen(self, option: str, value: str, among: Sequence[str]) -> str:
        """`value` of an option, or one of `among` for "any"; UserError for any other value.

        It is drawn either way, so that the rest of the scene stays the same.
        """
        drawn = self.rng.choice(among)
        if value != "any" and value not in among:
            raise UserError(f"{option}={value} is unknown; use any or one of {', '.join(among)}")
        return drawn if value == "any" else value

    def light(self, fog: float = 0.0) -> Light:
        """Sun from a random high side with sky and shadow; in look plain ambient only."""
        azimuth, height = self.rng.uniform(-0.9, 0.9), self.rng.uniform(0.85, 1.15)
        if self.look == "plain":
            return Light(ambient=1.0, shadow=False, sky=(0.72, 0.82, 0.93), zenith=(0.72, 0.82, 0.93))
        direction = (0.8 * math.sin(azimuth), height, 0.8 * math.cos(azimuth))
        return Light(constant(*direction), ambient=0.42, fog=fog)

    def muted(self, plain: str, among: Sequence[str] = ()) -> Vec:
        """A stage colour: one of `among` (default: any of the split); in look plain always `plain`."""
        known = palette.stage_colours("all")
        options = [name for name in among if name in palette.stage_colours(self.split)]
        name = self.rng.choice(options or sorted(palette.stage_colours(self.split)))
        return known[plain if self.look == "plain" else name]

    def floor(self, scale: float = 0.8, among: Sequence[str] = FLOORS) -> Body:
        """The ground: an infinite plane at y = 0, mostly checkered, of a colour out of `among`."""
        colour = self.muted("grey", among)
        texture = self.rng.choice(("checker", "checker", "checker", "brick", "noise"))
        if texture == "checker":
            other = palette.tint(colour, 0.72)
        else:
            other = palette.tint(colour, 0.25)
        if self.split == "test":
            texture = "dots"
        size = {"brick": 0.75, "noise": 0.6, "dots": 0.7}.get(texture, 1.0) * scale
        material = palette.surface(colour, texture, size, other, look=self.look)
        return Body("floor", "plane", constant(1, 1, 1), (Segment(0.0, (0, 0, 0)),), material)

    def wall(self, name: str, centre: Vec, half: Vec, texture: str = "", colour: Vec | None = None) -> Body:
        """An upright slab. `texture` defaults to a random one."""
        chosen = texture or self.rng.choice(palette.textures(self.split))
        muted = self.muted("sage") if colour is None else colour
        amount, scale = {
            "brick": (0.45, 0.3),
            "stripe": (0.4, 0.31),
            "noise": (0.22, 0.45),
            "checker": (0.35, 0.43),
            "dots": (0.5, 0.4),
        }.get(chosen, (0.0, 0.3))
        material = palette.surface(
            muted, chosen, scale, palette.tint(muted, amount) if amount else muted, look=self.look
        )
        return Body(name, "box", constant(*half), (Segment(0.0, centre),), material)

    def thing(
        self, name: str, colour: str, size: float, shape: palette.Shape | None = None, bare: bool = True
    ) -> Body:
        """A textured object at the origin, standing on the ground: place it with `stand`. It may have one
        colour all over only where it may be `bare`."""
        chosen = self.rng.choice(palette.shapes(self.split)) if shape is None else shape
        half = chosen.half_extents(size)
        material = self.coat(palette.colours("all")[colour], half)
        if not bare and material.texture == "flat" and self.look != "plain":
            material = self.coat(palette.colours("all")[colour], half, "checker")
        return Body(name, chosen.kind, constant(*half), (Segment(0.0, (0, 0, 0)),), material)

    def coat(self, colour: Vec, half: Vec, texture: str = "") -> Material:
        """Textured paint for a solid with half extents `half` (metres)."""
        pool = [t for t in palette.textures(self.split) if t != "brick"]
        chosen = texture or self.rng.choice(pool)
        # Odd numbers of cells across keep the faces of a box off the cells' borders.
        cells = self.rng.choice((1.5, 2.5)) if chosen == "checker" else 2.5
        pale, dark = (0.28, -0.4) if chosen == "noise" else (0.62, -0.45)
        shade = palette.tint(colour, self.rng.choice((pale, dark)))
        scale = half[1] / cells * (1.5 if chosen == "noise" else 1.0)
        specular = round(self.rng.uniform(0.15, 0.6), 3)
        return palette.surface(colour, chosen, scale, shade, specular, self.look)


def half_extents(body: Body, time: float = 0.0) -> Vec:
    """Half extents of the body's own bounding box at `time`, metres, body frame."""
    x, y, z = body.size.at(time)[:3]
    return (x, y + x, z) if body.kind == "capsule" else (x, y, z)


def footprint(body: Body) -> float:
    """Radius of the circle around the body's axis that holds all of it, metres."""
    x, _, z = half_extents(body)
    return math.hypot(x, z) if body.kind == "box" else max(x, z)


def stand(body: Body, x: float, z: float, yaw: float = 0.0, ground: float = 0.0) -> Body:
    """`body` resting on y = `ground` at (x, z), turned by `yaw` radians about the vertical."""
    return put(body, (Segment(0.0, (x, ground + half_extents(body)[1], z), turn=(0.0, yaw, 0.0)),))


def lie(body: Body, x: float, z: float, yaw: float, ground: float = 0.0) -> Body:
    """A capsule or cylinder lying on its side, its axis along (cos yaw, 0, sin yaw)."""
    quarter = math.pi / 2
    turn = (quarter * math.sin(yaw), 0.0, -quarter * math.cos(yaw))
    return put(body, (Segment(0.0, (x, ground + body.size.at(0.0)[0], z), turn=turn),))


def upright_to(direction: Vec) -> Vec:
    """The turn (axis times angle) that brings the vertical y into a unit `direction`."""
    x, y, z = direction
    flat = math.hypot(x, z)
    angle = math.atan2(flat, y)
    return (angle * z / flat, 0.0, -angle * x / flat) if flat > 0 else (angle, 0.0, 0.0)


def put(body: Body, motion: tuple[Segment, ...]) -> Body:
    """`body` with another motion."""
    return Body(
        body.name, body.kind, body.size, motion, body.material, body.role, body.appears, body.vanishes
    )


def scatter(
    rng: random.Random,
    radii: Sequence[float],
    spot: Callable[[random.Random], tuple[float, float]],
    gap: float,
    taken: Sequence[tuple[float, float, float]] = (),
) -> list[tuple[float, float] | None]:
    """Places (x, z) for circles of `radii` at least `gap` apart, by throwing darts at `spot`.

    `taken` holds (x, z, radius) of what already stands there. None where no place was found.
    """
    placed = list(taken)
    found: list[tuple[float, float] | None] = []
    for radius in radii:
        place = None
        for _ in range(120):
            x, z = spot(rng)
            if all(math.hypot(x - a, z - b) >= radius + r + gap for a, b, r in placed):
                place = (x, z)
                placed.append((x, z, radius))
                break
        found.append(place)
    return found


def ease(share: float) -> float:
    """Smooth start and stop: 0 at 0, 1 at 1, no velocity at either end."""
    s = min(max(share, 0.0), 1.0)
    return s * s * (3.0 - 2.0 * s)


def sampled(path: Callable[[float], Vec], duration: float, marks: Sequence[float] = ()) -> Curve:
    """A dense curve through `path(time)` over [0, duration] seconds, exact at `marks` too."""
    count = max(2, math.ceil(duration * KEYS_PER_SECOND) + 1)
    times = sorted({*(duration * i / (count - 1) for i in range(count)), *marks})
    return Curve(tuple(times), tuple(path(t) for t in times))


def filmed(
    eye: Callable[[float], Vec],
    target: Callable[[float], Vec],
    duration: float,
    fov: float,
    marks: Sequence[float] = (),
) -> Camera:
    """A camera along two paths of time."""
    return Camera(sampled(eye, duration, marks), sampled(target, duration, marks), fov)


def glide(stops: Sequence[tuple[float, Vec]], turn: Vec = (0.0, 0.0, 0.0)) -> tuple[Segment, ...]:
    """Motion through (time, place) stops with rest at each: half of every leg speeds up, half slows down."""
    motion = []
    for (t0, a), (t1, b) in pairwise(stops):
        half = (t1 - t0) / 2
        push = _each(a, b, lambda p, q: (q - p) / (half * half))  # noqa: B023
        speed = _each(a, b, lambda p, q: (q - p) / half)  # noqa: B023
        brake = _each(b, a, lambda p, q: (q - p) / (half * half))  # noqa: B023
        middle = _each(a, b, lambda p, q: (p + q) / 2)
        motion.append(Segment(t0, a, (0.0, 0.0, 0.0), push, turn))
        motion.append(Segment(t0 + half, middle, speed, brake, turn))
    motion.append(Segment(stops[-1][0], stops[-1][1], turn=turn))
    return tuple(motion)


def _each(a: Vec, b: Vec, f: Callable[[float, float], float]) -> Vec:
    return (f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]))
