"""A pretrained text encoder from a folder, by the library transformers: T5, CLIP, Gemma and their like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.config import TextConfig
from model.network.layers import Linear
from simbench.errors import UserError


class Pretrained(nn.Module):
    """The frozen encoder in the folder behind `hf:`, and a trained map to our width.

    UserError if the folder or the library is not there. Nothing is fetched and nothing is unpickled.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        folder = Path(config.kind.removeprefix("hf:"))
        if not (folder / "config.json").is_file():
            raise UserError(
                f"text={config.kind}: {folder} holds no config.json; name a folder of transformers"
            )
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise UserError(f"text={config.kind} needs transformers; pip install transformers") from error
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            whole = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise UserError(f"text={config.kind} cannot be loaded: {str(error).splitlines()[0]}") from error
        encoder = (
            whole.get_encoder() if whole.config.is_encoder_decoder else getattr(whole, "text_model", whole)
        )
        # In a tuple, so that the frozen weights are no part of our checkpoints and optimizers.
        self._frozen: tuple[Any, ...] = (encoder.eval().requires_grad_(False),)
        self.length = config.tokens
        self.enter = Linear(encoder.config.hidden_size, config.width)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Ids [B, N] of the model's own tokenizer; -1 is none."""
        rows = [
            self.tokenizer(prompt, truncation=True, max_length=self.length)["input_ids"]
            if prompt.strip()
            else []
            for prompt in prompts
        ]
        ids = torch.full((len(rows), max(1, *(len(row) for row in rows), 1)), -1, dtype=torch.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row, dtype=torch.int64)
        return ids

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, N, D] and which count [B, N]."""
        mask = ids >= 0
        encoder = self._frozen[0].to(ids.device)
        # A row without a token must show one: the mask of an encoder may not be empty.
        shown = mask | ~mask.any(1, keepdim=True)
        with torch.no_grad():
            features = encoder(input_ids=ids.clamp_min(0), attention_mask=shown.long()).last_hidden_state
        return self.enter(features.float()), mask
