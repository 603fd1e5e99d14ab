"""Options of `python -m model.scale`: the ladder's own words, and the trainer's for every run of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from model.options import read_json, words_of
from model.training.config import TrainConfig, parse
from simbench.errors import UserError

T = TypeVar("T")
OWN = ("base", "budgets", "unit", "seeds", "sizes", "out", "part", "minutes", "plan", "only")
PLANNED = {
    "budget": "budgets= and unit=",
    "seed": "seeds=",
    "config": "base=",
    "model.dit.width": "sizes=",
    "model.dit.depth": "sizes=",
    "model.dit.heads": "sizes=",
}
"""Options of the trainer that the plan decides, and what to give in their place."""


@dataclass(frozen=True)
class Options:
    """One command line. Work is in TFLOP; `sizes` are (width, depth), none where the plan chooses them.

    `part` and `minutes` are infinite where a call is not cut short. `config` is what every run is made of.
    """

    base: str = "conf/model/pico.json"
    budgets: tuple[float, ...] = (1, 2, 4, 8, 16, 32)
    unit: float = 1.0
    seeds: tuple[int, ...] = (0, 1, 2)
    sizes: tuple[tuple[int, int], ...] = ()
    out: str = ""
    part: float = math.inf
    minutes: float = math.inf
    plan: bool = False
    only: str = ""
    config: TrainConfig = TrainConfig()


def read(arguments: Sequence[str]) -> Options:
    """The options in `arguments`. UserError names the word that is wrong."""
    words = words_of(arguments)
    own = {key: words.pop(key) for key in OWN if key in words}
    for key, instead in PLANNED.items():
        if key in words:
            raise UserError(f"{key}={words[key]} is planned by the ladder; give {instead}")
    default = Options()
    base = own.get("base", default.base)
    config = parse((f"{key}={value}" for key, value in words.items()), read_json(Path(base), "base"))
    found = Options(
        base=base,
        budgets=_list(own, "budgets", _above, default.budgets),
        unit=_one(own, "unit", _above, default.unit),
        seeds=_list(own, "seeds", _seed, default.seeds),
        sizes=() if own.get("sizes", "auto") == "auto" else _list(own, "sizes", _size, ()),
        out=own.get("out", ""),
        part=_one(own, "part", _above, default.part),
        minutes=_one(own, "minutes", _above, default.minutes),
        plan=_one(own, "plan", _flag, default.plan),
        only=own.get("only", ""),
        config=config,
    )
    if not found.out and not found.plan:
        raise UserError("out= is missing; name a folder for the ladder, or look at it first with plan=true")
    if found.out and Path(found.out).is_file():
        raise UserError(f"out={found.out} is a file; name a folder for the ladder")
    return replace(found, budgets=tuple(sorted(found.budgets)))


def _one(words: Mapping[str, str], key: str, kind: Callable[[str], T], default: T) -> T:
    if key not in words:
        return default
    try:
        return kind(words[key])
    except ValueError as error:
        raise UserError(f"{key}={words[key]}: {words[key]!r} is not {error}") from error


def _list(
    words: Mapping[str, str], key: str, kind: Callable[[str], T], default: tuple[T, ...]
) -> tuple[T, ...]:
    if key not in words:
        return default
    found: list[T] = []
    for text in words[key].split(","):
        try:
            value = kind(text)
        except ValueError as error:
            raise UserError(f"{key}={words[key]}: {text!r} is not {error}") from error
        if value in found:
            raise UserError(f"{key}={words[key]}: {text} is given twice; give it once")
        found.append(value)
    return tuple(found)


def _above(text: str) -> float:
    """A finite number above 0; ValueError says what was wanted."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("a number above 0")
    return value


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a seed, a whole number from 0 on")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    width, _, depth = text.partition("x")
    if not (width.isascii() and width.isdigit() and depth.isascii() and depth.isdigit()):
        raise ValueError("a size, WIDTHxDEPTH such as 64x4 (or sizes=auto for all)")
    if int(width) < 1 or int(depth) < 1:
        raise ValueError("a size of 1x1 or more")
    return int(width), int(depth)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"
