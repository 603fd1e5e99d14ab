"""Papers: what is drawn stands in the files, in type that can be read and searched, or it is said why not."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import papers
import pytest

from reports.aggregate import ReportError
from reports.figures import curves, forest, ladder, scaling, style
from reports.figures.latex import GREEK, SPECIAL, escaped
from reports.figures.source import Skip, read_runs
from reports.figures.statistics import best, bootstrap, holm, paired_p
from reports.paper import asked, main

ROOT = Path(__file__).resolve().parent.parent
EVERY = ("forest-toy", "ladder", "age-toy", "survival-toy", "scaling", "strips-toy-low", "strips-toy-high")
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
WIDTHS = {"forest-toy": 3.25, "age-toy": 3.25, "survival-toy": 3.25}


def table(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything from three runs: two that differ, and one that has a hostile name."""
    folder = tmp_path_factory.mktemp("paper")
    for name, level, flops in (("low", 40.0, 1e9), ("high", 70.0, 4e9), ("odd", 69.5, 9e9)):
        run = papers.write_run(folder / name, name, level, record={"identity": {"flops": flops}})
        if name != "odd":
            papers.write_clips(run, traced=name == "low")
    papers.write_ladder(folder / "ladder.json", holds=False)
    assert main(words(folder, "out")) == 0
    return folder


def words(folder: Path, out: str) -> list[str]:
    """The command line of `made`."""
    runs = ",".join(str(folder / name) for name in ("low", "high", "odd"))
    names = "names=low,high," + papers.HOSTILE.replace(",", " ")
    return [f"run={runs}", names, f"ladder={folder / 'ladder.json'}", f"out={folder / out}"]


def test_everything_is_written_with_its_numbers(made: Path) -> None:
    names = {path.name for path in (made / "out").iterdir()}
    for name in EVERY:
        assert {f"{name}.pdf", f"{name}.csv"} <= names
    assert {"leaderboard-toy.tex", "leaderboard-toy.csv", "rows-toy-low.tex", "example.tex"} <= names
    assert not [name for name in names if name.startswith(".")]


@pytest.mark.parametrize("name", EVERY)
def test_type_stays_type_and_the_command_is_inside(made: Path, name: str) -> None:
    path = made / "out" / f"{name}.pdf"
    raw = path.read_bytes()
    assert b"/FontFile2" in raw and b"/CIDFontType2" in raw, "TrueType is embedded"
    assert b"/Type3" not in raw and b"/Subtype /Type3" not in raw
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", raw)
    assert box is not None
    assert float(box[1]) == pytest.approx(72 * WIDTHS.get(name, 6.75))
    assert float(box[2]) < 9 * 72
    assert b"/CreationDate" not in raw
    subject = re.search(rb"/Subject \((.*?)\)\n", raw, re.S)
    told = raw if subject is None else subject[1]
    assert b"reports.paper" in told or "reports.paper".encode("utf-16-be") in raw


def test_the_same_files_give_the_same_bytes(made: Path) -> None:
    before = {path.name: path.read_bytes() for path in (made / "out").iterdir()}
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", "reports.paper", *words(made, "out")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in (made / "out").iterdir()}
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_the_forest_draws_what_its_csv_says(made: Path) -> None:
    runs = read_runs([str(made / "low"), str(made / "high")])
    with style.style():
        drawn = forest.forest(runs, "toy")
        axis = drawn.figure.axes[0]
        marks = [line.get_xdata()[0] for line in axis.lines if line.get_marker() in "osD^X"]
        bars = [path.vertices[:, 0] for bar in axis.collections for path in bar.get_paths()]
        colours = {line.get_color() for line in axis.lines}
    assert marks == [row[2] for row in drawn.rows]
    assert np.allclose([(b.min(), b.max()) for b in bars], [(r[3], r[4]) for r in drawn.rows])
    assert [row[0] for row in drawn.rows][:3] == ["high", "low", "oracle"]
    assert colours <= {*style.PALETTE, *style.NEUTRAL}
    whole = table(made / "out" / "forest-toy.csv")
    assert (
        float(whole[0]["S"]) == json.loads((made / "high" / "summary.json").read_text())["rows"][0]["score"]
    )


def test_every_text_can_be_read_at_print_size(made: Path) -> None:
    runs = read_runs([str(made / "low"), str(made / "high")])
    with style.style():
        figures = [
            forest.forest(runs, "toy"),
            curves.age(runs, "toy"),
            curves.survival(runs, "toy"),
            scaling.scaling(runs, {}),
            ladder.matrix([ladder.read_ladder(made / "ladder.json")]),
        ]
        for drawn in figures:
            assert drawn is not None
            drawn.figure.draw_without_rendering()
            texts = drawn.figure.findobj(lambda x: hasattr(x, "get_fontsize"))
            sizes = {t.get_fontsize() for t in texts if t.get_text()}
            assert sizes <= {8.0, 9.0}


