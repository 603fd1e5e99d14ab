"""Point tracks: TAP-Vid's three measures, and the Jaccard index of landmarks over a whole path.

Doersch et al., TAP-Vid (NeurIPS 2022), section 3.3; the edge cases are those of its published evaluation.
Tracks are [T, P, 2], (x, y).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simbench.metrics._shapes import shaped

RASTER = 256
"""Side of the raster, px, to which coordinates are scaled before they are compared."""

THRESHOLDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Distances, px of the raster; a point at exactly a threshold is outside it."""

MODES = ("first", "strided")


@dataclass(frozen=True)
class TapVid:
    """Shares in [0, 1]: average Jaccard, position accuracy, occlusion accuracy; NaN where undefined."""

    average_jaccard: float
    delta_avg: float
    occlusion_accuracy: float


def to_raster(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """Pixels (x, y) [..., 2] of an image of `width` x `height` px in px of a RASTER x RASTER one."""
    uv = shaped("points", points, "... 2", {})
    return uv * (RASTER / np.array([width, height], np.float64))


def first_queries(visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames and points, int64 [Q] each: every point asked for once, in the first frame that shows it.

    `visible` bool [T, P] (no unit); points that never show are left out.
    """
    seen = shaped("visible", visible, "T P", {}, "bool")
    points = np.flatnonzero(seen.any(axis=0))
    return np.argmax(seen[:, points], axis=0).astype(np.int64), points


def strided_queries(visible: np.ndarray, stride: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Frames and points, int64 [Q] each: every point asked for in each frame 0, `stride`, 2 `stride`, ...
    that shows it. `visible` bool [T, P] (no unit)."""
    seen = shaped("visible", visible, "T P", {}, "bool")
    rows, points = np.nonzero(seen[::stride])
    return (rows * stride).astype(np.int64), points


def query_mask(queries: np.ndarray, frames: int, mode: str = "first") -> np.ndarray:
    """bool [T, P]: which frames of each point are judged, for `queries` int [P] (the frame each is asked in).

    "first": the frames after the query; "strided": all but the query. No unit.
    """
    asked = shaped("queries", queries, "P", {}, "int")
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} is unknown; use one of {', '.join(MODES)}")
    if asked.size and not 0 <= asked.min() <= asked.max() < frames:
        raise ValueError(f"queries holds frames {asked.min()}..{asked.max()}; give frames in 0..{frames - 1}")
    times = np.arange(frames)[:, None]
    return times > asked if mode == "first" else times != asked


def delta_avg(
    made: np.ndarray,
    true: np.ndarray,
    true_visible: np.ndarray,
    judged: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
) -> float:
    """Share of the truly visible points that lie within a threshold, averaged over `thresholds` px.

    `made` and `true` [T, P, 2] px (of the raster for TAP-Vid), `true_visible` and `judged` bool [T, P]. What
    is said of visibility plays no part; a coordinate of NaN is outside. NaN if no judged point is visible.
    """
    sizes: dict[str, int] = {}
    near = _near(made, true, sizes, thresholds)
    counted = shaped("true_visible", true_visible, "T P", sizes, "bool") & shaped(
        "judged", judged, "T P", sizes, "bool"
    )
    return _ratio((near & counted).sum(axis=(1, 2)), np.full(len(near), counted.sum()))


def occlusion_accuracy(made_visible: np.ndarray, true_visible: np.ndarray, judged: np.ndarray) -> float:
    """Share of the judged points whose visibility is right; all bool [T, P], no unit. NaN if none is
    judged."""
    sizes: dict[str, int] = {}
    said = shaped("made_visible", made_visible, "T P", sizes, "bool")
    real = shaped("true_visible", true_visible, "T P", sizes, "bool")
    asked = shaped("judged", judged, "T P", sizes, "bool")
    return _ratio(((said == real) & asked).sum(), asked.sum())


def average_jaccard(
    made: np.ndarray,
    made_visible: np.ndarray,
    true: np.ndarray,
    true_visible: np.ndarray,
    judged: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
) -> float:
    """True positives / (truly visible + false positives), averaged over `thresholds` px.

    `made` and `true` [T, P, 2] px (of the raster for TAP-Vid), the rest bool [T, P]. A true positive is
    visible in both and within the threshold; a false positive is called visible and is not, or not there. So
    a visible point in the wrong place counts twice, as missed and as false. NaN if the denominator is 0.
    """
    sizes: dict[str, int] = {}
    near = _near(made, true, sizes, thresholds)
    said = shaped("made_visible", made_visible, "T P", sizes, "bool")
    real = shaped("true_visible", true_visible, "T P", sizes, "bool")
    asked = shaped("judged", judged, "T P", sizes, "bool")
    said, real = said & asked, real & asked
    right = (near & said & real).sum(axis=(1, 2))
    false = (said & ~(near & real)).sum(axis=(1, 2))
    return _ratio(right, real.sum() + false)


def path_jaccard(
    made: np.ndarray,
    made_visible: np.ndarray,
    true: np.ndarray,
    true_visible: np.ndarray,
    thresholds: Sequence[float],
) -> float:
    """`average_jaccard` of landmarks over a whole path, every frame judged.

    `made` and `true` [T, P, 2] px, visibility bool [T, P], `thresholds` px. A landmark that shows while it
    should be out of view is a false positive, so a video that stands still loses without a rule of its own.
    """
    everywhere = np.ones(np.shape(true_visible), dtype=bool)
    return average_jaccard(made, made_visible, true, true_visible, everywhere, thresholds)


def tap_vid(
    made: np.ndarray,
    made_visible: np.ndarray,
    true: np.ndarray,
    true_visible: np.ndarray,
    queries: np.ndarray,
    width: float,
    height: float,
    mode: str = "first",
) -> TapVid:
    """The three measures of one video as TAP-Vid defines them; averages over videos are the caller's.

    `made` and `true` [T, P, 2] px of an image of `width` x `height` px, visibility bool [T, P], `queries`
    int [P] frames. If no judged point is visible and none is called visible the first two are NaN; on a
    query in the last frame, mode "first", so are all three.
    """
    seen = shaped("true_visible", true_visible, "T P", {}, "bool")
    judged = query_mask(queries, len(seen), mode)
    a, b = to_raster(made, width, height), to_raster(true, width, height)
    return TapVid(
        average_jaccard=average_jaccard(a, made_visible, b, true_visible, judged),
        delta_avg=delta_avg(a, b, true_visible, judged),
        occlusion_accuracy=occlusion_accuracy(made_visible, true_visible, judged),
    )


def _near(
    made: np.ndarray, true: np.ndarray, sizes: dict[str, int], thresholds: Sequence[float]
) -> np.ndarray:
    """bool [thresholds, T, P]: nearer than each threshold, strictly."""
    a, b = shaped("made", made, "T P 2", sizes), shaped("true", true, "T P 2", sizes)
    squared = ((a - b) ** 2).sum(axis=-1)
    return squared < np.square(np.asarray(thresholds, np.float64))[:, None, None]


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    """Mean of part / whole, NaN if a whole is 0."""
    if not np.all(whole > 0):
        return float("nan")
    return float(np.mean(part / whole))
