"""The error of the readers of games on the truth itself: by world, clean and under every nuisance.

    python -m suites.squares scenes=12 seed=1003 card=docs/digital.md

Per thousand cells of the frames that are not given: read as something else, and (in brackets) unread.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from suites.command import command
from suites.proof import Asked, build_suite

if TYPE_CHECKING:
    from suites.digital import Digital


@dataclass
class Options(Asked):
    """`card` is a page with an `instrument` block to write the table to."""

    suite: str = "digital"
    scenes: int = 12
    seed: str = "1003"
    card: str = ""


Found = dict[str, dict[str, list[tuple[float, float]]]]
"""nuisance -> world -> shares of cells of a case that are wrong and that are unread."""


def measured(suite: Digital, scenes: Sequence[str]) -> Found:
    """The oracle of every case through every nuisance."""
    from simbench.references import digital
    from simbench.worlds import games

    found: Found = {}
    for scene in scenes:
        for case in suite.cases(scene):
            play = digital.play_of(case, suite.setting)
            clean = digital.truth(play)
            true = games.table(play.game, play.states())[play.context :]
            ways = {"none": lambda frames: frames, **suite.nuisances(case)}
            for name, change in ways.items():
                read = play.read(change(clean))[play.context :]
                unread = float((read == games.UNREAD).mean())
                shares = (float((read != true).mean()) - unread, unread)
                found.setdefault(name, {}).setdefault(str(case.tags["world"]), []).append(shares)
    return found


def markdown(suite: Digital, scenes: int, seed: str, found: Found) -> str:
    """The table."""
    names = sorted(next(iter(found.values())))
    lines = [
        f"{suite.name} version {suite.version}, {suite.setting.name()}, {scenes} scenes of seed {seed}; of"
        " 1000 cells of the truth, read as another (in brackets: unread).",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for nuisance, by_world in found.items():
        shares = [1000.0 * np.mean(by_world[name], axis=0) for name in names]
        cells = [f"{wrong:.2f} ({unread:.1f})" for wrong, unread in shares]
        lines.append(f"| {nuisance} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: printed, 2: it could not be."""
    return command("squares", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import write_block
    from suites.digital import Digital

    suite = build_suite(chosen)
    if not isinstance(suite, Digital):
        raise UserError(f"suite={chosen.suite} reads no squares; use suite=digital")
    text = markdown(
        suite, chosen.scenes, chosen.seed, measured(suite, suite.scenes(chosen.scenes, chosen.seed))
    )
    print(text)
    if chosen.card:
        write_block(Path(chosen.card), "instrument", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
