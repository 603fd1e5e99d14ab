"""Series of runs that compare: one suite and group each, on the scenes that all runs have, with its law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.aggregate import ReportError
from reports.figures.source import ORACLES_AGREE, Run
from reports.figures.statistics import t_interval
from reports.scaling.fit import BUDGETS, DRAWS, Fit, Points, budgets, fitted
from reports.scaling.isoflop import Best, best_sizes
from reports.scaling.runs import GROUPS, Trained

LOSS = "loss"
GRADED = ("S_graded", "S")


@dataclass(frozen=True)
class Series:
    """One curve. `runs`, `scored` (empty for a loss) and `points` agree in order; `scenes` are those of all
    runs, `unused` are not in all; `without` names the runs that have no scores of this suite, or no loss.

    `kept` marks the runs [R] that the law goes through: the best size of each budget. `fit` is None where
    `why` says what is missing.
    """

    suite: str
    group: str
    metric: str
    version: int
    setting: str
    runs: tuple[Trained, ...]
    scored: tuple[Run, ...]
    points: Points
    scenes: tuple[str, ...]
    unused: int
    without: tuple[str, ...]
    kept: np.ndarray
    sizes: tuple[Best, ...]
    fit: Fit | None
    why: str

    @property
    def title(self) -> str:
        """`permanence`, or `permanence, out`."""
        return self.suite if self.group == "all" else f"{self.suite}, {self.group}"

    def interval(self, i: int) -> tuple[float, float | None, float | None]:
        """S, or the loss, of run `i` with its t interval over scenes."""
        values = self.points.values[i]
        return t_interval([float(v) for v in (values if self.metric == LOSS else 100 - values)])


@dataclass(frozen=True)
class Slopes:
    """b on scenes like those of training and b on others; `apart` is the 95 % interval of the first less the
    second. Both are None where `why` says on which side b is no number."""

    suite: str
    inside: float | None
    outside: float | None
    apart: tuple[float, float] | None
    why: str


def usable(runs: Sequence[Trained]) -> tuple[list[Trained], dict[str, str]]:
    """The runs that can stand on the axis, and why each other one cannot."""
    left: dict[str, str] = {}
    for run in runs:
        if run.diverged:
            left[run.name] = f"diverged: {run.diverged}"
        elif run.flops is None:
            left[run.name] = 'its run.json has no "flops"'
    return [run for run in runs if run.name not in left], left


def series(runs: Sequence[Trained], draws: int = DRAWS) -> list[Series]:
    """A curve for each suite and group, and one of the loss. ReportError where runs do not compare."""
    found = []
    for group in GROUPS:
        for suite in dict.fromkeys(
            s for run in runs for g, part in run.scores if g == group for s in part.suites()
        ):
            pairs = [(run, part) for run in runs for part in _parts(run, group, suite)]
            found.append(_scored(suite, group, pairs, _without(runs, pairs), draws))
    known = [(run, run.last_loss()) for run in runs]
    losses = [(run, loss) for run, loss in known if loss is not None]
    if losses:
        values = np.array([[loss] for _, loss in losses])
        trained = tuple(run for run, _ in losses)
        points = _points(trained, values, None, relative=True)
        absent = _without(runs, losses)
        found.append(_fitted("", "all", LOSS, 0, "", trained, (), points, (), 0, absent, draws))
    return found


def _without(runs: Sequence[Trained], pairs: Sequence[tuple[Trained, object]]) -> tuple[str, ...]:
    """Names of the runs that are in none of `pairs`."""
    present = {run.name for run, _ in pairs}
    return tuple(run.name for run in runs if run.name not in present)


def _parts(run: Trained, group: str, suite: str) -> list[Run]:
    parts = [part for g, part in run.scores if g == group and suite in part.suites()]
    if len(parts) > 1:
        raise ReportError(
            f"{run.name}: {' and '.join(str(part.folder) for part in parts)} both hold {suite}; name one in"
            " scores of its run.json"
        )
    return parts


def _scored(
    suite: str, group: str, pairs: Sequence[tuple[Trained, Run]], without: tuple[str, ...], draws: int
) -> Series:
    first = pairs[0]
    for trained, part in pairs[1:]:
        for what in ("version", "setting", "given"):
            a, b = (_row(run, suite)[what] for run in (first[1], part))
            if a != b:
                raise ReportError(
                    f"{suite}: {first[0].name} and {trained.name} do not compare: {what} {a} and {b};"
                    " score both with the same version of simbench and the same options"
                )
    _same_draws(suite, pairs)
    values = [_values(part, suite) for _, part in pairs]
    metric = next((m for m in GRADED if all(m in v for v in values)), None)
    if metric is None:
        lacking = next(t.name for (t, _), v in zip(pairs, values, strict=True) if "S" not in v)
        raise ReportError(f"{suite}: {lacking} has no scores of a model in {suite}")
    scenes = sorted(set.intersection(*(set(v[metric]) for v in values)))
    if not scenes:
        raise ReportError(
            f"{suite}: the runs have no scene in common; score all with the same seed= and cases="
        )
    unused = len(set.union(*(set(v[metric]) for v in values))) - len(scenes)
    _same_instrument(suite, pairs, scenes)
    table = np.array([[100 - v[metric][scene] for scene in scenes] for v in values])
    observers = (_anchor(part, suite, "observer", metric) for _, part in pairs)
    seen = next((o for o in observers if set(scenes) <= set(o)), None)
    floor = None if seen is None else np.array([100 - seen[scene] for scene in scenes])
    row = _row(first[1], suite)
    runs, scored = (tuple(part) for part in zip(*pairs, strict=True))
    points = _points(runs, table, floor, relative=False)
    return _fitted(
        suite, group, metric, int(row["version"]), row["setting"], runs, scored, points, tuple(scenes),
        unused, without, draws,
    )  # fmt: skip


def _same_draws(suite: str, pairs: Sequence[tuple[Trained, Run]]) -> None:
    """ReportError where two runs are known to have been asked with other noise, or more often."""
    for what in ("noise", "samples"):
        told = [(trained.name, _option(part, what)) for trained, part in pairs]
        known = [(name, value) for name, value in told if value is not None]
        for name, value in known[1:]:
            if value != known[0][1]:
                raise ReportError(
                    f"{suite}: {known[0][0]} and {name} do not compare: {what}={known[0][1]} and"
                    f" {what}={value}; score both with the same line"
                )


def _option(run: Run, name: str) -> Any:
    """What the command line of its scores said; None where no run.json tells."""
    config = run.record.get("config")
    return config.get(name) if isinstance(config, Mapping) else None


def _row(run: Run, suite: str) -> Mapping[str, Any]:
    return next(row for row in run.rows if row["suite"] == suite)


def _values(run: Run, suite: str) -> dict[str, dict[str, float]]:
    row = run.subject(suite)
    return {} if row is None else run.scene_values(suite, "subject", row["generator"])


def _anchor(run: Run, suite: str, role: str, metric: str) -> dict[str, float]:
    row = next((r for r in run.rows if r["suite"] == suite and r["role"] == role), None)
    return {} if row is None else run.scene_values(suite, role, row["generator"]).get(metric, {})


def _same_instrument(suite: str, pairs: Sequence[tuple[Trained, Run]], scenes: Sequence[str]) -> None:
    """ReportError where the oracles of two runs differ on the same scenes."""
    read = []
    for trained, part in pairs:
        oracle = _anchor(part, suite, "oracle", "S")
        if set(scenes) <= set(oracle):
            read.append((trained.name, math.fsum(oracle[s] for s in scenes) / len(scenes)))
    for name, value in read[1:]:
        if abs(value - read[0][1]) > ORACLES_AGREE:
            raise ReportError(
                f"{suite}: {read[0][0]} and {name} do not compare: their oracles read {read[0][1]:.2f} and"
                f" {value:.2f} on the same scenes; score both with the same version of simbench"
            )


def _points(runs: Sequence[Trained], values: np.ndarray, floor: np.ndarray | None, relative: bool) -> Points:
    compute = np.array([run.flops for run in runs], np.float64)
    return Points(tuple(run.name for run in runs), compute, values, floor, relative)


def _fitted(
    suite: str, group: str, metric: str, version: int, setting: str, runs: tuple[Trained, ...],
    scored: tuple[Run, ...], points: Points, scenes: tuple[str, ...], unused: int, without: tuple[str, ...],
    draws: int,
) -> Series:  # fmt: skip
    mean = points.values.mean(1)
    kept = _frontier(runs, points.compute, mean)
    sized = np.array([run.params is not None for run in runs])
    params = np.array([run.params for run in runs if run.params is not None], np.float64)
    sizes = best_sizes(points.compute[sized], params, points.values[sized]) if sized.any() else ()
    names = tuple(name for name, keep in zip(points.names, kept, strict=True) if keep)
    chosen = Points(names, points.compute[kept], points.values[kept], points.floor, points.relative)
    count = len(np.unique(budgets(chosen.compute)))
    why = f"{count} budget{'s' * (count != 1)}, and a law needs {BUDGETS} or more" if count < BUDGETS else ""
    # Draws of two groups that are compared may not be the same draws.
    fit = None if why else fitted(chosen, seed=GROUPS.index(group), draws=draws)
    return Series(
        suite, group, metric, version, setting, runs, scored, points, scenes, unused, without, kept, sizes,
        fit, why,
    )  # fmt: skip


def _frontier(runs: Sequence[Trained], compute: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Which runs [R] have the size with the lowest mean error at their budget; all where sizes do not differ
    or are not known."""
    group, kept = budgets(compute), np.ones(len(runs), bool)
    for number in np.unique(group):
        mine = [int(i) for i in np.flatnonzero(group == number)]
        sizes = {runs[i].params for i in mine}
        if len(sizes) > 1 and None not in sizes:
            by = {n: float(np.mean([mean[i] for i in mine if runs[i].params == n])) for n in sizes}
            best = min(by, key=lambda n: by[n])
            kept[[i for i in mine if runs[i].params != best]] = False
    return kept


def slopes(found: Sequence[Series]) -> list[Slopes]:
    """In- against out-of-distribution b of each suite that has both."""
    by = {(part.suite, part.group): part for part in found if part.metric != LOSS}
    compared = []
    for suite in dict.fromkeys(suite for suite, _ in by):
        if (suite, "in") not in by or (suite, "out") not in by:
            continue
        inside, outside = by[suite, "in"].fit, by[suite, "out"].fit
        sides = (("like those of training", inside), ("unlike them", outside))
        why = [side for side, fit in sides if fit is None or fit.why]
        if inside is None or outside is None or why:
            both = " and ".join(why)
            compared.append(Slopes(suite, None, None, None, f"b is not identified on scenes {both}"))
            continue
        low, high = np.quantile(inside.draws.b - outside.draws.b, [0.025, 0.975])
        compared.append(Slopes(suite, inside.b.value, outside.b.value, (float(low), float(high)), ""))
    return compared
