"""What the encoder is taught about a clip: the state of its world, which is known exactly, and its damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.clips.pool import Pool
from model.clips.worlds import draw_scene
from model.data import Sample
from model.features.damage import KINDS
from simbench.errors import UserError
from simbench.progress import progress
from simbench.worlds import families, palette
from simbench.worlds.captions import objects
from simbench.worlds.compile import CompiledClip, compile_scene
from simbench.worlds.render import trace
from simbench.worlds.scene import Scene

FAMILIES = families.names()
COLOURS = tuple(palette.colours("train"))
STATE = (
    "objects", "depth", "size", "turn-x", "turn-y", "turn-z", "way-x", "way-y", "way-z", "turning", "going",
    "speed-x", "speed-y", "moving",
)  # fmt: skip
"""Numbers of a window; see `window_state`."""
SIZES = {
    "family": len(FAMILIES),
    "look": 1,
    "colours": len(COLOURS),
    "state": len(STATE),
    "damage": len(KINDS),
}
"""Outputs of every head."""
RAYS = 8


@dataclass(frozen=True)
class Still:
    """What holds for all of a clip: index in FAMILIES, whether the look is rich, float32 [COLOURS] 1 where an
    object has that colour, the logarithm of one more than their number, and of the mean depth in metres."""

    family: int
    rich: float
    colours: np.ndarray
    objects: float
    depth: float


@dataclass(frozen=True)
class Taught:
    """Clips of several pools, one after the other, with what is known about each."""

    pools: tuple[Pool, ...]
    stills: tuple[Still, ...]

    def __len__(self) -> int:
        return len(self.stills)

    def sample(self, index: int) -> Sample:
        """Clip `index` of all pools together."""
        for pool in self.pools:
            if index < len(pool):
                return pool.sample(index)
            index -= len(pool)
        raise IndexError("no such clip")


def taught(pools: Sequence[Pool]) -> Taught:
    """The clips of `pools`; their scenes are drawn anew, without pixels, for what a pool does not hold.

    UserError for pools of several lengths or sizes.
    """
    forms = {(p.mix.width, p.mix.height, p.mix.frames) for p in pools}
    if len(forms) != 1:
        raise UserError(f"the pools hold clips of {len(forms)} sizes or lengths; make them all alike")
    stills = []
    with progress("scenes", sum(len(p) for p in pools)) as bar:
        for pool in pools:
            for index in range(len(pool)):
                stills.append(_still(pool, index))
                bar.step()
    return Taught(tuple(pools), tuple(stills))


def _still(pool: Pool, index: int) -> Still:
    scene = draw_scene(pool.mix, pool.seed, index)
    shown = objects(scene)
    return Still(
        family=FAMILIES.index(scene.family),
        rich=float(scene.look == families.LOOKS[1]),
        colours=_colours(scene),
        objects=float(np.log1p(len(shown))),
        depth=_depth(compile_scene(scene, 1, pool.mix.fps), pool.mix.width / pool.mix.height),
    )


def _colours(scene: Scene) -> np.ndarray:
    shown = [body.material.colour.at(0.0)[:3] for body in objects(scene)]
    near = np.zeros(len(COLOURS), np.float32)
    for red, green, blue in shown:
        distances = [palette.distance((red, green, blue), palette.rgb(name)) for name in COLOURS]
        if min(distances) < 0.1:
            near[int(np.argmin(distances))] = 1.0
    return near


def _depth(compiled: CompiledClip, aspect: float) -> float:
    """Mean logarithm of depth in metres over RAYS x RAYS rays of the first frame, the sky left out."""
    steps = ((np.arange(RAYS) + 0.5) / RAYS * 2.0 - 1.0) * compiled.tangent
    u, v = np.meshgrid(steps * aspect, steps)
    depth, _ = trace(compiled, np.stack([u.ravel(), v.ravel()], -1).astype(np.float32)[None])
    seen = depth[depth > 0]
    return float(np.log(seen).mean()) if seen.size else float(np.log(100.0))


def window_state(still: Still, sample: Sample, start: int, frames: int) -> np.ndarray:
    """STATE float32 of a window of a clip.

    Logarithms of number and depth; root of the share of pixels that movers cover; the camera's turn (rotation
    vector, radians) and way (in mean depths) from first to last frame and the mean length of both from frame
    to frame, times the number of steps; mean velocity of the movers' centre and its mean length, in image
    widths over the window; 0 where fewer than two frames in a row show a mover.
    """
    assert sample.camera is not None and sample.mask is not None
    steps = frames - 1
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, :3] = sample.camera[start : start + frames]
    each = poses[1:] @ np.linalg.inv(poses[:-1])
    whole = poses[-1] @ np.linalg.inv(poses[0])
    scale = float(np.exp(still.depth))
    turning = np.linalg.norm(_turns(each[:, :3, :3]), axis=-1).mean() * steps
    going = np.linalg.norm(each[:, :3, 3], axis=-1).mean() / scale * steps
    mask = sample.mask[start : start + frames] > 0
    share, centres = _centres(mask)
    moved = np.diff(centres, axis=0)
    moved = moved[np.isfinite(moved).all(axis=1)]
    mean = moved.mean(axis=0) * steps if len(moved) else np.zeros(2)
    length = np.linalg.norm(moved, axis=1).mean() * steps if len(moved) else 0.0
    return np.array(
        [
            still.objects, still.depth, np.sqrt(share), *_turns(whole[None, :3, :3])[0],
            *(whole[:3, 3] / scale), turning, going, *mean, length,
        ],
        np.float32,
    )  # fmt: skip


def _turns(rotations: np.ndarray) -> np.ndarray:
    """Rotation vectors [N, 3] of matrices [N, 3, 3] that turn by less than half a turn."""
    skew = rotations - np.swapaxes(rotations, 1, 2)
    axis = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=-1) / 2.0
    sine = np.linalg.norm(axis, axis=-1)
    angle = np.arctan2(sine, (np.trace(rotations, axis1=1, axis2=2) - 1.0) / 2.0)
    return axis * (angle / np.maximum(sine, 1e-9))[:, None]


def _centres(mask: np.ndarray) -> tuple[float, np.ndarray]:
    """Share of True in [T, H, W] and the centre (x, y) of True in every frame in sides, NaN without any."""
    height, width = mask.shape[1:]
    area = mask.sum(axis=(1, 2)).astype(np.float64)
    safe = np.where(area > 0, area, np.nan)
    x = (mask.sum(axis=1) * (np.arange(width) + 0.5)).sum(axis=1) / safe / width
    y = (mask.sum(axis=2) * (np.arange(height) + 0.5)).sum(axis=1) / safe / height
    return float(area.sum() / mask.size), np.stack([x, y], axis=-1)
