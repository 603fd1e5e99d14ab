"""The leaderboards: never mixed, sorted, linked to reports, and not stopped by a broken run."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pages
import pytest

from reports.aggregate import ReportError
from reports.page.compose import page_text
from reports.site.__main__ import main, site_text, write_site
from reports.site.boards import Entry, Run, boards, find_runs, ranked


def run(name: str, *rows: dict[str, Any]) -> Run:
    """A run with rows."""
    return Run(Path(name), name, "2026-01-01", "", rows)


def names(found: list[Entry] | Any) -> list[str]:
    """Generators in order."""
    return [str(entry.row["generator"]) for entry in found]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs that can be read, of which one is another version, and two that cannot."""
    folder = tmp_path / "runs"
    pages.small_run(folder / "a", generator="low", score=10.0)
    pages.small_run(folder / "deep" / "b", generator="high", score=90.0, exposure="zero-shot")
    pages.small_run(folder / "c", generator="old", version=2, score=99.0)
    broken = pages.small_run(folder / "cut")
    (broken / "summary.json").write_bytes((broken / "summary.json").read_bytes()[:100])
    (folder / "half").mkdir()
    (folder / "half" / "scores.csv").write_text("x\n")
    return folder


def test_tables_are_never_mixed() -> None:
    rows = [
        pages.row(generator="a"),
        pages.row(generator="b", version=2),
        pages.row(generator="c", setting="64"),
        pages.row(generator="d", given="i2v"),
        pages.row(generator="e", suite="other"),
    ]
    found = boards([run("r", *rows)])
    assert [(b.suite, b.version, b.setting, b.given, names(b.entries)) for b in found] == [
        ("other", 1, "32x32x5@8 plain", "v2v", ["e"]),
        ("toy", 2, "32x32x5@8 plain", "v2v", ["b"]),
        ("toy", 1, "32x32x5@8 plain", "i2v", ["d"]),
        ("toy", 1, "32x32x5@8 plain", "v2v", ["a"]),
        ("toy", 1, "64", "v2v", ["c"]),
    ]
    assert [b.told for b in found] == [
        "", "", "32x32x5@8 plain, i2v", "32x32x5@8 plain, v2v", "64"
    ]  # fmt: skip
    shown = site_text(found, [], 1)
    names_of = re.findall(r'<a href="#board-\d">(.*?)</a>', shown)
    assert len(set(names_of)) == 5 and names_of[4] == "<bdi>toy</bdi>@1 <small><bdi>64</bdi></small>"
    assert found[0].others == []
    assert found[1].others == ["@1 32x32x5@8 plain, i2v", "@1 32x32x5@8 plain, v2v", "@1 64, v2v"]


def test_rows_stand_by_score_and_what_is_undefined_last() -> None:
    rows = [
        pages.row(generator=g, score=s) for g, s in (("b", 1.0), ("a", 1.0), ("none", None), ("top", 2.0))
    ]
    anchor = pages.row(generator="oracle", role="oracle", score=1.0)
    made = run("r")
    assert names(ranked([Entry(r, made, 0) for r in [*rows, anchor]])) == ["top", "oracle", "a", "b", "none"]


def test_equal_anchors_stand_once_and_cheats_not_at_all() -> None:
    oracle = pages.row(generator="oracle", role="oracle", score=100.0)
    cheat = pages.row(generator="ghost", role="cheat")
    found = boards(
        [run("x", oracle, cheat, pages.row()), run("y", oracle), run("z", {**oracle, "score": 99.0})]
    )
    assert [(str(e.row["generator"]), e.run.name, e.again) for e in found[0].entries] == [
        ("oracle", "x", 1), ("oracle", "z", 0), ("box", "x", 0)
    ]  # fmt: skip


