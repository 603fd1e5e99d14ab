"""The plates that a view moves over: clips larger than the view, rendered here or brought by the user."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.case import Setting
from simbench.errors import UserError
from simbench.generators.videos import SUFFIXES
from simbench.instruments.plates_course import Layout, least
from simbench.worlds.scene import Body, Camera, Scene, Segment, Vec, constant

if TYPE_CHECKING:
    from simbench.worlds.families._stage import Stage

LENGTHS = 2.0
"""Lengths of a clip that are read of longer footage: it may start anywhere in the first of them."""

EYE, TARGET, FOV = (0.0, 1.7, 4.2), (0.0, 0.9, -1.0), 43.0
"""The camera of rendered plates: metres, and degrees from top to bottom."""

WALL = 2.5
"""How far behind the middle the wall stands, metres."""

CELLS = 6.0
"""Small things along the short side of the view, where difficulty is 0; 2 more where it is 1."""

NEAR = 2.4
"""Distance of the thing that glides before a rendered plate, metres: nearer than all that stands there."""

RADIUS = 0.075
"""Radius of that thing, in short sides of the view."""


@dataclass(frozen=True)
class Plate:
    """`frames` uint8 [T, H, W, 3] at the setting's rate, and `ground` uint8 [H, W, 3]: what is mostly seen at
    each pixel, over all that was read."""

    frames: np.ndarray
    ground: np.ndarray


@dataclass(frozen=True)
class Footage:
    """A clip as it was read: `frames` uint8 [N, H, W, 3] at `fps`, already as small as the view allows, and
    `wide`: whether the view goes sideways over it."""

    frames: np.ndarray
    fps: float
    wide: bool
    digest: str


def made_scene(layout: Layout, setting: Setting) -> Scene:
    """The world of a rendered plate: a floor and a wall full of small things before a camera at rest, and a
    ball that glides evenly past the part that the view shows at first."""
    from simbench.worlds import palette
    from simbench.worlds.families._stage import Stage

    split = "test" if test_only(layout) else "train"
    stage = Stage(random.Random(f"plates:{layout.seed}"), setting.look, split)
    rng, unit = stage.rng, min(setting.width, setting.height)
    lens = Lens(0.5 * layout.shape[0] / math.tan(math.radians(FOV) / 2), layout.shape)
    wall = stage.wall("wall", (0.0, 0.0, -WALL - 0.12), (30.0, 30.0, 0.12))
    seconds = (setting.frames - 1) / setting.fps
    bodies = [stage.floor(), wall, *_heap(stage, lens, unit / (CELLS + 2.0 * setting.difficulty))]
    ends = [rng.uniform(0.14, 0.24), rng.uniform(0.76, 0.86)]
    rng.shuffle(ends)
    first = rng.uniform(0.2, 0.8)
    ups = [first, min(max(first + rng.uniform(-0.15, 0.15), 0.15), 0.85)]
    start, stop = (
        lens.before(layout.corner[0] + x * setting.width, layout.corner[1] + y * setting.height, NEAR)
        for x, y in zip(ends, ups, strict=True)
    )
    speed = tuple((b - a) / seconds for a, b in zip(start, stop, strict=True))
    size = RADIUS * unit / lens.focal * NEAR
    ball = stage.thing(
        "glider", rng.choice(sorted(palette.colours(split))), size, palette.shape("ball"), bare=False
    )
    motion = (Segment(0.0, start, (speed[0], speed[1], speed[2])),)
    glider = Body(ball.name, ball.kind, ball.size, motion, ball.material, "mover")
    camera = Camera(constant(*EYE), constant(*TARGET), FOV)
    return Scene("plates", layout.seed, seconds, camera, (*bodies, glider), stage.light(), look=setting.look)


@dataclass(frozen=True)
class Lens:
    """The camera of rendered plates: focal length in px, and the plate's [H, W]."""

    focal: float
    shape: tuple[int, int]

    def ray(self, x: float, y: float) -> Vec:
        """The direction that pixel (x, y) sees, of length 1 along the axis; world frame."""
        # The camera looks along -z, a little down: its right is +x.
        fall, ahead = TARGET[1] - EYE[1], TARGET[2] - EYE[2]
        long = math.hypot(fall, ahead)
        fall, ahead = fall / long, ahead / long
        right, down = (x - 0.5 * self.shape[1]) / self.focal, (y - 0.5 * self.shape[0]) / self.focal
        return (right, fall + down * ahead, ahead - down * fall)

    def before(self, x: float, y: float, depth: float) -> Vec:
        """The place (metres) that pixel (x, y) sees `depth` metres along the axis."""
        ray = self.ray(x, y)
        return (EYE[0] + depth * ray[0], EYE[1] + depth * ray[1], EYE[2] + depth * ray[2])


def _heap(stage: Stage, lens: Lens, cell: float) -> list[Body]:
    """Small things, one about each `cell` px of the plate, where that pixel sees the floor or the wall."""
    from simbench.worlds import palette
    from simbench.worlds.families._stage import put

    rng, hues = stage.rng, sorted(palette.colours(stage.split))
    out: list[Body] = []
    for row in range(math.ceil(lens.shape[0] / cell)):
        for column in range(math.ceil(lens.shape[1] / cell)):
            x, y = (column + rng.uniform(0.1, 0.9)) * cell, (row + rng.uniform(0.1, 0.9)) * cell
            ray = lens.ray(x, y)
            to_wall = (-WALL - EYE[2]) / ray[2]
            to_floor = EYE[1] / -ray[1] if ray[1] < -1e-3 else math.inf
            depth = min(to_wall, to_floor)
            size = rng.uniform(0.2, 0.5) * cell / lens.focal * depth
            shape = rng.choice(palette.shapes(stage.split))
            thing = stage.thing(f"thing-{len(out)}", rng.choice(hues), size, shape)
            place = lens.before(x, y, depth - size)
            turn = (0.0, rng.uniform(-math.pi, math.pi), 0.0)
            out.append(put(thing, (Segment(0.0, place, turn=turn),)))
    return out


