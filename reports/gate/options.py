"""Options of a comparison: conf/gate/*.json, and over it `key=value` of the command line."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.files import read_mapping

CONF = Path(__file__).resolve().parents[2] / "conf" / "gate"
PLACES = ("base", "head", "noise", "out", "gate", "link")
RULES = ("metrics", "margin", "alpha", "strict", "max_incomplete", "unmatched")
KEYS = (*PLACES, *RULES)
FILE_KEYS = (*RULES, "lower")
UNMATCHED = ("refuse", "allow")


@dataclass(frozen=True)
class Rules:
    """What is judged and how. `metrics` None: S_graded of each suite, or S where a suite has none."""

    metrics: tuple[str, ...] | None = None
    margin: Mapping[str, float] | None = None
    alpha: float = 0.05
    strict: bool = False
    max_incomplete: int = 0
    unmatched: str = "refuse"
    lower: tuple[str, ...] = ()

    @property
    def margins(self) -> Mapping[str, float]:
        """Margins by metric; empty where none is given."""
        return self.margin or {}


@dataclass(frozen=True)
class Options:
    """What to compare, by which rules. `base` None: there is none, and that is fine (base=none)."""

    base: Path | None
    heads: tuple[Path, ...]
    rules: Rules
    noise: Path | None = None
    out: Path | None = None
    link: str = ""


def parse(arguments: Sequence[str]) -> Options:
    """Options of the command line. ReportError with one line for what is unknown, lacking or out of range."""
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in KEYS:
            raise ReportError(f"unknown option {argument!r}{meant(key, KEYS)}")
        if key in given:
            raise ReportError(f"{key}= is given twice; give it once")
        given[key] = value
    for key in ("base", "head"):
        if not given.get(key):
            raise ReportError(f"{key}= is needed: a run's folder or its scores.csv; see --help")
    rules = read_rules(given.get("gate", "default"))
    for key in RULES:
        if key in given:
            rules = replace(rules, **{key: from_text(key, given[key])})
    return Options(
        base=None if given["base"] == "none" else Path(given["base"]),
        heads=_heads(given["head"]),
        rules=rules,
        noise=Path(given["noise"]) if given.get("noise") else None,
        out=Path(given["out"]) if given.get("out") else None,
        link=given.get("link", ""),
    )


def meant(word: str, words: Sequence[str]) -> str:
    """`; did you mean x?`, or the list of what there is."""
    close = difflib.get_close_matches(word, words, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(words)}"


def _heads(value: str) -> tuple[Path, ...]:
    # A folder may have a comma in its name: what exists as a whole is one.
    parts = [value] if Path(value).exists() else [part for part in value.split(",") if part]
    if len(set(parts)) != len(parts):
        raise ReportError(f"head={value} names one run twice; give each once")
    return tuple(Path(part) for part in parts)


def read_rules(name: str) -> Rules:
    """Rules of conf/gate/NAME.json or of a file by its path. ReportError for what is not as it should be."""
    path = Path(name) if name.endswith(".json") else CONF / f"{name}.json"
    if not path.is_file():
        found = sorted(p.stem for p in CONF.glob("*.json"))
        raise ReportError(f"gate={name} is neither a .json file nor in conf/gate{meant(name, found)}")
    rules = Rules()
    for key, value in read_mapping(path, "file of rules").items():
        if key not in FILE_KEYS:
            raise ReportError(f"{path}: unknown option {key}{meant(key, FILE_KEYS)}")
        try:
            rules = replace(rules, **{key: checked(key, value)})
        except ReportError as error:
            raise ReportError(f"{path}: {error}") from error
    return rules


def from_text(key: str, text: str) -> Any:
    """The value of one rule as the command line writes it."""
    if key == "metrics":
        return checked(key, [part.strip() for part in text.split(",") if part.strip()] or None)
    if key == "margin" and ":" in text:
        pairs = [part.rpartition(":") for part in text.split(",")]
        return checked(key, {name.strip(): _number(key, value) for name, _, value in pairs})
    if key == "strict":
        if text.lower() not in ("true", "false"):
            raise ReportError(f"strict={text} must be true or false")
        return text.lower() == "true"
    if key == "unmatched":
        return checked(key, text)
    return checked(key, _number(key, text))


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        example = {"margin": "margin=2 or margin=S_graded:2,S:5", "alpha": "alpha=0.05"}
        hint = example.get(key, f"{key}=0")
        raise ReportError(f"{key}={text} is no number; use for example {hint}") from error


def checked(key: str, value: Any) -> Any:
    """`value` if rule `key` can have it; ReportError that names the limits if not."""
    if key in ("metrics", "lower"):
        return _names(key, value)
    if key == "margin":
        margins = value if isinstance(value, dict) else {"*": value}
        for name, number in margins.items():
            if not name or not is_number(number) or not 0 <= number < math.inf:
                raise ReportError(f"margin of {name or 'no metric'} is {number}; it must be 0 or more")
        return {name: float(number) for name, number in margins.items()}
    if key == "alpha" and not (is_number(value) and 0 < value <= 0.5):
        raise ReportError(f"alpha={value} must be above 0 and at most 0.5; use for example alpha=0.05")
    if key == "max_incomplete":
        if not is_number(value) or value < 0 or value != int(value):
            raise ReportError(f"max_incomplete={value} must be a whole number, 0 or more")
        return int(value)
    if key == "strict" and not isinstance(value, bool):
        raise ReportError(f"strict={value} must be true or false")
    if key == "unmatched" and value not in UNMATCHED:
        raise ReportError(f"unmatched={value} must be {' or '.join(UNMATCHED)}{meant(str(value), UNMATCHED)}")
    return value


def _names(key: str, value: Any) -> tuple[str, ...] | None:
    if value is None and key == "metrics":
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise ReportError(f"{key} must be a list of names, got {value!r}")
    if len(set(value)) != len(value):
        raise ReportError(f"{key} names one metric twice: {', '.join(value)}")
    return tuple(value)


def is_number(value: object) -> bool:
    """Whether `value` is a finite number, not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
