"""Reading a stage from frames alone: what is coloured, what is black, what is dark, and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simbench.case import Setting
from simbench.instruments.decoder import paste
from simbench.worlds import palette
from simbench.worlds.families import occluder


@dataclass(frozen=True)
class Seen:
    """One object in the given frames: `shares` float32 [K, H, W] coverage, `track` [4] centre (x, y) at
    time 0 and velocity in pixels per second, `patch` float32 [h, w, 4] its look, premultiplied."""

    colour: str
    shape: str
    shares: np.ndarray
    track: np.ndarray
    patch: np.ndarray


def _chroma(frames: np.ndarray) -> np.ndarray:
    return frames - frames.mean(axis=-1, keepdims=True)


def colour_shares(given: np.ndarray) -> dict[str, np.ndarray]:
    """Coverage [K, H, W] by each colour name that is there in the first frame."""
    import cv2

    chroma = _chroma(given)
    strength = np.linalg.norm(chroma - np.median(chroma.reshape(-1, 3), axis=0), axis=-1)
    names = (*occluder.COLOURS, *occluder.TEST_COLOURS)
    hues = np.array([palette.colours("all")[n] for n in names], np.float32)
    hues -= hues.mean(axis=1, keepdims=True)
    full = np.linalg.norm(hues, axis=1)
    likeness = (chroma @ (hues / full[:, None]).T) / np.maximum(np.linalg.norm(chroma, axis=-1), 1e-3)[
        ..., None
    ]
    owner = np.argmax(likeness, axis=-1)
    out = {}
    for i, name in enumerate(names):
        mine = np.where((owner == i) & (likeness[..., i] > 0.93), strength, 0.0)
        solid = mine[0] > 0.35 * 255 * full[i]
        if solid.sum() < 0.25 * (max(0.14 * given.shape[1], 8.0)) ** 2:
            continue
        level = float(np.percentile(mine[0][solid], 25))
        share = np.clip(mine / level, 0.0, 1.0).astype(np.float32)
        # Muted stage colours lean towards a hue too: only the rim of what is solid belongs to it.
        rim = [cv2.dilate((s > 0.45).astype(np.uint8), np.ones((3, 3), np.uint8)) for s in share]
        out[name] = np.where(np.stack(rim) > 0, share, 0.0)
    return out


def silhouette(shape: str, diameter: float) -> np.ndarray:
    """Soft outline [h, w] of a shape of `diameter` pixels, odd size, by 5 x 5 samples per pixel."""
    half = math.ceil(0.75 * diameter) + 1
    axis = (np.arange((2 * half + 1) * 5) + 0.5) / 5 - half - 0.5
    x, y = np.meshgrid(axis, axis)
    radius = diameter / 2
    if shape == "ball":
        inside = np.hypot(x, y) <= radius
    elif shape == "cube":
        inside = np.maximum(np.abs(x), np.abs(y)) <= 0.92 * radius
    else:
        inside = np.abs(x) + np.abs(y) <= 0.7 * radius * math.sqrt(2)
    size = 2 * half + 1
    return inside.reshape(size, 5, size, 5).mean(axis=(1, 3)).astype(np.float32)


def find_object(
    colour: str, share: np.ndarray, given: np.ndarray, seen: np.ndarray, diameter: float, fps: float
) -> Seen | None:
    """Fit shape, place and velocity of one object to its coverage over the given frames."""
    from scipy.optimize import minimize

    total = share[0].sum()
    if total < 4:
        return None
    ys, xs = np.mgrid[: share.shape[1], : share.shape[2]]
    start = np.array([float((share[0] * xs).sum() / total), float((share[0] * ys).sum() / total), 0.0, 0.0])

    def cost(track: np.ndarray, outline: np.ndarray, frames: int) -> float:
        """Squared distance of the outline on a track to the coverage of the first frames."""
        path = [(track[0] + track[2] * t / fps, track[1] + track[3] * t / fps) for t in range(frames)]
        off = (paste(outline, path, share.shape[1:]) - share[:frames]) ** 2 * seen[:frames]
        return sum(off.reshape(frames, -1).sum(axis=1).tolist())

    def shape_cost(shape: str) -> float:
        """The least of that for a shape in the first frame."""
        steps = [(dx, dy) for dx in (-0.5, 0.0, 0.5) for dy in (-0.5, 0.0, 0.5)]
        outline = silhouette(shape, diameter)
        return min(cost(start + np.array([dx, dy, 0.0, 0.0]), outline, 1) for dx, dy in steps)

    shape = min(occluder.SHAPES, key=shape_cost)
    outline = silhouette(shape, diameter)
    speeds = np.linspace(-0.35, 0.35, 15) * diameter * fps
    ways = [start + np.array([0.0, 0.0, s, s * slope]) for s in speeds for slope in (-0.9, 0.0, 0.9)]
    start = min(ways, key=lambda way: cost(way, outline, len(share)))
    unit = np.array([0.5, 0.5, 0.03 * diameter * fps, 0.03 * diameter * fps])
    simplex = start + np.vstack([np.zeros(4), np.diag(unit)])
    options = {"initial_simplex": simplex, "maxiter": 120, "xatol": 0.01, "fatol": 1e-3}
    track = minimize(cost, start, (outline, len(share)), method="Nelder-Mead", options=options).x
    if abs(track[3]) < 0.12 * abs(track[2]):
        track[3] = 0.0
    return Seen(colour, shape, share, track, _look(given[0], outline, track))


def _look(frame: np.ndarray, outline: np.ndarray, track: np.ndarray) -> np.ndarray:
    """The object cut out of the first frame: premultiplied colour and coverage, [h, w, 4]."""
    import cv2

    height, width = outline.shape
    matrix = np.array([[1.0, 0.0, track[0] - (width - 1) / 2], [0.0, 1.0, track[1] - (height - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    colour = cv2.warpAffine(frame, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = outline > 0.95
    mean = np.median(colour[inside], axis=0)
    colour = np.where(inside[..., None], colour, mean).astype(np.float32)
    return np.dstack([colour * outline[..., None], outline])


def empty_stage(given: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stage without what moves, from the frames in which each pixel is free; else painted in.

    Float32 [H, W, 3], and bool [H, W]: pixels that are painted in, not seen.
    """
    import cv2

    grown = np.stack([cv2.dilate(t, np.ones((3, 3), np.uint8)) for t in taken])
    free = grown < 0.03
    weight = free[..., None].astype(np.float32)
    base: np.ndarray = (given * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-3)
    hole = np.asarray(~free.any(axis=0), dtype=np.uint8)
    if hole.any():
        bottom: np.ndarray = (base + 0.5).astype(np.uint8)
        mended: np.ndarray = cv2.inpaint(bottom, hole, 2, cv2.INPAINT_TELEA)
        base = np.where(hole[..., None] > 0, mended, base)
    return base.astype(np.float32), hole > 0


