"""The checker of returned videos names every fault that ffmpeg can make, and nothing in clean clips."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import ffmpeg_files as ff
import numpy as np
import pytest
from PIL import Image
from test_export import Fixed, turned

from simbench import faults
from simbench.case import Condition
from simbench.check import BAD_INPUT, OFF, OK, check, main, may_move
from simbench.export import export_cases
from simbench.video import Video, decode

pytestmark = ff.needs_ffmpeg
SIZES = (64, 96, 128)


def condition(clip: np.ndarray, given: int = 5, name: str = "case", **more) -> Condition:
    """What was asked: the first frames of `clip`."""
    frames, height, width = clip.shape[:3]
    prompt = more.pop("prompt", "A ball.")
    return Condition(name, "v2v", clip[:given].copy(), prompt, width, height, frames, 8.0, **more)


def through(tmp_path: Path, clip: np.ndarray, filters: str = "", crf: int = 20) -> Video:
    """`clip` after ffmpeg's H.264 encoder, with `filters` before it."""
    graph = ("-vf", filters) if filters else ()
    options = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", str(crf))
    return decode(ff.make(tmp_path / "x.mp4", clip, *graph, *options))


def kinds(video: Video, asked: Condition) -> list[str]:
    """The kinds of what is found."""
    return [finding.kind for finding in check(video, asked)]


def detail(video: Video, asked: Condition, kind: str) -> str:
    """The words of the one finding of `kind`."""
    (found,) = [f for f in check(video, asked) if f.kind == kind]
    return found.detail


@pytest.mark.parametrize(
    "crf", [pytest.param(18, marks=pytest.mark.slow), pytest.param(23, marks=pytest.mark.slow), 28]
)
@pytest.mark.parametrize("seed", range(10))
def test_clean_clips_raise_nothing(tmp_path: Path, seed: int, crf: int) -> None:
    """30 clips: no false alarm, with five or no given frames."""
    size = SIZES[seed % 3]
    clip = ff.moving_shapes(17, size, size, seed=seed)
    video = through(tmp_path, clip, crf=crf)
    for given in (5, 0):
        assert check(video, condition(clip, given)) == []


@pytest.mark.slow
@pytest.mark.parametrize("look", ["plain", "rich"])
@pytest.mark.parametrize("seed", range(3))
def test_clean_worlds_raise_nothing(tmp_path: Path, seed: int, look: str) -> None:
    from simbench.worlds import families
    from simbench.worlds.clip import make_clip

    scene = families.build("occluder", seed, 2.0, look)
    clip = make_clip(scene, 96, 96, 17, 8.0).rgb
    for crf in (18, 28):
        assert check(through(tmp_path, clip, crf=crf), condition(clip)) == []


@pytest.mark.parametrize("seed", range(3))
def test_cut(tmp_path: Path, seed: int) -> None:
    clip, other = (ff.moving_shapes(17, 64, 64, seed=s) for s in (seed, seed + 50))
    for name, part in (("a", clip[:9]), ("b", other[9:])):
        ff.make(tmp_path / f"{name}.mkv", part, *ff.LOSSLESS)
    parts = ("-i", str(tmp_path / "a.mkv"), "-i", str(tmp_path / "b.mkv"))
    joined = ("-filter_complex", "[0][1]concat", *ff.H264, str(tmp_path / "c.mp4"))
    ff.run(*parts, *joined)
    video = decode(tmp_path / "c.mp4")
    assert len(video.frames) == 17
    assert detail(video, condition(clip), "cut") == "at frame 9 (1.12 s)"


def test_exposure_and_fast_motion_are_no_cuts(tmp_path: Path) -> None:
    clip = ff.moving_shapes(17, 64, 64, seed=1)
    assert faults.cuts(through(tmp_path, clip, "eq=brightness='0.2*gte(n,8)':eval=frame").frames) == ()
    whirl = np.stack([np.roll(clip[0], 9 * t, axis=1) for t in range(17)])
    assert faults.cuts(whirl) == ()


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        ("crop=64:48,pad=64:64:0:8", "bars at the top 8 px, bottom 8 px"),
        ("scale=44:64,pad=64:64:10:0", "bars at the left 10 px, right 10 px"),
        ("scale=64:56,pad=64:64:0:0:white", "bars at the bottom 8 px"),
    ],
)
def test_letterbox(tmp_path: Path, bars: str, words: str) -> None:
    for seed in range(2):
        clip = ff.moving_shapes(17, 64, 64, seed=seed)
        assert detail(through(tmp_path, clip, bars), condition(clip), "letterbox") == words


