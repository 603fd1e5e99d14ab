"""The table and the page say what the files say, refuse what is mixed, and need nothing else."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import toy

from reports.aggregate import ReportError, blocks, read_scores, read_summary, refuse_mixed
from reports.page import write_page
from reports.table import cells, columns, main, notes, number, table_text
from simbench.summary import summary_text

SCHEMA = Path(__file__).resolve().parent.parent / "reports" / "schema" / "summary.schema.json"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run with one failing case, a cheat and pictures."""
    folder = tmp_path_factory.mktemp("ran")
    toy.go(folder, toy.Box("raises on a"), cheats="cheat_3", clips=2, max_incomplete=1)
    return folder / "out"


@pytest.fixture
def run(ran: Path, tmp_path: Path) -> Path:
    """A copy of those results that a test may change."""
    return Path(shutil.copytree(ran, tmp_path / "run"))


def row(**changes: Any) -> dict[str, Any]:
    """A row of summary.json."""
    base = {
        "suite": "toy", "version": 1, "setting": "s", "given": "v2v", "generator": "box", "role": "subject",
        "exposure": "unknown", "score": 40.0, "low": 30.0, "high": 50.0, "scenes": 8, "planned": 16, "ok": 16,
        "invalid": 0, "missing": 0, "failed": 0, "refused": 0, "bound": None, "mde": 9.0, "kappa": None,
        "metrics": {"S": {"mean": 40.0, "low": 30.0, "high": 50.0, "scenes": 8}}, "reasons": {},
    }  # fmt: skip
    return {**base, **changes}


def test_summary_keeps_its_schema(ran: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    found = json.loads((ran / "summary.json").read_text())
    jsonschema.validate(found, schema)
    roles = [r["role"] for r in found["rows"]]
    assert sorted(roles) == ["baseline", "cheat", "observer", "oracle", "subject"]


@pytest.mark.parametrize(
    "change",
    [
        {"score": "40"},
        {"role": "winner"},
        {"planned": -1},
        {"extra": 1},
        {"metrics": {"S": 3}},
        {"columns": "place"},
        {"given": "x"},
    ],
)
def test_the_schema_can_refuse(ran: Path, change: dict[str, Any]) -> None:
    found = json.loads((ran / "summary.json").read_text())
    found["rows"][0] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, json.loads(SCHEMA.read_text()))


def test_summary_holds_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        summary_text({"schema": 1, "rows": [{"score": float("nan")}]})


def test_the_table_shows_every_row_its_counts_and_reasons(ran: Path) -> None:
    text = table_text(ran)
    lines = text.splitlines()
    assert lines[0].startswith("toy@1  32x32x5@8 plain v2v d0.25  3 scenes, 95 % t interval over scenes")
    names = [line.split()[0] for line in lines[2:8]]
    assert names == ["oracle", "observer", ">", "still", "zero", "cheat_3"]
    assert "5/6" in lines[4]
    assert "box: 1 failed of 6, scored as zero: 1 x failed: ValueError: I cannot" in text
    assert "instrument error: the truth itself reads 100.0, 0.0 off" in text
    assert "the smallest difference from a fixed score that 3 scenes show" in text
    assert "(at most 5)" in text


SMALLEST = "the smallest difference from a fixed score that 3 scenes show (80 % power, two-sided 5 %): "


@pytest.mark.parametrize(
    ("mde", "said"),
    [
        (0.0, ["all 3 scenes read the same: what difference they would show is not known"]),
        (0.04, [SMALLEST + "0.0"]),
        (9.0, [SMALLEST + "9.0"]),
        (None, []),
    ],
)
def test_equal_scenes_claim_no_smallest_difference(mde: float | None, said: list[str]) -> None:
    assert [note for note in notes(blocks([row(mde=mde, scenes=3)])[0]) if "difference" in note] == said


def test_a_suite_says_which_metrics_come_first() -> None:
    one = {"mean": 1.0, "low": None, "high": None, "scenes": 1}
    found = dict.fromkeys(("S", "drift", "place", "motion", *(f"b{i}" for i in range(9))), one)
    shown = columns(blocks([row(metrics=found, columns=["place", "motion", "absent"])])[0])
    assert shown == ["place", "motion", "b0", "b1", "b2", "b3", "b4"]
    assert columns(blocks([row(metrics=found)])[0])[:2] == ["b0", "b1"]


def test_the_score_and_its_interval_are_those_of_the_scene_lines(ran: Path) -> None:
    values = [x.value for x in read_scores(ran / "scores.csv") if x.role == "subject" and not x.case]
    assert sorted(values) == [50.0, 100.0, 100.0]
    block = blocks(read_summary(ran / "summary.json"))[0]
    assert block.row("subject")["score"] == pytest.approx(sum(values) / 3)
    # t(0.975, 2) sd / sqrt(3), with sd = 28.87.
    assert block.row("subject")["high"] == pytest.approx(250 / 3 + 4.30265 * 28.8675 / 3**0.5, rel=1e-4)


