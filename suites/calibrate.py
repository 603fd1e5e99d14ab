"""Measure the oracle on scenes that no run uses, and pin what it reaches in the suite's yaml.

    python -m suites.calibrate suite=permanence size=32 look=plain scenes=256 workers=2

A setting in which the oracle's raw measure stays below 90 % of its theoretical value is refused, and
nothing is written: calibration may not repair an instrument.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.errors import UserError
from suites.command import command
from suites.proof import HEADLINES, Asked, agreement, build_suite, gather, line

if TYPE_CHECKING:
    from simbench.suite import Proven

LEAST = 0.9
"""Share of the theoretical value of S and S_graded, which is 1, that the oracle must reach."""

OBSERVER_AT_LEAST = 90.0


@dataclass
class Options(Asked):
    """Options of a calibration. `write=0` prints only."""

    scenes: int = 256
    observed: int = 32
    write: int = 1


@dataclass(frozen=True)
class Calibration:
    """The oracle's raw headline measures over the calibration scenes, the readers' kappa on it (None where
    both always agree on one answer, or where there is one reader), and the scenes in which it falls short."""

    raw: Mapping[str, float]
    kappa: float | None
    misses: tuple[str, ...]


def calibrate(suite: Proven, scenes: int, workers: int) -> Calibration:
    """Read the oracle in `scenes` calibration scenes."""
    found = gather(suite, suite.scenes(scenes, "calibration"), ("oracle",), workers)
    rows = found["oracle"]["oracle"]
    seen = line(suite, "oracle", rows)
    short = {scene for scene, values in suite.aggregate(rows).items() if values["S"] < LEAST}
    misses = tuple(
        f"{row.case} {row.tags['trial']}: {dict(row.measures)}" for row in rows if row.scene in short
    )
    raw = {m: seen.means[m] for m in HEADLINES if m in seen.means}
    return Calibration(raw, agreement([seen]), misses)


def refusal(suite: Proven, raw: Mapping[str, float]) -> str | None:
    """Why the setting cannot be asked, or None."""
    short = {m: v for m, v in raw.items() if v < LEAST}
    if not short:
        return None
    values = ", ".join(f"{m} {100 * v:.1f} %" for m, v in short.items())
    pinned = getattr(suite, "oracle_raw", {})
    known = f", or what is pinned: {'; '.join(pinned)}" if pinned else ""
    return (
        f"{suite.setting.name()}: the oracle reaches {values} of theory, demanded {100 * LEAST:g} %;"
        f" use another size= or look={known}"
    )


def pin(path: Path, setting: str, raw: Mapping[str, float]) -> None:
    """Put the values of one setting into the yaml's `oracle_raw` table and leave the rest as it is."""
    from simbench.files import write_text

    text = path.read_text(encoding="utf-8")
    write_text(path, pinned(text, setting, raw))


def pinned(text: str, setting: str, raw: Mapping[str, float]) -> str:
    """The yaml `text` with one setting's values in its `oracle_raw` table, which is its last entry."""
    import yaml

    node = yaml.safe_load(text)
    head, key, _ = text.partition("oracle_raw:")
    if not key or list(node)[-1] != "oracle_raw":
        raise UserError("the suite's yaml must end with its oracle_raw table; write `oracle_raw: {}` there")
    table = dict(node["oracle_raw"] or {})
    table[setting] = {m: round(v, 6) for m, v in raw.items()}
    lines = [
        f'  "{name}": {{{", ".join(f"{m}: {v:g}" for m, v in values.items())}}}'
        for name, values in sorted(table.items())
    ]
    return head + "oracle_raw:\n" + "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """The command. 0: pinned, 1: the setting is refused, 2: it could not be run."""
    return command("calibrate", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> int:
    from simbench.overrides import CONF

    suite = build_suite(chosen)
    found = calibrate(suite, chosen.scenes, chosen.workers)
    for miss in found.misses:
        print(f"oracle falls short in {miss}")
    values = ", ".join(f"{m} {v:.5f}" for m, v in found.raw.items())
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.3f}"
    print(f"{suite.setting.name()}: oracle {values} over {chosen.scenes} scenes; readers' kappa {kappa}")
    if chosen.observed:
        scenes = suite.scenes(chosen.observed, "calibration")
        rows = gather(suite, scenes, ("observer",), chosen.workers)["observer"]["observer"]
        seen = line(suite, "observer", rows)
        share = 100.0 * seen.means["S"] / found.raw["S"]
        print(f"observer {share:.1f} over {chosen.observed} scenes, demanded {OBSERVER_AT_LEAST:g}")
    problem = refusal(suite, found.raw)
    if problem is not None:
        print(problem)
        return 1
    if chosen.write:
        pin(CONF / "suite" / f"{suite.name}.yaml", suite.setting.name(), found.raw)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
