"""The ladder as a figure: who scores what, what damage costs, what must not matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simbench.files import replacing
from suites.ladder_page import kinds

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008): told apart with every kind of colour vision."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LOWEST = -110.0
"""Panels end below this, and say what scores less: nothing bounds S from below, and zero is what matters."""

HIGHEST_BOUND = 5.0
GREY, DARK = "#888888", "#555555"


def figure(ladder: Mapping[str, Any], path: Path) -> None:
    """One panel for each part that there is."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts = ladder["parts"]
    shown = [name for name in ("ladder", "damage", "nuisance") if _has(parts, name)]
    widths = {"ladder": 1.15, "damage": 1.25, "nuisance": 0.8}
    fig, axes = pyplot.subplots(
        1,
        len(shown),
        figsize=(4.6 * len(shown), max(6.2, 1.2 + 0.19 * _most_rows(parts))),
        width_ratios=[widths[name] for name in shown],
        squeeze=False,
        layout="constrained",
    )
    draw = {"ladder": _draw_ladder, "damage": _draw_damage, "nuisance": _draw_nuisance}
    for name, axis in zip(shown, axes[0], strict=True):
        draw[name](axis, parts)
        axis.spines[["top", "right"]].set_visible(False)
    head = ladder["head"]
    fig.suptitle(
        f"{head['suite']}, {head['setting']}: {head['scenes']} fresh scenes, bars: 3 standard errors",
        fontsize=11,
    )
    with replacing(path) as temporary:
        fig.savefig(temporary, dpi=110, format="png")
    pyplot.close(fig)


def _most_rows(parts: Mapping[str, Any]) -> int:
    return sum(len(parts.get(name, {"rows": ()})["rows"]) for name in ("anchors", "cheats"))


def _has(parts: Mapping[str, Any], panel: str) -> bool:
    return "anchors" in parts or "cheats" in parts if panel == "ladder" else panel in parts


def _draw_ladder(axis: Any, parts: Mapping[str, Any]) -> None:
    rows = []
    for part, style in (("anchors", 2), ("cheats", 1)):
        for row in parts.get(part, {"rows": []})["rows"]:
            baseline = part == "anchors" and row["name"] not in ("oracle", "observer")
            rows.append((row, 0 if baseline else style))
    rows.sort(key=lambda item: item[0]["score"])
    labels = {2: "oracle, observer", 0: "generator, baselines", 1: "cheats"}
    for style, label in labels.items():
        mine = [(i, row) for i, (row, s) in enumerate(rows) if s == style and row["score"] >= LOWEST]
        if mine:
            axis.errorbar(
                [row["score"] for _, row in mine],
                [i for i, _ in mine],
                xerr=[3 * row["error"] for _, row in mine],
                fmt=MARKERS[style],
                color=COLOURS[style],
                label=label,
                markersize=5,
                capsize=2,
                linewidth=1,
            )
    low = [(i, row, style) for i, (row, style) in enumerate(rows) if row["score"] < LOWEST]
    for i, row, style in low:
        axis.plot(LOWEST, i, marker="<", color=COLOURS[style], markersize=5)
        axis.annotate(f"{row['score']:.0f}", (LOWEST + 5, i), fontsize=7, color=DARK, va="center")
    if low:
        axis.set_xlim(left=LOWEST - 5)
    axis.axvline(HIGHEST_BOUND, color=GREY, linestyle=":", linewidth=1)
    axis.annotate("bound of every cheat", (HIGHEST_BOUND, 0), xytext=(8, -0.2), fontsize=8, color=DARK)
    axis.set_yticks(range(len(rows)), [row["name"].replace("_", " ") for row, _ in rows], fontsize=8)
    axis.set_xlabel("S")
    axis.set_title("Who scores what")
    axis.legend(fontsize=8, loc="upper left", frameon=False)


def _draw_damage(axis: Any, parts: Mapping[str, Any]) -> None:
    for i, (kind, rows) in enumerate(kinds(parts["damage"]["rows"]).items()):
        most, least = rows[-1]["strength"], min(row["score"] for row in rows)
        axis.errorbar(
            [row["strength"] / most for row in rows],
            [row["score"] for row in rows],
            yerr=[3 * row["error"] for row in rows],
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            label=f"{kind}, up to {most:g} {rows[0]['unit']}"
            + (f", S to {least:.0f}" if least < LOWEST else ""),
            markersize=5,
            capsize=2,
            linewidth=1.2,
        )
        if least < LOWEST:
            axis.set_ylim(LOWEST - 5, 112)
    axis.axhline(50, color=GREY, linestyle=":", linewidth=1)
    axis.set_xlabel("strength of the damage, as a share of the most")
    axis.set_ylabel("S")
    axis.set_title("Worse videos score less")
    axis.legend(fontsize=7, frameon=False)


def _draw_nuisance(axis: Any, parts: Mapping[str, Any]) -> None:
    rows = [row for row in parts["nuisance"]["rows"] if row["name"] != "none"]
    places = range(len(rows))
    costs = [row["cost"] for row in rows]
    axis.errorbar(
        costs,
        places,
        xerr=[3 * row["cost_se"] for row in rows],
        fmt="o",
        color=COLOURS[0],
        capsize=2,
        markersize=5,
        linewidth=1,
    )
    axis.axvline(5, color=GREY, linestyle=":", linewidth=1)
    axis.set_yticks(places, [row["name"] for row in rows], fontsize=8)
    axis.set_xlim(min([-2.0, *map(math.floor, costs)]), max([10.0, *(math.ceil(c) + 1 for c in costs)]))
    axis.set_xlabel("points that it costs a perfect video")
    axis.set_title("What must not matter")
