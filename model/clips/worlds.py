"""Endless fresh clips of the simulated worlds, of the train split only, on seeds that no test uses."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from model.actions import encode
from model.clips.depth import halved
from model.clips.variety import Variety, vary_layout, vary_scene
from model.data import Sample
from simbench.errors import UserError
from simbench.worlds.balls import SCENARIOS, WEIGHED
from simbench.worlds.captions import caption
from simbench.worlds.scene import Caption, Scene

if TYPE_CHECKING:
    from simbench.worlds.compile import CompiledClip
    from simbench.worlds.raster import Frames

FIRST_SEED = 1 << 40
"""Suites draw worlds below 2^31; training starts here, so that the two cannot meet."""
STREAM = 1 << 32
"""Worlds to one seed of a data set."""


@dataclass(frozen=True)
class OccluderMix:
    """How occluder clips are drawn: weights of the trials exit, stay, two, swap, container; the share
    in which the occluder stands; the objects' diameter in image heights; whether the words of a clip
    are the prompt that a test would give, and no caption of all that happens."""

    trials: tuple[float, ...] = (34.0, 34.0, 10.0, 10.0, 12.0)
    hidden: float = 0.85
    diameter: float = 0.25
    prompt: bool = False


@dataclass(frozen=True)
class Mix:
    """What a data set is drawn from. `samples` x `samples` rays give a pixel its colour.

    `families` are those of three dimensions, or scenarios of simbench.worlds.balls: never both. Of those only
    frames, fps and the size, which is square, count. A family that is named twice is drawn twice as often.
    A share `steady` of the clips has `difficulty`, the rest any from 0 to `hardest`. `turn` is the
    widest turn of look-away in degrees, the narrowest half of it; 0 leaves the family its own.
    With `still` a sample is an image, one frame of its clip at random.
    """

    families: tuple[str, ...] = ("occluder",)
    width: int = 32
    height: int = 32
    frames: int = 17
    fps: float = 8.0
    look: str = "plain"
    samples: int = 3
    difficulty: float = 0.25
    steady: float = 0.5
    hardest: float = 0.8
    turn: float = 0.0
    still: bool = False
    occluder: OccluderMix = field(default_factory=OccluderMix)
    variety: Variety = field(default_factory=Variety)


def named(name: str) -> Mix:
    """The mixes that recipes use: `nano` (occluder, 32 px, plain), `acts` (the same and processes, pushes and
    bites), `camera` (a still life and a yard seen by a moving camera, 96 px, rich),
    `tiny` (all families, 64 px, rich), and of the small ones `words` (objects in the open, told as a
    test tells them), `yaw` (a camera turns), `phyworld` (balls in two dimensions) and
    `weighed` (two such balls whose masses cannot be seen)."""
    if name == "nano":
        return Mix()
    if name == "acts":
        return Mix(("occluder", "occluder", "process", "push", "bite"))
    if name == "tiny":
        from simbench.worlds import families

        small = OccluderMix(diameter=0.16)
        return Mix(families.names(), 64, 64, look="rich", samples=2, occluder=small)
    if name == "words":
        told = OccluderMix((1.0, 0.0, 0.0, 0.0, 0.0), hidden=0.0, prompt=True)
        return Mix(frames=5, steady=1.0, occluder=told, variety=Variety(board=0.0, shapes=0.0))
    if name == "yaw":
        return Mix(("look-away",), frames=9, samples=2, steady=1.0, turn=24.0)
    if name == "camera":
        return Mix(("orbit", "look-away"), 96, 96, 13, look="rich", samples=2, steady=0.0, hardest=0.6)
    if name == "phyworld":
        return Mix(SCENARIOS, frames=9)
    if name == WEIGHED:
        return Mix((WEIGHED,))
    raise UserError(f"mix={name} is unknown; use nano, acts, camera, tiny, words, yaw, phyworld or weighed")


def is_flat(mix: Mix) -> bool:
    """Whether clips show balls in two dimensions. UserError where some families do and others do not."""
    flat = [name in (*SCENARIOS, WEIGHED) for name in mix.families]
    if any(flat) and not all(flat):
        raise UserError(
            f"family={','.join(mix.families)} mixes balls in two dimensions with worlds of three;"
            " make two pools"
        )
    return any(flat)


def check_mix(mix: Mix) -> None:
    """UserError names the option of a mix that no clip can be drawn with."""
    from simbench.worlds import families

    for name in () if is_flat(mix) else mix.families:
        families.builder(name)
    if is_flat(mix) and mix.width != mix.height:
        raise UserError(f"size={mix.width}x{mix.height}: clips of balls are square; use size={mix.height}")
    if not mix.families:
        raise UserError("a mix needs at least one family; use family=all or a name")
    if mix.look not in families.LOOKS:
        raise UserError(f"look={mix.look} is unknown; use one of {', '.join(families.LOOKS)}")
    shares = {f"variety.{k}": v for k, v in dataclasses.asdict(mix.variety).items()}
    shares |= {"difficulty": mix.difficulty, "steady": mix.steady, "hardest": mix.hardest}
    shares["occluder.hidden"] = mix.occluder.hidden
    limits = {name: (value, 0.0, 1.0) for name, value in shares.items()}
    limits |= {
        "frames": (mix.frames, 1, 10_000),
        "fps": (mix.fps, 0.1, 1000.0),
        "samples": (mix.samples, 1, 16),
    }
    limits["turn"] = (mix.turn, 0.0, 180.0)
    limits["occluder.diameter"] = (mix.occluder.diameter, 0.02, 0.5)
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise UserError(f"{name}={value:g} is out of range; use {low:g} to {high:g}")
    weights = mix.occluder.trials
    if len(weights) != 5 or min(weights) < 0 or not sum(weights) > 0:
        raise UserError(
            f"occluder.trials={list(weights)} are not five weights; use for example [34,34,10,10,12]"
        )


def world_seed(seed: int, index: int) -> int:
    """The seed of world `index` of data set `seed`: at least 2^40, each (seed, index) another one."""
    if not 0 <= seed < 1 << 20 or not 0 <= index < STREAM:
        raise UserError(f"seed={seed}, clip {index} is out of range; use seeds below 2^20, clips below 2^32")
    return FIRST_SEED + seed * STREAM + index


def draw_scene(mix: Mix, seed: int, index: int) -> Scene:
    """The world of clip `index`, its captions included. Its last frame is its last moment."""
    from simbench.worlds import families

    world = world_seed(seed, index)
    if is_flat(mix):
        raise UserError(
            f"family={','.join(mix.families)} has no scene in three dimensions; only python -m model.data"
            " pool and model.train know clips of balls"
        )
    rng = random.Random(f"train:{world}")
    family = rng.choice(mix.families)
    steady = rng.random() < mix.steady
    difficulty = mix.difficulty if steady else rng.random() * mix.hardest
    duration = max(mix.frames - 1, 1) / mix.fps
    if family == "occluder":
        return _occluder(mix, world, rng, duration, difficulty)
    known = {"split": "train", "aspect": mix.width / mix.height}
    takes = families.options(family)
    options: dict[str, Any] = {name: value for name, value in known.items() if name in takes}
    if family == "look-away" and mix.turn:
        options["angle"] = mix.turn * rng.uniform(0.5, 1.0) * rng.choice((-1.0, 1.0))
    shared: dict[str, Any] = {"duration": duration, "look": mix.look, "difficulty": difficulty, **options}
    scene = families.build(family, world, **shared)
    return families.commanded(scene, family, mix.frames, mix.fps, world, **shared)


def _occluder(mix: Mix, world: int, rng: random.Random, duration: float, difficulty: float) -> Scene:
    from simbench.worlds.families import occluder

    own = mix.occluder
    trial = rng.choices(occluder.TRIALS, own.trials)[0]
    layout = occluder.sample(
        world,
        trial,
        hidden=rng.random() < own.hidden,
        duration=duration,
        look=mix.look,
        difficulty=difficulty,
        aspect=mix.width / mix.height,
        diameter=own.diameter,
        split="train",
    )
    layout = vary_layout(layout, rng, mix.variety)
    scene = vary_scene(occluder.stage(layout), rng, mix.variety)
    words = Caption(occluder.prompt(layout)) if own.prompt else caption(scene)
    return dataclasses.replace(scene, caption=words)


@dataclass(frozen=True)
class Rendered:
    """A clip with all that can be asked about it: `frames` holds pixels, depth and ids."""

    scene: Scene
    compiled: CompiledClip
    frames: Frames


def rendered(mix: Mix, seed: int, index: int) -> Rendered:
    """Clip `index` of data set `seed`, with its truth."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    scene = draw_scene(mix, seed, index)
    compiled = compile_scene(scene, mix.frames, mix.fps)
    return Rendered(scene, compiled, render(compiled, mix.width, mix.height, mix.samples))


