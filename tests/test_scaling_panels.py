"""The four panels: what is drawn is what the files say, and a panel without numbers says what to run."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papers
import pytest
from test_scaling import BUDGETS, go, level, trained

from reports.aggregate import ReportError
from reports.command import DONE
from reports.figures.style import Drawn, canvas, style
from reports.scaling import draw, grid, panels
from reports.scaling.measure import series, usable
from reports.scaling.runs import read_all
from simbench.overrides import CONF

ROW = {
    "space": "worlds", "label": "frechet[worlds]", "value": 1.0, "low": 0.9, "high": 1.1, "floor_value": 2.0,
    "clips": 72, "answered": 72, "scenes": 36,
}  # fmt: skip


def measured(folder: Path, suite: str, metrics: Mapping[str, float], absent: int = 0) -> None:
    """Make the toy scores in `folder` those of `suite`, with other metrics of the subject (`absent` scenes
    lack them) and 10 times as much for the oracle."""
    with (folder / "scores.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    head = lines[0]
    at = {name: head.index(name) for name in ("suite", "role", "scene", "case", "metric", "value")}
    for line in list(lines[1:]):
        whole = line[at["case"]] == "" and line[at["metric"]] == "S"
        line[at["suite"]] = suite
        for metric, value in metrics.items() if whole and line[at["role"]] in ("subject", "oracle") else ():
            times = 10 if line[at["role"]] == "oracle" else 1
            scene = int(line[at["scene"]][1:])
            more = list(line)
            more[at["metric"]], more[at["value"]] = metric, str(times * (value + 0.01 * (scene % 2)))
            lines += [more] if times == 10 or scene >= absent else []
    with (folder / "scores.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(
        json.dumps({**summary, "rows": [{**row, "suite": suite} for row in summary["rows"]]})
    )


def quality(folder: Path, value: float, **more: Any) -> None:
    """A quality.json as suite=scaling writes it."""
    row = {**ROW, "value": value, "low": 0.9 * value, "high": 1.1 * value}
    record = {"schema": 1, "suite": "toy", "version": 1, "setting": "s", "scenes": 36, "samples": 1}
    record |= {"seed": "public", "noise": 0, "protocol": {}, "spaces": {}, "rows": [row], "not_measured": {}}
    (folder / "quality.json").write_text(json.dumps({**record, **more}))


def family(folder: Path) -> list[Path]:
    """A run of each budget."""
    return [trained(folder / f"r{i}", flops, level(flops)) / "scores" for i, flops in enumerate(BUDGETS)]


def shown(out: Path) -> dict[str, list[dict[str, str]]]:
    """panels.csv by panel."""
    with (out / "panels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {letter: [row for row in rows if row["panel"] == letter] for letter in "abcd"}


def drawn(folder: Path) -> Drawn:
    """The figure of the runs in `folder`."""
    with style():
        return panels.panels(series(usable(read_all(sorted(folder.iterdir())))[0], draws=10))


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Its numbers by panel."""
    found = drawn(folder)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    return {letter: [row for row in rows if row["panel"] == letter] for letter in "abcd"}


def words(folder: Path) -> list[str]:
    """What stands in its panels."""
    axes = drawn(folder).figure.axes
    return [" ".join(" ".join(t.get_text() for t in axis.texts).split()) for axis in axes]


