"""Scripted cheats for bite worlds: other histories of the solid, and pictures of none.

A cheat acts from the first frame that is not given. Most give every frame its own set of holes on the same
stage, with the same tool and the same hiding; the rest spoil pixels. Those that bite wrongly do so only where
the truth bites, so that none is kept down by what it does in the near-misses alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Case, Setting
from simbench.suite import Reference
from simbench.video import Video
from simbench.worlds.families import bite
from simbench.worlds.families.bite import Hole, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Scene, constant

Edit = Callable[["Story"], np.ndarray]
"""Story -> frames uint8 [T, H, W, 3], the given ones as they were."""
Holes = tuple[Hole, ...]


@dataclass(frozen=True)
class Story:
    """What a cheat knows: the case's layout, the setting, the number of given frames and a seed."""

    layout: Layout
    setting: Setting
    context: int
    seed: int

    @property
    def meant(self) -> Holes:
        """What the snaps would take out if they reached the solid."""
        return tuple(hole for _, hole in bite.holes(dataclasses.replace(self.layout, touch=True)))

    @property
    def snaps(self) -> list[int]:
        """The frames of the snaps."""
        return [round(time * self.setting.fps) for time in self.layout.times]

    @property
    def back(self) -> int:
        """The first frame after the hiding."""
        return int(np.ceil(self.layout.back * self.setting.fps - 1e-9))

    @property
    def away(self) -> int:
        """The first frame in which hiding has begun."""
        return int(np.ceil(self.layout.leave * self.setting.fps - 1e-9))

    def due(self, frame: int, holes: Holes | None = None) -> Holes:
        """Of `holes` (what is meant), those whose snap has come, wherever the tool is."""
        chosen = self.meant if holes is None else holes
        return tuple(hole for hole, snap in zip(chosen, self.snaps, strict=True) if snap <= frame)


@lru_cache(maxsize=2)
def _rendered(layout: Layout, setting: Setting) -> np.ndarray:
    out = render_scene(bite.stage(layout), setting)
    out.setflags(write=False)
    return out


def truth(layout: Layout, setting: Setting) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a layout; the last two are kept."""
    return _rendered(layout, setting).copy()


def eaten(story: Story, holes_of: Callable[[int], Holes], first: int | None = None) -> np.ndarray:
    """The truth, with the holes of `holes_of(frame)` in every frame from `first` (the first not given) on."""

    def scene_of(holes: Hashable) -> Scene:
        """The stage with these holes from the start."""
        assert isinstance(holes, tuple)
        return bite.stage(story.layout, tuple((-1.0, hole) for hole in holes))

    return _framed(story, holes_of, scene_of, first)


def _framed(
    story: Story,
    key_of: Callable[[int], Hashable],
    scene_of: Callable[[Hashable], Scene],
    first: int | None = None,
) -> np.ndarray:
    """The truth, and from frame `first` on the scene of each frame's key; equal keys are drawn together."""
    out = truth(story.layout, story.setting)
    start = story.context if first is None else max(first, story.context)
    keys = {t: key_of(t) for t in range(start, story.setting.frames)}
    for key in dict.fromkeys(keys.values()):
        frames = [t for t, other in keys.items() if other == key]
        out[frames] = render_scene(scene_of(key), story.setting, frames)
    return out


def sized(story: Story, factor: float) -> Holes:
    """The holes that are meant, of `factor` times the radius."""
    return tuple((x, y, z, factor * r) for x, y, z, r in story.meant)


def turned(story: Story, angle: float) -> Holes:
    """The holes that are meant, `angle` radians further around the solid: away from the front, either way."""
    layout = story.layout
    angles = tuple(a + (angle if a > 0 else -angle) for a in layout.angles)
    return tuple(hole for _, hole in bite.holes(dataclasses.replace(layout, touch=True, angles=angles)))


def kept(story: Story) -> np.ndarray:
    """The truth of a story's case."""
    return truth(story.layout, story.setting)


