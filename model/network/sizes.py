"""Named sizes of the transformer, from one for tests to one that needs a cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from model.config import DiTConfig
from simbench.errors import UserError

_SPACE = DiTConfig(patch=2, pattern="fffg", text_width=256, heads=4, width=256, depth=8)

SIZES: Mapping[str, DiTConfig] = MappingProxyType(
    {
        "pico": DiTConfig(width=64, depth=4, heads=2),
        "nano": DiTConfig(width=128, depth=4, heads=4),
        "tiny": _SPACE,
        "S": dataclasses.replace(_SPACE, width=384, depth=12, heads=6),
        "B": dataclasses.replace(_SPACE, width=768, depth=12, heads=12, rank=64),
        "M": dataclasses.replace(_SPACE, width=1024, depth=24, heads=16, rank=64),
        "L": dataclasses.replace(_SPACE, width=1536, depth=28, heads=16, rank=128),
        "XL": dataclasses.replace(_SPACE, width=3072, depth=32, heads=24, rank=128),
    }
)
"""Up to nano every block is global and there is no text; from tiny on, three of four stay in the frame."""


def sized(name: str, **changes: Any) -> DiTConfig:
    """The options of size `name`, with `changes`. UserError for an unknown name."""
    if name not in SIZES:
        close = get_close_matches(name, SIZES, 1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(SIZES)}"
        raise UserError(f"unknown size {name}; {hint}")
    return dataclasses.replace(SIZES[name], **changes)
