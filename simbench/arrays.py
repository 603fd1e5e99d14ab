"""Reductions that numpy does slowly on small arrays; each equals numpy's own answer in every bit."""

from __future__ import annotations

import numpy as np


def median(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Median of finite values over one axis, as np.median.

    Sorted whole: numpy's partition takes 20 times as long where many values are equal, and differences of
    rendered frames are.
    """
    count = values.shape[axis]
    ordered = np.sort(values, axis=axis)
    upper = ordered.take(count // 2, axis)
    return upper if count % 2 else (ordered.take(count // 2 - 1, axis) + upper) / 2


def channel_sum(values: np.ndarray) -> np.ndarray:
    """Sum over the last axis [..., C] of few channels, in their order. np.sum loops over C at a time."""
    total = values[..., 0].copy()
    for c in range(1, values.shape[-1]):
        total += values[..., c]
    return total


def channel_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis [..., C] of few channels."""
    return channel_sum(values) / values.shape[-1]


def channel_max(values: np.ndarray) -> np.ndarray:
    """Maximum over the last axis [..., C] of few channels."""
    most = values[..., 0].copy()
    for c in range(1, values.shape[-1]):
        np.maximum(most, values[..., c], out=most)
    return most


def squared(values: np.ndarray) -> np.ndarray:
    """Sum of squares over the last axis [..., C] of few channels: the squared length of colours or flow."""
    total = values[..., 0] * values[..., 0]
    for c in range(1, values.shape[-1]):
        total += values[..., c] * values[..., c]
    return total


def weighted_fit(design: np.ndarray, target: np.ndarray, weight: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Coefficients [D] of weighted ridge regression: `design` [N, D], `target` and `weight` [N], `pull`
    [D, D] is added to the normal matrix. Weighted column by column, since rows of D numbers are short."""
    scaled = np.empty(design.shape, np.result_type(design, weight))
    for k in range(design.shape[1]):
        np.multiply(design[:, k], weight, out=scaled[:, k])
    return np.linalg.solve(scaled.T @ design + pull, scaled.T @ target)


def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of an image [H, W] by rows and by columns: central differences, one-sided at its border."""
    down, right = np.empty_like(image), np.empty_like(image)
    np.subtract(image[2:], image[:-2], out=down[1:-1])
    np.subtract(image[:, 2:], image[:, :-2], out=right[:, 1:-1])
    down[1:-1] /= 2
    right[:, 1:-1] /= 2
    down[0], down[-1] = image[1] - image[0], image[-1] - image[-2]
    right[:, 0], right[:, -1] = image[:, 1] - image[:, 0], image[:, -1] - image[:, -2]
    return down, right
