"""Scripted cheats and damage for footprints: other prints under the same boots, and pictures of none.

Each acts from the first generated frame on. Most are other prints, frame by frame; the rest spoil pixels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Case, Setting
from simbench.suite import Reference
from simbench.video import Video
from simbench.worlds.families import footprints
from simbench.worlds.families.footprints import Layout, Spot
from simbench.worlds.film import render_scene

Edit = Callable[["Story", float], np.ndarray]
"""Story, strength -> frames uint8 [T, H, W, 3], the given ones as they were."""
Print = tuple[float, float, float]


@dataclass(frozen=True)
class Story:
    """What a cheat knows: the case's layout, the setting and a seed."""

    layout: Layout
    setting: Setting
    seed: int

    @property
    def now(self) -> float:
        """The moment of the last given frame."""
        return (self.setting.context - 1) / self.setting.fps

    @property
    def old(self) -> tuple[Print, ...]:
        """The prints of which the boots stood by then."""
        return tuple(p for p in self.layout.prints if p[0] <= self.now + 1e-9)

    @property
    def new(self) -> tuple[Print, ...]:
        """All others."""
        return self.layout.prints[len(self.old) :]


@lru_cache(maxsize=2)
def _rendered(layout: Layout, setting: Setting) -> np.ndarray:
    out = render_scene(footprints.stage(layout), setting)
    out.setflags(write=False)
    return out


