"""Scripted cheats and damage for walks that look away: the truth until nothing of the first view shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simbench.worlds.walks import Walk, turned, visit, yard

View = Callable[[Walk, float], np.ndarray]
"""(walk, strength) -> frames uint8 [T, H, W, 3], the given ones as they were."""

TILE = 16
"""Tiles that are forgotten or shuffled are 1 / TILE of the image's width."""


def _middle(walk: Walk) -> int:
    """The frame that looks farthest away from the first view."""
    yaw = visit(walk).yaw
    return int(np.argmin(np.cos(np.radians(yaw))))


def _film(walk: Walk, yaw: np.ndarray, seed: int | None = None) -> np.ndarray:
    """Frames [T, H, W, 3] of the walk's world, or of another seed's, along other turns."""
    from simbench.worlds.film import render_scene

    s = walk.setting
    world = yard(walk.seed, s) if seed is None else yard(seed, s)
    return render_scene(turned(world, yaw, s), s)


def _with_given(walk: Walk, frames: np.ndarray) -> np.ndarray:
    out = visit(walk).frames.copy()
    out[walk.setting.context :] = frames[walk.setting.context :]
    return out


def _on_return(walk: Walk, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The truth, with what follows the middle changed."""
    out, start = visit(walk).frames.copy(), _middle(walk)
    out[start:] = change(out[start:])
    return out


def frozen(walk: Walk, strength: float) -> np.ndarray:
    """Nothing moves any more."""
    frames = visit(walk).frames
    given = walk.setting.context
    return _with_given(walk, np.repeat(frames[given - 1 : given], len(frames), axis=0))


def never_returns(walk: Walk, strength: float) -> np.ndarray:
    """Stays where it looked away to."""
    return _on_return(walk, lambda part: np.repeat(part[:1], len(part), axis=0))


def elsewhere(walk: Walk, strength: float) -> np.ndarray:
    """Comes back to another yard."""
    other = _film(walk, visit(walk).yaw, walk.seed + 1)
    return _on_return(walk, lambda part: other[-len(part) :])


def posterior_mean(walk: Walk, strength: float) -> np.ndarray:
    """Comes back to the average of six yards, none of them this one."""
    yaw = visit(walk).yaw
    others = np.mean([_film(walk, yaw, walk.seed + 1 + i).astype(np.float32) for i in range(6)], axis=0)
    return _on_return(walk, lambda part: np.rint(others[-len(part) :]).astype(np.uint8))


def mirrored(walk: Walk, strength: float) -> np.ndarray:
    """Comes back with left and right exchanged."""
    return _on_return(walk, lambda part: part[:, :, ::-1])


def upside_down(walk: Walk, strength: float) -> np.ndarray:
    """Comes back upside down."""
    return _on_return(walk, lambda part: part[:, ::-1])


def negative(walk: Walk, strength: float) -> np.ndarray:
    """Comes back as its own negative."""
    return _on_return(walk, lambda part: 255 - part)


def recoloured(walk: Walk, strength: float) -> np.ndarray:
    """Comes back with red, green and blue exchanged."""
    return _on_return(walk, lambda part: part[..., [1, 2, 0]])


def turn(walk: Walk, strength: float) -> np.ndarray:
    """Comes back `strength` degrees off."""
    yaw = visit(walk).yaw.copy()
    start = _middle(walk)
    yaw[start:] += strength
    return _with_given(walk, _film(walk, yaw))


def misplaced(walk: Walk, strength: float) -> np.ndarray:
    """Everything is a sixth of a right angle from where it was."""
    return turn(walk, 15.0 * strength)


def reset(walk: Walk, strength: float) -> np.ndarray:
    """Starts again from the first frame instead of looking away."""
    frames, given = visit(walk).frames, walk.setting.context
    return _with_given(walk, np.concatenate([frames[:given], frames])[: len(frames)][_again(walk)])


def _again(walk: Walk) -> np.ndarray:
    """Indices that run through the given frames over and over."""
    given = walk.setting.context
    return np.arange(walk.setting.frames) % given


def early(walk: Walk, strength: float) -> np.ndarray:
    """Comes back at once: two frames after it left."""
    yaw = visit(walk).yaw.copy()
    leaves = int(np.argmax(np.abs(yaw) > 1e-6))
    yaw[leaves + 2 :] = 0.0
    return _with_given(walk, _film(walk, yaw))


def short_turn(walk: Walk, strength: float) -> np.ndarray:
    """Turns a few degrees only."""
    yaw = visit(walk).yaw
    return _with_given(walk, _film(walk, np.sign(yaw) * np.minimum(np.abs(yaw), 18.0)))


def opposite(walk: Walk, strength: float) -> np.ndarray:
    """Turns away to the other side."""
    return _with_given(walk, _film(walk, -visit(walk).yaw))


def blank(walk: Walk, strength: float) -> np.ndarray:
    """Grey after the given frames."""
    return _with_given(walk, np.full_like(visit(walk).frames, 128))


def noise(walk: Walk, strength: float) -> np.ndarray:
    """Independent noise after the given frames."""
    rng = np.random.default_rng(walk.seed)
    return _with_given(walk, rng.integers(0, 256, visit(walk).frames.shape, dtype=np.uint8))


def zoomed(walk: Walk, strength: float) -> np.ndarray:
    """Comes back half as large again."""
    from simbench.references.nuisance import move

    return _on_return(walk, lambda part: move(part, zoom=1.5))


def ghost(walk: Walk, strength: float) -> np.ndarray:
    """The first view shines through everything."""
    frames = visit(walk).frames.astype(np.float32)
    mixed = np.rint(0.5 * frames + 0.5 * frames[:1]).astype(np.uint8)
    return _with_given(walk, mixed)


def melt(walk: Walk, strength: float) -> np.ndarray:
    """Comes back bent into waves of `strength` px in an image 256 px wide."""
    import cv2

    s = walk.setting
    y, x = np.mgrid[: s.height, : s.width].astype(np.float32)
    size = strength * s.width / 256.0
    bent_x = x + size * np.sin(2 * np.pi * y / (0.31 * s.height) + 1.0).astype(np.float32)
    bent_y = y + size * np.sin(2 * np.pi * x / (0.37 * s.width)).astype(np.float32)
    return _on_return(
        walk,
        lambda part: np.stack(
            [cv2.remap(f, bent_x, bent_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT) for f in part]
        ),
    )


def melted(walk: Walk, strength: float) -> np.ndarray:
    """Comes back bent beyond recognition."""
    return melt(walk, 40.0)


def shuffled(walk: Walk, strength: float) -> np.ndarray:
    """Comes back with its pieces in another order."""
    s, rng = walk.setting, np.random.default_rng(walk.seed)
    rows, columns = np.meshgrid(np.arange(4), np.arange(4), indexing="ij")
    order = rng.permutation(16)
    high, wide = s.height // 4, s.width // 4

    def shuffle(part: np.ndarray) -> np.ndarray:
        """The tiles of every frame, permuted alike."""
        out = part.copy()
        for at, other in enumerate(order):
            y, x = rows.flat[at] * high, columns.flat[at] * wide
            v, u = rows.flat[other] * high, columns.flat[other] * wide
            out[:, y : y + high, x : x + wide] = part[:, v : v + high, u : u + wide]
        return out

    return _on_return(walk, shuffle)


def forgotten(walk: Walk, strength: float) -> np.ndarray:
    """Comes back with a share `strength` of the picture from another yard."""
    s, rng = walk.setting, np.random.default_rng(walk.seed)
    side = max(4, s.width // TILE)
    mask = rng.random((-(-s.height // side), -(-s.width // side))) < strength
    mask = np.kron(mask, np.ones((side, side), bool))[: s.height, : s.width]
    other = elsewhere(walk, 1.0)
    truth = visit(walk).frames
    return _with_given(walk, np.where(mask[None, :, :, None], other, truth))


def blend(walk: Walk, strength: float) -> np.ndarray:
    """Comes back with a share `strength` of another yard mixed in."""
    mixed = (1 - strength) * visit(walk).frames + strength * elsewhere(walk, 1.0).astype(np.float32)
    return _with_given(walk, np.rint(mixed).astype(np.uint8))


def late(walk: Walk, strength: float) -> np.ndarray:
    """Comes back `strength` seconds late."""
    yaw = visit(walk).yaw
    start, count = _middle(walk), len(yaw)
    times = np.arange(count, dtype=np.float64)
    delayed = np.maximum(times - strength * walk.setting.fps, start)
    out = np.where(times <= start, yaw, np.interp(delayed, times, yaw))
    return _with_given(walk, _film(walk, out))


CHEATS: Mapping[str, View] = {
    "frozen": frozen,
    "never_returns": never_returns,
    "elsewhere": elsewhere,
    "posterior_mean": posterior_mean,
    "mirrored": mirrored,
    "upside_down": upside_down,
    "negative": negative,
    "recoloured": recoloured,
    "misplaced": misplaced,
    "reset": reset,
    "early": early,
    "short_turn": short_turn,
    "opposite": opposite,
    "blank": blank,
    "noise": noise,
    "zoomed": zoomed,
    "ghost": ghost,
    "melted": melted,
    "shuffled": shuffled,
}

DAMAGES: Mapping[str, tuple[Any, ...]] = {
    "turn": (turn, "degrees off", 0.5, 1.0, 2.0, 4.0, 8.0),
    "forgotten": (forgotten, "of the picture", 0.2, 0.4, 0.6, 0.8, 1.0),
    "blend": (blend, "of another yard", 0.2, 0.4, 0.6, 0.8, 1.0),
    "melt": (melt, "px of 256", 2.0, 4.0, 8.0, 16.0, 32.0),
    "late": (late, "s", 0.125, 0.25, 0.375, 0.5, 0.75),
}
