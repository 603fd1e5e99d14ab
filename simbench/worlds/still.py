"""What stands still is drawn once: the windows of each frame that moving bodies and their shadows reach.

With a still camera and light, a pixel that no moving body and no shadow of one can reach is the same
in every frame. `bounds` are conservative, so this saves time and changes no byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.worlds.compile import CompiledClip
from simbench.worlds.scene import KINDS

GAIN = 0.75
"""Windows that hold more than this share of all pixels are not worth a plate."""


@dataclass(frozen=True)
class Windows:
    """Windows int64 [W, 5] (index of the frame, x0, x1, y0, y1; ends excluded) in pixels.

    `plate` is the first frame, drawn without the moving bodies and copied to all, or empty; `rest` is
    what is drawn over it.
    """

    plate: np.ndarray
    rest: np.ndarray


def whole(count: int, width: int, height: int) -> np.ndarray:
    """One window for each of `count` whole frames."""
    out = np.zeros((count, 5), dtype=np.int64)
    out[:, 0] = np.arange(count)
    out[:, 2], out[:, 4] = width, height
    return out


def moving(compiled: CompiledClip, chosen: np.ndarray) -> np.ndarray:
    """Whether each body looks different in some of the `chosen` frames, bool [N].

    All do where the light or the sky changes; under a moving camera all but what does not depend on it.
    """
    tables = compiled.tables
    bodies, frames = _words(tables.bodies[chosen]), _words(tables.frames[chosen])
    if (frames != frames[:1]).any():
        return np.ones(bodies.shape[1], dtype=bool)
    changed = np.asarray((bodies != bodies[:1]).any(axis=(0, 2)))
    first = tables.bodies[0]
    edited = (first["carve1"] > first["carve0"]) | (first["stroke1"] > first["stroke0"])
    return changed | edited | (first["kind"] == KINDS.index("voxels"))


def _words(table: np.ndarray) -> np.ndarray:
    """A table as its 32-bit words [..., C]: comparing structured rows takes ten times longer."""
    return table.view(np.int32).reshape(*table.shape, table.dtype.itemsize // 4)


def windows(
    moving: np.ndarray, rects: tuple[np.ndarray, ...], width: int, height: int, samples: int
) -> Windows:
    """Windows for the `moving` bodies [N] whose hits (and shades) lie in `rects` int32 [F, N, 4] of rays."""
    count = len(rects[0])
    found = np.concatenate([r[:, moving] for r in rects], axis=1).astype(np.int64)
    low, high = found[..., 0::2] // samples, -(-found[..., 1::2] // samples)
    size = np.maximum(high - low, 0)
    area = int((size[..., 0] * size[..., 1]).sum())
    if count < 2 or area > (GAIN * count - 1) * width * height:
        return Windows(np.zeros((0, 5), np.int64), whole(count, width, height))
    frame = np.broadcast_to(np.arange(count)[:, None], low.shape[:2])
    rows = np.stack([frame, low[..., 0], high[..., 0], low[..., 1], high[..., 1]], axis=-1)
    rest = np.ascontiguousarray(rows[(size > 0).all(axis=-1)])
    return Windows(whole(1, width, height), rest)
