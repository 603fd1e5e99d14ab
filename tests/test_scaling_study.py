"""suite=scaling: runs scored alike, nothing twice, what is missing by name, tables and figures at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import papers
import pytest
import toy_runs

from simbench import exits
from simbench.cli import main
from simbench.video import Video
from suites import distances, scaling_clips

Capture = pytest.CaptureFixture[str]


def go(folder: Path, runs: Path, *more: str) -> int:
    """The study on the toy suite, everything inside `folder`."""
    flags = [f"--config-dir={toy_runs.write_config(folder)}", "suite=scaling", "generator=learner"]
    words = {"scaling.runs": runs, "scaling.suites": "toy", "scaling.space": "", "scaling.figures": "false"}
    words |= {"cases": "10", "anchors": "oracle", "engine": "inline", "clips": "0"}
    words |= {"out": folder / "out", "store": folder / "store"}
    words |= dict(word.split("=", 1) for word in more)
    return main([*flags, *(f"{key}={value}" for key, value in words.items())])


def table(out: Path) -> dict[str, Any]:
    """scaling.json."""
    found: dict[str, Any] = json.loads((out / "scaling.json").read_text())
    return found


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs of three budgets."""
    return toy_runs.ladder(tmp_path / "runs")


def test_runs_are_scored_alike_fitted_and_written(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    assert go(tmp_path, runs) == exits.OK
    scores = next(part for part in table(tmp_path / "out")["series"] if part["suite"] == "toy")
    assert [run["value"] for run in scores["runs"]] == pytest.approx([30, 60, 90])
    assert scores["scenes"] == 10 and scores["fit"] is not None
    assert capsys.readouterr().out.startswith("| suite | metric | runs |")
    rows = [json.loads((runs / f"r{i}/scores/toy/summary.json").read_text())["rows"] for i in range(3)]
    assert [row[0]["generator"] for row in rows] == ["r0", "r1", "r2"]
    said = json.loads((runs / "r1/scores/toy/run.json").read_text())
    assert said["config"]["generator"]["dir"] == str(runs / "r1" / "model")


def test_nothing_is_asked_twice(runs: Path, tmp_path: Path) -> None:
    assert go(tmp_path, runs) == exits.OK
    first = (tmp_path / "out" / "scaling.json").read_bytes()
    toy_runs.trained(runs / "late", 6.4e13, 10)
    assert [toy_runs.asked(runs / name) for name in ("r0", "r1", "r2", "late")] == [20, 20, 20, 0]
    assert go(tmp_path, runs) == exits.OK
    assert [toy_runs.asked(runs / name) for name in ("r0", "r1", "r2", "late")] == [20, 20, 20, 20]
    assert (tmp_path / "out" / "scaling.json").read_bytes() != first


def test_scenes_are_planned_once_for_all_runs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simbench import run

    planned: list[str] = []
    real = run.plan_suite
    monkeypatch.setattr(
        run, "plan_suite", lambda suite, *rest: planned.append(suite.name) or real(suite, *rest)
    )
    assert go(tmp_path, runs) == exits.OK and planned == ["toy"]


def test_a_later_suite_stands_beside_the_first(runs: Path, tmp_path: Path) -> None:
    assert go(tmp_path, runs) == exits.OK
    other = tmp_path / "conf" / "suite" / "other.yaml"
    other.write_text("# Another.\n_target_: toys.Toy\nname: other\nsetting: {frames: 5, context: 2}\n")
    assert go(tmp_path, runs, "scaling.suites=other") == exits.OK
    suites = {part["suite"] for part in table(tmp_path / "out")["series"]}
    assert suites == {"toy", "other", ""}


def test_groups_of_scenes_are_folders(runs: Path, tmp_path: Path) -> None:
    assert go(tmp_path, runs, "scaling.group=in") == exits.OK
    assert go(tmp_path, runs, "scaling.group=out", "seed=7") == exits.OK
    assert {part["group"] for part in table(tmp_path / "out")["series"]} == {"in", "out", "all"}
    assert (runs / "r0" / "scores-out" / "toy" / "scores.csv").is_file() and not (runs / "r0/scores").exists()


def test_runs_that_cannot_be_scored_are_named(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    shutil.rmtree(toy_runs.trained(runs / "gone", 3e12, 5) / "model")
    toy_runs.trained(runs / "burst", 3e12, 5, diverged=True)
    papers.write_run(toy_runs.trained(runs / "theirs", 3e12, 5, scores={"all": "own"}) / "own")
    assert go(tmp_path, runs) == exits.TROUBLE
    said = capsys.readouterr().err
    assert "gone: not scored: its model is missing" in said and "burst: not scored: it diverged" in said
    assert "theirs: not scored: its run.json names its scores" in said
    assert "no scene in common" in said and toy_runs.asked(runs / "theirs") == 0
    shutil.rmtree(runs / "theirs")
    assert go(tmp_path, runs) == exits.INCOMPLETE
    assert "incomplete: 1 of 5 runs could not be asked: gone (its model" in capsys.readouterr().err
    found = table(tmp_path / "out")
    assert list(found["left_out"]) == ["burst"]
    scores = next(part for part in found["series"] if part["suite"] == "toy")
    assert "gone has no scores of it" in scores["notes"] and scores["without"] == ["gone"]
    assert "- toy: gone has no scores of it." in (tmp_path / "out" / "scaling.md").read_text()


def test_a_run_whose_model_cannot_be_loaded_does_not_cost_the_others(
    runs: Path, tmp_path: Path, capsys: Capture
) -> None:
    (toy_runs.trained(runs / "a-torn", 3e12, 5) / "model" / "model.json").write_text("{")
    assert go(tmp_path, runs) == exits.INCOMPLETE
    said = capsys.readouterr().err
    assert "a-torn: not scored: " in said and "model.json is damaged" in said
    assert (
        said.rstrip()
        .splitlines()[-1]
        .startswith("incomplete: 1 of 4 runs could not be asked: a-torn (" + str(runs))
    )
    scores = next(part for part in table(tmp_path / "out")["series"] if part["suite"] == "toy")
    assert [run["value"] for run in scores["runs"]] == pytest.approx([30, 60, 90])
    assert scores["without"] == ["a-torn"]
    # Where none can be asked, what is wrong is more likely the line than every model.
    for run in runs.iterdir():
        (run / "model" / "model.json").write_text("{")
    assert go(tmp_path, runs) == exits.TROUBLE
    assert "no run could be asked: a-torn (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"diverged": True}, "diverged: its record says so"),
        ({"flops": None}, 'its run.json has no "flops"'),
    ],
)
def test_where_no_run_is_left_none_is_asked_and_all_are_named(
    record: dict[str, Any], why: str, runs: Path, tmp_path: Path, capsys: Capture
) -> None:
    for run in runs.iterdir():
        told = {**json.loads((run / "run.json").read_text()), **record}
        kept = {key: value for key, value in told.items() if value is not None}
        (run / "run.json").write_text(json.dumps(kept))
    assert go(tmp_path, runs) == exits.INCOMPLETE
    said = capsys.readouterr().err
    assert "r0: not scored: " in said and "nothing could be fitted: no run can be used" in said
    assert table(tmp_path / "out")["left_out"] == {f"r{i}": why for i in range(3)}
    assert toy_runs.asked(runs / "r0") == 0


