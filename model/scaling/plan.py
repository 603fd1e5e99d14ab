"""The plan of a ladder: runs of a size, a budget and a seed, in chains that share a trunk."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from model.config import to_dict
from model.options import read_json
from model.scaling.options import Options
from model.scaling.sizes import Size, chosen, exponent, sized
from model.training.config import TrainConfig, changed
from simbench.errors import UserError
from simbench.files import write_text

TERA = 10**12
WITHIN = 0.02
"""Share of a budget by which whole steps may miss it."""
FILE = "plan.json"


@dataclass(frozen=True)
class Run:
    """One model: `steps` of `step` TFLOP on a batch, of which the last `cooldown` share cools down."""

    multiple: float
    size: Size
    seed: int
    steps: int
    step: float
    batch: int

    @property
    def name(self) -> str:
        """Such as 4x-32x4-s0: its multiple of the unit, its size, its seed."""
        return f"{self.multiple:g}x-{self.size.name}-s{self.seed}"

    @property
    def budget(self) -> float:
        """TFLOP, a whole number of steps."""
        return self.steps * self.step

    @property
    def tokens(self) -> int:
        """Tokens that the transformer sees."""
        return self.steps * self.batch * self.size.tokens


@dataclass(frozen=True)
class Chain:
    """Runs of one size and seed by ascending budget. Of several the flat part is trained once."""

    runs: tuple[Run, ...]
    cooldown: float
    warmup: float

    @property
    def name(self) -> str:
        """Of its trunk."""
        return f"{self.runs[0].size.name}-s{self.runs[0].seed}"

    @property
    def shared(self) -> bool:
        """Whether there is a trunk."""
        return len(self.runs) > 1

    def fork(self, run: Run) -> int:
        """Steps after which `run` leaves the trunk: the last before its rate falls (optim.rate)."""
        return math.floor((1 - self.cooldown) * run.steps)

    def new_steps(self, run: Run) -> int:
        """Steps trained for `run` alone, with those of the trunk since the run before it left."""
        before = self.runs[: self.runs.index(run)]
        return run.steps - (self.fork(before[-1]) if before else 0)

    def warm(self) -> float:
        """TFLOP in which the rate rises: a share of the smallest budget, the same for all of them."""
        return self.warmup * self.runs[0].budget


@dataclass(frozen=True)
class Plan:
    """All chains, what every run is made of, and the pool's clips, the same for all runs."""

    chains: tuple[Chain, ...]
    config: TrainConfig
    clips: int

    @property
    def runs(self) -> list[Run]:
        """Every run, by budget, size and seed."""
        every = [run for chain in self.chains for run in chain.runs]
        return sorted(every, key=lambda run: (run.multiple, run.size.params, run.seed))


def made(options: Options) -> Plan:
    """The plan. UserError for a budget that whole steps do not meet, or for a size that cannot be."""
    from model.training import sources

    config = options.config
    if config.data.cache:
        raise UserError("data.cache=true keeps latents for one run alone; leave it out for a ladder")
    source = sources.given(config)
    shape = sources.clip_shape(config.data, source)
    if options.sizes:
        sizes = [sized(config, shape, *size) for size in options.sizes]
        pairs = [(multiple, size) for multiple in options.budgets for size in sizes]
    else:
        pairs = list(zip(options.budgets, chosen(config, shape, options.budgets), strict=True))
    runs = [_run(config, options.unit, multiple, size) for multiple, size in pairs]
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.size.name, []).append(run)
    chains = [
        Chain(
            tuple(dataclasses.replace(run, seed=seed) for run in group),
            config.optim.cooldown,
            config.optim.warmup,
        )
        for seed in options.seeds
        for group in grouped.values()
    ]
    # Held-out clips are the last ones, so that all runs must count the same clips for losses to compare.
    most = max(
        sources.wanted_clips(dataclasses.replace(config, budget=run.budget), source, run.size.work)
        for run in runs
    )
    return Plan(tuple(chains), config, most)


def _run(config: TrainConfig, unit: float, multiple: float, size: Size) -> Run:
    step, wanted = config.batch * size.work / TERA, multiple * unit
    steps = round(wanted / step)
    if steps < 2 or abs(steps * step / wanted - 1) > WITHIN:
        raise UserError(
            f"budgets={multiple:g} with unit={unit:g}: {wanted:g} TFLOP are {wanted / step:.2f} steps of"
            f" {size.name}, which whole steps do not meet within {WITHIN:.0%}; take batch= below"
            f" {config.batch} or a larger budget"
        )
    return Run(multiple, size, 0, steps, step, config.batch)


@dataclass(frozen=True)
class Pick:
    """Runs of a chain that are asked for."""

    chain: Chain
    runs: tuple[Run, ...]


def picked(plan: Plan, only: str) -> list[Pick]:
    """The runs of `plan` that `only` names, by chain: patterns, or K/N for one of N parts.

    Parts are whole chains, shared out so that each part has about the same work. UserError where none is
    left.
    """
    if not only:
        return [Pick(chain, chain.runs) for chain in plan.chains]
    part, sign, parts = only.partition("/")
    if sign:
        return _part(plan.chains, part, parts, only)
    patterns, names = only.split(","), [run.name for run in plan.runs]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UserError(f"only={pattern} names no run; runs are {', '.join(names)}")
    found = []
    for chain in plan.chains:
        runs = tuple(run for run in chain.runs if any(fnmatchcase(run.name, p) for p in patterns))
        if runs:
            found.append(Pick(chain, runs))
    return found


