"""Clips are labelled blind, labels are taken strictly, and the run's report says what they say."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import toy
from labelled import Asking, Made, make_run, pair

from reports.label.__main__ import main
from reports.label.clips import asked, frames, to_label
from reports.label.page import page_text
from reports.label.sheet import picks
from reports.page import page_text as report_text
from reports.table import table_text
from simbench.case import Setting
from suites.permanence import Permanence

TELLING = re.compile(
    r"score|status|distance|\bwhy\b|worst|random|reason|failed|\bhit\b|alarm|asks|nearest|kappa|readers?\b",
    re.I,
)
"""Words that would tell someone who labels what a reader said."""

EVIL = '</script><script>alert("é 世界")</script><img src=x onerror=alert(1)>'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Seven clips, one of them not scored, one video without a clip."""
    rows = [Made(f"s{i}", f"c{i}", "hit" if i % 2 else "alarm", float(i > 2), worst=i < 3) for i in range(6)]
    return make_run(tmp_path / "run", [*rows, Made("s9", "c8", value=None), Made("s9", "c9", shown=False)])


def sheets(run: Path, folder: Path, *more: str) -> list[dict[str, str]]:
    """The empty table that belongs to the sheets."""
    assert main([f"run={run}", f"sheet={folder}", *more]) == 0
    with (folder / "labels-empty.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def kept_in(run: Path) -> list[dict[str, str]]:
    """The labels that a run holds."""
    return list(csv.DictReader((run / "labels.csv").read_text(encoding="utf-8").splitlines()))


def filled(path: Path, rows: list[dict[str, str]], words: str = "ynuyny", **more: str) -> Path:
    """A file of labels: the words in turn."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**r, "label": w, **more} for r, w in zip(rows, words, strict=False))
    return path


def test_a_run_writes_down_what_its_suite_asks(tmp_path: Path) -> None:
    toy.go(tmp_path, suites=(Asking(mute=True),), clips=9)
    entries = json.loads((tmp_path / "out" / "clips" / "clips.json").read_text())["clips"]
    told = {e["case"][-1]: e for e in entries}
    words = {"question": "Is the square where it belongs?", "asks": "hit", "every": True, "marked": [3, 4]}
    assert told["a"]["asked"] == words and told["a"]["given"] == 2
    assert told["b"]["asked"] == {}, "a suite that raises asks nothing"
    assert [clip.case[-1] for clip in asked(tmp_path / "out")] == ["a", "a", "a"]


@pytest.mark.parametrize("difficulty", [0.25, 1.0])
def test_permanence_asks_what_its_readers_measure(difficulty: float) -> None:
    suite = Permanence(setting=Setting(difficulty=difficulty))
    for scene in suite.scenes(3, "3"):
        for case in suite.cases(scene):
            found = suite.question(case)
            stays = case.tags["trial"] == "stay"
            assert (found.asks, found.every) == (("alarm", False) if stays else ("hit", True))
            assert found.frames and min(found.frames) >= 5 and max(found.frames) < 17
            assert found.text.endswith("?")
            assert ("went out of view" in found.text) is (case.tags["hidden"] and not stays)
            count = len(case.truth.facts["layout"]["lanes"])
            assert (f"{count} objects" in found.text) is (count > 1)
            if case.tags["hidden"]:
                measures = suite.score(case, suite.oracle(case))
                assert measures[found.asks] == float(found.every), "the truth itself is answered right"
                assert f"{found.asks}_nearest" in measures


@pytest.mark.parametrize("given", ["i2v", "t2v"])
def test_where_the_motion_is_open_the_question_points_at_no_frames(given: str) -> None:
    suite = Permanence(setting=Setting(given=given))
    for case in suite.cases(suite.scenes(1, "3")[0]):
        found = suite.question(case)
        assert found.frames == () and "marked" not in found.text and "truth" not in found.text


def test_frames_come_back_as_they_were(run: Path) -> None:
    for i, clip in enumerate(asked(run)):
        assert all(np.array_equal(a, b) for a, b in zip(frames(clip), pair(i), strict=True)), clip.case


def test_what_was_not_scored_is_not_asked(run: Path) -> None:
    assert [clip.case for clip in asked(run)] == [f"c{i}" for i in range(6)]


def test_the_order_is_the_seed_s_and_not_that_of_the_scores(run: Path) -> None:
    orders = [[clip.case for clip in to_label([run], seed)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) != orders[0]
    # Other scores, the same order: nothing about it can be read from it.
    text = (run / "scores.csv").read_text()
    (run / "scores.csv").write_text(text.replace(",1.0,ok", ",0.5,ok"))
    listing = json.loads((run / "clips" / "clips.json").read_text())
    listing["clips"].reverse()
    (run / "clips" / "clips.json").write_text(json.dumps(listing))
    assert [clip.case for clip in to_label([run], 0)] == orders[0]


def test_the_page_tells_no_score(run: Path) -> None:
    assert main([f"run={run}"]) == 0
    text = (run / "label.html").read_text()
    assert text.count("data:image/webp;base64,") == 12
    bare = re.sub(r"data:image/webp;base64,[\w+/=]+", "", text)
    assert not TELLING.findall(bare)
    assert not re.findall(r"""(?:src|href)=["']|url\(|@import|https?:""", bare), "it needs nothing else"
    assert "prefers-color-scheme: dark" in text
    # The same but for scores: the same page.
    scores = (run / "scores.csv").read_text()
    (run / "scores.csv").write_text(scores.replace(",1.0,ok", ",0.0,ok"))
    clips = run / "clips" / "clips.json"
    clips.write_text(clips.read_text().replace('"worst"', '"random"').replace("1.5", "0.5"))
    assert page_text(to_label([run], 0)) == text


def test_the_check_of_blindness_can_fail() -> None:
    for leak in ('"why": "worst"', "status", "hit", "distance 1.5"):
        assert TELLING.findall(leak)


def test_the_sheets_tell_no_score(run: Path, tmp_path: Path) -> None:
    from PIL import Image

    rows = sheets(run, tmp_path / "one", "per=4")
    names = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert names == ["labels-empty.csv", "sheet-01.png", "sheet-02.png"]
    assert [(r["sheet"], r["number"]) for r in rows] == [(str(1 + i // 4), str(i + 1)) for i in range(6)]
    assert [r["case"] for r in rows] == [clip.case for clip in to_label([run], 0)]
    assert {r["label"] + r["labeller"] + r["made"] for r in rows} == {""}
    assert not TELLING.findall((tmp_path / "one" / "labels-empty.csv").read_text())
    with Image.open(tmp_path / "one" / "sheet-01.png") as image:
        assert not image.info, "no words beside the pixels"
        seen = np.asarray(image)
    first = to_label([run], 0)[0]
    wanted = frames(first)[1][4].repeat(3, 0).repeat(3, 1)
    corner = np.argwhere((seen[:-95, :-95] == wanted[0, 0]).all(-1))
    assert any(np.array_equal(seen[y : y + 96, x : x + 96], wanted) for y, x in corner), (
        "three times, as it is"
    )
    scores = (run / "scores.csv").read_text()
    (run / "scores.csv").write_text(scores.replace(",1.0,ok", ",0.0,ok"))
    sheets(run, tmp_path / "two", "per=4")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_sheet_shows_the_frames_that_decide(run: Path) -> None:
    from dataclasses import replace

    clip = asked(run)[0]
    assert picks(clip) == [1, 2, 3, 4]
    long = replace(clip, given=5, marked=(9, 10, 11), shape=replace(clip.shape, frames=17))
    assert {4, 9, 10, 11} <= set(picks(long)) and len(picks(long)) == 8
    many = replace(long, marked=tuple(range(6, 17)))
    assert picks(many)[0] == 4 and {6, 16} <= set(picks(many)) and len(picks(many)) == 8
    assert picks(replace(long, given=0, marked=()))[0] == 0


def test_labels_are_stored_and_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sheets(run, tmp_path / "s")
    report_text_of_labels(run)
    before = table_text(run)
    path = filled(tmp_path / "mine.csv", rows)
    capsys.readouterr()
    assert main([f"run={run}", f"labels={path}", "labeller=Åsa 世界"]) == 0
    said = capsys.readouterr().out
    assert "6 labels of Åsa 世界 in 5 scenes; cannot tell: 1 (in no share)" in said
    kept = kept_in(run)
    assert {(k["run"], k["suite"], k["version"], k["sample"]) for k in kept} == {("run", "toy", "1", "0")}
    assert {k["case"]: k["label"] for k in kept} == {
        r["case"]: {"y": "yes", "n": "no", "u": "cannot tell"}[w] for r, w in zip(rows, "ynuyny", strict=True)
    }
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", k["made"]) for k in kept)
    assert "value" not in kept[0] and not list(run.glob(".*.tmp"))
    assert "readers against 6 labels of Åsa 世界: precision" in table_text(run)
    assert "readers against" not in before
    page = report_text(run)
    assert "Readers against people" in page and "Åsa 世界" in page
    capsys.readouterr()
    assert main([f"run={run}", "agreement=true"]) == 0
    assert capsys.readouterr().out == said


def test_a_labeller_may_think_again_and_others_stay(run: Path, tmp_path: Path) -> None:
    rows = sheets(run, tmp_path / "s")
    for who, words in (("Ada", "yyyyyy"), ("Grace", "nnnnnn"), ("Ada", "n")):
        assert (
            main([f"run={run}", f"labels={filled(tmp_path / 'x.csv', rows, words)}", f"labeller={who}"]) == 0
        )
    kept = kept_in(run)
    assert [k["label"] for k in kept if k["labeller"] == "Grace"] == ["no"] * 6
    assert sorted(k["label"] for k in kept if k["labeller"] == "Ada") == ["no"] + ["yes"] * 5


def test_two_runs_are_labelled_together(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    rows = sheets(Path(f"{run},{other}"), tmp_path / "s")
    assert len(rows) == 12 and {r["run"] for r in rows} == {"run", "other"}
    path = filled(tmp_path / "x.csv", rows, "yn" * 6)
    assert main([f"run={run},{other}", f"labels={path}", "labeller=Ada"]) == 0
    assert "2 runs together: toy@1\n12 labels of Ada" in capsys.readouterr().out
    for folder in (run, other):
        kept = kept_in(folder)
        assert len(kept) == 6 and {k["run"] for k in kept} == {folder.name}
    shutil.copytree(run, tmp_path / "deep" / "run")
    assert main([f"run={run},{tmp_path / 'deep' / 'run'}"]) == 2


def test_everything_wrong_with_a_file_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = sheets(run, tmp_path / "s")
    changed = [
        {**rows[0], "label": "y", "case": EVIL},
        {**rows[1], "label": "maybe"},
        {**rows[2], "label": ""},
        {**rows[3], "label": "y"},
        {**rows[3], "label": "n"},
        {**rows[4], "label": "y", "clip": "0" * 12},
        {**rows[5], "label": "y", "sample": "²"},
        {**rows[5], "label": "y", "version": "2"},
        {**rows[5], "label": "y", "made": "yesterday"},
        {**rows[5], "label": "y", "labeller": "Grace"},
        {**rows[5], "label": "y", "run": "elsewhere"},
    ]
    path = tmp_path / "bad.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(changed)
    capsys.readouterr()
    assert main([f"run={run}", f"labels={path}", "labeller=Ada"]) == 2
    said = capsys.readouterr().err.splitlines()
    wanted = (
        r"line 2: '</script>.* is no clip of run 'run'", "line 3: the label 'maybe' is none of y, n, u",
        "line 4: no label; write y", r"line 6: \S+ sample 0 of run is labelled twice",
        "line 7: c. was labelled on other pixels", "line 8: sample '²' is no whole number",
        "line 9: version '2' of toy, but the run has 1", "line 10: made 'yesterday' is no ISO time",
        "line 11: labelled by 'Grace', but labeller=Ada", "line 12: .* is no clip of run 'elsewhere'",
    )  # fmt: skip
    assert len(said) == len(wanted)
    for line, pattern in zip(said, wanted, strict=True):
        assert re.match(f"reports.label: {pattern}", line), line
    assert not (run / "labels.csv").exists(), "a bad file leaves nothing"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "has no column run, suite"),
        ("a,b\n1,2\n", "has no column run, suite"),
        ("run,suite,version,case,sample,clip,label,labeller,made\n", "holds no labels"),
        ("run,suite,version,case,sample,clip,label,labeller,made\nrun\n", "line 2: sample '' is no whole"),
    ],
)
def test_files_that_are_no_labels(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, answer: str
) -> None:
    (tmp_path / "x.csv").write_text(text)
    assert main([f"run={run}", f"labels={tmp_path / 'x.csv'}", "labeller=Ada"]) == 2
    said = capsys.readouterr().err
    assert answer in said and said.count("\n") == 1


def test_a_file_names_its_one_labeller(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sheets(run, tmp_path / "s")
    assert main([f"run={run}", f"labels={filled(tmp_path / 'x.csv', rows)}"]) == 2
    assert "line 2: labeller ''; add labeller=NAME" in capsys.readouterr().err
    assert main([f"run={run}", f"labels={filled(tmp_path / 'x.csv', rows, labeller='Ada')}"]) == 0
    rows[0]["labeller"], rows[1]["labeller"] = "Ada", "Grace"
    assert main([f"run={run}", f"labels={filled(tmp_path / 'x.csv', rows[:2], 'yy')}"]) == 2
    assert "2 labellers in one file (Ada, Grace)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["sheet=x"], "run= is missing"),
        (["run=/nowhere"], "has no scores.csv"),
        (["run={run}", "colour=red"], "'colour=red' is no option; there are run, sheet"),
        (["run={run}", "run={run}"], "run= is given twice"),
        (["run={run}", "labeller="], "labeller= is given without a value"),
        (["run={run}", "sheet=x", "labels=y"], "sheet= and labels= are two commands"),
        (["run={run}", "sheet={tmp}/new", "per=0"], "per=0 clips on a sheet is outside 1..40"),
        (["run={run}", "sheet={tmp}/new", "per=ten"], "per=ten is no whole number"),
        (["run={run}", "sheet={run}"], "is there already and not empty"),
        (["run={run}", "labels={tmp}/none.csv"], "cannot be read"),
        (["run={run}", "agreement=true"], "no labels.csv in"),
        (["run={run}", "agreement=no"], "agreement=no: only"),
        (["run={run}", "seed=-1"], "seed=-1 is no whole number"),
    ],
)
def test_bad_commands_get_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], answer: str
) -> None:
    assert main([a.format(run=run, tmp=tmp_path) for a in arguments]) == 2
    said = capsys.readouterr().err
    assert answer in said and said.count("\n") == 1


