"""key=value words of a command line into a frozen dataclass, typed by its annotations."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from simbench.errors import UserError

T = TypeVar("T")
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def options(kind: type[T], arguments: Sequence[str]) -> T:
    """`arguments` as the dataclass `kind`. UserError names the word that is wrong and what to write."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for argument in arguments:
        key, sign, text = argument.partition("=")
        if not sign:
            raise UserError(f"{argument!r} is not key=value; write for example seed=3")
        if key not in hints:
            close = get_close_matches(key, hints, 1)
            raise UserError(
                f"{key}= is unknown; {f'did you mean {close[0]}?' if close else 'known: ' + ', '.join(hints)}"
            )
        if key in values:
            raise UserError(f"{key} is given twice; give it once")
        values[key] = _read(key, text, hints[key])
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.default is dataclasses.MISSING and not values.get(field.name):
            raise UserError(f"{field.name}= is missing; give it")
    return kind(**values)


def _read(key: str, text: str, hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if hint is str:
        return text
    try:
        if hint is bool:
            return {"true": True, "false": False}[text.lower()]
        return hint(text)
    except (ValueError, KeyError) as error:
        raise UserError(f"{key}={text} is not {KINDS[hint]}") from error