def draw(mix: Mix, seed: int, index: int) -> Sample:
    """Clip `index` of data set `seed`, or a frame of it: a pure function, the same on every machine."""
    if is_flat(mix):
        from model.clips import balls

        sample = balls.sample(mix, world_seed(seed, index))
    else:
        sample = _drawn(mix, seed, index)
    return still(sample, random.Random(f"still:{world_seed(seed, index)}")) if mix.still else sample


def still(sample: Sample, rng: random.Random) -> Sample:
    """One frame of a clip as an image: no camera but its own, and no command."""
    t = rng.randrange(len(sample.video))
    rest = {name: getattr(sample, name) for name in ("mask", "camera", "depth")}
    kept: dict[str, Any] = {k: None if v is None else v[t : t + 1].copy() for k, v in rest.items()}
    if kept["camera"] is not None:
        kept["camera"][:] = np.eye(4, dtype=np.float32)[:3]
    return dataclasses.replace(sample, video=sample.video[t : t + 1].copy(), actions=None, **kept)


def _drawn(mix: Mix, seed: int, index: int) -> Sample:
    made = rendered(mix, seed, index)
    scene = made.scene
    facts = {"family": scene.family, "seed": world_seed(seed, index), "look": mix.look, "split": "train"}
    return Sample(
        video=made.frames.rgb,
        fps=mix.fps,
        caption=scene.caption,
        actions=actions(scene, mix.frames, mix.fps),
        camera=camera(made.compiled),
        mask=mask(scene, made.frames.ids),
        depth=halved(made.frames.depth),
        facts=facts,
    )


