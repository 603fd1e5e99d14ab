"""The ladder as markdown and as a figure, from what `suites.ladder` measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simbench.files import replacing, write_text
from simbench.stats import kappa

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008): told apart with every kind of colour vision."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TITLES = {
    "anchors": "Anchors and baselines",
    "cheats": "Cheats",
    "damage": "Damage",
    "nuisance": "Nuisances",
}


def write(ladder: Mapping[str, Any], path: Path) -> None:
    """The table (.md) and the figure (.png) beside the numbers in `path` (.json)."""
    write_text(path.with_suffix(".md"), markdown(ladder) + "\n")
    figure(ladder, path.with_suffix(".png"))


def markdown(ladder: Mapping[str, Any]) -> str:
    """All tables and the readers' agreement."""
    head = ladder["head"]
    lines = [
        f"{head['suite']} version {head['version']}, {head['setting']}, {head['scenes']} scenes of seed"
        f" {head['seed']}; score and standard error over scenes.",
    ]
    for part, content in ladder["parts"].items():
        lines += ["", f"**{TITLES[part]}**", "", *_table(part, content["rows"], ladder["columns"])]
    counts = [sum(p["readers"][i] for p in ladder["parts"].values()) for i in range(4)]
    found = kappa(*counts)
    if found is not None:
        lines += ["", f"The two readers: kappa {found:.3f} over {sum(counts):.0f} judgements."]
    return "\n".join(lines)


def _table(part: str, rows: list[dict[str, Any]], columns: Sequence[str]) -> list[str]:
    if part == "damage":
        return _damage_table(rows)
    heads = ["S", *(["S_graded"] if _graded(rows) else []), *(["cost"] if part == "nuisance" else columns)]
    out = [
        f"| {part} | {' | '.join(heads)} | demanded | holds |",
        "|---|" + "---:|" * len(heads) + "---|---|",
    ]
    for row in rows if part != "cheats" else sorted(rows, key=lambda row: -row["score"]):
        cells = [_pm(row["score"], row["error"])]
        if _graded(rows):
            cells.append(_pm(row["graded"], row["graded_error"]))
        if part == "nuisance":
            cells.append(_pm(row["cost"], row["cost_se"]))
        else:
            cells += [f"{row['means'][c]:.2f}" if c in row["means"] else "–" for c in columns]
        out.append(f"| {row['name']} | {' | '.join(cells)} | {row['demand']} | {_holds([row])} |")
    return out


def _damage_table(rows: list[dict[str, Any]]) -> list[str]:
    graded = _graded(rows)
    out = ["| damage | S by strength | S_graded alike | holds |", "|---|---|---|---|"]
    if not graded:
        out = ["| damage | S by strength | holds |", "|---|---|---|"]
    for kind, part in _kinds(rows).items():
        scores = ", ".join(f"{r['strength']:g}: {_pm(r['score'], r['error'])}" for r in part)
        cells = [f"{kind} ({part[0]['unit']})", scores]
        if graded:
            cells.append(", ".join(f"{r['graded']:.0f}" for r in part))
        out.append(f"| {' | '.join(cells)} | {_holds(part)} |")
    return out


def _graded(rows: list[dict[str, Any]]) -> bool:
    """Does the suite give S_graded?"""
    return any(row["graded"] is not None for row in rows)


def _holds(rows: list[dict[str, Any]]) -> str:
    return "yes" if all(row["holds"] for row in rows) else "**no**"


def _kinds(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["name"].rsplit(" ", 1)[0], []).append(row)
    return found


def _pm(value: float, error: float) -> str:
    return f"{round(value, 1) + 0.0:.1f} ± {error:.1f}"


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
        figsize=(4.6 * len(shown), 6.2),
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
        mine = [(i, row) for i, (row, s) in enumerate(rows) if s == style]
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
    axis.axvline(5, color="#888888", linestyle=":", linewidth=1)
    axis.annotate("bound of every cheat", (5, 0), xytext=(8, -0.2), fontsize=8, color="#555555")
    axis.set_yticks(range(len(rows)), [row["name"].replace("_", " ") for row, _ in rows], fontsize=8)
    axis.set_xlabel("S")
    axis.set_title("Who scores what")
    axis.legend(fontsize=8, loc="upper left", frameon=False)


def _draw_damage(axis: Any, parts: Mapping[str, Any]) -> None:
    kinds = _kinds(parts["damage"]["rows"])
    for i, (kind, rows) in enumerate(kinds.items()):
        most = rows[-1]["strength"]
        axis.errorbar(
            [row["strength"] / most for row in rows],
            [row["score"] for row in rows],
            yerr=[3 * row["error"] for row in rows],
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            label=f"{kind}, up to {most:g} {rows[0]['unit']}",
            markersize=5,
            capsize=2,
            linewidth=1.2,
        )
    axis.axhline(50, color="#888888", linestyle=":", linewidth=1)
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
    axis.axvline(5, color="#888888", linestyle=":", linewidth=1)
    axis.set_yticks(places, [row["name"] for row in rows], fontsize=8)
    axis.set_xlim(min(-2.0, *(math.floor(c) for c in costs)), max(10.0, *(math.ceil(c) + 1 for c in costs)))
    axis.set_xlabel("points that it costs a perfect video")
    axis.set_title("What must not matter")
