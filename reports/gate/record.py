"""verdict.json: the whole result as data, its fields as reports/schema/verdict.schema.json has them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reports.gate.options import Options
from reports.gate.ranking import Ranking
from reports.gate.reading import STATUSES, Place, Run
from reports.gate.result import Compared, Result
from reports.gate.words import sentence

EXAMPLES = 20


def record(result: Result, options: Options) -> dict[str, Any]:
    """Everything, as plain data."""
    rules = {**asdict(result.rules), "margin": dict(result.rules.margins)}
    return {
        "schema": 1,
        "verdict": result.verdict,
        "code": result.code,
        "sentence": sentence(result),
        "problems": [text for _, text in result.problems],
        "rules": {**rules, "metrics": None if rules["metrics"] is None else list(rules["metrics"])},
        "base": None if result.base is None else _side("base", result.base),
        "noise": None if result.noise is None else _side("noise", result.noise),
        "heads": [_side(label, run) for label, run in result.heads],
        "comparisons": [_compared(part) for part in result.compared],
        "rankings": [_ranking(ranking) for ranking in result.rankings],
        "repeats": [{"suite": suite, **asdict(found)} for suite, found in result.repeats],
        "command": command(options),
    }


def text(found: dict[str, Any]) -> str:
    """The file: keys in their order, floats by repr, no NaN."""
    return json.dumps(found, indent=1, allow_nan=False, ensure_ascii=True) + "\n"


def command(options: Options) -> str:
    """The command that compares again."""
    rules = options.rules
    words = [f"base={'none' if options.base is None else options.base}"]
    words.append("head=" + ",".join(str(path) for path in options.heads))
    words += [f"noise={options.noise}"] if options.noise is not None else []
    words += [f"metrics={','.join(rules.metrics)}"] if rules.metrics is not None else []
    margins = rules.margins
    if set(margins) == {"*"}:
        words.append(f"margin={margins['*']:g}")
    elif margins:
        words.append("margin=" + ",".join(f"{name}:{value:g}" for name, value in margins.items()))
    words += [f"alpha={rules.alpha:g}", f"strict={str(rules.strict).lower()}"]
    words += [f"max_incomplete={rules.max_incomplete}", f"unmatched={rules.unmatched}"]
    return "python -m reports.compare " + " ".join(shlex.quote(word) for word in words)


def _side(label: str, run: Run) -> dict[str, Any]:
    config = run.record.get("config") or {}
    runtime = run.record.get("runtime") or {}
    return {
        "label": label,
        "path": str(run.path),
        "generator": run.generator,
        "noise": config.get("noise"),
        "commit": runtime.get("commit"),
        "command": run.command,
        "suites": [
            {
                "suite": part.suite,
                "version": part.version,
                "setting": part.setting,
                "scenes": len(part.scenes),
                "planned": len(part.videos),
                **{status: part.count(status) for status in STATUSES},
            }
            for part in run.parts.values()
        ],
    }


def _compared(part: Compared) -> dict[str, Any]:
    pair = part.pair
    return {
        "head": part.head,
        "suite": pair.suite,
        "verdict": part.verdict,
        "problems": [reason for _, reason in part.problems],
        "scenes": len(pair.scenes),
        "gated": [asdict(found) for found in part.gated],
        "shown": [asdict(found) for found in part.shown],
        "unmatched": {"base": _places(pair.only_base), "head": _places(pair.only_head)},
        "lost": dict(part.lost),
        "worst": [asdict(case) for case in part.worst],
    }


def _places(places: Sequence[Place]) -> dict[str, Any]:
    return {"count": len(places), "first": [[p[0], p[1], p[2]] for p in places[:EXAMPLES]]}


def _ranking(ranking: Ranking) -> dict[str, Any]:
    return {
        "suite": ranking.suite,
        "metric": ranking.metric,
        "scenes": ranking.scenes,
        "rows": [asdict(row) for row in ranking.rows],
        "pairs": [
            {
                "first": first,
                "second": second,
                "difference": found.difference,
                "low": found.low,
                "high": found.high,
                "level": found.level,
                "adjusted": found.adjusted,
            }
            for first, second, found in ranking.pairs
        ],
    }
