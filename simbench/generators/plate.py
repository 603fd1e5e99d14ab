"""What stands still in the given frames: the static plate, and how much of it movers cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simbench.arrays import channel_sum, median, squared
from simbench.generators.pixels import (
    dense_flow,
    distance,
    grow,
    noise_level,
    one_thread,
    shrink,
    threshold,
)
from simbench.generators.sweep import Swept, segment, swept_regions


@dataclass(frozen=True)
class Plate:
    """`rgb` float32 [H, W, 3], the scene without what moves; `mattes` float32 [k, H, W] in [0, 1], how much
    of a pixel is covered by something that moves; `noise` sd of the frames in levels; `flow` float32
    [k, H, W, 2] pixels per frame (the last frame's is backwards in time, negated)."""

    rgb: np.ndarray
    mattes: np.ndarray
    noise: float
    flow: np.ndarray


def _runs(frames: np.ndarray, limit: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """float32 [H, W, 3] twice: mean colour of each pixel before its first and after its last change."""
    from_start = np.cumsum(distance(frames, frames[:1], noise) > limit, axis=0) == 0
    from_end = np.cumsum((distance(frames, frames[-1:], noise) > limit)[::-1], axis=0)[::-1] == 0
    before = (frames * from_start[..., None]).sum(0) / from_start.sum(0)[..., None]
    after = (frames * from_end[..., None]).sum(0) / from_end.sum(0)[..., None]
    return before, after


def _nearest(colours: np.ndarray, samples: np.ndarray, most: int = 300) -> np.ndarray:
    """[N] distance of each colour to the nearest of (a fixed subset of) the samples."""
    from scipy.spatial import cKDTree

    return cKDTree(samples[:: max(1, len(samples) // most)]).query(colours)[0]


def _uncover(
    rgb: np.ndarray, unknown: np.ndarray, swept: Swept, frames: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """The plate with one swept region resolved, and which of its pixels were never seen free.

    Along the motion, what is left first lies within the travelled path of the region's rear end: there
    the plate is what a pixel shows at the end; everywhere else it is what it showed at first. Where that
    still looks more like the mover than like the surroundings, the mover never left.
    """
    import cv2
    from scipy import ndimage

    limit = threshold(noise)
    before, after = _runs(frames, limit, noise)
    path = swept.velocity * (len(frames) - 1)
    region = swept.region.astype(np.uint8)
    rear = swept.region & (cv2.erode(region, segment(-path), borderValue=0) == 0)
    last = swept.region & (cv2.erode(region, segment(-path / 2), borderValue=0) == 0)
    guess = np.where(rear[..., None], after, before)
    gone = np.sqrt(squared(before - guess))
    if not last.any() or gone[last].max() <= limit:
        return rgb, unknown
    mover = before[last & (gone > 0.7 * gone[last].max())]
    ring = ndimage.binary_dilation(swept.region, iterations=max(3, min(rgb.shape[:2]) // 10)) & ~swept.region
    around = rgb[ring & ~unknown]
    strange = _nearest(around, mover) > limit
    around = around[strange] if strange.sum() > len(around) / 4 else around
    rgb, unknown = rgb.copy(), unknown.copy()
    spot = swept.region
    options = np.stack([guess, np.where(rear[..., None], before, after)])[:, spot]
    alien = np.stack([_nearest(o, mover) < _nearest(o, around) for o in options])
    rgb[spot] = np.where((alien[0] & ~alien[1])[:, None], options[1], options[0])
    unknown[spot] = alien.all(axis=0)
    odd = np.zeros_like(spot)
    odd[spot] = _nearest(rgb[spot], around) > limit
    unknown |= grow(unknown & spot) & odd
    return rgb, unknown


def _continue(rgb: np.ndarray, unknown: np.ndarray, swept: Swept) -> np.ndarray:
    """`rgb` with the `unknown` pixels of a region continued along its motion, from where it came first.

    Things often slide along what is drawn along their path, so this direction keeps rails whole; ahead
    of them is what may soon hide them.
    """
    source = swept.region & ~unknown
    y, x = np.nonzero(unknown & swept.region)
    unit = swept.velocity / np.hypot(*swept.velocity)
    rgb, open_ = rgb.copy(), np.ones(len(y), bool)
    for sign in (-1.0, 1.0):
        ray = open_.copy()
        for step in range(1, max(rgb.shape[:2])):
            i = np.clip(np.rint(y + sign * step * unit[1]).astype(int), 0, rgb.shape[0] - 1)
            j = np.clip(np.rint(x + sign * step * unit[0]).astype(int), 0, rgb.shape[1] - 1)
            hit = ray & source[i, j]
            rgb[y[hit], x[hit]] = rgb[i[hit], j[hit]]
            open_ &= ~hit
            ray &= ~hit & swept.region[i, j]
            if not ray.any():
                break
    return _inpaint(rgb, y[open_], x[open_])


def _inpaint(rgb: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`rgb` float [H, W, 3] with the pixels (y, x) painted from around them (Telea 2004)."""
    import cv2

    hole = np.zeros(rgb.shape[:2], np.uint8)
    hole[y, x] = 1
    if len(y) == 0 or hole.all():
        return rgb
    image = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return np.where(hole[..., None] > 0, cv2.inpaint(image, hole, 3, cv2.INPAINT_TELEA), rgb)


def read_plate(frames: np.ndarray) -> Plate:
    """Split `frames` (uint8 [k, H, W, 3], k >= 2, still camera) into a static plate and mattes of movers."""
    pixels = frames.astype(np.float32)
    noise = noise_level(pixels)
    with one_thread():
        flow = dense_flow(pixels)
        rgb = median(pixels, axis=0)
        unknown = np.zeros(rgb.shape[:2], bool)
        for swept in swept_regions(pixels, flow, noise):
            rgb, unknown = _uncover(rgb, unknown, swept, pixels, noise)
            rgb = _continue(rgb, unknown & swept.region, swept)
    mattes = np.stack([matte(f, rgb, noise) for f in pixels])
    return Plate(rgb.astype(np.float32), mattes, noise, flow)


def refine(
    frames: np.ndarray,
    plate: Plate,
    covered: np.ndarray,
    inks: np.ndarray,
    paths: Sequence[Swept],
    stuck: np.ndarray,
) -> Plate:
    """The plate again, as the mean of the frames in which a pixel is not `covered` (bool [k, H, W]); where
    it is `stuck` (bool [H, W]) below a mover, it is continued along the `paths`.

    `inks` float32 [k, H, W, 3] is the colour that a mover would give to a pixel, negative where no one knows.
    """
    pixels = frames.astype(np.float32)
    times = (~covered).sum(axis=0)[..., None]
    mean = (pixels * ~covered[..., None]).sum(axis=0) / np.maximum(times, 1)
    rgb = np.where(times > 0, mean, plate.rgb).astype(np.float32)
    for path in paths:
        rgb = _continue(rgb, stuck & path.region, path).astype(np.float32)
    mattes = np.stack([matte(f, rgb, plate.noise, ink) for f, ink in zip(pixels, inks, strict=True)])
    return Plate(rgb, mattes, plate.noise, plate.flow)


def matte(frame: np.ndarray, plate: np.ndarray, noise: float, known: np.ndarray | None = None) -> np.ndarray:
    """float32 [H, W]: share of each pixel covered by what is not `plate`.

    The edge pixels are mixtures of the plate and of the `known` ink [H, W, 3] (negative: not known), or
    of the nearest colour further inside.
    """
    from scipy import ndimage

    gap = distance(frame, plate, noise)
    covered = gap > threshold(noise)
    if not covered.any():
        return np.zeros(gap.shape, np.float32)
    core = shrink(covered)
    core = core if core.any() else covered
    near = ndimage.distance_transform_edt(~core, return_distances=False, return_indices=True)
    ink = frame[near[0], near[1]]
    if known is not None:
        ink = np.where(known >= 0, known, ink)
    step = ink - plate
    share = channel_sum((frame - plate) * step) / np.maximum(squared(step), 1.0)
    return np.where(grow(covered), np.clip(share, 0.0, 1.0), 0.0).astype(np.float32)
