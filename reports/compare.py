"""`python -m reports.compare base=RUN head=RUN`: is the new checkpoint worse than the old one?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from reports.aggregate import ReportError
from reports.gate import codes
from reports.gate.codes import Terminated
from reports.gate.options import Options, parse
from reports.gate.result import Result, compare

USAGE = """python -m reports.compare base=RUN head=RUN[,RUN...]

Compares runs scene by scene (paired) and says: regressed, no worse, improved or inconclusive.
A RUN is a folder that `python -m simbench` wrote, or its scores.csv.

  base=               the run of the unchanged model; base=none: there is none yet, exit 0
  head=               the run to judge; several by comma are also ranked
  noise=              a run of base with other noise seeds (`simbench noise=1`): what luck alone makes
  out=                where verdict.json, comment.md and junit.xml go      (default: the first head's folder)
  gate=default        rules: conf/gate/NAME.json or a path; each can be given here, too:
    metrics=            what decides, by comma, also as SUITE.METRIC       (default: S_graded of each suite)
    margin=5            how much worse is still no matter, in the metric's unit; margin=S_graded:2,S:5
    alpha=0.05          two-sided level over all gated metrics and heads (Holm)
    strict=false        true: inconclusive exits with 4
    max_incomplete=0    missing, invalid and failed videos of a run that are still not an incomplete one
    unmatched=refuse    allow: compare what both runs have, and only list the rest
  link=https://...    where the whole report can be seen, for the comment

Exit codes
{codes}
"""


def main(arguments: Sequence[str]) -> int:
    """Compare what `arguments` name, print the table, write the files; the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE.format(codes="\n".join(f"  {c:<5}{text}" for c, text in codes.MEANING.items())), end="")
        return codes.OK if arguments else codes.TROUBLE
    with _terminated_by_signal():
        try:
            return _compare(parse(arguments))
        except ReportError as error:
            print(f"reports: {error}", file=sys.stderr)
            return codes.TROUBLE
        except Terminated:
            print("\nreports: terminated", file=sys.stderr)
            return codes.TERMINATED
        except KeyboardInterrupt:
            print("\nreports: interrupted", file=sys.stderr)
            return codes.INTERRUPTED


def _compare(options: Options) -> int:
    from reports.gate.files import NAMES, write_files
    from reports.gate.reading import read_run, scores_of

    heads = [read_run(path, "head") for path in options.heads]
    absent = options.base is not None and not scores_of(options.base).is_file()
    base = None if options.base is None or absent else read_run(options.base, "base")
    noise = None if options.noise is None else read_run(options.noise, "noise")
    result = compare(base, heads, noise, options.rules, str(options.base) if absent else "")
    print(_text(result))
    folder = write_files(result, options, os.environ)
    print(f"\n{folder}: {', '.join(NAMES)}")
    return result.code


def _text(result: Result) -> str:
    from reports.gate.terminal import result_text

    return result_text(result)


@contextmanager
def _terminated_by_signal() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        """What SIGTERM does while a comparison is at work."""
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
