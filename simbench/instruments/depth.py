"""Depth out of a generated video alone: cameras from half of its points, the other half triangulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.instruments import pose
from simbench.instruments.points import Finder, Found
from simbench.metrics.reprojection import baseline_angle, project, triangulate

LEAST_BASELINE = 2.0
"""Degrees between the outermost rays to a point, below which its depth is not judged but counted as lost."""

ASKED_BASELINE = 3.0
"""The same in the truth, from which a point is asked for."""

RASTER = 256.0


@dataclass(frozen=True)
class Depths:
    """`reproj_px`: median distance, px of an image 256 px wide, of points to where the camera fitted to the
    others puts them; `depth_m`: median error of triangulated depths, m; `absrel`: mean of |z - z*| / z*, at
    most 1 each, points that cannot be triangulated counting 1. None where no point could be judged."""

    reproj_px: float | None
    depth_m: float | None
    absrel: float


def depths(finder: Finder, found: Found, first: int, seed: int) -> Depths:
    """Depth in the camera of frame `first` - 1, from frames `first` on, both halves judged by each other."""
    total = len(finder.points)
    order = np.random.default_rng(seed).permutation(total)
    frames = np.arange(first, len(found.poses))
    angle = baseline_angle(finder.points, finder.truth.seen[frames], finder.truth.poses[frames])
    asked = np.nan_to_num(angle) >= ASKED_BASELINE
    misses: list[np.ndarray] = []
    made = np.full(total, np.nan)
    for half in (order[: total // 2], order[total // 2 :]):
        other = np.setdiff1d(order, half)
        cameras = _cameras(finder, found, frames, other)
        used = found.found[frames][:, half] & np.isfinite(cameras).all(axis=(1, 2))[:, None]
        poses = np.where(np.isfinite(cameras), cameras, finder.truth.poses[frames])
        spots = project(finder.points[half], poses, np.tile(finder.camera, (len(poses), 1, 1)))
        misses.append(np.hypot(*(spots - found.uv[frames][:, half]).transpose(2, 0, 1))[used])
        made[half] = _depth(finder, found.uv[frames][:, half], used, poses, first - 1)
    true = finder.truth.depth[first - 1]
    off = np.abs(made - true)
    known = asked & np.isfinite(off)
    share = np.where(known, np.minimum(np.nan_to_num(off) / true, 1.0), 1.0)[asked]
    off_px = np.concatenate(misses)
    off_px = off_px[np.isfinite(off_px)] * RASTER / finder.setting.width
    return Depths(
        reproj_px=float(np.median(off_px)) if len(off_px) else None,
        depth_m=float(np.median(off[known])) if known.any() else None,
        absrel=float(share.mean()) if len(share) else 1.0,
    )


def _cameras(finder: Finder, found: Found, frames: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Poses [F, 4, 4] of `frames` from the `chosen` points alone, NaN where they do not fix one."""
    out = np.full((len(frames), 4, 4), np.nan)
    for i, t in enumerate(frames):
        which = chosen[found.found[t, chosen]]
        if found.registered[t] and len(which) >= 6:
            solved = pose.solve(
                finder.points[which],
                found.uv[t, which],
                finder.camera,
                found.poses[t],
                pose.REACH_PX * finder.scale,
            )
            out[i] = out[i] if solved is None else solved[0]
    return out


def _depth(finder: Finder, uv: np.ndarray, used: np.ndarray, poses: np.ndarray, home: int) -> np.ndarray:
    """Depths [P] m in the true camera of frame `home`; NaN without the baseline to tell."""
    camera = np.broadcast_to(finder.camera, (len(poses), 3, 3))
    world = triangulate(np.nan_to_num(uv), used, poses, camera)
    sure = np.isfinite(world).all(axis=-1) & (used.sum(axis=0) >= 2)
    angle = np.zeros(len(sure))
    angle[sure] = baseline_angle(world[sure], used[:, sure], poses)
    home_pose = finder.truth.poses[home]
    depth = world @ home_pose[2, :3] + home_pose[2, 3]
    return np.where(sure & (angle >= LEAST_BASELINE), depth, np.nan)
