"""Bringing a video to the asked size, rate and length, only when the user asks for it by name."""

from __future__ import annotations

import dataclasses

import numpy as np

from simbench.video import Video, VideoError

MODES = ("fit", "crop")


def resized(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """`frames` uint8 [T, H, W, 3] at another size: area average when shrinking, cubic when growing."""
    import cv2

    if frames.shape[1:3] == (height, width):
        return frames
    shrinks = width <= frames.shape[2] and height <= frames.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in frames])


def cropped(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """The largest centred window of `frames` with the aspect of `width` x `height`."""
    old_height, old_width = frames.shape[1:3]
    scale = min(old_width / width, old_height / height)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (old_width - new_width) // 2, (old_height - new_height) // 2
    return frames[:, top : top + new_height, left : left + new_width]


def resample(video: Video, mode: str, width: int, height: int, frames: int, fps: float) -> Video:
    """`video` at `width` x `height`, `fps`, cut to `frames`; seconds stay seconds, nothing is blended.

    mode `fit` stretches the picture to the asked size (no bars), `crop` takes the largest centred
    window of the asked aspect first. Each new frame is the nearest old one in time. Raises
    VideoError when the video ends before the asked last frame: it is never slowed down.
    """
    last = (frames - 1) / fps
    seconds = len(video.frames) / video.fps
    if seconds < last - 1e-6:
        raise VideoError(
            f"lasts {seconds:.4g} s, {frames / fps:.4g} s are asked ({frames} frames at {fps:g} fps)"
        )
    # Halves go to the later frame for every tick alike; rint would alternate and make motion stutter.
    nearest = np.floor(np.arange(frames) * (video.fps / fps) + 0.5 + 1e-6).astype(int)
    picked = video.frames[np.minimum(nearest, len(video.frames) - 1)]
    if mode == "crop":
        picked = cropped(picked, width, height)
    return Video(resized(picked, width, height), float(fps), video.lossy)


def prepended(video: Video, given: np.ndarray) -> Video:
    """`given` [k, H, W, 3] before `video`; another size is left as it is, for `validate` to name."""
    if len(given) == 0 or given.shape[1:] != video.frames.shape[1:]:
        return video
    return dataclasses.replace(video, frames=np.concatenate([given, video.frames]))
