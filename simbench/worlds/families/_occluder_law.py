"""The law of the occluder stage: its free parameters, and where everything is at a time.

The stage is laid out in the image plane: u to the right and v up in image heights from the centre, on
the plane z = 0 that the camera sees one image height tall. An object keeps its velocity; a post stops
it; a cup that touches the rail lifts again at the speed it came down with.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simbench.worlds.scene import Vec

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
    eye = eye_of(layout)
    reach = math.hypot(eye[1], eye[2])
    sin, cos = eye[1] / reach, eye[2] / reach
    y, z = point[1] - eye[1], point[2] - eye[2]
    depth = -sin * y - cos * z
    return reach * point[0] / depth, reach * (cos * y - sin * z) / depth


def place(layout: Layout, u: float, v: float, z: float) -> Vec:
    """The world point on the plane z that appears at (u, v)."""
    eye = eye_of(layout)
    reach = math.hypot(eye[1], eye[2])
    sin, cos = eye[1] / reach, eye[2] / reach
    ray = (u, -sin * reach + v * cos, -cos * reach - v * sin)
    s = (z - eye[2]) / ray[2]
    return (eye[0] + s * ray[0], eye[1] + s * ray[1], z)


def eye_of(layout: Layout) -> Vec:
    """Where the camera stands, metres."""
    return (0.0, 0.0 if layout.look == "plain" else 0.9, DISTANCE)


def shrink(z: float) -> float:
    """Metres per image height on the plane z, up to the slight tilt of the camera."""
    return (DISTANCE - z) / DISTANCE


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
