"""Footprints: two boots walk over snow or sand and leave a print wherever one stood; a panel may come and go.

Places are (x, y) in short sides of the image from its centre, x right and y up, on ground seen from above.
The boots take turns, one step in each sixteenth of the clip, so in frames on those moments both stand.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from simbench.worlds import palette
from simbench.worlds.families._occluder_law import COLOURS, SCREENS, TEST_COLOURS
from simbench.worlds.families._push_look import along
from simbench.worlds.scene import Body, Camera, Event, Light, Material, Paint, Scene, Vec, constant, rest

STEPS = 16
"""Steps in a clip, those out of view included."""
SEEN = 10
"""Steps that are in view."""
STRIDE, APART, LONG = 0.095, 0.1, 0.2
"""Along the way from foot to foot, from the way's middle to a foot, and a stride out of view."""
BOOT, PRINT = 0.07, 0.05
PANEL = (0.6875, 0.75, 0.8125, 0.875)
"""Shares of the clip at which the panel comes, has covered, goes, is away: after the boots have left."""
EYE, TOP, HALF = 8.0, 0.04, 0.49
GROUNDS: dict[str, tuple[Vec, Vec]] = {
    "snow": ((0.90, 0.91, 0.93), (0.52, 0.55, 0.62)),
    "sand": ((0.84, 0.77, 0.62), (0.50, 0.43, 0.32)),
}
"""Colours of a ground and of prints in it."""

Spot = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """One walk: the boots stand on `spots` in turn, the k-th from k / STEPS of the clip on. `prints` are
    (seconds, x, y) marks. A panel from the top (`drop` = 1) or bottom comes after the walk where `covered`.
    """

    aspect: float
    duration: float
    spots: tuple[Spot, ...]
    prints: tuple[tuple[float, float, float], ...]
    covered: bool
    drop: int = 1
    ground: str = "snow"
    colours: tuple[str, str] = ("red", "blue")
    panel: str = "brown"
    look: str = "plain"
    texture_seed: int = 0

    @property
    def view(self) -> tuple[float, float]:
        """Width and height of the view in short sides."""
        return max(1.0, self.aspect), max(1.0, 1.0 / self.aspect)

    @property
    def back(self) -> float:
        """The moment from which everything is seen again, seconds."""
        return PANEL[3] * self.duration


def sample(
    seed: int,
    covered: bool = False,
    duration: float = 2.0,
    look: str = "plain",
    difficulty: float = 0.25,
    aspect: float = 1.0,
    split: str = "all",
) -> Layout:
    """Draw one layout; `difficulty` bends the way."""
    rng = random.Random(f"footprints:{seed}")
    side, phase = rng.choice((-1, 1)), rng.uniform(0.0, 2.0 * math.pi)
    lane, bend = rng.uniform(-0.1, 0.1), rng.uniform(0.5, 1.0) * (0.08 + 0.1 * difficulty)
    first = rng.choice((-1, 1))
    spots = []
    for k in range(STEPS + 1):
        at = -0.43 + STRIDE * min(k, SEEN - 1) + LONG * max(0, k - SEEN + 1)
        wave = bend * math.sin(5.0 * at + phase)
        spots.append((side * at, lane + wave + first * APART * (1 - 2 * (k % 2))))
    names = rng.choice([(c, c) for c in (COLOURS if split == "train" else COLOURS + TEST_COLOURS)])
    times = [k * duration / STEPS for k in range(len(spots))]
    return Layout(
        aspect=aspect,
        duration=duration,
        spots=tuple(spots),
        prints=tuple((t, *s) for t, s in zip(times, spots, strict=True))[:SEEN],
        covered=covered,
        drop=rng.choice((-1, 1)),
        ground=rng.choice(tuple(GROUNDS)),
        colours=names,
        panel=rng.choice(tuple(SCREENS)),
        look=look,
        texture_seed=seed,
    )


