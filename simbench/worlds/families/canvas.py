"""canvas: a brush goes on painting a canvas while something passes in front, or the camera looks away.

`sample` draws a `Layout`; `branch` 0 and 1 of one seed are alike until the brush parts for one side or for
the other, its mirror image; `trial` says what comes between. See _canvas_law for what follows from that.
"""

from __future__ import annotations

import math
import random

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._canvas_law import (
    END,
    HALF,
    HIGH,
    RADIUS,
    SEEN,
    SURFACES,
    TOOLS,
    TRIALS,
    Layout,
    Line,
    Old,
    action,
    from_facts,
    split_at,
    timed,
    tip,
    to_facts,
    turned,
)
from simbench.worlds.families._canvas_look import (
    BOARDS,
    TEXTURES,
    WALLS,
    WHITE,
    old_paints,
    paints,
    stage,
    stroke,
)
from simbench.worlds.scene import Scene

__all__ = [
    "BOARDS",
    "END",
    "HALF",
    "HIGH",
    "RADIUS",
    "SEEN",
    "SURFACES",
    "TEXTURES",
    "TOOLS",
    "TRIALS",
    "WALLS",
    "WHITE",
    "Layout",
    "Line",
    "Old",
    "action",
    "actions",
    "build",
    "drawn",
    "from_facts",
    "old_paints",
    "paints",
    "place_word",
    "prompt",
    "sample",
    "split_at",
    "stage",
    "stroke",
    "test_only",
    "tip",
    "to_facts",
]

PARTS = 0.25
LATEST = 0.34
"""Shares of the clip: where the brush branches off by default, and the latest that leaves time to judge."""
ROWS = ("lower", "middle", "upper")
COLUMNS = ("left", "middle", "right")
APART = 0.3
"""Least distance (sRGB) of one paint from what lies between another paint, or white, and white."""


def _apart(first: str, second: str) -> float:
    """How far a colour lies from the mixtures of another with the canvas's white, sRGB."""
    p, q = palette.rgb(first), palette.rgb(second)
    way = [b - w for b, w in zip(q, WHITE, strict=True)]
    off = [a - w for a, w in zip(p, WHITE, strict=True)]
    share = sum(a * b for a, b in zip(off, way, strict=True)) / sum(b * b for b in way)
    share = min(max(share, 0.0), 1.0)
    return math.dist(off, [share * b for b in way])


def _colours(rng: random.Random, split: str) -> list[str]:
    """Three colours that no mixture with white makes alike: the brush's, then those of older strokes."""
    names = [n for n in palette.colours(split) if math.dist(palette.rgb(n), WHITE) > 0.55]
    while True:
        rng.shuffle(names)
        three = names[:3]
        if all(_apart(a, b) > APART for a in three for b in three if a != b):
            return three


def _known(**options: tuple[str, tuple[str, ...]]) -> None:
    for option, (value, known) in options.items():
        if value not in known:
            raise UserError(f"{option}={value} is unknown; use one of {', '.join(known)}")


def _older(rng: random.Random, quarter: int, colours: list[str]) -> tuple[Old, ...]:
    """A straight stroke of each of two colours, on either side of where the brush begins."""
    old = []
    for at, colour in zip((-1.0, 1.0), colours, strict=True):
        ends = [(at * rng.uniform(0.2, 0.24), rng.uniform(-0.47, -0.36)),
                (at * rng.uniform(0.46, 0.5), rng.uniform(-0.47, -0.36))]  # fmt: skip
        (x0, y0), (x1, y1) = (turned(quarter, x, y) for x, y in ends)
        old.append((x0, y0, x1, y1, colour))
    return tuple(old)


