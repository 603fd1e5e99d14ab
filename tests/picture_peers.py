"""Pairs of clips, and what scikit-image and torchmetrics say of them, for tests/data/pictures.json.

pip install 'simbench-worlds[bench]' && python tests/picture_peers.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

STORED = Path(__file__).resolve().parent / "data" / "pictures.json"
MARGIN = 5
"""Pixels at each side whose window of 11 px does not lie inside the picture."""


def texture(seed: int, frames: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """Smooth blobs of 4 px in every frame, uint8 [T, H, W, C]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (frames, height // 4 + 2, width // 4 + 2, channels)).astype(np.float64)
    fine = coarse.repeat(4, axis=1).repeat(4, axis=2)
    for axis in (1, 2):
        fine = sum(np.roll(fine, k, axis) for k in range(4)) / 4.0
    return np.rint(fine[:, 4 : height + 4, 4 : width + 4]).astype(np.uint8)


def pairs() -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Made and true clips, uint8 [T, H, W, C], by what was done to the true one."""
    rng = np.random.default_rng(0)
    true = texture(1, 3, 40, 48)
    wide = true.astype(np.float64)
    odd = texture(2, 2, 23, 31)
    growing = rng.normal(0, 1, wide.shape) * np.array([2.0, 10.0, 60.0])[:, None, None, None]
    grey = texture(3, 2, 32, 32, 1)
    small = texture(4, 1, 11, 11)
    changes = {
        "noise": wide + rng.normal(0, 20, wide.shape),
        "uneven": wide + growing,
        "darker": wide * 0.7,
        "flat": np.full_like(wide, 128.0),
        "shifted": np.roll(wide, 2, axis=2),
        "one_channel": wide + np.array([25.0, 0.0, 0.0]),
    }
    made = {name: np.clip(np.rint(clip), 0, 255).astype(np.uint8) for name, clip in changes.items()}
    out = {name: (clip, true) for name, clip in made.items()}
    return out | {
        "odd_size": (np.roll(odd, 1, axis=1), odd),
        "grey": (np.roll(grey, 1, axis=2), grey),
        "smallest": (small[:, ::-1].copy(), small),
        "inverted": (255 - true, true),
    }


def said_of(made: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Numbers of both peers for one pair, by definition; means over frames unless pooled."""
    import torch
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    from torchmetrics.functional.image import peak_signal_noise_ratio as pooled
    from torchmetrics.functional.image import structural_similarity_index_measure as padded

    wang = {"gaussian_weights": True, "use_sample_covariance": False}
    each = [(a, b) for a, b in zip(made, true, strict=True)]
    shared = {"data_range": 255, "channel_axis": -1}
    one, two = (torch.from_numpy(np.moveaxis(c, -1, 1).copy()).double() / 255 for c in (made, true))
    mean, whole = padded(one, two, data_range=1.0, return_full_image=True)
    inside = whole[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return {
        "skimage psnr": float(np.mean([peak_signal_noise_ratio(b, a, data_range=255) for a, b in each])),
        "skimage gaussian": float(np.mean([structural_similarity(a, b, **wang, **shared) for a, b in each])),
        "skimage default": float(np.mean([structural_similarity(a, b, **shared) for a, b in each])),
        "torchmetrics psnr": float(pooled(one, two, data_range=1.0)),
        "torchmetrics": float(mean),
        "torchmetrics cropped": float(inside.mean()),
    }


def all_said() -> dict[str, dict[str, float]]:
    """`said_of` every pair."""
    return {name: said_of(*pair) for name, pair in pairs().items()}


def main() -> None:
    """Write the file."""
    versions = {name: version(name) for name in ("scikit-image", "torchmetrics")}
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps({**versions, "pairs": all_said()}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
