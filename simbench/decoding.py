"""Reading video files that others made: what a file means is checked before its pixels are trusted.

Decoders are lenient: a damaged file gives fewer frames or wrong ones without an exception, so
lengths, timestamps and checksums are compared with what the container promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from simbench.video import ONE_THREAD, RATE_TAG, Video, VideoError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_BYTES = 4 << 30
RGB_FORMATS = ("rgb", "bgr", "gbr", "0rgb", "0bgr", "argb", "abgr")
LOSSLESS_CODECS = ("ffv1", "png", "apng", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "qtrle", "magicyuv")
HDR_TRANSFERS = {16: "PQ (smpte2084)", 18: "HLG (arib-std-b67)"}


@dataclass
class _Pictures:
    """What came out of one stream: frames uint8 [H, W, 3], their times in seconds (None: unknown)."""

    frames: list[np.ndarray] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    packets: int = 0


def read_file(path: Path, limit_frames: int | None, fps: float | None, resample: bool) -> Video:
    """The first video stream of `path`; see `simbench.video.decode` for what is refused."""
    import av

    if not path.exists():
        raise VideoError(f"{path.name}: no such file")
    try:
        with _complaints() as complaints, av.open(str(path)) as container:
            stream = _video_stream(container, path.name)
            pictures = _pictures(container, stream, path.name, limit_frames)
            if any("CRC mismatch" in text for _, _, text in complaints):
                raise VideoError(f"{path.name}: damaged, a checksum inside does not match")
            if not pictures.frames:
                raise VideoError(f"{path.name}: no frame can be decoded")
            if limit_frames is None:
                _check_complete(container, stream, pictures, path.name)
            rate = _rate(container, stream, pictures, path.name, fps if resample else None)
            square = _square_pixels(stream, path.name, resample)
            lossy = _is_lossy(stream.codec_context)
    except av.error.FFmpegError as error:
        raise VideoError(f"{path.name}: cannot be decoded ({error.strerror or error})") from error
    frames = pictures.frames
    if rate.picks is not None:
        frames = [frames[i] for i in rate.picks]
    return Video(_widened(np.stack(frames), square), rate.fps, lossy)


@contextmanager
def _complaints() -> Iterator[list[tuple[int, str, str]]]:
    """What the decoder logs in this thread: FFV1 reports a wrong checksum there and nowhere else."""
    import av

    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as complaints:
            yield complaints
    finally:
        av.logging.set_level(before)


def _video_stream(container: Any, name: str) -> Any:
    attached = 1 << 10
    streams = [s for s in container.streams.video if not int(getattr(s.disposition, "value", 0)) & attached]
    if not streams:
        raise VideoError(f"{name}: no video stream")
    stream = streams[0]
    if stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1":
        raise VideoError(f"{name}: has an alpha channel; flatten it onto a background")
    if stream.codec_context is None:
        raise VideoError(f"{name}: its codec is not known here; re-encode it as H.264")
    if stream.codec_context.name == "ffv1":
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
    # A damaged slice must raise, not be painted over with the last good one.
    stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    return stream


def _pictures(container: Any, stream: Any, name: str, limit: int | None) -> _Pictures:
    found = _Pictures()
    total = 0
    for packet in container.demux(stream):
        found.packets += packet.size > 0
        if packet.is_corrupt:
            raise VideoError(f"{name}: damaged at frame {len(found.frames)}")
        for frame in packet.decode():
            picture = _pixels(frame, name, len(found.frames))
            if found.frames and picture.shape != found.frames[0].shape:
                raise VideoError(f"{name}: the size changes at frame {len(found.frames)}")
            found.frames.append(picture)
            found.times.append(None if frame.pts is None else float(frame.pts * frame.time_base))
            total += picture.nbytes
            if total > MAX_BYTES:
                raise VideoError(
                    f"{name}: more than {MAX_BYTES >> 30} GiB of frames; cut it to the asked length"
                )
            if limit is not None and len(found.frames) >= limit:
                return found
    return found


def _pixels(frame: Any, name: str, index: int) -> np.ndarray:
    """sRGB uint8 [H, W, 3] of one decoded frame, upright. Untagged YUV is BT.601, as ffmpeg writes it."""
    if frame.is_corrupt:
        raise VideoError(f"{name}: damaged at frame {index}")
    if frame.interlaced_frame:
        raise VideoError(f"{name}: is interlaced; deinterlace it first (ffmpeg -vf bwdif)")
    if int(frame.color_trc) in HDR_TRANSFERS:
        raise VideoError(
            f"{name}: is HDR {HDR_TRANSFERS[int(frame.color_trc)]}; convert it to SDR (BT.709) first"
        )
    if any(component.is_alpha for component in frame.format.components):
        rgba = frame.to_ndarray(format="rgba", threads=ONE_THREAD)
        if rgba[..., 3].min() < 255:
            raise VideoError(f"{name}: has transparent pixels; flatten it onto a background")
        picture = rgba[..., :3]
    else:
        picture = frame.to_ndarray(format="rgb24", threads=ONE_THREAD)
    return np.ascontiguousarray(_upright(picture, frame, name))


def _upright(picture: np.ndarray, frame: Any, name: str) -> np.ndarray:
    """Apply the display matrix (quarter turns and mirrors), as every player does."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5] / 65536.0
    if abs(b) < 1e-3 and abs(c) < 1e-3:
        x, y = a, d
    elif abs(a) < 1e-3 and abs(d) < 1e-3:
        picture, x, y = picture.transpose(1, 0, 2), c, b
    else:
        raise VideoError(f"{name}: rotated by an odd angle in its metadata; rotate the pixels instead")
    return picture[:: -1 if y < 0 else 1, :: -1 if x < 0 else 1]


