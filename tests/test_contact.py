"""What stops a layer of the classical predictor: bars across its way, seen or completed."""

import numpy as np
import pytest

from simbench.case import Condition
from simbench.generators import contact
from simbench.generators.rollout import roll_out


def clip(post: int | None, wall: bool, frames: int = 17, size: int = 48) -> np.ndarray:
    """A red square slides right at 2 px a frame; a post (3 columns) and a wall (columns 20..37) may stand."""
    out = np.full((frames, size, size, 3), 200, np.uint8)
    for t in range(frames):
        left = 4 + 2 * t
        if post is not None:
            left = min(left, post - 10)
        out[t, 20:30, left : left + 10] = (220, 30, 30)
        if post is not None:
            out[t, :, post : post + 3] = 15
        if wall:
            out[t, 12:, 20:38] = (110, 85, 70)
    return out


def answer(frames: np.ndarray, given: int = 6) -> np.ndarray:
    """What the predictor makes of the first frames."""
    count, height, width = frames.shape[:3]
    condition = Condition("c", "v2v", frames[:given], "", width, height, count, 8.0)
    return roll_out(condition)


def red_columns(frame: np.ndarray) -> np.ndarray:
    """Columns in which red is seen."""
    return np.flatnonzero(((frame[..., 0] > 150) & (frame[..., 1] < 90)).any(axis=0))


def test_a_free_layer_goes_on() -> None:
    columns = red_columns(answer(clip(None, wall=False))[-1])
    assert abs(columns.min() - 36) <= 1


def test_a_post_in_the_open_stops() -> None:
    columns = red_columns(answer(clip(33, wall=False))[-1])
    assert abs(columns.max() - 32) <= 1


def test_a_post_that_shows_above_the_wall_stops_what_is_behind_it() -> None:
    out = answer(clip(33, wall=True))
    assert len(red_columns(out[-1])) == 0


def test_without_a_post_it_comes_out_of_the_wall() -> None:
    columns = red_columns(answer(clip(None, wall=True))[-1])
    assert columns.size and abs(columns.max() - 45) <= 2


@pytest.mark.parametrize("post", [39, 2])
def test_a_post_that_is_not_in_the_way_stops_nothing(post: int) -> None:
    frames = clip(None, wall=False, size=48)
    frames[:, 38:, post : post + 3] = 15
    columns = red_columns(answer(frames)[-1])
    assert abs(columns.min() - 36) <= 1


def test_a_layer_that_passes_above_or_below_the_picture_meets_nothing() -> None:
    image = np.full((48, 48, 3), 200.0)
    image[:, 30:33] = 15.0
    free = np.zeros((48, 48), bool)
    assert contact._bars(image, free, np.array([10.0, 20.0]), 10.0, 1.0) == [30.0]
    for rows in ([-20.0, -5.0], [-9.0, 0.0], [50.0, 60.0]):
        assert contact._bars(image, free, np.array(rows), 10.0, 1.0) == []
