"""The numbers on docs/scaling.md are those of the files beside it."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "scaling.md").read_text()
SHARED = "| TFLOP | width x depth | parameters | loss | frechet[worlds] | IDF1 | S permanence | S graded |"
HEAD, DEFAULT = f"{SHARED} S hidden |", f"{SHARED} hits, % |"
SUITES = {7: "permanence", 8: "hidden", 9: "push", 10: "bite"}
"""Columns of the table that hold the metric of a suite's law."""
MOVING = "| TFLOP | width x depth | parameters | frechet geometry | frechet revisit |"


def laws(name: str = "scaling") -> dict[tuple[str, str], dict]:
    """The series of a ladder's .json by suite and group."""
    found = json.loads((DOCS / f"{name}.json").read_text())["series"]
    return {(part["suite"], part["group"]): part for part in found}


def drawn(name: str = "scaling") -> list[dict[str, str]]:
    """The points of a ladder's figure."""
    with (DOCS / f"{name}-panels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def points(rows: list[dict[str, str]], tera: float, metric: str, suite: str = "") -> list[dict[str, str]]:
    """Those of a metric at a budget, by run."""
    mine = [
        row
        for row in rows
        if row["metric"] == metric
        and row["suite"].startswith(suite)
        and math.isclose(float(row["flops"]), tera * 1e12, rel_tol=0.02)
    ]
    return sorted(mine, key=lambda row: row["run"])


def cells(head: str = HEAD) -> list[list[list[str]]]:
    """A table: rows of cells of numbers, one for each seed."""
    lines = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[c.strip().replace("−", "-").split(", ") for c in line.split("|")[1:-1]] for line in lines]


def values(part: dict, tera: float) -> list[float]:
    """What a series has at a budget, by seed."""
    runs = [run for run in part["runs"] if run["flops"] == pytest.approx(tera * 1e12, rel=0.02)]
    return [run["value"] for run in sorted(runs, key=lambda run: run["seed"])]


def agree(shown: list[str], exact: list[float]) -> bool:
    """Whether each number is the rounded one, to the digits that are shown."""
    digits = [len(text.partition(".")[2]) for text in shown]
    return len(shown) == len(exact) and all(
        abs(float(text) - value) <= 0.5 * 10.0**-d + 1e-9
        for text, value, d in zip(shown, exact, digits, strict=True)
    )


def test_the_table_is_that_of_the_files() -> None:
    records = json.loads((DOCS / "scaling-runs.json").read_text())
    rows = drawn()
    assert sum(len(row[3]) for row in cells()) == len(records) == 10
    for row in cells():
        tera = float(row[0][0])
        (size,) = {r["params"] for r in records if r["flops"] == pytest.approx(tera * 1e12, rel=0.02)}
        assert row[2] == [f"{size:,}".split(", ")[0]], row
        assert agree(row[3], values(laws()["", "all"], tera)), row[3]
        for place, metric in ((4, "frechet[worlds]"), (5, "idf1")):
            mine = [float(point["value"]) for point in points(rows, tera, metric)]
            assert agree(row[place], mine), (metric, tera)
        for place, suite in SUITES.items():
            assert agree(row[place], values(laws()[suite, "all"], tera)), (suite, tera)


def test_the_table_of_the_default_ladder_is_that_of_its_files() -> None:
    name = "scaling-nano"
    records, rows, table = json.loads((DOCS / f"{name}-runs.json").read_text()), drawn(name), cells(DEFAULT)
    scores = {
        row["generator"]: row["metrics"] for row in json.loads((DOCS / f"{name}-scores.json").read_text())
    }
    assert len(table) == 6 and len(records) == len(scores) == sum(len(row[3]) for row in table) == 18
    for row in table:
        tera = float(row[0][0])
        mine = [r for r in records if r["flops"] == pytest.approx(tera * 1e12, rel=0.02)]
        assert {r["seed"] for r in mine} == {0, 1, 2} and row[2] == [f"{mine[0]['params']:,}"]
        assert agree(row[3], values(laws(name)["", "all"], tera))
        assert agree(row[7], values(laws(name)["permanence", "all"], tera))
        for place, metric in ((4, "frechet[worlds]"), (5, "idf1")):
            found = [float(point["value"]) for point in points(rows, tera, metric, "permanence")]
            assert agree(row[place], found), (metric, tera)
        names = sorted(r["name"] for r in mine)
        for place, metric in ((6, "S"), (8, "hit"), (9, "alarm")):
            assert agree(row[place], [scores[n][metric]["mean"] for n in names]), (metric, tera)
    law = laws(name)["", "all"]["fit"]["b"]
    assert "C^−{value:.3f} [−{high:.3f}, −{low:.3f}]".format(**law) in " ".join(PAGE.split())
    fit = laws(name)["permanence", "all"]["fit"]
    assert fit["b"] is None and "leaves all of how they differ" in fit["not_identified"]