def test_a_run_that_was_scored_may_lose_its_model(runs: Path, tmp_path: Path) -> None:
    assert go(tmp_path, runs) == exits.OK
    shutil.rmtree(runs / "r0" / "model")
    assert go(tmp_path, runs) == exits.OK
    assert go(tmp_path, runs, "scaling.group=in") == exits.INCOMPLETE


def filmed(folder: Path, size: int = 32) -> None:
    """The truth of the first ten toy scenes, a video for each case, of `size` pixels a side."""
    from simbench.case import Setting
    from simbench.video import encode
    from tests.toys import Toy

    suite = Toy(setting=Setting(frames=5, context=2))
    folder.mkdir(parents=True)
    for scene in suite.scenes(10, "public"):
        for case in suite.cases(scene):
            truth = suite.oracle(case)
            times = size // truth.frames.shape[1]
            frames = truth.frames.repeat(times, 1).repeat(times, 2)
            encode(Video(frames, truth.fps), folder / f"{case.condition.name}.mkv")


@pytest.mark.parametrize(("place", "said"), [("videos", {}), ("far/away", {"videos": "far/away"})])
def test_a_folder_of_videos_stands_for_a_model(
    place: str, said: dict[str, str], runs: Path, tmp_path: Path
) -> None:
    run = toy_runs.trained(runs / "films", 3e12, 5, **said)
    if not said:
        shutil.rmtree(run / "model")
    filmed(run / place)
    assert go(tmp_path, runs) == exits.OK
    (scores, _) = table(tmp_path / "out")["series"]
    assert {r["name"]: r["value"] for r in scores["runs"]}["films"] == pytest.approx(100)


