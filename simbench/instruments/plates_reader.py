"""What a video shows of a plate again: patches that stood still, and what moved on meanwhile.

Points are chosen on the untouched clip: corners that stand still in all of it, are given, go out of sight
and come back. They are sought by normalised correlation, which a brightness curve or a tint hardly changes:
where they should be while they are in view, and where they were at first while they should be out of sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simbench.case import Setting
from simbench.instruments.patches import HALF, as_soft_as, at, match, soften
from simbench.instruments.plates_course import Layout, corners, covered, over, returned
from simbench.instruments.plates_movers import grown, moving
from simbench.instruments.plates_source import Plate

ALIKE = 0.75
"""Correlation from which on a patch is the same."""

CLEARLY, OTHER, UNLIKE = 0.9, 0.8, 0.6
"""A point is asked only if its patch correlates by CLEARLY on return, by less than OTHER with what is around
it (checkers look alike every few px), and by less than UNLIKE with what the clip shows there meanwhile."""

STILL = 6.0
"""Grey levels, mean over a patch, by which a frame may differ from the ground where it stands still."""

TEXTURE = 6.0
"""Standard deviation within a patch, grey levels, from which on it has texture."""

WORK = 64
"""Short side, px, at which everything is read: a larger view is shrunk first. All px below are of this."""

REACH, OFF = 4, 2.05
"""Px within which a patch is sought, and by which it may lie off its place."""

LEAST_SPREAD = 0.35
"""Share of its texture, by standard deviation, that a patch must still have: a smear is like everything."""

STEP = 3.0
"""Px between the places at which the given view is laid over a frame."""

APART = 3.0
"""Least distance of two points, px."""

MOST, PLENTY, FEWEST = 24, 10, 6
"""Points of a case: at most, as sought in a plate, and at least."""

MOVES = 20.0
"""Levels by which what moves differs from the ground, in some channel."""


KNOWN = 256
"""Frames of one case of which it is remembered what they show."""

Seen = tuple[np.ndarray, np.ndarray, float | None]
Known = dict[tuple[int, int, int], Seen]


@dataclass(frozen=True)
class Bench:
    """One case, ready, at the size of WORK.

    `truth` uint8 [T, H, W, 3]: the view of the untouched clip, panel included; `soft` its softened grey.
    `home` [P, 2] px: the points in the view at rest; `places` [T, P, 2] in every frame; bool [T, P] `visible`
    (the whole patch is in view) and `gone` (none of it). `back`: the frames that decide. `moving` bool
    [len(back), 2, H, W]: where what moves is, and was when last given; empty without a lawful motion. `still`
    bool [H, W]: nothing moves there in any frame. `way` (x, y) px: how far the view goes, 0 where a
    panel comes. `context`: frames that are given.
    """

    truth: np.ndarray
    soft: np.ndarray
    home: np.ndarray
    places: np.ndarray
    visible: np.ndarray
    gone: np.ndarray
    back: tuple[int, ...]
    moving: np.ndarray
    still: np.ndarray
    way: np.ndarray
    context: int

    @property
    def parting(self) -> tuple[int, ...]:
        """The generated frames that show some of the points and have others out of sight."""
        both = self.visible.any(axis=1) & self.gone.any(axis=1)
        return tuple(t for t in np.flatnonzero(both).tolist() if t >= self.context)


@dataclass(frozen=True)
class Found:
    """What a video shows. `shown` bool [T, P]: the patch is in view and found where it should be; `stale`: it
    should be out of sight and is found where it was at first. `offset` (x, y) px: how far off the video's own
    given frame lies. `drift` px: how far the patches are from there on return (median of medians), None where
    fewer than 3 are found."""

    shown: np.ndarray
    stale: np.ndarray
    offset: np.ndarray
    drift: float | None


def filmed(layout: Layout, plate: Plate, setting: Setting, gone: np.ndarray | None = None) -> np.ndarray:
    """The truth uint8 [T, H, W, 3]: what the view shows of the untouched clip, and the panel before it. With
    `gone` [T] the truth of another command: how far away the view is, or how much the panel covers."""
    s = setting
    places = corners(layout, s, gone).tolist()
    frames = np.stack(
        [f[y : y + s.height, x : x + s.width] for f, (x, y) in zip(plate.frames, places, strict=True)]
    )
    counts = covered(layout, s, gone)
    if counts.any():
        cloth = panel(layout.seed, s)
        for frame, count in zip(frames, counts, strict=True):
            rows, columns = over(layout.side, int(count), s.width, s.height)
            high, wide = frame[rows, columns].shape[:2]
            from_end = layout.side in ("left", "top")
            frame[rows, columns] = cloth[-high:, -wide:] if from_end and count else cloth[:high, :wide]
    return frames


def panel(seed: int, setting: Setting) -> np.ndarray:
    """A patterned cloth uint8 [H, W, 3]: squares of two hues with grain."""
    dice = np.random.default_rng([seed, 7])
    side = max(3, min(setting.width, setting.height) // 12)
    y, x = np.mgrid[: setting.height, : setting.width]
    first, second = dice.integers(40, 216, (2, 3))
    cells = dice.normal(0.0, 25.0, (setting.height // side + 1, setting.width // side + 1, 1))
    cloth = np.where(((x // side + y // side) % 2)[..., None], first, second) + cells[y // side, x // side]
    return np.asarray(np.clip(cloth, 0, 255), dtype=np.uint8)


def shrunk(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] with a short side of WORK, or as they are where it is not longer."""
    from simbench.resample import resized

    height, width = frames.shape[1:3]
    scale = WORK / min(height, width)
    return frames if scale >= 1 else resized(frames, round(scale * width), round(scale * height))


