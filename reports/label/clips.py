"""The clips of a run as someone sees them who knows no score: frames, the question, and nothing else."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.aggregate import Line, ReportError, read_scores

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Shape:
    """Size of the frames that are shown, their number and how many are shown a second."""

    width: int
    height: int
    frames: int
    fps: float


@dataclass(frozen=True)
class Asked:
    """One clip with its question. `base` is what the names of its files begin with, `columns` the frames in a
    row of its sheets, `given` frames were given, `marked` ones decide; `worst` says that it was drawn for
    its score, which no one who labels may see."""

    run: Path
    suite: str
    version: int
    case: str
    sample: int
    scene: str
    base: Path
    shape: Shape
    columns: int
    question: str
    asks: str
    every: bool
    given: int
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
        if line is not None and line.status == "ok" and entry.get("asked"):
            found.append(_asked(folder, entry, line))
    return found


def _asked(folder: Path, entry: Mapping[str, Any], line: Line) -> Asked:
    told = entry["asked"]
    return Asked(
        run=folder.resolve(),
        suite=line.suite,
        version=line.version,
        case=line.case,
        sample=line.sample or 0,
        scene=line.scene,
        base=folder / "clips" / str(entry["name"]),
        shape=Shape(entry["sheet_width"], entry["sheet_height"], entry["frames"], entry["fps"]),
        columns=entry["columns"],
        question=str(told["question"]),
        asks=str(told["asks"]),
        every=bool(told["every"]),
        given=int(entry["given"]),
        marked=tuple(int(t) for t in told["marked"]),
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
    """Truth and generator uint8 [T, H, W, 3] as the page of the run shows them, from its sheets of frames."""
    return _cut(clip, "truth"), _cut(clip, "made")


def _cut(clip: Asked, name: str) -> np.ndarray:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    path, shape = Path(f"{clip.base}-{name}.webp"), clip.shape
    try:
        with Image.open(path) as file:
            picture = np.array(file.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    rows = -(-shape.frames // clip.columns)
    if picture.shape != (rows * shape.height, clip.columns * shape.width, 3):
        raise ReportError(f"{path} is no sheet of {shape.frames} frames of {shape.width}x{shape.height}")
    grid = picture.reshape(rows, shape.height, clip.columns, shape.width, 3).swapaxes(1, 2)
    return grid.reshape(-1, shape.height, shape.width, 3)[: shape.frames]


def digest(pair: tuple[np.ndarray, np.ndarray]) -> str:
    """Says which pixels were seen: a label stands for these and no others."""
    h = hashlib.sha256()
    for part in pair:
        h.update(repr(part.shape).encode())
        h.update(part.tobytes())
    return h.hexdigest()[:12]
