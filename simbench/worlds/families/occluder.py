"""Occluder: objects slide along rails behind a wall, a curtain, a tunnel or under a cup, and come out or not.

The stage is laid out in the image plane: u to the right and v up in image heights from the centre, on
the plane z = 0 that the camera sees one image height tall. A `Layout` holds the free parameters of
the law, `stage` builds the scene from it, `sample` draws one. The law: an object keeps its velocity;
a post stops it; a cup that touches the rail lifts again at the speed it came down with.

Trials: `exit` and `stay` are one draw that differs in the post alone; `two`, `swap` and `container`
are draws of their own. `hidden=False` takes the occluder away and changes nothing else.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.scene import (
    Body,
    Camera,
    Event,
    Light,
    Material,
    Scene,
    Segment,
    Vec,
    constant,
    rest,
)

TRIALS = ("exit", "stay", "two", "swap", "container")
SHAPES = ("ball", "cube", "diamond")
OCCLUDERS = ("wall", "curtain", "tunnel")
COLOURS = ("red", "green", "blue", "yellow", "purple", "cyan")
TEST_COLOURS = ("magenta", "turquoise")
BACKDROPS: dict[str, Vec] = {
    "white": (0.88, 0.88, 0.86),
    "grey": (0.70, 0.72, 0.74),
    "sand": (0.80, 0.75, 0.66),
}
SCREENS: dict[str, Vec] = {
    "brown": (0.46, 0.35, 0.28),
    "dark grey": (0.38, 0.40, 0.43),
    "olive": (0.45, 0.46, 0.34),
}
RAIL: Vec = (0.55, 0.55, 0.56)
POST: Vec = (0.07, 0.07, 0.09)
MARGIN = 0.08
SUN: Vec = (-0.1, 1.0, 0.35)
"""High, so that shadows fall on the ground and none on the backdrop tells of what is hidden."""
DISTANCE = 8.0
SCREEN_Z = 0.35
POST_SHOWS = 0.11


@dataclass(frozen=True)
class Lane:
    """One object: its colour, shape, centre (u, v) at time 0 and velocity in image heights per second."""

    colour: str
    shape: str
    u: float
    v: float
    du: float
    dv: float = 0.0
    z: float = 0.0


@dataclass(frozen=True)
class Cup:
    """A cup over the first lane: centre height at time 0, speed down, and the time it touches the rail."""

    v: float
    speed: float
    touch: float


@dataclass(frozen=True)
class Layout:
    """The free parameters of one stage, in image heights and seconds."""

    aspect: float
    duration: float
    diameter: float
    lanes: tuple[Lane, ...]
    occluder: str = "wall"
    screen: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    post: tuple[float, float] | None = None
    cup: Cup | None = None
    hidden: bool = True
    backdrop: str = "grey"
    screen_colour: str = "brown"
    look: str = "plain"
    texture_seed: int = 0


def lane_name(layout: Layout, index: int) -> str:
    """Name of an object: its looks, numbered from the second of a kind on."""
    looks = [f"{lane.colour} {lane.shape}" for lane in layout.lanes]
    earlier = looks[:index].count(looks[index])
    return looks[index] if earlier == 0 else f"{looks[index]} {earlier + 1}"


def stop_time(layout: Layout, lane: Lane) -> float | None:
    """When `lane`'s leading edge meets the post, seconds; None without a post."""
    if layout.post is None:
        return None
    near = layout.post[0] if lane.du > 0 else layout.post[1]
    front = lane.u + math.copysign(layout.diameter / 2, lane.du)
    return max(0.0, (near - front) / lane.du)


