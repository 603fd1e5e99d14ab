"""What a video shows of a first view after it looked away: its landmarks on return, and none before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.instruments.patches import HALF, details, soften
from simbench.instruments.points import Finder, Found, finder, intrinsics, surface_points
from simbench.metrics.tracks import THRESHOLDS, average_jaccard, path_jaccard, to_raster
from simbench.suite import Measures
from simbench.worlds.walks import Walk, visit

FEW = 24
"""A frame that shows fewer landmarks than this is not judged."""

SHINES = 0.25
"""Correlation with the first view, above that of the truth, at which it begins to shine through."""

LOST_PX = 16.0
"""What a landmark that is not found costs in `return_px`, px of an image 256 px wide."""

PATCH = 9
"""Side of the patches that are compared when a region is seen twice, px of an image 128 px high."""


@dataclass(frozen=True)
class Ask:
    """What is asked of the videos of one walk. `judged` bool [T, N]: the landmark is well inside or well
    outside the view; `away` and `back` bool [T]: frames in which none may show, and those after them."""

    walk: Walk
    find: Finder
    judged: np.ndarray
    away: np.ndarray
    back: np.ndarray


@lru_cache(maxsize=1)
def ask(walk: Walk) -> Ask:
    """Film the truth of a walk and choose its landmarks. The last one is kept."""
    s, visited = walk.setting, visit(walk)
    points = surface_points(visited.scene, s, visited.poses[0], near_rims=True)
    find = finder(visited.scene, s, points, (0,))
    size, edge = np.array([s.width, s.height]), HALF + 1.5
    uv = find.truth.uv
    with np.errstate(invalid="ignore"):
        inside = ((uv > -edge) & (uv < size + edge)).all(axis=-1)
    judged = find.truth.seen | ~inside
    few = find.truth.seen.sum(axis=1) < FEW
    judged[few & np.any(inside, axis=1)] = False
    none = ~np.any(inside, axis=1) & (np.arange(s.frames) >= s.context)
    last = int(np.flatnonzero(none).max()) if none.any() else s.frames
    return Ask(walk, find, judged, none, np.arange(s.frames) > last)


def judge(asked: Ask, found: Found, frames: np.ndarray) -> Measures:
    """Measures of one video, `frames` uint8 [T, H, W, 3] whose landmarks are `found`."""
    s, truth = asked.walk.setting, asked.find.truth
    made, true = (to_raster(uv, s.width, s.height) for uv in (np.nan_to_num(found.uv), truth.uv))
    true = np.nan_to_num(true)
    shown, seen = found.found & asked.judged, truth.seen & asked.judged
    left = ~shown[asked.away].any(axis=0)
    after = np.arange(s.frames) >= s.context
    off = np.where(shown, np.hypot(*(made - true).transpose(2, 0, 1)), LOST_PX)
    back = asked.back[:, None] & seen
    out = {
        "aj_return": average_jaccard(
            made, shown & left, true, seen, np.broadcast_to(asked.back[:, None], seen.shape), THRESHOLDS
        ),
        "away": np.maximum(shown.mean(axis=1), shining(asked, frames))[asked.away].mean(),
        "aj_path": path_jaccard(made[after], shown[after], true[after], seen[after], THRESHOLDS),
        "return_px": np.minimum(off, LOST_PX)[back].mean() if back.any() else LOST_PX,
        "registered": found.registered[asked.back].mean(),
    }
    twice = seen_twice(asked, frames)
    if twice is not None:
        out["twice"] = twice
    return {name: float(np.nan_to_num(value)) for name, value in out.items()}


def shining(asked: Ask, frames: np.ndarray) -> np.ndarray:
    """How much of the first view shines through each frame, float64 [T] in [0, 1]: the correlation of their
    details beyond what the truth has by chance (a checkered floor looks alike after a quarter turn)."""
    truth, given = visit(asked.walk).frames, asked.walk.setting.context
    home = details(soften(truth[given - 1 : given])[0])
    made, real = (np.array([_overlap(details(f), home) for f in soften(v)]) for v in (frames, truth))
    return np.clip((made - np.maximum(real, 0.0) - SHINES) / SHINES, 0.0, 1.0)


def _overlap(made: np.ndarray, home: np.ndarray) -> float:
    """Best correlation of the middle of `home` with `made`, both [H, W], within a few pixels."""
    import cv2

    edge = max(2, home.shape[0] // 32)
    middle = np.ascontiguousarray(home[edge:-edge, edge:-edge])
    best = float(cv2.matchTemplate(made, middle, cv2.TM_CCOEFF_NORMED).max())
    return best if np.isfinite(best) and best <= 1.001 else 0.0


def seen_twice(asked: Ask, frames: np.ndarray) -> float | None:
    """Mean correlation of patches that the first view does not show and the camera passes twice, out and
    back: whatever a video invents there must be there again. None where nothing is."""
    yaw = visit(asked.walk).yaw
    count, grey = len(yaw), soften(frames)
    turn = int(np.abs(yaw).argmax())
    values = []
    for t in range(asked.walk.setting.context, turn + 1):
        later = np.arange(max(turn + 1, t + 2), count)
        if len(later) == 0 or abs(yaw[t]) < 15.0:
            continue
        partner = int(later[np.abs(yaw[later] - yaw[t]).argmin()])
        if abs(yaw[partner] - yaw[t]) <= 30.0 and abs(yaw[partner]) >= 15.0:
            values += _alike(asked, grey, t, partner)
    return float(np.mean(values)) if values else None


def _alike(asked: Ask, grey: np.ndarray, first: int, second: int) -> list[float]:
    """Correlations of the patches of frame `second` with frame `first`, warped by the turn between them; only
    patches that no frame of the first view shows."""
    import cv2

    s, poses = asked.walk.setting, asked.find.truth.poses
    camera = intrinsics(asked.find.scene, s)
    turn = poses[second, :3, :3] @ poses[first, :3, :3].T
    home = poses[0, :3, :3] @ poses[second, :3, :3].T
    flat = camera @ turn @ np.linalg.inv(camera)
    centre = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    warp = centre @ flat @ np.linalg.inv(centre)
    size = (s.width, s.height)
    warped = cv2.warpPerspective(grey[first], warp, size)
    valid = cv2.warpPerspective(np.ones_like(grey[first]), warp, size) > 0.99
    side = max(5, round(PATCH * s.height / 128))
    out = []
    for top in range(2, s.height - side - 2, side):
        for left in range(2, s.width - side - 2, side):
            ray = home @ np.linalg.inv(camera) @ np.array([left + side / 2, top + side / 2, 1.0])
            spot = (camera @ ray)[:2] / ray[2] if ray[2] > 1e-6 else np.array([-1e9, -1e9])
            new = not ((spot > -side) & (spot < np.array(size) + side)).all()
            part = (slice(top, top + side), slice(left, left + side))
            if new and valid[part].all() and grey[second][part].std() > 2.0:
                window = grey[second][top - 2 : top + side + 2, left - 2 : left + side + 2]
                found = cv2.matchTemplate(window, warped[part].copy(), cv2.TM_CCOEFF_NORMED)
                best = float(found.max())
                out.append(best if np.isfinite(best) and best <= 1.001 else 0.0)
    return out
