"""Rows of runs as one table: equal to what a run writes, to the written schema, and refused when damaged."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from data_runs import ODD, lines, two_runs

from reports import data, extras
from reports.aggregate import COLUMNS, ReportError
from reports.rows import read_rows, schema_columns, schema_text, schema_version
from simbench import case, scores, summary

ROOT = Path(__file__).resolve().parent.parent
ARROW = {"int32": "integer", "int64": "integer", "double": "number"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with outputs/a and outputs/b."""
    folder = tmp_path_factory.mktemp("made")
    two_runs(folder)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may change, as the working folder."""
    shutil.copytree(made / "outputs", tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which a command is refused."""
    assert data.main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("reports: ") and said.err.count("\n") == 1 and not said.out
    return said.err


def test_the_schema_is_what_a_run_writes(here: Path) -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    rows = list(read_rows(["outputs/a", "outputs/b"]))
    validator = jsonschema.Draft202012Validator(schema)
    for row in rows:
        validator.validate(row)
    written = [{**line, "run": run} for run in ("outputs/a", "outputs/b") for line in lines(Path(run))]
    assert len(rows) == len(written)
    for row, line in zip(rows, written, strict=True):
        assert {k: "" if v is None else repr(v) if k == "value" else str(v) for k, v in row.items()} == line
    assert {row["status"] for row in rows} == {"ok", "failed"}
    assert ODD in {row["generator"] for row in rows}


def test_names_and_values_are_those_of_the_writer() -> None:
    columns = {column.name: column for column in schema_columns()}
    assert tuple(columns) == ("run", *scores.COLUMNS) == ("run", *COLUMNS)
    assert columns["role"].allowed == set(scores.ROLES)
    assert columns["status"].allowed == set(summary.STATUSES)
    assert columns["given"].allowed == set(case.GIVEN)


def test_the_page_has_the_schema() -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    told = re.findall(r"^\| (\w+) \| (string|int32|int64|double) \| (yes|no) \| (.*) \|$", page, re.M)
    assert [(n, ARROW.get(k, k), null == "yes", about) for n, k, null, about in told] == [
        (c.name, c.kind, c.null, c.about) for c in schema_columns()
    ]
    assert f"## The schema, version {schema_version()}" in page


