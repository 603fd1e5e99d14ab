"""The closed-form start of the video VAE: principal components of patches (Pearson 1901; Hotelling 1933).

Frame 0 has components of its own (squares of one frame), later frames those of `temporal` frames together,
so that latent 0 depends on frame 0 alone. At 32 px a network trained for minutes erased small balls that
these components keep; groups taken relative to the frame before measured no better and drift.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simbench.errors import UserError


class PatchPCA(nn.Module):
    """Projection of patches onto orthonormal components, and back. Pixels in [-1, 1].

    Frame 0 gives squares of `spatial` pixels, 3 spatial^2 numbers; later frames come in groups of
    `temporal`. Channels beyond the numbers of a patch stay 0. `spread` [2, channels] is the standard
    deviation of each channel over the clips of the fit, frame 0 and later frames.
    """

    def __init__(self, spatial: int, temporal: int, channels: int) -> None:
        super().__init__()
        self.spatial, self.temporal, self.channels = spatial, temporal, channels
        for name, size in (("first", 3 * spatial**2), ("later", 3 * spatial**2 * temporal)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_basis", torch.eye(channels, size))
        self.register_buffer("spread", torch.ones(2, channels))
        self.spread: Tensor

    def encode(self, video: Tensor, first: bool) -> Tensor:
        """[B, 1 + temporal k, 3, H, W], or without the 1 after the first chunk, to [B, F, C, h, w]."""
        parts = []
        if first:
            parts.append(self._project(self._patches(video[:, :1], 1), "first"))
            video = video[:, 1:]
        if video.shape[1]:
            parts.append(self._project(self._patches(video, self.temporal), "later"))
        return torch.cat(parts, 1)

    def decode(self, latent: Tensor, first: bool) -> Tensor:
        """The other way: [B, F, C, h, w] to [B, frames, 3, H, W]."""
        parts = []
        if first:
            parts.append(self._frames(self._restore(latent[:, :1], "first")))
            latent = latent[:, 1:]
        if latent.shape[1]:
            parts.append(self._frames(self._restore(latent, "later")))
        return torch.cat(parts, 1)

    def scales(self, count: int, first: bool) -> Tensor:
        """The spread of each channel for `count` latent frames: [count, C, 1, 1], never 0."""
        sets = self.spread[[0] + [1] * (count - 1) if first else [1] * count]
        return torch.where(sets > 1e-6, sets, 1.0)[:, :, None, None]

    def _patches(self, video: Tensor, group: int) -> Tensor:
        """[B, T, 3, H, W] to [B, T / group, group 3 spatial^2, h, w]."""
        flat = F.pixel_unshuffle(video.flatten(0, 1), self.spatial).unflatten(0, video.shape[:2])
        return flat.unflatten(1, (-1, group)).flatten(2, 3)

    def _frames(self, patches: Tensor) -> Tensor:
        """The inverse of `_patches`."""
        single = patches.unflatten(2, (-1, 3 * self.spatial**2)).flatten(1, 2)
        return F.pixel_shuffle(single.flatten(0, 1), self.spatial).unflatten(0, single.shape[:2])

    def _project(self, patches: Tensor, name: str) -> Tensor:
        mean, basis = self.get_buffer(f"{name}_mean"), self.get_buffer(f"{name}_basis")
        flat = patches.flatten(0, 1).to(mean) - mean[:, None, None]
        # In bfloat16 the projection itself would cost more than the channels that are left out.
        with torch.autocast(flat.device.type, enabled=False):
            latent = F.conv2d(flat, basis[:, :, None, None])
        return latent.unflatten(0, patches.shape[:2])

    def _restore(self, latent: Tensor, name: str) -> Tensor:
        mean, basis = self.get_buffer(f"{name}_mean"), self.get_buffer(f"{name}_basis")
        with torch.autocast(latent.device.type, enabled=False):
            flat = F.conv2d(latent.flatten(0, 1).to(mean), basis.T[:, :, None, None])
        return (flat + mean[:, None, None]).unflatten(0, latent.shape[:2])


class _Moments:
    """Running sums of vectors and of their outer products."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.total = torch.zeros(size, dtype=torch.float64)
        self.outer = torch.zeros(size, size, dtype=torch.float64)

    def add(self, vectors: Tensor) -> None:
        """Takes [N, size]; products of one clip in single precision, their sum in double."""
        self.count += len(vectors)
        self.total += vectors.sum(0, dtype=torch.float64)
        self.outer += (vectors.T @ vectors).double()

    def components(self, channels: int) -> tuple[Tensor, Tensor, Tensor]:
        """Mean [size], basis [channels, size] by falling variance, and spread [channels]."""
        mean = self.total / self.count
        variance, vectors = torch.linalg.eigh(self.outer / self.count - torch.outer(mean, mean))
        kept = min(channels, len(mean))
        basis = torch.zeros(channels, len(mean), dtype=torch.float64)
        spread = torch.zeros(channels, dtype=torch.float64)
        basis[:kept] = vectors.T.flip(0)[:kept]
        spread[:kept] = variance.flip(0)[:kept].clamp_min(0).sqrt()
        # An eigenvector has no sign: its largest entry is made positive, so that a fit can be repeated.
        largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
        return mean, basis * torch.where(largest < 0, -1.0, 1.0), spread


@torch.no_grad()
def fit(pca: PatchPCA, videos: Iterable[np.ndarray]) -> int:
    """Fit `pca` in place to clips uint8 [T, H, W, 3], T = 1 + temporal k, sides multiples of its patch.

    Returns the number of clips. UserError where they are no such clips or hold no later frame.
    """
    first = _Moments(len(pca.get_buffer("first_mean")))
    later = _Moments(len(pca.get_buffer("later_mean")))
    clips = 0
    for video in videos:
        frames, height, width = video.shape[:3]
        if height % pca.spatial or width % pca.spatial or (frames - 1) % pca.temporal:
            raise UserError(
                f"a clip of {frames} frames of {width}x{height} px does not fit the components;"
                f" use sides that are multiples of {pca.spatial} and 1 + {pca.temporal} k frames"
            )
        pixels = torch.from_numpy(video).permute(0, 3, 1, 2)[None].float() / 127.5 - 1.0
        first.add(_vectors(pca._patches(pixels[:, :1], 1)))
        if frames > 1:
            later.add(_vectors(pca._patches(pixels[:, 1:], pca.temporal)))
        clips += 1
    if later.count == 0:
        raise UserError(f"{clips} clips with no frame after the first; components of motion need some")
    for row, (name, moments) in enumerate((("first", first), ("later", later))):
        mean, basis, spread = moments.components(pca.channels)
        pca.get_buffer(f"{name}_mean").copy_(mean)
        pca.get_buffer(f"{name}_basis").copy_(basis)
        pca.spread[row] = spread.to(pca.spread)
    return clips


def _vectors(patches: Tensor) -> Tensor:
    """[1, F, D, h, w] to [N, D]."""
    return patches.permute(0, 1, 3, 4, 2).reshape(-1, patches.shape[2])
