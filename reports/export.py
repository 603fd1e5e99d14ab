"""Rows of runs as one file: CSV, or Parquet with the description of every column inside."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.extras import needed, replacing
from reports.rows import Rows, schema_columns, schema_text, schema_version

GROUP = 1 << 16
"""Rows in a row group."""


def write_csv(rows: Rows, path: Path) -> None:
    """Write `rows` as UTF-8 with a header and Unix line ends; undefined is an empty field, floats by repr."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows.columns)
        writer.writerows(zip(*rows.columns.values(), strict=True))


def write_parquet(rows: Rows, path: Path) -> None:
    """Write `rows` as Parquet. The file's metadata holds the schema's version (`simbench.schema_version`),
    the schema itself and how each run was made; each field has its `description`. Equal rows give equal
    bytes."""
    arrow = needed("pyarrow", f"out={path}", "data")
    files = needed("pyarrow.parquet", f"out={path}", "data")
    text = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = {"string": text, "number": arrow.float64(), "integer": arrow.int32()}
    fields = [
        arrow.field(
            column.name,
            arrow.int64() if column.name == "world_seed" else kinds[column.kind],
            column.null,
            {"description": column.about},
        )
        for column in schema_columns()
    ]
    metadata = {
        "simbench.schema_version": str(schema_version()),
        "simbench.schema": json.dumps(json.loads(schema_text()), sort_keys=True),
        "simbench.runs": json.dumps(
            {name: made(folder) for name, folder in rows.sources.items()}, sort_keys=True
        ),
    }
    table = arrow.table(dict(rows.columns), schema=arrow.schema(fields, metadata))
    with replacing(path) as temporary:
        files.write_table(table, temporary, row_group_size=GROUP, compression="zstd")


def made(folder: Path) -> Mapping[str, Any]:
    """How a run was made, from its run.json; empty where that was not kept or cannot be read."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