def boots(layout: Layout, time: float) -> tuple[Spot, Spot]:
    """Where both boots are at a time; the one that stepped last stands, the other is on its way."""
    out = []
    for foot in (0, 1):
        knots = _knots(layout, foot)
        here = knots[0][1:]
        for (t0, *a), (t1, *b) in pairwise(knots):
            if time >= t0:
                share = min(max((time - t0) / (t1 - t0), 0.0), 1.0) if t1 > t0 else 1.0
                here = (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
        out.append(here)
    return out[0], out[1]


def _knots(layout: Layout, foot: int) -> list[tuple[float, float, float]]:
    """(seconds, x, y) of one boot: it stands for a step and swings to its next spot in another."""
    tick = layout.duration / STEPS
    knots: list[tuple[float, float, float]] = []
    for k in range(foot, len(layout.spots), 2):
        land, lift = max(0.0, k * tick), (k + 1) * tick
        knots += [(0.0 if k == foot else land, *layout.spots[k]), (lift, *layout.spots[k])]
    return knots


def stage(layout: Layout) -> Scene:
    """The scene of a layout."""
    _, height = layout.view
    fov = math.degrees(2 * math.atan(0.5 * height / EYE))
    dark = GROUNDS[layout.ground][1]
    plain = layout.look == "plain"
    bodies = [_ground(layout), *_marks(layout)]
    for foot, word in enumerate(("left", "right")):
        coat = Material(constant(*palette.colours("all")[layout.colours[foot]]))
        motion = along(tuple(_knots(layout, foot)), TOP, (math.pi / 2, 0.0, 0.0))
        name, size = f"{word} boot", constant(BOOT, 0.03, BOOT)
        bodies.append(Body(name, "cylinder", size, motion, coat, "mover"))
    if layout.covered:
        bodies.append(_panel(layout))
    paints = tuple(Paint("ground", 2, 1, (mark,), PRINT, dark) for mark in layout.prints)
    events = [Event("print", t, ("left boot", "ground"), (x, y, 0.0)) for t, x, y in layout.prints]
    if layout.covered:
        events.append(Event("hide", PANEL[1] * layout.duration, ("ground", "panel")))
    return Scene(
        family="footprints",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=Camera(constant(0.0, 0.0, EYE), constant(0.0, 0.0, 0.0), fov),
        bodies=tuple(bodies),
        light=Light(shadow=False, ambient=1.0) if plain else Light(direction=constant(-0.35, 0.45, 1.0)),
        paints=paints,
        events=tuple(events),
        look=layout.look,
        tags={"objects": ["left boot", "right boot"]},
    )


def _ground(layout: Layout) -> Body:
    colour = GROUNDS[layout.ground][0]
    material = Material(constant(*colour))
    if layout.look != "plain":
        rng = random.Random(f"footprints ground:{layout.texture_seed}")
        shift = constant(rng.random(), rng.random(), rng.random())
        material = Material(
            constant(*colour), constant(*(0.93 * c for c in colour)), "noise", 0.1, offset=shift
        )
    width, height = layout.view
    return Body("ground", "box", constant(2 * width, 2 * height, 0.5), rest(0.0, 0.0, -0.5), material)


def _marks(layout: Layout) -> list[Body]:
    """Planks along the upper and lower edge and stakes on them, which tell how an image lies."""
    wood = Material(constant(0.52, 0.40, 0.30))
    width, height = layout.view
    out = []
    for way, name in ((-1, "lower"), (1, "upper")):
        y = way * 0.475 * height
        out.append(Body(f"{name} mark", "box", constant(2 * width, 0.015, 0.005), rest(0.0, y, 0.0), wood))
        for k, place in enumerate((-0.31, 0.12, 0.37)):
            half = constant(0.02, 0.035, 0.006)
            out.append(Body(f"{name} {k} mark", "box", half, rest(place * width, y, 0.0), wood))
    return out


def _panel(layout: Layout) -> Body:
    """A panel that waits beyond the edge of the view, slides over the ground and back."""
    wait = layout.drop * (0.5 * layout.view[1] + HALF + 0.05)
    times = [share * layout.duration for share in PANEL]
    stops = [(0.0, wait), *zip(times, (wait, 0.0, 0.0, wait), strict=True)]
    material = Material(constant(*SCREENS[layout.panel]))
    motion = along(tuple((t, 0.0, y) for t, y in stops), 0.2)
    return Body("panel", "box", constant(HALF, HALF, 0.02), motion, material, "occluder")


def fractions(layout: Layout, place: Spot) -> Spot:
    """A place as shares of the width from the left and of the height from the top."""
    width, height = layout.view
    return 0.5 + place[0] / width, 0.5 - place[1] / height


def test_only(layout: Layout) -> bool:
    """Does it show a colour that no training clip ever shows?"""
    return any(c in palette.colours("test") for c in layout.colours)


def actions(layout: Layout, frames: int, fps: float) -> tuple[str, ...]:
    """Where the boots stand in each frame, and how much the panel covers."""
    told = []
    for t in range(frames):
        words = [_place(layout, place) for place in boots(layout, t / fps)]
        share = cover(layout, t / fps)
        side = "top" if layout.drop > 0 else "bottom"
        panel = f"; panel from the {side} over {100 * share:.0f} % of the ground" if share > 0 else ""
        told.append(f"boots {words[0]} and {words[1]}{panel}")
    return tuple(told)


def cover(layout: Layout, time: float) -> float:
    """Share of the way from beside the ground to over it that the panel has gone at a time."""
    if not layout.covered:
        return 0.0
    leave, gone, come, back = (share * layout.duration for share in PANEL)
    coming, going = (time - leave) / (gone - leave), (time - come) / (back - come)
    return min(max(coming, 0.0), 1.0) - min(max(going, 0.0), 1.0)


def _place(layout: Layout, place: Spot) -> str:
    x, y = fractions(layout, place)
    return f"at {100 * x:.1f} % from the left, {100 * y:.1f} % from the top"


def prompt(layout: Layout, telling: bool = False) -> str:
    """What can be seen at the start, the command, and (only if `telling`) what is left."""
    tick = layout.duration / STEPS
    stops = [f"at {k * tick:.3g} s {_place(layout, s)}" for k, s in enumerate(layout.spots[: SEEN + 2])]
    side = "top" if layout.drop > 0 else "bottom"
    words = [
        f"{layout.ground.capitalize()} seen from above between two planks. Two {layout.colours[0]} boots walk"
        " over it.",
        f"In turn they step {'; '.join(stops)}.",
    ]
    if layout.covered:
        a, b, c, d = (share * layout.duration for share in PANEL)
        words.append(
            f"{'An' if layout.panel[0] == 'o' else 'A'} {layout.panel} panel slides over it from the {side}"
            f" from {a:.3g} s to {b:.3g} s, and away from {c:.3g} s to {d:.3g} s."
        )
    if telling:
        words.append("A dark print is left wherever a boot stood.")
    words.append("The camera stands still.")
    return " ".join(words)


def to_facts(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    return dataclasses.asdict(layout)


def from_facts(facts: Mapping[str, Any]) -> Layout:
    """The layout that `to_facts` wrote, also after a trip through JSON."""
    plain = dict(facts)
    plain["spots"] = tuple((float(x), float(y)) for x, y in plain["spots"])
    plain["prints"] = tuple((float(t), float(x), float(y)) for t, x, y in plain["prints"])
    plain["colours"] = tuple(plain["colours"])
    return Layout(**plain)


def drawn(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Layout:
    """The layout that `build` shows; options are those of `sample` (covered, aspect, split)."""
    chosen: dict[str, object] = {"split": "train", "covered": math.floor(seed) % 2 == 1, **options}
    return sample(seed, duration=duration, look=look, difficulty=difficulty, **chosen)  # type: ignore[arg-type]


def build(
    seed: int, duration: float = 2.0, look: str = "rich", difficulty: float = 0.25, **options: object
) -> Scene:
    """One scene of footprints; options are those of `drawn`."""
    return stage(drawn(seed, duration, look, difficulty, **options))
