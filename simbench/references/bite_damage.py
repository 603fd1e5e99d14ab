"""Damage of growing strength for bite worlds: the truth, spoilt in one way.

Strength 0 is the truth itself. All kinds but `alarm` spoil what is bitten and leave near-misses as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from simbench.case import Case, Setting
from simbench.references.bite import Story, bites_always, eaten, kept, sized, story_of, turned, untouched
from simbench.suite import Damage
from simbench.video import Video
from simbench.worlds.families import bite


def healing(story: Story, strength: float) -> np.ndarray:
    """While hidden each bite loses `strength` of its radius."""
    if not story.layout.touch:
        return kept(story)
    smaller = tuple(h for h in sized(story, 1.0 - strength) if h[3] > 0)
    return eaten(story, lambda t: smaller, story.back)


def growth(story: Story, strength: float) -> np.ndarray:
    """Bites of 1 + `strength` times the radius."""
    wide = sized(story, 1.0 + strength)
    return eaten(story, lambda t: story.due(t, wide)) if story.layout.touch else kept(story)


def place(story: Story, strength: float) -> np.ndarray:
    """Bites `strength` radians further around, away from each other."""
    other = turned(story, strength)
    return eaten(story, lambda t: story.due(t, other)) if story.layout.touch else kept(story)


def delay(story: Story, strength: float) -> np.ndarray:
    """Bites come `strength` seconds after their snap, or by the end of the hiding."""
    frames = strength * story.setting.fps
    if not story.layout.touch:
        return kept(story)
    return eaten(story, lambda t: story.meant if t >= story.back else story.due(int(np.floor(t - frames))))


def _dice(story: Story, word: int) -> float:
    way = bite.WAYS.index(story.layout.way)
    return float(np.random.default_rng([story.seed, word, way]).uniform())


def loss(story: Story, strength: float) -> np.ndarray:
    """Nothing is bitten with probability `strength`; what is lost at one is lost at any larger."""
    return untouched(story) if story.layout.touch and _dice(story, 1) < strength else kept(story)


def alarm(story: Story, strength: float) -> np.ndarray:
    """A miss is bitten with probability `strength`."""
    return bites_always(story) if not story.layout.touch and _dice(story, 2) < strength else kept(story)


DAMAGES: Mapping[str, tuple[Callable[[Story, float], np.ndarray], str, tuple[float, ...]]] = {
    "healing": (healing, "of the radius", (0.0, 0.2, 0.35, 0.5, 0.7, 1.0)),
    "growth": (growth, "radii more", (0.0, 0.2, 0.35, 0.5, 0.75, 1.0)),
    "place": (place, "radians", (0.0, 0.15, 0.3, 0.5, 0.8, 1.2)),
    "delay": (delay, "s", (0.0, 0.125, 0.25, 0.375, 0.5, 1.0)),
    "loss": (loss, "in probability", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    "alarm": (alarm, "in probability", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
}


def damages(setting: Setting, context: int) -> Mapping[str, Damage]:
    """Every kind of damage; strength 0 is the truth byte for byte."""

    def damage(
        spoil: Callable[[Story, float], np.ndarray], unit: str, strengths: tuple[float, ...]
    ) -> Damage:
        """One kind, as the proofs ask for it."""

        def make(case: Case, strength: float) -> Video:
            """The damaged clip of a case."""
            story = story_of(case, setting, context)
            return Video(spoil(story, strength) if strength else kept(story), setting.fps)

        return Damage(make, unit, strengths)

    return {name: damage(*kind) for name, kind in DAMAGES.items()}
