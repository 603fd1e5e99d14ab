"""Forest plot: every row of a suite with its interval, between the line of zero and the band of the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.figures.source import Entry, Run, Skip, entries
from reports.figures.style import COLUMN, GREY, PALE, ROLE_STYLE, Drawn, canvas, ordinary, shown

MOST_ROWS, MOST_NAME = 40, 22
ROW_HEIGHT, MARGINS = 0.165, 0.62
TITLES = {
    "subject": "models",
    "oracle": "oracle",
    "observer": "observer",
    "baseline": "baselines",
    "cheat": "cheats",
}


def forest(runs: Sequence[Run], suite: str) -> Drawn:
    """Subjects of all runs first, then anchors, baselines and cheats. Skip where nothing has a score."""
    subjects, others = entries(runs, suite)
    every = [e for e in [*subjects, *others] if e.row["score"] is not None]
    if not every:
        raise Skip(f"no row of {suite} has a score")
    kept = every[:MOST_ROWS]
    note = f"{len(every) - len(kept)} rows beyond the first {MOST_ROWS} are left out"
    figure = canvas(COLUMN, MARGINS + ROW_HEIGHT * len(kept))
    axis = figure.subplots()
    _anchors(axis, kept)
    for i, entry in enumerate(kept):
        _mark(axis, len(kept) - 1 - i, entry)
    _words(axis, kept)
    axis.set_ylim(-0.7, len(kept) - 0.3)
    axis.set_xlabel(shown(f"{ordinary(suite)}: S (0 zero, 100 oracle), 95 % CI, {_scenes(kept)} scenes"))
    # The label is wider than the axis, which leaves room for names and numbers beside it.
    axis.xaxis.label.set_horizontalalignment("center")
    values = tuple(
        (e.name, e.role, e.row["score"], e.row["low"], e.row["high"], e.row["scenes"]) for e in kept
    )
    columns = ("name", "role", "S", "low", "high", "scenes")
    return Drawn(f"forest-{suite}", figure, columns, values, note if len(every) > len(kept) else "")


def _scenes(kept: Sequence[Entry]) -> int:
    return int(max(e.row["scenes"] for e in kept))


def _anchors(axis: Any, kept: Sequence[Entry]) -> None:
    axis.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    oracle = next((e for e in kept if e.role == "oracle"), None)
    if oracle is not None and oracle.row["low"] is not None:
        axis.axvspan(oracle.row["low"], oracle.row["high"], color=PALE, linewidth=0, zorder=0)
    axis.axvline(100 if oracle is None else oracle.row["score"], color=GREY, linewidth=0.8, dashes=(4, 2))


def _mark(axis: Any, y: int, entry: Entry) -> None:
    row = entry.row
    colour, marker = ROLE_STYLE.get(entry.role, ROLE_STYLE["baseline"])
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
        elinewidth=1.0,
        capsize=0,
        zorder=3,
    )


def _words(axis: Any, kept: Sequence[Entry]) -> None:
    """Names to the left, numbers to the right, both as ticks, so that room is made for them."""
    places = [len(kept) - 1 - i for i in range(len(kept))]
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
    row = entry.row
    score = f"{row['score'] + 0.0:.1f}"
    if row["low"] is not None:
        score += f" [{row['low']:.1f}, {row['high']:.1f}]"
    return score.replace("-", "−").replace("−0.0", "0.0")
