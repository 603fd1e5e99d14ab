"""Forest plot: every row of a suite with its interval, between the line of zero and the oracle's band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.figures.source import Entry, Run, Skip, entries
from reports.figures.style import (
    BLACK,
    COLUMN,
    GREY,
    PALE,
    ROLE_STYLE,
    Drawn,
    canvas,
    ordinary,
    shown,
    slug,
)

MOST_ROWS, MOST_NAME = 40, 22
ROW_HEIGHT, MARGINS = 0.165, 0.62


def forest(runs: Sequence[Run], suite: str) -> Drawn:
    """Subjects of all runs first, then anchors, baselines and cheats. Skip where nothing has a score."""
    subjects, others = entries(runs, suite)
    every = [e for e in [*subjects, *others] if e.row["score"] is not None]
    if not every:
        raise Skip(f"no row of {suite} has a score")
    kept = every[:MOST_ROWS]
    places = _places(kept)
    figure = canvas(COLUMN, MARGINS + ROW_HEIGHT * (1 - places[-1]))
    axis = figure.subplots()
    _anchors(axis, kept)
    for y, entry in zip(places, kept, strict=True):
        _mark(axis, y, entry)
    _words(axis, kept, places)
    axis.set_ylim(places[-1] - 0.7, 0.7)
    scenes = max(e.row["scenes"] for e in kept)
    axis.set_xlabel(shown(f"S of {ordinary(suite)}, {scenes} scenes"))
    columns = ("name", "role", "S", "low", "high", "scenes", "bound")
    fields = ("score", "low", "high", "scenes", "bound")
    values = tuple((e.name, e.role, *(e.row[k] for k in fields)) for e in kept)
    left = len(every) - len(kept)
    note = f"{left} rows beyond the first {MOST_ROWS} are left out" if left else ""
    return Drawn(f"forest-{slug(suite)}", figure, columns, values, note)


def _places(kept: Sequence[Entry]) -> list[float]:
    """Downwards from 0, with a gap between models, anchors with baselines, and cheats."""
    found, y = [], 0.0
    for i, entry in enumerate(kept):
        if i:
            y -= 1.0 if _part(entry) == _part(kept[i - 1]) else 1.5
        found.append(y)
    return found


def _part(entry: Entry) -> str:
    return entry.role if entry.role in ("subject", "cheat") else "anchor"


def _anchors(axis: Any, kept: Sequence[Entry]) -> None:
    axis.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    oracle = next((e for e in kept if e.role == "oracle"), None)
    if oracle is not None and oracle.row["low"] is not None:
        axis.axvspan(oracle.row["low"], oracle.row["high"], color=PALE, linewidth=0, zorder=0)
    at = 100 if oracle is None else oracle.row["score"]
    axis.axvline(at, color=GREY, linewidth=0.8, linestyle="--", zorder=0)


def _mark(axis: Any, y: float, entry: Entry) -> None:
    row = entry.row
    colour, marker = ROLE_STYLE.get(entry.role, ROLE_STYLE["baseline"])
    if row["bound"] is not None:
        axis.plot([row["bound"]], [y], marker="|", markersize=6, color=BLACK, markeredgewidth=0.8)
    half = None
    if row["low"] is not None:
        half = [[row["score"] - row["low"]], [row["high"] - row["score"]]]
    axis.errorbar(
        [row["score"]],
        [y],
        xerr=half,
        color=colour,
        marker=marker,
        markersize=4.5 if entry.role == "subject" else 3.8,
        linestyle="none",
        elinewidth=1.2,
        capsize=0,
        zorder=3,
    )


def _words(axis: Any, kept: Sequence[Entry], places: Sequence[float]) -> None:
    """Names to the left, numbers to the right, both as ticks, so that room is made for them."""
    axis.set_yticks(places, [shown(ordinary(e.name), MOST_NAME) for e in kept])
    axis.tick_params(axis="y", length=0)
    for label, entry in zip(axis.get_yticklabels(), kept, strict=True):
        label.set_fontweight("bold" if entry.role == "subject" else "normal")
    right = axis.secondary_yaxis("right")
    right.set_yticks(places, [_number(e) for e in kept])
    right.tick_params(axis="y", length=0, labelsize=8)
    right.spines["right"].set_visible(False)
    axis.spines["left"].set_visible(False)


def _number(entry: Entry) -> str:
    """The mean and half of its interval, which Student's t makes the same on both sides."""
    row = entry.row
    score = f"{round(row['score'], 1) + 0.0:.1f}".replace("-", "−")
    return score if row["low"] is None else f"{score} ± {(row['high'] - row['low']) / 2:.1f}"
