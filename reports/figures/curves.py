"""Curves over time: how often the answer is right by the length of hiding, and how long it stays right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.figures.source import Entry, Run, Skip, entries
from reports.figures.statistics import BOOTSTRAP_FROM, bootstrap
from reports.figures.style import COLUMN, GREY, PALE, TRUTH, Drawn, canvas, ordinary, series, shown, slug

BINS, PER_BIN = 5, 8
"""Most bins of the hiding time, and the fewest trials in one."""

MOST_SUBJECTS = 4
HEIGHT, LINE = 1.95, 0.165
"""Inches of a figure without its legend, and of one line of that."""
HALF = 0.5
AGE_COLUMNS = (
    "name", "shown", "from_s", "to_s", "mean_s", "trials", "scenes", "share_percent", "low", "high",
)  # fmt: skip
SURVIVAL_COLUMNS = ("name", "time_s", "at_risk", "surviving_percent", "low", "high")


@dataclass(frozen=True)
class Trial:
    """One video of one case: how long its objects are out of sight, and what the suite says of the answer."""

    scene: str
    seconds: float
    value: float


def age(runs: Sequence[Run], suite: str, metric: str = "hit") -> Drawn:
    """Share of right answers over the length of hiding: solid where things are hidden, dashed for the same
    trials in the open. Skip where the runs do not say how long things are hidden."""
    tags = next((run.tags for run in runs if suite in run.suites() and run.tags), {})
    times = {case: _seconds(found) for case, found in tags.items()}
    known = {case: s for case, s in times.items() if s is not None}
    if not known:
        raise Skip(f"{suite}: no cases.csv with hide_s and show_s, so the length of hiding is not known")
    chosen = _chosen(runs, suite)
    edges: np.ndarray | None = None
    rows: list[tuple[object, ...]] = []
    figure = canvas(COLUMN, HEIGHT)
    axis = figure.subplots()
    enough = True
    for i, entry in enumerate(chosen):
        for hidden in (True, False):
            trials = _trials(entry, suite, metric, known, tags, hidden)
            if not trials or (not hidden and entry.role != "subject"):
                continue
            edges = _edges([t.seconds for t in trials]) if edges is None else edges
            found = _binned(trials, edges)
            enough &= len({t.scene for t in trials}) >= BOOTSTRAP_FROM
            rows += [(entry.name, "hidden" if hidden else "open", *row) for row in found]
            _curve(axis, found, i, entry.name, hidden)
    if not rows:
        raise Skip(f"{suite}: no trial with {metric} and a hiding time")
    said = "dotted: the same in the open" if any(row[1] == "open" for row in rows) else ""
    _frame(axis, f"length of hiding (s), {_count(rows)} trials", f"{ordinary(metric)} (%)", said)
    bands = "" if enough else f"fewer than {BOOTSTRAP_FROM} scenes: drawn without bands"
    left = len(entries(runs, suite)[0]) - MOST_SUBJECTS
    if left > 0:
        bands += f"{'; ' if bands else ''}{left} models beyond the first {MOST_SUBJECTS} are left out"
    return Drawn(f"age-{slug(suite)}", figure, AGE_COLUMNS, tuple(rows), bands)


def _seconds(tags: Mapping[str, str]) -> float | None:
    try:
        found = float(tags["show_s"]) - float(tags["hide_s"])
    except (KeyError, ValueError):
        return None
    return found if math.isfinite(found) and found > 0 else None


def _chosen(runs: Sequence[Run], suite: str) -> list[Entry]:
    subjects, others = entries(runs, suite)
    best = [e for e in others if e.role == "baseline"][:1]
    return [*subjects[:MOST_SUBJECTS], *(e for e in others if e.role == "observer"), *best]


def _trials(
    entry: Entry,
    suite: str,
    metric: str,
    known: Mapping[str, float],
    tags: Mapping[str, Mapping[str, str]],
    hidden: bool,
) -> list[Trial]:
    """Trials that ask for `metric`: those in which any generator has it. What is not ok counts 0."""
    asked = {x.case for x in entry.run.lines if x.suite == suite and x.metric == metric and x.case}
    found = []
    for line in entry.run.lines:
        mine = (line.suite, line.role, line.generator) == (suite, entry.role, entry.row["generator"])
        if not mine or line.case not in asked or line.case not in known:
            continue
        if (tags[line.case].get("hidden") != "False") is not hidden:
            continue
        if line.metric == metric or line.status != "ok":
            value = line.value if line.value is not None and line.status == "ok" else 0.0
            found.append(Trial(line.scene, known[line.case], value))
    return found


def _edges(seconds: Sequence[float]) -> np.ndarray:
    bins = max(1, min(BINS, len(seconds) // PER_BIN))
    return np.unique(np.quantile(seconds, np.linspace(0, 1, bins + 1)))


def _binned(trials: Sequence[Trial], edges: np.ndarray) -> list[tuple[object, ...]]:
    scenes = {scene: i for i, scene in enumerate(sorted({t.scene for t in trials}))}
    columns = max(1, len(edges) - 1)
    sums, counts = np.zeros((len(scenes), columns)), np.zeros((len(scenes), columns))
    seconds = np.zeros(columns)
    for t in trials:
        at = int(np.clip(np.searchsorted(edges, t.seconds, side="right") - 1, 0, columns - 1))
        sums[scenes[t.scene], at] += 100 * t.value
        counts[scenes[t.scene], at] += 1
        seconds[at] += t.seconds
    centre, low, high = bootstrap(sums, counts)
    found: list[tuple[object, ...]] = []
    for k in range(columns):
        count = int(counts[:, k].sum())
        if count:
            ends = (float(edges[k]), float(edges[min(k + 1, len(edges) - 1)]))
            band = (None, None) if low is None or high is None else (float(low[k]), float(high[k]))
            mean = float(seconds[k]) / count
            found.append((*ends, mean, count, int((counts[:, k] > 0).sum()), float(centre[k]), *band))
    return found


def _curve(axis: Any, rows: Sequence[tuple[Any, ...]], i: int, name: str, hidden: bool) -> None:
    look = series(i)
    x, y = [row[2] for row in rows], [row[5] for row in rows]
    label = shown(ordinary(name), 22) if hidden else None
    axis.plot(
        x,
        y,
        color=look["color"],
        marker=look["marker"],
        linestyle="-" if hidden else ":",
        markerfacecolor=look["color"] if hidden else "#FFFFFF",
        label=label,
        clip_on=False,
    )
    if hidden and rows and rows[0][6] is not None:
        axis.fill_between(
            x,
            [row[6] for row in rows],
            [row[7] for row in rows],
            color=look["color"],
            alpha=0.14,
            linewidth=0,
        )


def _count(rows: Sequence[tuple[Any, ...]]) -> int:
    first = rows[0][0]
    return sum(int(row[5]) for row in rows if row[0] == first and row[1] == "hidden")


def _frame(axis: Any, x: str, y: str, said: str = "") -> None:
    from matplotlib.lines import Line2D

    axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axis.axhline(100, color=PALE, linewidth=3.0, zorder=0)
    axis.set_xlabel(shown(x))
    axis.set_ylabel(shown(y))
    axis.set_ylim(-4, 104)
    # Below the axis, curves cannot run through it.
    handles, labels = axis.get_legend_handles_labels()
    if said:
        handles, labels = [*handles, Line2D([], [], linestyle=":", color=GREY)], [*labels, said]
    axis.figure.set_figheight(HEIGHT + LINE * -(-len(labels) // 2))
    axis.figure.legend(
        handles, labels, loc="outside lower center", ncols=2, columnspacing=1.2, handletextpad=0.5
    )


def survival(runs: Sequence[Run], suite: str) -> Drawn:
    """Share of clips in which no frame has been wrong yet, over the time since things are hidden (Kaplan and
    Meier 1958). Random clips were drawn from what is not among the worst: each stands for as many cases as
    there are for it, each of the worst ones for itself. Skip with fewer than two random clips."""
    rows: list[tuple[object, ...]] = []
    figure = canvas(COLUMN, HEIGHT)
    axis = figure.subplots()
    few = False
    for i, run in enumerate(run for run in runs if suite in run.suites()):
        lives = _lives(run, suite)
        if sum(life.weight != 1 for life in lives) < 2 and not _complete(run, suite):
            continue
        few |= len({life.scene for life in lives}) < BOOTSTRAP_FROM
        found = _kaplan_meier(lives)
        rows += [(run.name, *row) for row in found]
        _steps(axis, found, i, f"{run.name}, {len(lives)} clips")
    if not rows:
        raise Skip(
            f"{suite}: fewer than two random clips with a trace and its truth in clips.json;"
            " run with clips=32 or more"
        )
    _frame(axis, "time since hiding (s)", "no wrong frame yet (%)")
    bands = f"fewer than {BOOTSTRAP_FROM} scenes: drawn without a band" if few else ""
    return Drawn(f"survival-{slug(suite)}", figure, SURVIVAL_COLUMNS, tuple(rows), bands)


@dataclass(frozen=True)
class Life:
    """One clip: seconds until the first wrong frame or the end, and how many cases it stands for."""

    scene: str
    seconds: float
    wrong: bool
    weight: float


def _complete(run: Run, suite: str) -> bool:
    return sum(clip["suite"] == suite for clip in run.clips) >= _cases(run, suite) > 0


def _cases(run: Run, suite: str) -> int:
    return len({x.case for x in run.lines if x.suite == suite and x.role == "subject" and x.case})


def _lives(run: Run, suite: str) -> list[Life]:
    clips = [clip for clip in run.clips if clip["suite"] == suite]
    worst = sum(clip["why"] == "worst" for clip in clips)
    rest = max(1, len(clips) - worst)
    share = max(1.0, (_cases(run, suite) - worst) / rest)
    found = []
    for clip in clips:
        tags = {**(clip.get("tags") or {}), **run.tags.get(clip["case"], {})}
        pairs = _pairs(clip.get("trace") or {})
        if str(tags.get("hidden", True)) == "False" or not pairs:
            continue
        fps, given = float(clip.get("fps") or 1.0), int(clip.get("given") or 0)
        start = max(float(tags.get("hide_s", given / fps)), given / fps)
        length = len(pairs[0][0])
        wrong = [t for t in range(length) if t / fps >= start and any(_apart(*pair, t) for pair in pairs)]
        seconds = round(max(0.0, (wrong[0] if wrong else length - 1) / fps - start), 6)
        weight = 1.0 if clip["why"] == "worst" else share
        found.append(Life(str(clip.get("scene", clip["case"])), seconds, bool(wrong), weight))
    return found


def _pairs(trace: Mapping[str, Sequence[Any]]) -> list[tuple[Sequence[Any], Sequence[Any]]]:
    return [
        (values, trace[name + TRUTH])
        for name, values in trace.items()
        if name + TRUTH in trace and len(values) == len(trace[name + TRUTH])
    ]


def _apart(answer: Sequence[float | None], truth: Sequence[float | None], t: int) -> bool:
    """Less than half or more than twice of what truth has, where it is about half an object at least, and in
    truth's frames before and after too: to be one frame early or late is not wrong."""
    a = answer[t]
    near = [b for b in truth[max(0, t - 1) : t + 2] if b is not None]
    if a is None or not near:
        return False
    return all(max(a, b) >= HALF and abs(a - b) > HALF * max(a, b) for b in near)


