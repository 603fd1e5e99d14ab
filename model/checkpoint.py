"""A model as a folder: config.json, model.safetensors, vae.safetensors. Nothing in it can run code.

config.json holds the options, the sha256 of each file and where the weights come from. Weights above
15 MB come in numbered shards. Pickled weights (.pt, .ckpt, .bin) are refused, whatever they hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from model.config import ModelConfig, from_dict, to_dict
from model.training.tensors import PICKLES, Damaged, read_shards, write_shards
from simbench.errors import UserError
from simbench.files import replacing_folder, write_text

if TYPE_CHECKING:
    from model.codec.vae import VAE
    from model.network.dit import DiT
    from model.network.text import TextEncoder

SCHEMA = 1
PARTS = ("dit", "text", "vae")


@dataclass(frozen=True)
class Export:
    """What a folder holds, before any module is built. `tensors` is by part (dit, text, vae), then name."""

    config: ModelConfig
    tensors: dict[str, dict[str, Tensor]]
    provenance: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """A model ready to sample: fp32 modules in evaluation mode; `text` is None where there is none.

    `digests` (sha256 by file) is what tells two sets of weights apart.
    """

    config: ModelConfig
    dit: DiT
    vae: VAE
    text: TextEncoder | None
    provenance: dict[str, Any]
    digests: dict[str, str]


def save_model(
    folder: Path,
    config: ModelConfig,
    parts: Mapping[str, Mapping[str, Tensor]],
    provenance: Mapping[str, Any],
) -> None:
    """Write state dicts by part (dit, vae, perhaps text) as `folder`, whole or not at all."""
    if set(parts) - set(PARTS) or not {"dit", "vae"} <= set(parts):
        raise ValueError(f"parts {sorted(parts)} must be dit, vae and perhaps text")
    weights = {f"{part}.{n}": t for part in ("dit", "text") for n, t in parts.get(part, {}).items()}
    with replacing_folder(folder) as temporary:
        digests = write_shards(temporary, "model", weights)
        digests |= write_shards(temporary, "vae", parts["vae"])
        content = {
            "schema": SCHEMA,
            "model": to_dict(config),
            "sha256": digests,
            "provenance": dict(provenance),
        }
        write_text(temporary / "config.json", json.dumps(content, indent=2) + "\n")


def read_model(folder: Path) -> Export:
    """Options and tensors of a folder that `save_model` wrote. UserError, one line, for anything else."""
    check_folder(folder)
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(f"{path} is not of schema {SCHEMA}; write the model again with python -m model.train")
    digests = content["sha256"]
    strange = sorted(p.name for p in folder.glob("*.safetensors") if p.name not in digests)
    if strange:
        raise UserError(f"{folder / strange[0]} is not in config.json; remove it or name another folder")
    tensors: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for file in digests:
        for name, tensor in read_shards(folder, {file: digests[file]}).items():
            part, _, rest = ("vae", "", name) if file.startswith("vae") else name.partition(".")
            if part not in PARTS:
                raise UserError(f"{folder / file} holds {name}, which belongs to none of {', '.join(PARTS)}")
            tensors[part][rest] = tensor
    config = from_dict(ModelConfig, content["model"], "model")
    return Export(config, tensors, content["provenance"], digests)


def check_folder(folder: Path) -> None:
    """UserError unless `folder` could be a model: pickles are refused with the reason."""
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    for path in files:
        if path.suffix.lower() in PICKLES:
            raise UserError(
                f"{path} is a pickle, which can run any code when it is read; convert it to safetensors"
                " where you trust it, and name a folder with config.json and model.safetensors"
            )
    if not folder.exists():
        raise UserError(f"checkpoint {folder} does not exist; name a folder that python -m model.train wrote")
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} is no model: it needs config.json, model.safetensors and vae.safetensors in one folder"
        )


def load_model(folder: Path, device: str = "cpu") -> Loaded:
    """The modules of a folder with their weights. UserError, one line, names the tensor that does not fit."""
    found = read_model(folder)
    from model.codec.vae import VAE
    from model.network.dit import DiT

    config = found.config
    dit = _filled(DiT(config.dit), found.tensors["dit"], f"{folder}: dit", device)
    vae = _filled(VAE(config.vae), found.tensors["vae"], f"{folder}: vae", device)
    text = None
    if config.text.kind != "none":
        from model.network.text import TextEncoder

        text = _filled(TextEncoder(config.text), found.tensors["text"], f"{folder}: text", device)
    return Loaded(config, dit, vae, text, found.provenance, found.digests)


def _filled(module: Any, tensors: Mapping[str, Tensor], what: str, device: str) -> Any:
    fill(module, tensors, what)
    return module.to(device).eval()


def fill(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy `tensors` into `module`. UserError names the first that is missing, unknown or misshapen."""
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise UserError(f"{what}.{name} is missing; the weights belong to another version or size")
        if tensors[name].shape != tensor.shape:
            shapes = f"{list(tensors[name].shape)}, the options ask for {list(tensor.shape)}"
            raise UserError(f"{what}.{name} has shape {shapes}; take the options the weights came with")
    strange = [name for name in tensors if name not in wanted]
    if strange:
        raise UserError(f"{what}.{strange[0]} is unknown; the weights belong to another version or size")
    module.load_state_dict({name: tensors[name].to(t.dtype) for name, t in wanted.items()})
