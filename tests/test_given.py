"""A model handed over in Python is known by all that its answers depend on, or it is refused."""

from __future__ import annotations

import functools
import json
import linecache
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import toys

from examples.my_model import MyModel
from simbench.errors import UserError
from simbench.generators.given import describe, is_importable, is_whole
from simbench.generators.python import PythonGenerator

CALL = "    def __call__(self, frames, prompt, n_frames, fps, seed):\n        return "
ADD = r"add identity\(\)"


class Level:
    """A model with state."""

    def __init__(self, level: Any) -> None:
        self.level = level

    def __call__(self, frames: np.ndarray, **rest: Any) -> np.ndarray:
        """The frames."""
        return frames


class Slotted:
    """A model whose state is in slots."""

    __slots__ = ("level",)

    def __init__(self, level: Any) -> None:
        self.level = level

    def __call__(self, frames: np.ndarray, **rest: Any) -> np.ndarray:
        """The frames."""
        return frames


class Named(Level):
    """A model that says what it is."""

    def identity(self) -> dict[str, Any]:
        """Its level alone."""
        return {"level": repr(self.level)}


def plain(frames, prompt, n_frames, fps, seed):
    """A function."""
    return frames


def with_default(level: Any) -> Callable[..., Any]:
    """A function with a default that changes what it does."""

    def model(frames, prompt, n_frames, fps, seed, level=level):
        """A function."""
        return frames * level

    return model


def closed(level: Any) -> Callable[..., Any]:
    """A function that holds a value."""

    def model(frames, prompt, n_frames, fps, seed):
        """A function."""
        return frames * level

    return model


def known(thing: Any) -> str:
    """All that goes into a key."""
    given = describe(thing)
    return json.dumps(PythonGenerator(given.target, given=given).identity(), sort_keys=True)


def test_a_class_and_its_object_are_what_the_command_line_calls() -> None:
    target = PythonGenerator("examples.my_model.MyModel").identity()
    for thing in (MyModel, MyModel()):
        assert json.loads(known(thing)) == target
    assert json.loads(known(plain)) == PythonGenerator(f"{__name__}.plain").identity()


@pytest.mark.parametrize("make", [Level, Slotted, Named, with_default, closed], ids=lambda m: m.__name__)
def test_state_is_part_of_it(make: Callable[[Any], Any]) -> None:
    values = [0, 1, 1.5, True, None, "1", [1], (2,), {"a": 1}]
    assert len({known(make(value)) for value in values}) == len(values)
    assert known(make(3)) == known(make(3))


def test_arrays_are_known_by_their_values() -> None:
    arrays = [np.zeros(3), np.zeros(3, np.float32), np.zeros((3, 1)), np.ones(3)]
    assert len({known(Level(array)) for array in arrays}) == 4
    assert known(Level(np.zeros(3))) == known(Level(np.zeros(3)))


@pytest.mark.parametrize(
    ("thing", "answer"),
    [
        (Level(object()), "generator=Level holds level, a object, and what it holds cannot be read"),
        (Level([{"a": object()}]), "holds level"),
        (Level(np.array([object()])), "holds level, a ndarray"),
        (closed(object()), "generator=model holds level"),
        (functools.partial(plain, fps=3), ADD),
        (Level(0).__call__, ADD),
        (print, ADD),
        (Level, r"generator=Level cannot be built: TypeError: .*'level'; build it yourself"),
        ("text", "is not callable"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_not_known_is_refused(thing: Any, answer: str) -> None:
    with pytest.raises(UserError, match=answer) as caught:
        describe(thing)
    assert "\n" not in str(caught.value)


def test_identity_speaks_for_what_cannot_be_read() -> None:
    assert describe(Named(object())).own["level"].startswith("<object")
    part = functools.partial(plain, fps=3)
    part.identity = lambda: {"fps": 3}
    assert describe(part).own == {"fps": 3}


def test_whole_generators() -> None:
    assert is_whole(toys.Still()) and not is_whole(MyModel())
    assert is_importable(toys.Still()) and not is_importable(cell("class A:\n" + CALL + "0\n", "A")())


def cell(source: str, name: str, names: dict[str, Any] | None = None) -> Any:
    """`name` as a cell of a notebook defines it: no file, but its source is at hand."""
    file = f"<cell {abs(hash(source))}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": "a_notebook", "np": np, **(names or {})}
    # The way IPython runs a cell; the text is this test's own.
    types.FunctionType(compile(source, file, "exec"), space)()
    return space[name]


def test_a_cell_is_its_own_source() -> None:
    bodies = ["frames", "frames * 1", "frames\n    level = 3", "frames  # a word"]
    found = {known(cell(f"class Mine:\n{CALL}{body}\n", "Mine")) for body in bodies}
    assert len(found) == 4
    assert known(cell(f"class Mine:\n{CALL}frames\n", "Mine")) in found
    assert "a_notebook.Mine" in found.pop()


def test_what_a_cell_uses_from_other_cells_counts() -> None:
    source = f"class Mine:\n{CALL}helper(frames) * LEVEL + np.float32(len(frames))\n"

    def mine(level: Any, helper: str) -> str:
        """What is known of Mine with that level and helper in other cells."""
        other = cell(helper, "helper", {"DEEP": level})
        return known(cell(source, "Mine", {"LEVEL": level, "helper": other}))

    one, two = "def helper(x):\n    return x\n", "def helper(x):\n    return x + 1\n"
    deep = "def helper(x):\n    return [DEEP for _ in x]\n"
    assert len({mine(1, one), mine(2, one), mine(1, two), mine(1, deep), mine(2, deep)}) == 5
    assert mine(1, one) == mine(1, one)
    with pytest.raises(UserError, match=r"generator=Mine uses LEVEL, a object.*add identity\(\)"):
        mine(object(), one)


def test_a_cell_whose_source_is_gone_is_refused_unless_it_says_what_it_is() -> None:
    mine = cell(f"class Mine:\n{CALL}frames + 77\n", "Mine")
    says = cell(f"class Says:\n    def identity(self):\n        return 'v1'\n{CALL}frames + 77\n", "Says")
    for kind in (mine, says):
        linecache.cache.pop(kind.__call__.__code__.co_filename)
    with pytest.raises(UserError, match=rf"its source cannot be read.*{ADD}"):
        describe(mine)
    assert describe(says).own == "v1" and describe(says).source is None
