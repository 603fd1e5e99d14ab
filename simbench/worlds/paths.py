"""Camera paths as data: a move, how far, and in which time, from a home view; with its words and its extent.

Amounts are signed. Positive is to the right for yaw (turn about the vertical), truck (sideways) and orbit
(around the target), up for tilt and crane, forward for dolly. Degrees for yaw, tilt and orbit, metres for the
others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simbench.errors import UserError
from simbench.worlds.scene import Camera, Curve, Vec

MOVES = ("yaw", "tilt", "truck", "dolly", "crane", "orbit")
TURNS = ("yaw", "tilt", "orbit")
PROFILES = ("through", "there and back", "loop")
KEYS = 32
"""Keys of a curve per second: a chord of an orbit of 60 degrees a second is off by 4e-5 of its radius."""
STEEPEST = 80.0
"""Degrees from the horizontal beyond which no camera looks: y is up for all."""

SIDES = {
    "yaw": ("right", "left"),
    "tilt": ("up", "down"),
    "truck": ("right", "left"),
    "dolly": ("forward", "backward"),
    "crane": ("up", "down"),
    "orbit": ("right", "left"),
}


@dataclass(frozen=True)
class Path:
    """`move` and its signed `amount` (degrees or metres) along a `profile`: `through` goes evenly from home
    to the end, `there and back` evenly out in the first half and home in the second, `loop` (A-B-C-A) as far
    to one side, as far to the other, and home."""

    move: str
    amount: float
    profile: str = "through"

    def __post_init__(self) -> None:
        if self.move not in MOVES:
            raise UserError(f"move={self.move} is unknown; use one of {', '.join(MOVES)}")
        if self.profile not in PROFILES:
            raise UserError(f"profile={self.profile} is unknown; use one of {', '.join(PROFILES)}")
        if not math.isfinite(self.amount) or (self.unit == "degrees" and abs(self.amount) > 180.0):
            raise UserError(f"amount={self.amount:g} {self.unit} is out of range; use at most 180 degrees")

    @property
    def unit(self) -> str:
        """`degrees` or `metres`."""
        return "degrees" if self.move in TURNS else "metres"


def share(profile: str, time: float) -> float:
    """Part of the amount, -1 to 1, at `time` (share of the clip, 0 to 1)."""
    u = min(max(time, 0.0), 1.0)
    if profile == "through":
        return u
    if profile == "there and back":
        return 1.0 - abs(2.0 * u - 1.0)
    return 1.0 - abs(4.0 * u - 1.0) if u < 0.5 else abs(4.0 * u - 3.0) - 1.0


def view(move: str, amount: float, eye: Vec, target: Vec) -> tuple[Vec, Vec]:
    """(Eye, target) `amount` away from the home view `eye`, `target` (world, m); home itself for 0.

    UserError where a tilt would look steeper than `STEEPEST` degrees.
    """
    if amount == 0.0:
        return eye, target
    ahead = _minus(target, eye)
    flat = math.hypot(ahead[0], ahead[2])
    reach = math.hypot(flat, ahead[1])
    if flat < 1e-9:
        raise UserError("the home view looks straight up or down; give a target beside the eye")
    right = (-ahead[2] / flat, 0.0, ahead[0] / flat)
    if move == "yaw":
        return eye, _plus(eye, _turned(ahead, -amount))
    if move == "tilt":
        angle = math.degrees(math.atan2(ahead[1], flat)) + amount
        if abs(angle) > STEEPEST:
            raise UserError(f"amount={amount:g} degrees of tilt looks {angle:.0f} degrees up; use less")
        level = reach * math.cos(math.radians(angle)) / flat
        up = reach * math.sin(math.radians(angle))
        return eye, _plus(eye, (ahead[0] * level, up, ahead[2] * level))
    if move == "orbit":
        return _plus(target, _turned(_minus(eye, target), amount)), target
    way = {"truck": right, "crane": (0.0, 1.0, 0.0), "dolly": _times(ahead, 1.0 / reach)}[move]
    step = _times(way, amount)
    return _plus(eye, step), _plus(target, step)


def camera(path: Path, eye: Vec, target: Vec, seconds: float, fov: float) -> Camera:
    """The camera of `path` from the home view `eye`, `target` (world, m) over `seconds`; `fov` in degrees."""
    count = max(2, math.ceil(seconds * KEYS) + 1)
    marks = {0.0, 0.25, 0.5, 0.75, 1.0} if path.profile != "through" else {0.0, 1.0}
    times = sorted(marks | {i / (count - 1) for i in range(count)})
    views = [view(path.move, path.amount * share(path.profile, u), eye, target) for u in times]
    keys = tuple(u * seconds for u in times)
    return Camera(Curve(keys, tuple(e for e, _ in views)), Curve(keys, tuple(t for _, t in views)), fov)


def excursion(path: Path, eye: Vec, target: Vec) -> tuple[float, float]:
    """(Degrees, metres): how far the camera turns and goes at most from its home view, on all of its way."""
    far = abs(path.amount)
    if path.move == "orbit":
        away = _minus(eye, target)
        return far, 2.0 * math.hypot(away[0], away[2]) * math.sin(math.radians(far) / 2.0)
    return (far, 0.0) if path.unit == "degrees" else (0.0, far)


def command(path: Path, distance: float | None = None) -> str:
    """The path in plain words. Ways are told in metres, or in % of the `distance` to the scene (m) if
    given.
    """
    side = SIDES[path.move][0 if path.amount >= 0 else 1]
    far = abs(path.amount)
    if path.unit == "degrees":
        amount = f"{far:.0f} degrees"
    elif distance is None:
        amount = f"{far:.2g} m"
    else:
        amount = f"{100 * far / distance:.0f} % of the distance to the scene"
    go = {
        "yaw": f"turns {amount} to the {side}",
        "tilt": f"tilts {amount} {side}",
        "truck": f"moves to the {side} by {amount}",
        "dolly": f"moves {side} by {amount}",
        "crane": f"{'rises' if side == 'up' else 'sinks'} by {amount}",
        "orbit": f"orbits {amount} to the {side} around the scene",
    }[path.move]
    end = {
        "through": ", evenly from the first frame to the last",
        "there and back": ", evenly, and comes back to where it started",
        "loop": ", then as far to the other side, and comes back to where it started",
    }[path.profile]
    return f"The camera {go}{end}."


def _plus(a: Vec, b: Vec) -> Vec:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _minus(a: Vec, b: Vec) -> Vec:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _times(a: Vec, factor: float) -> Vec:
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def _turned(a: Vec, degrees: float) -> Vec:
    """`a` about the vertical, counter-clockwise seen from above."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (c * a[0] + s * a[2], a[1], c * a[2] - s * a[0])