def untouched(story: Story) -> np.ndarray:
    """The tool comes and goes; the solid stays whole."""
    return eaten(story, lambda _: ())


def regrows(story: Story) -> np.ndarray:
    """Each bite is there in the frame of its snap and the next, and then the solid is whole again."""
    if not story.layout.touch:
        return kept(story)
    return eaten(
        story, lambda t: tuple(h for h, f in zip(story.meant, story.snaps, strict=True) if f <= t <= f + 1)
    )


def regrows_hidden(story: Story) -> np.ndarray:
    """Bitten until it is hidden, whole when it is seen again."""
    if not story.layout.touch:
        return kept(story)
    return eaten(story, lambda t: story.due(t) if t < story.back else ())


def moves_hidden(story: Story) -> np.ndarray:
    """Bitten until it is hidden, and elsewhere when it is seen again."""
    if not story.layout.touch:
        return kept(story)
    other = turned(story, np.pi)
    return eaten(story, lambda t: story.due(t) if t < story.back else other)


def flickers(story: Story) -> np.ndarray:
    """Bitten in every other frame."""
    if not story.layout.touch:
        return kept(story)
    return eaten(story, lambda t: story.due(t) if (story.setting.frames - t) % 2 else ())


def bites_always(story: Story) -> np.ndarray:
    """Every snap takes its bite, whether it reaches the solid or not."""
    return eaten(story, story.due)


def swapped(story: Story) -> np.ndarray:
    """What is missed is bitten, what is bitten stays whole."""
    return untouched(story) if story.layout.touch else eaten(story, story.due)


def bites_early(story: Story) -> np.ndarray:
    """All bites are there from the start, before the tool comes."""
    return eaten(story, lambda _: story.meant) if story.layout.touch else kept(story)


def bites_late(story: Story) -> np.ndarray:
    """Whole until it was hidden, bitten as it should be when it is seen again."""
    if not story.layout.touch:
        return kept(story)
    return eaten(story, lambda t: story.meant if t >= story.back else ())


def elsewhere(story: Story) -> np.ndarray:
    """As many bites, at other places."""
    other = turned(story, np.pi)
    return eaten(story, lambda t: story.due(t, other)) if story.layout.touch else kept(story)


def huge_bites(story: Story) -> np.ndarray:
    """Bites of twice the radius."""
    return eaten(story, lambda t: story.due(t, sized(story, 2.0))) if story.layout.touch else kept(story)


def _resized(story: Story, size: Callable[[int], tuple[float, float]]) -> np.ndarray:
    """A whole solid of other width and height in each frame after the first snap, on the table still."""
    if not story.layout.touch:
        return kept(story)

    def scene_of(key: Hashable) -> Scene:
        """The stage with a solid of this width and height."""
        assert isinstance(key, tuple)
        scene = bite.stage(story.layout, ())
        a, b, c = bite.SIZES[story.layout.solid]
        bodies = []
        for body in scene.bodies:
            if body.name.startswith("soft"):
                wide = key[1] if body.kind == "sphere" else key[0]
                half = (wide * a, key[1] * b, wide * c)
                motion = tuple(
                    dataclasses.replace(s, position=(s.position[0], bite.TABLE + half[1], s.position[2]))
                    for s in body.motion
                )
                body = dataclasses.replace(body, size=constant(*half), motion=motion)
            bodies.append(body)
        return scene.with_bodies(tuple(bodies))

    return _framed(story, size, scene_of, story.snaps[0])


def shrinks(story: Story) -> np.ndarray:
    """With each snap the whole solid gets smaller instead of losing a bite."""
    return _resized(story, lambda t: (0.85 ** len(story.due(t)), 0.85 ** len(story.due(t))))


