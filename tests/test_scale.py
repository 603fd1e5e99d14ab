"""A ladder of runs: its plan adds up, its runs share trunks, stop and go on, and are read by the reports."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from model import scale, train  # noqa: E402
from model.scaling import climb, measure, plan  # noqa: E402
from model.scaling.options import read  # noqa: E402
from model.scaling.sizes import exponent  # noqa: E402
from model.training import loop, resume, sources  # noqa: E402
from tests.fake_card import NAME, card  # noqa: E402
from tests.train_toys import Squares  # noqa: E402

pytestmark = pytest.mark.torch
ROOT = Path(__file__).resolve().parent.parent
TINY = {
    "budgets": "1,2,4", "unit": 0.0005, "seeds": 0, "batch": 4, "compile": "false", "precision": "fp32",
    "model.vae.channels": 6, "model.dit.channels": 6, "model.dit.rank": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def pool() -> Iterator[str]:
    """A name for clips of a square that moves; where none is named, those that pico is trained on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "given", lambda config: Squares() if config.data.path else None)
        patch.setattr(loop, "peak", lambda device, dtype: 1e9)
        patch.setattr(climb, "READINGS", 2)
        yield "squares"


@pytest.fixture(scope="module")
def straight(pool: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder of one size at two budgets that never stopped. Nobody writes there."""
    out = tmp_path_factory.mktemp("straight")
    assert scale.main(shared(out, pool)) == 0
    return out


def words(place: Path, pool: str, **changes: object) -> list[str]:
    """A command line of three budgets, of a second or two; None leaves a word out."""
    every = {"out": place, "data.path": pool, "data.held": 4, "threads": 1, "device": "cpu", **TINY}
    every |= {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={value}" for key, value in every.items() if value is not None]


def shared(out: Path, pool: str, **changes: object) -> list[str]:
    """A command line of one size at two budgets."""
    return words(out, pool, **{"sizes": "32x1", "budgets": "1,2", "unit": 0.0001, **changes})


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The last state of a run."""
    state = resume.load_state(folder, print)
    assert state is not None
    return state.tensors


def same(a: Path, b: Path) -> bool:
    """Whether two runs ended alike, to the bit."""
    one, two = tensors(a), tensors(b)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def test_the_plan_adds_up(pool: str, tmp_path: Path) -> None:
    made = plan.made(read(["plan=true", f"base={ROOT / 'conf/model/pico.json'}", "seeds=0,1"]))
    runs = [run for run in made.runs if run.seed == 0]
    assert len(made.runs) == 12 and [run.multiple for run in runs] == [1, 2, 4, 8, 16, 32]
    params, tokens = [run.size.params for run in runs], [run.tokens for run in runs]
    assert params == sorted(params) and tokens == sorted(tokens)
    assert runs[-1].size.dit == made.config.model.dit
    budgets = [run.budget for run in runs]
    for values in (params, tokens):
        assert exponent(budgets, values) == pytest.approx(0.5, abs=0.06)
    for run in runs:
        assert run.budget == pytest.approx(run.multiple, rel=plan.WITHIN)
        assert abs(run.budget - run.multiple) <= 0.501 * run.step, "the nearest whole step"
        assert run.size.dit.width % run.size.dit.heads == 0
        assert run.size.dit.width // run.size.dit.heads == 32
    assert sum(plan.work(chain) for chain in made.chains) == pytest.approx(2 * sum(budgets))


@pytest.mark.parametrize("size", ["32x1", "64x4"])
def test_a_size_counts_as_the_model_that_is_trained(size: str, pool: str, tmp_path: Path) -> None:
    from model.diffusion.denoiser import Denoiser

    made = plan.made(read(words(tmp_path, pool, sizes=size, unit=0.002)))
    found = made.runs[0].size
    model = climb.Climb(made, tmp_path, None, 1, 1, bool).options(made.chains[0], made.runs[0]).model
    assert found.params == sum(p.numel() for p in Denoiser(model).parameters())
    assert model.dit.width == int(size[:2]) and model.dit.depth == int(size[-1])


def test_a_trunk_is_counted_once_and_parts_hold_every_run_once(pool: str, tmp_path: Path) -> None:
    made = plan.made(read(words(tmp_path, pool, sizes="32x1,32x2", seeds="0,1,2")))
    assert len(made.chains) == 6 and all(chain.shared for chain in made.chains)
    chain = made.chains[0]
    first, second, last = chain.runs
    alone = first.steps + (second.steps - chain.fork(first)) + (last.steps - chain.fork(second))
    assert sum(chain.new_steps(run) for run in chain.runs) == alone < sum(run.steps for run in chain.runs)
    assert chain.fork(first) / first.steps <= 0.7 < (chain.fork(first) + 1) / first.steps
    parts = [plan.picked(made, f"{k}/3") for k in (1, 2, 3)]
    names = [run.name for part in parts for pick in part for run in pick.runs]
    assert sorted(names) == sorted(run.name for run in made.runs)
    loads = [sum(plan.work(pick.chain) for pick in part) for part in parts]
    assert max(loads) < 1.1 * min(loads)
    one = plan.picked(made, "4x-32x2-*,1x-32x1-s1")
    assert [run.name for run in one[0].runs] == ["4x-32x2-s0"] and len(one) == 4


def test_a_ladder_is_trained_and_read_by_the_reports(
    pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ladder"
    assert scale.main(words(out, pool)) == 0
    said = capsys.readouterr().out
    made = plan.made(read(words(out, pool)))
    for run in made.runs:
        found = record(out / run.name)
        assert found["flops"] == round(run.budget * 1e12)
        assert found["flops"] == pytest.approx(run.multiple * 0.0005e12, rel=0.02)
        assert (found["params"], found["tokens"]) == (run.size.params, run.tokens)
        assert found["steps"] == run.steps and f"{run.size.params}" in said
    (line,) = said[said.index("done;") :].splitlines()[1:]
    _understood(line, made, tmp_path, capsys)
    done = subprocess.run(
        [sys.executable, "-m", "reports.scaling", f"runs={out}", f"out={out / 'figures'}", "figures=false"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 3), done.stderr
    table = json.loads((out / "figures" / "scaling.json").read_text())
    assert all(run.name in json.dumps(table) for run in made.runs)


def _understood(line: str, made: plan.Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from simbench.cli import main

    asked = shlex.split(line)[3:]
    more = ["mode=plan", "engine=inline", f"store={tmp_path / 'store'}"]
    assert line.startswith("python -m simbench suite=scaling ") and main([*asked, *more]) == 0
    said = capsys.readouterr().err
    assert f"{len(made.runs)} runs on permanence@" in said and "not scored" not in said
    assert all(f"  {run.name}: " in said for run in made.runs)


# What torch imports to forget compiled code where it sees a GPU is not up to date with itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_ladder_on_a_pretended_card_is_that_of_the_cpu(pool: str, straight: Path, tmp_path: Path) -> None:
    with card():
        assert scale.main(shared(tmp_path, pool, device="cuda")) == 0
    runs = [path.name for path in straight.iterdir() if (path / "run.json").is_file()]
    assert len(runs) == 2
    for name in runs:
        assert same(straight / name, tmp_path / name)
        assert record(tmp_path / name)["device"] == NAME


def test_runs_of_one_size_share_a_trunk_and_equal_runs_by_themselves(
    pool: str, straight: Path, tmp_path: Path
) -> None:
    out, alone = straight, tmp_path / "alone"
    assert (out / "trunks" / "32x1-s0" / "run.json").is_file()
    assert not list(out.glob("trunks/run.json")), "reports.scaling must not take a trunk for a run"
    big, small = "2x-32x1-s0", "1x-32x1-s0"
    assert record(out / big)["steps"] > record(out / "trunks" / "32x1-s0")["steps"]
    # What the trunk went through is counted to both.
    made = plan.made(read(shared(out, pool)))
    for run in made.runs:
        assert record(out / run.name)["flops"] == round(run.budget * 1e12)
    for run in made.runs:
        config = json.loads((out / run.name / "config.json").read_text())
        config["out"] = str(alone / run.name)
        path = tmp_path / f"{run.name}.json"
        path.write_text(json.dumps(config))
        assert train.main([f"config={path}"]) == 0
        one, two = tensors(out / run.name), tensors(alone / run.name)
        for name in one:
            # The rate of the warm-up is the same up to a rounding of progress / warmup.
            assert torch.allclose(one[name], two[name], rtol=1e-3, atol=1e-5), name
        first, second = (record(folder / run.name)["loss"][-1] for folder in (out, alone))
        assert first == pytest.approx(second, rel=1e-4)
    assert record(out / small)["loss"][-1] != record(out / big)["loss"][-1]


def test_a_ladder_in_parts_equals_one_that_never_stopped(pool: str, straight: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    calls = 0
    while not (parts / "2x-32x1-s0" / "run.json").exists() or calls < 3:
        assert scale.main(shared(parts, pool, part=0.00006)) == 0
        calls += 1
        assert calls < 12
    assert scale.main(shared(parts, pool)) == 0
    assert calls > 2
    for name in ("1x-32x1-s0", "2x-32x1-s0", "trunks/32x1-s0"):
        assert same(straight / name, parts / name), name


def test_a_killed_ladder_goes_on(
    pool: str, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed"

    class Killed(BaseException):
        """As if the process were gone: nothing of the trainer may run afterwards."""

    saved = []
    save = resume.save_state

    def save_or_die(out: Path, *rest: object, **more: object) -> Path:
        """The third state is written and then nothing more; the branch that it belongs to is cut off."""
        path = save(out, *rest, **more)
        saved.append(path)
        if len(saved) in (3, 6, 8):
            raise Killed
        return path

    monkeypatch.setattr(resume, "save_state", save_or_die)
    for _ in range(3):
        with pytest.raises(Killed):
            scale.main(shared(killed, pool))
    assert scale.main(shared(killed, pool)) == 0
    for name in ("1x-32x1-s0", "2x-32x1-s0"):
        assert same(straight / name, killed / name), name


def test_the_second_call_trains_nothing_and_asked_for_alone_a_run_keeps_its_trunk(
    pool: str, straight: Path, tmp_path: Path
) -> None:
    both, late = straight, tmp_path / "late"
    before = {path: path.stat().st_mtime_ns for path in both.rglob("*") if path.is_file()}
    assert scale.main(shared(both, pool)) == 0
    assert before == {path: path.stat().st_mtime_ns for path in both.rglob("*") if path.is_file()}
    assert scale.main(shared(late, pool, only="2x-*")) == 0
    assert not (late / "1x-32x1-s0" / "run.json").exists(), "nobody asked for it"
    assert scale.main(shared(late, pool)) == 0
    assert same(both / "1x-32x1-s0", late / "1x-32x1-s0") and same(both / "2x-32x1-s0", late / "2x-32x1-s0")


def test_minutes_end_a_call(pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(shared(tmp_path / "a", pool, minutes=1e-9)) == 0
    assert "part done; the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "a" / "1x-32x1-s0").exists()


def test_minutes_hold_what_is_measured_before_training(
    pool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = measure.seconds

    def slow(*given: Any) -> dict[str, float]:
        """As on a card on which six sizes are compiled first."""
        time.sleep(1.5)
        return real(*given)

    monkeypatch.setattr(measure, "seconds", slow)
    assert scale.main(shared(tmp_path / "a", pool, minutes=1.5 / 60)) == 0
    assert "part done" in capsys.readouterr().err and not (tmp_path / "a" / "trunks").exists()


def test_a_trunk_that_went_on_without_a_run_is_said(
    pool: str, straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a"
    shutil.copytree(straight, out)
    shutil.rmtree(out / "1x-32x1-s0")
    assert scale.main(shared(out, pool)) == 2
    assert re.search(r"trunk \S+32x1-s0 is past \S+ TFLOP.*remove that folder", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"budgets": "1,0.005"}, r"budgets=0.005 with unit=0.0005: 2.5e-06 TFLOP are 0.\d+ steps of"),
        ({"budgets": "1,x"}, "budgets=1,x: 'x' is not a number above 0"),
        ({"budgets": "1,-2"}, "'-2' is not a number above 0"),
        ({"budgets": "1,1"}, "1 is given twice"),
        ({"unit": "nan"}, "unit=nan: 'nan' is not a number above 0"),
        ({"seeds": "0,one"}, "seeds=0,one: 'one' is not a seed, a whole number from 0 on"),
        ({"seeds": "-1"}, "'-1' is not a seed"),
        ({"sizes": "huge"}, "sizes=huge: 'huge' is not a size, WIDTHxDEPTH such as 64x4"),
        ({"sizes": "40x2"}, "sizes=40x2: width 40 is not whole heads of 32; take a multiple of 32"),
        ({"sizes": "32x0"}, "'32x0' is not a size of 1x1 or more"),
        ({"only": "9x-*"}, r"only=9x-\* names no run; runs are 1x-"),
        ({"only": "4/3"}, "only=4/3 is no part; give K/N"),
        ({"plan": "maybe"}, "plan=maybe: 'maybe' is not true or false"),
        ({"out": None}, "out= is missing"),
        ({"budget": 3}, "budget=3 is planned by the ladder; give budgets= and unit="),
        ({"model__dit__width": 64}, "model.dit.width=64 is planned by the ladder; give sizes="),
        ({"sise": "auto"}, "unknown option sise"),
        ({"base": "nowhere.json"}, "base=nowhere.json does not exist"),
        ({"data__cache": "true"}, "data.cache=true keeps latents for one run"),
    ],
)
def test_bad_input_is_one_line(
    given: dict[str, object],
    message: str,
    pool: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert scale.main(words(tmp_path / "out", pool, **given)) == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and said.count("\n") == 1
    assert not (tmp_path / "out").exists(), "nothing is written before all is checked"


@pytest.mark.parametrize("more", [{}, {"plan": "true"}])
def test_a_file_is_no_place_for_a_ladder(
    more: dict[str, object], pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("")
    assert scale.main(words(tmp_path / "out", pool, **more)) == 2
    said = capsys.readouterr().err
    assert re.search(r"out=\S+out is a file; name a folder for the ladder", said)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"budgets": "1,4"}, "holds another plan, with budgets=1.0,2.0, not 1.0,4.0"),
        ({"seeds": "0,1"}, "holds another plan, with seeds=0, not 0,1"),
        ({"optim__muon_lr": 0.1}, "holds another plan, with optim.muon_lr=0.003, not 0.1"),
    ],
)
def test_a_folder_keeps_its_plan(
    given: dict[str, object], message: str, pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scale.main(shared(tmp_path / "a", pool, minutes=1e-9)) == 0
    capsys.readouterr()
    assert scale.main(shared(tmp_path / "a", pool, **given)) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def lines_of_the_page() -> list[str]:
    """What follows `python -m model.scale` on docs/scaling.md."""
    text = (ROOT / "docs" / "scaling.md").read_text()
    return re.findall(r"^python -m model\.scale ([^#\n]*)", text, re.M)


def test_the_ladder_of_a_gpu_is_planned_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [shlex.split(line) for line in lines_of_the_page() if "device=cuda" in line]
    look, *parts = lines
    assert "plan=true" in look and len(parts) == 2 and parts[0] == parts[1] and "minutes=8" in parts[0]
    assert {*look} - {"plan=true"} == {*parts[0]} - {"minutes=8"}
    assert "#SBATCH --job-name=ladder --array=1-3%1 " in (ROOT / "docs" / "scaling.md").read_text()
    monkeypatch.setattr(sources, "given", lambda config: None)
    monkeypatch.setattr(measure, "seconds", lambda made, *rest: {r.size.name: 0.1 for r in made.runs})
    base = str(ROOT / "conf/model/nano.json")
    told = [w.replace("device=cuda", "device=cpu").replace("conf/model/nano.json", base) for w in look]
    told = [f"out={tmp_path / 'ladder'}" if word.startswith("out=") else word for word in told]
    assert scale.main(told) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[1:7]] == ["1x", "2x", "4x", "8x", "16x", "32x"]
    assert "6 runs, 1 seeds, 6299.6 TFLOP" in said and "batch 256, 49152 clips" in said
    assert not (tmp_path / "ladder").exists()


def test_the_commands_of_the_page_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sources, "given", lambda config: None)
    lines = lines_of_the_page()
    assert len(lines) >= 6
    for line in lines:
        options = read(shlex.split(line))
        assert options.plan or options.out
        plan.picked(plan.made(options), options.only)


def test_a_plan_alone_writes_nothing(pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(words(tmp_path / "a", pool, plan="true")) == 0
    said = capsys.readouterr().out
    assert not (tmp_path / "a").exists()
    assert re.search(r"parameters as C\^0\.\d+ and tokens as C\^0\.\d+", said)
    assert "3 runs, 1 seeds" in said and scale.main(["help"]) == 0
    assert scale.main(shared(tmp_path / "a", pool, plan="true", sizes="32x1,32x2", unit=0.0005)) == 0
    assert "parameters as" not in capsys.readouterr().out, "no growth where each size stands at each budget"
