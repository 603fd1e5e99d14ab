"""Runs from folders to tables and figures, and every kind of run that cannot be used, by name."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import papers
import pytest

from reports.command import DONE, NOTHING, TROUBLE
from reports.scaling import __main__ as command
from reports.scaling.runs import SCHEMA, checked

BUDGETS = (1e12, 4e12, 1.6e13, 6.4e13)


def trained(folder: Path, flops: float | None, level: float | None, **more: Any) -> Path:
    """The folder of a run of `flops` whose model scores about `level`; `scored` goes to the scores."""
    scored = more.pop("scored", {})
    folder.mkdir(parents=True)
    record = {"schema": 1, "kind": "training", "loss": [[1e11, 2.0], [flops or 1e12, 0.5]], **more}
    record |= {} if flops is None else {"flops": flops}
    (folder / "run.json").write_text(json.dumps(record))
    if level is not None:
        papers.write_run(folder / scored.pop("at", "scores"), level=level, **scored)
    return folder


def level(flops: float, b: float = 0.25) -> float:
    """S of a planted law, such that its graded score, 0.9 S, is 100 - 60 (C / 1e12)^-b."""
    return (100 - 60 * (flops / 1e12) ** -b) / 0.9


def family(folder: Path, **more: Any) -> Path:
    """Four budgets with two seeds each."""
    for i, flops in enumerate(BUDGETS):
        for seed in range(2):
            loss = 0.5 * (flops / 1e12) ** -0.1 + 0.004 * seed
            extra = {"seed": seed, "params": 10**6, "loss": [[1e11, 2.0], [flops, loss]], **more}
            trained(folder / f"b{i}-{seed}", flops, level(flops) + 0.8 * (seed - 0.5), **extra)
    return folder


def read(out: Path) -> dict[str, Any]:
    """scaling.json."""
    found: dict[str, Any] = json.loads((out / "scaling.json").read_text())
    return found


def go(out: Path, *runs: Path, figures: bool = False) -> int:
    """The command."""
    words = [f"runs={','.join(map(str, runs))}", f"out={out}", f"figures={str(figures).lower()}"]
    return command.main(words)


def test_a_planted_law_comes_out_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(tmp_path / "out", family(tmp_path / "runs")) == DONE
    scores, loss = read(tmp_path / "out")["series"]
    # The toy's observer stands at 97, of which 0.9 are graded.
    fit = scores["fit"]
    assert scores["metric"] == "S_graded" and not fit["e_inf_free"]
    assert fit["e_inf"]["value"] == pytest.approx(100 - 0.9 * 97, abs=4)
    assert fit["b"]["low"] < fit["b"]["value"] < fit["b"]["high"]
    assert fit["flops_to_half"]["value"] == pytest.approx(1e12 * (50 / 60) ** -4, rel=0.3)
    assert len(fit["left_out"]) == 8 and scores["scenes"] == 36
    assert loss["fit"]["b"]["value"] == pytest.approx(0.1, rel=0.05) and loss["fit"]["e_inf"]["value"] == 0
    printed = capsys.readouterr().out
    assert "| toy | S_graded | 8 | 1e12 to 6.4e13 |" in printed and "fixed to the observer's error" in printed
    with (tmp_path / "out" / "scaling.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16 and {row["seed"] for row in rows} == {"0", "1"}
    jsonschema.validate(
        json.loads((tmp_path / "runs" / "b0-0" / "run.json").read_text()), json.loads(SCHEMA.read_text())
    )


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    runs = family(tmp_path / "runs")
    go(tmp_path / "out", runs)
    first = (tmp_path / "out" / "scaling.json").read_bytes()
    go(tmp_path / "out", runs)
    assert (tmp_path / "out" / "scaling.json").read_bytes() == first


def test_figures_and_what_cannot_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = family(tmp_path / "runs")
    for folder in sorted(runs.iterdir()):
        papers.write_clips(folder / "scores", 6)
    assert go(tmp_path / "out", runs, figures=True) == DONE
    for name in ("score", "loss", "grid-toy", "survival-toy"):
        assert (tmp_path / "out" / f"{name}.pdf").stat().st_size > 1000, name
        assert b"simbench reports.paper" not in (tmp_path / "out" / f"{name}.pdf").read_bytes(), name
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "out" / "grid-toy.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert [c["column"] for c in cells[:5]] == [
        "truth",
        "1e12 FLOPs",
        "4e12 FLOPs",
        "1.6e13 FLOPs",
        "6.4e13 FLOPs",
    ]
    assert len({c["case"] for c in cells}) == 5 and {c["frames"] for c in cells} == {"0 2 6 8"}
    assert "profile left out: an ability profile needs two or more suites" in capsys.readouterr().err
    with (tmp_path / "out" / "survival-toy.csv").open() as file:
        lives = list(dict.fromkeys(row["name"] for row in csv.DictReader(file)))
    assert lives == ["b0-0", "b1-0", "b2-0", "b3-0"]


def test_budgets_that_a_grid_leaves_out_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(8):
        papers.write_clips(trained(tmp_path / "runs" / f"r{i}", 2.0**i * 1e12, 40.0 + i) / "scores", 2)
    assert go(tmp_path / "out", tmp_path / "runs", figures=True) == DONE
    assert "grid-toy: 6 of 8 budgets are drawn" in capsys.readouterr().err
    assert "grid-toy: 6 of 8 budgets are drawn" in read(tmp_path / "out")["not_drawn"]


def test_in_and_out_of_distribution_are_compared(tmp_path: Path) -> None:
    for flops in BUDGETS:
        folder = trained(tmp_path / "runs" / f"{flops:.0e}", flops, level(flops), scored={"at": "scores-in"})
        papers.write_run(folder / "scores-out", level=level(flops, 0.1), setting="64x64x5@8 rich v2v d0.25")
    assert go(tmp_path / "out", tmp_path / "runs", figures=True) == DONE
    (pair,) = read(tmp_path / "out")["slopes"]
    assert pair["in"] > pair["out"] and pair["low"] <= pair["in"] - pair["out"] <= pair["high"]
    assert (tmp_path / "out" / "profile.csv").read_text().count("\n") == 1 + 2 * len(BUDGETS)


def test_equal_slopes_differ_by_chance_alone(tmp_path: Path) -> None:
    for flops in BUDGETS:
        folder = trained(tmp_path / "runs" / f"{flops:.0e}", flops, level(flops), scored={"at": "scores-in"})
        papers.write_run(folder / "scores-out", level=level(flops))
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    (pair,) = read(tmp_path / "out")["slopes"]
    assert pair["in"] == pair["out"] and pair["low"] < -0.01 and pair["high"] > 0.01


def test_slopes_that_are_not_identified_are_not_compared(tmp_path: Path) -> None:
    for flops in BUDGETS:
        folder = trained(tmp_path / "runs" / f"{flops:.0e}", flops, level(flops), scored={"at": "scores-in"})
        papers.write_run(folder / "scores-out", level=20.0)
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    (pair,) = read(tmp_path / "out")["slopes"]
    assert (pair["in"], pair["out"], pair["low"]) == (None, None, None)
    assert pair["why"] == "b is not identified on scenes unlike them"
    said = (tmp_path / "out" / "scaling.md").read_text()
    assert "- toy: growth in and out of distribution is not compared: b is not identified on" in said


def test_a_level_is_no_number_where_the_slope_is_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for i, flops in enumerate(np.geomspace(1e12, 2e14, 7)):
        trained(tmp_path / "runs" / f"r{i}", float(flops), 30 + float(rng.normal(0, 4)), loss=[])
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    (scores,) = read(tmp_path / "out")["series"]
    assert scores["fit"]["e_inf_free"] and scores["fit"]["b"] is None and scores["fit"]["e_inf"] is None
    row = next(line for line in (tmp_path / "out" / "scaling.md").read_text().splitlines() if "| toy" in line)
    assert row.split(" | ")[4:7] == ["not identified"] * 3


def test_half_below_the_smallest_budget_is_said(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, level(flops * 3))
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    notes = read(tmp_path / "out")["series"][0]["notes"]
    assert any(re.match(r"S = 50 lies at 0\.\d+ times the smallest budget", note) for note in notes)


def test_other_noise_does_not_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, level(flops))
    for i, noise in ((1, 0), (3, 1)):
        record = tmp_path / "runs" / f"r{i}" / "scores" / "run.json"
        told = json.loads(record.read_text()) if record.is_file() else {}
        record.write_text(json.dumps({**told, "config": {"noise": noise, "samples": 1}}))
    assert go(tmp_path / "out", tmp_path / "runs") == TROUBLE
    assert "toy: r1 and r3 do not compare: noise=0 and noise=1; score" in capsys.readouterr().err


def test_several_sizes_at_a_budget(tmp_path: Path) -> None:
    for flops, best in zip(BUDGETS, (2e5, 4e5, 8e5, 1.6e6), strict=True):
        for size in (1e5, 6e5, 3e6):
            worse = 2 * np.log(size / best) ** 2
            trained(
                tmp_path / "runs" / f"{flops:.0e}-{size:.0e}", flops, level(flops) - worse, params=int(size)
            )
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    scores = read(tmp_path / "out")["series"][0]
    found = [best["params"]["value"] for best in scores["best_sizes"]]
    assert found == pytest.approx([2e5, 4e5, 8e5, 1.6e6], rel=0.6)
    assert sum(run["fitted"] for run in scores["runs"]) == 4
    assert any("biased" in note for note in scores["notes"])


def test_only_common_scenes_are_used(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, level(flops), scored={"scenes": 36 if i else 30})
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    scores = read(tmp_path / "out")["series"][0]
    assert (scores["scenes"], scores["unused_scenes"]) == (30, 6)


def test_flat_scores_are_not_identified_and_no_number_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, 10.0 + i % 2, loss=[])
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    fit = read(tmp_path / "out")["series"][0]["fit"]
    assert fit["b"] is None and fit["not_identified"] and fit["flops_to_half"] is None
    assert "| not identified |" in capsys.readouterr().out


def test_fewer_than_three_budgets_fit_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, flops in enumerate((1e12, 1.01e12, 2e12)):
        trained(tmp_path / "runs" / f"r{i}", flops, 10.0 + i)
    assert go(tmp_path / "out", tmp_path / "runs", figures=True) == NOTHING
    assert "nothing could be fitted: toy: 2 budgets, and a law needs 3 or more" in capsys.readouterr().err
    assert (tmp_path / "out" / "score.pdf").exists()


def test_runs_without_flops_and_diverged_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = family(tmp_path / "runs")
    trained(runs / "no-flops", None, 20.0)
    trained(runs / "burst", 3e12, 0.0, loss=[[1e11, 2.0], [3e12, 9.0]])
    trained(runs / "nan", 3e12, 0.0, loss=[[1e11, 2.0], [3e12, float("nan")]])
    trained(runs / "said", 3e12, 0.0, diverged=True)
    assert go(tmp_path / "out", runs) == DONE
    said = capsys.readouterr().err
    assert 'no-flops is left out: its run.json has no "flops"' in said
    assert "burst is left out: diverged: its loss rose from 2 to 9" in said
    assert "nan is left out: diverged: its loss is not finite at 3e+12 FLOPs" in said
    assert "said is left out: diverged: its record says so" in said
    assert sorted(read(tmp_path / "out")["left_out"]) == ["burst", "nan", "no-flops", "said"]
    assert len(read(tmp_path / "out")["series"][0]["runs"]) == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scored": {"version": 2}}, "odd and r0 do not compare: version 2 and 1"),
        ({"scored": {"setting": "64x64x5@8 plain v2v d0.25"}}, "do not compare: setting 64x64"),
        ({"name": "r1"}, "are both called 'r1'"),
        ({"flops": -1.0}, "flops=-1.0 must be 1 or more"),
        ({"flops": 5e-324}, "flops=5e-324 must be 1 or more"),
        ({"flops": 10**400}, "flops is no finite number"),
        ({"flops": float("nan")}, "flops is no finite number"),
        ({"flops": 1e300}, "flops=1e+300 must be 1e+40 or less"),
        ({"flops": 1e40, "flops_before": 1e40}, "flops with flops_before are 2e+40"),
        ({"name": "two\nlines"}, "tables need one line of characters that print"),
        ({"loss": [[float("nan"), 0.5]]}, "a pair whose FLOPs or loss no machine can hold"),
        ({"loss": [[1e11, 10**400]]}, "a pair whose FLOPs or loss no machine can hold"),
        ({"scores": {"all": 5}}, "scores of all are 5; name a folder, or a list of folders"),
        ({"scores": {"in": None}}, "scores of in are None; name a folder"),
        ({"scores": {"all": [1]}}, "scores of all are [1]; name a folder"),
        ({"flops": "many"}, "flops is 'many', no number"),
        ({"flops": True}, "flops is True, no number"),
        ({"params": 1.5}, "params is 1.5, no integer"),
        ({"params": 0}, "params=0 must be above 0"),
        ({"name": ""}, "name is empty"),
        ({"flop": 3}, "'flop' is no field of a training run"),
        ({"kind": "other"}, "kind is 'other', not 'training'"),
        ({"loss": [[2e12, 0.2], [1e12, 0.5]]}, "loss goes back in FLOPs; give its pairs in order"),
        ({"loss": [[1.0]]}, "loss holds [1.0], not [FLOPs, loss]"),
        ({"scores": {"near": "x"}}, "groups are all, in, out"),
        ({"scores": {"all": "nowhere"}}, "nowhere is no folder of a run"),
        ({"scores": {"all": ["scores", "scores"]}}, "both hold toy"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, level(flops))
    odd = {"flops": 2e12, **change}
    folder = trained(tmp_path / "runs" / "odd", 2e12, 10.0, **{k: v for k, v in odd.items() if k != "flops"})
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"flops": odd["flops"]}))
    assert go(tmp_path / "out", tmp_path / "runs") == TROUBLE
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_record_that_is_nested_without_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("[" * 100_000)
    assert go(tmp_path / "out", tmp_path) == TROUBLE
    assert "run.json cannot be read" in capsys.readouterr().err


def test_a_name_with_a_bar_leaves_the_table_whole(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        loss = [[1e11, 2.0], [flops, 0.5 * 0.7**i]]
        trained(tmp_path / "runs" / f"r{i}", flops, None, loss=loss, name=f"a|{i}")
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    lines = (tmp_path / "out" / "scaling.md").read_text().splitlines()
    assert "a&#124;" in lines[2] and {line.count("|") for line in lines[:3]} == {9}


def test_command_lines_that_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--help"]) == DONE
    assert command.main([]) == TROUBLE
    assert command.main([f"runs={tmp_path}"]) == TROUBLE
    assert go(tmp_path / "out", tmp_path / "none") == TROUBLE
    assert "there is no such folder" in capsys.readouterr().err
    assert command.main([f"runs={tmp_path}", "out=x", "figures=maybe"]) == TROUBLE
    scores = papers.write_run(tmp_path / "scores", record={"generator": "model"})
    assert go(tmp_path / "out", scores) == TROUBLE
    assert "give the folder of the training run" in capsys.readouterr().err
    (tmp_path / "taken").write_text("")
    assert go(tmp_path / "taken", family(tmp_path / "runs")) == TROUBLE
    assert f"reports.scaling: {tmp_path / 'taken'}: File exists; name another path" in capsys.readouterr().err
    assert command.main(["runs=,", f"out={tmp_path / 'out'}"]) == TROUBLE
    assert "runs= names no run" in capsys.readouterr().err


def test_what_the_first_weights_cost_is_on_the_axis(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        more = {"flops_before": 5e11} if i == 0 else {}
        trained(tmp_path / "runs" / f"r{i}", flops, level(flops), **more)
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    runs = read(tmp_path / "out")["series"][0]["runs"]
    assert [run["flops"] for run in runs] == [1.5e12, *BUDGETS[1:]]


@pytest.mark.parametrize("figures", [False, True])
def test_where_no_run_is_left_the_tables_name_each(
    figures: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    trained(runs / "a", None, 20.0)
    trained(runs / "b", 3e12, 0.0, loss=[[1e11, 2.0], [3e12, 9.0]])
    trained(runs / "c", 4e12, 0.0, diverged=True)
    assert go(out, runs, figures=figures) == NOTHING
    shown = capsys.readouterr()
    lost = {
        "a": 'its run.json has no "flops"',
        "b": "diverged: its loss rose from 2 to 9",
        "c": "diverged: its record says so",
    }
    assert "nothing could be fitted: no run can be used" in shown.err and "Traceback" not in shown.err
    assert read(out)["left_out"] == lost and read(out)["series"] == []
    for name, why in lost.items():
        assert f"{name} is left out: {why}" in shown.err
        assert f"- {name} is left out: {why}." in (out / "scaling.md").read_text()
    assert (out / "scaling.csv").read_text().count("\n") == 1
    assert sorted(p.suffix for p in out.iterdir()) == [".csv", ".json", ".md"]


def test_runs_that_were_neither_scored_nor_logged_fit_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, None, loss=[])
    assert go(tmp_path / "out", tmp_path / "runs") == NOTHING
    assert "r3 is left out: it has neither scores nor a loss; score it" in capsys.readouterr().err
    assert list(read(tmp_path / "out")["left_out"]) == ["r0", "r1", "r2", "r3"]


def test_other_scenes_and_other_oracles_do_not_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, flops in enumerate(BUDGETS):
        trained(tmp_path / "runs" / f"r{i}", flops, level(flops))
    scores = tmp_path / "runs" / "r2" / "scores" / "scores.csv"
    whole = scores.read_text()
    scores.write_text(re.sub(r"oracle,oracle,(s\d+),,,,S,100\.0", r"oracle,oracle,\1,,,,S,98.0", whole))
    assert go(tmp_path / "out", tmp_path / "runs") == TROUBLE
    assert "their oracles read 100.00 and 98.00" in capsys.readouterr().err
    scores.write_text(re.sub(r",s(\d\d\d)", r",t\1", whole))
    assert go(tmp_path / "out", tmp_path / "runs") == TROUBLE
    assert "no scene in common" in capsys.readouterr().err


def test_a_run_that_evaluated_itself_is_found(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        folder = trained(tmp_path / "runs" / f"r{i}", flops, 5.0, scored={"at": "evaluation/step-00000001"})
        papers.write_run(folder / "evaluation" / "step-00000002", level=level(flops))
    assert go(tmp_path / "out", tmp_path / "runs") == DONE
    values = [run["value"] for run in read(tmp_path / "out")["series"][0]["runs"]]
    assert values[-1] - values[0] > 20


def test_whole_numbers_as_json_has_them(tmp_path: Path) -> None:
    record = json.loads('{"schema": 1, "kind": "training", "flops": 4e21, "params": 2e9, "tokens": 3e11}')
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    assert checked(record, Path("run.json"))["params"] == 2_000_000_000


def test_the_record_on_the_page_is_one() -> None:
    page = (SCHEMA.parent.parent.parent / "docs" / "scaling.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", page, re.S)
    jsonschema.validate(json.loads(block), json.loads(SCHEMA.read_text()))
    assert checked(json.loads(block), Path("run.json"))["name"] == "ours-4x"
