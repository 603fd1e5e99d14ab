"""What probes read, from the files of suite=probing alone.

python -m reports.probing probes=FOLDER[,FOLDER...] out=FOLDER [names=NAME,...] [figures=true|false]

  probes=    folders with probing.json, one for each model
  out=       probing.md, and the figures: layers (of the first folder: each quantity by layer and level,
             beside untrained weights, latents and pixels) and, of several folders, models
  names=     what models are called; without it their folders' names

Exit codes: 0 written, 2 trouble
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.figures.output import write_figure
from reports.figures.style import GREY, PAGE, Drawn, canvas, series, style
from reports.files import write_bytes, write_text
from reports.options import options

DONE, TROUBLE = 0, 2
USAGE = "python -m reports.probing probes=FOLDER[,FOLDER...] out=FOLDER [names=NAME,...] [figures=false]"
FIELDS = ("target", "source", "layer", "level", "control", "r2", "low", "high", "scenes", "rows")
ASKED = ("setting", "seed", "scenes", "worlds", "noise")
HEADS = ("setting", "seed", "scenes", "high", "low")
HEAD = ("quantity", "trained", "95 %", "layer", "untrained", "latents", "pixels", "exchanged", "rows")
ACROSS = 4
FLOOR = -0.2
"""Where the figures end; what is below is drawn there."""


@dataclass(frozen=True)
class Probes:
    """One file: its name, the clips that it is of, its quantities, low-level ones last, and its rows."""

    name: str
    asked: tuple[Any, ...]
    high: tuple[str, ...]
    low: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    @property
    def levels(self) -> list[float]:
        """Noise levels at which the model was read, the noisiest first."""
        return sorted({r["level"] for r in self.rows if r["source"] == "trained"}, reverse=True)

    def of(
        self, target: str, source: str, level: float | None, control: bool = False
    ) -> list[Mapping[str, Any]]:
        """Rows of a quantity by layer; of latents and pixels those of the given frames for level 1."""
        plain = source in ("latents", "pixels")
        wanted = level if not plain or level == 1.0 else 0.0
        found = [
            r for r in self.rows if (r["target"], r["source"], r["control"]) == (target, source, control)
        ]
        return sorted((r for r in found if r["level"] == wanted), key=lambda r: int(r["layer"]))

    def best(self, target: str, source: str, level: float, control: bool = False) -> Mapping[str, Any] | None:
        """The row of the layer that tells most."""
        rows = self.of(target, source, level, control)
        return max(rows, key=lambda r: float(r["r2"])) if rows else None


def read(folder: Path, name: str) -> Probes:
    """The file of a folder. ReportError where there is none that can be read."""
    path = folder / "probing.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(
            f"{path} cannot be read ({error}); write it with suite=probing out={folder}"
        ) from error
    if not isinstance(content, dict) or content.get("schema") != 1 or content.get("kind") != "probing":
        raise ReportError(f"{path} holds no probes of schema 1; write it anew with suite=probing")
    rows = content.get("rows", [])
    if not rows or any(not set(FIELDS) <= set(row) for row in rows) or not set(HEADS) <= set(content):
        raise ReportError(f"{path} lacks rows, or fields of them; write it anew with suite=probing")
    asked = tuple(content.get(field, "own" if field == "noise" else None) for field in ASKED)
    return Probes(name, asked, tuple(content["high"]), tuple(content["low"]), tuple(rows))


def comparable(found: Sequence[Probes]) -> None:
    """ReportError where models were not asked of the same clips, quantities and levels."""
    first = found[0]
    for other in found[1:]:
        pairs = [(field, first.asked[n], other.asked[n]) for n, field in enumerate(ASKED)]
        pairs += [("levels", first.levels, other.levels)]
        pairs += [("quantities", [*first.high, *first.low], [*other.high, *other.low])]
        for what, one, two in pairs:
            if one != two:
                raise ReportError(
                    f"{first.name} has {what} {_told(one)}, {other.name} {_told(two)}: they cannot be"
                    " compared; run suite=probing alike for both"
                )


def _told(value: Any) -> str:
    return ", ".join(f"{part}" for part in value) if isinstance(value, list) else str(value)


def markdown(found: Sequence[Probes]) -> str:
    """A table for each model and level: the best layer, and what it is beside."""
    lines = []
    for probes in found:
        for level in probes.levels:
            told = (
                "only the given frames are known" if level == 1.0 else f"the clip is seen at level {level:g}"
            )
            lines += [f"**{probes.name}**, {told}; R2 on held-out scenes, of the layer that tells most", ""]
            lines += [f"| {' | '.join(HEAD)} |"]
            lines += ["|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
            lines += [_line(probes, target, level) for target in (*probes.high, *probes.low)]
            lines.append("")
    return "\n".join(lines)


def _line(probes: Probes, target: str, level: float) -> str:
    best = probes.best(target, "trained", level)
    if best is None:
        return f"| {target} | not read: too few scenes have it | | | | | | | |"
    beside = [probes.best(target, source, level) for source in ("untrained", "latents", "pixels")]
    values = [_two(row) for row in (*beside, probes.best(target, "trained", level, control=True))]
    interval = f"{best['low']:.2f} to {best['high']:.2f}"
    cells = [target, _two(best), interval, str(best["layer"]), *values, str(best["rows"])]
    return f"| {' | '.join(cells)} |"


def _two(row: Mapping[str, Any] | None) -> str:
    return "–" if row is None else f"{row['r2']:.2f}"


def layers(probes: Probes) -> Drawn:
    """Each quantity in a panel: R2 over layers at each level, beside what needs no training."""
    targets = [*probes.high, *probes.low]
    down = -(-len(targets) // ACROSS)
    figure = canvas(PAGE, 0.5 + 1.35 * down)
    axes = figure.subplots(down, ACROSS, squeeze=False, sharex=True).ravel()
    lines: list[tuple[object, ...]] = []
    for axis, target in zip(axes, targets, strict=False):
        for number, level in enumerate(probes.levels):
            look = series(number)
            for source, shape in (("trained", {}), ("untrained", {"linestyle": ":", "marker": ""})):
                rows = probes.of(target, source, level)
                lines += [tuple(row[field] for field in FIELDS) for row in rows]
                label = f"{source}, level {level:g}"
                drawn = {"color": look["color"], "marker": look["marker"], "markersize": 2.5, **shape}
                axis.plot(
                    [r["layer"] for r in rows], [max(r["r2"], FLOOR) for r in rows], label=label, **drawn
                )
        for source, dash in (("latents", "--"), ("pixels", "-.")):
            for told, color in _plain(probes):
                for row in probes.of(target, source, 1.0 if told == "given" else 0.0):
                    lines.append(tuple(row[field] for field in FIELDS))
                    drawn = {"color": color, "linestyle": dash, "linewidth": 0.9}
                    axis.axhline(max(row["r2"], FLOOR), label=f"{source}, {told}", **drawn)
        axis.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
        axis.set_ylim(FLOOR, 1.02)
        axis.set_title(f"{target} ({'high' if target in probes.high else 'low'})", loc="left")
    for axis in axes[len(targets) :]:
        axis.remove()
    for axis in axes[: len(targets)][-ACROSS:]:
        axis.set_xlabel("layer")
        axis.tick_params(labelbottom=True)
    for axis in axes[::ACROSS]:
        axis.set_ylabel("R2")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return Drawn("layers", figure, FIELDS, tuple(lines))


def _plain(probes: Probes) -> list[tuple[str, Any]]:
    """What latents and pixels are drawn of, and how: the given frames where the model knows no others, the
    frame itself where it sees that."""
    told = [("given", series(n)["color"]) for n, level in enumerate(probes.levels) if level == 1.0]
    return told + ([("seen", GREY)] if probes.levels[-1] < 1.0 else [])


def models(found: Sequence[Probes]) -> Drawn:
    """R2 of the best layer of each model, a line for each quantity, where only the given frames are known and
    where the clip is seen."""
    targets = [*found[0].high, *found[0].low]
    ends = tuple(dict.fromkeys((found[0].levels[0], found[0].levels[-1])))
    figure = canvas(PAGE, 0.9 + 0.24 * len(targets))
    axes = figure.subplots(1, len(ends), squeeze=False, sharey=True).ravel()
    lines: list[tuple[object, ...]] = []
    for axis, level in zip(axes, ends, strict=True):
        for number, probes in enumerate(found):
            look, shift = series(number), 0.6 * ((number + 0.5) / len(found) - 0.5)
            for at, target in enumerate(targets):
                best = probes.best(target, "trained", level)
                if best is None:
                    continue
                half = [[best["r2"] - best["low"]], [best["high"] - best["r2"]]]
                label = probes.name if at == 0 else None
                dot = {"color": look["color"], "marker": look["marker"], "markersize": 3, "elinewidth": 0.8}
                axis.errorbar([best["r2"]], [at + shift], xerr=half, linestyle="none", label=label, **dot)
                lines.append((probes.name, *(best[field] for field in FIELDS)))
        axis.axvline(0.0, color=GREY, linewidth=0.5, zorder=0)
        axis.set_xlim(FLOOR, 1.02)
        axis.set_xlabel("R2 on held-out scenes")
        axis.set_title("known: the given frames" if level == 1.0 else f"seen at level {level:g}", loc="left")
    axes[0].set_yticks(range(len(targets)), targets)
    axes[0].set_ylim(len(targets) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return Drawn("models", figure, ("model", *FIELDS), tuple(lines))


def write(found: Sequence[Probes], out: Path, figures: bool, command: str) -> None:
    """The table and the figures."""
    write_text(out / "probing.md", markdown(found))
    if not figures:
        return
    for make in (lambda: layers(found[0]), *([lambda: models(found)] if len(found) > 1 else [])):
        with style():
            drawn = make()
            write_figure(out, drawn, command)
            picture = io.BytesIO()
            drawn.figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
            write_bytes(out / f"{drawn.name}.png", picture.getvalue())


def main(arguments: Sequence[str]) -> int:
    """The command; see the head of this file."""
    if not arguments or set(arguments) & {"--help", "-h", "help"}:
        print((__doc__ or "").strip())
        return DONE if arguments else TROUBLE
    try:
        chosen = options(arguments, ("probes", "out"), ("names", "figures"), USAGE)
        folders = [Path(part.strip()) for part in chosen["probes"].split(",") if part.strip()]
        names = (
            chosen["names"].split(",") if "names" in chosen else [folder.resolve().name for folder in folders]
        )
        if len(names) != len(folders):
            raise ReportError(f"names= has {len(names)} and probes= {len(folders)}; give one for each")
        if chosen.get("figures", "true") not in ("true", "false"):
            raise ReportError(f"figures={chosen['figures']} is neither true nor false")
        found = [read(folder, name) for folder, name in zip(folders, names, strict=True)]
        comparable(found)
        command = "python -m reports.probing " + " ".join(arguments)
        write(found, Path(chosen["out"]), chosen.get("figures", "true") == "true", command)
    except (ReportError, OSError) as error:
        print(f"reports.probing: {' '.join(str(error).split())}", file=sys.stderr)
        return TROUBLE
    print(markdown(found), end="")
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
