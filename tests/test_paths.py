"""Camera paths: exact amounts, exact returns, and words that say what the poses do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.export import camera_words
from simbench.metrics.trajectory import excursions
from simbench.worlds import paths
from simbench.worlds.paths import MOVES, PROFILES, Path
from simbench.worlds.pose import sample_camera

EYE, TARGET = (0.4, 1.5, 2.0), (0.1, 1.3, -1.0)
SECONDS, FRAMES = 2.0, 17


def amount(move: str) -> float:
    return 24.0 if move in paths.TURNS else 0.6


def poses(path: Path, eye: tuple = EYE, target: tuple = TARGET) -> np.ndarray:
    """World to camera [T, 4, 4]."""
    filming = paths.camera(path, eye, target, SECONDS, 50.0)
    eyes, axes = sample_camera(filming, [SECONDS * t / (FRAMES - 1) for t in range(FRAMES)])
    out = np.tile(np.eye(4), (FRAMES, 1, 1))
    out[:, :3, :3], out[:, :3, 3] = axes, -np.einsum("tij,tj->ti", axes, eyes)
    return out


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_largest_excursion_is_the_amount(move: str, profile: str, sign: float) -> None:
    path = Path(move, sign * amount(move), profile)
    made = poses(path)
    degrees, metres = paths.excursion(path, EYE, TARGET)
    # The measure knows no excursion below its floors of 5 degrees and 5 % of the depth.
    found = excursions(made, 1e-6)
    assert found[0] == pytest.approx(max(degrees, 5.0), abs=1e-3)
    assert found[1] == pytest.approx(metres, abs=1e-4)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("profile", ["there and back", "loop"])
def test_it_comes_back_exactly(move: str, profile: str) -> None:
    made = poses(Path(move, amount(move), profile))
    assert np.array_equal(made[0], made[-1])
    assert not np.array_equal(made[0], made[FRAMES // 4])


@pytest.mark.parametrize("move", MOVES)
def test_it_goes_evenly(move: str) -> None:
    made = poses(Path(move, amount(move)))
    steps = made[1:] @ np.linalg.inv(made[:-1])
    assert np.abs(steps - steps[0]).max() < 2e-3


def test_a_loop_shows_both_sides() -> None:
    shares = [paths.share("loop", t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert shares == [0.0, 1.0, 0.0, -1.0, 0.0]
    assert [paths.share("there and back", t) for t in (0.0, 0.5, 1.0)] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_words_say_what_the_poses_do(move: str, sign: float) -> None:
    path = Path(move, sign * amount(move))
    level = (TARGET[0], EYE[1], TARGET[2])
    read = camera_words(poses(path, EYE, level), SECONDS)
    side = paths.SIDES[move][0 if sign > 0 else 1]
    said = paths.command(path)
    assert side in said or {"up": "rises", "down": "sinks"}.get(side, "?") in said
    if move == "orbit":
        # Around what it looks at: it goes to one side and turns to the other.
        other = paths.SIDES[move][1 if sign > 0 else 0]
        assert f"turns {amount(move):.0f} degrees {other}" in read
        assert f"m {side}" in read
    elif path.unit == "degrees":
        assert f"turns {amount(move):.0f} degrees {side}." in read
    else:
        assert f"moves {amount(move):.1g} m {side}." in read


def test_words_name_amount_and_return() -> None:
    said = paths.command(Path("orbit", -40.0, "there and back"))
    assert said == (
        "The camera orbits 40 degrees to the left around the scene, evenly,"
        " and comes back to where it started."
    )
    assert "25 % of the distance" in paths.command(Path("dolly", 0.75), 3.0)
    assert "backward by 0.5 m" in paths.command(Path("dolly", -0.5))


def test_an_orbit_keeps_its_distance_and_its_aim() -> None:
    for share in (0.0, 0.3, 1.0):
        eye, target = paths.view("orbit", 70.0 * share, EYE, TARGET)
        assert target == TARGET
        assert math.dist(eye, target) == pytest.approx(math.dist(EYE, TARGET))


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (lambda: Path("roll", 3.0), "roll"),
        (lambda: Path("yaw", 3.0, "zigzag"), "zigzag"),
        (lambda: Path("yaw", 200.0), "180"),
        (lambda: Path("truck", math.nan), "nan"),
        (lambda: paths.view("tilt", 85.0, EYE, TARGET), "tilt"),
        (lambda: paths.view("yaw", 5.0, EYE, (EYE[0], 0.0, EYE[2])), "straight"),
    ],
)
def test_what_cannot_be_filmed_is_said(bad, word: str) -> None:
    with pytest.raises(UserError, match=word):
        bad()
