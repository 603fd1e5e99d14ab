"""What writing for other tools needs: whole files or none, and packages that only some of them need."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, synced and renamed onto it on a clean exit, else removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the length of a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def needed(module: str, why: str, extra: str) -> Any:
    """The module, imported. ReportError with the command that installs it where it is not there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        raise ReportError(
            f"{why} needs {name}, which is not installed: pip install -e '.[{extra}]'"
        ) from error
