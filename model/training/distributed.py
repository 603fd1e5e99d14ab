"""One process or several: started by torchrun, weights repeated (DDP) or shared out (FSDP2).

Every rank gets its part of one batch and the mean of all gradients, so that the number of processes
changes the speed and, up to rounding, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from simbench.errors import UserError

PATIENCE = timedelta(hours=6)
"""How long processes wait for each other: the first renders clips and asks suites while the others wait, and
nccl gives up after 10 minutes unless told. torchrun ends all when one dies."""


@dataclass(frozen=True)
class Process:
    """This process: rank of world, and the device that it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether it is the one that writes and talks."""
        return self.rank == 0

    def summed(self, tensor: Tensor) -> Tensor:
        """`tensor` added up over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[Process]:
    """Joins the other processes where torchrun started several. `device` is auto, cpu, cuda or cuda:N."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if world == 1:
        yield Process(0, 1, place)
        return
    if place.type == "cuda":
        dist.init_process_group("nccl", timeout=PATIENCE, device_id=place)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Process(rank, world, place)
    finally:
        dist.destroy_process_group()


def _device(name: str, local: int) -> torch.device:
    found = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if found else "cpu"
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise UserError(f"device={name} is not auto, cpu, cuda or cuda:N")
    if name.startswith("cuda") and not found:
        raise UserError(f"device={name}, but torch sees no CUDA device; use device=cpu")
    place = torch.device(f"cuda:{local}" if name == "cuda" else name)
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device={place}, but torch sees {torch.cuda.device_count()} CUDA devices; start no more"
            " processes on a machine than it has, or name one from cuda:0 on"
        )
    return place


def spread(module: nn.Module, blocks: nn.ModuleList, process: Process, shard_above: float) -> nn.Module:
    """The module to call in a step. Above `shard_above` parameters each block is shared out by itself.

    One process gets `module` back. Its parameters stay where they are named, as DTensors if shared out.
    """
    if process.world == 1:
        return module
    if sum(p.numel() for p in module.parameters()) > shard_above:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        # Unless told, torch takes a GPU that is there, also for a run on the CPU.
        mesh = init_device_mesh(process.device.type, (process.world,))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)
        return module
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(module, broadcast_buffers=False)


@contextmanager
def synchronised(module: nn.Module, last: bool) -> Iterator[None]:
    """Gradients travel only in the `last` of several backward passes that add up."""
    from torch.distributed.fsdp import FSDPModule
    from torch.nn.parallel import DistributedDataParallel

    if isinstance(module, DistributedDataParallel) and not last:
        with module.no_sync():
            yield
        return
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    yield