def melts(story: Story) -> np.ndarray:
    """From the first snap on the solid sinks and narrows steadily."""

    def size(frame: int) -> tuple[float, float]:
        """Width and height, shares of what they were."""
        share = (frame - story.snaps[0]) / (story.setting.frames - 1 - story.snaps[0])
        return (1.0 - 0.4 * share, 1.0 - 0.7 * share)

    return _resized(story, size)


def _without(story: Story) -> np.ndarray:
    """Frames from the first snap on without the solid, and those before as they are."""

    def scene_of(_: Hashable) -> Scene:
        """The stage without the solid."""
        scene = bite.stage(story.layout, ())
        return scene.with_bodies(tuple(b for b in scene.bodies if not b.name.startswith("soft")))

    return _framed(story, lambda _: 0, scene_of, story.snaps[0])


def vanishes(story: Story) -> np.ndarray:
    """The first bite takes the whole solid."""
    return _without(story) if story.layout.touch else kept(story)


def fades(story: Story) -> np.ndarray:
    """From the first snap on the whole solid is half see-through."""
    if not story.layout.touch:
        return kept(story)
    return _mean([untouched(story), _without(story)])


def _mean(clips: list[np.ndarray]) -> np.ndarray:
    return np.rint(np.mean([clip.astype(np.float32) for clip in clips], axis=0)).astype(np.uint8)


def ghost(story: Story) -> np.ndarray:
    """Bitten and whole at once, half each, whether the tool reaches it or not."""
    return _mean([untouched(story), bites_always(story)])


def other_solid(story: Story) -> np.ndarray:
    """A solid of another colour, rightly bitten, when it is seen again."""
    names = bite.colours()
    colour = names[(names.index(story.layout.colour) + 3 + story.seed % (len(names) - 5)) % len(names)]
    out = kept(story)
    out[story.back :] = truth(dataclasses.replace(story.layout, colour=colour), story.setting)[story.back :]
    return out


def frozen(story: Story) -> np.ndarray:
    """The last given frame for ever."""
    out = kept(story)
    out[story.context :] = out[story.context - 1]
    return out


def reset(story: Story) -> np.ndarray:
    """The first frame again when it is seen again."""
    out = kept(story)
    out[story.back :] = out[0]
    return out


def mirrored(story: Story) -> np.ndarray:
    """Left and right change places."""
    out = kept(story)
    out[story.context :] = out[story.context :, :, ::-1]
    return out


def never_shown(story: Story) -> np.ndarray:
    """What hides it stays; the table turns no further."""
    out = kept(story)
    out[story.back :] = out[story.back - 2]
    return out


def noise(story: Story) -> np.ndarray:
    """Independent noise after the given frames."""
    out = kept(story)
    rng = np.random.default_rng(story.seed)
    out[story.context :] = rng.integers(0, 256, out[story.context :].shape, dtype=np.uint8)
    return out


def blank(story: Story) -> np.ndarray:
    """Grey after the given frames."""
    out = kept(story)
    out[story.context :] = 128
    return out


CHEATS: Mapping[str, Edit] = {
    edit.__name__: edit
    for edit in (
        untouched, regrows, regrows_hidden, moves_hidden, flickers, bites_always, swapped, bites_early,
        bites_late, elsewhere, huge_bites, shrinks, melts, vanishes, fades, ghost, other_solid, frozen, reset,
        mirrored, never_shown, noise, blank,
    )
}  # fmt: skip


def story_of(case: Case, setting: Setting, context: int) -> Story:
    """What a cheat knows of a case."""
    return Story(bite.from_facts(case.truth.facts["layout"]), setting, context, case.world_seed)


def reference(edit: Edit, setting: Setting, context: int) -> Reference:
    """An edit as a reference of a suite."""

    def make(case: Case) -> Video:
        """The cheat's clip of a case."""
        return Video(edit(story_of(case, setting, context)), setting.fps)

    return make


def cheats(setting: Setting, context: int) -> dict[str, Reference]:
    """All cheats by name."""
    return {name: reference(edit, setting, context) for name, edit in CHEATS.items()}
