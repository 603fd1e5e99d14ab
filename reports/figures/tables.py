"""The tables of a paper: a leaderboard of several runs, and one run's rows between its anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.figures.latex import escaped, number, plain, table
from reports.figures.output import csv_text
from reports.figures.source import Entry, Run, Skip, entries
from reports.figures.statistics import best
from reports.figures.style import slug

UP = frozenset({"S", "S_graded", "S_open", "hit", "hit_open", "idf1", "aj"})
DOWN = frozenset(
    {"hiding_cost", "alarm", "alarm_open", "count_error", "delay", "distance", "drift", "undecided"}
    | {"reproj_px", "depth_m", "absrel", "frechet"}
)
BESIDE = ("S_graded", "S_open", "hiding_cost", "hit", "alarm", "idf1")
"""Metrics beside the score, in this order where a suite has them."""

MOST_ROWS, NARROW_NAME, WIDE_NAME = 40, 17, 26


@dataclass(frozen=True)
class Table:
    """A .tex fragment and the numbers in it."""

    name: str
    tex: str
    csv: str
    note: str = ""


def leaderboard(runs: Sequence[Run], suite: str, command: str) -> Table:
    """Subjects of all runs with what a paired test says about the best, above the anchors."""
    subjects, others = entries(runs, suite)
    if len(subjects) < 2:
        raise Skip(f"{len(subjects)} run answers {suite}; a leaderboard needs two or more: run=A,B")
    anchors = [e for e in others if e.role != "cheat"]
    return _table(f"leaderboard-{slug(suite)}", suite, subjects, anchors, BESIDE[:1], command, True)


def rows(run: Run, suite: str, name: str, command: str) -> Table:
    """One run: its subject, its anchors and its cheats, with more of the suite's metrics."""
    subjects, others = entries([run], suite)
    if not subjects and not others:
        raise Skip(f"{run.folder} has no rows of {suite}")
    return _table(name, suite, subjects, others, BESIDE, command, False)


def _table(
    name: str,
    suite: str,
    subjects: Sequence[Entry],
    others: Sequence[Entry],
    wanted: Sequence[str],
    command: str,
    judged: bool,
) -> Table:
    left = max(0, len(subjects) + len(others) - MOST_ROWS)
    subjects, others = subjects[:MOST_ROWS], others[: max(0, MOST_ROWS - len(subjects))]
    every = [*subjects, *others]
    metrics = [m for m in wanted if any(m in e.row["metrics"] for e in every)]
    bold = {m: _best(suite, subjects, m) if judged else set() for m in ("S", *metrics)}
    digits = {m: _digits(every, m) for m in metrics}
    groups = [
        [_row(e, metrics, digits, bold, NARROW_NAME if judged else WIDE_NAME) for e in part]
        for part in _parts(subjects, others)
    ]
    note = f"{left} rows beyond the first {MOST_ROWS} are left out" if left else ""
    tex = table(
        "l r@{.}l r@{\\,}r" + " r@{.}l" * len(metrics) + " r",
        [_head(metrics)],
        groups,
        _caption(suite, every, judged, bold, note),
        f"tab:{_label(name)}",
        not judged,
        [f"Made by: {command}", "Needs: \\usepackage{booktabs}"],
    )
    return Table(name, tex, _csv(every, metrics, bold), note)


def _parts(subjects: Sequence[Entry], others: Sequence[Entry]) -> list[list[Entry]]:
    cheats = [e for e in others if e.role == "cheat"]
    return [list(subjects), [e for e in others if e.role != "cheat"], cheats]


def _best(suite: str, subjects: Sequence[Entry], metric: str) -> set[str]:
    if metric not in UP | DOWN:
        return set()
    values: dict[str, Mapping[str, float]] = {}
    for entry in subjects:
        found = entry.run.scene_values(suite, "subject", entry.row["generator"])
        if metric in found:
            values[entry.name] = found[metric]
    return best(values, metric in UP)


def _digits(every: Sequence[Entry], metric: str) -> int:
    means = [abs(e.row["metrics"][metric]["mean"]) for e in every if metric in e.row["metrics"]]
    return 1 if max(means) >= 10 else 2


def _arrow(metric: str) -> str:
    if metric in UP:
        return r"~\(\uparrow\)"
    return r"~\(\downarrow\)" if metric in DOWN else ""


def _head(metrics: Sequence[str]) -> str:
    names = [rf"\multicolumn{{2}}{{c}}{{{escaped(m.replace('_', ' '))}{_arrow(m)}}}" for m in metrics]
    score = rf"\multicolumn{{2}}{{c}}{{S{_arrow('S')}}}"
    return " & ".join(["", score, r"\multicolumn{2}{c}{95\,\% CI}", *names, "ok"])


def _row(
    entry: Entry, metrics: Sequence[str], digits: Mapping[str, int], bold: Mapping[str, set[str]], most: int
) -> str:
    row = entry.row
    subject = entry.role == "subject"
    bound = "" if row["bound"] is None else rf" (\(\le\){plain(float(row['bound']), 0)})"
    cells = [escaped(entry.name, most) + bound]
    cells.append(number(row["score"], 1, subject and entry.name in bold["S"]))
    if row["low"] is None:
        cells.append(r"\multicolumn{2}{c}{--}")
    else:
        cells.append(f"{{[}}{plain(row['low'])}, & {plain(row['high'])}{{]}}")
    for metric in metrics:
        found = row["metrics"].get(metric)
        value = None if found is None else found["mean"]
        cells.append(number(value, digits[metric], subject and entry.name in bold[metric]))
    cells.append(str(row["ok"]))
    return " & ".join(cells)


def _caption(
    suite: str, every: Sequence[Entry], judged: bool, bold: Mapping[str, set[str]], note: str
) -> str:
    first = every[0].row
    scenes = max(e.row["scenes"] for e in every)
    planned = sorted({e.row["planned"] for e in every})
    videos = str(planned[0]) if planned[0] == planned[-1] else rf"{planned[0]}\textendash{{}}{planned[-1]}"
    said = [
        f"{escaped(suite)}, version {first['version']}, {escaped(first['setting'])}:"
        " the score S runs from 0 (zero by construction) to 100 (oracle).",
        rf"\(n = {scenes}\) scenes are the unit of replication; of {videos} videos per row, `ok' were read;"
        r" 95\,\% Student t intervals over scenes. What is missing, invalid or failed counts as zero.",
    ]
    if judged and any(bold.values()):
        said.append(
            r"Bold: not told apart from the best by a paired t test over scenes (two-sided 5\,\%, Holm)."
        )
    elif judged:
        said.append("Nothing is bold: with these scenes no paired test could be made.")
    if any(e.role == "cheat" for e in every):
        said.append(r"In brackets: what a cheat may score at the most.")
    if note:
        said.append(escaped(note) + ".")
    return " ".join(said)


def _label(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def _csv(every: Sequence[Entry], metrics: Sequence[str], bold: Mapping[str, set[str]]) -> str:
    columns = ["name", "role", "S", "low", "high", "scenes", "ok", "planned", "bound"]
    columns += list(metrics) + [f"best_{m}" for m in ("S", *metrics)]
    found = []
    for e in every:
        values = [e.row["metrics"].get(m, {}).get("mean") for m in metrics]
        marks = [int(e.role == "subject" and e.name in bold[m]) for m in ("S", *metrics)]
        counts = [e.row[k] for k in ("score", "low", "high", "scenes", "ok", "planned", "bound")]
        found.append([e.name, e.role, *counts, *values, *marks])
    return csv_text(columns, found)
