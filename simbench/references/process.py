"""Scripted cheats and damage for process worlds: other histories of the state, and pictures of none.

A cheat acts from the moment from which nothing is seen. Most are another path of the state on the same
stage, with the same hiding; the rest spoil pixels.
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
from simbench.worlds.families import process
from simbench.worlds.families.process import Layout
from simbench.worlds.film import render_scene

Edit = Callable[["Story"], np.ndarray]
"""Story -> frames uint8 [T, H, W, 3], the given ones as they were."""

Spoil = Callable[["Story", float], np.ndarray]
"""(story, strength) -> frames, likewise."""


@dataclass(frozen=True)
class Story:
    """What a cheat knows: the case's layout, the four rates of its scene (states per second), the setting,
    the number of given frames and a seed."""

    layout: Layout
    rates: tuple[float, ...]
    setting: Setting
    context: int
    seed: int

    @property
    def state(self) -> float:
        """The state at the moment from which nothing is seen."""
        return process.state_at(self.layout.path, self.layout.gone)

    @property
    def rate(self) -> float:
        """The true rate, states per second."""
        return process.rate_of(self.layout)

    @property
    def start(self) -> int:
        """The first frame that a cheat changes: nothing is seen, or would be if something hid it."""
        return max(self.context, int(np.ceil(self.layout.gone * self.setting.fps - 1e-9)))

    @property
    def first_back(self) -> int:
        """The first frame in which everything is seen again."""
        return int(np.ceil(self.layout.back * self.setting.fps - 1e-9))


@lru_cache(maxsize=2)
def _rendered(layout: Layout, setting: Setting) -> np.ndarray:
    out = render_scene(process.stage(layout), setting)
    out.setflags(write=False)
    return out


def truth(layout: Layout, setting: Setting) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a layout; the last two are kept."""
    return _rendered(layout, setting).copy()


def onwards(story: Story, state_of: Callable[[float], float]) -> np.ndarray:
    """Truth until nothing is seen; in each later frame the state `state_of` its time, ends of ranges kept."""
    layout, fps = story.layout, story.setting.fps
    path: list[tuple[float, float]] = []
    for t in range(story.start, story.setting.frames):
        state = process.within(layout.process, state_of(t / fps))
        # Each frame's state holds for all of the frame, so that nothing jumps within one.
        path += [((t - 0.4) / fps, state), ((t + 0.4) / fps, state)]
    later = dataclasses.replace(layout, path=tuple(path))
    out = truth(layout, story.setting)
    frames = range(story.start, story.setting.frames)
    out[story.start :] = render_scene(process.stage(later), story.setting, frames)
    return out


def going(story: Story, rate: float) -> np.ndarray:
    """Goes on from the moment of hiding at another rate."""
    return onwards(story, lambda t: story.state + rate * (t - story.layout.gone))


def hold(story: Story) -> np.ndarray:
    """Time stands still from hiding on."""
    return going(story, 0.0)


def reset(story: Story) -> np.ndarray:
    """Starts again from the first state when it comes back."""
    first = process.state_at(story.layout.path, 0.0)
    return onwards(story, lambda t: first + story.rate * max(0.0, t - story.layout.back))


def double_rate(story: Story) -> np.ndarray:
    """Twice as fast as it was seen to go."""
    return going(story, 2.0 * story.rate)


def backwards(story: Story) -> np.ndarray:
    """The other way round."""
    return going(story, -story.rate)


def mean_rate(story: Story) -> np.ndarray:
    """The mean rate of the scene's four cases: what knows the world but does not look."""
    return going(story, float(np.mean(story.rates)))


def middle_rate(story: Story) -> np.ndarray:
    """Half of the slower rate above zero of the scene, whatever was seen."""
    return going(story, 0.5 * min(r for r in story.rates if r > 0))


def other_rate(story: Story) -> np.ndarray:
    """The rate of another case of the scene."""
    ordered = sorted(set(story.rates))
    return going(story, ordered[(ordered.index(story.rate) + 1) % len(ordered)])


