"""Video files made by the ffmpeg command line, as other people's tools make them, never by our own writer."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg command line is not installed"
)


def moving_shapes(frames: int = 17, height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    """uint8 [T, H, W, 3]: a smooth textured wall, a disc and a box that move in straight lines."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / min(height, width)
    wall = np.zeros((height, width, 3))
    for _ in range(8):
        fx, fy, phase = rng.uniform(-22, 22), rng.uniform(-22, 22), rng.uniform(0, 7, 3)
        wall += np.sin((fx * x + fy * y)[..., None] + phase) * 10
    wall += rng.uniform(90, 160, 3)
    start, speed = rng.uniform(0.3, 0.7, (2, 2)), rng.uniform(-0.25, 0.25, (2, 2))
    colours = rng.uniform(20, 235, (2, 3))
    clip = []
    for t in range(frames):
        (ax, ay), (bx, by) = start + speed * t / max(frames, 17)
        picture = wall.copy()
        picture[(x - ax) ** 2 + (y - ay) ** 2 < 0.11**2] = colours[0]
        picture[(abs(x - bx) < 0.09) & (abs(y - by) < 0.12)] = colours[1]
        clip.append(picture)
    return np.clip(np.rint(clip), 0, 255).astype(np.uint8)


def make(path: Path, frames: np.ndarray, *options: str, fps: str = "8", more: tuple[str, ...] = ()) -> Path:
    """Encode `frames` with the ffmpeg command line; `options` come before the name, `more` is more input."""
    height, width = frames.shape[1:3]
    pipe = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", fps, "-i", "-")
    run(*pipe, *more, *options, str(path), data=frames.tobytes())
    return path


def run(*arguments: str, data: bytes = b"") -> bytes:
    """What `ffmpeg ARGUMENTS` prints; a failure raises with its message."""
    done = subprocess.run(["ffmpeg", "-y", "-v", "error", *arguments], input=data, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace")[-500:])
    return done.stdout


def seen_by_ffmpeg(path: Path, height: int, width: int) -> np.ndarray:
    """The frames as the ffmpeg command line decodes and turns them: uint8 [T, H, W, 3]."""
    raw = run("-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-vsync", "0", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


@functools.cache
def encoders() -> str:
    """What this ffmpeg can encode."""
    return run("-hide_banner", "-encoders").decode()


def av1_options() -> tuple[str, ...]:
    """Options for whichever AV1 encoder this ffmpeg has; skips the test when it has none."""
    if "libsvtav1" in encoders():
        return ("-pix_fmt", "yuv420p", "-c:v", "libsvtav1", "-preset", "10", "-crf", "20")
    if "libaom-av1" in encoders():
        return ("-pix_fmt", "yuv420p", "-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "20", "-b:v", "0")
    pytest.skip("this ffmpeg has no AV1 encoder")


H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "18")
VP9 = ("-pix_fmt", "yuv420p", "-c:v", "libvpx-vp9", "-crf", "18", "-b:v", "0", "-cpu-used", "5")
LOSSLESS = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
