"""Film strips of single clips, the truth above the answer, with the numbers by frame under the frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.aggregate import ReportError
from reports.figures.source import Run, Skip
from reports.figures.style import BLACK, PAGE, TRUTH, Drawn, canvas, ordinary, series, shown

MOST_CLIPS = 3
LEFT, TALLEST = 0.62, 8.0
"""Inches for the names of the rows, and of all strips together."""

COLUMNS = ("clip", "case", "why", "trace", "frame", "time_s", "value")
PADDING = 2
"""White pixels after each frame of a strip, to the right and below."""


def strips(run: Run, suite: str, name: str) -> Drawn:
    """Up to MOST_CLIPS clips of one run: the worst two and a random one. Skip where the run drew none."""
    clips = _chosen([clip for clip in run.clips if clip["suite"] == suite])
    if not clips:
        raise Skip(f"{run.folder} drew no clips of {suite}; run with clips=2 or more")
    pictures = [_picture(run.folder / "clips" / f"{clip['name']}.png", clip) for clip in clips]
    # Portrait clips are tall: the last one stays, since it is the random one.
    while len(clips) > 1 and sum(sum(_heights(c, p)) for c, p in zip(clips, pictures, strict=True)) > TALLEST:
        del clips[-2], pictures[-2]
    traced = [bool(_traces(clip)) for clip in clips]
    heights = [h for clip, picture in zip(clips, pictures, strict=True) for h in _heights(clip, picture)]
    figure = canvas(PAGE, sum(heights) + 0.28)
    axes = iter(figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False).ravel())
    rows: list[tuple[object, ...]] = []
    # One scale for all clips: a trace that leaves 0 to 1 in one of them has the axis to the right in each.
    right = {k for clip in clips for k, values in _traces(clip).items() if _beyond(values)}
    beyond = [v for clip in clips for k in right for v in _traces(clip).get(k, []) if v is not None]
    top = max(beyond, default=1.0)
    for clip, picture, has in zip(clips, pictures, traced, strict=True):
        _draw_strip(next(axes), clip, picture, run.name)
        if has:
            axis = next(axes)
            rows += _draw_traces(axis, clip, right, top)
        else:
            rows.append((clip["name"], clip["case"], clip["why"], None, None, None, None))
    if any(traced):
        axis.set_xlabel("time of the frame above (s)")
    _legend(figure, [k for clip in clips for k in _traces(clip)])
    bare = [clip["name"] for clip, has in zip(clips, traced, strict=True) if not has]
    note = f"no numbers by frame for {', '.join(bare)}: the strip stands alone" if bare else ""
    return Drawn(name, figure, COLUMNS, tuple(rows), note)


def _heights(clip: Mapping[str, Any], picture: np.ndarray) -> list[float]:
    """Inches of a strip and of the curves below it, if there are any."""
    strip = (PAGE - LEFT) * picture.shape[0] / picture.shape[1] + 0.2
    return [strip, 0.82] if _traces(clip) else [strip]


def _chosen(clips: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    worst = [c for c in clips if c["why"] == "worst"][: MOST_CLIPS - 1]
    rest = [c for c in clips if c["why"] != "worst"]
    return [*worst, *rest][:MOST_CLIPS]


def _picture(path: Path, clip: Mapping[str, Any]) -> np.ndarray:
    """The strip, its gaps made white."""
    from matplotlib.image import imread

    try:
        found = np.asarray(imread(path))[..., :3]
    except (OSError, ValueError, SyntaxError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    found = (found if found.dtype == np.uint8 else np.rint(found * 255).astype(np.uint8)).copy()
    columns = len(picks_of(clip, int(clip.get("frames") or 9)))
    for size, count, across in ((found.shape[1], columns, True), (found.shape[0], 2, False)):
        if size % count == 0 and size // count > PADDING:
            step = size // count
            for i in range(count):
                gap = slice((i + 1) * step - PADDING, (i + 1) * step)
                found[(slice(None), gap) if across else (gap,)] = 255
    return found


def _traces(clip: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """Traces with a number in them, of one length."""
    found = clip.get("trace")
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, list) and any(x is not None for x in v)}


def picks_of(clip: Mapping[str, Any], frames: int) -> list[int]:
    """The frames that the strip shows; where clips.json does not say, nine over the clip."""
    found = clip.get("picks")
    if isinstance(found, list) and len(found) > 1:
        return [int(i) for i in found]
    return [int(i) for i in np.unique(np.linspace(0, frames - 1, 9).round().astype(int))]


def _draw_strip(axis: Any, clip: Mapping[str, Any], picture: np.ndarray, name: str) -> None:
    height, width = picture.shape[:2]
    axis.imshow(picture, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axis.set_yticks([height * 0.25, height * 0.75], ["truth", shown(ordinary(name), 12)])
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    what = str(clip.get("tags", {}).get("trial", "")) if isinstance(clip.get("tags"), dict) else ""
    said = [ordinary(str(clip["case"])), *([what] if what else []), str(clip["why"])]
    if clip.get("status", "ok") != "ok":
        said.append(f"{clip['status']}: {clip.get('reason', '')}")
    axis.set_title(shown(", ".join(said), 100), loc="left", pad=2.5)


def _draw_traces(
    axis: Any, clip: Mapping[str, Any], beyond: set[str], top: float
) -> list[tuple[object, ...]]:
    """Every trace over the frames, stretched so that each pick lies under its picture."""
    traces = _traces(clip)
    fps = float(clip.get("fps") or 1.0)
    longest = max(len(v) for v in traces.values())
    picks = picks_of(clip, longest)
    rows: list[tuple[object, ...]] = []
    right = None
    for i, (name, values) in enumerate(traces.items()):
        numbers = [np.nan if v is None else float(v) for v in values]
        frames = list(range(len(values)))
        on = axis
        if name in beyond:
            right = axis.twinx() if right is None else right
            on = right
        look = _look(name, i)
        on.plot(np.interp(frames, picks, range(len(picks))) + 0.5, numbers, clip_on=False, **look)
        rows += [
            (clip["name"], clip["case"], clip["why"], name, t, t / fps, v)
            for t, v in zip(frames, values, strict=True)
        ]
    axis.set_xlim(0, len(picks))
    axis.set_xticks([k + 0.5 for k in range(len(picks))], [f"{t / fps:.2f}" for t in picks])
    axis.set_ylim(-0.06, 1.06)
    if right is not None:
        right.set_ylim(-0.06 * top, 1.06 * top)
        right.set_ylabel(shown(ordinary(", ".join(sorted(beyond)))))
        right.spines["right"].set_visible(True)
    return rows


def _look(name: str, i: int) -> dict[str, Any]:
    """Truth is a black dashed line: it is no answer."""
    if name.endswith(TRUTH):
        return {"color": BLACK, "marker": "", "linestyle": "--", "linewidth": 1.0}
    return {**series(i), "linestyle": "-", "markersize": 2.6, "linewidth": 1.0}


def _beyond(values: Sequence[float | None]) -> bool:
    """Whether a trace leaves 0 to 1 and needs an axis of its own."""
    return any(v is not None and not -0.001 <= v <= 1.001 for v in values)


def _legend(figure: Any, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    keys = list(dict.fromkeys(names))
    if keys:
        handles = [Line2D([], [], label=shown(ordinary(k), 40), **_look(k, i)) for i, k in enumerate(keys)]
        figure.legend(handles=handles, loc="outside lower center", ncols=5, columnspacing=1.5)