def random_state(story: Story) -> np.ndarray:
    """Some state, kept."""
    state = float(np.random.default_rng(story.seed).uniform())
    return onwards(story, lambda _: state)


def flicker(story: Story) -> np.ndarray:
    """Some state, another in every frame."""
    rng = np.random.default_rng(story.seed)
    return onwards(story, lambda _: float(rng.uniform()))


def jump_to_end(story: Story) -> np.ndarray:
    """Finished at once: the end of the range that it goes towards; half a turn on where there is no end."""
    way = 1.0 if story.rate >= 0 else -1.0
    if story.layout.process in process.CIRCULAR:
        return onwards(story, lambda _: story.state + 0.5 * way)
    return onwards(story, lambda _: 1.0 if way > 0 else 0.0)


def mirrored(story: Story) -> np.ndarray:
    """The true state, counted from the other end."""
    return onwards(story, lambda t: 1.0 - process.state_at(story.layout.path, t))


def freeze(story: Story) -> np.ndarray:
    """The last given frame for ever: nothing is ever hidden."""
    out = truth(story.layout, story.setting)
    out[story.context :] = out[story.context - 1]
    return out


def loop(story: Story) -> np.ndarray:
    """The given frames over and over."""
    out = truth(story.layout, story.setting)
    count = story.setting.frames - story.context
    out[story.context :] = out[np.arange(count) % story.context]
    return out


def never_returns(story: Story) -> np.ndarray:
    """What hides it stays."""
    out = truth(story.layout, story.setting)
    hidden = dataclasses.replace(story.layout, hidden=True)
    out[story.start :] = truth(hidden, story.setting)[story.start]
    return out


def vanish(story: Story) -> np.ndarray:
    """What changes is gone; what stood still is there."""
    out = truth(story.layout, story.setting)
    frames = range(story.start, story.setting.frames)
    scene = process.stage(story.layout)
    empty = scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover"))
    out[story.start :] = render_scene(empty, story.setting, frames)
    return out


def other_process(story: Story) -> np.ndarray:
    """Another thing stands in its place, at the true state."""
    names = process.PROCESSES
    other = names[(names.index(story.layout.process) + 1 + story.seed % (len(names) - 1)) % len(names)]
    colour = process.colours(other)[story.seed % len(process.colours(other))]
    out = truth(story.layout, story.setting)
    changed = truth(dataclasses.replace(story.layout, process=other, colour=colour), story.setting)
    out[story.start :] = changed[story.start :]
    return out


def _mean(story: Story, rates: tuple[float, ...]) -> np.ndarray:
    return np.rint(np.mean([going(story, rate).astype(np.float32) for rate in rates], axis=0)).astype(
        np.uint8
    )


def ghost(story: Story) -> np.ndarray:
    """Two futures at once, half each: the fastest either way."""
    return _mean(story, (min(story.rates), max(story.rates)))


def posterior_mean(story: Story) -> np.ndarray:
    """The average of the futures of all four cases."""
    return _mean(story, story.rates)


def streak(story: Story) -> np.ndarray:
    """Smeared over all states between the moment of hiding and the truth."""
    return _mean(story, tuple(story.rate * k / 6 for k in range(-6, 7)))


def faint(story: Story, opacity: float = 0.5) -> np.ndarray:
    """The true state, see-through."""
    mixed = opacity * truth(story.layout, story.setting) + (1.0 - opacity) * vanish(story)
    return np.rint(mixed).astype(np.uint8)


def noise(story: Story) -> np.ndarray:
    """Independent noise after the given frames."""
    out = truth(story.layout, story.setting)
    rng = np.random.default_rng(story.seed)
    out[story.context :] = rng.integers(0, 256, out[story.context :].shape, dtype=np.uint8)
    return out


