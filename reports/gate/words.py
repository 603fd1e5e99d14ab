"""Sentences of a comparison, and names made safe for each place where they are shown."""

from __future__ import annotations

import re
import unicodedata

from reports.gate.pairing import NO_BASELINE
from reports.gate.result import Compared, Result
from reports.gate.verdicts import INCONCLUSIVE, REGRESSED, Judged
from reports.table import number

LONGEST = 160
HEADLINE = "S"
"""The score of every suite."""
MARKUP = re.compile(r"[&<>|`*\[\]#!~@\\$]|:(?=\S)|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.")
"""What GitHub would read as markup, a mention, an issue, a formula, an emoji or a link."""

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def visible(text: str, longest: int = LONGEST) -> str:
    """One line in which nothing moves the cursor or turns the direction of writing, cut with an ellipsis."""
    shown = "".join(_shown(sign) for sign in " ".join(text.split()))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _shown(sign: str) -> str:
    # Control, format (among them the signs that turn the direction), surrogate, unassigned.
    hidden = unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")
    return f"\\u{ord(sign):04x}" if hidden else sign


def markdown(text: str, longest: int = LONGEST) -> str:
    """`text` as plain words of a Markdown cell: no markup, mention, link or cell border comes of it."""
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", visible(text, longest))


def code(text: str) -> str:
    """`text` as a block of code that it cannot leave."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    lines = "\n".join(visible(line, 2000) for line in text.splitlines())
    return f"{ticks}sh\n{lines}\n{ticks}"


def xml_text(text: str) -> str:
    """`text` without the signs that XML 1.0 cannot hold, each shown as #xNN as pytest does."""
    return NOT_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)


def tag(suites: list[str]) -> str:
    """The hidden first line by which a comment is found again."""
    names = ",".join(re.sub(r"[^\w.,+-]", "_", name) for name in suites) or "nothing"
    return f"<!-- simbench:{re.sub('-{2,}', '-', names)[:LONGEST]} -->"


def amount(value: float | None) -> str:
    """A number with two decimals, or four where two would show little of it; a dash where undefined."""
    return number(value, 4 if value is not None and abs(value) < 0.1 and round(value, 4) else 2)


def interval_text(found: Judged) -> str:
    """`−12.1 to −4.4`; a dash where too few scenes give none."""
    return "-" if found.low is None else f"{amount(found.low)} to {amount(found.high)}"


def verdict_text(found: Judged) -> str:
    """The verdict with what belongs to it."""
    if found.verdict == INCONCLUSIVE:
        more = (
            "no number of scenes would decide" if found.more is None else f"needs about {found.more:,} more"
        )
        if found.scenes < 2:
            more = "one scene gives no spread"
        text = f"{found.verdict}, {more}" + (" scenes" if found.more is not None else "")
    else:
        text = found.verdict
    return f"{text}; {found.note}" if found.note else text


def metric_sentence(part: Compared, found: Judged) -> str:
    """`permanence S_graded 73.1 to 61.0: −12.1 (−15.0 to −9.2), margin 5, 64 scenes`."""
    change = f"{amount(found.base)} to {amount(found.head)}"
    return (
        f"{part.pair.suite} {found.metric} {change}: {amount(found.difference)}"
        f" ({100 * (1 - found.level):.4g} % {interval_text(found)}), margin {found.margin:g},"
        f" {found.scenes} scenes"
    )


def sentence(result: Result) -> str:
    """What came out, in a sentence or two."""
    if result.base is None:
        if result.absent:
            return (
                f"No baseline: base={result.absent} is not there; run the unchanged model first, or say"
                " base=none where there is none yet."
            )
        return "No baseline: base=none, so nothing was compared and nothing can be worse."
    several = len(result.heads) > 1
    tails = []
    for part in result.compared:
        for found in part.gated:
            who = f"{part.head}: " if several else ""
            said = verdict_text(found).removeprefix(found.verdict).strip(" ,;")
            more = f", {said}" if said else ""
            tails.append((found.verdict, f"{who}{metric_sentence(part, found)}{more}"))
    decisive = [text for word, text in tails if word == REGRESSED] or [
        text for word, text in tails if not result.problems and word == result.verdict
    ]
    if not result.problems:
        return f"{result.verdict.capitalize()}: {_few(decisive)}.{_headline(result)}"
    # What has no baseline is said with the remedy, since the first run of a project meets it.
    remedy = "; base=none says that there is none yet" if result.verdict == NO_BASELINE else ""
    text = f"{result.verdict.capitalize()}: {_few([why for _, why in result.problems])}{remedy}."
    return text + (f" Among what was measured, regressed: {_few(decisive)}." if decisive else "")


def _headline(result: Result) -> str:
    """The suite's score where it is lower but does not decide, so that nobody overlooks it."""
    lower = [
        f"{part.head}: {metric_sentence(part, found)}"
        if len(result.heads) > 1
        else metric_sentence(part, found)
        for part in result.compared
        for found in part.shown
        if found.metric == HEADLINE and found.high is not None and found.high < 0
    ]
    return f" Lower, though it does not decide: {_few(lower)}." if lower else ""


def _few(texts: list[str], most: int = 3) -> str:
    more = f"; and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
