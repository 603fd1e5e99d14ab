"""`python -m model.train config=conf/model/nano.json out=run`: train the diffusion transformer, in parts."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from simbench.errors import UserError

if TYPE_CHECKING:
    from model.training.config import TrainConfig

USAGE = """\
Train a model. The same command goes on where it stopped.

  python -m model.train config=conf/model/nano.json out=run
  python -m model.train config=conf/model/nano.json out=run budget=300 part=40
  torchrun --nproc-per-node=8 -m model.train config=conf/model/tiny.json out=run batch=512
  python -m model.train config=conf/model/nano.json init=run/model out=tuned data.path=clips

Amounts of work are in TFLOP. A run leaves in out=: model/ (averaged weights, for generator=model),
step-*/ (states to go on from), metrics.jsonl, config.json, run.json (its accounts, for
reports.scaling) and vae.safetensors.
Options are those of the file, by dotted name, with these defaults:

"""
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done or part done, 2 an error of the user, 130 interrupted."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE + _options())
        return 0 if arguments else 2
    with signals() as stopped:
        try:
            from model.training.config import parse

            config = parse(arguments)
            _run(config, stopped)
        except UserError as error:
            print(f"model.train: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("\nmodel.train: interrupted; the same command goes on", file=sys.stderr)
            return INTERRUPTED
        return INTERRUPTED if stopped() else 0


def _options() -> str:
    from model.training.config import listed

    return "\n".join(f"  {line}" for line in listed())


@contextmanager
def signals() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come: the step ends and a checkpoint is written; a second one kills."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        """Count a signal; the second one interrupts."""
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(config: TrainConfig, stopped: Callable[[], bool]) -> None:
    if not config.out:
        raise UserError("out= is missing; name a folder for the run")
    from model.training.distributed import joined
    from model.training.loop import Loop

    with joined(config.device) as process:
        if config.threads:
            import torch

            torch.set_num_threads(config.threads)
        Loop(config, process, stopped).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
