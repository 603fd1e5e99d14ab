"""label.html: one file that plays the clips blind, takes y, n and u, and gives a labels.csv."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.files import write_text
from reports.html import template
from reports.label.clips import Asked, digest, frames
from reports.label.labels import COLUMNS

if TYPE_CHECKING:
    import numpy as np


def card(clip: Asked) -> dict[str, Any]:
    """What the page knows of one clip: nothing in it says what a reader made of it."""
    truth, made = frames(clip)
    return {
        "run": clip.run.name,
        "suite": clip.suite,
        "version": clip.version,
        "case": clip.case,
        "sample": clip.sample,
        "clip": digest((truth, made)),
        "question": clip.question,
        "given": clip.given,
        "marked": list(clip.marked),
        "frames": clip.shape.frames,
        "width": clip.shape.width,
        "height": clip.shape.height,
        "fps": clip.shape.fps,
        "columns": _columns(clip.shape.frames),
        "truth": _sprite(truth),
        "made": _sprite(made),
    }


def _columns(count: int) -> int:
    return math.isqrt(count - 1) + 1


def _sprite(clip: np.ndarray) -> str:
    """All frames in one lossless picture, row by row, as a data address."""
    import numpy as np
    from PIL import Image

    count, height, width = clip.shape[:3]
    columns = _columns(count)
    rows = -(-count // columns)
    paper = np.zeros((rows * height, columns * width, 3), np.uint8)
    for t, frame in enumerate(clip):
        y, x = t // columns * height, t % columns * width
        paper[y : y + height, x : x + width] = frame
    buffer = io.BytesIO()
    Image.fromarray(paper).save(buffer, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def page_text(clips: Sequence[Asked]) -> str:
    """The whole page. The clips go in as JSON in which nothing can end the script."""
    cards = [card(clip) for clip in clips]
    places = json.dumps([[c["run"], c["suite"], c["case"], c["sample"], c["clip"]] for c in cards])
    found = {
        "key": "labels-" + hashlib.sha256(places.encode()).hexdigest()[:16],
        "columns": COLUMNS,
        "clips": cards,
    }
    return template("label.html.j2").render(data=found)


def write_page(clips: Sequence[Asked], path: Path) -> int:
    """Write the page; its size in bytes."""
    text = page_text(clips)
    write_text(path, text)
    return len(text.encode("utf-8"))
