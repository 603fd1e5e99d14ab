"""Trackers are told what summary.json and run.json say, in files alone: each is read back."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from data_runs import ODD, two_runs

from reports.aggregate import ReportError
from reports.rows import read_rows
from reports.trackers.run import FILES, short_name, tracked

ROOT = Path(__file__).resolve().parent.parent
# Python that connects to another machine is stopped: the audit hook sees every attempt.
ALONE = """
import socket, sys
HERE = (None, "localhost", "127.0.0.1", "::1", socket.gethostname())
def watch(event, arguments):
    host = "localhost"
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    if host not in HERE:
        print("went out to", host, file=sys.stderr)
        raise SystemExit(77)
sys.addaudithook(watch)
from reports.data import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with outputs/a and outputs/b."""
    folder = tmp_path_factory.mktemp("made")
    two_runs(folder)
    return folder


def told(made: Path, home: Path, *arguments: str) -> str:
    """What the command prints, run in a process of its own with a home of its own."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        # wandb writes through a program that is not Python: it would go out by this proxy, and be noticed.
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        away = {name: address for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
        done = subprocess.run(
            [sys.executable, "-c", ALONE, *arguments],
            cwd=made,
            env={**os.environ, **away, "PYTHONPATH": str(ROOT), "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=250,
        )
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def wandb_records(path: Path) -> list[bytes]:
    """The records of a .wandb file: LevelDB's log, blocks of 32 KiB, after 7 bytes that name the format."""
    data, place, found, part = path.read_bytes(), 7, [], b""
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):
            found.append(part)
            part = b""
    return found


def expected(made: Path) -> dict[str, float]:
    """Every mean and end of an interval of outputs/a, by its metric's name, from summary.json."""
    found = {}
    for row in json.loads((made / "outputs/a/summary.json").read_text())["rows"]:
        head = f"{row['suite']}/{row['generator']}" + (" cheat" if row["role"] == "cheat" else "")
        for end, key in (("", "mean"), ("_low", "low"), ("_high", "high")):
            if row["metrics"]["S"][key] is not None:
                found[f"{head}/S{end}"] = row["metrics"]["S"][key]
        found |= {f"{head}/{status}": float(row[status]) for status in ("planned", "ok", "failed")}
    return found


def test_what_trackers_are_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    run = tracked("outputs/a", Path("outputs/a"))
    assert expected(made).items() <= run.metrics.items()
    assert run.metrics["toy/box/failed"] == 1
    assert run.config["toy.setting"] == "32x32x5@8 plain v2v d0.25"
    assert run.config["toy.generator"] == "box" and run.config["toy.exposure"] == "zero-shot"
    assert run.config["runtime.python"].startswith("3.")
    assert run.config["resume"] == "python -m simbench"
    assert [path.name for path in run.files] == [n for n in FILES if (made / "outputs/a" / n).exists()]
    odd = tracked("outputs/b", Path("outputs/b"))
    assert not [name for name in odd.metrics if set(name) & set('"🙂,')]
    assert odd.metrics["toy/größe_ _7_ _/S"] == 100


def test_two_rows_of_one_name_are_refused(made: Path, tmp_path: Path) -> None:
    found = json.loads((made / "outputs/a/summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps({**found, "rows": found["rows"][:1] * 2}))
    with pytest.raises(ReportError, match="two rows are called toy/box/planned; give one another label="):
        tracked("x", tmp_path)


def test_names_of_folders() -> None:
    assert short_name("outputs/2026-11-26/10-11-12.5/") == "outputs_2026-11-26_10-11-12.5"
    assert short_name("../..") == "run"


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(made: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard`, which .ci/run installs")
    said = [
        told(made, tmp_path, "run=outputs/a,outputs/b", "to=tensorboard", f"out={tmp_path}") for _ in "12"
    ][1]
    assert said.startswith(f"{tmp_path}/outputs_a: ") and said.count("\n") == 2
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "outputs_a"))
    read.Reload()
    scalars = {tag: [event.value for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    for name, value in expected(made).items():
        assert scalars[name] == [pytest.approx(value, rel=1e-6)], "written twice, there once"
    texts = {tag: read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert "> box (zero-shot)" in texts["table"] and "toy.setting" in texts["config"]
    worst = [tag for tag in read.Tags()["images"] if "/worst/" in tag]
    assert worst == ["toy/worst/public-0-a"]
    strip = json.loads((made / "outputs/a/clips/clips.json").read_text())["clips"][0]["name"]
    assert (
        read.Images(worst[0])[0].encoded_image_string == (made / f"outputs/a/clips/{strip}.png").read_bytes()
    )
    assert (tmp_path / "outputs_a" / "summary.json").is_file()


@pytest.mark.filterwarnings("ignore")
def test_wandb(made: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra `wandb`, which .ci/run installs")
    told(made, tmp_path / "home", "run=outputs/a", "to=wandb", f"out={tmp_path / 'out'}", "project=p")
    (file,) = (tmp_path / "out").glob("wandb/offline-run-*/run-*.wandb")
    from wandb.proto import wandb_internal_pb2

    records = [wandb_internal_pb2.Record.FromString(data) for data in wandb_records(file)]
    (run,) = [record.run for record in records if record.WhichOneof("record_type") == "run"][:1]
    assert (run.project, run.display_name) == ("p", "outputs/a")
    config = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in run.config.update}
    assert config["toy.setting"] == "32x32x5@8 plain v2v d0.25" and config["resume"] == "python -m simbench"
    history = {}
    for record in records:
        for item in record.history.item:
            history[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    assert expected(made).items() <= history.items()
    entries = [e for r in records for e in r.request.log_artifact.artifact.manifest.contents]
    entries += [e for r in records for e in r.artifact.manifest.contents]
    assert "summary.json" in {entry.path for entry in entries}
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").rglob("*wandb*"))


def test_mlflow(made: Path, tmp_path: Path) -> None:
    for package in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(package, reason="the extra `mlflow`, which .ci/run installs")
    told(made, tmp_path, "run=outputs/a,outputs/b", "to=mlflow", f"out={tmp_path / 'out'}", "project=p")
    with sqlite3.connect(tmp_path / "out" / "mlflow.db") as base:
        runs = dict(base.execute("select name, run_uuid from runs"))
        assert set(runs) == {"outputs/a", "outputs/b"}
        key = runs["outputs/a"]
        metrics = dict(base.execute("select key, value from metrics where run_uuid = ?", (key,)))
        params = dict(base.execute("select key, value from params where run_uuid = ?", (key,)))
        status, place = base.execute(
            "select status, artifact_uri from runs where run_uuid = ?", (key,)
        ).fetchone()
        assert [name for (name,) in base.execute("select name from experiments where name = 'p'")] == ["p"]
    base.close()
    assert expected(made).items() <= metrics.items()
    assert params["toy.setting"] == "32x32x5@8 plain v2v d0.25" and params["resume"] == "python -m simbench"
    assert status == "FINISHED"
    kept = Path(place.removeprefix("file://"))
    assert (kept / "summary.json").read_bytes() == (made / "outputs/a/summary.json").read_bytes()


def test_the_watch_on_the_network_can_bark(made: Path, tmp_path: Path) -> None:
    barks = ALONE.replace(
        "from reports.data", "socket.create_connection(('192.0.2.1', 9), 1)\nfrom reports.data"
    )
    done = subprocess.run([sys.executable, "-c", barks], capture_output=True, text=True, timeout=60)
    assert done.returncode == 77, done.stderr


def test_the_label_is_kept_in_rows(made: Path) -> None:
    assert ODD in {row["generator"] for row in read_rows([str(made / "outputs/b")])}
