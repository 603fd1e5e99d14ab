"""Tables of speed out of run.json: what ships, what lacks a field, and what is no run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from reports.command import DONE, TROUBLE
from reports.scaling.speed import main, read, share, speed

SHIPPED = Path(__file__).resolve().parent.parent / "docs" / "scaling-runs.json"
HEAD = {"schema": 1, "kind": "training"}
H100 = {"device": "NVIDIA H100 80GB HBM3", "processes": 8, "flops": 4e18, "tokens": 6e9, "seconds": 1000.0}


def written(folder: Path, **record: Any) -> Path:
    """The folder of a run."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**HEAD, **record}))
    return folder


def test_the_runs_that_ship(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"runs={SHIPPED}"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    records = {record["name"]: record for record in json.loads(SHIPPED.read_text())}
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:12]]
    assert {row[0] for row in cells} == set(records) and len(cells) == 10
    for name, device, processes, params, tera, seconds, rate, tokens, mfu in cells:
        record = records[name]
        assert (device, processes) == ("cpu", "1") and params == f"{record['params']:,}"
        assert float(tera) == pytest.approx(record["flops"] / 1e12, rel=5e-3)
        assert float(rate) == pytest.approx(record["flops"] / record["seconds"] / 1e12, rel=5e-3)
        assert tokens == f"{record['tokens'] / record['seconds']:,.0f}"
        assert seconds == f"{record['seconds']:,.0f}"
        assert float(mfu.removesuffix(" %")) == pytest.approx(100 * record["mfu"], rel=5e-3)
    assert (
        lines[-1].startswith("- cpu: 10 runs, MFU of all their work ") and "(6.43 % to 30.7 %)" in lines[-1]
    )


def test_runs_of_one_device_count_as_one_run() -> None:
    parts = [speed({"flops": 4e12, "mfu": 0.4}, "a"), speed({"flops": 1e12, "mfu": 0.1}, "b")]
    # 10 TFLOP each could have been done.
    assert share(parts) == pytest.approx(0.25)
    assert share([speed({"flops": 1e12}, "a"), speed({"mfu": 0.1}, "b")]) is None


def test_folders_by_device_and_a_table_for_other_tools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    written(runs / "big", **H100, params=10**9, mfu=0.41)
    written(runs / "small", **{**H100, "flops": 1e18}, params=10**8, mfu=0.2)
    written(runs / "theirs", device="256 x H100", mfu=0.5)
    written(runs / "bare")
    assert main([f"runs={runs}", f"out={tmp_path / 'speed.csv'}"]) == DONE
    printed = capsys.readouterr().out
    assert (
        "| big | NVIDIA H100 80GB HBM3 | 8 | 1,000,000,000 | 4e06 | 1,000 | 4e03 | 6,000,000 | 41 % |"
        in printed
    )
    assert "| bare | not said | – | – | – | – | – | – | – |" in printed
    assert "- NVIDIA H100 80GB HBM3: 2 runs, MFU of all their work 33.9 % (20 % to 41 %)." in printed
    assert "- 256 x H100: 1 run, MFU of all their work –." in printed
    with (tmp_path / "speed.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert float(rows["big"]["flops_per_second"]) == 4e15 and rows["bare"]["mfu"] == ""
    assert [s.run for s in read([runs])] == ["theirs", "small", "big", "bare"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, "it has no run.json, nor has a folder in it"),
        ({"mfu": "much"}, "mfu is 'much', no number"),
        ({"speed": 3}, "'speed' is no field of a training run"),
    ],
)
def test_what_is_no_run_is_named(
    record: dict[str, Any] | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if record is not None:
        written(tmp_path / "runs" / "r", **record)
    assert main([f"runs={tmp_path / 'runs'}"]) == TROUBLE
    err = capsys.readouterr().err
    assert said in err and err.startswith("reports.scaling.speed: ") and err.count("\n") == 1


def test_command_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == TROUBLE and main(["--help"]) == DONE
    assert "python -m reports.scaling.speed runs=" in capsys.readouterr().out
    assert main(["out=x"]) == TROUBLE and "runs= is missing" in capsys.readouterr().err
    (tmp_path / "broken.json").write_text("[{]")
    assert main([f"runs={tmp_path / 'broken.json'}"]) == TROUBLE
    assert "broken.json cannot be read" in capsys.readouterr().err
    assert main(["runs=,"]) == TROUBLE and "names no run" in capsys.readouterr().err
