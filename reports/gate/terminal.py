"""The comparison as text for a terminal: plain, so that it reads the same in a log."""

from __future__ import annotations

import re

from reports.gate.ranking import Ranking
from reports.gate.result import Compared, Result
from reports.gate.verdicts import Judged
from reports.gate.words import amount, interval_text, sentence, verdict_text, visible
from reports.table import aligned

HEAD = ("", "base", "head", "difference", "interval", "level", "margin", "scenes", "verdict")
SHORT = 60


def result_text(result: Result) -> str:
    """Tables, rankings, notes, and the sentence that says what came out."""
    blocks = [_compared(result, part) for part in result.compared]
    blocks += [aligned(_ranking(ranking)) for ranking in result.rankings]
    for suite, found in result.repeats:
        blocks.append(
            f"two runs of the unchanged base: {visible(suite, SHORT)} {visible(found.metric, SHORT)} differs"
            f" by {amount(found.difference)} ({interval_text(found)})"
        )
    text = "\n\n".join([*blocks, visible(sentence(result), 3000)])
    # A line that begins like this is a command to a workflow's runner, and a name may be made to begin so.
    return re.sub(r"^(\s*)(?=::|##\[)", r"\1. ", text, flags=re.M)


def _compared(result: Result, part: Compared) -> str:
    pair = part.pair
    side = pair.head if pair.head is not None else pair.base
    who = f"  {visible(part.head, SHORT)}" if len(result.heads) > 1 else ""
    setting = "" if side is None else f"@{side.version}  {visible(side.setting)}"
    lines = [f"{visible(pair.suite, SHORT)}{setting}{who}  {len(pair.scenes)} scenes paired"]
    if part.gated or part.shown:
        gated = [_row("> ", found, True) for found in part.gated]
        shown = [_row("  ", found, False) for found in part.shown]
        lines.append(aligned([HEAD, *gated, *shown]))
    lines += [f"  {note}" for found in part.gated for note in _notes(found)]
    for name, places in (("base", pair.only_base), ("head", pair.only_head)):
        if places:
            lines.append(f"  {len(places)} videos only in {name}, such as {visible(places[0][1], SHORT)}")
    return "\n".join(lines)


def _row(mark: str, found: Judged, gated: bool) -> tuple[str, ...]:
    values = [amount(value) for value in (found.base, found.head, found.difference)]
    level = f"{100 * (1 - found.level):.4g} %"
    margin, verdict = (f"{found.margin:g}", verdict_text(found)) if gated else ("", "")
    name = mark + visible(found.metric, SHORT)
    return (name, *values, interval_text(found), level, margin, str(found.scenes), verdict)


def _ranking(ranking: Ranking) -> list[tuple[str, ...]]:
    head = (f"{visible(ranking.suite, SHORT)} {visible(ranking.metric, SHORT)}", "mean", "rank")
    return [head, *((visible(row.label, SHORT), amount(row.mean), row.ranks) for row in ranking.rows)]


def _notes(found: Judged) -> list[str]:
    if found.smallest is None and found.scenes > 1:
        alike = f"differ by the same {amount(found.difference)}" if found.difference else "are equal"
        why = f"{found.metric}: all {found.scenes} scenes {alike}"
        return [f"{why}, so the smallest difference that they show cannot be told"]
    if found.smallest is None:
        return []
    notes = [
        f"{found.metric}: {found.scenes} scenes show a difference of {amount(found.smallest)}"
        " (80 % power, two-sided)"
    ]
    if 0 < found.margin < found.smallest:
        notes.append(
            f"{found.metric}: a margin of {found.margin:g} is below that, so that an unchanged model is often"
            " inconclusive; use a wider margin= or more scenes (cases=)"
        )
    return notes