def truth(layout: Layout, setting: Setting) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a layout; the last two are kept."""
    return _rendered(layout, setting).copy()


def printed(story: Story, prints: tuple[Print, ...]) -> np.ndarray:
    """The given frames, then those with other prints."""
    out = truth(story.layout, story.setting)
    frames = range(story.setting.context, story.setting.frames)
    scene = footprints.stage(dataclasses.replace(story.layout, prints=prints))
    out[story.setting.context :] = render_scene(scene, story.setting, frames)
    return out


def by_frame(story: Story, prints_of: Callable[[float], tuple[Print, ...]]) -> np.ndarray:
    """The given frames, then each frame with the prints that its time has, whenever they were made."""
    out, s = truth(story.layout, story.setting), story.setting
    for t in range(s.context, s.frames):
        prints = tuple((0.0, x, y) for _, x, y in prints_of(t / s.fps))
        scene = footprints.stage(dataclasses.replace(story.layout, prints=prints))
        out[t] = render_scene(scene, s, [t])[0]
    return out


def _off(prints: tuple[Print, ...], by: Spot) -> tuple[Print, ...]:
    return tuple((t, x + by[0], y + by[1]) for t, x, y in prints)


def hold(story: Story, strength: float) -> np.ndarray:
    """No new prints."""
    return printed(story, story.old)


def none(story: Story, strength: float) -> np.ndarray:
    """No prints at all."""
    return printed(story, ())


def ahead(story: Story, strength: float) -> np.ndarray:
    """All prints are there before the boots come."""
    return printed(story, tuple((0.0, x, y) for _, x, y in story.layout.prints))


def reversed_order(story: Story, strength: float) -> np.ndarray:
    """The farthest first."""
    times = [t for t, _, _ in story.new]
    spots = [p[1:] for p in story.new[::-1]]
    return printed(story, story.old + tuple((t, *s) for t, s in zip(times, spots, strict=True)))


def fade(story: Story, strength: float) -> np.ndarray:
    """A print is gone a sixteenth of the clip after it was left."""
    life = 1.9 / footprints.STEPS * story.layout.duration
    return by_frame(story, lambda t: tuple(p for p in story.layout.prints if t - life <= p[0] <= t + 1e-9))


def attached(story: Story, strength: float) -> np.ndarray:
    """Prints go with the boots: they show beside them and nowhere else."""

    def prints(t: float) -> tuple[Print, ...]:
        """Behind each boot."""
        places = footprints.boots(story.layout, t)
        return tuple((0.0, x, y + way * 0.13) for (x, y), way in zip(places, (1, -1), strict=True))

    return by_frame(story, prints)


def beside(story: Story, strength: float) -> np.ndarray:
    """New prints are left beside the boots."""
    return printed(story, story.old + _off(story.new, (0.0, 0.14 if story.seed % 2 else -0.14)))


def everywhere(story: Story, strength: float) -> np.ndarray:
    """The ground is full of prints."""
    grid = np.linspace(-0.4, 0.4, 9)
    full = tuple((0.0, float(x), float(y)) for x in grid for y in grid)
    return printed(story, story.layout.prints + full)


def trampled(story: Story, strength: float) -> np.ndarray:
    """Each step leaves a second print elsewhere."""
    dice = np.random.default_rng(story.seed)
    spots = np.array(story.layout.spots)
    more: list[Print] = []
    for _ in range(2 * len(story.new)):
        for _ in range(200):
            x, y = (0.1 * int(v) for v in dice.integers(-4, 5, 2))
            if np.hypot(spots[:, 0] - x, spots[:, 1] - y).min() > 0.13 and (x, y) not in [
                m[1:] for m in more
            ]:
                more.append((story.now, x, y))
                break
    return printed(story, story.layout.prints + tuple(more))


def reset(story: Story, strength: float) -> np.ndarray:
    """Fresh ground after the panel; in the open the prints go when the boots do."""
    gone = footprints.PANEL[0] * story.layout.duration
    return by_frame(story, lambda t: tuple(p for p in story.layout.prints if p[0] <= t + 1e-9 and t < gone))


def forgets_covered(story: Story, strength: float) -> np.ndarray:
    """Under the panel the new prints are forgotten; in the open all is true."""
    if not story.layout.covered:
        return truth(story.layout, story.setting)
    gone = footprints.PANEL[1] * story.layout.duration
    lost = round(strength * len(story.new))
    kept = story.layout.prints[: len(story.layout.prints) - lost]
    return by_frame(
        story, lambda t: tuple(p for p in (story.layout.prints if t < gone else kept) if p[0] <= t + 1e-9)
    )


def wiped(story: Story, strength: float) -> np.ndarray:
    """What was there is gone; only new prints are left."""
    return printed(story, story.new)


def mirrored(story: Story, strength: float) -> np.ndarray:
    """New prints on the other side of the way."""
    swap = tuple((t, x, -y) for t, x, y in story.new)
    return printed(story, story.old + swap)


def scattered(story: Story, strength: float) -> np.ndarray:
    """As many prints, anywhere."""
    places = np.random.default_rng(story.seed).uniform(-0.4, 0.4, (len(story.new), 2)).tolist()
    wild = tuple((t, x, y) for (t, _, _), (x, y) in zip(story.new, places, strict=True))
    return printed(story, story.old + wild)


def at_the_end(story: Story, strength: float) -> np.ndarray:
    """All new prints come when the boots have gone."""
    end = 13 / footprints.STEPS * story.layout.duration
    return printed(story, story.old + tuple((end, x, y) for _, x, y in story.new))


def all_at_once(story: Story, strength: float) -> np.ndarray:
    """All new prints come together, halfway through what is left of the walk."""
    half = story.new[len(story.new) // 2][0]
    return printed(story, story.old + tuple((half, x, y) for _, x, y in story.new))


def freeze(story: Story, strength: float) -> np.ndarray:
    """The last given frame for ever."""
    out = truth(story.layout, story.setting)
    out[story.setting.context :] = out[story.setting.context - 1]
    return out


def noise(story: Story, strength: float) -> np.ndarray:
    """Independent noise after the given frames."""
    out = truth(story.layout, story.setting)
    later = out[story.setting.context :]
    later[:] = np.random.default_rng(story.seed).integers(0, 256, later.shape, dtype=np.uint8)
    return out


def blank(story: Story, strength: float) -> np.ndarray:
    """Grey after the given frames."""
    out = truth(story.layout, story.setting)
    out[story.setting.context :] = 128
    return out


def faint(story: Story, strength: float) -> np.ndarray:
    """Prints that lack `strength` of their darkness."""
    mixed = (1.0 - strength) * truth(story.layout, story.setting) + strength * none(story, 1.0)
    out = truth(story.layout, story.setting)
    later = slice(story.setting.context, None)
    out[later] = np.rint(mixed)[later]
    return out


def pale(story: Story, strength: float) -> np.ndarray:
    """Prints of a quarter of their darkness."""
    return faint(story, 0.75)


CHEATS: Mapping[str, Edit] = {
    "hold": hold,
    "none": none,
    "ahead": ahead,
    "reversed_order": reversed_order,
    "fade": fade,
    "attached": attached,
    "beside": beside,
    "everywhere": everywhere,
    "trampled": trampled,
    "reset": reset,
    "forgets_covered": forgets_covered,
    "wiped": wiped,
    "mirrored": mirrored,
    "scattered": scattered,
    "at_the_end": at_the_end,
    "all_at_once": all_at_once,
    "freeze": freeze,
    "noise": noise,
    "blank": blank,
    "pale": pale,
}


def lacking(story: Story, strength: float) -> np.ndarray:
    """Each new print lacks with probability `strength`; what lacks at one lacks at any larger."""
    chance = np.random.default_rng(story.seed).random(len(story.new))
    kept = tuple(p for p, c in zip(story.new, chance, strict=True) if c >= strength)
    return printed(story, story.old + kept)


def late(story: Story, strength: float) -> np.ndarray:
    """New prints come `strength` steps late."""
    tick = story.layout.duration / footprints.STEPS
    return printed(story, story.old + tuple((t + strength * tick, x, y) for t, x, y in story.new))


def astray(story: Story, strength: float) -> np.ndarray:
    """New prints lie `strength` short sides off."""
    dice = np.random.default_rng(story.seed)
    angles = dice.uniform(0.0, 2.0 * np.pi, len(story.new))
    moved = tuple(
        (t, x + strength * float(np.cos(a)), y + strength * float(np.sin(a)))
        for (t, x, y), a in zip(story.new, angles, strict=True)
    )
    return printed(story, story.old + moved)


DAMAGES: Mapping[str, tuple[Edit, str, float, float, float, float, float]] = {
    "lacking": (lacking, "in probability", 0.05, 0.1, 0.2, 0.3, 0.5),
    "late": (late, "steps", 2.0, 3.0, 4.0, 6.0, 8.0),
    "astray": (astray, "short sides", 0.02, 0.04, 0.06, 0.08, 0.12),
    "faint": (faint, "of the darkness lacking", 0.15, 0.3, 0.45, 0.6, 1.0),
    "forgets": (forgets_covered, "of the prints while covered", 0.2, 0.4, 0.6, 0.8, 1.0),
}


def reference(edit: Edit, setting: Setting, strength: float = 1.0) -> Reference:
    """An edit as a reference of a suite."""

    def make(case: Case) -> Video:
        """The cheat's clip of a case."""
        layout = footprints.from_facts(case.truth.facts["layout"])
        return Video(edit(Story(layout, setting, case.world_seed), strength), setting.fps)

    return make
