"""Scripted cheats and damage for plates: the truth until the view has gone, and then something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.case import Setting
from simbench.instruments import plates_course as course
from simbench.instruments.plates_course import Layout
from simbench.instruments.plates_reader import filmed
from simbench.instruments.plates_source import Plate, load

OTHERS = 3
"""Other plates that are averaged."""

TILES = 8
"""Tiles along each side of a view that are forgotten."""


@dataclass(frozen=True)
class Story:
    """A case and its plate."""

    layout: Layout
    plate: Plate
    setting: Setting

    @property
    def context(self) -> int:
        """Frames that are given."""
        return self.setting.context

    def truth(self) -> np.ndarray:
        """uint8 [T, H, W, 3], a fresh copy."""
        return filmed(self.layout, self.plate, self.setting)

    def turning(self) -> int:
        """The first frame after the view (the panel) has been away longest."""
        gone = course.shares(self.setting)
        return int(np.flatnonzero(gone >= gone.max() - 1e-9)[-1]) + 1

    def other(self, which: int) -> np.ndarray:
        """The same command over another, rendered plate."""
        seed = (self.layout.seed + 1 + which) % (1 << 31)
        layout = dataclasses.replace(self.layout, seed=seed, clip="", start=0, digest="")
        return filmed(layout, load(layout, self.setting, "", 1.0), self.setting)


Edit = Callable[[Story, float], np.ndarray]
"""(story, strength) -> frames uint8 [T, H, W, 3], the given ones as they were."""


def _later(story: Story, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The truth, with all that is generated changed."""
    out = story.truth()
    out[story.context :] = change(out[story.context :])
    return out


def _on_return(story: Story, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The truth, with what comes after the turning changed."""
    out, start = story.truth(), story.turning()
    out[start:] = change(out[start:])
    return out


def _played(story: Story, gone: np.ndarray) -> np.ndarray:
    """The truth of another command: how far away the view is, or how much the panel covers, [T] in [0, 1]."""
    out = filmed(story.layout, story.plate, story.setting, gone)
    out[: story.context] = story.truth()[: story.context]
    return out


def hold(story: Story, strength: float) -> np.ndarray:
    """The last given frame for ever."""
    return _later(
        story, lambda part: np.repeat(story.truth()[story.context - 1 : story.context], len(part), 0)
    )


def again(story: Story, strength: float) -> np.ndarray:
    """The given frames over and over."""
    given = story.truth()[: story.context]
    return _later(story, lambda part: given[np.arange(len(part)) % len(given)])


def never_returns(story: Story, strength: float) -> np.ndarray:
    """The view stays away, the panel where it is."""
    return _on_return(story, lambda part: np.repeat(story.truth()[story.turning() - 1][None], len(part), 0))


def reset(story: Story, strength: float) -> np.ndarray:
    """The first frame again as soon as anything should go, for ever."""
    return _later(story, lambda part: np.repeat(story.truth()[:1], len(part), 0))


def elsewhere(story: Story, strength: float) -> np.ndarray:
    """Comes back to another plate."""
    return _on_return(story, lambda part: story.other(0)[-len(part) :])


def average(story: Story, strength: float) -> np.ndarray:
    """Comes back to the average of several plates, none of them this one."""
    mean = np.mean([story.other(i).astype(np.float32) for i in range(OTHERS)], axis=0)
    return _on_return(story, lambda part: np.rint(mean[-len(part) :]).astype(np.uint8))


def mean_colour(story: Story, strength: float) -> np.ndarray:
    """Comes back to the mean colour of what was given."""
    colour = story.truth()[: story.context].reshape(-1, 3).mean(axis=0)
    return _on_return(story, lambda part: np.broadcast_to(np.rint(colour), part.shape).astype(np.uint8))


def mirrored(story: Story, strength: float) -> np.ndarray:
    """Comes back with left and right exchanged."""
    return _on_return(story, lambda part: part[:, :, ::-1])


def upside_down(story: Story, strength: float) -> np.ndarray:
    """Comes back upside down."""
    return _on_return(story, lambda part: part[:, ::-1])


def negative(story: Story, strength: float) -> np.ndarray:
    """Comes back as its own negative."""
    return _on_return(story, lambda part: 255 - part)


def recoloured(story: Story, strength: float) -> np.ndarray:
    """Comes back with red, green and blue exchanged."""
    return _on_return(story, lambda part: part[..., [1, 2, 0]])


def shift(story: Story, strength: float) -> np.ndarray:
    """Comes back `strength` short sides off its place."""
    from simbench.references.nuisance import move

    s = story.setting
    x = strength * min(s.width, s.height) / s.width * (1 if story.layout.seed % 2 else -1)
    return _on_return(story, lambda part: move(part, x=0.8 * x, y=0.6 * x))


def misplaced(story: Story, strength: float) -> np.ndarray:
    """Comes back an eighth off its place."""
    return shift(story, 0.125)


def zoomed(story: Story, strength: float) -> np.ndarray:
    """Comes back half as large again."""
    from simbench.references.nuisance import move

    return _on_return(story, lambda part: move(part, zoom=1.5))


def shuffled(story: Story, strength: float) -> np.ndarray:
    """Comes back with its quarters' quarters in another order."""
    s, dice = story.setting, np.random.default_rng(story.layout.seed)
    high, wide = s.height // 4, s.width // 4
    order = np.roll(dice.permutation(16), 1)
    back = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))

    def change(part: np.ndarray) -> np.ndarray:
        """The tiles of every frame, permuted alike; none keeps its place."""
        out = part.copy()
        for at, other in back.items():
            y, x, v, u = at // 4 * high, at % 4 * wide, other // 4 * high, other % 4 * wide
            out[:, y : y + high, x : x + wide] = part[:, v : v + high, u : u + wide]
        return out

    return _on_return(story, change)


