"""Ways of looking away from a view and coming back to it, in a yard with painted walls."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Setting
from simbench.worlds.families import look_away
from simbench.worlds.families._stage import ease
from simbench.worlds.scene import Camera, Curve, Scene, constant

WALKS = ("back", "loop")
LEAVE, AWAY, RETURN, BACK = 0.2, 0.4, 0.6, 0.8
"""Shares of the clip at which the camera leaves, has left, turns back and is back."""

MARKS = 3


@dataclass(frozen=True)
class Walk:
    """`kind`: back (A-B-A) or loop (A-B-C-A, once around); `cut`: jumps instead of turning."""

    seed: int
    kind: str
    cut: bool
    setting: Setting


@dataclass(frozen=True)
class Visited:
    """The scene of a walk, `frames` uint8 [T, H, W, 3], `poses` [T, 4, 4] world to camera, the camera's turn
    `yaw` [T] from the first view (degrees, positive to the left), and the prompt."""

    scene: Scene
    frames: np.ndarray
    poses: np.ndarray
    yaw: np.ndarray
    prompt: str


def across(setting: Setting) -> float:
    """Degrees from the left edge of a view to the right one."""
    high = math.tan(math.radians(look_away.FOV) / 2.0)
    return 2.0 * math.degrees(math.atan(high * setting.width / setting.height))


def least_turn(difficulty: float) -> float:
    """Degrees by which `back` turns away."""
    return look_away.LEAST + look_away.MORE * difficulty


def yaws(walk: Walk, side: float) -> np.ndarray:
    """Degrees [T] from the first view. `side` is the turn of `back`; `loop` goes round on the same side."""
    s = walk.setting
    share = np.arange(s.frames) / (s.frames - 1)
    if walk.cut:
        away = (share > LEAVE + 0.02) & (share < BACK - 0.02)
        third = side if walk.kind == "back" else math.copysign(360.0 - abs(side), side)
        late = share >= (LEAVE + BACK) / 2
        return np.where(away, np.where(late, third, side), 0.0)
    if walk.kind == "loop":
        return math.copysign(360.0, side) * np.array([ease((u - LEAVE) / (BACK - LEAVE)) for u in share])
    out = [ease((u - LEAVE) / (AWAY - LEAVE)) - ease((u - RETURN) / (BACK - RETURN)) for u in share]
    return side * np.array(out)


def turned(scene: Scene, yaw: np.ndarray, setting: Setting) -> Scene:
    """`scene` seen by its camera turned by `yaw` degrees [T] from its first view, from frame to frame."""
    eye = scene.camera.eye.at(0.0)
    target = scene.camera.target.at(0.0)
    x, drop, z = (b - a for a, b in zip(eye, target, strict=True))
    heading = math.atan2(-x, -z)
    reach = math.hypot(x, z)
    keys = []
    for angle in yaw:
        a = heading + math.radians(float(angle))
        keys.append((eye[0] - reach * math.sin(a), eye[1] + drop, eye[2] - reach * math.cos(a)))
    times = tuple(t / setting.fps for t in range(len(keys)))
    return dataclasses.replace(
        scene, camera=Camera(constant(*eye), Curve(times, tuple(keys)), scene.camera.fov)
    )


def yard(seed: int, setting: Setting) -> Scene:
    """The world of a seed with painted walls."""
    from simbench.worlds.families import build

    seconds = (setting.frames - 1) / setting.fps
    return build("look-away", seed, seconds, setting.look, setting.difficulty, marks=MARKS)


@lru_cache(maxsize=1)
def visit(walk: Walk) -> Visited:
    """Render a walk. The last one is kept."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.film import render_scene
    from simbench.worlds.truth import poses

    s = walk.setting
    world = yard(walk.seed, s)
    yaw = yaws(walk, float(world.tags["camera"]["amount"]))
    scene = turned(world, yaw, s)
    clip = compile_scene(scene, s.frames, s.fps)
    return Visited(scene, render_scene(scene, s), poses(clip), yaw, prompt(walk, yaw))


def prompt(walk: Walk, yaw: np.ndarray) -> str:
    """What can be seen at the start, and the command."""
    side = "left" if yaw[np.abs(yaw).argmax()] > 0 else "right"
    amount = f"{np.abs(yaw).max():.0f} degrees to the {side}"
    if walk.cut:
        views = "another view" if walk.kind == "back" else "two other views"
        return f"A yard with painted walls and objects. The film cuts to {views} of it and back."
    if walk.kind == "loop":
        return f"A yard with painted walls and objects. The camera turns {amount}, once around."
    return f"A yard with painted walls and objects. The camera turns {amount}, waits and turns back."
