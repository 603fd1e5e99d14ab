"""scores.csv: one line for each planned video and metric, and one for each scene's aggregate.

Columns: suite, version, setting, given, generator, role, scene, case, world_seed, sample, metric,
value, status, reason. A line without a case holds the suite's aggregate of that scene, calibrated.
What is not ok has one line with no metric and no value. Floats are written by repr, lines end in \\n,
and the order is that of the plan, so that equal runs give equal bytes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simbench.plan import PlannedCase, PlannedScene
from simbench.suite import CaseScore

if TYPE_CHECKING:
    from simbench.score import Row
    from simbench.suite import Suite

COLUMNS = (
    "suite", "version", "setting", "given", "generator", "role", "scene", "case", "world_seed", "sample",
    "metric", "value", "status", "reason",
)  # fmt: skip
TAG_COLUMNS = ("suite", "scene", "case", "tag", "value")
ROLES = ("subject", "oracle", "observer", "baseline", "cheat")
ONE_LINE = 300

Line = tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """Everything read for one suite: its plan and the rows of every scene."""

    suite: Suite
    scenes: tuple[PlannedScene, ...]
    rows: Mapping[str, tuple[Row, ...]]


def csv_text(measured: Sequence[Measured]) -> str:
    """The whole file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for part in measured:
        writer.writerows(case_lines(part))
        writer.writerows(scene_lines(part))
    return text.getvalue()


def tags_text(measured: Sequence[Measured]) -> str:
    """cases.csv: what the suite says of each case (its trial, when things hide, ...), a line for each tag."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TAG_COLUMNS)
    for part in measured:
        for scene in part.scenes:
            for case in scene.cases:
                for tag, value in sorted(case.tags.items()):
                    shown = repr(value) if isinstance(value, float) else str(value)
                    writer.writerow((part.suite.name, scene.scene, case.id, tag, shown))
    return text.getvalue()


def case_lines(measured: Measured) -> Iterator[Line]:
    """Lines of single videos: one per metric, or one with the reason why there is none."""
    head = _head(measured.suite)
    for scene in measured.scenes:
        places = {case.id: (i, case) for i, case in enumerate(scene.cases)}
        for row in sorted(
            measured.rows[scene.scene],
            key=lambda r: (ROLES.index(r.role), r.generator, places[r.case][0], r.sample),
        ):
            case = places[row.case][1]
            place = (
                *head,
                row.generator,
                row.role,
                scene.scene,
                case.id,
                str(case.world_seed),
                str(row.sample),
            )
            if row.status != "ok":
                yield (*place, "", "", row.status, " ".join(row.reason.split())[:ONE_LINE])
            for metric, value in sorted(row.measures.items()) if row.status == "ok" else ():
                yield (*place, metric, repr(float(value)), "ok", "")


def scene_lines(measured: Measured) -> Iterator[Line]:
    """Lines of scenes: what the suite makes of all videos of one generator, zero for what is not ok."""
    head = _head(measured.suite)
    for role, name in sorted(generators(measured), key=lambda g: (ROLES.index(g[0]), g[1])):
        for scene, metrics in aggregate(measured, role, name).items():
            for metric, value in sorted(metrics.items()):
                yield (*head, name, role, scene, "", "", "", metric, repr(value), "ok", "")


def generators(measured: Measured) -> set[tuple[str, str]]:
    """Every (role, generator) that was read."""
    return {(row.role, row.generator) for rows in measured.rows.values() for row in rows}


def aggregate(measured: Measured, role: str, generator: str) -> dict[str, dict[str, float]]:
    """scene -> {metric: calibrated value} of one generator, in the order of the plan."""
    suite = measured.suite
    raw = suite.aggregate(list(case_scores(measured, role, generator)))
    found: dict[str, dict[str, float]] = {}
    for scene in measured.scenes:
        values = {m: float(suite.calibrated(m, v)) for m, v in raw.get(scene.scene, {}).items()}
        for metric, value in values.items():
            if not math.isfinite(value):
                raise ValueError(f"{suite.name}.aggregate gave {metric}={value} for {scene.scene}")
        found[scene.scene] = values
    return found


def case_scores(measured: Measured, role: str, generator: str) -> Iterator[CaseScore]:
    """All videos of one generator as the suite wants them."""
    for scene in measured.scenes:
        cases: dict[str, PlannedCase] = {case.id: case for case in scene.cases}
        rows = [r for r in measured.rows[scene.scene] if (r.role, r.generator) == (role, generator)]
        order = {case.id: i for i, case in enumerate(scene.cases)}
        for row in sorted(rows, key=lambda r: (order[r.case], r.sample)):
            case = cases[row.case]
            yield CaseScore(
                case.id,
                scene.scene,
                case.world_seed,
                case.tags,
                row.sample,
                row.status,
                row.reason,
                dict(row.measures),
            )


def _head(suite: Suite) -> tuple[str, str, str, str]:
    return (suite.name, str(suite.version), suite.setting.name(), suite.setting.given)
