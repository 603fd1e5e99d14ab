"""What probes ask for: clips of worlds with the state that is to be read, on seeds that nothing else uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.case import Condition, Setting
from simbench.video import Video
from suites.naming import seed_of

if TYPE_CHECKING:
    from simbench.worlds.compile import CompiledClip
    from simbench.worlds.raster import Frames
    from simbench.worlds.scene import Scene

STATES = ("position", "velocity", "hidden position", "hidden velocity", "rate", "contact", "camera", "depth")
"""High-level quantities."""
LOOKS = ("colour", "edges", "orientation")
"""Low-level quantities, read place by place, as depth is."""
PLACED = ("depth", *LOOKS)
SEEN = 0.6
"""A thing counts as visible where this share of its largest number of pixels shows."""


@dataclass(frozen=True)
class Clip:
    """One clip and what is true of it: `states`, float64 [T, K] by name with NaN where it is undefined, and
    `places`, float64 [T, H, W, K] by name, over pixels."""

    kind: str
    scene: str
    condition: Condition
    video: Video
    states: dict[str, np.ndarray]
    places: dict[str, np.ndarray]


def clips(scene: str, setting: Setting) -> list[Clip]:
    """The clips of one scene: an object that passes behind an occluder and one that stops there, both in the
    open as well, a rod that pushes and one that misses, a process, a camera that moves before a still life.
    Those of a scene are never in two folds."""
    made = []
    for kind, options in KINDS:
        seed = seed_of(f"probing {kind.split()[0]}", scene)
        made.append(_clip(kind, scene, seed, setting, options(seed)))
    return made


def _passing(trial: str, hidden: bool) -> Callable[[int], dict[str, Any]]:
    return lambda seed: {"name": "occluder", "trial": trial, "hidden": hidden}


def _pushing(trial: str) -> Callable[[int], dict[str, Any]]:
    return lambda seed: {"name": "push", "trial": trial, "covered": False}


KINDS: Sequence[tuple[str, Callable[[int], dict[str, Any]]]] = (
    ("exit", _passing("exit", True)),
    ("stay", _passing("stay", True)),
    ("exit open", _passing("exit", False)),
    ("stay open", _passing("stay", False)),
    ("push", _pushing("push")),
    ("miss", _pushing("miss")),
    ("process", lambda seed: {"name": "process", "hidden": False, "case": seed % 4}),
    ("camera", lambda seed: {"name": "orbit", "pace": "even"}),
)


def _clip(kind: str, scene: str, seed: int, setting: Setting, options: dict[str, Any]) -> Clip:
    from simbench.worlds import families
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    s = setting
    duration = (s.frames - 1) / s.fps
    name = options.pop("name")
    if "split" in families.options(name):
        options["split"] = "all"
    world = families.build(name, seed, duration, s.look, s.difficulty, **options)
    compiled = compile_scene(world, s.frames, s.fps)
    frames = render(compiled, s.width, s.height, 3)
    condition = Condition(
        f"probing-{scene}-{kind.replace(' ', '-')}",
        "v2v",
        frames.rgb[: s.context].copy(),
        "",
        s.width,
        s.height,
        s.frames,
        s.fps,
    )
    states = _states(kind, world, seed, options, compiled, frames, s)
    return Clip(kind, scene, condition, Video(frames.rgb, s.fps), states, _places(frames))


def _states(
    kind: str,
    world: Scene,
    seed: int,
    options: dict[str, Any],
    compiled: CompiledClip,
    frames: Frames,
    s: Setting,
) -> dict[str, np.ndarray]:
    if kind.startswith(("exit", "stay")):
        return _mover(world, compiled, frames, s)
    if kind in ("push", "miss"):
        return {"contact": _contact(world, s)}
    if kind == "process":
        from simbench.worlds.families import process

        duration = (s.frames - 1) / s.fps
        layout = process.sample(seed, look=s.look, duration=duration, difficulty=s.difficulty, **options)
        return {"rate": np.full((s.frames, 1), process.rate_of(layout))}
    return {"camera": _camera(compiled)}


def _mover(world: Scene, compiled: CompiledClip, frames: Frames, s: Setting) -> dict[str, np.ndarray]:
    """Place and velocity, shares of the picture (and a second), of the one mover while it is seen, and while
    nothing of it is though it is within the picture."""
    from simbench.worlds import truth

    body = next(n for n, b in enumerate(world.bodies) if b.role == "mover")
    place = truth.project(compiled, compiled.positions[:, [body]], s.width, s.height)[:, 0]
    place = place / (s.width, s.height)
    velocity = np.gradient(place, 1.0 / s.fps, axis=0)
    pixels = (frames.ids == body).sum((1, 2))
    inside = ((place >= 0) & (place <= 1)).all(1)
    seen, gone = pixels >= SEEN * pixels.max(), (pixels == 0) & inside
    found = {}
    for name, when in (("", seen), ("hidden ", gone)):
        found[f"{name}position"] = np.where(when[:, None], place, np.nan)
        found[f"{name}velocity"] = np.where(when[:, None], velocity, np.nan)
    return found


def _contact(world: Scene, s: Setting) -> np.ndarray:
    """1 in the frames [T, 1] in which the rod moves a block, from contact until it stops, else 0."""
    told = {event.kind: event.time for event in world.events if event.kind in ("contact", "stop")}
    times = np.arange(s.frames) / s.fps
    if "contact" not in told:
        return np.zeros((s.frames, 1))
    return ((times >= told["contact"] - 1e-6) & (times <= told["stop"] + 1e-6)).astype(float)[:, None]


def _camera(compiled: CompiledClip) -> np.ndarray:
    """Turn (rotation vector, radians) and way (metres, first camera's axes) since the first frame [T, 6]."""
    from scipy.spatial.transform import Rotation

    from simbench.worlds import truth

    poses = truth.poses(compiled)
    relative = poses @ np.linalg.inv(poses[0])
    turns = Rotation.from_matrix(relative[:, :3, :3]).as_rotvec()
    back = np.linalg.inv(relative)[:, :3, 3]
    return np.concatenate((turns, back), 1)


def _places(frames: Frames) -> dict[str, np.ndarray]:
    """Logarithm of depth (NaN in the sky), colour, strength of edges and their orientation, by pixel."""
    grey = frames.rgb.astype(np.float64).mean(-1) / 255.0
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    # Twice the angle, so that an edge from dark to light is the one from light to dark.
    doubled = np.stack((right**2 - down**2, 2 * right * down), -1)
    depth = frames.depth.astype(np.float64)
    return {
        "depth": np.log(np.where(depth > 0, depth, np.nan))[..., None],
        "colour": frames.rgb / 255.0,
        "edges": strength[..., None],
        "orientation": doubled,
    }
