"""Tiny numpy renderer of permanence-like scenes, independent of simbench.worlds: things slide along rails
behind a rectangle under a still camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.case import Condition

COLOURS = ((205, 60, 50), (50, 90, 200), (60, 160, 70), (235, 190, 40), (150, 60, 170))


@dataclass(frozen=True)
class Slide:
    """One thing: `start` px and `velocity` px per frame (x, y), `radius` px, disc, square or diamond."""

    start: tuple[float, float]
    velocity: tuple[float, float]
    radius: float
    shape: str
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Stage:
    """Things, and the rectangle `wall` (x0, y0, x1, y1) in px that is drawn over them, or None."""

    slides: tuple[Slide, ...]
    wall: tuple[float, float, float, float] | None
    wall_colour: tuple[int, int, int] = (120, 120, 130)
    ground: tuple[int, int, int] = (225, 220, 205)
    size: int = 32


def _inside(slide: Slide, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    if slide.shape == "disc":
        return dx * dx + dy * dy <= slide.radius**2
    if slide.shape == "square":
        return np.maximum(np.abs(dx), np.abs(dy)) <= slide.radius * 0.9
    return np.abs(dx) + np.abs(dy) <= slide.radius * 1.25


def place(slide: Slide, t: float) -> np.ndarray:
    """Centre in pixels at frame `t`."""
    return np.asarray(slide.start) + np.asarray(slide.velocity) * t


def render(stage: Stage, frames: int, noise: float = 0.0, seed: int = 0, ss: int = 4) -> np.ndarray:
    """uint8 [frames, size, size, 3], `ss` x `ss` samples a pixel, noise of sd `noise` levels."""
    n = stage.size
    axis = (np.arange(n * ss) + 0.5) / ss
    y, x = np.meshgrid(axis, axis, indexing="ij")
    base = np.empty((n * ss, n * ss, 3))
    base[:] = np.asarray(stage.ground) - (y * 20 / n)[..., None]
    for slide in stage.slides:
        v = np.asarray(slide.velocity)
        across = np.array([-v[1], v[0]]) / max(np.hypot(*v), 1e-9)
        off = (x - slide.start[0]) * across[0] + (y - slide.start[1]) * across[1]
        base[np.abs(off) < n / 64] = (90, 80, 70)
    rng = np.random.default_rng(seed)
    out = np.empty((frames, n, n, 3), np.uint8)
    for t in range(frames):
        image = base.copy()
        for slide in stage.slides:
            cx, cy = place(slide, t)
            image[_inside(slide, x - cx, y - cy)] = slide.colour
        if stage.wall is not None:
            x0, y0, x1, y1 = stage.wall
            image[(x >= x0) & (x < x1) & (y >= y0) & (y < y1)] = stage.wall_colour
        small = image.reshape(n, ss, n, ss, 3).mean((1, 3))
        out[t] = np.clip(np.rint(small + rng.normal(0, noise, small.shape)), 0, 255).astype(np.uint8)
    return out


def random_stage(seed: int, size: int = 32, wall: bool = True) -> Stage:
    """One thing that starts in full view, begins to hide by frame 4 and comes out at about frame 11."""
    rng = np.random.default_rng(seed)
    s = size / 32
    sign = 1 if rng.random() < 0.5 else -1
    speed = rng.uniform(1.2, 1.6)
    tilt = 0.0 if rng.random() < 0.5 else rng.uniform(-0.35, 0.35)
    width = rng.uniform(9, 11)
    left = 16 - width / 2 + rng.uniform(-1, 1)
    near = left if sign > 0 else left + width
    radius = rng.uniform(3.7, 4.3)
    start_x = near - sign * (radius + speed * rng.uniform(0.5, 1.6))
    start_y = 16 + rng.uniform(-4, 4) - tilt * 10
    slide = Slide(
        (start_x * s, start_y * s),
        (sign * speed * s, tilt * speed * s),
        radius * s,
        ("disc", "square", "diamond")[int(rng.integers(3))],
        COLOURS[int(rng.integers(len(COLOURS)))],
    )
    box = (left * s, 5 * s, (left + width) * s, 30 * s)
    return Stage((slide,), box if wall else None, size=size)


def condition(frames: np.ndarray, total: int, given: int = 5, fps: float = 8.0, name: str = "c") -> Condition:
    """The first `given` of `frames` and nothing else."""
    kind = {0: "t2v", 1: "i2v"}.get(given, "v2v")
    height, width = frames.shape[1:3]
    return Condition(name, kind, frames[:given].copy(), "", width, height, total, fps)