def test_the_step_is_of_compute_in_the_file_too() -> None:
    rows = json.loads((DOCS / "scaling-shapes-scores.json").read_text())
    score = {row["generator"]: f"{row['metrics']['S']['mean']:.0f}".replace("-", "−") for row in rows}
    narrow, wide, later, last = (score[f"{n}-s0"] for n in ("8x-32x7", "8x-64x3", "16x-32x7", "16x-64x3"))
    assert f"S is {narrow} (32x7) and {wide} (64x3) at 8 TFLOP, {later} and {last} at 16," in " ".join(
        PAGE.split()
    )


def test_the_sentences_are_those_of_the_files() -> None:
    found, text = laws(), " ".join(PAGE.split())
    fit = found["", "all"]["fit"]["b"]
    assert "C^−{value:.2f} [−{high:.2f}, −{low:.2f}]".format(**fit) in text
    assert f"halving with each {2 ** (1 / fit['value']):.0f}-fold compute" in text
    for suite in ("hidden", "push", "bite", "permanence"):
        assert found[suite, "all"]["fit"]["b"] is None
    low, high = re.search(
        r"between (\S+) and (\S+),", found["permanence", "all"]["fit"]["not_identified"]
    ).groups()  # type: ignore[union-attr]
    assert f"b lies between {float(low):.2f} and {float(high):.2f}" in text
    pairs = [(found["permanence", g], t) for t in (32, 64, 128) for g in ("in", "out")]
    ends = [f"{values(part, tera)[0]:.0f}".replace("-", "−") for part, tera in pairs]
    told = "S graded {} and {} at 32 TFLOP, {} and {} at 64, {} and {} at 128".format(*ends)
    assert told in text


@pytest.mark.parametrize("name", ["scaling", "scaling-nano", "scaling-camera"])
def test_rates_are_those_of_the_runs(name: str) -> None:
    records = json.loads((DOCS / f"{name}-runs.json").read_text())
    rates = sorted(r["flops"] / r["seconds"] / 1e9 for r in records)
    assert f"{rates[0]:.0f} to {rates[-1]:.0f} GFLOP/s" in " ".join(PAGE.split())


def test_the_table_of_moving_cameras_is_that_of_the_files() -> None:
    name = "scaling-camera"
    records, rows, table = json.loads((DOCS / f"{name}-runs.json").read_text()), drawn(name), cells(MOVING)
    assert len(table) == len(records) >= 5
    assert float(table[-1][0][0]) >= 16 * float(table[0][0][0])
    measured = {
        3: ("frechet[worlds]", "geometry"),
        4: ("frechet[worlds]", "revisit"),
        7: ("aj", "geometry"),
        8: ("return_px", "revisit"),
        9: ("S", "geometry"),
        10: ("S", "revisit"),
    }
    for row in table:
        tera = float(row[0][0])
        (size,) = {r["params"] for r in records if r["flops"] == pytest.approx(tera * 1e12, rel=0.02)}
        assert row[2] == [f"{size:,}"], row
        for place, (metric, suite) in measured.items():
            mine = [float(point["value"]) for point in points(rows, tera, metric, suite)]
            assert agree(row[place], mine), (metric, suite, tera)
        read = points(rows, tera, "reproj_px")
        shown = [] if row[5] == ["–"] else row[5]
        assert agree(shown, [float(point["value"]) for point in read]), (tera, read)
        assert row[6] == ([point["scenes"] for point in read] or ["0"]), (tera, read)
        assert all(point["of_scenes"] == "32" for point in read)


def test_the_table_of_sizes_is_that_of_its_file() -> None:
    (series,) = json.loads((DOCS / "scaling-sizes.json").read_text())["series"]
    table = cells("| width x depth | parameters | 2 TFLOP |")
    assert len(table) * 4 == len(series["runs"]) == 20
    for row in table:
        for place, tera in enumerate((2, 4, 8, 16), 2):
            (mine,) = (
                run
                for run in series["runs"]
                if run["flops"] == pytest.approx(tera * 1e12, rel=0.02) and f"{run['params']:,}" == row[1][0]
            )
            assert f"-{row[0][0]}-" in mine["name"] and agree(row[place], [mine["value"]])