def test_parquet_holds_every_value_its_description_and_the_runs(here: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `data`, which .ci/run installs")
    assert data.main(["run=outputs/a,outputs/b", "out=deep/er/scores.parquet"]) == 0
    table = parquet.read_table("deep/er/scores.parquet")
    assert table.to_pylist() == list(read_rows(["outputs/a", "outputs/b"]))
    for column, field in zip(schema_columns(), table.schema, strict=True):
        assert field.name == column.name and field.nullable == column.null
        assert field.metadata[b"description"].decode() == column.about
        kind = str(getattr(field.type, "value_type", field.type))
        assert ARROW.get(kind, kind) == column.kind
    told = table.schema.metadata
    assert told[b"simbench.schema_version"] == b"1"
    assert json.loads(told[b"simbench.schema"]) == json.loads(schema_text())
    assert set(json.loads(told[b"simbench.runs"])) == {"outputs/a", "outputs/b"}
    assert json.loads(told[b"simbench.runs"])["outputs/b"]["generator"] == ODD
    first = Path("deep/er/scores.parquet").read_bytes()
    assert data.main(["run=outputs/a,outputs/b", "out=deep/er/scores.parquet"]) == 0
    assert Path("deep/er/scores.parquet").read_bytes() == first, "equal rows, equal bytes"


def test_csv_is_the_same_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data.main(["run=outputs/a/scores.csv,outputs/b", "out=all.csv"]) == 0
    found = list(csv.DictReader(io.StringIO(Path("all.csv").read_text(encoding="utf-8"), newline="")))
    assert [{k: v for k, v in row.items() if k != "run"} for row in found] == [
        *lines(here / "outputs/a"),
        *lines(here / "outputs/b"),
    ]
    assert capsys.readouterr().out == f"all.csv: {len(found)} rows of 2 runs\n"
    assert not list(here.glob(".*tmp"))


def test_the_code_of_the_page_runs(here: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `data`, which .ci/run installs")
    pytest.importorskip("pandas")
    pytest.importorskip("duckdb")
    assert data.main(["run=outputs/a,outputs/b", "out=scores.parquet"]) == 0
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.S)
    assert len(blocks) == 3
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout
    assert re.search(r"outputs/a +box +83\.3+ ", said), "the mean of the scene rows"
    assert re.search(r"mean +16\.66", said), "b beats a by 16.7 on the same scenes"
    assert re.search(r"failed[ │]+1 ", said) and re.search(r"│ 1 +│", said)
    assert "permanence@3" in said or "permanence@" in said
    assert "copy_last" in said


def test_ci_installs_what_these_tests_need() -> None:
    run = (ROOT / ".ci" / "run").read_text()
    assert "'.[dev,data,wandb,tensorboard,mlflow]'" in run, "tests that need an extra would be skipped"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["rum=a", "out=x.csv"], "unknown option rum; options are run, out, to, project; did you mean run?"),
        (["run=outputs/a"], "out= is missing"),
        (["out=x.csv"], "run= is missing"),
        (["outputs/a"], "'outputs/a' is not an option"),
        (["run=outputs/a", "run=outputs/b", "out=x.csv"], "run= is given twice; several runs are one list"),
        (["run=outputs/a", "out=x.xlsx"], "ends neither in .parquet nor in .csv"),
        (["run=outputs/a", "out=x", "to=tensorbord"], "did you mean tensorboard?"),
        (["run=outputs/a", "out=x.csv", "to=parquet"], "out=x.csv does not end in .parquet"),
        (["run=outputs/a", "out=x.csv", "to=wandb"], "out=x.csv is a file, and to=wandb writes a folder"),
        (["run=nowhere", "out=x.csv"], "run=nowhere: there is no such folder"),
        (["run=outputs", "out=x.csv"], "run=outputs: the folder has no scores.csv"),
        (["run=outputs/a,outputs/../outputs/a/", "out=x.csv"], "is given twice; its rows would count twice"),
        (["run=outputs/a", "out=outputs/a/run.json/x.csv"], "run.json"),
    ],
)
def test_what_is_asked_wrongly(
    here: Path, arguments: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer in refused(capsys, *arguments)
    assert not Path("x.csv").exists()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert data.main(["--help"]) == 0
    assert "to=TRACKER" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (lambda text: text[: len(text) // 2].rstrip("\n") + ",x", r":\d+ is damaged: "),
        (lambda text: text.rsplit(",", 2)[0], r"is damaged: 12 fields instead of 14|is damaged"),
        (lambda text: text.rstrip("\n"), "is cut off in its last line"),
        (lambda text: "\n".join(text.split("\n")[:9]) + "\n", r"is cut off: \d+ of \d+ videos of"),
        (lambda text: "\n".join(text.split("\n")[:-2]) + "\n", "is cut off: 2 of 3 scenes of S of"),
        (lambda text: text.split("\n")[0] + "\n", "has no rows: nothing was measured"),
        (lambda text: "", "is no scores.csv of schema 1"),
        (lambda text: text.replace("world_seed,", "", 1), "it lacks world_seed;"),
        (
            lambda text: text.replace(",reason", ",reason,seconds", 1),
            "it has seconds beside them; read it with",
        ),
        (lambda text: text.replace("suite,version", "version,suite", 1), "its order is another"),
        (lambda text: text.replace(",1.0,ok", ",nan,ok", 1), r":\d+ is damaged: value 'nan' is out of range"),
        (lambda text: text.replace(",1.0,ok", ",one,ok", 1), "value 'one' is no number"),
        (
            lambda text: text.replace(",ok,", ",fine,", 1),
            "status 'fine' is not one of failed, invalid, missing",
        ),
        (lambda text: text.replace("toy,1,", "toy,,", 1), "version is empty"),
        (lambda text: text.replace("toy,1,", "toy,99999999999,", 1), "version '99999999999' is out of range"),
        (lambda text: text.replace("toy,", '"toy,', 1), "is damaged"),
    ],
)
def test_a_damaged_run_is_named(here: Path, spoil, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("outputs/b/scores.csv")
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    said = refused(capsys, "run=outputs/a,outputs/b", "out=x.csv")
    assert re.search(answer, said), said
    assert "outputs/b/scores.csv" in said
    assert not Path("x.csv").exists()


def test_other_damage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("outputs/b/scores.csv").write_bytes(b"suite,\xff\n")
    assert "byte 6 is no UTF-8" in refused(capsys, "run=outputs/b", "out=x.csv")
    Path("outputs/a/summary.json").write_text('{"schema": 2, "rows": []}')
    assert "is no summary.json of schema 1" in refused(capsys, "run=outputs/a", "out=x.csv")


def test_a_folder_with_a_comma_is_one_run(here: Path) -> None:
    Path("outputs/a").rename("outputs/a,b")
    assert data.main(["run=outputs/a,b", "out=x.csv"]) == 0
    assert next(iter(read_rows(["outputs/a,b"])))["run"] == "outputs/a,b"


def test_a_package_that_is_not_there_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package, out, extra in (
        ("pyarrow", "out=x.parquet", "data"),
        ("wandb", "to=wandb", "wandb"),
        ("tensorboard", "to=tensorboard", "tensorboard"),
        ("mlflow", "to=mlflow", "mlflow"),
        ("sqlalchemy", "to=mlflow", "mlflow"),
    ):
        if package == "sqlalchemy" and importlib.util.find_spec("mlflow") is None:
            continue
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)
        more = [] if out.startswith("out=") else ["out=x"]
        said = refused(capsys, "run=outputs/a", out, *more)
        assert f"needs {package}, which is not installed: pip install -e '.[{extra}]'" in said
        monkeypatch.undo()
        monkeypatch.chdir(here)


def test_nothing_half_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("before")

    def fails() -> None:
        with extras.replacing(path) as temporary:
            temporary.write_text("half")
            raise ReportError("stop")

    with pytest.raises(ReportError, match="stop"):
        fails()
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_hundred_thousand_rows_take_seconds(here: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `data`, which .ci/run installs")
    header, line = (here / "outputs/b/scores.csv").read_text(encoding="utf-8").splitlines()[:2]
    many = [line.replace(",public-0,", f",public-{i},") for i in range(100_000)]
    assert len(set(many)) == 100_000
    (here / "many").mkdir()
    (here / "many/scores.csv").write_text("\n".join([header, *many]) + "\n", encoding="utf-8")
    started = time.perf_counter()
    assert data.main(["run=many", "out=many.parquet"]) == 0
    took = time.perf_counter() - started
    print(f"100,000 rows in {took:.2f} s, {Path('many.parquet').stat().st_size} bytes")
    assert took < 20
