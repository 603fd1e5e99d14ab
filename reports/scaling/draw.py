"""Figures of scaling: scores and loss over compute with their laws, and abilities budget by budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.figures.scaling import ticks
from reports.figures.source import Skip
from reports.figures.style import COLUMN, GREY, PAGE, PALE, Drawn, canvas, ordinary, series, shown
from reports.scaling.fit import HALF, budgets
from reports.scaling.measure import LOSS, Series
from reports.scaling.words import COLUMNS, number, rows

LINE_POINTS = 80
PER_LINE = 3
PROFILE = ("suite", "group", "metric", "budget", "flops", "runs", "value")


def scores(found: Sequence[Series]) -> Drawn:
    """S over FLOPs, a panel for each suite. Skip without scores."""
    parts = [part for part in found if part.metric != LOSS]
    if not parts:
        raise Skip("no run has scores")
    figure = _panels(parts)
    return Drawn("score", figure, COLUMNS, tuple(rows(parts)))


def loss(found: Sequence[Series]) -> Drawn:
    """The last loss over FLOPs. Skip where no record has one."""
    parts = [part for part in found if part.metric == LOSS]
    if not parts:
        raise Skip("no run.json has a loss")
    figure = _panels(parts)
    log_y(figure.axes[0])
    return Drawn("loss", figure, COLUMNS, tuple(rows(parts)))


def log_y(axis: Any) -> None:
    """Make the y axis logarithmic, with numbers at three places or more."""
    from matplotlib.ticker import MaxNLocator, NullFormatter

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    places = [y for y, _ in ticks(low, high, least=3, most=7)]
    if len(places) < 3:
        # Losses that differ by a few per cent may have no round number of one digit between them.
        places = [float(y) for y in MaxNLocator(5).tick_values(low, high) if low <= y <= high]
    axis.set_yticks(places, [f"{y:g}" for y in places])
    axis.yaxis.set_minor_formatter(NullFormatter())


def _panels(parts: Sequence[Series]) -> Any:
    across = min(PER_LINE, len(parts))
    down = -(-len(parts) // across)
    width = COLUMN if across == 1 else PAGE
    figure = canvas(width, 0.2 + 2.2 * down)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, part in zip(axes, parts, strict=False):
        _panel(axis, part)
    for axis in axes[len(parts) :]:
        axis.remove()
    return figure


def _panel(axis: Any, part: Series) -> None:
    from matplotlib.ticker import NullFormatter

    compute, look = part.points.compute, series(0)
    ends = float(compute.min()) / 1.6, float(compute.max()) * 1.6
    if part.fit is not None:
        line = np.geomspace(*ends, LINE_POINTS)
        low, high = np.quantile(part.fit.draws.at(line), [0.025, 0.975], axis=0)
        middle = part.fit.law.at(line)
        if part.metric != LOSS:
            low, middle, high = 100 - high, 100 - middle, 100 - low
        # A law whose slope is not identified is no claim: grey and dashed, without a band.
        named = not part.fit.why
        if named:
            axis.fill_between(line, low, high, color=look["color"], alpha=0.14, linewidth=0)
        axis.plot(line, middle, color=look["color"] if named else GREY, linestyle="-" if named else "--")
    for i in range(len(part.runs)):
        value, below, above = part.interval(i)
        half = None if below is None or above is None else [[value - below], [above - value]]
        dot = {"color": look["color"], "marker": look["marker"], "elinewidth": 0.9}
        face = look["color"] if part.kept[i] else "#FFFFFF"
        axis.errorbar([compute[i]], [value], yerr=half, linestyle="none", markerfacecolor=face, **dot)
    axis.set_xscale("log")
    axis.set_xlim(*ends)
    places = ticks(*ends)
    axis.set_xticks([x for x, _ in places], [text for _, text in places], parse_math=True)
    axis.xaxis.set_minor_formatter(NullFormatter())
    if part.metric != LOSS:
        axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        axis.axhline(HALF, color=PALE, linewidth=0.8, zorder=0)
        at = axis.get_yaxis_transform()
        axis.text(0.02, HALF, f"S = {HALF:g}", transform=at, va="top", fontsize=6.5, color=GREY)
    axis.set_xlabel("model FLOPs of training")
    axis.set_ylabel(shown("loss of held-out clips" if part.metric == LOSS else ordinary(part.metric)))
    axis.set_title(shown(_said(part)), loc="left")


def _said(part: Series) -> str:
    name = ordinary(part.title) or LOSS
    if part.fit is None:
        return f"{name}: no law"
    if part.fit.why:
        return f"{name}: b not identified"
    b = part.fit.b
    return f"{name}: b = {number(b.value, 2)} [{number(b.low, 2)}, {number(b.high, 2)}]"


def profile(found: Sequence[Series]) -> Drawn:
    """Mean S of each suite, a mark for each budget, of the size that its law goes through. Skip below two
    suites: that is no profile."""
    parts = [part for part in found if part.metric != LOSS]
    if len(parts) < 2:
        raise Skip("an ability profile needs two or more suites")
    every = np.unique(np.concatenate([part.points.compute for part in parts]))
    number_of = dict(zip(every.tolist(), budgets(every).tolist(), strict=True))
    figure = canvas(COLUMN, 0.9 + 0.26 * len(parts))
    axis = figure.subplots()
    lines: list[tuple[object, ...]] = []
    named: set[int] = set()
    for at, part in enumerate(parts):
        mine = np.array([number_of[c] for c in part.points.compute.tolist()])
        for budget in np.unique(mine):
            some = (mine == budget) & part.kept
            flops, value = (
                float(part.points.compute[some].mean()),
                100 - float(part.points.values[some].mean()),
            )
            label = f"{number(flops, 2)} FLOPs" if int(budget) not in named else None
            named.add(int(budget))
            look = series(int(budget))
            axis.plot(
                [value], [at], linestyle="none", color=look["color"], marker=look["marker"], label=label
            )
            lines.append((part.suite, part.group, part.metric, int(budget), flops, int(some.sum()), value))
    axis.set_yticks(range(len(parts)), [shown(ordinary(part.title), 24) for part in parts])
    axis.set_ylim(len(parts) - 0.5, -0.5)
    axis.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    axis.axvline(100, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    axis.set_xlabel("S graded, else S")
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2, handletextpad=0.3)
    return Drawn("profile", figure, PROFILE, tuple(lines))
