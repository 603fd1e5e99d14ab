"""A clip of which nothing is known: measures of whether one world and one camera could have made it.

There is no truth here and so no score. Every measure has a blind spot, which is stated, and is best for a
clip that stands still; so each is gated by motion: pairs and stretches of frames in which nothing moved
count as nothing in `gated`, whose mean over a clip is from 0 to 1 and larger the better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from simbench.instruments import following
from simbench.instruments.bundle import LEAST, Bundle, bundle, some, third_error
from simbench.instruments.matching import Features, Matches, features
from simbench.instruments.twoview import TwoView, two_view
from simbench.metrics.motion import flicker
from simbench.metrics.stability import (
    aligned_error,
    carried_back,
    histogram_distance,
    outliers,
    survival,
    unevenness,
)

SIGMAS, FLOOR = 6.0, 0.05
"""A cut: how far a step of frames is above the others, in robust standard deviations, each at least that."""

CUT_PX, UNEXPLAINED = 1.0, 0.3
"""Share of pixels that flow does not bring home within so many px, below which a step is no cut."""

BACK = 6
"""Frames before and after a cut of which none shows what another does: a jump that comes back is no cut."""

EVERY = 2
"""Frames between the places by which the evenness of a track is judged: what noise adds to each place weighs
half of what it does from frame to frame."""

Depths = Callable[[np.ndarray], np.ndarray]
"""Frames uint8 [T, H, W, 3] to inverse depths [T, H, W] in any scale and shift."""


@dataclass(frozen=True)
class Reader:
    """How clips are read. Frames are reduced to a shorter side of `side` px, never enlarged; the first
    `frames` of them are read. `pairs` pairs of frames `gap` apart, evenly spread, are registered, a match
    agreeing within `threshold` px; points are followed over `span` frames in as many stretches."""

    side: int = 240
    frames: int = 49
    gap: int = 4
    pairs: int = 12
    span: int = 8
    threshold: float = 0.5


@dataclass(frozen=True)
class Reading:
    """One measure of one clip. `value` in the measure's unit, None where it is not defined; `gated` 0 to 1,
    larger better, 0 where nothing moved or nothing is defined; `gate` the share of the clip that moved;
    `reason` says why there is no value, or none in a part of the clip; empty otherwise."""

    value: float | None
    gated: float
    gate: float
    reason: str = ""


@dataclass(frozen=True)
class Wild:
    """All readings of one clip; see `MEASURES` for what they are. `depth` is None where no network was
    given."""

    inliers: Reading
    sampson: Reading
    reproj: Reading
    third: Reading
    loop: Reading
    tracks: Reading
    steady: Reading
    flicker: Reading
    cuts: Reading
    motion: Reading
    plane: Reading
    depth: Reading | None = None

    def readings(self) -> dict[str, Reading]:
        """Name to reading, without what was not asked."""
        every = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: reading for name, reading in every.items() if reading is not None}


@dataclass(frozen=True)
class Part:
    """What one pair, stretch or step gives: its value (None: not defined, `reason` says why) and whether it
    moved."""

    value: float | None
    moved: bool
    reason: str = ""


def quality(value: float, unit: float) -> float:
    """An error as a number from 0 to 1: one half at `unit`."""
    return 1.0 / (1.0 + value / unit)


def pooled(parts: Sequence[Part], unit: float | None, lack: str) -> Reading:
    """The parts of a clip as one reading: mean of their values where they moved, of all of them where none
    did. `unit` turns an error into a quality, None says that the value is a share. `lack`: why there is no
    part."""
    if not parts:
        return Reading(None, 0.0, 0.0, lack)
    moving = [p for p in parts if p.moved]
    known = [p.value for p in (moving or parts) if p.value is not None]
    gated = sum(
        (p.value if unit is None else quality(p.value, unit)) for p in moving if p.value is not None
    ) / len(parts)
    reasons = [p.reason for p in parts if p.reason]
    reason = max(set(reasons), key=lambda r: (reasons.count(r), r)) if reasons else ""
    value = float(np.mean(known)) if known else None
    return Reading(value, float(gated), len(moving) / len(parts), reason)


def reduced(frames: np.ndarray, side: int) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] with a shorter side of `side` px; smaller ones stay as they are."""
    import cv2

    height, width = frames.shape[1:3]
    if min(height, width) <= side:
        return frames
    scale = side / min(height, width)
    size = (round(width * scale), round(height * scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def read(frames: np.ndarray, reader: Reader, depths: Depths | None = None) -> Wild:
    """All measures of a clip uint8 [T, H, W, 3] sRGB. Nothing that a picture shows makes it fail: what cannot
    be measured has a reason."""
    clip = reduced(frames[: reader.frames], reader.side)
    calm = following.smoothed(clip)
    pictures = following.grey(calm)
    windows = [
        following.window(pictures[s : s + reader.span + 1])
        for s in _starts(len(clip), reader.span, reader.pairs)
    ]
    moves = float(np.mean([w is not None and w.moved for w in windows])) if windows else 0.0
    loops = following.loops(pictures)
    home = [following.home(error) for error in loops]
    return Wild(
        **_geometry(clip, reader),
        **_tracked(windows, len(clip), reader),
        loop=_stepwise(home, None, moves, "no flow stays in the frame", len(clip)),
        flicker=_flickers(calm, moves),
        cuts=cuts_in(clip, pictures, loops, _unlost(windows)),
        depth=None if depths is None else _depth(clip, pictures, depths, moves),
    )


FLICKER, SAMPSON, REPROJ, THIRD, STEADY, DEPTH = 3.0, 0.5, 0.5, 1.0, 1.0, 0.5
"""Errors at which a quality is one half: grey levels of smoothed frames; px; px; px; no unit; no unit."""


def few(have: int, need: int) -> str:
    """Why a short clip is not measured."""
    return f"{have} frames, not {need}"


def _starts(count: int, length: int, most: int) -> np.ndarray:
    """First frames of at most `most` stretches of `length` + 1 of `count` frames, evenly spread."""
    last = count - 1 - length
    return np.unique(np.rint(np.linspace(0, last, most)).astype(int)) if last >= 0 else np.zeros(0, int)


def _geometry(clip: np.ndarray, reader: Reader) -> dict[str, Reading]:
    """The measures of two views, and of a third one."""
    shape: tuple[int, int] = clip.shape[1:3]
    known: dict[int, Features] = {}

    def at(t: int) -> Features:
        """Features of frame `t`, found once."""
        if t not in known:
            known[t] = features(clip[t])
        return known[t]

    parts: dict[str, list[Part]] = {"inliers": [], "sampson": [], "reproj": [], "third": [], "plane": []}
    views = 3 if len(clip) > 2 * reader.gap else 2
    for s in _starts(len(clip), (views - 1) * reader.gap, reader.pairs):
        later = [_paired(at(s), at(s + k * reader.gap), reader) for k in range(1, views)]
        near, third = later[0], later[-1]
        if all(v.kind == "still" for v in later):
            # Of frames in another order two may be neighbours by chance; of a still clip these are still too.
            later += [_paired(at(s), at(s + k * reader.gap // 2), reader) for k in range(1, 2 * views - 2, 2)]
        # In order the nearer frame shares more; of frames in any other order, whichever it is.
        view = min(later, key=lambda v: (v.kind == "still", -len(v.matches.first)))
        moved, fitted = view.kind != "still", view.f is not None
        why = "" if moved and fitted else view.reason
        parts["inliers"].append(Part(view.kept if len(view.agrees) else None, moved, why))
        parts["sampson"].append(Part(view.sampson_px(kept=False) if fitted else None, moved, why))
        explained = float((view.off_px < 2 * reader.threshold).mean()) if len(view.off_px) else None
        parts["plane"].append(Part(explained, moved, why))
        if views == 3:
            if near.kind == "still":
                near, third = third, near
            found, error, lack = _adjusted(near, third.matches, shape, reader)
            parts["third"].append(Part(error, moved, lack))
            if view is not near:
                found, _, lack = _adjusted(view, near.matches, shape, reader)
            value = None if found is None else found.reproj_px
            parts["reproj"].append(Part(value, moved, lack if value is None else ""))
    units = {"sampson": SAMPSON, "reproj": REPROJ, "third": THIRD}
    needed = {name: reader.gap * (2 if name in ("reproj", "third") else 1) + 1 for name in parts}
    readings = {n: pooled(each, units.get(n), few(len(clip), needed[n])) for n, each in parts.items()}
    return {**readings, "plane": _neither(readings["plane"])}


def _neither(found: Reading) -> Reading:
    """What is no measure of quality: `gated` is the gate, where there is a value."""
    return Reading(found.value, 0.0 if found.value is None else found.gate, found.gate, found.reason)


def _paired(first: Features, second: Features, reader: Reader) -> TwoView:
    return two_view(first, second, None, reader.threshold)


def _adjusted(
    view: TwoView, third: Matches, shape: tuple[int, int], reader: Reader
) -> tuple[Bundle | None, float | None, str]:
    """Two registered frames adjusted, the error in a third one, and why one of them is lacking."""
    if view.kind == "still" or len(view.matches.first) == 0:
        return None, None, view.reason
    seen = _seen(view.matches.first, third)
    # Points that the third frame shows come first: else hardly any of those adjusted would be judged there.
    shown = np.isfinite(seen[:, 0])
    order = np.argsort(~shown, kind="stable")
    picked = order[some(int(shown.sum()) if shown.sum() >= 2 * LEAST else len(order))]
    chosen = Matches(view.matches.first[picked], view.matches.second[picked])
    found = bundle(chosen, shape, view.f, reader.threshold)
    if found is None:
        return None, None, view.reason or "no camera was found"
    error = third_error(found, seen[picked], shape, 2 * reader.threshold, np.random.default_rng(0))
    return found, error, "" if error is not None else "too few points are in three frames"


def _seen(places: np.ndarray, matches: Matches) -> np.ndarray:
    """Where the points at `places` [N, 2] px of a first frame are in a third one, [N, 2] px; NaN: not
    matched."""
    known = {tuple(p): q for p, q in zip(matches.first.round(3), matches.second, strict=True)}
    nowhere = np.full(2, np.nan)
    return np.array([known.get(tuple(p), nowhere) for p in places.round(3)]).reshape(-1, 2)


def _tracked(windows: Sequence[following.Window | None], count: int, reader: Reader) -> dict[str, Reading]:
    """The measures of points that are followed."""
    alive: list[Part] = []
    even: list[Part] = []
    speed: list[Part] = []
    for w in windows:
        if w is None:
            for parts in (alive, even, speed):
                parts.append(Part(None, False, "too few corners: black, plain or blurred"))
            continue
        why = "" if w.moved else "nothing moved, or nothing could be followed"
        share = survival(w.kept, w.inside)
        alive.append(Part(share if np.isfinite(share) else None, w.moved, why))
        way = w.far()
        far = w.uv[:, w.kept][:, way >= following.MOVED_PX]
        rough = unevenness(far[:: EVERY if len(far) > 2 * EVERY else 1])
        known = rough[np.isfinite(rough)]
        even.append(Part(float(np.median(known)) if len(known) else None, w.moved, why))
        speed.append(Part(float(np.median(way)) / reader.span if len(way) else None, w.moved, why))
    lack = few(count, reader.span + 1)
    return {
        "tracks": pooled(alive, None, lack),
        "steady": pooled(even, STEADY, lack),
        "motion": _neither(pooled(speed, None, lack)),
    }


def _stepwise(
    values: Sequence[float | None], unit: float | None, moves: float, why: str, count: int
) -> Reading:
    """A measure of each frame and the next, gated by the share of the clip that moved."""
    parts = [Part(v, True, "" if v is not None else why) for v in values]
    found = pooled(parts, unit, few(count, 2))
    return Reading(found.value, found.gated * moves, moves, found.reason or still_reason(moves))


def _flickers(clip: np.ndarray, moves: float) -> Reading:
    """Flicker of a smoothed clip uint8 [T, H, W, 3], grey levels, gated by the share of it that moved."""
    if len(clip) < 3:
        return Reading(None, 0.0, moves, few(len(clip), 3))
    value = 255 * flicker(clip, 255.0)
    if not np.isfinite(value):
        return Reading(None, 0.0, moves, "no pixel comes home by the flow")
    return Reading(value, moves * quality(value, FLICKER), moves, still_reason(moves))


def still_reason(moves: float) -> str:
    """Why a clip in which nothing moved counts as nothing."""
    return "" if moves > 0 else "nothing moved, or nothing could be followed"


def _unlost(windows: Sequence[following.Window | None]) -> float:
    """Share of the stretches that moved, of those in which anything could be followed; 0 if none could."""
    known = [w.moved for w in windows if w is not None and w.followed]
    return float(np.mean(known)) if known else 0.0


def cuts_in(clip: np.ndarray, pictures: np.ndarray, loops: Sequence[np.ndarray], moves: float) -> Reading:
    """How many steps of a clip uint8 [T, H, W, 3], grey `pictures` [T, H, W], differ from all others both in
    their histogram and in what flow leaves over, and do not come back; `loops` are those of `following`,
    `moves` the share of the clip that moved."""
    if len(clip) < 3:
        return Reading(None, 0.0, 0.0, few(len(clip), 3))
    shown = [following.spread(frame) for frame in clip]
    leap = np.array([histogram_distance(a, b) for a, b in pairwise(shown)])
    left = np.array([_left(error) for error in loops])
    cuts = outliers(leap + left, SIGMAS, FLOOR) & (left > UNEXPLAINED)
    count = float(sum(not _comes_back(pictures, int(t)) for t in np.flatnonzero(cuts)))
    return Reading(count, moves * quality(count, 1.0), moves, still_reason(moves))


def _left(error: np.ndarray) -> float:
    """Share of the pixels that flow does not bring home, from one of `following.loops`."""
    share = following.home(error, CUT_PX)
    return 1.0 if share is None else 1.0 - share


def _comes_back(pictures: np.ndarray, t: int) -> bool:
    """Whether one of the frames just after `t` shows again what one of those up to `t` showed."""
    before = pictures[max(0, t + 1 - BACK) : t + 1]
    pairs = [np.stack([a, b]) for a in before for b in pictures[t + 1 : t + 1 + BACK]]
    return any(_left(following.loops(pair)[0]) <= UNEXPLAINED for pair in pairs)


def _depth(clip: np.ndarray, pictures: np.ndarray, depths: Depths, moves: float) -> Reading:
    """How well a network's inverse depth of a frame is that of the next one along the flow."""
    found = depths(clip)
    values: list[float | None] = []
    for t in range(len(clip) - 1):
        there = following.flow(pictures[t], pictures[t + 1])
        back = following.flow(pictures[t + 1], pictures[t])
        shown, inside = carried_back(np.concatenate([found[t + 1][..., None], back], axis=-1), there)
        home = inside & (
            np.hypot(*np.moveaxis(there + np.nan_to_num(shown[..., 1:]), -1, 0)) < following.LOOP_PX
        )
        error = aligned_error(shown[..., 0][home], found[t][home].astype(np.float64))
        values.append(error if np.isfinite(error) else None)
    return _stepwise(values, DEPTH, moves, "the network sees one depth everywhere", len(clip))
