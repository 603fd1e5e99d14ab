"""suite=probing: linear probes of a generator's activations, beside pixels, latents and untrained weights.

    python -m simbench suite=probing generator=model cases=128 out=probes

For each layer and noise level: how much of depth, camera, position and velocity (seen and hidden), rate,
contact and mass, and of colour and edges, a ridge regression reads on scenes that it was not fitted on
(simbench.metrics.probes). Written: probing.json, probing.csv, and by `python -m reports.probing` a table and
a figure. docs/questions.md says what was found.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench import exits
from simbench.case import Setting
from simbench.errors import UserError
from simbench.files import write_text
from simbench.generator import Features, Invalid
from simbench.metrics.probes import Probed, probe
from simbench.progress import progress
from suites.naming import scene_ids
from suites.probing_tables import Shape, Table, tables, truths
from suites.probing_worlds import LOOKS, STATES, WORLDS, Clip, clips

if TYPE_CHECKING:
    from simbench.study import Call

REPORT = "reports.probing.main"
FOLDS = 5
FEWEST = 4 * FOLDS
"""Scenes of a world that a quantity must be defined in at a frame, or that frame is not read."""


@dataclass(frozen=True)
class Read:
    """One probe of `target`; see Table for the rest. A `control` reads values that were exchanged between
    clips, of which nothing can be known."""

    target: str
    source: str
    layer: int
    level: float
    control: bool
    found: Probed

    def row(self) -> dict[str, Any]:
        """Plain values for a file."""
        row = asdict(self)
        return row | row.pop("found")


@dataclass(frozen=True)
class Probing:
    """Options of the study; conf/study/probing.yaml says what each is."""

    levels: str = "1,0.5,0.1"
    cells: int = 4
    worlds: str = "all"
    figures: bool = True

    def run(self, call: Call) -> int:
        """Ask, probe, write: 0. UserError for a generator without features, and for too few scenes."""
        levels, worlds, count = self._levels(), self._worlds(), call.request.scenes
        if self.cells < 1:
            raise UserError(f"probing.cells={self.cells} reads nothing; use 1 or more")
        print(f"suite=probing: worlds {', '.join(worlds)} in {count} scenes, levels {self.levels}")
        if call.planned:
            return exits.OK
        if count < FEWEST:
            raise UserError(f"cases={count} is too few to hold scenes out; use {FEWEST} or more, better 128")
        generator: Any = call.request.load()
        if "features" not in generator.capabilities:
            raise UserError("this generator shows no features; use generator=model, or one that has them")
        scenes = scene_ids(count, call.request.seed)
        made = [clip for scene in scenes for clip in clips(scene, Setting(), worlds)]
        answers = [asked(who, made, levels) for who in (generator, generator.untrained(0))]
        shape = Shape.of(answers[0][0], made[0], self.cells)
        rows = tables(answers, made, levels, shape)
        wanted = truths(made, shape)
        reads = list(read_all(rows, made, wanted))
        _write(call, generator.identity(), worlds, list(wanted), reads)
        words = [
            f"probes={call.request.out}",
            f"out={call.request.out}",
            f"figures={str(self.figures).lower()}",
        ]
        from simbench.assemble import build

        return int(build({"_target_": REPORT}, arguments=words))

    def _worlds(self) -> list[str]:
        found = list(WORLDS) if self.worlds == "all" else self.worlds.split(",")
        for name in found:
            if name not in WORLDS or found.count(name) > 1:
                raise UserError(
                    f"probing.worlds={self.worlds} must be all, or of {', '.join(WORLDS)}, each once"
                )
        return found

    def _levels(self) -> list[float]:
        try:
            found = [float(part) for part in self.levels.split(",")]
        except ValueError as error:
            raise UserError(
                f"probing.levels={self.levels} are no numbers; use for example 1,0.5,0.1"
            ) from error
        if not all(0 <= level <= 1 for level in found):
            raise UserError(f"probing.levels={self.levels} must be from 0 (clean) to 1 (noise)")
        if len(set(found)) < len(found):
            raise UserError(f"probing.levels={self.levels} names a level twice; name each once")
        return found


def asked(generator: Any, made: Sequence[Clip], levels: Sequence[float]) -> list[Features]:
    """The features of every clip, in half precision where they fit. UserError where the generator cannot be
    asked, and where it answers with what is not a number."""
    found = []
    with progress("ask", len(made)) as bar:
        for number, clip in enumerate(made):
            (answer,) = generator.features([clip.condition], [clip.video], [number], levels)
            if isinstance(answer, Invalid):
                raise UserError(f"this generator cannot be asked about a {clip.kind} clip: {answer.reason}")
            for name, values in (("activations", answer.blocks), ("latents", answer.latents)):
                if not np.isfinite(values).all():
                    raise UserError(
                        f"{name} are not finite for a clip of kind {clip.kind}; mend the generator's weights"
                    )
            found.append(Features(_stored(answer.blocks), _stored(answer.latents)))
            bar.step()
    return found


def _stored(values: np.ndarray) -> np.ndarray:
    half = np.finfo(np.float16)
    return values.astype(np.float16 if np.abs(values).max(initial=0.0) <= half.max else np.float32)


def read_all(
    found: Iterator[Table], made: Sequence[Clip], wanted: Mapping[str, np.ndarray]
) -> Iterator[Read]:
    """The probes of every quantity from every table, and controls of every trained layer: the best layer of
    the controls is as much chosen as that of the model."""
    scenes, worlds = (
        np.unique(names, return_inverse=True)[1]
        for names in ([clip.scene for clip in made], [clip.world for clip in made])
    )
    for table in found:
        for name, values in wanted.items():
            features = table.frames if values.ndim == 3 else table.places
            rows = _rows(features, values, scenes, worlds)
            if rows is None:
                continue
            place = (name, table.source, table.layer, table.level)
            yield Read(*place, False, probe(*rows, folds=FOLDS))
            if table.source == "trained":
                yield Read(*place, True, probe(*exchanged(rows), folds=FOLDS))


Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Features, targets, scenes, strata (a frame, or a place in a frame), and worlds: none of the last two tells
anything by itself."""