def _check_complete(container: Any, stream: Any, pictures: _Pictures, name: str) -> None:
    """Compare what was decoded with what the container promises. Packets, not frames: an edit list
    rightly hides some."""
    got = len(pictures.frames)
    if stream.frames and pictures.packets < stream.frames:
        raise VideoError(f"{name}: truncated, {pictures.packets} of {stream.frames} frames are there")
    end = _promised_seconds(container, stream)
    times = [t for t in pictures.times if t is not None]
    rate = float(stream.average_rate or 0)
    if end is None or len(times) < got or (got == 1 and rate == 0):
        return
    period = (times[-1] - times[0]) / (got - 1) if got > 1 else 1 / rate
    missing = round((end - times[-1]) / period) - 1
    if missing >= 1:
        raise VideoError(
            f"{name}: truncated, about {missing} of {got + missing} frames are missing at the end"
        )


def _promised_seconds(container: Any, stream: Any) -> float | None:
    """Where a Matroska or WebM stream says it ends, in seconds; other containers count frames."""
    if "matroska" not in container.format.name:
        return None
    match = re.fullmatch(r"(\d+):(\d+):([\d.]+)", str(stream.metadata.get("DURATION", "")).strip("\0 "))
    if match:
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if len(container.streams) == 1 and container.duration is not None:
        return float(container.duration) / 1e6
    return None


@dataclass(frozen=True)
class _Rate:
    """Frames a second, and for a file made constant which frame to show at each tick."""

    fps: float
    picks: tuple[int, ...] | None = None


def _rate(container: Any, stream: Any, pictures: _Pictures, name: str, resample_to: float | None) -> _Rate:
    tick = float(stream.time_base or 0)
    times = [t for t in pictures.times if t is not None]
    declared = [float(r) for r in (stream.average_rate, stream.guessed_rate, stream.base_rate) if r]
    if len(times) < len(pictures.frames) or len(times) == 1:
        if not declared:
            raise VideoError(f"{name}: states no frame rate")
        return _Rate(_tagged(container, declared[0]))
    steps = np.diff(times)
    period = float(np.median(steps))
    if period <= 0:
        raise VideoError(f"{name}: timestamps do not increase")
    # Containers round times to their tick (1 ms Matroska, 10 ms GIF); a dropped frame is a whole period.
    slack = min(0.4 * period, max(1.6 * tick, 0.1 * period))
    if np.abs(steps - period).max() > slack:
        if resample_to is None:
            raise VideoError(
                f"{name}: variable frame rate (frames last {steps.min():.3g} to {steps.max():.3g} s);"
                " make it constant, or add generator.resample=fit or crop"
            )
        return _Rate(resample_to, shown_at(times, resample_to, period))
    measured = (len(times) - 1) / (times[-1] - times[0])
    close = max(0.002, tick * measured / (len(times) - 1))
    for rate in declared:
        if abs(rate / measured - 1) <= close:
            return _Rate(_tagged(container, rate))
    return _Rate(float(Fraction(measured).limit_denominator(1001)))


def _tagged(container: Any, rate: float) -> float:
    """The exact rate from our own tag, unless the file was given another rate since."""
    try:
        exact = float(container.metadata.get(RATE_TAG, rate))
    except ValueError:
        return rate
    return exact if abs(exact / rate - 1) <= 1e-3 else rate


