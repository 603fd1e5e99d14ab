"""The model as a generator: what it answers and refuses, and that nothing but the condition has a say."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import contracts
import numpy as np
import pytest
import tiny_model

pytest.importorskip("torch")

from model.actions import CHANNELS
from model.generator import SHIPPED, ModelGenerator
from model.sampling.wishes import camera_rows, context_frames
from simbench.case import Condition
from simbench.errors import UserError
from simbench.generator import Invalid
from simbench.keys import canonical
from simbench.video import Video

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without text or commands."""
    return tiny_model.write(tmp_path_factory.mktemp("model") / "plain")


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows actions and cameras."""
    return tiny_model.write(tmp_path_factory.mktemp("model") / "commands", actions=len(CHANNELS), camera=True)


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows words."""
    return tiny_model.write(tmp_path_factory.mktemp("model") / "words", text=True)


@pytest.fixture
def make(folder: Path) -> Callable[..., ModelGenerator]:
    """Builds a generator of few steps on the plain model."""
    return lambda **options: ModelGenerator(**{"dir": str(folder), "steps": 2, **options})


def answer(generator: ModelGenerator, condition: Condition, seed: int = 0) -> Video:
    """The one video."""
    video = generator([condition], [seed])[0]
    assert isinstance(video, Video), video
    return video


@pytest.mark.parametrize("k", range(1, 10))
def test_any_number_of_given_frames(make: Callable[..., ModelGenerator], k: int) -> None:
    condition = contracts.condition_with(k)
    condition.given_frames.flags.writeable = False
    contracts.check_answers(make(), [condition])


@pytest.mark.parametrize("frames", [5, 6, 7, 8, 10, 18])
@pytest.mark.parametrize("size", [(16, 16), (24, 8), (40, 32)])
def test_lengths_and_sizes(make: Callable[..., ModelGenerator], frames: int, size: tuple[int, int]) -> None:
    width, height = size
    given = np.random.default_rng(0).integers(0, 256, (5, height, width, 3), dtype=np.uint8)
    condition = Condition("c", "v2v", given, "A ball.", width, height, frames, 12.0)
    contracts.check_answers(make(), [condition])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch", [1, 4])
def test_neighbours_have_no_say(make: Callable[..., ModelGenerator], precision: str, batch: int) -> None:
    conditions = [contracts.condition_with(k, f"c{k}{i}") for i, k in enumerate((5, 1, 5, 5, 9, 5))]
    contracts.check_repeats(make(precision=precision, batch=batch), conditions)


def test_it_goes_to_a_worker_and_answers_alike(make: Callable[..., ModelGenerator]) -> None:
    generator, condition = make(), contracts.condition_with(5)
    packed = pickle.dumps(generator)
    assert len(packed) < 2000, "the weights stay on disk"
    assert answer(pickle.loads(packed), condition).digest() == answer(generator, condition).digest()
    assert pickle.loads(packed) is pickle.loads(packed), "a worker reads the weights once"
    assert "pool" in generator.capabilities
    assert "pool" not in make(batch=4).capabilities | make(threads=2).capabilities


def test_two_instances_agree_and_seeds_differ(make: Callable[..., ModelGenerator]) -> None:
    condition = contracts.condition_with(5)
    first = answer(make(), condition)
    assert answer(make(), condition).digest() == first.digest()
    assert answer(make(), condition, seed=1).digest() != first.digest()
    off = answer(make(batch=3), condition).frames.astype(int) - first.frames
    assert abs(off).max() <= 1 and (off != 0).mean() < 1e-3, "a batch may only round otherwise"