def centre(layout: Layout, lane: Lane, time: float) -> tuple[float, float]:
    """Where the object's centre appears at `time`: (u, v), occluded or not."""
    stop = stop_time(layout, lane)
    moved = time if stop is None else min(time, stop)
    first = place(layout, lane.u, lane.v, lane.z)
    later = place(layout, lane.u + lane.du, lane.v + lane.dv, lane.z)
    point = tuple(a + moved * (b - a) for a, b in zip(first, later, strict=True))
    eye = _eye(layout)
    reach = math.hypot(eye[1], eye[2])
    sin, cos = eye[1] / reach, eye[2] / reach
    y, z = point[1] - eye[1], point[2] - eye[2]
    depth = -sin * y - cos * z
    return reach * point[0] / depth, reach * (cos * y - sin * z) / depth


def place(layout: Layout, u: float, v: float, z: float) -> Vec:
    """The world point on the plane z that appears at (u, v)."""
    eye = _eye(layout)
    reach = math.hypot(eye[1], eye[2])
    sin, cos = eye[1] / reach, eye[2] / reach
    ray = (u, -sin * reach + v * cos, -cos * reach - v * sin)
    s = (z - eye[2]) / ray[2]
    return (eye[0] + s * ray[0], eye[1] + s * ray[1], z)


def _rgb(colour: str) -> Vec:
    return palette.colours("all")[colour]


def _eye(layout: Layout) -> Vec:
    return (0.0, 0.0 if layout.look == "plain" else 0.9, DISTANCE)


def _shrink(z: float) -> float:
    """Metres per image height on the plane z, up to the slight tilt of the camera."""
    return (DISTANCE - z) / DISTANCE


def stage(layout: Layout) -> Scene:
    """The scene of a layout."""
    bodies = [*_surround(layout)]
    for i, lane in enumerate(layout.lanes):
        bodies.append(_rail(layout, lane, i))
    if layout.post is not None:
        bodies.append(_post(layout))
    for i, lane in enumerate(layout.lanes):
        bodies.append(_mover(layout, lane, i))
    if layout.hidden:
        bodies.extend(_screen(layout) if layout.cup is None else [_cup(layout)])
    eye = _eye(layout)
    plain = layout.look == "plain"
    fov = math.degrees(2 * math.atan(0.5 / math.hypot(eye[1], eye[2])))
    light = Light(shadow=False, ambient=1.0) if plain else Light(direction=constant(*SUN))
    return Scene(
        family="occluder",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=Camera(constant(*eye), constant(0.0, 0.0, 0.0), fov),
        bodies=tuple(bodies),
        light=light,
        events=_events(layout),
        look=layout.look,
    )


def _surround(layout: Layout) -> list[Body]:
    colour = BACKDROPS[layout.backdrop]
    if layout.look == "plain":
        material = Material(constant(*colour))
        return [_box("backdrop", (0.0, 0.0, -0.8), (4.0 * layout.aspect, 4.0, 0.05), material)]
    rng = random.Random(f"{layout.texture_seed}:surround")
    shift = constant(rng.random(), rng.random(), rng.random())
    lighter = tuple(min(1.0, 1.12 * c) for c in colour)
    wall = Material(constant(*colour), constant(*lighter), rng.choice(("brick", "noise")), 0.14, offset=shift)
    floor = Material(constant(0.62, 0.64, 0.67), constant(0.84, 0.84, 0.83), "checker", 0.3, offset=shift)
    base = place(layout, 0.0, -0.40, -0.5)[1]
    height = place(layout, 0.0, 0.44, -0.5)[1] - base
    return [
        Body("ground", "plane", constant(1.0, 1.0, 1.0), rest(0.0, base, 0.0), floor),
        _box("backdrop", (0.0, base + height / 2, -0.55), (4.0 * layout.aspect, height / 2, 0.05), wall),
    ]


def _box(
    name: str, centre: Vec, half: Vec, material: Material, role: str = "static", angle: float = 0.0
) -> Body:
    return Body(name, "box", constant(*half), rest(*centre, turn=(0.0, 0.0, angle)), material, role)


