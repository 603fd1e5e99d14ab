"""What services and people do to a clip on its way back: cuts, bars, marks, shifts, a moving camera.

Every function looks at pixels and at the given frames only; clips are uint8 [T, H, W, 3] and lengths
are in pixels of the asked size. Thresholds are set so that clean clips at crf 18 to 28 raise nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CUT_SHARE, CUT_LEVELS = 0.3, 16.0
BAR_SHARE, BAR_SPREAD = 0.03, 10.0
MARK_LEVELS, MARK_STILL = 32.0, 10.0
CHANGED = 0.6


@dataclass(frozen=True)
class Alignment:
    """How `picture` lies on a reference: `x`, `y` pixels right and down, `zoom` (1 is none), and after
    undoing that the mean difference in levels (`off`) and the share of pixels that differ a lot."""

    x: float
    y: float
    zoom: float
    off: float
    share: float


def cuts(frames: np.ndarray) -> tuple[int, ...]:
    """Frames t at which far more of the picture changes than from any frame near them.

    A change of exposure alone is no cut: each channel's mean is taken out first.
    """
    import cv2

    scale = 48 / min(frames.shape[1:3])
    size = (max(8, round(frames.shape[2] * scale)), max(8, round(frames.shape[1] * scale)))
    small = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames]).astype(np.float32)
    small -= small.mean(axis=(1, 2), keepdims=True)
    moved = np.abs(np.diff(small, axis=0)).max(axis=3) > CUT_LEVELS
    share = moved.mean(axis=(1, 2))
    found = []
    for i, value in enumerate(share):
        near = np.concatenate([share[max(0, i - 3) : i], share[i + 1 : i + 4]])
        if value > CUT_SHARE and len(near) and value > 2.5 * np.median(near) + 0.1:
            found.append(i + 1)
    return tuple(found)


def letterbox(frames: np.ndarray, given: np.ndarray) -> str | None:
    """Which sides carry bars: even, unchanging, and not in the given frames (black when there are none)."""
    after = frames[len(given) :] if len(frames) > len(given) else frames
    sides = []
    for name, turned, reference in (
        ("top", after, given[:1]),
        ("bottom", after[:, ::-1], given[:1, ::-1]),
        ("left", after.transpose(0, 2, 1, 3), given[:1].transpose(0, 2, 1, 3)),
        ("right", after.transpose(0, 2, 1, 3)[:, ::-1], given[:1].transpose(0, 2, 1, 3)[:, ::-1]),
    ):
        depth = _bar(turned.astype(np.float32), reference.astype(np.float32))
        if depth >= max(1, BAR_SHARE * turned.shape[1]):
            sides.append(f"{name} {depth} px")
    # Without a given frame one dark side may be the scene; bars come in pairs.
    return ", ".join(sides) if sides and (len(given) or len(sides) > 1) else None


def _bar(frames: np.ndarray, reference: np.ndarray) -> int:
    """How many rows from the top are a bar."""
    colour = np.median(frames[:, 0], axis=(0, 1))
    dark = colour.max() < 32
    even = np.abs(np.quantile(frames - colour, [0.02, 0.98], axis=(0, 2))).max(axis=(0, 2)) < BAR_SPREAD
    if len(reference):
        even &= np.abs(reference[0] - colour).mean(axis=(1, 2)) > 2 * BAR_SPREAD
    elif not dark:
        return 0
    depth = int(np.argmin(even)) if not even.all() else len(even)
    return depth if depth < len(even) else 0


def align(reference: np.ndarray, picture: np.ndarray) -> Alignment:
    """Shift and zoom of `picture` against `reference` (both [H, W, 3]): phase correlation, refined by
    the enhanced correlation coefficient (Evangelidis and Psarakis 2008)."""
    import cv2

    factor = max(1.0, 128 / min(reference.shape[:2]))
    a, b = (_gray(p, factor) for p in (reference, picture))
    warp = np.eye(2, 3, dtype=np.float32)
    if a.std() > 2 and b.std() > 2:
        window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
        (x, y), sure = cv2.phaseCorrelate(a - a.mean(), b - b.mean(), window)
        starts = [warp.copy()]
        if sure > 0.1:
            starts.append(np.array([[1, 0, x], [0, 1, y]], np.float32))
        warp = max((_refined(a, b, start) for start in starts), key=lambda found: found[0])[1]
    back = warp.copy()
    back[:, 2] /= factor
    undone = cv2.warpAffine(
        picture, back, picture.shape[1::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    inside = cv2.warpAffine(
        np.ones(picture.shape[:2], np.float32), back, picture.shape[1::-1], flags=cv2.WARP_INVERSE_MAP
    )
    difference = np.abs(cv2.blur(undone, (3, 3)).astype(np.float32) - cv2.blur(reference, (3, 3)))
    worst = difference.max(axis=2)[inside > 0.99]
    centre = np.array([reference.shape[1], reference.shape[0]]) / 2 - 0.5
    moved = back[:, :2] @ centre + back[:, 2] - centre
    zoom = float(np.sqrt(max(np.linalg.det(back[:, :2]), 1e-6)))
    if worst.size == 0:
        return Alignment(0.0, 0.0, 1.0, 255.0, 1.0)
    return Alignment(float(moved[0]), float(moved[1]), zoom, float(worst.mean()), float((worst > 48).mean()))


def _refined(a: np.ndarray, b: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
    """(correlation, warp) from `start`; the start itself where the refinement does not converge."""
    import cv2

    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    try:
        # The stubs lack the overload with a mask of None.
        score, warp = cv2.findTransformECC(a, b, start.copy(), cv2.MOTION_AFFINE, stop, None, 5)  # type: ignore[call-overload]
    except cv2.error as error:
        if error.code != cv2.Error.StsNoConv:
            raise
        return -1.0, start
    return float(score), np.asarray(warp, np.float32)


def _gray(picture: np.ndarray, factor: float) -> np.ndarray:
    import cv2

    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else gray


def watermark(frames: np.ndarray, given: np.ndarray) -> str | None:
    """Where a still, contrasting mark lies that the first given frame has not: `bottom right, 21x8 px`.

    The returned first frame shows the same moment as the first given one, so what differs there and
    then stays is no motion. Marks near the middle of the picture are not looked for.
    """
    import cv2

    if len(given) == 0 or len(frames) < 3:
        return None
    smooth = np.stack([cv2.blur(frame, (3, 3)) for frame in frames]).astype(np.float32)
    spread = np.quantile(smooth, 0.9, axis=0) - np.quantile(smooth, 0.1, axis=0)
    differs = np.abs(smooth[0] - cv2.blur(given[0], (3, 3))).max(axis=2)
    marked = (differs > MARK_LEVELS) & (spread.max(axis=2) < MARK_STILL)
    height, width = marked.shape
    count, _, boxes, centres = cv2.connectedComponentsWithStats(
        cv2.dilate(marked.astype(np.uint8), np.ones((3, 3), np.uint8)), connectivity=8
    )
    for i in range(1, count):
        x, y = centres[i] / (width, height)
        corner = min(x, 1 - x) < 0.3 and min(y, 1 - y) < 0.3
        if corner and 0.003 < boxes[i][cv2.CC_STAT_AREA] / (width * height) < 0.12:
            where = f"{'top' if y < 0.5 else 'bottom'} {'left' if x < 0.5 else 'right'}"
            return f"{where}, {boxes[i][cv2.CC_STAT_WIDTH]}x{boxes[i][cv2.CC_STAT_HEIGHT]} px"
    return None


def camera_motion(frames: np.ndarray) -> float | None:
    """How far the surroundings leave their place in the first of `frames`, pixels at least; None if still.

    Corners in the outer quarter of the picture are compared with what is at the same place later and
    tracked (Lucas and Kanade 1981). The camera moves if almost none stays, on three sides or more: a
    mover covers one side, and a still wall anywhere is a veto.
    """
    picks = sorted({round(i) for i in np.linspace(0, len(frames) - 1, 9)} - {0})
    drifts = [_drift(frames[0], frames[i]) for i in picks]
    moved = [d for d in drifts if d is not None]
    return max(moved) if len(moved) >= min(2, len(picks)) and moved else None


def _drift(first: np.ndarray, later: np.ndarray) -> float | None:
    """Median displacement in pixels of the border's corners that can be tracked, None if they stay."""
    import cv2

    factor = max(1.0, 256 / min(first.shape[:2]))
    a, b = (_even(_gray(p, factor)) for p in (first, later))
    border = np.full(a.shape, 255, np.uint8)
    inset_y, inset_x = a.shape[0] // 4, a.shape[1] // 4
    border[inset_y:-inset_y, inset_x:-inset_x] = 0
    corners = cv2.goodFeaturesToTrack(a, 120, 0.03, a.shape[0] / 40, mask=border)
    if corners is None or len(corners) < 8:
        return None
    start = np.asarray(corners, np.float32).reshape(-1, 1, 2)
    window, blank = (25, 25), np.empty_like(start)
    there, found, _ = cv2.calcOpticalFlowPyrLK(a, b, start, blank, winSize=window, maxLevel=4)
    back, again, _ = cv2.calcOpticalFlowPyrLK(b, a, there, blank.copy(), winSize=window, maxLevel=4)
    closed = (found[:, 0] > 0) & (again[:, 0] > 0) & (np.linalg.norm((back - start)[:, 0], axis=1) < 1.0)
    length = np.linalg.norm((there - start)[:, 0], axis=1) / factor
    least = max(0.5, 0.005 * max(first.shape[:2]))
    gone = _likeness(a, b, start[:, 0]) < CHANGED
    left = np.where(closed, length >= least, gone)
    height, width = first.shape[:2]
    x, y = start[:, 0].T / factor
    sides = (x < width / 4, x > width * 3 / 4, y < height / 4, y > height * 3 / 4)
    shares = [left[side].mean() for side in sides if side.sum() >= 3]
    if left.mean() < 0.8 or len(shares) < 3 or min(shares) < 0.7:
        return None
    return float(np.median(length[closed])) if closed.sum() >= 4 else least


