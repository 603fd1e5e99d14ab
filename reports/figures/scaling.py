"""Scores over the work that a model does, with intervals: one panel for each kind of measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.aggregate import ReportError
from reports.figures.source import Run, Skip
from reports.figures.style import COLUMN, GREY, PAGE, Drawn, canvas, ordinary, series, shown

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Fréchet distance ↓", ("frechet", "fvd")),
    ("depth reprojection ↓", ("absrel", "depth_m", "reproj_px")),
    ("tracking ↑", ("aj", "idf1")),
    ("S ↑", ("S",)),
    ("S graded ↑", ("S_graded",)),
)
"""Title and metrics of each panel; a panel that no run has a number for is left out."""

FLOPS = ("flops", "model_flops", "flops_per_video")
PARAMETERS = ("parameters", "params", "parameter_count")
FIT_FROM, MOST_TICKS = 3, 4
COLUMNS = (
    "panel", "suite", "metric", "name", "x", "value", "low", "high", "scenes", "fit", "slope_per_decade",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One run in one panel."""

    panel: str
    suite: str
    metric: str
    name: str
    x: float
    value: float
    low: float | None
    high: float | None
    scenes: int


def positions(runs: Sequence[Run], given: Mapping[str, float]) -> tuple[dict[str, float], str]:
    """Where each run stands on the x axis and what that axis is: `given`, else FLOPs, else parameters."""
    if given:
        unknown = sorted(set(given) - {run.name for run in runs})
        if unknown:
            raise ReportError(
                f"x= names {', '.join(unknown)}, but the runs are {', '.join(run.name for run in runs)}"
            )
        return dict(given), "model FLOPs"
    for keys, label in ((FLOPS, "model FLOPs"), (PARAMETERS, "parameters")):
        found = {run.name: _recorded(run, keys) for run in runs}
        known = {name: x for name, x in found.items() if x is not None}
        if len(known) >= 2:
            return known, label
    return {}, ""


def _recorded(run: Run, keys: Sequence[str]) -> float | None:
    parts: list[Any] = [run.record, run.record.get("identity"), run.record.get("runtime")]
    for part in parts:
        for key in keys if isinstance(part, dict) else ():
            value = part.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                return float(value)
    return None


def points(runs: Sequence[Run], at: Mapping[str, float]) -> list[Point]:
    """Every run that has a place, in every panel that it has a number for."""
    found = []
    rows = [(run, suite, run.subject(suite)) for run in runs if run.name in at for suite in run.suites()]
    for title, metrics in PANELS:
        for run, suite, row in rows:
            for metric in metrics:
                value = None if row is None else row["metrics"].get(metric)
                if value is not None:
                    numbers = (value["mean"], value["low"], value["high"], value["scenes"])
                    found.append(Point(title, suite, metric, run.name, at[run.name], *numbers))
    return found