def _rail(layout: Layout, lane: Lane, index: int) -> Body:
    angle = math.atan2(lane.dv, lane.du)
    if lane.du < 0:
        angle -= math.pi
    below = layout.diameter / 2 + 0.016
    u = lane.u + below * math.sin(angle)
    v = lane.v - below * math.cos(angle)
    z = lane.z - 0.04
    return _box(
        f"rail {index}",
        place(layout, u, v, z),
        (3.0 * layout.aspect, 0.016, 0.03),
        Material(constant(*RAIL), specular=0.0 if layout.look == "plain" else 0.3),
        angle=angle,
    )


def _post(layout: Layout) -> Body:
    assert layout.post is not None
    left, right = layout.post
    low, high = _post_span(layout)
    x0, y0, _ = place(layout, left, low, 0.0)
    x1, y1, _ = place(layout, right, high, 0.0)
    return _box(
        "post",
        ((x0 + x1) / 2, (y0 + y1) / 2, 0.0),
        ((x1 - x0) / 2, (y1 - y0) / 2, 0.05),
        Material(constant(*POST)),
        "cue",
    )


def _post_span(layout: Layout) -> tuple[float, float]:
    """Lowest and highest v of the post: it shows POST_SHOWS beyond the screen, up or (curtain) down."""
    _, _, bottom, top = layout.screen
    if layout.occluder == "curtain":
        return bottom - POST_SHOWS, 0.45
    return -0.46 if layout.look == "rich" else -0.7, top + POST_SHOWS


def _mover(layout: Layout, lane: Lane, index: int) -> Body:
    radius = layout.diameter / 2 * _shrink(lane.z)
    kind = "sphere" if lane.shape == "ball" else "box"
    half = {"ball": radius, "cube": 0.92 * radius, "diamond": 0.8 * radius}[lane.shape]
    turn: Vec = (0.0, 0.0, math.pi / 4) if lane.shape == "diamond" else (0.0, 0.0, 0.0)
    first = place(layout, lane.u, lane.v, lane.z)
    later = place(layout, lane.u + lane.du, lane.v + lane.dv, lane.z)
    velocity = (later[0] - first[0], later[1] - first[1], 0.0)
    motion = [Segment(0.0, first, velocity, turn=turn)]
    stop = stop_time(layout, lane)
    if stop is not None:
        x, y, z = first
        motion.append(Segment(stop, (x + velocity[0] * stop, y + velocity[1] * stop, z), turn=turn))
    return Body(
        lane_name(layout, index),
        kind,
        constant(half, half, half),
        tuple(motion),
        _paint_of(layout, lane, index),
        "mover",
    )


def _paint_of(layout: Layout, lane: Lane, index: int) -> Material:
    colour = _rgb(lane.colour)
    if layout.look == "plain":
        return Material(constant(*colour))
    rng = random.Random(f"{layout.texture_seed}:{index}")
    darker = tuple(0.62 * c for c in colour)
    # Dots are a test-only texture, so they go with the test-only colours.
    texture = "dots" if lane.colour in TEST_COLOURS else rng.choice(("checker", "stripe"))
    return Material(constant(*colour), constant(*darker), texture, 0.35 * layout.diameter, specular=0.35)


def _screen(layout: Layout) -> list[Body]:
    left, right, bottom, top = layout.screen
    colour = SCREENS[layout.screen_colour]
    x0, y0, _ = place(layout, left, bottom, SCREEN_Z)
    x1, y1, _ = place(layout, right, top, SCREEN_Z)
    centre = ((x0 + x1) / 2, (y0 + y1) / 2, SCREEN_Z)
    half = ((x1 - x0) / 2, (y1 - y0) / 2, 0.03)
    material = Material(constant(*colour))
    if layout.look != "plain":
        lighter = constant(*(min(1.0, 1.3 * c) for c in colour))
        texture = {"wall": "brick", "curtain": "stripe", "tunnel": "noise"}[layout.occluder]
        material = Material(constant(*colour), lighter, texture, 0.09)
    bodies = [_box(layout.occluder, centre, half, material, "occluder")]
    if layout.occluder == "tunnel":
        rim = Material(constant(*(0.75 * c for c in colour)))
        for side, x in (("left", x0 + 0.015), ("right", x1 - 0.015)):
            body = _box(
                f"{side} rim", (x, centre[1], SCREEN_Z + 0.005), (0.015, half[1], 0.031), rim, "occluder"
            )
            bodies.append(body)
    return bodies


