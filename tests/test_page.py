"""The page as text: whole in itself, true to the files, and deaf to what is written in them."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pages
import pytest
import toy

from reports.aggregate import ReportError
from reports.page import page_text, write_page
from reports.page.__main__ import main
from reports.page.cases import OFF, suite_columns
from reports.page.clips import read_clips
from reports.page.compose import embedded, policy
from reports.page.scale import Scale


class Outline(HTMLParser):
    """Text outside scripts and styles, tags, addresses and ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.data = ""
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag and of what it points to."""
        self.tags.append(tag)
        named = dict(attrs)
        self.addresses += [str(named[k]) for k in ("src", "href", "srcset", "action") if k in named]
        self.ids += [str(named["id"])] if "id" in named else []
        self.inside = f"{tag} {named.get('type', '')}".strip() if tag in ("script", "style") else self.inside

    def handle_endtag(self, tag: str) -> None:
        """Leave a script or a style."""
        self.inside = "" if tag in ("script", "style") else self.inside

    def handle_data(self, data: str) -> None:
        """Keep text by where it stands."""
        if self.inside == "script application/json":
            self.data += data
        elif not self.inside:
            self.text.append(data)


def outline(text: str) -> Outline:
    """The parsed page."""
    found = Outline()
    found.feed(text)
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run with one failing case, a cheat and pictures."""
    folder = tmp_path_factory.mktemp("ran")
    toy.go(folder, toy.Box("raises on a"), cheats="cheat_3", clips=2, max_incomplete=1)
    return folder / "out"


def test_the_page_of_a_run_holds_its_numbers(ran: Path) -> None:
    page = outline(page_text(ran))
    text = " ".join(" ".join(page.text).split())
    for said in ("83.3", "11.6 to 155.0", "5/6", "cheat_3", "at most 5", "ValueError: I cannot",
                 "Farthest from the truth", "Drawn by chance", "instrument error"):  # fmt: skip
        assert said in text, said
    data = json.loads(page.data)
    assert data["clips"][0]["case"] == "public-0-a"
    assert data["suites"]["toy"]["rows"] == 30
    assert data["clips"][0]["made"] == ""
    assert all(c["truth"].startswith("data:image/webp;base64,") for c in data["clips"])


def test_the_page_is_whole_in_itself(ran: Path) -> None:
    text = page_text(ran)
    page = outline(text)
    beside = [a for a in page.addresses if not a.startswith(("#", "data:"))]
    assert all((ran / a).is_file() for a in beside)
    assert {Path(a).suffix for a in beside} == {".mkv", ".webm", ".txt"}
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src &#39;none&#39;" in text
    assert len(page.ids) == len(set(page.ids))


def test_every_anchor_leads_somewhere(ran: Path) -> None:
    page = outline(page_text(ran))
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)


@pytest.mark.parametrize("evil", pages.HOSTILE)
def test_what_comes_from_a_run_is_text(tmp_path: Path, evil: str) -> None:
    clean = outline(page_text(pages.small_run(tmp_path / "clean")))
    run = pages.small_run(tmp_path / "run", suite=evil, generator=evil, setting=evil, reasons={evil: 1})
    for name in ("run.json", "clips/clips.json"):
        found = json.loads((run / name).read_text())
        if name == "run.json":
            found |= {"resume": evil, "generator": evil, "config": {"seed": evil}}
        else:
            for entry in found["clips"]:
                entry |= {"case": evil, "reason": evil, "prompt": evil, "tags": {"trial": evil}}
                entry["trace"] = {evil: [0, 1, 2, 3, 4]}
        (run / name).write_text(json.dumps(found))
    page = outline(page_text(run))
    assert set(page.tags) <= set(clean.tags) | {"table", "th", "td", "tr", "thead", "tbody"}
    assert page.tags.count("script") == clean.tags.count("script") == 2
    assert sum(evil in part for part in page.text) >= 8
    data = json.loads(page.data)
    assert evil in data["suites"]
    assert data["clips"][0]["case"] == evil


