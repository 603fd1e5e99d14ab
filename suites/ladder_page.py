"""The ladder as markdown, from what `suites.ladder` measured; its figure is `suites.ladder_figure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simbench.blocks import write_block
from simbench.files import write_text
from simbench.stats import kappa

TITLES = {
    "anchors": "Anchors and baselines",
    "cheats": "Cheats",
    "damage": "Damage",
    "nuisance": "Nuisances",
}


def write(ladder: Mapping[str, Any], path: Path, card: Path | None = None, block: str = "ladder") -> None:
    """The figure (.png) beside the numbers in `path` (.json), and the tables into a `block` of the page
    `card`, or beside them too (.md)."""
    from suites.ladder_figure import figure

    figure(ladder, path.with_suffix(".png"))
    if card is None:
        write_text(path.with_suffix(".md"), markdown(ladder) + "\n")
    else:
        write_block(card, block, markdown(ladder))


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
    heads = ["damage", "S by strength", *(["S_graded alike"] if graded else []), "holds"]
    out = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for kind, part in kinds(rows).items():
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


def kinds(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the damage part by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["name"].rsplit(" ", 1)[0], []).append(row)
    return found


def _pm(value: float, error: float) -> str:
    return f"{round(value, 1) + 0.0:.1f} ± {error:.1f}"
