"""What probes ask for: clips of worlds with the state that is to be read, on seeds that nothing else uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.case import Condition, Setting
from simbench.errors import UserError
from simbench.video import Video
from simbench.worlds import balls
from suites.naming import case_name, seed_of

if TYPE_CHECKING:
    from simbench.worlds.compile import CompiledClip
    from simbench.worlds.raster import Frames
    from simbench.worlds.scene import Scene

STATES = (
    "position",
    "velocity",
    "hidden position",
    "hidden velocity",
    "rate",
    "contact",
    "mass",
    "later mass",
    "camera",
    "depth",
)
"""High-level quantities. `mass` is told by an impact within the given frames, `later mass` by one after them:
where only the given frames are known it cannot be read, and what is read of it all the same is a fault."""
LOOKS = ("colour", "edges", "orientation")
"""Low-level quantities, read place by place, as depth is."""
PLACED = ("depth", *LOOKS)
WORLDS = ("occluder", "push", "process", "orbit", "balls")
SEEN = 0.6
"""A thing counts as visible where this share of its largest number of pixels shows."""


@dataclass(frozen=True)
class Clip:
    """One clip of a `world` and what is true of it: `states`, float64 [T, K] by name with NaN where it is
    undefined, and `places`, float64 [T, H, W, K] by name, over pixels."""

    kind: str
    world: str
    scene: str
    condition: Condition
    video: Video
    states: dict[str, np.ndarray]
    places: dict[str, np.ndarray]


def clips(scene: str, setting: Setting, worlds: Sequence[str] = WORLDS) -> list[Clip]:
    """The clips of one scene in some `worlds`: an object that passes behind an occluder and one that stops
    there, both in the open as well, a rod that pushes and one that misses, a process, a camera that moves
    before a still life, balls that meet within the given frames or after them. Those of a scene are never in
    two folds.

    UserError for a setting that is not square, or leaves no frames between which balls can meet.
    """
    made = []
    for kind, options in KINDS:
        seed = seed_of(f"probing {kind.split()[0]}", scene)
        if options(seed)["name"] in worlds:
            made.append(_clip(kind, scene, seed, setting, options(seed)))
    for kind, name, window in _meetings(setting) if "balls" in worlds else ():
        seed = seed_of("probing balls", scene)
        made.append(_balls(kind, name, scene, balls.weighed(seed, window), setting))
    return made


def _meetings(s: Setting) -> list[tuple[str, str, tuple[float, float]]]:
    """Kind, state, and seconds within which balls meet: with two given frames on either side, or so that most
    of the clip comes after it."""
    given, whole = (s.context - 1) / s.fps, (s.frames - 1) / s.fps
    rest = whole - given
    early = (0.375 * given, 0.625 * given)
    late = (given + 1.0 / s.fps, given + 0.4 * rest)
    if s.context < 5 or late[0] > late[1] or late[1] > balls.LATEST or s.width != s.height:
        raise UserError(
            f"{s.width}x{s.height}, {s.context} of {s.frames} frames at {s.fps:g} fps given: balls cannot be"
            f" weighed; use a square, 5 or more given frames, and {balls.LATEST:g} s at most until they meet"
        )
    return [("balls", "mass", early), ("balls later", "later mass", late)]


def _balls(kind: str, name: str, scene: str, world: balls.World, s: Setting) -> Clip:
    """Balls whose mass is known from their impact on: the logarithm of the ratio of red's to blue's."""
    rgb, _ = balls.render(world, s.frames, s.fps, s.width)
    after = np.arange(s.frames) / s.fps > balls.contact(world)
    mass = np.where(after, balls.mass_ratio(world), np.nan)[:, None]
    flat = np.zeros(rgb.shape[:3], np.float32)
    condition = _condition(scene, kind, rgb, s)
    return Clip(kind, "balls", scene, condition, Video(rgb, s.fps), {name: mass}, _places(rgb, flat))


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
    condition = _condition(scene, kind, frames.rgb, s)
    states = _states(kind, world, seed, options, compiled, frames, s)
    places = _places(frames.rgb, frames.depth)
    return Clip(kind, name, scene, condition, Video(frames.rgb, s.fps), states, places)


def _condition(scene: str, kind: str, rgb: np.ndarray, s: Setting) -> Condition:
    name, given = case_name("probing", scene, s, kind), rgb[: s.context].copy()
    return Condition(name, "v2v", given, "", s.width, s.height, s.frames, s.fps)


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


def _places(rgb: np.ndarray, far: np.ndarray) -> dict[str, np.ndarray]:
    """Logarithm of depth (NaN in the sky, and of balls in the plane), colour, strength of edges and their
    orientation, by pixel."""
    grey = rgb.astype(np.float64).mean(-1) / 255.0
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    # Twice the angle, so that an edge from dark to light is the one from light to dark.
    doubled = np.stack((right**2 - down**2, 2 * right * down), -1)
    depth = far.astype(np.float64)
    return {
        "depth": np.log(np.where(depth > 0, depth, np.nan))[..., None],
        "colour": rgb / 255.0,
        "edges": strength[..., None],
        "orientation": doubled,
    }
