"""Scripted cheats and damage for push worlds: other histories of the blocks, and pictures of none.

Each acts from the first generated frame on. Most are other paths of the blocks under the same rod and panel;
the rest spoil pixels or what is there.
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
from simbench.worlds.families import push
from simbench.worlds.families.push import Layout, Path
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Scene

Edit = Callable[["Story", float], np.ndarray]
"""Story, strength -> frames uint8 [T, H, W, 3], the given ones as they were."""
Place = tuple[float, float]


@dataclass(frozen=True)
class Story:
    """What a cheat knows: the case's layout, the setting and a seed."""

    layout: Layout
    setting: Setting
    seed: int

    @property
    def ends(self) -> float:
        """The moment at which the rod has come to its end."""
        return self.layout.would[-1][0]


@lru_cache(maxsize=2)
def _rendered(layout: Layout, setting: Setting) -> np.ndarray:
    out = render_scene(push.stage(layout), setting)
    out.setflags(write=False)
    return out


def truth(layout: Layout, setting: Setting) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a layout; the last two are kept."""
    return _rendered(layout, setting).copy()


def _later(story: Story, scene: Scene) -> np.ndarray:
    """The given frames, then those of another scene."""
    out = truth(story.layout, story.setting)
    frames = range(story.setting.context, story.setting.frames)
    out[story.setting.context :] = render_scene(scene, story.setting, frames)
    return out


def along(story: Story, place_of: Callable[[int, float], Place]) -> np.ndarray:
    """Each block of index i is at `place_of(i, time)` in each generated frame."""
    return _later(story, push.stage(_moved(story, place_of)))


def _moved(story: Story, place_of: Callable[[int, float], Place]) -> Layout:
    fps = story.setting.fps
    paths: list[Path] = []
    for i in range(len(story.layout.blocks)):
        knots = []
        for t in range(story.setting.frames):
            # Each frame's place holds for all of the frame, so that nothing moves within one.
            knots += [((t - 0.4) / fps, *place_of(i, t / fps)), ((t + 0.4) / fps, *place_of(i, t / fps))]
        paths.append(tuple(knots))
    return push.moved(story.layout, paths)


def _true(story: Story, index: int, time: float) -> Place:
    return push.at(story.layout.blocks[index].path, time)


def _home(story: Story, index: int) -> Place:
    return story.layout.blocks[index].home


def _mixed(a: Place, b: Place, share: float) -> Place:
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def _target(story: Story, place_of: Callable[[float], Place]) -> np.ndarray:
    """The block at which the rod is aimed goes another way; the others do as they should."""
    return along(story, lambda i, t: place_of(t) if i == 0 else _true(story, i, t))


def hold(story: Story, strength: float) -> np.ndarray:
    """Only the rod moves: it passes through."""
    return _target(story, lambda t: _mixed(_true(story, 0, t), _home(story, 0), strength))


def always(story: Story, strength: float) -> np.ndarray:
    """The block moves as if touched, also where the rod misses it."""
    return _target(story, lambda t: _mixed(_true(story, 0, t), push.at(story.layout.would, t), strength))


def middle(story: Story, strength: float) -> np.ndarray:
    """Half of the way, touched or not: what has not looked and hedges."""
    return _target(story, lambda t: _mixed(_home(story, 0), push.at(story.layout.would, t), 0.5))


def inverted(story: Story, strength: float) -> np.ndarray:
    """Moves where it is missed and not where it is touched."""
    if story.layout.trial == "push":
        return hold(story, 1.0)
    return always(story, 1.0)


def slide_back(story: Story, strength: float) -> np.ndarray:
    """Goes home again as the rod leaves."""

    def place(t: float) -> Place:
        """Back by `strength` of the way within an eighth of the clip."""
        share = min(max((t - story.ends) / (0.125 * story.layout.duration), 0.0), 1.0)
        return _mixed(_true(story, 0, t), _home(story, 0), strength * share)

    return _target(story, place)


def slide_on(story: Story, strength: float) -> np.ndarray:
    """Goes on at the rod's speed when the rod has stopped, and off the table."""
    speed = story.layout.way / (story.ends - story.layout.contact)
    touched = story.layout.trial == "push"

    def place(t: float) -> Place:
        """On by `strength` of the speed."""
        x, y = _true(story, 0, t)
        on = strength * speed * max(0.0, t - story.ends) if touched else 0.0
        return x + story.layout.side * on, y

    return _target(story, place)


