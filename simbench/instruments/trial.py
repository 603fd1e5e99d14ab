"""Reading one occluder trial: what came back, where, when, and whether it is still the same thing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from simbench.instruments import decoder, hypotheses, registration
from simbench.instruments.bench import Bench
from simbench.instruments.decoder import Detection
from simbench.instruments.hypotheses import Sprite

TOLERANCE_S = 0.15
AREA = (0.5, 1.8)
STRETCH = 1.6
OPACITY = 0.7
LEFT = 0.45
"""Share of a sprite's energy that may be left around it where the nearest hypothesis says "here"."""
OVERLAP = 0.6
"""Soft IoU with its own silhouette below which a region is no longer the object (contours, scraps)."""
PRESENT = 0.35
"""Share of an object's area that counts as the object being in view (duplicates, false alarms)."""


@dataclass(frozen=True)
class Window:
    """Frames that decide: `after` [N] the frames in which each object should be out again, `hidden` [N] the
    first frame in which it is wholly hidden, `quiet` those in which a stopped object must not be seen,
    `shown` [N] the first frame in which the second reader finds it again in truth (`expect`), `tolerance`
    seconds by which an object may be early or late."""

    after: tuple[tuple[int, ...], ...]
    hidden: tuple[int, ...]
    quiet: tuple[int, ...]
    shown: tuple[int, ...] = ()
    tolerance: float = TOLERANCE_S


@dataclass(frozen=True)
class Reading:
    """A video, read: `found` [N][T] detections per object and frame; `drift` mean displacement of the
    camera as a share of the width; `aligned` float32 [T, H, W, 3] on the plate's grid and `ground` the
    plate in the video's colours; `known` [N] the object was found before it was hidden; `plate` and
    `sprites` (per object and shape) are the re-rendered ones in the video's colours; `noise` is the
    standard deviation of the frames before hiding; `fields` keeps search fields that frames share."""

    found: tuple[tuple[tuple[Detection, ...], ...], ...]
    drift: float
    aligned: np.ndarray
    ground: np.ndarray
    valid: np.ndarray
    size: np.ndarray
    known: np.ndarray
    plate: np.ndarray
    sprites: tuple[dict[str, Sprite], ...]
    noise: float
    fields: dict[tuple[int, int], hypotheses.Field] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Return:
    """How one object came back. `hit` by the decoder, `hit_nearest` by the nearest hypothesis; `graded` in
    [0, 1]; `distance` diameters and `delay` seconds, None where it was never found."""

    hit: bool
    hit_nearest: bool
    graded: float
    distance: float | None
    delay: float | None
    duplicates: int


def read(bench: Bench, frames: np.ndarray, context: int) -> Reading:
    """Register, match colours and find every object in every frame. `frames` uint8 [T, H, W, 3]."""
    registered = registration.register(frames, bench.plate)
    ground = decoder.match_plate(registered.frames, bench.plate, registered.valid)
    shown = slice(0, max(1, context))
    cover = bench.cover[:, shown]
    start = ground if len(ground) == 1 else ground[shown]
    palette = decoder.learn_palette(registered.frames[shown], start, cover)
    share = decoder.unmix(registered.frames, ground, palette, registered.valid)
    found = tuple(
        tuple(tuple(decoder.detect(share[i, t], i, float(palette.size[i]))) for t in range(len(frames)))
        for i in range(len(share))
    )
    drift = float(registered.drift.mean())
    noise = min(12.0, 1.48 * float(np.median(np.abs(registered.frames[shown] - start))))
    tint = hypotheses.match_colours(bench.truth[shown], registered.frames[shown])
    sprites = tuple(
        {n: dataclasses.replace(s, colour=hypotheses.recolour(s.colour, tint)) for n, s in looks.items()}
        for looks in bench.sprites
    )
    return Reading(
        found=found,
        drift=drift,
        aligned=registered.frames,
        ground=ground,
        valid=registered.valid,
        size=palette.size,
        known=palette.found,
        plate=hypotheses.recolour(bench.plate, tint),
        sprites=sprites,
        noise=noise,
    )


def nearest(detections: tuple[Detection, ...], x: float, y: float) -> tuple[Detection | None, float]:
    """The detection closest to (x, y) and its distance in pixels."""
    best, distance = None, np.inf
    for d in detections:
        gap = float(np.hypot(d.x - x, d.y - y))
        if gap < distance:
            best, distance = d, gap
    return best, distance


