"""One reader for every thing whose looks are a function of a scalar: the state whose picture fits the frame.

The true stage is rendered at a grid of states once (`Atlas`). A frame is registered to what stands still,
each picture gets the gain and offset per channel that brings it nearest, and the best one is refined
between its neighbours. What no picture fits is unreadable and says why: `flat` (nothing to see), `unlike`
(other pixels), `mixed` (towards another state or towards nothing at once: ghosts, streaks, what is gone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simbench.arrays import channel_max
from simbench.case import Setting
from simbench.instruments.registration import register
from simbench.worlds.families import process
from simbench.worlds.families.process import Layout
from simbench.worlds.film import render_scene

REASONS = ("flat", "unlike", "mixed")
EXPLAINED = 0.6
"""Least share of the variance in the thing's region that its best picture must explain."""
MIXED = 0.38
"""Largest share of the way from the best picture towards that of another state, or of nothing."""
FAR = 0.12
"""States this far apart are others: nearer ones only say how sharp the picture is."""
MARGIN = 0.04


@dataclass(frozen=True)
class Bank:
    """Pictures by channel, less their means: `own` [3, K, N], `mean` [3, K], `power` [3, K] its square."""

    own: np.ndarray
    mean: np.ndarray
    power: np.ndarray


@dataclass(frozen=True)
class Atlas:
    """Pictures of one stage. N pixels of `region` bool [H, W] in which states differ; 0-255 float32.

    `states` [K], the last next to the first where the process comes round; `whole` [K, H, W, 3]; `pictures`
    [K, N, 3] the region of it; `empty` [N, 3] without what changes; `plate` [1, H, W, 3] the whole stage so;
    `bank`: the pictures for `tones`; `parts` [K, 3 N] what they add to the empty stage, `sizes` [K] of that,
    squared.
    """

    process: str
    states: np.ndarray
    whole: np.ndarray
    pictures: np.ndarray
    empty: np.ndarray
    plate: np.ndarray
    region: np.ndarray
    bank: Bank
    parts: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Look:
    """What one frame says: its `state`, or None and the `reason`; `explained` and `mixed` as judged."""

    state: float | None
    reason: str = ""
    explained: float = 0.0
    mixed: float = 0.0


def render_states(layout: Layout, states: Sequence[float], setting: Setting) -> np.ndarray:
    """RGB uint8 [K, H, W, 3]: the open stage of a layout at some states."""
    path = tuple((float(k), float(s)) for k, s in enumerate(states))
    if len(path) == 1:
        path = (path[0], (1.0, path[0][1]))
    still = replace(layout, path=path, hidden=False)
    clip = replace(setting, frames=len(path), fps=1.0)
    return render_scene(process.stage(still), clip)[: len(states)]


@lru_cache(maxsize=4)
def atlas(layout: Layout, setting: Setting) -> Atlas:
    """The pictures of a layout's stage; its path, schedule and hiding do not matter (see `bare`)."""
    import cv2

    circular = layout.process in process.CIRCULAR
    count = grid(layout.process, setting.height)
    if circular:
        states = (np.arange(count) + 0.25) / count
    else:
        states = np.linspace(-MARGIN, 1.0 + MARGIN, count)
    images = render_states(layout, states.tolist(), setting).astype(np.float32)
    scene = process.stage(_open(layout))
    still = scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover"))
    plate = render_scene(still, setting, [0]).astype(np.float32)
    every = np.concatenate([images, plate])
    spread = (every.max(axis=0) - every.min(axis=0)).max(axis=-1) > 8.0
    reach = 1 + setting.height // 32
    region = cv2.dilate(spread.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)).astype(bool)
    pictures, empty = images[:, region], plate[0][region]
    parts = (pictures - empty).reshape(count, -1)
    sizes = (parts * parts).sum(axis=1)
    bank = bank_of(pictures)
    return Atlas(layout.process, states, images, pictures, empty, plate, region, bank, parts, sizes)


def grid(name: str, height: int) -> int:
    """How many states are drawn: steps of about half a pixel of 32, of a whole one of 128."""
    steps = {"clock": 60, "lights": 60}.get(name, 40)
    return steps if height <= 64 else int(steps * min(3.0, (height / 64) ** 0.5))


def bare(layout: Layout) -> Layout:
    """The layout without all that does not change the open stage: equal for all cases of a scene."""
    return replace(
        layout, path=((0.0, 0.5), (1.0, 0.5)), hidden=False, leave=0.0, gone=0.0, come=0.0, back=0.0, side=1
    )


def _open(layout: Layout) -> Layout:
    return replace(layout, hidden=False)


def read(book: Atlas, frames: np.ndarray) -> list[Look]:
    """The state in each frame uint8 [T, H, W, 3].

    Registered to the empty stage first, and where that moved a frame once more to the stage in the state
    that was read: half of a tank is liquid, and an edge of it is the best sign of where the image lies.
    """
    first = register(frames, book.plate).frames
    found = [_read(book, frame) for frame in first]
    again = [t for t, look in enumerate(found) if look.state is not None and not _fits(book, frames[t], look)]
    if again:
        goals, ways = (np.stack(part) for part in zip(*(_whole(book, found[t]) for t in again), strict=True))
        for t, frame in zip(again, register(frames[again], goals, free=ways).frames, strict=True):
            second = _read(book, frame)
            found[t] = second if second.state is not None else found[t]
    return found


