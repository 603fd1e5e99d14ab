"""A pretended GPU: tensors that say `cuda:0`, hold numbers of the CPU and refuse to meet others.

CUDA code runs without CUDA, with real values: what mixes devices raises as it would on a card, every wait of
the processor for the card is noted with its line, and results can be compared to those of the CPU to the bit.
Kernels, memory and time are not those of a card.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "NVIDIA H100 80GB HBM3"
PLACE = torch.device("cuda:0")
MODEL = str(Path(__file__).resolve().parent.parent / "model")
ANYWHERE = ("aten.copy_", "aten.index.", "aten.index_put", "aten._index_put")
"""Operations that CUDA lets read a tensor of the CPU."""
WAITS = ("aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten._unique", "aten.equal.")
MADE_OF = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
"""Factories that copy what they are given from the processor, which waits for it."""


class Card(Tensor):
    """A tensor on the pretended GPU; `inner` has its numbers."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> Card:
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=inner.device,
        )
        made.inner = inner.detach()
        return made

    @property
    def device(self) -> torch.device:
        """Where it says that it is."""
        return PLACE

    @property
    def is_cuda(self) -> bool:
        """As a tensor of a card."""
        return True

    def __repr__(self, **_: Any) -> str:
        return f"Card({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation on the numbers; RuntimeError where tensors of both places meet."""
        given, name = tree_leaves((args, kwargs)), str(func)
        tensors = [t for t in given if isinstance(t, Tensor)]
        apart = [t for t in tensors if not isinstance(t, Card) and t.ndim > 0]
        if apart and not name.startswith(ANYWHERE):
            shapes = ", ".join(f"{'cuda' if isinstance(t, Card) else 'cpu'} {list(t.shape)}" for t in tensors)
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, found {shapes}")
        indexed = name.startswith(ANYWHERE[1:]) and any(t.dtype == torch.bool for t in tensors[1:])
        if name.startswith(WAITS) or indexed or (apart and name.startswith(ANYWHERE[1:])):
            _note(name)
        known = {id(t.inner): t for t in tensors if isinstance(t, Card)}

        def placed(value: Any) -> Any:
            """What an operation in place returns is what it was given."""
            if not isinstance(value, Tensor):
                return value
            return known[id(value)] if id(value) in known else Card(value)

        return tree_map(placed, func(*_bare(args), **_bare(kwargs or {})))


def _bare(values: Any) -> Any:
    return tree_map(lambda x: x.inner if isinstance(x, Card) else x, values)


class Generator(torch.Generator):
    """A generator of the CPU that remembers what it was asked for."""

    claimed: torch.device

    def __new__(cls, device: Any = "cpu") -> Generator:
        made = super().__new__(cls, "cpu")
        made.claimed = torch.device(device)
        return made