def test_only_whole_latents_are_context(make: Callable[..., ModelGenerator]) -> None:
    assert [context_frames(k, 4) for k in range(11)] == [0, 1, 1, 1, 1, 5, 5, 5, 5, 9, 9]
    condition = contracts.condition_with(7)
    other = condition.given_frames.copy()
    other[5:] = 255 - other[5:]
    changed = dataclasses.replace(condition, given_frames=other)
    a, b = (answer(make(), c).frames for c in (condition, changed))
    assert np.array_equal(a[7:], b[7:]), "frames beyond the last whole latent are not seen"
    other = condition.given_frames.copy()
    other[4] = 255 - other[4]
    c = answer(make(), dataclasses.replace(condition, given_frames=other)).frames
    assert not np.array_equal(a[7:], c[7:])


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 3},
        {"shift": 3.0},
        {"order": "heun"},
        {"chunk": 1},
        {"mode": "block_causal"},
        {"context_level": 0.5},
        {"precision": "bf16"},
    ],
)
def test_identity_knows_what_moves_the_video(make: Callable[..., ModelGenerator], options: dict) -> None:
    condition = contracts.condition_with(1, frames=13)
    plain, other = make(), make(**options)
    assert canonical(plain.identity()) != canonical(other.identity())
    assert answer(plain, condition).digest() != answer(other, condition).digest()


@pytest.mark.parametrize("options", [{"threads": 2}, {"batch": 4}, {"device": "cpu"}])
def test_identity_leaves_out_where_and_how_fast(make: Callable[..., ModelGenerator], options: dict) -> None:
    assert canonical(make().identity()) == canonical(make(**options).identity())


def test_identity_knows_the_weights(make: Callable[..., ModelGenerator], tmp_path: Path) -> None:
    contracts.check_identity(make(), make())
    other = make(dir=str(tiny_model.write(tmp_path / "other", seed=1)))
    assert canonical(other.identity()) != canonical(make().identity())
    copied = tiny_model.write(tmp_path / "elsewhere")
    assert canonical(make(dir=str(copied)).identity()) == canonical(make().identity()), "the path has no say"


def test_it_is_told_apart_as_trained_on_worlds(make: Callable[..., ModelGenerator]) -> None:
    assert make().exposure == "worlds-train"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 36}, "size 36x32 must be a multiple of 8"),
        ({"given_frames": np.zeros((0, 32, 32, 3), np.uint8)}, "no text, and no frame is given"),
        ({"actions": ("forward",) * 9}, "actions are given, and this model knows none"),
        ({"actions": ("jump",) * 9}, "action 'jump' is unknown"),
        ({"poses": np.repeat(np.eye(4)[None], 9, 0)}, "camera are given, and this model knows none"),
        ({"frames": 4}, "5 frames are given and 4 asked"),
    ],
)
def test_what_it_cannot_be_asked(make: Callable[..., ModelGenerator], changes: dict, says: str) -> None:
    condition = contracts.condition_with(5)
    wrong = dataclasses.replace(condition, **changes)
    found = make()([wrong, condition], [0, 0])
    assert isinstance(found[0], Invalid) and says in found[0].reason and "\n" not in found[0].reason
    assert isinstance(found[1], Video), "the others are answered all the same"


def test_everything_given_comes_back(make: Callable[..., ModelGenerator]) -> None:
    condition = contracts.condition_with(9)
    condition.given_frames.flags.writeable = False
    assert np.array_equal(answer(make(), condition).frames, condition.given_frames)


def test_actions_and_camera_move_the_video(commanded: Path) -> None:
    generator = ModelGenerator(dir=str(commanded), steps=2)
    plain = contracts.condition_with(1)
    poses = np.repeat(np.eye(4)[None], 9, 0)
    poses[:, 0, 3] = np.linspace(0, 2, 9)
    asked = [
        plain,
        dataclasses.replace(plain, actions=("turn-left",) * 9),
        dataclasses.replace(plain, actions=("turn-right",) * 9),
        dataclasses.replace(plain, poses=poses),
        dataclasses.replace(plain, poses=poses[::-1]),
    ]
    made = [answer(generator, condition).digest() for condition in asked]
    assert len(set(made)) == len(made)
    short = generator([dataclasses.replace(plain, actions=("turn-left",) * 5)], [0])[0]
    assert isinstance(short, Invalid) and "5x61; this model takes 9x61" in short.reason


