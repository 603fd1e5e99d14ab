"""How pictures reach a network: the published protocols of the Frechet video distance, frozen, and ours.

They differ in resize, crop, antialiasing, pixel centres, rounding and ddof, each of which moves the number.
Sources: google-research/frechet_video_distance (2018), StyleGAN-V (Skorokhodov et al. 2022), VideoGPT (Yan et
al. 2021), cd-fvd (Ge et al. 2024).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from simbench.errors import UserError

ROUNDINGS = ("none", "round", "truncate")


@dataclass(frozen=True)
class Preset:
    """One protocol. All of it is written beside a result.

    `frames` are taken from the start of a clip, `stride` apart. A reader that resizes by itself brings the
    shorter side to `data_side` px and crops the middle (None: the pictures stay as they are). Then pixels are
    brought to 8 bits by `rounding` (of pictures that are not 8 bits already), stretched to `side` x `side` px
    or, with `keep_aspect`, scaled by the shorter side and cropped, and mapped to [`low`, `high`]. Without
    `half_pixel` pixel centres lie on whole numbers, as in TensorFlow 1. The covariance is over N - `ddof`.
    `epsilon` stands beside the variance in I3D's batch normalisation, where the weights are a state dict.
    `original` says where the published numbers come from other arithmetic than ours.
    """

    name: str
    frames: int = 16
    stride: int = 1
    data_side: int | None = None
    data_antialias: bool = False
    rounding: str = "none"
    side: int = 224
    keep_aspect: bool = False
    antialias: bool = False
    half_pixel: bool = True
    low: float = -1.0
    high: float = 1.0
    ddof: int = 1
    epsilon: float = 1e-3
    original: str = ""

    def record(self) -> Mapping[str, Any]:
        """All of it as plain data."""
        return dataclasses.asdict(self)

    def changed(self, frames: int | None = None, stride: int | None = None) -> Preset:
        """With another number of frames or stride (None: its own); the name then says so."""
        count = self.frames if frames is None else frames
        step = self.stride if stride is None else stride
        if count < 1 or step < 1:
            raise UserError(f"frames={count} stride={step} take no frames; give 1 or more of each")
        if (count, step) == (self.frames, self.stride):
            return self
        name = f"{self.name} frames={count} stride={step}"
        return dataclasses.replace(self, name=name, frames=count, stride=step)

    @property
    def span(self) -> int:
        """Frames that a clip must have."""
        return (self.frames - 1) * self.stride + 1

    def taken(self, clip: np.ndarray) -> np.ndarray:
        """The frames of a clip [T, ...] that are compared; UserError where it is too short."""
        if len(clip) < self.span:
            raise UserError(
                f"a clip of {len(clip)} frames is too short for protocol={self.name}: {self.frames} frames"
                f" {self.stride} apart need {self.span}; give longer clips, or frames= and stride="
            )
        return clip[: self.span : self.stride]

    def pictures(self, clips: np.ndarray) -> np.ndarray:
        """float32 [..., side, side, 3] in [low, high] of [..., H, W, 3], uint8 or float in [0, 1]."""
        whole = clips.dtype == np.uint8
        x = clips.astype(np.float32) * (1.0 if whole else 255.0)
        if self.data_side is not None:
            x, whole = fitted(x, self.data_side, self.data_antialias, True), False
        if self.rounding != "none" and not whole:
            x = np.rint(x) if self.rounding == "round" else np.floor(x)
        if self.keep_aspect:
            x = fitted(x, self.side, self.antialias, self.half_pixel)
        else:
            x = resized(x, self.side, self.side, self.antialias, self.half_pixel)
        x *= (self.high - self.low) / np.float32(255)
        x += self.low
        return x


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("tf2018", half_pixel=False, original="TensorFlow 1, symmetric square root by SVD"),
        Preset("stylegan-v", rounding="round", ddof=0, original="scipy sqrtm of the product"),
        Preset(
            "videogpt",
            rounding="truncate",
            keep_aspect=True,
            epsilon=1e-5,
            original="float32 SVD with a floor of 1e-10: off by 6e-5 of the variance at N = 256",
        ),
        Preset(
            "cd-fvd",
            data_side=256,
            data_antialias=True,
            rounding="truncate",
            ddof=0,
            epsilon=1e-5,
            original="scipy sqrtm of the product; clips begin anywhere, drawn again until 2048 are there",
        ),
        Preset("simbench", rounding="round", keep_aspect=True, antialias=True),
    )
}


def preset_named(name: str) -> Preset:
    """The protocol called `name`, or UserError with those that exist."""
    from simbench.settings import did_you_mean

    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise UserError(f"protocol={name} is unknown; use one of {known}{did_you_mean(name, list(PRESETS))}")
    return PRESETS[name]


def fitted(pictures: np.ndarray, side: int, antialias: bool, half_pixel: bool) -> np.ndarray:
    """[..., H, W, 3] with the shorter side at `side` px, the longer rounded up, and its middle cropped."""
    height, width = pictures.shape[-3:-1]
    scale = side / min(height, width)
    tall = side if height <= width else math.ceil(height * scale)
    wide = side if width <= height else math.ceil(width * scale)
    out = resized(pictures, wide, tall, antialias, half_pixel)
    top, left = (tall - side) // 2, (wide - side) // 2
    return out[..., top : top + side, left : left + side, :]


def resized(pictures: np.ndarray, width: int, height: int, antialias: bool, half_pixel: bool) -> np.ndarray:
    """float32 [..., H, W, 3] at another size, bilinear; see `weights` for the two conventions."""
    from simbench.features.resize_kernel import resize

    old_height, old_width = pictures.shape[-3:-1]
    x = pictures.astype(np.float32, copy=False)
    if (old_height, old_width) == (height, width):
        return x
    flat = np.ascontiguousarray(x).reshape(-1, old_height, old_width, 3)
    out = np.empty((len(flat), height, width, 3), np.float32)
    tall, wide = (
        taps(old_height, height, antialias, half_pixel),
        taps(old_width, width, antialias, half_pixel),
    )
    resize(flat, *tall, *wide, out)
    return out.reshape(*x.shape[:-3], height, width, 3)


@lru_cache(maxsize=32)
def taps(old: int, new: int, antialias: bool, half_pixel: bool) -> tuple[np.ndarray, np.ndarray]:
    """`weights` with few zeros: the first old pixel of each new one [new], float32 [new, K] from there."""
    dense = weights(old, new, antialias, half_pixel)
    first = (dense != 0).argmax(axis=1)
    last = old - (dense != 0)[:, ::-1].argmax(axis=1)
    count = int((last - first).max())
    first = np.minimum(first, old - count)
    found = np.take_along_axis(dense, first[:, None] + np.arange(count), axis=1)
    for array in (first, found):
        array.flags.writeable = False
    return first, found


@lru_cache(maxsize=32)
def weights(old: int, new: int, antialias: bool, half_pixel: bool) -> np.ndarray:
    """float32 [new, old]: how much each old pixel of a line gives to each new one, bilinear.

    With `half_pixel` the centres of pixels lie at k + 1/2 (torch with align_corners=False, cv2), without at k
    (TensorFlow 1). `antialias` widens the triangle by the factor of shrinking (torch's antialias=True, PIL).
    """
    scale = old / new
    line = np.arange(old)
    centre = (np.arange(new) + 0.5) * scale - 0.5 if half_pixel else np.arange(new) * scale
    if antialias and scale > 1:
        found = np.maximum(0.0, 1.0 - np.abs(line - centre[:, None]) / scale)
        found /= found.sum(axis=1, keepdims=True)
    else:
        centre = np.clip(centre, 0, old - 1)
        found = np.maximum(0.0, 1.0 - np.abs(line - centre[:, None]))
    out = found.astype(np.float32)
    out.flags.writeable = False
    return out
