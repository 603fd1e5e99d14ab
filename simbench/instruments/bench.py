"""What the readers of an occluder case compare a video with, rendered once per case from its truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Setting
from simbench.instruments.decoder import paste
from simbench.instruments.hypotheses import Sprite
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Scene


@dataclass(frozen=True)
class Bench:
    """One case, rendered. Pixels are 0-255 float32, the image's pixel centres at integers.

    `truth` [T, H, W, 3]; `plate` [T or 1, H, W, 3] the stage without the objects; `seen` [T or 1, H, W]
    1 where nothing stands before the objects; `centres` [N, T, 2] (x, y) pixels, hidden or not;
    `outlines` per object {shape: soft silhouette [h, w]}; `sprites` the same as re-rendered looks;
    `cover` [N, T, H, W] soft visible coverage; `diameter` pixels.
    """

    layout: Layout
    setting: Setting
    truth: np.ndarray
    plate: np.ndarray
    seen: np.ndarray
    centres: np.ndarray
    outlines: tuple[Mapping[str, np.ndarray], ...]
    sprites: tuple[Mapping[str, Sprite], ...]
    cover: np.ndarray
    diameter: float

    def at(self, array: np.ndarray, frame: int) -> np.ndarray:
        """Frame of an array that may hold one frame for all."""
        return array[min(frame, len(array) - 1)]


def render_layout(layout: Layout, setting: Setting, frames: Sequence[int] | None = None) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a layout at a setting (or only of some frames)."""
    if frames is not None:
        return render_scene(occluder.stage(layout), setting, frames)
    return _whole(layout, setting).copy()


@lru_cache(maxsize=1)
def _whole(layout: Layout, setting: Setting) -> np.ndarray:
    """The last clip is kept: a case's references, its oracle and its cheats all begin with the same one."""
    return render_scene(occluder.stage(layout), setting)


def prepare(layout: Layout, setting: Setting) -> Bench:
    """Render everything the readers need for one case."""
    scene = occluder.stage(layout)
    truth = render_layout(layout, setting).astype(np.float32)
    empty = scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover"))
    still = None if layout.cup is not None and layout.hidden else [0]
    plate = render_scene(empty, setting, still).astype(np.float32)
    seen = _seen(empty, setting, still)
    times = np.arange(setting.frames) / setting.fps
    centres = np.array([[occluder.centre(layout, lane, t) for t in times] for lane in layout.lanes])
    centres = pixels_of(centres, setting)
    sprites = _looks(dataclasses.replace(layout, hidden=False, post=None, cup=None), setting)
    outlines = tuple({name: sprite.cover for name, sprite in looks.items()} for looks in sprites)
    shapes = [outlines[i][lane.shape] for i, lane in enumerate(layout.lanes)]
    cover = coverage_of(shapes, centres, truth.shape[1:3])
    return Bench(
        layout=layout,
        setting=setting,
        truth=truth,
        plate=plate,
        seen=seen,
        centres=centres,
        outlines=outlines,
        sprites=sprites,
        cover=cover * seen[None],
        diameter=layout.diameter * setting.height,
    )


