"""Contact sheets for labelling without a browser: pictures and an empty table, no score in either."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.aggregate import ReportError
from reports.files import write_bytes, write_text
from reports.label.clips import Asked, digest, frames
from reports.label.labels import COLUMNS

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageDraw

LARGE = 96
"""Smallest side of a shown frame, px: 32 px are enlarged three times, without smoothing."""

SLOTS = 8
"""Frames of a clip on a sheet."""

LABELS = 44
"""Pixels for the words to the left of a strip."""

GAP, MARGIN, HEAD, LINE, FONT = 2, 10, 16, 16, 13
INK, DIM, MARK, GIVEN, PAPER = "#111111", "#666666", "#0072b2", "#bbbbbb", "#ffffff"


def picks(clip: Asked, slots: int = SLOTS) -> list[int]:
    """Which frames to show: the last given one, as many of those that decide as fit, evenly, then others."""
    total = clip.shape.frames
    start = [clip.given - 1] if clip.given else []
    after = [t for t in clip.marked if t not in start]
    chosen = start + _evenly(after, slots - len(start))
    others = [t for t in range(clip.given, total) if t not in chosen]
    return sorted([*chosen, *_evenly(others, slots - len(chosen))])


def _evenly(values: Sequence[int], count: int) -> list[int]:
    if len(values) <= count:
        return list(values)
    if count < 2:
        return list(values[len(values) - count :])
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def strip(clip: Asked, pair: tuple[np.ndarray, np.ndarray], number: int) -> Image.Image:
    """One clip: its number and its frames', truth above and generator below, the question."""
    from PIL import Image, ImageDraw, ImageFont

    factor = max(1, -(-LARGE // min(clip.shape.width, clip.shape.height)))
    wide, high = clip.shape.width * factor, clip.shape.height * factor
    shown = picks(clip)
    width = LABELS + SLOTS * (wide + GAP)
    font = ImageFont.load_default(size=FONT)
    lines = _wrapped(f"{number}. {' '.join(clip.question.split())}", width)
    image = Image.new("RGB", (width, HEAD + 2 * (high + GAP) + LINE * len(lines) + MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    for row, name in enumerate(("truth", "model")):
        draw.text((0, HEAD + row * (high + GAP) + high // 2 - 7), name, fill=DIM, font=font)
    for i, t in enumerate(shown):
        x = LABELS + i * (wide + GAP)
        _caption(draw, clip, t, x, wide, font)
        for row, part in enumerate(pair):
            picture = Image.fromarray(part[t]).resize((wide, high), Image.Resampling.NEAREST)
            image.paste(picture, (x, HEAD + row * (high + GAP)))
    for i, line in enumerate(lines):
        y = HEAD + 2 * (high + GAP) + i * LINE
        draw.text((0, y), line, fill=INK, font=font)
    return image


def _caption(draw: ImageDraw.ImageDraw, clip: Asked, t: int, x: int, wide: int, font: object) -> None:
    """The number of a frame, counted from 1; given frames are called so, those that decide have a bar."""
    words = f"{t + 1} given" if t < clip.given else f"{t + 1}"
    draw.text((x + 3, -1), words, fill=INK, font=font)  # type: ignore[arg-type]
    if t < clip.given or t in clip.marked:
        left = x + 3 + int(draw.textlength(words, font=font)) + 5  # type: ignore[arg-type]
        draw.rectangle((left, 5, x + wide - 1, 10), fill=GIVEN if t < clip.given else MARK)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines that fit, by the mean width of a letter."""
    return textwrap.wrap(text, max(20, int(width / (FONT * 0.53))))


def sheet(strips: Sequence[Image.Image]) -> Image.Image:
    """Strips in two columns, filled from above."""
    from PIL import Image

    columns = 1 if len(strips) == 1 else 2
    rows = -(-len(strips) // columns)
    wide = max(s.width for s in strips)
    # Strips r and r + rows share a row.
    heights = [max(s.height for s in strips[r::rows]) for r in range(rows)]
    size = (columns * (wide + MARGIN) + MARGIN, sum(heights) + (rows + 1) * MARGIN)
    paper = Image.new("RGB", size, PAPER)
    for i, one in enumerate(strips):
        x = MARGIN + (i // rows) * (wide + MARGIN)
        paper.paste(one, (x, MARGIN + sum(heights[: i % rows]) + (i % rows) * MARGIN))
    return paper


def write_sheets(clips: Sequence[Asked], folder: Path, per: int) -> tuple[int, Path]:
    """Write sheet-01.png, ... and labels-empty.csv into an empty folder; how many sheets, and the table.

    Names and numbers are those of the random order alone.
    """
    if per < 1 or per > 40:
        raise ReportError(f"per={per} clips on a sheet is outside 1..40; 10 can be read at a glance")
    table = folder / "labels-empty.csv"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReportError(f"sheet={folder} is there already and not empty; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[object]] = []
    sheets = -(-len(clips) // per)
    for i in range(sheets):
        strips = []
        for number, clip in enumerate(clips[i * per : (i + 1) * per], i * per + 1):
            pair = frames(clip)
            strips.append(strip(clip, pair, number))
            place = (clip.run.name, clip.suite, clip.version, clip.case, clip.sample)
            rows.append([i + 1, number, *place, digest(pair), "", "", ""])
        _save(sheet(strips), folder / f"sheet-{i + 1:0{max(2, len(str(sheets)))}d}.png")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([["sheet", "number", *COLUMNS], *rows])
    write_text(table, text.getvalue())
    return sheets, table


def _save(image: Image.Image, path: Path) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    write_bytes(path, buffer.getvalue())
