"""Cases out: complete for the person who makes the videos, and without a word or a pixel of the truth."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from toys import Toy

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.export import action_words, aspect_name, camera_words, export_cases, full_prompt, load_condition
from simbench.video import decode

SUITE = Toy(setting=Setting(width=64, height=36, frames=9, context=2))
SCENES = SUITE.scenes(2, "public")
SECRET = "tell-tale-truth-0451"


def turned(yaw: float = 0.0, pitch: float = 0.0, eye: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """World to camera [4, 4] (OpenCV) of a camera at `eye` (its own first axes), degrees right and up."""
    a, b = np.radians([yaw, pitch])
    around_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    pose = np.eye(4)
    pose[:3, :3] = around_x @ around_y
    pose[:3, 3] = -pose[:3, :3] @ np.array(eye, float)
    return pose


def condition(name: str = "c", frames: int = 9, given: int = 1, **more) -> Condition:
    """A grey condition."""
    grey = np.full((given, 36, 64, 3), 99, np.uint8)
    return Condition(name, "cam", grey, "A ball.", 64, 36, frames, 8.0, **more)


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A suite of exactly these conditions, with a truth that must not leave."""

    conditions: tuple[Condition, ...]

    def cases(self, scene: str) -> list[Case]:
        """See Suite."""
        truth = Truth(Toy().case("public-0", "left").truth.scene, {"secret": SECRET})
        tags = {"trial": SECRET}
        return [Case(f"{c.name}-{SECRET}", SECRET, 451, c, truth, tags) for c in self.conditions]


def export(out: Path, *conditions: Condition) -> Path:
    """Export these conditions as one scene."""
    export_cases(Fixed(conditions), ["scene"], out)  # type: ignore[arg-type]
    return out


def test_files_and_table(tmp_path: Path) -> None:
    summary = export_cases(SUITE, SCENES, tmp_path)
    assert summary.cases == 4
    assert summary.folder == tmp_path
    with summary.table.open() as file:
        rows = list(csv.DictReader(file))
    assert [r["case"] for r in rows] == [c.condition.name for s in SCENES for c in SUITE.cases(s)]
    assert list(rows[0]) == [
        *("case", "file name", "prompt", "image", "seconds", "aspect"),
        *("width", "height", "fps", "frames"),
    ]
    first = rows[0]
    assert first["file name"] == f"{first['case']}.mp4"
    assert (first["seconds"], first["aspect"], first["width"], first["frames"]) == (
        "1.125",
        "16:9",
        "64",
        "9",
    )
    for row in rows:
        assert (tmp_path / row["image"]).is_file()
        assert (tmp_path / row["case"] / "prompt.txt").read_text() == "A square.\n"