def test_what_is_drawn_is_what_the_files_say(tmp_path: Path) -> None:
    for i, scores in enumerate(family(tmp_path / "runs")):
        quality(scores, 40.0 / 2**i)
    assert go(tmp_path / "out", tmp_path / "runs", figures=True) == DONE
    found = shown(tmp_path / "out")
    assert [float(row["value"]) for row in found["a"]] == [40, 20, 10, 5]
    assert {(row["metric"], row["truth"]) for row in found["a"]} == {("frechet[worlds]", "2.0")}
    scaling = json.loads((tmp_path / "out" / "scaling.json").read_text())["series"][0]
    for row, run in zip(found["d"], scaling["runs"], strict=True):
        assert [float(row[k]) for k in ("value", "low", "high")] == [run[k] for k in ("value", "low", "high")]
    assert not found["b"] and not found["c"]
    for kind in ("pdf", "png"):
        assert (tmp_path / "out" / f"panels.{kind}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("suite", "metrics", "panel", "truth"),
    [
        ("geometry", {"reproj_px": 3.0}, "b", 30.05),
        ("revisit", {"return_px": 3.0}, "b", 30.05),
        ("geometry", {"aj": 0.4}, "c", 4.05),
        ("permanence", {"idf1": 0.5}, "c", 5.05),
    ],
)
def test_measures_of_suites_have_their_panel(
    suite: str, metrics: dict[str, float], panel: str, truth: float, tmp_path: Path
) -> None:
    for scores in family(tmp_path / "runs"):
        measured(scores, suite, metrics, absent=6)
    rows = rows_of(tmp_path / "runs")[panel]
    assert [row["run"] for row in rows] == ["r0", "r1", "r2", "r3"]
    (value,) = metrics.values()
    assert float(rows[0]["value"]) == pytest.approx(value + 0.005)
    assert float(rows[0]["truth"]) == pytest.approx(truth, rel=0.01)
    assert (rows[0]["scenes"], rows[0]["of_scenes"]) == (30, 36)


def test_measures_are_of_the_scenes_that_all_runs_have(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        scores = trained(tmp_path / "runs" / f"r{i}", flops, level(flops), scored={"scenes": 36 if i else 30})
        measured(scores / "scores", "permanence", {"idf1": 0.5})
        # The scenes that the first run lacks are the easy ones.
        path = scores / "scores" / "scores.csv"
        easy = re.sub(r"(?m)^(.*subject.*,s03[0-5],.*,idf1),0\.5\d*", r"\1,1.0", path.read_text())
        path.write_text(easy)
    rows = rows_of(tmp_path / "runs")["c"]
    assert [float(row["value"]) for row in rows] == pytest.approx([0.505] * 4)
    assert {(row["scenes"], row["of_scenes"]) for row in rows} == {(30, 30)}


def test_no_series_hides_another(tmp_path: Path) -> None:
    for i, flops in enumerate(BUDGETS):
        folder = trained(tmp_path / "runs" / f"r{i}", flops, level(flops), scored={"at": "scores-in"})
        papers.write_run(folder / "scores-out", level=level(flops))
    axis = drawn(tmp_path / "runs").figure.axes[3]
    first, second = (line.get_xdata() for line in axis.lines if len(line.get_xdata()) == len(BUDGETS))
    assert list(second / first) == pytest.approx([panels.DODGE] * 4)
    assert list((second * first) ** 0.5) == pytest.approx(list(BUDGETS))
    assert {row["flops"] for row in rows_of(tmp_path / "runs")["d"]} == set(BUDGETS)


def test_the_law_s_size_stands_for_its_budget(tmp_path: Path) -> None:
    for flops in BUDGETS:
        for size, worse in ((10**5, 30), (10**6, 0), (10**7, 20)):
            scores = trained(
                tmp_path / "runs" / f"{flops:.0e}-{size}", flops, level(flops) - worse, params=size
            )
            papers.write_run(scores / "scores-out", level=level(flops) - worse)
            (scores / "scores").rename(scores / "scores-in")
            papers.write_clips(scores / "scores-in", 2)
    found = series(usable(read_all(sorted((tmp_path / "runs").iterdir())))[0], draws=10)
    with style():
        lines = draw.profile(found).rows
        (_, *columns) = dict.fromkeys(row[3] for row in grid.grid(found[0], "grid").rows)
    assert [row[5] for row in lines] == [1] * 8
    by = {(row["run"], row["group"]): float(row["value"]) for row in rows_of(tmp_path / "runs")["d"]}
    assert [row[6] for row in lines] == pytest.approx(
        [by[f"{flops:.0e}-1000000", group] for group in ("in", "out") for flops in BUDGETS]
    )
    assert columns == [f"{flops:.0e}-1000000" for flops in BUDGETS]


def test_a_panel_without_numbers_says_what_to_run(tmp_path: Path) -> None:
    family(tmp_path / "runs")
    a, b, c, d = words(tmp_path / "runs")
    assert "no quality.json beside scores" in a and "scaling.suites=toy writes it" in a
    assert "no run was scored on a suite that measures depth" in b and "=geometry,revisit does" in b
    assert "no run was scored on a suite that tracks" in c and d == ""


def test_runs_without_a_distance_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, scores in enumerate(family(tmp_path / "runs")):
        if i in (0, 2):
            quality(scores, 7.0)
    assert go(tmp_path / "out", tmp_path / "runs", figures=True) == DONE
    assert "panels: (a) frechet[worlds] of toy lacks r1, r3\n" in capsys.readouterr().err


def test_why_nothing_was_compared_is_said(tmp_path: Path) -> None:
    for scores in family(tmp_path / "runs"):
        quality(scores, 1.0, rows=[], not_measured={"worlds": "toy has clips of 5 frames, 16 are compared"})
    assert "toy has clips of 5 frames, 16 are compared" in words(tmp_path / "runs")[0]


def test_fvd_is_shown_where_it_was_measured(tmp_path: Path) -> None:
    for scores in family(tmp_path / "runs"):
        quality(scores, 7.0)
        record = json.loads((scores / "quality.json").read_text())
        (row,) = record["rows"]
        quality(scores, 7.0, rows=[row, {**row, "space": "i3d", "label": "FVD", "high": 8.0}])
    found = rows_of(tmp_path / "runs")["a"]
    assert {(row["metric"], row["high"]) for row in found} == {("FVD", 8.0)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"setting": "other"}, "distances of r0 and r1 do not compare: other setting"),
        ({"noise": 1}, "distances of r0 and r1 do not compare: other noise"),
        ({"spaces": {"worlds": {"sha256": "0"}}}, "do not compare: other spaces"),
        ({"rows": [{"label": "FVD", "value": None}]}, "value is None, no number"),
        ({"schema": 2}, "is no quality.json of schema 1"),
        ({"rows": [{**ROW, "value": 2.0}]}, "2.0 lies outside of 0.9 to 1.1"),
    ],
)
def test_distances_that_do_not_compare_are_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    for i, scores in enumerate(family(tmp_path / "runs")):
        quality(scores, 1.0, **(change if i else {}))
    with pytest.raises(ReportError, match=re.escape(said)):
        drawn(tmp_path / "runs")


