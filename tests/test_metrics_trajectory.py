"""Camera paths against SciPy, against analytic paths, and against loops written from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from metrics_scenes import camera_path, moved
from scipy.spatial.transform import Rotation

from simbench.metrics import rotations, trajectory


def yawing(degrees: np.ndarray, ways: np.ndarray | None = None) -> np.ndarray:
    """Poses [T, 4, 4] that stand at x = `ways` m and look `degrees` to the right."""
    out = np.tile(np.eye(4), (len(degrees), 1, 1))
    out[:, :3, :3] = Rotation.from_euler("y", -np.asarray(degrees)[:, None], degrees=True).as_matrix()
    eyes = np.zeros((len(degrees), 3))
    eyes[:, 0] = 0.0 if ways is None else ways
    out[:, :3, 3] = -np.einsum("tij,tj->ti", out[:, :3, :3], eyes)
    return out


OUT_AND_BACK = 60.0 * np.concatenate([np.linspace(0, 1, 9), np.linspace(1, 0, 9)[1:]])


def some_rotations(count: int = 300) -> Rotation:
    """Random ones, tiny ones and half turns."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = rng.uniform(0, np.pi, count)
    angles[:40] = 10.0 ** rng.uniform(-9, -3, 40)
    angles[40:60] = np.pi
    angles[60] = 0.0
    return Rotation.from_rotvec(axes * angles[:, None])


def test_rotations_are_scipys() -> None:
    r = some_rotations()
    m = r.as_matrix()
    np.testing.assert_allclose(rotations.rotation_angles(m), np.degrees(r.magnitude()), atol=1e-6)
    small = np.degrees(r.magnitude()[:40])
    np.testing.assert_allclose(rotations.rotation_angles(m)[:40], small, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(rotations.matrices(rotations.quaternions(m)), m, atol=1e-14)
    np.testing.assert_allclose(rotations.matrices(r.as_quat()), m, atol=1e-14)
    np.testing.assert_allclose(rotations.rotations_of(rotations.rotation_vectors(m)), m, atol=1e-13)
    np.testing.assert_allclose(rotations.rotation_vectors(m)[60:], r.as_rotvec()[60:], atol=1e-12)
    ours, theirs = rotations.quaternions(m)[60:], r.as_quat(canonical=True)[60:]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_conversions_of_poses() -> None:
    poses = camera_path(0)
    np.testing.assert_allclose(trajectory.inverted(poses), np.linalg.inv(poses), atol=1e-14)
    np.testing.assert_allclose(trajectory.eyes(poses), np.linalg.inv(poses)[:, :3, 3], atol=1e-14)


def test_alignment_is_scipys_rotation_and_the_known_similarity() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(40, 3))
    turn = Rotation.random(rng=2)
    b = 1.7 * turn.apply(a) + [1.0, -2.0, 3.0]
    found = trajectory.align(a, b, scaled=True)
    np.testing.assert_allclose(found.rotation, turn.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(found.translation, [1.0, -2.0, 3.0], atol=1e-12)
    assert found.scale == pytest.approx(1.7)
    np.testing.assert_allclose(found.apply(a), b, atol=1e-12)
    noisy = b + rng.normal(0, 0.5, b.shape)
    theirs = Rotation.align_vectors(noisy - noisy.mean(0), a - a.mean(0))[0]
    np.testing.assert_allclose(trajectory.align(a, noisy).rotation, theirs.as_matrix(), atol=1e-9)


def test_no_other_similarity_is_nearer() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    best = trajectory.align(a, b, scaled=True)
    least = ((best.apply(a) - b) ** 2).sum()
    for _ in range(50):
        other = trajectory.Similarity(
            Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix() @ best.rotation,
            best.translation + rng.normal(0, 0.05, 3),
            best.scale * (1 + rng.normal(0, 0.05)),
        )
        assert ((other.apply(a) - b) ** 2).sum() >= least


def test_alignment_never_mirrors_and_takes_degenerate_paths() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=(30, 3))
    assert np.linalg.det(trajectory.align(a, a * [1, 1, -1]).rotation) == pytest.approx(1.0)
    line = np.outer(np.arange(5.0), [1.0, 0.0, 0.0])
    np.testing.assert_allclose(trajectory.align(line, line[:, [1, 0, 2]]).apply(line), line[:, [1, 0, 2]])
    point = np.zeros((5, 3))
    for scaled in (False, True):
        same = trajectory.align(point, line, scaled)
        assert same.scale == 1.0
        np.testing.assert_allclose(same.apply(point), np.tile([2.0, 0.0, 0.0], (5, 1)))


