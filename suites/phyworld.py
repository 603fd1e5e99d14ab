"""Does a model that saw balls of some sizes and speeds know the law for others? The split of PhyWorld.

    python -m suites.phyworld generator=model generator.dir=run/model trained=10000 out=outputs/10000.json
    python -m suites.phyworld generator=copy_last clips=16

Kang et al. 2024 (arXiv 2411.02385): uniform motion, elastic collision and parabola of balls in the plane,
radius and speed in the ranges of training (id), or radius, speed or both outside of them. The first frames
are given, positions are read from colours, and the error is the mean of |v - v_true| over the frames that
follow, in m/s. A missing ball counts the worst error there is, and so does a clip that was not answered.

generator  one of conf/generator, with its options (generator.dir=, generator.steps=)
clips      of each scenario and split (64); seed: which ones; training draws from other numbers
frames     to a clip, 5 of them given (9)
trained    clips that it was trained on, for suites.phyworld_table; name: what its line is called there
out        a JSON file with every number, errors of single clips included
sheet      a PNG: of the first clip of each scenario and split the truth, and below it the answer
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from simbench.errors import UserError
from suites.command import command
from suites.proof import write_json

if TYPE_CHECKING:
    from simbench.border import Border
    from simbench.case import Condition
    from simbench.generator import Generator
    from simbench.video import Video
    from simbench.worlds.balls import World

GIVEN = 5
"""Frames that are given. The paper gives 3; our latents hold 1 + 4k frames."""
SIZE, FPS = 32, 8.0
BATCH = 16
ANSWER, TRUTH, CODEC, STILL, STRAIGHT = (
    "answer",
    "truth, read",
    "truth, coded",
    "copy last",
    "goes straight on",
)
"""What is read: the generator's clips; the truth, which is the floor of the reading; the truth through the
generator's codec; the last given frame, held; and, not read but known, the true state at the last given
frame going on at its speed."""


@dataclass
class Options:
    """Options of the command; see the module."""

    generator: str = "model"
    clips: int = 64
    seed: int = 1
    frames: int = 9
    trained: int = 0
    name: str = ""
    out: str = ""
    sheet: str = ""
    own: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Asked:
    """One clip: its world and what the generator is told; `frames` uint8 [T, S, S, 3] is the truth."""

    scenario: str
    split: str
    seed: int
    world: World
    frames: np.ndarray
    condition: Condition


class Codec(Protocol):
    """A generator with the capability `roundtrip`."""

    def roundtrip(self, video: Video) -> Video:
        """`video`, encoded and decoded."""
        ...


@dataclass(frozen=True)
class Read:
    """One clip of one maker: mean error m/s over its pairs of frames, the share of pairs without a ball, and
    why there is no answer ("" where there is one)."""

    maker: str
    scenario: str
    split: str
    error: float
    missing: float
    why: str = ""


def asked(scenario: str, split: str, clips: int, seed: int, frames: int = 9) -> Iterator[Asked]:
    """The clips of one scenario and split. Their worlds have numbers below 2^31, those of training above."""
    from simbench.case import Condition
    from simbench.worlds import balls

    for index in range(clips):
        key = (seed, balls.SCENARIOS.index(scenario), balls.SPLITS.index(split), index)
        number = int(np.random.SeedSequence(key).generate_state(1)[0]) >> 1
        world = balls.draw(scenario, split, number, (frames - 1) / FPS)
        video, _ = balls.render(world, frames, FPS, SIZE)
        condition = Condition(f"balls-{number:08x}", "v2v", video[:GIVEN], "", SIZE, SIZE, frames, FPS)
        yield Asked(scenario, split, number, world, video, condition)


def judged(case: Asked, maker: str, positions: np.ndarray, why: str = "") -> Read:
    """The error of `positions` float64 [T, N, 2], m, NaN where there is no ball."""
    from simbench.instruments.balls import judged_pairs, velocity_errors
    from simbench.worlds.balls import in_view, states

    true = states(case.world, len(case.frames), FPS).position
    pairs = judged_pairs(in_view(case.world, true), GIVEN)
    errors = velocity_errors(positions, true, pairs, FPS)
    lost = np.isnan(positions).any(-1)
    missing = (lost[1:] | lost[:-1])[pairs]
    return Read(maker, case.scenario, case.split, float(errors.mean()), float(missing.mean()), why)


def straight(world: World, frames: int) -> np.ndarray:
    """Positions float64 [frames, N, 2] of balls that go on from the last given frame as they then moved."""
    from simbench.worlds.balls import states

    true = states(world, frames, FPS)
    after = np.maximum(np.arange(frames) - (GIVEN - 1), 0)[:, None, None] / FPS
    held = true.position[np.minimum(np.arange(frames), GIVEN - 1)]
    return held + after * true.velocity[GIVEN - 1]


def answers(
    generator: Generator, cases: Sequence[Asked], guard: Border
) -> list[tuple[np.ndarray | None, str]]:
    """For each case the clip uint8 [T, S, S, 3], or None and why there is none."""
    from simbench.border import Raised

    found = guard.call(generator, [case.condition for case in cases], [case.seed for case in cases])
    if isinstance(found, Raised):
        return [(None, found.reason)] * len(cases)
    return [_answer(video, case.condition) for video, case in zip(found, cases, strict=True)]


def _answer(video: Any, condition: Condition) -> tuple[np.ndarray | None, str]:
    from simbench.generator import Invalid, Refused
    from simbench.video import Video, validate

    if isinstance(video, Invalid | Refused):
        return None, video.reason
    if not isinstance(video, Video):
        return None, "no video was returned"
    why = validate(video, condition)
    return (video.frames, "") if why is None else (None, why)


def makers(case: Asked, generator: Generator) -> Mapping[str, Callable[[], np.ndarray]]:
    """Who stands beside the generator: name -> positions of a case."""
    from simbench.instruments.balls import positions
    from simbench.video import Video

    count = len(case.world.balls)
    held = np.minimum(np.arange(len(case.frames)), GIVEN - 1)
    found: dict[str, Callable[[], np.ndarray]] = {
        TRUTH: lambda: positions(case.frames, count),
        STILL: lambda: positions(case.frames[held], count),
        STRAIGHT: lambda: straight(case.world, len(case.frames)),
    }
    if "roundtrip" in generator.capabilities:
        codec = cast("Codec", generator)
        found[CODEC] = lambda: positions(codec.roundtrip(Video(case.frames, FPS)).frames, count)
    return found


def read_all(
    generator: Generator, cases: Sequence[Asked], guard: Border
) -> tuple[list[Read], np.ndarray | None]:
    """What all makers are worth in `cases`, and the generator's first clip (None: none came)."""
    from simbench.instruments.balls import positions

    found: list[Read] = []
    first: np.ndarray | None = None
    for start in range(0, len(cases), BATCH):
        part = cases[start : start + BATCH]
        for case, (frames, why) in zip(part, answers(generator, part, guard), strict=True):
            count = len(case.world.balls)
            none = np.full((len(case.frames), count, 2), np.nan)
            found.append(judged(case, ANSWER, none if frames is None else positions(frames, count), why))
            found += [judged(case, who, make()) for who, make in makers(case, generator).items()]
            first = frames if case is cases[0] else first
    return found, first


