"""Floating-point operations of the transformer by formula; a multiplication and an addition are two.

These are model FLOPs: what the mathematics asks for, not what a kernel does. A backward pass is twice a
forward pass, but for the layers that read the inputs, whose inputs need no gradient. Recomputing activations
or scores is not counted, so that dividing by time and by the peak of the machine gives the utilisation of
PaLM (2204.02311, appendix B).
"""

from __future__ import annotations

from dataclasses import dataclass

from model.config import DiTConfig, TextConfig
from model.network.conditions import FACTS, FEATURES
from model.network.layers import feed_width


@dataclass(frozen=True)
class Shape:
    """A clip of `frames` latent frames of height x width latents, with `text` tokens of text."""

    frames: int
    height: int
    width: int
    text: int = 0

    def tokens(self, patch: int) -> int:
        """Tokens of the clip."""
        return self.frames * (self.height // patch) * (self.width // patch)


def training_flops(config: DiTConfig, shape: Shape, mode: str = "bidirectional") -> int:
    """FLOPs of a forward and a backward pass over one clip."""
    return 3 * forward_flops(config, shape, mode) - inputs_flops(config, shape)


def forward_flops(config: DiTConfig, shape: Shape, mode: str = "bidirectional") -> int:
    """FLOPs of a forward pass over one clip."""
    tokens, width = shape.tokens(config.patch), config.width
    patch = config.channels * config.patch**2
    ends = 2 * tokens * patch * width
    commands = (config.actions > 0) + config.camera
    per_frame = 2 * width**2 * (6 + 2 + 2 + commands)  # shared and last modulation, level and facts, commands
    blocks = sum(block_flops(config, index, shape, mode) for index in range(config.depth))
    return inputs_flops(config, shape) + ends + shape.frames * per_frame + blocks


def inputs_flops(config: DiTConfig, shape: Shape) -> int:
    """FLOPs of a forward pass through the layers that read the inputs."""
    tokens, width = shape.tokens(config.patch), config.width
    patch = config.channels * config.patch**2
    told = width + FACTS + config.temporal * (config.actions + 12 * config.camera)
    per_token = patch + config.given_depth * config.temporal * config.patch**2
    if config.nearest:
        per_token += patch
        told += FEATURES
    return 2 * width * (tokens * per_token + shape.frames * told)


def block_flops(config: DiTConfig, index: int, shape: Shape, mode: str) -> int:
    """FLOPs of a forward pass through block `index`."""
    tokens, width = shape.tokens(config.patch), config.width
    hidden = feed_width(width, config.mlp)
    total = 2 * tokens * (4 * width**2 + 3 * width * hidden)
    total += 2 * shape.frames * 7 * width * config.rank
    total += 4 * width * pairs(config, index, shape, mode)
    if config.text_width and index % config.cross_every == 0:
        total += 2 * tokens * 2 * width**2 + 2 * shape.text * config.text_width * 2 * width
        total += 4 * width * tokens * shape.text
    return total


def pairs(config: DiTConfig, index: int, shape: Shape, mode: str) -> int:
    """Pairs of a query and a key that the self-attention of block `index` looks at."""
    rows, columns = shape.height // config.patch, shape.width // config.patch
    if config.pattern[index % len(config.pattern)] == "f":
        near = config.window or max(rows, columns)
        return shape.frames * neighbours(rows, near) * neighbours(columns, near)
    frames = shape.frames
    frame_pairs = frames * (frames + 1) // 2 if mode == "block_causal" else frames**2
    return frame_pairs * (rows * columns) ** 2


def neighbours(count: int, window: int) -> int:
    """Pairs (i, j) of `count` places in a row that are at most `window` apart."""
    window = min(window, count - 1)
    return count + 2 * sum(count - step for step in range(1, window + 1))


def text_flops(config: TextConfig, tokens: int) -> int:
    """FLOPs of forward and backward over one prompt of `tokens` tokens; looking up tables is free."""
    width = config.width
    linear = 2 * tokens * (4 * width**2 + 3 * width * feed_width(width, 8 / 3))
    total = 3 * config.depth * (linear + 4 * width * tokens**2)
    if config.kind == "bytes":
        total += 3 * 2 * tokens * 8 * width**2
    return total
