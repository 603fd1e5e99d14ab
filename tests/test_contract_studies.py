"""Every study on disk keeps the contract of `simbench.study`, and every check of it can fail."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest
import toy_study
from conftest import names_in

from simbench import exits
from simbench.cli import main
from simbench.config import RunConfig
from simbench.overrides import CONF, config_folders, options, rewrite

Capture = pytest.CaptureFixture[str]


def check_file(name: str, flags: list[str]) -> None:
    """Its yaml says what it is, names a frozen dataclass, and holds that one's options; its name is free."""
    folders = config_folders(flags)
    found = options(folders, "study")[name]
    assert found.about, f"{found.path} does not begin with a comment that says what it is"
    module, _, kind = found.content["_target_"].rpartition(".")
    target = getattr(importlib.import_module(module), kind)
    assert target.__dataclass_params__.frozen, f"{target} may change"
    assert set(found.keys) == {f.name for f in dataclasses.fields(target)}, found.path
    taken = {"all", "generator", *(f.name for f in dataclasses.fields(RunConfig))}
    assert name not in {*taken, *options(folders, "suite"), *options(folders, "group")}


def check_plan(name: str, flags: list[str], folder: Path) -> None:
    """mode=plan says what would be done, and writes nothing."""
    said = [*flags, f"suite={name}", "mode=plan", f"out={folder / 'out'}", f"store={folder / 'store'}"]
    assert main(said) == exits.OK
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())


def check_refusals(name: str, flags: list[str], capsys: Capture) -> None:
    """A wrong option, a mode of cases, another suite beside it: exit 2 and one line each."""
    for words in (
        [f"{name}.nothing=1"],
        ["mode=export"],
        ["cases=-3"],
        ["samples=0"],
        [f"suite={name},permanence"],
    ):
        capsys.readouterr()
        assert main([*flags, f"suite={name}", *words]) == exits.TROUBLE, words
        said = capsys.readouterr().err
        assert said.startswith("simbench: ") and said.count("\n") == 1, said
        assert (name in said) != ("measures nothing; use " in said), said


@pytest.mark.parametrize("name", names_in("study"))
def test_studies_on_disk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    check_file(name, [])
    check_plan(name, [], tmp_path)
    check_refusals(name, [], capsys)


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What brings the toy study in."""
    monkeypatch.chdir(tmp_path)
    return [f"--config-dir={toy_study.write_config(tmp_path)}"]


def test_the_toy_keeps_the_contract(flags: list[str], tmp_path: Path, capsys: Capture) -> None:
    check_file("tally", flags)
    check_plan("tally", flags, tmp_path)
    check_refusals("tally", flags, capsys)


def test_each_check_can_fail(flags: list[str], tmp_path: Path) -> None:
    toy_study.write_config(tmp_path, "toy_study.Loose", "loose")
    with pytest.raises(AssertionError, match="may change"):
        check_file("loose", flags)
    with pytest.raises(AssertionError):
        check_plan("loose", flags, tmp_path)
    toy_study.write_config(tmp_path, "toy_study.Tally", "paint")
    with pytest.raises(AssertionError):
        check_file("paint", flags)


def test_a_study_gets_its_options_and_those_of_a_run(flags: list[str], tmp_path: Path) -> None:
    words = ["tally.runs=a,b (c)", "tally.suites=permanence,hidden", "cases=3", "size=64", "look=rich"]
    assert main([*flags, "suite=tally", *words, f"out={tmp_path / 'out'}"]) == exits.OK
    assert (tmp_path / "out" / "tally.txt").read_text().splitlines() == [
        "permanence 64x64x17@8 rich v2v d0.25 3 a,b (c)",
        "hidden 64x64x17@8 rich v2v d0.25 3 a,b (c)",
    ]


def test_its_exit_code_is_that_of_the_command(flags: list[str], tmp_path: Path) -> None:
    assert main([*flags, "suite=tally", "cases=3", f"out={tmp_path / 'out'}"]) == exits.INCOMPLETE


def test_it_is_listed_and_no_part_of_all(flags: list[str], capsys: Capture) -> None:
    assert main([*flags, "mode=list"]) == exits.OK
    text = capsys.readouterr().out
    assert "  tally               Counts scenes." in text
    assert "tally.runs= tally.suites= tally.most=" in text
    assert not [word for word in rewrite([*flags, "suite=all"]) if word.startswith("+study")]
    assert rewrite([*flags, "suite=tally"])[1:] == ["+study@study.tally=tally"]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["suite=taly"], "did you mean tally?"),
        (["suite=tally", "tally.run=x"], "did you mean runs?"),
        (["suite=tally", "tally.suites=hiden"], "tally.suites=hiden is not one of"),
        (["suite=tally", "cases=100"], "cases=100 is above tally.most=99"),
        (["suite=tally", "tally.most=many"], "tally.most"),
        (["suite=empty"], "toy_study.Empty is no study"),
        (["tally.runs=x"], "unknown option tally.runs"),
    ],
)
def test_wrong_words(
    words: list[str], answer: str, flags: list[str], tmp_path: Path, capsys: Capture
) -> None:
    toy_study.write_config(tmp_path, "toy_study.Empty", "empty")
    assert main([*flags, *words, f"out={tmp_path / 'out'}"]) == exits.TROUBLE
    said = capsys.readouterr().err
    assert answer in said and "Traceback" not in said


def test_a_study_makes_no_table(flags: list[str]) -> None:
    from simbench import evaluate
    from simbench.errors import UserError

    with pytest.raises(UserError, match="a study makes no table"):
        evaluate(suite="tally", config_dir=flags[0].partition("=")[2])


def test_no_suite_has_the_name_of_a_study() -> None:
    assert not set(options([CONF], "study")) & {*options([CONF], "suite"), *options([CONF], "group")}
