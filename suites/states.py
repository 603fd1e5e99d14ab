"""The error of the state reader on the truth itself: by process, clean and under every nuisance of the suite.

    python -m suites.states suite=hidden scenes=36 seed=1003 card=docs/hidden.md
    python -m suites.states size=96 look=rich scenes=6 seed=public picture=docs/hidden.png

Errors are mean |read - true| in percent of the range (or of a turn) over the frames in which the thing is
seen again. With `picture` nothing is read: the first and the last case of each scene are drawn.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.errors import UserError
from suites.command import command
from suites.proof import Asked, build_suite

if TYPE_CHECKING:
    import numpy as np

    from simbench.suite import Measures, Suite
    from suites.hidden import Hidden


TRIALS = ("back fast", "back slow", "still", "still too", "on slow", "on fast")


@dataclass
class Options(Asked):
    """`card` is a page with an `instrument` block to write the table to, `picture` a PNG to draw instead."""

    suite: str = "hidden"
    scenes: int = 36
    seed: str = "1003"
    card: str = ""
    picture: str = ""


Found = dict[str, dict[str, list["Measures"]]]
"""nuisance -> process -> measures of cases."""


def measured(suite: Hidden, scenes: Sequence[str]) -> Found:
    """The oracle of every hidden case through every nuisance."""
    from simbench.video import Video

    found: Found = {}
    for scene in scenes:
        for case in (c for c in suite.cases(scene) if c.tags["hidden"]):
            score, clean = suite.scorer(case), suite.oracle(case)
            ways = {"none": lambda frames: frames, **suite.nuisances(case)}
            for name, change in ways.items():
                measures = score(Video(change(clean.frames), clean.fps))
                found.setdefault(name, {}).setdefault(str(case.tags["process"]), []).append(measures)
    return found


def error(measures: Sequence[Measures]) -> str:
    """Mean error of what was readable in percent, and the share that was not where there is any."""
    readable = math.fsum(m["readable"] for m in measures)
    lost = math.fsum(m["flat"] + m["unlike"] + m["mixed"] for m in measures)
    if readable == 0:
        return "none read"
    value = f"{100 * math.fsum(m['readable_error'] for m in measures) / readable:.2f}"
    return value if lost == 0 else f"{value} ({100 * lost / (lost + readable):.0f} % lost)"


def markdown(suite: Hidden, scenes: int, seed: str, found: Found) -> str:
    """The table."""
    names = list(next(iter(found.values())))
    lines = [
        f"{suite.name} version {suite.version}, {suite.setting.name()}, {scenes} scenes of seed {seed}; error"
        " of the state read on the truth, percent of its range (ball, tank, candle, plant) or of a turn.",
        "",
        f"| | {' | '.join(names)} | all |",
        f"|---|{'---:|' * (len(names) + 1)}",
    ]
    for nuisance, by_process in found.items():
        cells = [error(by_process[name]) for name in names]
        every = [m for name in names for m in by_process[name]]
        lines.append(f"| {nuisance} | {' | '.join(cells)} | {error(every)} |")
    return "\n".join(lines)


def picture(suite: Suite, scenes: Sequence[str]) -> np.ndarray:
    """Slowest and fastest case of each scene, a row each, uint8 [.., .., 3]."""
    from simbench.worlds.sheet import contact_sheet

    rows = []
    for scene in scenes:
        cases = [case for case in suite.cases(scene) if case.tags["hidden"]]
        cases.sort(key=lambda case: TRIALS.index(case.tags["trial"]))
        rows += [suite.oracle(case).frames for case in (cases[0], cases[-1])]
    return contact_sheet(rows, 9)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: printed, 2: it could not be."""
    return command("states", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import write_block
    from simbench.worlds.sheet import write_png
    from suites.hidden import Hidden

    suite: Suite = build_suite(chosen)
    if not isinstance(suite, Hidden):
        raise UserError(f"suite={chosen.suite} reads no states; use suite=hidden")
    scenes = suite.scenes(chosen.scenes, chosen.seed)
    if chosen.picture:
        write_png(Path(chosen.picture), picture(suite, scenes), colours=128)
        return
    text = markdown(suite, chosen.scenes, chosen.seed, measured(suite, scenes))
    print(text)
    if chosen.card:
        write_block(Path(chosen.card), "instrument", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
