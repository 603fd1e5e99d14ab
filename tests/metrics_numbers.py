"""The numbers on docs/metrics.md that no stored file has; rows whose peer is not installed are left out.

pip install 'simbench-worlds[bench]' && python tests/metrics_numbers.py
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
from metrics_scenes import camera_path, cloud, intrinsics_of

from simbench.metrics import epipolar, motion, pictures
from simbench.metrics.reprojection import project
from simbench.video import Video, decode, encode, encode_preview


def truth(size: str) -> Video:
    """The first trial of the third public scene of permanence in the rich look."""
    from suites.proof import Asked, build_suite, cases_of

    suite = build_suite(Asked(size=size, look="rich"))
    case = cases_of(suite, "public-0002")[0]
    return suite.oracle(case)


def files() -> None:
    """What saving a clip costs it."""
    for size in ("64", "128"):
        clip = truth(size)
        with tempfile.TemporaryDirectory() as folder:
            for crf in (0, 18, 23, 28):
                encode_preview(clip, Path(folder) / "a.mp4", crf)
                back = decode(Path(folder) / "a.mp4").frames
                both = back, clip.frames, 255
                worth = f"{pictures.psnr_mean(*both):.1f} dB, SSIM {pictures.ssim(*both):.3f}"
                print(f"{size} px, x264 crf {crf}: {worth}")
            encode(clip, Path(folder) / "a.mkv")
            same = np.array_equal(decode(Path(folder) / "a.mkv").frames, clip.frames)
            print(f"{size} px, FFV1: identical {same}")


def blind_spots() -> None:
    """Flicker and motion of the truth and of what was done to it."""
    clip = truth("64").frames
    rng = np.random.default_rng(0)
    wide = clip.astype(np.float64)
    beat = np.where(np.arange(len(clip)) % 2, 5.0, -5.0)[:, None, None, None]
    fade = np.linspace(-30, 30, len(clip))[:, None, None, None]
    import cv2

    versions = {
        "truth": wide,
        "frozen": wide[:1].repeat(len(wide), axis=0),
        "blurred": np.stack([cv2.GaussianBlur(f, (0, 0), 2.0) for f in wide]),
        "5 levels up and down": wide + beat,
        "noise of sd 5": wide + rng.normal(0, 5, wide.shape),
        "a fade of 60 levels": wide + fade,
        "frames shuffled": wide[rng.permutation(len(wide))],
        "backwards": wide[::-1],
        "mean of all frames": wide.mean(axis=0, keepdims=True).repeat(len(wide), axis=0),
    }
    for name, made in versions.items():
        shown = np.clip(np.rint(made), 0, 255).astype(np.uint8)
        values = [255 * motion.flicker(shown, 255), motion.flow_magnitude(shown, 255)]
        change = 255 * motion.change(shown, 255)
        pair = pictures.psnr_pooled(shown, clip, 255), pictures.ssim(shown, clip, 255)
        print(
            f"| {name} | {values[0]:.2f} | {values[1]:.2f} | {change:.2f} | {pair[0]:.1f} | {pair[1]:.3f} |"
        )


def epipolar_names() -> None:
    """Five errors of the same matches with noise of sd 1 px on both pictures."""
    rng = np.random.default_rng(0)
    poses, cameras = camera_path(0), intrinsics_of(9)
    uv = project(cloud(0, 4000), poses, cameras)[[0, 8]]
    f = epipolar.fundamental(poses[0], poses[8], cameras[0], cameras[8])
    one, two = (points + rng.normal(0, 1, points.shape) for points in uv)
    squared = epipolar.sampson_squared(f, one, two)
    sym = epipolar.symmetric_epipolar_squared(f, one, two)
    print(f"root of the median of Sampson {epipolar.sqrt_median(squared):.2f} px, of the mean", end=" ")
    print(
        f"{np.sqrt(squared.mean()):.2f} px; symmetric: root of the mean {np.sqrt(sym.mean()):.2f} px,",
        end=" ",
    )
    print(f"mean {sym.mean():.2f} px^2; mean distance", end=" ")
    print(f"{epipolar.epipolar_distance_mean(f, one, two).mean():.2f} px")


def camera() -> None:
    """IPOL's picture under every definition, and what a range taken from the data does."""
    import torch
    from skimage import data
    from skimage.metrics import structural_similarity
    from torchmetrics.functional.image import structural_similarity_index_measure as padded

    true = data.camera()
    noise = 20.0 * np.random.RandomState(5).randn(*true.shape)
    made = np.clip(true + noise, 0, 255).astype(np.uint8)
    ours = pictures.ssim(made[None, ..., None], true[None, ..., None], 255)
    one, two = (torch.from_numpy(c[None, None]).double() / 255 for c in (made, true))
    print(f"ours {ours:.7f}, scikit-image's default {structural_similarity(true, made):.7f}", end=", ")
    print(f"torchmetrics {float(padded(one, two, data_range=1.0)):.7f}")
    dark = float(padded(one / 2, two / 2)), float(padded(one / 2, two / 2, data_range=1.0))
    print(
        f"at half the brightness torchmetrics says {dark[0]:.4f} without data_range, {dark[1]:.4f} with 1.0"
    )
    half = pictures.ssim(made[None, ..., None] / 510, true[None, ..., None] / 510, 1.0)
    print(f"at half the brightness ours {half:.4f} with data_range=1")


def main() -> None:
    """Print all of them."""
    files()
    blind_spots()
    epipolar_names()
    if all(importlib.util.find_spec(name) for name in ("skimage", "torchmetrics")):
        camera()


if __name__ == "__main__":
    sys.exit(main())
