"""Points of one real picture found again in another, without any knowledge of what they show.

SIFT (Lowe, IJCV 2004) with the ratio test, kept only where each is the other's nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATIO = 0.8
"""Lowe's ratio: the nearest descriptor must be this much nearer than the second (section 7.1)."""

FEATURES = 1500
"""Most features of a picture, the strongest first."""


@dataclass(frozen=True)
class Features:
    """`uv` float64 [N, 2] px (pixel centres at +0.5) and `descriptors` float32 [N, 128] of one picture."""

    uv: np.ndarray
    descriptors: np.ndarray


@dataclass(frozen=True)
class Matches:
    """`first` and `second` float64 [N, 2] px: the same point in two pictures, as far as it looks so."""

    first: np.ndarray
    second: np.ndarray

    def moved(self) -> np.ndarray:
        """How far each match moved [N], px."""
        return np.hypot(*(self.second - self.first).T)


def features(picture: np.ndarray, most: int = FEATURES) -> Features:
    """SIFT features of a picture uint8 [H, W, 3] sRGB, at most `most`; none in a black one."""
    import cv2

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"picture is {picture.dtype} {list(picture.shape)}; give uint8 [H, W, 3]")
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    sift = cv2.SIFT_create(nfeatures=most)  # type: ignore[attr-defined]
    found, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return Features(np.zeros((0, 2)), np.zeros((0, 128), np.float32))
    # OpenCV counts pixel centres from 0, this project from 0.5.
    spots = np.array([point.pt for point in found], dtype=np.float64) + 0.5
    # A feature with two orientations comes twice; its place counts once for each descriptor.
    return Features(spots, np.asarray(descriptors, dtype=np.float32))


def match(first: Features, second: Features, ratio: float = RATIO) -> Matches:
    """Matches that pass the ratio test in both directions and are each other's nearest; each place once."""
    if min(len(first.uv), len(second.uv)) < 2:
        return Matches(np.zeros((0, 2)), np.zeros((0, 2)))
    there = _nearest(first.descriptors, second.descriptors, ratio)
    back = _nearest(second.descriptors, first.descriptors, ratio)
    own = np.arange(len(there))
    mutual = own[(there >= 0) & (back[there] == own)]
    pairs = np.concatenate([first.uv[mutual], second.uv[there[mutual]]], axis=1)
    pairs = np.unique(pairs.round(3), axis=0)
    return Matches(pairs[:, :2], pairs[:, 2:])


def _nearest(these: np.ndarray, those: np.ndarray, ratio: float) -> np.ndarray:
    """Index [N] of the nearest of `those`, -1 where the second nearest is nearly as near."""
    square = (these**2).sum(axis=1)[:, None] + (those**2).sum(axis=1) - 2.0 * these @ those.T
    near = np.argpartition(square, 1, axis=1)[:, :2]
    two = np.take_along_axis(square, near, axis=1)
    first = two.argmin(axis=1)
    rows = np.arange(len(these))
    best, second = two[rows, first], two[rows, 1 - first]
    # Squares of distances of nearly equal descriptors round to just below 0.
    clear = np.maximum(best, 0.0) < ratio**2 * np.maximum(second, 0.0)
    return np.where(clear, near[rows, first], -1)
