"""Blobs of the mattes followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.generators.plate import Plate


@dataclass(frozen=True)
class Chain:
    """One thing followed through the frames: its `mattes` float32 [k, H, W], `velocity` in px per frame."""

    mattes: np.ndarray
    velocity: np.ndarray


def _blobs(matte: np.ndarray, least: float) -> list[np.ndarray]:
    """float32 [H, W] each: the connected parts of one matte with an area of `least` px or more."""
    from scipy import ndimage

    labels, count = ndimage.label(matte > 0.3, np.ones((3, 3)))
    out = []
    for i in range(1, count + 1):
        part = ndimage.binary_dilation(labels == i, np.ones((3, 3))) & ((labels == i) | (labels == 0))
        if matte[part].sum() >= least:
            out.append(np.where(part, matte, 0).astype(np.float32))
    return out


def _centre(matte: np.ndarray) -> np.ndarray:
    y, x = np.indices(matte.shape)
    return np.array([(x * matte).sum(), (y * matte).sum()]) / matte.sum()


def chains(plate: Plate) -> list[Chain]:
    """Blobs linked from frame to frame by where the flow takes them; at least two frames each."""
    height, width = plate.rgb.shape[:2]
    least = max(3.0, height * width / 500)
    open_: list[tuple[int, list[tuple[int, np.ndarray]], np.ndarray]] = []
    done = []
    for t, matte in enumerate(plate.mattes):
        blobs = _blobs(matte, least)
        pairs = []
        for i, (_, links, velocity) in enumerate(open_):
            for j, blob in enumerate(blobs):
                reach = 0.6 * np.sqrt(links[-1][1].sum()) + 1.0
                gap = float(np.hypot(*(_centre(links[-1][1]) + velocity - _centre(blob))))
                if gap < reach:
                    pairs.append((gap, i, j))
        taken_i: dict[int, int] = {}
        for _, i, j in sorted(pairs):
            if i not in taken_i and j not in taken_i.values():
                taken_i[i] = j
        done += [c for i, c in enumerate(open_) if i not in taken_i]
        grown = [
            (open_[i][0], open_[i][1] + [(t, blobs[j])], _blob_velocity(plate.flow[t], blobs[j]))
            for i, j in taken_i.items()
        ]
        fresh = [j for j in range(len(blobs)) if j not in taken_i.values()]
        open_ = grown + [(t, [(t, blobs[j])], _blob_velocity(plate.flow[t], blobs[j])) for j in fresh]
    return [_closed(links, plate) for _, links, _ in done + open_ if len(links) > 1]


def _blob_velocity(flow: np.ndarray, blob: np.ndarray) -> np.ndarray:
    return np.median(flow[blob > 0.5], axis=0) if (blob > 0.5).any() else np.zeros(2)


def _closed(links: list[tuple[int, np.ndarray]], plate: Plate) -> Chain:
    mattes = np.zeros_like(plate.mattes)
    speeds = []
    best = max(blob.sum() for _, blob in links)
    for t, blob in links:
        mattes[t] = blob
        if blob.sum() > 0.7 * best:
            speeds.append(_blob_velocity(plate.flow[t], blob))
    return Chain(mattes, np.median(speeds, axis=0))
