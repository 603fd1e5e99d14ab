"""Push: a rod pushes a block over a table and leaves, or just misses it; a panel may slide over the table.

`sample` draws a `Layout`. The trials of one seed, `push` and `miss`, differ in the rod's path alone: in
`miss` it passes just beside the block, or stops just before it. `covered` adds the panel and changes nothing
else.
"""

from __future__ import annotations

import math
import random

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._occluder_law import COLOURS, SCREENS, TEST_COLOURS
from simbench.worlds.families._push_law import (
    HALF,
    HEAD,
    SIZE,
    Block,
    Layout,
    Path,
    at,
    carried,
    cover,
    fractions,
    from_facts,
    knots,
    moved,
    to_facts,
)
from simbench.worlds.families._push_look import PANELS, ROD, SURFACES, stage
from simbench.worlds.scene import Scene

__all__ = [
    "HALF",
    "HEAD",
    "PANELS",
    "ROD",
    "SIZE",
    "SURFACES",
    "TRIALS",
    "Block",
    "Layout",
    "Path",
    "actions",
    "at",
    "build",
    "carried",
    "cover",
    "drawn",
    "fractions",
    "from_facts",
    "knots",
    "moved",
    "pairs",
    "prompt",
    "sample",
    "stage",
    "test_only",
    "to_facts",
]

TRIALS = ("push", "miss")
ALIKE = (
    {"blue", "purple"},
    {"blue", "cyan"},
    {"green", "turquoise"},
    {"purple", "magenta"},
    {"cyan", "turquoise"},
)
"""Hues nearer to each other than 50 degrees."""
START = -0.42
"""Where the rod's face waits, along its way."""
LATEST = 0.9
PUSHING, DWELL, RETREAT = 0.375, 0.0625, 0.125
"""Shares of the clip that the way there takes, the rest at its end, and the way back."""
PANEL = (0.125, 0.22, 0.28, 0.375)
"""Shares of the clip after the push at which the panel leaves, has covered, leaves again, is away."""


def sample(
    seed: int,
    trial: str = "push",
    covered: bool = False,
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    steps: int = 16,
    wait: int = 2,
    split: str = "all",
) -> Layout:
    """Draw one layout. The rod's path has its knots on `steps` even steps of the clip and waits for the first
    `wait` of them. Raises UserError for unknown trials and where nothing would be left to judge.
    """
    if trial not in TRIALS:
        raise UserError(f"trial={trial} is unknown; use one of {', '.join(TRIALS)}")
    end = (wait + round(PUSHING * steps)) / steps
    if end + PANEL[3] > LATEST + 1e-9 or round(DWELL * steps) < 1:
        raise UserError(
            f"a rod that waits {wait} of {steps} steps is uncovered after {100 * (end + PANEL[3]):.0f} % of"
            f" the clip, the limit is {100 * LATEST:.0f} %; use fewer given frames or more frames (17, say)"
        )
    rng = random.Random(f"push:{seed}")
    side, up = rng.choice((-1, 1)), rng.choice((-1, 1))
    names = rng.choice(pairs(split))
    shapes = [rng.choice(tuple(HALF)) for _ in range(2)]
    home = (side * rng.uniform(-0.03, 0.03), up * rng.uniform(0.09, 0.12))
    other = (rng.uniform(-0.28, 0.28), up * rng.uniform(-0.30, -0.27))
    half, way = HALF[shapes[0]], rng.uniform(0.23, 0.29)
    gap = 0.09 - 0.05 * difficulty
    beside = rng.random() < 0.6
    near = side * home[0] - half
    push = _rod(side, near + way, home[1], wait, steps, duration)
    lane = home[1] + up * (half + HEAD + gap)
    miss = (
        _rod(side, near + way, lane, wait, steps, duration)
        if beside
        else _rod(side, near - gap, home[1], wait, steps, duration)
    )
    rod = push if trial == "push" else miss
    blocks = tuple(
        Block(name, shape, carried(rod, place, HALF[shape], side))
        for name, shape, place in zip(names, shapes, (home, other), strict=True)
    )
    leave, gone, come, back = (duration * (end + share) for share in PANEL)
    return Layout(
        aspect=aspect,
        duration=duration,
        blocks=blocks,
        rod=rod,
        would=carried(push, home, half, side),
        side=side,
        trial=trial,
        covered=covered,
        leave=leave,
        gone=gone,
        come=come,
        back=back,
        drop=rng.choice((-1, 1)),
        surface=rng.choice(tuple(SURFACES)),
        panel=rng.choice(tuple(SCREENS)),
        look=look,
        texture_seed=seed,
    )


