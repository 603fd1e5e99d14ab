"""What people look at: a film strip, a sheet of all frames for the page, a small side-by-side video."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simbench.files import replacing
from simbench.video import ONE_THREAD, rate_of

STRIP = 9
"""Frames in a film strip, the first and the last included."""

SIDE = 128
"""Smallest side of a picture, px: small clips are enlarged without smoothing."""

SMALL = 64
"""The same for side-by-side videos, which players enlarge anyway: a quarter of the pixels to encode."""

EXACT = 128
"""Largest shorter side at which a sheet holds the frames bit by bit; larger ones are reduced to it."""

WIDEST = 16383
"""Pixels that WebP allows on a side."""

PADDING = ((0, 2), (0, 2), (0, 0))
"""Pixels between the frames of a strip."""


@dataclass(frozen=True)
class Sheet:
    """All frames of a clip in one WebP picture, `columns` to a row, each `width` x `height` pixels;
    `exact`: they are the frames themselves, not reduced ones."""

    data: bytes
    columns: int
    width: int
    height: int
    exact: bool


def picks(frames: int) -> list[int]:
    """The frames that a strip shows."""
    return [int(i) for i in np.unique(np.linspace(0, frames - 1, STRIP).round().astype(int))]


def strip_png(truth: np.ndarray, other: np.ndarray, shown: Sequence[int]) -> bytes:
    """Two rows of frames [T, H, W, 3], truth above, as PNG."""
    rows = [np.concatenate([np.pad(clip[t], PADDING) for t in shown], axis=1) for clip in (truth, other)]
    return _saved(np.concatenate(rows), "PNG")


def sheet(frames: np.ndarray) -> Sheet:
    """`frames` uint8 [T, H, W, 3] in one picture: lossless up to EXACT px, reduced and lossy above."""
    from PIL import Image

    exact = min(frames.shape[1:3]) <= EXACT
    if not exact:
        scale = EXACT / min(frames.shape[1:3])
        size = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
        frames = np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BOX)) for f in frames])
    count, height, width = frames.shape[:3]
    columns = max(1, min(count, WIDEST // width))
    rows = -(-count // columns)
    canvas = np.zeros((rows * columns, height, width, 3), np.uint8)
    canvas[:count] = frames
    grid = canvas.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    picture = grid.reshape(rows * height, columns * width, 3)
    # Effort 0 of 6: 9 % larger than the default, in a fifteenth of its time (2 ms for 17 frames of 32 px).
    options = {"lossless": True, "method": 0} if exact else {"quality": 80, "method": 2}
    return Sheet(_saved(picture, "WEBP", **options), columns, width, height, exact)


def write_webm(truth: np.ndarray, other: np.ndarray, fps: float, path: Path) -> None:
    """Truth left, the other right, as VP9 in WebM: small, lossy, for any player."""
    import av

    gap = np.full((*truth.shape[:2], 1, 3), 255, np.uint8)
    pair = enlarged(np.concatenate([truth, gap, other], axis=2), SMALL)
    # 4:2:0 halves both sides.
    pair = np.pad(pair, ((0, 0), (0, pair.shape[1] % 2), (0, pair.shape[2] % 2), (0, 0)), mode="edge")
    options = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8", "threads": "1"}
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format="webm", options={"fflags": "+bitexact"}) as out,
    ):
        stream: Any = out.add_stream("libvpx-vp9", rate=rate_of(fps), options=options)
        stream.height, stream.width = pair.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in pair:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            out.mux(stream.encode(picture.reformat(format="yuv420p", threads=ONE_THREAD)))
        out.mux(stream.encode())


def enlarged(frames: np.ndarray, side: int = SIDE) -> np.ndarray:
    """uint8 [..., H, W, 3] enlarged by a whole number until its shorter side is `side` px or more."""
    factor = max(1, -(-side // min(frames.shape[-3:-1])))
    return frames.repeat(factor, axis=-3).repeat(factor, axis=-2)


def _saved(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()
