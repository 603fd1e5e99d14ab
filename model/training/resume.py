"""The state of a training run: folders step-NNNNNNNN of safetensors and JSON, of which the last counts.

A run that goes on from one is equal, bit for bit on a CPU, to one that never stopped: weights, averages,
moments, the clip's memory and the place in the data are in it, and all chance is keyed by (seed, step).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from model.training.ema import EMA
from model.training.tensors import Damaged, read_shards, write_shards
from simbench.errors import UserError
from simbench.files import replacing_folder, write_text

SCHEMA = 1
LATEST = "latest"


@dataclass(frozen=True)
class State:
    """`facts` is plain data (step, TFLOP, cursor, ...); `tensors` are whole, on the CPU."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]


def save_state(out: Path, step: int, state: State, keep: int = 3) -> Path:
    """Write `out`/step-NNNNNNNN, point `out`/latest at it, remove all but the last `keep` (0 keeps all)."""
    folder = out / f"step-{step:08d}"
    with replacing_folder(folder) as temporary:
        digests = write_shards(temporary, "state", state.tensors)
        content = {"schema": SCHEMA, "sha256": digests, "facts": state.facts}
        write_text(temporary / "state.json", json.dumps(content, indent=2) + "\n")
    write_text(out / LATEST, folder.name + "\n")
    for old in _folders(out)[:-keep] if keep else []:
        shutil.rmtree(old)
    return folder


def load_state(out: Path, say: Callable[[str], None]) -> State | None:
    """The newest whole state below `out`; None where there is none. `say` hears one line per damaged one."""
    candidates = _folders(out)[::-1]
    pointer = out / LATEST
    if pointer.is_file():
        named = out / pointer.read_text(encoding="utf-8").strip()
        candidates = [named, *(c for c in candidates if c < named)]
    troubles = []
    for folder in candidates:
        try:
            return _read(folder)
        except Damaged as error:
            troubles.append(str(error))
            say(f"checkpoint not used: {error}; trying the one before it")
    if troubles:
        raise UserError(f"no checkpoint of {out} can be read ({troubles[0]}); begin again in another out=")
    return None


def _folders(out: Path) -> list[Path]:
    """The state folders, oldest first."""
    return sorted(p for p in out.glob("step-*") if p.is_dir())


def _read(folder: Path) -> State:
    path = folder / "state.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        facts, digests = content["facts"], content["sha256"]
    except FileNotFoundError as error:
        raise Damaged(f"{path} is missing") from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is damaged ({error})") from error
    return State(facts, read_shards(folder, digests))


def gather(
    named: Mapping[str, Tensor], optimizers: Sequence[torch.optim.Optimizer], ema: EMA
) -> Iterator[tuple[str, Tensor]]:
    """Names and whole CPU copies of weights, moments and averages.

    Every rank must exhaust it, in the same order; only the first needs to keep what comes.
    """
    names = {id(t): name for name, t in named.items()}
    for name, tensor in named.items():
        yield f"weights.{name}", whole(tensor)
    for optimizer in optimizers:
        for param, moments in optimizer.state.items():
            for key, moment in moments.items():
                yield f"optim.{names[id(param)]}.{key}", whole(moment)
    for name, average in ema.state().items():
        yield f"ema.{name}", whole(average)


@torch.no_grad()
def restore(
    tensors: Mapping[str, Tensor],
    named: Mapping[str, nn.Parameter],
    optimizers: Sequence[torch.optim.Optimizer],
    ema: EMA,
) -> None:
    """The inverse of `gather`, into a run of the same model; shards are cut as the live tensors are."""
    for name, param in named.items():
        _fill(param, tensors, f"weights.{name}")
    for name, average in ema.state().items():
        _fill(average, tensors, f"ema.{name}")
    owner = {id(p): o for o in optimizers for group in o.param_groups for p in group["params"]}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind != "optim":
            continue
        name, _, moment = rest.rpartition(".")
        param = named[name]
        # AdamW counts its steps in a scalar, which is never sharded.
        like = value.to(param.device) if value.ndim == 0 else _cut(value.to(param.device), param)
        owner[id(param)].state[param][moment] = like


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, as a copy on the CPU, whether or not it is sharded."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().clone()


def _cut(full: Tensor, like: Tensor) -> Tensor:
    if isinstance(like, DTensor):
        return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=None)
    return full


def _fill(target: Tensor, tensors: Mapping[str, Tensor], name: str) -> None:
    if name not in tensors or tensors[name].shape != target.shape:
        raise UserError(f"the checkpoint has no {name} of shape {list(target.shape)}; choose another out=")
    target.detach().copy_(_cut(tensors[name].to(target.device), target))