def _cup(layout: Layout) -> Body:
    cup = layout.cup
    assert cup is not None
    lane = layout.lanes[0]
    start = place(layout, lane.u, cup.v, lane.z)
    later = place(layout, lane.u + lane.du, cup.v - cup.speed, lane.z)
    v = (later[0] - start[0], later[1] - start[1], 0.0)
    touch = tuple(p + d * cup.touch for p, d in zip(start, v, strict=True))
    half = layout.diameter / 2
    motion = (
        Segment(0.0, start, v),
        Segment(cup.touch, (touch[0], touch[1], touch[2]), (v[0], -v[1], 0.0)),
    )
    size = constant(half + 0.025, half + 0.02, half + 0.03)
    return Body("cup", "box", size, motion, Material(constant(*SCREENS[layout.screen_colour])), "occluder")


def hide_times(layout: Layout, lane: Lane) -> tuple[float, float]:
    """When the object is wholly hidden and when half of it is out again if nothing stops it, seconds."""
    if layout.cup is not None:
        cup = layout.cup
        cover = (cup.v - lane.v) / cup.speed
        reveal = cup.touch + (layout.diameter / 2 + 0.02) / cup.speed
        return cover, reveal
    left, right = layout.screen[:2]
    near, far = (left, right) if lane.du > 0 else (right, left)
    half = math.copysign(layout.diameter / 2, lane.du)
    return (near + half - lane.u) / lane.du, (far - lane.u) / lane.du


def _events(layout: Layout) -> tuple[Event, ...]:
    events = []
    for i, lane in enumerate(layout.lanes):
        name = lane_name(layout, i)
        hide, show = hide_times(layout, lane)
        stop = stop_time(layout, lane)
        if layout.hidden:
            events.append(Event("hide", hide, (name, layout.occluder if layout.cup is None else "cup")))
            if stop is None:
                events.append(Event("show", show, (name,)))
        if stop is not None:
            events.append(Event("contact", stop, (name, "post"), impulse=abs(lane.du)))
    return tuple(sorted(events, key=lambda e: e.time))


def sample(
    seed: int,
    trial: str = "exit",
    hidden: bool = True,
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    diameter: float = 0.25,
    split: str = "all",
) -> Layout:
    """Draw one layout. `exit` and `stay`, hidden or not, of one seed are the same draw."""
    if trial not in TRIALS:
        raise UserError(f"trial={trial} is not one of {', '.join(TRIALS)}")
    if not 0.0 <= difficulty <= 1.0:
        raise UserError(f"difficulty={difficulty:g} is outside 0..1")
    rng = random.Random(f"occluder:{seed}:{'crossed' if trial in ('exit', 'stay') else trial}")
    span = aspect * (1 - 2 * MARGIN) - diameter
    width = _width(rng, span, diameter, difficulty, aspect)
    centre = (rng.random() - 0.5) * 0.8 * (span - diameter - width)
    occluder = rng.choice(OCCLUDERS if split != "train" else OCCLUDERS[:2])
    if trial in ("swap", "container"):
        occluder = "wall"
    count = {"two": 2, "swap": 2, "container": 1}.get(trial, 1 + int(rng.random() * (1 + 4 * difficulty)))
    heights = _heights(rng, min(count, 5), diameter, occluder)
    lanes = _lanes(rng, heights, centre, width, span, duration, diameter, split)
    cup = None
    if trial == "swap":
        lanes = _crossing(lanes, span, diameter)
    if trial == "container":
        lanes, cup = _container(rng, lanes[0], span, duration, diameter)
    post = _post_place(rng, centre, width, diameter)
    layout = Layout(
        aspect=aspect,
        duration=duration,
        diameter=diameter,
        lanes=lanes,
        occluder=occluder,
        screen=_screen_span(occluder, centre, width, heights, diameter),
        post=post if trial == "stay" else None,
        cup=cup,
        hidden=hidden,
        backdrop=rng.choice(tuple(BACKDROPS)),
        screen_colour=rng.choice(tuple(SCREENS)),
        look=look,
        texture_seed=seed,
    )
    return mirror(layout) if rng.random() < 0.5 else layout