def test_the_site_holds_runs_and_names_what_it_cannot_read(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site"
    assert main([f"runs={runs}", f"out={out}"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == f"{out / 'index.html'}: 3 runs"
    assert "cut is left out: summary.json cannot be read" in printed.err
    assert "half is left out: " in printed.err
    text = (out / "index.html").read_text()
    assert "not comparable" in text
    assert str(runs) not in text, "readers of a site do not have its folders"
    for said in (
        "Not comparable with this table",
        "@2 32x32x5@8 plain, v2v",
        "zero-shot",
        "Unreadable",
        "cut",
    ):
        assert said in text, said
    assert text.index(">high<") < text.index(">low<")
    assert "<bdi>oracle</bdi></th>" in text, "a row that is named as its role has one label"
    for name in ("a", "deep/b", "c"):
        assert f'href="runs/{name}/report.html"' in text
        assert (out / "runs" / name / "report.html").read_text() == page_text(runs / name)


def test_clips_that_a_report_links_to_come_along(runs: Path, tmp_path: Path) -> None:
    (runs / "a" / "clips" / "toy-00-truth.mkv").write_bytes(b"1")
    write_site(runs, tmp_path / "site")
    kept = sorted(p.name for p in (tmp_path / "site" / "runs" / "a" / "clips").iterdir())
    assert kept == ["toy-00-truth.mkv"], "pictures are inside the report"


def test_a_site_inside_its_runs_is_not_a_run(runs: Path) -> None:
    first, _ = write_site(runs, runs / "site")
    second, _ = write_site(runs, runs / "site")
    assert first == second == 3
    shutil.copy(runs / "a" / "summary.json", runs / "site" / "summary.json")
    assert write_site(runs, runs / "site")[0] == 3


def test_a_run_whose_table_is_cut_is_left_out(runs: Path, tmp_path: Path) -> None:
    whole = (runs / "a" / "scores.csv").read_text().splitlines(keepends=True)
    (runs / "a" / "scores.csv").write_text("".join(whole[:-1]))
    count, unreadable = write_site(runs, tmp_path / "site")
    assert count == 2
    assert any(name == "a" and "one of them is not whole" in why for name, why in unreadable)
    assert not (tmp_path / "site" / "runs" / "a").exists()


def test_the_day_is_the_runs_own_else_its_files(runs: Path) -> None:
    record = json.loads((runs / "a" / "run.json").read_text())
    (runs / "a" / "run.json").write_text(json.dumps({**record, "runtime": {"date": "2025-03-01"}}))
    os.utime(runs / "c" / "summary.json", (1_700_000_000, 1_700_000_000))
    dates = {r.name: r.date for r in find_runs(runs).runs}
    assert dates["a"] == "2025-03-01"
    assert dates["c"] == "2023-11-14"


@pytest.mark.parametrize("evil", pages.HOSTILE)
def test_what_comes_from_a_run_is_text(tmp_path: Path, evil: str) -> None:
    pages.small_run(tmp_path / "runs" / "a", suite=evil, generator=evil, setting=evil, exposure=evil)
    assert main([f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'site'}"]) == 0
    text = (tmp_path / "site" / "index.html").read_text()
    assert text.count("<script") == 1
    assert "<img" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs=a"], "out= is missing"),
        (["out=a"], "runs= is missing"),
        (["runs=/nowhere/at/all", "out=x"], "runs=/nowhere/at/all is no folder"),
        (["runs=a", "out=b", "what=c"], "cannot use 'what=c'"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_no_runs_are_an_empty_site(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert write_site(tmp_path / "runs", tmp_path / "site") == (0, [])
    assert "0 runs" in (tmp_path / "site" / "index.html").read_text()
    with pytest.raises(ReportError):
        find_runs(tmp_path / "none")


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_the_site_in_a_browser(runs: Path, tmp_path: Path, width: int) -> None:
    from reports.screenshots import chromium

    write_site(runs, tmp_path / "site")
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": width, "height": 900})
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.goto((tmp_path / "site" / "index.html").as_uri())
        assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        tab.locator("a", has_text="deep/b").first.click()
        tab.wait_for_url("**/runs/deep/b/report.html")
        assert tab.locator("h1").inner_text() == "high"
        assert said == []
