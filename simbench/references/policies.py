"""Policies that score without understanding: a space of parameters to search, and one that fits any suite."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from simbench.case import Case, Condition
from simbench.video import Video

Play = Callable[[Mapping[str, float], random.Random], Video]
"""(a value for each parameter, dice) -> the clip that this policy makes of one case."""

TILES = 4
"""Tiles along each side of an image that are shuffled."""


@dataclass(frozen=True)
class Policies:
    """A space of policies. `space` holds the range of each parameter; `prepare` does once for a case what
    all policies share. The search starts at random policies and around `pure`, which does one thing
    perfectly, with its `switches` thrown to 0 or 1."""

    space: Mapping[str, tuple[float, float]]
    prepare: Callable[[Case], Play]
    pure: Mapping[str, float]
    switches: tuple[str, ...]


SPACE: Mapping[str, tuple[float, float]] = {
    "hold": (0.0, 1.0),
    "again": (0.0, 1.0),
    "back": (0.0, 1.0),
    "pan": (-0.3, 0.3),
    "tilt": (-0.3, 0.3),
    "zoom": (-0.3, 0.3),
    "blur": (-0.05, 0.05),
    "shuffle": (-0.5, 0.5),
}
"""What `blind` may do: weights of three playbacks (the last given frame held, the given frames played again,
played back and forth from the last one on), drift to the right and down in widths a second, growth in e-folds
a second, blur in widths, and the share of tiles that change places. The negative half of the last two is cut
off, so that half of the policies do neither."""


def blind() -> Policies:
    """What a video made of the given frames alone may do, for cases of any suite."""
    pure = {**dict.fromkeys(SPACE, 0.0), "hold": 1.0}

    def prepare(case: Case) -> Play:
        """The policies of one case: they see its condition and nothing else."""
        condition = case.condition
        return lambda values, dice: Video(play(condition, values, dice), condition.fps)

    return Policies(SPACE, prepare, pure, ("hold", "again", "back"))


def play(condition: Condition, values: Mapping[str, float], dice: random.Random) -> np.ndarray:
    """Frames uint8 [T, H, W, 3]: the given ones, then what a policy makes of them; grey without any."""
    from simbench.generators.rollout import hold

    out = hold(condition)
    given = len(condition.given_frames)
    if given == 0:
        return out
    future = np.arange(len(out) - given)
    swing = [*range(given - 2, -1, -1), *range(1, given)] or [0]
    shown = {
        "hold": np.full(len(future), given - 1),
        "again": future % given,
        "back": np.array(swing)[future % len(swing)],
    }
    total = sum(values[name] for name in shown)
    weights = {name: values[name] / total for name in shown} if total > 0 else {"hold": 1.0}
    mixed = sum(np.float32(w) * out[shown[name]].astype(np.float32) for name, w in weights.items())
    frames = _drifted(np.asarray(mixed), values, condition.fps)
    frames = _shuffled(_blurred(frames, values["blur"]), values["shuffle"], dice)
    out[given:] = np.clip(np.rint(frames), 0, 255).astype(np.uint8)
    return out


def _drifted(frames: np.ndarray, values: Mapping[str, float], fps: float) -> np.ndarray:
    """Float32 frames [T, H, W, 3], each moved on and grown about the centre; the border is repeated."""
    import cv2

    height, width = frames.shape[1:3]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    out = []
    for i, frame in enumerate(frames):
        seconds = (i + 1) / fps
        zoom = float(np.exp(values["zoom"] * seconds))
        x, y = values["pan"] * width * seconds, values["tilt"] * width * seconds
        matrix = np.array([[zoom, 0.0, cx - zoom * cx + x], [0.0, zoom, cy - zoom * cy + y]])
        out.append(cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))
    return np.stack(out)


def _blurred(frames: np.ndarray, share: float) -> np.ndarray:
    import cv2

    deviation = share * frames.shape[2]
    if deviation < 0.1:
        return frames
    return np.stack([cv2.GaussianBlur(frame, (0, 0), deviation) for frame in frames])


def _shuffled(frames: np.ndarray, share: float, dice: random.Random) -> np.ndarray:
    """Frames in which `share` of the tiles have changed places, the same ones in all of them."""
    height, width = (side // TILES for side in frames.shape[1:3])
    corners = [(height * i, width * j) for i in range(TILES) for j in range(TILES)]
    taken = dice.sample(corners, round(max(share, 0.0) * len(corners)))
    out = frames.copy()
    for (y, x), (v, u) in zip(taken, taken[1:] + taken[:1], strict=True):
        out[:, y : y + height, x : x + width] = frames[:, v : v + height, u : u + width]
    return out
