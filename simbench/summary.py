"""summary.json: one row for each suite and generator, with its interval and its counts.

The fields are written down in reports/schema/summary.schema.json, which a test holds this to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from simbench.scores import ROLES, Measured, aggregate, generators
from simbench.stats import kappa, smallest_difference, t_interval

HEADLINE = "S"
"""The metric of every suite's aggregate that is the score."""

READERS = ("agree_11", "agree_10", "agree_01", "agree_00")
"""Counts in a suite's aggregate: both readers say yes, only the first, only the second, neither."""

STATUSES = ("ok", "invalid", "missing", "failed", "refused")


def summary(measured: Sequence[Measured], exposure: Mapping[str, str]) -> dict[str, Any]:
    """All rows. `exposure` says for each generator what it was trained on."""
    rows = []
    for part in measured:
        for role, name in sorted(generators(part), key=lambda g: (ROLES.index(g[0]), g[1])):
            rows.append(summary_row(part, role, name, exposure.get(name, "unknown")))
    return {"schema": 1, "rows": rows}


def summary_row(measured: Measured, role: str, generator: str, exposure: str) -> dict[str, Any]:
    """One generator in one suite. What is not defined (the interval of one scene, say) is null."""
    suite = measured.suite
    scenes = aggregate(measured, role, generator)
    metrics: dict[str, list[float]] = {}
    for values in scenes.values():
        for name, value in values.items():
            metrics.setdefault(name, []).append(value)
    readers = [sum(metrics.pop(name, [0.0])) for name in READERS]
    found = {name: t_interval(values) for name, values in sorted(metrics.items())}
    head = found.get(HEADLINE)
    rows = [r for s in measured.rows.values() for r in s if (r.role, r.generator) == (role, generator)]
    counts = Counter(row.status for row in rows)
    reasons = Counter(f"{row.status}: {row.reason}" for row in rows if row.status != "ok")
    bound = suite.bounds()[generator].at_most if role == "cheat" else None
    return {
        "suite": suite.name,
        "version": suite.version,
        "setting": suite.setting.name(),
        "given": suite.setting.given,
        "generator": generator,
        "role": role,
        "exposure": exposure if role == "subject" else None,
        "score": None if head is None else head.mean,
        "low": None if head is None else head.low,
        "high": None if head is None else head.high,
        "scenes": len(scenes),
        "planned": len(rows),
        **{status: counts[status] for status in STATUSES},
        "bound": bound,
        "mde": None if head is None or head.sd is None else smallest_difference(head.sd, head.count),
        "kappa": kappa(*readers),
        "columns": list(getattr(suite, "columns", ())),
        "metrics": {
            name: {"mean": i.mean, "low": i.low, "high": i.high, "scenes": i.count}
            for name, i in found.items()
        },
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:5]),
    }


def summary_text(found: Mapping[str, Any]) -> str:
    """The file: sorted keys, floats by repr, no NaN."""
    return json.dumps(found, indent=1, sort_keys=True, allow_nan=False) + "\n"
