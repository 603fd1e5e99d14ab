"""The command line: instant help, wrong words answered with the right ones, one meaning for an exit code."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy
from conftest import names_in

from simbench import exits
from simbench.cli import main
from simbench.errors import UserError
from simbench.overrides import rewrite
from simbench.settings import parse_size

ROOT = Path(__file__).resolve().parent.parent


def command(folder: Path, *arguments: str) -> list[str]:
    """`python -m simbench` on the toy suite and box, everything inside `folder`."""
    conf = toy.write_config(folder)
    base = [sys.executable, "-m", "simbench", f"--config-dir={conf}", "suite=toy", "generator=box"]
    places = [f"out={folder / 'out'}", f"store={folder / 'store'}", "cases=3", "workers=1", "clips=1"]
    given = {argument.partition("=")[0] for argument in arguments}
    return [*base, *(p for p in places if p.partition("=")[0] not in given), *arguments]


def environment() -> dict[str, str]:
    """Where the toys can be imported."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{toy.TESTS}"}


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        command(folder, *arguments),
        env=environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_is_instant_and_says_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "simbench", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    took = time.perf_counter() - started
    assert done.returncode == 0
    assert took < 1.5
    text = done.stdout
    assert text.count("  python -m simbench") == 5
    for word in ("permanence", "flow", "cases=32 is a prefix of cases=64", "130", "143", "max_incomplete"):
        assert word in text
    assert max(len(line) for line in text.splitlines()) <= 150


def test_every_option_stands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import fields

    from simbench.config import RunConfig

    assert main(["--help"]) == exits.OK
    text = capsys.readouterr().out
    hidden = {"suites", "study", "baselines", "report"}
    assert [f.name for f in fields(RunConfig) if f.name not in hidden and f"{f.name}=" not in text] == []


def test_lists_hold_what_lies_in_a_folder_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = toy.write_config(tmp_path)
    (conf / "group").mkdir()
    (conf / "group" / "both.yaml").write_text("suites: [toy, permanence]\n")
    assert main([f"--config-dir={conf}", "mode=list"]) == exits.OK
    text = capsys.readouterr().out
    assert "toy                 A square ends up left or right." in text
    assert "box                 Answers as told." in text
    assert "both                group: toy, permanence" in text
    assert rewrite([f"--config-dir={conf}", "suite=both"])[1:] == [
        "+suite@suites.toy=toy",
        "+suite@suites.permanence=permanence",
    ]


def test_two_suites_are_named_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suite=hidden", "cases=8", "suite=permanence"]) == exits.TROUBLE
    said = capsys.readouterr().err.strip()
    assert said == "simbench: suite=hidden and suite=permanence: use suite=hidden,permanence"
    assert rewrite(["suite=hidden", "suite=hidden"]) == rewrite(["suite=hidden"])
    assert main(["suite="]) == exits.TROUBLE


@pytest.mark.parametrize("name", names_in("group"))
def test_a_group_that_ships_names_suites_that_ship(name: str) -> None:
    asked = rewrite([f"suite={name}"])
    assert len(asked) >= 2
    assert {line.rpartition("=")[2] for line in asked} <= set(names_in("suite"))


@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("frmes=9", "unknown option frmes; did you mean frames?"),
        ("suite=permanense", "did you mean permanence?"),
        ("generator=flwo", "did you mean flow?"),
        ("generator.checkpoint=x", "unknown option generator.checkpoint: generator model has"),
        ("permanence.setings=1", "did you mean setting?"),
        ("mode=plam", "mode=plam is not one of all, plan, generate, score, export, list; did you mean plan?"),
        ("engine=slurm", "engine=slurm is not one of local, inline, ray"),
        ("exposure=zeroshot", "did you mean zero-shot?"),
        ("cases", "'cases' is not an option; options are key=value"),
        ("size.x=3", "unknown option size.x"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    argument: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument]) == exits.TROUBLE
    said = capsys.readouterr().err
    assert said.startswith("simbench: ")
    assert answer in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("frames=many", "frames"),
        ("size=32y", "size=32y is neither N nor WxH"),
        ("size=4", "size=4 is outside 8 to 4096 px"),
        ("given=video", "given=video is not one of v2v, i2v, t2v, cam, act"),
        ("look=ritch", "did you mean rich?"),
        ("difficulty=2", "difficulty=2 is outside 0 to 1"),
        ("fps=0", "fps=0 must be above 0"),
        ("context=9", "context=9 must be at least 1 and below frames=5"),
        ("frames=1", "frames=1 is no video"),
        ("workers=-1", "workers=-1 must be 0"),
        ("shard=4/2", "shard=4/2 must be i/n"),
        ("engine=ray", "pip install 'ray[default]'"),
    ],
)
def test_wrong_values_exit_with_2_and_no_traceback(
    tmp_path: Path, argument: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path, argument)[3:]) == exits.TROUBLE
    said = capsys.readouterr().err
    assert answer in said
    assert "Traceback" not in said


def test_sizes() -> None:
    assert parse_size("64") == (64, 64)
    assert parse_size("96x64") == (96, 64)
    for wrong in ("", "x", "64x", "-3", "1e9x4", "5000"):
        with pytest.raises(UserError, match="size="):
            parse_size(wrong)


def test_a_suite_and_a_generator_outside_the_project(tmp_path: Path) -> None:
    done = call(tmp_path)
    assert done.returncode == exits.OK, done.stderr
    assert "> box (zero-shot)" in done.stdout
    assert "toy@1  32x32x5@8 plain v2v d0.25  3 scenes" in done.stdout
    for name in ("scores.csv", "summary.json", "report.html", "run.json"):
        assert (tmp_path / "out" / name).is_file()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["resume"].startswith("python -m simbench ")
    again = call(tmp_path, "generator.mode=right")
    assert "6 of 6 videos stored" in again.stderr
    assert again.stdout == done.stdout