def test_letterbox_without_given_frames(tmp_path: Path) -> None:
    clip = ff.moving_shapes(17, 64, 64, seed=2)
    assert kinds(through(tmp_path, clip, "crop=64:48,pad=64:64:0:8"), condition(clip, 0)) == ["letterbox"]


def test_bars_that_belong_to_the_scene(tmp_path: Path) -> None:
    clip = ff.moving_shapes(17, 64, 64, seed=2)
    clip[:, :8], clip[:, -8:] = 0, 0
    assert check(through(tmp_path, clip), condition(clip)) == []


@pytest.mark.parametrize(
    ("box", "where"),
    [
        ("x=iw-20:y=ih-10:w=16:h=6:color=white@0.8", "bottom right"),
        ("x=3:y=4:w=14:h=7:color=black@0.9", "top left"),
        ("x=3:y=ih-12:w=18:h=7:color=white@0.6", "bottom left"),
    ],
)
def test_watermark(tmp_path: Path, box: str, where: str) -> None:
    for seed in (0, 2):
        clip = ff.moving_shapes(17, 96, 96, seed=seed)
        # Shapes of these seeds keep out of the corners; the wall is mid grey, so both colours show.
        video = through(tmp_path, clip, f"drawbox={box}:t=fill")
        assert where in detail(video, condition(clip), "watermark")


def test_a_thing_that_leaves_a_corner_is_no_watermark(tmp_path: Path) -> None:
    clip = ff.moving_shapes(17, 64, 64, seed=3)
    clip[:6, 50:60, 48:60] = 250
    assert "watermark" not in kinds(through(tmp_path, clip), condition(clip))


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ("crop=60:60:2:2,pad=64:64:4:4:gray", "by +2.0 px right and +2.0 px down"),
        ("pad=68:64:0:0:gray,crop=64:64:4:0", "by -4.0 px right and +0.0 px down"),
    ],
)
def test_first_frame_shift(tmp_path: Path, filters: str, words: str) -> None:
    wanted = [float(w) for w in words.replace("+", "").split() if w.lstrip("-").replace(".", "").isdigit()]
    for seed in range(2):
        clip = ff.moving_shapes(17, 64, 64, seed=seed)
        video = through(tmp_path, clip, filters, crf=12)
        found = faults.align(clip[0], video.frames[0])
        assert (found.x, found.y) == pytest.approx(wanted, abs=0.5)
        assert "first-frame shift" in kinds(video, condition(clip))


def test_first_frame_zoom(tmp_path: Path) -> None:
    clip = ff.moving_shapes(17, 128, 128, seed=4)
    video = through(tmp_path, clip, "scale=136:136,crop=128:128", crf=14)
    assert faults.align(clip[0], video.frames[0]).zoom == pytest.approx(136 / 128, abs=0.01)
    assert "scaled by +" in detail(video, condition(clip), "first-frame shift")


def test_first_frame_of_something_else(tmp_path: Path) -> None:
    clip, other = ff.moving_shapes(seed=0), ff.moving_shapes(seed=60)
    assert "differs from first.png" in detail(through(tmp_path, other), condition(clip, 1), "first frame")


def test_flat_worlds_raise_nothing(tmp_path: Path) -> None:
    clip = np.full((17, 96, 96, 3), (214, 220, 190), np.uint8)
    for t in range(17):
        clip[t, 60:76, 4 + 4 * t : 20 + 4 * t] = (120, 20, 200)
    for given in (5, 0):
        assert check(Video(clip, 8.0), condition(clip, given)) == []
    assert check(through(tmp_path, clip, crf=28), condition(clip)) == []
    assert check(Video(np.repeat(clip[:1], 17, axis=0), 8.0), condition(clip)) == []


