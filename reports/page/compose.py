"""The whole page from the files of a run: everything that comes from them is escaped or shown as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Block, Line, ReportError, blocks, read_scores, read_summary, refuse_mixed
from reports.files import write_text
from reports.html import TEMPLATES, template
from reports.label import agreement, words
from reports.page.cases import suite_columns
from reports.page.clips import Clip, beside, read_clips
from reports.page.facts import failures, read_facts
from reports.page.scale import Mark, Scale, interval, marks, scale_of
from reports.table import cells, notes, number

SCRIPTS = ("theme.js", "page.js", "table.js", "curves.js", "player.js")
STYLES = ("page.css", "scores.css", "clips.css", "cases.css")


@dataclass(frozen=True)
class Section:
    """One suite of the page. `anchors` are what the card says beside the score."""

    block: Block
    score: str
    interval: str
    subject: Mapping[str, Any]
    anchors: Sequence[tuple[str, str]]
    table: Sequence[Sequence[str]]
    notes: Sequence[str]
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Rival:
    """Another run beside this one: its name, its subject's rows by suite, and what cannot be compared."""

    name: str
    rows: Mapping[str, Mapping[str, Any]]
    clips: Sequence[Clip]
    refused: Sequence[str]


def page_text(folder: Path, other: Path | None = None) -> str:
    """The page of the run in `folder`; with `other` a second run's clips and scores beside it."""
    lines, found = _read(folder)
    labelled = agreement(folder) or []
    clips = read_clips(folder)
    rival = None if other is None else _rival(found, other)
    if rival is not None:
        clips = beside(clips, rival.clips, set(rival.rows))
    scale = scale_of(found if rival is None else [*found, *_as_blocks(rival)])
    sections = [_section(block, scale, rival) for block in found]
    script = "\n".join((TEMPLATES / "js" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = "\n".join((TEMPLATES / "css" / name).read_text(encoding="utf-8") for name in STYLES)
    return template("page.html.j2").render(
        sections=sections,
        scale=scale,
        clips=clips,
        rival=rival,
        people=words.table(labelled) if labelled else (),
        people_notes=words.remarks(labelled),
        failures=failures(found),
        facts=read_facts(folder),
        total=len({(x.role, x.generator, x.case, x.sample) for x in lines if x.case}),
        has_traceback=(folder / "failures.txt").is_file(),
        style=style,
        script=script,
        policy=policy(script),
        data=embedded(_data(lines, clips, rival)),
    )


def _read(folder: Path) -> tuple[list[Line], list[Block]]:
    """Lines and blocks of a run. ReportError when its files are damaged, mixed or do not fit together."""
    lines = read_scores(folder / "scores.csv")
    refuse_mixed(lines)
    rows = read_summary(folder / "summary.json")
    _refuse_short(folder, lines, rows)
    return lines, blocks(rows)


def _refuse_short(folder: Path, lines: Sequence[Line], rows: Sequence[Mapping[str, Any]]) -> None:
    """A scores.csv that was cut at the end of a line looks whole; the summary knows how long it was."""
    videos = {(x.suite, x.role, x.generator, x.case, x.sample) for x in lines if x.case}
    held = Counter(video[:3] for video in videos)
    for row in rows:
        count = held[row["suite"], row["role"], row["generator"]]
        if count != row["planned"]:
            raise ReportError(
                f"{folder / 'scores.csv'} holds {count} videos of {row['generator']}, summary.json"
                f" {row['planned']}: one of them is not whole"
            )


def _section(block: Block, scale: Scale, rival: Rival | None) -> Section:
    subject = block.row("subject") or block.rows[0]
    other = None if rival is None else rival.rows.get(block.suite)
    shown = list(block.rows)
    if other is not None and rival is not None:
        place = next((i for i, row in enumerate(shown) if row["role"] == "subject"), 0) + 1
        shown.insert(place, {**other, "generator": rival.name, "role": "rival"})
    baselines = [row for row in block.rows if row["role"] == "baseline" and row["score"] is not None]
    best = max(baselines, key=lambda row: row["score"], default=None)
    named = [block.row("oracle"), block.row("observer"), best]
    return Section(
        block=block,
        score=number(subject["score"]),
        interval=interval(subject),
        subject=subject,
        anchors=[(str(row["generator"]), number(row["score"])) for row in named if row is not None],
        table=cells(block),
        notes=notes(block),
        marks=marks(scale, shown),
    )


def _rival(found: Sequence[Block], folder: Path) -> Rival:
    """What of another run can stand beside this one: the same suite, version, setting and given."""
    _, theirs = _read(folder)
    known = {block.suite: block for block in theirs}
    rows, refused = {}, []
    for block in found:
        other = known.get(block.suite)
        subject = None if other is None else other.row("subject")
        if other is None or subject is None:
            refused.append(f"{block.suite} was not asked in {folder.name}")
        elif (other.version, other.setting) != (block.version, block.setting):
            refused.append(
                f"{block.suite}@{other.version} {other.setting} of {folder.name} is not comparable with"
                f" {block.suite}@{block.version} {block.setting}"
            )
        else:
            rows[block.suite] = subject
    names = {str(row["generator"]) for row in rows.values()}
    own = {str(row["generator"]) for block in found for row in block.rows}
    name = " and ".join(sorted(names)) or folder.name
    return Rival(f"{name} ({folder.name})" if names & own else name, rows, read_clips(folder), refused)


def _as_blocks(rival: Rival) -> list[Block]:
    return [Block(name, 0, "", (row,)) for name, row in rival.rows.items()]


def _data(lines: Sequence[Line], clips: Sequence[Clip], rival: Rival | None) -> dict[str, Any]:
    parts: dict[str, list[Line]] = {}
    for line in lines:
        parts.setdefault(line.suite, []).append(line)
    return {
        "suites": {name: suite_columns(part) for name, part in parts.items()},
        "clips": [clip.player() for clip in clips],
        "rival": "" if rival is None else rival.name,
    }


def embedded(data: Any) -> str:
    """JSON that may stand in a script element: no character of it can end the element or open a comment."""
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def policy(script: str) -> str:
    """The page's content security policy: it fetches nothing and runs its own script alone."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
        f" script-src 'sha256-{digest}'"
    )


def write_page(folder: Path, other: Path | None = None) -> None:
    """Write report.html into `folder`, whole or not at all."""
    write_text(folder / "report.html", page_text(folder, other))