def test_films_that_are_said_and_missing_are_named(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    toy_runs.trained(runs / "films", 3e12, 5, videos="nowhere")
    assert go(tmp_path, runs) == exits.INCOMPLETE
    assert "films: not scored: its videos are missing: " in capsys.readouterr().err


def test_options_for_videos_reach_the_videos_alone(runs: Path, tmp_path: Path) -> None:
    for i, name in enumerate(("x", "y", "z")):
        run = toy_runs.trained(tmp_path / "films" / name, 4.0**i * 1e12, 5)
        shutil.rmtree(run / "model")
        filmed(run / "videos", 64)
    assert go(tmp_path, tmp_path / "films", "generator=videos") == exits.INCOMPLETE
    assert go(tmp_path, tmp_path / "films", "generator=videos", "generator.resample=fit") == exits.OK
    (scores, _) = table(tmp_path / "out")["series"]
    assert [run["value"] for run in scores["runs"]] == pytest.approx([100, 100, 100], abs=3)


def test_missing_videos_are_an_incomplete_study(runs: Path, tmp_path: Path) -> None:
    toy_runs.trained(runs / "mute", 3e12, 9, silent=[0, 1])
    assert go(tmp_path, runs) == exits.INCOMPLETE
    (scores, _) = table(tmp_path / "out")["series"]
    assert {run["name"]: run["value"] for run in scores["runs"]}["mute"] == pytest.approx(70)


def test_two_budgets_fit_nothing(runs: Path, tmp_path: Path) -> None:
    shutil.rmtree(runs / "r1")
    assert go(tmp_path, runs) == exits.INCOMPLETE


def test_parts_fill_the_store_for_the_whole(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    for part in range(2):
        assert go(tmp_path, runs, f"shard={part}/2") == exits.OK
    assert not (tmp_path / "out" / "scaling.json").exists() and not (runs / "r0" / "scores").exists()
    assert toy_runs.asked(runs / "r2") == 20
    capsys.readouterr()
    moved = runs.rename(tmp_path / "moved")
    assert go(tmp_path, moved) == exits.OK and toy_runs.asked(moved / "r2") == 20
    assert capsys.readouterr().err.count("20 of 20 videos stored") == 3


def test_a_plan_asks_nothing(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    assert go(tmp_path, runs, "mode=plan") == exits.OK
    assert "3 runs on toy@1" in capsys.readouterr().err
    assert toy_runs.asked(runs / "r0") == 0 and not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["scaling.runs="], "scaling.runs= is missing"),
        (["scaling.runs=nowhere"], "scaling.runs=nowhere: no run.json"),
        (["scaling.suites=toi"], "did you mean toy?"),
        (["scaling.group=inside"], "scaling.group=inside is not one of all, in, out"),
        (["generator=frozen"], "generator=frozen has no dir="),
        (["scaling.space=wrlds"], "scaling.space=wrlds is not one of"),
        (["scaling.space=i3d", "scaling.sha256=0"], "sha256=0 is of no file; add weights=FILE"),
        (["scaling.figures=maybe"], "scaling.figures=maybe is not true or false"),
    ],
)
def test_wrong_words(words: list[str], answer: str, runs: Path, tmp_path: Path, capsys: Capture) -> None:
    assert go(tmp_path, runs, *words) == exits.TROUBLE
    said = capsys.readouterr().err
    assert answer in said and "Traceback" not in said
    assert toy_runs.asked(runs / "r0") == 0


