"""Scripted cheats and damage for painted canvases: other paint under the true camera, or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from simbench.arrays import channel_max
from simbench.case import Case, Setting
from simbench.instruments.strokes import film
from simbench.worlds.families import canvas
from simbench.worlds.families.canvas import HALF, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Paint

Paints = tuple[Paint, ...]


@dataclass(frozen=True)
class Story:
    """What a cheat knows: the case's layout, that of the other way, the setting and a seed."""

    layout: Layout
    twin: Layout
    setting: Setting
    seed: int

    @property
    def start(self) -> int:
        """The first frame that is not given."""
        return self.setting.context

    @property
    def middle(self) -> int:
        """The frame in the middle of what comes between."""
        return round(0.5 * (self.layout.leave + self.layout.back) * self.setting.fps)

    @property
    def back(self) -> int:
        """The first frame in which all is seen again."""
        return int(np.ceil(self.layout.back * self.setting.fps - 1e-9))

    def time(self, frame: int) -> float:
        """Seconds."""
        return frame / self.setting.fps


Edit = Callable[[Story, float], np.ndarray]
"""(story, strength) -> frames uint8 [T, H, W, 3], the given ones as they were."""


def story_of(case: Case, setting: Setting) -> Story:
    """What a cheat knows of a case."""
    facts = case.truth.facts
    return Story(
        canvas.from_facts(facts["layout"]), canvas.from_facts(facts["twin"]), setting, case.world_seed
    )


def truth(story: Story) -> np.ndarray:
    """RGB uint8 [T, H, W, 3]."""
    return film(story.layout, story.setting).copy()


def later(story: Story, frames: np.ndarray) -> np.ndarray:
    """The truth's given frames, and others [T, H, W, 3] after them."""
    out = truth(story)
    out[story.start :] = frames[story.start :]
    return out


def at_once(line: canvas.Line | Any) -> canvas.Line:
    """A way whose paint is there from the start."""
    return tuple((0.0, x, y) for _, x, y in line)


def until(layout: Layout, time: float) -> canvas.Line:
    """The brush's way up to a time; one key at the least."""
    return canvas.split_at(layout.line, time)[0] or layout.line[:1]


def older(layout: Layout) -> Paints:
    """The strokes that are there from the start."""
    return canvas.old_paints(layout)


def given(layout: Layout) -> Paints:
    """Older strokes and what the brush painted in the given frames, each at its time."""
    return (*older(layout), canvas.stroke(until(layout, layout.parts), layout.colour))


def ahead(layout: Layout) -> canvas.Line:
    """The brush's way after the given frames."""
    return canvas.split_at(layout.line, layout.parts)[1]


def painted(story: Story, paints: Callable[[int], Paints], brush: Layout | None = None) -> np.ndarray:
    """The truth with the paint that `paints` of a frame has at the frame's time; `brush`: another's brush."""
    scene = canvas.stage(story.layout if brush is None else brush)
    out = truth(story)
    frames = range(story.start, story.setting.frames)
    for paint, group in groupby(frames, key=paints):
        at = list(group)
        out[at] = render_scene(dataclasses.replace(scene, paints=paint), story.setting, at)
    return out


def always(story: Story, *paints: Paint) -> np.ndarray:
    """The truth with other paint after the given frames."""
    return painted(story, lambda _: paints)


def shifted(line: canvas.Line, x: float, y: float, wait: float = 0.0) -> canvas.Line:
    """A way moved on the canvas and in time."""
    return tuple((t + wait, a + x, b + y) for t, a, b in line)


def no_new_paint(story: Story, strength: float) -> np.ndarray:
    """The brush goes its way and leaves nothing."""
    return always(story, *given(story.layout))


def freeze(story: Story, strength: float) -> np.ndarray:
    """The last given frame for ever."""
    return later(story, np.repeat(truth(story)[story.start - 1 : story.start], story.setting.frames, axis=0))


def loop(story: Story, strength: float) -> np.ndarray:
    """The given frames over and over."""
    return later(story, truth(story)[np.arange(story.setting.frames) % story.start])


