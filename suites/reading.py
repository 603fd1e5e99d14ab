"""What a suite's reader makes of the truth itself, clean and under every nuisance of the suite.

    python -m suites.reading suite=push scenes=16 seed=1003 card=docs/push.md

Raw values, uncalibrated: S, and the suite's columns. What S lacks of 1 where nothing is spoilt is the error
of the instrument.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from suites.command import command
from suites.proof import Asked, build_suite, mean, standard_error

if TYPE_CHECKING:
    from simbench.suite import CaseScore, Proven


@dataclass
class Options(Asked):
    """`card` is a page with an `instrument` block to write the table to."""

    suite: str = "push"
    scenes: int = 16
    seed: str = "1003"
    card: str = ""


def measured(suite: Proven, scenes: Sequence[str]) -> dict[str, list[CaseScore]]:
    """nuisance -> scores of the oracle of every case through it."""
    from simbench.suite import CaseScore
    from simbench.video import Video

    found: dict[str, list[CaseScore]] = {}
    for case in (c for scene in scenes for c in suite.cases(scene)):
        score, clean = suite.scorer(case), suite.oracle(case)
        for name, change in {"none": lambda frames: frames, **suite.nuisances(case)}.items():
            read = score(Video(change(clean.frames), clean.fps))
            row = CaseScore(case.id, case.scene, case.world_seed, case.tags, 0, "ok", "", read)
            found.setdefault(name, []).append(row)
    return found


def markdown(suite: Proven, chosen: Options, found: Mapping[str, Sequence[CaseScore]]) -> str:
    """The table."""
    names = ("S", *suite.columns)

    def cell(scenes: Sequence[Mapping[str, float]], name: str) -> str:
        """Mean of a metric over the scenes that have it."""
        values = [scene[name] for scene in scenes if name in scene]
        return f"{mean(values):.3f}" if values else "-"

    lines = [
        f"{suite.name} version {suite.version}, {suite.setting.name()}, {chosen.scenes} scenes of seed"
        f" {chosen.seed}; raw values of the truth, with the standard error of S over scenes.",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for nuisance, rows in found.items():
        scenes = list(suite.aggregate(rows).values())
        cells = [cell(scenes, name) for name in names]
        cells[0] += f" ± {standard_error([s['S'] for s in scenes]):.3f}"
        lines.append(f"| {nuisance} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: printed, 2: it could not be."""
    return command("reading", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import write_block

    suite = build_suite(chosen)
    text = markdown(suite, chosen, measured(suite, suite.scenes(chosen.scenes, chosen.seed)))
    print(text)
    if chosen.card:
        write_block(Path(chosen.card), "instrument", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
