"""How fast runs were trained: device, model FLOP/s, tokens per second and MFU, from their run.json alone.

python -m reports.scaling.speed runs=FOLDER[,FOLDER...] [out=FILE.csv]

  runs=   folders of training runs, or folders of such folders; also a .json file that lists their records
  out=    the same rows as a table for other tools

MFU is the share of the peak of all devices of a run that its model FLOPs are: what is recomputed, the VAE and
the time that steps wait for data bring it down. Exit codes: 0 printed, 2 trouble
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.command import DONE, Answer, answered
from reports.figures.output import csv_text
from reports.files import read_json, write_text
from reports.options import options
from reports.scaling.runs import checked, folders
from reports.scaling.words import number

USAGE = "python -m reports.scaling.speed runs=FOLDER[,FOLDER...] [out=FILE.csv]"
COLUMNS = (
    "run", "device", "processes", "params", "flops", "seconds", "flops_per_second", "tokens_per_second",
    "mfu",
)  # fmt: skip
NUMBERS = ("processes", "params", "flops", "seconds", "mfu", "tokens")
UNKNOWN = "not said"


@dataclass(frozen=True)
class Speed:
    """One run. Rates are of all its devices together and per second of the clock; None where its record lacks
    what they are made of."""

    run: str
    device: str
    processes: int | None
    params: float | None
    flops: float | None
    seconds: float | None
    mfu: float | None
    tokens: float | None

    @property
    def flops_per_second(self) -> float | None:
        """Model FLOP/s."""
        return None if self.flops is None or not self.seconds else self.flops / self.seconds

    @property
    def tokens_per_second(self) -> float | None:
        """Latent tokens per second."""
        return None if self.tokens is None or not self.seconds else self.tokens / self.seconds

    @property
    def row(self) -> tuple[object, ...]:
        """The values of COLUMNS."""
        rates = self.flops_per_second, self.tokens_per_second, self.mfu
        return self.run, self.device, self.processes, self.params, self.flops, self.seconds, *rates


def speed(record: Mapping[str, Any], name: str) -> Speed:
    """Of one run.json."""
    return Speed(
        run=str(record.get("name", name)),
        device=str(record.get("device", UNKNOWN)),
        **{key: record.get(key) for key in NUMBERS},
    )


def read(places: Sequence[Path]) -> list[Speed]:
    """All runs, by device and size. ReportError for a file that is no run.json, or a folder without one."""
    found = [speed(checked(record, path), path.parent.name) for path, record in _records(places)]
    if not found:
        raise ReportError("runs= names no run; give folders that hold run.json")
    return sorted(found, key=lambda s: (s.device, s.processes or 1, s.params or 0, s.flops or 0, s.run))


def _records(places: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    for place in places:
        if place.suffix == ".json":
            listed = read_json(place)
            yield from ((place, record) for record in (listed if isinstance(listed, list) else [listed]))
            continue
        for folder in folders([place]):
            if not (folder / "run.json").is_file():
                raise ReportError(f"runs={folder}: it has no run.json, nor has a folder in it")
            yield folder / "run.json", read_json(folder / "run.json")


def share(found: Sequence[Speed]) -> float | None:
    """MFU of several runs of one device as if they were one: their FLOPs over what the devices could have
    done in their time. None where no run says it."""
    known = [(s.flops, s.flops / s.mfu) for s in found if s.flops is not None and s.mfu]
    return sum(done for done, _ in known) / sum(could for _, could in known) if known else None


def table(found: Sequence[Speed]) -> str:
    """As Markdown: a line for each run, and one for all of each device."""
    lines = [
        "| run | device | processes | parameters | TFLOP | s | TFLOP/s | tokens/s | MFU |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for s in found:
        tera = [None if v is None else v / 1e12 for v in (s.flops, s.flops_per_second)]
        counts = [_whole(v) for v in (s.processes, s.params)]
        cells = [*counts, number(tera[0]), _whole(s.seconds), number(tera[1]), _whole(s.tokens_per_second)]
        lines.append(f"| {' | '.join([s.run, s.device, *cells, _percent(s.mfu)])} |")
    lines.append("")
    for device in dict.fromkeys(s.device for s in found):
        mine = [s for s in found if s.device == device]
        said = [s.mfu for s in mine if s.mfu is not None]
        ends = f" ({_percent(min(said))} to {_percent(max(said))})" if len(said) > 1 else ""
        runs = f"{len(mine)} run{'s' * (len(mine) != 1)}"
        lines.append(f"- {device}: {runs}, MFU of all their work {_percent(share(mine))}{ends}.")
    return "\n".join(lines) + "\n"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"


def answer(arguments: Sequence[str]) -> Answer:
    """The table of a command line. ReportError for a wrong one."""
    given = options(arguments, ("runs",), ("out",), USAGE)
    found = read([Path(part.strip()) for part in given["runs"].split(",") if part.strip()])
    if "out" in given:
        write_text(Path(given["out"]), csv_text(COLUMNS, [s.row for s in found]))
    return Answer(DONE, table(found))


def main(arguments: Sequence[str]) -> int:
    """The command; see the head of this file."""
    return answered("reports.scaling.speed", __doc__, arguments, answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