def test_embedded_json_ends_no_element_and_comes_back() -> None:
    for evil in pages.HOSTILE:
        text = str(embedded({"a": evil}))
        assert not set("<>&\u2028") & set(text)
        assert json.loads(text) == {"a": evil}
    with pytest.raises(ValueError):
        embedded({"a": float("nan")})


def test_the_policy_allows_the_pages_own_script_alone() -> None:
    assert policy("a") != policy("b")
    assert "unsafe-inline'; base-uri" in policy("a")
    assert "script-src 'sha256-" in policy("a")


def test_one_scale_holds_everything() -> None:
    scale = Scale(-120.0, 120.0)
    assert [v for v, _ in scale.ticks()] == [-100, -50, 0, 50, 100]
    assert scale.at(0.0) == 50.0
    assert scale.at(None) is None
    assert Scale(-1e7, 1e7).ticks()


def test_columns_say_how_far_each_case_is_off(tmp_path: Path) -> None:
    from reports.aggregate import read_scores

    lines = read_scores(pages.small_run(tmp_path) / "scores.csv")
    found = suite_columns(lines)
    assert found["rows"] == 8
    assert found["metrics"] == [OFF, "hit"]
    off = dict(
        zip(zip(found["case"], found["texts"]["role"]["index"], strict=True), found["values"][0], strict=True)
    )
    assert off["case-1", 0] == 0
    assert off["case-0", 1] is None, "it was not scored"
    assert off["case-1", 1] > off["case-2", 1] > off["case-3", 1] > 0


def test_a_run_of_one_case_has_no_interval(tmp_path: Path) -> None:
    run = pages.write_run(
        tmp_path, [pages.row(planned=1, ok=1, low=None, high=None, mde=None, scenes=1)],
        [pages.case_line(pages.row(), "only", "hit", 1.0)],
    )  # fmt: skip
    text = " ".join(outline(page_text(run)).text)
    assert "no interval" in text


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    page = outline(page_text(pages.write_run(tmp_path, [], [])))
    assert "This run measured nothing" in " ".join(page.text)
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)


def test_all_failed_is_shown(tmp_path: Path) -> None:
    subject = pages.row(ok=0, failed=4, score=0.0, metrics={}, reasons={"failed: no": 4})
    lines = [pages.case_line(subject, f"c{i}", "hit", None, "no") for i in range(4)]
    text = " ".join(" ".join(outline(page_text(pages.write_run(tmp_path, [subject], lines))).text).split())
    assert "4 failed of 4" in text
    assert "0/4" in text


def test_pictures_and_record_may_be_missing(ran: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(ran, tmp_path / "run"))
    shutil.rmtree(run / "clips")
    (run / "run.json").unlink()
    text = page_text(run)
    assert "data:image" not in text
    assert "run.json was not kept" in text


