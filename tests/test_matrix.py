"""All ladders as one matrix: what does not hold is counted and named, and the committed page is of today."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from conftest import ROOT, names_in

from reports import ladder

pytest.importorskip("matplotlib")


def copied(folder: Path, *names: str) -> Path:
    """A folder with some of the committed ladders."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text((ROOT / "docs" / name).read_text())
    return folder


def test_the_committed_matrix_is_of_the_committed_ladders() -> None:
    found = ladder.matrix(ladder.read(ROOT / "docs"))
    assert {x["head"]["suite"] for x in found.ladders} == set(names_in("suite"))
    assert found.broken == () and len(found.cheats) >= 22
    assert (ROOT / "docs" / "matrix.md").read_text() == ladder.markdown(found)


def test_every_row_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(tmp_path / "docs", "ladder.json", "ladder-bite.json", "ladder-64.json")
    assert ladder.main([f"folder={folder}", f"out={tmp_path / 'out'}"]) == 0
    assert "0 order violations" in capsys.readouterr().out
    with (tmp_path / "out" / "matrix.csv").open() as file:
        rows = list(csv.DictReader(file))
    both = [json.loads((folder / name).read_text()) for name in ("ladder.json", "ladder-bite.json")]
    assert len(rows) == sum(len(part["rows"]) for found in both for part in found["parts"].values())
    assert {row["suite"] for row in rows} == {"permanence", "bite"}
    assert (tmp_path / "out" / "matrix.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("part", ["anchors", "cheats", "damage", "nuisance"])
def test_what_does_not_hold_is_counted_and_named(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(tmp_path / "docs", "ladder-bite.json")
    found = json.loads((folder / "ladder-bite.json").read_text())
    row = found["parts"][part]["rows"][0]
    row |= {"holds": False, "score": 61.25}
    (folder / "ladder-bite.json").write_text(json.dumps(found))
    assert ladder.main([f"folder={folder}", f"out={tmp_path / 'out'}"]) == 1
    said = capsys.readouterr().out
    assert "1 order violations" in said and f"{row['name']} 61.2" in said
    page = (tmp_path / "out" / "matrix.md").read_text()
    assert (
        "**1 order violations**" in page
        and f"- bite 32x32x17@8 plain act d0.25, {part}: {row['name']}" in page
    )
    assert ("does not hold**" in page) == (part in ("anchors", "cheats"))


def test_cheats_of_many_suites_stand_first() -> None:
    found = ladder.matrix(ladder.read(ROOT / "docs"))
    count = [sum(row is not None for row in rows) for rows in found.cheats.values()]
    assert count == sorted(count, reverse=True) and count[0] > 5 and count[-1] == 1
    assert list(found.anchors)[:2] == ["oracle", "observer"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["folder=docs"], "out= is missing"),
        (["folder=nowhere", "out=o"], "folder=nowhere is no folder"),
        (["folder=empty", "out=o"], "holds no ladder*.json with cheats; python -m suites.ladder writes them"),
        (["folder=twice", "out=o"], "holds 2 ladders of bite at 32x32x17@8 plain act d0.25; leave one"),
        (["folder=broken", "out=o"], "cannot be read"),
        (["folder=good", "out=afile"], "afile"),
        (["folder=good", "out=afile/below"], "afile"),
    ],
)
def test_trouble_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    twice = copied(tmp_path / "twice", "ladder-bite.json")
    (twice / "ladder-again.json").write_text((twice / "ladder-bite.json").read_text())
    copied(tmp_path / "good", "ladder-bite.json")
    (tmp_path / "afile").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ladder.json").write_text("{")
    assert ladder.main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert words in said and len(said.splitlines()) == 1
