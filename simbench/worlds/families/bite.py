"""Bite: a round tool snaps at a soft solid, which keeps every bite; then a screen or a turn hides it.

`sample` draws a `Layout`. The layouts of one seed differ in `touch` (the snaps reach the solid, or stop just
short of it) and in `way` (what hides it), and in nothing else.
"""

from __future__ import annotations

import math
import random

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._bite_law import (
    SIZES,
    TABLE,
    WAYS,
    Hole,
    Layout,
    centre_of,
    depth,
    from_facts,
    height_of,
    holes,
    snap,
    struck,
    to_facts,
    tool_at,
)
from simbench.worlds.families._bite_look import lifted, project, screen_at, stage
from simbench.worlds.scene import Scene

__all__ = [
    "BITES",
    "SIZES",
    "TABLE",
    "WAYS",
    "Hole",
    "Layout",
    "actions",
    "build",
    "centre_of",
    "colours",
    "depth",
    "drawn",
    "from_facts",
    "height_of",
    "holes",
    "lifted",
    "project",
    "prompt",
    "sample",
    "screen_at",
    "snap",
    "stage",
    "struck",
    "test_only",
    "to_facts",
    "tool_at",
]

BITES = 2
LATEST = 0.92
TEST_SOLIDS = ("cube",)


def colours(split: str = "all") -> tuple[str, ...]:
    """Colours that a solid may have: yellow is too near to what is inside."""
    return tuple(c for c in palette.colours(split) if c != "yellow")


def sample(
    seed: int,
    touch: bool = True,
    way: str = "any",
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    solid: str = "any",
    given: int = 5,
    step: float = 0.125,
    split: str = "all",
) -> Layout:
    """Draw one layout for clips of frames `step` seconds apart, of which the first `given` show no snap.

    Snaps fall on frames. Difficulty makes bites smaller, misses nearer and hiding longer. Raises UserError
    for unknown solids and ways, and where nothing would be left to see after the hiding.
    """
    rng = random.Random(f"bite:{seed}")
    known = tuple(SIZES) if split != "train" else tuple(s for s in SIZES if s not in TEST_SOLIDS)
    kinds = {"solid": (solid, tuple(SIZES), rng.choice(known)), "way": (way, WAYS, rng.choice(WAYS))}
    for option, (value, allowed, _) in kinds.items():
        if value not in ("any", *allowed):
            raise UserError(f"{option}={value} is unknown; use any or one of {', '.join(allowed)}")
    solid, way = (drawn if value == "any" else value for value, _, drawn in kinds.values())
    times, hide = _schedule(duration, step, given, difficulty)
    first, sign = rng.uniform(15.0, 35.0), rng.choice((-1, 1))
    angles = [sign * math.radians(first), -sign * math.radians(rng.uniform(68.0, 92.0))]
    rng.shuffle(angles)
    return Layout(
        solid=solid,
        aspect=aspect,
        duration=duration,
        times=times,
        angles=tuple(angles),
        touch=touch,
        way=way,
        side=rng.choice((-1, 1)),
        place=rng.uniform(-0.12, 0.12),
        yaw=rng.uniform(-0.7, 0.7) if solid == "cube" else 0.0,
        radius=rng.uniform(0.33, 0.37) - 0.04 * difficulty,
        gap=0.11 - 0.05 * difficulty,
        colour=rng.choice(colours(split)),
        leave=hide[0],
        gone=hide[1],
        come=hide[2],
        back=hide[3],
        look=look,
        texture_seed=seed,
    )


def _schedule(
    duration: float, step: float, given: int, difficulty: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """When it snaps (on frames), and when hiding begins, is complete, ends to be complete, is over."""
    last = round(duration / step)
    apart = max(2, round(0.125 * last))
    first = max(given + 2, math.ceil(0.4 * last))
    snaps = [first + k * apart for k in range(BITES)]
    leave = snaps[-1] + 0.75 * apart
    come = leave + (0.11 + 0.08 * difficulty) * last
    hide = (leave, leave + 0.07 * last, come, come + 0.07 * last)
    if hide[-1] > LATEST * last:
        raise UserError(
            f"{given} given of {last + 1} frames leave nothing to see at the end;"
            " use fewer given frames or more in all"
        )
    return tuple(f * duration / last for f in snaps), tuple(f * duration / last for f in hide)


def test_only(layout: Layout) -> bool:
    """Does it show a colour or a solid that no training clip ever shows?"""
    return layout.solid in TEST_SOLIDS or layout.colour in palette.colours("test")


def actions(layout: Layout, frames: int, fps: float) -> tuple[str, ...]:
    """What is commanded in each frame: where the tool is (shares of the image from the left and the top),
    whether it snaps, where the screen's middle is or how far the table has turned."""
    heart = centre_of(layout)
    told = []
    for t in range(frames):
        time = t / fps
        x, y, z = (p + q for p, q in zip(tool_at(layout, time), heart, strict=True))
        u, v = project(layout, (x, y, z))
        word = "snap" if any(abs(time - s) < 0.5 / fps for s in layout.times) else "open"
        if layout.way == "screen":
            other = f"screen {0.5 + screen_at(layout, time):.2f}"
        else:
            share = min(max((time - layout.leave) / (layout.back - layout.leave), 0.0), 1.0)
            other = f"table {layout.side * 360 * share:.0f}"
        told.append(f"tool {u:.3f} {v:.3f} {word} {other}")
    return tuple(told)


def prompt(layout: Layout, telling: bool = False) -> str:
    """What can be seen at the start and the command in words; only if `telling` what comes of it."""
    heart = centre_of(layout)
    article = "an" if layout.colour[0] in "aeiou" else "a"
    snaps = []
    for time, angle in zip(layout.times, layout.angles, strict=True):
        x, y, z = (p + q for p, q in zip(snap(layout, angle, layout.touch), heart, strict=True))
        u, v = project(layout, (x, y, z))
        snaps.append(f"at {time:.2f} s with its centre at {u:.3f}, {v:.3f}")
    words = [
        f"On a brown square table: {article} {layout.colour} {layout.solid}, soft and cream inside.",
        "Beside it a round blue-grey tool, which takes out what it closes on.",
        f"The tool snaps {' and '.join(snaps)} (shares of the image from the left and from the top).",
    ]
    if layout.way == "screen":
        side = "right" if layout.side > 0 else "left"
        words.append(f"Then a screen slides in from the {side} before the {layout.solid} and away again.")
    else:
        words.append("Then the table turns once around.")
    words.append("The camera stands still.")
    if telling:
        words.append("Both snaps reach it." if layout.touch else "No snap reaches it.")
    return " ".join(words)


def drawn(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Layout:
    """The layout that `build` shows; options are those of `sample` (touch, way, solid, ...)."""
    chosen: dict[str, object] = {"split": "train", "step": duration / 16, "touch": seed % 4 != 3, **options}
    return sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen)  # type: ignore[arg-type]


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One scene; options are those of `drawn`."""
    return stage(drawn(seed, duration, look, difficulty, **options))
