"""Points and pixels of any clip followed in time: dense flow there and back, corners over several frames.

Flow is DIS (Kroeger et al., ECCV 2016), corners are Shi and Tomasi's, followed by pyramidal Lucas-Kanade.
Both serve to compare a clip with itself; neither is a truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simbench.metrics.stability import loop_error

LOOP_PX, HOME_PX = 0.5, 1.0
"""Distances, px, within which flow there and back, and a track there and back, comes home."""

CORNERS, APART_PX = 150, 6
WINDOW = 21
"""Side of the patch that Lucas-Kanade follows, px."""

LEAST_CORNERS = 12
BORDER_PX = 2.0

MOVED_PX = 1.0
"""How far a point must go over a window to have moved, px; noise alone moves none that far."""

MOVED_SHARE = 0.05
"""Share of the followed points that must have moved: a small thing that moves alone is enough."""

FOLLOWED = 0.1
"""Share of the corners that must come home before anything is called motion: a few do by chance."""

BINS, CELLS = 16, 3

SMOOTH_PX = 1.5
"""Standard deviation, px, of what pictures are smoothed by before they are followed: noise of single pixels
and what resampling does to fine texture are no motion."""

CALM_PX, LEAST_SLOPE = 2.0, 1.5
"""Further smoothing, px, and root mean square slope, grey levels a pixel, in the plainest direction, of a
place that has structure: smoothed noise of 25 levels stays below it, and flow over a plain wall says nothing
of motion."""


@dataclass(frozen=True)
class Window:
    """Corners followed over some frames: `uv` [T, N, 2] px of all, `kept` bool [N] those that came home on
    the way back, `inside` bool [N] those that did not leave the frame."""

    uv: np.ndarray
    kept: np.ndarray
    inside: np.ndarray

    @property
    def followed(self) -> bool:
        """Whether enough corners came home for anything to be said."""
        return int(self.kept.sum()) >= max(1, FOLLOWED * len(self.kept))

    @property
    def moved(self) -> bool:
        """Whether enough corners came home, and enough of these went far enough."""
        return self.followed and bool((self.far() >= MOVED_PX).mean() >= MOVED_SHARE)

    def far(self) -> np.ndarray:
        """How far from its start each corner that came home was at most, px, [M]."""
        way = self.uv[:, self.kept] - self.uv[:1, self.kept]
        return np.hypot(*np.moveaxis(way, -1, 0)).max(axis=0)


def grey(frames: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W] brightness of frames uint8 [T, H, W, 3] sRGB."""
    import cv2

    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def smoothed(frames: np.ndarray, sd: float = SMOOTH_PX) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] under a Gaussian of standard deviation `sd` px."""
    import cv2

    return np.stack([cv2.GaussianBlur(frame, (0, 0), sd) for frame in frames])


def structured(picture: np.ndarray) -> np.ndarray:
    """Where `picture` uint8 [H, W] has something to follow in both directions, bool [H, W]."""
    import cv2

    calm = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), CALM_PX)
    # OpenCV's is four times the least mean square slope in the block.
    least = cv2.cornerMinEigenVal(calm, WINDOW, ksize=3) / 4
    return np.asarray(least >= LEAST_SLOPE**2)


def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float64 [H, W, 2] px: where each pixel of `first` uint8 [H, W] went in `second`."""
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(dis.calc(first, second, None), np.float64)  # type: ignore[call-overload]


def loops(pictures: np.ndarray) -> list[np.ndarray]:
    """For each frame of `pictures` uint8 [T, H, W] and the next one how far from its start, px, flow there
    and back brings each pixel that has structure and stays in the frame, [N]."""
    out = []
    for first, second in pairwise(pictures):
        error = loop_error(flow(first, second), flow(second, first))
        out.append(error[np.isfinite(error) & structured(first)])
    return out


def home(error: np.ndarray, reach: float = LOOP_PX) -> float | None:
    """Share of the pixels of one of `loops` that come within `reach` px of their start; None without one."""
    return float((error < reach).mean()) if len(error) else None


def window(pictures: np.ndarray) -> Window | None:
    """Corners of the first of `pictures` uint8 [T, H, W] followed to the last frame and back; None where
    there are fewer than 12: black, plain or blurred."""
    import cv2

    found = cv2.goodFeaturesToTrack(pictures[0], CORNERS, 0.01, APART_PX)
    if found is None or len(found) < LEAST_CORNERS:
        return None
    start = found.reshape(-1, 2).astype(np.float32)
    path, alive = [start], np.ones(len(start), bool)
    for first, second in pairwise(pictures):
        there, good = _followed(first, second, path[-1])
        path.append(there)
        alive &= good
    back = path[-1]
    for first, second in pairwise(pictures[::-1]):
        back, good = _followed(first, second, back)
        alive &= good
    height, width = pictures.shape[1:]
    uv = np.stack(path).astype(np.float64)
    high = np.array([width - 1 - BORDER_PX, height - 1 - BORDER_PX])
    inside = np.asarray(((uv >= BORDER_PX) & (uv <= high)).all(axis=(0, 2)))
    home = np.hypot(*(back - start).T) < HOME_PX
    return Window(uv + 0.5, alive & home & inside, inside)


def spread(picture: np.ndarray) -> np.ndarray:
    """Histogram float64 [K] of a picture uint8 [H, W, 3]: brightness of each of its ninths, and the colours
    of the whole."""
    height, width = picture.shape[:2]
    light = picture.mean(axis=-1)
    parts = []
    for rows in np.array_split(np.arange(height), CELLS):
        for columns in np.array_split(np.arange(width), CELLS):
            parts.append(np.histogram(light[np.ix_(rows, columns)], BINS, (0, 256))[0])
    parts += [np.histogram(picture[..., c], BINS, (0, 256))[0] for c in range(3)]
    return np.concatenate(parts).astype(np.float64)


def _followed(first: np.ndarray, second: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    there, status, _ = cv2.calcOpticalFlowPyrLK(first, second, at, None, winSize=(WINDOW, WINDOW), maxLevel=3)  # type: ignore[call-overload]
    return there, status.ravel() == 1
