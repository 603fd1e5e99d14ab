"""`plane_sweep`: depth of the given frames by stereo, later frames by seeing it from the commanded cameras.

For given=cam. It knows the camera's path and the given frames and nothing of any world: depth comes from
`stereo`, later frames from `warp`. Without two places of the camera everything lies infinitely far away and
a frame is the exact homography of the turn; without poses the last given frame is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from simbench.case import Condition
from simbench.generators import stereo, warp
from simbench.generators.rollout import hold
from simbench.video import Video

WORTH = 0.01
"""Share of a frame that another given frame must add to be worth its depth."""
KEYS = 3
"""Depths are estimated for this many given frames at most."""


@dataclass(frozen=True)
class PlaneSweep:
    """Classical novel views: plane-sweep depth of the given frames, warped to every later camera.

    Deterministic; the seed changes nothing. No weights and no law: what no given frame shows is filled
    quietly.
    """

    capabilities: frozenset[str] = frozenset({"pool"})
    exposure: ClassVar[str] = "zero-shot"

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """One video per condition; the given frames come back as they were, grey where none is given."""
        return [Video(reproject(c), c.fps) for c in conditions]

    def identity(self) -> Mapping[str, Any]:
        """Class and version."""
        return {"class": "simbench.generators.plane_sweep.PlaneSweep", "version": 1}


def reproject(condition: Condition) -> np.ndarray:
    """The whole clip uint8 [T, H, W, 3] that the poses of `condition` ask for; the last given frame is
    repeated where there are no poses or no frames."""
    frames = np.asarray(condition.given_frames)
    out = hold(condition)
    count = len(frames)
    poses, intrinsics = condition.poses, condition.intrinsics
    if poses is None or intrinsics is None or count == 0 or count >= condition.frames:
        return out
    size = (condition.height, condition.width)
    later = np.arange(count, condition.frames)
    sights = [warp.nothing(*size) for _ in later]
    left = list(range(count))
    key: int | None = count - 1
    keys = 0
    while key is not None:
        left.remove(key)
        inverse = stereo.inverse_depth(stereo.views_of(frames, poses, intrinsics, key))
        keys += bool(inverse.any())
        image = frames[key].astype(np.float32)
        turns, shifts = stereo.relative(poses, intrinsics, key, later)
        for i in range(len(later)):
            if (sights[i].nearness < 0).any():
                sights[i] = warp.over(sights[i], warp.moved(image, inverse, turns[i], shifts[i], size))
        key = _next(sights, poses, intrinsics, later, left) if keys < KEYS else None
    for t, sight in zip(later, sights, strict=True):
        out[t] = warp.finished(sight, out[t - 1])
    return out


def _next(
    sights: list[warp.Sight], poses: np.ndarray, intrinsics: np.ndarray, later: np.ndarray, left: list[int]
) -> int | None:
    """The given frame out of `left` that shows most of what is still unknown, or None if none shows enough.

    What is unknown is taken to lie as far away as the far half of the frame does.
    """
    best, most = None, WORTH * sights[0].nearness.size
    gains = dict.fromkeys(left, 0.0)
    for t, sight in zip(later, sights, strict=True):
        holes = sight.nearness < 0
        if holes.mean() <= WORTH or not left:
            continue
        known = sight.nearness[~holes]
        w = float(np.quantile(known, 0.25)) if len(known) else 0.0
        y, x = np.nonzero(holes)
        pixels = np.stack([x + 0.5, y + 0.5, np.ones(len(x))], -1)
        turns, shifts = stereo.relative(poses, intrinsics, int(t), np.array(left))
        for g, turn, shift in zip(left, turns, shifts, strict=True):
            seen = pixels @ turn.T + shift * w
            u, v = seen[:, 0] / seen[:, 2], seen[:, 1] / seen[:, 2]
            inside = (seen[:, 2] > 0) & (u >= 0) & (v >= 0) & (u <= holes.shape[1]) & (v <= holes.shape[0])
            gains[g] = max(gains[g], float(inside.sum()))
    for g, gain in gains.items():
        if gain > most:
            best, most = g, gain
    return best
