"""Camera paths: conversions, alignment, absolute and relative errors, and an error in units of the way asked
for.

ATE and RPE as in Sturm et al. (IROS 2012, section IV) and in the tool evo: over camera positions after one
alignment of the whole path, and over motions between frames that are `delta` apart. Poses are world to camera
(OpenCV), metres; what they are compared in is the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.metrics._shapes import shaped
from simbench.metrics.rotations import rotation_angles, rotation_vectors

ALIGNMENTS = ("none", "se3", "sim3")
LEAST_TURN = 5.0
"""Degrees: the smallest turn that counts as the way asked for, so that a path without one divides by no 0."""
LEAST_WAY = 0.05
"""The same for the way, as a share of the scene's depth."""


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation; rotation [3, 3], translation [3] m."""

    rotation: np.ndarray
    translation: np.ndarray
    scale: float

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] m, moved."""
        return self.scale * points @ self.rotation.T + self.translation


@dataclass(frozen=True)
class RelativeError:
    """Errors of K motions: `translation` [K] m, `rotation` [K] degrees."""

    translation: np.ndarray
    rotation: np.ndarray


def eyes(poses: np.ndarray) -> np.ndarray:
    """Where the cameras stand, [T, 3] m in the world, of `poses` [T, 4, 4] world to camera."""
    p = shaped("poses", poses, "T 4 4", {})
    return -(np.swapaxes(p[:, :3, :3], 1, 2) @ p[:, :3, 3:])[..., 0]


def inverted(poses: np.ndarray) -> np.ndarray:
    """Rigid motions [..., 4, 4] (m) turned round: world to camera becomes camera to world, and back."""
    p = shaped("poses", poses, "... 4 4", {})
    out = np.zeros_like(p)
    out[..., :3, :3] = np.swapaxes(p[..., :3, :3], -1, -2)
    out[..., :3, 3:] = -out[..., :3, :3] @ p[..., :3, 3:]
    out[..., 3, 3] = 1.0
    return out


def align(made: np.ndarray, true: np.ndarray, scaled: bool = False) -> Similarity:
    """The rigid motion (SE3), or with `scaled` the similarity (Sim3), that brings `made` nearest to `true`.

    Both [T, 3] m; least squares over points (Umeyama, PAMI 1991, eqs 40-43), never a reflection. Where
    `made` is one point every scale does as well and 1 is returned.
    """
    sizes: dict[str, int] = {}
    a, b = shaped("made", made, "T 3", sizes), shaped("true", true, "T 3", sizes)
    if not len(a):
        raise ValueError("made holds no position; give at least one")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    u, spread, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a) / len(a))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    turn = (u * signs) @ vt
    variance = ((a - mean_a) ** 2).sum() / len(a)
    scale = float((spread * signs).sum() / variance) if scaled and variance > 0 else 1.0
    return Similarity(turn, mean_b - scale * turn @ mean_a, scale)


def absolute_errors(made: np.ndarray, true: np.ndarray, alignment: str = "se3") -> np.ndarray:
    """Distances [T] m between the camera positions of two paths of poses [T, 4, 4].

    `alignment` of the whole made path to the true one: "none", "se3" (turned and moved) or "sim3" (scaled,
    too).
    """
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment={alignment!r} is unknown; use one of {', '.join(ALIGNMENTS)}")
    a, b = eyes(made), eyes(true)
    shaped("made", a, f"{len(b)} 3", {})
    if alignment != "none":
        a = align(a, b, alignment == "sim3").apply(a)
    return np.sqrt(((a - b) ** 2).sum(axis=-1))


def absolute_error(made: np.ndarray, true: np.ndarray, alignment: str = "se3") -> float:
    """Absolute trajectory error: root mean square, m, of `absolute_errors` of poses [T, 4, 4]."""
    return rmse(absolute_errors(made, true, alignment))


def relative_error(
    made: np.ndarray, true: np.ndarray, delta: int = 1, every_pair: bool = True
) -> RelativeError:
    """Relative pose errors, m and degrees, of motions over `delta` frames, of poses [T, 4, 4].

    Of E = (true motion)^-1 (made motion), both in the frame of the camera they start from: the length of its
    translation and the angle of its rotation. Pairs (i, i + delta) for every i, or, without `every_pair`, one
    after the other without overlap. Empty where the path is too short.
    """
    sizes: dict[str, int] = {}
    a = inverted(shaped("made", made, "T 4 4", sizes))
    b = inverted(shaped("true", true, "T 4 4", sizes))
    if delta < 1:
        raise ValueError(f"delta={delta} is not a way forward; give 1 or more frames")
    starts = np.arange(0, len(a) - delta, 1 if every_pair else delta)
    motions = [inverted(p[starts]) @ p[starts + delta] for p in (b, a)]
    error = inverted(motions[0]) @ motions[1]
    return RelativeError(np.sqrt((error[:, :3, 3] ** 2).sum(axis=-1)), rotation_angles(error[:, :3, :3]))