def melt(story: Story, strength: float) -> np.ndarray:
    """Comes back bent into waves of `strength` hundredths of the short side."""
    import cv2

    s = story.setting
    y, x = np.mgrid[: s.height, : s.width].astype(np.float32)
    size = 0.01 * strength * min(s.width, s.height)
    bent_x = x + size * np.sin(2 * np.pi * y / (0.31 * s.height) + 1.0).astype(np.float32)
    bent_y = y + size * np.sin(2 * np.pi * x / (0.37 * s.width)).astype(np.float32)
    return _on_return(
        story,
        lambda part: np.stack(
            [cv2.remap(f, bent_x, bent_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT) for f in part]
        ),
    )


def melted(story: Story, strength: float) -> np.ndarray:
    """Comes back bent beyond recognition."""
    return melt(story, 16.0)


def smeared(story: Story, strength: float) -> np.ndarray:
    """Comes back with all detail larger than a patch only."""
    from simbench.references.nuisance import blur

    return _on_return(story, lambda part: blur(part, 6.0))


def early(story: Story, strength: float) -> np.ndarray:
    """Turns back at once, so that next to nothing goes out of sight."""
    return _played(story, np.minimum(course.shares(story.setting), 0.06))


def blink(story: Story, strength: float) -> np.ndarray:
    """Grey while anything should be on the way, then the last given frame."""
    out = hold(story, 1.0)
    out[story.context : course.returned(story.setting)[0]] = 128
    return out


