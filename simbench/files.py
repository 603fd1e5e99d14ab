"""Atomic writes: a reader sees the old file or the whole new one, never half of one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simbench.errors import UserError

STRAY = ".*.tmp"
"""Pattern of what a killed writer leaves behind."""

STRAY_AGE = 600.0
"""Seconds after which a temporary file belongs to nobody: no single write takes that long."""

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def replacing(path: Path, needed: int | None = None) -> Iterator[Path]:
    """A temporary path beside `path`; on a clean exit it is fsynced and renamed onto `path`.

    On an exception the temporary file is removed and `path` is left as it was. A killed process
    leaves a `.NAME.PID.tmp`, never a damaged `path`. `needed` bytes are named when the disk is full,
    which is a UserError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path, needed):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turns "disk full" while writing `path` into one line with what is free and what is needed."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(nearest(path)).free
        wanted = "" if needed is None else f"{megabytes(needed)} needed, "
        raise UserError(
            f"disk full at {path.parent}: {wanted}{megabytes(free)} free; make room or choose another"
            " store= or out=, then run the same command again (what is stored is kept)"
        ) from error


def nearest(path: Path) -> Path:
    """`path` or the closest folder above it that exists."""
    for folder in (path, *path.parents):
        if folder.is_dir():
            return folder
    return Path.cwd()


def megabytes(count: int) -> str:
    """`1.5 MB`."""
    return f"{count / 1e6:.1f} MB"


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` atomically."""
    with replacing(path, len(data)) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends, atomically."""
    write_bytes(path, text.encode("utf-8"))


def read_mapping(path: Path, remedy: str) -> dict[str, Any]:
    """What a JSON file of a mapping holds. UserError, one line that ends in `remedy`, for any other file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); {remedy}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no mapping; {remedy}")
    return found


def require_writable(folder: Path, option: str) -> None:
    """Make `folder` and write one byte to it; a UserError names `option` when that fails."""
    probe = folder / f".probe.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to {option}={folder} ({error.strerror}); choose another folder with {option}="
        ) from error


def require_file(path: Path, option: str) -> None:
    """UserError where `path` could not be written: to be called before the work that it is for. Makes its
    folder."""
    if path.is_dir():
        raise UserError(f"{option}={path} is a folder; name a file")
    try:
        require_writable(path.parent, option)
    except UserError as error:
        raise UserError(f"{option}={path} cannot be written: {error}") from error


def sweep(folder: Path, age: float = STRAY_AGE) -> int:
    """Remove temporary files and folders below `folder` that are older than `age` seconds; how many."""
    before, swept = time.time() - age, 0
    for stray in list(folder.rglob(STRAY)):
        try:
            if stray.stat().st_mtime > before:
                continue
            if stray.is_dir():
                shutil.rmtree(stray, ignore_errors=True)
            else:
                stray.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        swept += 1
    return swept


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`; on a clean exit it is fsynced and takes the place of `path`.

    A folder that was at `path` is moved aside and removed after the rename. A killed process leaves a
    `.NAME.PID.tmp`, and in the one moment between two renames the former folder as `.NAME.old.PID.tmp`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    former = path.with_name(f".{path.name}.old.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for inside in [*temporary.rglob("*"), temporary]:
                _sync(inside)
            if path.exists():
                path.replace(former)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
