"""The README holds: its commands compose, its code is the example that runs, nothing is left open."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from simbench import exits

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """Fenced code of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)


def commands(module: str) -> list[str]:
    """Arguments of every `python -m module ...` in the shell blocks of the pages, without comments."""
    found = []
    for page in PAGES:
        for line in "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines():
            for match in re.findall(rf"python -m {re.escape(module)} ([^#&|]*)", line):
                found.append(match.strip())
    return sorted(set(found))


def test_the_code_in_the_readme_is_the_example() -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    name, body = code.split("\n", 1)
    example = (ROOT / name.removeprefix("# ")).read_text()
    assert body.strip() in example, "examples/my_model.py and the README differ"
    assert [type(node).__name__ for node in ast.parse(code).body] == ["Import", "ClassDef"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_left_open(page: Path) -> None:
    assert not re.findall(r"@[A-Z]+@|\?\?\?|\bTBD\b|<number>", page.read_text())


@pytest.mark.parametrize("command", commands("simbench"))
def test_commands_are_understood(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simbench.cli import main

    monkeypatch.chdir(tmp_path)
    asked = [word for word in shlex.split(command) if not word.startswith(("mode=", "cases=", "out="))]
    planned = [
        "mode=plan",
        "cases=1",
        "engine=inline",
        f"out={tmp_path / 'out'}",
        f"store={tmp_path / 'store'}",
    ]
    assert main(asked if "--help" in asked else asked + planned) == 0, capsys.readouterr().err


def test_a_command_that_is_not_understood_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simbench.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["suite=permanense", "mode=plan"]) == 2


def test_hydras_own_flags_take_their_value_as_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simbench.cli import main

    monkeypatch.chdir(tmp_path)
    main(["--cfg", "job", f"out={tmp_path / 'out'}", "size=48"])
    assert re.search(r"^size: '?48", capsys.readouterr().out, re.M)
    assert main(["job", "--cfg"]) == 2


def test_the_first_commands_are_the_two_that_matter() -> None:
    first = blocks(ROOT / "README.md", "sh")[0].splitlines()
    assert re.match(r"pip install -e '\.\[dev\]' && python -m simbench suite=permanence\b", first[0])
    assert re.match(r"pytest\b", first[1])


def test_exit_codes_are_those_of_the_command() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "README.md").read_text(), re.M))
    assert rows == {str(code): meaning for code, meaning in exits.MEANING.items()}


def test_pictures_are_small_enough_to_commit() -> None:
    for path in (ROOT / "docs").glob("*.png"):
        assert path.stat().st_size <= 300_000, f"{path.name}: {path.stat().st_size} bytes"
