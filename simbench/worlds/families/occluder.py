"""Occluder: objects slide along rails behind a wall, a curtain, a tunnel or under a cup, and come out or not.

`sample` draws a `Layout`, the free parameters of the law; `stage` builds its scene. Trials: `exit` and
`stay` are one draw that differs in the post alone; `two`, `swap` and `container` are draws of their
own. `hidden=False` takes the occluder away and changes nothing else.
"""

from __future__ import annotations

import dataclasses
import math
import random

from simbench.errors import UserError
from simbench.worlds.families._occluder_law import (
    BACKDROPS,
    COLOURS,
    MARGIN,
    OCCLUDERS,
    POST,
    POST_SHOWS,
    SCREENS,
    SHAPES,
    TEST_COLOURS,
    TRIALS,
    Cup,
    Lane,
    Layout,
    centre,
    from_facts,
    hide_times,
    lane_name,
    mirror,
    place,
    stop_time,
    to_facts,
)
from simbench.worlds.families._occluder_look import rgb, stage
from simbench.worlds.scene import Scene

__all__ = [
    "BACKDROPS",
    "COLOURS",
    "MARGIN",
    "OCCLUDERS",
    "POST",
    "POST_SHOWS",
    "SCREENS",
    "SHAPES",
    "TEST_COLOURS",
    "TRIALS",
    "Cup",
    "Lane",
    "Layout",
    "build",
    "centre",
    "from_facts",
    "hide_times",
    "lane_name",
    "mirror",
    "place",
    "prompt",
    "sample",
    "stage",
    "stop_time",
    "test_only",
    "to_facts",
]


def sample(
    seed: int,
    trial: str = "exit",
    hidden: bool = True,
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    diameter: float = 0.25,
    split: str = "all",
) -> Layout:
    """Draw one layout. `exit` and `stay`, hidden or not, of one seed are the same draw."""
    if trial not in TRIALS:
        raise UserError(f"trial={trial} is not one of {', '.join(TRIALS)}")
    if not 0.0 <= difficulty <= 1.0:
        raise UserError(f"difficulty={difficulty:g} is outside 0..1")
    rng = random.Random(f"occluder:{seed}:{'crossed' if trial in ('exit', 'stay') else trial}")
    span = aspect * (1 - 2 * MARGIN) - diameter
    width = _width(rng, span, diameter, difficulty, aspect)
    centre = (rng.random() - 0.5) * 0.8 * (span - diameter - width)
    occluder = rng.choice(OCCLUDERS if split != "train" else OCCLUDERS[:2])
    if trial in ("swap", "container"):
        occluder = "wall"
    count = {"two": 2, "swap": 2, "container": 1}.get(trial, 1 + int(rng.random() * (1 + 4 * difficulty)))
    heights = _heights(rng, min(count, 5), diameter, occluder)
    lanes = _lanes(rng, heights, centre, width, span, duration, diameter, split)
    cup = None
    if trial == "swap":
        lanes = _crossing(lanes, span, diameter)
    if trial == "container":
        lanes, cup = _container(rng, lanes[0], span, duration, diameter)
    post = _post_place(rng, centre, width, diameter)
    layout = Layout(
        aspect=aspect,
        duration=duration,
        diameter=diameter,
        lanes=lanes,
        occluder=occluder,
        screen=_screen_span(occluder, centre, width, heights, diameter),
        post=post if trial == "stay" else None,
        cup=cup,
        hidden=hidden,
        backdrop=rng.choice(tuple(BACKDROPS)),
        screen_colour=rng.choice(tuple(SCREENS)),
        look=look,
        texture_seed=seed,
    )
    return mirror(layout) if rng.random() < 0.5 else layout


def _width(rng: random.Random, span: float, diameter: float, difficulty: float, aspect: float) -> float:
    """Width of the screen: what hides the object whole, up to what leaves it whole on both sides."""
    widest = span - diameter - 0.005
    narrowest = diameter + 0.07
    if widest < narrowest:
        raise UserError(
            f"an object of {diameter:g} image heights leaves no room behind a screen at aspect {aspect:g};"
            f" use a larger or wider image"
        )
    return narrowest + (widest - narrowest) * (0.1 + 0.7 * difficulty + 0.2 * rng.random())


def _post_place(rng: random.Random, centre: float, width: float, diameter: float) -> tuple[float, float]:
    """Left and right edge of a post behind the screen that stops an object out of sight."""
    thick = min(0.08, width - diameter - 0.01)
    low = centre - width / 2 + diameter + 0.004
    near = low + rng.random() * max(0.0, centre + width / 2 - 0.004 - thick - low)
    return near, near + thick


def _crossing(lanes: tuple[Lane, ...], span: float, diameter: float) -> tuple[Lane, ...]:
    """Two lanes on sloping rails that meet behind the screen, one before the other in depth."""
    first, second = lanes
    rise = second.v - first.v
    return (
        dataclasses.replace(first, dv=rise * first.du / span, z=0.55 * diameter),
        dataclasses.replace(second, dv=-rise * second.du / span, z=-0.55 * diameter),
    )


