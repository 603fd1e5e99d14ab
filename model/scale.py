"""`python -m model.scale out=ladder`: train a ladder of models for a figure of scaling, in parts."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.train import INTERRUPTED, signals
from simbench.errors import UserError

if TYPE_CHECKING:
    from model.scaling.options import Options
    from model.scaling.plan import Plan
    from model.training.distributed import Process

USAGE = """\
Train a ladder of models, sizes and tokens growing as C^0.5. The same command goes on where it stopped.

  python -m model.scale plan=true
  python -m model.scale out=ladder
  python -m model.scale out=ladder only=1/2 threads=1
  python -m model.scale base=conf/model/nano.json unit=100 batch=256 out=ladder device=cuda minutes=8

  base=conf/model/pico.json   the model of the largest budget, and all other options of the runs
  budgets=1,2,4,8,16,32       multiples of unit=
  unit=1                      TFLOP
  seeds=0,1,2
  sizes=auto                  a size for each budget; or WIDTHxDEPTH,...: each of them at each budget
  out=                        the runs' folders, each with run.json; trunks/ holds what runs share
  only=                       runs by name, with * (only=4x-*,8x-*), or the part K of N (only=1/3)
  part=, minutes=             TFLOP, or minutes, after which this call ends
  plan=true                   say the plan, train nothing

All other options are those of python -m model.train, the same for every run: data.path=, batch=,
threads=, device=, optim.muon_lr=, ...
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done or part done, 2 an error of the user, 130 interrupted."""
    if any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE)
        return 0
    with signals() as stopped:
        try:
            from model.scaling.options import read

            _run(read(arguments), stopped)
        except UserError as error:
            print(f"model.scale: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("\nmodel.scale: interrupted; the same command goes on", file=sys.stderr)
            return INTERRUPTED
        return INTERRUPTED if stopped() else 0


def _run(options: Options, stopped: Callable[[], bool]) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("a ladder trains in one process; share it out with only=1/2 and only=2/2 instead")
    from model.scaling import plan as plans
    from model.scaling.climb import Climb, say
    from model.training.distributed import joined
    from model.training.precision import settled
    from simbench.files import require_writable

    # What is measured and compiled first is part of the call's minutes.
    until = time.monotonic() + 60 * options.minutes
    with joined(options.config.device) as process:
        if options.config.threads:
            import torch

            torch.set_num_threads(options.config.threads)
        made = plans.made(options)
        picks = plans.picked(made, options.only)
        precision = settled(options.config, None, process).precision
        if options.out and not options.plan:
            require_writable(Path(options.out), "out")
        if options.out and (not options.plan or (Path(options.out) / plans.FILE).exists()):
            made = plans.settle(made, options, precision)
        else:
            made = plans.precise(made, precision)
        print(plans.table(made, _seconds(options, made, process)), flush=True)
        if options.plan:
            return
        climb = Climb(made, Path(options.out), process, options.part, until, stopped)
        done = climb.train(picks)
    if done:
        print(f"done; to score the runs and draw them:\n{command(Path(options.out))}")
    else:
        say("part done; the same command goes on")


def _seconds(options: Options, plan: Plan, process: Process) -> Mapping[str, float]:
    """Seconds to a step by size: as measured by the first call on this out=, else now."""
    from model.scaling.measure import seconds
    from model.training import sources
    from simbench.files import write_text

    path = Path(options.out) / "seconds.json"
    if options.out and path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    shape = sources.clip_shape(plan.config.data, sources.given(plan.config))
    found = seconds(plan, process, shape)
    if not options.plan:
        write_text(path, json.dumps(found, indent=1) + "\n")
    return found


def command(out: Path) -> str:
    """The command line that scores every run in `out` and draws them all."""
    words = [f"scaling.runs={out}", "scaling.suites=permanence,hidden", "cases=32", f"out={out / 'figures'}"]
    return "python -m simbench suite=scaling " + " ".join(shlex.quote(word) for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
