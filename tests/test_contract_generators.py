"""Every generator on disk keeps the contract of `simbench.generator`, and every check of it can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import contracts
import pytest
import tiny_model
from conftest import ROOT, build, names_in
from toys import Still

from simbench.generator import Generator
from simbench.video import encode

CONDITIONS = [contracts.condition_with(k, f"c{i}") for i, k in enumerate((5, 1, 0, 5))]
LENGTHS = {k: contracts.condition_with(k, f"k{k}") for k in (0, 1, 5)}


def needs(name: str, folder: Path) -> dict[str, Any]:
    """What a generator's file leaves open: where its videos lie, whose class it is, and a model that knows
    words (the one that ships need not)."""
    if name == "model":
        model = folder / "a-model"
        return {"dir": str(model if model.is_dir() else tiny_model.write(model, text=True)), "steps": 2}
    return {"videos": {"dir": str(folder)}, "python": {"target": "toys.Still"}}.get(name, {})


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a lossless video for every condition of this file."""
    folder = tmp_path_factory.mktemp("videos")
    conditions = [*CONDITIONS, *LENGTHS.values()]
    for condition, video in zip(conditions, Still()(conditions, [0] * len(conditions)), strict=True):
        assert video is not None
        encode(video, folder / f"{condition.name}.mkv")
    return folder


GENERATORS = [
    pytest.param(name, marks=pytest.mark.torch if name == "model" else ())
    for name in names_in("generator")
    if name != "oracle"
]
"""All but the oracle, which no condition tells enough: tests/test_oracle.py."""


@pytest.fixture(scope="module", params=GENERATORS)
def make(request: pytest.FixtureRequest, answered: Path) -> Callable[[], Generator]:
    """Builds one generator of the configuration."""
    return lambda: build("generator", request.param, **needs(request.param, answered))


def test_protocol(make: Callable[[], Generator]) -> None:
    generator = make()
    assert isinstance(generator, Generator)
    assert isinstance(generator.capabilities, frozenset)


@pytest.mark.parametrize("k", LENGTHS)
def test_answers(make: Callable[[], Generator], k: int) -> None:
    contracts.check_answers(make(), [LENGTHS[k]])


def test_repeats(make: Callable[[], Generator]) -> None:
    contracts.check_repeats(make(), CONDITIONS)


def test_identity(make: Callable[[], Generator]) -> None:
    contracts.check_identity(make(), make())


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("answers", "given"),
        ("answers", "input"),
        ("answers", "short"),
        ("answers", "rate"),
        ("repeats", "state"),
        ("repeats", "batch"),
        ("identity", "identity"),
        ("identity", "anonymous"),
    ],
)
def test_check_can_fail(check: str, fault: str) -> None:
    conditions = [contracts.condition_with(5, f"c{i}") for i in range(4)]
    function = getattr(contracts, f"check_{check}")
    function(Still(), Still() if check == "identity" else conditions)
    with pytest.raises(AssertionError):
        function(Still(fault=fault), Still(fault=fault) if check == "identity" else conditions)


@pytest.mark.parametrize("name", names_in("generator"))
def test_help_has_a_line_for_it(name: str) -> None:
    first = (ROOT / "conf" / "generator" / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ") and len(first) > 20, "the first line is what --help prints"


def test_there_are_generators() -> None:
    assert {"flow", "model", "videos", "python"} <= set(names_in("generator"))
