"""Losses of the VAE against formulas written a second time, and what they must and must not see."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.ndimage import correlate  # noqa: E402
from torch import Tensor  # noqa: E402

from model.codec import critic as critics  # noqa: E402
from model.codec import losses as losses  # noqa: E402
from model.codec.options import LossConfig  # noqa: E402
from model.codec.vae import VAE, Posterior  # noqa: E402
from model.config import VAEConfig  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def picture(seed: int, size: int = 48, batch: int = 1) -> Tensor:
    """Smooth random pictures [N, 3, size, size] in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 6, 6, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")


def reference(first: np.ndarray, second: np.ndarray, count: int) -> float:
    """MS-SSIM of two pictures [3, H, W] in double precision, from the definition, with a 2-D window."""
    steps = np.arange(11) - 5.0
    window = np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * 1.5**2))
    window /= window.sum()
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:count]
    result = 1.0
    for i in range(count):
        if i:
            first, second = (
                x.reshape(3, x.shape[1] // 2, 2, x.shape[2] // 2, 2).mean((2, 4)) for x in (first, second)
            )
        terms = []
        for a, b in zip(first.astype(float), second.astype(float), strict=True):
            mean_a, mean_b, aa, bb, ab = (
                correlate(x, window)[5:-5, 5:-5] for x in (a, b, a * a, b * b, a * b)
            )
            structure = (2 * (ab - mean_a * mean_b) + 0.06**2) / (aa - mean_a**2 + bb - mean_b**2 + 0.06**2)
            luminance = (2 * mean_a * mean_b + 0.02**2) / (mean_a**2 + mean_b**2 + 0.02**2)
            terms.append(structure * luminance if i == count - 1 else structure)
        result *= np.mean(terms) ** (weights[i] / weights.sum())
    return float(result)


@pytest.mark.parametrize(("size", "count"), [(16, 1), (32, 2), (64, 3), (96, 4), (176, 5)])
def test_ms_ssim_is_its_definition_with_as_many_scales_as_fit(size: int, count: int) -> None:
    first = picture(0, size)
    second = (first + 0.2 * picture(1, size) + 0.1 * torch.randn(first.shape)).clamp(-1, 1)
    found = float(losses.ms_ssim(first, second))
    assert found == pytest.approx(reference(first[0].numpy(), second[0].numpy(), count), abs=1e-4)


def test_ms_ssim_is_1_for_equals_symmetric_and_falls_with_noise() -> None:
    first, noise = picture(0, batch=3), torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses.ms_ssim(first, first), torch.ones(3))
    values = torch.stack([losses.ms_ssim(first, first + s * noise) for s in (0.02, 0.1, 0.4)])
    assert (values.diff(dim=0) < 0).all() and values[0].min() > 0.9
    torch.testing.assert_close(losses.ms_ssim(first + 0.1 * noise, first), values[1])


@pytest.mark.parametrize("size", [1, 2, 5, 10])
def test_ms_ssim_of_tiny_pictures_is_finite_with_a_gradient(size: int) -> None:
    first = picture(0, size).requires_grad_()
    losses.ms_ssim(first, picture(1, size)).sum().backward()
    assert first.grad is not None and torch.isfinite(first.grad).all()


def test_motion_sees_movement_and_no_constant_error() -> None:
    truth = picture(0, 8, 5)[None]
    assert losses.motion(truth + 0.3, truth) < 1e-6
    still = truth[:, :1].expand(-1, 5, -1, -1, -1)
    torch.testing.assert_close(losses.motion(still, truth), truth.diff(dim=1).abs().mean())
    assert losses.motion(truth[:, :1], truth[:, :1] + 1) == 0


