"""The accounts of a training run, run.json in its folder: what `python -m reports.scaling` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.training.config import TrainConfig
from model.training.trainer import TERA

KEPT = ("steps", "clips", "tokens", "seconds", "mfu", "device", "processes")


def record(
    config: TrainConfig, origin: Mapping[str, Any], flops: int, params: int, log: Path
) -> dict[str, Any]:
    """The record: `origin` is what the exported model says of itself, `flops` the model FLOPs of the
    transformer's training, `log` the run's metrics.jsonl, from which errors of held-out clips are taken."""
    folder = Path(config.data.path).name
    return {
        "schema": 1,
        "kind": "training",
        "name": Path(config.out).resolve().name,
        "flops": flops,
        **{key: origin[key] for key in ("flops_before",) if key in origin},
        "params": params,
        **{key: origin[key] for key in KEPT},
        "seed": config.seed,
        "data": folder if folder else f"worlds, mix {config.data.mix}",
        "checkpoint": "model",
        "loss": _errors(log),
    }


def cost(origin: Mapping[str, Any]) -> int | None:
    """Model FLOPs of the transformer of a model that says `origin` of itself, those of the weights that it
    began with included; None where it does not say all of them."""
    own, before = origin.get("tflop"), origin.get("flops_before")
    if own is None or (before is None and origin.get("train", {}).get("init")):
        return None
    return round(own * TERA) + (0 if before is None else before)


def text(found: Mapping[str, Any]) -> str:
    """The file."""
    return json.dumps(found, indent=1) + "\n"


def _errors(log: Path) -> list[list[float]]:
    """[FLOPs, error] of each validation."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    entries = [json.loads(line) for line in lines if '"validation"' in line]
    return [
        [float(round(e["tflop"] * TERA)), e["validation"]["error"]]
        for e in entries
        if e["validation"]["error"] is not None
    ]
