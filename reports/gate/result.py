"""One comparison from end to end: pairs, tests, verdicts, the exit code and the sentence that says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.aggregate import ReportError
from reports.gate import codes
from reports.gate.options import Rules, meant
from reports.gate.pairing import NO_BASELINE, NOTHING, Pair, pair_runs, pair_suite
from reports.gate.ranking import Ranking, rank
from reports.gate.reading import LOST, READERS, Run
from reports.gate.verdicts import INCONCLUSIVE, REGRESSED, Asked, Judged, gravest, judge, margin_for
from reports.gate.worst import Worst, worst_cases

INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Compared:
    """One head in one suite. `gated` decides, `shown` never does. `problems`: (kind, sentence) of what
    keeps this from being a whole comparison."""

    head: str
    pair: Pair
    gated: tuple[Judged, ...]
    shown: tuple[Judged, ...]
    worst: tuple[Worst, ...]
    problems: tuple[tuple[str, str], ...]
    lost: Mapping[str, int]

    @property
    def verdict(self) -> str:
        """One word for the suite."""
        if self.problems:
            return self.problems[0][0]
        return gravest([found.verdict for found in self.gated])


@dataclass(frozen=True)
class Result:
    """Everything that verdict.json, the comment and the exit code are made of. `absent`: where a baseline was
    looked for and is not."""

    rules: Rules
    base: Run | None
    noise: Run | None
    heads: tuple[tuple[str, Run], ...]
    compared: tuple[Compared, ...]
    rankings: tuple[Ranking, ...]
    repeats: tuple[tuple[str, Judged], ...]
    absent: str = ""

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What keeps this from being a whole comparison, of all suites and heads."""
        if self.base is None:
            return [(NO_BASELINE, f"base={self.absent} is not there")] if self.absent else []
        found = [problem for part in self.compared for problem in part.problems]
        return found if found or self.words else [(NOTHING, "no suite of one run is in the other")]

    @property
    def words(self) -> list[str]:
        """The verdict of every gated metric."""
        return [found.verdict for part in self.compared for found in part.gated]

    @property
    def verdict(self) -> str:
        """One word for all of it."""
        if self.base is None:
            return NO_BASELINE
        return self.problems[0][0] if self.problems else gravest(self.words)

    @property
    def code(self) -> int:
        """The exit code: what was not measured is graver than what got worse."""
        if self.base is None:
            return codes.INCOMPLETE if self.absent else codes.OK
        if self.problems:
            return codes.INCOMPLETE
        if REGRESSED in self.words:
            return codes.WORSE
        return codes.INCONCLUSIVE if self.rules.strict and INCONCLUSIVE in self.words else codes.OK


def compare(
    base: Run | None, heads: Sequence[Run], noise: Run | None, rules: Rules, absent: str = ""
) -> Result:
    """Compare `heads` with `base`. ReportError for an unknown metric and a `noise` that is no repeat."""
    labelled = tuple(zip(labels(heads), heads, strict=True))
    if base is None:
        return Result(rules, None, None, labelled, (), _rankings(None, labelled, rules), (), absent)
    repeats = () if noise is None else _repeats(base, noise, rules)
    pairs = [(label, pair) for label, run in labelled for pair in pair_runs(base, run)]
    _refuse_unknown([pair for _, pair in pairs], rules)
    spread = {(suite, found.metric): found.sd for suite, found in repeats}
    asked: list[tuple[int, Asked]] = []
    for i, (_, pair) in enumerate(pairs):
        for metric in gated_metrics(pair, rules):
            asked.append((i, _asked(pair, metric, rules, spread.get((pair.suite, metric)))))
    judged = judge([a for _, a in asked], rules.alpha)
    compared = []
    for i, (label, pair) in enumerate(pairs):
        gated = tuple(found for (place, _), found in zip(asked, judged, strict=True) if place == i)
        compared.append(_compared(label, pair, gated, rules))
    rankings = _rankings(base, labelled, rules) if len(heads) > 1 else ()
    return Result(rules, base, noise, labelled, tuple(compared), rankings, repeats)


def labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its generator, with its folder where two have one generator."""
    count = Counter(run.generator for run in runs)
    named = [r.generator if count[r.generator] == 1 else f"{r.generator} ({r.folder.name})" for r in runs]
    return named if len(set(named)) == len(named) else [str(run.path) for run in runs]


def gated_metrics(pair: Pair, rules: Rules) -> list[str]:
    """What decides in one suite, of what both sides have."""
    there = pair.metrics()
    if pair.refusal:
        return []
    if rules.metrics is None:
        headline = "S_graded" if "S_graded" in there else "S"
        return [headline] if headline in there else []
    return [m for m in there if m in rules.metrics or f"{pair.suite}.{m}" in rules.metrics]


def _refuse_unknown(pairs: Sequence[Pair], rules: Rules) -> None:
    there: set[str] = set()
    for pair in pairs:
        for part in (pair.base, pair.head):
            names = {m for values in part.scenes.values() for m in values} if part is not None else set()
            there |= names | {f"{pair.suite}.{m}" for m in names}
    named = [("metrics", name) for name in rules.metrics or ()]
    for option, name in named + [("margin", name) for name in rules.margins if name != "*"]:
        if there and name not in there:
            plain = sorted(m for m in there if "." not in m)
            raise ReportError(f"{option}: no suite here has {name}{meant(name, plain)}")


def _asked(pair: Pair, metric: str, rules: Rules, noise: float | None) -> Asked:
    base, head = pair.values(metric)
    lower = metric in rules.lower
    return Asked(metric, base, head, margin_for(rules.margins, pair.suite, metric), lower, noise)


def _compared(label: str, pair: Pair, gated: tuple[Judged, ...], rules: Rules) -> Compared:
    names = [found.metric for found in gated]
    others = [] if pair.refusal else [m for m in pair.metrics() if m not in (*names, *READERS)]
    shown = [judge([_asked(pair, m, rules, None)], rules.alpha)[0] for m in others if len(pair.values(m)[0])]
    worst = worst_cases(pair, names[0], rules.lower) if names else []
    lost: Counter[str] = Counter()
    if pair.head is not None:
        lost.update(f"{s}: {reason}" for s, reason in pair.head.videos.values() if s != "ok")
    problems = tuple(_problems(pair, gated, rules))
    return Compared(label, pair, gated, tuple(shown), tuple(worst), problems, dict(lost.most_common(5)))


def _problems(pair: Pair, gated: Sequence[Judged], rules: Rules) -> list[tuple[str, str]]:
    allow = rules.unmatched == "allow"
    if pair.refusal:
        one_sided = pair.base is None or pair.head is None
        return [] if one_sided and allow else [(pair.kind, f"{pair.suite}: {pair.refusal}")]
    found = []
    for side, part, lost in zip(("base", "head"), (pair.base, pair.head), pair.lost(), strict=True):
        if part is not None and lost > rules.max_incomplete:
            kinds = ", ".join(f"{part.count(s)} {s}" for s in LOST if part.count(s))
            text = f"{pair.suite}: {kinds} of {len(part.videos)} videos of {side}, scored as zero"
            found.append((INCOMPLETE, f"{text} (max_incomplete={rules.max_incomplete})"))
    if (pair.only_base or pair.only_head) and not allow:
        counts = f"{len(pair.only_base)} videos are only in base and {len(pair.only_head)} only in head"
        found.append((INCOMPLETE, f"{pair.suite}: {counts} (unmatched=allow compares the rest)"))
    for judged in gated:
        if judged.scenes < len(pair.scenes) and _one_sided(pair, judged.metric):
            found.append((INCOMPLETE, f"{pair.suite}: {judged.metric} is undefined in a scene of one side"))
    if not gated:
        wanted = "S_graded nor S" if rules.metrics is None else ", ".join(rules.metrics)
        if rules.metrics is None or not any("." in name for name in rules.metrics):
            found.append((NOTHING, f"{pair.suite}: it has neither {wanted} on both sides; name metrics="))
    return found


def _one_sided(pair: Pair, metric: str) -> bool:
    assert pair.base is not None and pair.head is not None
    return any((metric in pair.base.scenes[s]) != (metric in pair.head.scenes[s]) for s in pair.scenes)


def _repeats(base: Run, noise: Run, rules: Rules) -> tuple[tuple[str, Judged], ...]:
    """Differences of two runs of the unchanged base: what luck alone makes."""
    seeds = [(run.record.get("config") or {}).get("noise", 0) for run in (base, noise)]
    if base.record and noise.record and seeds[0] == seeds[1]:
        raise ReportError(
            f"noise={noise.path} was run with noise={seeds[1]} as base was, so nothing differs by luck;"
            f" run base again with noise={int(seeds[0]) + 1}"
        )
    found = []
    for suite in base.parts:
        pair = pair_suite(base, noise, suite)
        if pair.refusal:
            raise ReportError(f"noise={noise.path} is no repeat of base: {suite}: {pair.refusal}")
        for metric in gated_metrics(pair, rules):
            found.append((suite, judge([_asked(pair, metric, rules, None)], rules.alpha)[0]))
    return tuple(found)


def _rankings(base: Run | None, heads: Sequence[tuple[str, Run]], rules: Rules) -> tuple[Ranking, ...]:
    runs = ([] if base is None else [("base", base)]) + list(heads)
    found = []
    for suite in runs[0][1].parts if len(runs) > 1 else ():
        if any(suite not in run.parts for _, run in runs):
            continue
        pairs = [pair_suite(runs[0][1], run, suite) for _, run in runs[1:]]
        if any(pair.refusal for pair in pairs):
            continue
        scenes = sorted(set.intersection(*(set(pair.scenes) for pair in pairs)))
        for metric in gated_metrics(pairs[0], rules):
            ranked = rank(runs, suite, metric, scenes, metric in rules.lower, rules.alpha)
            found += [] if ranked is None else [ranked]
    return tuple(found)
