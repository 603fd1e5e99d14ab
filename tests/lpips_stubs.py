"""A small stand-in for the package `lpips`, and one for torchvision below the real package, with weights."""

from __future__ import annotations

import hashlib
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn


class Trunk(nn.Module):
    """Two layers named as the package names them: slice1.0 and slice2.3 are features.0 and features.3."""

    def __init__(self) -> None:
        super().__init__()
        self.slice1 = nn.Sequential()
        self.slice1.add_module("0", nn.Conv2d(3, 4, 5, stride=2))
        self.slice2 = nn.Sequential()
        self.slice2.add_module("3", nn.Conv2d(4, 6, 3, stride=2))


class Stub(nn.Module):
    """`lpips.LPIPS` as far as it is used: mean squared difference of two layers, no [-1, 1] check either."""

    asked: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        type(self).asked = options
        warnings.warn("The parameter 'pretrained' is deprecated", UserWarning, stacklevel=2)
        self.net = Trunk()

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """[T, 1, 1, 1]."""
        total = torch.zeros(len(first), 1, 1, 1)
        for layer in (self.net.slice1, self.net.slice2):
            first, second = layer(first), layer(second)
            total = total + ((first - second) ** 2).mean(dim=(1, 2, 3), keepdim=True)
        return total


def install(monkeypatch: pytest.MonkeyPatch) -> type[Stub]:
    """Make `import lpips` find the stub; returns its class."""
    module = types.ModuleType("lpips")
    module.LPIPS = Stub  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lpips", module)
    return Stub


def saved(path: Path, layers: dict[str, torch.Tensor]) -> str:
    """Write weights; their sha256."""
    torch.save(layers, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stub_weights(path: Path) -> str:
    """Weights of `Trunk` under torchvision's names, and what its classifier would add; their sha256."""
    torch.manual_seed(0)
    layers = {f"features.{k.split('.', 1)[1]}": v for k, v in Trunk().state_dict().items()}
    return saved(path, {**layers, "classifier.1.weight": torch.zeros(2, 2)})


def alexnet() -> nn.Module:
    """The convolutions of AlexNet (Krizhevsky 2014) in torchvision's order, with random weights."""
    net = nn.Module()
    sizes = [
        (3, 64, 11, 4, 2),
        (64, 192, 5, 1, 2),
        (192, 384, 3, 1, 1),
        (384, 256, 3, 1, 1),
        (256, 256, 3, 1, 1),
    ]
    layers: list[nn.Module] = []
    for number, (before, after, side, stride, padding) in enumerate(sizes):
        layers += [nn.Conv2d(before, after, side, stride, padding), nn.ReLU(inplace=True)]
        if number in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
    net.features = nn.Sequential(*layers)
    return net


def install_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the real `lpips` find AlexNet without torchvision, whose wheel needs the CUDA build of torch."""
    vision, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")
    models.alexnet = lambda pretrained: alexnet()  # type: ignore[attr-defined]
    vision.models = models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", vision)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
