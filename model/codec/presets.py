"""Named sizes of the VAE. `base-f16` is `base` at another spatial factor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from model.config import VAEConfig
from simbench.errors import UserError

CHANNELS = MappingProxyType({4: 48, 8: 64, 16: 96})
"""Latent channels at each spatial factor. 48 at f4 hold all of frame 0; at 32 px 16 lose half of the exact
shape and place of an 8-px object (docs/log.md), and the linear path starts with no less than it is given."""

PRESETS: Mapping[str, VAEConfig] = MappingProxyType(
    {
        # Components are an orthonormal change of axes: one scale for all keeps the distances of pixels.
        "nano": VAEConfig(patch=4, widths=(), whiten=0.0),
        "tiny": VAEConfig(patch=4, widths=(128,), blocks=1),
        "small": VAEConfig(patch=4, widths=(128, 256), blocks=2, channels=CHANNELS[8]),
        "base": VAEConfig(patch=4, widths=(256, 512), blocks=3, channels=CHANNELS[8]),
        "large": VAEConfig(patch=4, widths=(256, 512, 768), blocks=3, channels=CHANNELS[16]),
    }
)


def preset(name: str) -> VAEConfig:
    """Options of `nano`, `tiny`, `small`, `base` or `large`, or of one with -f4, -f8 or -f16 behind it.

    A network loses or repeats its last width, the linear codec changes its patch. UserError otherwise.
    """
    size, _, factor = name.partition("-f")
    if size not in PRESETS or factor not in ("", "4", "8", "16"):
        known = [*PRESETS, *(f"{p}-f{f}" for p in PRESETS for f in CHANNELS)]
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(PRESETS)}, and -f4 -f8 -f16"
        raise UserError(f"size={name} is no VAE; {hint}")
    config = PRESETS[size]
    if not factor:
        return config
    spatial = int(factor)
    channels = CHANNELS[spatial]
    if not config.widths:
        return dataclasses.replace(config, patch=spatial, channels=channels)
    count = {4: 1, 8: 2, 16: 3}[spatial]
    widths = (*config.widths, *([config.widths[-1]] * 2))[:count]
    return dataclasses.replace(config, widths=widths, channels=channels)
