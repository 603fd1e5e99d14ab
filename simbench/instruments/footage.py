"""What two-view geometry says of a clip of real footage, and of versions of it that no camera filmed.

Each frame is set against a later one. What is still, flat or lost in that is not judged and counts nothing
in `gated`: else a frozen clip, all of whose matches agree with any geometry, would be the best of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simbench.instruments.epipolar_fit import carried
from simbench.instruments.matching import Features, features
from simbench.instruments.rectified import sampled
from simbench.instruments.twoview import STILL_PX, THRESHOLD_PX, TwoView, two_view

WOBBLE = 0.006
"""Standard deviation of how far a wobbled frame is bent, as a share of the image's height."""

BENDS = (5, 8)
"""Nodes of the bend, down and across."""


@dataclass(frozen=True)
class Measured:
    """A clip, over its pairs; NaN where there is nothing to measure.

    `kinds` counts them; `motion_px` median motion; `matches` per pair, mean; `kept` mean share of matches
    that agree with the epipolar geometry; `gated` the same with 0 for every pair that is not of kind
    parallax; `sampson_px` and `symmetric_px` root-medians of what agrees and `sampson_all_px` of all matches,
    medians over pairs; `off` mean number of agreeing matches that no homography explains, and `chance` what
    it would be at random; `jerk` median change of the picture's motion (that of its best homography) from
    one pair to the next, as a share of it; `reasons` are those of the pairs that are not parallax.
    """

    kinds: Mapping[str, int]
    motion_px: float
    matches: float
    kept: float
    gated: float
    sampson_px: float
    sampson_all_px: float
    symmetric_px: float
    off: float
    chance: float
    jerk: float
    reasons: tuple[str, ...]


def versions(frames: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """The clip uint8 [T, H, W, 3], and what no camera filmed: name to frames.

    `backwards`; `shuffled` frames; `frozen`, the first frame throughout; `postcard`, the first frame moved
    and zoomed steadily; `wobbled`, each frame bent smoothly in its own way.
    """
    rng = np.random.default_rng(seed)
    return {
        "original": frames,
        "backwards": frames[::-1],
        "shuffled": frames[rng.permutation(len(frames))],
        "frozen": np.repeat(frames[:1], len(frames), axis=0),
        "postcard": _postcard(frames[0], len(frames)),
        "wobbled": np.stack([_bent(frame, rng) for frame in frames]),
    }


def pairs(
    frames: np.ndarray,
    gap: int = 1,
    threshold: float = THRESHOLD_PX,
    read: Callable[[np.ndarray], Features] = features,
) -> list[TwoView]:
    """Frame t against t + `gap` for each t of a clip uint8 [T, H, W, 3]; `threshold` px is how far a match
    that agrees may be off."""
    found = [read(frame) for frame in frames]
    return [two_view(found[t], found[t + gap], None, threshold) for t in range(len(frames) - gap)]


def measure(views: Sequence[TwoView], shape: Sequence[int]) -> Measured:
    """The pairs of one clip of frames of `shape` (height, width), px, summed up."""
    kinds = {kind: sum(v.kind == kind for v in views) for kind in ("parallax", "flat", "still", "lost")}
    solid = [v for v in views if v.kind == "parallax"]
    read = [v for v in views if v.f is not None]
    return Measured(
        kinds=kinds,
        motion_px=_middle([v.moved_px for v in views]),
        matches=_mean([float(len(v.agrees)) for v in views]),
        kept=_mean([v.kept for v in views]),
        gated=sum(v.kept for v in solid) / max(len(views), 1),
        sampson_px=_middle([v.sampson_px() for v in read]),
        sampson_all_px=_middle([v.sampson_px(kept=False) for v in read]),
        symmetric_px=_middle([v.symmetric_px() for v in read]),
        off=_mean([float(v.off) for v in views]),
        chance=_mean([v.chance for v in views]),
        jerk=_jerk(views, shape),
        reasons=tuple(v.reason for v in views if v.reason),
    )


def agreement_on(views: Sequence[TwoView], masks: np.ndarray) -> tuple[float, float]:
    """Shares of the matches on what moves by itself (`masks` bool [T, H, W], the first T of each pair) and
    elsewhere that agree with the epipolar geometry, all pairs together; NaN without a match there."""
    shares: dict[bool, list[bool]] = {True: [], False: []}
    for view, mask in zip(views, masks, strict=False):
        on = sampled(mask.astype(np.float64), view.matches.first) > 0.5
        for which, values in shares.items():
            values.extend(view.agrees[on == which])
    return _mean([float(v) for v in shares[True]]), _mean([float(v) for v in shares[False]])


def _jerk(views: Sequence[TwoView], shape: Sequence[int]) -> float:
    """The best homography of a pair says where nine places go; how much that changes to the next pair."""
    x, y = (np.array([0.25, 0.5, 0.75]) * side for side in (shape[1], shape[0]))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    ways = [carried(v.homography, grid) - grid for v in views if v.homography is not None]
    if len(ways) < 2:
        return float("nan")
    size = _middle([_length(way) for way in ways])
    if not size >= STILL_PX:
        return float("nan")
    return _middle([_length(b - a) for a, b in pairwise(ways)]) / size


def _length(way: np.ndarray) -> float:
    return float(np.median(np.hypot(*way.T)))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _middle(values: Sequence[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.median(known)) if known else float("nan")


def _postcard(frame: np.ndarray, count: int) -> np.ndarray:
    """`frame` [H, W, 3], 1 % nearer and 1 % of the height to the right with every frame."""
    import cv2

    height, width = frame.shape[:2]
    out = []
    for t in range(count):
        zoom, shift = 1.01**t, 0.01 * height * t
        way = np.array([[zoom, 0.0, (1 - zoom) * width / 2 - shift], [0.0, zoom, (1 - zoom) * height / 2]])
        out.append(cv2.warpAffine(frame, way, (width, height), borderMode=cv2.BORDER_REFLECT))
    return np.stack(out)


def _bent(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`frame` [H, W, 3] bent by a smooth field of standard deviation `WOBBLE`."""
    import cv2

    height, width = frame.shape[:2]
    nodes = rng.normal(0.0, WOBBLE * height, (*BENDS, 2)).astype(np.float32)
    field = cv2.resize(nodes, (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(
        frame, x + field[..., 0], y + field[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
