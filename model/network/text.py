"""Text as a sequence of features, with no download: words from hashed character n-grams, or bytes.

The table of n-grams and the layers over it are trained with the video model. A word that was never seen
shares most of its n-grams with those that were, as does a typo (Bojanowski et al., fastText, 1607.04606).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import TextConfig
from model.network.attention import attention
from model.network.layers import Feed, Linear, initialise, norm
from model.network.rotary import rotate
from simbench.errors import UserError

NULL = 4
"""Tokens of the learned sequence that stands for no text."""

LETTERS = 16
"""A word is read by its first letters; all of them count in its own hash."""

GRAMS = 2 * (sum(LETTERS + 3 - size for size in (3, 4, 5)) + 1)
"""Most hashes of a word: two for each n-gram of 3 to 5 letters and edges, two for the word."""

BYTES = 256


@dataclass(frozen=True)
class Text:
    """Features [B, N, D] of N tokens, and which of them count as a bool [B, N]; at least one per row."""

    features: Tensor
    mask: Tensor


class Reader(Protocol):
    """The part of an encoder that knows what a token is. A row without any is the empty prompt."""

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """What `__call__` takes: the same for the same prompts in every process."""
        ...

    def __call__(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, N, D] and which count [B, N]."""
        ...


class TextEncoder(nn.Module):
    """Prompts to features for cross-attention, by a small transformer over what `config.kind` reads.

    `hash` words and n-grams; `bytes` UTF-8; `hf:/path` a frozen encoder of transformers; `precomputed`
    features [B, N, config.features] with NaN for no token. UserError for an unknown kind.
    """

    def __init__(self, config: TextConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        if config.width % 2:
            raise UserError(f"text.width={config.width} must be even")
        self.reader = reader(config)
        self.null = nn.Parameter(torch.empty(NULL, config.width))
        self.blocks = nn.ModuleList(TextBlock(config.width) for _ in range(config.depth))
        initialise(self, generator)
        nn.init.normal_(self.null, generator=generator)
        for table in (part for part in self.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)):
            nn.init.normal_(table.weight, generator=generator)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Ids of prompts, which `forward` takes; long prompts are cut to `config.tokens` tokens."""
        return cast(Reader, self.reader).tokens(prompts)

    def forward(self, ids: Tensor) -> Text:
        """Features in fp32; an empty prompt gives the learned null sequence, whatever its neighbours are."""
        x, mask = self.reader(ids)
        if x.shape[1] < NULL:
            x, mask = F.pad(x, (0, 0, 0, NULL - x.shape[1])), F.pad(mask, (0, NULL - mask.shape[1]))
        x = norm(x)
        empty = ~mask.any(1)
        # The softmax over no token is undefined; what the blocks make of the null rows is replaced below.
        readable = (mask | empty[:, None])[:, None, None]
        for block in self.blocks:
            x = block(x, readable)
        null = F.pad(self.null, (0, 0, 0, x.shape[1] - NULL))
        counts = torch.arange(x.shape[1], device=x.device) < NULL
        return Text(torch.where(empty[:, None, None], null, x), torch.where(empty[:, None], counts, mask))


class TextBlock(nn.Module):
    """Attention with rotary positions along the text, and a feed-forward layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = next(h for h in range(max(1, width // 32), 0, -1) if width % (2 * h) == 0)
        self.qkv = Linear(width, 3 * width, bias=False)
        self.out = Linear(width, width, bias=False)
        self.gain = nn.Parameter(torch.ones(self.heads, 1))
        self.feed = Feed(width, 8 / 3)

    def forward(self, x: Tensor, readable: Tensor) -> Tensor:
        """[B, N, D] to [B, N, D]."""
        q, k, v = self.qkv(norm(x)).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        rates = 1000.0 ** -torch.linspace(0, 1, q.shape[-1] // 2, device=x.device)
        angle = torch.arange(x.shape[1], device=x.device)[:, None, None] * rates
        turn = angle.cos(), angle.sin()
        q, k = rotate(norm(q) * self.gain, *turn), rotate(norm(k), *turn)
        x = x + self.out(attention(q, k, v, readable).flatten(-2))
        return cast(Tensor, x + self.feed(norm(x)))


def reader(config: TextConfig) -> nn.Module:
    """The reader of `config.kind`."""
    if config.kind == "hash":
        return Words(config)
    if config.kind == "bytes":
        return Bytes(config)
    if config.kind == "precomputed":
        return Features(config)
    if config.kind.startswith("hf:"):
        from model.network.text_hf import Pretrained

        return Pretrained(config)
    raise UserError(
        f"text.kind={config.kind!r} cannot be read; choose hash, bytes, precomputed or hf:/path/to/a/model"
    )


def hashed(text: str) -> int:
    """64 bits of `text`: FNV-1a over UTF-8, mixed as MurmurHash3 does, for FNV's high bits are poor.

    Python's own hash differs from process to process.
    """
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % 2**64
    return value ^ value >> 33


@lru_cache(maxsize=65536)
def word_ids(word: str, buckets: int) -> tuple[int, ...]:
    """Rows 1 to `buckets` of the table that add up to a word: two hashes of each of its n-grams."""
    edged = f"<{word[:LETTERS]}>"
    grams = {f"<{word}>"}
    for size in (3, 4, 5):
        grams |= {edged[i : i + size] for i in range(len(edged) - size + 1)}
    values = [hashed(gram) for gram in sorted(grams)]
    return tuple(1 + part % buckets for value in values for part in (value >> 32, value % 2**32))


@lru_cache(maxsize=16384)
def word_row(word: str, buckets: int) -> np.ndarray:
    """`word_ids` int32 [GRAMS], filled up with 0: a row to copy, for a feed that reads thousands a second."""
    numbers = word_ids(word, buckets)
    row = np.zeros(GRAMS, np.int32)
    row[: len(numbers)] = numbers
    row.flags.writeable = False
    return row


def words(prompt: str) -> list[str]:
    """Words and marks of punctuation, without regard to case or the form of Unicode."""
    return re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFKC", prompt).casefold())


class Words(nn.Module):
    """Words and punctuation; ids [B, N, GRAMS] are rows of one table, 0 is none."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.EmbeddingBag(config.buckets + 1, config.width, mode="sum", padding_idx=0)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """N is that of the longest prompt, rounded up to 16, so that few shapes occur."""
        split = [words(prompt)[: self.config.tokens] for prompt in prompts]
        longest = max((len(part) for part in split), default=0)
        ids = np.zeros((len(split), 16 * max(1, -(-longest // 16)), GRAMS), np.int64)
        for row, part in enumerate(split):
            if part:
                ids[row, : len(part)] = [word_row(word, self.config.buckets) for word in part]
        return torch.from_numpy(ids)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """See Reader."""
        batch, length, _ = ids.shape
        return self.table(ids.flatten(0, 1)).view(batch, length, -1), ids[..., 0] > 0


class Bytes(nn.Module):
    """UTF-8, four bytes to a token, each token seeing eight; ids [B, BYTES] are bytes + 1, 0 is none."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.table = nn.Embedding(257, config.width)
        self.mix = Linear(8 * config.width, config.width)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Always BYTES ids to a prompt; longer ones are cut."""
        ids = torch.zeros(len(prompts), BYTES, dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            data = prompt.strip().encode()[:BYTES]
            ids[row, : len(data)] = torch.tensor(list(data), dtype=torch.int64) + 1
        return ids

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """See Reader."""
        x = F.pad(self.table(ids), (0, 0, 2, 2)).unfold(1, 8, 4)
        return self.mix(x.flatten(2)), ids.view(len(ids), -1, 4).amax(-1) > 0


class Features(nn.Module):
    """Features [B, N, config.features] that somebody else computed; a token that holds a NaN is none."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        if config.features < 1:
            raise UserError(
                f"text.features={config.features} must be the channels of the precomputed features"
            )
        self.enter = Linear(config.features, config.width)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Only the empty prompt is known; UserError for any other."""
        if any(prompt.strip() for prompt in prompts):
            raise UserError("text=precomputed reads features, not prompts; choose text=hash to type prompts")
        return torch.full((len(prompts), NULL, self.enter.in_features), torch.nan)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """See Reader."""
        mask = ~ids.isnan().any(-1)
        return self.enter(ids.float().nan_to_num()), mask