def shape_fit(
    bench: Bench, index: int, frame: int, detection: Detection, reference: Detection
) -> tuple[float, float]:
    """Overlap with the object's own silhouette, and that less the overlap with the best other one."""
    x, y = bench.centres[index, frame]
    own = bench.layout.lanes[index].shape
    fits = decoder.outline(
        detection,
        x + detection.x - reference.x,
        y + detection.y - reference.y,
        bench.outlines[index],
        bench.at(bench.seen, frame),
    )
    return fits[own], fits[own] - max(fit for name, fit in fits.items() if name != own)


def judge_return(bench: Bench, truth: Reading, video: Reading, window: Window, index: int) -> Return:
    """Did object `index` come back as itself, where and when it should?"""
    frames = window.after[index]
    fps = bench.setting.fps
    passes, graded, distances, duplicates = [], [], [], 0
    delay = None
    if bench.layout.hidden:
        expected = _reappears(truth, window.hidden[index], index, fps)
        actual = _reappears(video, window.hidden[index], index, fps)
        if expected is not None and actual is not None:
            delay = actual - expected
    late = bench.layout.hidden and (delay is None or abs(delay) > window.tolerance + 1e-6)
    for t in frames:
        good, score, gap, extra = _judge_frame(bench, truth, video, index, t)
        passes.append(good)
        graded.append(score)
        duplicates += extra
        if gap is not None:
            distances.append(gap)
    hit = bool(video.known[index]) and not late and sum(passes) >= (2 * len(frames) + 2) // 3
    if not bench.layout.hidden:
        timing = 1.0
    else:
        timing = 0.0 if delay is None else float(np.exp(-((delay / TOLERANCE_S) ** 2)))
    hit_nearest = _returns_nearest(bench, video, frames, index) and _on_time(bench, video, window, index)
    return Return(
        hit=hit,
        hit_nearest=hit_nearest,
        graded=float(np.mean(graded)) * timing,
        distance=float(np.mean(distances)) if distances else None,
        delay=delay,
        duplicates=duplicates,
    )


def _reappears(reading: Reading, hidden: int, index: int, fps: float) -> float | None:
    """Seconds at which four tenths of the object are in view again, interpolated between frames."""
    size = float(reading.size[index])
    share = [sum(d.area for d in found if d.opacity > 0.5) / size for found in reading.found[index]]
    for t in range(hidden, len(share)):
        if share[t] >= 0.4:
            if t == hidden or share[t] <= share[t - 1]:
                return t / fps
            return (t - min(1.0, (share[t] - 0.4) / (share[t] - share[t - 1]))) / fps
    return None


def _like(detection: Detection, reference: Detection) -> bool:
    """Is a region as large, as long and as solid as the object is in truth?"""
    extent = detection.area / reference.area
    stretch = detection.elongation / reference.elongation
    return AREA[0] <= extent <= AREA[1] and 1 / STRETCH <= stretch <= STRETCH and detection.opacity > OPACITY


def _judge_frame(
    bench: Bench, truth: Reading, video: Reading, index: int, frame: int
) -> tuple[bool, float, float | None, int]:
    """Pass or not, graded score, distance in diameters and number of duplicates in one frame."""
    found = video.found[index][frame]
    if not found or not video.known[index]:
        return False, 0.0, None, 0
    last = bench.setting.frames - 1
    slack = max(1, round(TOLERANCE_S * bench.setting.fps))
    size = float(video.size[index])
    extra = max(0, sum(d.area >= PRESENT * size and d.opacity > 0.5 for d in found) - 1)
    now = truth.found[index][frame]
    gap = nearest(found, now[0].x, now[0].y)[1] / bench.diameter if now else None
    rivals = []
    for near in range(max(0, frame - slack), min(last, frame + slack) + 1):
        for reference in truth.found[index][near][:1]:
            detection, distance = nearest(found, reference.x, reference.y)
            assert detection is not None
            rivals.append((not _like(detection, reference), abs(near - frame), distance, near))
    rivals = [r for r in rivals if r[2] <= 1.5 * bench.diameter]
    if not rivals:
        return False, 0.0, gap, extra
    _, _, distance, near = min(rivals)
    reference = truth.found[index][near][0]
    detection = nearest(found, reference.x, reference.y)[0]
    assert detection is not None
    overlap, margin = shape_fit(bench, index, near, detection, reference)
    extent = detection.area / reference.area
    stretch = detection.elongation / reference.elongation
    good = (
        distance <= bench.diameter
        and _like(detection, reference)
        and margin > -0.02
        and overlap > OVERLAP
        and extra == 0
    )
    alike = np.clip(1.0 + margin / 0.05, 0.0, 1.0) * np.clip((overlap - 0.4) / 0.4, 0.0, 1.0)
    alike *= np.clip((detection.opacity - 0.5) / 0.4, 0.0, 1.0)
    alike *= np.exp(-((np.log(stretch) / np.log(STRETCH)) ** 2))
    off = distance / bench.diameter if gap is None else gap
    score = float(alike * np.exp(-(off**2)) * min(1.0, 1.2 * min(extent, 1 / extent)))
    return bool(good), 0.0 if extra else score, gap, extra


