"""Operations of the VAE, counted from its options: two for each multiplication of a convolution."""

from __future__ import annotations

from dataclasses import dataclass

from model.codec.layers import TAPS
from model.codec.networks import stages
from model.codec.vae import latent_frames
from model.config import VAEConfig


@dataclass(frozen=True)
class Flops:
    """Of one clip, forward."""

    encode: float
    decode: float

    @property
    def training(self) -> float:
        """Of one clip, forward and backward; backward is twice forward."""
        return 3.0 * (self.encode + self.decode)


def flops(config: VAEConfig, frames: int, height: int, width: int) -> Flops:
    """Operations to encode and to decode `frames` of `width` x `height` px, after filling up.

    Convolutions are all that counts; torch's counter agrees (it is a test).
    """
    latents = latent_frames(frames, config.temporal)
    squares = (-(-height // config.spatial)) * (-(-width // config.spatial))
    linear = 0.0
    if config.linear:
        pixels = 3 * config.spatial**2
        linear = 2.0 * squares * config.channels * pixels * (1 + config.temporal * (latents - 1))
    if not config.widths:
        return Flops(linear, linear)
    return Flops(
        linear + _network(config, latents, squares, encoder=True),
        linear + _network(config, latents, squares, encoder=False),
    )


def _network(config: VAEConfig, latents: int, squares: int, encoder: bool) -> float:
    widths, steps = stages(config)
    blocks = config.blocks + (not encoder)
    # Pixels of each stage from the latent upwards, over all its frames.
    area, factor = [float(squares * latents)], 1
    space = squares
    for halves_space, halves_time in steps[::-1]:
        space *= 4 if halves_space else 1
        factor *= 2 if halves_time else 1
        area.append(float(space * (1 + factor * (latents - 1))))
    area = area[::-1]
    total = 0.0
    for width, size in zip(widths, area, strict=True):
        total += blocks * size * width * width * (2 * 9 + TAPS)
    for i, (halves_space, halves_time) in enumerate(steps):
        many = (4 if halves_space else 1) * (2 if halves_time else 1)
        total += area[i + 1] * widths[i] * widths[i + 1] * many
    ends = (3 * config.patch**2, 2 * config.channels) if encoder else (3 * config.patch**2, config.channels)
    total += 9 * (area[0] * widths[0] * ends[0] + area[-1] * widths[-1] * ends[1])
    return 2.0 * total
