"""What paint is where on a canvas: a map of texels by palette colour, in the canvas's own plane.

A frame is registered to the true view of the canvas without brush and passer-by, its brightness is brought
onto that view's, and the canvas is sampled through the homography of the true camera. A texel is a mixture
of the canvas's white, one paint, and what is neither.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.arrays import channel_max, channel_mean, median
from simbench.case import Setting
from simbench.instruments.registration import register
from simbench.worlds import palette
from simbench.worlds.families import canvas
from simbench.worlds.families.canvas import HIGH, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Paint, Scene

INSIDE = 0.62
"""Texels cover the canvas to this far from its middle, metres: its rim mixes with the frame."""
OPAQUE, CLEAR = 0.8, 0.2
"""Shares of paint that count as all and as none: rims and grain in between."""
ODD, STRANGE = 45.0, 105.0
"""How far (levels) a colour may lie from every mixture; beyond the latter it is wholly something else."""
DARK = 8.0
"""Added to levels before their logarithm."""


@dataclass(frozen=True)
class View:
    """A canvas under a camera. `plate` float32 [T, H, W, 3], 0-255: the view without brush and passer-by;
    `uv` float32 [T, N, N, 2]: pixels of the texels, rows from the top; `ink` float32 [K + 1, 3]: white and
    the paints as they look; `inside` bool [T, N, N]: in view."""

    plate: np.ndarray
    uv: np.ndarray
    ink: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True)
class Reading:
    """`parts` float32 [F, N, N, K + 2]: shares of white, each paint and what is neither; `readable` bool [F];
    `drift` [F]: root mean square displacement as a share of the width."""

    parts: np.ndarray
    readable: np.ndarray
    drift: np.ndarray


def colours(layout: Layout) -> tuple[str, ...]:
    """Names of the paints: the brush's first."""
    return (layout.colour, *(colour for *_, colour in layout.old))


def without(layout: Layout, paints: Sequence[Paint] | None = None) -> Scene:
    """The scene without brush and passer-by, with other paint if some is given."""
    scene = canvas.stage(layout)
    bodies = tuple(b for b in scene.bodies if b.name not in ("brush", "handle", "board"))
    chosen = scene.paints if paints is None else tuple(paints)
    return dataclasses.replace(scene, bodies=bodies, paints=chosen)


@lru_cache(maxsize=8)
def film(layout: Layout, setting: Setting) -> np.ndarray:
    """The truth uint8 [T, H, W, 3]. The last eight are kept, read only."""
    out = render_scene(canvas.stage(layout), setting)
    out.setflags(write=False)
    return out


def side(setting: Setting) -> int:
    """Texels along the canvas: one a pixel, up to 48."""
    return int(np.clip(round(2 * INSIDE / 1.98 * min(setting.width, setting.height)), 16, 48))


def texels(count: int) -> np.ndarray:
    """Places [N, N, 2] of the texels on the canvas, metres, rows from the top."""
    at = ((np.arange(count) + 0.5) / count * 2.0 - 1.0) * INSIDE
    x, y = np.meshgrid(at, -at)
    return np.stack([x, y], axis=-1)


def project(poses: np.ndarray, intrinsics: np.ndarray, count: int) -> np.ndarray:
    """Pixels float32 [T, N, N, 2] of the texels; pixel centres are whole numbers. NaN behind the eye."""
    places = texels(count)
    world = np.concatenate([places, np.zeros((count, count, 1))], axis=-1) + np.array([0.0, HIGH, 0.0])
    local = np.einsum("tij,uvj->tuvi", poses[:, :3, :3], world) + poses[:, None, None, :3, 3]
    depth = np.where(local[..., 2:] > 1e-6, local[..., 2:], np.nan)
    focal = np.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], axis=-1)[:, None, None]
    return (local[..., :2] / depth * focal + intrinsics[:, None, None, :2, 2] - 0.5).astype(np.float32)


def view(
    layout: Layout, setting: Setting, poses: np.ndarray, intrinsics: np.ndarray, plate: np.ndarray
) -> View:
    """What the reader needs: `plate` uint8 [T, H, W, 3] is the view without brush and passer-by."""
    uv = project(poses, intrinsics, side(setting))
    with np.errstate(invalid="ignore"):
        inside = (uv >= 0.5).all(axis=-1) & (uv[..., 0] <= setting.width - 1.5)
        inside &= uv[..., 1] <= setting.height - 1.5
    return View(plate.astype(np.float32), np.nan_to_num(uv, nan=-9.0), ink(layout, setting), inside)


@lru_cache(maxsize=4)
def _white(look: str, setting: Setting) -> np.ndarray:
    """The canvas's white float64 [3] as it looks, 0-255: it is flat, and its light does not change."""
    bare = without(canvas.sample(0, look=look), ())
    one = dataclasses.replace(setting, width=8, height=8, frames=1)
    return render_scene(bare, one, [0])[0, 3:5, 3:5].reshape(-1, 3).mean(axis=0)


def ink(layout: Layout, setting: Setting) -> np.ndarray:
    """White and the paints as they look under the light of the scene, float32 [K + 1, 3]."""
    white = _white(layout.look, setting)
    paints = np.array([palette.rgb(name) for name in colours(layout)])
    return np.concatenate([white[None], paints / np.array(canvas.WHITE) * white]).astype(np.float32)


