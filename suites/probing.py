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
from simbench.metrics.probes import Probed, probe_blocks
from simbench.progress import progress
from suites.naming import scene_ids
from suites.probing_tables import Shape, Table, tables, truths
from suites.probing_worlds import LOOKS, STATES, WORLDS, Clip, clips

if TYPE_CHECKING:
    from simbench.study import Call

REPORT = "reports.probing.main"
NOISES = ("own", "same")
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
    noise: str = "same"
    figures: bool = True

    def run(self, call: Call) -> int:
        """Ask, probe, write: 0. UserError for a generator without features, and for too few scenes."""
        levels, worlds, count = self._levels(), self._worlds(), call.request.scenes
        if self.cells < 1:
            raise UserError(f"probing.cells={self.cells} reads nothing; use 1 or more")
        if self.noise not in NOISES:
            raise UserError(f"probing.noise={self.noise} is unknown; use own or same")
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
        seeds = [0 if self.noise == "same" else number for number in range(len(made))]
        answers = [asked(who, made, seeds, levels) for who in (generator, generator.untrained(0))]
        shape = Shape.of(answers[0][0], made[0], self.cells)
        rows = tables(answers, made, levels, shape)
        wanted = truths(made, shape)
        reads = list(read_all(rows, made, wanted))
        _write(call, generator.identity(), {"worlds": worlds, "noise": self.noise}, list(wanted), reads)
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


def asked(
    generator: Any, made: Sequence[Clip], seeds: Sequence[int], levels: Sequence[float]
) -> list[Features]:
    """The features of every clip, noised by its seed, in half precision where they fit. UserError where the
    generator cannot be asked, and where it answers with what is not a number."""
    found = []
    with progress("ask", len(made)) as bar:
        for seed, clip in zip(seeds, made, strict=True):
            (answer,) = generator.features([clip.condition], [clip.video], [seed], levels)
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


@dataclass(frozen=True)
class Rows:
    """What is read together: `chosen`, bool [N, F] of frames or [N, F, n] of places, and of these R the
    `targets` float64 [R, K] by name, their scenes, strata (a frame, or a place in a frame) and worlds, int
    [R]. None of the last two tells anything by itself."""

    chosen: np.ndarray
    targets: Mapping[str, np.ndarray]
    scenes: np.ndarray
    strata: np.ndarray
    worlds: np.ndarray


def read_all(
    found: Iterator[Table], made: Sequence[Clip], wanted: Mapping[str, np.ndarray]
) -> Iterator[Read]:
    """The probes of every quantity from every table, and controls of every trained layer: the best layer of
    the controls is as much chosen as that of the model."""
    sets = rows_of(made, wanted)
    controls = [exchanged(rows) for rows in sets]
    for table in found:
        for rows, control in zip(sets, controls, strict=True):
            asked = [(name, False, values) for name, values in rows.targets.items()]
            if table.source == "trained":
                asked += [(name, True, values) for name, values in control.items()]
            features = (table.frames if rows.chosen.ndim == 2 else table.places)[rows.chosen]
            blocks = np.repeat(np.arange(len(asked)), [values.shape[1] for _, _, values in asked])
            targets = np.concatenate([values for _, _, values in asked], 1)
            told = probe_blocks(features, targets, blocks, rows.scenes, rows.strata, rows.worlds, FOLDS)
            for (name, mixed, _), one in zip(asked, told, strict=True):
                yield Read(name, table.source, table.layer, table.level, mixed, one)


def rows_of(made: Sequence[Clip], wanted: Mapping[str, np.ndarray]) -> list[Rows]:
    """Rows of every quantity that FEWEST scenes of a world have in a stratum and that varies in one; those of
    the same rows side by side."""
    scenes, worlds = (
        np.unique(names, return_inverse=True)[1]
        for names in ([clip.scene for clip in made], [clip.world for clip in made])
    )
    sets: dict[tuple[tuple[int, ...], bytes], Rows] = {}
    for name, values in wanted.items():
        chosen = np.isfinite(values).all(-1)
        strata = np.broadcast_to(np.arange(chosen[0].size).reshape(chosen.shape[1:]), chosen.shape)
        whose, kinds = (
            np.broadcast_to(n.reshape(-1, *[1] * (chosen.ndim - 1)), chosen.shape) for n in (scenes, worlds)
        )
        for world in np.unique(kinds):
            for stratum in np.unique(strata):
                here = chosen & (kinds == world) & (strata == stratum)
                if len(np.unique(whose[here])) < FEWEST:
                    chosen = chosen & ~here
        parts = strata[chosen]
        if not any(np.ptp(values[chosen][parts == part], axis=0).any() for part in np.unique(parts)):
            continue
        key = (chosen.shape, chosen.tobytes())
        have = sets[key].targets if key in sets else {}
        sets[key] = Rows(chosen, {**have, name: values[chosen]}, whose[chosen], parts, kinds[chosen])
    return list(sets.values())


def exchanged(rows: Rows) -> dict[str, np.ndarray]:
    """The targets of rows at random among those of a world in a stratum."""
    rng, order = np.random.default_rng(1), np.arange(len(rows.scenes))
    for world, stratum in np.unique(np.stack((rows.worlds, rows.strata), 1), axis=0):
        here = np.flatnonzero((rows.worlds == world) & (rows.strata == stratum))
        order[here] = rng.permutation(here)
    return {name: values[order] for name, values in rows.targets.items()}


def _write(
    call: Call,
    identity: Mapping[str, Any],
    how: Mapping[str, Any],
    wanted: Sequence[str],
    reads: Sequence[Read],
) -> None:
    rows = [read.row() for read in reads]
    head = {"schema": 1, "kind": "probing", "setting": Setting().name(), "seed": call.request.seed}
    told = {**head, "scenes": call.request.scenes, **how, "generator": dict(identity)}
    named = {"high": [n for n in STATES if n in wanted], "low": [n for n in LOOKS if n in wanted]}
    content = {**told, **named, "rows": rows}
    write_text(call.request.out / "probing.json", json.dumps(content, indent=1, default=str) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(call.request.out / "probing.csv", text.getvalue())
