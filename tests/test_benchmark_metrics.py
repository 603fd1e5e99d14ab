"""Speed as ratios against peers in the same run, at equal output; and the numbers that are stored of them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import mot_peers
import numpy as np
import picture_peers
import pytest
from mot_scenes import Tracked, crowd
from test_metrics_objects import ours

from simbench.metrics import objects, pictures

pytestmark = pytest.mark.benchmark
RUNS = 5
INSTALL = "is not installed: pip install 'simbench-worlds[bench]'"


def seconds(works: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Processor seconds of each, interleaved so that a busy machine slows all alike; median of RUNS."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for run in range(RUNS + 1):
        for name, work in works.items():
            begin = time.process_time()
            work()
            if run > 0:
                times[name].append(time.process_time() - begin)
    return {name: statistics.median(taken) for name, taken in times.items()}


def report(what: str, found: dict[str, float]) -> None:
    """Milliseconds, for people."""
    print(f"\n{what}: " + ", ".join(f"{name} {1000 * taken:.0f} ms" for name, taken in found.items()))


@pytest.mark.filterwarnings("ignore")
def test_ssim_is_five_times_as_fast_as_torchmetrics() -> None:
    import cv2
    import torch

    functional = pytest.importorskip("torchmetrics.functional.image", reason=f"torchmetrics {INSTALL}")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    true = picture_peers.texture(0, 16, 256, 256)
    made = np.clip(true + np.random.default_rng(0).normal(0, 20, true.shape), 0, 255).astype(np.uint8)
    one, two = (torch.from_numpy(np.moveaxis(c, -1, 1).copy()).float() / 255 for c in (made, true))

    def theirs() -> Any:
        """The picture of SSIM too, for its border is another one."""
        return functional.structural_similarity_index_measure(
            one, two, data_range=1.0, return_full_image=True
        )

    whole = theirs()[1][..., 5:-5, 5:-5].double().mean()
    assert float(whole) == pytest.approx(pictures.ssim(made, true, 255), abs=2e-6)
    found = seconds({"ours": lambda: pictures.ssim(made, true, 255), "torchmetrics": theirs})
    report("SSIM, 16 frames of 256 x 256", found)
    assert found["torchmetrics"] >= 5 * found["ours"], found


@pytest.mark.filterwarnings("ignore")
def test_tracks_are_twice_as_fast_as_trackeval() -> None:
    pytest.importorskip("trackeval", reason=f"trackeval {INSTALL}")
    judge = mot_peers.judges()
    for what, clip in (
        ("sparse", crowd(0, 100, 300, 2000.0)),
        ("crowded", crowd(1, 100, 300, 400.0, 6.0)),
    ):
        data = mot_peers.as_peer_data(clip)
        got, wanted = ours(clip), mot_peers.said_of(clip, judge)
        assert got == {key: pytest.approx(value, abs=1e-12) for key, value in wanted.items()}
        found = seconds(
            {
                "ours": lambda c=clip: [
                    f(**c.arguments()) for f in (objects.hota, objects.clear, objects.identity)
                ],
                "trackeval": lambda d=data: [each.eval_sequence(d) for each in judge.values()],
            }
        )
        report(f"HOTA, CLEAR and identity, 100 objects x 300 frames, {what}", found)
        assert found["trackeval"] >= 2 * found["ours"], found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", [0, 4])
def test_random_clips_are_equal_to_trackeval(steps: int) -> None:
    """Similarities at random, or in `steps` steps, where many assignments are equally good."""
    pytest.importorskip("trackeval", reason=f"trackeval {INSTALL}")
    judge, rng = mot_peers.judges(), np.random.default_rng(steps)
    for _ in range(100):
        frames, trues, mades = (int(rng.integers(1, most)) for most in (12, 7, 7))
        like = rng.random((frames, trues, mades)) * (rng.random((frames, trues, mades)) < 0.6)
        ids = [
            np.stack([np.where(rng.random(n) < 0.8, rng.permutation(n + 3)[:n], -1) for _ in range(frames)])
            for n in (trues, mades)
        ]
        clip = Tracked(*ids, np.round(like * steps) / steps if steps else like)
        got, wanted = ours(clip), mot_peers.said_of(clip, judge)
        defined = {key: value for key, value in got.items() if not np.isnan(value)}
        assert defined == {key: pytest.approx(wanted[key], abs=1e-12) for key in defined}


@pytest.mark.filterwarnings("ignore")
def test_what_is_stored_of_trackeval_is_what_it_says() -> None:
    pytest.importorskip("trackeval", reason=f"trackeval {INSTALL}")
    stored = json.loads(mot_peers.STORED.read_text())
    for part, rows in mot_peers.all_said().items():
        for name, said in rows.items():
            assert said == pytest.approx(stored[part][name], abs=1e-12), name


@pytest.mark.filterwarnings("ignore")
def test_what_is_stored_of_the_picture_peers_is_what_they_say() -> None:
    pytest.importorskip("skimage", reason=f"scikit-image {INSTALL}")
    pytest.importorskip("torchmetrics", reason=f"torchmetrics {INSTALL}")
    stored = json.loads(picture_peers.STORED.read_text())["pairs"]
    for name, said in picture_peers.all_said().items():
        assert said == pytest.approx(stored[name], abs=1e-5), name


@pytest.mark.filterwarnings("ignore")
def test_camera_and_noise_of_ipol() -> None:
    """IPOL's own program: SSIM .357959 (scikit-image's tests), and the 22.409353 dB that go with it."""
    data = pytest.importorskip("skimage.data", reason=f"scikit-image {INSTALL}")
    camera = data.camera()
    noise = 20.0 * np.random.RandomState(5).randn(*camera.shape)
    noisy = np.clip(camera + noise, 0, 255).astype(np.uint8)
    made, true = noisy[None, ..., None], camera[None, ..., None]
    print(f"\n{pictures.ssim(made, true, 255):.7f}, {pictures.psnr_mean(made, true, 255):.6f} dB")
    assert pictures.ssim(made, true, 255) == pytest.approx(0.357959091663361, abs=1e-5)
    assert pictures.psnr_mean(made, true, 255) == pytest.approx(22.409353, abs=1e-6)
