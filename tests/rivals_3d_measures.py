"""Measures of consistent geometry, smooth motion and obeyed cameras as six public works compute them.

Each is written from what its description and our own probes of it say; no code of theirs was read for it.
Where a description leaves something open the docstring says what was put there. SIFT and flow see frames
enlarged to 256 px, so that thresholds in px mean what they mean there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simbench.metrics import epipolar, rotations, trajectory

SIDE = 256


def enlarged(frames: np.ndarray) -> np.ndarray:
    """uint8 [T, SIDE, W', 3] of frames uint8 [T, H, W, 3]."""
    import cv2

    size = (round(SIDE * frames.shape[2] / frames.shape[1]), SIDE)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in frames])


@dataclass(frozen=True)
class Features:
    """SIFT of one frame: places [N, 2] px and descriptors [N, 128]."""

    places: np.ndarray
    words: np.ndarray


def features(frames: np.ndarray) -> list[Features]:
    """SIFT of every frame uint8 [T, H, W, 3]."""
    import cv2

    # The strongest 1000, which only a frame of noise has more of.
    sift = cv2.SIFT_create(1000)
    out = []
    for frame in frames:
        found, words = sift.detectAndCompute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), None)
        places = np.array([k.pt for k in found], np.float64).reshape(-1, 2) + 0.5
        out.append(Features(places, np.zeros((0, 128), np.float32) if words is None else words))
    return out


def matched(a: Features, b: Features, ratio: float = 0.85) -> tuple[np.ndarray, np.ndarray]:
    """Places [N, 2] px of the matches that are nearer than `ratio` times the second nearest (Lowe 2004)."""
    import cv2

    if len(a.words) == 0 or len(b.words) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    pairs = cv2.BFMatcher().knnMatch(a.words, b.words, k=2)
    kept = [(m.queryIdx, m.trainIdx) for m, n in pairs if m.distance < ratio * n.distance]
    one, two = (np.array([k[i] for k in kept], int) for i in (0, 1))
    return a.places[one], b.places[two]


def ransac(a: np.ndarray, b: np.ndarray, threshold: float = 3.0) -> tuple[np.ndarray, np.ndarray] | None:
    """F [3, 3] and its inliers bool [N] among matches [N, 2] px; None where there is none."""
    import cv2

    if len(a) < 8:
        return None
    f, mask = cv2.findFundamentalMat(a, b, cv2.FM_RANSAC, threshold, 0.99)
    if f is None or f.shape != (3, 3) or mask is None:
        return None
    return f, mask.ravel().astype(bool)


def gvgc(seen: Sequence[Features], gaps: Sequence[int] = (4, 8)) -> tuple[float, float]:
    """Keep ratio and mean epipolar error (px) of GVGC.

    F by RANSAC (3 px) from SIFT matches (.85) of frames that are `gaps` apart; the share of matches that are
    inliers, and the mean error of those inliers alone. Its gaps are 10 to 60 frames of 24 to 30 per second,
    so half a second and one here. Its error is taken as the mean distance to both epipolar lines. NaN without
    a pair that has 8 matches.
    """
    kept, errors = [], []
    for gap in gaps:
        for a, b in zip(seen[:-gap], seen[gap:], strict=True):
            one, two = matched(a, b)
            found = ransac(one, two)
            if found is not None and found[1].any():
                kept.append(found[1].mean())
                errors.append(epipolar.epipolar_distance_mean(found[0], one[found[1]], two[found[1]]).mean())
    return (float(np.mean(kept)), float(np.mean(errors))) if kept else (float("nan"), float("nan"))


def tsed(
    seen: Sequence[Features], poses: np.ndarray, camera: np.ndarray, least: int = 10, most: float = 2.0
) -> float:
    """TSED: the share of neighbouring frames that agree with the cameras asked for.

    They do with `least` SIFT matches or more whose median epipolar distance is below `most` px, by the
    requested `poses` [T, 4, 4] and intrinsics `camera` [3, 3] px.
    """
    good = []
    for a, b, p, q in zip(seen[:-1], seen[1:], poses[:-1], poses[1:], strict=True):
        one, two = matched(a, b)
        f = epipolar.fundamental(p, q, camera, camera)
        fine = len(one) >= least and np.median(epipolar.epipolar_distance_mean(f, one, two)) < most
        good.append(bool(fine))
    return float(np.mean(good))


def flows(frames: np.ndarray) -> np.ndarray:
    """DIS flow [T - 1, H, W, 2] px (Kroeger et al. 2016) from each frame uint8 [T, H, W, 3] to the next."""
    import cv2

    solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]
    return np.stack([solver.calc(a, b, None) for a, b in pairwise(grey)])


