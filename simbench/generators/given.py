"""A model handed over in Python instead of by name: what it is called, and what its answers depend on.

A stored video may be served again only to the model that made it. On the command line the model is built from
its source file and its options; an object may also hold state, come from a notebook's cell or use names that
another cell changed. All of that goes into its identity, or the object is refused with the line to add.
"""

from __future__ import annotations

import hashlib
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard

from simbench.errors import UserError
from simbench.generator import Generator


@dataclass(frozen=True)
class Given:
    """A model as the runner takes it. `own` is what its identity() says, or its state; `source` the digest of
    what it was read from, None where only its identity() speaks for it."""

    model: Callable[..., Any]
    name: str
    target: str
    source: str | None
    own: Any


def describe(thing: Any) -> Given:
    """The model that `thing` (a class, an object or a function) is, with what its answers depend on.

    UserError where that cannot be known: the line says to add identity().
    """
    model = _built(thing)
    if not callable(model):
        raise UserError(f"generator={_short(thing)} is not callable; give it __call__(frames, prompt, ...)")
    kind = model if isinstance(model, FunctionType) else type(model)
    name, target = kind.__qualname__.rpartition(".")[2], f"{kind.__module__}.{kind.__qualname__}"
    source = _source(kind)
    identity = getattr(model, "identity", None)
    if identity is not None:
        return Given(model, name, target, source, identity())
    if isinstance(model, partial | MethodType | BuiltinFunctionType) or source is None:
        raise UserError(
            f"generator={name}: its source cannot be read, so its videos could not be told from another"
            " model's; add identity(), which returns what changes its answers, for example a weights digest"
        )
    state = {**_state(model, name), **_surroundings(kind, name)}
    return Given(model, name, target, source, state or None)


def is_importable(thing: Any) -> bool:
    """Whether another process finds the class of `thing` by its name."""
    kind = type(thing)
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return kind.__module__ != "__main__" and found is kind


def _built(thing: Any) -> Any:
    """An object of a class; anything else as it is."""
    if not inspect.isclass(thing):
        return thing
    try:
        return thing()
    except (TypeError, ValueError, RuntimeError, OSError, ImportError, AttributeError) as error:
        raise UserError(
            f"generator={thing.__qualname__} cannot be built: {type(error).__name__}: {error};"
            f" build it yourself: simbench.evaluate({thing.__qualname__}(...))"
        ) from error


def _short(thing: Any) -> str:
    text = " ".join(repr(thing).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _source(kind: Any) -> str | None:
    """sha256 of the module's file, or of the notebook's cells that hold the class; None for neither."""
    path = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if path is not None and kind.__module__ != "functools" and Path(path).suffix == ".py":
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    cells = [_cell(code) for code in _codes(kind)]
    if not cells or None in cells:
        return None
    return hashlib.sha256("\n".join(sorted({c for c in cells if c is not None})).encode()).hexdigest()


def _cell(code: CodeType) -> str | None:
    """The whole cell that a function was written in: IPython keeps it as a file of its own."""
    return "".join(linecache.getlines(code.co_filename)) or None


def _functions(kind: Any) -> list[FunctionType]:
    """A function, or all those that a class and its own base classes define."""
    if isinstance(kind, FunctionType):
        return [kind]
    found = []
    for base in kind.__mro__:
        if base.__module__ == kind.__module__:
            for value in vars(base).values():
                inner = getattr(value, "__func__", getattr(value, "fget", value))
                if isinstance(inner, FunctionType):
                    found.append(inner)
    return found


def _codes(kind: Any) -> list[CodeType]:
    return [f.__code__ for f in _functions(kind)]


def _state(model: Any, name: str) -> dict[str, Any]:
    """What an object holds (or a function was given as defaults and by its closure), as plain data."""
    if isinstance(model, FunctionType):
        cells = zip(model.__code__.co_freevars, model.__closure__ or (), strict=True)
        held = {n: cell.cell_contents for n, cell in cells} | dict(model.__kwdefaults__ or {})
        held |= {f"default {i}": value for i, value in enumerate(model.__defaults__ or ())}
    else:
        held = {}
        state = object.__getstate__(model)
        for part in state if isinstance(state, tuple) else (state,):
            held |= part or {}
    return {key: _plain(value, f"{name} holds {key}") for key, value in sorted(held.items())}


def _surroundings(kind: Any, name: str) -> dict[str, Any]:
    """Names that a notebook's class or function uses from other cells, which its own cell does not show.

    For what lies in a file, the file's digest covers them.
    """
    if getattr(sys.modules.get(kind.__module__), "__file__", None) is not None:
        return {}
    found: dict[str, Any] = {}
    waiting, seen = list(_functions(kind)), set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for used in _names(function.__code__):
            value = function.__globals__.get(used)
            if value is None or value is kind or isinstance(value, ModuleType):
                continue
            if isinstance(value, FunctionType) or inspect.isclass(value):
                if value.__module__ == kind.__module__:
                    waiting += _functions(value)
                    found[used] = _source(value)
            elif not isinstance(value, BuiltinFunctionType):
                found[used] = _plain(value, f"{name} uses {used}")
    return {f"global {key}": value for key, value in sorted(found.items())}


def _names(code: CodeType) -> Iterator[str]:
    """Names that a function looks up, those of functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _plain(value: Any, what: str) -> Any:
    """`value` as JSON-able data, arrays by their digest. UserError for what has no such form."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(part, what) for part in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(part, what) for key, part in value.items()}
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes") and not value.dtype.hasobject:
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return [str(value.dtype), list(value.shape), digest]
    raise UserError(
        f"generator={what}, a {type(value).__qualname__}, and what it holds cannot be read; add identity()"
        " to the model, which returns what changes its answers, for example a weights digest"
    )


def is_whole(model: object) -> TypeGuard[Generator]:
    """Whether `model` keeps the Generator protocol itself, so that it can be asked as it is."""
    return isinstance(model, Generator)