def _returns_nearest(bench: Bench, video: Reading, frames: tuple[int, ...], index: int) -> bool:
    """Is "the same object, within one diameter of its place" nearer to the frames than its rivals?

    Place is judged frame by frame, the shape on what all frames leave over together.
    """
    own = bench.layout.lanes[index].shape
    need = (2 * len(frames) + 2) // 3
    fits: list[dict[str, hypotheses.Placement]] = []
    for done, t in enumerate(frames):
        if len(fits) + len(frames) - done < need:
            return False
        fit = _nearest_hypothesis(bench, video, index, t)
        if fit is not None:
            fits.append(fit)
    if len(fits) < need:
        return False
    rest = {name: sum(fit[name].rest for fit in fits) for name in fits[0]}
    return rest[own] <= min(rest.values())


def _nearest_hypothesis(
    bench: Bench, video: Reading, index: int, frame: int
) -> dict[str, hypotheses.Placement] | None:
    """Placements of the object in every shape near its place, or None where it is not there, or twice."""
    view, ground, sprites, free = _hypothesis_view(bench, video, index, frame)
    seen = bench.at(bench.seen, frame)
    own = bench.layout.lanes[index].shape
    if hypotheses.hopeless(view, ground, sprites[own], 0.3):
        return None
    slack = max(1, round(TOLERANCE_S * bench.setting.fps))
    ys, xs = np.mgrid[: seen.shape[0], : seen.shape[1]]
    reach = np.zeros(seen.shape, dtype=bool)
    for x, y in bench.centres[index, max(0, frame - slack) : frame + slack + 1]:
        reach |= np.hypot(xs - x, ys - y) <= bench.diameter
    searched = hypotheses.search(view, ground, sprites[own], seen, _field(bench, video, index, frame))
    likely = reach & (searched.explained > 0.3)
    gain = np.where(likely, np.where(likely, searched.explained, 0.0) * searched.energy, -np.inf)
    y, x = np.unravel_index(int(np.argmax(gain)), gain.shape)
    if not np.isfinite(gain[y, x]):
        return None
    spot = (seen, free, int(x), int(y), video.noise)
    itself = hypotheses.refine(view, ground, {own: sprites[own]}, *spot)
    if itself[own].explained <= 0.5 or itself[own].left >= LEFT:
        return None
    others = {name: sprite for name, sprite in sprites.items() if name != own}
    rivals = {**itself, **hypotheses.refine(view, ground, others, *spot)}
    here = rivals[own].image
    rest = np.where(free[..., None], view, here)
    if hypotheses.hopeless(rest, here, sprites[own], 0.55):
        return rivals
    twin = hypotheses.search(rest, here, sprites[own], seen).explained
    taken = np.hypot(xs - x, ys - y) <= bench.diameter
    return None if np.where(taken, -np.inf, twin).max() >= 0.55 else rivals


def expect(bench: Bench, truth: Reading, window: Window) -> Window:
    """The window with `shown`: the frame in which the nearest hypothesis first says "there" in truth."""
    if not bench.layout.hidden:
        return window
    shown = tuple(_first_shown(bench, truth, window, i) for i in range(len(bench.layout.lanes)))
    return dataclasses.replace(window, shown=shown)


