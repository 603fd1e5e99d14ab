"""The state decoder: where each known object is in a frame, by unmixing its colours from the plate.

A pixel of a frame is taken as (1 - a) plate + a colour; each object's colours are those it had in the
generated video itself before it was hidden, so a video that is tinted as a whole is read as well as
the truth. Connected regions of a are detections with place, area, elongation, opacity and outline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simbench.arrays import channel_sum, median, squared, weighted_fit

RIM = 2.0
"""How many times as far off its object's colours a pixel beside others of it may be: most codecs hold hues at
half the resolution, so that a rim takes on those of what is around it."""

SPECK = 0.12
"""Regions below this share of an object's own area are noise, not detections."""


@dataclass(frozen=True)
class Detection:
    """One region that looks like object `index`. Pixels: centre (x, y), `area` (sum of coverage),
    `elongation` (ratio of the principal standard deviations, 1 or more), `opacity` (mean coverage of
    its denser half); `cover` float32 [h, w] with its upper left pixel at (`left`, `top`).
    """

    index: int
    x: float
    y: float
    area: float
    elongation: float
    opacity: float
    cover: np.ndarray
    left: int
    top: int


@dataclass(frozen=True)
class Palette:
    """Colours of every object, float32 [N, M, 3], and `size` [N] area in pixels when in full view;
    `found` [N]: the object really was there."""

    colours: np.ndarray
    size: np.ndarray
    found: np.ndarray


