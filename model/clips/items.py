"""One clip as training takes it, from pixels or from stored latents, with what belongs to its frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.clips.depth import cells
from model.clips.latents import Latent
from model.config import VAEConfig
from model.data import Sample
from simbench.worlds.scene import Caption


@dataclass(frozen=True)
class Item:
    """`video` uint8 [T, H, W, 3] or `latent` float16 [F, C, h, w], not normalised; `shape` is (F, h, w).

    `seconds` float32 [F]; `seen` bool [F, h, w], where an object is seen, or None; `actions`
    [F, temporal, A], `camera` [F, temporal, 12] and `depth` [F, temporal, h, w] (model.clips.depth.cells),
    or None.
    """

    video: np.ndarray | None
    latent: np.ndarray | None
    shape: tuple[int, int, int]
    seconds: np.ndarray
    seen: np.ndarray | None
    actions: np.ndarray | None
    camera: np.ndarray | None
    depth: np.ndarray | None
    caption: Caption


def item(source: Sample | Latent, vae: VAEConfig) -> Item:
    """The item of a sample or of stored latents."""
    temporal = vae.temporal
    frames = len(source.video) if isinstance(source, Sample) else source.frames
    camera = None if source.camera is None else source.camera.reshape(frames, 12)
    if isinstance(source, Latent):
        count, _, height, width = source.mean.shape
        shown = None if source.mask is None else source.mask > 0
        video, latent, depth = None, source.mean, source.depth
    else:
        height, width = (-(-side // vae.spatial) for side in source.video.shape[1:3])
        count = latent_count(frames, temporal)
        shown = None if source.mask is None else seen(source.mask, temporal, vae.spatial)
        video, latent = source.video, None
        depth = None if source.depth is None else cells(source.depth, height, width)
    return Item(
        video=video,
        latent=latent,
        shape=(count, height, width),
        seconds=times(frames, source.fps, temporal),
        seen=shown,
        actions=None if source.actions is None else per_latent(source.actions, temporal),
        camera=None if camera is None else per_latent(camera, temporal),
        depth=None if depth is None else per_latent(depth, temporal),
        caption=source.caption,
    )


def latent_count(frames: int, temporal: int) -> int:
    """Latent frames of a clip of `frames` video frames."""
    return 1 + -(-(frames - 1) // temporal)


def times(frames: int, fps: float, temporal: int) -> np.ndarray:
    """Seconds float32 [F] of the last video frame of each latent frame of a clip of `frames` at `fps`."""
    return (np.arange(latent_count(frames, temporal)) * (temporal / fps)).astype(np.float32)


def per_latent(values: np.ndarray, temporal: int) -> np.ndarray:
    """[T, ...] of video frames as [F, temporal, ...] of latent frames.

    Latent 0 is frame 0 alone, whose value stands in all its places; a last group that is not full repeats
    the last frame, as the VAE does.
    """
    count = latent_count(len(values), temporal)
    index = (np.arange(count * temporal) - (temporal - 1)).clip(0, len(values) - 1)
    return values[index].reshape(count, temporal, *values.shape[1:])


def seen(mask: np.ndarray, temporal: int, spatial: int) -> np.ndarray:
    """bool [F, h, w]: whether an object (mask uint8 [T, H, W] above 0) is seen in the pixels of a latent."""
    shown = np.asarray(per_latent(mask > 0, temporal).any(1))
    down, right = (-side % spatial for side in shown.shape[1:])
    if down or right:
        shown = np.pad(shown, [(0, 0), (0, down), (0, right)], mode="edge")
    # Rows first, then columns: over both axes at once takes three times as long.
    rows = shown.reshape(len(shown), -1, spatial, shown.shape[2]).any(2)
    return np.asarray(rows.reshape(*rows.shape[:2], -1, spatial).any(3))
