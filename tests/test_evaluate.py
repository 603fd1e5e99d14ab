"""`simbench.evaluate` is the command line in Python: equal bytes, equal keys, a table that draws itself."""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toy
from test_arrows import HEAVY, ROOT, modules_after

import simbench
from examples.my_model import MyModel
from reports.inline import inline_text
from simbench import Table, UserError, exits
from simbench.cli import main

TARGET = "examples.my_model.MyModel"


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Any]:
    """Options of a small run of the toy suite, its results and its store in tmp_path."""
    conf = toy.write_config(tmp_path)
    return {
        "suite": "toy",
        "cases": 3,
        "engine": "inline",
        "clips": 1,
        "config_dir": conf,
        "store": tmp_path / "store",
        "out": tmp_path / "py",
    }


def command(base: dict[str, Any], *arguments: str) -> int:
    """The same run on the command line, results in `cli`."""
    plain = [f"{key}={value}" for key, value in base.items() if key not in ("config_dir", "out")]
    return main(
        [f"--config-dir={base['config_dir']}", *plain, f"out={base['out'].parent / 'cli'}", *arguments]
    )


def videos(base: dict[str, Any]) -> set[Path]:
    """What the store holds."""
    return set(base["store"].glob("video/*/*"))


@pytest.mark.parametrize(
    "statement", ["import simbench", "import simbench; simbench.evaluate, simbench.Table"]
)
def test_the_import_is_light(statement: str) -> None:
    loaded, _ = modules_after("-c", statement)
    assert not loaded & {*HEAVY, "numpy", "pandas", "omegaconf"}
    assert ("json" in loaded) == ("evaluate" in statement), "nothing but the package before it is asked for"


def test_names_of_the_package() -> None:
    assert {"evaluate", "Table", "UserError", "Clip", "__version__"} <= set(dir(simbench))
    with pytest.raises(AttributeError, match="has no attribute 'evalute'"):
        simbench.evalute  # noqa: B018