def _first_shown(bench: Bench, video: Reading, window: Window, index: int) -> int:
    """First frame from hiding on in which the nearest hypothesis is "there"; one past the last otherwise."""
    for t in range(window.hidden[index], window.after[index][-1] + 1):
        if _sprite_anywhere(bench, video, index, t, None):
            return t
    return bench.setting.frames


def _on_time(bench: Bench, video: Reading, window: Window, index: int) -> bool:
    """Does the nearest hypothesis change from "nowhere" to "there" when it does in truth?"""
    if not bench.layout.hidden:
        return True
    slack = max(1, round(window.tolerance * bench.setting.fps))
    return abs(_first_shown(bench, video, window, index) - window.shown[index]) <= slack


def _hypothesis_view(
    bench: Bench, video: Reading, index: int, frame: int
) -> tuple[np.ndarray, np.ndarray, dict[str, hypotheses.Sprite], np.ndarray]:
    """Frame, plate and sprites in one colour space, and the pixels that other objects leave free."""
    others = np.delete(np.arange(len(bench.cover)), index)
    free = video.valid[frame].copy()
    for other in others:
        free &= bench.cover[other, frame] < 0.02
    return video.aligned[frame], bench.at(video.plate, frame), video.sprites[index], free


def _field(bench: Bench, video: Reading, index: int, frame: int) -> hypotheses.Field:
    """The search field of an object's own look behind the screen, one for all frames of a still stage."""
    key = (index, min(frame, max(len(video.plate), len(bench.seen)) - 1))
    if key not in video.fields:
        look = video.sprites[index][bench.layout.lanes[index].shape]
        ground, seen = bench.at(video.plate, frame), bench.at(bench.seen, frame)
        video.fields[key] = hypotheses.field(ground, look, seen)
    return video.fields[key]


def shown_while_hidden(
    bench: Bench, video: Reading, window: Window, index: int, beyond: float | None = None
) -> tuple[bool, bool, float]:
    """False alarm of a stopped object by both readers, and the graded presence in [0, 1].

    `beyond`: for the open twin, only what is more than one diameter from its true place counts.
    """
    size = max(1.0, float(video.size[index]))
    need = min(2, len(window.quiet))
    seen_frames, near_frames, presence = 0, 0, []
    for t in window.quiet:
        x, y = bench.centres[index, t]
        there = [d for d in video.found[index][t] if d.opacity > 0.5]
        if beyond is not None:
            there = [d for d in there if np.hypot(d.x - x, d.y - y) > beyond]
        share = max((d.area for d in there), default=0.0) / size
        seen_frames += share >= PRESENT
        presence.append(min(1.0, share))
        near_frames += near_frames < need and _sprite_anywhere(bench, video, index, t, beyond)
    # As many frames as would decide a return, the worst ones: a brief appearance weighs as a brief hit.
    worst = sorted(presence)[-len(window.after[index]) :]
    return seen_frames >= need, near_frames >= need, float(np.mean(worst))


def _sprite_anywhere(bench: Bench, video: Reading, index: int, frame: int, beyond: float | None) -> bool:
    """Is "the object somewhere, behind or before the screen" nearer to the frame than "nowhere"?"""
    view, ground, sprites, free = _hypothesis_view(bench, video, index, frame)
    name = bench.layout.lanes[index].shape
    own = {name: sprites[name]}
    if hypotheses.hopeless(view, ground, own[name], 0.4):
        return False
    behind = bench.at(bench.seen, frame)
    for seen in (behind, np.ones_like(behind)):
        known = _field(bench, video, index, frame) if seen is behind else None
        explained = hypotheses.search(view, ground, own[name], seen, known).explained
        if beyond is not None:
            ys, xs = np.mgrid[: explained.shape[0], : explained.shape[1]]
            x, y = bench.centres[index, frame]
            explained = np.where(np.hypot(xs - x, ys - y) > beyond, explained, -np.inf)
        row, column = np.unravel_index(int(np.argmax(explained)), explained.shape)
        if explained[row, column] > 0.4:
            best = hypotheses.refine(view, ground, own, seen, free, int(column), int(row), video.noise)[name]
            if best.explained > 0.5 and best.left < LEFT:
                return True
    return False
