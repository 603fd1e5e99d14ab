"""What was found, in words, rows and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.scaling.fit import WIDEST, Range, most_moved
from reports.scaling.isoflop import BIAS, growth
from reports.scaling.measure import LOSS, Series, Slopes

COLUMNS = (
    "suite", "group", "metric", "version", "setting", "run", "flops", "params", "tokens", "seed", "scenes",
    "value", "low", "high", "fitted",
)  # fmt: skip
NO_RUN = "no run can be used"
FAR = 10.0
"""A compute beyond the largest budget by more than this factor is called far."""


def number(value: float | None, digits: int = 3) -> str:
    """A number as tables write it; a dash for none."""
    return "–" if value is None else f"{value:.{digits}g}".replace("e+", "e").replace("-", "−")


def ranged(found: Range) -> str:
    """A value with its interval."""
    high = "∞" if found.high is None else number(found.high)
    return f"{number(found.value)} [{number(found.low)}, {high}]"


def rows(found: Sequence[Series]) -> list[tuple[object, ...]]:
    """Rows of scaling.csv: one for each run in each series."""
    lines: list[tuple[object, ...]] = []
    for part in found:
        for i, run in enumerate(part.runs):
            value, low, high = part.interval(i)
            at = None
            if part.fit is not None and part.kept[i]:
                error = float(part.fit.law.at(part.points.compute[i : i + 1])[0])
                at = error if part.metric == LOSS else 100 - error
            head = (part.suite, part.group, part.metric, part.version, part.setting, run.name, run.flops)
            scenes = part.points.values.shape[1]
            lines.append((*head, run.params, run.tokens, run.seed, scenes, value, low, high, at))
    return lines


def markdown(
    found: Sequence[Series], left: Mapping[str, str], compared: Sequence[Slopes], command: str
) -> str:
    """The table with all that has to be said about it."""
    lines = [f"Nothing could be fitted: {NO_RUN}.", ""]
    if found:
        lines = _laws(found)
    lines += [f"- {name} is left out: {why}." for name, why in left.items()]
    for part in found:
        lines += [f"- {part.title or LOSS}: {said}." for said in notes(part)]
    lines += [f"- {pair.suite}: {_compared(pair)}." for pair in compared]
    return "\n".join([*lines, "", f"*(`{command}`)*"]) + "\n"


def _laws(found: Sequence[Series]) -> list[str]:
    return [
        "| suite | metric | runs | budgets, FLOPs | b | E∞ | FLOPs to S = 50 | b without one run |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(part) for part in found),
        "",
        "E = 100 − S (or the loss) = E∞ + a C^−b; 95 % intervals over scenes and training seeds."
        f" `not identified`: see below; an interval of b wider than a factor of {WIDEST:g} is one reason.",
        "",
    ]


def _compared(pair: Slopes) -> str:
    if pair.apart is None:
        return f"growth in and out of distribution is not compared: {pair.why}"
    low, high = (number(end) for end in pair.apart)
    return (
        f"b is {number(pair.inside)} on scenes like those of training and {number(pair.outside)} on others;"
        f" difference [{low}, {high}]"
    )


def _row(part: Series) -> str:
    low, high = float(part.points.compute.min()), float(part.points.compute.max())
    cells = [
        part.title or "held-out clips",
        part.metric,
        str(len(part.runs)),
        f"{number(low)} to {number(high)}",
    ]
    fit = part.fit
    if fit is None:
        return f"| {' | '.join([*cells, 'no law', '–', '–', '–'])} |"
    moved = most_moved(fit)
    level = f"{number(fit.e_inf.value)} (fixed)"
    if fit.free:
        level = "not identified" if fit.why else ranged(fit.e_inf)
    half = "–" if part.metric == LOSS else "not identified" if fit.half is None else ranged(fit.half)
    without = "–" if moved is None or fit.why else f"{number(moved.b)} ({moved.name.replace('|', '&#124;')})"
    cells += ["not identified" if fit.why else ranged(fit.b), level, half, without]
    return f"| {' | '.join(cells)} |"


def notes(part: Series) -> list[str]:
    """Sentences, without their full stops, that a reader of the numbers needs."""
    what = "loss in its run.json" if part.metric == LOSS else "scores of it"
    said = [f"{name} has no {what}" for name in part.without]
    if part.unused:
        said.append(f"{part.unused} scenes are not in all runs and not used")
    dropped = int((~part.kept).sum())
    if dropped:
        said.append(
            f"{dropped} runs of other sizes at the same budget are shown; the law takes the best size"
        )
    fit = part.fit
    if fit is None:
        return [*said, f"no law: {part.why}"]
    if fit.why:
        said.append(f"b is not identified: {fit.why}")
    if not fit.free:
        whose = "that of a perfect model, 0" if part.points.floor is None else "the observer's error"
        whose = "0" if part.metric == LOSS else whose
        said.append(f"E∞ is fixed to {whose}: fewer than six budgets, or less than a 100-fold range")
    if not fit.seeds:
        said.append("no budget has two training seeds: deviations from the curve stand for their spread")
    if part.metric != LOSS and fit.half is None:
        said.append(f"FLOPs to S = 50: {fit.half_why}")
    largest = float(part.points.compute.max())
    if fit.half is not None and fit.half.value > largest:
        times = fit.half.value / largest
        far = ", far outside of what was measured" if times > FAR else ""
        said.append(f"S = 50 lies at {times:.3g} times the largest budget{far}")
    smallest = float(part.points.compute.min())
    if fit.half is not None and fit.half.value < smallest:
        said.append(f"S = 50 lies at {fit.half.value / smallest:.3g} times the smallest budget")
    for best in part.sizes:
        size = (
            f"{ranged(best.params)} parameters" if best.params is not None else f"not identified, {best.why}"
        )
        said.append(f"best size at {number(best.compute)} FLOPs: {size}")
    power = growth(part.sizes)
    if power is not None:
        said.append(f"the best size grows as C^{number(power, 2)}")
    return said + ([BIAS] if part.sizes else [])


def data(
    found: Sequence[Series],
    left: Mapping[str, str],
    compared: Sequence[Slopes],
    said: Sequence[str],
    command: str,
) -> dict[str, Any]:
    """scaling.json."""
    return {
        "schema": 1,
        "command": command,
        "left_out": dict(left),
        "series": [_data(part) for part in found],
        "slopes": [
            {
                "suite": p.suite,
                "in": p.inside,
                "out": p.outside,
                "low": p.apart and p.apart[0],
                "high": p.apart and p.apart[1],
                "why": p.why,
            }
            for p in compared
        ],
        "not_drawn": list(said),
    }


def _data(part: Series) -> dict[str, Any]:
    fit = part.fit
    head = {
        "suite": part.suite, "group": part.group, "metric": part.metric, "version": part.version,
        "setting": part.setting, "scenes": part.points.values.shape[1], "unused_scenes": part.unused,
        "without": list(part.without),
        "runs": [
            {"name": run.name, "flops": run.flops, "params": run.params, "seed": run.seed}
            | {"fitted": bool(keep)}
            | dict(zip(("value", "low", "high"), part.interval(i), strict=True))
            for i, (run, keep) in enumerate(zip(part.runs, part.kept, strict=True))
        ],
        "best_sizes": [
            {
                "flops": b.compute, "sizes": list(b.sizes), "why": b.why,
                "params": None if b.params is None else _range(b.params),
            }
            for b in part.sizes
        ],
        "notes": notes(part),
    }  # fmt: skip
    if fit is None:
        return {**head, "fit": None, "why": part.why}
    identified = not fit.why
    return {
        **head,
        "fit": {
            "b": _range(fit.b) if identified else None,
            "not_identified": fit.why,
            "a": float(fit.law.a),
            "centre_flops": fit.law.centre,
            "e_inf": None if fit.free and not identified else _range(fit.e_inf),
            "e_inf_free": fit.free,
            "flops_to_half": None if fit.half is None else _range(fit.half),
            "flops_to_half_why": fit.half_why,
            "left_out": [{"run": out.name, "b": out.b} for out in fit.left_out],
        },
        "why": "",
    }


def _range(found: Range) -> dict[str, float | None]:
    return {"value": found.value, "low": found.low, "high": found.high}
