"""A user's own model: ten lines are enough, and what goes wrong in it is told plainly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import build

from simbench.case import Condition
from simbench.errors import UserError
from simbench.generator import Generator, Invalid
from simbench.generators.python import PythonGenerator
from simbench.video import Video

GIVEN = np.random.default_rng(0).integers(0, 256, (5, 32, 40, 3), dtype=np.uint8)
ANSWER = "np.zeros((n_frames, *frames.shape[1:]), np.float32)"


def condition(given: int = 5, **more) -> Condition:
    """A condition of 17 frames at 8 fps."""
    return Condition("c", "v2v", GIVEN[:given].copy(), "A ball.", 40, 32, 17, 8.0, **more)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    """Writes a module of the user's and gives its name back; each test has another one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"users_{abs(hash(request.node.name)) % 10**9}"

    def write(source: str) -> str:
        (tmp_path / f"{name}.py").write_text("import numpy as np\n" + source)
        return name

    return write


def model(body: str, extra: str = "", arguments: str = "frames, prompt, n_frames, fps, seed") -> str:
    """Source of a class `M` whose call is `body`."""
    return f"class M:\n    {extra or 'pass'}\n    def __call__(self, {arguments}):\n        {body}\n"


def answer(target: str, case: Condition | None = None, **options):
    """What the model says to one condition."""
    return PythonGenerator(target, **options)([case or condition()], [7])[0]


def test_the_example_of_the_readme() -> None:
    generator = build("generator", "python", target="examples.my_model.MyModel")
    assert isinstance(generator, Generator)
    video = generator([condition()], [0])[0]
    assert isinstance(video, Video)
    assert np.array_equal(video.frames[:5], GIVEN)
    assert np.array_equal(video.frames[5:], np.repeat(GIVEN[-1:], 12, axis=0))
    body = Path(__file__).parent.parent.joinpath("examples", "my_model.py").read_text().split("import")[1]
    assert len([line for line in body.splitlines() if line.strip()]) <= 10


def test_what_a_model_is_told(module) -> None:
    checks = (
        "assert frames.shape == (5, 32, 40, 3) and frames.dtype == np.uint8 and prompt == 'A ball.'\n"
        "        assert (n_frames, fps, seed) == (17, 8.0, 7)\n"
        f"        frames[:] = 0\n        return {ANSWER}"
    )
    case = condition()
    assert isinstance(answer(module(model(checks)) + ".M", case), Video)
    assert np.array_equal(case.given_frames, GIVEN), "a model cannot change the condition"


def test_cameras_and_actions_only_to_those_who_ask(module) -> None:
    case = condition(poses=np.zeros((17, 4, 4)), actions=("stay",) * 17)
    told = "frames, prompt, n_frames, fps, seed, poses, actions, height, width"
    body = "assert poses.shape == (17, 4, 4) and actions[0] == 'stay' and (height, width) == (32, 40)\n"
    name = module(model(f"{body}        return {ANSWER}", arguments=told))
    assert isinstance(answer(name + ".M", case), Video)


@pytest.mark.parametrize(
    "body",
    [
        f"return {ANSWER}",
        "return np.zeros((17, 32, 40, 3), np.uint8)",
        "return np.zeros((17, 32, 40, 3)).tolist()",
        pytest.param("import torch; return torch.zeros(17, 32, 40, 3)", marks=pytest.mark.torch),
        pytest.param(
            "import torch; return torch.zeros(17, 32, 40, 3, dtype=torch.bfloat16, requires_grad=True)",
            marks=pytest.mark.torch,
        ),
        pytest.param(
            "import torch; return torch.zeros(17, 32, 40, 3, dtype=torch.uint8)", marks=pytest.mark.torch
        ),
    ],
)
def test_what_may_come_back(module, body: str) -> None:
    video = answer(module(model(body)) + ".M")
    assert isinstance(video, Video)
    assert video.frames.dtype == np.uint8
    assert not video.frames.any()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return None", "the model returned None"),
        (f"return {ANSWER}[0]", "got shape [32, 40, 3]"),
        (f"return {ANSWER} - 1", "must lie in [0, 1], got -1 to -1"),
        (f"return {ANSWER} * np.nan", "17 NaN frames, first at t=0"),
        (f"return {ANSWER}[:16]", "expected 17x32x40 at 8 fps, got 16x32x40 at 8 fps"),
        (f"return {ANSWER}[:, ::2]", "got 17x16x40 at 8 fps; add generator.resample=fit or crop"),
        ("return np.zeros((17, 32, 40, 3), np.int64)", "expected uint8 or float in [0, 1], got int64"),
    ],
)
def test_what_may_not_come_back(module, body: str, reason: str) -> None:
    found = answer(module(model(body)) + ".M")
    assert isinstance(found, Invalid)
    assert reason in found.reason