def pairs(split: str = "all") -> list[tuple[str, str]]:
    """Ordered pairs of block colours whose hues cannot be taken for each other."""
    names = COLOURS if split == "train" else COLOURS + TEST_COLOURS
    return [(a, b) for a in names for b in names if a != b and {a, b} not in ALIKE]


def _rod(side: int, reach: float, lane: float, wait: int, steps: int, duration: float) -> Path:
    """Waits, goes to where its face has come to `reach` along its way, rests there and goes back."""
    there = wait + round(PUSHING * steps)
    rested = there + round(DWELL * steps)
    away = rested + round(RETREAT * steps)
    path = [(0, START), (wait, START), (there, reach), (rested, reach), (away, START)]
    knots = [(step * duration / steps, side * face, lane) for step, face in path]
    return tuple(k for i, k in enumerate(knots) if i == 0 or k[0] > knots[i - 1][0])


def test_only(layout: Layout) -> bool:
    """Does it show a colour that no training clip ever shows?"""
    return any(b.colour in palette.colours("test") for b in layout.blocks)


def actions(layout: Layout, frames: int, fps: float) -> tuple[str, ...]:
    """What is done in each frame: where the tip of the rod is, and how much the panel covers."""
    told = []
    for t in range(frames):
        x, y = fractions(layout, at(layout.rod, t / fps))
        words = f"rod tip {_place(x, y)}"
        share = cover(layout, t / fps)
        if share > 0:
            words += f"; panel from the {_edge(layout)} over {100 * share:.0f} % of the table"
        told.append(words)
    return tuple(told)


def _place(x: float, y: float) -> str:
    return f"at {100 * x:.1f} % from the left, {100 * y:.1f} % from the top"


def _edge(layout: Layout) -> str:
    return "top" if layout.drop > 0 else "bottom"


def prompt(layout: Layout, telling: bool = False) -> str:
    """What can be seen at the start, the command, and (only if `telling`) how far the block is pushed."""
    first, second = sorted(layout.blocks, key=lambda b: b.home)
    words = [
        f"A {layout.surface} table seen from above with {_a(first.colour)} {first.shape} and"
        f" {_a(second.colour)} {second.shape}.",
        f"A white rod comes from the {'left' if layout.side > 0 else 'right'}.",
    ]
    stops = [f"at {t:.3g} s {_place(*fractions(layout, (x, y)))}" for t, x, y in layout.rod]
    words.append(f"Its tip is {'; '.join(stops)}.")
    if layout.covered:
        words.append(
            f"{_a(layout.panel).capitalize()} panel slides over the table from the {_edge(layout)} from"
            f" {layout.leave:.3g} s to {layout.gone:.3g} s, and away from {layout.come:.3g} s to"
            f" {layout.back:.3g} s."
        )
    if telling:
        block = layout.blocks[0]
        end = _place(*fractions(layout, block.path[-1][1:]))
        words.append(f"In the end the {block.colour} {block.shape} is {end}.")
    words.append("The camera stands still.")
    return " ".join(words)


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def drawn(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Layout:
    """The layout that `build` shows; options are those of `sample` (trial, covered, steps, ...)."""
    chosen: dict[str, object] = {
        "split": "train",
        "trial": TRIALS[math.floor(seed) % 2],
        "covered": math.floor(seed) % 4 > 1,
        **options,
    }
    return sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen)  # type: ignore[arg-type]


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One push scene; options are those of `drawn`."""
    return stage(drawn(seed, duration, look, difficulty, **options))
