"""What a VAE is trained on. Nothing here needs a download but LPIPS, which is off by default."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from model.codec.layers import per_frame
from model.codec.options import LossConfig
from model.codec.vae import VAE, Posterior

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of MS-SSIM from fine to coarse (Wang, Simoncelli and Bovik 2003, section 3)."""
WINDOW, SIGMA = 11, 1.5
"""Its Gaussian window in pixels (Wang et al. 2004, section III-B)."""


def ms_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Multi-scale structural similarity [N] of pictures [N, C, H, W] in [-1, 1]; 1 where they are equal.

    Wang, Simoncelli and Bovik 2003: contrast and structure at every scale, luminance at the last. Small
    pictures have fewer scales, with the weights of those made to sum to 1, and below 11 px a smaller
    window. Negative similarities count as 0.
    """
    size = min(first.shape[-2:])
    window = min(WINDOW, size - (size + 1) % 2)
    count = max(1, min(len(SCALES), (size // window).bit_length()))
    weights = torch.tensor(SCALES[:count], device=first.device)
    weights = weights / weights.sum()
    result = torch.ones(len(first), device=first.device)
    for i in range(count):
        similarity, structure = _ssim(first.float(), second.float(), window)
        part = similarity if i == count - 1 else structure
        # A power of exactly 0 has no gradient to come back on.
        result = result * part.mean((1, 2, 3)).clamp_min(1e-4) ** weights[i]
        if i < count - 1:
            first, second = (F.avg_pool2d(x, 2) for x in (first, second))
    return result


def _ssim(first: Tensor, second: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Maps of SSIM and of its contrast and structure part (Wang et al. 2004, equations 6 and 13)."""
    steps = torch.arange(window, device=first.device) - (window - 1) / 2
    kernel = torch.exp(-steps.square() / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    pictures = torch.cat([first, second, first * first, second * second, first * second], 1)
    channels = pictures.shape[1]
    # Variances are small differences of large means: no bfloat16 here.
    with torch.autocast(first.device.type, enabled=False):
        for shape in ((1, 1, window, 1), (1, 1, 1, window)):
            weight = kernel.reshape(shape).expand(channels, -1, -1, -1)
            pictures = F.conv2d(pictures, weight, groups=channels)
    a, b, aa, bb, ab = pictures.chunk(5, 1)
    luminance, contrast = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
    structure = (2 * (ab - a * b) + contrast) / (aa - a * a + bb - b * b + contrast)
    return structure * (2 * a * b + luminance) / (a * a + b * b + luminance), structure


def motion(made: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring frames of [B, T, C, H, W]; 0 for T = 1."""
    if made.shape[1] < 2:
        return made.new_zeros(())
    return (made.diff(dim=1) - truth.diff(dim=1)).abs().mean()


def kl(vae: VAE, posterior: Posterior) -> Tensor:
    """Divergence from the standard normal in nats, the mean over the numbers of the normalised latent
    (Kingma and Welling 2014, appendix B)."""
    mean, std = vae.statistics(posterior.mean.shape[1])
    spread = ((posterior.mean - mean) / std).square()
    logvar = posterior.logvar - 2 * std.log()
    return 0.5 * (spread + logvar.exp() - 1.0 - logvar).mean()


def scale_equivariance(vae: VAE, latent: Tensor, video: Tensor) -> Tensor:
    """Mean absolute error of the half-size latent, decoded, from the half-size video.

    Skorokhodov et al. 2025 (arXiv:2502.14831). What does not fill pairs of latents is left out.
    """
    rows, columns = (side - side % 2 for side in latent.shape[3:])
    spatial = vae.config.spatial
    if rows == 0 or columns == 0:
        return latent.new_zeros(())
    truth = half(video[..., : rows * spatial, : columns * spatial])
    made = vae.decode(half(latent[..., :rows, :columns]), video.shape[1])
    return (made[..., : truth.shape[3], : truth.shape[4]] - truth).abs().mean()


def reconstruction(
    vae: VAE, video: Tensor, config: LossConfig, generator: torch.Generator, scaled: bool
) -> tuple[dict[str, Tensor], Tensor]:
    """Parts of the loss of one batch [B, T, 3, H, W], not weighted yet, and what was decoded.

    The names are those of the weights in `config`; a part of weight 0 is absent. `scaled` is whether the
    scale equivariance is worked out in this step.
    """
    posterior = vae.encode(video)
    latent = posterior.sample(generator)
    made = vae.decode(latent, video.shape[1], (video.shape[3], video.shape[4])).float()
    parts = {
        "l1": lambda: (made - video).abs().mean(),
        "ssim": lambda: 1.0 - ms_ssim(made.flatten(0, 1), video.flatten(0, 1)).mean(),
        "motion": lambda: motion(made, video),
        "kl": lambda: kl(vae, posterior),
    }
    if scaled:
        # Sides that were filled up have no half-size truth.
        whole = not (video.shape[3] % vae.config.spatial or video.shape[4] % vae.config.spatial)
        parts["scale"] = lambda: scale_equivariance(vae, latent, video) if whole else made.new_zeros(())
    return {name: part() for name, part in parts.items() if getattr(config, name) > 0}, made


def half(x: Tensor) -> Tensor:
    """[B, T, C, H, W] at half the height and width, by means of 2 x 2."""
    return per_frame(lambda y: F.avg_pool2d(y, 2), x)
