"""A VAE as one file: safetensors with its options in the header; and the round trip of a video through it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.codec.vae import VAE
from model.config import VAEConfig, from_dict, to_dict
from simbench.errors import UserError
from simbench.files import write_bytes


def save(path: Path, vae: VAE, provenance: Mapping[str, Any] | None = None) -> None:
    """Write parameters, components and statistics; the header keeps options and `provenance` as JSON."""
    from safetensors.torch import save as packed

    header = {
        "config": json.dumps(to_dict(vae.config), sort_keys=True),
        "provenance": json.dumps(dict(provenance or {}), sort_keys=True),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in vae.state_dict().items()}
    write_bytes(path, packed(tensors, header))


def load(path: Path) -> VAE:
    """The VAE of a file that `save` wrote, in evaluation mode. UserError where it is none."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(f"{path} does not exist; name a file that python -m model.train_vae wrote")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path} is no safetensors file ({error}); pickled weights are not read") from error
    if "config" not in header:
        raise UserError(f"{path} holds no options of a VAE; name a file that python -m model.train_vae wrote")
    vae = VAE(from_dict(VAEConfig, json.loads(header["config"]), "vae"))
    try:
        vae.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit its own options: {error}".replace("\n", " ")) from error
    return vae.eval()


def pixels(frames: np.ndarray) -> torch.Tensor:
    """uint8 [..., T, H, W, 3] as float32 [..., T, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float() / 127.5 - 1.0


def frames_of(video: torch.Tensor) -> np.ndarray:
    """The inverse of `pixels`, rounded and clipped."""
    levels = ((video.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round()
    return levels.to(torch.uint8).movedim(-3, -1).cpu().numpy()


@torch.no_grad()
def roundtrip(vae: VAE, frames: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3], any T and size, encoded to the posterior's mean and decoded again."""
    device = vae.mean.device
    latent = vae.encode(pixels(frames)[None].to(device)).mean
    return frames_of(vae.decode(latent, len(frames), frames.shape[1:3])[0])


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal to noise of uint8 pictures in dB; infinite where they are equal."""
    error = float(np.square(first.astype(np.float64) - second.astype(np.float64)).mean())
    return float("inf") if error == 0.0 else float(10.0 * np.log10(255.0**2 / error))
