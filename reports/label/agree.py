"""How far the automatic readers of a run agree with the people who labelled its clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from reports.aggregate import Line, read_scores
from reports.label.clips import Asked, asked, digest, frames
from reports.label.estimate import Estimate, Table, estimate, kappa, precision, recall
from reports.label.labels import Label, stored

FIRST, SECOND = "first reader", "second reader"
SHOWN, RUN = "clips shown", "whole run"
ALL = "all"


@dataclass(frozen=True)
class Answer:
    """One label beside what the readers say to the same question: yes or no, None where one did not read.

    `weight` is for how many videos of the run the clip stands: the worst clips were picked for their score
    and stand for themselves, the random ones for all others.
    """

    suite: str
    version: int
    scene: str
    place: tuple[str, str, str, int]
    asks: str
    labeller: str
    label: str
    first: bool | None
    second: bool | None
    weight: float


@dataclass(frozen=True)
class Agreement:
    """One reader against one labeller: `counts` of clips as they are, the shares weighted where `of` says
    "whole run". For a second labeller in the place of the reader only kappa is defined."""

    suite: str
    version: int
    labeller: str
    reader: str
    asks: str
    of: str
    labels: int
    unsure: int
    stale: int
    scenes: int
    counts: Table
    precision: Estimate
    recall: Estimate
    kappa: Estimate


def agreement(folder: Path) -> list[Agreement] | None:
    """All rows of a run; None where no labels.csv lies in its folder."""
    if not (folder / "labels.csv").is_file():
        return None
    answers, stale = read_answers(folder)
    return rows_of(answers, stale)


def read_answers(folder: Path) -> tuple[list[Answer], Mapping[str, int]]:
    """Labels of a run beside its readers; per labeller how many are about pixels that the run no longer
    shows, which count for nothing."""
    labels = stored(folder)
    lines = read_scores(folder / "scores.csv")
    clips = {clip.place: clip for clip in asked(folder, lines)}
    seen = {place: digest(frames(clips[place])) for place in {x.place for x in labels} & set(clips)}
    values = {
        (x.suite, x.case, x.sample or 0, x.metric): x.value for x in lines if x.role == "subject" and x.case
    }
    fresh = [x for x in labels if seen.get(x.place) == x.clip and x.version == clips[x.place].version]
    stale: dict[str, int] = defaultdict(int)
    for x in labels:
        stale[x.labeller] += x not in fresh
    weight = _weights(fresh, clips, lines)
    answers = []
    for x in fresh:
        clip = clips[x.place]
        first, second = (_says(clip, values, f"{clip.asks}{ending}") for ending in ("", "_nearest"))
        answers.append(
            Answer(
                clip.suite,
                clip.version,
                clip.scene,
                x.place,
                clip.asks,
                x.labeller,
                x.label,
                first,
                second,
                weight[x.labeller, clip.suite, clip.worst],
            )
        )
    return answers, stale


def _says(clip: Asked, values: Mapping[tuple[str, str, int, str], float | None], metric: str) -> bool | None:
    value = values.get((clip.suite, clip.case, clip.sample, metric))
    if value is None:
        return None
    return value >= 1.0 if clip.every else value > 0.0


def _weights(
    labels: Sequence[Label], clips: Mapping[tuple[str, str, str, int], Asked], lines: Sequence[Line]
) -> dict[tuple[str, str, bool], float]:
    """(labeller, suite, worst) -> videos of the run for each label. Clips are drawn from sample 0."""
    there: dict[str, set[str]] = defaultdict(set)
    for x in lines:
        if x.role == "subject" and x.case and x.sample == 0 and x.status == "ok":
            there[x.suite].add(x.case)
    worst: dict[str, int] = defaultdict(int)
    for clip in clips.values():
        worst[clip.suite] += clip.worst
    done: dict[tuple[str, str, bool], int] = defaultdict(int)
    for label in labels:
        done[label.labeller, label.suite, clips[label.place].worst] += 1
    return {
        (who, suite, bad): (worst[suite] if bad else len(there[suite]) - worst[suite]) / count
        for (who, suite, bad), count in done.items()
    }


def rows_of(answers: Sequence[Answer], stale: Mapping[str, int]) -> list[Agreement]:
    """Every suite, labeller, reader and measure, all questions together first; then people between them."""
    found = []
    for suite in dict.fromkeys(a.suite for a in answers):
        part = [a for a in answers if a.suite == suite]
        people = sorted({a.labeller for a in part})
        for who in people:
            mine = [a for a in part if a.labeller == who]
            asks = sorted({a.asks for a in mine})
            for reader, says in ((FIRST, _first), (SECOND, _second)):
                if any(says(a) is not None for a in mine):
                    found.append(_row(mine, reader, says, ALL, SHOWN, stale))
                    found.append(_row(mine, reader, says, ALL, RUN, stale))
                    for name in asks if len(asks) > 1 else ():
                        some = [a for a in mine if a.asks == name]
                        found.append(_row(some, reader, says, name, SHOWN, stale))
        found += [_between(part, one, other, stale) for one, other in combinations(people, 2)]
    return found


def _first(answer: Answer) -> bool | None:
    return answer.first


def _second(answer: Answer) -> bool | None:
    return answer.second


def _row(
    answers: Sequence[Answer],
    reader: str,
    says: Callable[[Answer], bool | None],
    asks: str,
    of: str,
    stale: Mapping[str, int],
) -> Agreement:
    read = [a for a in answers if says(a) is not None]
    sure = [(a, bool(says(a)), a.label == "yes") for a in read if a.label != "cannot tell"]
    counts, scenes = Table(), dict[str, Table]()
    for a, machine, person in sure:
        counts = counts + _cell(machine, person, 1.0)
        one = _cell(machine, person, a.weight if of == RUN else 1.0)
        scenes[a.scene] = scenes.get(a.scene, Table()) + one
    first = answers[0]
    return Agreement(
        first.suite, first.version, first.labeller, reader, asks, of,
        labels=len(read), unsure=len(read) - len(sure), stale=stale.get(first.labeller, 0),
        scenes=len(scenes), counts=counts,
        precision=estimate(scenes, precision), recall=estimate(scenes, recall), kappa=estimate(scenes, kappa),
    )  # fmt: skip


def _between(answers: Sequence[Answer], one: str, other: str, stale: Mapping[str, int]) -> Agreement:
    """Two people on the clips that both labelled: neither is the measure of the other."""
    theirs = {a.place: a for a in answers if a.labeller == other}
    both = [(a, theirs[a.place]) for a in answers if a.labeller == one and a.place in theirs]
    sure = [(a, b) for a, b in both if "cannot tell" not in (a.label, b.label)]
    counts, scenes = Table(), dict[str, Table]()
    for a, b in sure:
        cell = _cell(b.label == "yes", a.label == "yes", 1.0)
        counts, scenes[a.scene] = counts + cell, scenes.get(a.scene, Table()) + cell
    undefined = Estimate(None)
    return Agreement(
        answers[0].suite, answers[0].version, one, other, ALL, SHOWN, len(both), len(both) - len(sure),
        stale.get(one, 0) + stale.get(other, 0), len(scenes), counts,
        undefined, undefined, estimate(scenes, kappa),
    )  # fmt: skip


def _cell(reader: bool, person: bool, weight: float) -> Table:
    if reader:
        return Table(both=weight) if person else Table(reader=weight)
    return Table(person=weight) if person else Table(neither=weight)
