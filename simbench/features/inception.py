"""Inception-v1 inflated to 3-D: the I3D network of Carreira and Zisserman (CVPR 2017), figure 3.

Layers carry the names of the figure (Conv3d_1a_7x7, Mixed_3b, ...), which public state dicts use too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 400
EPSILON = 1e-3
"""Beside the variance in batch normalisation, as in TensorFlow's network; some ports have 1e-5."""

LEAST_FRAMES = 9
"""Time is divided by 8 and then averaged over 2: shorter clips leave nothing to average."""

MIXED = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Channels that come in, and of the convolutions: 1x1x1; 1x1x1, 3x3x3; the same again; behind the pool."""

POOLS = {
    "Conv3d_1a_7x7": ((1, 3, 3), (1, 2, 2)),
    "Conv3d_2c_3x3": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3c": ((3, 3, 3), (2, 2, 2)),
    "Mixed_4f": ((2, 2, 2), (2, 2, 2)),
}
"""Kernel and stride of the maximum pool that follows a layer."""

Size = tuple[int, int, int]


def same(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """`x` [N, C, T, H, W] padded with 0 so that n becomes ceil(n / stride); an odd one goes to the end."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        missing = max(0, (-(-size // s) - 1) * s + k - size)
        pads += [missing // 2, missing - missing // 2]
    return functional.pad(x, pads) if any(pads) else x


class Unit(nn.Module):
    """A convolution without a bias, batch normalisation, a rectifier."""

    def __init__(self, before: int, after: int, kernel: Size = (1, 1, 1), stride: Size = (1, 1, 1)) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(before, after, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(after, eps=EPSILON, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, T, H, W] to [N, C', ceil(T / stride), ...]."""
        out: Tensor = functional.relu(self.bn(self.conv3d(same(x, self.kernel, self.stride))))
        return out


class Mixed(nn.Module):
    """An Inception module: four branches, side by side."""

    def __init__(self, before: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce_a, a, reduce_b, b, pooled = widths
        self.b0 = Unit(before, one)
        self.b1a, self.b1b = Unit(before, reduce_a), Unit(reduce_a, a, (3, 3, 3))
        self.b2a, self.b2b = Unit(before, reduce_b), Unit(reduce_b, b, (3, 3, 3))
        self.b3b = Unit(before, pooled)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, T, H, W] to the same size with the channels of all branches."""
        pooled = functional.max_pool3d(same(x, (3, 3, 3), (1, 1, 1)), 3, 1)
        parts = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)]
        return torch.cat(parts, dim=1)


class Logits(nn.Module):
    """The last convolution, 1x1x1 with a bias, to the classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(1024, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 1024, T, 1, 1] to [N, classes, T, 1, 1]."""
        out: Tensor = self.conv3d(x)
        return out


class Inception(nn.Module):
    """Pictures [N, 3, T, H, W] in [-1, 1] (trained at 224 px) to logits [N, classes], the mean over time.

    `epsilon` stands beside the variance in batch normalisation.
    """

    def __init__(self, classes: int = CLASSES, epsilon: float = EPSILON) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, (7, 7, 7), (2, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, (3, 3, 3))
        for name, (before, widths) in MIXED.items():
            self.add_module(name, Mixed(before, widths))
        self.logits = Logits(classes)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm3d):
                layer.eps = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """See the class. ValueError below 9 frames."""
        if x.shape[2] < LEAST_FRAMES:
            raise ValueError(f"x holds {x.shape[2]} frames; give {LEAST_FRAMES} or more")
        for name, layer in self.named_children():
            if name == "logits":
                break
            x = layer(x)
            if name in POOLS:
                kernel, stride = POOLS[name]
                x = functional.max_pool3d(same(x, kernel, stride), kernel, stride)
        x = x.mean(dim=(3, 4), keepdim=True)
        x = (x[:, :, :-1] + x[:, :, 1:]) / 2
        out: Tensor = self.logits(x).mean(dim=(2, 3, 4))
        return out
