"""A depth network, given as a TorchScript file and its sha256: for real clips, never a part of a score.

The file holds a module that is called as `module(frames)` with float32 [T, 3, H, W], sRGB from 0 to 1, and
returns inverse depth [T, H, W] or [T, 1, H, W], larger is nearer, in a scale and shift of its own in every
frame if it likes. It must take any size; one that wants another size, or mean and deviation taken off, has
that done in a small `torch.nn.Module` around it before `torch.jit.script` or `torch.jit.trace` and `save`.

How such a file is loaded: simbench/scripted.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simbench import scripted
from simbench.errors import UserError

BATCH = 4
"""Frames that go through the network together."""


def load(path: str, sha256: str) -> Callable[[np.ndarray], np.ndarray]:
    """Frames uint8 [T, H, W, 3] to inverse depths float64 [T, H, W], by the network in the file `path`.

    UserError unless the file is there, has this sha256, is a TorchScript module, and torch is installed; the
    result raises UserError where the module does not keep the protocol.
    """
    module = scripted.module(path, sha256, "depth")

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
