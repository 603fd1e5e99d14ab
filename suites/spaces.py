"""Feature spaces ranked by what they see: frames out of order, time backwards, another world halfway, blur.

    python -m suites.spaces scenes=240 seed=1001 space=random,worlds,i3d card=docs/distances.md

Half of the scenes are the real set, the other half are compared with it as they are (the floor) and with one
thing wrong; both halves hold the same families. All but blur leave every frame of the set as it was: a space
that looks at single frames alone reads them as the floor.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from suites.command import command
from suites.proof import mean

if TYPE_CHECKING:
    import numpy as np

DRAWS = 16
IN_TIME = ("shuffle", "reverse", "swap")
"""Kinds of damage that leave the frames of a set as they were."""


@dataclass
class Options:
    """`card` is a page with a `spaces` block to write the table to; weights and sha256 are of the one space
    that needs them."""

    scenes: int = 240
    size: int = 64
    seed: int = 1001
    space: str = "random,random-motion,worlds,i3d,videomae,vjepa2"
    protocol: str = "simbench"
    weights: str = ""
    sha256: str = ""
    card: str = ""


@dataclass(frozen=True)
class Seen:
    """One damage in one space: multiples of the floor with their standard deviation over draws of the videos,
    and the unbiased kernel distance in half-widths of its interval between the two real sets."""

    times: float
    spread: float
    kernel: float


@dataclass(frozen=True)
class Ranked:
    """A space of `width` features: its floor, and what it sees of each kind of damage."""

    space: str
    width: int
    floor: float
    seen: Mapping[str, Seen]

    def in_time(self) -> float:
        """Geometric mean of the multiples of all damage that a single frame does not show."""
        return math.exp(mean([math.log(self.seen[kind].times) for kind in IN_TIME]))


def ranked(name: str, real: np.ndarray, sets: Mapping[str, np.ndarray], seed: int, ddof: int = 1) -> Ranked:
    """What one space sees. `real` [N, D]; `sets` has features [N, D] for "none" and for every kind. `ddof` is
    the protocol's."""
    from simbench.metrics.distances import frechet_at, kernel_interval
    from suites.distances import KID

    at = 3 * len(real) // 4
    # The same draws for every kind, so that their ratios are of the same videos.
    found = {
        kind: [frechet_at(real, made, at, seed + draw, draws=1, ddof=ddof) for draw in range(DRAWS)]
        for kind, made in sets.items()
    }
    kernels = {kind: kernel_interval(real, made, **KID) for kind, made in sets.items()}
    half = (kernels["none"].high - kernels["none"].low) / 2
    seen = {}
    for kind in sets:
        if kind != "none":
            ratios = [a / b for a, b in zip(found[kind], found["none"], strict=True)]
            middle = mean(ratios)
            spread = math.sqrt(mean([(r - middle) ** 2 for r in ratios]))
            times = mean(found[kind]) / mean(found["none"])
            seen[kind] = Seen(times, spread, kernels[kind].value / half)
    return Ranked(name, real.shape[1], mean(found["none"]), seen)


def markdown(chosen: Options, found: Sequence[Ranked], missing: Mapping[str, str]) -> str:
    """The table, the space that sees most of time first."""
    from suites.clip_sets import BLUR, ONE_WAY

    kinds = (*IN_TIME, "blur")
    lines = [
        f"{chosen.scenes} worlds of seed {chosen.seed} ({', '.join(ONE_WAY)}), half of them real,"
        f" {chosen.size}x{chosen.size} px, 16 frames at 8 fps, protocol {chosen.protocol}; blur of"
        f" {100 * BLUR:g} % of the side. Multiples of the Frechet distance between the two real halves at the"
        f" same {3 * (chosen.scenes // 2) // 4} videos, ± their standard deviation over {DRAWS} draws; in"
        " brackets the unbiased kernel distance over the half-width of its 95 % interval between the real"
        " halves: below 1 nothing is seen.",
        "",
        f"| space | D | floor | {' | '.join(kinds)} | in time | in time / blur |",
        f"|---|---:|---:|{'---:|' * len(kinds)}---:|---:|",
    ]
    for space in sorted(found, key=lambda r: -r.in_time()):
        cells = [f"{s.times:.2f} ± {s.spread:.2f} ({s.kernel:.1f})" for s in (space.seen[k] for k in kinds)]
        time = space.in_time()
        lines.append(
            f"| {space.space} | {space.width} | {space.floor:.4g} | {' | '.join(cells)} | {time:.2f} |"
            f" {time / space.seen['blur'].times:.2f} |"
        )
    for name, why in missing.items():
        short = why.partition(";")[0].removeprefix(f"space={name} is ")
        lines.append(f"| {name} | not measured: {short} |{' |' * (len(kinds) + 3)}")
    return "\n".join(lines)


def measure(chosen: Options) -> tuple[list[Ranked], dict[str, str]]:
    """Every space that is here, and why others are not."""
    from simbench.errors import UserError
    from simbench.features.protocols import preset_named
    from suites.clip_sets import DAMAGES, ONE_WAY, Look, damaged, features, worlds
    from suites.distances import opened

    every = 2 * len(ONE_WAY)
    if chosen.scenes < 2 * every or chosen.scenes % every:
        raise UserError(
            f"scenes={chosen.scenes} does not give each family as many clips, 2 or more on each side; use"
            f" {max(2, -(-chosen.scenes // every)) * every}"
        )
    given = {"weights": chosen.weights, "sha256": chosen.sha256, "protocol": chosen.protocol}
    preset = preset_named(chosen.protocol)
    look = Look(size=chosen.size, frames=preset.frames)
    spaces, missing = opened([name for name in dict.fromkeys(chosen.space.split(",")) if name], given)
    if not spaces:
        return [], missing
    half = chosen.scenes // 2
    real = features(worlds(half, look, chosen.seed, 0), spaces)
    other = worlds(half, look, chosen.seed, 1)
    sets = {"none": features(other, spaces)}
    for kind in DAMAGES:
        sets[kind] = features(damaged(other, kind, chosen.seed, len(look.families)), spaces)
    found = [
        ranked(space.name, real[i], {kind: made[i] for kind, made in sets.items()}, chosen.seed, preset.ddof)
        for i, space in enumerate(spaces)
    ]
    return found, missing


def main(arguments: Sequence[str]) -> int:
    """The command. 0: printed, 2: it could not be."""
    return command("spaces", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import page_with, write_block

    if chosen.card:
        # A page without the block is noticed before the work, not after it.
        page_with(Path(chosen.card), "spaces", "")
    text = markdown(chosen, *measure(chosen))
    print(text)
    if chosen.card:
        write_block(Path(chosen.card), "spaces", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