class Pretend(TorchFunctionMode):
    """Factories and copies with a device. `waits` are the places at which the processor waited for the card,
    `slow` counts copies to it out of memory that is not pinned, `products` the precisions of fp32 ones."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.slow = 0
        self.products: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See torch.overrides."""
        kwargs = dict(kwargs or {})
        owner = args[0] if args else None
        if func is Tensor.to:
            return self._moved(args, kwargs)
        if func in (Tensor.cpu, Tensor.numpy, Tensor.tolist) and isinstance(owner, Card):
            _note(func.__name__)
            return owner.inner.clone() if func is Tensor.cpu else func(owner.inner)
        if func is Tensor.__getitem__ and isinstance(owner, Card) and _listed(args[1]):
            _note("an index of the processor's")
        if func is F.embedding_bag and isinstance(owner, Card) and owner.ndim == 2:
            # It makes its offsets itself, out of sight of this mode.
            offsets = Card(torch.arange(0, owner.numel(), owner.shape[1]))
            return func(owner.reshape(-1), *args[1:], **kwargs | {"offsets": offsets})
        generator = kwargs.get("generator")
        here = owner.device.type if isinstance(owner, Tensor) else "cpu"
        place = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        wanted = here if place is None else place.type
        if isinstance(generator, Generator) and generator.claimed.type != wanted:
            raise RuntimeError(f"expected a {wanted} generator, found one of {generator.claimed}")
        if place is None or wanted != "cuda":
            return func(*args, **kwargs)
        del kwargs["device"]
        if func in MADE_OF:
            _note(f"{func.__name__} of numbers of the processor's")
        gradient = kwargs.pop("requires_grad", False)
        found = func(*args, **kwargs)
        return (found if isinstance(found, Card) else Card(found)).requires_grad_(gradient)

    def _moved(self, args: Any, kwargs: dict[str, Any]) -> Tensor:
        """Tensor.to: to the card, from it, or another type where it is."""
        owner, given = args[0], [*args[1:], *(kwargs.get(key) for key in ("device", "dtype"))]
        like = [x for x in given if isinstance(x, Tensor)]
        places = [torch.device(x) for x in given if isinstance(x, str | torch.device)]
        types = [x for x in given if isinstance(x, torch.dtype)] + [x.dtype for x in like]
        place = [*places, *(x.device for x in like), owner.device][0].type
        dtype = [*types, owner.dtype][0]
        if place == owner.device.type:
            return Tensor.to(owner, dtype)
        if owner.requires_grad and torch.is_grad_enabled():
            raise RuntimeError("a gradient would have to cross devices")
        if place == "cpu":
            _note("to cpu")
            return owner.inner.clone().to(dtype)
        if not (kwargs.get("non_blocking") or any(x is True for x in args[1:])):
            _note("a copy that blocks")
        self.slow += not hasattr(owner, "pinned")
        return Card(owner.detach().clone().to(dtype))


def _listed(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, list) for part in parts)


def _note(what: str) -> None:
    """Keep the innermost line of model/ that made the processor wait."""
    modes = [m for m in torch.overrides._get_current_function_mode_stack() if isinstance(m, Pretend)]
    frames = [f for f in traceback.extract_stack() if f.filename.startswith(MODEL)]
    if frames:
        at = f"{Path(frames[-1].filename).relative_to(MODEL)}:{frames[-1].name}"
        (modes or ACTIVE)[-1].waits.append(f"{at}: {what}")


ACTIVE: list[Pretend] = []
"""The mode of `card`, also while torch has it switched off inside of an operation."""


@contextmanager
def card(compiled: list[nn.Module] | None = None, bf16: bool = True) -> Iterator[Pretend]:
    """A machine with one card, that has `bf16` or emulates it. Modules to be compiled are put into `compiled`
    and run as they are."""
    mode, taken = Pretend(), [] if compiled is None else compiled

    def compile_later(module: nn.Module, *_: Any, **__: Any) -> None:
        """Stands in for Module.compile."""
        taken.append(module)

    def pinned(tensor: Tensor) -> Tensor:
        """Stands in for Tensor.pin_memory, also in the threads of a feed."""
        copy = tensor.clone()
        copy.pinned = True  # type: ignore[attr-defined]
        return copy

    there = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "is_bf16_supported": lambda including_emulation=True: bf16 or including_emulation,
        "set_device": lambda *_: None,
        "synchronize": lambda *_: None,
        "get_device_name": lambda *_: NAME,
        "max_memory_allocated": lambda *_: 1 << 30,
    }
    with ExitStack() as stack:
        for name, stand_in in there.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, stand_in))
        stack.enter_context(mock.patch.object(torch, "Generator", Generator))
        stack.enter_context(mock.patch.object(Tensor, "pin_memory", pinned))
        stack.enter_context(mock.patch.object(torch, "set_float32_matmul_precision", mode.products.append))
        stack.enter_context(mock.patch.object(nn.Module, "compile", compile_later))
        # Module.to would write into the parameters that are there, which are none of a card.
        before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, before)
        ACTIVE.append(mode)
        stack.callback(ACTIVE.remove, mode)
        stack.enter_context(mode)
        yield mode