def scaling(runs: Sequence[Run], given: Mapping[str, float], label: str = "") -> Drawn:
    """All panels side by side. Skip with fewer than two runs that have a place on the axis."""
    at, axis_label = positions(runs, given)
    if len(at) < 2:
        raise Skip("fewer than two runs say their FLOPs or parameters in run.json; give x=NAME:VALUE,...")
    every = points(runs, at)
    titles = list(dict.fromkeys(p.panel for p in every))
    if not titles:
        raise Skip("the runs share no measure that scales")
    wide = len(titles) > 1
    columns = min(3, len(titles))
    lines = -(-len(titles) // columns)
    figure = canvas(PAGE if wide else COLUMN, 0.35 + 1.95 * lines)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    rows: list[tuple[object, ...]] = []
    looks = _looks(every)
    for axis, title in zip(axes, titles, strict=False):
        rows += _panel(axis, title, [p for p in every if p.panel == title], looks, label or axis_label)
    for axis in axes[len(titles) :]:
        axis.remove()
    _legend(figure, looks)
    few = "fewer than three runs: no line is fitted" if len(at) < FIT_FROM else ""
    return Drawn("scaling", figure, COLUMNS, tuple(rows), few)


def fitted(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Value at log10 x = 0 and change per decade, least squares; None below three distinct places."""
    if len(set(x)) < FIT_FROM:
        return None
    slope, start = np.polyfit(np.log10(x), y, 1)
    return float(start), float(slope)


def _panel(
    axis: Any, title: str, found: Sequence[Point], looks: Mapping[str, Mapping[str, Any]], label: str
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    keys, slope = _keys(found), ""
    for key in keys:
        part = sorted((p for p in found if (p.suite, p.metric) == key), key=lambda p: p.x)
        line = fitted([p.x for p in part], [p.value for p in part])
        look = looks[_name(*key)]
        for p in part:
            half = None if p.low is None or p.high is None else [[p.value - p.low], [p.high - p.value]]
            axis.errorbar([p.x], [p.value], yerr=half, linestyle="none", elinewidth=0.9, **_dot(look))
            at = None if line is None else line[0] + line[1] * math.log10(p.x)
            place = (title, p.suite, p.metric, p.name, p.x)
            rows.append((*place, p.value, p.low, p.high, p.scenes, at, None if line is None else line[1]))
        if line is not None:
            x = [part[0].x, part[-1].x]
            y = [line[0] + line[1] * math.log10(v) for v in x]
            axis.plot(x, y, color=look["color"], linestyle=look["linestyle"], linewidth=0.9)
            if len(keys) == 1:
                slope = f", {line[1]:+.2g} per decade".replace("-", "−")
    _scale(axis, found)
    axis.set_title(shown(title + slope))
    axis.set_xlabel(shown(label))
    return rows


def _keys(found: Sequence[Point]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((p.suite, p.metric) for p in found))


def _dot(look: Mapping[str, Any]) -> dict[str, Any]:
    return {"color": look["color"], "marker": look["marker"]}


def _scale(axis: Any, found: Sequence[Point]) -> None:
    from matplotlib.ticker import NullFormatter

    axis.set_xscale("log")
    low, high = min(p.x for p in found), max(p.x for p in found)
    room = max(1.6, (high / low) ** 0.12)
    axis.set_xlim(low / room, high * room)
    places = ticks(*axis.get_xlim())
    # Only these labels are formulas: names may hold a dollar sign.
    axis.set_xticks([x for x, _ in places], [text for _, text in places], parse_math=True)
    axis.xaxis.set_minor_formatter(NullFormatter())
    if any(p.metric in ("S", "S_graded") for p in found):
        axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        axis.axhline(100, color=GREY, linewidth=0.8, linestyle="--", zorder=0)


def ticks(low: float, high: float, least: int = 2, most: int = MOST_TICKS) -> list[tuple[float, str]]:
    """Round places between two ends and how they are written: powers of ten, and 2 and 5, then all digits,
    where these are fewer than `least`; of more than `most` every other, third, ..."""
    found: list[tuple[float, str]] = []
    for steps in ((1,), (1, 2, 5), tuple(range(1, 10))):
        found = [
            (step * 10.0**k, f"$10^{{{k}}}$" if step == 1 else rf"${step}\times10^{{{k}}}$")
            for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for step in steps
            if low <= step * 10.0**k <= high
        ]
        if len(found) >= least:
            break
    return found[:: -(-len(found) // most)] if found else []


def _name(suite: str, metric: str) -> str:
    """What a series is called: the suite, and the measure where the panel does not say it."""
    return ordinary(suite if metric in ("S", "S_graded") else f"{suite} {metric}")


def _looks(found: Sequence[Point]) -> dict[str, dict[str, Any]]:
    """One look for each series over all panels."""
    names = dict.fromkeys(_name(p.suite, p.metric) for p in found)
    return {name: series(i) for i, name in enumerate(names)}


def _legend(figure: Any, looks: Mapping[str, Mapping[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", label=shown(name, 30), **_dot(look)) for name, look in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, columnspacing=1.5, handletextpad=0.3)
