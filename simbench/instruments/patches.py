"""Pictures as points are compared in them: softened, matched patch by patch, checked for colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.arrays import channel_mean

SOFT_PX = 0.8
"""Blur (sd) of both pictures before they are compared: what finer detail says is aliasing and noise."""

SOFTER_PX = (0.6, 0.9, 1.2, 1.6, 2.0, 2.5)
"""Further blur (sd) that a generated picture may have."""

HALF = 5
"""Half side of a patch: 11 x 11 pixels."""

OTHER_COLOUR = 50.0
"""Distance in RGB levels beyond which a patch has another colour: it is another thing."""

FLAT = 0.5
"""Grey levels between the darkest and the brightest pixel of a patch, below which it shows nothing. OpenCV
calls a patch without any texture equal to every other."""

LEAST_POINTS = 12
"""Fewer points say nothing about a camera or a framing."""

LEAST_SHARE = 0.5
"""Least share of points that must agree on a camera or a framing."""


@dataclass(frozen=True)
class Look:
    """One picture as points are compared: `grey` float32 [H, W] softened, and `colour` float32 [H, W, 3], the
    mean over 5 x 5 pixels; 0-255."""

    grey: np.ndarray
    colour: np.ndarray


def looks(frames: np.ndarray) -> tuple[Look, ...]:
    """How frames uint8 [T, H, W, 3] look."""
    import cv2

    blurred = [cv2.blur(f.astype(np.float32), (5, 5), borderType=cv2.BORDER_REPLICATE) for f in frames]
    return tuple(Look(g, c) for g, c in zip(soften(frames), blurred, strict=True))


def soften(frames: np.ndarray) -> np.ndarray:
    """Grey float32 [T, H, W] of frames [T, H, W, 3], blurred by SOFT_PX."""
    import cv2

    grey = channel_mean(frames.astype(np.float32))
    return np.stack([cv2.GaussianBlur(g, (0, 0), SOFT_PX, borderType=cv2.BORDER_REPLICATE) for g in grey])


def match(
    rendered: np.ndarray, made: np.ndarray, uv: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [M, 2] and correlations [M] in `made` of the patches of `rendered` (both [H, W]) at `uv` [M, 2].

    Sought within `radius` px. Among equal peaks, as in a checker, the nearest is taken. A flat patch is like
    nothing: 0.
    """
    import cv2

    whole = np.ones((2 * HALF + 1, 2 * HALF + 1), np.uint8)
    spans = cv2.dilate(rendered, whole) - cv2.erode(rendered, whole)

    edge, side = radius + HALF, 2 * radius + 1
    padded = cv2.copyMakeBorder(made, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    alike = np.zeros((len(uv), side, side), np.float32)
    for i, (x, y) in enumerate(np.floor(uv).astype(int).tolist()):
        patch = rendered[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1]
        window = padded[y : y + 2 * edge + 1, x : x + 2 * edge + 1]
        cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED, alike[i])
    alike = np.where(np.isfinite(alike) & (np.abs(alike) <= 1.001), alike, 0.0)
    alike[at(spans[..., None], uv)[:, 0] < FLAT] = 0.0
    offsets = np.arange(-radius, radius + 1)
    far = 0.03 * (offsets[:, None] ** 2 + offsets[None, :] ** 2) / radius**2
    best = (alike - far).reshape(len(uv), side * side).argmax(axis=1)
    row, column = best // side, best % side
    each = np.arange(len(uv))
    rise = np.pad(alike, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = rise[each[:, None], row[:, None] + 1, column[:, None] + np.arange(3)]
    above = rise[each[:, None], row[:, None] + np.arange(3), column[:, None] + 1]
    shift = np.stack([column - radius + _top(around), row - radius + _top(above)], axis=-1)
    return uv + shift, alike[each, row, column]


def _top(values: np.ndarray) -> np.ndarray:
    """Where a parabola through three values [M, 3] around a peak is highest, in [-0.5, 0.5]."""
    left, middle, right = values.astype(np.float64).T
    bend = left - 2 * middle + right
    return np.clip(np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0), -0.5, 0.5)


def as_soft_as(rendered: np.ndarray, made: np.ndarray) -> np.ndarray:
    """`rendered` [H, W], blurred until its edges are as soft as those of `made`: a generated picture may lack
    detail, and a sharp patch lies off centre on a soft one."""
    import cv2

    wanted, best, nearest = sharpness(made), rendered, np.inf
    for sd in (0.0, *SOFTER_PX):
        tried = (
            rendered if sd == 0 else cv2.GaussianBlur(rendered, (0, 0), sd, borderType=cv2.BORDER_REPLICATE)
        )
        off = abs(np.log(sharpness(tried) / wanted))
        if off >= nearest:
            break
        best, nearest = tried, off
    return best


def sharpness(grey: np.ndarray) -> float:
    """Energy of the differences between neighbours over the variance of [H, W]; contrast changes nothing."""
    change = np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean()
    return float(change + 1e-9) / float(grey.var() + 1e-6)


def at(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Values [M, C] of an image [H, W, C] at the pixels that hold `uv` [M, 2] px (pixel centres at +0.5)."""
    height, width = image.shape[:2]
    x, y = np.floor(uv).astype(int).T
    return np.asarray(image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)])


def details(grey: np.ndarray) -> np.ndarray:
    """A softened picture [H, W] without what is larger than a patch."""
    import cv2

    wide = 6.0 * grey.shape[0] / 128
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), wide, borderType=cv2.BORDER_REPLICATE))


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of the details of two softened pictures [H, W]; 0 where one has none."""
    a, b = details(first), details(second)
    size = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / size if size > 1e-6 else 0.0


def own_colour(made: np.ndarray, expected: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """bool [M]: points at `uv` [M, 2] px whose colours `made` [M, 3] are those `expected` [M, 3], 0-255, but
    for one brightness curve per channel that may change across the image: a parabola with a ramp, fitted
    twice, the second time without what was far off."""
    place = (uv - uv.mean(axis=0)) / max(float(np.abs(uv).max()), 1.0)
    off, near = np.zeros(len(made)), np.ones(len(made), bool)
    for _ in range(2):
        squared = np.zeros(len(made))
        for x, y in zip(expected.T / 255.0, made.T, strict=True):
            design = np.column_stack([np.ones_like(x), x, x * x, x[:, None] * place])
            curve = np.linalg.lstsq(design[near], y[near], rcond=None)[0]
            squared += (design @ curve - y) ** 2
        off = np.sqrt(squared)
        near = off <= max(1.0, 1.5 * float(np.median(off)))
    return off <= OTHER_COLOUR


def framing(pairs: np.ndarray, width: int, height: int) -> np.ndarray | None:
    """The similarity [2, 3] (pixel centres at integers) that takes the points of a picture to where another
    framing shows them: `pairs` [M, 4] px, pixel centres at +0.5. None: less than 0.15 px, more than 8 % of
    the width, or no agreement."""
    import cv2

    if len(pairs) < LEAST_POINTS:
        return None
    source, target = np.split(pairs.astype(np.float32), 2, axis=1)
    ways, agree = cv2.estimateAffinePartial2D(
        source.copy(), target.copy(), method=cv2.RANSAC, ransacReprojThreshold=height / 128.0
    )
    if ways is None or agree.mean() < LEAST_SHARE:
        return None
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    moved = np.hypot(*(corners @ ways.T - corners[:, :2]).T).mean()
    if not 0.15 < moved < 0.08 * width:
        return None
    centred = 0.5 * (ways[:, 0] + ways[:, 1]) - 0.5
    return np.column_stack([ways[:, :2], ways[:, 2] + centred])
