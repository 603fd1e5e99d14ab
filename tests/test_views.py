"""Cheats for a still world and a moving camera: each leaves the given frames alone and breaks the rest."""

from __future__ import annotations

import numpy as np
import pytest

from simbench.case import Setting
from simbench.references import shots, views
from simbench.worlds.families import build
from simbench.worlds.scene import Scene

SETTING = Setting(width=80, height=64, frames=13, look="rich", given="cam", context=5)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """An orbit with shadows, walls and sky."""
    return build("orbit", 3, 12 / 8, "rich", camera="truck")


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference of the predicted frames, levels."""
    return float(np.abs(a[5:].astype(int) - b[5:]).mean())


@pytest.mark.parametrize("name", views.CHEATS)
def test_a_cheat_keeps_the_given_frames_and_breaks_the_rest(scene: Scene, name: str) -> None:
    truth = shots.shot(scene, SETTING).frames
    made = views.CHEATS[name](scene, SETTING, 5, 7, 1.0)
    assert made.shape == truth.shape and made.dtype == np.uint8 and made.flags.writeable
    np.testing.assert_array_equal(made[:5], truth[:5])
    assert gap(made, truth) > 5.0
    np.testing.assert_array_equal(made, views.CHEATS[name](scene, SETTING, 5, 7, 1.0))


@pytest.mark.parametrize("name", views.DAMAGES)
def test_damage_grows_from_nothing(scene: Scene, name: str) -> None:
    truth = shots.shot(scene, SETTING).frames
    make, unit, *strengths = views.DAMAGES[name]
    gaps = [gap(make(scene, SETTING, 5, 7, strength), truth) for strength in (0.0, *strengths)]
    assert unit and len(strengths) == 5
    # Half a grey level is what interpolation and rounding of poses to 2^-20 leave.
    assert gaps[0] < 0.5
    assert gaps == sorted(gaps) and gaps[-1] > 4 * gaps[1] > 0


def test_the_truth_is_what_the_oracle_renders(scene: Scene) -> None:
    from simbench.worlds.film import render_scene

    truth = shots.shot(scene, SETTING)
    np.testing.assert_array_equal(truth.frames, render_scene(scene, SETTING))
    with pytest.raises(ValueError, match="read-only"):
        truth.frames[0] = 0


def test_pixels_carried_to_another_frame_lie_where_the_renderer_has_them(scene: Scene) -> None:
    from simbench.worlds.clip import make_clip

    clip = make_clip(scene, 80, 64, 13, 8.0)
    truth = shots.shot(scene, SETTING)
    place, depth = truth.carried(4, 10)
    where = np.floor(clip.uv[4]).astype(int)
    both = clip.visible[4] & clip.visible[10]
    found = place[where[both, 1], where[both, 0]]
    # A point is up to 0.7 px from its pixel's centre.
    off = np.abs(found - clip.uv[10][both])
    assert np.median(off) < 0.5 and (off < 1.5).mean() > 0.85
    assert (depth > 0).all()


def test_a_postcard_is_the_last_given_frame_and_relief_moves_as_it_does(scene: Scene) -> None:
    truth = shots.shot(scene, SETTING)
    flat = views.postcard(scene, SETTING, 5, 7)
    for t in (8, 12):
        source, target = truth.matches(4, t)
        matrix = shots.flat_motion(source, target)
        np.testing.assert_array_equal(flat[t], shots.warped(truth.frames[4], matrix))
        left = np.linalg.norm(shots.moved_by(matrix, source) - target, axis=-1).mean()
        still = np.linalg.norm(source - target, axis=-1).mean()
        assert 0.3 < left < still / 3
        # Where the picture reaches, the truth without its parallax shows what the picture shows.
        shown = shots.warped(np.full((64, 80, 3), 255, np.uint8), matrix)[..., 0] > 254
        shown[:, 60:] = False
        relief = views.relief(scene, SETTING, 5, 7)[t]
        off = [np.abs(f.astype(int) - flat[t])[shown].mean() for f in (relief, truth.frames[t])]
        assert off[0] < 0.8 * off[1]


def test_speeds_are_the_way_of_the_camera_itself(scene: Scene) -> None:
    truth = shots.shot(scene, SETTING).frames
    half, double = (f(scene, SETTING, 5, 7) for f in (views.half_speed, views.double_speed))
    # Half speed reaches frame 8 at frame 12; twice as fast, frame 12 at frame 8.
    assert np.abs(half[12].astype(int) - truth[8]).mean() < 0.2
    assert np.abs(double[8].astype(int) - truth[12]).mean() < 0.2
    np.testing.assert_array_equal(double[8], double[12])
    still = views.half_speed(scene, SETTING, 5, 7, 2.0)
    assert np.abs(still.astype(int) - views.frozen(scene, SETTING, 5, 7)).mean() < 0.2


def test_opposite_goes_back_where_it_came_from(scene: Scene) -> None:
    # A truck at an even pace: one frame on, the other way, is one frame back.
    truth = shots.shot(scene, SETTING)
    made = views.opposite(scene, SETTING, 5, 7)
    ahead, back = (
        truth.poses[5] @ np.linalg.inv(truth.poses[4]),
        truth.poses[3] @ np.linalg.inv(truth.poses[4]),
    )
    assert np.sign(ahead[0, 3]) == -np.sign(back[0, 3])
    assert np.abs(made[5].astype(int) - truth.frames[3]).mean() < gap(made, truth.frames)


def test_a_camera_never_ends_in_a_wall_or_under_the_ground(scene: Scene) -> None:
    poses = shots.film_poses(scene, np.arange(13) / 8)
    for shift in ([0.0, -30.0, 0.0], [0.0, 0.0, -9.0], [3.7, -2.0, -8.0]):
        eyes = shots.eyes(poses) + shift
        frames = shots.refilm(scene, SETTING, shots.posed(poses[:, :3, :3], eyes), [4, 12])
        assert frames.shape == (2, 64, 80, 3) and frames.std() > 5


@pytest.mark.parametrize("family", ["look-away", "voxels"])
@pytest.mark.parametrize("size", [(32, 32), (48, 27)])
def test_other_worlds_and_sizes(family: str, size: tuple[int, int]) -> None:
    setting = Setting(width=size[0], height=size[1], frames=9, context=1, look="rich")
    scene = build(family, 2, 1.0)
    for name, make in views.CHEATS.items():
        made = make(scene, setting, 1, 3, 1.0)
        assert made.shape == (9, size[1], size[0], 3), name


def test_pushed_puts_near_over_far_and_fills_gaps() -> None:
    frame = np.tile(np.arange(24, dtype=np.uint8)[None, :, None] * 4, (8, 1, 3))
    frame[:, 8:12] = 250
    depth = np.full((8, 24), 5.0)
    depth[:, 8:12] = 1.0
    shift = np.zeros((8, 24, 2))
    shift[:, 8:12, 0] = 6.0
    out = shots.pushed(frame, shift, depth)
    assert (out[:, 14:18] == 250).all()
    assert (out[:, :7] == frame[:, :7]).all() and (out[:, 19:] == frame[:, 19:]).all()
    assert out[:, 8:10].max() < 100 and out[:, 8:12].max() < 240
    np.testing.assert_array_equal(shots.pushed(frame, 0 * shift, depth), frame)
