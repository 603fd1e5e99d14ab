"""The feature space `worlds`: the weights that ship, what it refuses, that it sees order and direction."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from simbench.errors import UserError
from simbench.features.worlds import DIM, LAYERS, WEIGHTS, Worlds, embedded, prepared, shapes

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Four clips of 7 frames of 40x24 px."""
    return np.random.default_rng(0).integers(0, 256, (4, 7, 24, 40, 3), dtype=np.uint8)


def test_features_do_not_depend_on_the_batch_nor_on_the_call(noise: np.ndarray) -> None:
    space = Worlds()
    whole = space.features(noise)
    assert whole.shape == (4, DIM) and whole.dtype == np.float32 and np.isfinite(whole).all()
    np.testing.assert_array_equal(whole, Worlds().features(noise))
    np.testing.assert_array_equal(whole[2:3], space.features(noise[2:3]))
    np.testing.assert_array_equal(whole[::-1], space.features(list(noise[::-1])))
    assert len(np.unique(whole[:, 0])) == 4
    assert space.features(noise[:0]).shape == (0, DIM)


def test_any_length_and_layout_will_do(noise: np.ndarray) -> None:
    space = Worlds()
    mixed = space.features([noise[0], noise[1][:5]])
    np.testing.assert_array_equal(mixed[0], space.features(noise)[0])
    np.testing.assert_array_equal(mixed[1], space.features(noise[1:2, :5])[0])
    swapped = np.ascontiguousarray(noise.swapaxes(2, 3)).swapaxes(2, 3)
    np.testing.assert_array_equal(space.features(swapped), space.features(noise))
    frozen = noise.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(space.features(frozen), space.features(noise))


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (np.zeros((1, 4, 16, 16, 3), np.uint8), r"clip 0 has 4 frames; .*needs 5 or more"),
        (np.zeros((1, 5, 16, 16, 3), np.float32), r"clip 0 holds float32; .*uint8"),
        (
            np.zeros((5, 16, 16, 3), np.uint8),
            r"clip 0 has shape \[16, 16, 3\]; .*\[frames, height",
        ),
        (np.zeros((1, 5, 16, 16, 1), np.uint8), r"clip 0 has shape \[5, 16, 16, 1\]"),
        (np.zeros((1, 5, 0, 16, 3), np.uint8), r"clip 0 has shape \[5, 0, 16, 3\]"),
    ],
)
def test_what_is_no_clip_is_refused_in_one_line(clips: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        Worlds().features(clips)
    assert "\n" not in str(caught.value)


def test_a_bad_clip_among_good_ones_is_named(noise: np.ndarray) -> None:
    with pytest.raises(UserError, match="clip 1 has 4 frames"):
        Worlds().features([noise[0], noise[1][:4]])


def test_the_weights_that_ship_are_small_and_named_by_their_digest(tmp_path: Path) -> None:
    assert WEIGHTS.stat().st_size <= 4 * 2**20
    identity = Worlds().identity()
    assert identity["weights"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert identity["space"] == Worlds().name == "worlds" and Worlds().least_frames == 5
    other = tmp_path / "other.safetensors"
    changed = bytearray(WEIGHTS.read_bytes())
    changed[-1] ^= 1
    other.write_bytes(bytes(changed))
    assert Worlds(str(other)).identity() != identity


def test_weights_that_are_missing_damaged_or_of_another_network_are_refused(
    noise: np.ndarray, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    with pytest.raises(UserError, match=r"none.safetensors cannot be read"):
        Worlds(str(tmp_path / "none.safetensors")).features(noise)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"cut.safetensors is no safetensors file"):
        Worlds(str(cut)).features(noise)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"edges.weight": np.zeros((2, 2), np.float32)}, foreign)
    with pytest.raises(UserError, match=r"has no edges.weight of shape \[32, 7, 1, 6, 6\]"):
        Worlds(str(foreign)).features(noise)


def test_a_frame_and_its_change_come_in() -> None:
    import torch

    clips = np.random.default_rng(1).integers(0, 256, (1, 3, 64, 64, 3), dtype=np.uint8)
    found = prepared(torch.from_numpy(clips)).numpy()[0]
    scaled = clips[0].astype(np.float32) * np.float32(2 / 255) - 1
    np.testing.assert_allclose(found[:3], np.moveaxis(scaled[1:], -1, 0), atol=1e-6)
    np.testing.assert_allclose(found[3:6], 4 * np.moveaxis(scaled[1:] - scaled[:-1], -1, 0), atol=1e-5)
    grey = scaled[1:].mean(axis=-1)
    middle = [grey[:, i : i + 62, j : j + 62] for i in range(3) for j in range(3)]
    np.testing.assert_allclose(
        found[6][:, 1:-1, 1:-1], 4 * (grey[:, 1:-1, 1:-1] - np.mean(middle, 0)), atol=1e-5
    )


def test_an_even_picture_has_no_detail_at_its_edge_either() -> None:
    import torch

    even = torch.full((1, 5, 64, 64, 3), 200, dtype=torch.uint8)
    assert float(prepared(even)[0, 6].abs().max()) < 1e-5


def test_a_shorter_clip_is_smaller_all_the_way() -> None:
    import torch

    weights = {name: torch.zeros(shape) for name, shape in shapes().items()}
    weights["out.bias"] = torch.arange(float(DIM))
    made = embedded(weights, torch.zeros((2, 5, 8, 8, 3), dtype=torch.uint8))
    np.testing.assert_array_equal(made, np.tile(np.arange(DIM), (2, 1)))
    side = 64
    for layer in LAYERS:
        side = (side + 2 * layer.padding[1] - layer.kernel[1]) // layer.stride[1] + 1
    assert side == 4


@pytest.mark.parametrize(("kind", "least"), [("shuffle", 3.0), ("reversal", 1.4)])
def test_order_and_direction_cost_more_than_the_floor_and_more_than_untaught(
    held: np.ndarray, kind: str, least: float
) -> None:
    from model.features.ranking import random_space, spoiled
    from simbench.metrics.distances import frechet

    half = len(held) // 2
    bad = spoiled(held[half:], kind, 1.0, 0)
    costs = []
    for space in (Worlds().features, random_space(0)):
        first, second, worse = space(held[:half]), space(held[half:]), space(bad)
        costs.append(frechet(first, worse) / frechet(first, second))
    assert costs[0] > least and costs[0] > 1.2 * costs[1]


@pytest.fixture(scope="module")
def held() -> np.ndarray:
    """Clips uint8 [48, 9, 48, 48, 3] of worlds that things happen in, of seeds that no training saw."""
    from model.clips.worlds import Mix, rendered

    mix = Mix(("bite", "canvas", "footprints", "paint"), 48, 48, frames=9, fps=4.0, samples=1)
    return np.stack([rendered(mix, 77, index).frames.rgb for index in range(48)])
