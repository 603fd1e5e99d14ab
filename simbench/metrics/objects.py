"""Object tracks: HOTA, CLEAR MOT and the identity scores, as TrackEval publishes them.

Detections stand in slots: ids int [T, N] of the truth and [T, M] of what was made, any numbers from 0 on,
below 0 for an empty slot; an id keeps its number over the clip, its slot may change. `similarity` [T, N, M]
is 0 to 1 (IoU of boxes or masks); where a slot is empty it plays no part. Scores are shares, counts are of
detections, tracks or events. A mean over clips is not TrackEval's COMBINED row, which adds the counts up
first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.metrics._matching import pairs_of
from simbench.metrics._shapes import shaped

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""Similarities from which on a pair may match, .05 to .95, over which HOTA is averaged."""

EPS = float(np.finfo(np.float64).eps)
THRESHOLD = 0.5
"""Similarity from which on a pair may match in CLEAR and identity scores."""

MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2
"""Share of its frames above which a truth is mostly tracked, below which it is mostly lost."""


@dataclass(frozen=True)
class Hota:
    """Shares in [0, 1], each the mean over the 19 `ALPHAS`; `by_alpha` [19] is HOTA at each. NaN where
    undefined (see `hota`)."""

    hota: float
    det_a: float
    ass_a: float
    loc_a: float
    det_re: float
    det_pr: float
    ass_re: float
    ass_pr: float
    by_alpha: np.ndarray


@dataclass(frozen=True)
class Clear:
    """MOTA (at most 1, may be negative), MOTP (mean similarity of matches), and counts: detections matched,
    missed and false, switches of identity, fragments, truths mostly tracked, partly tracked, mostly lost."""

    mota: float
    motp: float
    matches: int
    misses: int
    false: int
    switches: int
    fragments: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int


