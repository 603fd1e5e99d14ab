"""LPIPS (Zhang et al., CVPR 2018), version 0.1, through the `lpips` package and a trunk on this disk.

The wheel of `lpips` holds the linear layers and not the trunk, which it would download. Here the trunk is
a file that is named, hashed and read without unpickling; nothing is ever downloaded. The net, its hash
and the size of the pictures move the number: report all three.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from simbench.errors import UserError
from simbench.metrics._clips import pair

SMALLEST = 32
"""Shorter side, px, below which the trunk runs out of pixels."""

BATCH = 4
"""Frames at a time: more is no faster on a processor and takes more memory."""

TRUNKS = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""Files of torchvision's ImageNet weights; the digits of a name are the first of its sha256."""

UNREADABLE = (RuntimeError, EOFError, UnpicklingError, struct.error, ValueError, KeyError, IndexError)
"""What torch.load says of a file that is no file of tensors."""

RANGE = "LPIPS takes [-1, 1] and reads a fraction of the distance, without an error, when it is fed [0, 1]"


@dataclass(frozen=True)
class Lpips:
    """LPIPS with a trunk `net` (alex, vgg or squeeze) from the file `weights`.

    `sha256`: of the file, in full; None: the file's hash must begin as torchvision's own name says. A
    UserError names what is missing and how to get it, when it is first used.
    """

    weights: str
    net: str = "alex"
    sha256: str | None = None

    def frames(self, made: np.ndarray, true: np.ndarray) -> np.ndarray:
        """LPIPS of each frame, [T] (no unit, 0 for identical frames), of two clips uint8 [T, H, W, 3] of
        at least 32 px a side. They are brought to [-1, 1] here, where a mistake would not be seen; floats
        are refused."""
        for name, array in (("made", made), ("true", true)):
            if np.asarray(array).dtype != np.uint8:
                raise ValueError(f"{name} holds {np.asarray(array).dtype}; give uint8 in 0..255: {RANGE}")
        a, b = pair(made, true, 255)
        if a.shape[-1] != 3 or min(a.shape[1:3]) < SMALLEST:
            raise ValueError(
                f"made has shape {list(a.shape)}; LPIPS needs 3 channels and {SMALLEST} px a side"
            )
        import torch

        net = _net(self.weights, self.net, self.sha256)
        out = []
        with torch.inference_mode():
            for t in range(0, len(a), BATCH):
                one, two = (_signed(torch, clip[t : t + BATCH]) for clip in (a, b))
                out.append(net(one, two).reshape(-1).double().numpy())
        return np.concatenate(out)

    def __call__(self, made: np.ndarray, true: np.ndarray) -> float:
        """Mean of `frames` over the frames of two clips uint8 [T, H, W, 3]."""
        return float(self.frames(made, true).mean())


def _signed(torch: Any, clip: np.ndarray) -> Any:
    """uint8 [T, H, W, 3] as float32 [T, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(clip)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


@lru_cache(maxsize=2)
def _net(weights: str, net: str, sha256: str | None) -> Any:
    """The package's module with our trunk in it."""
    if net not in TRUNKS:
        raise UserError(f"net={net} is unknown; use one of {', '.join(TRUNKS)}")
    data = _checked(weights, net, sha256)
    try:
        import lpips
        import torch
    except ImportError as error:
        raise UserError(f"LPIPS is not installed ({error}); pip install 'simbench-worlds[lpips]'") from error
    with warnings.catch_warnings():
        # The package speaks to torchvision by arguments that the latter calls deprecated.
        warnings.simplefilter("ignore")
        made = lpips.LPIPS(net=net, version="0.1", pnet_rand=True, verbose=False)
    try:
        given = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        why = " ".join(str(error).split())[:160]
        raise UserError(
            f"weights={weights} holds no tensors ({why}); give {TRUNKS[net]} of torchvision"
        ) from error
    if not isinstance(given, dict) or not all(isinstance(one, torch.Tensor) for one in given.values()):
        raise UserError(f"weights={weights} holds no tensors by name; give {TRUNKS[net]} of torchvision")
    own = made.net.state_dict()
    # slice2.3.weight of the package is features.3.weight of torchvision.
    names = {key: f"features.{key.split('.', 1)[1]}" for key in own}
    lacking = [
        name for key, name in names.items() if name not in given or given[name].shape != own[key].shape
    ]
    if lacking:
        raise UserError(f"weights={weights} has no {lacking[0]} of {net}; give {TRUNKS[net]} of torchvision")
    made.net.load_state_dict({key: given[name] for key, name in names.items()})
    return made.eval()


def _checked(weights: str, net: str, sha256: str | None) -> bytes:
    """The file's bytes, if its hash is as asked."""
    path, known = Path(weights), TRUNKS[net]
    if not weights or not path.is_file():
        raise UserError(
            f"weights={weights or '(none)'} is no file; LPIPS needs {known} of torchvision on this disk"
        )
    data = path.read_bytes()
    own = hashlib.sha256(data).hexdigest()
    wanted = known.rsplit("-", 1)[1].split(".")[0] if sha256 is None else sha256.lower()
    if not (own.startswith(wanted) if sha256 is None else own == wanted):
        raise UserError(
            f"weights={weights} has sha256 {own}, not {wanted}; get {known} or give its own sha256"
        )
    return data