def test_flat_pictures_do_not_break_alignment() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    found = faults.align(flat, flat)
    assert (found.x, found.y, found.zoom, found.off) == (0.0, 0.0, 1.0, 0.0)
    assert faults.align(flat, np.full_like(flat, 200)).off == pytest.approx(110, abs=1)


@pytest.mark.parametrize(
    "filters",
    [
        "scale=120:96,crop=96:96:x='n*24/17':y=0",
        "scale=96:120,crop=96:96:x=0:y='n*24/17'",
        "rotate='n*0.02':fillcolor=gray",
    ],
)
def test_camera_motion(tmp_path: Path, filters: str) -> None:
    for seed in (0, 1):
        clip = ff.moving_shapes(17, 96, 96, seed=seed)
        video = through(tmp_path, clip, filters)
        asked = dataclasses.replace(condition(clip, 1), given_frames=video.frames[:1])
        assert kinds(video, asked) == ["camera motion"]
        assert kinds(video, dataclasses.replace(asked, prompt="The camera turns left.")) == []
        assert kinds(video, dataclasses.replace(asked, prompt="The camera never turns.")) == ["camera motion"]


@pytest.mark.slow
def test_camera_motion_of_a_world(tmp_path: Path) -> None:
    from simbench.worlds import families
    from simbench.worlds.clip import make_clip

    clip = make_clip(families.build("orbit", 1, 2.0, "rich"), 96, 64, 17, 8.0).rgb
    video = through(tmp_path, clip)
    assert kinds(video, condition(clip, 1)) == ["camera motion"]


def test_asked_motion_is_fine() -> None:
    clip = ff.moving_shapes()
    assert not may_move(condition(clip, 1))
    assert may_move(condition(clip, 1, poses=np.stack([turned()] * 17)))
    assert may_move(condition(clip, 1, actions=("turn left",) * 17))
    assert may_move(condition(clip, 1, prompt="A ball. The camera pans right."))
    assert not may_move(condition(clip, 1, prompt="The ball moves. The camera does not move."))
    panned = np.stack([np.roll(ff.moving_shapes(1)[0], 2 * t, axis=1) for t in range(17)])
    assert may_move(condition(panned, 5))


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (ff.moving_shapes(16), "expected 17x64x64 at 8 fps, got 16x64x64 at 8 fps"),
        (ff.moving_shapes(17, 96, 96), "got 17x96x96 at 8 fps"),
        (ff.moving_shapes(17, 64, 128), "got 17x64x128 at 8 fps"),
    ],
)
def test_shape(tmp_path: Path, clip: np.ndarray, words: str) -> None:
    found = check(through(tmp_path, clip), condition(ff.moving_shapes()))
    assert [f.severity for f in found if f.kind == "shape"] == ["error"]
    assert words in found[0].detail


def test_a_larger_clip_is_looked_at_in_the_asked_pixels(tmp_path: Path) -> None:
    clip = ff.moving_shapes(17, 128, 128, seed=2)
    small = clip.reshape(17, 64, 2, 64, 2, 3).mean(axis=(2, 4)).round().astype(np.uint8)
    assert kinds(through(tmp_path, clip), condition(small)) == ["shape"]


