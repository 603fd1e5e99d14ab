"""The ladder as a matrix: every cheat in every suite or setting against its bound, and damage by strength."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.figures.style import BLACK, BLUE, COLUMN, PAGE, PALE, VERMILLION, Drawn, canvas, ordinary, shown
from reports.files import read_json

CELL = 0.178
"""Height of one row, inches."""

MOST_CHEATS = 40
COLUMNS = ("panel", "name", "column", "strength", "unit", "S", "standard_error", "bound", "holds")


def read_ladder(path: Path) -> Mapping[str, Any]:
    """A ladder.json. ReportError where it is none."""
    found = read_json(path)
    if not isinstance(found, dict) or not {"head", "parts"} <= set(found):
        raise ReportError(f"{path} is no ladder.json: it needs head and parts; see python -m suites.ladder")
    for part, content in found["parts"].items():
        for number, row in enumerate(content["rows"]):
            wanted = {"name", "score", "error", "demand", "holds"}
            wanted |= {"strength", "unit"} if part == "damage" else set()
            if not wanted <= set(row):
                raise ReportError(f"{path}: row {number} of {part} lacks {', '.join(wanted - set(row))}")
    return dict(found)


def title(head: Mapping[str, Any]) -> str:
    """What one ladder stands on."""
    scenes = f"{head['scenes']} scenes of seed {head['seed']}"
    return f"{head['suite']}@{head['version']}, {head['setting']}, {scenes}"


def matrix(ladders: Sequence[Mapping[str, Any]]) -> Drawn | None:
    """Cheats x ladders to the left, kinds of damage x strengths of the first to the right; None where
    neither is there."""
    cheats = [x for x in ladders if x["parts"].get("cheats", {}).get("rows")]
    damaged = next((x for x in ladders if x["parts"].get("damage", {}).get("rows")), None)
    if not cheats and damaged is None:
        return None
    names = _cheats(cheats)
    kinds = _kinds(damaged)
    height = max(CELL * len(names[:MOST_CHEATS]), 2 * CELL * len(kinds)) + (1.0 if kinds else 0.75)
    figure = canvas(PAGE if cheats and kinds else COLUMN, height)
    ratios = [max(1.0, 0.45 * len(cheats) + 0.35), 3.2]
    axes = figure.subplots(1, 2, width_ratios=ratios) if cheats and kinds else [figure.subplots()] * 2
    rows: list[tuple[object, ...]] = []
    if cheats:
        rows += _draw_cheats(axes[0], cheats, names[:MOST_CHEATS])
    if damaged is not None:
        rows += _draw_damage(axes[1], kinds, damaged["head"])
    note = f"{len(names) - MOST_CHEATS} cheats beyond the first {MOST_CHEATS} are left out"
    return Drawn("ladder", figure, COLUMNS, tuple(rows), note if len(names) > MOST_CHEATS else "")


def _cheats(ladders: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names by their best score, so that the closest to its bound stands on top."""
    best: dict[str, float] = {}
    for ladder in ladders:
        for row in ladder["parts"]["cheats"]["rows"]:
            best[row["name"]] = max(best.get(row["name"], float("-inf")), row["score"])
    return sorted(best, key=lambda name: (-best[name], name))


def _kinds(ladder: Mapping[str, Any] | None) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in [] if ladder is None else ladder["parts"]["damage"]["rows"]:
        found.setdefault(row["name"].rsplit(" ", 1)[0], []).append(row)
    return found


def bound_of(demand: str) -> float | None:
    """The number in `<= 5 + 3 se`; None for `n/a: ...`."""
    match = re.match(r"<= (-?[\d.]+)", demand)
    return float(match[1]) if match else None


def shade(score: float) -> Any:
    """Vermillion below zero, white at zero, blue above: the deeper the farther from zero."""
    from matplotlib.colors import to_rgb

    share = min(1.0, abs(score) / 100) * 0.85
    ink = to_rgb(BLUE if score > 0 else VERMILLION)
    return tuple(1 - share * (1 - c) for c in ink)


def _cell(axis: Any, x: float, y: float, score: float, lines: tuple[str, ...], holds: bool) -> None:
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=shade(score), edgecolor=PALE, linewidth=0.6, gid="cell"))
    if not holds:
        axis.add_patch(
            Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, fill=False, edgecolor=BLACK, linewidth=1.4, zorder=3)
        )
    ink = "#FFFFFF" if abs(score) > 85 else BLACK
    for i, text in enumerate(lines):
        at = y + (i + 0.5) / len(lines) + (0.03 if len(lines) > 1 and i == 0 else 0.0)
        axis.text(x + 0.5, at, text, ha="center", va="center", color=ink, fontsize=8, clip_on=True)


def score_text(value: float) -> str:
    """Rounded, with a minus sign as print has it."""
    return f"{round(value) + 0:d}".replace("-", "−")


def _bare(axis: Any, columns: int, rows: int) -> None:
    axis.set_xlim(-0.02, columns + 0.02)
    axis.set_ylim(rows + 0.05, -0.05)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)


def _draw_cheats(
    axis: Any, ladders: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for y, name in enumerate(names):
        bound = None
        for x, ladder in enumerate(ladders):
            row = next((r for r in ladder["parts"]["cheats"]["rows"] if r["name"] == name), None)
            if row is None:
                continue
            bound = bound_of(row["demand"])
            text = f"{score_text(row['score'])} ± {score_text(row['error'])}"
            _cell(axis, x, y, row["score"], (text,), row["holds"])
            place = ("cheats", name, title(ladder["head"]), None, None)
            rows.append((*place, row["score"], row["error"], bound, int(row["holds"])))
        said = "n/a" if bound is None else f"≤ {bound:g}"
        axis.text(len(ladders) + 0.35, y + 0.5, said, ha="center", va="center", fontsize=8)
    axis.text(len(ladders) + 0.35, -0.25, "bound", ha="center", va="bottom", fontsize=8)
    _bare(axis, len(ladders) + 1, len(names))
    axis.set_xlim(-0.02, len(ladders) + 0.7)
    axis.set_yticks([y + 0.5 for y in range(len(names))], [shown(ordinary(n), 20) for n in names])
    heads = [x["head"] for x in ladders]
    axis.set_xticks([x + 0.5 for x in range(len(heads))], [_column(h) for h in heads])
    axis.set_title("cheats: S ± standard error", loc="left")
    return rows


def _column(head: Mapping[str, Any]) -> str:
    """The suite and, below it, the size: the whole setting stands in the CSV."""
    size = str(head["setting"]).split(" ")[0].split("@")[0]
    return "\n".join(shown(part, 14) for part in (str(head["suite"]), size))


def _draw_damage(
    axis: Any, kinds: Mapping[str, Sequence[Mapping[str, Any]]], head: Mapping[str, Any]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for y, levels in enumerate(kinds.values()):
        for x, row in enumerate(levels):
            _cell(
                axis, x, y, row["score"], (score_text(row["score"]), f"at {row['strength']:g}"), row["holds"]
            )
            place = ("damage", row["name"].rsplit(" ", 1)[0], title(head), row["strength"], row["unit"])
            rows.append((*place, row["score"], row["error"], None, int(row["holds"])))
    most = max(len(levels) for levels in kinds.values())
    _bare(axis, most, len(kinds))
    labels = [f"{shown(ordinary(kind))}\n({shown(levels[0]['unit'])})" for kind, levels in kinds.items()]
    axis.set_yticks([y + 0.5 for y in range(len(kinds))], labels)
    axis.set_xticks([0.5, most - 0.5], ["\nnone", "\nstrongest"])
    axis.set_title("damage: S by strength", loc="left")
    return rows