def ahead(story: Story, strength: float) -> np.ndarray:
    """Is where it will end from the first generated frame on: it moves before it is touched."""
    return _target(story, lambda t: _mixed(_true(story, 0, t), _true(story, 0, 1e9), strength))


def fleeing(story: Story, strength: float) -> np.ndarray:
    """Keeps clear of the rod: it moves as the rod moves, from its start on, touched or not."""
    start = story.layout.rod[0][1]

    def place(t: float) -> Place:
        """As far from home as the rod ever was from its own."""
        x, y = _home(story, 0)
        times = [k[0] for k in story.layout.rod if k[0] < t] + [t]
        gone = max(abs(push.at(story.layout.rod, u)[0] - start) for u in times)
        return x + story.layout.side * gone, y

    return _target(story, place)


def sticks(story: Story, strength: float) -> np.ndarray:
    """Sticks to the rod, and goes back with it."""
    touched = story.layout.trial == "push"

    def place(t: float) -> Place:
        """With the rod, once touched."""
        if not touched or t < story.layout.contact:
            return _home(story, 0)
        half = push.HALF[story.layout.blocks[0].shape]
        return push.at(story.layout.rod, t)[0] + story.layout.side * half, _home(story, 0)[1]

    return _target(story, place)


def home_covered(story: Story, strength: float) -> np.ndarray:
    """Goes home while covered; what is never covered is true."""
    lost = story.layout.covered
    return _target(
        story,
        lambda t: _mixed(
            _true(story, 0, t), _home(story, 0), strength if lost and t >= story.layout.gone else 0.0
        ),
    )


def wrong_block(story: Story, strength: float) -> np.ndarray:
    """The other block is moved instead."""

    def place(i: int, t: float) -> Place:
        """Each block by the way of the other."""
        (x, y), (u, v), (p, q) = _home(story, i), _home(story, 1 - i), _true(story, 1 - i, t)
        return x + p - u, y + q - v

    return along(story, place)


def opposite(story: Story, strength: float) -> np.ndarray:
    """Moves towards the rod."""
    return _target(story, lambda t: _mixed(_home(story, 0), _true(story, 0, t), -1.0))


def sideways(story: Story, strength: float) -> np.ndarray:
    """Moves across the rod's way, as far as it should along it."""

    def place(t: float) -> Place:
        """Away from the other block."""
        (x, y), (u, _) = _home(story, 0), _true(story, 0, t)
        return x, y - np.sign(_home(story, 1)[1]) * abs(u - x)

    return _target(story, place)


def teleport(story: Story, strength: float) -> np.ndarray:
    """Jumps to somewhere else when it is touched, or when it is nearly."""
    dice = np.random.default_rng(story.seed)
    spot = tuple(float(v) for v in dice.uniform(-0.33, 0.33, 2))
    return _target(story, lambda t: _home(story, 0) if t < story.layout.contact else (spot[0], spot[1]))


def restless(story: Story, strength: float) -> np.ndarray:
    """Somewhere else in every frame."""
    dice = np.random.default_rng(story.seed)
    off = dice.normal(0.0, 1.0, (story.setting.frames, 2)) * strength
    fps = story.setting.fps

    def place(t: float) -> Place:
        """True, but for chance; inside the view."""
        x, y = _true(story, 0, t)
        dx, dy = off[round(t * fps)]
        return float(np.clip(x + dx, -0.36, 0.36)), float(np.clip(y + dy, -0.36, 0.36))

    return _target(story, place)


def wild(story: Story, strength: float) -> np.ndarray:
    """A fifth of the table off in every frame, each time another way."""
    return restless(story, 0.25)


def both_move(story: Story, strength: float) -> np.ndarray:
    """Everything on the table moves with the block that is touched."""

    def place(i: int, t: float) -> Place:
        """By the way of the first."""
        (x, y), (u, v), (p, q) = _home(story, i), _home(story, 0), _true(story, 0, t)
        return x + p - u, y + q - v

    return along(story, place)


def swapped(story: Story, strength: float) -> np.ndarray:
    """The blocks have changed colours."""
    first, second = story.layout.blocks
    blocks = (
        dataclasses.replace(first, colour=second.colour),
        dataclasses.replace(second, colour=first.colour),
    )
    return _later(story, push.stage(dataclasses.replace(story.layout, blocks=blocks)))


