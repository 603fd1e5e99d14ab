"""The picture of a suite for people: what is given, the truth, and what a generator made of it.

    python -m suites.picture scene=2 trials=exit,stay,swap out=docs/permanence.png

Two rows for each trial: the truth above the generator; frames that were given have a blue edge.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from suites.command import command
from suites.proof import Asked, build_suite, cases_of

if TYPE_CHECKING:
    from simbench.suite import Suite

LABEL, HEAD, GAP, EDGE, TEXT = 128, 26, 4, 3, 15
GIVEN_BLUE = (0, 114, 178)


@dataclass
class Options(Asked):
    """Options of a picture; `scene` counts from 0, `trials` are names by comma, by default the first two."""

    scene: int = 2
    seed: str = "public"
    generator: str = "model"
    trials: str = ""
    columns: int = 8
    colours: int = 128
    out: str = "outputs/picture.png"


def rows(
    suite: Suite, scene: str, trials: Sequence[str], generator: str
) -> list[tuple[str, np.ndarray, int]]:
    """Label, frames uint8 [T, H, W, 3] and the number of given frames of every row."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from simbench.overrides import CONF
    from simbench.settings import one_of

    known = sorted(path.stem for path in (CONF / "generator").glob("*.yaml"))
    path = CONF / "generator" / f"{one_of('generator', generator, known)}.yaml"
    model = instantiate(OmegaConf.load(path))
    cases = {case.tags["trial"]: case for case in cases_of(suite, scene)}
    out = []
    for trial in trials or list(cases)[:2]:
        case = cases[one_of("trials", trial, list(cases))]
        (made,) = model([case.condition], [0])
        given = len(case.condition.given_frames)
        out.append((f"{trial}: truth", suite.oracle(case).frames, given))
        out.append((f"{trial}: {generator}", made.frames, given))
    return out


def chosen_frames(count: int, given: int, columns: int) -> list[int]:
    """The first, middle and last given frame, and the rest evenly spread over what was not given."""
    before = sorted({0, given // 2, given - 1}) if given else []
    after = np.linspace(min(given + 1, count - 1), count - 1, columns - len(before))
    return [*before, *sorted({round(t) for t in after})]


def picture(lines: Sequence[tuple[str, np.ndarray, int]], columns: int, fps: float) -> np.ndarray:
    """uint8 [.., .., 3]: labelled rows with the times of the frames in seconds above them."""
    from PIL import Image, ImageDraw, ImageFont

    from simbench.pictures import enlarged

    lines = [(label, enlarged(frames), given) for label, frames, given in lines]
    count, height, width = lines[0][1].shape[:3]
    shown = chosen_frames(count, lines[0][2], columns)
    size = (LABEL + len(shown) * (width + GAP), HEAD + len(lines) * (height + GAP))
    paper = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(TEXT)
    for i, (label, frames, given) in enumerate(lines):
        top = HEAD + i * (height + GAP)
        draw.text((6, top + height / 2 - TEXT / 2), label, fill="black", font=font)
        for j, t in enumerate(shown):
            left = LABEL + j * (width + GAP)
            paper.paste(Image.fromarray(frames[t]), (left, top))
            if t < given:
                box = (left, top, left + width - 1, top + height - 1)
                draw.rectangle(box, outline=GIVEN_BLUE, width=EDGE)
            if i == 0:
                word = " given" if t < given else ""
                draw.text((left + 2, 4), f"{t / fps:.2f} s{word}", fill="black", font=font)
    return np.asarray(paper)


def main(arguments: Sequence[str]) -> int:
    """The command; the exit code."""
    return command("picture", __doc__, Options, arguments, _run)


def _run(asked: Options) -> None:
    from simbench.worlds.sheet import write_png

    suite = build_suite(asked)
    scene = list(suite.scenes(asked.scene + 1, asked.seed))[-1]
    trials = [name for name in asked.trials.split(",") if name]
    lines = rows(suite, scene, trials, asked.generator)
    write_png(Path(asked.out), picture(lines, asked.columns, suite.setting.fps), asked.colours)
    print(asked.out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