def blank(story: Story) -> np.ndarray:
    """Grey after the given frames."""
    out = truth(story.layout, story.setting)
    out[story.context :] = 128
    return out


CHEATS: Mapping[str, Edit] = {
    "hold": hold,
    "reset": reset,
    "double_rate": double_rate,
    "backwards": backwards,
    "mean_rate": mean_rate,
    "middle_rate": middle_rate,
    "other_rate": other_rate,
    "random_state": random_state,
    "flicker": flicker,
    "jump_to_end": jump_to_end,
    "mirrored": mirrored,
    "freeze": freeze,
    "loop": loop,
    "never_returns": never_returns,
    "vanish": vanish,
    "other_process": other_process,
    "ghost": ghost,
    "posterior_mean": posterior_mean,
    "streak": streak,
    "faint": faint,
    "noise": noise,
    "blank": blank,
}


def story_of(case: Case, setting: Setting, context: int) -> Story:
    """What a cheat knows of a case."""
    layout = process.from_facts(case.truth.facts["layout"])
    return Story(layout, tuple(case.truth.facts["rates"]), setting, context, case.world_seed)


def reference(edit: Edit, setting: Setting, context: int) -> Reference:
    """An edit as a reference of a suite."""

    def make(case: Case) -> Video:
        """The cheat's clip of a case."""
        return Video(edit(story_of(case, setting, context)), setting.fps)

    return make


def cheats(setting: Setting, context: int) -> dict[str, Reference]:
    """All cheats by name."""
    return {name: reference(edit, setting, context) for name, edit in CHEATS.items()}


def slower(story: Story, strength: float) -> np.ndarray:
    """`strength` of the rate is lacking: 0.5 is half as fast, 1 is still, 1.5 backwards."""
    return going(story, (1.0 - strength) * story.rate)


def offset(story: Story, strength: float) -> np.ndarray:
    """`strength` of the range off, backwards."""
    way = -1.0 if story.rate >= 0 else 1.0
    return onwards(story, lambda t: process.state_at(story.layout.path, t) + way * strength)


def pause(story: Story, strength: float) -> np.ndarray:
    """Stands still for `strength` of the time from hiding to the end, then goes on at the true rate."""
    wait = strength * (story.layout.duration - story.layout.gone)
    gone = story.layout.gone
    return onwards(story, lambda t: story.state + story.rate * max(0.0, t - gone - wait))


def jitter(story: Story, strength: float) -> np.ndarray:
    """Another error in every frame, of `strength` of the range (standard deviation)."""
    rng = np.random.default_rng(story.seed)
    return onwards(story, lambda t: process.state_at(story.layout.path, t) + strength * float(rng.normal()))


def lost(story: Story, strength: float) -> np.ndarray:
    """Gone for good with probability `strength`; what is lost at one is lost at any larger."""
    rng = np.random.default_rng([story.seed, int(1e6 * abs(story.rate)), int(story.rate > 0)])
    return vanish(story) if float(rng.uniform()) < strength else truth(story.layout, story.setting)


def fading(story: Story, strength: float) -> np.ndarray:
    """See-through: `strength` is what it lacks of full opacity."""
    return faint(story, 1.0 - strength)


DAMAGES: Mapping[str, tuple[Spoil, str, float, float, float, float, float]] = {
    "rate": (slower, "of the rate lacking", 0.1, 0.25, 0.5, 1.0, 1.5),
    "offset": (offset, "of the range", 0.01, 0.03, 0.06, 0.12, 0.25),
    "pause": (pause, "of the time since hiding", 0.1, 0.25, 0.5, 0.75, 1.0),
    "jitter": (jitter, "of the range", 0.01, 0.03, 0.06, 0.12, 0.25),
    "opacity": (fading, "lost", 0.15, 0.3, 0.45, 0.6, 1.0),
    "loss": (lost, "in probability", 0.2, 0.4, 0.6, 0.8, 1.0),
}
"""Kinds of damage: what is done, its unit, and five strengths above none."""
