"""A learned point tracker, given as a TorchScript file and its sha256: a second reader, never a part of S.

The file holds a module that is called as `module(video, queries)` with

- video    float32 [1, T, 3, H, W], values from 0 to 255;
- queries  float32 [1, N, 3]: (t, x, y), the frame in which a point is given and its pixel there;

and returns `tracks` [1, T, N, 2], (x, y) pixels, and `visibility` [1, T, N], bool or from 0 to 1. In the
module pixel centres lie at integers, as trackers have it; outside they lie at +0.5, as everywhere here.

A checkpoint becomes such a file where its tracker is installed. For CoTracker (Karaev et al., ECCV 2024):
build the offline model from its checkpoint and set it to eval; write a small `torch.nn.Module` around it
whose forward calls it with video and queries and returns its tracks and its visibility (times its
confidence, if it gives one) and nothing else; `torch.jit.trace` that with a video and queries of the length,
size and number that will be asked (17 x 128 x 128 and 160 by default; a trace keeps them), or
`torch.jit.script` it if it scripts; `save` it; and take `sha256sum` of the file. Other trackers likewise; one
that wants values from 0 to 1 or points scaled is converted in that small module.

How such a file is loaded: simbench/scripted.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from simbench import scripted
from simbench.errors import UserError

SEEN = 0.5
"""Visibility above which a point counts as found."""


@dataclass(frozen=True)
class Tracked:
    """`uv` float64 [T, N, 2] px (pixel centres at +0.5; NaN where not found), `found` bool [T, N]."""

    uv: np.ndarray
    found: np.ndarray


def require(path: str | None, sha256: str | None) -> None:
    """UserError unless a tracker can be loaded: both options or none, the file there, the hash its own, and
    torch installed. Imports nothing heavy."""
    if path is None and sha256 is None:
        return
    if path is None:
        raise UserError(f"tracker_sha256={sha256} has no tracker; add tracker=FILE, a TorchScript module")
    scripted.content(path, sha256, "tracker", "tracker_sha256")
    scripted.require_torch(path, "tracker")


def track(path: str, sha256: str, frames: np.ndarray, queries: np.ndarray) -> Tracked:
    """Follow `queries` float64 [N, 3] (frame, x, y px, centres at +0.5) through `frames` uint8
    [T, H, W, 3] sRGB with the tracker in the file `path`. UserError if it does not keep the protocol."""
    import torch

    count, asked = len(frames), len(queries)
    if asked == 0:
        return Tracked(np.zeros((count, 0, 2)), np.zeros((count, 0), bool))
    video = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float()[None]
    points = torch.from_numpy(queries - np.array([0.0, 0.5, 0.5])).float()[None]
    try:
        with torch.no_grad():
            answer = _module(path, sha256)(video, points)
    except RuntimeError as error:
        why = " ".join(str(error).split())[-200:]
        raise UserError(
            f"tracker={path} failed on {list(video.shape)}, {list(points.shape)}: {why}"
        ) from error
    tracks, visible = _arrays(path, answer, count, asked)
    found = (visible > SEEN) & np.isfinite(tracks).all(axis=-1)
    return Tracked(np.where(found[..., None], tracks + 0.5, np.nan), found)


@lru_cache(maxsize=1)
def _module(path: str, sha256: str) -> Any:
    """The module of a file, kept until another one is asked for."""
    return scripted.module(path, sha256, "tracker", "tracker_sha256")


def _arrays(path: str, answer: Any, frames: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Tracks float64 [T, N, 2] and visibility float64 [T, N] of what a module returned."""
    wanted = ((1, frames, points, 2), (1, frames, points))
    parts = answer if isinstance(answer, tuple | list) else (answer,)
    shapes = tuple(tuple(getattr(part, "shape", ())) for part in parts)
    if shapes != wanted:
        raise UserError(
            f"tracker={path} returned {[list(s) for s in shapes]}; it must return tracks {list(wanted[0])}"
            f" and visibility {list(wanted[1])}"
        )
    tracks, visible = (part.detach().double().numpy()[0] for part in parts)
    return tracks, visible
