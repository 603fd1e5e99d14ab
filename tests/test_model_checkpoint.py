"""Models and training states on disk: whole or absent, refused when damaged, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from model import checkpoint  # noqa: E402
from model.config import ModelConfig  # noqa: E402
from model.training import optim, resume, tensors  # noqa: E402
from model.training.config import OptimConfig  # noqa: E402
from model.training.ema import EMA  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(8, 4, generator=generator) for name in ("a.weight", "b.weight")}


def saved(folder: Path) -> Path:
    parts = {"dit": weights(1), "vae": weights(2), "text": weights(3)}
    checkpoint.save_model(folder, ModelConfig(), parts, {"tflop": 1.5, "clips": 7})
    return folder


def test_a_model_comes_back(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors", "vae.safetensors"]
    found = checkpoint.read_model(folder)
    assert found.config == ModelConfig() and found.provenance == {"tflop": 1.5, "clips": 7}
    for part, seed in (("dit", 1), ("vae", 2), ("text", 3)):
        for name, tensor in weights(seed).items():
            assert torch.equal(found.tensors[part][name], tensor)
    assert set(found.digests) == {"model.safetensors", "vae.safetensors"}


def test_saving_again_replaces_the_folder_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    (tmp_path / "m" / "notes.md").write_text("old")
    saved(tmp_path / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["m"] and not (tmp_path / "m" / "notes.md").exists()


def test_a_failed_save_keeps_what_was_there(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    before = (folder / "config.json").read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save_model(folder, ModelConfig(), {"dit": weights(), "vae": weights()}, {"x": object()})
    assert (folder / "config.json").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_parts_have_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dit, vae"):
        checkpoint.save_model(tmp_path / "m", ModelConfig(), {"unet": weights(), "vae": weights()}, {})


def test_shards_stay_below_their_limit(tmp_path: Path) -> None:
    many = {f"t{i}": torch.full((100,), float(i)) for i in range(7)}
    digests = tensors.write_shards(tmp_path, "model", many, limit=900)
    assert sorted(digests) == [f"model-0000{i}-of-00004.safetensors" for i in (1, 2, 3, 4)]
    found = tensors.read_shards(tmp_path, digests)
    assert all(torch.equal(found[name], many[name]) for name in many) and len(found) == 7


def test_views_of_one_storage_are_written_apart(tmp_path: Path) -> None:
    base = torch.arange(8.0)
    digests = tensors.write_shards(tmp_path, "m", {"a": base[:4], "b": base, "c": base[4:]})
    found = tensors.read_shards(tmp_path, digests)
    assert found["a"].tolist() == [0, 1, 2, 3] and found["c"].tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("name", ["model.pt", "model.ckpt", "pytorch_model.bin", "x.PKL", "x.pth"])
@pytest.mark.parametrize("inside", [True, False])
def test_pickles_are_refused_with_the_reason(tmp_path: Path, name: str, inside: bool) -> None:
    folder = saved(tmp_path / "m")
    (folder / name).write_bytes(b"\x80\x04")
    with pytest.raises(UserError, match="pickle, which can run any code") as caught:
        checkpoint.load_model(folder if inside else folder / name)
    assert "\n" not in str(caught.value)


def break_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def break_weights(folder: Path) -> None:
    path = folder / "vae.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def other_schema(folder: Path) -> None:
    (folder / "config.json").write_text('{"schema": 99}')


def stranger(folder: Path) -> None:
    (folder / "lora.safetensors").write_bytes(b"")


def unknown_option(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    content["model"]["dit"]["widht"] = 3
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (break_json, "config.json is damaged"),
        (break_weights, r"vae.safetensors is damaged: sha256"),
        (no_weights, "model.safetensors is missing"),
        (no_config, "is no model: it needs config.json"),
        (other_schema, "not of schema 1"),
        (stranger, "lora.safetensors is not in config.json"),
        (unknown_option, "unknown option model.dit.widht; did you mean width"),
    ],
)
def test_a_spoilt_model_gives_one_line(tmp_path: Path, spoil, said: str) -> None:
    folder = saved(tmp_path / "m")
    spoil(folder)
    with pytest.raises(UserError, match=said) as caught:
        checkpoint.read_model(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; name a folder"):
        checkpoint.read_model(tmp_path / "nowhere")


def test_tensors_that_do_not_fit_are_named() -> None:
    module = torch.nn.Linear(4, 8)
    right = {"weight": torch.ones(8, 4), "bias": torch.ones(8)}
    checkpoint.fill(module, right, "m")
    assert module.weight.sum() == 32
    for wrong, said in (
        ({"weight": right["weight"]}, "m.bias is missing"),
        ({**right, "weight": torch.ones(4, 8)}, r"m.weight has shape \[4, 8\], the options ask for \[8, 4\]"),
        ({**right, "extra": torch.ones(1)}, "m.extra is unknown"),
    ):
        with pytest.raises(UserError, match=said):
            checkpoint.fill(module, wrong, "m")


def state(step: int) -> resume.State:
    return resume.State({"step": step, "tflop": 0.1 + 0.2}, {"x": torch.full((3,), float(step))})


def test_states_are_kept_pointed_at_and_pruned(tmp_path: Path) -> None:
    assert resume.load_state(tmp_path, print) is None
    for step in (1, 2, 3, 10):
        resume.save_state(tmp_path, step, state(step), keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "step-00000003", "step-00000010"]
    found = resume.load_state(tmp_path, print)
    assert found is not None and found.facts == {"step": 10, "tflop": 0.1 + 0.2}
    (tmp_path / "latest").write_text("step-00000003\n")
    found = resume.load_state(tmp_path, print)
    assert found is not None and found.facts["step"] == 3, "the pointer decides"


@pytest.mark.parametrize("spoil", ["cut", "gone", "json", "tensor_gone", "key"])
def test_a_damaged_state_gives_way_to_the_one_before(tmp_path: Path, spoil: str) -> None:
    for step in (1, 2):
        resume.save_state(tmp_path, step, state(step))
    folder = tmp_path / "step-00000002"
    if spoil == "cut":
        path = folder / "state.safetensors"
        path.write_bytes(path.read_bytes()[:-2])
    elif spoil == "tensor_gone":
        (folder / "state.safetensors").unlink()
    elif spoil == "json":
        (folder / "state.json").write_text("{")
    elif spoil == "key":
        (folder / "state.json").write_text("{}")
    else:
        (folder / "state.json").unlink()
    said: list[str] = []
    found = resume.load_state(tmp_path, said.append)
    assert found is not None and found.facts["step"] == 1
    assert len(said) == 1 and "step-00000002" in said[0] and "\n" not in said[0]


def test_no_state_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    resume.save_state(tmp_path, 1, state(1))
    (tmp_path / "step-00000001" / "state.json").unlink()
    with pytest.raises(UserError, match="begin again in another out="):
        resume.load_state(tmp_path, lambda line: None)


class Net(torch.nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        feed = torch.nn.ModuleDict({"up": torch.nn.Linear(width, width, bias=False)})
        self.blocks = torch.nn.ModuleList([torch.nn.ModuleDict({"feed": feed})])
        self.enter = torch.nn.Parameter(torch.ones(4, width))
        feed["up"].weight.data = torch.eye(width)


class Run:
    """A net with all that moves beside it."""

    def __init__(self, width: int = 8) -> None:
        self.named = dict(Net(width).named_parameters())
        self.optimizers = optim.build(self.named.items(), OptimConfig())
        self.ema = EMA(self.named.items())

    def steps(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            for i, param in enumerate(self.named.values()):
                param.grad = torch.randn(param.shape, generator=torch.Generator().manual_seed(10 * step + i))
            for optimizer in self.optimizers:
                optimizer.step()
            self.ema.update(self.named.items(), step)

    def gather(self) -> dict[str, torch.Tensor]:
        return dict(resume.gather(self.named, self.optimizers, self.ema))


def test_weights_moments_and_averages_go_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    straight, first, second = Run(), Run(), Run()
    straight.steps(1, 7)
    first.steps(1, 4)
    resume.save_state(tmp_path, 4, resume.State({}, first.gather()))
    found = resume.load_state(tmp_path, print)
    assert found is not None
    resume.restore(found.tensors, second.named, second.optimizers, second.ema)
    second.steps(5, 7)
    wanted, got = straight.gather(), second.gather()
    assert wanted.keys() == got.keys() and len(wanted) == 2 + 1 + 3 + 2
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)


def test_a_state_of_another_size_is_refused() -> None:
    run, other = Run(8), Run(16)
    with pytest.raises(UserError, match=r"no weights.enter of shape \[4, 16\]"):
        resume.restore(run.gather(), other.named, other.optimizers, other.ema)
