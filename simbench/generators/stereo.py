"""Inverse depth of one given frame from the others, whose cameras are known: a sweep, then surfaces.

1. Plane sweep (Collins, CVPR 1996) with the best half of the views per pixel (Kang et al., CVPR 2001) and
   semi-global aggregation: whole levels, to within half a pixel of parallax.
2. Planes proposed from those depths, assigned by belief propagation and fitted anew to the pixels they own,
   in turn (PEARL: Isack and Boykov, IJCV 2012). The fit is photometric, so a floor of a thousand pixels is
   known to a hundredth.
3. Surfaces that own a small patch may bend (a quadric in inverse depth): balls and cylinders.

No law of any suite is known here, and no model has seen anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAP = 25.0
"""Differences of colour above this say no more than that something does not fit."""
SHARE = 0.45
LEVEL = 0.9
"""Parallax between two levels of the sweep, px in the view farthest away."""
SPAN = 1.0
"""Largest parallax that is looked for in the view farthest away, as a share of the image's longer side."""
VIEWS = 6
FINER = 2
"""Other frames are enlarged by this: linear interpolation between their pixels alone pulls depths to whole
px.
"""
STILL = 0.5
"""Parallax (px) of what stands one unit away, below which two frames share one place."""


@dataclass(frozen=True)
class Views:
    """A key frame float32 [H, W, 3] and `images` of other frames with what takes its pixels there.

    `turns` float64 [V, 3, 3] and `shifts` [V, 3]: see `stereo_kernel`. Views are sorted, farthest first;
    `images` [V, FINER H, FINER W, 3] are enlarged.
    """

    key: np.ndarray
    images: np.ndarray
    turns: np.ndarray
    shifts: np.ndarray

    @property
    def parallax(self) -> np.ndarray:
        """Pixels by which each view shifts per unit of inverse depth, about [V]."""
        return np.linalg.norm(self.shifts, axis=1) / FINER

    def unhidden(self) -> np.ndarray:
        """Buffers [V, 1, 1] behind which nothing is hidden: see `stereo_kernel`."""
        return np.zeros((len(self.images), 1, 1))

    def buffers(self, inverse: np.ndarray) -> np.ndarray:
        """Nearness float64 [V, H, W] of what lies foremost in each view if the key has depths `inverse` [H,
        W].
        """
        from simbench.generators import warp_kernel

        out = np.full((len(self.images), *inverse.shape), -1.0)
        less = np.diag([1.0 / FINER, 1.0 / FINER, 1.0])
        for buffer, turn, shift in zip(out, self.turns, self.shifts, strict=True):
            warp_kernel.splat(inverse, less @ turn, less @ shift, np.zeros((*inverse.shape, 2)), buffer)
        return out