def test_a_setting_that_the_observer_cannot_answer_is_named() -> None:
    def said(**found: object) -> list[str]:
        observer = row(role="observer", generator="observer", **found)
        return [n for n in notes(blocks([row(), observer])[0]) if "observer reaches" in n]

    for high in (89.9, None):
        (note,) = said(score=87.5, high=high)
        assert note.startswith("not answerable: the observer reaches 87.5, below 90")
    # Few scenes do not tell a setting without an answer from bad luck.
    (note,) = said(score=87.5, high=99.0, scenes=8)
    assert "is not settled: in 8 scenes the observer reaches 87.5, 99.0 at the most" in note
    assert said(score=90.0, high=91.0) == []


def test_readers_that_disagree_are_named() -> None:
    block = blocks([row(kappa=0.79), row(role="oracle", generator="oracle", kappa=0.81, score=99.0)])[0]
    said = "\n".join(notes(block))
    assert "readers disagree on box: kappa 0.79" in said
    assert "on oracle" not in said
    assert "reads 99.0, 1.0 off" in said
    assert cells(block)[0][4] == "kappa"


def test_undefined_is_a_dash_and_zero_has_no_sign() -> None:
    assert number(None) == "-"
    assert number(-0.04) == "0.0"
    assert number(-3.25) == "−3.2"
    block = blocks([row(score=None, low=None, high=None, mde=None, metrics={})])[0]
    assert cells(block)[1][:4] == ["> box (unknown)", "-", "", "16/16"]


def test_two_models_in_one_table_are_refused(run: Path) -> None:
    path = run / "scores.csv"
    text = path.read_text()
    other = [
        line.replace(",box,subject", ",rival,subject") for line in text.splitlines() if ",subject," in line
    ]
    path.write_text(text + "\n".join(other) + "\n")
    with pytest.raises(
        ReportError, match=r"one table cannot hold 2 subjects \(box, rival\); compare two runs"
    ):
        table_text(run)
    with pytest.raises(ReportError, match="2 subjects"):
        write_page(run)
    assert main([f"run={run}"]) == 2


def test_one_value_twice_is_refused(run: Path) -> None:
    lines = read_scores(run / "scores.csv")
    with pytest.raises(ReportError, match="has hit of public-0-b twice"):
        refuse_mixed([*lines, next(x for x in lines if x.role == "subject" and x.metric == "hit")])


@pytest.mark.parametrize(
    ("column", "value", "what"), [("version", "2", "versions"), ("setting", "x", "settings")]
)
def test_other_mixtures_are_refused(run: Path, column: str, value: str, what: str) -> None:
    header, first, *rest = (run / "scores.csv").read_text().splitlines()
    fields = first.split(",")
    fields[header.split(",").index(column)] = value
    (run / "scores.csv").write_text("\n".join([header, ",".join(fields), *rest]) + "\n")
    with pytest.raises(ReportError, match=f"cannot hold 2 {what}"):
        table_text(run)


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("scores.csv", "a,b\n1,2\n", "is no scores.csv: its columns are a, b"),
        ("summary.json", "{", "cannot be read"),
        ("summary.json", '{"schema": 7}', "no summary.json of schema 1"),
    ],
)
def test_damaged_files_are_told(run: Path, name: str, text: str, answer: str) -> None:
    (run / name).write_text(text)
    with pytest.raises(ReportError, match=answer):
        table_text(run)


def test_a_damaged_line_is_told_with_its_number(run: Path) -> None:
    path = run / "scores.csv"
    path.write_text(path.read_text().replace(",1.0,ok", ",much,ok", 1))
    with pytest.raises(ReportError, match=r"scores\.csv:\d+ is damaged: .*much"):
        read_scores(path)


def test_the_table_of_an_earlier_run_is_a_command(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"run={ran}"]) == 0
    assert capsys.readouterr().out.strip() == table_text(ran)
    assert main([]) == 2
    assert main(["run=/nowhere/at/all"]) == 2


def test_the_worst_cases_come_first(ran: Path) -> None:
    listing = json.loads((ran / "clips" / "clips.json").read_text())["clips"]
    assert [c["why"] for c in listing] == ["worst", "worst", "random", "random"]
    assert (listing[0]["case"], listing[0]["status"]) == ("public-0-a", "failed")
    assert len({c["case"] for c in listing}) == 4


def test_equal_runs_show_equal_pictures(ran: Path, tmp_path: Path) -> None:
    toy.go(tmp_path, toy.Box("raises on a"), cheats="cheat_3", clips=2)
    for path in sorted((ran / "clips").iterdir()):
        assert path.read_bytes() == (tmp_path / "out" / "clips" / path.name).read_bytes(), path.name


def test_blocks_keep_suites_apart() -> None:
    rows = [row(), row(suite="other"), row(role="oracle", generator="oracle", score=100.0)]
    found = blocks(copy.deepcopy(rows))
    assert [(b.suite, len(b.rows)) for b in found] == [("toy", 3), ("other", 2)]
