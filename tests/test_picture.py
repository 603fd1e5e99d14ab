"""The picture of a suite shows the frames it says it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suites import picture


def test_frames_are_spread_over_what_was_given_and_what_was_not() -> None:
    assert picture.chosen_frames(17, 5, 8) == [0, 2, 4, 6, 8, 11, 14, 16]
    assert picture.chosen_frames(17, 1, 4) == [0, 2, 9, 16]
    assert picture.chosen_frames(9, 0, 3) == [1, 4, 8]


def test_rows_hold_the_frames_and_given_ones_have_an_edge() -> None:
    frames = np.stack([np.full((130, 150, 3), 10 * t, np.uint8) for t in range(9)])
    drawn = picture.picture([("a", frames, 2), ("b", frames[::-1], 2)], 4, 8.0)
    shown = picture.chosen_frames(9, 2, 4)
    for row, clip in enumerate((frames, frames[::-1])):
        for column, t in enumerate(shown):
            top = picture.HEAD + row * (130 + picture.GAP)
            left = picture.LABEL + column * (150 + picture.GAP)
            assert (drawn[top + 10, left + 15] == clip[t, 10, 15]).all()
            edge = tuple(drawn[top, left]) == picture.GIVEN_BLUE
            assert edge == (t < 2)


def test_the_command_writes_a_small_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.png"
    assert picture.main(["size=32", "scene=0", "generator=copy_last", f"out={out}"]) == 0
    with Image.open(out) as image:
        assert image.height == picture.HEAD + 4 * (128 + picture.GAP), "small frames are enlarged"
    assert picture.main(["generator=flaw", f"out={out}"]) == 2
    assert "did you mean flow?" in capsys.readouterr().err
    assert picture.main(["generator=flow", "trials=leave", f"out={out}"]) == 2