def coverage_of(outlines: Sequence[np.ndarray], centres: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Soft coverage [N, T, H, W] of outlines at centres [N, T, 2], with nothing before them."""
    return np.stack([paste(o, [(x, y) for x, y in c], shape) for o, c in zip(outlines, centres, strict=True)])


def pixels_of(points: np.ndarray, setting: Setting) -> np.ndarray:
    """Image-plane (u, v) [..., 2] as pixels (x, y), pixel centres at integers."""
    x = points[..., 0] * setting.height + (setting.width - 1) / 2
    y = (setting.height - 1) / 2 - points[..., 1] * setting.height
    return np.stack([x, y], axis=-1)


def _coverage(
    scene: Scene, setting: Setting, frames: Sequence[int] | None, groups: Sequence[Sequence[int]]
) -> list[np.ndarray]:
    """Soft share of each pixel that shows one of the bodies of a group: per group float32 [T, H, W]."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    compiled = compile_scene(scene, setting.frames, setting.fps)
    ids = render(compiled, 3 * setting.width, 3 * setting.height, 1, only=frames).ids
    out = []
    for group in groups:
        hit = np.isin(ids, group).astype(np.float32)
        out.append(hit.reshape(len(ids), setting.height, 3, setting.width, 3).mean(axis=(2, 4)))
    return out


def _seen(empty: Scene, setting: Setting, frames: Sequence[int] | None) -> np.ndarray:
    screens = [i for i, body in enumerate(empty.bodies) if body.role == "occluder"]
    if not screens:
        return np.ones((1, setting.height, setting.width), np.float32)
    return 1.0 - _coverage(empty, setting, frames, [screens])[0]


@lru_cache(maxsize=2)
def _looks(layout: Layout, setting: Setting) -> tuple[Mapping[str, Sprite], ...]:
    """Re-rendered looks of every object in every shape, centred on odd patches, on the open stage `layout`.

    Kept, since the trials of a scene are on few stages: exit and stay, hidden or not, all open to one.
    """
    half = int(np.ceil(0.6 * layout.diameter * setting.height)) + 1
    sprites: list[dict[str, Sprite]] = [{} for _ in layout.lanes]
    spots = []
    for lane in layout.lanes:
        u, column = _inside(
            *_snap(lane.u, setting.width, setting.height), half, setting.width, setting.height
        )
        v, row = _inside(
            *_snap(lane.v, setting.height, -setting.height), half, setting.height, -setting.height
        )
        spots.append((u, v, slice(row - half, row + half + 1), slice(column - half, column + half + 1)))
    for shape in occluder.SHAPES:
        lanes = tuple(
            dataclasses.replace(lane, shape=shape, u=u, v=v, du=0.01, dv=0.0)
            for lane, (u, v, _, _) in zip(layout.lanes, spots, strict=True)
        )
        scene = occluder.stage(dataclasses.replace(layout, lanes=lanes))
        movers = [k for k, body in enumerate(scene.bodies) if body.role == "mover"]
        colour = render_scene(scene, setting, [0])[0].astype(np.float32)
        covers = _coverage(scene, setting, [0], [[k] for k in movers])
        for i, (_, _, rows, columns) in enumerate(spots):
            cover = np.ascontiguousarray(covers[i][0][rows, columns])
            sprites[i][shape] = _sprite(colour[rows, columns], cover)
    return tuple(sprites)


def _snap(value: float, size: int, scale: int) -> tuple[float, int]:
    """The nearest image-plane coordinate that falls on a pixel centre, and that pixel."""
    pixel = round(value * scale + (size - 1) / 2)
    return (pixel - (size - 1) / 2) / scale, pixel


def _inside(value: float, pixel: int, half: int, size: int, scale: int) -> tuple[float, int]:
    """Move a snapped coordinate so that a patch of `half` pixels on each side fits the image."""
    kept = min(max(pixel, half), size - 1 - half)
    return value + (kept - pixel) / scale, kept


def _sprite(colour: np.ndarray, cover: np.ndarray) -> Sprite:
    """The look of an object; its soft rim as it mixes in sRGB, the renderer averaging in linear light."""
    inside = cover > 0.95
    mean = colour[inside].mean(axis=0) if inside.any() else colour.mean(axis=(0, 1))
    ground = np.median(colour[cover < 0.01], axis=0)
    mixed = np.sqrt(cover[..., None] * mean**2 + (1 - cover[..., None]) * ground**2)
    axis = mean - ground
    rim = ((mixed - ground) @ axis / max(float(axis @ axis), 1.0)).astype(np.float32)
    colours = np.where(inside[..., None], colour, mean).astype(np.float32)
    return Sprite(colours, np.clip(rim, 0.0, 1.0))
