"""Options of the model as frozen dataclasses, named sizes, and JSON in and out.

Files of options are JSON that mirrors the dataclasses; an unknown key is an error with a suggestion.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from simbench.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class VAEConfig:
    """Video VAE. Space shrinks by `patch` 2^(len(widths) - 1), time by `temporal` (1, 2 or 4).

    No `widths` is no network: the closed-form linear path alone, with squares of `patch` pixels.
    """

    patch: int = 4
    widths: tuple[int, ...] = (64,)
    blocks: int = 1
    channels: int = 48
    temporal: int = 4
    linear: bool = True
    """A closed-form linear path (PCA of patches) under the residual network."""
    whiten: float = 1.0
    """Scale that latents are normalised to: 1 gives each channel its own, 0 all channels the same."""

    @property
    def spatial(self) -> int:
        """Pixels to a latent, along y and along x."""
        return int(self.patch * 2 ** max(len(self.widths) - 1, 0))


@dataclass(frozen=True)
class TextConfig:
    """Text encoder: `hash` (words and character n-grams), `bytes`, `hf:/path`, `precomputed` or `none`."""

    kind: str = "none"
    width: int = 256
    depth: int = 2
    buckets: int = 16384
    tokens: int = 64
    features: int = 0
    """Channels of precomputed features."""


@dataclass(frozen=True)
class DiTConfig:
    """Diffusion transformer over latents of `channels` channels in tokens of `patch` x `patch`.

    `pattern` is repeated over the blocks: f attends inside one latent frame, g over all frames.
    `window` limits attention inside a frame to that many tokens up, down, left and right; 0 is none.
    """

    channels: int = 48
    patch: int = 1
    width: int = 64
    depth: int = 4
    heads: int = 2
    pattern: str = "g"
    window: int = 0
    mlp: float = 8 / 3
    nearest: bool = True
    """Every token is also given the patch of the nearest context frame at its place."""
    text_width: int = 0
    cross_every: int = 2
    actions: int = 0
    """Channels of action per video frame; 0 is none."""
    camera: bool = False
    given_depth: bool = False
    """Whether every token is told the depth of its place (model/clips/depth.py)."""
    depth_ahead: bool = True
    """With given_depth, that of all frames: where things will be is told with it. false tells the depth of
    context frames alone."""
    temporal: int = 4
    """Video frames to a latent frame (the first latent is one frame); as in the VAE."""
    predict: str = "clean"
    rank: int = 32
    """Rank of each block's own addition to the shared modulation."""
    gate_init: float = 1.0
    """Start of the gates on attention and feed-forward: 0 is adaLN-zero; at 1 a short run learns sooner."""
    gain: float = 2.5
    """Start of the gain on normed queries."""


@dataclass(frozen=True)
class ModelConfig:
    """All that is needed to build a model before its weights are loaded."""

    name: str = "nano"
    vae: VAEConfig = field(default_factory=VAEConfig)
    dit: DiTConfig = field(default_factory=DiTConfig)
    text: TextConfig = field(default_factory=TextConfig)


def from_dict(kind: type[T], data: Any, where: str = "") -> T:
    """Build the dataclass `kind` from plain data. UserError names an unknown key or a wrong type."""
    if not isinstance(data, dict):
        raise UserError(f"{where or kind.__name__} must be an object of options, not {type(data).__name__}")
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    values = {}
    for key, value in data.items():
        path = f"{where}.{key}" if where else key
        if key not in known:
            close = get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise UserError(f"unknown option {path}; {hint}")
        values[key] = _convert(hints[key], value, path)
    return kind(**values)


def _convert(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast("type[Any]", hint), value, path)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        return _convert(next(o for o in options if o is not type(None)), value, path)
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise UserError(f"{path}={value!r} must be a list")
        return tuple(_convert(inner, item, path) for item in value)
    if origin is dict or hint is dict:
        return dict(value)
    wanted: Any = (int, float) if hint is float else hint
    if (hint is not bool and isinstance(value, bool)) or not isinstance(value, wanted):
        raise UserError(f"{path}={value!r} must be of type {getattr(hint, '__name__', hint)}")
    return float(value) if hint is float else value


def to_dict(config: Any) -> dict[str, Any]:
    """The options as plain data, ready for JSON."""
    return dataclasses.asdict(config)


def read(kind: type[T], path: Path) -> T:
    """Options from a JSON file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; name a JSON file of options") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    return from_dict(kind, data)
