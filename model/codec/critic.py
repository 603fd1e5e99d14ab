"""Judges of decoded videos beside pixel errors: a patch discriminator in space and time, and LPIPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from simbench.errors import UserError

BACKBONE = "alexnet-owt-7be5be79.pth"
"""The file that LPIPS would download: torchvision's AlexNet."""


class Discriminator(nn.Module):
    """3-D patch discriminator (Isola et al. 2017), with spectral norm (Miyato et al. 2018).

    Each number that comes out judges 34 x 34 px of 17 frames.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        last = 3
        for i, stride in enumerate(((1, 2, 2), (2, 2, 2), (2, 1, 1))):
            layers += [_conv(last, width * 2**i, stride), nn.LeakyReLU(0.2)]
            last = width * 2**i
        self.layers = nn.Sequential(*layers, _conv(last, 1, (1, 1, 1)))

    def forward(self, video: Tensor) -> Tensor:
        """[B, T, 3, H, W] to scores [B, 1, t, h, w], high for what looks real."""
        return self.layers(video.transpose(1, 2))


def _conv(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Module:
    return spectral_norm(nn.Conv3d(inputs, outputs, (3, 4, 4), stride, padding=(1, 2, 2)))


def critic_loss(critic: nn.Module, truth: Tensor, made: Tensor) -> Tensor:
    """Hinge loss of the discriminator (Lim and Ye 2017); nothing flows back into `made`."""
    return F.relu(1.0 - critic(truth)).mean() + F.relu(1.0 + critic(made.detach())).mean()


def generator_loss(critic: nn.Module, made: Tensor) -> Tensor:
    """What the VAE gains by being taken for real."""
    return -critic(made).mean()


def perceptual_net(device: torch.device) -> Any:
    """LPIPS (Zhang et al. 2018) on AlexNet, frozen. UserError where package or weights are missing.

    Nothing is downloaded: the weights must lie in torch's cache already.
    """
    try:
        import lpips
    except ImportError as error:
        raise UserError("loss.lpips needs the package lpips; pip install lpips, or loss.lpips=0") from error
    path = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE
    if not path.is_file():
        raise UserError(
            f"loss.lpips needs {path}, which is not there and is not downloaded; put it there, point"
            " TORCH_HOME at a cache that has it, or use loss.lpips=0"
        )
    return lpips.LPIPS(net="alex", verbose=False).to(device).requires_grad_(False).eval()


def perceptual(net: Any, made: Tensor, truth: Tensor) -> Tensor:
    """Mean LPIPS over the frames of [B, T, 3, H, W] in [-1, 1]."""
    return net(made.flatten(0, 1), truth.flatten(0, 1)).mean()
