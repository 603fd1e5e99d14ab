"""What a comparison writes: each file whole or not at all, and the step summary of a workflow appended."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path

from reports.aggregate import ReportError
from reports.gate.comment import comment
from reports.gate.junit import junit
from reports.gate.options import Options
from reports.gate.record import record, text
from reports.gate.result import Result

SUMMARY = "GITHUB_STEP_SUMMARY"
NAMES = ("verdict.json", "comment.md", "junit.xml")


def write_files(result: Result, options: Options, environment: Mapping[str, str]) -> Path:
    """Write verdict.json, comment.md and junit.xml; the folder. ReportError where that cannot be done."""
    folder = options.out if options.out is not None else result.heads[0][1].folder
    told = comment(result, options)
    contents = (
        text(record(result, options)).encode(),
        told.encode("utf-8"),
        junit(result, datetime.datetime.now(datetime.UTC)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in zip(NAMES, contents, strict=True):
            write(folder / name, content)
        if environment.get(SUMMARY):
            with Path(environment[SUMMARY]).open("a", encoding="utf-8") as file:
                file.write(told + "\n")
    except OSError as error:
        where = error.filename or folder
        raise ReportError(f"cannot write {where} ({error.strerror}); choose another folder: out=") from error
    return folder


def write(path: Path, content: bytes) -> None:
    """Write to a temporary name, sync and rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