def _kaplan_meier(lives: Sequence[Life]) -> list[tuple[float, int, float, Any, Any]]:
    """Time, clips at risk, share surviving in percent and its band, from the start to the last event."""
    times = sorted({0.0} | {life.seconds for life in lives})
    weights = np.array([life.weight for life in lives])
    centre = _share(lives, times, weights)
    scenes = sorted({life.scene for life in lives})
    low: Sequence[Any] = [None] * len(times)
    high: Sequence[Any] = [None] * len(times)
    if len(scenes) >= BOOTSTRAP_FROM:
        place = np.array([scenes.index(life.scene) for life in lives])
        draws = np.random.default_rng(0).multinomial(len(scenes), np.full(len(scenes), 1 / len(scenes)), 500)
        drawn = np.array([_share(lives, times, weights * draw[place]) for draw in draws])
        low, high = ([float(v) for v in q] for q in np.quantile(drawn, [0.025, 0.975], axis=0))
    risk = [sum(life.seconds >= t for life in lives) for t in times]
    return [(t, risk[k], float(centre[k]), low[k], high[k]) for k, t in enumerate(times)]


def _share(lives: Sequence[Life], times: Sequence[float], weights: np.ndarray) -> np.ndarray:
    ends = np.array([life.seconds for life in lives])
    wrong = np.array([life.wrong for life in lives])
    left, out = 1.0, []
    for t in times:
        at_risk = weights[ends >= t].sum()
        if at_risk > 0:
            left *= 1 - weights[(ends == t) & wrong].sum() / at_risk
        out.append(100 * left)
    return np.array(out)


def _steps(axis: Any, rows: Sequence[tuple[Any, ...]], i: int, name: str) -> None:
    look = series(i)
    x, y = [row[0] for row in rows], [row[2] for row in rows]
    axis.plot(x, y, drawstyle="steps-post", label=shown(name, 40), **{**look, "marker": None})
    if rows[0][3] is not None:
        low, high = [row[3] for row in rows], [row[4] for row in rows]
        axis.fill_between(x, low, high, step="post", color=look["color"], alpha=0.14, linewidth=0)
