"""`python -m model.halve dir=run/model out=model/weights/NAME`: a trained model in half the bytes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simbench.errors import UserError

USAGE = """\
Write a trained model with its transformer and text rounded to bfloat16; reading it gives fp32 again.

  python -m model.halve dir=run/model out=model/weights/words
"""


@dataclass(frozen=True)
class Order:
    """What one call asks for."""

    dir: str = ""
    out: str = ""


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 when the model was written, 2 for an error of the user."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE)
        return 0 if arguments else 2
    try:
        from model.options import build, words_of

        order = build(Order, words_of(arguments), {})
        for name in ("dir", "out"):
            if not getattr(order, name):
                raise UserError(f"{name}= is missing; name a folder")
        print(halve(Path(order.dir), Path(order.out)))
    except UserError as error:
        print(f"model.halve: {error}", file=sys.stderr)
        return 2
    return 0


def halve(folder: Path, out: Path) -> str:
    """Write the model in `folder` to `out`; says how large it is. Its VAE, which is small, stays as it is."""
    import torch

    from model.checkpoint import read_model, save_model
    from model.config import from_dict, to_dict
    from model.training.config import TrainConfig, without_folders
    from simbench.files import require_writable

    found = read_model(folder)
    if out.resolve() == folder.resolve():
        raise UserError(f"out={out} is the model itself; name another folder")
    require_writable(out, "out")
    parts: dict[str, dict[str, Any]] = {"vae": found.tensors["vae"]}
    for part in ("dit", "text"):
        tensors = found.tensors[part]
        parts[part] = {n: t.bfloat16() if t.is_floating_point() else t for n, t in tensors.items()}
    origin = dict(found.provenance) | {"rounded": str(torch.bfloat16).removeprefix("torch.")}
    # Where the run lay on one machine says nothing to anybody else.
    if "train" in origin:
        origin["train"] = to_dict(without_folders(from_dict(TrainConfig, origin["train"])))
    save_model(out, found.config, parts, origin)
    size = sum(path.stat().st_size for path in out.iterdir())
    return f"wrote {out}: {size / 1e6:.2f} MB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
