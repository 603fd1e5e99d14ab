"""The table as text: one block for each suite, every row between its oracle and its zero."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.aggregate import Block, ReportError, blocks, read_scores, read_summary, refuse_mixed
from reports.command import helped
from reports.label import agreement

USAGE = "usage: python -m reports.table run=FOLDER"
FIRST = ("S_graded", "S_open", "hiding_cost", "hit", "alarm")
"""Columns after the score, in this order where a suite has them; then the others by name."""

MOST_COLUMNS = 7
HIDDEN = ("S", "undecided")
ANSWERABLE = 90.0
"""Below this score of the observer the condition does not determine the answer."""
AGREE = 0.8
"""Kappa below which two readers do not read the same thing."""

NOT_OK = ("missing", "invalid", "failed", "refused")


def number(value: float | None, digits: int = 1) -> str:
    """`12.3`, with a real minus sign; a dash where undefined."""
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) != 0 else text.lstrip("-")


def columns(block: Block) -> list[str]:
    """Which metrics stand beside the score: those that the suite puts first, then the others by name."""
    names = {name for row in block.rows for name in row["metrics"]} - set(HIDDEN)
    chosen = [name for row in block.rows for name in row.get("columns", ())]
    first = [name for name in dict.fromkeys([*FIRST, *chosen]) if name in names]
    return [*first, *sorted(names - set(first))][:MOST_COLUMNS]


def cells(block: Block) -> list[list[str]]:
    """The table of one block, its header first."""
    metrics = columns(block)
    kappas = any(row["kappa"] is not None for row in block.rows)
    head = ["", "S", "95 %", "ok", *(["kappa"] if kappas else [])]
    found = [[*head, *(name.replace("_", " ") for name in metrics)]]
    for row in block.rows:
        interval = "" if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"
        values = [_metric(row["metrics"].get(name)) for name in metrics]
        agreement = [number(row["kappa"], 2)] if kappas else []
        if row["role"] == "zero":
            values, agreement = [""] * len(values), [""] * len(agreement)
        counts = "" if row["role"] == "zero" else f"{row['ok']}/{row['planned']}"
        found.append([_name(row), number(row["score"]), interval, counts, *agreement, *values])
    return found


def _name(row: Mapping[str, Any]) -> str:
    if row["role"] == "subject":
        return f"> {row['generator']} ({row['exposure'] or 'unknown'})"
    bound = f" (at most {row['bound']:g})" if row.get("bound") is not None else ""
    return f"  {row['generator']}{bound}"


def _metric(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    return number(found["mean"], 1 if abs(found["mean"]) >= 10 else 2)


def notes(block: Block) -> list[str]:
    """What a reader has to know beside the numbers."""
    found = []
    oracle, subject = block.row("oracle"), block.row("subject")
    if oracle is not None and oracle["score"] is not None:
        error = oracle["score"] - 100
        found.append(
            f"instrument error: the truth itself reads {number(oracle['score'])}, {number(abs(error))} off"
        )
    if subject is not None and subject["mde"] == 0:
        found.append(
            f"all {subject['scenes']} scenes read the same: what difference they would show is not known"
        )
    elif subject is not None and subject["mde"] is not None:
        found.append(
            f"the smallest difference from a fixed score that {subject['scenes']} scenes show"
            f" (80 % power, two-sided 5 %): {number(subject['mde'])}"
        )
    observer = block.row("observer")
    if observer is not None and observer["score"] is not None and observer["score"] < ANSWERABLE:
        found.append(_answerable(observer))
    for row in block.rows:
        if row["kappa"] is not None and row["kappa"] < AGREE and row["role"] != "cheat":
            found.append(f"readers disagree on {row['generator']}: kappa {number(row['kappa'], 2)}")
        undecided = row["metrics"].get("undecided")
        if row["role"] == "subject" and undecided is not None and undecided["mean"] > 0:
            found.append(f"undecided, scored as zero: {number(undecided['mean'], 2)} cases per scene")
        lost = [f"{row[name]} {name}" for name in NOT_OK if row[name]]
        if lost:
            why = "; ".join(f"{count} x {reason}" for reason, count in row["reasons"].items())
            found.append(f"{row['generator']}: {', '.join(lost)} of {row['planned']}, scored as zero: {why}")
    return found


def _answerable(observer: Mapping[str, Any]) -> str:
    """What an observer below ANSWERABLE says of a setting: nothing yet where its interval reaches so far."""
    reached, high = number(observer["score"]), observer["high"]
    if high is not None and high >= ANSWERABLE:
        return (
            f"whether these cases can be answered is not settled: in {observer['scenes']} scenes the observer"
            f" reaches {reached}, {number(high)} at the most, and {ANSWERABLE:g} is asked; take more cases"
        )
    return (
        f"not answerable: the observer reaches {reached}, below {ANSWERABLE:g}; what is given does not settle"
        " these cases, so do not rank models by them; give more frames or pixels"
    )


def block_text(block: Block, more: Sequence[str] = ()) -> str:
    """One block: heading, table, notes and `more` of them."""
    scenes = max(row["scenes"] for row in block.rows)
    heading = f"{block.suite}@{block.version}  {block.setting}  {scenes} scenes, 95 % t interval over scenes"
    return "\n".join([heading, aligned(cells(block)), *("  " + note for note in [*notes(block), *more])])


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns of equal width: the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)


def table_text(folder: Path) -> str:
    """The table of a run's folder. ReportError when its files are missing, damaged or mixed."""
    from reports.label.words import notes as label_notes

    refuse_mixed(read_scores(folder / "scores.csv"))
    labelled = agreement(folder)
    found = blocks(read_summary(folder / "summary.json"))
    return "\n\n".join(block_text(block, label_notes(labelled, block.suite)) for block in found)


def main(arguments: Sequence[str]) -> int:
    """`python -m reports.table run=FOLDER`: print the table of an earlier run."""
    if helped(f"{__doc__}\n\n    {USAGE}", arguments):
        return 0
    folders = [a.partition("=")[2] for a in arguments if a.startswith("run=")]
    if len(folders) != 1 or len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        print(table_text(Path(folders[0])))
    except (ReportError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
