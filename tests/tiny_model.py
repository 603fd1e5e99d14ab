"""A model of a few thousand random weights in a folder, so that tests read what users read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from model.config import DiTConfig
    from model.network.dit import DiT


def write(
    folder: Path,
    text: bool = False,
    actions: int = 0,
    camera: bool = False,
    seed: int = 0,
    given_depth: bool = False,
) -> Path:
    """Save one and return its folder. All weights are random, so that everything it is told shows."""
    import torch

    from model.checkpoint import save_model
    from model.codec.vae import VAE
    from model.config import DiTConfig, ModelConfig, TextConfig, VAEConfig
    from model.network.dit import DiT

    words = TextConfig("hash", width=32, depth=1, buckets=64, tokens=20) if text else TextConfig()
    dit = DiTConfig(
        channels=4, width=32, depth=2, heads=2, rank=4, actions=actions, camera=camera,
        given_depth=given_depth,
        text_width=32 if text else 0, cross_every=1,
    )  # fmt: skip
    config = ModelConfig("tiny", VAEConfig(patch=8, widths=(8,), channels=4), dit, words)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        modules = {"dit": DiT(config.dit, generator), "vae": VAE(config.vae)}
        if text:
            from model.network.text import TextEncoder

            modules["text"] = TextEncoder(config.text)
    for module in modules.values():
        for parameter in module.parameters():
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    parts = {name: module.state_dict() for name, module in modules.items()}
    save_model(folder, config, parts, {"what": "random"})
    return folder


def seeded(seed: int = 0) -> Generator:
    """A generator of torch."""
    import torch

    return torch.Generator().manual_seed(seed)


def shaken(config: DiTConfig) -> DiT:
    """A transformer with no weight left at zero, so that every path carries signal."""
    import torch

    from model.network.dit import DiT

    model, generator = DiT(config, seeded()), seeded(1)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


def clip(frames: int) -> dict[str, Tensor]:
    """Two noised clips of `frames` latents [3, 4, 4], as a transformer is given them."""
    import torch

    generator = seeded(2)
    return {
        "noised": torch.randn(2, frames, 3, 4, 4, generator=generator),
        "level": torch.rand(2, frames, generator=generator),
        "seconds": torch.arange(frames).expand(2, -1) / 2,
    }
