"""Two views adjusted as one: pose, focal length and points together, and what that says of a third view.

Nothing is known of the camera but that its pixels are square, its axis goes through the middle of the
picture, and its focal length is the same in all frames. That is more than a fundamental matrix asks, which
absorbs any homography of any frame: here a frame that was zoomed or skewed alone costs pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simbench.instruments.epipolar_fit import (
    carried,
    fundamental_of,
    homography,
    homography_error,
    refined_pose,
    sampson_or_far,
)
from simbench.instruments.matching import Matches
from simbench.instruments.pose import errors as pose_errors
from simbench.instruments.pose import solve
from simbench.metrics.epipolar import sqrt_median

FOCAL = 1.2
"""Focal length that is tried first, in longer sides of the picture: a phone's or a film camera's, 45
degrees."""

TRUST = 0.25
"""Standard deviation of the logarithm of the focal length about that: two views alone hardly fix it."""

POINTS = 48
"""Most points that are adjusted; dense least squares grows with the cube."""

LEAST = 16
"""Fewest points, of a pair or in a third view."""

FLAT = 0.9
"""Share of the matches that a homography must explain for the pair to be flat, or a mere turn."""

CLEARLY = 0.9
"""Factor on what is left over, below which a later way to begin is taken for better."""

STEP = 1e-6
BEYOND, FAR = 0.005, 1e-4
"""Inverse depths, in baselines: down to minus the first a point counts as infinitely far, which is the
second."""


@dataclass(frozen=True)
class Bundle:
    """Two views of rigid points. `pose` [4, 4] first camera to second, the baseline of length 1; `points`
    [N, 3] in the first camera's frame, in baselines; `focal` px; `error_px` [N], the root of the mean squared
    distance to where a match was seen in both views."""

    pose: np.ndarray
    points: np.ndarray
    focal: float
    error_px: np.ndarray

    @property
    def reproj_px(self) -> float:
        """Root of the median squared reprojection error of all points, px."""
        return sqrt_median(self.error_px**2)

    def cost(self, threshold: float) -> float:
        """Mean error, none above twice `threshold`, px: what two ways to begin are compared by."""
        return float(np.minimum(self.error_px, 2 * threshold).mean())


def camera_of(focal: float, shape: tuple[int, int]) -> np.ndarray:
    """Intrinsics [3, 3] px of a picture of `shape` (height, width)."""
    return np.array([[focal, 0.0, shape[1] / 2], [0.0, focal, shape[0] / 2], [0.0, 0.0, 1.0]])


def some(count: int, most: int = POINTS) -> np.ndarray:
    """Which of `count` matches are adjusted: all, or `most` spread evenly over their order."""
    return np.unique(np.rint(np.linspace(0, count - 1, min(count, most))).astype(int))


def bundle(matches: Matches, shape: tuple[int, int], f: np.ndarray | None, threshold: float) -> Bundle | None:
    """Adjust the matches of two pictures of `shape` (height, width), from the fundamental matrix `f` [3, 3]
    px if there is one. Errors beyond about half of `threshold` px weigh little (Cauchy). None: fewer than 16
    matches, or no pose.

    Of a flat picture, or a camera that only turns, the fundamental matrix says nothing, and many cameras fit.
    There one that turned is tried first, elsewhere second; where much is left over, starts that cost a
    hundred times as much are tried as well.
    """
    if len(matches.first) < LEAST:
        return None
    camera = camera_of(FOCAL * max(shape), shape)
    plane = homography(matches.first, matches.second, threshold)
    off = homography_error(plane, matches.first, matches.second)
    flat = bool((off < 2 * threshold).mean() >= FLAT)
    ways: list[Callable[[], np.ndarray | None]] = [
        lambda: _pose(matches, camera, f, threshold),
        lambda: _turn(matches, camera, plane),
    ]
    ways = [*(reversed(ways) if flat else ways), lambda: _refined(matches, camera, f, threshold)]
    best: Bundle | None = None
    for i, way in enumerate(ways):
        enough = best is not None and best.cost(threshold) < threshold / 2
        if enough and not (flat and i == 1):
            break
        pose = way()
        found = None if pose is None else _adjusted(matches, camera, pose, threshold)
        if found is not None and (best is None or found.cost(threshold) < CLEARLY * best.cost(threshold)):
            best = found
    return best


def _adjusted(matches: Matches, camera: np.ndarray, pose: np.ndarray, threshold: float) -> Bundle:
    """Robust least squares from a pose [4, 4]; its points are placed by it."""
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    rough = float(camera[0, 0])
    a, b = (uv - camera[:2, 2] for uv in (matches.first, matches.second))
    across = np.linalg.svd(pose[None, :3, 3])[2][1:]

    def placed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Turn, way and focal length of the first parameters."""
        way = pose[:3, 3] + x[3:5] @ across
        turn = Rotation.from_rotvec(x[:3]).as_matrix() @ pose[:3, :3]
        return turn, way / np.linalg.norm(way), rough * float(np.exp(np.clip(x[5], -1.5, 1.5)))

    def residuals(x: np.ndarray) -> np.ndarray:
        """[4 N + 1] px: both views, and the trust in the focal length. A point is (x, y, 1) / inverse depth,
        so that what is far away is nothing special."""
        turn, way, focal = placed(x)
        rays = np.concatenate([x[6:].reshape(-1, 3)[:, :2], np.ones((len(a), 1))], axis=1)
        there = rays @ turn.T + x[8::3, None] * way
        ahead = np.maximum(there[:, 2:], 1e-3)
        first, second = focal * rays[:, :2] - a, focal * there[:, :2] / ahead - b
        return np.concatenate([np.hstack([first, second]).ravel(), [threshold * x[5] / TRUST]])

    def slopes(x: np.ndarray) -> np.ndarray:
        """Jacobian by differences: points do not see each other, so that one step serves all of them."""
        base, out = residuals(x), np.zeros((4 * len(a) + 1, len(x)))
        for k in range(6):
            out[:, k] = (residuals(x + STEP * (np.arange(len(x)) == k)) - base) / STEP
        rows = np.arange(4 * len(a)).reshape(-1, 4)
        for k in range(3):
            step = np.zeros(len(x))
            step[6 + k :: 3] = STEP
            change = ((residuals(x + step) - base)[:-1] / STEP).reshape(-1, 4)
            out[rows, 6 + k + 3 * np.arange(len(a))[:, None]] = change
        return out

    start = np.concatenate([np.zeros(6), _start(a / rough, b / rough, pose).ravel()])
    scale = max(threshold / 2, 0.1)
    found = least_squares(residuals, start, slopes, loss="cauchy", f_scale=scale, max_nfev=40, x_scale="jac")
    turn, way, focal = placed(found.x)
    off = residuals(found.x)[:-1].reshape(-1, 4)
    rays = found.x[6:].reshape(-1, 3)
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = turn, way
    # Noise puts half of what is infinitely far beyond infinity: within a pixel or two it is far, not behind.
    near = np.where(rays[:, 2] > -BEYOND, np.maximum(rays[:, 2], FAR), rays[:, 2])
    depth = 1.0 / near
    points = np.column_stack([rays[:, :2], np.ones(len(rays))]) * depth[:, None]
    return Bundle(out, points, focal, np.sqrt((off**2).sum(axis=1) / 2))