def test_help_and_damage(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "python -m reports.label" in capsys.readouterr().out
    assert main([]) == 2
    (run / "clips" / "toy-00-made.webp").write_bytes(b"no picture")
    assert main([f"run={run}"]) == 2
    assert "toy-00-made.webp cannot be read" in capsys.readouterr().err
    (run / "labels.csv").write_text(
        "run,suite,version,case,sample,clip,label,labeller,made\nrun,toy,1,c0,0,x,perhaps,Ada,\n"
    )
    assert main([f"run={run}", "agreement=true"]) == 2
    assert "labels.csv:2 is damaged: the label 'perhaps'" in capsys.readouterr().err
    shutil.rmtree(run / "clips")
    assert main([f"run={run}"]) == 2
    assert "no clips to label" in capsys.readouterr().err


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [Made("s0", "c0", question=EVIL), Made("s1", EVIL)])
    text = page_text(to_label([folder], 0))
    assert EVIL not in text and "<img" not in text
    assert text.count("<script") == 2 == text.count("</script>")
    rows = sheets(folder, tmp_path / "s")
    assert EVIL in {r["case"] for r in rows}
    path = filled(tmp_path / "x.csv", rows, "yn")
    assert main([f"run={folder}", f"labels={path}", "labeller=<b>Eve</b>"]) == 0
    page = report_text_of_labels(folder)
    assert "<b>Eve" not in page and "&lt;b&gt;Eve" in page


def report_text_of_labels(folder: Path) -> str:
    """The report of a hand-made run, which has no summary of its own."""
    metrics = {"S": {"mean": 1.0, "low": None, "high": None, "scenes": 2}}
    empty = dict.fromkeys(("low", "high", "mde", "kappa", "bound"))
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        planned = len({line["case"] for line in csv.DictReader(file)})
    counts = {"planned": planned, "ok": planned, "invalid": 0, "missing": 0, "failed": 0, "refused": 0}
    row = {
        "suite": "toy", "version": 1, "setting": "s", "given": "v2v", "generator": "box", "role": "subject",
        "exposure": "unknown", "score": 1.0, "scenes": 2, "metrics": metrics, "reasons": {},
        **empty, **counts,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps({"schema": 1, "rows": [row]}))
    return report_text(folder)
