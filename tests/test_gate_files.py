"""What a comparison writes: verdict.json by its schema, a comment that no name breaks, JUnit as pytest's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from gate_runs import moved, values, write_run

from reports.compare import main
from reports.gate import files
from reports.gate.comment import LIMIT, Block, fitted
from reports.gate.words import code, markdown, tag, visible, xml_text

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "reports" / "schema" / "verdict.schema.json").read_text())
BASE = values(32)
HOSTILE = (
    "a|b <script>alert(1)</script> @team #12 ![x](https://e.vil/x.png) `c` *d* ]]> --> \x1b[31m\x07\u202e"
    "\u0000 ::warning:: \ud7ff \uffff $x$ www.e.vil :rocket: 日本語 é"
)


Shape = dict[str, tuple[set[str], set[str], set[str]]]
"""Tag: attributes that each such element has, attributes that some have, tags that may be inside."""


@pytest.fixture(autouse=True)
def no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run in a workflow must not write into its summary."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def compare(folder: Path, *options: str, base: dict[str, Any] | None = None, **head: Any) -> Path:
    """Compare two runs written for it; where the files lie."""
    one = write_run(folder / "base", **{"scenes": BASE, **(base or {})})
    other = write_run(folder / "head", **{"scenes": moved(BASE, -12), **head})
    assert main([f"base={one}", f"head={other}", f"out={folder / 'out'}", *options]) in (0, 1, 3, 4)
    return folder / "out"


def several(folder: Path) -> Path:
    """A base against two heads."""
    base = write_run(folder / "base", BASE)
    heads = [write_run(folder / n, moved(BASE, -3, 2, i), generator=n) for i, n in enumerate("xy")]
    assert main([f"base={base}", "head=" + ",".join(map(str, heads)), f"out={folder / 'out'}"]) in (0, 1)
    return folder / "out"


LOST = {i: ("failed", f"because {i}") for i in range(3)}
RESULTS = {
    "regressed": {},
    "hostile": {"generator": HOSTILE, "suite": "toy"},
    "lost": {"lost": LOST},
    "all lost": {"lost": {i: ("invalid", HOSTILE) for i in range(32)}},
    "version": {"version": 2},
    "fewer": {"scenes": BASE[:5]},
    "one": {"scenes": BASE[:1]},
    "empty": {"scenes": []},
    "other": {"suite": "new"},
}


@pytest.mark.parametrize("name", [*RESULTS, "several", "none", "absent"])
def test_verdict_is_as_its_schema_says(name: str, tmp_path: Path, peer: Shape) -> None:
    if name == "several":
        out = several(tmp_path)
    elif name in ("none", "absent"):
        head = write_run(tmp_path / "head", BASE)
        assert main([f"base={name}", f"head={head}", f"out={tmp_path / 'out'}"]) == (
            0 if name == "none" else 3
        )
        out = tmp_path / "out"
    else:
        out = compare(tmp_path, **RESULTS[name])
    found = json.loads((out / "verdict.json").read_text())
    jsonschema.validate(found, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "verdict": "fine"}, SCHEMA)
    assert (out / "comment.md").read_text().splitlines()[0].startswith("<!-- simbench:")
    assert not list(out.glob(".*"))
    check_xunit(out / "junit.xml", peer)


def test_the_comment_says_all_there_is(tmp_path: Path) -> None:
    out = compare(tmp_path, "link=https://example.com/runs/1", more={"S": BASE}, base={"more": {"S": BASE}})
    text = (out / "comment.md").read_text()
    lines = text.splitlines()
    assert lines[:2] == ["<!-- simbench:toy -->", "### ❌ Regressed"]
    assert lines[3].startswith("Regressed: toy S_graded ") and "margin 5, 32 scenes" in lines[3]
    assert re.search(r"^\| toy S_graded \| [\d.]+ \| [\d.]+ \| −12.00 \| −.* \| 95 % \| 5 \| 32 ", text, re.M)
    worst = text.split("**Worst cases**\n")[1].split("<details>")[0]
    assert len(re.findall(r"^\| toy-public-\d{4}-aa \| public-\d{4} \| −", worst, re.M)) == 3
    assert "| hit " in worst and "Other metrics" in text and "[The whole report](https://example.com" in text
    assert "python -m reports.compare base=" in text and "python -m simbench out=head" in text


def test_unmatched_and_lost_are_listed(tmp_path: Path) -> None:
    text = (compare(tmp_path, scenes=values(20), lost=LOST, first=16) / "comment.md").read_text()
    assert "16 videos of toy only in base" in text and "4 videos of toy only in head" in text
    assert "| toy-public-0003-aa | public-0003 | 0 |" in text
    assert "| failed: because 2 | 1 |" in text


def test_no_name_breaks_the_comment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = {2: ("failed", HOSTILE)}
    out = compare(tmp_path, generator=HOSTILE, lost=lost, metric="S", base={"metric": "S"})
    text = (out / "comment.md").read_text()
    # The command stands in a block of code; everything else is cells.
    shown = text.split("<details><summary>Run it again")[0]
    assert not re.search(r"<script|@team|(?<!&)#12|!\[|\]\(|`c`|:rocket|www\.e|\x1b|\u202e|\x07|\x00", shown)
    for line in shown.splitlines():
        if line.startswith("| ") and "gated" not in line:
            assert line.count("|") in (3, 5, 7, 11), line
    assert "日本語 é" in shown
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\u202e" not in printed and "::warning" not in printed.split("\n", 1)[0]
    ElementTree.parse(out / "junit.xml")


def test_a_renderer_sees_tables_and_no_markup_of_a_name(tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    lost = {2: ("failed", HOSTILE)}
    out = compare(
        tmp_path, generator=HOSTILE, lost=lost, more={HOSTILE: BASE}, base={"more": {HOSTILE: BASE}}
    )
    text = (out / "comment.md").read_text().split("<details><summary>Run it again")[0]
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    cells: list[int] = []
    for token in tokens:
        if token.type == "tr_open":
            cells.append(0)
        elif token.type in ("th_open", "td_open"):
            cells[-1] += 1
    assert cells == [10, 10, 4, 4, 4, 4, 6, 6, 2, 2]
    inside = {child.type for token in tokens for child in token.children or ()}
    assert inside <= {"text", "text_special", "strong_open", "strong_close", "softbreak", "html_inline"}
    html = [c.content for token in tokens for c in token.children or () if c.type == "html_inline"]
    html += [token.content for token in tokens if token.type == "html_block"]
    assert set(re.findall(r"<[^>]*>", "".join(html))) <= {
        "<!-- simbench:toy -->",
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
    }


def test_no_name_gives_a_command_to_the_runner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(tmp_path, suite="::error::x", base={"suite": "::error::x"})
    assert not re.search(r"^\s*::", capsys.readouterr().out, re.M)


def test_words_are_safe_wherever_they_stand() -> None:
    assert tag(["a --> b", "c--d"]) == "<!-- simbench:a_-__b,c-d -->"
    assert tag([]) == "<!-- simbench:nothing -->"
    assert markdown("S_graded ratio: 3") == "S_graded ratio: 3"
    assert markdown("_a_ |") == "&#95;a&#95; &#124;"
    assert visible("a\nb\u202ec") == "a b\\u202ec" and len(visible("x" * 999)) == 160
    assert code("a ``` b").startswith("````sh\n") and code("a ``` b").endswith("\n````")
    assert xml_text("a\x00b\ufffe") == "a#x00b#xFFFE"


def test_a_long_comment_is_cut_at_rows_and_counted(tmp_path: Path) -> None:
    scenes = values(3000)
    out = compare(tmp_path, scenes=scenes, space="y" * 60, base={"scenes": scenes, "space": "x" * 60})
    text = (out / "comment.md").read_text()
    assert len(text) <= LIMIT and "3000 videos of toy only in base" in text
    (left, last) = re.findall(r"^… and (\d+) more rows, see verdict.json$", text, re.M)
    assert "- base: model, toy@1" in text, "short parts are whole"
    rows = len(re.findall(r"^\| toy-", text, re.M))
    assert rows + int(left) + int(last) == 6000 and rows > 100
    assert text.count("<details>") == text.count("</details>") and "Run it again" in text


def test_fitting_keeps_what_is_not_a_row() -> None:
    block = Block(("head",), tuple(f"row {i}" for i in range(100)), ("tail",))
    assert fitted([block], 10_000).count("row ") == 100
    text = fitted([block, block], 600)
    assert len(text) <= 600 and text.count("head") == text.count("tail") == 2
    assert len(re.findall("… and .* more rows", text)) == 2


def test_the_step_summary_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    out = compare(tmp_path)
    assert summary.read_text() == "before\n" + (out / "comment.md").read_text() + "\n"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "verdict.json"
    path.write_text("old")

    def full(handle: int) -> None:
        """A disk without room."""
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_bytes(path, b"new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["verdict.json"]


SAMPLE = """
import pytest