def rmse(errors: np.ndarray) -> float:
    """Root mean square of errors [N] in their unit (m, px or degrees); NaN for none."""
    values = shaped("errors", errors, "N", {})
    return float(np.sqrt((values**2).mean())) if len(values) else float("nan")


def excursions(true: np.ndarray, depth: float) -> tuple[float, float]:
    """How far poses [T, 4, 4] go from their first along the path, in degrees and m, not only by the end.

    At least LEAST_TURN degrees and LEAST_WAY of `depth` (m, of the scene before the camera).
    """
    p = shaped("true", true, "T 4 4", {})
    turns = rotation_angles(p[:, :3, :3] @ p[0, :3, :3].T)
    stand = eyes(p)
    ways = np.sqrt(((stand - stand[0]) ** 2).sum(axis=-1))
    return max(float(turns.max()), LEAST_TURN), max(float(ways.max()), LEAST_WAY * depth)


def excursion_error(made: np.ndarray, true: np.ndarray, depth: float) -> np.ndarray:
    """Error of each pose in units of the true path's largest excursion, [T], no unit.

    sqrt((theta / theta_max)^2 + (d / l_max)^2) with theta (degrees) and d (m) between the made and the true
    pose [4, 4] of a frame, neither path aligned nor scaled, and theta_max and l_max from `excursions`, which
    takes `depth` in m. A camera that never moves scores about 1 at the far end, also where the path comes
    back. NaN where a made pose is NaN.
    """
    sizes: dict[str, int] = {}
    a, b = shaped("made", made, "T 4 4", sizes), shaped("true", true, "T 4 4", sizes)
    most_turn, most_way = excursions(b, depth)
    turn = rotation_angles(a[:, :3, :3] @ np.swapaxes(b[:, :3, :3], 1, 2)) / most_turn
    way = np.sqrt(((eyes(a) - eyes(b)) ** 2).sum(axis=-1)) / most_way
    return np.sqrt(turn**2 + way**2)


def gain(made: np.ndarray, true: np.ndarray, depth: float) -> float:
    """Amplitude of the made path by regression on the true one, of poses [T, 4, 4]; no unit, 1 is right.

    Of the excursions from the first true pose (rotation vector / theta_max, translation / l_max; degrees, m
    and `depth` in m as in `excursions`) the slope through the origin. NaN if the true path goes nowhere.
    """
    a, b = _ways(made, true, depth)
    below = float((b * b).sum())
    return float((a * b).sum()) / below if below > 0 else float("nan")


def motion_gain(made: np.ndarray, true: np.ndarray, depth: float) -> float:
    """The same slope, of both paths [T, 4, 4] about their means (degrees, m, `depth` in m); no unit.

    1 is right, and a camera that stands still is 0 wherever it stands. NaN poses count as standing still
    where the others are on average; no pose at all is 0. NaN if the true path goes nowhere.
    """
    a, b = _ways(made, true, depth)
    seen = np.isfinite(a).all(axis=1)
    below = float(((b - b.mean(axis=0)) ** 2).sum())
    if not below > 0:
        return float("nan")
    if not seen.any():
        return 0.0
    a, b = a[seen] - a[seen].mean(axis=0), b[seen]
    return float((a * b).sum()) / below


def path_correlation(made: np.ndarray, true: np.ndarray, depth: float) -> float:
    """How alike two paths of poses [T, 4, 4] are whatever their amplitude, -1 to 1, no unit.

    The cosine between the excursions that `gain` regresses (`depth` in m); about the first true pose and not
    about the mean. NaN if one path goes nowhere.
    """
    a, b = _ways(made, true, depth)
    below = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / below if below > 0 else float("nan")


def _ways(made: np.ndarray, true: np.ndarray, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Excursions [T, 6] of both paths from the first true pose, in units of the true path's largest."""
    sizes: dict[str, int] = {}
    a, b = shaped("made", made, "T 4 4", sizes), shaped("true", true, "T 4 4", sizes)
    most_turn, most_way = excursions(b, depth)
    home, start = b[0, :3, :3].T, eyes(b)[0]
    rows = []
    for p in (a, b):
        turn = np.degrees(rotation_vectors(p[:, :3, :3] @ home)) / most_turn
        rows.append(np.concatenate([turn, (eyes(p) - start) / most_way], axis=1))
    return rows[0], rows[1]
