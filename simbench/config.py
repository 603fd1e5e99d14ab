"""The configuration's schema: every option of `python -m simbench`, its type and its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EXPOSURES = ("zero-shot", "worlds-train", "unknown")
"""What a generator has seen of these worlds: nothing; it was trained or tuned on them; nobody says."""

MODES = ("all", "plan", "generate", "score", "export", "list")


@dataclass
class RunConfig:
    """Options of a run; the text of --help describes them. None of the setting: the suite's own default.

    Which of them change a key is written in `simbench.keys`, and a test knows each.
    """

    suites: dict[str, Any] = field(default_factory=dict)
    study: dict[str, Any] = field(default_factory=dict)
    generator: Any = None
    baselines: dict[str, Any] = field(default_factory=dict)
    given: str | None = None
    size: str | None = None
    frames: int | None = None
    fps: float | None = None
    context: int | None = None
    look: str | None = None
    difficulty: float | None = None
    prompt: str | None = None
    seed: str = "public"
    noise: int = 0
    cases: int = 64
    samples: int = 1
    mode: str = "all"
    anchors: str = "all"
    cheats: str = "none"
    max_incomplete: int = 0
    shard: str | None = None
    batch: int = 4
    workers: int = 0
    device: str = "cpu"
    engine: str = "local"
    out: str = "outputs"
    store: str | None = None
    label: str | None = None
    exposure: str | None = None
    rescore: bool = False
    clips: int = 12
    report: Any = None


def register() -> None:
    """Tell Hydra about the schema."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="_schema", node=RunConfig)