def test_passes(record_testsuite_property):
    record_testsuite_property("a", 1)

def test_fails():
    assert False

def test_is_skipped():
    pytest.skip("why")

@pytest.fixture
def broken():
    raise ValueError("no")

def test_errs(broken):
    pass
"""


def shape_of(path: Path) -> Shape:
    """What elements of a file look like."""
    always: dict[str, set[str]] = {}
    some: dict[str, set[str]] = defaultdict(set)
    inside: dict[str, set[str]] = defaultdict(set)
    for element in ElementTree.parse(path).iter():
        attributes = set(element.attrib)
        always[element.tag] = always.get(element.tag, attributes) & attributes
        some[element.tag] |= attributes
        inside[element.tag] |= {child.tag for child in element}
    return {kind: (always[kind], some[kind], inside[kind]) for kind in always}


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    """What pytest itself writes with junit_family=xunit2 for a pass, a failure, a skip and an error."""
    place = tmp_path_factory.mktemp("peer")
    (place / "test_sample.py").write_text(SAMPLE)
    (place / "pytest.ini").write_text("[pytest]\njunit_family = xunit2\n")
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--junitxml=peer.xml", "test_sample.py"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=place, capture_output=True, timeout=60, env=environment
    )
    return shape_of(place / "peer.xml")


def check_xunit(path: Path, peer: Shape) -> None:
    """Every element of `path` is one that pytest writes, with its attributes, in its place; counts add up."""
    for kind, (always, some, inside) in shape_of(path).items():
        assert kind in peer, f"pytest writes no <{kind}>"
        assert peer[kind][0] <= always, f"<{kind}> lacks {peer[kind][0] - always}"
        assert some <= peer[kind][1] and inside <= peer[kind][2], (kind, some, inside)
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    for suite in root:
        children = [child.tag for child in suite]
        assert children == sorted(children, key=lambda kind: kind != "properties")
        assert int(suite.attrib["tests"]) == children.count("testcase")
        for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[count]) == len(suite.findall(f"testcase/{kind}")), kind


def test_junit_has_what_a_ci_system_shows(tmp_path: Path) -> None:
    out = compare(tmp_path, "max_incomplete=9", lost=LOST)
    suite = ElementTree.parse(out / "junit.xml").getroot()[0]
    assert suite.attrib["name"] == "toy@1" and suite.attrib["tests"] == "4"
    gated = suite.find("testcase[@classname='toy'][@name='S_graded']")
    assert gated is not None
    failure = gated.find("failure")
    assert failure is not None and "−12.00" in failure.attrib["message"]
    errors = [e.attrib["message"] for e in suite.findall("testcase/error")]
    assert errors == ["failed: because 0", "failed: because 1", "failed: because 2"]
    numbers = {p.attrib["name"]: p.attrib["value"] for p in suite.findall("properties/property")}
    assert float(numbers["S_graded.difference"]) == pytest.approx(-12) and numbers["verdict"] == "regressed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tests="1"', 'tests="2"'),
        ('failures="1"', 'failures="0"'),
        (' hostname="', ' host="'),
        ("<failure ", '<failure colour="red" '),
        ("<properties>", "<properties><testcase/>"),
        ("testsuites", "testsets"),
    ],
)
def test_the_check_of_junit_can_fail(old: str, new: str, tmp_path: Path, peer: Shape) -> None:
    path = compare(tmp_path) / "junit.xml"
    check_xunit(path, peer)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(AssertionError):
        check_xunit(path, peer)
