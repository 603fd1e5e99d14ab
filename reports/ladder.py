"""Who must not score, in every suite at once: the matrix of cheats x suites from the files of the ladders.

    python -m reports.ladder folder=docs out=docs

Reads every ladder*.json of `folder` that holds cheats (`python -m suites.ladder` wrote them) and writes
matrix.md, matrix.csv and matrix.png. An *order violation* is a row of any ladder that does not hold: a cheat
above its bound, an anchor out of place, a damage that raises a score, a nuisance that costs too much.
Exit codes: 0 none, 1 some, 2 trouble.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.command import helped
from reports.figures.ladder import bound_of, read_ladder, score_text, shade
from reports.figures.output import csv_text
from reports.figures.style import BLACK, PAGE, PALE, canvas, ordinary, style
from reports.files import write_bytes, write_text
from reports.options import options

USAGE = "usage: python -m reports.ladder folder=FOLDER out=FOLDER"
COLUMNS = (
    "suite",
    "version",
    "setting",
    "scenes",
    "seed",
    "part",
    "name",
    "S",
    "standard_error",
    "demand",
    "holds",
)
ANCHORS = ("oracle", "observer", "flow", "constant_velocity", "copy_last", "frozen")
CELL = 0.115
"""Height of a row, inches."""


@dataclass(frozen=True)
class Matrix:
    """Ladders in the order of their suites' names; `anchors` and `cheats` by row, each with the row of every
    ladder (None where a suite has no such candidate); `broken` names what does not hold."""

    ladders: tuple[Mapping[str, Any], ...]
    anchors: Mapping[str, tuple[Mapping[str, Any] | None, ...]]
    cheats: Mapping[str, tuple[Mapping[str, Any] | None, ...]]
    broken: tuple[str, ...]


def matrix(ladders: Sequence[Mapping[str, Any]]) -> Matrix:
    """Cheats that many suites have first, then those of one suite, suite by suite."""
    ordered = tuple(sorted(ladders, key=lambda x: (x["head"]["suite"], x["head"]["setting"])))
    anchors, cheats = (_by_name(ordered, part) for part in ("anchors", "cheats"))
    count = {name: sum(row is not None for row in rows) for name, rows in cheats.items()}
    first = {name: next(i for i, row in enumerate(rows) if row) for name, rows in cheats.items()}
    names = sorted(cheats, key=lambda n: (-count[n], first[n] if count[n] == 1 else 0, n))
    known = [name for name in ANCHORS if name in anchors]
    others = sorted(set(anchors) - set(known))
    broken = tuple(
        f"{ladder['head']['suite']} {ladder['head']['setting']}, {part}: {row['name']} {row['score']:.1f},"
        f" demanded {row['demand']}"
        for ladder in ordered
        for part, content in ladder["parts"].items()
        for row in content["rows"]
        if not row["holds"]
    )
    return Matrix(ordered, {n: anchors[n] for n in (*known, *others)}, {n: cheats[n] for n in names}, broken)


def _by_name(
    ladders: Sequence[Mapping[str, Any]], part: str
) -> dict[str, tuple[Mapping[str, Any] | None, ...]]:
    rows = [{row["name"]: row for row in x["parts"].get(part, {"rows": []})["rows"]} for x in ladders]
    names = dict.fromkeys(name for found in rows for name in found)
    return {name: tuple(found.get(name) for found in rows) for name in names}


def markdown(found: Matrix) -> str:
    """The page: the count, then one table; a bound that is not 5 stands in the cell."""
    heads = [ladder["head"] for ladder in found.ladders]
    rows = sum(len(p["rows"]) for x in found.ladders for p in x["parts"].values())
    tried = sum(row is not None for rows_ in found.cheats.values() for row in rows_)
    lines = [
        "# Who must not score",
        "",
        f"*{len(found.cheats)} scripted cheats on {len(heads)} ladders, {tried} pairs; {rows} demands of"
        f" these ladders, **{len(found.broken)} order violations**. Made by"
        " `python -m reports.ladder folder=docs out=docs` from the files of `python -m suites.ladder`.*",
        "",
        "![S of every anchor and cheat in every suite](matrix.png)",
        "",
        "S and standard error over scenes, on the scale of the suite: zero by construction, 100 the truth. A"
        " cheat may score 5 and three standard errors, or what stands in brackets; (n/a) is a cheat that does"
        " not apply, with its reason on the suite's card. No number: the suite has no such cheat.",
        "",
        *(f"- {line}" for line in found.broken),
        *([""] if found.broken else []),
        "| | " + " | ".join(f"[{label(h)}]({h['suite']}.md)@{h['version']}" for h in heads) + " |",
        "|---|" + "---:|" * len(heads),
        "| scenes, seed | " + " | ".join(f"{h['scenes']}, {h['seed']}" for h in heads) + " |",
    ]
    for kind, named in (("anchors", found.anchors), ("cheats", found.cheats)):
        lines.append(f"| **{kind}** |" + " |" * len(heads))
        for name, cells in named.items():
            shown = [_cell(row, kind) for row in cells]
            lines.append(f"| {ordinary(name)} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def label(head: Mapping[str, Any]) -> str:
    """The suite, and after it what it was told to ask that is not its default."""
    words = str(head["setting"]).split(" ")
    return " ".join((str(head["suite"]), *(word.partition("=")[2] for word in words if "=" in word)))


def _cell(row: Mapping[str, Any] | None, kind: str) -> str:
    if row is None:
        return ""
    text = f"{row['score']:.1f} ± {row['error']:.1f}"
    bound = bound_of(row["demand"])
    if kind == "cheats" and bound != 5:
        text += " (n/a)" if bound is None else f" ({bound:g})"
    return text if row["holds"] else f"**{text}: does not hold**"


def picture(found: Matrix) -> bytes:
    """The matrix as PNG: vermillion below zero, blue above, framed where a demand does not hold."""
    from matplotlib.patches import Rectangle

    named = {**found.anchors, **{f"cheat {n}": rows for n, rows in found.cheats.items()}}
    with style():
        figure = canvas(PAGE + 1.4, CELL * len(named) + 0.7)
        axis = figure.subplots()
        for y, cells in enumerate(named.values()):
            for x, row in enumerate(cells):
                if row is None:
                    continue
                text, fill, ink = _look(row, y >= len(found.anchors))
                edge, width = (PALE, 0.4) if row["holds"] else (BLACK, 1.6)
                axis.add_patch(Rectangle((x, y), 1, 1, facecolor=fill, edgecolor=edge, linewidth=width))
                place = {"ha": "center", "va": "center_baseline", "color": ink, "fontsize": 6}
                axis.text(x + 0.5, y + 0.5, text, **place)
        axis.set_xlim(0, len(found.ladders))
        axis.set_ylim(len(named), 0)
        axis.axhline(len(found.anchors), color=BLACK, linewidth=0.8)
        names = [ordinary(name.removeprefix("cheat ")) for name in named]
        axis.set_yticks([y + 0.5 for y in range(len(names))], names, fontsize=6)
        suites = [label(x["head"]).replace(" ", "\n") for x in found.ladders]
        axis.set_xticks([x + 0.5 for x in range(len(suites))], suites, fontsize=7)
        axis.tick_params(length=0, labeltop=True)
        axis.spines[:].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _look(row: Mapping[str, Any], cheat: bool) -> tuple[str, Any, str]:
    """Text, fill and ink of a cell; pale where a cheat does not apply."""
    text = score_text(row["score"])
    if cheat and bound_of(row["demand"]) is None:
        return f"n/a ({text})", PALE, BLACK
    return text, shade(row["score"]), "#FFFFFF" if abs(row["score"]) > 85 else BLACK


def cells(found: Matrix) -> list[tuple[object, ...]]:
    """The lines of matrix.csv: every row of every ladder."""
    return [
        (h["suite"], h["version"], h["setting"], h["scenes"], h["seed"], part, row["name"], row["score"],
         row["error"], row["demand"], int(row["holds"]))
        for ladder in found.ladders
        for h in [ladder["head"]]
        for part, content in ladder["parts"].items()
        for row in content["rows"]
    ]  # fmt: skip


def read(folder: Path) -> list[Mapping[str, Any]]:
    """The ladders of a folder that hold cheats. ReportError where there is none, or two are of one suite and
    setting."""
    if not folder.is_dir():
        raise ReportError(f"folder={folder} is no folder; name the one that python -m suites.ladder wrote to")
    ladders = [read_ladder(path) for path in sorted(folder.glob("ladder*.json"))]
    found = [x for x in ladders if x["parts"].get("cheats", {}).get("rows")]
    if not found:
        raise ReportError(f"{folder} holds no ladder*.json with cheats; python -m suites.ladder writes them")
    places = Counter((x["head"]["suite"], x["head"]["setting"]) for x in found)
    for (suite, setting), count in places.items():
        if count > 1:
            raise ReportError(f"{folder} holds {count} ladders of {suite} at {setting}; leave one")
    return found


def main(arguments: Sequence[str]) -> int:
    """The command; its exit code."""
    if helped(__doc__, arguments):
        return 0
    try:
        asked = options(arguments, ("folder", "out"), (), USAGE)
        found = matrix(read(Path(asked["folder"])))
        out = Path(asked["out"])
        out.mkdir(parents=True, exist_ok=True)
        write_bytes(out / "matrix.png", picture(found))
        write_text(out / "matrix.md", markdown(found))
        write_text(out / "matrix.csv", csv_text(COLUMNS, cells(found)))
    except (ReportError, OSError) as error:
        print(f"reports.ladder: {error}", file=sys.stderr)
        return 2
    counts = f"{len(found.cheats)} cheats on {len(found.ladders)} ladders"
    print(f"{counts}, {len(found.broken)} order violations: {out}")
    for line in found.broken:
        print(f"  {line}")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
