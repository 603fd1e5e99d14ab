"""PSNR and SSIM against their definitions as loops, and against scikit-image and torchmetrics."""

from __future__ import annotations

import json
import math

import numpy as np
import picture_peers
import pytest

from simbench.metrics import pictures

PAIRS = picture_peers.pairs()
STORED = json.loads(picture_peers.STORED.read_text())


def brute_force_ssim(made: np.ndarray, true: np.ndarray, data_range: float) -> float:
    """Wang et al. (2004), equations 13 to 16, window by window, of frames [H, W]."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for y in range(5, made.shape[0] - 5):
        for x in range(5, made.shape[1] - 5):
            a, b = (p[y - 5 : y + 6, x - 5 : x + 6].astype(np.float64) for p in (made, true))
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            both = (window * (a - ma) * (b - mb)).sum()
            values.append((2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize("name", ["noise", "darker", "odd_size", "grey", "smallest", "inverted"])
def test_ssim_as_the_definition_says(name: str) -> None:
    made, true = PAIRS[name]
    channels = range(made.shape[-1])
    wanted = [brute_force_ssim(made[0, ..., c], true[0, ..., c], 255) for c in channels]
    assert pictures.ssim_frames(made, true, 255)[0] == pytest.approx(np.mean(wanted), abs=1e-10)


@pytest.mark.parametrize("name", PAIRS)
def test_as_the_peers_say(name: str) -> None:
    made, true = PAIRS[name]
    said = STORED["pairs"][name]
    ours = pictures.ssim(made, true, 255)
    assert ours == pytest.approx(said["skimage gaussian"], abs=1e-9)
    assert ours == pytest.approx(said["torchmetrics cropped"], abs=1e-9)
    assert pictures.psnr_mean(made, true, 255) == pytest.approx(said["skimage psnr"], abs=1e-9)
    # torchmetrics keeps its sums in single precision.
    assert pictures.psnr_pooled(made, true, 255) == pytest.approx(said["torchmetrics psnr"], abs=1e-4)


def test_the_defaults_of_the_peers_are_other_definitions() -> None:
    """Else the page would warn of nothing, and the agreement above would prove nothing."""
    made, true = PAIRS["noise"]
    said = STORED["pairs"]["noise"]
    assert abs(said["skimage default"] - pictures.ssim(made, true, 255)) > 0.005
    assert abs(said["torchmetrics"] - pictures.ssim(made, true, 255)) > 0.001
    uneven = PAIRS["uneven"]
    assert pictures.psnr_mean(*uneven, 255) > pictures.psnr_pooled(*uneven, 255) + 5


def test_psnr_of_known_errors() -> None:
    true = np.full((2, 4, 4, 3), 100, np.uint8)
    made = true.copy()
    made[0] += 10
    made[1] += 100
    each = [20 * math.log10(255 / e) for e in (10, 100)]
    assert pictures.psnr_frames(made, true, 255) == pytest.approx(each)
    assert pictures.psnr_mean(made, true, 255) == pytest.approx(np.mean(each))
    assert pictures.psnr_pooled(made, true, 255) == pytest.approx(10 * math.log10(255**2 / 5050))


def test_identical_frames_have_no_psnr() -> None:
    made, true = (clip.copy() for clip in PAIRS["noise"])
    assert np.isnan(pictures.psnr_mean(true, true, 255)) and np.isnan(pictures.psnr_pooled(true, true, 255))
    assert pictures.ssim(true, true, 255) == 1.0
    made[0] = true[0]
    assert np.isnan(pictures.psnr_frames(made, true, 255)).tolist() == [True, False, False]
    assert np.isnan(pictures.psnr_mean(made, true, 255)) and pictures.psnr_pooled(made, true, 255) > 20


def test_range_and_type_play_no_part_and_order_neither() -> None:
    made, true = PAIRS["noise"]
    a, b = made / 255.0, true / 255.0
    for measure in (pictures.psnr_mean, pictures.psnr_pooled, pictures.ssim):
        base = measure(made, true, 255)
        assert measure(a, b, 1.0) == pytest.approx(base, abs=1e-9)
        assert measure(true, made, 255) == pytest.approx(base, abs=1e-12)
        assert measure(made[::-1], true[::-1], 255) == pytest.approx(base, abs=1e-12)
        assert measure(made[..., ::-1], true[..., ::-1], 255) == pytest.approx(base, abs=1e-12)
        assert measure(made[:, ::-1], true[:, ::-1], 255) == pytest.approx(base, abs=1e-9)


def test_a_wrong_range_is_refused() -> None:
    made, true = PAIRS["noise"]
    half = made / 510.0, true / 510.0
    # What a range taken from the data, or a wrong one, would do to the same pictures.
    assert abs(pictures.ssim(*half, 0.5) - pictures.ssim(*half, 1.0)) > 0.005
    for wrong, data_range, what in (
        ((made, true), 1.0, r"made holds .* to .*give 0\.\.1 "),
        ((half[0], half[1]), 255, "give 1 for"),
        ((made - 300.0, true), 255, "made holds -"),
        ((made, true), 0, "data_range=0"),
        ((made, true * np.nan), 255, "true holds nan"),
    ):
        with pytest.raises(ValueError, match=what) as caught:
            pictures.psnr_mean(*wrong, data_range)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="at least 11 px"):
        pictures.ssim(made[:, :10], true[:, :10], 255)
    with pytest.raises(ValueError, match=r"true has shape \[2, 40, 48, 3\]"):
        pictures.ssim(made, true[:2], 255)
    with pytest.raises(ValueError, match="none of them 0"):
        pictures.ssim(made[:0], true[:0], 255)


def test_a_long_clip_is_never_made_float_as_a_whole() -> None:
    import tracemalloc

    clip = np.zeros((120, 64, 64, 3), np.uint8)
    other = clip + 1
    tracemalloc.start()
    pictures.psnr_mean(clip, other, 255)
    pictures.ssim(clip, other, 255)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < clip.nbytes * 2
