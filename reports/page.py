"""report.html: one file that needs nothing else. The table, the intervals, and clips beside the truth."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Block, blocks, read_scores, read_summary, refuse_mixed
from reports.label import agreement, words
from reports.label.agree import Agreement
from reports.table import cells, notes, number

TEMPLATE = Path(__file__).parent / "templates"
BAR_WIDTH = 560
"""Width of the drawn intervals, px."""


@dataclass(frozen=True)
class Mark:
    """One row of the drawing of intervals: pixels from the left, None where undefined."""

    name: str
    role: str
    score: str
    x: float | None
    low: float | None
    high: float | None
    y: float


@dataclass(frozen=True)
class Drawing:
    """Scores and intervals of one block as positions: zero and the oracle are lines."""

    width: int
    height: int
    zero: float
    hundred: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Shown:
    """One case with its pictures, as data addresses."""

    case: str
    why: str
    status: str
    reason: str
    distance: str
    strip: str
    clip: str


@dataclass(frozen=True)
class Section:
    """One suite of the page."""

    block: Block
    table: Sequence[Sequence[str]]
    notes: Sequence[str]
    drawing: Drawing
    shown: Sequence[Shown]
    labels: Sequence[Sequence[str]]
    label_notes: Sequence[str]


def drawing(block: Block) -> Drawing:
    """Place every row of a block between its lowest and highest interval; the scale holds 0 and 100."""
    values = [0.0, 100.0]
    for row in block.rows:
        values += [row[key] for key in ("score", "low", "high") if row[key] is not None]
    left, right = min(values) - 4, max(values) + 4

    def at(value: float | None) -> float | None:
        """Where a score lies on the bar, px."""
        return None if value is None else round((value - left) / (right - left) * BAR_WIDTH, 1)

    marks = tuple(
        Mark(
            row["generator"],
            row["role"],
            number(row["score"]),
            at(row["score"]),
            at(row["low"]),
            at(row["high"]),
            20.0 + 22 * i,
        )
        for i, row in enumerate(block.rows)
    )
    zero, hundred = at(0.0) or 0.0, at(100.0) or 0.0
    return Drawing(BAR_WIDTH, 22 * len(marks) + 18, zero, hundred, marks)


def shown(folder: Path, suite: str) -> list[Shown]:
    """The cases of one suite that the run drew; none where it drew none."""
    listing = folder / "clips" / "clips.json"
    if not listing.is_file():
        return []
    found = []
    for entry in json.loads(listing.read_text(encoding="utf-8"))["clips"]:
        if entry["suite"] == suite:
            distance = "" if entry["distance"] is None else number(entry["distance"], 2)
            found.append(
                Shown(
                    entry["case"],
                    entry["why"],
                    entry["status"],
                    entry["reason"],
                    distance,
                    _inline(folder / "clips" / f"{entry['name']}.png", "image/png"),
                    _inline(folder / "clips" / f"{entry['name']}.webp", "image/webp"),
                )
            )
    return found


def _inline(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def page_text(folder: Path) -> str:
    """The whole page. Everything that comes from a run is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    refuse_mixed(read_scores(folder / "scores.csv"))
    labelled = agreement(folder) or []
    sections = [_section(folder, block, labelled) for block in blocks(read_summary(folder / "summary.json"))]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(sections=sections, run=_run(folder))


def _section(folder: Path, block: Block, labelled: Sequence[Agreement]) -> Section:
    mine = [row for row in labelled if row.suite == block.suite]
    labels = words.table(mine) if mine else []
    pictures = shown(folder, block.suite)
    return Section(block, cells(block), notes(block), drawing(block), pictures, labels, words.remarks(mine))


def _run(folder: Path) -> Mapping[str, Any]:
    """How to repeat the run and what it ran on; empty where run.json was not kept."""
    path = folder / "run.json"
    if not path.is_file():
        return {"command": "", "versions": "", "machine": ""}
    found = json.loads(path.read_text(encoding="utf-8"))
    runtime = found.get("runtime", {})
    versions = ", ".join(f"{k} {v}" for k, v in (runtime.get("packages") or {}).items() if v is not None)
    machine = " · ".join(str(runtime[k]) for k in ("platform", "accelerator", "commit") if runtime.get(k))
    return {"command": found.get("resume", ""), "versions": versions, "machine": machine}


def write_page(folder: Path) -> None:
    """Write report.html into `folder`, whole or not at all."""
    path = folder / "report.html"
    temporary = path.with_name(".report.html.tmp")
    temporary.write_text(page_text(folder), encoding="utf-8")
    temporary.replace(path)
