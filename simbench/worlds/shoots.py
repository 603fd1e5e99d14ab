"""Scenes filmed along a commanded camera path, in a yard with painted walls that has something on every
side.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Setting
from simbench.worlds import paths
from simbench.worlds.paths import MOVES, Path
from simbench.worlds.scene import Scene, Vec

TRIALS = ("turn", "travel", "return")
"""A rotation on one spot, a way through the yard, and either of them out and back to the start."""

RANGES = {
    "yaw": (20.0, 30.0),
    "tilt": (13.0, 18.0),
    "truck": (0.6, 0.9),
    "dolly": (0.6, 0.9),
    "crane": (0.4, 0.6),
    "orbit": (25.0, 35.0),
}
"""Amounts (degrees or m) that are drawn from. At the far end half of what the first view shows is still in
view.
"""

HARDER = 0.3
"""By which share amounts grow from difficulty 0 to 1."""
MARKS = 3
AIM = 2.5
"""Distance (m) of what an orbit goes around."""


@dataclass(frozen=True)
class Shoot:
    """The yard of `seed`, filmed along `path`."""

    seed: int
    path: Path
    setting: Setting


@dataclass(frozen=True)
class Shot:
    """What a shoot gives: the scene with its camera, `frames` uint8 [T, H, W, 3], `poses` [T, 4, 4] world to
    camera, `home` (eye, target; world, m)."""

    scene: Scene
    frames: np.ndarray
    poses: np.ndarray
    home: tuple[Vec, Vec]


def plan(seed: int, index: int, trial: str, difficulty: float) -> Path:
    """The path of a trial of the scene with this `index`: moves take turns, amounts and sides are drawn."""
    turn = TRIALS.index(trial)
    moves = (("yaw", "tilt"), ("orbit", "truck", "crane", "dolly"), MOVES)[turn]
    move = moves[index % len(moves)]
    rng = random.Random(f"{seed}:{trial}")
    amount = rng.uniform(*RANGES[move]) * (1.0 + HARDER * difficulty) * rng.choice((-1.0, 1.0))
    digits = 0 if move in paths.TURNS else 2
    return Path(move, round(amount, digits), "there and back" if trial == "return" else "through")


def world(seed: int, setting: Setting) -> tuple[Scene, tuple[Vec, Vec]]:
    """The yard of a seed, and its home view (eye, target)."""
    from simbench.worlds.families import build

    scene = build("look-away", seed, seconds(setting), setting.look, setting.difficulty, marks=MARKS)
    eye, ahead = scene.camera.eye.at(0.0), scene.camera.target.at(0.0)
    x, y, z = ((b - a) * AIM for a, b in zip(eye, ahead, strict=True))
    return scene, ((eye[0], eye[1], eye[2]), (eye[0] + x, eye[1] + y, eye[2] + z))


def seconds(setting: Setting) -> float:
    """Time from the first frame to the last."""
    return (setting.frames - 1) / setting.fps


@lru_cache(maxsize=1)
def film(shoot: Shoot) -> Shot:
    """Render a shoot. The last one is kept."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.film import render_scene
    from simbench.worlds.truth import poses

    s = shoot.setting
    yard, home = world(shoot.seed, s)
    camera = paths.camera(shoot.path, *home, seconds(s), yard.camera.fov)
    scene = dataclasses.replace(yard, camera=camera, events=())
    frames = render_scene(scene, s)
    made = poses(compile_scene(scene, s.frames, s.fps))
    frames.setflags(write=False)
    made.setflags(write=False)
    return Shot(scene, frames, made, home)
