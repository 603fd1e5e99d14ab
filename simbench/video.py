"""Video: the only code that encodes, validates and hashes frames (`simbench.decoding` reads files).

What is scored is stored as FFV1 in RGB, which gives back every bit; H.264 is for people only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import UserError
from simbench.files import replacing

if TYPE_CHECKING:
    from simbench.case import Condition

RATE_TAG = "SIMBENCH_FPS"
"""Container tag with the exact rate: Matroska itself keeps it only to the nanosecond."""

ONE_THREAD = 1
"""Threads that convert the pixels of a frame. Left alone swscale starts one per core for each frame, which
takes ten times as long as to convert 32 x 32 pixels."""

LOSSY_MIN_SIZE = 64
"""Lossy files with a shorter side below this are not scored: compression moves what is measured."""


class VideoError(UserError):
    """A video that cannot be used; `reason` is one line that says why and, where known, the remedy."""

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())
        super().__init__(self.reason)


@dataclass(frozen=True)
class Video:
    """`frames` uint8 [T, H, W, 3] sRGB at `fps` frames a second; `lossy` says it came from a lossy file."""

    frames: np.ndarray
    fps: float
    lossy: bool = False

    def digest(self) -> str:
        """sha256 of shape, rate and pixels."""
        h = hashlib.sha256(f"{self.frames.shape}{float(self.fps)}".encode())
        h.update(np.ascontiguousarray(self.frames).tobytes())
        return h.hexdigest()


def rate_of(fps: float) -> Fraction:
    """`fps` as the nearest fraction that containers hold: 29.97002997 is 30000/1001 again."""
    return Fraction(fps).limit_denominator(1001)


def encode(video: Video, path: Path) -> None:
    """Write `video` as FFV1 (bgr0, checksummed slices) in Matroska; every bit comes back from `decode`.

    The file appears whole or not at all. Raises VideoError for frames that are not uint8
    [T, H, W, 3] and OSError when the disk refuses.
    """
    options = {"level": "3", "slicecrc": "1", "g": "1", "threads": "1"}
    _write(video, path, "matroska", "ffv1", "bgr0", options)


def encode_preview(video: Video, path: Path, crf: int = 18) -> None:
    """Write `video` as H.264 in mp4 for people and services; never scored.

    yuv420p, which every player takes; odd sizes fall back to yuv444p because 4:2:0 needs even ones.
    """
    height, width = video.frames.shape[1:3]
    pixels = "yuv420p" if height % 2 == 0 and width % 2 == 0 else "yuv444p"
    _write(video, path, "mp4", "libx264", pixels, {"crf": str(crf), "preset": "medium"})


def _write(
    video: Video, path: Path, container: str, codec: str, pixels: str, options: dict[str, str]
) -> None:
    import av

    problem = frames_problem(video.frames)
    if problem is not None or video.frames.dtype != np.uint8:
        raise VideoError(f"cannot encode {path.name}: {problem or 'frames must be uint8'}")
    faststart = {"movflags": "+faststart"} if container == "mp4" else {}
    with replacing(path) as temporary:
        # Without bitexact the muxer writes a random id, and equal videos would be unequal files.
        extra = {"fflags": "+bitexact", **faststart}
        with av.open(str(temporary), "w", format=container, options=extra) as out:
            out.metadata[RATE_TAG] = repr(float(video.fps))
            stream: Any = out.add_stream(codec, rate=rate_of(video.fps), options=options)
            stream.height, stream.width = video.frames.shape[1:3]
            stream.pix_fmt = pixels
            for frame in video.frames:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                out.mux(stream.encode(picture.reformat(format=pixels, threads=ONE_THREAD)))
            out.mux(stream.encode())


def decode(
    path: Path, limit_frames: int | None = None, fps: float | None = None, resample: bool = False
) -> Video:
    """Read a video file (mp4, mkv, webm, mov, gif, ...) or a folder of numbered png/jpg frames.

    `limit_frames` stops early. `fps` is the rate of a folder of frames, which has none of its own,
    and the rate to which `resample=True` brings a file of variable frame rate (then also
    non-square pixels are made square). Raises VideoError with one line for everything that
    cannot be read as it was meant: corrupt, truncated, no frames, transparent, HDR, interlaced.
    """
    from simbench.decoding import read_file, read_folder

    path = Path(path)
    if path.is_dir():
        return read_folder(path, limit_frames, fps)
    return read_file(path, limit_frames, fps, resample)


def frames_problem(array: np.ndarray) -> str | None:
    """Why `array` is not a clip: [T, H, W, 3], uint8 or float in [0, 1], finite. None when it is one."""
    if array.ndim != 4 or array.shape[3] != 3:
        return f"expected an array [T, H, W, 3], got shape {list(array.shape)}"
    if 0 in array.shape:
        return f"expected at least one frame with pixels, got shape {list(array.shape)}"
    if array.dtype == np.uint8:
        return None
    if array.dtype.kind != "f":
        return f"expected uint8 or float in [0, 1], got {array.dtype}"
    finite = np.isfinite(array).all(axis=(1, 2, 3))
    if not finite.all():
        return f"{int((~finite).sum())} NaN frames, first at t={int(np.argmin(finite))}"
    low, high = float(array.min()), float(array.max())
    # Half a grey level outside is rounding in a decoder; more is another range, such as [-1, 1].
    slack = 0.5 / 255
    if low < -slack or high > 1 + slack:
        return f"float frames must lie in [0, 1], got {low:.4g} to {high:.4g}; rescale or clip them"
    return None


def as_video(array: np.ndarray, fps: float) -> Video:
    """Frames [T, H, W, 3], uint8 or float in [0, 1] (rounded to nearest), as a Video.

    Raises VideoError with what is wrong, before any cast can hide it.
    """
    problem = frames_problem(array)
    if problem is not None:
        raise VideoError(problem)
    if array.dtype != np.uint8:
        array = np.rint(np.clip(array, 0.0, 1.0).astype(np.float32) * 255.0).astype(np.uint8)
    return Video(np.ascontiguousarray(array), float(fps))


def validate(answer: Video | np.ndarray, condition: Condition) -> str | None:
    """Why `answer` does not answer `condition`, in one line, or None. An array is taken at the asked fps."""
    frames = answer.frames if isinstance(answer, Video) else answer
    fps = float(answer.fps) if isinstance(answer, Video) else float(condition.fps)
    problem = frames_problem(frames)
    if problem is not None:
        return problem
    length, height, width = frames.shape[:3]
    wanted = (condition.frames, condition.height, condition.width)
    if (length, height, width) != wanted or abs(fps / condition.fps - 1) > 1e-3:
        asked, got = shape_name(*wanted, condition.fps), shape_name(length, height, width, fps)
        return f"expected {asked}, got {got}; {_remedy(frames.shape, fps, condition)}"
    if isinstance(answer, Video) and answer.lossy and min(height, width) < LOSSY_MIN_SIZE:
        return f"lossy video is not scored at {min(height, width)} px; use a lossless file or size=64"
    return None


def shape_name(frames: int, height: int, width: int, fps: float) -> str:
    """`17x32x32 at 8 fps`: frames, height, width."""
    return f"{frames}x{height}x{width} at {fps:.6g} fps"


def _remedy(shape: tuple[int, ...], fps: float, condition: Condition) -> str:
    given = len(condition.given_frames)
    only_the_rest = shape[:3] == (condition.frames - given, condition.height, condition.width)
    if given and only_the_rest and abs(fps / condition.fps - 1) <= 1e-3:
        return "add generator.continuation=true if the given frames were left out"
    return "add generator.resample=fit or crop"