def _even(gray: np.ndarray) -> np.ndarray:
    """uint8 with the contrast of every neighbourhood alike, so that one bright mover does not own all
    corners; contrast below 6 levels, where compression lives, is not raised further."""
    import cv2

    side = max(3, min(gray.shape) // 5)
    centred = gray - cv2.blur(gray, (side, side))
    # A running sum over a flat region may end a little below zero.
    spread = np.sqrt(np.maximum(cv2.blur(centred**2, (side, side)), 0))
    return np.clip(128 + 48 * centred / np.maximum(spread, 6), 0, 255).astype(np.uint8)


def _likeness(a: np.ndarray, b: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Normalised correlation of the 21 x 21 patches of `a` and `b` (gray) at the same `places` [N, 2]."""
    import cv2

    half = 10
    a, b = (cv2.copyMakeBorder(p, half, half, half, half, cv2.BORDER_REFLECT) for p in (a, b))
    scores = []
    for x, y in np.rint(places).astype(int):
        left, right = (p[y : y + 2 * half + 1, x : x + 2 * half + 1].astype(np.float32) for p in (a, b))
        left, right = left - left.mean(), right - right.mean()
        # Where the later patch is flat the corner has gone: that is as unlike as another picture.
        scores.append(float((left * right).sum() / (np.sqrt((left**2).sum() * (right**2).sum()) + 1e-3)))
    return np.array(scores)
