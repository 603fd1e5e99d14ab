"""The transformer's channel for depth: it starts at 0, learns, may be withheld, and old weights fit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import tiny_model
from tiny_model import seeded, shaken

torch = pytest.importorskip("torch")

from model.checkpoint import load_model  # noqa: E402
from model.clips.pool import write_pool  # noqa: E402
from model.clips.worlds import Mix  # noqa: E402
from model.config import DiTConfig  # noqa: E402
from model.diffusion.denoiser import Batch, Denoiser  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.network.pack import Budget, Clip, pack  # noqa: E402
from model.scaling import measure  # noqa: E402
from model.training import sources  # noqa: E402
from model.training.config import parse  # noqa: E402
from model.training.feed import Feed  # noqa: E402
from model.training.loop import start_from  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

pytestmark = pytest.mark.torch

TOLD = DiTConfig(channels=3, width=32, depth=2, heads=2, rank=4, given_depth=True)


def clip(frames: int = 3) -> dict[str, torch.Tensor]:
    return {**tiny_model.clip(frames), "context": torch.arange(frames).expand(2, -1) < 1}


def planes(frames: int = 3) -> torch.Tensor:
    return torch.randn(2, frames, 4, 4, 4, generator=seeded(3))


@pytest.mark.parametrize("patch", [1, 2])
def test_a_new_channel_changes_nothing_and_learns(patch: int) -> None:
    config = dataclasses.replace(TOLD, patch=patch)
    plain, told = DiT(dataclasses.replace(config, given_depth=False), seeded(0)), DiT(config, seeded(0))
    weights = told.state_dict()
    assert set(weights) - set(plain.state_dict()) == {"given_depth.weight", "given_depth.bias"}
    assert all(torch.equal(weights[name], tensor) for name, tensor in plain.state_dict().items())
    for model in (plain, told):
        model.leave.weight.data.normal_(generator=seeded(5))
    out = told(**clip(), depth=planes())
    assert out.abs().max() > 0.1 and torch.equal(out, plain(**clip()))
    out.square().sum().backward()
    assert told.given_depth.weight.grad.abs().min(0).values.max() > 0
    assert told.given_depth.weight.grad.any(0).all(), "every plane of every place is learned from"
    assert told.given_depth.bias.grad.any()


def test_depth_matters_and_nan_is_not_given() -> None:
    model, given, depth = shaken(TOLD), clip(), planes()
    before = model(**given, depth=depth)
    for plane in range(4):
        moved = depth.clone()
        moved[:, 1, plane, 2, 3] += 1
        assert (model(**given, depth=moved) - before).abs().max() > 1e-4
    absent = model(**given)
    torch.testing.assert_close(model(**given, depth=torch.full_like(depth, torch.nan)), absent)
    depth[0] = torch.nan
    mixed = model(**given, depth=depth)
    torch.testing.assert_close(mixed[0], absent[0])
    torch.testing.assert_close(mixed[1], before[1])
    assert (absent[1] - before[1]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="depth was given to a model without"):
        shaken(dataclasses.replace(TOLD, given_depth=False))(**given, depth=depth)


def test_depth_of_context_frames_alone() -> None:
    seeing = dataclasses.replace(TOLD, depth_ahead=False)
    model, given, depth = shaken(seeing), clip(), planes()
    before = model(**given, depth=depth)
    later, first = depth.clone(), depth.clone()
    later[:, 1:] = torch.nan
    first[:, 0] += 1
    assert torch.equal(model(**given, depth=later), before), "what is ahead has no say"
    assert (model(**given, depth=first) - before).abs().max() > 1e-3
    assert (shaken(TOLD)(**given, depth=later) - shaken(TOLD)(**given, depth=depth)).abs().max() > 1e-3


def test_later_depth_does_not_reach_earlier_frames() -> None:
    model, given, depth = shaken(TOLD), clip(), planes()
    before = model(**given, depth=depth, mode="block_causal")
    depth[:, 2] += 1
    after = model(**given, depth=depth, mode="block_causal")
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.equal(before[:, 2], after[:, 2])


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("patch", [1, 2])
def test_packed_depth_is_unpacked_depth(patch: int, ahead: bool) -> None:
    model, depth = shaken(dataclasses.replace(TOLD, patch=patch, depth_ahead=ahead)), planes()
    every = clip()
    clips = [Clip(*(value[i] for value in every.values()), depth=None if i else depth[i]) for i in range(2)]
    row = pack(clips, patch, 4, Budget(120, 12, 4))
    assert row.depth is not None and row.depth.shape == (120, 4 * patch**2)
    found = row.unpack(model.forward_packed(row))
    depth[1] = torch.nan
    wanted = model(**every, depth=depth)
    for i in range(2):
        torch.testing.assert_close(found[i], wanted[i], rtol=1e-4, atol=1e-5)


def test_a_trainer_packs_depth_too(tmp_path: Path) -> None:
    config = dataclasses.replace(parse(options(tmp_path)).model, dit=TOLD)
    module, every = Denoiser(config), clip()
    for weight in module.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=seeded(1))
    clean = every.pop("noised")
    rest = {"noise": torch.zeros_like(clean), "pattern": torch.zeros(2), "depth": planes()}
    whole = Batch(clean=clean, **every, **rest)
    (wanted,) = module([whole])
    packed = module([whole.part(0, 1), whole.part(1, 2)])
    torch.testing.assert_close(torch.cat(packed), wanted, rtol=1e-4, atol=1e-5)
    (without,) = module([dataclasses.replace(whole, depth=None)])
    assert (without - wanted).abs().max() > 1e-3


def test_weights_of_before_there_was_depth(tmp_path: Path) -> None:
    folder = tiny_model.write(tmp_path / "old")
    file = folder / "config.json"
    content = json.loads(file.read_text())
    del content["model"]["dit"]["given_depth"]
    file.write_text(json.dumps(content))
    old = load_model(folder)
    assert not old.config.dit.given_depth
    dit = dataclasses.replace(old.config.dit, given_depth=True)
    module = Denoiser(dataclasses.replace(old.config, dit=dit), seed=7)
    start_from(folder, module)
    given = {**clip(), "noised": torch.randn(2, 3, 4, 4, 4, generator=seeded(4))}
    assert torch.equal(module.dit(**given, depth=planes()), old.dit(**given))
    new = tiny_model.write(tmp_path / "new", given_depth=True)
    assert load_model(new).dit.given_depth is not None
    with pytest.raises(UserError, match="given_depth"):
        start_from(new, Denoiser(old.config))


class Deep(Squares):
    """Squares with a depth that grows from left to right."""

    def sample(self, index: int):
        clip = super().sample(index)
        ramp = torch.linspace(1, 2, 8).expand(5, 8, 8).numpy()
        return dataclasses.replace(clip, depth=ramp)


def test_depth_is_withheld_with_the_other_commands(tmp_path: Path) -> None:
    words = options(tmp_path, batch=32, model__dit__given_depth="true", model__dit__camera="true")
    asked = parse([*words, "loss.commands=0.5", "data.augment.mirror=0"])
    feed = Feed(Deep(), asked)
    raws = [raw for step in range(8) for raw in feed.batch(step)]
    every = torch.cat([raw.depth for raw in raws])
    assert every.shape == (256, 2, 4, 2, 2)
    blind = every.isnan().flatten(1).any(1)
    assert 0.4 < blind.float().mean() < 0.6
    assert torch.equal(blind, torch.cat([raw.camera for raw in raws]).isnan().flatten(1).any(1))
    assert torch.equal(blind, every.isnan().flatten(1).all(1))
    assert (every[~blind][..., 0] > every[~blind][..., 1]).all(), "what is near has a larger number"
    assert not feed.held()[0].depth.isnan().any()
    mirror = parse([*words, "loss.commands=0", "data.augment.mirror=1"])
    (turned,) = Feed(Deep(), mirror).batch(0)
    assert (turned.depth[..., 0] < turned.depth[..., 1]).all(), "the mirror turns depth with the picture"
    assert Feed(Deep(), parse(options(tmp_path))).batch(0)[0].depth is None


def test_clips_without_depth_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="needs clips with their depth"):
        Feed(Squares(), parse(options(tmp_path, model__dit__given_depth="true"))).batch(0)
    from model.train import main

    write_pool(tmp_path / "pool", Mix(width=8, height=8, frames=5, samples=1), 12)
    (tmp_path / "videos").mkdir()
    for name in ("pool", "videos"):
        words = options(tmp_path / "run", model__dit__given_depth="true", data__path=tmp_path / name)
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"{name}: model.dit.given_depth=true needs clips with their depth" in said
        assert "pool depth=true" in said and said.count("\n") == 1


def test_a_rendered_pool_has_depth_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simbench.store.default_store", lambda: tmp_path)
    monkeypatch.setattr("model.clips.worlds.named", lambda name: Mix(width=8, height=8, frames=1, samples=1))
    data = parse(options(tmp_path)).data
    assert sources.rendered(data, 2, depth=True).sample(1).depth is not None
    assert sources.rendered(data, 2).sample(1).depth is None
    assert sources.pool_folder(data, depth=True).name == f"{sources.pool_folder(data).name}-depth"


def test_speed_is_measured_on_clips_of_unknown_depth(tmp_path: Path) -> None:
    asked = parse(options(tmp_path, model__dit__given_depth="true"))
    raw = measure._raw(asked, Denoiser(asked.model), (5, 8, 8))
    assert raw.depth is not None and raw.depth.shape == (4, 2, 4, 2, 2) and raw.depth.isnan().all()


def test_a_run_is_told_depth_and_says_so_in_its_model(tmp_path: Path) -> None:
    from model.train import main

    write_pool(tmp_path / "pool", Mix(width=8, height=8, frames=5, samples=1), 24, depth=True)
    words = options(tmp_path / "run", model__dit__given_depth="true", data__path=tmp_path / "pool")
    assert main([*words, "budget=1e-5", "checkpoint_every=1", "data.cache=true", "optim.warmup=0"]) == 0
    made = load_model(tmp_path / "run" / "model")
    assert made.config.dit.given_depth and made.dit.given_depth.weight.any()
