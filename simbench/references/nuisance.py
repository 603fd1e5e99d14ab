"""Nuisances: what must not cost a good video its score. Frames are uint8 [T, H, W, 3]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from simbench.video import ONE_THREAD

Nuisance = Callable[[np.ndarray], np.ndarray]


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blur(frames: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian blur of `deviation` pixels."""
    import cv2

    return np.stack([cv2.GaussianBlur(f, (0, 0), deviation) for f in frames])


def grain(frames: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    """White noise of `deviation` grey levels, new in every frame."""
    rng = np.random.default_rng(seed)
    return _bytes(frames + rng.normal(0.0, deviation, frames.shape))


def gamma(frames: np.ndarray, exponent: float) -> np.ndarray:
    """Brightness curve 255 (x / 255) ** exponent."""
    return _bytes(255.0 * (frames / 255.0) ** exponent)


def tint(frames: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """One gain per channel."""
    return _bytes(frames * np.array(gains))


def relight(frames: np.ndarray, strength: float) -> np.ndarray:
    """A brightness ramp across the image, 1 - strength to 1 + strength."""
    ramp = np.linspace(1.0 - strength, 1.0 + strength, frames.shape[2])
    return _bytes(frames * ramp[None, None, :, None])


def move(frames: np.ndarray, zoom: float = 1.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Zoom about the centre and shift by a share of the width: another framing of the same video."""
    import cv2

    height, width = frames.shape[1:3]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[zoom, 0.0, cx - zoom * cx + x * width], [0.0, zoom, cy - zoom * cy + y * width]])
    return np.stack(
        [
            cv2.warpAffine(f, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            for f in frames
        ]
    )


PIXELS = "yuv420p"
X264: Mapping[str, str] = {"preset": "medium", "threads": "1", "x264-params": "asm=0"}
"""How `codec` encodes, beside its rate factor. x264's assembly gave other bytes for one clip in 1 of 10 runs;
its plain C never did."""


def codec(frames: np.ndarray, fps: float, crf: int) -> np.ndarray:
    """Through H.264 at a constant rate factor and back."""
    import io
    from fractions import Fraction

    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], PIXELS
        stream.options = {"crf": str(crf), **X264}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            # Left to the encoder, several threads convert the colours, and not alike each time either.
            container.mux(stream.encode(picture.reformat(format=PIXELS, threads=ONE_THREAD)))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as source:
        decoded = source.decode(video=0)
        return np.stack([frame.to_ndarray(format="rgb24", threads=ONE_THREAD) for frame in decoded])


def nuisances(diameter: float, size: int, fps: float) -> Mapping[str, Nuisance]:
    """Every nuisance of the contract for objects of `diameter` pixels in images of `size` pixels."""
    out: dict[str, Nuisance] = {
        "blur": lambda f: blur(f, 0.1 * diameter),
        "noise": lambda f: grain(f, 8.0),
        "gamma 0.8": lambda f: gamma(f, 0.8),
        "gamma 1.6": lambda f: gamma(f, 1.6),
        "tint": lambda f: tint(f, (1.06, 1.0, 0.9)),
        "relight": lambda f: relight(f, 0.12),
        "zoom 3 %": lambda f: move(f, zoom=1.03),
        "shift 2 %": lambda f: move(f, x=0.02, y=-0.01),
    }
    if size >= 64:
        out["crf 18"] = lambda f: codec(f, fps, 18)
    if size >= 128:
        out["crf 28"] = lambda f: codec(f, fps, 28)
    return out