def third_error(
    found: Bundle, uv: np.ndarray, shape: tuple[int, int], reach: float, rng: np.random.Generator
) -> float | None:
    """Root-median error px of `found.points` in a third picture, where they were seen at `uv` [N, 2] px (NaN:
    not seen). Its camera is solved on a random half of the points and judged on the other half, and the other
    way round; errors count up to the longer side. None with fewer than 16 points before the cameras."""
    ahead = np.isfinite(uv).all(axis=1) & (found.points[:, 2] > 0)
    known = rng.permutation(np.flatnonzero(ahead))
    if len(known) < LEAST:
        return None
    middle, camera = len(known) // 2, camera_of(found.focal, shape)
    off = []
    for half, rest in ((known[:middle], known[middle:]), (known[middle:], known[:middle])):
        # The way goes on as it began: twice the step from the first to the second.
        solved = solve(found.points[half], uv[half], camera, found.pose @ found.pose, reach)
        if solved is None:
            return None
        off.append(np.minimum(pose_errors(found.points[rest], uv[rest], camera, solved[0]), max(shape)))
    return sqrt_median(np.concatenate(off) ** 2)


def _pose(matches: Matches, camera: np.ndarray, f: np.ndarray | None, threshold: float) -> np.ndarray | None:
    """A pose [4, 4] to start from, the baseline of length 1: that of `f` or of USAC_MAGSAC's essential
    matrix, whichever fits more of the matches. A short way sideways and a turn look alike, so one alone may
    be wrong."""
    import cv2

    a, b = matches.first, matches.second
    found = None
    with contextlib.suppress(cv2.error):
        found, _ = cv2.findEssentialMat(a, b, camera, cv2.USAC_MAGSAC, 0.999, threshold)
    starts = [None if f is None else camera.T @ f @ camera, found]
    poses = []
    for essential in starts:
        if essential is None or np.shape(essential) != (3, 3) or not np.isfinite(essential).all():
            continue
        pose = np.eye(4)
        try:
            _, pose[:3, :3], way, _ = cv2.recoverPose(np.asarray(essential, np.float64), a, b, camera)
        except cv2.error:
            continue
        pose[:3, 3] = way[:, 0]
        poses.append(pose)

    def cost(pose: np.ndarray) -> float:
        """Mean Sampson distance, px, none above twice the threshold."""
        far = sampson_or_far(fundamental_of(pose, (camera, camera)), a, b)
        return float(np.minimum(far, 2 * threshold).mean())

    return min(poses, key=cost, default=None)


