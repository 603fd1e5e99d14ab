"""A training run: it learns, goes on to the bit, guards itself, and says what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from model import train  # noqa: E402
from model.checkpoint import load_model  # noqa: E402
from model.diffusion.denoiser import Denoiser  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.training import loop as loop_module  # noqa: E402
from model.training import precision, resume, sources  # noqa: E402
from model.training.config import parse  # noqa: E402
from model.training.distributed import Process  # noqa: E402
from model.training.loop import Loop, example  # noqa: E402
from model.training.tensors import read_shards  # noqa: E402
from reports.scaling.runs import read  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from tests.fake_card import PLACE, card  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

pytestmark = pytest.mark.torch
CPU = Process(0, 1, torch.device("cpu"))
PRESETS = Path(__file__).resolve().parent.parent / "conf" / "model"


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "given", lambda config: Squares())
    monkeypatch.setattr(loop_module, "peak", lambda device, dtype: 1e9)


def work(tmp_path: Path) -> float:
    """TFLOP to a step of a toy run."""
    config = parse(options(tmp_path))
    module = Denoiser(config.model)
    return 4 * module.work(example(config, module, (5, 8, 8))) / 1e12


def run(out: Path, steps: float, part: float = 1e9, stopped=lambda: False, **changes: Any) -> Loop:
    """A run with a budget of `steps` steps, this call ending after `part` of them."""
    one = work(out)
    words = options(out, budget=one * steps, part=one * part, **changes)
    loop = Loop(parse(words), CPU, stopped)
    loop.run()
    return loop


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def tensors(out: Path) -> dict[str, torch.Tensor]:
    folder = out / (out / "latest").read_text().strip()
    return read_shards(folder, json.loads((folder / "state.json").read_text())["sha256"])


def same(a: Path, b: Path) -> bool:
    one, two = tensors(a), tensors(b)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_that_stops_and_goes_on_equals_one_that_does_not(tmp_path: Path) -> None:
    changes = {"checkpoint_every": work(tmp_path) * 2, "ema": "0.05,0.1", "loss__objects": 1.0}
    run(tmp_path / "straight", 8, **changes)
    first = run(tmp_path / "parts", 8, part=3, **changes)
    assert first.trainer.step == 3
    stopping = iter([False, True])
    second = run(tmp_path / "parts", 8, stopped=lambda: next(stopping), **changes)
    assert second.trainer.step == 5, "told to stop after its second step"
    run(tmp_path / "parts", 8, **changes)
    assert same(tmp_path / "straight", tmp_path / "parts")
    assert any(name.startswith("ema.0.1.") for name in tensors(tmp_path / "parts"))


def test_after_a_crash_metrics_and_weights_are_those_of_an_unbroken_run(tmp_path: Path) -> None:
    every = work(tmp_path) * 2
    run(tmp_path / "straight", 6, checkpoint_every=every)
    run(tmp_path / "crash", 6, part=5, checkpoint_every=every)
    state = tmp_path / "crash" / "step-00000005" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with (tmp_path / "crash" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "half a li')
    run(tmp_path / "crash", 6, checkpoint_every=every)
    assert same(tmp_path / "straight", tmp_path / "crash")
    for key in ("loss", "gradient_norm", "loss_by_level"):
        wanted = {line["step"]: line[key] for line in lines(tmp_path / "straight") if key in line}
        found = {line["step"]: line[key] for line in lines(tmp_path / "crash") if key in line}
        assert found == wanted and sorted(found) == [2, 4, 6]


def test_it_learns_and_exports_what_it_averaged(tmp_path: Path) -> None:
    loop = run(tmp_path, 60, optim__muon_lr=0.02, optim__adam_lr=0.02, levels__floor=1.0)
    found = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    assert sum(found[-5:]) < 0.7 * sum(found[:5])
    model = load_model(tmp_path / "model")
    average = loop.trainer.ema.averages[0.05]
    for name, tensor in model.dit.state_dict().items():
        assert torch.equal(tensor, average[f"dit.{name}"])
    origin = model.provenance
    assert origin["steps"] == 60 and origin["clips"] == 240 and origin["tflop"] > 0 and origin["mfu"] > 0
    assert torch.equal(model.vae.mean, loop.trainer.vae.mean)
    assert str(tmp_path) not in (tmp_path / "model" / "config.json").read_text()
    accounts = json.loads((tmp_path / "run.json").read_text())
    assert accounts["flops"] == loop.trainer.flops and accounts["clips"] == 240 and accounts["mfu"] > 0
    assert accounts["params"] == sum(p.numel() for p in loop.trainer.named.values())
    checks = [line for line in lines(tmp_path) if "validation" in line]
    assert accounts["loss"][-1] == [loop.trainer.flops, checks[-1]["validation"]["error"]]
    trained = read(tmp_path)
    assert trained.flops == loop.trainer.flops and trained.last_loss() == accounts["loss"][-1][1]


def test_a_line_of_metrics_says_all_there_is_to_know(tmp_path: Path) -> None:
    run(tmp_path, 4)
    entry = next(line for line in lines(tmp_path) if "loss" in line)
    wanted = "step tflop loss loss_by_level loss_by_pattern gradient_norm clip rate seconds clips_per_s"
    assert set(entry) == {*wanted.split(), "tokens_per_s", "mfu", "data_wait", "memory_gb"}
    assert 0 < entry["mfu"] < 1 and 0 <= entry["data_wait"] <= 1
    checked = next(line for line in lines(tmp_path) if "validation" in line)["validation"]
    assert set(checked["by_pattern"]) == {"whole", "context"} and len(checked["by_level"]) == 4


def test_micro_batches_change_no_gradient(tmp_path: Path) -> None:
    run(tmp_path / "whole", 1)
    run(tmp_path / "micro", 1, micro=1)
    one, two = tensors(tmp_path / "whole"), tensors(tmp_path / "micro")
    for name in one:
        if ".momentum" in name or ".exp_avg" in name:
            torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-8)


def test_bf16_keeps_fp32_weights_and_comes_near_fp32(tmp_path: Path) -> None:
    run(tmp_path / "a", 2)
    loop = run(tmp_path / "b", 2, precision="bf16")
    assert all(p.dtype == torch.float32 for p in loop.trainer.named.values())
    losses = [next(line["loss"] for line in lines(tmp_path / n) if "loss" in line) for n in "ab"]
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.parametrize("faster", ["bf16", "fp32"])
def test_auto_precision_is_the_faster_where_a_run_begins_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster: str
) -> None:
    other = {"bf16": "fp32", "fp32": "bf16"}[faster]
    slow = {"bf16": torch.bfloat16, "fp32": torch.float32}[other]
    monkeypatch.setattr(precision, "seconds", lambda device, dtype: 2.0 if dtype == slow else 1.0)
    assert run(tmp_path, 2, part=1, precision="auto").trainer.config.precision == faster
    assert json.loads((tmp_path / "config.json").read_text())["precision"] == faster
    monkeypatch.setattr(precision, "seconds", lambda device, dtype: 1.0 if dtype == slow else 2.0)
    assert run(tmp_path, 2, precision="auto").trainer.config.precision == faster
    with pytest.raises(UserError, match=f'precision="{faster}", not "{other}"'):
        run(tmp_path, 3, precision=other)


@pytest.mark.parametrize(("bf16", "wanted"), [(True, "bf16"), (False, "fp32")])
def test_a_card_that_emulates_bf16_takes_fp32(bf16: bool, wanted: str) -> None:
    with card(bf16=bf16):
        assert precision.faster(PLACE) == wanted


def test_both_precisions_can_be_timed() -> None:
    assert all(precision.seconds(CPU.device, dtype) > 0 for dtype in (torch.float32, torch.bfloat16))


def test_a_gradient_that_is_no_number_names_step_and_clips(tmp_path: Path) -> None:
    loop = run(tmp_path, 3, part=1)
    (raw,) = loop.feed.batch(1)
    raw.seconds[2] = float("nan")
    before = {name: p.detach().clone() for name, p in loop.trainer.named.items()}
    with pytest.raises(UserError, match=rf"step 1: .*no number.*in clips \[{raw.clips[2]}\] of") as caught:
        loop.trainer.train([raw])
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[name], p) for name, p in loop.trainer.named.items())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(("micro", "knob"), [(0, "micro=2"), (2, "micro=1"), (1, "model.dit.width")])
def test_out_of_memory_is_one_line_with_the_option_to_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, micro: int, knob: str
) -> None:
    loop = Loop(parse(options(tmp_path, budget=1, micro=micro)), CPU)

    def full(*args: object) -> None:
        raise error

    monkeypatch.setattr(loop.trainer, "_called", full)
    with pytest.raises(UserError, match=rf"out of memory on cpu .*{knob}") as caught:
        loop.trainer.train(loop.feed.batch(0))
    assert "\n" not in str(caught.value)


def test_other_errors_keep_their_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(parse(options(tmp_path, budget=1)), CPU)

    def wrong(*args: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(loop.trainer, "_called", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        loop.trainer.train(loop.feed.batch(0))


def test_what_a_run_may_change_when_it_goes_on(tmp_path: Path) -> None:
    run(tmp_path, 2)
    longer = run(tmp_path, 3, checkpoint_every=1, log_every=1, keep=1, micro=2)
    assert longer.trainer.step == 3
    with pytest.raises(UserError, match=r"holds a run with batch=4, not 8; take another out="):
        run(tmp_path, 4, batch=8)
    with pytest.raises(UserError, match=r"optim.muon_lr=0.003, not 0.1"):
        run(tmp_path, 4, optim__muon_lr=0.1)


def test_a_run_that_is_done_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, 2)
    capsys.readouterr()
    run(tmp_path, 2)
    assert "is done already; raise it to go on" in capsys.readouterr().err


def test_fine_tuning_starts_from_weights_and_keeps_the_vae(tmp_path: Path) -> None:
    run(tmp_path / "first", 3)
    first = load_model(tmp_path / "first" / "model")
    loop = Loop(parse(options(tmp_path / "tuned", budget=1, init=tmp_path / "first" / "model")), CPU)
    for name, tensor in first.dit.state_dict().items():
        assert torch.equal(loop.trainer.named[f"dit.{name}"], tensor)
    assert torch.equal(loop.trainer.vae.mean, first.vae.mean)
    start = {"budget": 1, "init": tmp_path / "first" / "model"}
    with pytest.raises(UserError, match=r"dit\.[a-z_.]+ has shape .*the options ask for"):
        Loop(parse(options(tmp_path / "t", model__dit__width=24, **start)), CPU)
    with pytest.raises(UserError, match=r"vae.channels=6, model.vae.channels asks for 8"):
        Loop(parse(options(tmp_path / "u", model__vae__channels=8, model__dit__channels=8, **start)), CPU)


def test_a_run_from_other_weights_tells_what_these_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(name: str) -> dict[str, Any]:
        """The run.json of a run."""
        return json.loads((tmp_path / name / "run.json").read_text())

    run(tmp_path / "first", 2)
    run(tmp_path / "second", 2, init=tmp_path / "first" / "model")
    run(tmp_path / "second", 3, init=tmp_path / "first" / "model")
    run(tmp_path / "third", 2, init=tmp_path / "second" / "model")
    assert "flops_before" not in told("first")
    assert told("second")["flops_before"] == told("first")["flops"]
    assert told("third")["flops_before"] == told("first")["flops"] + told("second")["flops"]
    assert "does not say" not in capsys.readouterr().err
    path = tmp_path / "first" / "model" / "config.json"
    content = json.loads(path.read_text())
    del content["provenance"]["tflop"]
    path.write_text(json.dumps(content))
    run(tmp_path / "fourth", 2, init=tmp_path / "first" / "model")
    run(tmp_path / "fifth", 2, init=tmp_path / "fourth" / "model")
    assert capsys.readouterr().err.count("does not say what its training took") == 2
    assert "flops_before" not in told("fourth") and "flops_before" not in told("fifth")


def test_latents_that_fit_no_statistics_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from model.codec.vae import VAE

    monkeypatch.setattr(sources, "open_vae", lambda config, source, total: VAE(config.model.vae))
    with pytest.raises(UserError, match="normalised latents have deviation"):
        Loop(parse(options(tmp_path, budget=1)), CPU)


def test_a_network_of_a_vae_needs_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name its weights with vae="):
        Loop(parse(options(tmp_path, budget=1, model__vae__widths="[8]")), CPU)


def test_trouble_in_the_data_reaches_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(parse(options(tmp_path, budget=1)), CPU)
    monkeypatch.setattr(loop.feed, "_source", Squares(broken=True))
    with pytest.raises(OSError, match="the disk is gone"):
        loop.run()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "out= is missing"),
        (["out"], "is not key=value"),
        (["out=a", "out=b"], "out is given twice"),
        (["config=nowhere.json"], "config=nowhere.json does not exist"),
        (["bacth=3"], "unknown option bacth; did you mean batch?"),
        (["muon_lr=3"], "unknown option muon_lr; did you mean optim.muon_lr?"),
        (["optim=3"], "optim is a group of options; set one of optim.optimizer"),
        (["batch.size=3"], "unknown option batch.size; did you mean"),
        (["batch=x"], "batch=x must be of type int"),
        (["batch=1.5"], "batch=1.5 must be of type int"),
        (["tensorboard=yes"], "tensorboard=yes must be of type bool"),
        (["ema=x"], "ema=x must be of type list"),
        (["batch=0"], "batch=0 must be 1 or more"),
        (["budget=0"], "budget=0 must be above 0 TFLOP"),
        (["precision=fp8"], "precision=fp8 is not one of auto, bf16, fp32"),
        (["optim.cooldown=0.99"], "together at most 1"),
        (["ema="], "ema= names no width"),
        (["ema=0.4", "out=OUT"], "ema=0.4 must lie above 0 and at most 0.28"),
        (["device=tpu", "out=OUT"], "device=tpu is not auto, cpu, cuda or cuda:N"),
        (["levels.sd=-1"], "levels.sd=-1 must be 0 or more"),
        (["data.held=40", "out=OUT"], "40 clips, of which data.held=40 are kept"),
        (["init=nowhere", "out=OUT"], "checkpoint nowhere does not exist"),
    ],
)
def test_bad_words_give_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    rest = options(tmp_path)[1:] if "out=OUT" in words else []
    given = [w.replace("OUT", str(tmp_path)) for w in words]
    keys = {w.partition("=")[0] for w in given}
    rest = [w for w in rest if w.partition("=")[0] not in keys]
    assert train.main([*rest, *given] or ["budget=1"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_command_line_trains_and_helps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "optim.muon_lr=0.003" in shown and "torchrun" in shown
    assert train.main(options(tmp_path, budget=3 * work(tmp_path))) == 0
    assert "done, " in capsys.readouterr().err
    assert resume.load_state(tmp_path, print) is not None


@pytest.mark.parametrize("name", sorted(p.stem for p in PRESETS.glob("*.json")))
def test_presets_build(name: str) -> None:
    config = parse([f"config={PRESETS / name}.json", "out=x"])
    assert config.model.name == name
    with torch.device("meta"):
        DiT(config.model.dit)
    assert config.model.dit.channels == config.model.vae.channels
    assert config.model.dit.text_width == (config.model.text.width if config.model.text.kind != "none" else 0)
