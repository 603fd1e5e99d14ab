"""A contact sheet of the truth over every cheat of a suite, for one scene.

    python -m suites.sheet suite=permanence size=64 look=rich scene=2 out=docs/sheet-permanence.png

Each row is one clip: the truth and the observer first; a cheat is shown in the first trial that it spoils,
or all rows in the one called `trial`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from suites.command import command
from suites.proof import Asked, build_suite, cases_of, len_context

if TYPE_CHECKING:
    from simbench.suite import Suite

LABEL = 116
"""Least width of the names, pixels."""


@dataclass
class Options(Asked):
    """Options of a sheet; `scene` counts from 0, `trial=auto` shows each cheat where it does harm; fewer
    `colours` and `columns` make a smaller file."""

    scene: int = 2
    seed: str = "public"
    trial: str = "auto"
    columns: int = 7
    colours: int = 96
    out: str = "outputs/sheet.png"


def clips(suite: Suite, scene: str, trial: str) -> list[tuple[str, np.ndarray]]:
    """Name and frames uint8 [T, H, W, 3] of the truth of every trial, of the observer and of every cheat."""
    cases = {case.tags["trial"]: case for case in cases_of(suite, scene)}
    if trial != "auto" and trial not in cases:
        raise UserError(f"trial={trial} is not in scene {scene}; it has {', '.join(cases)}")
    shown = list(cases) if trial == "auto" else [trial]
    truth = {name: suite.oracle(cases[name]).frames for name in shown}
    out = [(f"truth: {name}", frames) for name, frames in truth.items()]
    out.append((f"observer: {shown[0]}", suite.observer(cases[shown[0]].condition).frames))
    for cheat, make in suite.cheats().items():
        made = {name: make(cases[name]).frames for name in shown}
        spoilt = [name for name in shown if not np.array_equal(made[name], truth[name])]
        kind = spoilt[0] if spoilt else shown[0]
        label = cheat.replace("_", " ")
        out.append((label if kind == shown[0] else f"{label}: {kind}", made[kind]))
    return out


def sheet(rows: Sequence[tuple[str, np.ndarray]], columns: int, first: int) -> np.ndarray:
    """uint8 [.., .., 3]: labelled rows in two blocks, `columns` frames each from frame `first` on."""
    half = (len(rows) + 1) // 2
    blocks = [_block(part, columns, first) for part in (rows[:half], rows[half:])]
    height = max(len(block) for block in blocks)
    padded = [np.pad(b, ((0, height - len(b)), (0, 0), (0, 0)), constant_values=255) for b in blocks]
    return np.concatenate(padded, axis=1)


def _block(rows: Sequence[tuple[str, np.ndarray]], columns: int, first: int) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    from simbench.worlds.sheet import contact_sheet

    strip = contact_sheet([frames[first:] for _, frames in rows], columns)
    font = ImageFont.load_default()
    label = max(LABEL, *(math.ceil(font.getlength(name)) + 12 for name, _ in rows))
    paper = Image.new("RGB", (strip.shape[1] + label, strip.shape[0]), "white")
    paper.paste(Image.fromarray(strip), (label, 0))
    draw = ImageDraw.Draw(paper)
    step = strip.shape[0] / len(rows)
    for i, (name, _) in enumerate(rows):
        draw.text((8, i * step + step / 2 - 5), name, fill="black", font=font)
    return np.asarray(paper)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: written, 2: it could not be."""
    return command("sheet", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.worlds.sheet import write_png

    suite = build_suite(chosen)
    scene = suite.scenes(chosen.scene + 1, chosen.seed)[-1]
    first = max(0, len_context(suite) - 1)
    image = sheet(clips(suite, scene, chosen.trial), chosen.columns, first)
    write_png(Path(chosen.out), image, colours=chosen.colours)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