def _while_away(story: Story, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The last given frame, changed as a whole while the view (the panel) should be half away or more."""
    out = hold(story, 1.0)
    away = np.flatnonzero(course.shares(story.setting) >= 0.5)
    out[away] = change(out[away])
    return out


def curtain(story: Story, strength: float) -> np.ndarray:
    """The last given frame, grey while it should be away, and no way there or back."""
    return _while_away(story, lambda part: np.full_like(part, 128))


def turned(story: Story, strength: float) -> np.ndarray:
    """The last given frame, its own negative while it should be away."""
    return _while_away(story, lambda part: 255 - part)


def sway(story: Story, strength: float) -> np.ndarray:
    """The last given frame sways a tenth of the short side across the way and back, whatever was asked."""
    from simbench.references.nuisance import move

    s, out = story.setting, hold(story, 1.0)
    size = 0.1 * min(s.width, s.height)
    wide = story.layout.far[0] != story.layout.corner[0]
    for t, gone in enumerate(course.shares(s)):
        x, y = (0.0, size * gone / s.height) if wide else (size * gone / s.width, 0.0)
        if t >= story.context:
            out[t] = move(out[t : t + 1], x=x, y=y)[0]
    return out


def ghost(story: Story, strength: float) -> np.ndarray:
    """What was given shines through everything."""
    first = story.truth()[story.context - 1].astype(np.float32)
    return _later(story, lambda part: np.rint(0.3 * part + 0.7 * first).astype(np.uint8))


def blank(story: Story, strength: float) -> np.ndarray:
    """Grey after the given frames."""
    return _later(story, lambda part: np.full_like(part, 128))


def noise(story: Story, strength: float) -> np.ndarray:
    """Independent noise after the given frames."""
    dice = np.random.default_rng(story.layout.seed)
    return _later(story, lambda part: dice.integers(0, 256, part.shape, dtype=np.uint8))


def still_world(story: Story, strength: float) -> np.ndarray:
    """The plate stood still all the while: what moves is where it was when last given."""
    frames = story.plate.frames.copy()
    frames[story.context :] = frames[story.context - 1]
    return filmed(story.layout, Plate(frames, story.plate.ground), story.setting)


CHEATS: Mapping[str, Edit] = {
    "hold": hold,
    "again": again,
    "reset": reset,
    "never_returns": never_returns,
    "early": early,
    "blink": blink,
    "curtain": curtain,
    "turned": turned,
    "sway": sway,
    "elsewhere": elsewhere,
    "average": average,
    "mean_colour": mean_colour,
    "mirrored": mirrored,
    "upside_down": upside_down,
    "negative": negative,
    "recoloured": recoloured,
    "misplaced": misplaced,
    "zoomed": zoomed,
    "shuffled": shuffled,
    "melted": melted,
    "smeared": smeared,
    "ghost": ghost,
    "blank": blank,
    "noise": noise,
    "still_world": still_world,
}


def forgotten(story: Story, strength: float) -> np.ndarray:
    """Comes back with a share `strength` of its tiles from another plate; what lacks at one lacks at more."""
    s, dice = story.setting, np.random.default_rng(story.layout.seed)
    chance = dice.random((TILES, TILES))
    rows = np.arange(s.height) * TILES // s.height
    columns = np.arange(s.width) * TILES // s.width
    mask = (chance < strength)[rows[:, None], columns[None]]
    other = story.other(0)
    return _on_return(story, lambda part: np.where(mask[None, :, :, None], other[-len(part) :], part))


def blend(story: Story, strength: float) -> np.ndarray:
    """Comes back with a share `strength` of another plate mixed in."""
    other = story.other(0).astype(np.float32)
    return _on_return(
        story,
        lambda part: np.rint((1 - strength) * part + strength * other[-len(part) :]).astype(np.uint8),
    )


def late(story: Story, strength: float) -> np.ndarray:
    """Comes back `strength` seconds late."""
    s, start = story.setting, story.turning()
    times = np.arange(s.frames, dtype=np.float64)
    delayed = np.where(times < start, times, np.maximum(times - strength * s.fps, start - 1))
    return _played(story, np.interp(delayed, times, course.shares(s)))


DAMAGES: Mapping[str, tuple[Any, ...]] = {
    "shift": (shift, "short sides off", 0.01, 0.02, 0.03, 0.035, 0.05),
    "forgotten": (forgotten, "of the view", 0.1, 0.2, 0.4, 0.6, 1.0),
    "blend": (blend, "of another plate", 0.2, 0.4, 0.6, 0.8, 1.0),
    "melt": (melt, "% of the short side", 1.0, 2.0, 4.0, 8.0, 16.0),
    "late": (late, "s", 0.125, 0.25, 0.375, 0.5, 0.75),
}