def vanish(story: Story, strength: float) -> np.ndarray:
    """The block is gone."""
    scene = push.stage(story.layout)
    gone = scene.movers()[0].name
    return _later(story, scene.with_bodies(tuple(b for b in scene.bodies if b.name != gone)))


def doubled(story: Story, strength: float) -> np.ndarray:
    """Where it should be, and still at home."""
    still = push.moved(story.layout, [(b.path[0],) for b in story.layout.blocks])
    copy = dataclasses.replace(push.stage(still).movers()[0], name="copy block")
    scene = push.stage(story.layout)
    return _later(story, scene.with_bodies((*scene.bodies, copy)))


def ghost(story: Story, strength: float) -> np.ndarray:
    """Half where it should be, half at home, both see-through."""
    return _mean(truth(story.layout, story.setting), hold(story, 1.0), 0.5)


def _mean(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    mixed = (1.0 - share) * a.astype(np.float32) + share * b.astype(np.float32)
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def freeze(story: Story, strength: float) -> np.ndarray:
    """The last given frame for ever."""
    out = truth(story.layout, story.setting)
    out[story.setting.context :] = out[story.setting.context - 1]
    return out


def covered_for_ever(story: Story, strength: float) -> np.ndarray:
    """The panel stays; in the open the rod has nothing to push."""
    layout = story.layout
    if not layout.covered:
        return hold(story, 1.0)
    out = truth(layout, story.setting)
    over = round(layout.gone * story.setting.fps)
    out[over:] = out[min(over, len(out) - 1)]
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


CHEATS: Mapping[str, Edit] = {
    "hold": hold,
    "always": always,
    "middle": middle,
    "inverted": inverted,
    "slide_back": slide_back,
    "slide_on": slide_on,
    "ahead": ahead,
    "fleeing": fleeing,
    "sticks": sticks,
    "home_covered": home_covered,
    "wrong_block": wrong_block,
    "opposite": opposite,
    "sideways": sideways,
    "teleport": teleport,
    "wild": wild,
    "both_move": both_move,
    "swapped": swapped,
    "vanish": vanish,
    "doubled": doubled,
    "ghost": ghost,
    "freeze": freeze,
    "covered_for_ever": covered_for_ever,
    "noise": noise,
    "blank": blank,
}


def late(story: Story, strength: float) -> np.ndarray:
    """Moves `strength` of the clip after the rod."""
    return _target(story, lambda t: _true(story, 0, t - strength * story.layout.duration))


def faded(story: Story, strength: float) -> np.ndarray:
    """See-through: `strength` is what it lacks of full opacity."""
    return _mean(truth(story.layout, story.setting), vanish(story, 1.0), strength)


def drifting(story: Story, strength: float) -> np.ndarray:
    """Creeps home from the end of the push on, by `strength` of the way in a clip."""

    def place(t: float) -> Place:
        """Evenly."""
        return _mixed(_true(story, 0, t), _home(story, 0), strength * _since(story, t))

    return _target(story, place)


def _since(story: Story, time: float) -> float:
    return max(0.0, time - story.ends) / story.layout.duration


DAMAGES: Mapping[str, tuple[Edit, str, float, float, float, float, float]] = {
    "short": (hold, "of the way lacking", 0.1, 0.25, 0.5, 0.75, 1.0),
    "alarm": (always, "of the way where nothing touches", 0.1, 0.25, 0.5, 0.75, 1.0),
    "late": (late, "of the clip", 0.04, 0.08, 0.16, 0.32, 0.6),
    "back": (drifting, "of the way in a clip", 0.25, 0.5, 1.0, 1.5, 2.4),
    "jitter": (restless, "short sides", 0.01, 0.02, 0.04, 0.08, 0.16),
    "opacity": (faded, "lost", 0.15, 0.3, 0.45, 0.6, 1.0),
    "forgets": (home_covered, "of the way back while covered", 0.1, 0.25, 0.5, 0.75, 1.0),
}


def reference(edit: Edit, setting: Setting, strength: float = 1.0) -> Reference:
    """An edit as a reference of a suite."""

    def make(case: Case) -> Video:
        """The cheat's clip of a case."""
        layout = push.from_facts(case.truth.facts["layout"])
        return Video(edit(Story(layout, setting, case.world_seed), strength), setting.fps)

    return make
