"""Tracks to score: boxes that move, with a tracker that loses, swaps, splits and invents them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from simbench.metrics.objects import box_iou


@dataclass(frozen=True)
class Tracked:
    """One clip: ids of the truth [T, N] and of a tracker [T, M], -1 where empty, and similarity [T, N, M]."""

    true_ids: np.ndarray
    made_ids: np.ndarray
    similarity: np.ndarray

    def arguments(self) -> dict[str, np.ndarray]:
        """As the metrics take them."""
        return {"true_ids": self.true_ids, "made_ids": self.made_ids, "similarity": self.similarity}


def crowd(seed: int, objects: int = 8, frames: int = 20, side: float = 160.0, jitter: float = 4.0) -> Tracked:
    """Boxes of about 30 px that cross; a tracker that is off by `jitter` px, misses one in ten, takes another
    id one time in thirty, swaps two now and then, and sees one thing in fifteen that is not there."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, side, (objects, 2)), rng.normal(0, 3, (objects, 2))
    size = rng.uniform(20, 40, (objects, 2))
    centre = start + speed * np.arange(frames)[:, None, None]
    true_boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    true_ids = np.where(rng.random((frames, objects)) < 0.9, np.arange(objects) * 3 + 1, -1)

    name, names, made_ids = np.arange(objects), objects, np.full((frames, 2 * objects), -1)
    made_boxes = np.zeros((frames, 2 * objects, 4))
    for t in range(frames):
        for k in np.flatnonzero(rng.random(objects) < 1 / 30):
            name[k], names = names, names + 1
        if rng.random() < 0.15:
            a, b = rng.choice(objects, 2, replace=False)
            name[[a, b]] = name[[b, a]]
        seen = (true_ids[t] >= 0) & (rng.random(objects) < 0.9)
        made_ids[t, :objects] = np.where(seen, name, -1)
        made_boxes[t, :objects] = true_boxes[t] + rng.normal(0, jitter, (objects, 4))
        for k in np.flatnonzero(rng.random(objects) < 1 / 15):
            made_ids[t, objects + k], names = names, names + 1
            made_boxes[t, objects + k] = true_boxes[t, k] + rng.normal(0, 12, 4)
    order = rng.permuted(np.tile(np.arange(2 * objects), (frames, 1)), axis=1)
    made_ids = np.take_along_axis(made_ids, order, axis=1)
    made_boxes = np.take_along_axis(made_boxes, order[..., None], axis=1)
    return Tracked(true_ids, made_ids, box_iou(true_boxes, made_boxes))


def _still(ids: list[list[int]], made: list[list[int]], like: float) -> Tracked:
    """Slot n of the truth is like slot n of the tracker by `like` and like no other."""
    true_ids, made_ids = np.array(ids), np.array(made)
    similarity = np.zeros((*true_ids.shape, made_ids.shape[1]))
    for n in range(min(true_ids.shape[1], made_ids.shape[1])):
        similarity[:, n, n] = like
    return Tracked(true_ids, made_ids, similarity)


def clips() -> Mapping[str, Tracked]:
    """Clips by name: crowds of several densities, and what lies on an edge of the definitions."""
    half = 0.5 - np.finfo(np.float64).eps / 2
    out = {f"crowd_{seed}": crowd(seed) for seed in range(4)}
    for seed in range(4):
        tied = crowd(20 + seed, 8, 20, 60.0, 8.0)
        out[f"ties_{seed}"] = replace(tied, similarity=np.round(tied.similarity * 4) / 4)
    out |= {
        "dense": crowd(10, 14, 16, 90.0, 6.0),
        "packed": crowd(30, 8, 20, 60.0, 8.0),
        "sparse": crowd(11, 3, 30, 400.0, 2.0),
        "poor": crowd(12, 8, 20, 160.0, 14.0),
        "empty_tracker": _still([[0, 1]] * 4, [[-1, -1]] * 4, 0.9),
        "empty_truth": _still([[-1, -1]] * 4, [[0, 1]] * 4, 0.9),
        "perfect": _still([[0, 1, 2]] * 5, [[5, 6, 7]] * 5, 1.0),
        "nothing_alike": _still([[0, 1]] * 4, [[0, 1]] * 4, 0.0),
        "at_threshold": _still([[0]] * 4, [[0]] * 4, 0.5),
        "a_rounding_below": _still([[0]] * 4, [[0]] * 4, half),
        "below_threshold": _still([[0]] * 4, [[0]] * 4, 0.5 - 1e-9),
        "low": _still([[0]] * 4, [[0]] * 4, 0.2),
        "switch_after_a_gap": _still([[0]] * 6, [[3], [3], [-1], [-1], [4], [4]], 0.8),
        "gap_while_another_is_tracked": _still(
            [[0, 1]] * 6, [[3, 9], [3, 9], [-1, 9], [-1, 9], [3, 9], [3, 9]], 0.8
        ),
        "truth_leaves": _still([[0, 1], [0, 1], [-1, 1], [0, 1], [0, 1]], [[3, 9]] * 5, 0.8),
        "shares_of_a_track": _still(
            [[0, 1, 2, 3]] * 5,
            [[0, 1, 2, 3], [0, 1, -1, -1], [0, 1, -1, -1], [0, 1, -1, -1], [0, -1, -1, -1]],
            0.9,
        ),
        "one_frame": _still([[0]], [[0]], 0.7),
    }
    return out


def masks() -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Made and true masks bool [T, H, W] by name: discs that are off in place or size."""
    y, x = np.mgrid[:60, :90]

    def discs(radius: float, left: float = 40.0, squash: float = 1.0) -> np.ndarray:
        """A disc that moves right, in four frames."""
        each = [(x - left - 9 * t) ** 2 + ((y - 30) * squash) ** 2 <= radius**2 for t in range(4)]
        return np.array(each)

    true, rng = discs(20), np.random.default_rng(0)
    return {
        "larger": (discs(21.5), true),
        "beside": (discs(20, 46), true),
        "one_px_off": (discs(20, 41), true),
        "squashed": (discs(20, 40, 1.4), true),
        "ragged": (true ^ ((rng.random(true.shape) < 0.02) & discs(26)), true),
        "apart": (discs(6, 5), discs(6, 50)),
        "one_empty": (np.zeros_like(true), true),
    }