def shown_at(times: Sequence[float], fps: float, last: float) -> tuple[int, ...]:
    """Index of the frame on display at each tick of `fps`; the final frame lasts `last` seconds."""
    starts = np.asarray(times) - times[0]
    count = max(1, round((starts[-1] + last) * fps))
    ticks = np.arange(count) / fps + 1e-3 / fps
    return tuple(int(i) for i in np.searchsorted(starts, ticks, side="right") - 1)


def _square_pixels(stream: Any, name: str, resample: bool) -> float:
    """Width factor that makes pixels square; 1 when they are (within 2 %, the rounding of scalers)."""
    shape = Fraction(stream.sample_aspect_ratio or 1)
    ratio = float(shape)
    if abs(ratio - 1) <= 0.02:
        return 1.0
    if not resample:
        raise VideoError(
            f"{name}: pixels are not square (sample aspect {shape.numerator}:{shape.denominator});"
            " scale it to square pixels, or add generator.resample=fit or crop"
        )
    return ratio


def _widened(frames: np.ndarray, ratio: float) -> np.ndarray:
    if ratio == 1.0:
        return frames
    from simbench.resample import resized

    return resized(frames, max(1, round(frames.shape[2] * ratio)), frames.shape[1])


def _is_lossy(codec: Any) -> bool:
    """False only for lossless codecs that hold RGB: 4:2:0 has already lost colour, whatever holds it."""
    if not str(codec.pix_fmt).startswith(RGB_FORMATS):
        return True
    if codec.name in LOSSLESS_CODECS:
        return False
    return not (codec.name == "h264" and _h264_is_lossless(bytes(codec.extradata or b"")))


def _h264_is_lossless(avcc: bytes) -> bool:
    """qpprime_y_zero_transform_bypass_flag of the first parameter set (ITU-T H.264, 7.3.2.1.1)."""
    if len(avcc) < 8 or avcc[0] != 1:
        return False
    size = int.from_bytes(avcc[6:8], "big")
    unit = avcc[8 : 8 + size].replace(b"\0\0\3", b"\0\0")
    profile, bits = unit[1], "".join(f"{byte:08b}" for byte in unit[4:])
    if profile != 244:
        return False
    at = 0
    values = []
    for _ in range(2):
        at, value = _exp_golomb(bits, at)
        values.append(value)
    at += values[1] == 3
    for _ in range(2):
        at, _ = _exp_golomb(bits, at)
    return bits[at : at + 1] == "1"


def _exp_golomb(bits: str, at: int) -> tuple[int, int]:
    """(next position, value) of one unsigned Exp-Golomb code."""
    zeros = len(bits[at:]) - len(bits[at:].lstrip("0"))
    end = at + 2 * zeros + 1
    return end, int(bits[at + zeros : end] or "1", 2) - 1


def read_folder(folder: Path, limit_frames: int | None, fps: float | None) -> Video:
    """Numbered images as frames, in the order of the last number in their names, which has no gap."""
    if fps is None:
        raise VideoError(f"{folder.name}/: a folder of frames has no rate; state fps=")
    files = _numbered(folder)[:limit_frames]
    frames: list[np.ndarray] = []
    for file in files:
        picture = read_image(file, f"{folder.name}/{file.name}")
        if frames and picture.shape != frames[0].shape:
            raise VideoError(f"{folder.name}/{file.name}: another size than the first frame")
        frames.append(picture)
    return Video(np.stack(frames), float(fps), any(f.suffix.lower() != ".png" for f in files))


def read_image(file: Path, name: str) -> np.ndarray:
    """sRGB uint8 [H, W, 3] of a png or jpg, upright. Raises VideoError that calls it `name`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            opaque = "A" not in image.getbands() or image.getchannel("A").getextrema()[0] == 255
            clear = "transparency" in image.info
            picture = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise VideoError(f"{name}: cannot be decoded ({error})") from error
    if not opaque or clear:
        raise VideoError(f"{name}: has transparent pixels; flatten it onto a background")
    return picture


def _numbered(folder: Path) -> list[Path]:
    files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    if not files:
        raise VideoError(f"{folder.name}/: no png or jpg frames")
    numbered: dict[int, Path] = {}
    for file in sorted(files):
        digits = re.findall(r"\d+", file.stem)
        if not digits:
            raise VideoError(f"{folder.name}/{file.name}: no frame number in its name")
        number = int(digits[-1])
        if number in numbered:
            raise VideoError(f"{folder.name}/: frame {number} is there twice ({file.name})")
        numbered[number] = file
    order = sorted(numbered)
    for expected, number in enumerate(order, order[0]):
        if number != expected:
            raise VideoError(f"{folder.name}/: frame {expected} is missing")
    return [numbered[number] for number in order]
