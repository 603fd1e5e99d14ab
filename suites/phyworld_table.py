"""Errors in and out of the training range over the number of training clips: table, figure, what they say.

    python -m suites.phyworld_table files=outputs/300.json,outputs/10000.json card=docs/phyworld.md \
        figure=docs/phyworld.png

files   what suites.phyworld wrote with trained=N, of the same clips, by comma; a folder is all in it
card    a page with a `phyworld` block; figure: a PNG; out: a JSON file of the table

Runs of one name are lines of one kind, runs of one name and number of clips are seeds. Intervals are over
clips (95 %, Student's t), the mean over seeds taken first, and changes are paired by clip.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from suites.command import command
from suites.phyworld import ANSWER, CODEC, STILL, STRAIGHT, TRUTH
from suites.proof import write_json

if TYPE_CHECKING:
    from simbench.stats import Interval

SIDES = ("id", "radius", "speed", "both", "ood")
TRAINED = 0.5
"""Share of the error of the last given frame, held, below which a model has learned to move things."""
PUBLISHED_IN, PUBLISHED_OUT = (0.022, 0.012), (0.433, 0.328, 0.358)
"""Errors that the paper prints: DiT-S from 30K clips and DiT-L from 3M; DiT-B from 30K, 300K and 3M."""
PAPER = (
    f"The paper prints: read truth 0.010; DiT-S from 30K clips {PUBLISHED_IN[0]:.3f} in range; DiT-L from 3M"
    f" clips {PUBLISHED_IN[1]:.3f} in range, 0.427 out of it; DiT-B out of it"
    f" {', '.join(f'{error:.3f}' for error in PUBLISHED_OUT)} from 30K, 300K and 3M."
)
BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#7F7F7F"


@dataclass
class Options:
    """Options of the command; see the module."""

    files: str = ""
    card: str = ""
    figure: str = ""
    out: str = ""


@dataclass(frozen=True)
class Run:
    """One file: name and training clips of its model, (maker, scenario, split) -> errors of clips, m/s, and
    `missing` shares of pairs without a ball by the same key. `same` must be equal in all files."""

    path: str
    name: str
    trained: int
    errors: Mapping[tuple[str, str, str], np.ndarray]
    missing: Mapping[tuple[str, str, str], float]
    same: tuple[int, int, int]


def read(path: Path) -> Run:
    """A file of suites.phyworld. UserError for what is none, or does not say on how many clips."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = {(r["maker"], r["scenario"], r["split"]): r for r in found["rows"]}
        for maker in (ANSWER, STILL):
            if (maker, "all", "id") not in rows:
                raise KeyError(maker)
        run = Run(
            str(path),
            str(found["name"]),
            int(found["trained"]),
            {key: np.asarray(row["errors"], float) for key, row in rows.items()},
            {key: float(row["missing"]) for key, row in rows.items()},
            (int(found["clips"]), int(found["seed"]), int(found["frames"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no file of suites.phyworld ({error}); write one with out={path}"
        ) from error
    if run.trained < 1:
        raise UserError(f"{path} does not say what it was trained on; write it with trained=, in clips")
    return run


def runs_of(text: str) -> list[Run]:
    """All runs that `files=` names. UserError where there is none or they were asked other clips."""
    paths: list[Path] = []
    for part in (Path(word) for word in text.split(",") if word):
        paths += sorted(part.glob("*.json")) if part.is_dir() else [part]
    runs = [read(path) for path in paths]
    if not runs:
        raise UserError("files= names no file; write some with python -m suites.phyworld out=FILE.json")
    for run in runs:
        if run.same != runs[0].same:
            raise UserError(
                f"{run.path} has clips, seed, frames = {run.same}, {runs[0].path} {runs[0].same}; errors of"
                " other clips are not compared"
            )
    return runs


@dataclass(frozen=True)
class Point:
    """Runs of one name and number of training clips: `errors` of clips, m/s, mean over seeds, by (scenario,
    split), and the mean of each seed."""

    name: str
    trained: int
    errors: Mapping[tuple[str, str], np.ndarray]
    seeds: Mapping[tuple[str, str], tuple[float, ...]]
    missing: Mapping[tuple[str, str], float]


def points_of(runs: Sequence[Run]) -> list[Point]:
    """Points in the order of names as they first come, then of training clips."""
    names = list(dict.fromkeys(run.name for run in runs))
    found = []
    for name, trained in sorted({(r.name, r.trained) for r in runs}, key=lambda k: (names.index(k[0]), k[1])):
        part = [run for run in runs if (run.name, run.trained) == (name, trained)]
        keys = [(scenario, split) for maker, scenario, split in part[0].errors if maker == ANSWER]
        each = {key: [run.errors[ANSWER, *key] for run in part] for key in keys}
        found.append(
            Point(
                name,
                trained,
                {key: np.mean(errors, axis=0) for key, errors in each.items()},
                {key: tuple(float(e.mean()) for e in errors) for key, errors in each.items()},
                {key: float(np.mean([run.missing[ANSWER, *key] for run in part])) for key in keys},
            )
        )
    return found


def interval(errors: np.ndarray) -> Interval:
    """Student's t interval of the mean over clips."""
    from simbench.stats import t_interval

    return t_interval([float(error) for error in errors])


def change(points: Sequence[Point], split: str, scenario: str = "all") -> Interval:
    """Error of the last point minus that of the first, paired by clip, m/s."""
    key = (scenario, split)
    return interval(points[-1].errors[key] - points[0].errors[key])


def verdict(points: Sequence[Point], still: float) -> list[str]:
    """What the runs of one name, by training clips, say of the published trend, a sentence each. `still` is
    the error in range of the last given frame, held, m/s."""
    first, last = points[0], points[-1]
    inside, outside = change(points, "id"), change(points, "ood")
    means = {s: [float(p.errors["all", s].mean()) for p in (first, last)] for s in ("id", "ood")}
    gaps = [means["ood"][i] / means["id"][i] for i in (0, 1)]
    seeds = min(len(point.seeds["all", "id"]) for point in (first, last))
    # The interval is over clips alone: all seeds must say the same.
    agree = max(last.seeds["all", "id"]) < min(first.seeds["all", "id"])
    falls = inside.high is not None and inside.high < 0 and agree
    follows = means["ood"][1] / means["ood"][0] <= means["id"][1] / means["id"][0]
    lines = [
        f"**{first.name}**, {first.trained} to {last.trained} clips: error in range"
        f" {means['id'][0]:.3f} to {means['id'][1]:.3f} (change {_signed(inside)}),"
        f" out of range {means['ood'][0]:.3f} to {means['ood'][1]:.3f} (change {_signed(outside)});"
        f" out of range is {gaps[0]:.1f} and {gaps[1]:.1f} times in range."
    ]
    if not falls:
        lines.append("The error in range does not fall for sure: the published trend is not reproduced.")
    elif follows:
        lines.append(
            "The error out of range falls by as large a factor: the published trend is not reproduced."
        )
    elif means["id"][1] > TRAINED * still or seeds < 2:
        left = means["id"][1] / still
        whys = [f"in range it is {left:.0%} of what the last given frame has"] * (left > TRAINED)
        whys = ["one seed each"] * (seeds < 2) + whys
        lines.append(
            f"It has the signs of the published trend, but {', and '.join(whys)}: not reproduced at this"
            " size."
        )
    else:
        lines.append(_beside_the_paper(means, outside))
    return lines


def _beside_the_paper(means: Mapping[str, Sequence[float]], outside: Interval) -> str:
    """A sentence on how far both errors fall, and how far the paper's do. Out of range the paper's is not
    flat: the trend is as published unless even the least fall of the interval is more than its largest."""
    ours = [1 - means[split][1] / means[split][0] for split in ("id", "ood")]
    inside = 1 - PUBLISHED_IN[1] / PUBLISHED_IN[0]
    over, most = (1 - left / PUBLISHED_OUT[0] for left in (PUBLISHED_OUT[-1], min(PUBLISHED_OUT)))
    least = 0.0 if outside.high is None else -outside.high / means["ood"][0]
    said = "the published trend" if least <= most else "further out of range than in the published trend"
    return (
        f"The error falls by {ours[0]:.0%} in range and by {ours[1]:.0%} out of it, the paper's by"
        f" {inside:.0%} (with size and data) and by {over:.0%} to {most:.0%} (with data): {said}."
    )


def _signed(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{found.mean:+.3f}"
    return f"{found.mean:+.3f}, {found.low:+.3f} to {found.high:+.3f}"


def markdown(runs: Sequence[Run]) -> str:
    """Tables of all scenarios together and of each, baselines below, and what it says of the trend."""
    points = points_of(runs)
    clips = len(points[0].errors["all", "id"])
    lines = [
        f"Error of velocity in m/s with its 95 % interval over {clips} clips a split, {3 * clips} in ood;"
        " seeds: the mean of each; missing: pairs of frames without a ball.",
        "",
        "| model | training clips | " + " | ".join(SIDES) + " | seeds, id | seeds, ood | missing, id | ood |",
        "|---|---:|" + "---:|" * (len(SIDES) + 4),
    ]
    for point in points:
        seeds = (", ".join(f"{mean:.3f}" for mean in point.seeds["all", s]) for s in ("id", "ood"))
        lost = [f"{point.missing['all', s]:.1%}" for s in ("id", "ood")]
        cells = [point.name, str(point.trained), *_cells(point.errors, "all"), *seeds, *lost]
        lines.append("| " + " | ".join(cells) + " |")
    for maker in (CODEC, TRUTH, STILL, STRAIGHT):
        if (maker, "all", "id") in runs[0].errors:
            known = {key[1:]: errors for key, errors in runs[0].errors.items() if key[0] == maker}
            lines.append(f"| {maker} | – | " + " | ".join(_cells(known, "all")) + " | – | – | – | – |")
    lines += ["", "By scenario:", "", "| model | training clips | scenario | " + " | ".join(SIDES) + " |"]
    lines.append("|---|---:|---|" + "---:|" * len(SIDES))
    for point in points:
        for scenario in dict.fromkeys(key[0] for key in point.errors if key[0] != "all"):
            cells = [point.name, str(point.trained), scenario, *_cells(point.errors, scenario)]
            lines.append("| " + " | ".join(cells) + " |")
    for name in dict.fromkeys(point.name for point in points):
        part = [point for point in points if point.name == name]
        if len(part) > 1:
            lines += ["", " ".join(verdict(part, float(runs[0].errors[STILL, "all", "id"].mean())))]
    return "\n".join([*lines, "", PAPER])


def _cells(errors: Mapping[tuple[str, str], np.ndarray], scenario: str) -> list[str]:
    from suites.phyworld import spread

    found = [interval(errors[scenario, split]) for split in SIDES]
    return [spread({"mean": one.mean, "high": one.high}) for one in found]


def draw(runs: Sequence[Run], path: Path) -> None:
    """Errors over training clips, both axes logarithmic: in range, and out of it by split."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from simbench.files import replacing

    points = points_of(runs)
    fig, axis = pyplot.subplots(figsize=(7.6, 4.2), layout="constrained")
    names = list(dict.fromkeys(point.name for point in points))
    for number, name in enumerate(names):
        part = [point for point in points if point.name == name]
        for split, colour, said in (("id", BLUE, "in range"), ("ood", VERMILLION, "out of range")):
            found = [interval(point.errors["all", split]) for point in part]
            half = [0.0 if one.high is None else one.high - one.mean for one in found]
            axis.errorbar(
                [point.trained * 1.03**number for point in part],
                [one.mean for one in found],
                half,
                color=colour,
                marker="osD^v"[number % 5],
                linestyle=("-", "--", ":")[number % 3],
                capsize=3,
                label=f"{name}, {said}",
            )
    for maker, style in ((CODEC, "-."), (STILL, ":"), (TRUTH, "--")):
        for split, colour in (("id", BLUE), ("ood", VERMILLION)):
            if (maker, "all", split) in runs[0].errors:
                mean = float(runs[0].errors[maker, "all", split].mean())
                axis.axhline(mean, color=colour, linestyle=style, linewidth=0.8, alpha=0.6)
                if split == "ood":
                    # Beside the axes: errors out of range lie about what the held frame has.
                    where = axis.get_yaxis_transform()
                    axis.text(1.01, mean, maker, transform=where, va="center", color=GREY, fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="training clips", ylabel="error of velocity, m/s")
    axis.spines[["top", "right"]].set_visible(False)
    fig.legend(frameon=False, fontsize=8, loc="outside right center")
    with replacing(path) as temporary:
        fig.savefig(temporary, dpi=120, format="png")
    pyplot.close(fig)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: written, 2: bad input."""
    return command("phyworld_table", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import page_with, write_block

    runs = runs_of(chosen.files)
    if chosen.card:
        page_with(Path(chosen.card), "phyworld", "")
    text = markdown(runs)
    print(text)
    if chosen.figure:
        draw(runs, Path(chosen.figure))
    if chosen.card:
        write_block(Path(chosen.card), "phyworld", text)
    if chosen.out:
        points = points_of(runs)
        rows = [
            {
                "name": point.name,
                "trained": point.trained,
                "scenario": scenario,
                "split": split,
                "mean": interval(errors).mean,
                "low": interval(errors).low,
                "high": interval(errors).high,
                "seeds": point.seeds[scenario, split],
            }
            for point in points
            for (scenario, split), errors in point.errors.items()
        ]
        write_json(Path(chosen.out), {"schema": 1, "rows": rows})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
