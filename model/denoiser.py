"""Transformer and text encoder as one module to train, and the loss of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from model import flow
from model.config import ModelConfig
from model.dit import DiT


@dataclass(frozen=True)
class Batch:
    """Clips ready for a step, on the device of the model; B of them, or a part.

    `clean`, `noise` [B, F, C, h, w]; `level`, `seconds` [B, F]; `context` [B, F] bool; `pattern` [B];
    `weight` [B, F, 1, h, w] of the loss, or None; `ids` of text tokens; `actions` [B, F, temporal, A] and
    `camera` [B, F, temporal, 12], NaN where there is none; `mode` as for DiT.
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
    mode: str = "bidirectional"

    def part(self, start: int, stop: int) -> Batch:
        """Clips [start, stop)."""
        cut: dict[str, Any] = {
            name: value[start:stop] if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return Batch(**cut)


class Denoiser(nn.Module):
    """What is trained: `dit`, and `text` where the model has a text encoder. Drawn from `seed`."""

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.dit = DiT(config.dit, torch.Generator().manual_seed(seed))
        self.text: Any = None
        if config.text.kind != "none":
            from model.text import TextEncoder

            # Layers that draw their weights by themselves use torch's generator, which is given back.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.text = TextEncoder(config.text)

    def forward(self, batch: Batch, dtype: torch.dtype = torch.float32) -> Tensor:
        """Prediction [B, F, C, h, w], fp32; activations are of `dtype`."""
        text = None if self.text is None else self.text(batch.ids)
        noised = flow.noised(batch.clean, batch.noise, batch.level).to(dtype)
        return self.dit(
            noised,
            batch.level,
            batch.seconds,
            batch.context,
            text,
            batch.actions,
            batch.camera,
            mode=batch.mode,
        )

    def losses(self, prediction: Tensor, batch: Batch, kind: str) -> flow.Loss:
        """The loss of each frame; see model/flow.py."""
        return flow.loss(
            prediction,
            batch.clean,
            batch.noise,
            batch.level,
            batch.context,
            self.config.dit.predict,
            kind,
            batch.weight,
        )
