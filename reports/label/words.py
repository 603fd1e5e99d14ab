"""Agreement as text: one line for the table of a run, a block for the command."""

from __future__ import annotations

from collections.abc import Sequence

from reports.label.agree import ALL, FIRST, RUN, SECOND, SHOWN, Agreement
from reports.label.estimate import Estimate
from reports.table import aligned, number

HEAD = ("", "question", "of", "both", "reader only", "label only", "neither", "precision", "recall", "kappa")


def value(found: Estimate) -> str:
    """`0.93`, or that it is not defined."""
    return "undefined" if found.value is None else number(found.value, 2)


def interval(found: Estimate) -> str:
    """`0.93 [0.88, 0.97]`; says what is not defined."""
    if found.value is None:
        return "undefined"
    if found.low is None or found.high is None:
        return f"{number(found.value, 2)} [undefined]"
    return f"{number(found.value, 2)} [{number(found.low, 2)}, {number(found.high, 2)}]"


def is_reader(row: Agreement) -> bool:
    """Is it a reader against a person, rather than one person against another?"""
    return row.reader in (FIRST, SECOND)


def table(rows: Sequence[Agreement]) -> list[list[str]]:
    """Cells of all rows, a header first."""
    found = [list(HEAD)]
    for row in rows:
        counts = (row.counts.both, row.counts.reader, row.counts.person, row.counts.neither)
        shares = (row.precision, row.recall) if is_reader(row) else ()
        found.append(
            [
                f"{row.reader} against {row.labeller}",
                row.asks,
                row.of,
                *(f"{count:g}" for count in counts),
                *(map(interval, shares) if shares else ("", "")),
                interval(row.kappa),
            ]
        )
    return found


def remarks(rows: Sequence[Agreement]) -> list[str]:
    """Per labeller: how many labels, how many cannot tell, how many are about other pixels."""
    found = []
    for row in rows:
        if row.reader == FIRST and (row.asks, row.of) == (ALL, SHOWN):
            found.append(
                f"{row.labels} labels of {row.labeller} in {row.scenes} scenes; cannot tell: {row.unsure}"
                " (in no share)"
                + (f"; {row.stale} left out: the run shows other pixels now" if row.stale else "")
            )
    return found


def block(title: str, rows: Sequence[Agreement]) -> str:
    """What the command prints."""
    if not rows:
        return f"{title}: no label is about what the run shows now"
    lines = [f"{title}: {rows[0].suite}@{rows[0].version}", *remarks(rows), aligned(table(rows))]
    lines.append("95 % intervals over scenes; whole run: random clips stand for all that were not shown")
    return "\n".join(lines)


def notes(rows: Sequence[Agreement] | None, suite: str) -> list[str]:
    """Lines for the table of a run: the first reader, the second's kappa, people between them."""
    part = [row for row in rows or () if row.suite == suite and row.asks == ALL and row.of != RUN]
    found = []
    for row in part:
        if row.reader == FIRST:
            second = [r for r in part if r.reader == SECOND and r.labeller == row.labeller]
            found.append(
                f"readers against {row.labels} labels of {row.labeller}: precision {value(row.precision)},"
                f" recall {value(row.recall)}, kappa {interval(row.kappa)}"
                + "".join(f"; second reader: kappa {value(r.kappa)}" for r in second)
                + (f"; cannot tell: {row.unsure}" if row.unsure else "")
                + (f"; {row.stale} labels of other pixels left out" if row.stale else "")
            )
        elif not is_reader(row):
            found.append(
                f"{row.labeller} and {row.reader} on {row.labels} clips: kappa {interval(row.kappa)}"
            )
    return found
