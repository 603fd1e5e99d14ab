"""`python -m reports.compare`: every exit code, every way in which files and options can be wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gate_runs import moved, values, write_run

from reports.compare import main
from reports.gate import codes
from simbench import exits

ROOT = Path(__file__).resolve().parent.parent
BASE = values(32)


@pytest.fixture(autouse=True)
def no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run in a workflow must not write into its summary."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def verdict(folder: Path) -> dict[str, Any]:
    """verdict.json of a folder."""
    found: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return found


def test_exit_codes_are_those_of_a_run() -> None:
    names = ("OK", "WORSE", "TROUBLE", "INCOMPLETE", "INCONCLUSIVE", "INTERRUPTED", "TERMINATED")
    assert [getattr(codes, n) for n in names] == [getattr(exits, n) for n in names]
    assert set(codes.MEANING) == set(exits.MEANING)


LOST = {3: ("failed", "out of memory"), 5: ("missing", "not there")}
CASES: dict[str, tuple[dict[str, Any], list[str], int, str, str]] = {
    "worse": ({"scenes": moved(BASE, -12)}, [], 1, "regressed", r"^Regressed: toy S_graded .* −12\.00 \("),
    "same": ({"scenes": BASE}, ["margin=0"], 0, "no worse", "^No worse: "),
    "no worse": ({"scenes": moved(BASE, -0.1)}, [], 0, "no worse", "margin 5, 32 scenes"),
    "within": ({"scenes": moved(BASE, -2)}, [], 0, "no worse", "worse, within margin"),
    "better": ({"scenes": moved(BASE, 9)}, [], 0, "improved", "^Improved: "),
    "unclear": ({"scenes": moved(BASE, 0, 40)}, [], 0, "inconclusive", "needs about [0-9]+ more scenes"),
    "unclear, strict": ({"scenes": moved(BASE, 0, 40)}, ["strict=true"], 4, "inconclusive", "Inconclusive"),
    "worse, strict": ({"scenes": moved(BASE, -12)}, ["strict=true"], 1, "regressed", "Regressed"),
    "version": ({"scenes": BASE, "version": 2}, [], 3, "not comparable", "base is version 1, head version 2"),
    "setting": ({"scenes": BASE, "setting": "64x64"}, [], 3, "not comparable", "head as 64x64"),
    "scale": (
        {"scenes": BASE, "fields": {"version": 1, "oracle_raw": 2}},
        [],
        3,
        "not comparable",
        r"differs \(oracle_raw\)",
    ),
    "other world": ({"scenes": BASE, "world": 7}, [], 3, "not comparable", "another world"),
    "other seed": ({"scenes": BASE, "space": "77"}, [], 3, "not comparable", "another seed="),
    "two samples": ({"scenes": BASE, "samples": 2}, [], 3, "not comparable", "1 samples of a case, head 2"),
    "other suite": ({"scenes": BASE, "suite": "new"}, [], 3, "no baseline", "base=none says"),
    "other suite, allowed": (
        {"scenes": BASE, "suite": "new"},
        ["unmatched=allow"],
        3,
        "nothing measured",
        "no suite",
    ),
    "lost": ({"scenes": BASE, "lost": LOST}, [], 3, "incomplete", "1 missing, 1 failed of 32 videos of head"),
    "lost, allowed": ({"scenes": BASE, "lost": LOST}, ["max_incomplete=2"], 0, "no worse", "No worse"),
    "lost and worse": (
        {"scenes": moved(BASE, -12), "lost": LOST},
        [],
        3,
        "incomplete",
        "Among what was measured, regressed: toy",
    ),
    "refused": ({"scenes": BASE, "lost": {1: ("refused", "unsafe")}}, [], 0, "no worse", "No worse"),
    "all failed": (
        {"scenes": BASE * 0, "lost": {i: ("failed", "no room") for i in range(32)}},
        ["max_incomplete=99"],
        3,
        "nothing measured",
        r"none of the 32 videos of head could be scored \(no room\)",
    ),
    "empty": ({"scenes": []}, [], 3, "nothing measured", "head has none"),
    "fewer": ({"scenes": BASE[:16]}, [], 3, "incomplete", "16 videos are only in base and 0 only in head"),
    "fewer, allowed": ({"scenes": BASE[:16]}, ["unmatched=allow"], 0, "no worse", "16 scenes"),
    "more": ({"scenes": values(40)}, [], 3, "incomplete", "0 videos are only in base and 8 only in head"),
    "metric": ({"scenes": BASE, "metric": "S"}, [], 3, "nothing measured", "neither S_graded nor S"),
}


@pytest.mark.parametrize("name", CASES)
def test_exit_code(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes, options, code, word, said = CASES[name]
    base = write_run(tmp_path / "base", BASE)
    head = write_run(tmp_path / "head", **changes)
    assert main([f"base={base}", f"head={head}", *options]) == code
    found = verdict(head)
    assert (found["code"], found["verdict"]) == (code, word), found["sentence"]
    assert re.search(said, found["sentence"]), found["sentence"]
    printed = capsys.readouterr()
    assert found["sentence"].split(":")[0] in printed.out and not printed.err


def test_one_scene_decides_nothing(tmp_path: Path) -> None:
    base = write_run(tmp_path / "base", [70.0])
    head = write_run(tmp_path / "head", [10.0])
    assert main([f"base={base}", f"head={head}", "strict=true"]) == 4
    assert "one scene gives no spread" in verdict(head)["sentence"]
    assert (verdict(head)["comparisons"][0]["gated"][0]["low"]) is None


def test_a_run_without_any_line_is_nothing_measured(tmp_path: Path) -> None:
    base, head = write_run(tmp_path / "base", []), write_run(tmp_path / "head", [])
    assert main([f"base={base}", f"head={head}"]) == 3
    assert verdict(head)["verdict"] == "nothing measured"


def test_no_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = write_run(tmp_path / "head", BASE)
    assert main([f"base={tmp_path / 'nowhere'}", f"head={head}"]) == 3
    assert re.search("No baseline: base=.*nowhere is not there.*base=none", capsys.readouterr().out)
    assert verdict(head)["verdict"] == "no baseline" and verdict(head)["code"] == 3
    (tmp_path / "half").mkdir()
    assert main([f"base={tmp_path / 'half'}", f"head={head}"]) == 3
    assert main(["base=none", f"head={head}"]) == 0
    assert verdict(head)["verdict"] == "no baseline" and "nothing was compared" in capsys.readouterr().out


def test_scores_alone_are_enough(tmp_path: Path) -> None:
    base, head = write_run(tmp_path / "base", BASE), write_run(tmp_path / "head", moved(BASE, -12))
    for folder in (base, head):
        for name in ("summary.json", "run.json"):
            (folder / name).unlink()
    assert main([f"base={base / 'scores.csv'}", f"head={head / 'scores.csv'}"]) == 1
    assert main([f"base={base}", f"head={head}", f"out={tmp_path / 'a b'}"]) == 1
    assert verdict(tmp_path / "a b")["heads"][0]["command"] == ""


def cut(text: str) -> str:
    """The file without its last half line."""
    return text[: -len(text.splitlines()[-1]) // 2]


def no_aggregates(text: str) -> str:
    """Cut between two lines, before what scenes make."""
    return "\n".join(text.splitlines()[:20]) + "\n"


def fewer_scenes(text: str) -> str:
    """As if cut in just the wrong place: only the summary can tell."""
    return "".join(line + "\n" for line in text.splitlines() if "-0031" not in line)


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "within a line": (cut, "ends within a line: it was cut off"),
    "between lines": (no_aggregates, "was cut off"),
    "told by the summary": (fewer_scenes, "has 31 videos of toy, summary.json beside it says 32"),
    "empty": (lambda text: "", "is empty: it was cut off"),
    "columns": (lambda text: text.replace("metric", "measure", 1), "is no scores.csv"),
    "not a number": (lambda text: text.replace(",ok,", "x,ok,", 1), ":2 is damaged"),
    "nan": (lambda text: re.sub(r"hit,[\d.]+", "hit,nan", text, count=1), ":2 is damaged: hit is nan"),
    "status": (lambda text: text.replace(",ok,", ",okay,", 1), ":2 is damaged: its status is 'okay'"),
    "too few fields": (lambda text: text.replace(",ok,\n", "\n", 1), ":2 is damaged"),
    "twice": (lambda text: text + text.splitlines()[-2] + "\n", "twice"),
    "two models": (lambda text: text.replace(",model,", ",other,", 1), "cannot hold 2 subjects"),
    "not text": (lambda text: text.replace("hit", "h\udcff", 1), "is damaged"),
}


@pytest.mark.parametrize("side", ["base", "head"])
@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_files_are_named(
    name: str, side: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = DAMAGES[name]
    runs = {who: write_run(tmp_path / who, BASE) for who in ("base", "head")}
    path = runs[side] / "scores.csv"
    path.write_text(change(path.read_text()), encoding="utf-8", errors="surrogateescape")
    assert main([f"{who}={run}" for who, run in runs.items()]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1, printed
    assert name in ("two models", "twice") or str(path) in printed


@pytest.mark.parametrize("name", ["summary.json", "run.json"])
def test_damaged_json_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", BASE)
    for text in ("{", "[1]"):
        (run / name).write_text(text)
        assert main([f"base={run}", f"head={run}", f"out={tmp_path / 'out'}"]) == 2
        assert str(run / name) in capsys.readouterr().err


WRONG = {
    "margins=3": "did you mean margin?",
    "verbose": "unknown option 'verbose'",
    "margin=wide": "margin=wide is no number",
    "margin=-1": "must be 0 or more",
    "margin=nan": "must be 0 or more",
    "margin=S_grade:2": "did you mean S_graded?",
    "alpha=0": "above 0 and at most 0.5",
    "alpha=x": "alpha=x is no number",
    "strict=yes": "must be true or false",
    "max_incomplete=1.5": "whole number",
    "max_incomplete=-1": "whole number",
    "unmatched=alow": "did you mean allow?",
    "metrics=S_grded": "did you mean S_graded?",
    "metrics=S_graded,S_graded": "names one metric twice",
    "gate=defualt": "did you mean default?",
    "noise=elsewhere": "noise=elsewhere: there is no",
    "head=again": "given twice",
}


@pytest.mark.parametrize("option", WRONG)
def test_wrong_options_are_one_line(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", BASE)
    assert main([f"base={run}", f"head={run}", option]) == 2
    printed = capsys.readouterr().err
    assert WRONG[option] in printed and printed.count("\n") == 1, printed


def test_what_is_needed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", BASE)
    assert main([f"base={run}"]) == 2 and "head= is needed" in capsys.readouterr().err
    assert main([f"base={run}", f"head={tmp_path / 'no'}"]) == 2 and "head=" in capsys.readouterr().err
    assert main([f"base={run}", f"head={run},{run}"]) == 2 and "one run twice" in capsys.readouterr().err
    assert main([]) == 2
    capsys.readouterr()
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {code:<5}{meaning}" in printed for code, meaning in codes.MEANING.items())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", BASE)
    (tmp_path / "file").write_text("")
    assert main([f"base={run}", f"head={run}", f"out={tmp_path / 'file' / 'out'}"]) == 2
    assert "choose another folder: out=" in capsys.readouterr().err


def test_rules_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, head = write_run(tmp_path / "base", BASE), write_run(tmp_path / "head", moved(BASE, -12))
    rules = tmp_path / "mine.json"
    rules.write_text('{"margin": {"toy.S_graded": 20}, "strict": true}')
    assert main([f"base={base}", f"head={head}", f"gate={rules}"]) == 0
    assert main([f"base={base}", f"head={head}", f"gate={rules}", "margin=1"]) == 1
    for text, said in (
        ('{"margins": 1}', "did you mean margin?"),
        ('{"margin": true}', "must be 0 or more"),
        ('{"strict": 1}', "true or false"),
        ('{"alpha": "x"}', "alpha=x"),
        ('{"metrics": "S"}', "list of names"),
        ('{"unmatched": 1}', "refuse or allow"),
        ("[]", "no mapping"),
        ("{", "cannot be read: Expecting"),
    ):
        rules.write_text(text)
        capsys.readouterr()
        assert main([f"base={base}", f"head={head}", f"gate={rules}"]) == 2
        assert said in capsys.readouterr().err, text


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (0.0, "S: all 32 scenes are equal, so the smallest difference that they show cannot be told"),
        (-2.0, "S: all 32 scenes differ by the same −2.00, so the smallest"),
    ],
)
def test_scenes_that_do_not_differ_are_called_equal(
    by: float, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_run(tmp_path / "base", BASE, metric="S")
    head = write_run(tmp_path / "head", BASE + by, metric="S")
    main([f"base={base}", f"head={head}", "metrics=S"])
    shown = capsys.readouterr().out
    assert said in shown and "show a difference" not in shown
    assert verdict(head)["comparisons"][0]["gated"][0]["smallest"] is None


def test_several_metrics_share_the_level(tmp_path: Path) -> None:
    more = {"S": moved(BASE, 0, 5, 3), "alarm": moved(BASE, 9, 5, 4), "distance": BASE}
    base = write_run(tmp_path / "base", BASE, more=dict.fromkeys(more, BASE))
    head = write_run(tmp_path / "head", BASE, more=more)
    assert main([f"base={base}", f"head={head}", "metrics=S,S_graded,toy.alarm", "margin=alarm:1,S:9"]) == 1
    found = {row["metric"]: row for row in verdict(head)["comparisons"][0]["gated"]}
    assert found["alarm"]["verdict"] == "regressed" and found["alarm"]["difference"] > 0
    assert found["alarm"]["level"] == pytest.approx(0.05 / 3) and found["alarm"]["margin"] == 1
    assert found["S"]["margin"] == 9 and found["S_graded"]["margin"] == 0
    assert [row["metric"] for row in verdict(head)["comparisons"][0]["shown"]] == ["distance"]


def test_a_lower_score_is_said_where_it_does_not_decide(tmp_path: Path) -> None:
    base = write_run(tmp_path / "base", BASE, more={"S": BASE})
    head = write_run(tmp_path / "head", BASE, more={"S": moved(BASE, -12)})
    assert main([f"base={base}", f"head={head}"]) == 0
    assert "Lower, though it does not decide: toy S " in verdict(head)["sentence"]
    assert main([f"base={head}", f"head={base}"]) == 0
    assert "Lower" not in verdict(base)["sentence"]


def test_a_metric_that_one_side_lacks_in_a_scene_is_incomplete(tmp_path: Path) -> None:
    base, head = write_run(tmp_path / "base", BASE), write_run(tmp_path / "head", BASE)
    path = head / "scores.csv"
    lines = path.read_text().splitlines()
    other = [re.sub(",S_graded,", ",S,", line) if "public-0007,,," in line else line for line in lines]
    path.write_text("\n".join(other) + "\n")
    assert main([f"base={base}", f"head={head}"]) == 3
    assert "S_graded is undefined in a scene of one side" in verdict(head)["sentence"]


def test_noise_of_the_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, head = write_run(tmp_path / "base", BASE), write_run(tmp_path / "head", moved(BASE, 0))
    again = write_run(tmp_path / "again", moved(BASE, 0, 9, 5), noise=1)
    assert main([f"base={base}", f"head={head}", f"noise={again}"]) == 0
    found = verdict(head)
    assert found["repeats"][0]["sd"] == pytest.approx(9)
    assert found["comparisons"][0]["gated"][0]["smallest"] == pytest.approx(9 * 0.5118, rel=0.01)
    assert main([f"base={base}", f"head={head}", f"noise={head}"]) == 2
    assert "run base again with noise=1" in capsys.readouterr().err
    other = write_run(tmp_path / "other", BASE, version=2, noise=1)
    assert main([f"base={base}", f"head={head}", f"noise={other}"]) == 2
    assert "is no repeat of base" in capsys.readouterr().err


def test_several_heads_are_ranked_with_ties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = write_run(tmp_path / "base", BASE)
    heads = [
        write_run(tmp_path / "a", moved(BASE, 8, 3, 3), generator="a"),
        write_run(tmp_path / "b", moved(BASE, 7.9, 3, 4), generator="b"),
        write_run(tmp_path / "c", moved(BASE, -20, 3, 5), generator="c"),
    ]
    names = ",".join(map(str, heads))
    assert main([f"base={base}", f"head={names}", f"out={tmp_path / 'out'}"]) == 1
    found = verdict(tmp_path / "out")
    rows = {row["label"]: (row["best"], row["worst"]) for row in found["rankings"][0]["rows"]}
    assert rows == {"a": (1, 2), "b": (1, 2), "base": (3, 3), "c": (4, 4)}
    assert len(found["rankings"][0]["pairs"]) == 6
    assert [part["verdict"] for part in found["comparisons"]] == ["improved", "improved", "regressed"]
    assert "1 to 2" in capsys.readouterr().out
    assert main(["base=none", f"head={names}", f"out={tmp_path / 'out'}"]) == 0
    assert len(verdict(tmp_path / "out")["rankings"][0]["rows"]) == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(number: int, code: int, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", BASE)
    (run / "scores.csv").unlink()
    # A pipe in place of the file: the comparison waits in it until it is told to stop.
    os.mkfifo(run / "scores.csv")
    source = "import pathlib, reports.gate.reading as r; pathlib.Path.is_file = lambda p: True; "
    source += (
        "import sys; from reports.compare import main; print('on', flush=True); sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", source, f"base={run}", f"head={run}"]
    with subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that puts tests in the background makes them, and all they start, deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"on\n"
        time.sleep(0.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    assert b"Traceback" not in err