def bench(layout: Layout, plate: Plate, setting: Setting, context: int) -> Bench:
    """Choose the points of a case. With fewer than FEWEST it should not be asked."""
    truth = shrunk(filmed(layout, plate, setting))
    soft, size = soften(truth), np.array(truth.shape[2:0:-1])
    scale = size[0] / setting.width
    x, y = layout.corner
    part = (slice(None), slice(y, y + setting.height), slice(x, x + setting.width))
    away = np.abs(shrunk(plate.frames[part]).astype(np.int16) - shrunk(plate.ground[None][part]))
    home = _corners(soft[context - 1], away)
    places = home[None] - scale * (corners(layout, setting) - np.array(layout.corner))[:, None]
    visible, gone = _in_view(places, scale * covered(layout, setting), layout.side, size)
    back = returned(setting)
    kept = visible[:context].all(axis=0) & visible[back].all(axis=0) & (gone.sum(axis=0) >= 2)
    kept[kept] = _distinct(soft, home[kept], gone[:, kept], back, context)
    kept &= np.cumsum(kept) <= MOST
    way = scale * (np.array(layout.far) - np.array(layout.corner)) * (layout.trial == "pan")
    for t in np.flatnonzero(gone.any(axis=1)).tolist():
        # A plate that repeats itself along the way cannot tell a view that goes from one that does not.
        kept &= ~(gone[t] & _lingers(soft[context - 1], soft[t], way, home))
    moved = (away.max(axis=-1) > MOVES).astype(np.uint8)
    return Bench(
        truth, soft, home[kept], places[:, kept], visible[:, kept], gone[:, kept], tuple(back),
        moving(moved, back, context), ~grown(moved.any(axis=0)), way, context,
    )  # fmt: skip


