"""Rotary positions in time, height and width (Su et al., RoFormer, 2104.09864, over three axes).

Space is counted in tokens from the centre of the picture and time in eighths of a second, so that neither
the size of the grid nor the frame rate changes what a position means.
"""

from __future__ import annotations

import torch
from torch import Tensor

TICKS = 8.0
"""Units of time in a second."""

BASE = (1000.0, 100.0, 100.0)
"""Slowest wavelength over the fastest, along t, y, x: a minute and 128 tokens stay within one turn."""


def positions(seconds: Tensor, height: int, width: int) -> Tensor:
    """Places [B, F, height * width, 3] as (t, y, x) of the tokens of frames shown at `seconds` [B, F]."""
    device = seconds.device
    y = torch.arange(height, device=device, dtype=torch.float32) - (height - 1) / 2
    x = torch.arange(width, device=device, dtype=torch.float32) - (width - 1) / 2
    y, x = (axis.reshape(-1) for axis in torch.meshgrid(y, x, indexing="ij"))
    t = TICKS * seconds.float()[:, :, None]
    return torch.stack(torch.broadcast_tensors(t, y, x), dim=-1)


def split(head: int) -> tuple[int, int, int]:
    """Pairs of channels of a head for (t, y, x): a quarter for time, the rest shared by y and x."""
    pairs = head // 2
    time = max(1, pairs // 4)
    rows = (pairs - time) // 2
    return time, rows, pairs - time - rows


def turns(places: Tensor, head: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine [..., 1, head / 2] in fp32 of the angles at `places` [..., 3]; 1 is for the heads."""
    angles = []
    for axis, (pairs, base) in enumerate(zip(split(head), BASE, strict=True)):
        steps = torch.arange(pairs, device=places.device, dtype=torch.float32) / max(pairs, 1)
        angles.append(places[..., axis, None] * base**-steps)
    angle = torch.cat(angles, dim=-1)[..., None, :]
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + head / 2) of x [..., heads, head]; computed in fp32, returned as x is."""
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)
