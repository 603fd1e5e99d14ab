"""`python -m model.sample`: what it writes, and one clear line for each wrong input."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import contracts
import numpy as np
import pytest
import tiny_model
from conftest import ROOT
from PIL import Image

pytest.importorskip("torch")

from model import sample
from model.actions import CHANNELS
from simbench.video import Video, decode, encode
from tests.fake_card import card

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models, a picture and a clip of 7 frames of 32 x 32."""
    folder = tmp_path_factory.mktemp("cli")
    tiny_model.write(folder / "plain")
    tiny_model.write(folder / "told", actions=len(CHANNELS), camera=True)
    tiny_model.write(folder / "deep", given_depth=True)
    tiny_model.write(folder / "words", text=True)
    frames = contracts.condition_with(7).given_frames
    Image.fromarray(frames[0]).save(folder / "first.png")
    encode(Video(frames, 8.0), folder / "clip.mkv")
    return folder


@pytest.fixture
def run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs one command line inside the folder; exit code, stdout, stderr. `+` stands for the plain model."""
    monkeypatch.chdir(place)

    def call(*words: str) -> tuple[int, str, str]:
        words = tuple(w for word in words for w in (("dir=plain", "steps=2") if word == "+" else (word,)))
        code = sample.main(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_goes_on_from_a_video(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    code, out, err = run("+", "video=clip.mkv", "frames=13", "out=more.mkv")
    assert (code, err) == (0, "")
    assert "the model saw the first 5" in out and "wrote more.mkv: 13 frames of 32x32 at 8 fps" in out
    made = decode(place / "more.mkv")
    assert made.frames.shape == (13, 32, 32, 3) and made.fps == 8
    assert np.array_equal(made.frames[:7], decode(place / "clip.mkv").frames)
    assert run("+", "video=clip.mkv", "frames=13", "out=again.mkv")[0] == 0
    assert decode(place / "again.mkv").digest() == made.digest()
    assert run("+", "video=clip.mkv", "frames=13", "seed=1", "out=other.mkv")[0] == 0
    assert decode(place / "other.mkv").digest() != made.digest()


@pytest.mark.parametrize("name", ["plain", "told", "deep", "words"])
def test_a_pretended_card_draws_what_the_cpu_does(
    name: str, run: Callable[..., tuple[int, str, str]], place: Path
) -> None:
    words = (f"dir={name}", "steps=2", "order=heun", "video=clip.mkv", "frames=13")
    assert run(*words, "out=cpu.mkv")[0] == 0
    with card():
        assert run(*words, "device=cuda", "out=card.mkv")[0] == 0
    assert np.array_equal(decode(place / "cpu.mkv").frames, decode(place / "card.mkv").frames)


def test_context_is_a_part_of_the_video(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    code, out, _ = run("+", "video=clip.mkv", "context=5", "frames=9", "fps=12", "out=five.mkv")
    assert code == 0 and "saw" not in out
    made = decode(place / "five.mkv")
    assert made.fps == 12 and np.array_equal(made.frames[:5], decode(place / "clip.mkv").frames[:5])


def test_goes_on_from_a_picture_to_mp4(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    code, _, _ = run("+", "image=first.png", "frames=6", "size=40x24", "order=heun", "out=clip.mp4")
    assert code == 0
    made = decode(place / "clip.mp4")
    assert made.frames.shape == (6, 24, 40, 3) and made.lossy


def test_writes_a_folder_of_frames(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    words = ("+", "image=first.png", "frames=9", "chunk=1", "lag=1", "mode=block_causal", "out=frames/")
    code, out, _ = run(*words)
    assert code == 0 and "9 PNG files in frames/" in out
    files = sorted((place / "frames").iterdir())
    assert len(files) == 9
    assert np.array_equal(np.asarray(Image.open(files[0])), np.asarray(Image.open(place / "first.png")))


def test_takes_actions_and_cameras(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    poses = np.repeat(np.eye(4)[None], 5, 0)
    poses[:, 0, 3] = np.arange(5)
    request = {"poses_world_to_camera": poses.tolist(), "actions": ["turn-left"] * 5}
    (place / "request.json").write_text(json.dumps(request))
    (place / "rows.json").write_text(json.dumps(np.eye(len(CHANNELS))[[3] * 5].tolist()))
    (place / "names.json").write_text(json.dumps(["turn-right"] * 5))
    base = ("dir=told", "steps=2", "image=first.png", "frames=5")
    made = {}
    for name, words in {
        "none": (),
        "left": ("actions=request.json",),
        "rows": ("actions=rows.json",),
        "right": ("actions=names.json",),
        "camera": ("camera=request.json",),
    }.items():
        code, _, err = run(*base, *words, f"out={name}.mkv")
        assert code == 0, err
        made[name] = decode(place / f"{name}.mkv").digest()
    assert made["rows"] == made["right"], "a row of numbers says what a name says"
    assert len(set(made.values())) == 4


def test_takes_depth(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 9, (5, 32, 32))
    np.savez(place / "one.npz", depth=depth)
    np.savez(place / "twice.npz", depth=2 * depth.astype(np.float32))
    np.savez(place / "other.npz", depth=rng.uniform(1, 9, (5, 32, 32)))
    made = {}
    for name in ("none", "one", "twice", "other"):
        words = () if name == "none" else (f"depth={name}.npz",)
        code, _, err = run(
            "dir=deep", "steps=2", "image=first.png", "frames=5", *words, f"out={name}-depth.mkv"
        )
        assert code == 0, err
        made[name] = decode(place / f"{name}-depth.mkv").frames.astype(int)
    assert np.abs(made["one"] - made["twice"]).max() <= 1, "a world of twice the size looks the same"
    assert all(np.abs(made["one"] - made[name]).max() > 8 for name in ("none", "other"))


def test_makes_a_still_from_words(run: Callable[..., tuple[int, str, str]], place: Path) -> None:
    words = ("dir=words", "steps=2", "frames=1", "size=16x24", "guidance=3")
    for name, prompt in (("red", "A red ball."), ("blue", "A blue box.")):
        code, out, err = run(*words, f"prompt={prompt}", f"out={name}.png")
        assert code == 0 and "1 frames of 16x24" in out, err
    red, blue = (np.asarray(Image.open(place / f"{name}.png")) for name in ("red", "blue"))
    assert red.shape == (24, 16, 3) and not np.array_equal(red, blue)


WRONG = [
    (("out=a.mp4", "dir=nowhere", "image=first.png"), "checkpoint nowhere does not exist"),
    (("out=a.mp4", "dir=weights.pt", "image=first.png"), "is a pickle"),
    (("out=a.mp4", "dir=empty", "image=first.png"), "is no model"),
    (("out=a.mp4", "+", "image=first.png", "size=30"), "size 30x30 must be a multiple of 8"),
    (("out=a.mp4", "+", "image=first.png", "size=big"), "size=big is not a size"),
    (("out=a.mp4", "+", "image=first.png", "size=0"), "size=0 is out of range"),
    (("out=a.mp4", "+", "video=first.txt"), "cannot be decoded"),
    (("out=a.mp4", "+", "video=absent.mp4"), "no such file"),
    (("out=a.mp4", "+", "image=first.txt"), "cannot be read as a picture"),
    (("out=a.mp4", "+", "image=absent.png"), "image=absent.png does not exist"),
    (
        ("out=a.mp4", "+", "video=clip.mkv", "frames=7"),
        "given; ask for more frames, or give fewer with context=\n",
    ),
    (("out=a.mp4", "+", "image=first.png", "frames=1"), "after 1 given; ask for more frames\n"),
    (("out=a.mp4", "+", "video=clip.mkv", "frames=5"), "frames=5 leaves nothing to make after 7 given"),
    (("out=a.mp4", "+", "video=clip.mkv", "context=9"), "context=9 is more than the 7 frames"),
    (("out=a.mp4", "+", "video=clip.mkv", "context=0"), "context=0 is out of range"),
    (("out=a.mp4", "+", "image=first.png", "context=2"), "add video="),
    (("out=a.mp4", "+", "image=first.png", "video=clip.mkv"), "both given"),
    (("out=a.mp4", "+"), "no text, and no frame is given"),
    (("out=a.mp4", "dir=words"), "neither words nor a frame are given"),
    (("out=a.mp4", "dir=words", "prompt= "), "neither words nor a frame are given"),
    (("out=a.mp4", "+", "prompt=A ball.", "image=first.png"), "prompt= needs a model with text"),
    (("out=a.mp4", "+", "guidance=3", "image=first.png"), "guidance= needs a model with text"),
    (("out=a.mp4", "dir=plain", "image=first.png", "steps=0"), "steps=0"),
    (("out=a.mp4", "+", "image=first.png", "fps=0"), "fps=0 is out of range"),
    (("out=a.mp4", "+", "image=first.png", "device=cuda:77"), "device=cuda:77 cannot be used"),
    (("out=a.mp4", "+", "image=first.png", "frames=many"), "frames=many must be of type int"),
    (("out=a.mp4", "+", "image=first.png", "step=4"), "unknown option step; did you mean steps?"),
    (("out=a.mp4", "+", "image=first.png", "seed=1", "seed=2"), "seed is given twice"),
    (("out=a.mp4", "+", "first.png"), "'first.png' is not key=value"),
    (("dir=plain", "image=first.png"), "out= is missing"),
    (("out=a.gif", "+", "image=first.png"), "must end in .mp4, .mkv, .png"),
    (("out=a.png", "+", "image=first.png"), "holds one frame"),
    (("out=folder.mp4", "+", "image=first.png"), "is a folder"),
    (("out=first.png/a.mp4", "+", "image=first.png"), "cannot write to out="),
    (("out=a.mp4", "dir=told", "image=first.png", "actions=absent.json"), "cannot be read"),
    (("out=a.mp4", "dir=told", "image=first.png", "actions=first.txt"), "is not JSON"),
    (("out=a.mp4", "dir=told", "image=first.png", "actions=empty.json"), "must hold a list"),
    (("out=a.mp4", "dir=told", "image=first.png", "actions=odd.json"), "a row of numbers, for each frame"),
    (("out=a.mp4", "dir=told", "image=first.png", "actions=jump.json"), "action 'jump' is unknown"),
    (("out=a.mp4", "dir=told", "image=first.png", "actions=turn.json"), "this model takes 17x61"),
    (("out=a.mp4", "dir=told", "image=first.png", "camera=turn.json"), "invertible 4x4 matrix"),
    (("out=a.mp4", "dir=told", "image=first.png", "camera=flat.json"), "invertible 4x4 matrix"),
    (("out=a.mp4", "+", "image=first.png", "actions=turn.json"), "this model knows none"),
    (("out=a.mp4", "+", "image=first.png", "depth=small.npz"), "depth is given, and this model knows none"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=small.npz"), "this video takes 17x32x32"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=absent.npz"), "depth=absent.npz does not exist"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=first.txt"), "must be an NPZ with 'depth'"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=first.png"), "must be an NPZ with 'depth'"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=array.npy"), "must be an NPZ with 'depth'"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=below.npz"), "must be an NPZ with 'depth'"),
    (("out=a.mp4", "dir=deep", "image=first.png", "depth=mask.npz"), "must be an NPZ with 'depth'"),
]


@pytest.mark.parametrize(("words", "says"), WRONG)
def test_wrong_input(
    run: Callable[..., tuple[int, str, str]], place: Path, words: tuple[str, ...], says: str
) -> None:
    (place / "weights.pt").write_bytes(pickle.dumps({"a": 1}))
    (place / "first.txt").write_text("no picture")
    for name in ("empty", "folder.mp4"):
        (place / name).mkdir(exist_ok=True)
    np.savez(place / "small.npz", depth=np.ones((17, 16, 16)))
    np.savez(place / "below.npz", depth=-np.ones((17, 32, 32)))
    np.savez(place / "mask.npz", mask=np.ones((17, 32, 32)))
    np.save(place / "array.npy", np.ones((17, 32, 32)))
    for name, content in {
        "empty": [],
        "odd": [[1, 2], [3]],
        "jump": ["jump"] * 17,
        "turn": ["turn-left"] * 5,
        "flat": [np.zeros((4, 4)).tolist()] * 17,
    }.items():
        (place / f"{name}.json").write_text(json.dumps(content))
    code, out, err = run(*words)
    assert code == 2 and out == "" and says in err, err
    assert err.startswith("model.sample: ") and err.count("\n") == 1
    assert not (place / "a.mp4").exists()


def test_help_is_there_at_once() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "model.sample", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "out=NAME.mp4" in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "numpy", "av", "PIL", "hydra", "numba"}
    for name in sample.Order.__dataclass_fields__:
        assert f"{name}=" in done.stdout, f"--help does not tell of {name}="


def test_without_words_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert sample.main([]) == 2
    assert "out=NAME.mp4" in capsys.readouterr().out


def test_interrupted(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "_made", stop)
    code, _, err = run("+", "image=first.png", "out=never.mp4")
    assert code == 130 and "interrupted" in err and not (place / "never.mp4").exists()
