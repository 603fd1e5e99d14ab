"""What a comparison writes: each file whole or not at all, and the step summary of a workflow appended."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from reports.aggregate import ReportError
from reports.files import write_bytes
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
            write_bytes(folder / name, content)
        if environment.get(SUMMARY):
            with Path(environment[SUMMARY]).open("a", encoding="utf-8") as file:
                file.write(told + "\n")
    except OSError as error:
        where = error.filename or folder
        raise ReportError(f"cannot write {where} ({error.strerror}); choose another folder: out=") from error
    return folder
