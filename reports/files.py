"""Read and write the files of a run: damage is named in one line, nothing is left half written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError


def read_json(path: Path) -> Any:
    """What a JSON file holds. ReportError when it is missing, cut short or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error


def read_mapping(path: Path, what: str = "") -> dict[str, Any]:
    """What a JSON file of a mapping holds. ReportError when it cannot be read or holds something else, with
    `what` it is not."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise ReportError(f"{path} is no {what}: it holds no mapping" if what else f"{path} holds no mapping")
    return found


def read_webp(path: Path) -> bytes:
    """The bytes of a WebP picture. ReportError when it is missing or shorter than its own header says."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ReportError(f"{path} is no WebP picture")
    wanted = int.from_bytes(data[4:8], "little") + 8
    if len(data) < wanted:
        raise ReportError(f"{path} is cut short: {len(data)} of {wanted} bytes")
    return data


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with Unix line ends to a temporary name, sync it and rename it onto `path`."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to a temporary name, sync it and rename it onto `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
