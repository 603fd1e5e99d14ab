"""Sets of clips to compare: folders of videos, rendered worlds, and worlds with one thing wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.features.protocols import Preset
    from simbench.features.space import Space

ONE_WAY = ("bite", "carve", "footprints", "paint", "process", "push")
"""Families whose films cannot run backwards: what is bitten off, printed or painted stays so."""
BLUR = 0.02
"""Standard deviation of the blur, in shares of the shorter side."""
BATCH = 8
"""Clips that are held at a time."""


@dataclass(frozen=True)
class Look:
    """How worlds are rendered."""

    size: int = 64
    frames: int = 16
    fps: float = 8.0
    families: tuple[str, ...] = ONE_WAY


def worlds(count: int, look: Look, seed: int, side: int) -> np.ndarray:
    """uint8 [count, T, S, S, 3]: families in turn, one scene of its own for each clip; `side` 0 and 1 share
    no scene."""
    from simbench.case import Setting
    from simbench.progress import progress
    from simbench.worlds import families
    from simbench.worlds.film import render_scene

    if not 16 <= look.size <= 1024:
        raise UserError(f"size={look.size} is out of range; use 16 to 1024")
    setting = Setting(width=look.size, height=look.size, frames=look.frames, fps=look.fps, look="rich")
    found = []
    with progress("worlds", count) as shown:
        for i in range(count):
            drawn = int(np.random.SeedSequence([seed, side, i]).generate_state(1)[0])
            family = look.families[i % len(look.families)]
            seconds = max(0.5, (look.frames - 1) / look.fps)
            found.append(render_scene(families.build(family, drawn, seconds), setting))
            shown.step()
    return np.stack(found)


def shuffled(clips: np.ndarray, seed: int, families: int) -> np.ndarray:
    """The frames of every clip in a random order of its own."""
    rng = np.random.default_rng(seed)
    return np.stack([clip[rng.permutation(len(clip))] for clip in clips])


def backwards(clips: np.ndarray, seed: int, families: int) -> np.ndarray:
    """Every clip backwards."""
    return np.ascontiguousarray(clips[:, ::-1])


def blurred(clips: np.ndarray, seed: int, families: int) -> np.ndarray:
    """Every frame blurred by 2 % of its shorter side; nothing else changes."""
    import cv2

    sd = BLUR * min(clips.shape[2:4])
    return np.stack([[cv2.GaussianBlur(frame, (0, 0), sd) for frame in clip] for clip in clips])


def swapped(clips: np.ndarray, seed: int, families: int) -> np.ndarray:
    """From its middle on every clip goes on as the next of its family: frames stay as they were, no world."""
    if len(clips) < 2 * families or len(clips) % families:
        raise UserError(
            f"damage=swap of {len(clips)} clips needs 2 or more of each family and as many of all; use"
            f" clips={max(2, -(-len(clips) // families)) * families}"
        )
    half = clips.shape[1] // 2
    return np.concatenate([clips[:, :half], np.roll(clips, -families, axis=0)[:, half:]], axis=1)


DAMAGES: Mapping[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "shuffle": shuffled,
    "reverse": backwards,
    "swap": swapped,
    "blur": blurred,
}
"""Each takes clips uint8 [N, T, H, W, 3], a seed, and how many families take turns in the clips. All but blur
leave the frames of the set as they are."""


def damaged(clips: np.ndarray, kind: str, seed: int, families: int) -> np.ndarray:
    """`clips` with one thing wrong."""
    return DAMAGES[kind](clips, seed, families)


@dataclass(frozen=True)
class Kind:
    """What the clips of a set are: frames of the first, height and width in pixels, the lowest and highest
    frames a second (None: not said), and the share of them that is from lossy files."""

    frames: int
    height: int
    width: int
    rates: tuple[float, float] | None
    lossy: float = 0.0


def listed(folder: str, option: str) -> list[Path]:
    """The videos of a folder in the order of their names: files, and folders of frames."""
    from simbench.generators.videos import SUFFIXES

    if not Path(folder).is_dir():
        raise UserError(f"{option}={folder} is no folder; give one that holds videos, or {option}=worlds")
    paths = [p for p in sorted(Path(folder).iterdir()) if not p.name.startswith(".")]
    found = [p for p in paths if p.is_dir() or p.suffix.lower() in SUFFIXES]
    if len(found) < 2:
        kinds = ", ".join(s[1:] for s in SUFFIXES)
        raise UserError(
            f"{option}={folder} holds {len(found)} videos, a distance needs 2 or more; give a folder of"
            f" {kinds}, or of folders of frames"
        )
    return found


def read(folder: str, option: str, preset: Preset, cut: bool, seen: list[Kind]) -> Iterator[np.ndarray]:
    """The clips of a folder, uint8 [T, H, W, 3], only the frames that `preset` takes.

    `seen` is given the kind of every set, this one included (whole once all clips are read), and all clips
    must be as the first of the first set: size always, length unless `cut` says that the number of frames was
    asked for.
    """
    from simbench.video import decode

    place, lossy = len(seen), 0
    for number, path in enumerate(listed(folder, option), 1):
        video = decode(path, preset.span if cut else None, fps=1.0 if path.is_dir() else None)
        length, height, width = video.frames.shape[:3]
        kind = Kind(length, height, width, None if path.is_dir() else (video.fps, video.fps))
        if number == 1:
            seen.append(kind)
        _same(path, kind, seen[0], None if cut else preset.frames)
        lossy += video.lossy
        seen[place] = replace(
            seen[place], rates=_spanned(seen[place].rates, kind.rates), lossy=lossy / number
        )
        yield preset.taken(video.frames)


def _spanned(
    known: tuple[float, float] | None, more: tuple[float, float] | None
) -> tuple[float, float] | None:
    """The rates of both; None says nothing."""
    if known is None or more is None:
        return known or more
    return min(known[0], more[0]), max(known[1], more[1])


def _same(path: Path, kind: Kind, wanted: Kind, frames: int | None) -> None:
    if (kind.height, kind.width) != (wanted.height, wanted.width):
        raise UserError(
            f"{path} is {kind.width}x{kind.height} px, the first clip {wanted.width}x{wanted.height}; bring"
            f" all to one size: ffmpeg -i IN -vf scale={wanted.width}:{wanted.height} -c:v ffv1 OUT.mkv"
        )
    if kind.frames != wanted.frames and frames is not None:
        raise UserError(
            f"{path} has {kind.frames} frames, the first clip {wanted.frames}; bring all to one length, or"
            f" add frames={frames} to take the first {frames} of each"
        )


def features(clips: Iterable[np.ndarray], spaces: Sequence[Space]) -> list[np.ndarray]:
    """float32 [N, D] for each of `spaces`, all of one reading of the clips. UserError where one is no number,
    as of weights that hold NaN."""
    found: list[list[np.ndarray]] = [[] for _ in spaces]
    left = iter(clips)
    while batch := list(itertools.islice(left, BATCH)):
        stacked = np.stack(batch)
        for space, parts in zip(spaces, found, strict=True):
            parts.append(space.features(stacked))
            if not np.isfinite(parts[-1]).all():
                raise UserError(f"space={space.name} gives features that are no numbers; give other weights")
    return [np.concatenate(parts) for parts in found]
