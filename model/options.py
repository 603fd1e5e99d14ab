"""Words of a command line, `key=value` and `a.b=value`, over a JSON file and a dataclass of options."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from model.config import from_dict
from simbench.errors import UserError

T = TypeVar("T")


def words_of(arguments: Sequence[str]) -> dict[str, str]:
    """`key=value` words by key. UserError for a word without a sign and for a key given twice."""
    words: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            raise UserError(f"{argument!r} is not key=value; write for example batch=16")
        if key in words:
            raise UserError(f"{key} is given twice; give it once")
        words[key] = value
    return words


def read_json(path: Path, option: str = "config") -> dict[str, Any]:
    """The object in a JSON file of options, which errors call by the `option` that named it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{option}={path} does not exist; name a JSON file of options") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{option}={path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{option}={path} must hold an object of options, not {type(data).__name__}")
    return data


def build(kind: type[T], words: Mapping[str, str], data: dict[str, Any]) -> T:
    """`kind` from plain `data` with `words` over it; UserError names the word that is wrong."""
    for key, text in words.items():
        *path, last = key.split(".")
        place, inner = data, kind
        for part in path:
            inner = _hint(kind, inner, part, key)
            place = place.setdefault(part, {})
        hint = _hint(kind, inner, last, key)
        if dataclasses.is_dataclass(hint):
            parts = ", ".join(f"{key}.{f.name}" for f in dataclasses.fields(hint))
            raise UserError(f"{key} is a group of options; set one of {parts}")
        place[last] = _value(key, text, hint)
    return from_dict(kind, data)


def leaves(kind: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every option of a dataclass as (dotted name, type)."""
    hints = typing.get_type_hints(kind)
    for part in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[part.name]):
            yield from leaves(hints[part.name], f"{where}{part.name}.")
        else:
            yield f"{where}{part.name}", hints[part.name]


def _hint(root: Any, kind: Any, name: str, key: str) -> Any:
    hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    if name in hints:
        return hints[name]
    known = [path for path, _ in leaves(root)]
    ends = [path for path in known if path.rpartition(".")[2] == name]
    close = ends or get_close_matches(key, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    raise UserError(f"unknown option {key}; {hint}")


def _value(key: str, text: str, hint: Any) -> Any:
    if hint is str:
        return text
    is_list = typing.get_origin(hint) is tuple
    try:
        return json.loads(f"[{text}]" if is_list and not text.startswith("[") else text)
    except json.JSONDecodeError as error:
        name = "list" if is_list else getattr(hint, "__name__", str(hint))
        raise UserError(f"{key}={text} must be of type {name}") from error
