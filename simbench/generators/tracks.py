"""Blobs of the mattes followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.arrays import squared
from simbench.generators.pixels import grow
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
        part = grow(labels == i) & ((labels == i) | (labels == 0))
        if matte[part].sum() >= least:
            out.append(np.where(part, matte, 0).astype(np.float32))
    return out


def _centre(matte: np.ndarray) -> np.ndarray:
    y, x = np.indices(matte.shape)
    return np.array([(x * matte).sum(), (y * matte).sum()]) / matte.sum()


@dataclass(frozen=True)
class _Open:
    """A chain that may go on: its blobs by time, where it goes next and the colour of its inside."""

    links: tuple[tuple[int, np.ndarray], ...]
    velocity: np.ndarray
    colour: np.ndarray

    def grown(self, t: int, blob: np.ndarray, flow: np.ndarray, frame: np.ndarray) -> _Open:
        """With one more blob. The colour stays that of the largest blob."""
        velocity, colour = _blob_velocity(flow, blob), self.colour
        if blob.sum() >= max((b.sum() for _, b in self.links), default=0.0):
            colour = np.median(frame[blob >= min(0.9, blob.max())], axis=0)
        return _Open((*self.links, (t, blob)), velocity, colour)

    def ahead(self) -> np.ndarray:
        """float32 [H, W]: the last blob, moved on by a frame."""
        import cv2

        blob = self.links[-1][1]
        move = np.array([[1, 0, self.velocity[0]], [0, 1, self.velocity[1]]], np.float32)
        return cv2.warpAffine(blob, move, (blob.shape[1], blob.shape[0]))


def _parted(blob: np.ndarray, claims: list[_Open], frame: np.ndarray, least: float) -> list[np.ndarray]:
    """`blob` divided among those who may be in it, by their colours: things that touch are one blob."""
    gaps = np.stack([np.sqrt(squared(frame - c.colour)) for c in claims])
    owner = gaps.argmin(0)
    parts = [np.where(owner == i, blob, 0).astype(np.float32) for i in range(len(claims))]
    return parts if all(p.sum() >= least for p in parts) else [blob]


def _separate(
    blobs: list[np.ndarray], open_: list[_Open], frame: np.ndarray, least: float
) -> list[np.ndarray]:
    out = []
    hopes = [c.ahead() for c in open_]
    for blob in blobs:
        claims = [c for c, h in zip(open_, hopes, strict=True) if np.minimum(h, blob).sum() > 0.25 * h.sum()]
        colours = [c.colour for c in claims]
        apart = len(claims) == 2 and float(np.linalg.norm(colours[0] - colours[1])) > 40
        out += _parted(blob, claims, frame, least) if apart else [blob]
    return out


def _matches(open_: list[_Open], blobs: list[np.ndarray]) -> dict[int, int]:
    """Which blob each open chain goes on with: the nearest pairs first."""
    pairs = []
    centres = [_centre(blob) for blob in blobs] if open_ else []
    for i, chain in enumerate(open_):
        last = chain.links[-1][1]
        ahead, reach = _centre(last) + chain.velocity, 0.6 * np.sqrt(last.sum()) + 1.0
        for j, centre in enumerate(centres):
            gap = float(np.hypot(*(ahead - centre)))
            if gap < reach:
                pairs.append((gap, i, j))
    found: dict[int, int] = {}
    for _, i, j in sorted(pairs):
        if i not in found and j not in found.values():
            found[i] = j
    return found


def chains(frames: np.ndarray, plate: Plate) -> list[Chain]:
    """Blobs linked from frame to frame by where the flow takes them; at least two frames each."""
    height, width = plate.rgb.shape[:2]
    least = max(3.0, height * width / 500)
    open_: list[_Open] = []
    done: list[_Open] = []
    for t, matte in enumerate(plate.mattes):
        blobs = _separate(_blobs(matte, least), open_, frames[t], least)
        found = _matches(open_, blobs)
        done += [c for i, c in enumerate(open_) if i not in found]
        grown = [open_[i].grown(t, blobs[j], plate.flow[t], frames[t]) for i, j in found.items()]
        fresh = [b for j, b in enumerate(blobs) if j not in found.values()]
        new = _Open((), np.zeros(2), np.zeros(3))
        open_ = grown + [new.grown(t, b, plate.flow[t], frames[t]) for b in fresh]
    return [_closed(c.links, plate) for c in done + open_ if len(c.links) > 1]


def _blob_velocity(flow: np.ndarray, blob: np.ndarray) -> np.ndarray:
    return np.median(flow[blob > 0.5], axis=0) if (blob > 0.5).any() else np.zeros(2)


def _closed(links: tuple[tuple[int, np.ndarray], ...], plate: Plate) -> Chain:
    mattes = np.zeros_like(plate.mattes)
    speeds = []
    best = max(blob.sum() for _, blob in links)
    for t, blob in links:
        mattes[t] = blob
        if blob.sum() > 0.7 * best:
            speeds.append(_blob_velocity(plate.flow[t], blob))
    return Chain(mattes, np.median(speeds, axis=0))
