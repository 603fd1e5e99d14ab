"""`i3d`: the space of the Frechet video distance, from weights that the user brings.

Two kinds of files: a safetensors state dict for the network in `simbench.features.inception`, or the
TorchScript that StyleGAN-V and its heirs use. That is a program, so it runs only where its sha256 was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import UserError
from simbench.features.protocols import preset_named
from simbench.features.space import Missing, checked
from simbench.features.weights import located
from simbench.scripted import module

if TYPE_CHECKING:
    import torch

HOW = (
    "weights missing; give weights=FILE.safetensors, or weights=i3d_torchscript.pt with its sha256="
    " (docs/distances.md says where they come from)"
)
BATCH = 4
"""Clips at a time: the last layers are mostly weights, which four clips read together."""


@dataclass(frozen=True)
class I3D:
    """The logits of I3D. `protocol` says how pictures are brought to 224 px.

    UserError for TorchScript without a matching `sha256` and for files that are not this network; Missing
    without `weights`.
    """

    weights: str = ""
    sha256: str = ""
    protocol: str = "simbench"
    name: str = "i3d"
    least_frames: int = 9
    _file: tuple[Path, str] = field(init=False, repr=False, compare=False)
    _net: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        preset = preset_named(self.protocol)
        if not self.weights:
            raise Missing(HOW)
        path, digest = located(self.weights, self.sha256)
        scripted = path.suffix != ".safetensors"
        net = module(str(path), self.sha256, "weights") if scripted else _state(path, preset.epsilon)
        object.__setattr__(self, "_file", (path, digest))
        object.__setattr__(self, "_net", net)
        if scripted:
            # What the TensorFlow network and its port ask for; ours can do with one frame less.
            object.__setattr__(self, "least_frames", 10)

    def identity(self) -> Mapping[str, Any]:
        """Kind of file, digest and protocol."""
        path, digest = self._file
        kind = "safetensors" if path.suffix == ".safetensors" else "torchscript"
        return {"class": "i3d", "kind": kind, "weights": digest, "protocol": self.protocol}

    def features(self, clips: np.ndarray) -> np.ndarray:
        """float32 [N, 400] of clips uint8 [N, T, H, W, 3]."""
        import torch
        from threadpoolctl import threadpool_limits

        clips = checked(clips, self.name, self.least_frames)
        parts = [clips[i : i + BATCH] for i in range(0, len(clips), BATCH)]
        if self._file[0].suffix != ".safetensors":
            return np.concatenate([self._some(part) for part in parts])
        # A part each for torch's threads; the many small products of one are none the faster for several.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return np.concatenate(list(pool.map(self._some, parts)))

    def _some(self, clips: np.ndarray) -> np.ndarray:
        import torch

        x = torch.from_numpy(preset_named(self.protocol).pictures(clips)).permute(0, 4, 1, 2, 3)
        with torch.inference_mode():
            return self._logits(x).float().numpy()

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        asked = {"rescale": False, "resize": False, "return_features": True}
        schema = getattr(self._net.forward, "schema", None)
        known = [] if schema is None else [argument.name for argument in schema.arguments]
        options = {k: v for k, v in asked.items() if k in known}
        out = self._net(x, **options)
        if out.ndim != 2 or len(out) != len(x):
            raise UserError(f"{self._file[0]} gives features {list(out.shape)} for {len(x)} clips; give I3D")
        result: torch.Tensor = out
        return result


def _state(path: Path, epsilon: float) -> torch.nn.Module:
    """Our network, folded, with the weights of a safetensors file; UserError names a tensor that does not
    fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from simbench.features.folded import FoldedInception
    from simbench.features.inception import Inception

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is no safetensors file ({error}); pickled weights are not read") from error
    last = tensors.get("logits.conv3d.weight")
    classes = {} if last is None else {"classes": len(last)}
    net = Inception(**classes, epsilon=epsilon)
    for name, own in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, own)
        elif name not in tensors or tensors[name].shape != own.shape:
            there = "nothing" if name not in tensors else list(tensors[name].shape)
            raise UserError(f"{path} holds {there} for {name}, I3D has {list(own.shape)}; give I3D's weights")
    extra = sorted(set(tensors) - set(net.state_dict()))
    if extra:
        raise UserError(f"{path} holds {extra[0]}, which I3D has not; give I3D's weights")
    net.load_state_dict(tensors)
    return FoldedInception(net.eval())
