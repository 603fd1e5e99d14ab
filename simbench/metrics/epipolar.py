"""Epipolar errors of matched points, each under its own name because they differ fivefold for the same noise.

For independent noise of sd s px on both images the mean of `sampson_squared` is s^2 and that of
`symmetric_epipolar_squared` about 4 s^2 (Hartley and Zisserman, Multiple View Geometry, 2nd ed.,
11.4.3-11.4.4).
"""

from __future__ import annotations

import numpy as np

from simbench.metrics._shapes import shaped


def essential(first_pose: np.ndarray, second_pose: np.ndarray) -> np.ndarray:
    """E [..., 3, 3] with x2' E x1 = 0 for image points at focal length 1, of two poses [..., 4, 4] (m).

    E = [t]x R of the motion from the first camera's frame to the second's, in m. Meaningless for a pure
    rotation (all zero, or whatever rounding leaves).
    """
    a = shaped("first_pose", first_pose, "... 4 4", {})
    b = shaped("second_pose", second_pose, "... 4 4", {})
    turn = b[..., :3, :3] @ np.swapaxes(a[..., :3, :3], -1, -2)
    shift = b[..., :3, 3] - (turn @ a[..., :3, 3:])[..., 0]
    return _cross(shift) @ turn


def fundamental(
    first_pose: np.ndarray, second_pose: np.ndarray, first_camera: np.ndarray, second_camera: np.ndarray
) -> np.ndarray:
    """F [..., 3, 3] with x2' F x1 = 0 in px, of two poses [..., 4, 4] (m) and intrinsics [..., 3, 3] (px).

    Scaled to Frobenius norm 1 (the errors below do not depend on it). NaN where both cameras are at one
    place.
    """
    ka = np.linalg.inv(shaped("first_camera", first_camera, "... 3 3", {}))
    kb = np.linalg.inv(shaped("second_camera", second_camera, "... 3 3", {}))
    out = np.swapaxes(kb, -1, -2) @ essential(first_pose, second_pose) @ ka
    norm = np.sqrt((out**2).sum(axis=(-1, -2), keepdims=True))
    return _over(out, norm)


def sampson_squared(f: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared first-order geometric distance [..., N], px^2, of matches [..., N, 2] px under `f` [..., 3, 3].

    (x2' F x1)^2 / (|F x1|_12^2 + |F' x2|_12^2), Sampson's approximation; NaN where the denominator is 0.
    """
    residual, one, two = _parts(f, first, second)
    return _over(residual**2, one + two)


def sampson(f: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root of `sampson_squared`: distances [..., N], px, of matches [..., N, 2] px under `f` [..., 3, 3]."""
    return np.sqrt(sampson_squared(f, first, second))


def symmetric_epipolar_squared(f: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sum of the squared distances of both points to their epipolar lines, [..., N], px^2.

    `f` [..., 3, 3], matches [..., N, 2] px; NaN where a point has no epipolar line.
    """
    residual, one, two = _parts(f, first, second)
    return _over(residual**2, one) + _over(residual**2, two)


def epipolar_distance_mean(f: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean of the two (not squared) distances of both points to their epipolar lines, [..., N], px.

    `f` [..., 3, 3], matches [..., N, 2] px; NaN where a point has no epipolar line.
    """
    residual, one, two = _parts(f, first, second)
    size = np.abs(residual)
    return (_over(size, np.sqrt(one)) + _over(size, np.sqrt(two))) / 2


def sqrt_median(squared: np.ndarray) -> float:
    """Root of the median of squared errors [N] px^2, in px: outliers do not move it, unlike the root of the
    mean.

    NaN for no error or if one is NaN.
    """
    values = shaped("squared", squared, "N", {})
    return float(np.sqrt(np.median(values))) if len(values) else float("nan")


def _cross(v: np.ndarray) -> np.ndarray:
    """[v]x of vectors [..., 3]."""
    x, y, z = np.moveaxis(v, -1, 0)
    o = np.zeros_like(x)
    return np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*v.shape[:-1], 3, 3)


def _parts(f: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x2' F x1 and the squared lengths of the normals of both epipolar lines: in the second image, in the
    first."""
    sizes: dict[str, int] = {}
    matrix = shaped("f", f, "... 3 3", {})
    a, b = (
        np.concatenate([p, np.ones((*p.shape[:-1], 1))], axis=-1)
        for p in (shaped("first", first, "... N 2", sizes), shaped("second", second, "... N 2", sizes))
    )
    in_second = a @ np.swapaxes(matrix, -1, -2)
    in_first = b @ matrix
    residual = (in_second * b).sum(axis=-1)
    return residual, (in_second[..., :2] ** 2).sum(axis=-1), (in_first[..., :2] ** 2).sum(axis=-1)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return above / np.where(below > 0, below, np.nan)