def _rows(features: np.ndarray, values: np.ndarray, scenes: np.ndarray, worlds: np.ndarray) -> Rows | None:
    known = np.isfinite(values).all(-1)
    whose, kinds = (
        np.broadcast_to(names.reshape(-1, *[1] * (known.ndim - 1)), known.shape)[known]
        for names in (scenes, worlds)
    )
    strata = np.broadcast_to(np.arange(known[0].size).reshape(known.shape[1:]), known.shape)[known]
    kept = np.zeros(len(whose), bool)
    for world, stratum in np.unique(np.stack((kinds, strata), 1), axis=0):
        here = (kinds == world) & (strata == stratum)
        kept |= here & (len(np.unique(whose[here])) >= FEWEST)
    if not kept.any():
        return None
    return features[known][kept], values[known][kept], whose[kept], strata[kept], kinds[kept]


def exchanged(rows: Rows) -> Rows:
    """The same rows with their targets at random among those of a world in a stratum."""
    features, targets, scenes, strata, worlds = rows
    rng, mixed = np.random.default_rng(1), targets.copy()
    for world, stratum in np.unique(np.stack((worlds, strata), 1), axis=0):
        here = np.flatnonzero((worlds == world) & (strata == stratum))
        mixed[here] = targets[rng.permutation(here)]
    return features, mixed, scenes, strata, worlds


def _write(
    call: Call,
    identity: Mapping[str, Any],
    worlds: Sequence[str],
    wanted: Sequence[str],
    reads: Sequence[Read],
) -> None:
    rows = [read.row() for read in reads]
    head = {"schema": 1, "kind": "probing", "setting": Setting().name(), "seed": call.request.seed}
    told = {**head, "scenes": call.request.scenes, "worlds": list(worlds), "generator": dict(identity)}
    named = {"high": [n for n in STATES if n in wanted], "low": [n for n in LOOKS if n in wanted]}
    content = {**told, **named, "rows": rows}
    write_text(call.request.out / "probing.json", json.dumps(content, indent=1, default=str) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(call.request.out / "probing.csv", text.getvalue())
