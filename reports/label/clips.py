"""The clips of a run as someone sees them who knows no score: frames, the question, and nothing else."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.aggregate import Line, ReportError, read_scores

if TYPE_CHECKING:
    import numpy as np

SIZE = re.compile(r"(\d+)x(\d+)x(\d+)@([\d.]+)")
"""Width, height, frames and frames a second in the name of a setting."""


@dataclass(frozen=True)
class Shape:
    """What a setting's name says of its clips."""

    width: int
    height: int
    frames: int
    fps: float


@dataclass(frozen=True)
class Asked:
    """One clip with its question. `context` frames were given, `marked` ones decide; `worst` says that it
    was drawn for its score, which no one who labels may see."""

    run: Path
    suite: str
    version: int
    case: str
    sample: int
    scene: str
    path: Path
    shape: Shape
    question: str
    asks: str
    every: bool
    context: int
    marked: tuple[int, ...]
    worst: bool

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What identifies it in a file of labels."""
        return (self.run.name, self.suite, self.case, self.sample)


def listing(folder: Path) -> list[Mapping[str, Any]]:
    """The entries of a run's clips.json; none where the run drew no clips."""
    path = folder / "clips" / "clips.json"
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return list(found["clips"])
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path} cannot be read: {error!r}") from error


def asked(folder: Path, lines: Sequence[Line] | None = None) -> list[Asked]:
    """The clips of a run that can be labelled: drawn, scored, and of a suite that says what to ask.

    A clip that was not scored is left out: no reader said anything of it.
    """
    if not folder.is_dir():
        raise ReportError(f"run={folder} is no folder; give the out= of a run of simbench")
    if lines is None:
        lines = read_scores(folder / "scores.csv")
    subject = {(x.suite, x.case, x.sample): x for x in lines if x.role == "subject" and x.case}
    found = []
    for entry in listing(folder):
        line = subject.get((entry["suite"], entry["case"], entry.get("sample", 0)))
        if line is not None and line.status == "ok" and entry.get("question"):
            found.append(_asked(folder, entry, line))
    return found


def _asked(folder: Path, entry: Mapping[str, Any], line: Line) -> Asked:
    size = SIZE.match(line.setting)
    if size is None:
        raise ReportError(f"{folder}: the setting {line.setting!r} names no size like 32x32x17@8")
    width, height, frames = (int(n) for n in size.groups()[:3])
    return Asked(
        run=folder.resolve(),
        suite=line.suite,
        version=line.version,
        case=line.case,
        sample=line.sample or 0,
        scene=line.scene,
        path=folder / "clips" / f"{entry['name']}.webp",
        shape=Shape(width, height, frames, float(size[4])),
        question=str(entry["question"]),
        asks=str(entry["asks"]),
        every=bool(entry.get("every", True)),
        context=int(entry.get("context", 0)),
        marked=tuple(int(t) for t in entry.get("frames", ())),
        worst=entry.get("why") == "worst",
    )


def to_label(folders: Sequence[Path], seed: int) -> list[Asked]:
    """All clips of the runs in one random order that depends on the seed and the names alone."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) != len(names):
        raise ReportError(
            f"two runs are called {', '.join(sorted(set(names)))}; a label names its run, so rename one"
        )
    found = [clip for folder in folders for clip in asked(folder)]
    if not found:
        raise ReportError(
            f"no clips to label in {', '.join(map(str, folders))}; run simbench with clips=50 and a suite"
            " that says what to ask"
        )
    found.sort(key=lambda clip: clip.place)
    random.Random(f"label:{seed}").shuffle(found)
    return found


def frames(clip: Asked) -> tuple[np.ndarray, np.ndarray]:
    """Truth and generator uint8 [T, H, W, 3] at their own size, from the run's lossless WebP.

    WebP joins equal frames into a longer one, so that each is repeated for as long as it was shown.
    """
    import numpy as np
    from PIL import Image, ImageSequence, UnidentifiedImageError

    shape, pictures, lasting = clip.shape, [], []
    try:
        with Image.open(clip.path) as file:
            for frame in ImageSequence.Iterator(file):
                frame.load()
                lasting.append(int(frame.info.get("duration", 0)))
                pictures.append(np.array(frame.convert("RGB")))
    except (OSError, UnidentifiedImageError) as error:
        raise ReportError(f"{clip.path} cannot be read: {error}") from error
    unit = sum(lasting) / shape.frames
    counts = [round(t / unit) for t in lasting] if unit > 0 else [shape.frames]
    factor = pictures[0].shape[0] // shape.height
    wide = (2 * shape.width + 1) * factor
    if sum(counts) != shape.frames or factor < 1 or pictures[0].shape[1] != wide:
        raise ReportError(f"{clip.path} is no clip of {shape.frames} frames of {shape.width}x{shape.height}")
    whole = np.stack(pictures)[:, ::factor, ::factor].repeat(counts, axis=0)
    return whole[:, :, : shape.width], whole[:, :, shape.width + 1 :]


def digest(pair: tuple[np.ndarray, np.ndarray]) -> str:
    """Says which pixels were seen: a label stands for these and no others."""
    h = hashlib.sha256()
    for part in pair:
        h.update(repr(part.shape).encode())
        h.update(part.tobytes())
    return h.hexdigest()[:12]