def _darkness(image: np.ndarray) -> np.ndarray:
    """Luminance relative to the backdrop, [.., H, W]: 1 is backdrop, screens lie below."""
    grey = image.mean(axis=-1)
    return grey / np.percentile(grey, 75)


def _screen_level(look: str) -> float:
    """Relative luminance that parts screens from the backdrop."""
    return 0.76 if look == "plain" else 0.74


def find_screen(
    base: np.ndarray, painted: np.ndarray, diameter: float, setting: Setting
) -> tuple[float, float, float, float] | None:
    """Edges (left, right, bottom, top) of the screen in the image plane, or None without one.

    `painted` bool [H, W]: pixels of the stage that were never seen and say nothing about edges.
    """
    import cv2

    black = cv2.dilate(_black(base).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    dark = ((_darkness(base) < _screen_level(setting.look)) & ~black & ~painted).astype(np.uint8)
    reach = max(3, int(0.5 * diameter * setting.height)) | 1
    solid = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((reach, reach), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = labels == largest
    if mask.sum() < 0.6 * (diameter * setting.height) ** 2:
        return None
    inner = np.median(base[mask], axis=0)
    rows = mask.sum(axis=1) > 0.5 * mask.sum(axis=1).max()
    if mask[rows].any(axis=0).all():
        return None
    outer = np.median(base[rows][:, ~mask[rows].any(axis=0)], axis=(0, 1))
    axis = inner - outer
    share = np.clip(((base - outer) @ axis) / max(float(axis @ axis), 1e-3), 0.0, 1.0)
    columns = _profile(share, ~painted & rows[:, None], 0)
    left, right = _edges(columns, mask.any(axis=0))
    down = _profile(share, ~painted & mask.any(axis=0)[None], 1)
    top, bottom = _edges(down, mask.any(axis=1))
    height, width = setting.height, setting.width
    u0, u1 = (left - width / 2) / height, (right - width / 2) / height
    return u0, u1, (height / 2 - bottom) / height, (height / 2 - top) / height


def _profile(share: np.ndarray, counted: np.ndarray, axis: int) -> np.ndarray:
    """Median of `share` [H, W] along an axis over the pixels that are counted; 0 where none is."""
    kept = np.where(counted, share, np.nan)
    some = np.asarray(counted.any(axis=axis))
    kept = np.where(some if axis == 0 else some[:, None], kept, 0.0)
    return np.nanmedian(kept, axis=axis)


def _edges(profile: np.ndarray, core: np.ndarray) -> tuple[float, float]:
    """First and last position of a run in a soft profile, in pixels from the image's edge."""
    inside = np.flatnonzero(core)
    first, last = int(inside[0]), int(inside[-1])
    before = profile[max(0, first - 1)] if first > 0 else 0.0
    after = profile[min(len(profile) - 1, last + 1)] if last < len(profile) - 1 else 0.0
    low = first + (1.0 - profile[first]) - (before if profile[first] > 0.6 else 0.0)
    high = last + profile[last] + (after if profile[last] > 0.6 else 0.0)
    return float(low), float(high)


def _black(base: np.ndarray) -> np.ndarray:
    """Pixels [H, W] as dark as the post: darker than any screen, even in shade."""
    grey = base.mean(axis=-1)
    black = 255.0 * sum(occluder.POST) / 3
    return grey < 0.5 * black + 0.5 * min(0.40 * float(np.percentile(grey, 75)), 80.0)


def find_post(base: np.ndarray, setting: Setting) -> tuple[float, float] | None:
    """Left and right edge (image plane) of the black post where no screen hides it."""
    grey = base.mean(axis=-1)
    backdrop = float(np.percentile(grey, 75))
    black = 255.0 * sum(occluder.POST) / 3
    dark = _black(base)
    tall = dark.sum(axis=0)
    if tall.max() < max(2, 0.05 * setting.height):
        return None
    column = int(np.argmax(tall))
    rows = dark[:, column]
    share = np.clip((backdrop - grey[rows]) / (backdrop - black), 0.0, 1.0).mean(axis=0)
    near = slice(max(0, column - int(0.1 * setting.height) - 1), column + int(0.1 * setting.height) + 2)
    share = np.where(share > 0.12, share, 0.0)[near]
    xs = np.arange(near.start, near.start + len(share))
    wide = float(share.sum())
    middle = float((share * xs).sum() / wide) + 0.5
    u = (middle - setting.width / 2) / setting.height
    half = 0.5 * wide / setting.height
    return u - half, u + half


@dataclass(frozen=True)
class CupTrack:
    """A cup that comes down: its height v at time 0 and its speed, image heights (per second)."""

    v: float
    speed: float


def find_cup(
    given: np.ndarray, shares: dict[str, np.ndarray], taken: np.ndarray, diameter: float, setting: Setting
) -> tuple[CupTrack | None, np.ndarray]:
    """A dark block that comes down: its height and speed in the image plane; its pixels [K, H, W]."""
    import cv2

    none = np.zeros(given.shape[:3], np.float32)
    if len(given) < 2 or len(shares) != 1:
        return None, none
    reach = max(3, int(0.6 * diameter * setting.height)) | 1
    kernel = np.ones((reach, reach), np.uint8)
    dark = (_darkness(given) < _screen_level(setting.look)) & (taken < 0.3)
    centres, masks = [], []
    for frame, image in zip(dark, given, strict=True):
        solid = cv2.morphologyEx(frame.astype(np.uint8), cv2.MORPH_OPEN, kernel)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
        if count < 2:
            return None, none
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        x, y = _block_centre(image, labels == largest)
        centres.append((x, y))
        masks.append((labels == largest).astype(np.float32))
    path = np.array(centres)
    times = np.arange(len(path)) / setting.fps
    slope, start = np.polyfit(times, path[:, 1], 1)
    first = next(iter(shares.values()))[0]
    over = float((first * np.arange(first.shape[1])).sum() / max(float(first.sum()), 1e-3))
    # Shadows come down too; a cup hangs right above the one object there is.
    if slope < 0.06 * setting.height or abs(path[0, 0] - over) > 0.25 * diameter * setting.height:
        return None, none
    v = ((setting.height - 1) / 2 - start) / setting.height
    grown = np.stack([cv2.dilate(m, np.ones((3, 3), np.uint8)) for m in masks])
    return CupTrack(float(v), float(slope) / setting.height), grown


def _block_centre(image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Sub-pixel centre of a dark block on its surroundings."""
    import cv2

    around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    inner = np.median(image[mask], axis=0)
    outer = np.percentile(image.reshape(-1, 3), 75, axis=0)
    axis = inner - outer
    share = np.clip(((image - outer) @ axis) / max(float(axis @ axis), 1e-3), 0.0, 1.0) * around
    ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return float((share * xs).sum() / share.sum()), float((share * ys).sum() / share.sum())


def lift_cup(frame: np.ndarray, setting: Setting) -> tuple[np.ndarray, float]:
    """From one frame float32 [H, W, 3]: the stage without objects and cup, and the cup's height v."""
    import cv2

    shares = colour_shares(frame[None])
    taken = np.max(list(shares.values()), axis=0) if shares else np.zeros((1, *frame.shape[:2]), np.float32)
    diameter = max(0.14, 8.0 / setting.height)
    reach = max(3, int(0.6 * diameter * setting.height)) | 1
    dark = (_darkness(frame) < _screen_level(setting.look)) & (taken[0] < 0.3)
    solid = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, np.ones((reach, reach), np.uint8))
    if not solid.any():
        return empty_stage(frame[None], taken)[0], 0.0
    _, y = _block_centre(frame, solid.astype(bool))
    grown = cv2.dilate(solid, np.ones((3, 3), np.uint8)).astype(np.float32)
    return empty_stage(frame[None], np.maximum(taken, grown))[0], (
        (setting.height - 1) / 2 - y
    ) / setting.height
