"""What moves in a plate: where it is on return by its own even way, and whether a video has it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simbench.instruments.plates_reader import Bench

ENOUGH = 12
"""Pixels of a thing that moves, at least."""

LAWFUL = 0.5
"""Diameters by which a thing may be off what its given frames say of it on return."""

EXTRA = 2
"""Pixels around what moves that are compared too."""


def moving(moved: np.ndarray, back: Sequence[int], context: int) -> np.ndarray:
    """bool [len(back), 2, H, W]: where the largest thing that moves (`moved` uint8 [T, H, W]) is on return,
    and where it was when last given. Empty where its given frames do not say where it is on return: cut
    off by the border, not within LAWFUL diameters of its even way, or not moved by its own size."""
    height, width = moved.shape[1:]
    nothing = np.zeros((0, 2, height, width), bool)
    seen = [_thing(m, None) for m in moved[:context]]
    track = [t for t in seen if t is not None]
    if len(track) < 3 or len(track) < context:
        return nothing
    where = np.array([t[1] for t in track])
    law = np.polyfit(np.arange(context), where, 1)
    size = 2.0 * np.sqrt(np.median([t[0].sum() for t in track]) / np.pi)
    out = []
    for t in back:
        expected = law[0] * t + law[1]
        found = _thing(moved[t], expected)
        if found is None or np.hypot(*(found[1] - expected)) > LAWFUL * size:
            return nothing
        out.append(np.stack([grown(found[0]), grown(track[-1][0])]))
    if np.hypot(*(law[0] * (back[0] - context + 1))) < size:
        return nothing
    return np.array(out)


def _thing(moved: np.ndarray, near: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Mask bool [H, W] and middle (x, y) of the largest thing, or of that nearest to a place; None without
    one of ENOUGH pixels or where it touches the border."""
    import cv2

    count, labels, stats, middles = cv2.connectedComponentsWithStats(moved, connectivity=8)
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= ENOUGH]
    if not large:
        return None
    best = max(large, key=lambda i: int(stats[i, cv2.CC_STAT_AREA]))
    if near is not None:
        best = min(large, key=lambda i: float(np.hypot(*(middles[i] - near))))
    x, y, w, h = (int(v) for v in stats[best, :4])
    if x == 0 or y == 0 or x + w == moved.shape[1] or y + h == moved.shape[0]:
        return None
    return labels == best, middles[best]


def grown(mask: np.ndarray) -> np.ndarray:
    """bool [H, W]: a mask and EXTRA px around it."""
    import cv2

    side = 2 * EXTRA + 1
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def moved_on(ready: Bench, frames: np.ndarray, offset: np.ndarray) -> float | None:
    """1 - |video - truth| / |held - truth| on return, over the pixels where what moves is or over those where
    it was, the less of both: 1 for the truth, 0 for the last given frame held and for what has vanished or
    doubled, less for what is farther off; None where the clip has no lawful motion.

    Frames uint8 [T, H, W, 3] at the size of WORK, moved back by `offset` (x, y) px, softened, their colours
    fitted to the truth's (a rising line per channel) where nothing moves.
    """
    import cv2

    if len(ready.moving) == 0:
        return None
    rest, (x, y) = ready.context - 1, offset
    lies = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
    true, held = _soft(ready.truth[list(ready.back)]), _soft(ready.truth[rest : rest + 1])
    made = np.stack(
        [
            cv2.warpAffine(
                frames[t], lies, (frames.shape[2], frames.shape[1]), borderMode=cv2.BORDER_REPLICATE
            )
            for t in ready.back
        ]
    )
    made = _soft(made)
    for c in range(3):
        gain, level = _line(made[:, ready.still, c].ravel(), true[:, ready.still, c].ravel())
        made[..., c] = gain * made[..., c] + level
    wrong, least = np.abs(made - true), np.abs(held - true)
    shares = [
        float(wrong[m].sum()) / max(float(least[m].sum()), 1.0) for m in np.moveaxis(ready.moving, 1, 0)
    ]
    return 1.0 - max(shares)


def _soft(frames: np.ndarray) -> np.ndarray:
    """float32 [T, H, W, 3], blurred a little more than a nuisance would."""
    import cv2

    return np.stack([cv2.GaussianBlur(f.astype(np.float32), (0, 0), 1.2) for f in frames])


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Gain and level of y = gain x + level, least squares; a gain of 0 where it would fall or x is flat."""
    spread = float(x.var())
    gain = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1e-6 else 0.0
    gain = max(gain, 0.0)
    return gain, float(y.mean() - gain * x.mean())
