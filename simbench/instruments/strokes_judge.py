"""Judging a painted canvas: which texels count, which are wrong, and which paint came without the brush.

A texel is wrong by the total variation between what it shows and what it should show, which is a metric:
for two ways A and B that are told apart by the command alone, any answer has at least |A - B| wrong in both
together, as much as the canvas kept as it was, once texels that both ways paint are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from simbench.arrays import channel_max
from simbench.case import Setting
from simbench.instruments import strokes
from simbench.instruments.strokes import View
from simbench.worlds.families import canvas
from simbench.worlds.families.canvas import RADIUS, Layout
from simbench.worlds.film import render_scene

SURE = 0.6
"""The share from which on a texel is taken to be white, or to be painted."""
REACH = RADIUS + 0.05
"""Paint comes from the brush within this distance of its tip, metres."""
COMMON = 0.02
ENOUGH = 0.5
"""Frames that show less of the canvas are not read."""
PURE = 0.9
"""Texels count where whatever is true, either way and before, is nearly all white or nearly all one paint."""
GIVEN = 2.0
"""What a texel of given paint weighs that is still to be there: whoever loses all of it in one trial shall
lose what the other trial can gain."""
Measures = dict[str, float]


@dataclass(frozen=True)
class Book:
    """A case, ready to judge. T frames of which the F in `judged` decide, N x N texels, K + 2 `parts`.

    `true`, `held` float32 [F, N, N, K + 2]; `both` bool [F, N, N]: texels seen whichever way the brush goes;
    `weight` float32 [F, N, N]: what a texel that decides weighs; `seen` bool [T, N, N]: neither covered nor
    out of view in the truth; `near` [T, N, N]: distance of the tip on its way from the last frame to this
    one, metres; `came` [N, N]: when a texel was painted last, seconds, infinite where never; `mine` uint8
    [T, H, W, 3]: the view without brush and passer-by; `start`: the last given frame.
    """

    view: View
    judged: tuple[int, ...]
    true: np.ndarray
    held: np.ndarray
    both: np.ndarray
    weight: np.ndarray
    seen: np.ndarray
    near: np.ndarray
    came: np.ndarray
    mine: np.ndarray
    start: int
    fps: float


def returned(layout: Layout, setting: Setting) -> tuple[int, ...]:
    """The frames that decide: what came between is over."""
    return tuple(t for t in range(setting.context, setting.frames) if t / setting.fps >= layout.back - 1e-9)


def held_paints(layout: Layout) -> tuple[Any, ...]:
    """The paint of the last given frame, all there from the start."""
    given, _ = canvas.split_at(layout.line, layout.parts)
    still = tuple((0.0, x, y) for _, x, y in given)
    return (*canvas.old_paints(layout), canvas.stroke(still, layout.colour))


@lru_cache(maxsize=4)
def plate(layout: Layout, setting: Setting) -> np.ndarray:
    """The view uint8 [T, H, W, 3] without brush and passer-by. The last four are kept, read only."""
    out = render_scene(strokes.without(layout), setting)
    out.setflags(write=False)
    return out


@lru_cache(maxsize=2)
def _kept(layout: Layout, setting: Setting) -> np.ndarray:
    return render_scene(strokes.without(layout, held_paints(layout)), setting)


@lru_cache(maxsize=4)
def camera(layout: Layout, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Poses [T, 4, 4] and intrinsics [T, 3, 3] of a layout's camera."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.truth import intrinsics, poses

    bare = strokes.without(layout, ())
    clip = compile_scene(bare, setting.frames, setting.fps)
    return poses(clip), intrinsics(clip, setting.width, setting.height)


def common(layout: Layout) -> Layout:
    """The layout as it is for either branch: up to where they part."""
    given, _ = canvas.split_at(layout.line, layout.parts)
    return dataclasses.replace(layout, line=given)


def near(layout: Layout, setting: Setting, count: int) -> np.ndarray:
    """Distances [T, N, N] of texels from the tip on its way to each frame, metres; infinite if it is off."""
    places = strokes.texels(count)
    out = np.full((setting.frames, count, count), np.inf)
    first, last = layout.line[0][0], layout.line[-1][0]
    for t in range(setting.frames):
        begin, end = max((t - 1) / setting.fps, first), min(t / setting.fps, last)
        if begin > end:
            continue
        stops = np.array([canvas.tip(layout, s) for s in np.linspace(begin, end, 5)])
        out[t] = np.linalg.norm(places[None] - stops[:, None, None], axis=-1).min(axis=0)
    return out


def painted_at(layout: Layout, count: int) -> np.ndarray:
    """When each texel [N, N] is painted last, seconds: 0 for older strokes, infinite where never."""
    places = strokes.texels(count)
    out = np.full((count, count), np.inf)
    for x0, y0, x1, y1, _ in layout.old:
        out[_along(places, (0.0, x0, y0), (0.0, x1, y1))[0] < RADIUS] = 0.0
    first = np.full((count, count), np.inf)
    for a, b in pairwise(layout.line):
        apart, when = _along(places, a, b)
        first = np.where(apart < RADIUS, np.minimum(first, when), first)
    return np.where(np.isfinite(first), first, out)


def _along(places: np.ndarray, a: tuple[float, ...], b: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Distance of places [..., 2] from a leg (time, x, y) to (time, x, y), and when it is nearest."""
    start, way = np.array(a[1:]), np.array(b[1:]) - np.array(a[1:])
    share = np.clip((places - start) @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    return np.linalg.norm(places - start - share[..., None] * way, axis=-1), a[0] + share * (b[0] - a[0])


def _covered(layout: Layout, setting: Setting, uv: np.ndarray) -> np.ndarray:
    """Texels bool [T, N, N] that brush, passer-by or their shadows touch in the truth."""
    import cv2

    shown = strokes.film(layout, setting).astype(np.int16)
    off = channel_max(np.abs(shown - plate(layout, setting))) > 5
    out = np.zeros(uv.shape[:3], bool)
    for t in np.flatnonzero(off.any(axis=(1, 2))):
        wide = cv2.dilate(off[t].astype(np.uint8), np.ones((3, 3), np.uint8))
        out[t] = cv2.remap(wide, uv[t, ..., 0], uv[t, ..., 1], cv2.INTER_LINEAR) > 0
    return out


@lru_cache(maxsize=1)
def book(layout: Layout, twin: Layout, setting: Setting) -> Book:
    """All of a case that does not depend on a video; `twin` goes the other way. The last is kept."""
    place, lens = camera(common(layout), setting)
    mine, yours, kept = plate(layout, setting), plate(twin, setting), _kept(common(layout), setting)
    view = strokes.view(layout, setting, place, lens, kept, (mine, yours))
    judged = returned(layout, setting)
    at = list(judged)

    def parts(frames: np.ndarray) -> np.ndarray:
        """What an exact view shows in the frames that decide."""
        return strokes.compose(strokes.sampled(frames[at].astype(np.float32), view.uv[at]), view.ink)

    true, held, other = parts(mine), parts(kept), parts(yours)
    seen = view.inside & ~_covered(layout, setting, view.uv)
    both = seen[at] & ~_covered(twin, setting, view.uv)[at]
    alike = np.minimum(distance(true, held), distance(other, held)) > COMMON
    given = np.minimum(true, np.minimum(held, other))[..., 1:-1].sum(axis=-1) > 0.5
    # A rim's share says where it lies to a tenth of a pixel, which is more than a video owes.
    clear = np.minimum(true.max(axis=-1), np.minimum(held.max(axis=-1), other.max(axis=-1))) > PURE
    weight = (both & clear & ~alike.any(axis=0)) * np.where(given.all(axis=0), GIVEN, 1.0).astype(np.float32)
    count = view.uv.shape[1]
    came = painted_at(layout, count)
    start = setting.context - 1
    return Book(
        view,
        judged,
        true,
        held,
        both,
        weight,
        seen,
        near(layout, setting, count),
        came,
        mine,
        start,
        setting.fps,
    )


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Total variation [...] between shares [..., K + 2]: 0 for the same, 1 for nothing in common."""
    return 0.5 * np.abs(a - b).sum(axis=-1)


def weigh(ready: Book, parts: np.ndarray) -> np.ndarray:
    """How wrong texels with shares `parts` [F, N, N, K + 2] are where it counts, by weight [F, N, N].

    Shares are means over three frames, which takes grain away and keeps the total variation a metric.
    """
    return distance(smooth(parts, ready.both), smooth(ready.true, ready.both)) * ready.weight


def smooth(parts: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Means [F, N, N, K + 2] over each frame and its neighbours, as far as texels can be seen, `both`."""
    sight = np.pad(both.astype(np.float32), ((1, 1), (0, 0), (0, 0)))[..., None]
    padded = np.pad(parts, ((1, 1), (0, 0), (0, 0), (0, 0)))
    total = sum(sight[k : k + len(parts)] * padded[k : k + len(parts)] for k in range(3))
    count = sum(sight[k : k + len(parts)] for k in range(3))
    return np.asarray(total / np.maximum(count, 1.0))


def watch(
    ready: Book, parts: Mapping[int, np.ndarray]
) -> tuple[dict[int, np.ndarray], np.ndarray, np.ndarray]:
    """Follow every texel through frames {t: [N, N, K + 2]} from the last given one on.

    Gives by frame which texels bool [N, N] show paint that came away from the tip, and how many texels came
    at the tip and in all. A texel between white and paint, covered or out of view stays what it was last.
    """
    size = ready.came.shape
    label, wrong = np.full(size, -1), np.zeros(size, bool)
    last = np.full(size, ready.start)
    # The tip's nearest approach since a texel was last sure, a frame more to either side.
    near = np.minimum(ready.near, np.concatenate([ready.near[1:], ready.near[-1:]]))
    near = np.minimum(near, np.concatenate([ready.near[:1], ready.near[:-1]]))
    out, lawful, came = {}, 0, 0
    for t in sorted(parts):
        now = parts[t]
        best = now[..., :-1].argmax(axis=-1)
        sure = ready.seen[t] & (now[..., :-1].max(axis=-1) > SURE)
        new = sure & (best > 0) & (best != label) & (label >= 0)
        nearest = np.full(size, np.inf)
        for s in range(int(last.min()) + 1, t + 1):
            nearest = np.where(s > last, np.minimum(nearest, near[s]), nearest)
        good = nearest <= REACH
        lawful, came = lawful + int((new & good).sum()), came + int(new.sum())
        wrong = np.where(new, ~good, wrong & ~(sure & (best == 0)))
        label = np.where(sure, best, label)
        last = np.where(sure, t, last)
        out[t] = wrong
    return out, np.array(lawful), np.array(came)


def judge(ready: Book, frames: np.ndarray) -> Measures:
    """Measures of one video uint8 [T, H, W, 3]; areas in texels, summed over the frames that decide.

    `wrong` and `hold`: of the video and of the canvas kept as it was. `shared` and `united`: of paint, true
    and shown. `kept` of `old`: given paint that is still to be there. `spilt` on `white`: paint where none
    should be. `lawful` of `came`: texels painted at the tip. `age_1` ... of `aged_1` ...: paint of an age in
    half seconds that is there. `unreadable` frames of `frames` count as the canvas kept as it was.
    """
    at = [t for t in range(ready.start, len(frames)) if ready.seen[t].mean() > ENOUGH]
    reading = strokes.read(ready.view, frames, at)
    shown = {t: reading.parts[i] for i, t in enumerate(at) if reading.readable[i]}
    wrong, lawful, came = watch(ready, shown)
    out: Measures = dict.fromkeys(SUMS, 0.0)
    out |= {"lawful": float(lawful), "came": float(came), "frames": float(len(ready.judged))}
    out["drift"] = float(np.mean(reading.drift))
    now = np.stack([shown.get(t, held) for t, held in zip(ready.judged, ready.held, strict=True)])
    late = np.stack([wrong.get(t, np.zeros(ready.came.shape, bool)) for t in ready.judged])
    off, hold = (weigh(ready, part) for part in (now, ready.held))
    out["hold"] = float(hold.sum())
    out["wrong"] = float(np.maximum(off, late * ready.weight).sum())
    out["unreadable"] = float(sum(t not in shown for t in ready.judged))
    for k, t in enumerate(ready.judged):
        _tally(out, ready, k, t, shown.get(t))
    # To an eye a canvas is right where an eighth of the new paint is the most that is wrong.
    return {**out, "right": float(out["wrong"] <= 0.125 * out["hold"])}


def holding(ready: Book) -> Measures:
    """What a case weighs, in texels by frame: `hold`, new paint where it decides; `old`, given paint that is
    still to be there; `painted`, all true paint."""
    out = {"hold": float(weigh(ready, ready.held).sum()), "old": 0.0, "painted": 0.0}
    for k, t in enumerate(ready.judged):
        true, held, seen = ready.true[k], ready.held[k], ready.seen[t]
        out["old"] += float(np.minimum(true, held)[seen][:, 1:-1].sum())
        out["painted"] += float(true[seen][:, 1:-1].sum())
    return out


def trace(ready: Book, frames: np.ndarray) -> dict[str, list[float | None]]:
    """Share of the canvas that is painted in each frame, read from a video uint8 [T, H, W, 3] and from the
    exact view; None where not all of it is in view."""
    whole = [t for t in range(len(frames)) if ready.view.inside[t].all()]
    out: dict[str, list[float | None]] = {name: [None] * len(frames) for name in ("painted", "truth")}
    for name, shown in (("painted", frames), ("truth", ready.mine)):
        reading = strokes.read(ready.view, shown, whole)
        for i, t in enumerate(whole):
            if reading.readable[i]:
                out[name][t] = float(reading.parts[i][..., 1:-1].sum(axis=-1).mean())
    return out


AGES = 5
"""Bins of half a second for the age of paint."""
SUMS = (
    "wrong", "hold", "shared", "united", "kept", "old", "spilt", "white", "unreadable",
    *(f"{word}_{age}" for age in range(AGES) for word in ("age", "aged")),
)  # fmt: skip


def _tally(out: Measures, ready: Book, k: int, t: int, shown: np.ndarray | None) -> None:
    """Add what the k-th deciding frame t says beside S; nothing is there where it shows nothing readable."""
    seen, true, held = ready.seen[t], ready.true[k], ready.held[k]
    now = np.zeros_like(true) if shown is None else shown
    ink, there = true[seen][:, 1:-1], now[seen][:, 1:-1]
    out["shared"] += float(np.minimum(ink, there).sum())
    out["united"] += float(np.maximum(ink, there).sum())
    same = np.minimum(true, held)[..., 1:-1]
    out["old"] += float(same[seen].sum())
    out["kept"] += float(np.minimum(same, now[..., 1:-1])[seen].sum())
    bare = seen & (true[..., 0] > 1.0 - 1e-6)
    out["white"] += float(bare.sum())
    out["spilt"] += float(now[..., 1:-1].sum(axis=-1)[bare].sum())
    age = t / ready.fps - ready.came
    for step in range(AGES):
        part = seen & (age >= 0.5 * step) & (age < 0.5 * (step + 1))
        out[f"aged_{step}"] += float(true[part][:, 1:-1].sum())
        out[f"age_{step}"] += float(np.minimum(true, now)[part][:, 1:-1].sum())
