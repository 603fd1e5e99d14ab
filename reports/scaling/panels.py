"""The default figure: four panels over the model FLOPs of training, each point a run with its 95 % interval.

How far clips are from the truth as sets (quality.json, which `suite=scaling` writes beside scores), the error
of depth by reprojection, tracking, and the abilities. A panel without numbers says what to run for them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.figures.scaling import ticks
from reports.figures.source import Run, Skip
from reports.figures.statistics import t_interval
from reports.figures.style import GREY, PAGE, Drawn, canvas, ordinary, series, shown
from reports.scaling.draw import log_y
from reports.scaling.fit import budgets
from reports.scaling.measure import LOSS, Series
from reports.scaling.sets import distances

COLUMNS = (
    "panel", "name", "suite", "group", "metric", "run", "flops", "value", "low", "high", "truth", "scenes",
    "of_scenes",
)  # fmt: skip
DEPTH = (("geometry", "reproj_px"), ("revisit", "return_px"))
TRACKING = (("geometry", "aj"), ("permanence", "idf1"))
ABILITIES: Mapping[str, tuple[str, ...]] = {
    "consistency": ("geometry", "camera", "revisit"),
    "permanence": ("permanence", "hidden"),
    "interaction": ("paint", "bite", "push", "footprints"),
}
NAMES = {"reproj_px": "depth, reprojected", "return_px": "landmarks on return", "aj": "AJ", "idf1": "IDF1"}
DODGE, WIDEST = 1.04, 1.2
"""Factor in compute by which neighbouring series stand apart, so that none hides another, and all of them."""


@dataclass(frozen=True)
class Point:
    """One run: `value` with its interval, of `scenes` of `of` scenes."""

    run: str
    flops: float
    value: float
    low: float | None
    high: float | None
    scenes: int
    of: int


@dataclass(frozen=True)
class Line:
    """One series of a panel. `truth` is what the truth itself reads there, None where nobody knows."""

    name: str
    suite: str
    group: str
    metric: str
    points: tuple[Point, ...]
    truth: float | None


@dataclass(frozen=True)
class Panel:
    """One panel: its letter, what the axis is called, and what to say where it has no line."""

    letter: str
    axis: str
    lines: tuple[Line, ...]
    empty: str
    log: bool = False


def panels(found: Sequence[Series]) -> Drawn:
    """The figure. Skip where no run has scores; ReportError for distances that do not compare."""
    parts = [part for part in found if part.metric != LOSS]
    if not parts:
        raise Skip("no run has scores")
    four = (sets_panel(parts), depth_panel(parts), tracking_panel(parts), abilities_panel(parts))
    figure = canvas(PAGE, 5.6)
    looks = {title: series(i) for i, title in enumerate(part.title for part in _ranked(parts))}
    every = np.concatenate([part.points.compute for part in parts])
    for axis, panel in zip(figure.subplots(2, 2).ravel(), four, strict=True):
        _draw(axis, panel, (float(every.min()) / 1.6, float(every.max()) * 1.6), looks)
    rows = tuple(
        (panel.letter, line.name, line.suite, line.group, line.metric, p.run, p.flops, p.value, p.low, p.high)
        + (line.truth, p.scenes, p.of)
        for panel in four
        for line in panel.lines
        for p in line.points
    )
    return Drawn("panels", figure, COLUMNS, rows, _absent(four, parts))


def _absent(four: Sequence[Panel], parts: Sequence[Series]) -> str:
    """Which runs have no point in a line that others have one in."""
    by = {(part.suite, part.group): [run.name for run in part.runs] for part in parts}
    said = []
    for panel in four:
        for line in panel.lines:
            present = {point.run for point in line.points}
            lacking = [name for name in by[line.suite, line.group] if name not in present]
            if lacking:
                said.append(f"({panel.letter}) {line.metric} of {line.suite} lacks {', '.join(lacking)}")
    return "; ".join(said)


def sets_panel(parts: Sequence[Series]) -> Panel:
    """Frechet distance of each run's clips to the truth, by suite, beside the truth's own."""
    lines, label, why = [], "", ""
    for part in parts:
        read = distances(part)
        why = why or read.why
        label = label or read.label
        if read.label and read.label == label:
            points = tuple(
                Point(d.run, d.flops, d.value, d.low, d.high, d.scenes, d.scenes) for d in read.found
            )
            lines.append(Line(part.title, part.suite, part.group, label, points, read.floor))
    again = ",".join(dict.fromkeys(part.suite for part in parts))
    said = f"no distance between clips and truth: {why or 'no quality.json beside scores'}"
    said += "" if why else f"; suite=scaling scaling.suites={again} writes it"
    return Panel("a", label or "Frechet distance", tuple(lines), said, log=True)


def depth_panel(parts: Sequence[Series]) -> Panel:
    """Depth out of the clip alone, and landmarks after a look away, px."""
    said = "no run was scored on a suite that measures depth; scaling.suites=geometry,revisit does"
    return Panel("b", "reprojection error, px", _measured(parts, DEPTH), said, log=True)


def tracking_panel(parts: Sequence[Series]) -> Panel:
    """Average Jaccard of points, IDF1 of objects: shares."""
    said = "no run was scored on a suite that tracks; scaling.suites=geometry,permanence does"
    return Panel("c", "share", _measured(parts, TRACKING), said)


def abilities_panel(parts: Sequence[Series]) -> Panel:
    """S graded, else S, by suite; the suites of an ability in turn, all others behind them."""
    lines = []
    for part in _ranked(parts):
        ability = next((name for name, suites in ABILITIES.items() if part.suite in suites), "")
        name = f"{ability}: {part.title}" if ability not in ("", part.suite) else part.title
        scenes = part.points.values.shape[1]
        points = tuple(
            Point(run.name, float(part.points.compute[i]), *part.interval(i), scenes, scenes)
            for i, run in enumerate(part.runs)
        )
        lines.append(Line(name, part.suite, part.group, part.metric, points, 100.0))
    return Panel("d", "S graded, else S", tuple(lines), "no run has scores")


def _ranked(parts: Sequence[Series]) -> list[Series]:
    order = [suite for suites in ABILITIES.values() for suite in suites]
    return sorted(parts, key=lambda p: order.index(p.suite) if p.suite in order else len(order))


def _measured(parts: Sequence[Series], wanted: Sequence[tuple[str, str]]) -> tuple[Line, ...]:
    lines = []
    for suite, metric in wanted:
        for part in (p for p in parts if p.suite == suite):
            points = []
            for i, (trained, run) in enumerate(zip(part.runs, part.scored, strict=True)):
                values = _of(run, part, "subject", metric)
                if values:
                    of = len(part.scenes)
                    at = float(part.points.compute[i])
                    points.append(Point(trained.name, at, *t_interval(values), len(values), of))
            if points:
                truths = (_of(run, part, "oracle", metric) for run in part.scored)
                seen = next((values for values in truths if values), None)
                truth = None if seen is None else float(np.mean(seen))
                name = f"{NAMES[metric]} ({part.title})"
                lines.append(Line(name, suite, part.group, metric, tuple(points), truth))
    return tuple(lines)


def _of(run: Run, part: Series, role: str, metric: str) -> list[float]:
    """Its values on the scenes that all runs of the series have."""
    row = next((r for r in run.rows if r["suite"] == part.suite and r["role"] == role), None)
    found = {} if row is None else run.scene_values(part.suite, role, row["generator"])
    known = found.get(metric, {})
    return [known[scene] for scene in part.scenes if scene in known]


def _draw(axis: Any, panel: Panel, ends: tuple[float, float], looks: Mapping[str, Mapping[str, Any]]) -> None:
    from matplotlib.ticker import NullFormatter

    axis.set_xscale("log")
    axis.set_xlim(*ends)
    places = ticks(*ends)
    axis.set_xticks([x for x, _ in places], [text for _, text in places], parse_math=True)
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("model FLOPs of training")
    axis.set_ylabel(shown(panel.axis))
    axis.set_title(f"({panel.letter})", loc="left")
    if not panel.lines:
        axis.set_yticks([])
        said = "\n".join(textwrap.wrap(panel.empty, 46, break_on_hyphens=False))
        place = {"transform": axis.transAxes, "ha": "center", "va": "center", "linespacing": 1.5}
        axis.text(0.5, 0.5, shown_lines(said), fontsize=7, color=GREY, **place)
        return
    for i, line in enumerate(panel.lines):
        title = line.suite if line.group == "all" else f"{line.suite}, {line.group}"
        apart = min(DODGE, WIDEST ** (1 / max(1, len(panel.lines) - 1)))
        aside = apart ** (i - (len(panel.lines) - 1) / 2)
        _line(axis, line, looks[title], panel.letter == "d", aside)
    if panel.log:
        _log(axis, panel.lines)
    if panel.letter != "d" and any(line.truth is not None for line in panel.lines):
        axis.set_title("dashed: the truth", loc="right", fontsize=7)
    axis.legend(
        fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.22), handlelength=1.2,
        ncols=1 if panel.letter in "bc" else 2, columnspacing=1.0, borderaxespad=0.0,
    )  # fmt: skip


def shown_lines(text: str) -> str:
    """`shown` for text of several lines."""
    return "\n".join(shown(line) for line in text.splitlines())


def _line(axis: Any, line: Line, look: Mapping[str, Any], plain: bool, aside: float) -> None:
    """The points of one line, its budgets' means joined, and the truth as a dashed level; drawn at `aside`
    times its compute."""
    compute, values = (np.array([getattr(p, k) for p in line.points], float) for k in ("flops", "value"))
    group = budgets(compute)
    middle: Callable[[np.ndarray], list[float]] = lambda of: [  # noqa: E731
        float(of[group == g].mean()) for g in np.unique(group)
    ]
    axis.plot(middle(aside * compute), middle(values), color=look["color"], linewidth=0.8, alpha=0.6)
    for i, p in enumerate(line.points):
        half = None if p.low is None or p.high is None else [[p.value - p.low], [p.high - p.value]]
        part = "" if p.scenes == p.of else f", {min(q.scenes for q in line.points)}+ of {p.of} scenes"
        label = shown(ordinary(line.name) + part, 48) if i == 0 else None
        dot = {"color": look["color"], "marker": look["marker"], "markersize": 3.5, "elinewidth": 0.8}
        axis.errorbar([aside * p.flops], [p.value], yerr=half, linestyle="none", label=label, **dot)
    if plain:
        axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    elif line.truth is not None:
        axis.axhline(line.truth, color=look["color"], linewidth=0.8, linestyle="--", zorder=0)


def _log(axis: Any, lines: Sequence[Line]) -> None:
    """A logarithmic axis, where every value has its place on one."""
    values = [v for line in lines for p in line.points for v in (p.value, p.low) if v is not None]
    values += [line.truth for line in lines if line.truth is not None]
    if min(values) <= 0:
        return
    log_y(axis)
