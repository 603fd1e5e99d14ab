"""Depth that a model is told: what it is, how it travels with the picture, and a channel that starts at 0."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from model.clips.augment import Augment, augmented, mirrored
from model.clips.depth import cells, halved, relative
from model.clips.pool import Pool, write_pool
from model.clips.worlds import Mix, draw, named, rendered
from model.data import Sample
from simbench.errors import UserError

SMALL = Mix(("orbit", "look-away"), 16, 16, 5, samples=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with depth, 12 clips of 5 frames."""
    made = tmp_path_factory.mktemp("depth") / "pool"
    write_pool(made, SMALL, 12, seed=3, depth=True)
    return made


def test_relative_depth_by_hand() -> None:
    metres = np.array([[[1.0, 2.0], [4.0, 0.0]]])
    # Inverse 1, 1/2, 1/4; their mean is 7/12.
    wanted = [[[12 / 7 - 1, 6 / 7 - 1], [3 / 7 - 1, -1]]]
    np.testing.assert_allclose(relative(metres), wanted, rtol=1e-6)
    assert (relative(np.zeros((2, 3, 3))) == -1).all(), "nothing but sky"
    assert np.abs(relative(np.full((2, 3, 3), 7.0))).max() < 1e-6, "a wall"


def test_relative_depth_knows_no_metres_but_keeps_motion() -> None:
    metres = np.random.default_rng(0).uniform(0.5, 20, (4, 6, 6))
    metres[:, :2] = 0
    for scale in (0.01, 3.0, 1000.0):
        np.testing.assert_allclose(relative(scale * metres), relative(metres), rtol=1e-4, atol=1e-5)
    nearer = np.array([4.0, 2.0, 1.0])[:, None, None] * np.ones((3, 2, 2))
    assert (np.diff(relative(nearer)[:, 0, 0]) > 0.1).all()


def test_cells_are_means_over_the_pixels_of_a_latent() -> None:
    metres = np.random.default_rng(1).uniform(1, 9, (3, 8, 12))
    found, whole = cells(metres, 2, 3), relative(metres)
    assert found.shape == (3, 2, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[2, 1, 2], whole[2, 4:, 8:].mean(), rtol=1e-4)
    np.testing.assert_allclose(cells(metres[:, :7], 2, 3).shape, (3, 2, 3))
    np.testing.assert_allclose(cells(metres[:, :, ::-1], 2, 3), found[:, :, ::-1], rtol=1e-5, atol=1e-6)


def test_samples_hold_the_depth_of_the_renderer() -> None:
    sample, true = draw(SMALL, 3, 0), rendered(SMALL, 3, 0).frames.depth
    assert sample.depth is not None and sample.depth.dtype == np.float16
    np.testing.assert_allclose(sample.depth, np.minimum(true, 65504), rtol=1e-3)
    assert np.isfinite(halved(np.array([1e9, 0.0]))).all()
    still = draw(dataclasses.replace(SMALL, still=True), 3, 0)
    frame = next(t for t in range(5) if np.array_equal(sample.video[t], still.video[0]))
    assert still.depth is not None and np.array_equal(still.depth[0], sample.depth[frame])


def test_depth_goes_through_the_mirror_with_the_picture() -> None:
    sample = draw(dataclasses.replace(named("nano"), frames=5, samples=1), 3, 1)
    other = mirrored(sample)
    assert sample.depth is not None and other.depth is not None and other.mask is not None
    assert np.array_equal(other.depth, sample.depth[:, :, ::-1]) and other.depth.flags.c_contiguous
    mover = other.depth[other.mask > 0]
    assert mover.size and sorted(mover) == sorted(sample.depth[sample.mask > 0])
    assert not np.array_equal(other.depth, sample.depth)
    tinted = augmented(sample, np.random.default_rng(0), Augment(1.0, 1.0, 0.0))
    assert np.array_equal(tinted.depth, sample.depth)
    assert mirrored(dataclasses.replace(sample, depth=None)).depth is None


def test_pools_hold_depth_where_it_was_asked_for(folder: Path, tmp_path: Path) -> None:
    for i in (0, 11):
        found, wanted = Pool(folder).sample(i).depth, draw(SMALL, 3, i).depth
        assert found is not None and found.dtype == np.float16 and np.array_equal(found, wanted)
    write_pool(tmp_path, SMALL, 2)
    assert Pool(tmp_path).sample(0).depth is None
    assert "depth" not in json.loads((tmp_path / "pool.json").read_text())
    with pytest.raises(UserError, match="another pool"):
        write_pool(tmp_path, SMALL, 2, depth=True)
    with pytest.raises(UserError, match=r"depth=true: family=.* is of two dimensions"):
        write_pool(tmp_path / "flat", named("phyworld"), 2, depth=True)


@pytest.mark.parametrize(("word", "code"), [("true", 0), ("false", 0), ("png", 2)])
def test_pools_with_depth_on_the_command_line(
    tmp_path: Path, word: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from model.clips.commands import main

    words = ["pool", f"out={tmp_path}", "clips=1", "frames=1", "size=8", f"depth={word}"]
    assert main(words) == code
    if code:
        assert "depth=png is unknown; use true or false" in capsys.readouterr().err
    else:
        assert (Pool(tmp_path).sample(0).depth is not None) == (word == "true")


def test_stored_latents_keep_depth_and_old_ones_are_read(folder: Path, tmp_path: Path) -> None:
    from model.clips.items import item
    from model.clips.latents import Latents, write_latents
    from model.config import VAEConfig

    def encode(video: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        zeros = np.zeros((len(video), 2, 3, 4, 4), np.float32)
        return zeros, zeros

    vae, pool = VAEConfig(widths=()), Pool(folder)
    write_latents(tmp_path, pool, encode, "vae")
    stored, pixels = item(Latents(tmp_path, "vae").latent(5), vae), item(pool.sample(5), vae)
    assert stored.depth is not None and pixels.depth is not None
    assert pixels.depth.shape == (2, 4, 4, 4) and np.array_equal(stored.depth, pixels.depth)
    assert np.array_equal(pixels.depth[0, 0], pixels.depth[0, 3]), "the first latent is one frame"
    shown = pool.sample(5).depth
    assert shown is not None and np.array_equal(pixels.depth[1], cells(shown, 4, 4)[1:])
    assert not np.array_equal(pixels.depth[1, 0], pixels.depth[1, 3])
    path = tmp_path / "00000.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in e.items() if k != "depth"}) + "\n" for e in lines))
    assert Latents(tmp_path, "vae").latent(5).depth is None


def test_a_sheet_asks_for_the_depth_of_the_clip(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import tiny_model

    from model.generator import opened
    from model.sampling.pipeline import How
    from model.sheet import wish_of

    sample: Sample = draw(SMALL, 3, 2)
    for told in (True, False):
        where = tiny_model.write(tmp_path / str(told), given_depth=told)
        wish = wish_of(opened(where, How(), "cpu"), sample, 1, 0)
        assert (wish.depth is sample.depth) if told else (wish.depth is None)