def test_only(layout: Layout) -> bool:
    """A rendered plate with textures and colours that training never shows."""
    return not layout.clip and layout.seed % 3 == 0


def scene_of(layout: Layout, setting: Setting) -> Scene:
    """The world behind a case; for footage one without anything in it."""
    if not layout.clip:
        return made_scene(layout, setting)
    camera = Camera(constant(0.0, 0.0, 0.0), constant(0.0, 0.0, -1.0))
    return Scene("plates", layout.seed, (setting.frames - 1) / setting.fps, camera, ())


def load(layout: Layout, setting: Setting, folder: str, rate: float) -> Plate:
    """The plate of a case. UserError where the footage is not what it was when the case was made."""
    if layout.clip:
        found = footage(folder, layout.clip, setting, rate)
        if found.digest != layout.digest:
            raise UserError(f"plates.folder={folder}: {layout.clip} has changed since; run the command anew")
        return cut(found, layout.start, setting)
    return _made(dataclasses.replace(layout, trial="pan", side="left"), setting)


@lru_cache(maxsize=4)
def _made(layout: Layout, setting: Setting) -> Plate:
    """A rendered plate. Some are kept: both cases of a scene show it, and cheats come back to others."""
    from simbench.worlds.film import render_scene

    scene = made_scene(layout, setting)
    larger = dataclasses.replace(setting, width=layout.shape[1], height=layout.shape[0])
    frames = render_scene(scene, larger)
    return Plate(frames, np.median(frames, axis=0).astype(np.uint8))


def names(folder: str) -> tuple[str, ...]:
    """Names of the clips in a folder: video files, and folders of pictures. UserError where there is none."""
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UserError(f"plates.folder={folder} is not a folder; give one that holds clips")
    found = sorted(
        p.name
        for p in place.iterdir()
        if not p.name.startswith(".") and (p.is_dir() or p.suffix.lower() in SUFFIXES)
    )
    if not found:
        raise UserError(
            f"plates.folder={folder} holds no clip; put video files ({' '.join(SUFFIXES)}) or folders of png"
            " or jpg frames into it"
        )
    return tuple(found)


def label(folder: str) -> str:
    """8 hex digits that tell one set of clips from another: names and bytes of every file in `folder`, not
    their contents, which may be many gigabytes."""
    place = Path(folder).expanduser()
    files = sorted(
        p for name in names(folder) for p in [place / name, *(place / name).glob("*")] if p.is_file()
    )
    told = "\n".join(f"{p.relative_to(place).as_posix()} {p.stat().st_size}" for p in files)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


@lru_cache(maxsize=1)
def footage(folder: str, clip: str, setting: Setting, rate: float) -> Footage:
    """The first LENGTHS clips' worth of a file, shrunk until the view just has its way over it; the last is
    kept. `rate` is that of folders of pictures.

    UserError: cannot be decoded, too short, too slow, too small.
    """
    from simbench.resample import resized
    from simbench.video import VideoError, decode

    path, where = Path(folder).expanduser() / clip, f"plates.folder={folder}: {clip}"
    try:
        fps = decode(path, limit_frames=8, fps=rate).fps
        wanted = math.ceil((setting.frames - 1) * fps / setting.fps) + 1
        video = decode(path, limit_frames=math.ceil(LENGTHS * wanted), fps=rate)
    except VideoError as error:
        raise UserError(f"plates.folder={folder}: {error}") from error
    if fps < setting.fps * (1 - 1e-3):
        raise UserError(f"{where} has {fps:g} frames a second, {setting.fps:g} are asked; use fps={fps:g}")
    if len(video.frames) < wanted:
        raise UserError(
            f"{where} has {len(video.frames)} frames at {fps:g} fps, {wanted} are needed for frames="
            f"{setting.frames} at fps={setting.fps:g}; take it out, or use a smaller frames="
        )
    high, wide = video.frames.shape[1:3]
    sizes = {way: least(setting, way) for way in (True, False)}
    scales = {way: max(x / wide, y / high) for way, (x, y) in sizes.items()}
    way = scales[True] <= scales[False]
    if scales[way] > 1.0:
        x, y = sizes[way]
        raise UserError(
            f"{where} is {wide}x{high} px, size={setting.width}x{setting.height} needs {x}x{y} at least; take"
            " it out, or use a smaller size="
        )
    size = (max(round(scales[way] * wide), sizes[way][0]), max(round(scales[way] * high), sizes[way][1]))
    frames = resized(video.frames, *size)
    return Footage(frames, fps, way, hashlib.sha256(frames.tobytes()).hexdigest())


def starts(found: Footage, setting: Setting) -> int:
    """How many frames of the footage a clip may begin with."""
    return len(found.frames) - math.ceil((setting.frames - 1) * found.fps / setting.fps)


def cut(found: Footage, start: int, setting: Setting) -> Plate:
    """A plate that begins with frame `start` of the footage, each frame the nearest in time."""
    at = np.rint(start + np.arange(setting.frames) * found.fps / setting.fps).astype(int)
    ground = np.median(found.frames[:: max(1, len(found.frames) // 32)], axis=0).astype(np.uint8)
    return Plate(found.frames[np.minimum(at, len(found.frames) - 1)], ground)