def test_abilities_are_the_groups_that_ship() -> None:
    import yaml

    for name in ("consistency", "interaction"):
        group = yaml.safe_load((CONF / "group" / f"{name}.yaml").read_text())
        assert set(panels.ABILITIES[name]) == set(group["suites"])
    known = {path.stem for path in (CONF / "suite").glob("*.yaml")}
    named = [*panels.ABILITIES["permanence"], *(suite for suite, _ in (*panels.DEPTH, *panels.TRACKING))]
    assert set(named) <= known


def test_suites_that_are_named_give_the_measures_that_are_drawn() -> None:
    from conftest import build

    for suite, metric in (("geometry", "aj"), ("geometry", "reproj_px")):
        assert metric in build("suite", suite).columns


@pytest.mark.parametrize("ends", [(0.41, 0.49), (0.46, 0.53), (2.001, 2.004), (0.07, 0.25), (1e-4, 30.0)])
def test_a_logarithmic_axis_has_numbers_however_narrow(ends: tuple[float, float]) -> None:
    figure = canvas(3.0, 2.0)
    axis = figure.subplots()
    axis.set_ylim(*ends)
    draw.log_y(axis)
    places = [float(y) for y in axis.get_yticks()]
    assert 3 <= len(places) <= 7 and all(ends[0] <= y <= ends[1] for y in places)
    assert [label.get_text() for label in axis.get_yticklabels()] == [f"{y:g}" for y in places]
