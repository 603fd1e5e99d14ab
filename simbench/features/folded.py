"""I3D for evaluation on a CPU: the numbers of `simbench.features.inception` in a quarter of the time.

Batch normalisation goes into the convolutions. Pictures are kept channels last, [N, T, H, W, C], so that
convolutions of 1 x 1 x 1 are plain products of matrices, the three of a module that see the same pictures one
product. Those of 3 x 3 x 3 and 7 x 7 x 7 are done by Winograd's algorithm (`simbench.features.winograd`).
Bias and rectifier are applied where values are read or written anyway. NumPy's products run on as many
threads as its BLAS likes: keep that to one, and give each thread clips of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from simbench.features import winograd_kernel as kernel
from simbench.features.inception import LEAST_FRAMES, POOLS, Inception, Mixed, Size, Unit
from simbench.features.winograd import Convolution, Room, Stem, padded

EARLY = ("Mixed_3b", "Mixed_3c")
"""Modules that see one clip at a time."""


def folded(unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    """Weights [C', C, ...] and bias [C'] of a `Unit` with its normalisation."""
    conv = fuse_conv_bn_eval(unit.conv3d, unit.bn)
    assert conv.bias is not None
    return conv.weight.detach().numpy(), conv.bias.detach().numpy()


def pooled(x: np.ndarray, size: Size, stride: Size) -> np.ndarray:
    """Maximum of `x` [N, T, H, W, C], none below 0, padded as `same`: [N, ceil(T / stride), ..., C]."""
    long, tall, wide = (-(-n // s) for n, s in zip(x.shape[1:4], stride, strict=True))
    missing = [
        max(0, (n - 1) * s + k - old)
        for n, s, k, old in zip((long, tall, wide), stride, size, x.shape[1:4], strict=True)
    ]
    y = np.empty((len(x), long, tall, wide, x.shape[4]), np.float32)
    before = (missing[0] // 2, missing[1] // 2, missing[2] // 2)
    kernel.pool(x, size, stride, before, y, np.empty(x.shape[3] * x.shape[4], np.float32))
    return y


class Product:
    """Some `Unit`s of 1 x 1 x 1 side by side, as one product of matrices, without bias and rectifier.

    Each has a multiple of 16 channels, the last of them 0.
    """

    def __init__(self, *units: Unit) -> None:
        weights, self.biases = [], []
        for unit in units:
            weight, bias = folded(unit)
            missing = padded(len(bias)) - len(bias)
            weights.append(np.pad(weight.reshape(len(bias), -1), ((0, missing), (0, 0))))
            self.biases.append(np.pad(bias, (0, missing)))
        self.weights = np.ascontiguousarray(np.concatenate(weights).T)
        self.ends = np.cumsum([len(bias) for bias in self.biases]).tolist()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """[N, T, H, W, C] to such sums of all units."""
        return (x.reshape(-1, x.shape[-1]) @ self.weights).reshape(*x.shape[:-1], -1)


class FoldedMixed:
    """A `Mixed`, folded."""

    def __init__(self, mixed: Mixed, moments: int) -> None:
        self.first, self.last = Product(mixed.b0, mixed.b1a, mixed.b2a), Product(mixed.b3b)
        self.middle, self.small = (Convolution(*folded(unit), moments) for unit in (mixed.b1b, mixed.b2b))
        self.widths = [unit.conv3d.out_channels for unit in (mixed.b0, mixed.b1b, mixed.b2b, mixed.b3b)]

    def __call__(self, x: np.ndarray, room: Room) -> np.ndarray:
        """[N, T, H, W, C] to the same size with the channels of all branches, rectified."""
        a, b, c, d = np.cumsum(self.widths)
        y = np.empty((*x.shape[:-1], d), np.float32)
        sums = self.first(x)
        flat = y.reshape(-1, d)
        kernel.finish(sums.reshape(len(flat), -1), 0, self.first.biases[0][:a], flat, 0)
        self.middle(sums, self.first.ends[0], self.first.biases[1], y, a, room)
        self.small(sums, self.first.ends[1], self.first.biases[2], y, b, room)
        last = self.last(pooled(x, (3, 3, 3), (1, 1, 1)))
        kernel.finish(last.reshape(len(flat), -1), 0, self.last.biases[0][: d - c], flat, c)
        return y


class FoldedInception(nn.Module):
    """An `Inception` in evaluation, folded: its logits, but for what rounding leaves. On the CPU alone."""

    def __init__(self, net: Inception) -> None:
        super().__init__()
        self.stem = Stem(*folded(net.Conv3d_1a_7x7))
        self.product = Product(net.Conv3d_2b_1x1)
        self.convolution = Convolution(*folded(net.Conv3d_2c_3x3), 4)
        self.mixed = {
            name: FoldedMixed(layer, 2 if name.startswith("Mixed_5") else 4)
            for name, layer in net.named_children()
            if isinstance(layer, Mixed)
        }
        self.last = net.logits.conv3d

    def forward(self, x: Tensor) -> Tensor:
        """As `Inception.forward`. ValueError below 9 frames."""
        if x.shape[2] < LEAST_FRAMES:
            raise ValueError(f"x holds {x.shape[2]} frames; give {LEAST_FRAMES} or more")
        room = Room()
        clips = x.detach().permute(0, 2, 3, 4, 1).contiguous().numpy()
        y = np.concatenate([self._begin(clips[i : i + 1], room) for i in range(len(clips))])
        for name, layer in self.mixed.items():
            if name not in EARLY:
                y = self._module(name, layer, y, room)
        mean = y.mean(axis=(2, 3))
        # Neighbouring moments are averaged, then all: the ends count half.
        mean = (mean[:, :-1] + mean[:, 1:]).mean(axis=1) / 2
        out: Tensor = functional.linear(torch.from_numpy(mean), self.last.weight.flatten(1), self.last.bias)
        return out

    def _begin(self, x: np.ndarray, room: Room) -> np.ndarray:
        """Up to `EARLY`, clip by clip: what is between its layers is large, and their weights are small."""
        y = self.product(pooled(self.stem(x, room), *POOLS["Conv3d_1a_7x7"]))
        z = np.empty((*y.shape[:4], len(self.convolution.bias)), np.float32)
        self.convolution(y, 0, self.product.biases[0], z, 0, room)
        z = pooled(z, *POOLS["Conv3d_2c_3x3"])
        for name in EARLY:
            z = self._module(name, self.mixed[name], z, room)
        return z

    def _module(self, name: str, layer: FoldedMixed, x: np.ndarray, room: Room) -> np.ndarray:
        y = layer(x, room)
        return pooled(y, *POOLS[name]) if name in POOLS else y
