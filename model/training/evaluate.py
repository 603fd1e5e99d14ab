"""A suite asked from inside a training run, as a process of its own: the model knows no suite."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT = 3600.0
"""Seconds after which an evaluation is given up."""


def evaluate(command: str, model: Path, out: Path) -> dict[str, Any]:
    """Scores by suite of the model in folder `model`; results go to `out`.

    `command` holds options of python -m simbench. What goes wrong is one line under `failed`: it is no
    reason to stop a training run.
    """
    words = [*shlex.split(command), "generator=model", f"generator.dir={model}", f"out={out}"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "simbench", *words], capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer within {LIMIT:g} s"}
    try:
        rows = json.loads((out / "summary.json").read_text(encoding="utf-8"))["rows"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        lines = done.stderr.strip().splitlines()
        return {"failed": lines[-1] if lines else f"exit code {done.returncode}"}
    return {
        row["suite"]: {key: row.get(key) for key in ("score", "low", "high", "ok", "planned")}
        for row in rows
        if row["role"] == "subject"
    }