def sample(
    seed: int,
    trial: str = "passer",
    branch: int = 0,
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    parts: float = PARTS,
    split: str = "all",
    tool: str = "brush",
    surface: str = "canvas",
) -> Layout:
    """Draw one layout. `parts` is the share of the clip after which the brush branches off; `difficulty`
    bends its way and hides the canvas for longer.

    Raises UserError for an unknown trial, tool, surface or branch, and where too little of the clip is left.
    """
    _known(trial=(trial, TRIALS), tool=(tool, TOOLS), surface=(surface, SURFACES))
    if branch not in (0, 1):
        raise UserError(f"branch={branch} is unknown; use 0 or 1")
    if not 0.05 <= parts <= LATEST:
        raise UserError(
            f"a brush that branches off after {100 * parts:.0f} % of the clip leaves too little to judge, the"
            f" limits are 5 and {100 * LATEST:.0f} %; use another number of given frames"
        )
    rng = random.Random(f"canvas:{seed}")
    side, quarter, flip = rng.choice((-1, 1)), rng.randrange(4), rng.choice((-1.0, 1.0))
    colours = _colours(rng, split)
    mirror = flip * (1.0 if branch == 0 else -1.0)
    start, middle = rng.uniform(-0.5, -0.46), rng.uniform(-0.06, 0.02)
    bend = 0.05 + 0.09 * difficulty
    ahead = [
        (rng.uniform(0.25, 0.3), middle + rng.uniform(0.02, bend + 0.02)),
        (rng.uniform(0.42, 0.5), rng.uniform(0.26, 0.3) + bend),
        (rng.uniform(0.18, 0.24) - 0.5 * bend, rng.uniform(0.42, 0.47)),
    ]
    given = timed([(0.0, start), (0.0, middle)], 0.0, parts * duration)
    later = timed([(0.0, middle), *((mirror * x, y) for x, y in ahead)], parts * duration, END * duration)
    line = tuple((t, *turned(quarter, x, y)) for t, x, y in (*given, *later[1:]))
    old = _older(rng, quarter, colours[1:])
    leave = 0.36
    return Layout(
        aspect=aspect,
        duration=duration,
        trial=trial,
        line=line,
        parts=parts * duration,
        old=old,
        colour=colours[0],
        wall=rng.choice([w for w in WALLS if w in palette.stage_colours(split)] or ["mauve"]),
        board=rng.choice([b for b in BOARDS if b in palette.stage_colours(split)]),
        texture=rng.choice(TEXTURES),
        side=side,
        leave=leave * duration,
        back=(leave + 0.28 + 0.06 * difficulty) * duration,
        look=look,
        texture_seed=seed,
        tool=tool,
        surface=surface,
    )


def test_only(layout: Layout) -> bool:
    """Does it show a colour that no training clip ever shows?"""
    shown = {layout.colour, *(colour for *_, colour in layout.old)}
    return bool(shown & set(palette.colours("test"))) or layout.board in palette.stage_colours("test")


def actions(layout: Layout, frames: int, fps: float) -> tuple[str, ...]:
    """The brush's command of every frame."""
    return tuple(action(layout, t / fps) for t in range(frames))


def place_word(x: float, y: float) -> str:
    """Where on the canvas a place is: `the upper left`, `the middle`, ..."""
    column = COLUMNS[min(max(int(1.5 * (x / HALF + 1.0)), 0), 2)]
    row = ROWS[min(max(int(1.5 * (y / HALF + 1.0)), 0), 2)]
    if column == row:
        return "the middle"
    return f"the {row if row != 'middle' else ''} {column if column != 'middle' else 'middle'}".replace(
        "  ", " "
    )


def prompt(layout: Layout) -> str:
    """What can be seen at the start, and the commands: where the brush goes, what passes, what the camera
    does; never what is on the canvas afterwards."""
    first, second = (colour for *_, colour in layout.old)
    ways = [place_word(x, y) for t, x, y in layout.line if t > layout.parts + 1e-9]
    told = [w for i, w in enumerate(ways) if i == 0 or w != ways[i - 1]]
    left, right = ("left", "right") if layout.side > 0 else ("right", "left")
    where = f"A white canvas in a brown frame on a {layout.wall} wall"
    square = "the canvas"
    if layout.surface == "wall":
        where = f"A white wall with {_a(layout.wall)} foot and a square of {layout.wall} battens"
        square = "the square of battens"
    tool = f"{_a(layout.colour).capitalize()} brush paints on the {layout.surface}."
    if layout.tool == "cursor":
        tool = f"A dark cursor paints on the {layout.surface} in {layout.colour}."
    words = [
        f"{where}, with {_a(first)} and {_a(second)} stroke.",
        tool,
        f"It goes on painting to {', then to '.join(told)} of {square}.",
        f"The camera moves to the {right}.",
    ]
    if layout.trial == "passer":
        words.append(f"{_a(layout.board).capitalize()} board passes in front from {left} to {right}.")
    else:
        words.append(f"Meanwhile it turns {left} and back again.")
    return " ".join(words)


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def drawn(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Layout:
    """The layout that `build` shows; options are those of `sample` (trial, branch, aspect, parts, split)."""
    chosen: dict[str, object] = {
        "split": "train",
        "trial": TRIALS[math.floor(seed) % 2],
        "branch": math.floor(seed / 2) % 2,
        **options,
    }
    return sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen)  # type: ignore[arg-type]


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One canvas; options are those of `drawn`."""
    return stage(drawn(seed, duration, look, difficulty, **options))
