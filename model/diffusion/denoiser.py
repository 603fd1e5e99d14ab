"""Transformer and text encoder as one module to train, and the loss of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from model.config import ModelConfig
from model.diffusion import flow
from model.network.dit import DiT
from model.network.flops import Shape, text_flops, training_flops
from model.network.pack import Budget, Clip, pack, plan


@dataclass(frozen=True)
class Batch:
    """Clips of one size, ready for a step, on the device of the model; B of them.

    `clean`, `noise` [B, F, C, h, w]; `level`, `seconds` [B, F]; `context` [B, F] bool; `pattern` [B];
    `weight` [B, F, 1, h, w] of the loss, or None; `ids` of text tokens; `actions` [B, F, temporal, A] and
    `camera` [B, F, temporal, 12] and `depth` [B, F, temporal, h, w], NaN where there is none; `mode` as for
    DiT; `clips` their names.
    """

    clean: Tensor
    noise: Tensor
    level: Tensor
    seconds: Tensor
    context: Tensor
    pattern: Tensor
    weight: Tensor | None = None
    ids: Tensor | None = None
    actions: Tensor | None = None
    camera: Tensor | None = None
    depth: Tensor | None = None
    mode: str = "bidirectional"
    clips: tuple[int, ...] = ()

    def part(self, start: int, stop: int) -> Batch:
        """Clips [start, stop)."""
        cut: dict[str, Any] = {
            name: value[start:stop] if isinstance(value, Tensor | tuple) else value
            for name, value in vars(self).items()
        }
        return Batch(**cut)

    @property
    def counted(self) -> int:
        """Frames with a loss."""
        return int((~self.context).sum())


Unit = Sequence[Batch]
"""What goes through the model at once: one batch, or several that are packed into one row of tokens."""


def split(batches: Sequence[Batch], micro: int, tokens: int, patch: int) -> list[Unit]:
    """Batches in units of at most `micro` clips of one size, or, where `tokens` is not 0, in packs of clips
    of any size of at most `tokens` tokens. 0 `micro` is no limit. UserError for a clip above `tokens`."""
    if tokens == 0:
        return [
            [batch.part(start, start + (micro or len(batch.clean)))]
            for batch in batches
            for start in range(0, len(batch.clean), micro or len(batch.clean))
        ]
    single = [batch.part(i, i + 1) for batch in batches for i in range(len(batch.clean))]
    sizes = [(b.clean.shape[1], b.clean.shape[3], b.clean.shape[4]) for b in single]
    return [[single[i] for i in sorted(members)] for members in plan(sizes, patch, Budget(tokens))]


class Denoiser(nn.Module):
    """What is trained: `dit`, and `text` where the model has a text encoder. Drawn from `seed`."""

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(seed)
        self.dit = DiT(config.dit, generator)
        self.text: Any = None
        if config.text.kind != "none":
            from model.network.text import TextEncoder

            self.text = TextEncoder(config.text, generator)

    def forward(self, unit: Unit, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Predictions [B, F, C, h, w], fp32, of each batch in `unit`; activations are of `dtype`."""
        noised = [flow.noised(b.clean, b.noise, b.level).to(dtype) for b in unit]
        text = None
        if self.text is not None:
            text = self.text(torch.cat([b.ids for b in unit if b.ids is not None]))
        if len(unit) > 1:
            return self._packed(unit, noised, text)
        (batch,) = unit
        conditions = (batch.level, batch.seconds, batch.context, text, batch.actions, batch.camera)
        return [self.dit(noised[0], *conditions, depth=batch.depth, mode=batch.mode)]

    def _packed(self, unit: Unit, noised: Sequence[Tensor], text: Any) -> list[Tensor]:
        def told(batch: Batch) -> dict[str, Any]:
            """The commands of the only clip of a batch."""
            every = {name: getattr(batch, name) for name in ("actions", "camera", "depth")}
            return {name: None if value is None else value[0] for name, value in every.items()}

        clips = [
            Clip(x[0], b.level[0], b.seconds[0], b.context[0], **told(b))
            for x, b in zip(noised, unit, strict=True)
        ]
        packed = pack(clips, self.config.dit.patch, self.config.dit.temporal)
        tokens = self.dit.forward_packed(packed, text, mode=unit[0].mode)  # type: ignore[arg-type]
        return [latent[None] for latent in packed.unpack(tokens)]

    def losses(self, predictions: Sequence[Tensor], unit: Unit, kind: str) -> list[flow.Loss]:
        """The loss of each batch of `unit`; see model/diffusion/flow.py."""
        return [
            flow.loss(p, b.clean, b.noise, b.level, b.context, self.config.dit.predict, kind, b.weight)
            for p, b in zip(predictions, unit, strict=True)
        ]

    def work(self, batch: Batch) -> int:
        """FLOPs of training on `batch`, by formula; a multiplication and an addition are two."""
        clips, frames, _, height, width = batch.clean.shape
        text = 0 if batch.ids is None else batch.ids.shape[1]
        shape = Shape(frames, height, width, text)
        each = training_flops(self.config.dit, shape, batch.mode)
        return clips * (each + (text_flops(self.config.text, text) if text else 0))

    def tokens(self, batch: Batch) -> int:
        """Tokens of `batch` in the transformer."""
        clips, frames, _, height, width = batch.clean.shape
        return clips * Shape(frames, height, width).tokens(self.config.dit.patch)
