"""Named tensors on disk: safetensors in shards, each with its digest, in a folder that is whole or absent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from simbench.errors import UserError

SHARD = 15 * 2**20
"""Bytes of tensors to a file unless asked otherwise: git hosts like files below 16 MiB."""
PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")


class Damaged(UserError):
    """A file is missing, cut short or not what was written."""


def write_shards(
    folder: Path, stem: str, tensors: Mapping[str, Tensor], limit: int = SHARD
) -> dict[str, str]:
    """Write `STEM.safetensors`, or STEM-00001-of-00003 and so on above `limit` bytes; sha256 by file name.

    A tensor larger than `limit` gets a file of its own.
    """
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if size and size + tensor.nbytes > limit:
            parts.append({})
            size = 0
        # safetensors refuses names that share storage; two names of one weight are written twice.
        parts[-1][name] = tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor
        size += tensor.nbytes
    digests = {}
    for number, part in enumerate(parts, 1):
        several = "" if len(parts) == 1 else f"-{number:05d}-of-{len(parts):05d}"
        path = folder / f"{stem}{several}.safetensors"
        save_file(part, path)
        digests[path.name] = digest(path)
    return digests


def read_shards(folder: Path, digests: Mapping[str, str]) -> dict[str, Tensor]:
    """All tensors of the files in `digests`, on the CPU. Raises Damaged when one is not as it was written."""
    tensors: dict[str, Tensor] = {}
    for name, wanted in digests.items():
        path = folder / name
        try:
            found = digest(path)
        except FileNotFoundError as error:
            raise Damaged(f"{path} is missing") from error
        if found != wanted:
            raise Damaged(f"{path} is damaged: sha256 {found[:12]}, written was {wanted[:12]}")
        try:
            tensors.update(load_file(path))
        except SafetensorError as error:
            raise Damaged(f"{path} is no safetensors file ({error})") from error
    return tensors


def digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
