"""comment.md: what a pull request is told, in one comment that a workflow finds again by its first line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.gate.options import Options
from reports.gate.record import command
from reports.gate.result import Compared, Result
from reports.gate.verdicts import IMPROVED, INCONCLUSIVE, NO_WORSE, REGRESSED, Judged
from reports.gate.words import amount, code, interval_text, markdown, sentence, tag, verdict_text
from reports.gate.worst import SHOWN

LIMIT = 65_000
"""GitHub refuses a comment of more than 65,536 characters."""

WORDS = ("verdict", "scene", "in the case")
"""Columns of words, which stand to the left; numbers stand to the right."""

SIGNS = {REGRESSED: "❌", INCONCLUSIVE: "❔", NO_WORSE: "✅", IMPROVED: "✅"}


@dataclass(frozen=True)
class Block:
    """A part of the comment: `rows` may be cut, what is before and after them stays."""

    before: tuple[str, ...]
    rows: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def comment(result: Result, options: Options, limit: int = LIMIT) -> str:
    """The whole comment, at most `limit` characters: what is too much is cut at rows, and counted."""
    suites = list(dict.fromkeys(part.pair.suite for part in result.compared))
    suites = suites or list(dict.fromkeys(s for _, run in result.heads for s in run.parts))
    start: tuple[str, ...] = (tag(suites), f"### {_sign(result)} {markdown(result.verdict.capitalize())}", "")
    start += (markdown(sentence(result), 3000), "")
    blocks = [Block(start), _gated(result), *_rankings(result), *_worst(result), _details(result)]
    blocks += [*_lost(result), *_unmatched(result), _runs(result), _again(result, options)]
    return fitted([block for block in blocks if block.before or block.rows], limit)


def _sign(result: Result) -> str:
    return SIGNS.get(result.verdict, "⚠️" if result.code else "ℹ️")


def fitted(blocks: Sequence[Block], limit: int) -> str:
    """The blocks as one text; rows from the end of the longest ones are left out where they do not fit."""
    fixed = sum(len(line) + 1 for block in blocks for line in (*block.before, *block.after))
    # Each block that is cut says so in a line of its own, for which there must be room.
    left = limit - fixed - 60 * len(blocks)
    kept = [0] * len(blocks)
    shortest_first = sorted(range(len(blocks)), key=lambda i: sum(len(row) + 1 for row in blocks[i].rows))
    for done, i in enumerate(shortest_first):
        share = left // (len(blocks) - done)
        for row in blocks[i].rows:
            if len(row) + 1 > share:
                break
            share -= len(row) + 1
            left -= len(row) + 1
            kept[i] += 1
    lines: list[str] = []
    for block, count in zip(blocks, kept, strict=True):
        lines += (*block.before, *block.rows[:count], *block.after)
        if count < len(block.rows):
            lines += ["", f"… and {len(block.rows) - count} more rows, see verdict.json"]
    return "\n".join(lines)[: limit - 1] + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Block:
    align = ["---" if i == 0 or name in WORDS else "---:" for i, name in enumerate(head)]
    before = (*([f"**{title}**", ""] if title else []), _row(head), _row(align))
    return Block(before, tuple(_row(row) for row in rows), ("",))


def _cells(result: Result, part: Compared, found: Judged, gated: bool) -> list[str]:
    name = f"{markdown(part.pair.suite)} {markdown(found.metric)}"
    who = f"{markdown(part.head)}: " if len(result.heads) > 1 else ""
    values = [amount(found.base), amount(found.head), amount(found.difference)]
    cells = [who + name, *values, interval_text(found)]
    if not gated:
        return [*cells, str(found.scenes)]
    verdict = verdict_text(found)
    shown = f"**{verdict}**" if found.verdict == REGRESSED else verdict
    smallest = "-" if found.smallest is None else amount(found.smallest)
    level = f"{100 * (1 - found.level):.4g} %"
    return [*cells, level, f"{found.margin:g}", str(found.scenes), smallest, shown]


def _gated(result: Result) -> Block:
    rows = [_cells(result, part, found, True) for part in result.compared for found in part.gated]
    head = ("gated", "base", "head", "difference", "interval", "level", "margin", "scenes", "smallest shown")
    if not rows:
        return Block(())
    return _table((*head, "verdict"), rows)


def _rankings(result: Result) -> list[Block]:
    found = []
    for ranking in result.rankings:
        rows = [[markdown(row.label), amount(row.mean), row.ranks] for row in ranking.rows]
        what = f"{markdown(ranking.suite)} {markdown(ranking.metric)}, {ranking.scenes} scenes"
        title = f"Ranking by {what}; runs whose ranks overlap may be tied (all pairs, Holm)"
        found.append(_table(("", "mean", "rank"), rows, title))
    return found


def _worst(result: Result) -> list[Block]:
    found = [(part, case) for part in result.compared for case in part.worst]
    rows = []
    for part, case in sorted(found, key=lambda item: -abs(item[1].difference))[:SHOWN]:
        sample = f" sample {case.sample}" if case.sample else ""
        who = f"{markdown(part.head)}: " if len(result.heads) > 1 else ""
        place = f"{who}{markdown(case.case)}{sample}"
        rows.append([place, markdown(case.scene), amount(case.difference), markdown(case.what)])
    if not rows:
        return []
    return [_table(("case", "scene", "difference of the scene", "in the case"), rows, "Worst cases")]


def _details(result: Result) -> Block:
    rows = [_cells(result, part, found, False) for part in result.compared for found in part.shown]
    if not rows:
        return Block(())
    head = ("shown, never decides", "base", "head", "difference", "95 % interval", "scenes")
    before = ("<details><summary>Other metrics</summary>", "")
    table = _table(head, rows)
    return Block((*before, *table.before), table.rows, ("", "</details>", ""))


def _lost(result: Result) -> list[Block]:
    rows = [(markdown(why, 300), str(count)) for part in result.compared for why, count in part.lost.items()]
    return [_table(("not measured in head, scored as zero", "videos"), rows)] if rows else []


def _unmatched(result: Result) -> list[Block]:
    found = []
    for part in result.compared:
        for side, places in (("base", part.pair.only_base), ("head", part.pair.only_head)):
            if places:
                rows = tuple(
                    _row((markdown(case), markdown(scene), str(sample))) for scene, case, sample in places
                )
                title = f"{len(places)} videos of {markdown(part.pair.suite)} only in {side}"
                before = (f"<details><summary>{title}</summary>", "", _row(("case", "scene", "sample")))
                found.append(Block((*before, _row(("---", "---", "---:"))), rows, ("", "</details>", "")))
    return found


def _runs(result: Result) -> Block:
    heads = list(result.heads) if len(result.heads) > 1 else [("head", result.heads[0][1])]
    sides = ([] if result.base is None else [("base", result.base)]) + heads
    lines = []
    for label, run in sides:
        for part in run.parts.values():
            what = f"{markdown(part.suite)}@{part.version} {markdown(part.setting)}"
            ok = f"{part.count('ok')} of {len(part.videos)} videos read"
            lines.append(f"- {markdown(label)}: {markdown(run.generator)}, {what}, {ok}")
    for suite, found in result.repeats:
        lines.append(
            f"- two runs of the unchanged base differ by {amount(found.difference)}"
            f" ({interval_text(found)}) in {markdown(suite)} {markdown(found.metric)}: luck alone"
        )
    return Block((), (*lines, ""))


def _again(result: Result, options: Options) -> Block:
    sides = ([] if result.base is None else [result.base]) + [run for _, run in result.heads]
    lines = list(dict.fromkeys([*(run.command for run in sides if run.command), command(options)]))
    link = (f"[The whole report]({options.link})", "") if options.link.startswith("https://") else ()
    before = (*link, "<details><summary>Run it again</summary>", "")
    shown = "\n".join(line if len(line) < 2000 else line[:2000] + "…" for line in lines[:12])
    return Block((*before, code(shown), "", "</details>"))