def stuck(story: Story, strength: float) -> np.ndarray:
    """The camera goes on; the brush stands where it was last seen."""
    layout = story.layout
    x, y = canvas.tip(layout, layout.parts)
    line = (*until(layout, layout.parts), (2.0 * layout.duration, x, y))
    return painted(story, lambda _: given(layout), dataclasses.replace(layout, line=line))


def blend(opaque: np.ndarray, clear: np.ndarray, opacity: np.ndarray | float) -> np.ndarray:
    """Frames uint8 between two clips; `opacity` a number or one for each frame [T]."""
    share = np.broadcast_to(np.asarray(opacity, np.float64), (len(opaque),))[:, None, None, None]
    return np.rint(share * opaque + (1.0 - share) * clear).astype(np.uint8)


def bare(story: Story) -> np.ndarray:
    """A clean canvas after the given frames, the brush at work."""
    return always(story)


def fading(story: Story, strength: float) -> np.ndarray:
    """Paint that the brush left fades by exp(-`strength` times its age in seconds), older strokes too."""
    layout, s = story.layout, story.setting
    times = np.arange(s.frames) / s.fps
    out = blend(always(story, *older(layout)), bare(story), np.exp(-strength * times)).astype(np.float64)
    edges = np.linspace(0.0, layout.line[-1][0], 9)
    before = always(story, *older(layout)).astype(np.float64)
    for begin, end in pairwise(edges.tolist()):
        after = always(story, *older(layout), canvas.stroke(until(layout, end), layout.colour))
        age = np.maximum(times - 0.5 * (begin + end), 0.0)
        opacity = np.exp(-strength * age)[:, None, None, None]
        # What an older stroke shows under this piece is gone in `out`, as far as this piece is opaque.
        changed = channel_max(np.abs(after - before)) > 0
        mix = out + opacity * (after - out)
        out = np.where(changed[..., None], mix, out)
        before = after.astype(np.float64)
    return later(story, np.rint(out).astype(np.uint8))


def fade(story: Story, strength: float) -> np.ndarray:
    """All paint is gone soon after the brush left it."""
    return fading(story, 5.0)


def faint(story: Story, strength: float) -> np.ndarray:
    """All paint see-through after the given frames: `strength` is what it lacks of full opacity."""
    return later(story, blend(truth(story), bare(story), 1.0 - strength))


def anywhere(story: Story, strength: float) -> np.ndarray:
    """As much new paint as is right, at other places."""
    rng = np.random.default_rng(story.seed)
    layout, strokes = story.layout, list(given(story.layout))
    for begin, _, _ in ahead(layout)[:-1]:
        (x0, y0), (x1, y1) = rng.uniform(-0.5, 0.5, (2, 2)).tolist()
        way = np.array([x1 - x0, y1 - y0])
        x1, y1 = (np.array([x0, y0]) + 0.28 * way / max(float(np.linalg.norm(way)), 1e-6)).tolist()
        strokes.append(canvas.stroke(((begin, x0, y0), (begin + 0.3, x1, y1)), layout.colour))
    return always(story, *strokes)


def elsewhere(story: Story, strength: float) -> np.ndarray:
    """Every new bit of paint appears across the canvas' middle from the brush."""
    layout = story.layout
    line = tuple((t, -x, -y) for t, x, y in ahead(layout))
    return always(story, *given(layout), canvas.stroke(line, layout.colour))


def moved(story: Story, strength: float) -> np.ndarray:
    """New paint `strength` sides of the canvas off, outwards or inwards as there is room."""
    layout = story.layout
    line = ahead(layout)
    x, y = (float(np.mean([key[axis] for key in line])) for axis in (1, 2))
    size = 2 * HALF * strength / max(float(np.hypot(x, y)), 1e-6)
    return always(story, *given(layout), canvas.stroke(shifted(line, -size * x, -size * y), layout.colour))