def _corners(grey: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Corners float64 [P, 2] of a softened view, best first, whose patches have texture and stand still in
    all frames of `away` [T, H, W, 3], the distance to the ground."""
    import cv2

    found = cv2.goodFeaturesToTrack(grey, 200, 0.003, APART, blockSize=5)
    if found is None:
        return np.zeros((0, 2))
    side = (2 * HALF + 1, 2 * HALF + 1)
    uv = np.floor(found[:, 0].astype(np.float64)) + 0.5
    inside = (uv > HALF + 1).all(axis=1) & (uv < np.array(grey.shape[::-1]) - HALF - 1).all(axis=1)
    uv = uv[inside]
    column, row = np.floor(uv).astype(int).T
    still = np.max([cv2.blur(a.max(axis=-1).astype(np.float32), side)[row, column] for a in away], axis=0)
    spread = _spread(grey)[row, column, 0]
    return uv[(still <= STILL) & (spread >= TEXTURE)]


def _in_view(
    at: np.ndarray, counts: np.ndarray, side: str, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """bool [T, P] twice: the patch at `at` [T, P, 2] is wholly in a view of `size` (width, height) and not
    under the panel, which covers `counts` [T] px from `side`; nothing of it is in view."""
    reach = HALF + 1.0
    visible = ((at >= reach) & (at <= size - reach)).all(axis=-1)
    gone = ((at <= -reach) | (at >= size + reach)).any(axis=-1)
    axis = 0 if side in ("left", "right") else 1
    depth = at[..., axis] if side in ("left", "top") else size[axis] - at[..., axis]
    count = counts[:, None]
    visible &= (depth >= count + reach) | (count == 0)
    return visible, gone | (depth <= count - reach) | (count >= size[axis] - 0.5)


def _distinct(
    soft: np.ndarray, home: np.ndarray, gone: np.ndarray, back: Sequence[int], context: int
) -> np.ndarray:
    """bool [P]: on the truth itself the patch is found on return, and nothing like it where it is not."""
    first = soft[context - 1]
    good = _alone(first, home, REACH + 2, OFF + 0.5)
    for t in back:
        uv, alike = match(first, soft[t], home, REACH)
        good &= (alike >= CLEARLY) & (np.hypot(*(uv - home).T) <= 0.5 * OFF)
    for t in np.flatnonzero(gone.any(axis=1)).tolist():
        good &= ~gone[t] | (match(first, soft[t], home, REACH)[1] < UNLIKE)
    return good


def _alone(grey: np.ndarray, home: np.ndarray, radius: int, near: float) -> np.ndarray:
    """bool [P]: no patch from `near` to `radius` px off is like the one at `home`."""
    import cv2

    edge = radius + HALF
    padded = cv2.copyMakeBorder(grey, edge, edge, edge, edge, cv2.BORDER_REFLECT)
    off = np.arange(-radius, radius + 1)
    far = np.hypot(off[:, None], off[None]) > near
    good = np.ones(len(home), bool)
    for i, (x, y) in enumerate(np.floor(home).astype(int).tolist()):
        patch = grey[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1]
        window = padded[y : y + 2 * edge + 1, x : x + 2 * edge + 1]
        good[i] = cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED)[far].max() < OTHER
    return good


def read(ready: Bench, frames: np.ndarray, known: Known | None = None) -> Found:
    """Seek the points of a case in a video uint8 [T, H, W, 3] at the size of WORK. `known` holds what was
    read of the case before: cheats repeat each other's frames, and their own."""
    shown, stale = np.zeros_like(ready.visible), np.zeros_like(ready.gone)
    rest, drifts = ready.context - 1, []
    offset = _offset(ready, soften(frames[rest : rest + 1])[0])
    known = {} if known is None else known
    for t in range(ready.context, len(frames)):
        key = (t, hash(frames[t].tobytes()), hash(offset.tobytes()))
        if key not in known and len(known) >= KNOWN:
            known.clear()
        if key not in known:
            known[key] = _frame(ready, soften(frames[t : t + 1])[0], t, offset)
        shown[t], stale[t], drift = known[key]
        drifts += [drift] if t in ready.back and drift is not None else []
    return Found(shown, stale, offset, float(np.median(drifts)) if drifts else None)


def _frame(ready: Bench, made: np.ndarray, t: int, offset: np.ndarray) -> Seen:
    """What one frame, softened, shows: `shown` and `stale` bool [P], and how far off its patches are, px."""
    rest, drift = ready.context - 1, None
    shown, stale = np.zeros(len(ready.home), bool), np.zeros(len(ready.home), bool)
    here, there = np.flatnonzero(ready.visible[t]), np.flatnonzero(ready.gone[t])
    if len(here):
        # On return the view is where it was: the same patches as for `stale`, so that a picture that never
        # changes is read alike in both.
        source = rest if t in ready.back else t
        shown[here], drift = _seek(ready.soft[source], made, ready.places[t, here], offset)
    if len(there):
        stale[there] = _seek(ready.soft[rest], made, ready.home[there], offset)[0]
        stale[there] |= _lingers(ready.soft[rest], made, ready.way, ready.home[there])
    return shown, stale, drift


def _seek(
    true: np.ndarray, made: np.ndarray, places: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, float | None]:
    """bool [P]: the patches of `true` at `places` are in `made` (both softened [H, W]), `offset` px off; and
    how far from there they are, median of those found, None for fewer than 3."""
    expected = as_soft_as(true, made)
    uv, alike = match(expected, made, places, REACH)
    off = np.hypot(*(uv - places - offset).T)
    like = (alike >= ALIKE) & (at(_spread(made), uv)[:, 0] >= LEAST_SPREAD * at(_spread(true), places)[:, 0])
    return like & (off <= OFF), float(np.median(off[like])) if np.count_nonzero(like) >= 3 else None


def _spread(grey: np.ndarray) -> np.ndarray:
    """Standard deviation [H, W, 1] within the patch around each pixel."""
    import cv2

    side = (2 * HALF + 1, 2 * HALF + 1)
    mean = cv2.blur(grey, side)
    return np.asarray(np.sqrt(np.maximum(cv2.blur(grey * grey, side) - mean * mean, 0.0)))[..., None]


def _lingers(first: np.ndarray, made: np.ndarray, way: np.ndarray, home: np.ndarray) -> np.ndarray:
    """bool [P]: points at `home` in the given view `first` that a frame `made` (both softened [H, W]) still
    shows because the view has not gone far enough.

    The given view is laid over the frame at every place on its `way` (x, y) px; where they agree, what lies
    in both is in sight.
    """
    if not way.any():
        return np.zeros(len(home), bool)
    shift, agree = _laid(first, made, way)
    left, size = home - shift, np.array(made.shape[::-1])
    return np.asarray((agree >= ALIKE) & ((left >= 0) & (left <= size)).all(axis=1))


def _laid(first: np.ndarray, made: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, float]:
    """The shift (x, y) px at which `first` and `made`, softened [H, W], agree best, and their correlation.
    Tried on `way` (x, y) every STEP px as long as a quarter of the view is in both."""
    height, width = first.shape
    best, most = np.zeros(2), -1.0
    count = int(np.ceil(np.abs(way).max() / STEP))
    a, b = _hazy(first), _hazy(made)
    for x, y in np.rint(np.linspace(0, 1, count + 1)[:, None] * way).astype(int):
        high, wide = height - abs(y), width - abs(x)
        if high <= 0 or wide <= 0 or high * wide < 0.25 * height * width:
            continue
        old = a[max(y, 0) : max(y, 0) + high, max(x, 0) : max(x, 0) + wide]
        new = b[max(-y, 0) : max(-y, 0) + high, max(-x, 0) : max(-x, 0) + wide]
        old, new = old - old.mean(), new - new.mean()
        size = float(np.sqrt((old * old).sum() * (new * new).sum()))
        agree = float((old * new).sum()) / size if size > 1e-3 * old.size else 0.0
        if agree > most:
            best, most = np.array([x, y]), agree
    return best, most


def _hazy(grey: np.ndarray) -> np.ndarray:
    """Without what is finer than the steps of `_laid`, and without what is larger than a patch: a bright
    floor below a dark wall looks alike wherever the view is."""
    import cv2

    fine, wide = (
        cv2.GaussianBlur(grey, (0, 0), sd, borderType=cv2.BORDER_REPLICATE) for sd in (0.5 * STEP, 2.0 * STEP)
    )
    return np.asarray(fine - wide)


def _offset(ready: Bench, made: np.ndarray) -> np.ndarray:
    """How far off the video's own given frame shows everything, px (x, y): another framing is no loss."""
    true = ready.soft[ready.context - 1]
    uv, alike = match(as_soft_as(true, made), made, ready.home, REACH)
    found = alike >= ALIKE
    return np.median((uv - ready.home)[found], axis=0) if np.count_nonzero(found) >= 3 else np.zeros(2)
