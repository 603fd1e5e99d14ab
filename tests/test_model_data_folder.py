"""A user's folder: everything in it is used or named, sizes and lengths as asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.clips.folder import Folder, Options
from model.data import samples
from simbench.errors import UserError
from simbench.video import Video, encode
from simbench.worlds.scene import Caption


def clip(frames: int = 6, width: int = 20, height: int = 14, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    encode(Video(clip(6), 8.0), tmp_path / "b.mkv")
    encode(Video(clip(11, 16, 16, 1), 24.0), tmp_path / "deep" / "a.mkv")
    Image.fromarray(clip(1, 9, 8, 2)[0]).save(tmp_path / "c.png")
    (tmp_path / "b.txt").write_text("A red ball.\n")
    return tmp_path


def test_native_samples(folder: Path) -> None:
    found = Folder(folder)
    assert len(found) == 3
    b, c, a = (found.sample(i) for i in range(3))
    assert np.array_equal(b.video, clip(6)) and b.fps == 8.0
    assert b.caption == Caption("A red ball.", "A red ball.") and b.mask is None
    assert np.array_equal(c.video, clip(1, 9, 8, 2)) and c.caption == Caption()
    assert np.array_equal(a.video, clip(11, 16, 16, 1)) and a.caption == Caption()
    assert found.report() == "2 videos and 1 images, 3 clips; 2 without a caption: c.png, a.mkv"
    assert len(samples(found, 0, 0, 4)) == 4


def test_listed_files(folder: Path) -> None:
    line = {"file": "deep/a.mkv", "short": "s", "long": "l", "structured": {"b": 1}}
    (folder / "captions.jsonl").write_text(json.dumps(line) + "\n\n")
    found = Folder(folder)
    assert [found.sample(i).caption for i in range(len(found))] == [
        Caption("A red ball.", "A red ball."),
        Caption("s", "l", '{"b": 1}'),
    ]
    assert found.report() == "2 videos and 0 images, 2 clips; 1 not in captions.jsonl: c.png"
    (folder / "captions.jsonl").write_text("")
    (folder / "b.txt").unlink()
    with pytest.raises(UserError, match="lists nothing"):
        Folder(folder)


def test_long_videos_are_cut_and_short_ones_stay(folder: Path) -> None:
    found = Folder(folder, Options(frames=4, multiple=4))
    videos = [found.sample(i).video for i in range(len(found))]
    assert [v.shape for v in videos] == [(4, 12, 20, 3)] * 2 + [(1, 8, 8, 3)] + [(4, 16, 16, 3)] * 3
    assert np.array_equal(videos[1], clip(6)[2:, 1:13])
    assert np.array_equal(videos[5], clip(11, 16, 16, 1)[7:])


def test_size_and_rate(folder: Path) -> None:
    for mode in ("fit", "crop"):
        found = Folder(folder, Options(size=(8, 8), mode=mode, fps=8.0))
        assert [found.sample(i).video.shape for i in range(3)] == [(6, 8, 8, 3), (1, 8, 8, 3), (4, 8, 8, 3)]
        assert {found.sample(i).fps for i in range(3)} == {8.0}


def test_damaged_files_are_named_and_counted(folder: Path) -> None:
    (folder / "bad.mp4").write_bytes(b"no video")
    (folder / "worse.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(UserError, match=r"2 of 5 files .*bad\.mp4.*worse\.png.*corrupt=skip"):
        Folder(folder)
    found = Folder(folder, Options(corrupt="skip"))
    assert len(found) == 3 and len(found.problems) == 2
    assert "2 left out: bad.mp4" in found.report()
    for file in ("b.mkv", "c.png", "deep/a.mkv"):
        (folder / file).unlink()
    with pytest.raises(UserError, match="none of 2 files"):
        Folder(folder, Options(corrupt="skip"))


def test_many_problems_are_counted_not_listed(tmp_path: Path) -> None:
    for i in range(8):
        (tmp_path / f"{i}.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"8 of 8 .*and 3 more"):
        Folder(tmp_path)


def test_folders_without_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        Folder(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="no videos or images"):
        Folder(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", 'no "file"'),
        ('{"file": "c.png"}', 'no "caption"'),
        ('{"file": "c.png", "caption": 3}', 'no "caption" of text'),
        ('{"file": "z.mp4", "caption": "x"}', "names z.mp4, which is no video"),
    ],
)
def test_captions_that_cannot_be_used(folder: Path, line: str, said: str) -> None:
    (folder / "captions.jsonl").write_text(line)
    with pytest.raises(UserError, match=said):
        Folder(folder)


def test_captions_of_another_encoding(folder: Path) -> None:
    (folder / "b.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"b\.txt is not UTF-8"):
        Folder(folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(mode="pad"), "mode=pad"),
        (Options(corrupt="hide"), "corrupt=hide"),
        (Options(frames=0), "frames=0"),
        (Options(fps=-1.0), "fps=-1"),
        (Options(multiple=0), "multiple=0"),
        (Options(size=(0, 8)), "size=0x8"),
    ],
)
def test_options_out_of_range(folder: Path, options: Options, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Folder(folder, options)


def test_a_picture_below_the_multiple_is_named(folder: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 3 files .*9x8 px is less than 12 px"):
        Folder(folder, Options(multiple=12))
