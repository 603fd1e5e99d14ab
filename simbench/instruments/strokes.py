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
from simbench.instruments.registration import matrix, register
from simbench.worlds import palette
from simbench.worlds.families import canvas
from simbench.worlds.families.canvas import HIGH, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Paint, Scene

INSIDE = 0.62
"""Texels cover the canvas to this far from its middle, metres: its rim mixes with the frame."""
OPAQUE, CLEAR = 0.72, 0.28
"""Shares of paint that count as all and as none: rims and grain in between."""
ODD, STRANGE = 45.0, 105.0
"""How far (levels) a colour may lie from every mixture; beyond the latter it is wholly something else."""
SOFT = 0.75
"""Blur, in pixels or texels, whichever are larger, before truth and video are sampled alike: a video that was
resampled by a fraction of a pixel is softer, and rims are half of a thin stroke."""
DARK = 3.0
"""Added to levels before their logarithm."""
MIDDLE = 4.8
"""Logarithms are taken from here, the middle of a scene."""


@dataclass(frozen=True)
class View:
    """A canvas under a camera. `plate` float32 [T, H, W, 3], 0-255: the view without brush, passer-by and new
    paint; `still` bool [T, H, W]: pixels that no new paint comes to; `uv` float32 [T, N, N, 2]: pixels of the
    texels, rows from the top; `ink` float32 [K + 1, 3]: white and the paints as they look; `inside` bool
    [T, N, N]: in view."""

    plate: np.ndarray
    still: np.ndarray
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
    return int(np.clip(round(2 * INSIDE / canvas.SEEN * min(setting.width, setting.height)), 16, 48))


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
    layout: Layout,
    setting: Setting,
    poses: np.ndarray,
    intrinsics: np.ndarray,
    plate: np.ndarray,
    others: Sequence[np.ndarray] = (),
) -> View:
    """What the reader needs. `plate` uint8 [T, H, W, 3] is the view without brush, passer-by and new paint,
    `others` are such views with new paint."""
    uv = project(poses, intrinsics, side(setting))
    with np.errstate(invalid="ignore"):
        inside = (uv >= 0.5).all(axis=-1) & (uv[..., 0] <= setting.width - 1.5)
        inside &= uv[..., 1] <= setting.height - 1.5
    still = np.ones(plate.shape[:3], bool)
    for other in others:
        still &= channel_max(np.abs(other.astype(np.int16) - plate)) < 6
    return View(plate.astype(np.float32), still, np.nan_to_num(uv, nan=-9.0), ink(layout, setting), inside)


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
    blur = SOFT * max(pace, 1.0)
    out = np.empty((*uv.shape[:3], 3), np.float32)
    for k, frame in enumerate(frames):
        soft = cv2.GaussianBlur(frame, (0, 0), blur)
        u, v = (np.ascontiguousarray(uv[k, ..., i]) for i in (0, 1))
        out[k] = cv2.remap(soft, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return out


def read(view: View, frames: np.ndarray, index: Sequence[int]) -> Reading:
    """Read frames `index` of a video uint8 [T, H, W, 3].

    Light first, since a ramp of it looks like a shift; then the camera; then both again where it had moved.
    Each frame is sampled once, where registration and the true camera put its texels: to warp it first would
    blur what is 3 px wide.
    """
    at = list(index)
    height, width = frames.shape[1:3]
    plate, still = view.plate[at], view.still[at]
    seen = frames[at].astype(np.float32)
    level, readable = relit(seen, seen, plate, still)
    shift, drift = _registered(level, plate)
    there = np.array([matrix(s, height, width) for s in shift]).reshape(-1, 1, 1, 2, 3)
    moved = np.flatnonzero(drift > 0)
    if len(moved):
        near = np.stack([_warped(level[k], there[k, 0, 0]) for k in moved])
        level[moved], readable[moved] = relit(level[moved], near, plate[moved], still[moved])
    uv = view.uv[at]
    place = ((there[..., :2] @ uv[..., None])[..., 0] + there[..., 2]).astype(np.float32)
    return Reading(compose(sampled(level, place), view.ink), readable, drift)


def _warped(frame: np.ndarray, there: np.ndarray) -> np.ndarray:
    """A frame float32 [H, W, 3] on the true view's grid; `there` [2, 3] maps pixels of it to the frame's."""
    import cv2

    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, there, frame.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _registered(level: np.ndarray, plate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Similarities [F, 4] of frames float32 [F, H, W, 3] to their true views, and drift [F]. Small images are
    registered enlarged: between coarse pixels, interpolation alone looks like a shift."""
    import cv2

    height, width = plate.shape[1:3]
    shift, drift = np.zeros((len(level), 4)), np.zeros(len(level))
    loose = [k for k in range(len(level)) if not _in_place(level[k], plate[k])]
    if not loose:
        return shift, drift
    larger = max(1, 64 // min(height, width))
    size = (larger * width, larger * height)
    both = [part[loose] for part in (level, plate)]
    if larger > 1:
        both = [np.stack([cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in part]) for part in both]
    found = register(both[0], both[1])
    shift[loose] = found.shift / np.array([1.0, 1.0, larger, larger])
    drift[loose] = found.drift
    return shift, drift


def _in_place(level: np.ndarray, plate: np.ndarray) -> bool:
    """Do most edges of a true view [H, W, 3] lie where a frame has them, to a twentieth of a pixel?"""
    want = channel_mean(plate)
    edges = np.hypot(*np.gradient(want)) > 8.0
    return bool(edges.any() and np.median(np.abs(channel_mean(level) - want)[edges]) < 1.5)


def relit(
    seen: np.ndarray, near: np.ndarray, goal: np.ndarray, still: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Frames `seen` [F, H, W, 3] in the light of their true views `goal`, and which show those views at all
    [F]; `near` are the frames on the grid of the views."""
    fit, slope, readable = tones(near, goal, still)
    height, width = seen.shape[1:3]
    y, x = (g.astype(np.float32) / max(width, height) - 0.5 for g in np.mgrid[:height, :width])
    place = np.stack([x, y], axis=-1)[None, :, :, None]
    return _undone(seen, place, fit[:, None, None], slope[:, None, None]), readable


def _undone(colour: np.ndarray, place: np.ndarray, fit: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Colours [..., 3] at places [..., 1, 2] (shares of the image) in the brightness of the true view."""
    ramp = fit[..., 4:5] * place[..., 0] + fit[..., 5:6] * place[..., 1]
    log = np.log(np.maximum(colour, 0.0) + DARK)
    level = np.exp((log - MIDDLE - fit[..., :3] - ramp) / slope[..., None] + MIDDLE) - DARK
    return np.clip(level, 0.0, 300.0).astype(np.float32)


def tones(seen: np.ndarray, goal: np.ndarray, still: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How registered frames float32 [F, H, W, 3] differ in light from their true views `goal`: fits [F, 6]
    and slopes [F] for `_undone`; and which show those views at all, bool [F].

    log(seen) = a_c + b log(goal) + d x + e y: tint, gamma and a ramp of light, over pixels `still` [F, H, W]
    that no command changes; robust, since other paint may lie there.
    """
    count, height, width = seen.shape[:3]
    step = max(1, int(np.sqrt(height * width / 600.0)))
    y, x = (g.astype(np.float32) / max(width, height) - 0.5 for g in np.mgrid[:height, :width])
    few = (slice(step // 2, None, step), slice(step // 2, None, step))
    pixels = x[few].size
    part, want, use = (a[(slice(None), *few)].reshape(count, pixels, -1) for a in (seen, goal, still))
    logs = (np.log(np.maximum(part, 0.0) + DARK) - MIDDLE).reshape(count, -1)
    design = np.zeros((count, pixels, 3, 6), np.float32)
    for c in range(3):
        design[:, :, c, c] = 1.0
    design[..., 3] = np.log(want + DARK) - MIDDLE
    design[..., 4], design[..., 5] = x[few].reshape(1, -1, 1), y[few].reshape(1, -1, 1)
    design = design.reshape(count, -1, 6)
    weight = np.repeat(use.reshape(count, pixels), 3, axis=1).astype(np.float32)
    first = weight
    # Held to no change where the frame does not say otherwise.
    pull = np.diag([1e-2, 1e-2, 1e-2, 1.0, 1.0, 1.0])
    home = pull @ np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    for _ in range(3):
        heavy = np.swapaxes(design * weight[..., None], 1, 2)
        normal, right = heavy @ design + pull, (heavy @ logs[..., None])[..., 0] + home
        fit = np.linalg.solve(normal, right[..., None])[..., 0].astype(np.float32)
        left = np.abs(logs - (design @ fit[..., None])[..., 0])
        cut = 4.0 * np.maximum(0.03, 1.48 * median(left))[:, None]
        weight = np.where(left < cut, (1.0 - (left / cut) ** 2) ** 2, 0.0) * first
    slope = np.clip(fit[:, 3], 0.5, 2.0)
    place = np.stack([x[few], y[few]], axis=-1).reshape(1, pixels, 1, 2)
    level = _undone(part, place, fit[:, None], slope[:, None])
    return fit, slope, _alike(level, want, use[..., 0])


def _alike(level: np.ndarray, goal: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Do frames [F, P, 3] show their true views, whatever is painted? bool [F]: half of the pixels in `use`
    [F, P] nearly, and light and dark where they are."""
    total = np.maximum(use.sum(axis=1), 1)[:, None]
    near = ((channel_max(np.abs(level - goal)) < 40.0) & use).sum(axis=1, keepdims=True) / total
    a, b = channel_mean(level), channel_mean(goal)
    a, b = ((v - (v * use).sum(axis=1, keepdims=True) / total) * use for v in (a, b))
    both = (a * b).sum(axis=1) / np.maximum(np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)), 1e-6)
    return np.asarray((near[:, 0] > 0.5) & (both > 0.35))
