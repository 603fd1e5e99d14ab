"""TorchScript files by their sha256: programs of others, of which only the one that was meant runs.

A file is read once, hashed, and only then given to TorchScript's own reader, which runs no pickled Python.
What the module computes is still somebody's program: take the hash from whom you trust.
"""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from simbench.errors import UserError


def content(path: str, sha256: str | None, option: str, hashes: str = "sha256") -> bytes:
    """What the file `path`, given as the option `option`, holds. UserError unless it is there, and its hash,
    given as the option `hashes`, is its own. Imports nothing heavy."""
    if not Path(path).is_file():
        raise UserError(f"{option}={path} is not a file; give a TorchScript module (torch.jit.save)")
    held = Path(path).read_bytes()
    own = hashlib.sha256(held).hexdigest()
    if not sha256:
        raise UserError(
            f"{option}={path} is TorchScript, a program that would run here, and is not loaded without its"
            f" hash; if you trust it add {hashes}={own}"
        )
    if own != sha256.lower():
        raise UserError(unlike(path, own, sha256, option))
    return held


def unlike(path: object, own: str, wanted: str, option: str) -> str:
    """The line on a file whose sha256 `own` is not the one that was given."""
    return f"{option}={path} has sha256 {own}, not {wanted}; get the right file or give its hash"


def require_torch(path: str, option: str) -> None:
    """UserError where torch is not installed. Does not import it."""
    if importlib.util.find_spec("torch") is None:
        raise UserError(f"{option}={path} needs torch, which is not installed; pip install torch")


def module(path: str, sha256: str | None, option: str, hashes: str = "sha256") -> Any:
    """The module of a file, on the CPU, for evaluation; UserError as in `content`, without torch, and where
    it is no TorchScript."""
    held = content(path, sha256, option, hashes)
    require_torch(path, option)
    import torch

    try:
        with warnings.catch_warnings():
            # torch deprecates TorchScript; the networks of others that run here exist in nothing else.
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(BytesIO(held), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:160]
        raise UserError(
            f"{option}={path} is no TorchScript module ({why}); write it with torch.jit.save"
        ) from error
