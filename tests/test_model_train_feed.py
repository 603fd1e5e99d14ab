"""What a step is fed with: the same for every number of processes, whatever the clips are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.clips.items import item, latent_count, per_latent, seen, times  # noqa: E402
from model.data import Sample  # noqa: E402
from model.diffusion.denoiser import Denoiser, split  # noqa: E402
from model.diffusion.levels import PATTERNS  # noqa: E402
from model.training import loop as loop_module  # noqa: E402
from model.training import sources  # noqa: E402
from model.training.config import TrainConfig, parse  # noqa: E402
from model.training.distributed import Process  # noqa: E402
from model.training.feed import Feed, Place, Raw, Stream, even_levels, keyed, noise  # noqa: E402
from model.training.loop import Loop  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

pytestmark = pytest.mark.torch
CPU = Process(0, 1, torch.device("cpu"))


def config(tmp_path: Path, **changes) -> TrainConfig:
    return parse(options(tmp_path, budget=1, **changes))


def drawn(raw: Raw) -> torch.Tensor:
    return noise(raw, torch.device("cpu"))


class Sizes(Squares):
    """Clips of three sizes and lengths in turn; every third is an image."""

    def sample(self, index: int) -> Sample:
        clip = super().sample(index)
        frames, width = ((5, 8), (3, 16), (1, 8))[index % 3]
        video = np.tile(clip.video[:frames], (1, 1, width // 8, 1))
        mask = np.tile(clip.mask[:frames], (1, 1, width // 8))
        return dataclasses.replace(
            clip, video=video, mask=mask, actions=clip.actions[:frames], camera=clip.camera[:frames]
        )


def test_times_and_groups_of_frames() -> None:
    assert times(17, 8.0, 4).tolist() == [0, 0.5, 1, 1.5, 2]
    assert [latent_count(t, 4) for t in (1, 2, 5, 6, 17)] == [1, 2, 2, 3, 5]
    assert per_latent(np.arange(7), 4).tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 6, 6]]
    assert per_latent(np.arange(3), 1).tolist() == [[0], [1], [2]]


def test_where_objects_are_seen() -> None:
    mask = np.zeros((5, 8, 10), np.uint8)
    mask[0, 0, 0] = mask[3, 7, 9] = 1
    wanted = np.zeros((2, 2, 3), bool)
    wanted[0, 0, 0] = wanted[1, 1, 2] = True
    assert (seen(mask, 4, 4) == wanted).all()


def test_shares_of_the_processes_make_the_whole_batch(tmp_path: Path) -> None:
    asked = config(tmp_path, batch=8, loss__objects=2, model__dit__actions=2, model__dit__camera="true")
    (whole,) = Feed(Squares(), asked).batch(3)
    parts = [Feed(Squares(), asked, Place(rank, 2)).batch(3)[0] for rank in (0, 1)]
    assert whole.clips == parts[0].clips + parts[1].clips and whole.mode == parts[0].mode
    for name, tensor in vars(whole).items():
        if isinstance(tensor, torch.Tensor):
            joined = torch.cat([getattr(p, name) for p in parts])
            assert torch.equal(tensor.nan_to_num(-1), joined.nan_to_num(-1)), name
    assert torch.equal(drawn(whole), torch.cat([drawn(p) for p in parts]))
    for name in ("level", "context", "pattern"):
        assert torch.equal(getattr(whole.levels, name), torch.cat([getattr(p.levels, name) for p in parts]))


def test_a_batch_is_a_function_of_seed_and_step(tmp_path: Path) -> None:
    asked = config(tmp_path)
    feed = Feed(Squares(), asked)
    (first,), (again,), (later,) = feed.batch(2), Feed(Squares(), asked).batch(2), feed.batch(3)
    assert torch.equal(drawn(first), drawn(again)) and torch.equal(first.video, again.video)
    assert not torch.equal(drawn(first), drawn(later))
    other = Feed(Squares(), dataclasses.replace(asked, seed=1)).batch(2)[0]
    assert not torch.equal(drawn(first), drawn(other))
    assert torch.rand(1, generator=keyed(1, 2)) != torch.rand(1, generator=keyed(2, 1))


def test_held_clips_are_never_trained_on_and_never_change(tmp_path: Path) -> None:
    feed = Feed(Squares(40), config(tmp_path, data__held=8))
    trained = {clip for step in range(20) for raw in feed.batch(step) for clip in raw.clips}
    (held,) = feed.held()
    assert trained == set(range(32)) and set(held.clips) == set(range(32, 40))
    again = Feed(Squares(40), config(tmp_path, data__held=8, seed=5, levels__mean=0)).held()[0]
    assert torch.equal(drawn(held), drawn(again)) and torch.equal(held.video, again.video)
    assert torch.equal(held.levels.level, again.levels.level)
    few = Feed(Squares(40), config(tmp_path, data__clips=20))
    assert few.total == 12


def test_even_levels_ask_for_all_frames_and_for_those_after_a_prefix() -> None:
    levels = even_levels(8, 5)
    names = [PATTERNS[i] for i in levels.pattern.tolist()]
    assert names == ["whole"] * 4 + ["context"] * 4
    assert levels.level[:4, 0].tolist() == levels.level[4:, 4].tolist() == [0.125, 0.375, 0.625, 0.875]
    assert levels.context.sum(1).tolist() == [0] * 4 + [2] * 4 and (levels.level[4:, :2] == 0).all()
    assert not even_levels(4, 1).context.any()


def test_captions_and_commands_are_withheld_in_their_shares(tmp_path: Path) -> None:
    asked = config(
        tmp_path,
        batch=32,
        data__augment__permute=0,
        data__augment__tint=0,
        model__dit__actions=2,
        model__dit__camera="true",
        loss__text=0.25,
        loss__commands=0.5,
    )
    heard: list[str] = []

    def tokens(captions) -> torch.Tensor:
        heard.extend(captions)
        return torch.zeros(len(captions), 1, dtype=torch.int64)

    feed = Feed(Squares(), asked, tokens=tokens)
    raws = [raw for step in range(8) for raw in feed.batch(step)]
    silent = sum(text == "" for text in heard) / len(heard)
    blind = torch.cat([raw.actions for raw in raws]).isnan().flatten(1).any(1)
    assert 0.15 < silent < 0.35 and 0.4 < blind.float().mean() < 0.6
    assert torch.equal(blind, torch.cat([raw.camera for raw in raws]).isnan().flatten(1).any(1))
    assert raws[0].actions.shape == (32, 2, 4, 2) and raws[0].camera.shape == (32, 2, 4, 12)
    assert not feed.held()[0].actions.isnan().any()


def test_other_channels_of_action_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 channels of actions, the model takes 5"):
        Feed(Squares(), config(tmp_path, model__dit__actions=5)).batch(0)


def test_a_batch_that_does_not_divide(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch=4 does not divide over 3 processes"):
        Feed(Squares(), config(tmp_path), Place(0, 3))


def test_clips_of_several_sizes_keep_theirs(tmp_path: Path) -> None:
    raws = Feed(Sizes(), config(tmp_path, batch=6, loss__objects=1)).batch(0)
    shapes = {raw.shape for raw in raws}
    assert len(raws) == len(shapes) and shapes <= {(2, 6, 2, 2), (2, 6, 2, 4), (1, 6, 2, 2)}
    assert sum(len(raw.clips) for raw in raws) == 6
    for raw in raws:
        assert raw.weight.shape == (len(raw.clips), raw.shape[0], 1, *raw.shape[2:])


def test_packed_and_one_size_at_a_time_give_the_same_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "given", lambda config: Sizes())
    monkeypatch.setattr(sources, "FITTED", 1)
    monkeypatch.setattr(loop_module, "peak", lambda device, dtype: 1e9)
    monkeypatch.setattr(loop_module, "check_latents", lambda batches: None)
    found = []
    for pack in (0, 24):
        loop = Loop(config(tmp_path / str(pack), batch=6, pack=pack), CPU)
        batches = [loop.trainer.prepare(raw) for raw in loop.feed.batch(0)]
        units = split(batches, 0, pack, 1)
        assert max(len(unit) for unit in units) > 1 or pack == 0
        assert all(good.all() for _, good in loop.trainer._backward(batches, sum(b.counted for b in batches)))
        found.append({name: p.grad for name, p in loop.trainer.named.items()})
        loop.trainer.train(loop.feed.batch(0))
        checked = loop.trainer.validate(loop.held)
        assert checked["error"] > 0
    for name, grad in found[0].items():
        torch.testing.assert_close(grad, found[1][name], rtol=1e-3, atol=1e-6)


def test_a_pack_too_small_for_a_clip(tmp_path: Path) -> None:
    feed = Feed(Sizes(), config(tmp_path, batch=6))
    from model.codec.vae import VAE
    from model.training.trainer import Trainer

    asked = config(tmp_path, batch=6)
    trainer = Trainer(asked, Denoiser(asked.model), VAE(asked.model.vae), CPU, compiled=False)
    batches = [trainer.prepare(raw) for raw in feed.batch(0)]
    with pytest.raises(UserError, match="the budget is 5"):
        split(batches, 0, 5, 1)


def test_stored_latents_train_like_pixels_without_variety(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "given", lambda config: Squares())
    monkeypatch.setattr(loop_module, "peak", lambda device, dtype: 1e9)
    same = {"data__augment__permute": 0, "data__augment__tint": 0, "data__augment__mirror": 0}
    pixels = Loop(config(tmp_path / "a", loss__objects=1, **same), CPU)
    latents = Loop(config(tmp_path / "b", loss__objects=1, data__cache="true"), CPU)
    (one,), (two,) = pixels.feed.batch(0), latents.feed.batch(0)
    assert two.video is None and two.latent is not None and one.clips == two.clips
    a, b = pixels.trainer.prepare(one), latents.trainer.prepare(two)
    torch.testing.assert_close(a.clean, b.clean, rtol=0, atol=5e-3)
    assert torch.equal(a.weight, b.weight) and torch.equal(a.seconds, b.seconds)
    latents.trainer.train([two])
    assert latents.trainer.step == 1


def test_a_folder_of_videos_is_cut_to_fit(tmp_path: Path) -> None:
    from simbench.video import Video, encode

    rng = np.random.default_rng(0)
    (tmp_path / "clips").mkdir()
    for name in "ab":
        video = Video(rng.integers(0, 255, (9, 18, 26, 3)).astype(np.uint8), 8.0)
        encode(video, tmp_path / "clips" / f"{name}.mkv")
    asked = config(tmp_path, data__frames=5)
    asked = dataclasses.replace(asked, data=dataclasses.replace(asked.data, path=str(tmp_path / "clips")))
    source = sources.given(asked)
    assert source is not None and sources.clip_shape(asked.data, source) == (5, 16, 24) and len(source) == 4
    with pytest.raises(UserError, match="is no folder; make a pool"):
        sources.given(
            dataclasses.replace(asked, data=dataclasses.replace(asked.data, path=str(tmp_path / "none")))
        )


def test_a_pool_holds_as_many_clips_as_a_run_can_see(tmp_path: Path) -> None:
    asked = parse(options(tmp_path, budget=0.001, data__clips=5000))
    assert sources.wanted_clips(asked, None, 10**7) == 512
    assert sources.wanted_clips(asked, None, 10**6) == 1024
    assert sources.wanted_clips(asked, None, 10**5) == 5000
    assert sources.wanted_clips(asked, Squares(40), 10**6) == 40


def test_the_thread_keeps_the_order_and_passes_errors_on() -> None:
    def make(step: int) -> list[Raw]:
        if step == 6:
            raise ValueError("six")
        return [step]  # type: ignore[list-item]

    stream = Stream(make, 2, 3)
    assert [next(stream)[0] for _ in range(4)] == [2, 3, 4, 5]
    with pytest.raises(ValueError, match="six"):
        next(stream)
    assert stream.waited >= 0
    stream.close()


def test_an_item_of_a_sample_says_all_by_latent() -> None:
    found = item(Squares().sample(0), parse(["model.vae.widths=[]"]).model.vae)
    assert found.shape == (2, 2, 2) and found.seen.any() and found.latent is None
    assert found.actions[0].tolist() == [[1, 0]] * 4 and found.actions[1].tolist() == [[1, 0], *[[0, 1]] * 3]


def test_noise_is_that_of_each_clip_by_itself(tmp_path: Path) -> None:
    (raw,) = Feed(Squares(), config(tmp_path, batch=3)).batch(5)
    made = drawn(raw)
    for row, key in zip(made, raw.keys, strict=True):
        assert torch.equal(row, torch.randn(raw.shape, generator=keyed(*key)))
    assert len({float(x) for x in made.flatten(1)[:, 0]}) == 3
