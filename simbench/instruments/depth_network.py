"""A depth network, given as a TorchScript file and its sha256: for real clips, never a part of a score.

The file holds a module that is called as `module(frames)` with float32 [T, 3, H, W], sRGB from 0 to 1, and
returns inverse depth [T, H, W] or [T, 1, H, W], larger is nearer, in a scale and shift of its own in every
frame if it likes. It must take any size; one that wants another size, or mean and deviation taken off, has
that done in a small `torch.nn.Module` around it before `torch.jit.script` or `torch.jit.trace` and `save`.

The file is read once, hashed, and only then given to TorchScript's own reader, which runs no pickled Python.
What the module computes is still somebody's program: take the hash from whom you trust.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from simbench.errors import UserError

BATCH = 4
"""Frames that go through the network together."""


def load(path: str, sha256: str) -> Callable[[np.ndarray], np.ndarray]:
    """Frames uint8 [T, H, W, 3] to inverse depths float64 [T, H, W], by the network in the file `path`.

    UserError unless the file is there, has this sha256, is a TorchScript module, and torch is installed; the
    result raises UserError where the module does not keep the protocol.
    """
    if not Path(path).is_file():
        raise UserError(f"depth={path} is not a file; give a TorchScript module (torch.jit.save)")
    content = Path(path).read_bytes()
    own = hashlib.sha256(content).hexdigest()
    if not sha256:
        raise UserError(f"depth={path} is not loaded without its hash; if you trust it add sha256={own}")
    if own != sha256.lower():
        raise UserError(f"depth={path} has sha256 {own}, not {sha256}; get the right file or give its hash")
    if importlib.util.find_spec("torch") is None:
        raise UserError(f"depth={path} needs torch, which is not installed; pip install torch")
    import torch

    try:
        module = torch.jit.load(BytesIO(content), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:160]
        raise UserError(
            f"depth={path} is no TorchScript module ({why}); write it with torch.jit.save"
        ) from error

    def depths(frames: np.ndarray) -> np.ndarray:
        """Inverse depths of frames, some at a time."""
        parts = [frames[i : i + BATCH] for i in range(0, len(frames), BATCH)]
        return np.concatenate([_asked(path, module, part) for part in parts])

    return depths


def _asked(path: str, module: Any, frames: np.ndarray) -> np.ndarray:
    import torch

    given = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float() / 255
    try:
        with torch.no_grad():
            answer = module(given)
    except RuntimeError as error:
        why = " ".join(str(error).split())[-200:]
        raise UserError(f"depth={path} failed on {list(given.shape)}: {why}") from error
    count, height, width = frames.shape[:3]
    shape = tuple(getattr(answer, "shape", ()))
    if shape not in ((count, height, width), (count, 1, height, width)):
        raise UserError(
            f"depth={path} returned {list(shape)}; it must return {[count, height, width]}, inverse depth"
        )
    out = answer.detach().double().numpy().reshape(count, height, width)
    if not np.isfinite(out).all():
        raise UserError(f"depth={path} returned numbers that are not finite; inverse depth is asked")
    return np.asarray(out)