def test_scores_of_an_earlier_call_are_not_mixed_in(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    papers.write_run(runs / "r2" / "scores")
    assert go(tmp_path, runs) == exits.TROUBLE
    assert toy_runs.asked(runs / "r0") == 0
    assert "holds scores of toy from a call of its own" in capsys.readouterr().err


def test_two_runs_of_one_name_and_a_broken_record(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    (runs / "r0" / "run.json").write_text('{"schema": 1, "kind": "training", "flops": 1e12, "name": "r1"}')
    assert go(tmp_path, runs) == exits.TROUBLE
    assert "two runs are called 'r1'" in capsys.readouterr().err
    (runs / "r0" / "run.json").write_text("{")
    assert go(tmp_path, runs) == exits.TROUBLE
    assert "run.json cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["all", "plan"])
def test_a_record_that_the_report_refuses_costs_no_scoring(
    mode: str, runs: Path, tmp_path: Path, capsys: Capture
) -> None:
    toy_runs.trained(runs / "zz", 3e12, 5, flop=3)
    assert go(tmp_path, runs, f"mode={mode}") == exits.TROUBLE
    said = capsys.readouterr().err
    assert "zz/run.json: 'flop' is no field of a training run" in said and "Traceback" not in said
    assert toy_runs.asked(runs / "r0") == 0


@pytest.mark.torch
def test_clips_are_compared_with_the_truth(runs: Path, tmp_path: Path) -> None:
    more = ("scaling.space=worlds,i3d", "frames=17", "cases=10")
    assert go(tmp_path, runs, *more) == exits.OK
    found = [json.loads((runs / f"r{i}/scores/toy/quality.json").read_text()) for i in range(3)]
    rows = [part["rows"][0] for part in found]
    assert [row["label"] for row in rows] == ["frechet[worlds]"] * 3
    assert rows[0]["value"] > rows[1]["value"] > rows[2]["value"] > rows[2]["floor_value"] > 0
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert (rows[0]["clips"], rows[0]["answered"], rows[0]["scenes"]) == (20, 20, 10)
    assert "weights" in found[0]["not_measured"]["i3d"]
    path = runs / "r0/scores/toy/quality.json"
    before = path.stat().st_mtime_ns
    assert go(tmp_path, runs, *more) == exits.OK and path.stat().st_mtime_ns == before
    assert go(tmp_path, runs, "scaling.space=worlds", "cases=10") == exits.OK
    assert "5 frames, 16 are compared" in json.loads(path.read_text())["not_measured"]["worlds"]
    toy_runs.trained(runs / "mute", 3e12, 9, silent=range(10))
    assert go(tmp_path, runs, *more) == exits.INCOMPLETE
    said = json.loads((runs / "mute/scores/toy/quality.json").read_text())
    assert said["rows"] == [] and said["not_measured"]["worlds"] == "no case of toy was answered"


@dataclass(frozen=True)
class Colours:
    """A feature space that takes no time: the mean colour of each frame."""

    name: str = "worlds"
    least_frames: int = 1

    def identity(self) -> Mapping[str, Any]:
        """See Space."""
        return {"class": "colours"}

    def features(self, clips: np.ndarray) -> np.ndarray:
        """See Space."""
        return clips.mean((2, 3), dtype=np.float32)[:, ::4].reshape(len(clips), -1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space in place of one with a network, where it does not matter which."""
    monkeypatch.setattr(distances, "opened", lambda names, given: ([Colours()], {}))


def test_the_truth_is_read_once_for_all_runs(
    quick: None, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    truth = scaling_clips.scene_truth
    monkeypatch.setattr(scaling_clips, "scene_truth", lambda asked: read.append(asked[1]) or truth(asked))
    more = ("scaling.space=worlds", "frames=17", "cases=8", "samples=2")
    assert go(tmp_path, runs, *more) == exits.OK
    assert len(read) == len(set(read)) == 8
    toy_runs.trained(runs / "late", 6.4e13, 10)
    assert go(tmp_path, runs, *more) == exits.OK and len(read) == 8
    kept = json.loads((runs / "late/scores/toy/quality.json").read_text())
    assert kept["rows"][0]["clips"] == 32
    shutil.rmtree(runs / "late" / "scores")
    shutil.rmtree(tmp_path / "store" / "array")
    assert go(tmp_path, runs, *more) == exits.OK and len(read) == 16
    assert json.loads((runs / "late/scores/toy/quality.json").read_text()) == kept
    assert go(tmp_path, runs, *more, "difficulty=0.5") == exits.OK and len(read) == 24


def test_clips_that_came_later_are_compared(
    quick: None, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("scaling.space=worlds", "frames=17", "cases=8")
    answer = toy_runs.Learner.answer
    with monkeypatch.context() as patch:
        late = lambda self, c: None if "-0-" in c.name else answer(self, c)  # noqa: E731
        patch.setattr(toy_runs.Learner, "answer", late)
        assert go(tmp_path, runs, *more) == exits.INCOMPLETE
    path = runs / "r2/scores/toy/quality.json"
    first = json.loads(path.read_text())["rows"][0]
    assert go(tmp_path, runs, *more) == exits.OK
    second = json.loads(path.read_text())["rows"][0]
    assert (first["answered"], second["answered"]) == (14, 16) and second["value"] != first["value"]
    whole = path.read_bytes()
    assert go(tmp_path, runs, *more) == exits.OK and path.read_bytes() == whole


def scattered(seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of the truth and of what was made, 40 scenes of 3 cases; D = 4, moved by `shift` in each."""
    rng = np.random.default_rng(seed)
    truth, made = rng.normal(size=(2, 120, 4))
    return truth, made + shift, np.repeat(np.arange(40), 3)


def test_the_interval_holds_the_distance_of_the_distributions() -> None:
    shift, held, widths = 1.5, 0, []
    for seed in range(40):
        truth, made, scene = scattered(seed, shift)
        own = scaling_clips.interval(truth, scattered(seed)[1], scene, 1)
        found = scaling_clips.interval(truth, made, scene, 1)
        # What few clips add to it is read where nothing is wrong.
        held += found.low <= 4 * shift**2 + own.value <= found.high
        widths.append(found.high - found.low)
    assert 35 <= held <= 40 and max(widths) < 9


def test_the_truth_is_its_own_floor_and_order_does_not_matter() -> None:
    truth, made, scene = scattered(0, 1.0)
    own = scaling_clips.interval(truth, truth, scene, 1)
    assert own.value < 1 < 4 < scaling_clips.interval(truth, made, scene, 1).value
    order = np.random.default_rng(1).permutation(len(truth))
    again = scaling_clips.interval(truth[order], made[order], scene[order], 1)
    assert again.value == pytest.approx(scaling_clips.interval(truth, made, scene, 1).value, rel=1e-9)


def test_only_i3d_is_called_fvd() -> None:
    assert [scaling_clips.label(name) for name in ("i3d", "worlds")] == ["FVD", "frechet[worlds]"]
