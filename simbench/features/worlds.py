"""The feature space `worlds`: a small 3-D convolutional encoder, trained on the procedural worlds by
`python -m model.train_features` and shipped beside this file.

Distances in it are called frechet[worlds], never FVD: it is not the I3D network of that name. What it was
taught and what it sees is in docs/encoder.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = Path(__file__).with_name("worlds.safetensors")
SIDE = 64
"""Every frame is resized to SIDE x SIDE pixels."""
LEAST_FRAMES = 5
GAIN = 4.0
"""Change and detail are small beside colours; a network learns what is small late."""
DIM = 128
"""Length of a feature vector."""


@dataclass(frozen=True)
class Layer:
    """One convolution and a ReLU; kernel and stride in (time, height, width)."""

    name: str
    into: int
    out: int
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]

    @property
    def padding(self) -> tuple[int, int, int]:
        """Zeros on either side, by axis: as many as make every axis shrink by its stride."""
        time, height, width = ((k - s + 1) // 2 for k, s in zip(self.kernel, self.stride, strict=True))
        return (time, height, width)


LAYERS = (
    Layer("edges", 7, 32, (1, 6, 6), (1, 4, 4)),
    Layer("moves", 32, 32, (3, 1, 1), (1, 1, 1)),
    Layer("things", 32, 64, (3, 3, 3), (1, 2, 2)),
    Layer("paths", 64, 64, (3, 3, 3), (2, 1, 1)),
    Layer("scenes", 64, 128, (3, 3, 3), (1, 2, 2)),
    Layer("events", 128, 128, (3, 3, 3), (2, 1, 1)),
)
"""Time is halved twice, a side is 4 in the end. What comes in: see `prepared`."""
POOLED = 3 * sum(layer.out for layer in LAYERS)
"""Numbers that a clip is pooled to, of all layers; see `pooled`."""


def prepared(clips: Tensor) -> Tensor:
    """uint8 [N, T, H, W, 3] sRGB as float32 [N, 7, T - 1, SIDE, SIDE]: frames 1 to T - 1 in [-1, 1]; GAIN
    times their difference from the frame before; GAIN times the difference of their mean over colours from
    its mean over 3x3 pixels. Another size is resized first, bilinear with antialiasing."""
    import torch
    from torch.nn import functional

    count, frames, height, width, _ = clips.shape
    pixels = clips.movedim(-1, 2).to(torch.float32) * (2.0 / 255.0) - 1.0
    if (height, width) != (SIDE, SIDE):
        flat = pixels.flatten(0, 1)
        flat = functional.interpolate(flat, (SIDE, SIDE), mode="bilinear", antialias=True)
        pixels = flat.reshape(count, frames, 3, SIDE, SIDE)
    shown = pixels[:, 1:].flatten(0, 1)
    change = (pixels[:, 1:] - pixels[:, :-1]).flatten(0, 1)
    grey = shown.mean(dim=1, keepdim=True)
    detail = grey - functional.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)
    stacked = torch.cat([shown, change * GAIN, detail * GAIN], dim=1)
    return stacked.unflatten(0, (count, frames - 1)).movedim(1, 2)


def pooled(found: Tensor) -> Tensor:
    """[N, C, T, H, W] as [N, 3 C]: means and maxima over time and space, and GAIN times how far the mean over
    space moves from one time to the next on average, 0 for a single time. So any length will do."""
    import torch

    means = found.mean(dim=(3, 4))
    moved = (means[:, :, 1:] - means[:, :, :-1]).abs().sum(dim=2) / max(means.shape[2] - 1, 1)
    return torch.cat([means.mean(dim=2), found.amax(dim=(2, 3, 4)), GAIN * moved], dim=1)


def embedded(weights: Mapping[str, Tensor], clips: Tensor) -> Tensor:
    """Features float32 [N, DIM] of clips uint8 [N, T, H, W, 3]. `weights` holds `LAYER.weight`, `LAYER.bias`
    (normalisation folded in), `out.weight` [DIM, POOLED] and `out.bias` [DIM]."""
    import torch
    from torch.nn import functional

    found, kept = prepared(clips), []
    for layer in LAYERS:
        kernel, bias = weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]
        found = functional.conv3d(found, kernel, bias, layer.stride, layer.padding).relu()
        kept.append(pooled(found))
    return functional.linear(torch.cat(kept, dim=1), weights["out.weight"], weights["out.bias"])


@dataclass(frozen=True)
class Worlds:
    """The space. `path` names other weights of the same network than those that ship."""

    path: str = ""
    name: str = "worlds"
    least_frames: int = LEAST_FRAMES

    def identity(self) -> Mapping[str, Any]:
        """What decides about a feature: the space, its length, the side of a frame, sha256 of the weights."""
        return {"space": self.name, "dim": DIM, "side": SIDE, "weights": _sha256(self._file())}

    def features(self, clips: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """float32 [N, DIM] of clips uint8 [N, T, H, W, 3] sRGB, or of N clips [T, H, W, 3] of any length.

        Each clip is worked out by itself, so that its features do not depend on its neighbours. UserError for
        what is no video of bytes and for clips of fewer than `least_frames` frames.
        """
        import torch

        for number, clip in enumerate(clips):
            _check(number, clip, self.least_frames)
        weights = _weights(self._file())
        made = np.zeros((len(clips), DIM), np.float32)
        with torch.inference_mode():
            for number, clip in enumerate(clips):
                one = torch.from_numpy(np.array(clip))[None]
                made[number] = embedded(weights, one)[0].numpy()
        return made

    def _file(self) -> Path:
        return Path(self.path) if self.path else WEIGHTS


def _check(number: int, clip: np.ndarray, least: int) -> None:
    clip = np.asarray(clip)
    if clip.dtype != np.uint8:
        raise UserError(
            f"clip {number} holds {clip.dtype}; the space worlds reads uint8 sRGB, 0 to 255: convert it first"
        )
    if clip.ndim != 4 or clip.shape[-1] != 3 or 0 in clip.shape:
        raise UserError(
            f"clip {number} has shape {list(clip.shape)}; the space worlds reads [frames, height, width, 3]"
        )
    if len(clip) < least:
        raise UserError(
            f"clip {number} has {len(clip)} frames; the space worlds needs {least} or more: make longer clips"
        )


@lru_cache(maxsize=4)
def _sha256(path: Path) -> str:
    return hashlib.sha256(_bytes(path)).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); make it with python -m model.train_features"
        ) from error


@lru_cache(maxsize=4)
def _weights(path: Path) -> dict[str, Tensor]:
    """Tensors float32 of a weights file; UserError where one lacks or has another shape."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = {name: t.to(torch.float32) for name, t in load(_bytes(path)).items()}
    except SafetensorError as error:
        raise UserError(
            f"{path} is no safetensors file ({error}); make it with python -m model.train_features"
        ) from error
    for name, shape in shapes().items():
        if name not in found or tuple(found[name].shape) != shape:
            raise UserError(f"{path} has no {name} of shape {list(shape)}; it belongs to another network")
    return found


def shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a weights file."""
    made: dict[str, tuple[int, ...]] = {}
    for layer in LAYERS:
        made[f"{layer.name}.weight"] = (layer.out, layer.into, *layer.kernel)
        made[f"{layer.name}.bias"] = (layer.out,)
    return made | {"out.weight": (DIM, POOLED), "out.bias": (DIM,)}