def test_age_bins_hold_every_trial_and_count_failures_as_zero(made: Path, tmp_path: Path) -> None:
    rows = table(made / "out" / "age-toy.csv")
    mine = [r for r in rows if r["name"] == "high" and r["shown"] == "hidden"]
    assert sum(int(r["trials"]) for r in mine) == 36
    lines = [
        x for x in read_runs([str(made / "high")])[0].lines if x.role == "subject" and x.case.endswith("-h")
    ]
    share = 100 * np.mean([x.value for x in lines])
    weighted = sum(float(r["share_percent"]) * int(r["trials"]) for r in mine) / 36
    assert weighted == pytest.approx(share)
    assert all(float(r["low"]) <= float(r["share_percent"]) <= float(r["high"]) for r in mine)
    failed = papers.write_run(tmp_path / "failed", "failed", status="failed")
    with style.style():
        drawn = curves.age(read_runs([str(failed)]), "toy")
    assert {row[7] for row in drawn.rows if row[0] == "failed"} == {0.0}


def test_few_scenes_get_no_band(tmp_path: Path) -> None:
    run = papers.write_run(tmp_path / "few", scenes=31)
    with style.style():
        drawn = curves.age(read_runs([str(run)]), "toy")
    assert {row[8] for row in drawn.rows} == {None}
    assert "fewer than 32 scenes" in drawn.note
    ones = np.ones((32, 1))
    assert bootstrap(ones[:31], ones[:31])[1] is None
    assert bootstrap(ones, ones)[1] is not None


def test_survival_stands_for_all_cases(made: Path) -> None:
    rows = [r for r in table(made / "out" / "survival-toy.csv") if r["name"] == "low"]
    # 36 clips of 72 cases: the worst, wrong, stands for one, the others for 71/35 each; 11 of them are wrong.
    left = 1 - (1 + 11 * 71 / 35) / 72
    assert float(rows[-1]["surviving_percent"]) == pytest.approx(100 * left)
    assert [r for r in table(made / "out" / "survival-toy.csv") if r["name"] == "high"] == []


def test_scaling_fits_from_three_points(made: Path) -> None:
    rows = [r for r in table(made / "out" / "scaling.csv") if r["metric"] == "S"]
    x, y = [float(r["x"]) for r in rows], [float(r["value"]) for r in rows]
    slope, start = np.polyfit(np.log10(x), y, 1)
    assert [float(r["fit"]) for r in rows] == pytest.approx(start + slope * np.log10(x))
    assert scaling.fitted(x[:2], y[:2]) is None
    assert scaling.fitted([x[0]] * 3, y) is None
    assert scaling.ticks(1e6, 1e10)[0] == (1e6, "$10^{6}$")
    assert [y for y, _ in scaling.ticks(0.055, 0.21, least=3, most=7)] == pytest.approx(
        [0.06, 0.07, 0.08, 0.09, 0.1, 0.2]
    )


def test_a_broken_bound_is_framed(made: Path) -> None:
    found = ladder.read_ladder(made / "ladder.json")
    with style.style():
        drawn = ladder.matrix([found])
        assert drawn is not None
        frames = [p for p in drawn.figure.axes[0].patches if not p.get_fill()]
    assert len(frames) == 1
    assert [row[-1] for row in drawn.rows if row[1] == "lucky"] == [0]
    assert ladder.bound_of("n/a: no camera") is None
    assert ladder.matrix([{**found, "parts": {}}]) is None


def test_strips_keep_every_number(made: Path) -> None:
    rows = table(made / "out" / "strips-toy-low.csv")
    first = [r for r in rows if r["clip"] == "toy-00" and r["trace"] == "seen"]
    assert [r["value"] for r in first] == ["1.0", "1.0", "0.5", "0.0", "0.0", "0.5", "0.0", "0.0", ""]
    bare = table(made / "out" / "strips-toy-high.csv")
    assert {r["trace"] for r in bare} == {""}


def test_bold_is_what_a_paired_test_cannot_tell_from_the_best(made: Path) -> None:
    rows = table(made / "out" / "leaderboard-toy.csv")
    marked = {r["name"]: r["best_S"] for r in rows if r["role"] == "subject"}
    assert marked == {"low": "0", "high": "1", papers.HOSTILE.replace(",", " "): "1"}
    tex = (made / "out" / "leaderboard-toy.tex").read_text()
    assert tex.count(r"\textbf") == 8, "two of three rows in two columns, two halves of each number"
    assert "n = 36" in tex and "unit of replication" in tex and "booktabs" in tex
    assert r"\hline" not in tex and "|" not in re.search(r"begin\{tabular\}\{(.*?)\}\n", tex)[1]  # type: ignore[index]
    assert r"\documentclass" not in tex
    assert tex.startswith("% Made by: python -m reports.paper run=")


