"""What is done to clips so that the encoder learns to see it: order, pace, standstill, blur, cuts.

None of it is a jitter of the picture: `wobble` in `model.features.ranking` is a damage that was never taught.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("reversed", "shuffled", "frozen", "blurred", "cut", "hurried")
BLUR = 2.0
"""Standard deviation of the strongest blur, px of 64."""
TWICE = 0.25
"""Share of damaged clips that get a second damage."""


@dataclass(frozen=True)
class Damaged:
    """`video` uint8 [T, H, W, 3] and how strong each of KINDS is in it, float32 [KINDS] in [0, 1]."""

    video: np.ndarray
    strengths: np.ndarray


def window(video: np.ndarray, frames: int, start: int, stride: int = 1) -> np.ndarray:
    """`frames` frames of `video` from `start` on, every `stride`-th."""
    return video[start : start + (frames - 1) * stride + 1 : stride]


def damaged(
    video: np.ndarray, other: np.ndarray, frames: int, start: int, rng: np.random.Generator
) -> Damaged:
    """The window [start, start + frames) of `video` with one damage of KINDS, seldom two; `other` is a clip
    of the same shape that a cut goes to. A clip that is too short is not hurried but reversed."""
    kinds = list(KINDS)
    count = 2 if rng.random() < TWICE else 1
    chosen = [kinds[int(k)] for k in rng.choice(len(kinds), count, replace=False)]
    reach = 2 * (frames - 1) + 1
    if reach > len(video):
        chosen = ["reversed" if kind == "hurried" else kind for kind in chosen]
    strengths = np.zeros(len(KINDS), np.float32)
    clip = window(video, frames, start)
    if "hurried" in chosen:
        clip = window(video, frames, int(rng.integers(0, len(video) - reach + 1)), 2)
        strengths[KINDS.index("hurried")] = 1.0
    for kind in [k for k in KINDS if k in chosen and k != "hurried"]:
        clip, strength = one(kind, clip, window(other, frames, start), rng)
        strengths[KINDS.index(kind)] = strength
    return Damaged(np.ascontiguousarray(clip), strengths)


def one(kind: str, clip: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """`clip` [T, H, W, 3] with one damage of KINDS but hurried, and its strength in [0, 1]; T is kept."""
    if kind == "reversed":
        return clip[::-1], 1.0
    if kind == "shuffled":
        order = shuffle_order(len(clip), float(rng.uniform(0.2, 1.0)), rng)
        moved = np.abs(order - np.arange(len(clip))).mean() / (len(clip) / 3)
        return clip[order], float(min(1.0, 0.25 + moved))
    if kind == "frozen":
        share = float(rng.uniform(0.3, 1.0))
        return frozen(clip, share, rng), share
    if kind == "blurred":
        share = float(rng.uniform(0.15, 1.0))
        each = rng.random() < 0.5
        factors = rng.uniform(0.0, 1.5, len(clip)) if each else np.ones(len(clip))
        return blurred(clip, share * BLUR * factors), share
    at = int(rng.integers(1, len(clip)))
    later = rng.random() < 0.5
    made = np.concatenate([clip[:at], other[at:]] if later else [other[:at], clip[at:]])
    return made, 0.5 + min(at, len(clip) - at) / len(clip)


def shuffle_order(frames: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """An order int [T] in which `share` of the frames, at least 2, have changed places among themselves."""
    count = max(2, round(share * frames))
    places = np.sort(rng.choice(frames, count, replace=False))
    moved = rng.permutation(places)
    while np.array_equal(moved, places):
        moved = rng.permutation(places)
    order = np.arange(frames)
    order[places] = moved
    return order


def frozen(clip: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The clip with a run of `share` of its frames, at least one, replaced by the frame before the run."""
    frames = len(clip)
    count = min(frames - 1, max(1, round(share * (frames - 1))))
    start = int(rng.integers(1, frames - count + 1))
    order = np.arange(frames)
    order[start : start + count] = start - 1
    return clip[order]


def blurred(clip: np.ndarray, sigmas: Sequence[float] | np.ndarray) -> np.ndarray:
    """Every frame through a Gaussian of its own standard deviation in pixels."""
    import cv2

    return np.stack(
        [
            frame if sigma < 0.05 else cv2.GaussianBlur(frame, (0, 0), float(sigma))
            for frame, sigma in zip(clip, sigmas, strict=True)
        ]
    )
