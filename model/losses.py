"""`python -m model.losses dirs=a,b data=pool`: the losses of models on the same clips and noise, in pairs.

The loss is that of the latents behind the given frames (model.sampling.pipeline.Pipeline.losses), averaged
over its levels. A model that knows the camera, or depth, is told it; one that does not, is not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simbench.errors import UserError

USAGE = """\
Losses of several models on the same clips and noise, with 95 % intervals of what parts them from the first.

  python -m model.data pool out=held mix=nano family=orbit,look-away clips=256 seed=9
  python -m model.losses dirs=run/a/model,run/b/model data=held

  dirs=     folders that python -m model.train wrote, by comma; the first is what others are compared to
  data=     a pool of python -m model.data, drawn with another seed than that of training
  clips=256 at most this many of it
  given=5   frames that are given clean
  told=true false tells no model camera or depth, whatever it knows
"""


@dataclass(frozen=True)
class Options:
    """A command line."""

    dirs: tuple[Path, ...]
    data: Path
    clips: int = 256
    given: int = 5
    told: bool = True


def losses(folder: Path, options: Options) -> np.ndarray:
    """The loss float64 [N] of each clip under one model. UserError where it cannot be asked about them."""
    from model.clips.depth import NO_DEPTH
    from model.clips.pool import Pool
    from model.generator import opened, threads
    from model.sampling.pipeline import How
    from model.sampling.wishes import Wish, problem

    pipeline, pool = opened(folder, How(), "cpu"), Pool(options.data)
    dit = pipeline.loaded.config.dit
    found = []
    with threads(1):
        for index in range(min(options.clips, len(pool))):
            sample = pool.sample(index)
            frames, height, width = sample.video.shape[:3]
            rows = None if sample.camera is None else sample.camera.reshape(frames, 12)
            if options.told and dit.given_depth and sample.depth is None:
                raise UserError(f"{folder}: {NO_DEPTH.replace('leave given_depth out', 'give told=false')}")
            camera = rows if options.told and dit.camera else None
            depth = sample.depth if options.told and dit.given_depth else None
            given = sample.video[: options.given]
            wish = Wish(given, "", width, height, frames, sample.fps, index, camera=camera, depth=depth)
            reason = problem(pipeline.loaded, wish)
            if reason is not None:
                raise UserError(f"{folder}: {reason}")
            if frames <= options.given:
                raise UserError(f"given={options.given} leaves nothing of {frames} frames; give fewer")
            found.append(float(pipeline.losses([wish], [sample.video]).mean()))
    return np.array(found)


def _same_latents(dirs: Sequence[Path]) -> None:
    """UserError where two models have other VAEs: a loss is one of latents, and compares there alone."""
    from model.generator import opened
    from model.sampling.pipeline import How

    codecs = []
    for folder in dirs:
        digests = opened(folder, How(), "cpu").loaded.digests
        codecs.append({file: sha for file, sha in digests.items() if file.startswith("vae")})
        if codecs[-1] != codecs[0]:
            raise UserError(
                f"{dirs[0]} and {folder} have other VAEs, so that their losses do not compare; train both on"
                " the same pool or with the same vae="
            )


def table(options: Options) -> str:
    """A line for each model: its mean loss, and what parts it from the first, in pairs."""
    from scipy.stats import t

    _same_latents(options.dirs)
    every = [losses(folder, options) for folder in options.dirs]
    count = len(every[0])
    if count < 2:
        raise UserError(f"data={options.data} holds {count} clip; an interval needs 2 or more")
    lines = [f"{'model':<40} {'loss':>9}   minus that of the first, 95 % over {count} clips"]
    for folder, mine in zip(options.dirs, every, strict=True):
        apart = mine - every[0]
        half = float(t.ppf(0.975, count - 1)) * float(apart.std(ddof=1)) / count**0.5
        middle = float(apart.mean())
        ends = f"({middle - half:+.4f} to {middle + half:+.4f})"
        text = "" if mine is every[0] else f"{middle:+.4f} {ends}"
        lines.append(f"{folder!s:<40} {mine.mean():>9.4f}   {text}".rstrip())
    return "\n".join(lines)


def read(arguments: Sequence[str]) -> Options:
    """The options. UserError names the word that is wrong."""
    words: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign or not value or key in words or key not in ("dirs", "data", "clips", "given", "told"):
            raise UserError(f"cannot use {argument!r}; use dirs=, data=, clips=, given= and told=, each once")
        words[key] = value
    for key in ("dirs", "data"):
        if key not in words:
            raise UserError(f"{key}= is missing; see python -m model.losses --help")
    for key, low in (("clips", 2), ("given", 1)):
        if key in words and not (words[key].isascii() and words[key].isdigit() and int(words[key]) >= low):
            raise UserError(f"{key}={words[key]} is not a whole number of {low} or more")
    told = words.get("told", "true")
    if told not in ("true", "false"):
        raise UserError(f"told={told} is unknown; use true or false")
    numbers = {key: int(words[key]) for key in ("clips", "given") if key in words}
    dirs = tuple(Path(part) for part in words["dirs"].split(","))
    return Options(dirs, Path(words["data"]), **numbers, told=told == "true")


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done, 2 an error of the user."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE)
        return 0 if arguments else 2
    try:
        print(table(read(arguments)))
    except UserError as error:
        print(f"model.losses: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
