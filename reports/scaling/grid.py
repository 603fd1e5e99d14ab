"""The grid: the same cases and noise seeds down the rows, budgets across, the truth at the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.aggregate import ReportError
from reports.figures.source import Run, Skip
from reports.figures.strips import PADDING, picks_of
from reports.figures.style import PAGE, Drawn, canvas, shown
from reports.scaling.fit import budgets
from reports.scaling.measure import Series
from reports.scaling.runs import Trained
from reports.scaling.words import number

ROWS, BUDGETS, FRAMES = 5, 6, 4
"""The most rows and budgets of a grid, and the frames of a clip in a cell."""
COLUMNS = ("suite", "case", "column", "run", "flops", "frames")


def drawn_runs(part: Series) -> list[tuple[Trained, Run]]:
    """One run of each budget that drew clips, by budget: the first of those that the law goes through."""
    having = [i for i, run in enumerate(part.scored) if _clips(run, part.suite)]
    group = budgets(part.points.compute[having])
    found = []
    for number_of in np.unique(group):
        mine = [having[int(k)] for k in np.flatnonzero(group == number_of)]
        best = min(mine, key=lambda i: (not part.kept[i], i))
        found.append((part.runs[best], part.scored[best]))
    return found


def grid(part: Series, name: str) -> Drawn:
    """One run of each budget. Skip where the runs drew no case in common."""
    suite = part.suite
    every = drawn_runs(part)
    chosen = every
    if len(every) > BUDGETS:
        chosen = [every[round(i)] for i in np.linspace(0, len(every) - 1, BUDGETS)]
    cases = (
        [c for c in _clips(chosen[0][1], suite) if all(c in _clips(p, suite) for _, p in chosen)]
        if chosen
        else []
    )
    if len(chosen) < 2 or not cases:
        raise Skip(f"{suite}: no case was drawn by runs of two budgets; score with clips=12 or more")
    # Random cases first: the worst are those of one model.
    cases.sort(key=lambda case: (_clips(chosen[0][1], suite)[case]["why"] == "worst", case))
    cases = cases[:ROWS]
    pictures = [_row(case, suite, [scored for _, scored in chosen]) for case in cases]
    heights = [picture[0].shape[0] / sum(cell.shape[1] for cell in picture) for picture in pictures]
    figure = canvas(PAGE, 0.35 + sum((PAGE - 0.2) * h + 0.06 for h in heights))
    axes = figure.subplots(len(cases), len(chosen) + 1, squeeze=False)
    titles = ["truth", *(f"{number(run.flops, 2)} FLOPs" for run, _ in chosen)]
    lines: list[tuple[object, ...]] = []
    for y, (case, cells) in enumerate(zip(cases, pictures, strict=True)):
        for x, cell in enumerate(cells):
            axis = axes[y, x]
            axis.imshow(cell, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            if y == 0:
                axis.set_title(shown(titles[x]), fontsize=7.5)
            run = None if x == 0 else chosen[x - 1][0]
            frames = " ".join(str(p) for p in _shown(_clips(chosen[0][1], suite)[case]))
            lines.append((suite, case, titles[x], run and run.name, run and run.flops, frames))
    note = f"{len(chosen)} of {len(every)} budgets are drawn" if len(chosen) < len(every) else ""
    return Drawn(name, figure, COLUMNS, tuple(lines), note)


def _clips(run: Run, suite: str) -> dict[str, Mapping[str, Any]]:
    """Clips of a suite by case; what could not be made has no answer to show."""
    return {c["case"]: c for c in run.clips if c["suite"] == suite and c.get("made", True)}


def _shown(clip: Mapping[str, Any]) -> list[int]:
    """The frames of a cell: evenly of those of the strip, from the last given one to the end."""
    picks = picks_of(clip, int(clip.get("frames") or 9))
    return [picks[i] for i in _places(clip)]


def _places(clip: Mapping[str, Any]) -> list[int]:
    picks = picks_of(clip, int(clip.get("frames") or 9))
    given = int(clip.get("given") or 0)
    first = max((i for i, p in enumerate(picks) if p < given), default=0)
    return sorted({round(i) for i in np.linspace(first, len(picks) - 1, FRAMES)})


def _row(case: str, suite: str, runs: Sequence[Run]) -> list[np.ndarray]:
    """The truth's cell and one of each run."""
    cells: list[np.ndarray] = []
    for run in runs:
        clip = _clips(run, suite)[case]
        picture = _picture(run.folder / "clips" / f"{clip['name']}.png")
        columns = len(picks_of(clip, int(clip.get("frames") or 9)))
        if picture.shape[0] % 2 or picture.shape[1] % columns:
            raise ReportError(f"{run.folder / 'clips'}: {clip['name']}.png is no strip of {columns} frames")
        high, wide = picture.shape[0] // 2, picture.shape[1] // columns
        for top in (0, high) if not cells else (high,):
            frames = [picture[top : top + high - PADDING, i * wide : (i + 1) * wide] for i in _places(clip)]
            cell = np.concatenate(frames, 1)
            for i in range(1, len(frames) + 1):
                cell[:, i * wide - PADDING : i * wide] = 255
            cells.append(cell)
    return cells


def _picture(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    try:
        found = np.asarray(imread(path))[..., :3]
    except (OSError, ValueError, SyntaxError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    return (found if found.dtype == np.uint8 else np.rint(found * 255)).astype(np.uint8)