def test_words_move_the_video(worded: Path) -> None:
    red, blue = (
        dataclasses.replace(contracts.condition_with(0), prompt=f"A {colour} ball rolls to the right.")
        for colour in ("red", "blue")
    )
    generator = ModelGenerator(dir=str(worded), steps=2)
    plain = [answer(generator, c).digest() for c in (red, blue)]
    guided = ModelGenerator(dir=str(worded), steps=2, guidance=5.0)
    assert len({*plain, *(answer(guided, c).digest() for c in (red, blue))}) == 4
    nothing = generator([dataclasses.replace(red, prompt=" ")], [0])[0]
    assert isinstance(nothing, Invalid) and "neither words nor a frame" in nothing.reason


def test_words_of_neighbours_have_no_say(worded: Path) -> None:
    long = " ".join(["A red ball rolls to the right in front of a wall."] * 9)
    conditions = [
        dataclasses.replace(contracts.condition_with(k, f"c{i}"), prompt=prompt)
        for i, (k, prompt) in enumerate([(0, "A ball."), (0, long), (1, ""), (1, long), (0, "A ball.")])
    ]
    for batch in (1, 3):
        contracts.check_repeats(ModelGenerator(dir=str(worded), steps=2, batch=batch), conditions)


def test_commands() -> None:
    rng = np.random.default_rng(0)
    poses = np.repeat(np.eye(4)[None], 3, 0)
    for pose in poses:
        pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        pose[:3, 3] = rng.normal(size=3)
    point = np.array([0.3, -0.2, 4.0, 1.0])
    rows = camera_rows(poses).reshape(3, 3, 4)
    assert np.array_equal(rows[0], np.eye(4)[:3])
    seen = poses @ point
    assert np.allclose(rows @ seen[0], seen[:, :3], atol=1e-5)


def test_loss_is_of_the_video_and_repeats(make: Callable[..., ModelGenerator]) -> None:
    generator = make()
    condition = contracts.condition_with(5)
    video = answer(generator, condition)
    turned = Video(np.concatenate([video.frames[:5], 255 - video.frames[5:]]), video.fps)
    losses = generator.loss([condition, condition], [video, turned], [3, 3])
    assert all(isinstance(found, np.ndarray) and found.shape == (5, 1) for found in losses)
    assert not np.array_equal(losses[0], losses[1])
    again = generator.loss([condition], [turned], [3])[0]
    assert np.array_equal(again, losses[1]), "alone and in company"
    short = generator.loss([condition], [Video(video.frames[:8], video.fps)], [3])[0]
    assert isinstance(short, Invalid) and "[8, 32, 32, 3]" in short.reason


def test_roundtrip_keeps_the_shape(make: Callable[..., ModelGenerator]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 20, 12, 3), dtype=np.uint8)
    found = make().roundtrip(Video(frames, 8.0))
    assert found.frames.shape == frames.shape and found.frames.dtype == np.uint8 and found.fps == 8.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "steps=0"),
        ({"shift": -1.0}, "shift=-1"),
        ({"order": "rk4"}, "order=rk4"),
        ({"mode": "causal"}, "mode=causal"),
        ({"precision": "fp8"}, "precision=fp8"),
        ({"context_level": 2.0}, "context_level=2"),
        ({"batch": 0}, "generator.batch=0"),
        ({"device": "cuda:77"}, "device=cuda:77 cannot be used"),
        ({"dir": "nowhere"}, "checkpoint nowhere does not exist"),
    ],
)
def test_wrong_options(make: Callable[..., ModelGenerator], options: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        make(**options)


def test_damaged_weights_and_pickles_are_refused(tmp_path: Path) -> None:
    folder = tiny_model.write(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="damaged"):
        ModelGenerator(dir=str(folder))
    (folder / "model.pt").write_bytes(b"")
    with pytest.raises(UserError, match="pickle"):
        ModelGenerator(dir=str(folder))


@pytest.mark.skipif(SHIPPED.is_dir(), reason="weights ship")
def test_without_weights_it_says_what_to_name() -> None:
    with pytest.raises(UserError, match="no weights ship"):
        ModelGenerator()


def test_what_it_says_of_itself_is_plain_data(make: Callable[..., ModelGenerator]) -> None:
    found = json.loads(canonical(make().identity()))
    assert len(found["weights"]["model.safetensors"]) == 64 and found["how"]["steps"] == 2
