"""How a generator's clips look beside the truth of a suite's cases: what papers print, and what it misses.

    python -m suites.quality suite=permanence generator=model,flow scenes=32
    python -m suites.quality suite=footprints generator=flow space=i3d weights=i3d.safetensors protocol=tf2018

generator  one or several of conf/generator; the baselines and three spoilt truths always stand beside them
space      feature spaces of suites.distances; weights= and sha256= are of the one that needs them. states is
           none of pictures: what the suite's own reader sees in each frame, beside what is true there
lpips      the trunk of LPIPS, a file of torchvision
card, out  a page with a `quality` block; a JSON file with every number

Sets (Frechet, kernel) are whole clips, the truth of one half of the scenes against clips of the other: the
truth itself is then 1.00 times its own distance, and what repeats its scene gains nothing. Pairs (PSNR, SSIM,
LPIPS) are of one case, without the given frames. What a generator does not answer
is counted, and its last given frame, held, stands in for the clip: nothing is left out. A Frechet distance is
FVD in space=i3d alone.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import UserError
from suites.proof import (
    Asked,
    answering,
    build_suite,
    ended,
    len_context,
    mean,
    options,
    unanswered,
    write_json,
)

if TYPE_CHECKING:
    from simbench.case import Case
    from simbench.features.protocols import Preset
    from simbench.features.space import Space
    from simbench.suite import Proven

BASELINES = ("copy_last", "frozen", "constant_velocity")
LEAST = 4
SMALLEST = 1e-9
"""A distance of the truth to itself that is rounding."""
TRUTH, STATES = "truth", "states"
DIGITS = {"psnr_pooled": 1, "ssim": 3, "lpips": 3, "flicker": 4, "motion": 2}
"""Metrics of the table. PSNR has one error for all frames of a clip: the mean over frames is undefined where
one of them is exact, and would leave such clips out."""


@dataclass
class Options(Asked):
    """Options of the command; see the module."""

    generator: str = "model,flow"
    scenes: int = 32
    seed: str = "public"
    space: str = "worlds,random-motion,states"
    protocol: str = "simbench"
    weights: str = ""
    sha256: str = ""
    lpips: str = ""
    out: str = ""
    card: str = ""


@dataclass(frozen=True)
class Task:
    """One scene for a worker: `names` of generators to ask, the trunk of LPIPS ("" for none), and whether
    `states` are wanted."""

    suite: Proven
    scene: str
    names: tuple[str, ...]
    lpips: str
    states: bool


@dataclass(frozen=True)
class Clip:
    """One clip of one case: `who` made it, `frames` uint8 [T, H, W, 3], `values` of it by metric, why it is
    the held frame instead of an answer ("" where it is one), and its `states` [D] (empty: not asked for)."""

    who: str
    scene: str
    frames: np.ndarray
    values: Mapping[str, float]
    why: str
    states: np.ndarray


def shuffled(frames: np.ndarray, given: int, seed: int) -> np.ndarray:
    """What follows the given frames in a random order."""
    order = np.random.default_rng(seed).permutation(np.arange(given, len(frames)))
    return frames[np.concatenate([np.arange(given), order])]


def blurred(frames: np.ndarray, given: int, seed: int) -> np.ndarray:
    """What follows the given frames blurred by 2 % of the shorter side."""
    from simbench.references.nuisance import blur

    return np.concatenate([frames[:given], blur(frames[given:], 0.02 * min(frames.shape[1:3]))])


def noisy(frames: np.ndarray, given: int, seed: int) -> np.ndarray:
    """What follows the given frames under white noise of 8 grey levels."""
    from simbench.references.nuisance import grain

    return np.concatenate([frames[:given], grain(frames[given:], 8.0, seed % 2**32)])


SPOILT: Mapping[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "truth, shuffled": shuffled,
    "truth, blurred": blurred,
    "truth, noise": noisy,
}


def scene_clips(task: Task) -> list[Clip]:
    """All clips of one scene, measured against the truth."""
    from simbench.border import border
    from simbench.generators.rollout import hold

    found = []
    given = len_context(task.suite)
    with border() as guard:
        asked = {name: answering(name, guard) for name in task.names}
        for case in task.suite.cases(task.scene):
            truth = task.suite.oracle(case).frames
            made: dict[str, tuple[np.ndarray, str]] = {TRUTH: (truth, "")}
            for name, make in asked.items():
                video = make(case)
                why = unanswered(video, case)
                made[name] = (hold(case.condition) if why else video.frames, why)
            for name, spoil in SPOILT.items():
                made[name] = (spoil(truth, given, case.world_seed), "")
            for name, (frames, why) in made.items():
                values = _values(name, frames[given:], truth[given:], task.lpips)
                seen = _states(task.suite, case, frames, given) if task.states else np.zeros(0)
                found.append(Clip(name, task.scene, frames, values, why, seen))
    return found


def _states(suite: Any, case: Case, frames: np.ndarray, given: int) -> np.ndarray:
    """What the suite's `trace` reads in the frames after the given ones, float64 [D]: each series with 0
    where it has no value, and whether it has one."""
    from simbench.video import Video

    series = list(suite.trace(case, Video(frames, suite.setting.fps)).values())
    told = [[value for value in line[given:]] for line in series]
    return np.array(
        [0.0 if v is None else v for line in told for v in line]
        + [float(v is not None) for line in told for v in line]
    )


def _values(name: str, made: np.ndarray, true: np.ndarray, lpips: str) -> dict[str, float]:
    from suites import measure

    values, _ = measure.of_one(made, "")
    if name != TRUTH:
        values |= measure.of_pair(made, true, measure.Options(weights=lpips))[0]
    return values


def distances(truth: np.ndarray, made: np.ndarray, first: np.ndarray, ddof: int) -> dict[str, float]:
    """Frechet and unbiased kernel distance (KID's) of features [N, D] of the truth and of what was made for
    the same cases; no unit. `first` bool [N] says which are of the first half of the scenes: the truth of
    each half is set against what was made in the other, and the mean of both is given."""
    from simbench.metrics.distances import frechet, kernel_distance

    sides = ((truth[first], made[~first]), (truth[~first], made[first]))
    return {
        "frechet": mean([frechet(a, b, ddof) for a, b in sides]),
        "kernel": mean([kernel_distance(a, b) for a, b in sides]),
    }


def scaled_states(clips: Mapping[str, Sequence[Clip]]) -> dict[str, np.ndarray]:
    """The states of every maker's clips, [N, D], each number over its spread in the truth: px and shares then
    weigh alike."""
    spread = np.stack([clip.states for clip in clips[TRUTH]]).std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return {name: np.stack([clip.states for clip in part]) / scale for name, part in clips.items()}


def rows_of(
    clips: Sequence[Clip], suite: Proven, spaces: Sequence[Space], preset: Preset
) -> list[dict[str, Any]]:
    """One row for each maker of clips: counts, intervals over scenes, and distances to the truth by space."""
    from simbench.stats import t_interval
    from suites.clip_sets import features

    names = list(dict.fromkeys(clip.who for clip in clips))
    sets = {name: [clip for clip in clips if clip.who == name] for name in names}
    labels = [space.name for space in spaces]
    read = {name: features((preset.taken(c.frames) for c in part), spaces) for name, part in sets.items()}
    if len(clips[0].states):
        labels.append(STATES)
        read = {name: [*read[name], states] for name, states in scaled_states(sets).items()}
    scenes_in = list(dict.fromkeys(clip.scene for clip in clips))
    # Kinds of scenes take turns: every other one would be a half of other kinds.
    drawn = np.random.default_rng(0).permutation(len(scenes_in)) < len(scenes_in) // 2
    half = {scene: bool(is_first) for scene, is_first in zip(scenes_in, drawn, strict=True)}
    first = np.array([half[clip.scene] for clip in sets[TRUTH]])
    rows = []
    for name, part in sets.items():
        scenes: dict[str, dict[str, list[float]]] = {}
        for clip in part:
            for metric, value in clip.values.items():
                scenes.setdefault(metric, {}).setdefault(clip.scene, []).append(value)
        found = {m: asdict(t_interval([mean(v) for v in by.values()])) for m, by in scenes.items()}
        reasons = [clip.why for clip in part if clip.why]
        sides = zip(labels, read[TRUTH], read[name], strict=True)
        far = {label: distances(a, b, first, preset.ddof) for label, a, b in sides}
        row = {"suite": suite.name, "version": suite.version, "setting": suite.setting.name(), "clips": name}
        counts: dict[str, Any] = {"scenes": len(scenes_in)}
        counts |= {
            "count": len(part),
            "answered": len(part) - len(reasons),
            "reasons": sorted(set(reasons))[:3],
        }
        rows.append({**row, **counts, "metrics": found, "distances": far})
    return rows


def markdown(rows: Sequence[Mapping[str, Any]], missing: Mapping[str, str], lpips: str) -> str:
    """One table for each suite, and what was not measured."""
    lines: list[str] = []
    spaces = list(rows[0]["distances"])
    for suite in dict.fromkeys(row["suite"] for row in rows):
        part = [row for row in rows if row["suite"] == suite]
        lines += [
            f"**{suite}@{part[0]['version']}**, {part[0]['setting']}, {part[0]['count']} clips a row, half of"
            " them a side in the distances.",
            "",
            "| | answered |" + "".join(f" frechet[{name}] | times | kernel x 1000 |" for name in spaces)
            + " PSNR, dB | SSIM | LPIPS | flicker | motion, px |",
            "|---|---:|" + "---:|---:|---:|" * len(spaces) + "---:|" * 5,
            *(_line(row, part[0]["distances"]) for row in part),
            "",
        ]  # fmt: skip
    lines += [f"{name}: not measured: {why}" for name, why in missing.items()]
    if not lpips:
        lines.append("LPIPS: not measured: weights missing; add lpips=FILE, the trunk of torchvision.")
    return "\n".join(lines)


def _line(row: Mapping[str, Any], floor: Mapping[str, Mapping[str, float]]) -> str:
    cells = [row["clips"], f"{row['answered']}/{row['count']}"]
    for name, far in row["distances"].items():
        base = floor[name]["frechet"]
        # Where the truth is alike in all clips, as the steps of footprints are, nothing is so many times it.
        times = f"{far['frechet'] / base:.2f}" if base > SMALLEST else "–"
        cells += [f"{far['frechet']:.3g}", times, f"{1000 * far['kernel']:.3g}"]
    for name, digits in DIGITS.items():
        found = row["metrics"].get(name)
        if found is None:
            cells.append("–")
            continue
        half = None if found["high"] is None else found["high"] - found["mean"]
        spread = "" if half is None else f" ± {half:.{digits}f}"
        part = "" if found["count"] == row["scenes"] else f" ({found['count']} scenes)"
        cells.append(f"{found['mean']:.{digits}f}{spread}{part}")
    return "| " + " | ".join(cells) + " |"


def measured(suite: Proven, chosen: Options, spaces: Sequence[Space], preset: Preset) -> list[dict[str, Any]]:
    """The rows of one suite."""
    from simbench.engine import open_engine
    from simbench.progress import progress
    from simbench.suite import preload

    asked = [name for name in chosen.generator.split(",") if name]
    names = tuple(dict.fromkeys((*asked, *BASELINES)))
    scenes = suite.scenes(chosen.scenes, chosen.seed)
    states = STATES in chosen.space.split(",")
    tasks = [Task(suite, scene, names, chosen.lpips, states) for scene in scenes]
    by_scene: dict[str, list[Clip]] = {}
    with (
        open_engine("local", chosen.workers, preload([suite])) as engine,
        progress(f"quality {suite.name}", len(tasks)) as shown,
    ):
        for found in engine.map(scene_clips, tasks):
            by_scene[found[0].scene] = found
            shown.step()
    return rows_of([clip for scene in scenes for clip in by_scene[scene]], suite, spaces, preset)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: measured, 2: bad input."""
    return ended("quality", lambda: _run(options(Options, arguments)))


def _run(chosen: Options) -> None:
    from simbench.blocks import page_with, write_block
    from simbench.features.protocols import preset_named
    from suites.distances import opened
    from suites.proof import generator_named

    if chosen.scenes < LEAST:
        raise UserError(f"scenes={chosen.scenes} is too few for a set; use scenes={LEAST} or more")
    if chosen.card:
        page_with(Path(chosen.card), "quality", "")
    for name in (part for part in chosen.generator.split(",") if part):
        generator_named(name)
    preset = preset_named(chosen.protocol)
    given = {"weights": chosen.weights, "sha256": chosen.sha256, "protocol": chosen.protocol}
    wanted = [name for name in dict.fromkeys(chosen.space.split(",")) if name]
    spaces, missing = opened([name for name in wanted if name != STATES], given)
    if not spaces and STATES not in wanted:
        raise UserError("; ".join(f"space={n}: {why}" for n, why in missing.items()) or "space= names none")
    names = [name for name in dict.fromkeys(chosen.suite.split(",")) if name]
    suites = [build_suite(dataclasses.replace(chosen, suite=name)) for name in names]
    for suite in suites:
        if STATES in wanted and not hasattr(suite, "trace"):
            raise UserError(f"suite={suite.name} traces no states; leave states out of space=")
        if suite.setting.frames < preset.span:
            raise UserError(
                f"suite={suite.name} has clips of {suite.setting.frames} frames, protocol={preset.name} takes"
                f" {preset.span}; add frames={preset.span + 1}"
            )
    rows = [row for suite in suites for row in measured(suite, chosen, spaces, preset)]
    text = markdown(rows, missing, chosen.lpips)
    print(text)
    if chosen.out:
        asked = {"seed": chosen.seed, "scenes": chosen.scenes, "protocol": dict(preset.record())}
        write_json(Path(chosen.out), {"schema": 1, **asked, "rows": rows, "not_measured": dict(missing)})
    if chosen.card:
        write_block(Path(chosen.card), "quality", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