def recoloured(layout: Layout) -> Layout:
    """The same strokes, each in the next one's colour."""
    colours = [layout.colour, *(stroke[4] for stroke in layout.old)]
    old = tuple((*stroke[:4], colours[k]) for k, stroke in enumerate(layout.old))
    return dataclasses.replace(layout, colour=colours[-1], old=old)


def drifting(story: Story, strength: float) -> np.ndarray:
    """All paint goes over to another colour, `strength` of the way, until the return."""
    s = story.setting
    way = np.clip((np.arange(s.frames) - s.context + 1) / (story.back - s.context + 1), 0.0, 1.0)
    other = always(story, *canvas.paints(recoloured(story.layout)))
    return later(story, blend(other, truth(story), strength * way))


def other_colour(story: Story, strength: float) -> np.ndarray:
    """New paint in the colour of an older stroke."""
    layout = story.layout
    return always(story, *given(layout), canvas.stroke(ahead(layout), layout.old[0][4]))


def delayed(story: Story, strength: float) -> np.ndarray:
    """The brush goes its way; its paint comes `strength` seconds later."""
    layout = story.layout
    return always(
        story, *given(layout), canvas.stroke(shifted(ahead(layout), 0.0, 0.0, strength), layout.colour)
    )


def late(story: Story, strength: float) -> np.ndarray:
    """Paint comes a second after the brush."""
    return delayed(story, 1.0)


def shortened(story: Story, strength: float) -> np.ndarray:
    """`strength` of the new stroke, its last part, is not painted."""
    layout = story.layout
    end = layout.parts + (1.0 - strength) * (layout.line[-1][0] - layout.parts)
    return always(story, *older(layout), canvas.stroke(until(layout, end), layout.colour))


def mirrored(story: Story, strength: float) -> np.ndarray:
    """The brush goes the other way and paints there."""
    return later(story, film(story.twin, story.setting))


def mirrored_paint(story: Story, strength: float) -> np.ndarray:
    """The brush goes its way; its paint comes on the other side."""
    return always(story, *canvas.paints(story.twin))


def both_ways(story: Story, strength: float) -> np.ndarray:
    """Paint on either side, whatever is commanded."""
    return always(story, *canvas.paints(story.layout), canvas.stroke(ahead(story.twin), story.layout.colour))


def ghost(story: Story, strength: float) -> np.ndarray:
    """Both futures at once, half each."""
    return later(story, blend(film(story.layout, story.setting), film(story.twin, story.setting), 0.5))


def flood(story: Story, strength: float) -> np.ndarray:
    """The whole canvas in the brush's colour."""
    stripes = [canvas.stroke(((0.0, -0.6, y), (0.0, 0.6, y)), story.layout.colour) for y in FLOOD]
    return always(story, *stripes)


FLOOD = (-0.54, -0.36, -0.18, 0.0, 0.18, 0.36, 0.54)


def on_the_image(story: Story, strength: float) -> np.ndarray:
    """Paint keeps its place in the image while wall and canvas move below it."""
    layout, s = story.layout, story.setting
    clean = bare(story)
    still = render_scene(canvas.stage(layout).with_bodies(_still(layout)), s, [s.context - 1])[0]
    nothing = dataclasses.replace(canvas.stage(layout).with_bodies(_still(layout)), paints=())
    empty = render_scene(nothing, s, [s.context - 1])[0]
    ink = channel_max(np.abs(still.astype(int) - empty)) > 30
    return later(story, np.where(ink[None, ..., None], still[None], clean))


def _still(layout: Layout) -> tuple[Any, ...]:
    return tuple(b for b in canvas.stage(layout).bodies if b.name not in ("brush", "handle", "board"))


def wiping(story: Story, strength: float, trials: tuple[str, ...] = canvas.TRIALS) -> np.ndarray:
    """What comes between takes the paint with it, on `strength` of the canvas from its left edge on."""
    layout = story.layout
    if layout.trial not in trials:
        return truth(story)
    x, y = canvas.tip(layout, story.time(story.middle))
    after = tuple(key for key in layout.line if key[0] > story.time(story.middle))
    fresh = canvas.stroke(((story.time(story.middle), x, y), *after), layout.colour)
    wiped = painted(story, lambda t: (fresh,) if t >= story.middle else canvas.paints(layout))
    if strength >= 1.0:
        return wiped
    return later(story, np.where(_left_of(story, strength), wiped, truth(story)))