def test_a_plan_ends_with_the_command_that_runs_it(tmp_path: Path) -> None:
    done = call(tmp_path, "mode=plan")
    assert done.returncode == exits.OK, done.stderr
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("resume with: "))
    assert "suite=toy" in line and "cases=3" in line and "mode=" not in line


def test_incomplete_is_3_and_an_import_that_fails_is_2(tmp_path: Path) -> None:
    assert call(tmp_path, "generator.mode=none").returncode == exits.INCOMPLETE
    yaml = tmp_path / "conf" / "generator" / "box.yaml"
    command(tmp_path)
    missing = tmp_path / "missing"
    conf = toy.write_config(missing)
    (conf / "generator" / "box.yaml").write_text("_target_: nowhere.Model\n")
    arguments = [sys.executable, "-m", "simbench", f"--config-dir={conf}", "suite=toy", "generator=box"]
    done = subprocess.run(
        [*arguments, f"store={tmp_path / 's'}", "cases=1", f"out={tmp_path / 'o'}"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == exits.TROUBLE
    assert "No module named 'nowhere'" in done.stderr
    assert yaml.is_file()


def test_a_sweep_goes_on_after_one_bad_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call(tmp_path, "-m", "generator.mode=none,right", "engine=inline")
    assert done.returncode == exits.INCOMPLETE, done.stderr
    assert "box" in (tmp_path / "out" / "1" / "scores.csv").read_text()
    rows = csv.DictReader((tmp_path / "out" / "1" / "scores.csv").read_text().splitlines())
    assert {row["status"] for row in rows} == {"ok"}


def test_an_unwritable_folder_is_found_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for option in ("out", "store"):
        assert main(command(tmp_path, f"{option}={tmp_path / 'file' / 'x'}")[3:]) == exits.TROUBLE
        said = capsys.readouterr().err
        assert f"simbench: cannot write to {option}=" in said
        assert "Traceback" not in said


def test_paths_may_hold_any_sign(tmp_path: Path) -> None:
    folder = tmp_path / "it's, (odd) ünd=more"
    folder.mkdir()
    assert main(command(folder, "engine=inline", "anchors=none", "cases=1", "clips=0")[3:]) == exits.OK
    assert (folder / "out" / "scores.csv").is_file()


def test_exit_codes_have_an_order() -> None:
    assert exits.worst([0, 4, 1]) == 1
    assert exits.worst([0, 3, 1]) == 3
    assert exits.worst([2, 3, 1, 0]) == 2
    assert exits.worst([0, 0]) == 0
    assert exits.worst([]) == exits.TROUBLE


@pytest.mark.parametrize(
    ("number", "code", "word", "pool"),
    [
        (signal.SIGTERM, exits.TERMINATED, "terminated", "true"),
        (signal.SIGTERM, exits.TERMINATED, "terminated", "false"),
        (signal.SIGINT, exits.INTERRUPTED, "interrupted", "true"),
    ],
)
def test_signals_keep_the_work_and_say_how_to_go_on(
    tmp_path: Path, number: int, code: int, word: str, pool: str
) -> None:
    with subprocess.Popen(
        command(tmp_path, "generator.mode=slow", f"generator.pool={pool}", "cases=200", "batch=1"),
        env=environment(),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell that puts tests in the background makes them, and all they start, deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("store/video/*/*/meta.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        sent = time.monotonic()
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert time.monotonic() - sent < 40
    assert running.returncode == code, said
    assert f"simbench: {word}; the work is kept, go on with: python -m simbench " in said
    assert "Traceback" not in said
    assert len(list(tmp_path.glob("store/video/*/*/meta.json"))) >= 3


@pytest.mark.slow
def test_killed_again_and_again_the_same_command_ends_with_the_same_bytes(tmp_path: Path) -> None:
    arguments = ("generator.mode=noise", "generator.pool=true", "cases=12", "workers=2")
    (tmp_path / "once").mkdir()
    assert call(tmp_path / "once", *arguments).returncode == exits.OK
    folder = tmp_path / "killed"
    folder.mkdir()
    for i in range(6):
        with subprocess.Popen(
            command(folder, *arguments), env=environment(), cwd=folder, stderr=subprocess.DEVNULL
        ) as running:
            time.sleep(0.9 + 0.3 * i)
            running.kill()
    done = call(folder, *arguments)
    assert done.returncode == exits.OK, done.stderr
    assert toy.scores(folder) == toy.scores(tmp_path / "once")


@pytest.mark.slow
def test_two_processes_on_one_store_end_with_the_same_bytes(tmp_path: Path) -> None:
    arguments = ("generator.mode=noise", "generator.pool=true", "cases=12")
    both = [
        subprocess.Popen(
            command(tmp_path, *arguments, f"out={tmp_path / name}"), env=environment(), stderr=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    for running in both:
        _, said = running.communicate(timeout=120)
        assert running.returncode == exits.OK, said
    assert (tmp_path / "a" / "scores.csv").read_bytes() == (tmp_path / "b" / "scores.csv").read_bytes()


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path, "generator.mode=very slow", "generator.pool=true", "workers=2"),
        env=environment(),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as running:
        while b"resume with" not in running.stderr.readline():
            pass
        time.sleep(1.0)
        group = os.getpgid(running.pid)
        running.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(group):
        time.sleep(0.1)
    assert not _alive(group)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