def _width(rng: random.Random, span: float, diameter: float, difficulty: float, aspect: float) -> float:
    """Width of the screen: what hides the object whole, up to what leaves it whole on both sides."""
    widest = span - diameter - 0.005
    narrowest = diameter + 0.07
    if widest < narrowest:
        raise UserError(
            f"an object of {diameter:g} image heights leaves no room behind a screen at aspect {aspect:g};"
            f" use a larger or wider image"
        )
    return narrowest + (widest - narrowest) * (0.1 + 0.7 * difficulty + 0.2 * rng.random())


def _post_place(rng: random.Random, centre: float, width: float, diameter: float) -> tuple[float, float]:
    """Left and right edge of a post behind the screen that stops an object out of sight."""
    thick = min(0.08, width - diameter - 0.01)
    low = centre - width / 2 + diameter + 0.004
    near = low + rng.random() * max(0.0, centre + width / 2 - 0.004 - thick - low)
    return near, near + thick


def _crossing(lanes: tuple[Lane, ...], span: float, diameter: float) -> tuple[Lane, ...]:
    """Two lanes on sloping rails that meet behind the screen, one before the other in depth."""
    first, second = lanes
    rise = second.v - first.v
    return (
        dataclasses.replace(first, dv=rise * first.du / span, z=0.55 * diameter),
        dataclasses.replace(second, dv=-rise * second.du / span, z=-0.55 * diameter),
    )


def _heights(rng: random.Random, count: int, diameter: float, occluder: str) -> list[float]:
    low = -0.5 + MARGIN + diameter / 2
    high = 0.5 - MARGIN - POST_SHOWS - diameter / 2 + 0.04
    room = max(1, 1 + int((high - low) / (1.2 * diameter)))
    count = min(count, room)
    if count == 1:
        heights = [low + rng.random() * (high - low)]
    else:
        gap = (high - low) / (count - 1)
        heights = [low + i * gap for i in range(count)]
    rng.shuffle(heights)
    return [-h for h in heights] if occluder == "curtain" else heights


def _screen_span(
    occluder: str, centre: float, width: float, heights: list[float], diameter: float
) -> tuple[float, float, float, float]:
    edge = 0.5 - POST_SHOWS - 0.02
    left, right = centre - width / 2, centre + width / 2
    if occluder == "wall":
        return left, right, -0.8, edge
    if occluder == "curtain":
        return left, right, -edge, 0.8
    reach = diameter / 2 + 0.035
    return left, right, min(heights) - reach, max(heights) + reach


def _lanes(
    rng: random.Random,
    heights: list[float],
    centre: float,
    width: float,
    span: float,
    duration: float,
    diameter: float,
    split: str,
) -> tuple[Lane, ...]:
    names = list(COLOURS if split == "train" else COLOURS + TEST_COLOURS)
    rng.shuffle(names)
    shapes = SHAPES if split != "train" else SHAPES[:2]
    chosen: list[str] = []
    for name in names:
        if all(math.dist(_rgb(name), _rgb(other)) > 0.55 for other in chosen):
            chosen.append(name)
    if len(chosen) < len(heights):
        chosen += [name for name in names if name not in chosen]
    lanes = []
    for v, colour in zip(heights, chosen, strict=False):
        slack = max(0.0, centre - width / 2 - diameter / 2 + span / 2)
        start = -span / 2 + 0.5 * slack * rng.random()
        out = (0.52 + 0.13 * rng.random()) * duration
        lanes.append(Lane(colour, rng.choice(shapes), start, v, (centre + width / 2 - start) / out))
    return tuple(lanes)