def test_pixels_are_exact_and_the_clip_is_playable(tmp_path: Path) -> None:
    export_cases(SUITE, SCENES, tmp_path)
    case = SUITE.cases(SCENES[0])[0].condition
    folder = tmp_path / case.name
    assert np.array_equal(np.asarray(Image.open(folder / "first.png")), case.given_frames[0])
    assert np.array_equal(decode(folder / "context", fps=8.0).frames, case.given_frames)
    with av.open(str(folder / "context.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    clip = decode(folder / "context.mp4")
    assert clip.frames.shape == case.given_frames.shape
    assert clip.fps == 8.0
    assert np.abs(clip.frames.astype(int) - case.given_frames).mean() < 2


def test_the_condition_comes_back(tmp_path: Path) -> None:
    poses = np.stack([turned(5.0 * t) for t in range(9)])
    lens = np.repeat(np.array([[[50.0, 0, 32], [0, 50, 18], [0, 0, 1]]]), 9, axis=0)
    conditions = (
        condition("cam", poses=poses, intrinsics=lens),
        condition("act", actions=("left",) * 4 + ("stay",) * 5),
        condition("text", given=0),
        condition("clip", given=4),
    )
    export(tmp_path, *conditions)
    for original in conditions:
        assert load_condition(tmp_path / original.name).digest() == original.digest()
    assert not list((tmp_path / "text").glob("*.png"))
    assert not (tmp_path / "text" / "context").exists()


def test_nothing_but_conditions_is_read(tmp_path: Path) -> None:
    """A spy suite whose truth, tags and ids carry a word; and the frames of the future by their bytes."""
    export(tmp_path / "spy", condition("a"), condition("b", given=4))
    export_cases(SUITE, SCENES, tmp_path / "toy")
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 20
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET not in path.name
    futures = {f.tobytes() for s in SCENES for c in SUITE.cases(s) for f in SUITE.oracle(c).frames[2:]}
    futures -= {f.tobytes() for s in SCENES for c in SUITE.cases(s) for f in c.condition.given_frames}
    assert len(futures) > 0
    pictures = [p for p in files if p.suffix == ".png"]
    assert all(np.asarray(Image.open(p)).tobytes() not in futures for p in pictures)
    words = ("truth", "oracle", "world_seed", "trial", "facts", "velocity", "event")
    for path in [p for p in files if p.suffix in (".json", ".txt", ".csv")]:
        assert not [w for w in words if w in path.read_text().lower()], path


def test_a_scene_with_another_future_exports_the_same_bytes(tmp_path: Path) -> None:
    export(tmp_path / "a", condition())
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    export(tmp_path / "b", condition())
    for path in (tmp_path / "a").rglob("*"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def test_exporting_again_keeps_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "c.mp4").write_bytes(b"an answer")
    export(tmp_path, condition())
    export(tmp_path, condition())
    assert (tmp_path / "c.mp4").read_bytes() == b"an answer"


def test_readme_says_what_to_do(tmp_path: Path) -> None:
    text = export(tmp_path / "large", condition(given=4)).joinpath("README.txt").read_text()
    for words in (
        "<case>.mp4",
        "9 frames long at 8 frames a second",
        "watermark",
        "python -m simbench.check",
    ):
        assert words in text
    assert "Videos to make: 1" in text
    small = dataclasses.replace(condition(), height=32, given_frames=np.zeros((1, 32, 64, 3), np.uint8))
    assert (
        "only lossless files are scored"
        in export(tmp_path / "small", small).joinpath("README.txt").read_text()
    )


@pytest.mark.parametrize("name", ["a/b", "", "..", "a b", "x" * 101, "-flag"])
def test_bad_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be a file name"):
        export(tmp_path, condition(name))


def test_duplicates_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two cases are called C"):
        export(tmp_path, condition("c"), condition("C"))
    with pytest.raises(UserError, match="nothing to export"):
        export(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_an_export(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an exported case"):
        load_condition(tmp_path)
    export(tmp_path, condition())
    shutil.rmtree(tmp_path / "c" / "context")
    with pytest.raises(UserError, match="is not an exported case"):
        load_condition(tmp_path / "c")
    (tmp_path / "c" / "request.json").write_text(json.dumps({"case": "c"}))
    with pytest.raises(UserError, match="is not an exported case"):
        load_condition(tmp_path / "c")


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (turned(yaw=30), "Over 2 s the camera turns 30 degrees right."),
        (turned(yaw=-30), "Over 2 s the camera turns 30 degrees left."),
        (turned(pitch=10), "Over 2 s the camera turns 10 degrees up."),
        (turned(eye=(0, 0, 1.5)), "Over 2 s the camera moves 1.5 m forward."),
        (turned(eye=(-0.5, 0, 0)), "Over 2 s the camera moves 0.5 m left."),
        (turned(eye=(0, -0.25, 0)), "Over 2 s the camera moves 0.25 m up."),
        (
            turned(yaw=20, eye=(0, 0, -1)),
            "Over 2 s the camera turns 20 degrees right and moves 1 m backward.",
        ),
        (turned(), "The camera does not move."),
    ],
)
def test_camera_words(last: np.ndarray, words: str) -> None:
    start = turned(yaw=70, pitch=-10, eye=(3, 1, 2))
    # The path seen from any first camera reads the same.
    assert camera_words(np.stack([turned(), last]), 2.0) == words
    assert camera_words(np.stack([start, last @ start]), 2.0) == words


def test_a_camera_that_returns() -> None:
    path = np.stack([turned(), turned(yaw=20), turned(yaw=40), turned(yaw=20), turned()])
    words = "The camera leaves and comes back to where it started (turns 40 degrees right, then back)."
    assert camera_words(path, 2.0) == words


def test_action_words_and_prompts() -> None:
    actions = ("", "turn left", "turn left", "go forward")
    words = "From 0.5 s to 1.5 s: turn left. From 1.5 s to 2 s: go forward."
    assert action_words(actions, 2.0) == words
    assert full_prompt(condition(actions=actions)).startswith("A ball. From 0.125 s to 0.375 s: turn left.")
    assert full_prompt(condition(poses=np.stack([turned()] * 9))) == "A ball. The camera does not move."


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((64, 64), "1:1"),
        ((832, 480), "26:15"),
        ((1280, 720), "16:9"),
        ((720, 1280), "9:16"),
        ((640, 480), "4:3"),
    ],
)
def test_aspect(size: tuple[int, int], name: str) -> None:
    assert aspect_name(*size) == name