def test_absolute_error_is_invariant_to_what_it_aligns_and_to_nothing_else() -> None:
    true = camera_path(5)
    rng = np.random.default_rng(0)
    made = true.copy()
    made[:, :3, 3] += rng.normal(0, 0.1, (9, 3))
    turn = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    base = trajectory.absolute_error(made, true, "se3")
    assert base > 0.05
    assert trajectory.absolute_error(moved(made, turn, np.array([5, 6, 7])), true) == pytest.approx(base)
    twice = moved(true, turn, np.array([5, 6, 7]), 2.0)
    assert trajectory.absolute_error(twice, true, "sim3") == pytest.approx(0, abs=1e-12)
    assert trajectory.absolute_error(twice, true, "se3") > 0.1
    assert trajectory.absolute_error(twice, true, "none") > 1.0
    # A joint motion of both worlds changes nothing even without alignment.
    both = [moved(p, turn, np.array([1, 2, 3])) for p in (made, true)]
    assert trajectory.absolute_error(*both, "none") == pytest.approx(
        trajectory.absolute_error(made, true, "none")
    )


def test_absolute_error_of_an_analytic_path() -> None:
    # Eyes at x = 0..4 against all at 0: aligned to the mean, the errors are -2..2 m.
    true, frozen = yawing(np.zeros(5), np.arange(5.0)), yawing(np.zeros(5))
    assert trajectory.absolute_error(frozen, true) == pytest.approx(math.sqrt(2))
    assert trajectory.absolute_errors(frozen, true, "none") == pytest.approx([0, 1, 2, 3, 4])


@pytest.mark.parametrize("delta", [1, 3])
@pytest.mark.parametrize("every", [True, False])
def test_relative_error_is_the_definition(delta: int, every: bool) -> None:
    true = camera_path(6)
    rng = np.random.default_rng(1)
    made = true.copy()
    made[:, :3, :3] = Rotation.from_rotvec(rng.normal(0, 0.05, (9, 3))).as_matrix() @ made[:, :3, :3]
    made[:, :3, 3] += rng.normal(0, 0.1, (9, 3))
    found = trajectory.relative_error(made, true, delta, every)
    ways, turns = [], []
    for i in range(0, 9 - delta, 1 if every else delta):
        p = [np.linalg.inv(x) for x in (made[i], made[i + delta], true[i], true[i + delta])]
        error = np.linalg.inv(np.linalg.inv(p[2]) @ p[3]) @ (np.linalg.inv(p[0]) @ p[1])
        ways.append(np.linalg.norm(error[:3, 3]))
        turns.append(np.degrees(Rotation.from_matrix(error[:3, :3]).magnitude()))
    np.testing.assert_allclose(found.translation, ways, atol=1e-12)
    np.testing.assert_allclose(found.rotation, turns, atol=1e-6)
    assert trajectory.rmse(found.translation) == pytest.approx(np.sqrt(np.mean(np.square(ways))))


def test_relative_error_of_an_analytic_path() -> None:
    true, fast = yawing(2.0 * np.arange(6), np.arange(6.0)), yawing(3.0 * np.arange(6), np.arange(6.0))
    assert trajectory.relative_error(fast, true).rotation == pytest.approx([1.0] * 5)
    assert trajectory.relative_error(fast, true, 2).rotation == pytest.approx([2.0] * 4)
    frozen = yawing(np.zeros(6))
    assert trajectory.relative_error(frozen, true).translation == pytest.approx([1.0] * 5)
    still = trajectory.relative_error(true, true, 9)
    assert len(still.rotation) == 0 and np.isnan(trajectory.rmse(still.rotation))
    turn = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    other = moved(fast, turn, np.array([5, 6, 7]))
    assert trajectory.relative_error(other, true).rotation == pytest.approx([1.0] * 5)