def relative(
    poses: np.ndarray, intrinsics: np.ndarray, key: int, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(turns [V, 3, 3], shifts [V, 3]) from frame `key` to frames `others` (indices [V])."""
    back = np.linalg.inv(poses[key])
    inverse = np.linalg.inv(intrinsics[key])
    moves = poses[others] @ back
    return intrinsics[others] @ moves[:, :3, :3] @ inverse, (intrinsics[others] @ moves[:, :3, 3:])[..., 0]


def views_of(frames: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray, key: int) -> Views:
    """`frames` uint8 [k, H, W, 3] seen from frame `key`; brightness is taken to stay."""
    import cv2

    others = np.array([t for t in range(len(frames)) if t != key], dtype=int)
    turns, shifts = relative(poses, intrinsics, key, others)
    order = _spread(np.linalg.norm(shifts, axis=1))
    pictures = frames.astype(np.float32)
    finer = np.diag([float(FINER), float(FINER), 1.0])
    size = (frames.shape[2] * FINER, frames.shape[1] * FINER)
    images = [cv2.resize(i, size, interpolation=cv2.INTER_LANCZOS4) for i in pictures[others[order]]]
    stack = np.array(images, np.float32).reshape(-1, size[1], size[0], 3)
    return Views(pictures[key], stack, finer @ turns[order], shifts[order] @ finer)


def _spread(parallax: np.ndarray) -> np.ndarray:
    """At most `VIEWS` of the views [V], farthest first, evenly over their distance; none that hardly
    moves.
    """
    order = np.argsort(-parallax, kind="stable")
    order = order[parallax[order] > max(STILL, 0.05 * parallax.max(initial=0.0))]
    if len(order) > VIEWS:
        order = order[np.rint(np.linspace(0, len(order) - 1, VIEWS)).astype(int)]
    return order


def inverse_depth(views: Views) -> np.ndarray:
    """Inverse depth float64 [H, W] of the key frame in the poses' unit; 0 is infinitely far.

    All 0 where no view sees what stands one unit away shift by more than `STILL` px.
    """
    height, width = views.key.shape[:2]
    if len(views.images) == 0:
        return np.zeros((height, width))
    from simbench.generators import surfaces

    local, step = sweep(views)
    return surfaces.fitted(views, local, step)


def nearest(views: Views) -> float:
    """Inverse depth beyond which nothing lies: from a sweep at half size, 2 px of parallax a level."""
    import cv2

    from simbench.generators import stereo_costs

    height, width = views.key.shape[:2]
    half = (width // 2, height // 2)
    small = [cv2.resize(i, half, interpolation=cv2.INTER_AREA) for i in (views.key, *views.images)]
    zoom = np.diag([half[0] / width, half[1] / height, 1.0])
    less = np.diag([half[0] / width / FINER, half[1] / height / FINER, 1.0])
    turns = less @ views.turns @ np.linalg.inv(zoom)
    shifts = views.shifts @ less
    top = SPAN * max(height, width) / views.parallax[0]
    levels = np.linspace(0.0, top, int(SPAN * max(height, width) / 2) + 1)
    open_ = np.zeros((len(turns), 1, 1))
    cost = stereo_costs.level_costs(np.array(small[1:]), small[0], turns, shifts, open_, levels, CAP, SHARE)
    cost = np.stack([cv2.blur(np.ascontiguousarray(cost[..., n]), (5, 5)) for n in range(len(levels))], -1)
    best = cost.argmin(-1)
    apart = np.abs(np.arange(len(levels)) - best[..., None]) > 2
    low = cost.min(-1)
    sure = (low < 8.0) & (np.where(apart, cost, CAP).min(-1) > low + 2.0)
    if sure.sum() < 0.02 * sure.size:
        return top
    return min(top, 1.15 * float(np.quantile(levels[best[sure]], 0.995)) + 3 * float(levels[1]))


def sweep(views: Views) -> tuple[np.ndarray, float]:
    """(Local planes float64 [H, W, 3]: inverse depth and its slope per px right and down, step of a
    level).
    """
    from simbench.generators import stereo_costs
    from simbench.generators import stereo_kernel as kernel

    top = nearest(views)
    count = max(int(np.ceil(top * views.parallax[0] / LEVEL)) + 1, 8)
    levels = np.linspace(0.0, top, count)
    step = float(levels[1])
    rest = (views.images, views.key, views.turns, views.shifts, views.unhidden())
    cost = stereo_costs.level_costs(*rest, levels, CAP, SHARE)
    total = kernel.aggregate(cost, kernel.edges(views.key, 12.0, 0.05), 1.0, 12.0)
    best = total.argmin(-1)
    middle = np.clip(best, 1, count - 2)
    a, b, c = (np.take_along_axis(total, (middle + k)[..., None], -1)[..., 0] for k in (-1, 0, 1))
    bend = a - 2 * b + c
    part = np.where(bend > 1e-6, np.clip((a - c) / (2 * np.maximum(bend, 1e-6)), -0.5, 0.5), 0.0)
    swept = np.where(best == 0, 0.0, middle + part) * step
    return kernel.slopes(swept, kernel.supports(views.key, 10.0), 3 * step), step
