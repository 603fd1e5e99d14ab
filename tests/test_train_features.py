"""Training the encoder: it goes on bit for bit, its file is what was trained, errors are one line."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.clips.commands import mix_of  # noqa: E402
from model.clips.pool import Pool, write_pool  # noqa: E402
from model.clips.worlds import Mix, draw_scene  # noqa: E402
from model.features import axes, damage, ranking, trainer  # noqa: E402
from model.features.answers import _read, auc  # noqa: E402
from model.features.network import Encoder, write  # noqa: E402
from model.features.options import parse  # noqa: E402
from model.features.tasks import FAMILIES, STATE, taught, window_state  # noqa: E402
from model.options import build, words_of  # noqa: E402
from model.train_features import main  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from simbench.features.worlds import DIM, Worlds, prepared  # noqa: E402
from simbench.worlds.captions import objects  # noqa: E402

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parent.parent
SMALL = ("batch=2", "lengths=5,9", "precision=fp32", "steps=4", "log_every=1", "checkpoint_every=1")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of 9 frames of 32 px, of two families."""
    folder = tmp_path_factory.mktemp("pools") / "pool"
    write_pool(folder, Mix(("look-away", "paint"), frames=9, fps=4.0, samples=1), 8, seed=5)
    return folder


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([f"data={pool}", f"held={pool}", f"out={whole}", *SMALL]) == 0
    printed = capsys.readouterr().out
    assert "wrote" in printed and "| family right, of" in printed
    for number in range(2):
        assert main([f"data={pool}", f"out={parts}", "part=2", *SMALL]) == 0
        assert ("stopped at step 2 of 4" in capsys.readouterr().out) == (number == 0)
    file = "worlds.safetensors"
    assert (whole / file).read_bytes() == (parts / file).read_bytes()
    steps = [json.loads(line)["step"] for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    clips = np.stack([Pool(pool).sample(i).video for i in range(2)])
    assert np.isfinite(Worlds(str(whole / file)).features(clips)).all()
    assert main([f"data={pool}", f"out={parts}", *SMALL[:-1], "seed=1"]) == 2
    assert "holds a run with seed=0, not 1" in capsys.readouterr().err


def test_steps_make_the_loss_smaller(pool: Path) -> None:
    config = parse([f"data={pool}", "out=unused", "batch=4", "lengths=9", "precision=fp32", "steps=40"])
    source = taught([Pool(pool)])
    run = trainer.started(config, source)
    found = [
        trainer.step(run, config, trainer.batch(config, source, n, run.scale))["loss"] for n in range(16)
    ]
    assert np.mean(found[-4:]) < 0.8 * np.mean(found[:4])


def test_the_file_is_the_network_that_was_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = Encoder().train()
    clips = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 6, 64, 64, 3), dtype=np.uint8))
    for _ in range(20):
        encoder(prepared(clips))
    encoder.eval()
    with torch.no_grad():
        wanted = encoder(prepared(clips)).numpy()
    write(tmp_path / "w.safetensors", encoder.folded(), {"steps": 0})
    made = Worlds(str(tmp_path / "w.safetensors")).features(clips.numpy())
    assert np.abs(made - wanted).max() < 0.01 * np.abs(wanted).max()
    assert np.abs(wanted).max() > 0.1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "data= is missing"),
        (["data=x", "steps=0"], "steps=0 must be 1 or more"),
        (["data=x", "lengths=4,9"], "lengths=4,9 must be 5 frames or more"),
        (["data=x", "precision=fp8"], "precision=fp8 is not one of bf16, fp32"),
        (["data=x", "lr=0"], "lr=0 must be above 0"),
        (["data=x", "warmup=0.8"], "together at most 1"),
        (["data=x", "stepz=3"], "did you mean steps"),
        (["data=nowhere"], "nowhere"),
        (["data=POOL", "lengths=17", "batch=2"], "lengths=17 is more than the 9 frames"),
    ],
)
def test_bad_options_are_one_line(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    given = [word.replace("POOL", str(pool)) for word in words]
    assert main([f"out={tmp_path / 'run'}", *given]) == 2
    printed = capsys.readouterr().err
    assert says in printed and printed.count("\n") <= 1


def test_pools_of_two_lengths_are_refused(pool: Path, tmp_path: Path) -> None:
    write_pool(tmp_path / "short", Mix(("paint",), frames=5, samples=1), 1, seed=6)
    with pytest.raises(UserError, match="2 sizes or lengths"):
        taught([Pool(pool), Pool(tmp_path / "short")])


def test_targets_are_the_world(pool: Path) -> None:
    opened = Pool(pool)
    source = taught([opened])
    for index in range(len(source)):
        scene, still, sample = draw_scene(opened.mix, 5, index), source.stills[index], source.sample(index)
        assert FAMILIES[still.family] == scene.family == sample.facts["family"]
        assert still.rich == 0.0 and np.isclose(np.expm1(still.objects), len(objects(scene)))
        state = dict(zip(STATE, window_state(still, sample, 0, 9), strict=True))
        assert state["turning"] >= np.hypot(state["turn-x"], state["turn-y"]) - 1e-5
        if scene.family == "look-away":
            # It turns about the vertical and stays where it stands.
            middle = dict(zip(STATE, window_state(still, sample, 0, 5), strict=True))
            assert abs(middle["turn-y"]) > 0.05 and abs(state["going"]) < 1e-4


def test_a_mover_that_moves_is_measured() -> None:
    from model.data import Sample
    from model.features.tasks import Still

    mask = np.zeros((5, 10, 10), np.uint8)
    for t in range(5):
        mask[t, 2:4, t : t + 2] = 1
    camera = np.tile(np.eye(3, 4, dtype=np.float32), (5, 1, 1))
    sample = Sample(np.zeros((5, 10, 10, 3), np.uint8), 8.0, camera=camera, mask=mask)
    still = Still(0, 0.0, np.zeros(8, np.float32), 0.0, 0.0)
    state = dict(zip(STATE, window_state(still, sample, 0, 5), strict=True))
    assert np.isclose(state["speed-x"], 0.4) and np.isclose(state["speed-y"], 0.0)
    assert np.isclose(state["moving"], 0.4) and np.isclose(state["size"], 0.2)
    empty = dataclasses.replace(sample, mask=np.zeros_like(mask))
    assert window_state(still, empty, 0, 5)[-3:].tolist() == [0.0, 0.0, 0.0]


def test_damages_change_what_they_say_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    video, other = rng.integers(0, 256, (2, 17, 16, 16, 3), dtype=np.uint8)
    seen = np.zeros(len(damage.KINDS))
    for seed in range(60):
        made = damage.damaged(video, other, 9, 4, np.random.default_rng(seed))
        assert made.video.shape == (9, 16, 16, 3)
        assert not np.array_equal(made.video, damage.window(video, 9, 4))
        assert 0 < made.strengths.max() <= 1 and made.strengths.min() >= 0
        seen += made.strengths > 0
        only = damage.KINDS[int(made.strengths.argmax())] if (made.strengths > 0).sum() == 1 else ""
        if only == "reversed":
            np.testing.assert_array_equal(made.video, video[4:13][::-1])
        if only == "hurried":
            np.testing.assert_array_equal(made.video, video[::2])
        if only in ("shuffled", "frozen"):
            assert all(any(np.array_equal(f, g) for g in video[4:13]) for f in made.video)
    assert (seen >= 3).all()


def test_a_damage_of_a_full_clip_is_never_hurried() -> None:
    video = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    for seed in range(30):
        made = damage.damaged(video, video[::-1], 9, 0, np.random.default_rng(seed))
        assert made.strengths[damage.KINDS.index("hurried")] == 0


def test_axes_point_where_damage_goes_in_the_spread_of_real_clips() -> None:
    rng = np.random.default_rng(0)
    spread = np.ones(60)
    spread[0], spread[59] = 30.0, 0.0
    real, kinds = rng.normal(size=(2000, 60)) * spread + 5.0, np.arange(2000) % len(axes.TAUGHT)
    moved = 0.01 * rng.normal(size=(2000, 60))
    for kind in range(len(axes.TAUGHT)):
        moved[kinds == kind, 10 + kind] += 1.0
        moved[kinds == kind, 0] += 1.0
    weight, bias = (t.numpy() for t in axes.fitted(axes.Pairs(real, moved, kinds)))
    features = real @ weight.T + bias
    assert np.abs(features.mean(axis=0)).max() < 0.01 and features.std(axis=0).max() < 1.2
    for kind in range(len(axes.TAUGHT)):
        first = np.abs(weight[kind * axes.EACH])
        assert first.argmax() == 10 + kind and np.sort(first)[-2] < 0.1 * first.max()
    assert (weight[:, 59] == 0).all() and weight.shape == (DIM, 60)


def test_spaces_are_ranked(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"data={pool}", f"held={pool}", "count=3", "clips=8", "draws=2", f"json={tmp_path / 'r.json'}"]
    assert main(["rank", *words]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n| ") == 1 + sum(len(kind.strengths) for kind in ranking.KINDS.values())
    spaces = json.loads((tmp_path / "r.json").read_text())["spaces"]
    assert set(spaces) == {"worlds", "random", "pixels"} and spaces["worlds"]["floor"][0] > 0
    assert main(["rank", f"data={pool}", f"held={pool}", "count=64"]) == 2
    assert "needs 128 held clips, there are 8" in capsys.readouterr().err
    assert main(["rank", f"data={pool}"]) == 2
    assert "needs data=" in capsys.readouterr().err
    assert main(["rank", *words[:2], "count=3", "draws=1"]) == 2
    assert "2 draws" in capsys.readouterr().err
    for wrong in ("clips=5", "seed=-1"):
        assert main(["rank", *words[:2], "count=3", wrong]) == 2
        assert "clips is twice count or more, seed 0 or more" in capsys.readouterr().err
    shipped = ROOT / "simbench" / "features" / "worlds.safetensors"
    assert main(["rank", *words, f"weights={shipped},{shipped}"]) == 2
    assert "is taken; rename the folder" in capsys.readouterr().err


def test_clips_are_taken_from_all_pools_alike(pool: Path, tmp_path: Path) -> None:
    assert ranking.shares([5, 5, 5], 9) == [3, 3, 3] and ranking.shares([9, 1, 9], 8) == [4, 1, 3]
    assert ranking.shares([2, 1], 8) == [2, 1] and ranking.shares([3], 0) == [0]
    write_pool(tmp_path / "one", Mix(("paint",), frames=9, fps=4.0, samples=1), 1, seed=6)
    found = ranking._spread_over(f"{pool},{tmp_path / 'one'}", 6)
    assert len(found) == 6 and np.array_equal(found[5], Pool(tmp_path / "one").sample(0).video)
    assert np.array_equal(found[:5], [Pool(pool).sample(i).video for i in range(5)])


@pytest.mark.parametrize("count", [1, 18, 17, 48])
def test_every_held_clip_is_asked(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def batch(config: Any, source: Any, number: int, scale: Any) -> trainer.Batch:
        """Clips of which only the number matters, as they are and damaged."""
        sizes.append(config.batch)
        n = config.batch
        part = torch.zeros(2 * n, 1)
        rest = {name: torch.zeros(n, 1) for name in ("family", "rich", "colours", "named", "state")}
        return trainer.Batch(clips=torch.zeros(2 * n, 9, 64, 64, 3, dtype=torch.uint8), damage=part, **rest)

    class Mute:
        """An encoder without an opinion."""

        def __call__(self, x: Any) -> Any:
            return x

        def answers(self, x: Any) -> dict[str, Any]:
            """One number for each clip."""
            return {"family": torch.zeros(len(x), 1)}

    monkeypatch.setattr(trainer, "batch", batch)
    monkeypatch.setattr(trainer, "losses", lambda found, asked: {"family": torch.zeros(())})
    run: Any = SimpleNamespace(encoder=Mute(), scale=None)
    source: Any = range(count)
    found, answers, _ = _read(parse(["data=x", "out=x", "lengths=9"]), source, run)
    assert len(found.family) == count and len(answers["family"]) == 2 * count
    assert len(set(sizes)) == 1 and sizes[0] <= 16


def test_ranked_damages_spare_what_they_should(pool: Path) -> None:
    clips = np.stack([Pool(pool).sample(i).video for i in range(4)])
    for name in ranking.KINDS:
        bad = ranking.spoiled(clips, name, ranking.KINDS[name].strengths[-1], 0)
        assert bad.shape == clips.shape and bad.dtype == np.uint8 and not np.array_equal(bad, clips)
        np.testing.assert_array_equal(bad, ranking.spoiled(clips, name, ranking.KINDS[name].strengths[-1], 0))
    half = ranking.spoiled(clips, "swap", 0.5, 0)
    np.testing.assert_array_equal(half[:, :5], clips[:, :5])
    np.testing.assert_array_equal(ranking.spoiled(clips, "reversal", 1.0, 0), clips[:, ::-1])


def test_the_page_holds_the_table_that_was_measured_and_commands_that_compose() -> None:
    page = (ROOT / "docs" / "encoder.md").read_text()
    measured = json.loads((ROOT / "docs" / "encoder.json").read_text())
    assert ranking.shown(measured["spaces"]) in page
    (block,) = re.findall(r"```sh\n(.*?)```", page, re.S)
    for line in block.replace("\\\n", " ").splitlines():
        _, _, module, *words = line.split()
        if module == "model.train_features":
            build(ranking.Order, words_of(words[1:]), {}) if words[0] == "rank" else parse(words)
        else:
            named = words_of(words[1:])
            assert mix_of(named, ("out", "clips", "seed", "workers")).look in named["out"]


def test_auc() -> None:
    scores, positive = torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert auc(scores, positive) == pytest.approx(0.75)
    assert np.isnan(auc(scores, torch.zeros(4)))