def _part(chains: Sequence[Chain], part: str, parts: str, only: str) -> list[Pick]:
    whole = part.isascii() and part.isdigit() and parts.isascii() and parts.isdigit()
    if not whole or not 1 <= int(part) <= int(parts) <= len(chains):
        raise UserError(f"only={only} is no part; give K/N with K from 1 to N and N at most {len(chains)}")
    shares: list[list[Chain]] = [[] for _ in range(int(parts))]
    loads = [0.0] * int(parts)
    for chain in sorted(chains, key=lambda c: (-work(c), c.name)):
        least = loads.index(min(loads))
        shares[least].append(chain)
        loads[least] += work(chain)
    mine = {chain.name for chain in shares[int(part) - 1]}
    return [Pick(chain, chain.runs) for chain in chains if chain.name in mine]


def work(chain: Chain) -> float:
    """TFLOP that are computed for `chain`, its trunk once."""
    return sum(chain.new_steps(run) * run.step for run in chain.runs)


def kept(plan: Plan, options: Options) -> dict[str, Any]:
    """What plan.json holds: all that the runs depend on."""
    return {
        "schema": 1,
        "base": options.base,
        "unit": options.unit,
        "budgets": list(options.budgets),
        "seeds": list(options.seeds),
        "sizes": [f"{width}x{depth}" for width, depth in options.sizes] or "auto",
        "clips": plan.clips,
        "runs": [run.name for run in plan.runs],
        "config": to_dict(plan.config),
    }


def settle(plan: Plan, options: Options, precision: str) -> Plan:
    """`plan` as out= has it from an earlier call, or with `precision` and written there.

    UserError where out= holds another plan, with the first thing that differs.
    """
    path = Path(options.out) / FILE
    before = read_json(path, "out") if path.exists() else None
    if before is not None and not isinstance(before.get("config"), Mapping):
        raise UserError(f"{path} is no plan of a ladder; take another out=")
    plan = precise(plan, precision if before is None else str(before["config"].get("precision")))
    now = kept(plan, options)
    if before is None:
        write_text(path, json.dumps(now, indent=1) + "\n")
        return plan
    for key in ("unit", "budgets", "seeds", "sizes", "clips", "runs"):
        if before.get(key) != now[key]:
            raise UserError(
                f"out={options.out} holds another plan, with {key}={_short(before.get(key))}, not"
                f" {_short(now[key])}; take another out= or the same options"
            )
    other = changed(before["config"], plan.config)
    if other is not None:
        raise UserError(
            f"out={options.out} holds another plan, with {other}; take another out= or the same options"
        )
    return plan


def precise(plan: Plan, precision: str) -> Plan:
    """`plan` with `precision` where it has auto: all runs of a ladder have the same."""
    if plan.config.precision != "auto":
        return plan
    return dataclasses.replace(plan, config=dataclasses.replace(plan.config, precision=precision))


def _short(value: Any) -> str:
    return json.dumps(value).strip("[]").replace(" ", "").replace('"', "")


def table(plan: Plan, seconds: Mapping[str, float]) -> str:
    """The plan as text, a line for each budget and size. `seconds` to a step by size; times without data."""
    lines = [
        f"{'budget':>8} {'size':>8} {'params':>10} {'tokens':>12} {'steps':>7} {'TFLOP':>10} {'time':>9}"
    ]
    seeds = len({chain.runs[0].seed for chain in plan.chains})
    total = work_left = 0.0
    first = [chain for chain in plan.chains if chain.runs[0].seed == plan.chains[0].runs[0].seed]
    rows = sorted(
        ((run, chain) for chain in first for run in chain.runs),
        key=lambda row: (row[0].multiple, row[0].size.params),
    )
    for run, chain in rows:
        taken = chain.new_steps(run) * seconds[run.size.name]
        total += taken
        work_left += chain.new_steps(run) * run.step
        lines.append(
            f"{run.multiple:>7g}x {run.size.name:>8} {run.size.params:>10} {run.tokens:>12} {run.steps:>7}"
            f" {run.budget:>9.5g} {clock(taken):>12}"
        )
    ends = [run for run, _ in rows]
    budgets = [run.budget for run in ends]
    shown = {
        "parameters": exponent(budgets, [run.size.params for run in ends]),
        "tokens": exponent(budgets, [run.tokens for run in ends]),
    }
    grows = " and ".join(f"{name} as C^{value:.2f}" for name, value in shown.items() if value is not None)
    # Where each size stands at each budget there is no growth to speak of.
    one_each = len({run.multiple for run in ends}) == len({(run.multiple, run.size.name) for run in ends})
    lines += [f"{grows} (asked for: 0.5)"] if grows and one_each else []
    lines.append(
        f"{len(plan.runs)} runs, {seeds} seeds, {work_left * seeds:.5g} TFLOP, {clock(total * seeds)} of"
        f" steps ({plan.config.precision}, batch {plan.config.batch}, {plan.clips} clips)"
    )
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """Seconds as 12.3 s or 4 min 05 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