def rows_of(reads: Sequence[Read]) -> list[dict[str, Any]]:
    """One row for each maker, scenario ("all": all three) and split ("ood": the three that are out)."""
    from simbench.stats import t_interval
    from simbench.worlds.balls import SCENARIOS, SPLITS

    rows = []
    for maker in dict.fromkeys(read.maker for read in reads):
        mine = [read for read in reads if read.maker == maker]
        for scenario in ("all", *SCENARIOS):
            for split in (*SPLITS, "ood"):
                part = [
                    read
                    for read in mine
                    if scenario in ("all", read.scenario)
                    and (read.split != "id" if split == "ood" else read.split == split)
                ]
                found = t_interval([read.error for read in part])
                rows.append(
                    {
                        "maker": maker,
                        "scenario": scenario,
                        "split": split,
                        **asdict(found),
                        "missing": sum(read.missing for read in part) / len(part),
                        "unanswered": sum(bool(read.why) for read in part),
                        "reasons": sorted({read.why for read in part if read.why})[:3],
                        "errors": [round(read.error, 6) for read in part],
                    }
                )
    return rows


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each maker and scenario, a column for each split: error in m/s, 95 % interval."""
    from simbench.worlds.balls import SPLITS

    splits = (*SPLITS, "ood")
    lines = ["| | scenario | " + " | ".join(splits) + " | missing |", "|---|---|" + "---:|" * 6]
    for maker in dict.fromkeys(row["maker"] for row in rows):
        for scenario in dict.fromkeys(row["scenario"] for row in rows):
            part = {r["split"]: r for r in rows if (r["maker"], r["scenario"]) == (maker, scenario)}
            lost = (part["id"]["missing"] + 3 * part["ood"]["missing"]) / 4
            cells = [maker, scenario, *(spread(part[split]) for split in splits), f"{lost:.1%}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(row: Mapping[str, Any]) -> str:
    """`mean ± half the interval` of a row."""
    half = "" if row["high"] is None else f" ± {row['high'] - row['mean']:.3f}"
    return f"{row['mean']:.3f}{half}"


def generator_node(chosen: Options) -> dict[str, Any]:
    """What builds the generator: its yaml in `conf/generator` with the options of the command line. UserError
    for unknown ones."""
    import yaml

    from simbench import assemble
    from simbench.overrides import CONF
    from simbench.settings import one_of

    known = sorted(path.stem for path in (CONF / "generator").glob("*.yaml"))
    path = CONF / "generator" / f"{one_of('generator', chosen.generator, known)}.yaml"
    node: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in chosen.own:
        group, _, option = key.partition(".")
        if group != "generator" or option not in node or option in assemble.OTHERS:
            raise UserError(f"{key}={value} is no option of generator={chosen.generator}; its yaml is {path}")
        node[option] = yaml.safe_load(value)
    return node


def main(arguments: Sequence[str]) -> int:
    """The command. 0: measured, 2: bad input."""
    return command("phyworld", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench import assemble
    from simbench.border import border
    from simbench.progress import progress
    from simbench.worlds.balls import SCENARIOS, SPLITS
    from simbench.worlds.sheet import contact_sheet, write_png

    for name, low in (("clips", 2), ("seed", 0), ("frames", GIVEN + 1), ("trained", 0)):
        value = getattr(chosen, name)
        if value < low:
            raise UserError(f"{name}={value} is too small; use {name}={low} or more")
    if chosen.sheet and Path(chosen.sheet).suffix != ".png":
        raise UserError(f"sheet={chosen.sheet} is no picture; end it in .png")
    generator: Generator = assemble.load(generator_node(chosen))
    reads: list[Read] = []
    shown: list[np.ndarray] = []
    with border() as guard, progress("phyworld", len(SCENARIOS) * len(SPLITS)) as bar:
        for scenario in SCENARIOS:
            for split in SPLITS:
                cases = list(asked(scenario, split, chosen.clips, chosen.seed, chosen.frames))
                found, first = read_all(generator, cases, guard)
                reads += found
                shown += [cases[0].frames, np.zeros_like(cases[0].frames) if first is None else first]
                bar.step()
    rows = rows_of(reads)
    print(markdown(rows))
    if chosen.sheet:
        write_png(Path(chosen.sheet), contact_sheet(shown, chosen.frames), 64)
    if chosen.out:
        head = {
            "clips": chosen.clips,
            "seed": chosen.seed,
            "frames": chosen.frames,
            "trained": chosen.trained,
            "name": chosen.name,
        }
        identity = dict(generator.identity())
        write_json(Path(chosen.out), {"schema": 1, **head, "generator": identity, "rows": rows})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
