"""What a result was made with: recorded beside it, never part of a key."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "torch", "av", "opencv-python-headless", "scipy", "hydra-core")


def provenance() -> dict[str, Any]:
    """Day (UTC), versions, machine, accelerator (only where torch is loaded) and the state of the clone."""
    import simbench

    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "simbench": simbench.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "accelerator": _accelerator(),
        **_clone(Path(__file__).resolve().parent.parent),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _accelerator() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())


def _clone(root: Path) -> dict[str, Any]:
    """Commit and whether files differ from it; both None outside a clone."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
