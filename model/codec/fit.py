"""What is measured and not trained: the principal components, and the statistics of latents."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from model.codec import pca
from model.codec.files import pixels
from model.codec.vae import VAE
from model.config import VAEConfig
from simbench.errors import UserError


def fit_linear(vae: VAE, videos: Iterable[np.ndarray]) -> int:
    """Fit the linear path to clips uint8 [T, H, W, 3]; returns how many there were.

    Rows, columns and last frames that fill no square or no group are left out.
    """
    if vae.linear is None:
        raise UserError("this VAE has no linear path to fit; set vae.linear=true")
    return pca.fit(vae.linear, (_whole(video, vae.config) for video in videos))


def _whole(video: np.ndarray, config: VAEConfig) -> np.ndarray:
    frames, height, width = video.shape[:3]
    if min(height, width) < config.spatial:
        raise UserError(
            f"a clip of {width}x{height} px holds no square of {config.spatial}; use larger clips"
        )
    rows, columns = height - height % config.spatial, width - width % config.spatial
    return video[: frames - (frames - 1) % config.temporal, :rows, :columns]


@torch.no_grad()
def measure(vae: VAE, videos: Iterable[np.ndarray]) -> int:
    """Set `vae.mean` and `vae.std` from clips uint8 [T, H, W, 3]; returns how many there were.

    With `whiten` w the deviation kept for a channel is std^w rms^(1 - w), rms over all channels of its
    set: 1 gives every channel a deviation of 1, 0 keeps the proportions of the channels. A channel that
    never varies (frame 0 has only 3 spatial^2 numbers) is divided by 1.
    """
    total = torch.zeros(2, vae.config.channels, dtype=torch.float64)
    square = torch.zeros_like(total)
    count = torch.zeros(2, 1, dtype=torch.float64)
    clips = 0
    for video in videos:
        latent = vae.encode(pixels(video)[None].to(vae.mean.device)).mean[0].double().cpu()
        for row, part in enumerate((latent[:1], latent[1:])):
            total[row] += part.sum((0, 2, 3))
            square[row] += part.square().sum((0, 2, 3))
            count[row] += part[:, 0].numel()
        clips += 1
    if not bool((count > 0).all()):
        raise UserError(f"{clips} clips hold no later frame; statistics need clips of 2 frames or more")
    mean = total / count
    std = (square / count - mean.square()).clamp_min(0.0).sqrt()
    varies = std > 1e-5
    rms = torch.stack([s[v].square().mean().sqrt() for s, v in zip(std, varies, strict=True)])[:, None]
    kept = std**vae.config.whiten * rms ** (1.0 - vae.config.whiten)
    vae.mean.copy_(mean)
    vae.std.copy_(torch.where(varies, kept, 1.0))
    return clips