def test_excursion_error_by_hand() -> None:
    # 60 degrees and 2 m at the far end, both back at 0 at the last frame.
    true = yawing(OUT_AND_BACK, OUT_AND_BACK / 30)
    frozen = yawing(np.zeros(17))
    share = OUT_AND_BACK / 60
    assert trajectory.excursions(true, 5.0) == pytest.approx((60.0, 2.0))
    assert trajectory.excursion_error(true, true, 5.0) == pytest.approx(np.zeros(17), abs=1e-7)
    assert trajectory.excursion_error(frozen, true, 5.0) == pytest.approx(np.sqrt(2) * share)
    opposite = yawing(-OUT_AND_BACK, -OUT_AND_BACK / 30)
    assert trajectory.excursion_error(opposite, true, 5.0) == pytest.approx(2 * np.sqrt(2) * share)
    half = yawing(OUT_AND_BACK / 2, OUT_AND_BACK / 60)
    assert trajectory.excursion_error(half, true, 5.0) == pytest.approx(np.sqrt(0.5) * share)


def test_excursion_error_ranks_what_measures_of_the_end_cannot() -> None:
    true = yawing(OUT_AND_BACK)

    def score(made: np.ndarray) -> float:
        """100 for the truth, 0 for a frozen camera."""
        error = [trajectory.excursion_error(p, true, 5.0).mean() for p in (made, yawing(np.zeros(17)))]
        return 100 * (1 - error[0] / error[1])

    twitch = np.zeros(17)
    twitch[8] = 3.0
    assert score(true) == pytest.approx(100)
    assert score(yawing(0.8 * OUT_AND_BACK)) == pytest.approx(80)
    assert score(yawing(0.04 * OUT_AND_BACK)) == pytest.approx(4)
    assert score(yawing(twitch)) < 1
    assert score(yawing(np.maximum.accumulate(OUT_AND_BACK))) == pytest.approx(44, abs=1)
    assert score(yawing(-OUT_AND_BACK)) == pytest.approx(-100)
    assert score(yawing(OUT_AND_BACK, np.linspace(0, 94, 17))) < -1000


def test_a_path_that_hardly_moves_is_held_to_the_floors() -> None:
    true = yawing(np.zeros(4))
    assert trajectory.excursions(true, 4.0) == (5.0, pytest.approx(0.2))
    off = yawing(np.array([0.0, 5.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.2, 0.0]))
    assert trajectory.excursion_error(off, true, 4.0) == pytest.approx([0, 1, 1, 0], abs=1e-7)


def test_an_unreadable_pose_is_nan_in_its_frame_alone() -> None:
    true = yawing(OUT_AND_BACK)
    made = true.copy()
    made[3] = np.nan
    assert np.flatnonzero(np.isnan(trajectory.excursion_error(made, true, 5.0))).tolist() == [3]


@pytest.mark.parametrize("amplitude", [-1.0, 0.04, 0.5, 1.0, 2.0])
def test_gain_and_correlation(amplitude: float) -> None:
    true = yawing(OUT_AND_BACK, OUT_AND_BACK / 30)
    made = yawing(amplitude * OUT_AND_BACK, amplitude * OUT_AND_BACK / 30)
    assert trajectory.gain(made, true, 5.0) == pytest.approx(amplitude)
    assert trajectory.path_correlation(made, true, 5.0) == pytest.approx(np.sign(amplitude))


def test_gain_and_correlation_at_their_ends() -> None:
    true, frozen = yawing(OUT_AND_BACK), yawing(np.zeros(17))
    assert trajectory.gain(frozen, true, 5.0) == pytest.approx(0)
    assert np.isnan(trajectory.path_correlation(frozen, true, 5.0))
    assert np.isnan(trajectory.gain(true, frozen, 5.0))
    other = camera_path(8, 17)
    assert abs(trajectory.path_correlation(other, true, 5.0)) < 1
    # Another world frame changes neither.
    turn = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    both = [moved(p, turn, np.array([1, 2, 3])) for p in (other, true)]
    assert trajectory.gain(*both, 5.0) == pytest.approx(trajectory.gain(other, true, 5.0))
    assert trajectory.path_correlation(*both, 5.0) == pytest.approx(
        trajectory.path_correlation(other, true, 5.0)
    )
