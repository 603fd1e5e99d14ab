"""The ladder of a suite on fresh seeds: anchors, cheats against their bounds, damage by strength, nuisances.

    python -m suites.ladder suite=permanence size=32 scenes=64 seed=1001 workers=2 part=all out=docs
    python -m suites.ladder suite=geometry seed=1001 out=docs card=docs/geometry.md
    python -m suites.ladder suite=digital digital.world=voxel seed=1001 out=docs card=docs/digital.md

Writes ladder.json, ladder.png and ladder.md (or another `name`) into `out`; parts that are run one by one are
put together there. With `card` the table goes between the marks <!-- ladder --> and <!-- /ladder --> of that
page instead; what a suite is told besides is in the names: ladder-digital-voxel.json, <!-- ladder-voxel -->.
The exit code is 1 when a verdict fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import UserError
from suites.command import command
from suites.proof import (
    PARTS,
    Asked,
    Line,
    agreement,
    block_name,
    build_suite,
    file_name,
    gather,
    line,
    mean,
    standard_error,
    write_json,
)

if TYPE_CHECKING:
    from simbench.suite import Bound, Proven

ORACLE_WITHIN = 1.0
OBSERVER_AT_LEAST = 90.0
NUISANCE_COSTS = 5.0
KAPPA_AT_LEAST = 0.8
ERRORS = 3.0
RISE = 2.0


@dataclass
class Options(Asked):
    """Options of the ladder; `seed` must be one that nobody tuned anything on. Files are called `name`, by
    default ladder for the default suite and ladder-NAME for others. `card` is the page for the table."""

    scenes: int = 64
    seed: str = "1001"
    part: str = "all"
    out: str = "outputs/ladder"
    name: str = ""
    card: str = ""


def anchor_rows(suite: Proven, lines: Mapping[str, Line]) -> list[dict[str, Any]]:
    """Oracle, observer and baselines with their verdicts."""
    from simbench.suite import Bound

    bounds, default = suite.baselines(), Bound(None, below="oracle")
    rows = []
    for name, found in lines.items():
        if name == "oracle":
            rows.append(_row(found, "100 +- 1", abs(found.score - 100.0) <= ORACLE_WITHIN))
        elif name == "observer":
            rows.append(_row(found, f">= {OBSERVER_AT_LEAST:g}", found.score >= OBSERVER_AT_LEAST))
        else:
            rows.append(_row(found, *verdict(bounds.get(name, default), found, lines), excused=True))
    return rows


def verdict(bound: Bound, found: Line, lines: Mapping[str, Line]) -> tuple[str, bool]:
    """What a bound demands in words, and whether it holds for a cheat or for a baseline among `lines`."""
    demands, holds = [], True
    if bound.at_most is not None:
        demands.append(f"<= {bound.at_most:g} + 3 se")
        holds &= found.score - ERRORS * found.error <= bound.at_most
    if bound.above is not None:
        demands.append(f"above {bound.above:g}")
        holds &= found.score > bound.above
    if bound.below:
        demands.append(f"below the {bound.below}")
        holds &= found.score < lines[bound.below].score
    return ", ".join(demands) if demands else f"n/a: {bound.reason}", holds


def cheat_rows(suite: Proven, lines: Mapping[str, Line]) -> list[dict[str, Any]]:
    """Every cheat against its own bound: score less three standard errors."""
    bounds = suite.bounds()
    return [_row(found, *verdict(bounds[name], found, lines)) for name, found in lines.items()]


def damage_rows(suite: Proven, lines: Mapping[str, Line]) -> list[dict[str, Any]]:
    """Each strength: no rise above two standard errors of the step; the last below half of the first."""
    units = {name: kind.unit for name, kind in suite.damages().items()}
    kinds: dict[str, list[tuple[float, Line]]] = {}
    for name, found in lines.items():
        kind, strength = name.rsplit(" ", 1)
        kinds.setdefault(kind, []).append((float(strength), found))
    rows = []
    for kind, levels in kinds.items():
        levels.sort(key=lambda level: level[0])
        first = levels[0][1].score
        for i, (amount, found) in enumerate(levels):
            demand, holds = "first", True
            if i > 0:
                rise, error = _difference(found, levels[i - 1][1])
                demand, holds = "no rise", rise <= RISE * error + 1e-9
            if i == len(levels) - 1:
                demand, holds = "no rise, below half", holds and found.score < first / 2
            rows.append({**_row(found, demand, holds), "strength": amount, "unit": units[kind]})
    return rows


def nuisance_rows(suite: Proven, lines: Mapping[str, Line]) -> list[dict[str, Any]]:
    """What each nuisance costs a perfect video, paired by scene."""
    clean = lines["none"]
    rows = []
    for found in lines.values():
        cost, error = _difference(clean, found)
        row = _row(found, f"costs <= {NUISANCE_COSTS:g}", cost <= NUISANCE_COSTS)
        rows.append({**row, "cost": cost, "cost_se": error})
    return rows


def _difference(a: Line, b: Line) -> tuple[float, float]:
    """Mean of a - b over scenes and its standard error."""
    steps = [x - y for x, y in zip(a.scenes, b.scenes, strict=True)]
    return mean(steps), standard_error(steps)


def _row(found: Line, demand: str, holds: bool, excused: bool = False) -> dict[str, Any]:
    """A row of the ladder. Only a baseline is `excused` from answering every case."""
    values = asdict(found)
    values.pop("scenes")
    failed = values.pop("failed")
    for key in ("score", "error", "graded", "graded_error"):
        values[key] = None if values[key] is None else round(values[key], 3)
    values["means"] = {k: round(v, 5) for k, v in values["means"].items()}
    if failed:
        demand, holds = f"{demand}; {failed}", holds and excused
    return {**values, "demand": demand, "holds": holds}


ROWS = {"anchors": anchor_rows, "cheats": cheat_rows, "damage": damage_rows, "nuisance": nuisance_rows}


def measure(suite: Proven, chosen: Options, parts: tuple[str, ...]) -> dict[str, Any]:
    """Score the parts on `chosen.scenes` scenes of `chosen.seed`."""
    scenes = suite.scenes(chosen.scenes, chosen.seed)
    found = gather(suite, scenes, parts, chosen.workers)
    out = {}
    for part in parts:
        lines = {name: line(suite, name, rows) for name, rows in found[part].items()}
        out[part] = {
            "rows": ROWS[part](suite, lines),
            "kappa": agreement(list(lines.values())),
            "readers": [sum(item.readers[i] for item in lines.values()) for i in range(4)],
        }
    return out


def head_of(suite: Proven, chosen: Options) -> dict[str, Any]:
    """What makes parts comparable."""
    return {
        "suite": suite.name,
        "version": suite.version,
        "setting": suite.setting.name(),
        "scenes": chosen.scenes,
        "seed": chosen.seed,
    }


def joined(
    path: Path, head: Mapping[str, Any], columns: Sequence[str], parts: Mapping[str, Any]
) -> dict[str, Any]:
    """New parts over those that `path` holds for the same suite, setting, scenes and seed, with the metrics
    that tables show beside S."""
    known: Mapping[str, Any] = {}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before.get("head") == head:
            known = before["parts"]
    merged = {**known, **parts}
    ordered = {part: merged[part] for part in PARTS if part in merged}
    return {"head": dict(head), "columns": list(columns), "parts": ordered}


def failures(ladder: Mapping[str, Any]) -> list[str]:
    """One line for every demand that does not hold."""
    from simbench.stats import kappa

    out = []
    for part, content in ladder["parts"].items():
        for row in content["rows"]:
            if not row["holds"]:
                out.append(f"{part}: {row['name']} scores {row['score']:.1f}, demanded {row['demand']}")
    readers = [sum(p["readers"][i] for p in ladder["parts"].values()) for i in range(4)]
    found = kappa(*readers)
    if found is not None and found < KAPPA_AT_LEAST:
        out.append(f"readers disagree: kappa {found:.2f}, demanded {KAPPA_AT_LEAST:g}")
    return out


def main(arguments: Sequence[str]) -> int:
    """The command. 0: every demand holds, 1: one does not, 2: it could not be run."""
    return command("ladder", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> int:
    from simbench.blocks import page_with
    from suites import ladder_page

    if chosen.part != "all" and chosen.part not in PARTS:
        raise UserError(f"part={chosen.part} is not one of all, {', '.join(PARTS)}")
    if chosen.card:
        page_with(Path(chosen.card), block_name(chosen, "ladder"), "")  # before hours of measuring
    suite = build_suite(chosen)
    parts = PARTS if chosen.part == "all" else (chosen.part,)
    found = measure(suite, chosen, parts)
    path = Path(chosen.out) / f"{chosen.name or file_name(chosen, 'ladder')}.json"
    ladder = joined(path, head_of(suite, chosen), suite.columns, found)
    write_json(path, ladder)
    card = Path(chosen.card) if chosen.card else None
    ladder_page.write(ladder, path, card, block_name(chosen, "ladder"))
    print(ladder_page.markdown(ladder))
    wrong = failures(ladder)
    print("\n".join(wrong) if wrong else "every demand holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
