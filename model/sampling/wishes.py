"""What is asked of a model, video by video, and whether it can do it.

Given frames reach the model as clean latents. A codec of `temporal` = 4 frames to a latent has whole latents
for 1, 5, 9, ... frames: the longest such part of the given frames is the context. Given frames beyond it are
not seen by the model, and all given frames are put back. To fill up the last group by repeating its last
frame is worse, for it shows a world that stops (squared error of what follows 6, 7 and 8 given frames on 30
clips of the occluder world: 224, 187 and 139 against 134).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from model.checkpoint import Loaded


@dataclass(frozen=True)
class Wish:
    """One video to make: `given` uint8 [k, H, W, 3] sRGB, k from 0 to `frames`, are its first frames;
    `actions` float32 [T, A] (model.actions), `camera` float32 [T, 12] (camera_rows) and `depth` [T, H, W] of
    every frame (metres along the axis, 0 is the sky) where the model takes them. The wishes of one call all
    have depth or none; a suite tells nobody depth."""

    given: np.ndarray
    prompt: str
    width: int
    height: int
    frames: int
    fps: float
    seed: int
    actions: np.ndarray | None = None
    camera: np.ndarray | None = None
    depth: np.ndarray | None = None


def problem(loaded: Loaded, wish: Wish) -> str | None:
    """Why this model cannot make this video, in one line with the remedy, or None."""
    config = loaded.config
    multiple = config.vae.spatial * config.dit.patch
    if wish.width % multiple or wish.height % multiple:
        return (
            f"size {wish.width}x{wish.height} must be a multiple of {multiple} on both sides for this model"
        )
    if len(wish.given) > wish.frames:
        return f"{len(wish.given)} frames are given and {wish.frames} asked; ask for more frames"
    if len(wish.given) == 0 and loaded.text is None:
        return "this model has no text, and no frame is given; give it one frame or more"
    if len(wish.given) == 0 and not wish.prompt.strip():
        return "neither words nor a frame are given; say what to show, or give a frame"
    for name, values, width in (
        ("actions", wish.actions, config.dit.actions),
        ("camera", wish.camera, 12 * config.dit.camera),
    ):
        if values is None:
            continue
        if not width:
            return f"{name} are given, and this model knows none; leave them out or take another model"
        if values.shape != (wish.frames, width):
            shape = "x".join(map(str, values.shape))
            return f"{name} are {shape}; this model takes {wish.frames}x{width}, a row for each frame"
    if wish.depth is None:
        return None
    if not config.dit.given_depth:
        return "depth is given, and this model knows none; leave it out or take another model"
    wanted = (wish.frames, wish.height, wish.width)
    if wish.depth.shape != wanted:
        shapes = ("x".join(map(str, shape)) for shape in (wish.depth.shape, wanted))
        return "depth is {}; this video takes {}, frames x height x width".format(*shapes)
    return None


def context_frames(given: int, temporal: int) -> int:
    """How many of the first `given` frames fill whole latents: 0, or the largest 1 + temporal k."""
    return 0 if given == 0 else 1 + (given - 1) // temporal * temporal


def camera_rows(poses: np.ndarray) -> np.ndarray:
    """float32 [T, 12] of `poses` [T, 4, 4], world to camera (OpenCV): each camera against the first.

    A row is the 3x4 matrix that takes points of the first frame's camera (metres) to that of its frame."""
    poses = np.asarray(poses, dtype=np.float64)
    relative = poses @ np.linalg.inv(poses[0])
    relative[0] = np.eye(4)
    return relative[:, :3].reshape(len(poses), 12).astype(np.float32)
