"""Where the view and the panel of a plates case are in every frame, and how a generator is told."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simbench.case import Setting

TRIALS = ("pan", "panel")

LEAVE, AWAY, RETURN, BACK = 0.2, 0.4, 0.58, 0.75
"""Shares of the clip at which the view (the panel) starts to go, is away (is there), turns back, is back."""

SPAN = 2.1
"""Sides of the view that a plate has along the way, at least: the view goes off what it showed."""

ACROSS = 1.2
"""Sides of the view that a plate has across the way, at least."""

FOCAL = 8.0
"""Focal length of the camera that the poses speak of, in widths: so long a lens that a turn is a shift."""

SIDES = ("left", "right", "top", "bottom")

VIEW = re.compile(r"view (-?[\d.]+) right (-?[\d.]+) down")
PANEL = re.compile(r"panel ([\d.]+) from the (left|right|top|bottom)")


@dataclass(frozen=True)
class Layout:
    """One case. `clip` is the footage's name ("": a rendered plate of `seed`) and `start` its first frame;
    `shape` [H, W] of the plate, px; `corner` (x, y) of the view at rest and `far` that of the view away, px
    of the plate; `side` whence the panel comes. `digest`: of the footage's frames."""

    seed: int
    trial: str
    shape: tuple[int, int]
    corner: tuple[int, int]
    far: tuple[int, int]
    side: str
    clip: str = ""
    start: int = 0
    digest: str = ""


def to_facts(layout: Layout) -> dict[str, Any]:
    """Plain data."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(layout).items()}


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote down."""
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    return Layout(**plain)


def least(setting: Setting, wide: bool) -> tuple[int, int]:
    """Width and height, px, of the smallest plate for a view that goes sideways (`wide`) or up and down."""
    x, y = (SPAN, ACROSS) if wide else (ACROSS, SPAN)
    return math.ceil(x * setting.width), math.ceil(y * setting.height)


def shares(setting: Setting) -> np.ndarray:
    """float64 [T]: how far away the view is, or how much the panel covers; 0 at rest, 1 away."""
    from simbench.worlds.families._stage import ease

    at = np.arange(setting.frames) / (setting.frames - 1)
    return np.array([ease((u - LEAVE) / (AWAY - LEAVE)) - ease((u - RETURN) / (BACK - RETURN)) for u in at])


def corners(layout: Layout, setting: Setting, gone: np.ndarray | None = None) -> np.ndarray:
    """int [T, 2]: the view's left upper corner (x, y) in the plate, px. `gone` [T]: other shares."""
    home, far = np.array(layout.corner), np.array(layout.far)
    gone = shares(setting) if gone is None else gone
    gone = gone if layout.trial == "pan" else np.zeros(setting.frames)
    return np.rint(home + gone[:, None] * (far - home)).astype(int)


def covered(layout: Layout, setting: Setting, gone: np.ndarray | None = None) -> np.ndarray:
    """int [T]: columns (panel from the left or right) or rows of the view that the panel covers. `gone` [T]:
    other shares than asked."""
    reach = setting.width if layout.side in ("left", "right") else setting.height
    gone = shares(setting) if gone is None else gone
    gone = gone if layout.trial == "panel" else np.zeros(setting.frames)
    return np.rint(reach * gone).astype(int)


def returned(setting: Setting) -> list[int]:
    """The frames that decide: the view is back, the panel gone."""
    gone = shares(setting)
    away = int(np.argmax(gone))
    return [t for t in range(setting.frames) if t > away and gone[t] < 1e-9]


def actions(layout: Layout, setting: Setting) -> tuple[str, ...]:
    """The command of every frame, in shares of the view's width and height."""
    moved = corners(layout, setting) - np.array(layout.corner)
    if layout.trial == "pan":
        return tuple(f"view {x / setting.width:.4f} right {y / setting.height:.4f} down" for x, y in moved)
    reach = setting.width if layout.side in ("left", "right") else setting.height
    return tuple(f"panel {n / reach:.4f} from the {layout.side}" for n in covered(layout, setting))


def told(words: Sequence[str], width: int, height: int) -> tuple[np.ndarray, np.ndarray, str]:
    """What commands say: how far the view is from where it began int [T, 2] px (x, y), how many columns or
    rows the panel covers int [T], and from which side. What is not said is 0."""
    shift, panel, side = np.zeros((len(words), 2), int), np.zeros(len(words), int), "left"
    for t, text in enumerate(words):
        if view := VIEW.search(text):
            shift[t] = round(float(view[1]) * width), round(float(view[2]) * height)
        if cover := PANEL.search(text):
            side = cover[2]
            panel[t] = round(float(cover[1]) * (width if side in ("left", "right") else height))
    return shift, panel, side


def over(side: str, count: int, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of a view that a panel from `side` covers."""
    rows, columns = slice(0, height), slice(0, width)
    if side == "left":
        return rows, slice(0, count)
    if side == "right":
        return rows, slice(width - count, width)
    if side == "top":
        return slice(0, count), columns
    return slice(height - count, height), columns


def camera(layout: Layout, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Poses float64 [T, 4, 4] (world to camera, OpenCV) and intrinsics [T, 3, 3] of a long lens that turns as
    the view moves: the picture shifts by as much at its middle, and by 0.3 px more or less at its edges."""
    s = setting
    focal = FOCAL * s.width
    poses = np.tile(np.eye(4), (s.frames, 1, 1))
    for t, (x, y) in enumerate(corners(layout, s) - np.array(layout.corner)):
        yaw, pitch = math.atan2(x, focal), math.atan2(y, focal)
        across = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
        down = np.array(
            [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
        )
        poses[t, :3, :3] = down @ across
    lens = np.array([[focal, 0, s.width / 2], [0, focal, s.height / 2], [0, 0, 1]], np.float64)
    return poses, np.tile(lens, (s.frames, 1, 1))


def prompt(layout: Layout, setting: Setting, telling: bool = False) -> str:
    """What can be seen, and the command in words. With `telling` also what becomes of it."""
    seconds = (setting.frames - 1) / setting.fps
    times = [f"{share * seconds:.2g} s" for share in (LEAVE, AWAY, RETURN, BACK)]
    if layout.trial == "pan":
        x, y = (b - a for a, b in zip(layout.corner, layout.far, strict=True))
        across = f"{abs(x) / setting.width:.0%} of its width to the {'right' if x > 0 else 'left'}"
        along = f"{abs(y) / setting.height:.0%} of its height {'down' if y > 0 else 'up'}"
        words = " and ".join(w for w, part in ((across, x), (along, y)) if part)
        text = (
            f"A steady shot. From {times[0]} to {times[1]} the view moves {words}, waits, and from {times[2]}"
            f" to {times[3]} moves back to where it began."
        )
    else:
        text = (
            f"A steady shot. From {times[0]} to {times[1]} a patterned panel slides in from the {layout.side}"
            f" until it covers the view, and from {times[2]} to {times[3]} it slides out again."
        )
    more = " What stood still is where it was, what moved has moved on." if telling else ""
    return text + more