def test_paired_tests() -> None:
    from scipy.stats import ttest_1samp

    assert paired_p([1.0]) == 1.0
    assert paired_p([0.0] * 5) == 1.0
    assert paired_p([2.0] * 5) == pytest.approx(2 / 32)
    assert paired_p([1, 2, 1, -1]) == pytest.approx(ttest_1samp([1, 2, 1, -1], 0).pvalue)
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]
    assert best({"a": {"x": 1.0, "y": 2.0}}, True) == set()
    scenes = {str(i): float(i % 3) for i in range(12)}
    worse = {k: v + 5 + 0.1 * (int(k) % 2) for k, v in scenes.items()}
    assert best({"a": scenes, "b": worse}, False) == {"a"}
    assert best({"a": scenes, "b": worse}, True) == {"b"}


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"setting": "64x64x5@8"}, "do not compare: setting"),
        ({"version": 2}, "do not compare: version 1 and 2"),
        ({"scenes": 12}, "36 and 12 scenes, of which 12 are common"),
    ],
)
def test_runs_that_do_not_compare_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], answer: str
) -> None:
    a = papers.write_run(tmp_path / "a", "a")
    b = papers.write_run(tmp_path / "b", "b", **change)
    assert main([f"run={a},{b}", f"out={tmp_path / 'out'}"]) == 2
    assert answer in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_instrument_is_refused(tmp_path: Path) -> None:
    a, b = papers.write_run(tmp_path / "a", "a"), papers.write_run(tmp_path / "b", "b")
    found = json.loads((b / "summary.json").read_text())
    found["rows"][1]["score"] = 97.0
    (b / "summary.json").write_text(json.dumps(found))
    with pytest.raises(ReportError, match=r"their oracles read 100\.00 and 97\.00"):
        read_runs([str(a), str(b)])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["run=a"], "out= is missing"),
        (["out=b"], "run= is missing"),
        (["run=a", "out=b", "lader=c"], "did you mean ladder="),
        (["run=a", "run=b", "out=c"], "run= is given twice"),
        (["run=a", "out=b", "only=forrest"], "did you mean forest?"),
        (["run=a", "out=b", "x=a:-3"], "is not NAME:VALUE"),
        (["run=/nowhere", "out=b"], "has no scores.csv"),
    ],
)
def test_mistakes_are_one_line(words: list[str], answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert answer in said and "\n" not in said


@pytest.mark.parametrize("file", ["scores.csv", "summary.json", "run.json", "cases.csv", "clips/clips.json"])
@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_a_file_that_was_cut_off_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, keep: float
) -> None:
    run = papers.write_run(tmp_path / "run", record={"resume": "python -m simbench suite=toy"})
    papers.write_clips(run, 3)
    text = (run / file).read_bytes()
    cut = text[: int(len(text) * keep)]
    if file == "cases.csv":
        cut = cut[: cut.rstrip(b"0123456789.").rfind(b",")]
    (run / file).write_bytes(cut)
    assert main([f"run={run}", f"out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err.strip()
    assert str(Path(file).name) in said and "\n" not in said


def test_a_picture_that_was_cut_off_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = papers.write_run(tmp_path / "run")
    papers.write_clips(run, 3)
    path = run / "clips" / "toy-00.png"
    path.write_bytes(path.read_bytes()[:20])
    assert main([f"run={run}", f"out={tmp_path / 'out'}", "only=strips"]) == 2
    assert "toy-00.png cannot be read" in capsys.readouterr().err


def test_an_empty_run_is_3_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = papers.write_run(tmp_path / "run")
    (run / "summary.json").write_text('{"schema": 1, "rows": []}')
    (run / "scores.csv").write_text((run / "scores.csv").read_text().splitlines()[0] + "\n")
    assert main([f"run={run}", f"out={tmp_path / 'out'}"]) == 3
    assert "nothing could be drawn" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [{"scenes": 1}, {"status": "failed"}, {"cheats": 90}], ids=str)
def test_odd_runs_are_drawn(
    tmp_path: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = papers.write_run(tmp_path / "run", **change)
    assert main([f"run={run}", f"out={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().err
    assert "leaderboard of toy left out: 1 run answers toy" in said
    assert ("rows beyond the first 40 are left out" in said) == ("cheats" in change)


def test_a_hundred_thousand_lines_are_read(tmp_path: Path) -> None:
    run = papers.write_run(tmp_path / "run")
    path = run / "scores.csv"
    head, *rest = path.read_text().splitlines()
    more = [f"toy,1,{papers.SETTING},v2v,box,subject,s000,s000-h,0,0,m{i},0.5,ok," for i in range(100_000)]
    path.write_text("\n".join([head, *more, *rest]) + "\n")
    assert main([f"run={run}", f"out={tmp_path / 'out'}", "only=forest,rows,age"]) == 0


def test_without_matplotlib_tables_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = papers.write_run(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([f"run={run}", f"out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err.strip()
    assert "pip install -e '.[paper]'" in said and "\n" not in said
    assert main([f"run={run}", f"out={tmp_path / 'out'}", "only=tables"]) == 0


def test_a_sheet_needs_latex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = papers.write_run(tmp_path / "run")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([f"run={run}", f"out={tmp_path / 'out'}", "only=rows", f"sheet={tmp_path / 'a.png'}"]) == 2
    said = capsys.readouterr().err.strip()
    assert "sheet= needs pdflatex (texlive-latex-recommended" in said and "\n" not in said


def test_names_are_escaped() -> None:
    assert escaped("a_b & 50% {x} $y$ #1") == r"a\_b \& 50\% \{x\} \$y\$ \#1"
    assert escaped("\\end{document}\n") == r"\textbackslash{}end\{document\} "
    assert escaped("é 视 µ --") == r"\'{e} {[}U+89C6{]} \(\mu\) -{}-"
    assert escaped("*[x]") == r"{*}{[}x{]}"
    assert all(c.isascii() for c in escaped(papers.HOSTILE))
    with style.style():
        assert style.shown("视\n$x$") == "[U+89C6] $x$"
    assert style.slug("../../etc/passwd") == "etc-passwd"


def test_nothing_known_is_nothing_drawn(tmp_path: Path) -> None:
    run = papers.write_run(tmp_path / "run")
    (run / "cases.csv").unlink()
    runs = read_runs([str(run)])
    with style.style():
        with pytest.raises(Skip, match=r"no cases\.csv"):
            curves.age(runs, "toy")
        with pytest.raises(Skip, match="clips=32"):
            curves.survival(runs, "toy")
        with pytest.raises(Skip, match="fewer than two runs say their FLOPs"):
            scaling.scaling(runs, {})
    with pytest.raises(ReportError, match="x= names other"):
        scaling.positions(runs, {"other": 1.0})
    assert asked(["run=a", "out=b", "x=a:b:3"]).x == {"a:b": 3.0}


@needs_latex
@pytest.mark.slow
def test_a_document_takes_everything_in(made: Path, tmp_path: Path) -> None:
    """Every table and figure compiles, at its own width, with names that hold what LaTeX acts on."""
    done = subprocess.run(
        [
            "pdflatex",
            "-interaction=nonstopmode",
            "-halt-on-error",
            f"-output-directory={tmp_path}",
            "example.tex",
        ],
        cwd=made / "out",
        capture_output=True,
        check=False,
    )
    log = (tmp_path / "example.log").read_text("latin-1")
    assert done.returncode == 0, "\n".join(x for x in log.splitlines() if x.startswith("!"))
    for name in (*EVERY, "leaderboard-toy", "rows-toy-low", "rows-toy-high"):
        assert name in log
    assert not re.findall(r"Overfull \\hbox \((?:[1-9]\d|\d{3})", log), "nothing is wider than its column"
    text = subprocess.run(
        ["pdftotext", str(tmp_path / "example.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "cheat" in text and "{x}&%#" in text
    fonts = subprocess.run(
        ["pdffonts", str(made / "out" / "forest-toy.pdf")], capture_output=True, text=True, check=True
    ).stdout
    assert "CID TrueType" in fonts and "Type 3" not in fonts


@needs_latex
@pytest.mark.slow
def test_every_letter_prints(tmp_path: Path) -> None:
    name = papers.HOSTILE + "".join(chr(c) for c in range(32, 0x250)) + "".join(SPECIAL) + "".join(GREEK)
    lines = "\n\n".join(escaped(name[i : i + 20]) for i in range(0, len(name), 20))
    text = f"\\documentclass{{article}}\\begin{{document}}\n{lines}\n\\end{{document}}\n"
    (tmp_path / "letters.tex").write_text(text, encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "letters.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode("latin-1")[-600:]
    command = ["pdftotext", str(tmp_path / "letters.pdf"), "-"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "\\end{doc" in shown and "[U+89C6]" in shown and "--x" in shown


@needs_latex
@pytest.mark.slow
def test_the_sheet_shows_the_document(made: Path, tmp_path: Path) -> None:
    from PIL import Image

    sheet = tmp_path / "sheet.png"
    assert main([*words(made, "again"), f"sheet={sheet}"]) == 0
    with Image.open(sheet) as picture:
        assert picture.width > picture.height > 500