def _heights(rng: random.Random, count: int, diameter: float, occluder: str) -> list[float]:
    low = -0.5 + MARGIN + diameter / 2
    high = 0.5 - MARGIN - POST_SHOWS - diameter / 2 + 0.04
    room = max(1, 1 + int((high - low) / (1.2 * diameter)))
    count = min(count, room)
    if count == 1:
        heights = [low + rng.random() * (high - low)]
    else:
        gap = (high - low) / (count - 1)
        heights = [low + i * gap for i in range(count)]
    rng.shuffle(heights)
    return [-h for h in heights] if occluder == "curtain" else heights


def _screen_span(
    occluder: str, centre: float, width: float, heights: list[float], diameter: float
) -> tuple[float, float, float, float]:
    edge = 0.5 - POST_SHOWS - 0.02
    left, right = centre - width / 2, centre + width / 2
    if occluder == "wall":
        return left, right, -0.8, edge
    if occluder == "curtain":
        return left, right, -edge, 0.8
    reach = diameter / 2 + 0.035
    return left, right, min(heights) - reach, max(heights) + reach


def _lanes(
    rng: random.Random,
    heights: list[float],
    centre: float,
    width: float,
    span: float,
    duration: float,
    diameter: float,
    split: str,
) -> tuple[Lane, ...]:
    names = list(COLOURS if split == "train" else COLOURS + TEST_COLOURS)
    rng.shuffle(names)
    shapes = SHAPES if split != "train" else SHAPES[:2]
    chosen: list[str] = []
    for name in names:
        if all(math.dist(rgb(name), rgb(other)) > 0.55 for other in chosen):
            chosen.append(name)
    if len(chosen) < len(heights):
        chosen += [name for name in names if name not in chosen]
    lanes = []
    for v, colour in zip(heights, chosen, strict=False):
        slack = max(0.0, centre - width / 2 - diameter / 2 + span / 2)
        start = -span / 2 + 0.5 * slack * rng.random()
        out = (0.52 + 0.13 * rng.random()) * duration
        lanes.append(Lane(colour, rng.choice(shapes), start, v, (centre + width / 2 - start) / out))
    return tuple(lanes)


def _container(
    rng: random.Random, lane: Lane, span: float, duration: float, diameter: float
) -> tuple[tuple[Lane, ...], Cup]:
    height = -0.5 + MARGIN + diameter / 2 + 0.02 + 0.05 * rng.random()
    half = diameter / 2 + 0.02
    touch = (0.42 + 0.06 * rng.random()) * duration
    drop = 2 * half + 0.02 + 0.05 * rng.random()
    cup = Cup(height + drop, drop / touch, touch)
    move = span * (0.55 + 0.4 * rng.random())
    u = -span / 2 + rng.random() * (span - move)
    return (dataclasses.replace(lane, u=u, v=height, du=move / duration, dv=0.0, z=0.0),), cup


def test_only(layout: Layout) -> bool:
    """Does it show a colour, shape or screen that no training clip ever shows?"""
    looks = {lane.colour for lane in layout.lanes} & set(TEST_COLOURS)
    shapes = {lane.shape for lane in layout.lanes} & set(SHAPES[2:])
    return bool(looks or shapes) or layout.occluder == "tunnel"


def prompt(layout: Layout, telling: bool = False) -> str:
    """What can be seen at the start, the command, and (only if `telling`) how it ends; never the event log.

    `read_prompt` is its inverse up to what the words leave open.
    """
    words = (
        [f"A plain {layout.backdrop} backdrop."] if layout.look == "plain" else ["A toy stage with a wall."]
    )
    name = "cup" if layout.cup is not None else layout.occluder
    if layout.hidden and layout.cup is None:
        words.append(f"A {layout.screen_colour} {name} stands in the middle.")
    if layout.post is not None:
        behind = f" behind the {name} and shows {'below' if name == 'curtain' else 'above'} it"
        words.append(f"A black post stands{behind if layout.hidden else ' in the middle'}.")
    for lane in layout.lanes:
        side = "right" if lane.du > 0 else "left"
        slope = "" if lane.dv == 0 else (" that climbs" if lane.dv > 0 else " that falls")
        height = "upper" if lane.v > 0.08 else "lower" if lane.v < -0.08 else "middle"
        words.append(
            f"A {lane.colour} {lane.shape} on a rail{slope} in the {height} part slides to the {side}."
        )
    if layout.hidden and layout.cup is not None:
        words.append(
            f"A {layout.screen_colour} cup moving along with it comes down to the rail and lifts again."
        )
    if telling:
        words.append("The post stops it." if layout.post is not None else "It comes out again.")
    words.append("The camera stands still.")
    return " ".join(words)


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One occluder scene; options are those of `sample` (trial, hidden, aspect, diameter, split)."""
    defaults: dict[str, object] = {"diameter": 0.16}
    chosen = {**defaults, **options}
    return stage(sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen))  # type: ignore[arg-type]
