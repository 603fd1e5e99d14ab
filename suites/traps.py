"""What the number of videos does to each distance between two known sets: bias, ddof, one-sided limits.

    python -m suites.traps sizes=64,256,512,2048 card=docs/distances.md

Both sets are Gaussian with 400 features, the number of I3D's logits; their true distance is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simbench.errors import UserError
from suites.command import command

WIDTH = 400


@dataclass
class Options:
    """`decay` is over how many features the standard deviation falls to 1/e; `card` a page with a `traps`
    block."""

    sizes: str = "64,256,512,2048"
    decay: float = 40.0
    seed: int = 1
    card: str = ""


@dataclass(frozen=True)
class Pair:
    """Two Gaussian populations whose Frechet distance is 1: half of it a shift, half a scale."""

    turn: np.ndarray
    sd: np.ndarray
    shift: np.ndarray
    scale: float

    def draw(self, count: int, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """`count` rows of each, [count, 400]."""
        rng = np.random.default_rng(seed)
        first, second = (rng.normal(size=(count, WIDTH)) * self.sd @ self.turn.T for _ in range(2))
        return first, second * self.scale + self.shift


def pair(decay: float, seed: int) -> Pair:
    """The populations; |shift|^2 = 1/2 and (scale - 1)^2 tr S = 1/2."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    sd = np.exp(-np.arange(WIDTH) / decay)
    shift = rng.normal(size=WIDTH)
    return Pair(turn, sd, shift * np.sqrt(0.5) / np.linalg.norm(shift), 1 + np.sqrt(0.5 / (sd**2).sum()))


def one_sided(real: np.ndarray, generated: np.ndarray, seed: int) -> float:
    """The limit as FID_infinity takes it: 15 subsets of the generated set alone, a line over 1/N."""
    from simbench.metrics.distances import frechet

    rng = np.random.default_rng(seed)
    sizes = np.linspace(len(generated) // 4, len(generated), 15).astype(int)
    found = [frechet(real, generated[rng.permutation(len(generated))[:n]]) for n in sizes]
    return float(np.polyfit(1.0 / sizes, found, 1)[1])


def row(two: Pair, count: int, seed: int) -> str:
    """One line of the table."""
    from simbench.metrics import distances as d
    from suites.distances import JEDI, KID

    real, made = two.draw(count, [seed, count])
    limit = d.frechet_infinity(real, made, seed)
    kid = d.kernel_interval(real, made, **KID)
    biased = [1000 * d.kernel_distance(real, made, biased=True, **kernel) for kernel in (KID, JEDI)]
    # Of one population: what is left is bias alone.
    same = d.frechet(two.draw(count, [seed, count, 1])[0], two.draw(count, [seed, count, 2])[0])
    cells = [
        f"{d.frechet(real, made):.2f}",
        f"{d.frechet(real, made, ddof=0):.2f}",
        f"{same:.2f}",
        f"{limit.value:.2f} [{limit.low:.2f}, {limit.high:.2f}]{'' if limit.straight else ' bent'}",
        f"{one_sided(real, made, seed):.2f}",
        f"{1000 * kid.value:.2f} [{1000 * kid.low:.2f}, {1000 * kid.high:.2f}]",
        f"{biased[0]:.2f}",
        f"{biased[1]:.2f}",
    ]
    return f"| {count} | {' | '.join(cells)} |"


def markdown(chosen: Options, sizes: Sequence[int]) -> str:
    """The table."""
    two = pair(chosen.decay, chosen.seed)
    rank = float((two.sd**2).sum() ** 2 / (two.sd**4).sum())
    lines = [
        f"Gaussians of {WIDTH} features, {rank:.0f} of them effective ((tr S)^2 / tr S^2), true Frechet"
        " distance 1.00; kernel distances x 1000.",
        "",
        "| N a side | Frechet | ddof 0 | real/real | without end, both sides | one side | kernel | biased"
        " | biased, degree 2 |",
        f"|---:|{'---:|' * 8}",
    ]
    return "\n".join([*lines, *(row(two, count, chosen.seed) for count in sizes)])


def main(arguments: Sequence[str]) -> int:
    """The command. 0: printed, 2: it could not be."""
    return command("traps", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import page_with, write_block

    words = chosen.sizes.split(",")
    if not all(w.isdecimal() and int(w) >= 16 for w in words) or not 0 < chosen.decay <= 1e6:
        raise UserError(
            f"sizes={chosen.sizes} decay={chosen.decay:g}: give sizes of 16 or more, decay above 0 (to 1e6)"
        )
    if chosen.card:
        page_with(Path(chosen.card), "traps", "")
    text = markdown(chosen, [int(w) for w in words])
    print(text)
    if chosen.card:
        write_block(Path(chosen.card), "traps", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
