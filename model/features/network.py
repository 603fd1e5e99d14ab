"""The encoder while it is trained: the layers of `simbench.features.worlds` with normalisation between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from model.features.tasks import SIZES
from simbench.features.worlds import DIM, LAYERS, POOLED, pooled
from simbench.files import write_bytes


class Encoder(nn.Module):
    """Convolutions with batch normalisation, pooling, and a linear map to DIM numbers. Every task is read
    from these by a linear head, so that what a task asks for is a direction of the space."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv3d(x.into, x.out, x.kernel, x.stride, x.padding, bias=False) for x in LAYERS
        )
        self.norms = nn.ModuleList(nn.BatchNorm3d(x.out) for x in LAYERS)
        self.out = nn.Linear(POOLED, DIM)
        self.heads = nn.ModuleDict({name: nn.Linear(DIM, size) for name, size in SIZES.items()})
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv3d)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            # A fifth less time for a step on a CPU than with channels in front.
            convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last_3d)

    def pooled(self, inputs: Tensor) -> Tensor:
        """What all layers find, float32 [N, POOLED], in prepared clips [N, 7, T - 1, SIDE, SIDE]."""
        found, kept = inputs, []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found = norm(convolution(found)).relu()
            kept.append(pooled(found.float()))
        return torch.cat(kept, dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features [N, DIM] of prepared clips [N, 7, T - 1, SIDE, SIDE]."""
        features: Tensor = self.out(self.pooled(inputs))
        return features

    def answers(self, features: Tensor) -> dict[str, Tensor]:
        """What every task is answered, [N, size] by name."""
        return {name: head(features) for name, head in self.heads.items()}

    def folded(self) -> dict[str, Tensor]:
        """Tensors of the scorer's network, which in evaluation gives the same features: y = g (x - m) / s + b
        after a linear map is another linear map."""
        made: dict[str, Tensor] = {}
        for layer, convolution, norm in zip(LAYERS, self.convolutions, self.norms, strict=True):
            assert isinstance(convolution, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d)
            assert norm.running_mean is not None and norm.running_var is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            made[f"{layer.name}.weight"] = convolution.weight * gain[:, None, None, None, None]
            made[f"{layer.name}.bias"] = norm.bias - norm.running_mean * gain
        made |= {"out.weight": self.out.weight, "out.bias": self.out.bias}
        return {name: tensor.detach().clone() for name, tensor in made.items()}


def write(path: Path, weights: Mapping[str, Tensor], made: Mapping[str, Any]) -> None:
    """A weights file of `simbench.features.worlds`, layers in half precision and the last map in single, with
    how it was made as JSON."""
    kept = {
        name: tensor.to(torch.float32 if name.startswith("out.") else torch.float16).contiguous()
        for name, tensor in weights.items()
    }
    write_bytes(path, save(kept, {"made": json.dumps(made, sort_keys=True)}))