def test_not_a_clip() -> None:
    broken = Video(np.zeros((17, 64, 64), np.uint8), 8.0)
    assert kinds(broken, condition(ff.moving_shapes())) == ["shape"]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Three exported cases: a, b and c."""
    conditions = [condition(ff.moving_shapes(seed=i), name=n) for i, n in enumerate("abc")]
    export_cases(Fixed(tuple(conditions)), ["scene"], tmp_path / "out")  # type: ignore[arg-type]
    (tmp_path / "back").mkdir()
    return tmp_path / "out"


def run(exported: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    """Exit code and words of the command."""
    code = main([f"dir={exported.parent / 'back'}", f"cases={exported}", *more])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def fill(exported: Path, names: str = "abc", start: int = 0, **options) -> None:
    """Good answers for these cases."""
    for name in names:
        clip = ff.moving_shapes(seed="abc".index(name))[start:]
        ff.make(exported.parent / "back" / f"{name}.mp4", clip, *ff.H264, **options)


def test_command_when_all_is_well(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(exported)
    assert run(exported, capsys) == (OK, "3 of 3 are well, 0 missing, 0 off\n")


def test_command_names_everything_that_is_off(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    back = exported.parent / "back"
    fill(exported, "a")
    (back / "b.mp4").write_bytes((back / "a.mp4").read_bytes()[:900])
    (back / "B1.mp4").write_bytes((back / "a.mp4").read_bytes())
    (back / "c.refused.txt").write_text("blocked\nby a filter")
    code, words = run(exported, capsys)
    assert code == OFF
    assert "b.mp4: error: unreadable: " in words
    assert "c.refused.txt: error: refused: blocked by a filter" in words
    assert "B1.mp4: warning: unexpected: belongs to no exported case" in words
    assert words.endswith("1 of 4 are well, 0 missing, 3 off\n")


def test_command_names_what_is_missing(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(exported, "ab")
    code, words = run(exported, capsys)
    assert code == OFF
    assert "c: error: missing: expected c.mp4 (or mkv, webm, mov, avi, m4v, gif, a folder of frames)" in words
    assert "2 of 3 are well, 1 missing, 0 off" in words


def test_command_suggests_a_misspelt_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = condition(ff.moving_shapes(), name="scene-0001-x")
    export_cases(Fixed((asked,)), ["scene"], tmp_path / "out")  # type: ignore[arg-type]
    (tmp_path / "back").mkdir()
    ff.make(tmp_path / "back" / "scene-001-x.mp4", ff.moving_shapes(), *ff.H264)
    assert "there is scene-001-x" in run(tmp_path / "out", capsys)[1]


def test_command_with_samples_frames_and_twins(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    back = exported.parent / "back"
    fill(exported, "ab")
    (back / "a.mp4").rename(back / "a_0.mp4")
    ff.make(back / "a_1.mp4", ff.moving_shapes(16), *ff.H264)
    ff.make(back / "b.webm", ff.moving_shapes(seed=1), *ff.VP9)
    (back / "c").mkdir()
    for index, frame in enumerate(ff.moving_shapes(seed=2)):
        Image.fromarray(frame).save(back / "c" / f"{index}.png")
    code, words = run(exported, capsys)
    assert code == OFF
    assert "a_1.mp4: error: shape: expected 17x64x64 at 8 fps, got 16x64x64" in words
    assert "b.mp4: error: twice: two files for one case; keep one" in words
    assert "3 of 5 are well" in words


def test_command_with_continuation_and_resample(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(exported, start=5)
    assert run(exported, capsys)[0] == OFF
    assert run(exported, capsys, "continuation=true")[0] == OK
    fill(exported, fps="16")
    code, words = run(exported, capsys, "resample=fit")
    assert code == OFF
    assert "lasts 1.062 s, 2.125 s are asked" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dir=x"], "cases= is needed"),
        (["dir=nowhere", "cases=x"], "dir=nowhere is not a folder"),
        (["dir=.", "cases=nowhere"], "is not an export: no readable cases.csv in it"),
        (["dri=x"], "did you mean dir="),
        (["--fast"], "is not an option"),
        (["dir=.", "cases=.", "continuation=yes"], "must be true or false"),
        (["dir=.", "cases=.", "resample=pad"], "is not one of fit, crop"),
        ([], "Exit codes: 0 all is well"),
    ],
)
def test_bad_input(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == BAD_INPUT
    captured = capsys.readouterr()
    assert words in captured.out + captured.err


def test_help_is_fast_and_needs_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['check', '--help']\n"
        "from simbench.check import main; assert main(sys.argv[1:]) == 0\n"
        "assert not {'av', 'cv2', 'torch', 'numba', 'scipy', 'hydra'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python -m simbench.check dir=RETURNED" in done.stdout
