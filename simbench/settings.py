"""The setting of a suite: its own defaults, and over them what the command line says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.case import Setting
    from simbench.config import RunConfig

GIVEN = ("v2v", "i2v", "t2v", "cam", "act")
LOOKS = ("plain", "rich")
PROMPTS = ("plain", "telling")
MOST_PIXELS = 4096


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `64` (a square) or `64x48`."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip().lower())
    if not match:
        raise UserError(f"size={text} is neither N nor WxH; use for example size=64 or size=96x64")
    width, height = int(match[1]), int(match[2] or match[1])
    if not (8 <= width <= MOST_PIXELS and 8 <= height <= MOST_PIXELS):
        raise UserError(f"size={text} is outside 8 to {MOST_PIXELS} px; use for example size=64")
    return width, height


def one_of(option: str, value: str, choices: Sequence[str]) -> str:
    """`value`, or a UserError that lists `choices` and guesses which was meant."""
    if value in choices:
        return value
    raise UserError(f"{option}={value} is not one of {', '.join(choices)}{did_you_mean(value, choices)}")


def did_you_mean(value: str, choices: Sequence[str]) -> str:
    """`; did you mean x?`, or nothing."""
    close = difflib.get_close_matches(value, choices, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def setting_for(own: Mapping[str, Any], config: RunConfig) -> Setting:
    """The suite's `own` values overridden by what `config` says. UserError for values out of range."""
    from simbench.case import Setting

    values = {key: value for key, value in own.items() if not key.startswith("_")}
    if config.size is not None:
        values["width"], values["height"] = parse_size(config.size)
    for key in ("given", "frames", "fps", "context", "look", "difficulty", "prompt"):
        if getattr(config, key) is not None:
            values[key] = getattr(config, key)
    setting = Setting(**values)
    one_of("given", setting.given, GIVEN)
    one_of("look", setting.look, LOOKS)
    one_of("prompt", setting.prompt, PROMPTS)
    if not 0.0 <= setting.difficulty <= 1.0:
        raise UserError(
            f"difficulty={setting.difficulty:g} is outside 0 to 1; use for example difficulty=0.5"
        )
    if setting.frames < 2:
        raise UserError(f"frames={setting.frames} is no video; use frames=2 or more")
    if not setting.fps > 0:
        raise UserError(f"fps={setting.fps:g} must be above 0; use for example fps=8")
    if not 0 < setting.context < setting.frames:
        raise UserError(f"context={setting.context} must be at least 1 and below frames={setting.frames}")
    return setting
