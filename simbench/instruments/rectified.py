"""A rectified stereo pair: the same point lies in the same row of both pictures, and disparity is depth.

Depth z = focal * baseline / (disparity + offset), where `offset` is how much further right the second
camera's principal point lies than the first's (px; D. Scharstein et al., GCPR 2014, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROWS = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Fundamental matrix of every rectified pair: epipolar lines are the rows."""


@dataclass(frozen=True)
class Rig:
    """Calibration of a rectified pair: `focal` px, principal point `x`, `y` px of the first camera (pixel
    centres at +0.5), `offset` px, `baseline` m."""

    focal: float
    x: float
    y: float
    offset: float
    baseline: float

    def cameras(self) -> tuple[np.ndarray, np.ndarray]:
        """Intrinsics [3, 3] of both, px."""

        def camera(x: float) -> np.ndarray:
            """Intrinsics with the principal point at `x`."""
            return np.array([[self.focal, 0.0, x], [0.0, self.focal, self.y], [0.0, 0.0, 1.0]])

        return camera(self.x), camera(self.x + self.offset)

    def depth(self, disparity: np.ndarray) -> np.ndarray:
        """Depth [...] m of disparities [...] px (x in the first minus x in the second picture); NaN where
        the rays do not meet before the cameras."""
        wide = np.asarray(disparity, dtype=np.float64) + self.offset
        return self.focal * self.baseline / np.where(wide > 0, wide, np.nan)


def sampled(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Values [N] of `image` [H, W] at the pixels that hold `uv` [N, 2] px; NaN outside and where it is not
    finite."""
    height, width = image.shape
    x, y = (np.floor(uv[:, i]).astype(int) for i in (0, 1))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    values = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(np.float64)
    return np.where(inside & np.isfinite(values), values, np.nan)


def dense_disparity(left: np.ndarray, right: np.ndarray, most: int = 96, block: int = 5) -> np.ndarray:
    """Disparity float64 [H, W] px of pictures uint8 [H, W, 3], from 0 to `most`; NaN where there is none.

    Semi-global block matching (Hirschmueller, PAMI 2008) with OpenCV's defaults but for the penalties that
    its manual advises."""
    import cv2

    area = 3 * block**2
    matcher = cv2.StereoSGBM_create(  # type: ignore[attr-defined]
        minDisparity=0,
        numDisparities=16 * -(-most // 16),
        blockSize=block,
        P1=8 * area,
        P2=32 * area,
        uniquenessRatio=5,
        disp12MaxDiff=1,
    )
    found = matcher.compute(left, right).astype(np.float64) / 16.0
    return np.where(found > 0, found, np.nan)


def known_disparity(found: np.ndarray, true: np.ndarray, bad: float = 2.0) -> dict[str, float]:
    """How disparities [H, W] px compare with true ones [H, W] px (NaN: unknown in either).

    `epe_px` mean and `median_px` median absolute error, `bad` share off by more than `bad` px, `coverage`
    share of the known pixels that have one.
    """
    known = np.isfinite(true)
    both = known & np.isfinite(found)
    if not both.any():
        return {"epe_px": float("nan"), "median_px": float("nan"), "bad": float("nan"), "coverage": 0.0}
    off = np.abs(found[both] - true[both])
    return {
        "epe_px": float(off.mean()),
        "median_px": float(np.median(off)),
        "bad": float((off > bad).mean()),
        "coverage": float(both.sum() / known.sum()),
    }