def mask(scene: Scene, ids: np.ndarray) -> np.ndarray:
    """Moving objects uint8 [T, H, W] of body ids int32 [T, H, W]: 1 for the first mover, 0 elsewhere."""
    table = np.zeros(len(scene.bodies) + 1, np.uint8)
    movers = [n for n, body in enumerate(scene.bodies) if body.role == "mover"]
    table[movers] = np.minimum(np.arange(1, len(movers) + 1), 255)
    return table[ids]


def camera(compiled: CompiledClip) -> np.ndarray:
    """Camera of every frame against the first, float32 [T, 3, 4]; see `Sample.camera`."""
    from simbench.worlds import truth

    poses = truth.poses(compiled)
    relative = poses @ np.linalg.inv(poses[0])
    relative[0] = np.eye(4)
    return relative[:, :3].astype(np.float32)


def actions(scene: Scene, frames: int, fps: float) -> np.ndarray | None:
    """The command in force at every frame, float32 [T, A], A the channels of model.actions, or None."""
    told = commands(scene, frames, fps)
    return None if told is None else encode(told)


def commands(scene: Scene, frames: int, fps: float) -> list[str] | None:
    """The command in force at every frame in words, or None where a world obeys none."""
    told = scene.tags.get("actions")
    if not told:
        return None
    starts = np.array([start for start, _ in told])
    current = np.searchsorted(starts, np.arange(frames) / fps + 1e-6, side="right") - 1
    return [str(told[max(int(slot), 0)][1]) for slot in current]
