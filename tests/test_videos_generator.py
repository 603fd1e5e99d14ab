"""Videos made elsewhere: found by name, answered one by one, refused with a reason, never mixed up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ffmpeg_files as ff
import numpy as np
import pytest
from conftest import build
from PIL import Image

from simbench.case import Condition
from simbench.errors import UserError
from simbench.generator import Generator, Invalid, Refused
from simbench.generators.videos import Videos
from simbench.video import Video

CLIP = ff.moving_shapes()
pytestmark = ff.needs_ffmpeg


def condition(name: str = "case-a", size: int = 64, frames: int = 17, given: int = 5) -> Condition:
    """A condition whose given frames are those of CLIP."""
    return Condition(name, "v2v", CLIP[:given, :size, :size].copy(), "A ball.", size, size, frames, 8.0)


def only(generator: Videos, case: Condition, sample: int = 0):
    """The answer to one condition."""
    return generator([case], [0], samples=[sample])[0]


def lossless(path: Path, frames: np.ndarray = CLIP, fps: str = "8") -> Path:
    """An FFV1 file from the ffmpeg command line."""
    return ff.make(path, frames, *ff.LOSSLESS, fps=fps)


def test_protocol_and_configuration(tmp_path: Path) -> None:
    generator = build("generator", "videos", dir=str(tmp_path))
    assert isinstance(generator, Generator)
    assert "samples" in generator.capabilities
    assert generator.identity() == Videos(str(tmp_path)).identity()
    json.dumps(generator.identity())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dir": ""}, "needs generator.dir"),
        ({"dir": "nowhere"}, "generator.dir=nowhere is not a folder"),
        ({"dir": ".", "resample": "stretch"}, "is not one of fit, crop"),
        ({"dir": ".", "pattern": "video"}, "does not contain {name}"),
    ],
)
def test_bad_options(options: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Videos(**options)


@pytest.mark.parametrize("name", ["case-a.mkv", "case-a.MKV", "case-a_0.mkv"])
def test_found_by_name(tmp_path: Path, name: str) -> None:
    lossless(tmp_path / name.lower()).rename(tmp_path / name)
    video = only(Videos(str(tmp_path)), condition())
    assert isinstance(video, Video)
    assert np.array_equal(video.frames, CLIP)
    assert not video.lossy


@pytest.mark.parametrize(
    ("name", "options"),
    [("case-a.mp4", ff.H264), ("case-a.webm", ff.VP9), ("case-a.mov", ff.H264), ("case-a.gif", ())],
)
def test_every_container(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    ff.make(tmp_path / name, CLIP, *options)
    video = only(Videos(str(tmp_path)), condition())
    assert isinstance(video, Video)
    assert video.lossy


def test_folder_of_frames(tmp_path: Path) -> None:
    (tmp_path / "case-a").mkdir()
    for index, frame in enumerate(CLIP):
        Image.fromarray(frame).save(tmp_path / "case-a" / f"{index + 1}.png")
    video = only(Videos(str(tmp_path)), condition())
    assert isinstance(video, Video)
    assert np.array_equal(video.frames, CLIP)
    faster = only(Videos(str(tmp_path), resample="fit", fps=16.0), condition(frames=9))
    assert isinstance(faster, Video)
    assert np.array_equal(faster.frames, CLIP[::2])
    assert "at 16 fps" in only(Videos(str(tmp_path), fps=16.0), condition()).reason


def test_missing_is_none_and_spares_the_others(tmp_path: Path) -> None:
    lossless(tmp_path / "b.mkv")
    (tmp_path / "c.mp4").write_bytes(b"damaged")
    (tmp_path / "d.refused.txt").write_text("Your request\nwas blocked.")
    answers = Videos(str(tmp_path))([condition(n) for n in "abcd"], [0] * 4)
    assert answers[0] is None
    assert isinstance(answers[1], Video)
    assert isinstance(answers[2], Invalid)
    assert "c.mp4" in answers[2].reason
    assert answers[3] == Refused("Your request was blocked.")


def test_samples(tmp_path: Path) -> None:
    for k in range(3):
        lossless(tmp_path / f"case-a_{k}.mkv", ff.moving_shapes(seed=k))
    generator = Videos(str(tmp_path))
    answers = generator([condition()] * 4, [0] * 4, samples=[0, 1, 2, 3])
    for k in range(3):
        assert np.array_equal(answers[k].frames, ff.moving_shapes(seed=k))
    assert answers[3] is None
    assert np.array_equal(generator([condition()], [0])[0].frames, ff.moving_shapes(seed=0))


def test_pattern(tmp_path: Path) -> None:
    lossless(tmp_path / "wan_case-a_take2.mkv")
    generator = Videos(str(tmp_path), pattern="wan_{name}_take{k}")
    assert isinstance(only(generator, condition(), 2), Video)
    assert only(generator, condition(), 1) is None


def test_two_files_for_one_case(tmp_path: Path) -> None:
    lossless(tmp_path / "case-a.mkv")
    ff.make(tmp_path / "case-a.mp4", CLIP, *ff.H264)
    reason = "case-a.mkv and case-a.mp4 answer the same case; keep one"
    assert only(Videos(str(tmp_path)), condition()) == Invalid(reason)


def test_an_exported_case_beside_its_answer_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "case-a").mkdir()
    (tmp_path / "case-a" / "request.json").write_text("{}")
    Image.fromarray(CLIP[0]).save(tmp_path / "case-a" / "000.png")
    assert only(Videos(str(tmp_path)), condition()) is None


@pytest.mark.parametrize(
    ("frames", "fps", "got"),
    [
        (CLIP[:16], "8", "16x64x64 at 8 fps"),
        (CLIP[:, :32], "8", "17x32x64 at 8 fps"),
        (CLIP, "24", "17x64x64 at 24 fps"),
    ],
)
def test_not_what_was_asked(tmp_path: Path, frames: np.ndarray, fps: str, got: str) -> None:
    lossless(tmp_path / "case-a.mkv", np.ascontiguousarray(frames), fps)
    wanted = f"case-a.mkv: expected 17x64x64 at 8 fps, got {got}; add generator.resample=fit or crop"
    assert only(Videos(str(tmp_path)), condition()) == Invalid(wanted)


def test_lossy_at_32_px(tmp_path: Path) -> None:
    ff.make(tmp_path / "case-a.mp4", CLIP[:, :32, :32].copy(), *ff.H264)
    answer = only(Videos(str(tmp_path)), condition(size=32))
    words = "lossy video is not scored at 32 px; use a lossless file or size=64"
    assert answer == Invalid(f"case-a.mp4: {words}")
    lossless(tmp_path / "case-b.mkv", CLIP[:, :32, :32].copy())
    assert isinstance(only(Videos(str(tmp_path)), condition("case-b", size=32)), Video)


def test_resample(tmp_path: Path) -> None:
    wide = ff.moving_shapes(70, 90, 160)
    lossless(tmp_path / "case-a.mkv", wide, "24")
    fit = only(Videos(str(tmp_path), resample="fit"), condition())
    crop = only(Videos(str(tmp_path), resample="crop"), condition())
    for video in (fit, crop):
        assert video.frames.shape == (17, 64, 64, 3)
        assert video.fps == 8.0
    assert np.abs(fit.frames.astype(int) - crop.frames).mean() > 3
    short = only(Videos(str(tmp_path), resample="fit"), condition(frames=33))
    assert short.reason == "case-a.mkv: lasts 2.917 s, 4.125 s are asked (33 frames at 8 fps)"


def test_resample_of_variable_rate(tmp_path: Path) -> None:
    uneven = ("-vf", "setpts='if(lt(N,9),N,N+3)/8/TB'", "-vsync", "vfr")
    ff.make(tmp_path / "case-a.mkv", CLIP, *ff.LOSSLESS, *uneven)
    assert "variable frame rate" in only(Videos(str(tmp_path)), condition()).reason
    video = only(Videos(str(tmp_path), resample="fit"), condition())
    assert np.array_equal(video.frames, CLIP[[*range(9), 8, 8, 8, *range(9, 14)]])


def test_continuation(tmp_path: Path) -> None:
    lossless(tmp_path / "case-a.mkv", CLIP[5:])
    whole = only(Videos(str(tmp_path), continuation=True), condition())
    assert np.array_equal(whole.frames, CLIP)
    assert "add generator.continuation=true" in only(Videos(str(tmp_path)), condition()).reason
    lossless(tmp_path / "case-b.mkv", ff.moving_shapes(40, 128, 128), "24")
    both = only(Videos(str(tmp_path), continuation=True, resample="fit"), condition("case-b"))
    assert np.array_equal(both.frames[:5], CLIP[:5])
    lossless(tmp_path / "case-c.mkv", ff.moving_shapes(12, 128, 128))
    assert "got 12x128x128" in only(Videos(str(tmp_path), continuation=True), condition("case-c")).reason


def test_identity_follows_every_byte_and_option(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    lossless(one / "case-a.mkv")
    (one / "frames").mkdir()
    Image.fromarray(CLIP[0]).save(one / "frames" / "0.png")
    shutil.copytree(one, two)
    first = Videos(str(one)).identity()
    assert Videos(str(two)).identity() == first
    changes = ({"resample": "fit"}, {"continuation": True}, {"pattern": "x{name}"}, {"fps": 4.0})
    seen = [json.dumps(Videos(str(one), **change).identity(), sort_keys=True) for change in changes]
    data = bytearray((two / "case-a.mkv").read_bytes())
    data[-1] ^= 1
    (two / "case-a.mkv").write_bytes(data)
    seen.append(json.dumps(Videos(str(two)).identity(), sort_keys=True))
    Image.fromarray(CLIP[1]).save(two / "frames" / "0.png")
    seen.append(json.dumps(Videos(str(two)).identity(), sort_keys=True))
    (one / "case-b.refused.txt").write_text("no")
    seen.append(json.dumps(Videos(str(one)).identity(), sort_keys=True))
    assert len({json.dumps(first, sort_keys=True), *seen}) == 8


def test_a_file_edited_while_running_changes_the_identity(tmp_path: Path) -> None:
    lossless(tmp_path / "case-a.mkv")
    generator = Videos(str(tmp_path))
    before = generator.identity()
    assert generator.identity() == before
    lossless(tmp_path / "case-a.mkv", ff.moving_shapes(seed=9))
    assert generator.identity() != before
