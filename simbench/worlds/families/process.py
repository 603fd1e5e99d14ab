"""Process: a ball rolls, a hand turns, a tank fills, a candle burns down, a plant grows, lights change.

A curtain, the dark, or the camera that turns away hides it for a while. `sample` draws a `Layout`;
`case` 0 to 3 of one seed differ in the rate alone and have one state at the moment from which nothing
is seen. `hidden=False` takes the hiding away and changes nothing else.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from simbench.errors import UserError
from simbench.worlds import palette
from simbench.worlds.families._process_law import (
    CIRCULAR,
    CLOSING,
    LUMINOUS,
    ONE_WAY,
    OPENING,
    PROCESSES,
    TEST_PROCESSES,
    WAYS,
    Layout,
    Path,
    apart,
    from_facts,
    rate_of,
    state_at,
    steady,
    to_facts,
    ways,
    within,
)
from simbench.worlds.families._process_look import BACKDROPS, CURTAINS, HALF_WIDTH, stage
from simbench.worlds.scene import Scene

__all__ = [
    "BACKDROPS",
    "CASES",
    "CIRCULAR",
    "CURTAINS",
    "HALF_WIDTH",
    "LEAVE",
    "LUMINOUS",
    "ONE_WAY",
    "PROCESSES",
    "TEST_PROCESSES",
    "WAYS",
    "Layout",
    "Path",
    "apart",
    "build",
    "colours",
    "from_facts",
    "prompt",
    "rate_of",
    "rates",
    "sample",
    "stage",
    "state_at",
    "steady",
    "test_only",
    "to_facts",
    "ways",
    "within",
]

CASES = 4
LEAVE = 0.234
LATEST = 0.9
WORDS = {
    "ball": "On a rail with a stop at each end: {0} ball.",
    "clock": "On a white dial: {0} hand.",
    "tank": "In a glass tank under a tap: liquid, {1}, with a white float.",
    "candle": "On a dish: {0} candle with a flame.",
    "plant": "In a pot: a plant with {0} flower.",
    "lights": "Beside a traffic light: {0} bar that shows how much of its phase is left.",
}


def colours(process: str, split: str = "all") -> tuple[str, ...]:
    """Colours that the part of a process that changes may have."""
    avoided = {"candle": ("yellow", "orange"), "plant": ("green", "lime"), "lights": ("red", "green", "lime")}
    return tuple(c for c in palette.colours(split) if c not in avoided.get(process, ()))


def _among(option: str, value: str, known: Sequence[str], drawn: str) -> str:
    if value != "any" and value not in known:
        raise UserError(f"{option}={value} is unknown; use any or one of {', '.join(known)}")
    return drawn if value == "any" else value


def sample(
    seed: int,
    case: int = 0,
    hidden: bool = True,
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    process: str = "any",
    way: str = "any",
    leave: float = LEAVE,
    split: str = "all",
) -> Layout:
    """Draw one layout. `leave` is the share of the clip after which hiding begins; seconds otherwise.

    Raises UserError for unknown processes and ways and where the thing would come back too late.
    """
    if not 0 <= case < CASES:
        raise UserError(f"case={case} is outside 0..{CASES - 1}")
    rng = random.Random(f"process:{seed}")
    known = PROCESSES if split != "train" else tuple(p for p in PROCESSES if p not in TEST_PROCESSES)
    process = _among("process", process, PROCESSES, rng.choice(known))
    way = _among("way", way, ways(process), rng.choice(ways(process)))
    gone = leave + CLOSING
    come = gone + 0.25 + 0.2 * difficulty
    back = come + OPENING
    if back > LATEST:
        raise UserError(
            f"hiding that begins after {100 * leave:.0f} % of the clip ends after {100 * back:.0f} %,"
            f" the limit is {100 * LATEST:.0f} %; use fewer given frames or a lower difficulty"
        )
    chosen = rates(rng, process, difficulty)
    state = _state(rng, process)
    room = max(0.0, 0.5 * aspect - 0.06 - HALF_WIDTH[process])
    return Layout(
        process=process,
        aspect=aspect,
        duration=duration,
        path=steady(state, chosen[case] / duration, gone * duration, duration),
        way=way,
        hidden=hidden,
        side=rng.choice((-1, 1)),
        place=room * rng.uniform(-1.0, 1.0),
        colour=rng.choice(colours(process, split)),
        backdrop=rng.choice(tuple(BACKDROPS)),
        curtain=rng.choice(tuple(CURTAINS)),
        leave=leave * duration,
        gone=gone * duration,
        come=come * duration,
        back=back * duration,
        look=look,
        texture_seed=seed,
    )


def _a(word: str) -> str:
    """The word with its article, to stand after a colon or at a sentence's start."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def rates(rng: random.Random, process: str, difficulty: float) -> list[float]:
    """The four rates of a scene, states per clip, in random order.

    Two are above zero; the others below, or zero where the process goes one way. So zero is a median, and
    twice the largest rate stays within the range of the state but for a trifle.
    """
    ease = 1.06 - 0.24 * difficulty
    if process in ONE_WAY:
        fast, slow = rng.uniform(0.46, 0.56), rng.uniform(0.22, 0.28)
        found = [0.0, 0.0, slow, fast]
    else:
        found = [
            sign * rng.uniform(low, high)
            for sign in (-1.0, 1.0)
            for low, high in ((0.17, 0.22), (0.34, 0.40))
        ]
    rng.shuffle(found)
    return [ease * rate for rate in found]


def _state(rng: random.Random, process: str) -> float:
    """The state at the moment from which nothing is seen: what leaves room for all four rates."""
    if process in CIRCULAR:
        return rng.random()
    return rng.uniform(0.26, 0.34) if process in ONE_WAY else rng.uniform(0.47, 0.53)


def test_only(layout: Layout) -> bool:
    """Does it show a colour or a process that no training clip ever shows?"""
    return layout.process in TEST_PROCESSES or layout.colour in palette.colours("test")


def prompt(layout: Layout, telling: bool = False) -> str:
    """What can be seen at the start, the command, and (only if `telling`) the rate; never how it ends."""
    thing = WORDS[layout.process].format(_a(layout.colour), layout.colour)
    words = [f"A {layout.backdrop} wall and a table.", thing]
    side = "right" if layout.side > 0 else "left"
    still = "The camera stands still."
    if not layout.hidden:
        words.append(still)
    elif layout.way == "curtain":
        curtain = _a(layout.curtain).capitalize()
        words.append(f"{curtain} curtain at the {side} slides before it and away again. {still}")
    elif layout.way == "dark":
        words.append(f"The lights go out and on again. {still}")
    else:
        words.append(f"The camera turns {'left' if layout.side > 0 else 'right'} and back again.")
    if telling:
        rate = rate_of(layout)
        pace = "stands still" if rate == 0 else f"changes by {100 * rate:.0f} % of its range in a second"
        words.append(f"It {pace}.")
    return " ".join(words)


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One process scene; options are those of `sample` (case, hidden, aspect, process, way, leave, split)."""
    chosen: dict[str, object] = {"split": "train", "case": math.floor(seed) % CASES, **options}
    return stage(sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen))  # type: ignore[arg-type]