def _refined(
    matches: Matches, camera: np.ndarray, f: np.ndarray | None, threshold: float
) -> np.ndarray | None:
    """The best of several refined essential matrices, as a pose [4, 4]."""
    return refined_pose(matches.first, matches.second, (camera, camera), threshold, f)


def _turn(matches: Matches, camera: np.ndarray, plane: np.ndarray | None) -> np.ndarray | None:
    """The pose [4, 4] of a camera that turned as the homography `plane` [3, 3] px says, and went where that
    leaves matches over; None without a homography."""
    if plane is None:
        return None
    u, _, v = np.linalg.svd(np.linalg.inv(camera) @ plane @ camera * np.sign(np.linalg.det(plane)))
    pose = np.eye(4)
    pose[:3, :3] = u @ v
    turned = carried(camera @ pose[:3, :3] @ np.linalg.inv(camera), matches.first)
    way = np.nanmedian(matches.second - turned, axis=0)
    length = float(np.hypot(*way))
    pose[:3, 3] = [*(way / length), 0.0] if length > 1e-9 else [1.0, 0.0, 0.0]
    return pose


def _start(a: np.ndarray, b: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points [N, 3] (x, y at depth 1, inverse depth) from rays [N, 2] of both views under `pose` [4, 4]."""
    rays = np.concatenate([a, np.ones((len(a), 1))], axis=1) @ pose[:3, :3].T
    way = pose[:3, 3]
    # b = (rays + r way)_xy / (rays + r way)_z, linear in the inverse depth r; least squares of two rows.
    left = way[:2] - b * way[2]
    right = b * rays[:, 2:] - rays[:, :2]
    inverse = (left * right).sum(axis=1) / np.maximum((left**2).sum(axis=1), 1e-12)
    return np.column_stack([a, np.clip(inverse, -0.01, 10.0)])
