"""Versions of any clip that no camera filmed, or spoilt afterwards: what a measure should notice."""

from __future__ import annotations

import numpy as np

from simbench.instruments import footage

WOBBLE = 0.025
"""Standard deviation of how far each corner of a wobbled frame is moved, as a share of the height."""

STRETCH = 6
"""Frames are shuffled within stretches of so many gaps: far enough for nothing to glide, near enough for most
of a picture to stay in view."""

BREATH, BREATH_FRAMES = 0.06, 6
"""Zoom of a breathing clip, from 1 to 1 + 2 x `BREATH`, and the frames of one breath."""

NOISE_SD = 18.0
"""Standard deviation of the noise, grey levels of 255."""

BLUR = 0.01
"""Standard deviation of the blur, as a share of the height."""

WHAT = {
    "original": "the clip as it is",
    "backwards": "last frame first",
    "shuffled": "frames in random order within stretches of 24 (of 12 where pairs are 2 frames apart)",
    "frozen": "the first frame throughout",
    "postcard": "the first frame moved and zoomed steadily, as a photograph before a camera",
    "wobbled": "each frame under a homography of its own, corners moved by 2.5 % of the height",
    "bent": "each frame bent smoothly in its own way by 0.6 % of the height",
    "breathing": "a zoom in and out, 12 % in 6 frames",
    "noisy": "noise of 18 levels, new in each frame",
    "blurred": "Gaussian blur of 1 % of the height",
    "spliced": "cut in the middle to a darker, mirrored close-up of the rest",
}
"""Name to words, in the order of tables."""


def versions(frames: np.ndarray, seed: int = 0, gap: int = 4) -> dict[str, np.ndarray]:
    """The clip uint8 [T, H, W, 3] and its versions, in the order of `WHAT`; `gap` as its reader's."""
    made = footage.versions(frames, seed)
    made["shuffled"] = frames[_order(len(frames), STRETCH * gap, np.random.default_rng([seed, 2]))]
    rng = np.random.default_rng([seed, 1])
    made["bent"] = made["wobbled"]
    made["wobbled"] = np.stack([_under_homography(frame, rng) for frame in frames])
    made["breathing"] = np.stack([_zoomed(frame, _breath(t)) for t, frame in enumerate(frames)])
    noise = rng.normal(0.0, NOISE_SD, frames.shape)
    made["noisy"] = np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)
    made["blurred"] = np.stack([_blurred(frame) for frame in frames])
    middle = len(frames) // 2
    made["spliced"] = np.concatenate([frames[:middle], np.stack([_other(f) for f in frames[middle:]])])
    return {name: made[name] for name in WHAT}


def _order(count: int, stretch: int, rng: np.random.Generator) -> np.ndarray:
    """The numbers below `count`, shuffled within stretches of `stretch`."""
    parts = np.split(np.arange(count), np.arange(stretch, count, stretch))
    return np.concatenate([rng.permutation(part) for part in parts])


def _breath(t: int) -> float:
    return float(1 + BREATH * (1 - np.cos(2 * np.pi * t / BREATH_FRAMES)))


def _under_homography(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import cv2

    height, width = frame.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = (corners + rng.normal(0.0, WOBBLE * height, (4, 2))).astype(np.float32)
    way = cv2.getPerspectiveTransform(corners, moved)
    return cv2.warpPerspective(
        frame, way, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def _zoomed(frame: np.ndarray, zoom: float, middle: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """`frame` [H, W, 3] larger about `middle` (shares of width and height)."""
    import cv2

    height, width = frame.shape[:2]
    way = np.array([[zoom, 0, (1 - zoom) * width * middle[0]], [0, zoom, (1 - zoom) * height * middle[1]]])
    return cv2.warpAffine(frame, way, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _blurred(frame: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(frame, (0, 0), BLUR * frame.shape[0])


def _other(frame: np.ndarray) -> np.ndarray:
    close = _zoomed(frame, 1.6, (0.7, 0.4))[:, ::-1]
    return np.rint(close * 0.7).astype(np.uint8)
