"""The VAE beside diffusers' AutoencoderKLWan of the same size and factors: time of a training step, and
PSNR after the same operations on the same clips. Both have random weights at the start."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from model.clips.worlds import draw, named  # noqa: E402
from model.codec.files import frames_of, pixels, psnr  # noqa: E402
from model.codec.fit import fit_linear, measure  # noqa: E402
from model.codec.vae import VAE  # noqa: E402
from model.config import VAEConfig  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.benchmark, pytest.mark.timeout(1800)]
CHANNELS = 16
OURS = VAEConfig(patch=4, widths=(64, 128), blocks=2, channels=CHANNELS)
BUDGET = 0.3
"""TFLOP of training for each."""

RoundTrip = Callable[[Tensor], Tensor]
"""[B, T, 3, H, W] to the same, through latents at an eighth of the sides and a quarter of the frames."""


def ours(config: VAEConfig, clips: Sequence[np.ndarray] = ()) -> tuple[nn.Module, RoundTrip]:
    """Our VAE, its linear path fitted to `clips`."""
    vae = VAE(config)
    if config.linear and clips:
        fit_linear(vae, clips)
        measure(vae, clips)
    return vae, lambda video: vae.decode(vae.encode(video).mean, video.shape[1])


def wan() -> tuple[nn.Module, RoundTrip]:
    """Wan 2.1's VAE at a width that gives it about as many parameters: f8, t4, 16 channels."""
    diffusers = pytest.importorskip("diffusers", reason="pip install 'simbench-worlds[bench]'")
    vae = diffusers.AutoencoderKLWan(base_dim=16, z_dim=CHANNELS)

    def roundtrip(video: Tensor) -> Tensor:
        return vae.decode(vae.encode(video.transpose(1, 2)).latent_dist.mean).sample.transpose(1, 2)

    return vae, roundtrip


def train_step(roundtrip: RoundTrip, video: Tensor) -> Tensor:
    """Mean absolute error and its gradients."""
    loss = (roundtrip(video) - video).abs().mean()
    loss.backward()
    return loss.detach()


def test_a_training_step_is_faster_than_wans() -> None:
    torch.manual_seed(0)
    (vae, own), (peer, other) = ours(OURS), wan()
    sizes = [sum(p.numel() for p in m.parameters()) for m in (vae, peer)]
    assert 0.8 < sizes[0] / sizes[1] < 1.25, sizes
    video = torch.rand(1, 17, 3, 32, 32) * 2 - 1
    works = {"ours": own, "AutoencoderKLWan": other}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(4):
        for name, work in works.items():
            begin = time.process_time()
            train_step(work, video)
            seconds[name].append(time.process_time() - begin)
    taken = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    said = ", ".join(f"{name} {1000 * t:.0f} ms" for name, t in taken.items())
    print(f"\n{sizes[0] / 1e6:.1f}M and {sizes[1] / 1e6:.1f}M, forward + backward of 17x32x32: {said}")
    assert taken["AutoencoderKLWan"] > 3 * taken["ours"]


def quality(module: nn.Module, roundtrip: RoundTrip, clips: Sequence[np.ndarray], held: np.ndarray) -> float:
    """PSNR on `held` after BUDGET TFLOP of Adam on batches of 2 clips."""
    with FlopCounterMode(display=False) as counter:
        train_step(roundtrip, pixels(np.stack(clips[:2])))
    steps = int(1e12 * BUDGET / counter.get_total_flops())
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3, (0.9, 0.95))
    for i in range(steps):
        first = 2 * i % (len(clips) - 1)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (i + 1) / 5, 2 * (steps - i) / steps)
        optimizer.zero_grad()
        train_step(roundtrip, pixels(np.stack(clips[first : first + 2])))
        optimizer.step()
    with torch.no_grad():
        back = np.concatenate([frames_of(roundtrip(pixels(v)[None])) for v in held])
    return psnr(back, held)


def test_it_is_ahead_of_wan_after_the_same_operations() -> None:
    clips = [draw(named("nano"), 0, i).video for i in range(232)]
    held = np.stack(clips[200:])
    torch.manual_seed(0)
    made = {
        "ours": ours(OURS, clips[:200]),
        "ours without the linear path": ours(VAEConfig(**{**vars(OURS), "linear": False})),
        "AutoencoderKLWan": wan(),
    }
    found = {name: quality(module, work, clips[:200], held) for name, (module, work) in made.items()}
    print(f"\nPSNR after {BUDGET:g} TFLOP at 32 px, f8 t4 z{CHANNELS}: ", end="")
    print(", ".join(f"{name} {value:.1f} dB" for name, value in found.items()))
    assert found["ours"] > found["AutoencoderKLWan"] + 1