def vbench2_multi_view(seen: Sequence[Features], flow: np.ndarray) -> float:
    """VBench-2.0 multi-view: clip(inliers, 0, 750) / 750 x clip(mean of the top 5 % of flow, 0, 10) / 10.

    SIFT-RANSAC inliers and DIS flow (there RAFT) of neighbouring frames, each averaged over the video.
    """
    counts = []
    for a, b in pairwise(seen):
        found = ransac(*matched(a, b))
        counts.append(0 if found is None else int(found[1].sum()))
    sizes = np.sort(np.hypot(flow[..., 0], flow[..., 1]).reshape(len(flow), -1), axis=1)
    fast = sizes[:, -max(1, sizes.shape[1] // 20) :].mean(axis=1).mean()
    return float(np.clip(np.mean(counts), 0, 750) / 750 * np.clip(fast, 0, 10) / 10)


def worldscore_mse(a: np.ndarray, b: np.ndarray) -> float:
    """WorldScore's mean squared error of two uint8 images as it comes out on uint8: the difference and its
    square both wrap at 256."""
    gap = a - b
    return float((gap * gap).astype(np.float64).mean())


def plain_mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error of two uint8 images, levels^2."""
    return float(((a.astype(np.float64) - b) ** 2).mean())


def smoothness(frames: np.ndarray, mse=worldscore_mse) -> float:
    """Mean `mse` between each frame uint8 [T, H, W, 3] and what is interpolated from its neighbours.

    Here that is their mean, there VFIMamba. Lower is better; WorldScore divides by 82.4.
    """
    middle = np.rint((frames[:-2].astype(np.float32) + frames[2:]) / 2).astype(np.uint8)
    return float(np.mean([mse(a, b) for a, b in zip(frames[1:-1], middle, strict=True)]))


def motion_smoothness(frames: np.ndarray, flow: np.ndarray, way: str = "theirs") -> float:
    """MemoBench MotSmooth: each frame uint8 [T, H, W, 3] warped by its `flow` [T - 1, H, W, 2] px to the
    next, and compared with that.

    "theirs" looks the first frame up at x + flow, which moves it the wrong way; "right" looks the second one
    up there and compares with the first; "none" does not warp. The comparison is not described; here SSIM.
    """
    import cv2
    from rivals import ssim

    height, width = flow.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    alike = []
    for first, second, step in zip(frames[:-1], frames[1:], flow, strict=True):
        maps = (x + step[..., 0], y + step[..., 1])
        source, goal = (second, first) if way == "right" else (first, second)
        if way != "none":
            source = cv2.remap(source, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alike.append(ssim(source.mean(-1), goal.mean(-1)))
    return float(np.mean(alike))


def wrbench_precision(made: np.ndarray, true: np.ndarray) -> float:
    """WRBench CamPrec of two paths of poses [T, 4, 4]: exp(-(rot_err / 45 degrees + trans_err / 1)), and 0 if
    the largest yaw is below 2 degrees or of the wrong sign.

    Both from their first pose; the means over frames; the translation is scaled to the true one first, which
    on a path that only turns leaves none.
    """
    a, b = (p @ np.linalg.inv(p[0]) for p in (made, true))
    yaw = [np.degrees(np.arctan2(p[:, 0, 2], p[:, 2, 2])) for p in (a, b)]
    peak = [y[np.abs(y).argmax()] for y in yaw]
    if abs(peak[0]) < 2.0 or peak[0] * peak[1] <= 0:
        return 0.0
    turn = rotations.rotation_angles(a[:, :3, :3] @ np.swapaxes(b[:, :3, :3], 1, 2)).mean()
    eyes = [trajectory.eyes(p) for p in (a, b)]
    size = (eyes[0] ** 2).sum()
    scale = (eyes[0] * eyes[1]).sum() / size if size > 0 else 0.0
    way = np.linalg.norm(scale * eyes[0] - eyes[1], axis=-1).mean()
    return float(np.exp(-(turn / 45.0 + way)))


def memobench_control(made: np.ndarray, true: np.ndarray) -> float:
    """MemoBench CamCtrl of two paths of poses [T, 4, 4].

    max(0, 1 - ATE / max(end-to-end rotation, 10 degrees)); ATE is the root mean square of the angles between
    the poses, both from their first one.
    """
    a, b = (p[:, :3, :3] @ p[0, :3, :3].T for p in (made, true))
    error = trajectory.rmse(rotations.rotation_angles(a @ np.swapaxes(b, 1, 2)))
    return float(max(0.0, 1.0 - error / max(rotations.rotation_angles(b[-1:])[0], 10.0)))