def test_another_run_stands_beside(tmp_path: Path) -> None:
    run = pages.small_run(tmp_path / "run")
    other = pages.small_run(tmp_path / "other", generator="rival", score=70.0)
    page = outline(page_text(run, other))
    data = json.loads(page.data)
    assert data["rival"] == "rival"
    assert data["clips"][1]["rival"] == data["clips"][1]["made"] != ""
    assert data["clips"][0]["rival"] == "", "it failed there, too"
    text = " ".join(page.text)
    assert "failed: ValueError: no" in text
    assert "70.0" in text
    same = outline(page_text(run, pages.small_run(tmp_path / "same")))
    assert json.loads(same.data)["rival"] == "box (same)", "two runs of one name are told apart"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "toy@2 32x32x5@8 plain of other is not comparable with toy@1 32x32x5@8 plain"),
        ({"setting": "64"}, "toy@1 64 of other is not comparable with toy@1 32x32x5@8 plain"),
        ({"suite": "tea"}, "toy was not asked in other"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    run = pages.small_run(tmp_path / "run")
    other = pages.small_run(tmp_path / "other", score=77.7, **change)
    page = outline(page_text(run, other))
    assert said in " ".join(" ".join(page.text).split())
    assert "77.7" not in " ".join(page.text)
    assert not any(c["rival"] for c in json.loads(page.data)["clips"])


def cut(path: Path, share: float) -> None:
    """Keep the first `share` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("name", "share", "said"),
    [
        ("scores.csv", 0.0, "is no scores.csv"),
        ("scores.csv", 0.5, "scores.csv"),
        ("summary.json", 0.5, "summary.json cannot be read"),
        ("run.json", 0.5, "run.json cannot be read"),
        ("clips/clips.json", 0.5, "clips.json cannot be read"),
        ("clips/toy-01-made.webp", 0.5, "toy-01-made.webp is cut short"),
        ("clips/toy-01-truth.webp", 0.0, "toy-01-truth.webp is no WebP picture"),
    ],
)
def test_what_is_cut_short_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, share: float, said: str
) -> None:
    run = pages.small_run(tmp_path)
    cut(run / name, share)
    assert main([f"run={run}"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (run / "report.html").exists()


def test_a_table_cut_at_any_byte_is_noticed(tmp_path: Path) -> None:
    run = pages.small_run(tmp_path)
    whole = (run / "scores.csv").read_bytes()
    for end in range(1, len(whole) - 1):
        (run / "scores.csv").write_bytes(whole[:end])
        with pytest.raises(ReportError):
            page_text(run)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["rows"][0].pop("score"), "a row has no 'score'"),
        (lambda found: found.pop("rows"), "it has no rows"),
        (lambda found: found["rows"].append(3), "a row has no 'suite'"),
    ],
)
def test_a_summary_of_another_shape_is_named(tmp_path: Path, change: Any, said: str) -> None:
    run = pages.small_run(tmp_path)
    found = json.loads((run / "summary.json").read_text())
    change(found)
    (run / "summary.json").write_text(json.dumps(found))
    with pytest.raises(ReportError, match=said):
        page_text(run)


def test_clips_of_another_version_are_named(tmp_path: Path) -> None:
    run = pages.small_run(tmp_path)
    (run / "clips" / "clips.json").write_text('{"schema": 1, "clips": [{"suite": "toy"}]}')
    with pytest.raises(ReportError, match="of another version; run the same command again"):
        read_clips(run)
    (run / "clips" / "clips.json").write_text("[]")
    with pytest.raises(ReportError, match="no list of clips"):
        read_clips(run)


def test_no_clip_is_read_from_elsewhere(tmp_path: Path) -> None:
    run = pages.small_run(tmp_path / "run")
    found = json.loads((run / "clips" / "clips.json").read_text())
    (tmp_path / "secret-truth.webp").write_bytes((run / "clips" / "toy-00-truth.webp").read_bytes())
    found["clips"][0]["name"] = "../../secret"
    (run / "clips" / "clips.json").write_text(json.dumps(found))
    with pytest.raises(ReportError, match=r"clips/secret-truth\.webp cannot be read"):
        read_clips(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "run= is missing"),
        (["run=a", "run=b"], "cannot use 'run=b'"),
        (["run="], "cannot use 'run='"),
        (["run=a", "what=b"], "cannot use 'what=b'"),
        (["run=/nowhere/at/all"], "/nowhere/at/all/scores.csv does not exist; give the out= folder of a run"),
        ([f"run={__file__}"], "test_page.py/scores.csv does not exist; give the out= folder of a run"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_page_is_written_anew_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = pages.small_run(tmp_path / "run")
    other = pages.small_run(tmp_path / "other", generator="rival")
    (run / "report.html").write_text("old")
    assert main([f"run={run}", f"other={other}"]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert (run / "report.html").read_text() == page_text(run, other)
    assert not list(run.glob(".*"))
    write_page(run)
    assert re.search(r"<h1 id=\"title\"><bdi>box</bdi></h1>", (run / "report.html").read_text())