def _whole(book: Atlas, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """The whole stage [H, W, 3] in the state that was read, and how its grey [H, W] changes by one step."""
    assert look.state is not None
    count, width = len(book.states), float(book.states[1] - book.states[0])
    at = (look.state - float(book.states[0])) / width
    low = int(np.floor(at))
    if book.process in process.CIRCULAR:
        below, above = low % count, (low + 1) % count
    else:
        below = min(max(low, 0), count - 2)
        above = below + 1
    step = book.whole[above] - book.whole[below]
    return book.whole[below] + min(max(at - low, 0.0), 1.0) * step, step.mean(axis=-1)


def _fits(book: Atlas, frame: np.ndarray, look: Look) -> bool:
    """Does a frame show the stage in place, to within rounding?"""
    off = channel_max(np.abs(frame - _whole(book, look)[0]))
    return bool(np.median(off) < 1.0 and (off > 12.0).mean() < 0.1)


def bank_of(pictures: np.ndarray) -> Bank:
    """Pictures [K, N, 3], prepared for `tones`."""
    channels = np.ascontiguousarray(pictures.transpose(2, 0, 1))
    mean = channels.mean(axis=2)
    own = channels - mean[:, :, None]
    return Bank(own, mean, np.maximum((own * own).sum(axis=2), 1e-3))


def tones(bank: Bank, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gain [K, 3], offset [K, 3] and left-over energy [K] of K pictures fitted to `seen` [N, 3]."""
    channels = np.ascontiguousarray(seen.T)
    centre = channels.mean(axis=1)
    off = channels - centre[:, None]
    both = (bank.own @ off[:, :, None])[:, :, 0]
    gain = np.maximum(both / bank.power, 0.05)
    left = (off * off).sum(axis=1)[:, None] - 2 * gain * both + gain * gain * bank.power
    return gain.T, (centre[:, None] - gain * bank.mean).T, left.sum(axis=0)


def _read(book: Atlas, frame: np.ndarray) -> Look:
    """Read one registered frame, float32 [H, W, 3]."""
    seen = frame[book.region]
    channels = np.ascontiguousarray(seen.T)
    energy = float(((channels - channels.mean(axis=1, keepdims=True)) ** 2).sum())
    if energy < 9.0 * seen.size:
        return Look(None, "flat")
    gain, offset, left = tones(book.bank, seen)
    best = int(np.argmin(left))
    explained = 1.0 - float(left[best]) / energy
    if explained < EXPLAINED:
        return Look(None, "unlike", explained)
    state, picture = _refine(book, (seen - offset[best]) / gain[best], best, left)
    gain, offset, _ = tones(bank_of(picture[None]), seen)
    mixed = max(
        _mixed(book, (seen - offset[0]) / gain[0] - picture, picture, state), _lacking(book, frame, picture)
    )
    if mixed > MIXED:
        return Look(None, "mixed", explained, mixed)
    return Look(state, "", explained, mixed)


def _lacking(book: Atlas, frame: np.ndarray, picture: np.ndarray) -> float:
    """What the thing [N, 3] lacks of full opacity in a frame [H, W, 3], toned by what is static."""
    plate, inside = book.plate[0], book.region
    changed = np.zeros(inside.shape, bool)
    changed[inside] = channel_max(np.abs(picture - book.empty)) > 8.0
    gain, offset, _ = tones(bank_of(plate[~changed][None]), frame[~changed])
    off = (frame[inside] - offset[0]) / gain[0] - picture
    way = book.empty - picture
    return float((off * way).sum() / max(float((way * way).sum()), 1e-3))


def _refine(book: Atlas, seen: np.ndarray, best: int, left: np.ndarray) -> tuple[float, np.ndarray]:
    """The state between the best picture and its better neighbour, and its picture [N, 3]."""
    count = len(book.states)
    circular = book.process in process.CIRCULAR
    found = (0.0, best, 0.0)
    for way in (-1, 1):
        other = best + way
        if circular:
            other %= count
        if not 0 <= other < count:
            continue
        step = book.pictures[other] - book.pictures[best]
        power = float((step * step).sum())
        share = float(((seen - book.pictures[best]) * step).sum()) / max(power, 1e-3)
        share = min(max(share, 0.0), 0.75)
        if share * share * power > found[2]:
            found = (share * way, other, share * share * power)
    share, other, _ = found
    width = float(book.states[1] - book.states[0])
    picture = book.pictures[best] + abs(share) * (book.pictures[other] - book.pictures[best])
    return float(book.states[best]) + share * width, picture


def _mixed(book: Atlas, rest: np.ndarray, picture: np.ndarray, state: float) -> float:
    """The largest share of another state's picture, or of the empty stage, in what is left over [N, 3]."""
    far = np.array([abs(process.apart(book.process, s, state)) >= FAR for s in book.states])
    own, left = (picture - book.empty).ravel(), rest.ravel()
    along = np.append((book.parts @ left)[far], 0.0) - float(own @ left)
    size = float(own @ own)
    power = np.append((book.sizes - 2 * (book.parts @ own))[far], 0.0) + size
    return float((along / np.maximum(power, 1e-3)).max())
