"""Numbers on a clip without truth: flow there and back, survival, even motion, cuts, depth that agrees.

Each is best for a clip that stands still; whoever uses them says whether the clip moved.
"""

from __future__ import annotations

import numpy as np

from simbench.metrics._shapes import shaped

SD_OF_MAD = 1.4826
"""Standard deviation of Gaussian values whose median absolute deviation is 1."""


def loop_error(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Distance [H, W] px between each pixel and where flow `there` [H, W, 2] px and then flow `back` [H, W,
    2] px, read bilinearly where `there` leads, bring it; NaN where `there` leaves the frame.

    The forward-backward check (Sundaram et al., ECCV 2010), without their tolerance.
    """
    sizes: dict[str, int] = {}
    f, b = shaped("there", there, "H W 2", sizes), shaped("back", back, "H W 2", sizes)
    seen, inside = carried_back(b, f)
    return np.where(inside, np.hypot(*np.moveaxis(f + seen, -1, 0)), np.nan)


def carried_back(picture: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `picture` [H, W, C] shows where `flow` [H, W, 2] px (x, y) leads each pixel, [H, W, C], read
    bilinearly, and whether that is inside the frame, bool [H, W]; NaN outside."""
    sizes: dict[str, int] = {}
    image, f = shaped("picture", picture, "H W C", sizes), shaped("flow", flow, "H W 2", sizes)
    height, width = f.shape[:2]
    y, x = np.mgrid[:height, :width]
    x, y = x + f[..., 0], y + f[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    u, v = (x - left)[..., None], (y - top)[..., None]
    above = image[top, left] * (1 - u) + image[top, right] * u
    below = image[low, left] * (1 - u) + image[low, right] * u
    return np.where(inside[..., None], above * (1 - v) + below * v, np.nan), inside


def survival(kept: np.ndarray, inside: np.ndarray) -> float:
    """Share of the points [N] that were followed there and back (`kept` bool [N]) of those that did not leave
    the frame (`inside` bool [N]); no unit. NaN where all left."""
    sizes: dict[str, int] = {}
    found, stayed = shaped("kept", kept, "N", sizes, "bool"), shaped("inside", inside, "N", sizes, "bool")
    return float(found[stayed].mean()) if stayed.any() else float("nan")


def unevenness(uv: np.ndarray) -> np.ndarray:
    """How unevenly each track `uv` [T, N, 2] px moves: [N], no unit. Mean length of the second difference
    over that of the first: 0 for constant velocity, 2 for going back and forth, about 1.7 for jumping at
    random.

    NaN for a track with a NaN, for one that stands still, and for fewer than three frames.
    """
    places = shaped("uv", uv, "T N 2", {})
    if len(places) < 3:
        return np.full(places.shape[1], np.nan)
    first = np.diff(places, axis=0)
    speed = np.hypot(*np.moveaxis(first, -1, 0)).mean(axis=0)
    change = np.hypot(*np.moveaxis(np.diff(first, axis=0), -1, 0)).mean(axis=0)
    return change / np.where(speed > 0, speed, np.nan)


def histogram_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Half the L1 distance of two histograms [K], each divided by its sum: 0 alike, 1 disjoint, no unit.

    ValueError where one is empty or holds less than nothing.
    """
    sizes: dict[str, int] = {}
    a, b = shaped("first", first, "K", sizes), shaped("second", second, "K", sizes)
    for values in (a, b):
        if not (values >= 0).all():
            raise ValueError(f"a histogram holds {values.min():g}; give counts, 0 or more")
    if not (a.sum() > 0 and b.sum() > 0):
        raise ValueError(f"a histogram of shape {list(a.shape)} holds nothing")
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def outliers(values: np.ndarray, sigmas: float, floor: float) -> np.ndarray:
    """Which of `values` [N] (any one unit, also px or no unit) lie above the others, bool [N]: more than
    `sigmas` robust standard deviations (of the median absolute deviation, at least `floor`) over the
    median. ValueError for NaN, beside which nothing has a median."""
    v = shaped("values", values, "N", {})
    if np.isnan(v).any():
        raise ValueError("values holds nan; give numbers")
    if len(v) == 0:
        return np.zeros(0, bool)
    middle = np.median(v)
    spread = max(SD_OF_MAD * float(np.median(np.abs(v - middle))), floor)
    return np.asarray(v > middle + sigmas * spread)


def aligned_error(made: np.ndarray, true: np.ndarray) -> float:
    """Median difference of inverse depths `made` and `true` [N] of one surface after each was shifted to
    median 0 and scaled to median absolute deviation 1: no unit. 0 for one and the same surface in any scale
    and shift, 1.2 (uniform depths) to 1.4 (Gaussian) for two that have nothing in common; NaN for fewer than
    8 or a constant.

    The alignment is that of Ranftl et al. (PAMI 2022), with medians throughout.
    """
    sizes: dict[str, int] = {}
    a, b = shaped("made", made, "N", sizes), shaped("true", true, "N", sizes)
    if len(a) < 8:
        return float("nan")
    a, b = a - np.median(a), b - np.median(b)
    first, second = float(np.median(np.abs(a))), float(np.median(np.abs(b)))
    if not (first > 0 and second > 0):
        return float("nan")
    return float(np.median(np.abs(a / first - b / second)))