def test_continuation(module) -> None:
    body = "return np.zeros((n_frames - len(frames), *frames.shape[1:]), np.uint8)"
    video = answer(module(model(body, extra="continuation = True")) + ".M")
    assert np.array_equal(video.frames[:5], GIVEN)
    assert not video.frames[5:].any()


def test_resample(module) -> None:
    name = module(model("return np.zeros((49, 64, 80, 3), np.uint8)"))
    assert isinstance(answer(name + ".M", fps=24.0, resample="fit"), Video)
    assert "got 49x64x80 at 24 fps" in answer(name + ".M", fps=24.0).reason
    with pytest.raises(UserError, match="is not one of fit, crop"):
        PythonGenerator(name + ".M", resample="pad")


def test_functions_and_options(module) -> None:
    name = module(
        f"def f(frames, prompt, n_frames, fps, seed):\n    return {ANSWER}\n"
        + model(f"return {ANSWER} + self.level", extra="def __init__(self, level): self.level = level")
    )
    assert not answer(f"{name}.f").frames.any()
    assert (answer(f"{name}.M", options={"level": 1.0}).frames == 255).all()
    with pytest.raises(UserError, match="options apply to a class"):
        PythonGenerator(f"{name}.f", {"level": 1.0})


def test_a_whole_generator_is_called_as_one() -> None:
    video = answer("toys.Still")
    assert np.array_equal(video.frames[:5], GIVEN)


def test_an_error_in_the_model_is_its_own(module) -> None:
    with pytest.raises(ZeroDivisionError):
        answer(module(model("return 1 / 0")) + ".M")


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("", "", "needs generator.target"),
        ("", "M", "must be module.Class"),
        ("", "{}.M", "has no attribute 'M'"),
        (
            "import no_such_package\n",
            "{}.M",
            r"ModuleNotFoundError: No module named 'no_such_package' \(users",
        ),
        ("def broken(:\n", "{}.M", "SyntaxError"),
        ("x = 3\n", "{}.x", "is not callable"),
        ("raise RuntimeError('no GPU here')\n", "{}.M", "RuntimeError: no GPU here"),
        (
            "class M:\n    def __init__(self, weights): pass\n",
            "{}.M",
            "missing 1 required positional.*'weights'",
        ),
    ],
)
def test_what_cannot_be_loaded_says_why(module, source: str, target: str, words: str) -> None:
    name = module(source)
    with pytest.raises(UserError, match=words) as caught:
        PythonGenerator(target.format(name))
    assert "\n" not in str(caught.value)


def test_identity(module, tmp_path: Path) -> None:
    name = module(model(f"return {ANSWER}", extra="def __init__(self, level=0): pass"))
    first = PythonGenerator(name + ".M").identity()
    assert first == PythonGenerator(name + ".M").identity()
    changed = [PythonGenerator(name + ".M", options={"level": 1}).identity()]
    changed += [
        PythonGenerator(name + ".M", fps=24.0).identity(),
        PythonGenerator(name + ".M", resample="fit").identity(),
    ]
    source = tmp_path / f"{name}.py"
    source.write_text(source.read_text() + "# edited\n")
    changed.append(PythonGenerator(name + ".M").identity())
    assert len({json.dumps(i, sort_keys=True) for i in (first, *changed)}) == 5


def test_identity_of_the_model_itself(module) -> None:
    name = module(model(f"return {ANSWER}", extra="def identity(self): return {'weights': 'abc'}"))
    assert PythonGenerator(name + ".M").identity()["own"] == {"weights": "abc"}
