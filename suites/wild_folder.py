"""A folder of clips read by the instruments of wild clips: every clip has its readings, or a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simbench.decoding import IMAGE_SUFFIXES
from simbench.errors import UserError
from simbench.generators.videos import SUFFIXES
from simbench.instruments.wild import Depths, Reader, Reading, read
from simbench.instruments.wild_blind import MEASURES
from simbench.video import VideoError, decode

SMALLEST = 64
"""Shorter side, px, below which a clip is not read: it has too few points."""

NO_RATE = 1.0
"""Frames of a folder have no rate; nothing here needs one."""


@dataclass(frozen=True)
class Found:
    """A clip of a folder: its `name`, `frames` uint8 [T, H, W, 3], or None and the `reason`; `fps` frames a
    second, None for a folder of frames."""

    name: str
    frames: np.ndarray | None
    reason: str = ""
    fps: float | None = None


@dataclass(frozen=True)
class Judged:
    """A clip with its readings by name; `frames`, `height` and `width` as they came, 0 for what could not be
    decoded; `fps` as the file says, None where it does not; `reason` why nothing could be measured at all,
    else empty."""

    name: str
    frames: int
    height: int
    width: int
    readings: dict[str, Reading]
    reason: str = ""
    fps: float | None = None


def clips_in(folder: str, option: str) -> list[Path]:
    """The clips of a folder, by name: video files and folders of numbered frames. A folder that holds frames
    itself is one clip. UserError where it is missing or holds none."""
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{option}={folder} is no folder; give one with videos, or with folders of frames")
    inside = sorted(p for p in root.iterdir() if not p.name.startswith("."))
    clips = [p for p in inside if p.suffix.lower() in SUFFIXES or (p.is_dir() and _holds_frames(p))]
    if not clips and _holds_frames(root):
        return [root]
    if not clips:
        raise UserError(
            f"{option}={folder} holds no clip; put {', '.join(SUFFIXES)} or folders of png or jpg there"
        )
    return clips


def _holds_frames(folder: Path) -> bool:
    return any(f.suffix.lower() in IMAGE_SUFFIXES for f in folder.iterdir())


def decoded(paths: list[Path], frames: int) -> Iterator[Found]:
    """The first `frames` frames of each clip; a clip that cannot be read, or is too small, has a reason."""
    for path in paths:
        try:
            video = decode(path, frames, NO_RATE if path.is_dir() else None)
        except VideoError as error:
            yield Found(path.name, None, error.reason)
            continue
        height, width = video.frames.shape[1:3]
        if min(height, width) < SMALLEST:
            yield Found(path.name, None, f"{width}x{height} is too small: {SMALLEST} px at least")
            continue
        yield Found(path.name, video.frames, "", None if path.is_dir() else video.fps)


def common_side(shapes: list[tuple[int, int]], side: int) -> int:
    """The shorter side, px, at which clips of all these shapes (height, width) are compared: `side`, or that
    of the smallest of them. Errors in pixels of different sizes would not compare."""
    return min([side, *(min(shape) for shape in shapes)])


def shape_of(path: Path) -> tuple[int, int] | None:
    """Height and width of a clip's first frame; None where it cannot be read or is too small to be."""
    found = next(decoded([path], 1))
    return None if found.frames is None else (int(found.frames.shape[1]), int(found.frames.shape[2]))


def judged(paths: list[Path], reader: Reader, depths: Depths | None) -> Iterator[Judged]:
    """Each clip measured, one after the other; what cannot be measured counts as nothing, with its reason."""
    for found in decoded(paths, reader.frames):
        if found.frames is None:
            nothing = {
                m.name: Reading(None, 0.0, 0.0, found.reason)
                for m in MEASURES
                if m.name != "depth" or depths is not None
            }
            yield Judged(found.name, 0, 0, 0, nothing, found.reason)
            continue
        count, height, width = found.frames.shape[:3]
        readings = read(found.frames, reader, depths).readings()
        yield Judged(found.name, count, height, width, readings, "", found.fps)