@dataclass(frozen=True)
class Identity:
    """IDF1, IDP and IDR, shares in [0, 1], and the counts of detections that they are made of."""

    idf1: float
    idp: float
    idr: float
    true_positives: int
    false_negatives: int
    false_positives: int


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union [..., N, M] (no unit) of boxes [..., N, 4] and [..., M, 4]: left, top, right,
    bottom, px, right and bottom not included. 0 where both boxes are empty, and where one holds NaN, as
    boxes of empty slots may."""
    a = shaped("first", first, "... N 4", {})
    b = shaped("second", second, "... M 4", {})
    if a.shape[:-2] != b.shape[:-2]:
        raise ValueError(f"second has shape {list(b.shape)}; give the leading axes of first, {list(a.shape)}")
    low = np.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = np.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    both = np.maximum(high - low, 0.0).prod(axis=-1)
    sizes = [np.maximum(box[..., 2:] - box[..., :2], 0.0).prod(axis=-1) for box in (a, b)]
    either = sizes[0][..., :, None] + sizes[1][..., None, :] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def hota(true_ids: np.ndarray, made_ids: np.ndarray, similarity: np.ndarray) -> Hota:
    """HOTA and its parts (Luiten et al., IJCV 2021) of `true_ids` int [T, N], `made_ids` int [T, M] and
    `similarity` [T, N, M], no unit.

    In each frame one assignment that maximises similarity x alignment of the two tracks over the whole
    clip; at each alpha those of its pairs with similarity >= alpha count. DetA = TP / (TP + FN + FP),
    AssA the mean over TP of the same ratio of their two tracks, HOTA = sqrt(DetA AssA), LocA the mean
    similarity of TP.

    At an alpha without a match AssA is 0 and LocA 1, as published: both means depend on it, LocA's for
    the better. Without a match at any alpha AssA and LocA are NaN (TrackEval: 0 and 1), without truth and
    made tracks so is all; det_re needs truth, det_pr what was made.
    """
    pairs = pairs_of(true_ids, made_ids, similarity)
    chosen = pairs.assigned(pairs.alignment() * pairs.alike)
    like = pairs.alike[chosen]
    # The number of alphas that a pair passes: it counts at the first `level` of them.
    level = np.searchsorted(ALPHAS - EPS, like, side="right")
    found = _at_least(np.bincount(level, minlength=len(ALPHAS) + 1))
    located = _at_least(np.bincount(level, like, minlength=len(ALPHAS) + 1))
    sizes_true, sizes_made = pairs.sizes_true, pairs.sizes_made
    both = pairs.true[chosen] * len(sizes_made) + pairs.made[chosen]
    which, place = np.unique(both, return_inverse=True)
    levels = len(ALPHAS) + 1
    shared = _at_least(np.bincount(place * levels + level, minlength=len(which) * levels).reshape(-1, levels))
    of_true = sizes_true[which // max(len(sizes_made), 1)][:, None]
    of_made = sizes_made[which % max(len(sizes_made), 1)][:, None]
    some = np.maximum(found, 1)
    ass_a = (shared * (shared / (of_true + of_made - shared))).sum(axis=0) / some
    trues, mades = int(sizes_true.sum()), int(sizes_made.sum())
    det_a = _over(found, trues + mades - found)
    by_alpha = np.sqrt(det_a * ass_a)
    any_match = bool(found.any())
    return Hota(
        hota=float(by_alpha.mean()),
        det_a=float(det_a.mean()),
        ass_a=float(ass_a.mean()) if any_match else float("nan"),
        loc_a=float(np.where(found > 0, located / some, 1.0).mean()) if any_match else float("nan"),
        det_re=float(_over(found, np.full(len(found), trues)).mean()),
        det_pr=float(_over(found, np.full(len(found), mades)).mean()),
        ass_re=float(((shared**2 / of_true).sum(axis=0) / some).mean()) if any_match else float("nan"),
        ass_pr=float(((shared**2 / of_made).sum(axis=0) / some).mean()) if any_match else float("nan"),
        by_alpha=by_alpha,
    )


def clear(
    true_ids: np.ndarray, made_ids: np.ndarray, similarity: np.ndarray, threshold: float = THRESHOLD
) -> Clear:
    """CLEAR MOT (Bernardin and Stiefelhagen, EURASIP JIVP 2008) of `true_ids` int [T, N], `made_ids` int
    [T, M] and `similarity` [T, N, M], no unit.

    Pairs with similarity >= `threshold` may match; a pair of the frame before is kept if it may, then the
    sum of similarities is largest. MOTA = 1 - (misses + false + switches) / truths. A switch: another id
    than the last that this truth matched, however long ago. A fragment: each time it is matched again
    after not being so. Frames in which either side is empty do not end a match, as in TrackEval. mota is
    NaN without truth, motp without a match (TrackEval: 0 in both).
    """
    pairs = pairs_of(true_ids, made_ids, similarity)
    chosen = pairs.followed(_threshold(threshold) - EPS)
    sizes_true, sizes_made = pairs.sizes_true, pairs.sizes_made
    # One row per frame in which both sides have something, the id that each truth matched there or -1.
    matched = np.full((len(pairs.both), len(sizes_true)), -1)
    matched[np.searchsorted(pairs.both, pairs.frame[chosen]), pairs.true[chosen]] = pairs.made[chosen]
    tracked = matched >= 0
    begins = tracked.copy()
    begins[1:] &= ~tracked[:-1]
    starts = begins.sum(axis=0)
    switches = sum(int((np.diff(ids[ids >= 0]) != 0).sum()) for ids in matched.T)
    count, trues, mades = len(chosen), int(sizes_true.sum()), int(sizes_made.sum())
    share = tracked.sum(axis=0) / sizes_true
    mostly, partly = int((share > MOSTLY_TRACKED).sum()), int((share >= MOSTLY_LOST).sum())
    return Clear(
        mota=(count - (mades - count) - switches) / trues if trues else float("nan"),
        motp=float(pairs.alike[chosen].mean()) if count else float("nan"),
        matches=count,
        misses=trues - count,
        false=mades - count,
        switches=switches,
        fragments=int(np.maximum(starts - 1, 0).sum()),
        mostly_tracked=mostly,
        partly_tracked=partly - mostly,
        mostly_lost=len(sizes_true) - partly,
    )


def identity(
    true_ids: np.ndarray, made_ids: np.ndarray, similarity: np.ndarray, threshold: float = THRESHOLD
) -> Identity:
    """IDF1, IDP, IDR (Ristani et al., ECCV workshops 2016) of `true_ids` int [T, N], `made_ids` int [T,
    M] and `similarity` [T, N, M], no unit.

    One assignment of whole tracks that maximises the detections IDTP in which both are there with
    similarity >= `threshold` (exactly, unlike in CLEAR, where rounding is forgiven). IDF1 = 2 IDTP /
    (truths + made). NaN where its denominator is 0 (TrackEval: 0).
    """
    from scipy.optimize import linear_sum_assignment

    pairs = pairs_of(true_ids, made_ids, similarity)
    sizes_true, sizes_made = pairs.sizes_true, pairs.sizes_made
    common = pairs.table(np.flatnonzero(pairs.alike >= _threshold(threshold)))
    right = int(common[linear_sum_assignment(common, maximize=True)].sum())
    trues, mades = int(sizes_true.sum()), int(sizes_made.sum())
    undefined = float("nan")
    return Identity(
        idf1=2 * right / (trues + mades) if trues + mades else undefined,
        idp=right / mades if mades else undefined,
        idr=right / trues if trues else undefined,
        true_positives=right,
        false_negatives=trues - right,
        false_positives=mades - right,
    )


def _threshold(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"threshold={value} must be above 0 and at most 1; 0.5 is usual")
    return float(value)


def _at_least(counts: np.ndarray) -> np.ndarray:
    """From counts by level [..., A + 1]: how many reach alpha a, [..., A]."""
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1][..., 1:]


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return above / np.where(below > 0, below, np.nan)
