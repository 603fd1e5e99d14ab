"""Every generator on disk keeps the contract of `simbench.generator`, and every check of it can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import contracts
import pytest
from conftest import build, names_in
from toys import Still

from simbench.generator import Generator

CONDITIONS = [contracts.condition_with(k, f"c{i}") for i, k in enumerate((5, 1, 0, 5))]


def needs(name: str, folder: Path) -> dict[str, Any]:
    """What a generator's file leaves open: where its videos lie, or whose class it is."""
    return {"videos": {"dir": str(folder)}, "python": {"target": "toys.Still"}}.get(name, {})


@pytest.fixture(scope="module", params=names_in("generator"))
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Generator]:
    """Builds one generator of the configuration."""
    options = needs(request.param, tmp_path_factory.mktemp("videos"))
    return lambda: build("generator", request.param, **options)


def test_protocol(make: Callable[[], Generator]) -> None:
    generator = make()
    assert isinstance(generator, Generator)
    assert isinstance(generator.capabilities, frozenset)


@pytest.mark.parametrize("k", [0, 1, 5])
def test_answers(make: Callable[[], Generator], k: int) -> None:
    contracts.check_answers(make(), [contracts.condition_with(k, f"k{k}")])


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
    arguments = {"answers": (conditions,), "repeats": (conditions,), "identity": (Still(fault=fault),)}
    getattr(contracts, f"check_{check}")(Still(), *({**arguments, "identity": (Still(),)}[check]))
    with pytest.raises(AssertionError):
        getattr(contracts, f"check_{check}")(Still(fault=fault), *arguments[check])


def test_there_are_generators() -> None:
    assert {"flow", "videos", "python"} <= set(names_in("generator"))
