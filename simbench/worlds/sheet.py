"""Pictures for people: depth and identities as colours, panels side by side, contact sheets."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

GAP = 4
PAPER = 255
RAMP = np.array(
    [(255, 244, 190), (252, 176, 90), (222, 92, 90), (140, 52, 122), (62, 34, 106), (18, 14, 44)],
    dtype=np.float64,
)


def colour_depth(depth: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3] from metres [T, H, W]: pale is near, dark is far, sky (0) is black.

    The ramp spans the inverse of depth between the 2nd and 99th percentile of the whole clip.
    """
    known = depth > 0
    if not known.any():
        return np.zeros((*depth.shape, 3), dtype=np.uint8)
    inverse = 1.0 / np.where(known, depth, 1.0)
    low, high = np.percentile(inverse[known], (2, 99))
    share = np.clip((high - inverse) / max(high - low, 1e-6), 0.0, 1.0) * (len(RAMP) - 1)
    below = np.minimum(share.astype(int), len(RAMP) - 2)
    weight = (share - below)[..., None]
    colour = RAMP[below] * (1.0 - weight) + RAMP[below + 1] * weight
    return np.where(known[..., None], np.rint(colour), 0).astype(np.uint8)


def colour_ids(ids: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3] from body indices [T, H, W]: one colour per body, sky (-1) is black."""
    count = int(ids.max(initial=-1)) + 1
    table = [(0.0, 0.0, 0.0)]
    for i in range(count):
        # The golden angle keeps hues of neighbours in the list apart.
        hue = (0.61803398875 * i + 0.58) % 1.0
        table.append(colorsys.hsv_to_rgb(hue, (0.55, 0.8)[i % 2], (0.95, 0.7, 0.85)[i % 3]))
    palette = np.rint(255 * np.array(table)).astype(np.uint8)
    return palette[ids + 1]


def panels(rgb: np.ndarray, depth: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """RGB | depth | instances side by side, uint8 [T, H, 3 W, 3]."""
    return np.concatenate([rgb, colour_depth(depth), colour_ids(ids)], axis=2)


def contact_sheet(rows: Sequence[np.ndarray], columns: int = 6) -> np.ndarray:
    """Frames evenly spaced in time, first and last included: one clip [T, H, W, 3] per row.

    All clips must have the same H and W. Returns uint8 [.., .., 3] with white gaps.
    """
    lines = []
    for clip in rows:
        picked = np.unique(np.rint(np.linspace(0, len(clip) - 1, columns)).astype(int))
        cells = [np.pad(clip[i], ((0, GAP), (0, GAP), (0, 0)), constant_values=PAPER) for i in picked]
        cells += [np.full_like(cells[0], PAPER)] * (columns - len(cells))
        lines.append(np.concatenate(cells, axis=1))
    sheet = np.concatenate(lines, axis=0)
    return np.pad(sheet, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=PAPER)


def write_png(path: Path, image: np.ndarray, colours: int | None = None) -> None:
    """Write uint8 [H, W, 3] as PNG, atomically; `colours` reduces it to a palette for a small file."""
    from PIL import Image

    from simbench.files import replacing

    picture = Image.fromarray(image)
    if colours is not None:
        # The palette comes from every third pixel: k-means over all of a large sheet takes long.
        small = picture.resize(
            (max(1, picture.width // 3), max(1, picture.height // 3)), Image.Resampling.NEAREST
        )
        few = small.quantize(colours, kmeans=4)
        picture = picture.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)
