"""Masks of one thing over a clip: region similarity J and boundary accuracy F of DAVIS.

Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation (CVPR 2016).
Masks are bool [T, H, W]. Where neither clip shows the thing J and F are NaN (0 / 0); DAVIS counts 1
there.
"""

from __future__ import annotations

import numpy as np

from simbench.metrics._shapes import shaped

BOUND = 0.008
"""Distance that a boundary may be off, as a share of the picture's diagonal."""


def mask_j(made: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Intersection over union [T] (no unit) of masks `made` and `true`, bool [T, H, W]; NaN where both are
    empty."""
    a, b = _pair(made, true)
    both, either = (a & b).sum(axis=(1, 2)), (a | b).sum(axis=(1, 2))
    return both / np.where(either > 0, either, np.nan)


def boundary_f(made: np.ndarray, true: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """F [T] (no unit) of the outlines of masks `made` and `true`, bool [T, H, W]: the harmonic mean of
    the shares of each outline that lie within ceil(`bound` x diagonal) px of the other.

    An outline is what differs from its right, lower or lower right neighbour. NaN where neither has one
    (both empty, or both fill the picture), 0 where only one has. ValueError for pictures without a pixel.
    """
    a, b = _pair(made, true)
    if not 0 < bound < 1:
        raise ValueError(
            f"bound={bound} must be between 0 and 1, a share of the diagonal; {BOUND} is DAVIS's"
        )
    if 0 in a.shape[1:]:
        raise ValueError(f"made and true are {list(a.shape)}; an outline needs pictures of 1x1 or more")
    reach = int(np.ceil(bound * np.hypot(*a.shape[1:])))
    return np.array([_f(_outline(one), _outline(two), reach) for one, two in zip(a, b, strict=True)])


def _pair(made: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sizes: dict[str, int] = {}
    return shaped("made", made, "T H W", sizes, "bool"), shaped("true", true, "T H W", sizes, "bool")


def _outline(mask: np.ndarray) -> np.ndarray:
    """bool [H, W] of a mask [H, W]."""
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, lower, both = wide[:-1, 1:], wide[1:, :-1], wide[1:, 1:]
    return (mask != right) | (mask != lower) | (mask != both)


def _f(made: np.ndarray, true: np.ndarray, reach: int) -> float:
    """F of two outlines [H, W]."""
    if not made.any() and not true.any():
        return float("nan")
    if not made.any() or not true.any():
        return 0.0
    precision = (made & _near(true, reach)).sum() / made.sum()
    recall = (true & _near(made, reach)).sum() / true.sum()
    total = precision + recall
    return float(2 * precision * recall / total) if total > 0 else 0.0


def _near(outline: np.ndarray, reach: int) -> np.ndarray:
    """bool [H, W]: pixels within `reach` px of an outline."""
    import cv2

    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x**2 + y**2 <= reach**2).astype(np.uint8)
    return cv2.dilate(outline.astype(np.uint8), disc) > 0