def _left_of(story: Story, share: float) -> np.ndarray:
    """Pixels bool [T, H, W, 1] on `share` of the canvas and on all that is left of it."""
    from simbench.instruments.strokes_judge import camera, common

    poses, lens = camera(common(story.layout), story.setting)
    edge = np.array([HALF * (2.0 * share - 1.0), canvas.HIGH, 0.0])
    local = poses[:, :3, :3] @ edge + poses[:, :3, 3]
    column = local[:, 0] / np.maximum(local[:, 2], 1e-6) * lens[:, 0, 0] + lens[:, 0, 2] - 0.5
    return (np.arange(story.setting.width)[None] < column[:, None])[:, None, :, None]


def wiped(story: Story, strength: float) -> np.ndarray:
    """Whatever comes between takes all paint with it."""
    return wiping(story, 1.0)


def passer_wipes(story: Story, strength: float) -> np.ndarray:
    """Who passes takes all paint with him; a look away does no harm."""
    return wiping(story, 1.0, ("passer",))


def gone_after_away(story: Story, strength: float) -> np.ndarray:
    """The canvas is clean after a look away; who passes does no harm."""
    return wiping(story, 1.0, ("away",))


def reset(story: Story, strength: float) -> np.ndarray:
    """On return the canvas is as it was in the first frame."""
    layout = story.layout
    return painted(story, lambda t: older(layout) if t >= story.middle else canvas.paints(layout))


def new_gone(story: Story, strength: float) -> np.ndarray:
    """On return all that was painted after the given frames is gone, and nothing more is painted."""
    layout = story.layout
    return painted(story, lambda t: given(layout) if t >= story.middle else canvas.paints(layout))


def never_returns(story: Story, strength: float) -> np.ndarray:
    """What comes between stays."""
    out = truth(story)
    out[story.middle :] = out[story.middle]
    return out


def clean(story: Story, strength: float) -> np.ndarray:
    """A clean canvas from the given frames on."""
    return bare(story)


def noise(story: Story, strength: float) -> np.ndarray:
    """Independent noise after the given frames."""
    out = truth(story)
    rng = np.random.default_rng(story.seed)
    out[story.start :] = rng.integers(0, 256, out[story.start :].shape, dtype=np.uint8)
    return out


def blank(story: Story, strength: float) -> np.ndarray:
    """Grey after the given frames."""
    out = truth(story)
    out[story.start :] = 128
    return out


CHEATS: Mapping[str, Edit] = {
    make.__name__: make
    for make in (
        no_new_paint, freeze, loop, stuck, fade, anywhere, elsewhere, other_colour, late, mirrored,
        mirrored_paint, both_ways, ghost, flood, on_the_image, wiped, passer_wipes, gone_after_away, reset,
        new_gone, never_returns, clean, noise, blank,
    )
} | {"colour_drift": lambda story, strength: drifting(story, 1.0)}  # fmt: skip

DAMAGES: Mapping[str, Any] = {
    "opacity": (faint, "lost", 0.3, 0.45, 0.6, 0.8, 1.0),
    "fade": (fading, "per second", 0.15, 0.4, 0.8, 1.6, 3.0),
    "delay": (delayed, "seconds", 0.25, 0.5, 0.75, 1.0, 1.5),
    "offset": (moved, "sides of the canvas", 0.01, 0.03, 0.06, 0.12, 0.25),
    "short": (shortened, "of the new stroke lacking", 0.15, 0.3, 0.5, 0.75, 1.0),
    "wiped": (wiping, "of the canvas", 0.2, 0.4, 0.6, 0.8, 1.0),
    "drift": (drifting, "of the way to another colour", 0.15, 0.3, 0.5, 0.75, 1.0),
}
