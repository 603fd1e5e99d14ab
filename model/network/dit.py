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
- where a model is told depth, every token reads that of its place through a layer that starts at 0 (as the
  extra channels of Stable Diffusion 2's depth-to-image model; ControlNet, 2302.05543, for the zeros);
- fp32 weights that are cast to the type of the activations where they are used, after nanochat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from model.config import DiTConfig
from model.network.attention import Dense, Layout
from model.network.conditions import FEATURES, Conditions, facts, nearest_context, nearest_features
from model.network.layers import Block, Keys, Linear, initialise, modulated
from model.network.pack import Pack
from model.network.packed import choose
from model.network.rotary import positions, turns
from model.network.text import Text
from model.network.tokens import patches, unpatched
from simbench.errors import UserError

Mode = Literal["bidirectional", "block_causal"]


@dataclass(frozen=True)
class TextKeys:
    """Keys and values of a text for each block that reads it; the same at every step of a sampler."""

    blocks: tuple[Keys | None, ...]
    mask: Tensor


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
        self.given_depth: Linear | None = None
        if config.given_depth:
            # Made last, and drawn from nothing: all other weights are those of a model that is not told.
            self.given_depth = Linear(config.temporal * config.patch**2, width)
            nn.init.zeros_(self.given_depth.weight)
            nn.init.zeros_(self.given_depth.bias)

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
        text: Text | TextKeys | None = None,
        actions: Tensor | None = None,
        camera: Tensor | None = None,
        size: Tensor | None = None,
        depth: Tensor | None = None,
        mode: Mode = "bidirectional",
    ) -> Tensor:
        """Prediction [B, F, C, h, w] in fp32 from latents `noised`, computed in the type of `noised`.

        level [B, F] is 1 for noise and 0 for clean; seconds [B, F] is when the last video frame of each
        latent frame is shown; context [B, F] tells which frames are given. actions [B, F, temporal, A] and
        camera [B, F, temporal, 12] belong to the video frames of each latent frame (the first has only
        its last); depth [B, F, temporal, h, w] is model.clips.depth.cells; in all three NaN is "not given".
        size [B, 2] is the whole picture, in latents, where `noised` is a crop.
        """
        causal = is_causal(mode)
        batch, frames, _, height, width = noised.shape
        patch = self.config.patch
        tokens = patches(noised, patch)
        if context is None:
            context = torch.zeros(batch, frames, dtype=torch.bool, device=noised.device)
        if size is None:
            # Filled on the device: a copy of two numbers would wait for all that it still has to do.
            size = torch.stack([torch.full((batch,), n, device=noised.device) for n in (height, width)], -1)
        layout = Dense(height // patch, width // patch, causal, self.config.window)
        index, found = nearest_context(context, causal)
        near = tokens.gather(1, index[:, :, None, None].expand_as(tokens))
        told = nearest_features(context, index, found)
        x = self._entered(tokens, near, told, layout, None if depth is None else patches(depth, patch))
        known = facts(seconds, context, size, self.config.temporal)
        condition = self.conditions(level, known, actions, camera)
        places = positions(seconds, layout.height, layout.width)
        return unpatched(self._trunk(x, condition, places, layout, text), patch, height, width)

    def forward_packed(
        self, pack: Pack, text: Text | TextKeys | None = None, mode: Mode = "bidirectional"
    ) -> Tensor:
        """Predicted patches [N, P] in fp32 of a pack, for `pack.unpack`; row i of the text is of clip i."""
        causal = is_causal(mode)
        if pack.patch != self.config.patch:
            raise ValueError(f"the pack has patch={pack.patch}, the model patch={self.config.patch}")
        layout = choose(pack.shapes, pack.frame, causal, self.config.window, pack.tokens.dtype)
        index, found = (row[0] for row in nearest_context(pack.context[None], causal, pack.clip))
        here = torch.arange(len(pack.tokens), device=pack.tokens.device)
        near = pack.tokens[here + (pack.start[index] - pack.start)[pack.frame]]
        told = nearest_features(pack.context[None], index[None], found[None])[0]
        x = self._entered(pack.tokens, near, told, layout, pack.depth)
        condition = self.conditions(pack.level, pack.facts, pack.actions, pack.camera)
        return self._trunk(x, condition, pack.places, layout, text)

    def text_keys(self, text: Text, dtype: torch.dtype = torch.float32) -> TextKeys:
        """What `text` is to every block, to be passed as text many times."""
        features = text.features.to(dtype)
        made = (None if block.cross is None else block.cross.keys(features) for block in self.stack)
        return TextKeys(tuple(made), text.mask)

    def _entered(
        self, tokens: Tensor, near: Tensor, told: Tensor, layout: Layout, depth: Tensor | None
    ) -> Tensor:
        x: Tensor = self.enter(tokens)
        if depth is not None:
            if self.given_depth is None:
                raise ValueError("depth was given to a model without given_depth")
            given = ~depth.isnan().any(-1, keepdim=True)
            if not self.config.depth_ahead:
                given = given & (layout.spread(told[..., :1]) > 0)
            x = x + self.given_depth(depth.nan_to_num().to(x.dtype)) * given
        if self.near is None or self.near_facts is None:
            return x
        found = layout.spread(told[..., 1:2]).to(near.dtype)
        return x + self.near(near * found) + layout.spread(self.near_facts(told)).to(x.dtype)

    def _trunk(
        self,
        x: Tensor,
        condition: Tensor,
        places: Tensor,
        layout: Layout,
        text: Text | TextKeys | None,
    ) -> Tensor:
        """Entered tokens [..., D] to predicted patches [..., P] in fp32; conditions are per frame."""
        if (text is not None) != (self.config.text_width > 0):
            given = "none was given" if text is None else "text was given"
            raise ValueError(f"text_width={self.config.text_width}, but {given}; no text is the null text")
        keys = self.text_keys(text, x.dtype) if isinstance(text, Text) else text
        turn = turns(places, self.config.width // self.config.heads)
        shared = self.shared(condition).unflatten(-1, (6, -1))
        seen = None if keys is None else layout.readable(keys.mask)
        for number, block in enumerate(self.stack):
            read = None if keys is None else keys.blocks[number]
            x = block(x, condition, shared, turn, layout, read, seen)
        shift, scale = (layout.spread(m) for m in self.last(condition).chunk(2, dim=-1))
        out: Tensor = self.leave(modulated(x, shift, scale)).float()
        return out


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
