"""I3D for evaluation on the CPU: the numbers of `simbench.features.inception`, in half of its time.

Batch normalisation goes into the convolutions. Those of 1 x 1 x 1 are products of matrices, the three of a
module that see the same pictures one product: torch has a slow path for them. Maxima are taken axis by axis:
torch's 3-D pool keeps indices that nobody asks for. What is left is nine tenths convolutions, near what the
processor can do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from simbench.features.inception import LEAST_FRAMES, POOLS, Inception, Mixed, Size, Unit, same


def pooled(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Maximum of `x` [N, C, T, H, W], none below 0, padded as `same`: [N, C, ceil(T / stride), ...]."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        if k == 1 and s == 1:
            continue
        one: list[int] = [1, 1, 1]
        one[axis - 2] = k
        step: list[int] = [1, 1, 1]
        step[axis - 2] = s
        count = -(-x.shape[axis] // s)
        x = same(x, (one[0], one[1], one[2]), (step[0], step[1], step[2]))
        at: list[slice] = [slice(None)] * 5
        found: Tensor | None = None
        for i in range(k):
            at[axis] = slice(i, i + (count - 1) * s + 1, s)
            part = x[tuple(at)]
            found = part if found is None else torch.maximum(found, part)
        x = x if found is None else found
    return x


class Folded(nn.Module):
    """A `Unit` with its normalisation in the convolution."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.conv = fuse_conv_bn_eval(unit.conv3d, unit.bn)
        self.kernel, self.stride = unit.kernel, unit.stride
        if self.stride == (1, 1, 1):
            self.conv.padding = tuple(k // 2 for k in self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        """As `Unit.forward`."""
        inside = x if self.stride == (1, 1, 1) else same(x, self.kernel, self.stride)
        return functional.relu_(self.conv(inside))


class Product(nn.Module):
    """Some `Unit`s of 1 x 1 x 1 side by side, as one product of matrices."""

    weight: Tensor
    bias: Tensor

    def __init__(self, *units: Unit) -> None:
        super().__init__()
        convs = [fuse_conv_bn_eval(unit.conv3d, unit.bn) for unit in units]
        self.widths = [conv.out_channels for conv in convs]
        weights = torch.cat([conv.weight.detach().flatten(1) for conv in convs])
        biases = [conv.bias.detach() for conv in convs if conv.bias is not None]
        self.register_buffer("weight", weights, persistent=False)
        self.register_buffer("bias", torch.cat(biases)[:, None], persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[N, C, T, H, W] to one such answer of each unit."""
        out = torch.matmul(self.weight, x.flatten(2)).add_(self.bias).relu_()
        return out.unflatten(2, x.shape[2:]).split(self.widths, dim=1)


class FoldedMixed(nn.Module):
    """A `Mixed`, folded."""

    def __init__(self, mixed: Mixed) -> None:
        super().__init__()
        self.first, self.last = Product(mixed.b0, mixed.b1a, mixed.b2a), Product(mixed.b3b)
        self.middle, self.small = Folded(mixed.b1b), Folded(mixed.b2b)

    def forward(self, x: Tensor) -> Tensor:
        """As `Mixed.forward`."""
        one, middle, small = self.first(x)
        last = self.last(pooled(x, (3, 3, 3), (1, 1, 1)))[0]
        return torch.cat([one, self.middle(middle), self.small(small), last], dim=1)


class FoldedInception(nn.Module):
    """An `Inception` in evaluation, folded: its logits, but for what rounding leaves."""

    def __init__(self, net: Inception) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        for name, layer in net.named_children():
            if isinstance(layer, Mixed):
                self.layers[name] = FoldedMixed(layer)
            elif isinstance(layer, Unit):
                self.layers[name] = Product(layer) if layer.kernel == (1, 1, 1) else Folded(layer)
        self.logits = net.logits

    def forward(self, x: Tensor) -> Tensor:
        """As `Inception.forward`. ValueError below 9 frames."""
        if x.shape[2] < LEAST_FRAMES:
            raise ValueError(f"x holds {x.shape[2]} frames; give {LEAST_FRAMES} or more")
        for name, layer in self.layers.items():
            found = layer(x)
            x = found[0] if isinstance(layer, Product) else found
            if name in POOLS:
                x = pooled(x, *POOLS[name])
        x = x.mean(dim=(3, 4), keepdim=True)
        x = (x[:, :, :-1] + x[:, :, 1:]) / 2
        out: Tensor = self.logits(x).mean(dim=(2, 3, 4))
        return out