def compose(colour: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Shares [..., K + 2] of white, paints and neither in colours [..., 3]: the paint whose mixtures with
    white come nearest, its share sharpened, and how far off all mixtures the colour is."""
    off = colour - ink[0]
    ways = ink[1:] - ink[0]
    share = np.clip(off @ ways.T / (ways * ways).sum(axis=-1), 0.0, 1.0)
    miss = np.linalg.norm(off[..., None, :] - share[..., None] * ways, axis=-1)
    best = miss.argmin(axis=-1)
    amount = np.take_along_axis(share, best[..., None], axis=-1)[..., 0]
    least = np.take_along_axis(miss, best[..., None], axis=-1)[..., 0]
    amount = np.clip((amount - CLEAR) / (OPAQUE - CLEAR), 0.0, 1.0)
    odd = np.clip((least - ODD) / (STRANGE - ODD), 0.0, 1.0)
    out = np.zeros((*best.shape, len(ink) + 1), np.float32)
    out[..., 0] = (1.0 - odd) * (1.0 - amount)
    np.put_along_axis(out, best[..., None] + 1, ((1.0 - odd) * amount)[..., None], axis=-1)
    out[..., -1] = odd
    return out


def sampled(frames: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Colours float32 [F, N, N, 3] of frames float32 [F, H, W, 3] at pixels [F, N, N, 2]."""
    import cv2

    pace = float(np.abs(np.diff(uv[:, :, :, 0], axis=2)).mean()) if len(uv) else 1.0
    blur = 0.35 * np.sqrt(max(pace * pace - 1.2, 0.0))
    out = np.empty((*uv.shape[:3], 3), np.float32)
    for k, frame in enumerate(frames):
        soft = cv2.GaussianBlur(frame, (0, 0), blur) if blur > 0.2 else frame
        out[k] = cv2.remap(
            soft, uv[k, ..., 0], uv[k, ..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return out


def read(view: View, frames: np.ndarray, index: Sequence[int], spare: np.ndarray | None = None) -> Reading:
    """Read frames `index` of a video uint8 [T, H, W, 3]. `spare` float32 [T, H, W]: how paint that may or may
    not have come changes the view; it does not pull at the registration."""
    at = list(index)
    plate = view.plate[at]
    found = register(frames[at], plate, free=None if spare is None else spare[at])
    parts, readable = [], []
    for seen, goal, uv in zip(found.frames, plate, view.uv[at], strict=True):
        level, good = relit(seen, goal)
        parts.append(compose(sampled(level[None], uv[None])[0], view.ink))
        readable.append(good)
    return Reading(np.array(parts), np.array(readable, bool), found.drift)


def relit(seen: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, bool]:
    """A frame float32 [H, W, 3] in the brightness of its true view `goal`, and whether it shows that view.

    log(seen) = a_c + b log(goal) + d x + e y: tint, gamma and a ramp of light; robust to other paint.
    """
    height, width = seen.shape[:2]
    step = max(1, int(np.sqrt(height * width / 900.0)))
    y, x = (g / max(width, height) - 0.5 for g in np.mgrid[:height, :width].astype(np.float32))
    out = np.log(np.maximum(seen, 0.0) + DARK)
    want = np.log(goal + DARK)
    middle = float(want.mean())
    few = (slice(step // 2, None, step), slice(step // 2, None, step))
    rows = np.zeros((3, x[few].size, 6), np.float64)
    for c in range(3):
        rows[c, :, c] = 1.0
    rows[:, :, 3] = np.moveaxis(want[few] - middle, -1, 0).reshape(3, -1)
    rows[:, :, 4], rows[:, :, 5] = x[few].ravel(), y[few].ravel()
    design = rows.reshape(-1, 6)
    target = np.moveaxis(out[few], -1, 0).ravel().astype(np.float64) - middle
    # Held to no change where the frame does not say otherwise.
    pull = np.diag([1e-3, 1e-3, 1e-3, 1.0, 1.0, 1.0])
    home = pull @ np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    weight = np.ones(len(target))
    for _ in range(4):
        heavy = design * weight[:, None]
        fit = np.linalg.solve(heavy.T @ design + pull, heavy.T @ target + home)
        left = np.abs(target - design @ fit)
        cut = 4.0 * max(0.015, 1.48 * float(median(left)))
        weight = np.where(left < cut, (1.0 - (left / cut) ** 2) ** 2, 0.0)
    slope = float(np.clip(fit[3], 0.5, 2.0))
    ramp = (fit[4] * x + fit[5] * y)[..., None]
    level = np.exp((out - middle - fit[:3] - ramp) / slope + middle) - DARK
    level = np.clip(level, 0.0, 300.0).astype(np.float32)
    return level, _alike(level, goal)


def _alike(level: np.ndarray, goal: np.ndarray) -> bool:
    """Does a frame show its true view, whatever is painted: half of its pixels nearly, and light and dark?"""
    off = channel_max(np.abs(level - goal))
    a, b = channel_mean(level), channel_mean(goal)
    a, b = a - a.mean(), b - b.mean()
    both = float((a * b).sum()) / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6)
    return bool((off < 40.0).mean() > 0.5 and both > 0.35)