@pytest.mark.parametrize(
    ("generator", "arguments", "label"),
    [
        ("box", ["generator=box"], None),
        (TARGET, ["generator=python", f"generator.target={TARGET}"], None),
        (MyModel, ["generator=python", f"generator.target={TARGET}"], "python"),
        (MyModel(), ["generator=python", f"generator.target={TARGET}"], "python"),
        (toy.Box("noise", token="t"), ["generator=box", "generator.mode=noise", "generator.token=t"], "box"),
    ],
    ids=["name", "target", "class", "object", "whole generator"],
)
def test_the_scores_and_keys_are_those_of_the_command_line(
    base: dict[str, Any],
    generator: Any,
    arguments: list[str],
    label: str | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = command(base, *arguments)
    printed, before = capfd.readouterr().out, videos(base)
    assert before
    table = simbench.evaluate(generator, **base, **({} if label is None else {"label": label}))
    assert (base["out"] / "scores.csv").read_bytes() == (
        base["out"].parent / "cli" / "scores.csv"
    ).read_bytes()
    assert videos(base) == before, "every video came from the store"
    assert table.complete == (code == exits.OK)
    assert str(table).split("\n\n")[0] == printed.split("\n\n")[0], "the printed table"
    assert capfd.readouterr().out == "", "returned, not printed as well"


def test_the_table(base: dict[str, Any]) -> None:
    table = simbench.evaluate("box", **base, seed=7)
    assert (table.score, table.low, table.high) == (100.0, 100.0, 100.0)
    assert [row["role"] for row in table] == ["subject", "oracle", "observer", *["baseline"] * 4]
    assert len(table) == 7 and table.folder == base["out"] and table.complete
    assert table.rows[0]["suite"] == "toy" and "7-0" in (table.folder / "scores.csv").read_text()
    assert table.clips[0].why == "worst" and table.clips[0].strip.is_file() and table.clips[0].video.is_file()
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.folder = Path()
    with pytest.raises(TypeError):
        table.rows[0]["score"] = 100.0
    assert repr(table).startswith("Table(folder=")
    record = json.loads((table.folder / "run.json").read_text())
    assert record["resume"].startswith("simbench.evaluate('box', suite='toy', cases=3, ")
    shutil.rmtree(table.folder / "clips")
    assert table.clips == ()


def test_pandas(base: dict[str, Any]) -> None:
    pandas = pytest.importorskip("pandas")
    table = simbench.evaluate(toy.Box("raises on a"), **base, label="NA")
    rows = table.to_pandas()
    assert rows["role"][0] == "subject" and rows["score"][0] == table.score and rows["failed"][0] == 1
    assert not table.complete
    lines = table.to_pandas(scores=True)
    assert len(lines) == len((table.folder / "scores.csv").read_text().splitlines()) - 1
    assert set(lines["generator"]) >= {"NA", "oracle"}
    assert lines["case"].isna().sum() == (lines["sample"].isna()).sum() > 0
    assert pandas.api.types.is_integer_dtype(lines["world_seed"])


def test_without_pandas_one_line_says_so(base: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table((), base["out"], True, "", "")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        table.to_pandas()


def test_several_suites_have_no_one_score(base: dict[str, Any]) -> None:
    other = base["config_dir"] / "suite" / "again.yaml"
    other.write_text(toy.SUITE + "name: again\n")
    table = simbench.evaluate("box", **{**base, "suite": ["toy", "again"], "clips": 0})
    assert {row["suite"] for row in table} == {"toy", "again"}
    with pytest.raises(UserError, match=r"2 suites \(toy, again\), which are never averaged"):
        table.score  # noqa: B018


def test_results_of_one_session_do_not_share_a_folder(
    base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = {**base, "cases": 1, "clips": 0, "anchors": "none"}
    del more["out"]
    first, second = simbench.evaluate("box", **more), simbench.evaluate("box", **more)
    assert first.folder != second.folder
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d\.\d{6}", str(first.folder))


@pytest.mark.parametrize(
    ("generator", "options", "answer"),
    [
        ("box", {"frmes": 9}, "unknown option frmes; did you mean frames?"),
        ("flwo", {}, "generator=flwo is not one of .*; did you mean flow?"),
        ("box", {"suite": "permanense"}, "did you mean permanence?"),
        ("box", {"look": "ritch"}, "did you mean rich?"),
        ("box", {"mode": "plan"}, "mode=plan makes no table"),
        ("box", {"cases": "many"}, "'many'.* Integer"),
        ("box", {"cases": 0}, "cases=0 measures nothing"),
        ("box", {"size": [32]}, r"size=\[32\] is a list; use a number, text"),
        ("box", {"generator.mod": "x"}, "generator box has mode, pool, token; did you mean mode?"),
        ("box", {"label": "a, 'b' \\ {c} \\' \\\\"}, None),
        ("box", {"out": "/proc/nowhere"}, "cannot write to out=/proc/nowhere"),
        ("no_such_package.Model", {}, "No module named 'no_such_package'"),
        (TARGET + "s", {}, "has no attribute 'MyModels'"),
        (7, {}, "generator=7 is not callable"),
        (toy.Box(), {"generator.fps": 9}, "generator.fps has no effect on Box, which is a whole generator"),
        (print, {}, "add identity()"),
    ],
)
def test_what_is_asked_wrongly(
    base: dict[str, Any], generator: Any, options: dict[str, Any], answer: str | None
) -> None:
    more = {**base, "cases": 1, "clips": 0, "anchors": "none", **options}
    if answer is None:
        assert simbench.evaluate(generator, **more).subject["generator"] == options["label"]
        return
    with pytest.raises(UserError, match=answer.replace("identity()", r"identity\(\)")) as caught:
        simbench.evaluate(generator, **more)
    assert "\n" not in str(caught.value)


def test_the_command_line_says_it_in_one_line_too(
    base: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(base, "generator=python", "generator.target=no_such.Model") == exits.TROUBLE
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("simbench: generator.target=no_such.Model cannot be loaded: ModuleNotFoundError")


def test_hydra_of_the_calling_program_is_left_alone(base: dict[str, Any]) -> None:
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_dir(str(base["config_dir"]), version_base="1.3"):
        mine = GlobalHydra.instance().hydra
        simbench.evaluate("box", **{**base, "cases": 1, "clips": 0, "anchors": "none"})
        assert GlobalHydra.instance().hydra is mine is not None


def test_a_script_without_a_guard_may_use_workers(base: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    options = {k: str(v) if isinstance(v, Path) else v for k, v in base.items()} | {
        "engine": "local",
        "workers": 2,
    }
    script.write_text(
        "import numpy as np, simbench\n"
        "class Mine:\n"
        "    def __call__(self, frames, prompt, n_frames, fps, seed):\n"
        "        return np.concatenate([frames, np.repeat(frames[-1:], n_frames - len(frames), 0)])\n"
        f"print('once'); print(simbench.evaluate(Mine(), **{options!r}).score)\n"
    )
    path = f"{ROOT}{os.pathsep}{toy.TESTS}"
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "once\n0.0\n", done.stderr[-2000:]


class Reader(html.parser.HTMLParser):
    """Gathers tags, addresses and text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.pictures: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        assert not {name for name, _ in attrs} & {"href", "onload", "onclick"}
        self.tags.append(tag)
        if tag == "img":
            head, _, data = str(dict(attrs)["src"]).partition(",")
            assert head == "data:image/svg+xml;base64"
            self.pictures.append(base64.b64decode(data).decode())
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self.text += data


def test_the_html_is_whole_escaped_and_drawn(base: dict[str, Any]) -> None:
    evil = "<script>alert('1')</script>"
    table = simbench.evaluate("box", **base, label=evil, **{"generator.mode": "raises on a"})
    reader = Reader()
    reader.feed(table._repr_html_())
    assert not reader.open and "script" not in reader.tags and evil in reader.text
    assert "svg" not in reader.tags, "notebooks drop it"
    marks = [picture for picture in reader.pictures if "<circle" in picture]
    assert len(marks) == len(table.rows) + 1, "every row and zero has its mark"
    assert "83.3" in reader.text and "1 failed of 6, scored as zero" in reader.text
    assert "url(" not in table.html and "@import" not in table.html
    # The interval of 50, 100, 100 reaches past the oracle; its line is drawn between its own ends.
    (mine,) = [picture for picture in marks if 'r="5"' in picture]
    drawn = re.search(r'd="M([\d.]+) 11H([\d.]+)".*cx="([\d.]+)"', mine)
    low, high, at = map(float, drawn.groups())
    assert at - low == pytest.approx(high - at, abs=0.2) and high - low > 50


def test_undefined_scores_are_drawn_as_nothing(base: dict[str, Any]) -> None:
    table = simbench.evaluate("box", **{**base, "cases": 1, "clips": 0, "anchors": "none"})
    assert table.score == 100.0 and table.low is None and table.high is None
    row = {**table.rows[0], "score": None, "metrics": {}}
    reader = Reader()
    reader.feed(inline_text([row]))
    assert ["<circle" in picture for picture in reader.pictures] == [False, False, True], "zero alone"
