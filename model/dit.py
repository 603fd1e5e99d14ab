"""Diffusion transformer over spacetime latent patches (Peebles and Xie, DiT, 2212.09748).

One set of weights serves bidirectional and block-causal attention, any size, length and frame rate.
What differs from DiT, and where it is from:

- noise level per frame, context frames given in the clear (Chen et al., Diffusion Forcing, 2407.01392);
- modulation shared by all blocks plus a low-rank addition of each (PixArt-alpha, 2310.00426; Cosmos),
  computed per frame and never per token;
- RMS norms on queries and keys (ViT-22B, 2302.05442) with a learned gain on the queries: at unit length the
  softmax over hundreds of tokens is too soft to learn from in minutes;
- every token is also given the patch of the nearest context frame at its place, as image-to-video models are
  given their image as channels;
- fp32 weights that are cast to the type of the activations where they are used, after nanochat.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from model.attention import Dense, Layout
from model.conditions import FEATURES, Conditions, facts, nearest_context, nearest_features
from model.config import DiTConfig
from model.layers import Block, Linear, initialise, modulated
from model.rotary import positions, turns
from model.text import Text
from simbench.errors import UserError

Mode = Literal["bidirectional", "block_causal"]


class DiT(nn.Module):
    """Predicts the clean latents, or the velocity noise - clean, of frames at noise levels of their own.

    Weights are drawn from `generator`. UserError for options that do not go together.
    """

    def __init__(self, config: DiTConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check(config)
        self.config = config
        width, size = config.width, config.channels * config.patch**2
        self.enter = Linear(size, width)
        self.near = Linear(size, width, bias=False) if config.nearest else None
        self.near_facts = Linear(FEATURES, width, bias=False) if config.nearest else None
        self.conditions = Conditions(config)
        self.shared = Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(config, index) for index in range(config.depth))
        self.last = Linear(width, 2 * width)
        self.leave = Linear(width, size)
        initialise(self, generator)
        for part in (self.shared, self.last, self.leave, *(block.up for block in self.stack)):
            nn.init.zeros_(part.weight)

    @property
    def stack(self) -> list[Block]:
        """The blocks in order."""
        return cast("list[Block]", list(self.blocks))

    def forward(
        self,
        noised: Tensor,
        level: Tensor,
        seconds: Tensor,
        context: Tensor | None = None,
        text: Text | None = None,
        actions: Tensor | None = None,
        camera: Tensor | None = None,
        size: Tensor | None = None,
        mode: Mode = "bidirectional",
    ) -> Tensor:
        """Prediction [B, F, C, h, w] in fp32 from latents `noised`, computed in the type of `noised`.

        level [B, F] is 1 for noise and 0 for clean; seconds [B, F] is when the last video frame of each
        latent frame is shown; context [B, F] tells which frames are given. actions [B, F, temporal, A] and
        camera [B, F, temporal, 12] belong to the video frames of each latent frame (the first has only
        its last); NaN is "not given". size [B, 2] is the whole picture, in latents, where `noised` is a crop.
        """
        causal = is_causal(mode)
        batch, frames, _, height, width = noised.shape
        patch = self.config.patch
        tokens = patches(noised, patch)
        if context is None:
            context = torch.zeros(batch, frames, dtype=torch.bool, device=noised.device)
        if size is None:
            size = torch.tensor([[height, width]], device=noised.device).expand(batch, 2)
        layout = Dense(height // patch, width // patch, causal, self.config.window)
        x = self.enter(tokens)
        if self.near is not None and self.near_facts is not None:
            index, found = nearest_context(context, causal)
            near = tokens.gather(1, index[:, :, None, None].expand_as(tokens)) * found[:, :, None, None]
            told = self.near_facts(nearest_features(context, index, found))
            x = x + self.near(near) + layout.spread(told).to(x.dtype)
        known = facts(seconds, context, size, self.config.temporal)
        condition = self.conditions(level, known, actions, camera)
        places = positions(seconds, layout.height, layout.width)
        return unpatched(self.trunk(x, condition, places, layout, text), patch, height, width)

    def trunk(
        self, x: Tensor, condition: Tensor, places: Tensor, layout: Layout, text: Text | None
    ) -> Tensor:
        """Entered tokens [..., D] to predicted patches [..., P] in fp32; conditions are per frame."""
        if (text is not None) != (self.config.text_width > 0):
            raise ValueError(f"text_width={self.config.text_width}, but text is {text and 'given'}")
        turn = turns(places, self.config.width // self.config.heads)
        shared = self.shared(condition).unflatten(-1, (6, -1))
        for block in self.stack:
            keys = None
            if text is not None and block.cross is not None:
                keys = (*block.cross.keys(text.features.to(x.dtype)), text.mask)
            x = block(x, condition, shared, turn, layout, keys)
        shift, scale = (layout.spread(m) for m in self.last(condition).chunk(2, dim=-1))
        return self.leave(modulated(x, shift, scale)).float()


def check(config: DiTConfig) -> None:
    """UserError for options that do not go together."""
    if config.width % config.heads or config.width // config.heads % 2:
        raise UserError(f"width={config.width} must be an even multiple of heads={config.heads}")
    if config.width // config.heads < 6:
        raise UserError(
            f"width={config.width} / heads={config.heads} is too few channels for t, y, x; give 6"
        )
    if not config.pattern or set(config.pattern) - {"f", "g"}:
        raise UserError(f"pattern={config.pattern!r} must be made of f (in the frame) and g (global)")
    if config.predict not in ("clean", "velocity"):
        raise UserError(f"predict={config.predict!r} must be clean or velocity")


def is_causal(mode: str) -> bool:
    """Whether `mode` is block-causal. ValueError for an unknown one, so that no mask is lost unnoticed."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode={mode!r} must be one of {', '.join(get_args(Mode))}")
    return mode == "block_causal"


def patches(latent: Tensor, patch: int) -> Tensor:
    """Tokens [B, F, S, C * patch * patch] of latents [B, F, C, h, w]. UserError if sides do not divide."""
    batch, frames, channels, height, width = latent.shape
    if height % patch or width % patch:
        raise UserError(
            f"latents of {height}x{width} do not divide into patches of {patch}; choose sizes that are"
            f" multiples of {patch} latents"
        )
    grid = latent.view(batch, frames, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, frames, -1, channels * patch * patch)


def unpatched(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Latents [B, F, C, height, width] of tokens: the inverse of `patches`."""
    batch, frames = tokens.shape[:2]
    grid = tokens.view(batch, frames, height // patch, width // patch, -1, patch, patch)
    return grid.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, frames, -1, height, width)
