"""What a codec alone destroys: the truth, encoded and decoded, scored as a generator's answer would be.

    python -m suites.codec codec=model,h264:23 suite=permanence,bite scenes=16
    python -m suites.codec codec=diffusers:FOLDER suite=camera,geometry
    python -m suites.codec codec=model suite=permanence card=docs/codec.md

No model behind this codec can be expected to score more than what stands here, and a suite in which much is
lost measures the codec. codec is one or several of model (ours; model:FOLDER another run's), h264:CRF, and
diffusers:FOLDER (an autoencoder in a local folder). space names feature spaces for the Frechet distance of
all clips; beside it stands that of the halves of the truth itself, of other scenes each, at half the clips.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.errors import UserError
from suites.carded import Carded, check_card, listed, over_scenes, publish, suites_of
from suites.command import command
from suites.proof import cases_of, line, mean, standard_error

if TYPE_CHECKING:
    from simbench.codecs import Codec
    from simbench.suite import CaseScore, Proven


@dataclass
class Options(Carded):
    """Options of the command."""

    codec: str = "model,h264:23"
    seed: str = "1005"
    space: str = "worlds"


@dataclass(frozen=True)
class Task:
    """One scene for a worker."""

    suite: Proven
    scene: str
    codecs: tuple[Codec, ...]


@dataclass(frozen=True)
class Passed:
    """One case through one codec ("" is the truth): its score, and the clip uint8 [T, H, W, 3] that came
    back. `psnr` dB and `ssim` are against the truth; None for itself, psnr also where no pixel changed."""

    codec: str
    row: CaseScore
    frames: np.ndarray
    psnr: float | None
    ssim: float | None


def pass_scene(task: Task) -> list[Passed]:
    """The cases of a scene, as they are and through every codec."""
    from simbench.metrics.pictures import psnr_pooled, ssim
    from simbench.suite import CaseScore
    from simbench.video import Video

    found = []
    for case in cases_of(task.suite, task.scene):
        score, clean = task.suite.scorer(case), task.suite.oracle(case)
        for codec in (None, *task.codecs):
            frames = clean.frames if codec is None else codec.roundtrip(clean.frames, clean.fps)
            measures = score(Video(frames, clean.fps))
            row = CaseScore(case.id, case.scene, case.world_seed, case.tags, 0, "ok", "", measures)
            if codec is None:
                found.append(Passed("", row, frames, None, None))
                continue
            noise = psnr_pooled(frames, clean.frames, 255)
            alike = ssim(frames, clean.frames, 255)
            found.append(Passed(codec.name, row, frames, float(noise) if np.isfinite(noise) else None, alike))
    return found


def measured(suite: Proven, codecs: Sequence[Codec], chosen: Options) -> list[dict[str, Any]]:
    """One row for each codec in one suite."""
    tasks = {scene: Task(suite, scene, tuple(codecs)) for scene in suite.scenes(chosen.scenes, chosen.seed)}
    parts = over_scenes(f"codec {suite.name}", suite, pass_scene, tasks, chosen.workers)
    passed = [one for part in parts for one in part]
    truth = [one for one in passed if one.codec == ""]
    return [
        _row(suite, codec.name, truth, [o for o in passed if o.codec == codec.name], chosen)
        for codec in codecs
    ]


def _row(
    suite: Proven, name: str, truth: Sequence[Passed], back: Sequence[Passed], chosen: Options
) -> dict[str, Any]:
    """Scores before and after, paired by scene; pictures; Frechet distances by space."""
    clean, lossy = (line(suite, name, [one.row for one in part]) for part in (truth, back))
    steps = [a - b for a, b in zip(clean.scenes, lossy.scenes, strict=True)]
    noise = [one.psnr for one in back if one.psnr is not None]
    return {
        "suite": suite.name,
        "version": suite.version,
        "setting": suite.setting.name(),
        "codec": name,
        "scenes": len(clean.scenes),
        "clips": len(back),
        "truth": clean.score,
        "score": lossy.score,
        "cost": mean(steps),
        "cost_se": standard_error(steps),
        "psnr": mean(noise) if noise else None,
        "psnr_clips": len(noise),
        "ssim": mean([one.ssim for one in back if one.ssim is not None]),
        "frechet": frechets(truth, back, chosen),
    }


def frechets(truth: Sequence[Passed], back: Sequence[Passed], chosen: Options) -> dict[str, dict[str, float]]:
    """space -> Frechet distance of what came back to the truth, and its floor: one half of the scenes of the
    truth to the other. Empty below two scenes or four clips, where no half has a spread."""
    from simbench.features.space import space_named
    from simbench.metrics.distances import floor, frechet
    from suites.clip_sets import features

    out: dict[str, dict[str, float]] = {}
    known = list(dict.fromkeys(one.row.scene for one in truth))
    scenes = np.array([known.index(one.row.scene) for one in truth])
    if len(truth) < 4 or len(known) < 2:
        return out
    for name in listed(chosen.space):
        space = space_named(name)
        a, b = (features((one.frames for one in part), [space])[0] for part in (truth, back))
        apart = floor(a, len(known) // 2, 0, scenes=scenes)
        out[name] = {"distance": frechet(a, b), "floor": apart.value}
    return out


def markdown(rows: Sequence[Mapping[str, Any]], chosen: Options) -> str:
    """The table: a line for each codec in each suite."""
    spaces = list(dict.fromkeys(name for row in rows for name in row["frechet"]))
    heads = [f"frechet[{name}] | half to half" for name in spaces]
    lines = [
        f"{chosen.scenes} scenes of seed {chosen.seed} in each suite; costs are paired by scene, with"
        " standard error.",
        "",
        " | ".join(["| suite | codec | truth | after it | cost | PSNR, dB | SSIM", *heads]) + " |",
        "|---|---" + "|---:" * (5 + 2 * len(spaces)) + "|",
    ]
    for row in rows:
        noise = "exact" if row["psnr"] is None else f"{row['psnr']:.1f}"
        if 0 < row["psnr_clips"] < row["clips"]:
            noise += f" ({row['psnr_clips']}/{row['clips']} clips)"
        cells = [
            f"{row['suite']}@{row['version']} {row['setting']}",
            _shown(row["codec"]),
            f"{row['truth']:.1f}",
            f"{row['score']:.1f}",
            # One scene has no spread: no error rather than one of 0.
            f"{row['cost']:.1f}" + (f" ± {row['cost_se']:.1f}" if row["scenes"] > 1 else ""),
            noise,
            f"{row['ssim']:.3f}",
        ]
        for name in spaces:
            found = row["frechet"].get(name)
            cells += ["–", "–"] if found is None else [f"{found['distance']:.3g}", f"{found['floor']:.3g}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(codec: str) -> str:
    """A codec's name with the last folder of its path alone: a card knows no machine."""
    kind, _, what = codec.partition(":")
    folder = Path(what).name if kind in ("model", "diffusers") else what
    return f"{kind}:{folder}" if folder else kind


def main(arguments: Sequence[str]) -> int:
    """The command. 0: measured, 2: bad input."""
    return command("codec", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.codecs import codec_named
    from simbench.features.space import space_named

    if chosen.scenes < 1:
        raise UserError(f"scenes={chosen.scenes} measures nothing; use scenes=2 or more")
    check_card(chosen, "codec")
    codecs = [codec_named(text) for text in listed(chosen.codec)]
    if not codecs:
        raise UserError("codec= names none; use codec=model")
    for name in listed(chosen.space):
        space_named(name)  # before a long measurement
    rows = [row for suite in suites_of(chosen) for row in measured(suite, codecs, chosen)]
    identities = {codec.name: dict(codec.identity()) for codec in codecs}
    record = {"schema": 1, "seed": chosen.seed, "codecs": identities, "rows": rows}
    publish(chosen, "codec", markdown(rows, chosen), record)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