def _container(
    rng: random.Random, lane: Lane, span: float, duration: float, diameter: float
) -> tuple[tuple[Lane, ...], Cup]:
    height = -0.5 + MARGIN + diameter / 2 + 0.02 + 0.05 * rng.random()
    half = diameter / 2 + 0.02
    touch = (0.42 + 0.06 * rng.random()) * duration
    drop = 2 * half + 0.02 + 0.05 * rng.random()
    cup = Cup(height + drop, drop / touch, touch)
    move = span * (0.55 + 0.4 * rng.random())
    u = -span / 2 + rng.random() * (span - move)
    return (dataclasses.replace(lane, u=u, v=height, du=move / duration, dv=0.0, z=0.0),), cup


def test_only(layout: Layout) -> bool:
    """Does it show a colour, shape or screen that no training clip ever shows?"""
    looks = {lane.colour for lane in layout.lanes} & set(TEST_COLOURS)
    shapes = {lane.shape for lane in layout.lanes} & set(SHAPES[2:])
    return bool(looks or shapes) or layout.occluder == "tunnel"


def prompt(layout: Layout, telling: bool = False) -> str:
    """What can be seen at the start, the command, and (only if `telling`) how it ends; never the event log.

    `read_prompt` is its inverse up to what the words leave open.
    """
    words = (
        [f"A plain {layout.backdrop} backdrop."] if layout.look == "plain" else ["A toy stage with a wall."]
    )
    name = "cup" if layout.cup is not None else layout.occluder
    if layout.hidden and layout.cup is None:
        words.append(f"A {layout.screen_colour} {name} stands in the middle.")
    if layout.post is not None:
        behind = f" behind the {name} and shows {'below' if name == 'curtain' else 'above'} it"
        words.append(f"A black post stands{behind if layout.hidden else ' in the middle'}.")
    for lane in layout.lanes:
        side = "right" if lane.du > 0 else "left"
        slope = "" if lane.dv == 0 else (" that climbs" if lane.dv > 0 else " that falls")
        height = "upper" if lane.v > 0.08 else "lower" if lane.v < -0.08 else "middle"
        words.append(
            f"A {lane.colour} {lane.shape} on a rail{slope} in the {height} part slides to the {side}."
        )
    if layout.hidden and layout.cup is not None:
        words.append(
            f"A {layout.screen_colour} cup moving along with it comes down to the rail and lifts again."
        )
    if telling:
        words.append("The post stops it." if layout.post is not None else "It comes out again.")
    words.append("The camera stands still.")
    return " ".join(words)


def to_facts(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    return dataclasses.asdict(layout)


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote, also after a trip through JSON."""
    plain = dict(facts)
    plain["lanes"] = tuple(Lane(**lane) for lane in plain["lanes"])
    plain["screen"] = tuple(plain["screen"])
    plain["post"] = None if plain["post"] is None else tuple(plain["post"])
    plain["cup"] = None if plain["cup"] is None else Cup(**plain["cup"])
    return Layout(**plain)


def mirror(layout: Layout) -> Layout:
    """The layout seen in a mirror: left becomes right."""
    left, right, bottom, top = layout.screen
    lanes = tuple(dataclasses.replace(lane, u=-lane.u, du=-lane.du) for lane in layout.lanes)
    post = None if layout.post is None else (-layout.post[1], -layout.post[0])
    return dataclasses.replace(layout, lanes=lanes, screen=(-right, -left, bottom, top), post=post)


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One occluder scene; options are those of `sample` (trial, hidden, aspect, diameter, split)."""
    defaults: dict[str, object] = {"diameter": 0.16}
    chosen = {**defaults, **options}
    return stage(sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen))  # type: ignore[arg-type]
