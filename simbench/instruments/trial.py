"""Reading one occluder trial: what came back, where, when, and whether it is still the same thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.instruments import decoder
from simbench.instruments.bench import Bench
from simbench.instruments.decoder import Detection
from simbench.instruments.nearest import NearestReader
from simbench.instruments.reading import TOLERANCE_S, Reading, Window

AREA = (0.5, 1.8)
STRETCH = 1.6
OPACITY = 0.7
OVERLAP = 0.6
"""Soft IoU with its own silhouette below which a region is no longer the object (contours, scraps)."""
MARGIN = -0.02
"""Soft IoU with its own silhouette less that with the best other, over frames: below, it is another shape."""
PRESENT = 0.35
"""Share of an object's area that counts as the object being in view (duplicates, false alarms)."""


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


def judge_return(truth: Reading, second: NearestReader, window: Window, index: int) -> Return:
    """Did object `index` come back as itself, where and when it should? `second` holds the video, too."""
    bench, video = second.bench, second.video
    frames = window.after[index]
    fps = bench.setting.fps
    delay = None
    if bench.layout.hidden:
        expected = _reappears(truth, window.hidden[index], index, fps)
        actual = _reappears(video, window.hidden[index], index, fps)
        if expected is not None and actual is not None:
            delay = actual - expected
    late = bench.layout.hidden and (delay is None or abs(delay) > window.tolerance + 1e-6)
    judged = [_judge_frame(bench, truth, video, index, t) for t in frames]
    passed = [j for j in judged if j.passes]
    enough = len(passed) >= (2 * len(frames) + 2) // 3
    # The shape is judged on all frames together: one that shows half of it cannot tell a cube from a ball.
    itself = sum(j.area * (j.margin - MARGIN) for j in passed) > 0.0
    distances = [j.gap for j in judged if j.gap is not None]
    if not bench.layout.hidden:
        timing = 1.0
    else:
        timing = 0.0 if delay is None else float(np.exp(-((delay / TOLERANCE_S) ** 2)))
    hit_nearest = second.returns(frames, index) and second.on_time(window, index)
    return Return(
        hit=bool(video.known[index]) and not late and enough and itself,
        hit_nearest=hit_nearest,
        graded=float(np.mean([j.graded for j in judged])) * timing,
        distance=float(np.mean(distances)) if distances else None,
        delay=delay,
        duplicates=sum(j.extra for j in judged),
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


@dataclass(frozen=True)
class _Judged:
    """One frame: does the object pass but for its shape, its graded score, the `gap` to its place in
    diameters (None: nothing to measure), the `extra` ones, the `margin` of its shape, its true `area`."""

    passes: bool
    graded: float
    gap: float | None
    extra: int
    margin: float = 0.0
    area: float = 0.0


def _judge_frame(bench: Bench, truth: Reading, video: Reading, index: int, frame: int) -> _Judged:
    """What one frame says of an object that should be out again."""
    found = video.found[index][frame]
    if not found or not video.known[index]:
        return _Judged(False, 0.0, None, 0)
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
        return _Judged(False, 0.0, gap, extra)
    _, _, distance, near = min(rivals)
    reference = truth.found[index][near][0]
    detection = nearest(found, reference.x, reference.y)[0]
    assert detection is not None
    overlap, margin = shape_fit(bench, index, near, detection, reference)
    extent = detection.area / reference.area
    stretch = detection.elongation / reference.elongation
    good = distance <= bench.diameter and _like(detection, reference) and overlap > OVERLAP and extra == 0
    alike = np.clip(1.0 + margin / 0.05, 0.0, 1.0) * np.clip((overlap - 0.4) / 0.4, 0.0, 1.0)
    alike *= np.clip((detection.opacity - 0.5) / 0.4, 0.0, 1.0)
    alike *= np.exp(-((np.log(stretch) / np.log(STRETCH)) ** 2))
    off = distance / bench.diameter if gap is None else gap
    score = float(alike * np.exp(-(off**2)) * min(1.0, 1.2 * min(extent, 1 / extent)))
    return _Judged(bool(good), 0.0 if extra else score, gap, extra, margin, reference.area)


def shown_while_hidden(
    second: NearestReader, window: Window, index: int, beyond: float | None = None
) -> tuple[bool, bool, float]:
    """False alarm of a stopped object by both readers, and the graded presence in [0, 1].

    `beyond`: for the open twin, only what is more than one diameter from its true place counts.
    """
    bench, video = second.bench, second.video
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
        near_frames += near_frames < need and second.anywhere(index, t, beyond)
    # As many frames as would decide a return, the worst ones: a brief appearance weighs as a brief hit.
    worst = sorted(presence)[-len(window.after[index]) :]
    return seen_frames >= need, near_frames >= need, float(np.mean(worst))