def test_kl_is_that_of_normals_in_normalised_latents() -> None:
    vae = VAE(VAEConfig(patch=4, widths=(), channels=6))
    vae.mean[1], vae.std[1] = 2.0, 3.0
    mean, logvar = torch.full((1, 3, 6, 2, 2), 0.7), torch.full((1, 3, 6, 2, 2), -0.4)
    normal = torch.distributions.Normal
    wanted = [
        torch.distributions.kl_divergence(normal(0.7, np.exp(-0.2)), normal(m, s))
        for m, s in ((0, 1), (2, 3))
    ]
    found = losses.kl(vae, Posterior(mean, logvar))
    torch.testing.assert_close(found, (wanted[0] + 2 * wanted[1]) / 3)


def test_scale_equivariance_is_0_where_decoding_commutes_with_halving() -> None:
    # One channel that is the mean of a square of 4 px, repeated: pictures of one colour to each 8 px.
    vae = VAE(VAEConfig(patch=4, widths=(), channels=1, temporal=1))
    assert vae.linear is not None
    for name in ("first", "later"):
        vae.linear.get_buffer(f"{name}_basis").fill_(48**-0.5)
    squares = torch.rand(1, 3, 1, 2, 2).expand(-1, -1, 3, -1, -1)
    video = squares.repeat_interleave(8, -1).repeat_interleave(8, -2)
    latent = vae.encode(video).mean
    assert losses.scale_equivariance(vae, latent, video) < 1e-6
    assert losses.scale_equivariance(vae, latent.flip(-1), video) > 0.01
    assert losses.scale_equivariance(vae, latent[..., :1], video[..., :4]) == 0


def test_parts_follow_their_weights_and_train_the_whole_network() -> None:
    vae = VAE(VAEConfig(patch=4, widths=(8,), channels=6, linear=False))
    video = picture(0, 16, 10).reshape(2, 5, 3, 16, 16)
    generator = torch.Generator().manual_seed(0)
    parts, made = losses.reconstruction(vae, video, LossConfig(), generator, scaled=True)
    assert set(parts) == {"l1", "ssim", "motion", "kl", "scale"} and made.shape == video.shape
    torch.stack(list(parts.values())).sum().backward()
    heads = [vae.encoder.head[-1], vae.encoder.stem, vae.decoder.head[-1], vae.decoder.stem]
    assert all(layer.weight.grad.abs().sum() > 0 for layer in heads)
    bare = LossConfig(ssim=0, motion=0, kl=0, scale=0)
    assert set(losses.reconstruction(vae, video, bare, generator, scaled=True)[0]) == {"l1"}
    unscaled = losses.reconstruction(vae, video, LossConfig(), generator, scaled=False)[0]
    assert "scale" not in unscaled


def test_the_discriminator_learns_to_tell_noise_from_pictures_and_the_vae_hears_it() -> None:
    torch.manual_seed(0)
    critic = critics.Discriminator(width=4)
    truth, made = picture(0, 24, 10).reshape(2, 5, 3, 24, 24), torch.rand(2, 5, 3, 24, 24) * 2 - 1
    made.requires_grad_()
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    first = critics.critic_loss(critic, truth, made).item()
    for _ in range(30):
        optimizer.zero_grad()
        critics.critic_loss(critic, truth, made).backward()
        optimizer.step()
    assert made.grad is None and critics.critic_loss(critic, truth, made).item() < 0.5 * first
    critics.generator_loss(critic, made).backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    assert critic(truth[:, :1]).shape[2] == 1


def test_lpips_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(UserError, match="pip install lpips"):
        critics.perceptual_net(torch.device("cpu"))

    class Net(torch.nn.Module):
        """Stands for the network: mean squared error of a picture."""

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a - b).square().mean((1, 2, 3), keepdim=True)

    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=lambda net, verbose: Net()))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        UserError, match=r"alexnet-owt-7be5be79.pth, which is not there and is not downloaded"
    ):
        critics.perceptual_net(torch.device("cpu"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / critics.BACKBONE).write_bytes(b"")
    net = critics.perceptual_net(torch.device("cpu"))
    made, truth = picture(0, 8, 4)[None], picture(1, 8, 4)[None]
    torch.testing.assert_close(critics.perceptual(net, made, truth), (made - truth).square().mean())
