"""How a generator's clips look beside the truth of a suite's cases: what papers print, and what it misses.

    python -m suites.quality suite=permanence generator=model,flow scenes=32
    python -m suites.quality suite=footprints generator=flow space=i3d weights=i3d.safetensors protocol=tf2018

generator  one or several of conf/generator; the baselines and three spoilt truths always stand beside them
space      feature spaces of suites.distances; weights= and sha256= are of the one that needs them. states is
           none of pictures: what the suite's own reader sees in the frames, and in the rendered truth
lpips      the trunk of LPIPS, a file of torchvision (lpips_sha256= if it is your own)
card, out  a page with a `quality` block; a JSON file with every number

Sets are whole clips. Frechet: the truth of one half of the scenes against clips of the other, so that the
truth itself is 1.00 times its own distance, and what repeats its scene gains nothing; beside it the same for
N without end. Kernel: all pairs of different scenes. Pairs (PSNR, SSIM, LPIPS) are of one case, without the
given frames. What a generator does not answer is counted, and its last given frame, held, stands in for the
clip. A metric without a value for some clips says of how many it is. A Frechet distance is FVD in space=i3d
alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import UserError
from suites import measure
from suites.carded import Carded, check_card, listed, over_scenes, publish, suites_of
from suites.command import command
from suites.proof import answering, len_context, unanswered
from suites.quality_page import markdown
from suites.quality_rows import STATES, TRUTH, Clip, rows_of

if TYPE_CHECKING:
    from simbench.case import Case
    from simbench.features.protocols import Preset
    from simbench.features.space import Space
    from simbench.suite import Proven

BASELINES = ("copy_last", "frozen", "constant_velocity")
LEAST = 4


@dataclass
class Options(Carded):
    """Options of the command; see the module."""

    generator: str = "model,flow"
    scenes: int = 32
    space: str = "worlds,random-motion,states"
    protocol: str = "simbench"
    weights: str = ""
    sha256: str = ""
    lpips: str = ""
    lpips_sha256: str = ""


@dataclass(frozen=True)
class Task:
    """One scene for a worker: `names` of generators to ask, how pairs are measured, and whether `states` are
    wanted."""

    suite: Proven
    scene: str
    names: tuple[str, ...]
    pairs: measure.Options
    states: bool


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
                values, missing = _values(name, frames[given:], truth[given:], task.pairs)
                seen = _states(task.suite, case, frames, given) if task.states else np.zeros(0)
                found.append(Clip(name, task.scene, frames, values, missing, why, seen))
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


def _values(
    name: str, made: np.ndarray, true: np.ndarray, chosen: measure.Options
) -> tuple[dict[str, float], dict[str, str]]:
    """Values of the frames after the given ones, and why others are absent."""
    from simbench.metrics import perceptual

    values, missing = measure.of_one(made, "")
    if name != TRUTH:
        more, absent = measure.of_pair(made, true, chosen)
        values, missing = values | more, missing | absent
        if not chosen.weights:
            trunk = perceptual.TRUNKS[chosen.net]
            missing["lpips"] = f"not measured: weights missing; add lpips={trunk}, a file of torchvision"
    return values, missing


def measured(suite: Proven, chosen: Options, spaces: Sequence[Space], preset: Preset) -> list[dict[str, Any]]:
    """The rows of one suite."""
    names = tuple(dict.fromkeys((*listed(chosen.generator), *BASELINES)))
    states = STATES in listed(chosen.space)
    tasks = {
        scene: Task(suite, scene, names, _pairs(chosen), states)
        for scene in suite.scenes(chosen.scenes, chosen.seed)
    }
    found = over_scenes(f"quality {suite.name}", suite, scene_clips, tasks, chosen.workers)
    return rows_of([clip for part in found for clip in part], suite, spaces, preset)


def _pairs(chosen: Options) -> measure.Options:
    return measure.Options(weights=chosen.lpips, sha256=chosen.lpips_sha256)


def _check_lpips(chosen: Options) -> None:
    """UserError where the trunk cannot be read: before a long measurement."""
    from simbench.metrics import perceptual

    black = np.zeros((1, perceptual.SMALLEST, perceptual.SMALLEST, 3), np.uint8)
    try:
        perceptual.Lpips(chosen.lpips, "alex", chosen.lpips_sha256 or None)(black, black)
    except UserError as error:
        raise UserError(f"lpips={chosen.lpips}: {error}") from error


def main(arguments: Sequence[str]) -> int:
    """The command. 0: measured, 2: bad input."""
    return command("quality", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.features.protocols import preset_named
    from suites.distances import opened
    from suites.proof import generator_named

    if chosen.scenes < LEAST:
        raise UserError(f"scenes={chosen.scenes} is too few for a set; use scenes={LEAST} or more")
    check_card(chosen, "quality")
    for name in listed(chosen.generator):
        generator_named(name)
    preset = preset_named(chosen.protocol)
    given = {"weights": chosen.weights, "sha256": chosen.sha256, "protocol": chosen.protocol}
    wanted = listed(chosen.space)
    named = [name for name in wanted if name != STATES]
    spaces, missing = opened(named, given) if named or not wanted else ([], {})
    if not spaces and STATES not in wanted:
        raise UserError("; ".join(f"space={n}: not measured: {why}" for n, why in missing.items()))
    suites = suites_of(chosen)
    for suite in suites:
        if STATES in wanted and not hasattr(suite, "trace"):
            raise UserError(f"suite={suite.name} traces no states; leave states out of space=")
        if suite.setting.frames < preset.span:
            raise UserError(
                f"suite={suite.name} has clips of {suite.setting.frames} frames, protocol={preset.name} takes"
                f" {preset.span}; add frames={preset.span + 1}"
            )
    if chosen.lpips:
        _check_lpips(chosen)
    rows = [row for suite in suites for row in measured(suite, chosen, spaces, preset)]
    record = {
        "schema": 2,
        "seed": chosen.seed,
        "scenes": chosen.scenes,
        "protocol": dict(preset.record()),
        "spaces": {space.name: dict(space.identity()) for space in spaces},
        "rows": rows,
        "not_measured": dict(missing),
    }
    publish(chosen, "quality", markdown(rows, missing), record)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
