"""What every test shares: the configuration on disk, instantiated, and a cache of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW_TIMEOUT = 900
"""Seconds."""


def names_in(group: str) -> list[str]:
    """Every option of a configuration group found on disk, in order; `_name` is a base, not an option."""
    return sorted(p.stem for p in (ROOT / "conf" / group).glob("*.yaml") if not p.stem.startswith("_"))


def build(group: str, name: str, **changes: Any) -> Any:
    """The object that `group=name` stands for, with `changes` over the options in its file."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    node = OmegaConf.load(ROOT / "conf" / group / f"{name}.yaml")
    assert OmegaConf.is_dict(node), f"conf/{group}/{name}.yaml is not a mapping"
    options: Mapping[str, Any] = OmegaConf.to_container(node, resolve=False)  # type: ignore[assignment]
    assert "_target_" in options, f"conf/{group}/{name}.yaml has no _target_"
    return instantiate({**options, **changes})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A slow test may take three times as long as another, unless it says how long itself: on a busy machine
    what takes two minutes takes six."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may read or fill the store of the person who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
