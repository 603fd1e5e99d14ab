"""The store gives back what was put into it or nothing, and survives killed and rival writers."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from simbench import files
from simbench.errors import UserError
from simbench.files import require_writable, sweep, write_bytes, write_text
from simbench.store import Store
from simbench.video import Video

KEY = "ab" + "0" * 62


def clip(seed: int = 0) -> Video:
    """Five frames of noise."""
    return Video(np.random.default_rng(seed).integers(0, 256, (5, 16, 24, 3), dtype=np.uint8), 8.0)


def test_what_is_put_is_what_is_got(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.meta(KEY) is None
    assert store.get_video(KEY) is None
    meta = store.put_video(KEY, clip(), 1.5)
    assert store.meta(KEY) == meta
    assert (meta.frames, meta.height, meta.width, meta.fps, meta.seconds) == (5, 16, 24, 8.0, 1.5)
    back = store.get_video(KEY)
    assert back.digest() == clip().digest() == meta.digest
    assert not list(tmp_path.rglob("*.tmp"))


def test_rates_survive_that_a_container_rounds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    video = Video(clip().frames, 30000 / 1001)
    store.put_video(KEY, video)
    assert store.get_video(KEY).digest() == video.digest()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "no video", "no meta", "bad meta"])
def test_damage_is_absence(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.put_video(KEY, clip())
    video = store.video_folder(KEY) / "video.mkv"
    meta = store.video_folder(KEY) / "meta.json"
    data = bytearray(video.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
        video.write_bytes(data)
        assert store.meta(KEY) is not None, "only reading the pixels can tell"
    else:
        {
            "truncated": lambda: video.write_bytes(data[: len(data) // 2]),
            "empty": lambda: video.write_bytes(b""),
            "no video": video.unlink,
            "no meta": meta.unlink,
            "bad meta": lambda: meta.write_text('{"schema": 1}'),
        }[damage]()
        assert store.meta(KEY) is None
    assert store.get_video(KEY) is None
    store.drop_video(KEY)
    store.put_video(KEY, clip())
    assert store.get_video(KEY).digest() == clip().digest()


def test_damaged_video_is_replaced_by_putting_it_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_video(KEY, clip())
    (store.video_folder(KEY) / "video.mkv").write_bytes(b"half")
    store.put_video(KEY, clip())
    assert store.get_video(KEY).digest() == clip().digest()


def test_scores_come_back_and_damage_is_absence(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.scores(KEY) == {}
    store.put_scores(KEY, {"a": {"measures": {"hit": 0.1}}})
    assert store.scores(KEY) == {"a": {"measures": {"hit": 0.1}}}
    path = tmp_path / "score" / "ab" / f"{KEY}.json"
    path.write_text(path.read_text()[:-5])
    assert store.scores(KEY) == {}


def test_arrays_come_back_and_damage_is_absence(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.array("abcd") is None
    put = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    store.put_array("abcd", put)
    found = store.array("abcd")
    assert found is not None and found.dtype == np.float32 and np.array_equal(found, put)
    (path,) = tmp_path.rglob("*.npy")
    whole = path.read_bytes()
    for damaged in (b"", whole[:40], whole[:-4], whole + b"x", b"pickle"):
        path.write_bytes(damaged)
        assert store.array("abcd") is None, damaged
    store.put_array("abcd", put)
    assert path.read_bytes() == whole and len(list(path.parent.iterdir())) == 1


def test_keys_hold_no_nan(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="part of a key"):
        Store(tmp_path).put_scores(KEY, {"hit": float("nan")})


def full(*_: object, **__: object) -> None:
    """A disk without room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_is_one_line_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"disk full at .*: 2\.0 MB needed, .* MB free; make room or choose"):
        write_bytes(path, b"x" * 2_000_000)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_while_a_video_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match="disk full"):
        store.put_video(KEY, clip())
    monkeypatch.undo()
    assert store.meta(KEY) is None
    assert not list(tmp_path.rglob("*.tmp"))
    store.put_video(KEY, clip())
    assert store.get_video(KEY) is not None


def test_other_disk_errors_keep_their_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_a_store_that_cannot_be_written_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to store=.*choose another folder with store="):
        Store(tmp_path / "file" / "store").open()
    with pytest.raises(UserError, match="out="):
        require_writable(tmp_path / "file", "out")


def test_strays_are_swept_and_fresh_ones_left_to_their_writers(tmp_path: Path) -> None:
    old, folder, fresh = tmp_path / "x" / ".a.1.tmp", tmp_path / ".b.2.tmp", tmp_path / ".c.3.tmp"
    old.parent.mkdir()
    old.write_text("half")
    folder.mkdir()
    (folder / "video.mkv").write_text("half")
    fresh.write_text("being written")
    for path in (old, folder):
        os.utime(path, (time.time() - 3600,) * 2)
    (tmp_path / "kept.json").write_text("{}")
    assert sweep(tmp_path) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [".c.3.tmp", "kept.json", "x"]


def put_many(root: str) -> int:
    """Put the same eight videos, as a rival process."""
    store = Store(Path(root))
    for i in range(8):
        store.put_video(f"{i:02d}" + "f" * 62, clip(i))
        store.put_scores("cd" + "0" * 62, {"same": 1})
    return os.getpid()


def test_four_writers_of_the_same_videos(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert len(set(pool.map(put_many, [str(tmp_path)] * 4))) >= 1
    store = Store(tmp_path)
    assert [store.get_video(f"{i:02d}" + "f" * 62).digest() for i in range(8)] == [
        clip(i).digest() for i in range(8)
    ]
    assert store.scores("cd" + "0" * 62) == {"same": 1}
    assert not list(tmp_path.rglob("*.tmp"))


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import Store, clip
store = Store(Path({root!r}))
print("ready", flush=True)
i = 0
while True:
    store.put_video(f"{{i % 100:02d}}" + f"{{i:062d}}", clip(i)); i += 1
"""


@pytest.mark.slow
def test_killed_writers_leave_nothing_damaged(tmp_path: Path) -> None:
    code = WRITER.format(tests=str(Path(__file__).parent), root=str(tmp_path))
    for i in range(8):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.05 + 0.037 * i)
            writer.send_signal(signal.SIGKILL)
    store = Store(tmp_path)
    keys = [p.name for p in tmp_path.glob("video/*/*") if not p.name.startswith(".")]
    assert keys
    assert [k for k in keys if store.get_video(k).digest() != clip(int(k[2:])).digest()] == []
    sweep(tmp_path, age=-1.0)
    assert not list(tmp_path.rglob("*.tmp"))