def match_plate(frames: np.ndarray, plate: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The plate [T or 1, H, W, 3] in the colours of the video: one quadratic per channel, fitted
    robustly to all frames at once. A channel that does not vary gets an offset only."""
    out = np.empty_like(plate, dtype=np.float32)
    pixels = valid.size
    at = np.arange(0, pixels, max(1, pixels // 3000))
    at = at[valid.reshape(-1)[at]]
    rendered = plate.reshape(-1, 3)[at % plate[..., 0].size]
    shown = frames.reshape(-1, 3)[at]
    for c in range(3):
        x, y = rendered[:, c] / 255.0, shown[:, c]
        low, high = np.sort(x)[[len(x) // 50, -1 - len(x) // 50]]
        degree = 2 if high - low > 0.15 else 0
        weight = np.ones_like(x)
        off = y - x * 255.0
        design = np.stack([x**k for k in range(degree + 1)], axis=1)
        pull = 1e-3 * len(x) * np.eye(degree + 1)
        for _ in range(3):
            fit = weighted_fit(design, off, weight, pull)
            left = np.abs(off - design @ fit)
            cut = 4.0 * max(2.0, 1.48 * float(median(left)))
            weight = np.where(left < cut, (1 - (left / cut) ** 2) ** 2, 0.0)
        value = plate[..., c] / 255.0
        out[..., c] = plate[..., c] + sum(fit[k] * value**k for k in range(degree + 1))
    # A curve fitted to greys leaves the range of colours at black, where few pixels hold it.
    return np.clip(out, 0.0, 255.0)


def learn_palette(frames: np.ndarray, plate: np.ndarray, cover: np.ndarray, shades: int = 3) -> Palette:
    """Colours of each object from the frames before hiding.

    `frames`, `plate` float32 [K, H, W, 3]; `cover` float32 [N, K, H, W] in [0, 1]: where the object
    is in truth, soft. Objects may have been generated a little elsewhere: only pixels that differ from
    the plate count, and `found` is False where fewer than a third of the expected ones do.
    """
    colours = np.zeros((len(cover), shades, 3), np.float32)
    size = np.zeros(len(cover), np.float32)
    found = np.zeros(len(cover), dtype=bool)
    noise = _noise(frames - plate)
    for i, where in enumerate(cover):
        best = np.argsort(-where.reshape(len(where), -1).sum(axis=1))[:3]
        size[i] = where[best[0]].sum()
        inside = where[best] > 0.95
        pixels = frames[best][inside]
        ground = np.broadcast_to(plate, frames.shape)[best][inside]
        differs = np.abs(pixels - ground).max(axis=1) > max(12.0, 3.5 * noise)
        found[i] = differs.sum() >= max(3, len(pixels) / 3)
        if found[i]:
            colours[i] = _shades(pixels[differs], shades)
    return Palette(colours, size, found)


def _shades(pixels: np.ndarray, count: int) -> np.ndarray:
    """Representative colours along the principal axis of a set of pixels."""
    centre = pixels.mean(axis=0)
    _, _, axes = np.linalg.svd(pixels - centre, full_matrices=False)
    order = np.argsort((pixels - centre) @ axes[0])
    return np.stack([median(pixels[part], axis=0) for part in np.array_split(order, count)])


def _noise(difference: np.ndarray) -> float:
    return 1.48 * float(median(np.abs(difference).reshape(-1)))


def unmix(frames: np.ndarray, plate: np.ndarray, palette: Palette, valid: np.ndarray) -> np.ndarray:
    """Coverage of every object, float32 [N, T, H, W] in [0, 1]; each pixel belongs to one object.

    Pixels that no mixture of plate and object explains belong to none; more is allowed beside those that one
    does explain almost wholly (hysteresis, as between the two thresholds of Canny 1986).
    """
    count, shades = palette.colours.shape[:2]
    difference = frames - plate
    size = squared(difference)
    tolerance = max(40.0, 3.5 * _noise(difference))
    best = np.full(frames.shape[:3], RIM * tolerance, np.float32)
    owner = np.full(frames.shape[:3], -1, np.int16)
    alpha = np.zeros(frames.shape[:3], np.float32)
    for i in range(count):
        if not palette.found[i]:
            continue
        for j in range(shades):
            if j and np.abs(palette.colours[i, j] - palette.colours[i, j - 1]).max() < 4.0:
                continue
            direction = palette.colours[i, j] - plate
            power = np.maximum(squared(direction), 1.0)
            # A share above 0.2 needs a difference of more than 0.2 of the direction (Cauchy and Schwarz).
            at = np.nonzero(valid & (size > 0.039 * power))
            off = difference[at]
            along = np.broadcast_to(direction, difference.shape)[at]
            share = np.clip(channel_sum(off * along) / np.broadcast_to(power, size.shape)[at], 0.0, 1.05)
            left = np.sqrt(squared(off - share[..., None] * along))
            # A full match beats a faint mixture that explains the pixel as well.
            cost = left + 6.0 * (1.0 - np.minimum(share, 1.0))
            take = (cost < best[at]) & (share > 0.2)
            at = tuple(axis[take] for axis in at)
            best[at], owner[at], alpha[at] = cost[take], i, share[take]
    rim = (owner >= 0) & (best >= tolerance)
    if rim.any():
        owner[rim & ~_beside(owner, (alpha > 0.8) & ~rim)] = -1
    return np.stack([np.where(owner == i, np.minimum(alpha, 1.0), 0.0) for i in range(count)])


def _beside(owner: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Pixels of `owner` [T, H, W] that touch, or are, one of the `core` [T, H, W] with the same owner."""
    import cv2

    found = np.zeros(owner.shape, bool)
    for i in np.unique(owner[core]):
        own = owner == i
        for t in np.flatnonzero((own & core).any(axis=(1, 2))):
            grown = cv2.dilate((own & core)[t].astype(np.uint8), np.ones((3, 3), np.uint8))
            found[t] |= own[t] & (grown > 0)
    return found


def detect(cover: np.ndarray, index: int, size: float) -> list[Detection]:
    """Detections of object `index` in one frame, largest first.

    `cover` float32 [H, W] from `unmix`; `size` the object's full area in pixels.
    """
    import cv2

    if float(cover.sum()) < SPECK * size:
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats((cover > 0.3).astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, count):
        left, top, width, height = stats[label, :4]
        top, left = max(0, top - 1), max(0, left - 1)
        window = (slice(top, top + height + 2), slice(left, left + width + 2))
        # The soft rim below the threshold belongs to the region; another region's pixels do not.
        share = np.where((labels[window] == label) | (labels[window] == 0), cover[window], 0.0)
        area = float(share.sum())
        if area < SPECK * size:
            continue
        ys, xs = np.nonzero(share)
        weight = share[ys, xs] / area
        x, y = float((weight * xs).sum()), float((weight * ys).sum())
        core = np.sort(share[ys, xs])[-max(1, len(weight) // 2) :]
        moments = _elongation(xs - x, ys - y, weight)
        found.append(
            Detection(index, x + left, y + top, area, moments, float(core.mean()), share, int(left), int(top))
        )
    return sorted(found, key=lambda d: -d.area)


def _elongation(dx: np.ndarray, dy: np.ndarray, weight: np.ndarray) -> float:
    xx = float((weight * dx * dx).sum()) + 1 / 12
    yy = float((weight * dy * dy).sum()) + 1 / 12
    xy = float((weight * dx * dy).sum())
    spread = np.hypot((xx - yy) / 2, xy)
    middle = (xx + yy) / 2
    return float(np.sqrt((middle + spread) / max(middle - spread, 1e-3)))


def outline(
    detection: Detection,
    x: float,
    y: float,
    outlines: Mapping[str, np.ndarray],
    seen: np.ndarray,
    reach: float = 0.6,
) -> dict[str, float]:
    """How well soft silhouettes [h, w], all of one size, overlap a detection: name -> soft IoU in [0, 1].

    The silhouette's centre is tried within `reach` pixels of (x, y); `seen` float32 [H, W] is 0 where
    an occluder stands before the object.
    """
    margin = 2
    top, left = max(0, detection.top - margin), max(0, detection.left - margin)
    height = detection.cover.shape[0] + detection.top - top + margin
    width = detection.cover.shape[1] + detection.left - left + margin
    window = seen[top : top + height, left : left + width]
    share = np.zeros(window.shape, np.float32)
    oy, ox = detection.top - top, detection.left - left
    part = detection.cover[: window.shape[0] - oy, : window.shape[1] - ox]
    share[oy : oy + part.shape[0], ox : ox + part.shape[1]] = part
    fits = {}
    near = _around(x - left, y - top, reach)
    first = paste(np.dstack(list(outlines.values())), near, window.shape)
    for i, (name, silhouette) in enumerate(outlines.items()):
        best, middle = _overlap(first[..., i], near, window, share)
        if best > 0.0:
            nearer = _around(*middle, reach / 2.5)
            best = max(best, _overlap(paste(silhouette, nearer, window.shape), nearer, window, share)[0])
        fits[name] = best
    return fits


def _around(x: float, y: float, step: float) -> list[tuple[float, float]]:
    return [(x + i * step, y + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]


def _overlap(
    placed: np.ndarray, places: Sequence[tuple[float, float]], seen: np.ndarray, share: np.ndarray
) -> tuple[float, tuple[float, float]]:
    """Best soft IoU of silhouettes [N, h, w] with `share` [h, w] where they are seen, and its place."""
    placed = placed * seen
    both = np.minimum(placed, share).sum(axis=(1, 2))
    either = placed.sum(axis=(1, 2)) + float(share.sum()) - both
    overlap = both / np.maximum(either, 1e-6)
    found = int(np.argmax(overlap))
    return float(overlap[found]), places[found]


def paste(patch: np.ndarray, places: Sequence[tuple[float, float]], shape: Sequence[int]) -> np.ndarray:
    """`patch` [h, w] or [h, w, C] with its centre at each of N pixels (x, y) of an empty image of `shape`:
    float32 [N, H, W] or [N, H, W, C], bilinear."""
    import cv2

    height, width = patch.shape[:2]
    out = np.empty((len(places), *shape[:2], *patch.shape[2:]), np.float32)
    matrix = np.eye(2, 3)
    for image, (x, y) in zip(out, places, strict=True):
        matrix[:, 2] = x - (width - 1) / 2, y - (height - 1) / 2
        cv2.warpAffine(patch, matrix, (shape[1], shape[0]), dst=image, flags=cv2.INTER_LINEAR)
    return out
