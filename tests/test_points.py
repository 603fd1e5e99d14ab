"""The point finder against analytic answers: cameras, patches, colours, rims, and a scene of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import fourier_shift
from scipy.spatial.transform import Rotation

from simbench.case import Setting
from simbench.instruments import again, patches, points, pose
from simbench.instruments.points import Finder
from simbench.metrics.reprojection import project, to_camera
from simbench.references import nuisance, views
from simbench.worlds.compile import compile_scene
from simbench.worlds.families import build
from simbench.worlds.render import render
from simbench.worlds.scene import Scene
from simbench.worlds.truth import intrinsics as true_intrinsics
from simbench.worlds.truth import poses as true_poses
from suites import points_table
from suites.revisit import Revisit

SETTING = Setting(width=128, height=128, frames=9, look="rich", given="cam", context=3)
CAMERA = np.array([[160.0, 0.0, 64.0], [0.0, 160.0, 64.0], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A still life on an even orbit of 40 degrees, every object with a pattern."""
    return build("orbit", 3, 1.0, "rich", camera="orbit", pace="even", bare=False)


@pytest.fixture(scope="module")
def find(scene: Scene) -> Finder:
    """A finder of points of the last given frame."""
    home = true_poses(compile_scene(scene, SETTING.frames, SETTING.fps))[SETTING.context - 1]
    return points.finder(scene, SETTING, points.surface_points(scene, SETTING, home), (0, 2, 8))


@pytest.fixture(scope="module")
def clip(scene: Scene) -> np.ndarray:
    """The truth, uint8 [9, 128, 128, 3]."""
    return render(compile_scene(scene, SETTING.frames, SETTING.fps), 128, 128, 3).rgb


def posed(turn: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    """World to camera [4, 4] from a turn in degrees and a shift in m."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix(), shift
    return out


def degrees(first: np.ndarray, second: np.ndarray) -> float:
    """Angle between two cameras."""
    return float(np.degrees(Rotation.from_matrix(first[:3, :3] @ second[:3, :3].T).magnitude()))


def texture(seed: int, sd: float = 1.6) -> np.ndarray:
    """Periodic smooth noise, float32 [96, 96], 0-255."""
    noise = np.random.default_rng(seed).normal(size=(96, 96))
    smooth = cv2.GaussianBlur(np.tile(noise, (3, 3)), (0, 0), sd)[96:192, 96:192]
    return (128 + 40 * smooth / smooth.std()).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_a_camera_is_solved_among_forty_percent_outliers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = rng.uniform(-2.0, 2.0, (110, 3)) + [0.0, 0.0, 6.0]
    camera = posed((4.0, -7.0, 2.0), (0.3, -0.2, 0.4))
    uv = project(world, camera[None], CAMERA[None])[0] + rng.normal(0.0, 0.05, (110, 2))
    wrong = rng.permutation(110)[:44]
    uv[wrong] = rng.uniform(0.0, 128.0, (44, 2))
    solved = pose.solve(world, uv, CAMERA, np.eye(4), 2.0)
    assert solved is not None
    found, agree = solved
    right = np.setdiff1d(np.arange(110), wrong)
    assert degrees(found, camera) < 0.05 and np.linalg.norm(found[:3, 3] - camera[:3, 3]) < 0.02
    assert agree[right].all() and agree[wrong].mean() < 0.1


def test_a_camera_without_noise_is_exact() -> None:
    world = np.random.default_rng(1).uniform(-2.0, 2.0, (40, 3)) + [0.0, 0.0, 6.0]
    camera = posed((2.0, 5.0, -1.0), (0.1, 0.2, -0.3))
    uv = project(world, camera[None], CAMERA[None])[0]
    solved = pose.solve(world, uv, CAMERA, np.eye(4), 2.0)
    assert solved is not None and solved[1].all()
    np.testing.assert_allclose(solved[0], camera, atol=1e-6)


def test_what_fixes_no_camera_is_no_camera() -> None:
    world = np.random.default_rng(2).uniform(-1.0, 1.0, (5, 3)) + [0.0, 0.0, 6.0]
    assert pose.solve(world, np.full((5, 2), 64.0), CAMERA, np.eye(4), 2.0) is None
    one_place = np.tile([0.0, 0.0, 6.0], (20, 1))
    solved = pose.solve(one_place, np.random.default_rng(3).uniform(0, 128, (20, 2)), CAMERA, np.eye(4), 2.0)
    assert solved is not None and np.isfinite(solved[0]).all() and solved[1].mean() < 0.3


def test_nothing_behind_the_eye_agrees() -> None:
    world = np.array([[0.1, 0.2, 5.0], [0.1, 0.2, -5.0], [0.0, 0.0, 0.0]])
    uv = project(world, np.eye(4)[None], CAMERA[None])
    depth = to_camera(world, np.eye(4)[None])[..., 2]
    np.testing.assert_allclose(uv[0, 0], [67.2, 70.4])
    assert np.isnan(uv[0, 1:]).all() and depth[0].tolist() == [5.0, -5.0, 0.0]
    off = pose.errors(world, np.tile([67.2, 70.4], (3, 1)), CAMERA, np.eye(4))
    assert off[0] < 1e-9 and np.isinf(off[1:]).all()


@pytest.mark.parametrize(
    ("shift", "within"),
    [((0.0, 0.0), 0.05), ((0.3, -0.4), 0.1), ((1.25, 0.6), 0.1), ((-2.7, 3.1), 0.1), ((5.5, -4.5), 0.14)],
)
def test_a_shifted_patch_is_found_to_a_tenth_of_a_pixel(shift: tuple[float, float], within: float) -> None:
    still = texture(4, 1.0)
    moved = np.fft.ifft2(fourier_shift(np.fft.fft2(still), shift[::-1])).real.astype(np.float32)
    x, y = np.meshgrid(np.arange(20.5, 80, 9), np.arange(20.5, 80, 9))
    uv = np.stack([x.ravel(), y.ravel()], axis=-1)
    spot, alike = patches.match(still, 30 + 0.6 * moved, uv, 8)
    off = np.hypot(*(spot - uv - shift).T)
    assert np.median(off) < within and np.quantile(off, 0.9) < 2.2 * within and alike.min() > 0.8
    assert np.abs(np.median(spot - uv - shift, axis=0)).max() < 0.07


def test_flat_patches_are_like_nothing() -> None:
    uv = np.array([[48.5, 48.5], [30.2, 61.9]])
    for still, moved in ((np.full((96, 96), 128, np.float32), texture(5)), (texture(5), np.zeros((96, 96)))):
        spot, alike = patches.match(still, moved.astype(np.float32), uv, 8)
        assert (alike == 0).all() and np.isfinite(spot).all()


def test_of_equal_peaks_the_nearest_is_taken() -> None:
    y, x = np.mgrid[:96, :96]
    checker = cv2.GaussianBlur((255.0 * ((x // 6 + y // 6) % 2)).astype(np.float32), (0, 0), 0.8)
    uv = np.array([[48.5, 48.5], [41.5, 53.5]])
    spot, alike = patches.match(checker, checker, uv, 14)
    np.testing.assert_allclose(spot, uv, atol=0.15)
    assert alike.min() > 0.999


def test_points_of_another_colour_are_dropped_and_other_light_is_not() -> None:
    rng = np.random.default_rng(6)
    uv, expected = rng.uniform(0.0, 128.0, (90, 2)), rng.uniform(20.0, 235.0, (90, 3))
    ramp = (0.88 + 0.24 * uv[:, :1] / 128.0) * 235.0 / 255.0
    for made in (
        expected,
        expected * [1.06, 1.0, 0.9],
        255.0 * (expected / 255.0) ** 1.6,
        255.0 * (expected / 255.0) ** 0.8,
        expected * ramp,
        np.clip(expected + rng.normal(0.0, 8.0, expected.shape), 0, 255),
    ):
        assert patches.own_colour(made, expected, uv).all()
    other = expected.copy()
    other[:20] = (expected[:20] + 128.0) % 256.0
    kept = patches.own_colour(other * [1.06, 1.0, 0.9], expected, uv)
    assert kept[:20].mean() < 0.1 and kept[20:].all()


@pytest.mark.parametrize("sd", [0.0, 0.9, 1.6, 2.5])
def test_a_picture_is_made_as_soft_as_another(sd: float) -> None:
    sharp = texture(7, 1.0)
    soft = sharp if sd == 0 else cv2.GaussianBlur(sharp, (0, 0), sd)
    made = patches.as_soft_as(sharp, 60 + 0.7 * soft)
    assert patches.sharpness(made) == pytest.approx(patches.sharpness(soft), rel=0.15)
    assert np.array_equal(made, sharp) is (sd == 0)


def test_sharpness_knows_no_contrast_and_agreement_no_light() -> None:
    still = texture(8)
    assert patches.sharpness(10 + 0.5 * still) == pytest.approx(patches.sharpness(still), rel=1e-3)
    assert patches.agreement(still, 20 + 0.4 * still) == pytest.approx(1.0, abs=1e-4)
    assert patches.agreement(still, 255 - still) == pytest.approx(-1.0, abs=1e-4)
    assert abs(patches.agreement(still, texture(9))) < 0.15
    assert abs(patches.agreement(still, np.full_like(still, 90))) < 0.02


def similarity(zoom: float, shift: tuple[float, float], count: int = 80) -> np.ndarray:
    """Pairs [count, 4] px of an image 128 px wide, zoomed about its middle and shifted, 0.05 px off."""
    rng = np.random.default_rng(10)
    uv = rng.uniform(4.0, 124.0, (count, 2))
    return np.concatenate([uv, 64 + zoom * (uv - 64) + shift + rng.normal(0, 0.05, uv.shape)], axis=1)


def test_another_framing_is_recovered() -> None:
    pairs = similarity(1.03, (2.5, -1.2))
    pairs[:20, 2:] += 9.0
    ways = patches.framing(pairs, 128, 128)
    assert ways is not None
    # `ways` counts pixel centres at integers, the pairs at +0.5.
    made = (pairs[:, :2] - 0.5) @ ways[:, :2].T + ways[:, 2] + 0.5
    assert np.abs(made[20:] - pairs[20:, 2:]).max() < 0.3
    assert np.sqrt(np.linalg.det(ways[:, :2])) == pytest.approx(1.03, abs=2e-3)


@pytest.mark.parametrize(
    "pairs",
    [
        similarity(1.2, (0.0, 0.0)),
        similarity(1.0, (0.0, 0.0)),
        similarity(1.03, (0.0, 0.0), 8),
        np.random.default_rng(11).uniform(0.0, 128.0, (80, 4)),
        np.zeros((0, 4)),
    ],
    ids=["zoom 20 %", "none", "8 points", "nothing agrees", "no points"],
)
def test_what_is_no_other_framing_is_left_alone(pairs: np.ndarray) -> None:
    assert patches.framing(pairs, 128, 128) is None


def test_rims_are_where_surfaces_end() -> None:
    x = np.tile(np.arange(64.0), (64, 1))
    slanted = 1.0 / (0.4 - 0.004 * x)
    assert not points.rims(slanted).any()
    step = np.where(x < 32, slanted, 1.3 * slanted)
    columns = np.flatnonzero(points.rims(step).any(axis=0))
    assert columns.min() == 31 - patches.HALF and columns.max() == 32 + patches.HALF
    sky = np.where(x < 32, slanted, 0.0)
    assert points.rims(sky)[:, 32:].all() and not points.rims(sky)[:, : 31 - patches.HALF].any()


def test_surface_points_lie_on_surfaces(scene: Scene, find: Finder) -> None:
    compiled = compile_scene(scene, SETTING.frames, SETTING.fps)
    np.testing.assert_allclose(find.camera, true_intrinsics(compiled, 128, 128)[0], rtol=1e-6)
    home = find.truth.uv[2]
    depth = render(compiled, 128, 128, 2).depth[2]
    x, y = np.floor(home).astype(int).T
    assert 80 <= len(find.points) <= 160 and find.truth.seen[2].all()
    np.testing.assert_allclose(home % 1.0, 0.5, atol=1e-3)
    np.testing.assert_allclose(find.truth.depth[2], depth[y, x], rtol=1e-4)
    assert (find.truth.seen.sum(axis=1) > 40).all() and not find.truth.seen.all()


def test_a_view_of_the_sky_has_no_points_and_nothing_is_found_in_it(scene: Scene) -> None:
    upward = posed((90.0, 0.0, 0.0), (0.0, 0.0, 0.0)) @ posed((0.0, 0.0, 0.0), (0.0, -3.0, 0.0))
    assert to_camera(np.array([[0.0, 9.0, 0.0]]), upward[None])[..., 2] == pytest.approx(6.0)
    none = points.surface_points(scene, SETTING, upward)
    assert none.shape == (0, 3)
    found = points.finder(scene, SETTING, none).follow(np.zeros((9, 128, 128, 3), np.uint8))
    assert not found.registered.any() and found.uv.shape == (9, 0, 2)


def off_px(find: Finder, uv: np.ndarray, found: np.ndarray, filmed: points.Filmed) -> np.ndarray:
    """Distances, px, of what was found from what the cameras of `filmed` see."""
    both = found & filmed.seen
    assert both.sum() > 0.9 * filmed.seen.sum()
    return np.hypot(*(uv - filmed.uv)[both].T)


def test_the_truth_is_found_where_it_is(find: Finder, clip: np.ndarray) -> None:
    found = find.follow(clip)
    assert found.registered.all() and found.share.min() > 0.95
    assert np.median(off_px(find, found.uv, found.found, find.truth)) < 0.1
    assert max(degrees(a, b) for a, b in zip(found.poses, find.truth.poses, strict=True)) < 0.1
    assert np.isnan(found.uv[~found.found]).all() and np.isfinite(found.uv[found.found]).all()


@pytest.mark.parametrize("name", ["noise", "gamma 1.6", "tint", "zoom 3 %", "crf 28"])
def test_a_nuisance_moves_no_point(find: Finder, clip: np.ndarray, name: str) -> None:
    found = find.follow(nuisance.nuisances(15.0, 128, 8.0)[name](clip))
    assert found.registered.all()
    assert np.median(off_px(find, found.uv, found.found, find.truth)) < 0.25


def test_another_camera_is_found_where_it_is(scene: Scene, find: Finder) -> None:
    slow = find.follow(views.half_speed(scene, SETTING, 3, 0))
    times = np.arange(9) / 8.0
    eyes = views.film_poses(scene, np.where(times > 0.25, 0.25 + 0.5 * (times - 0.25), times))
    filmed = points.film(scene, SETTING, find.points, eyes)
    assert slow.registered.all()
    assert max(degrees(a, b) for a, b in zip(slow.poses, eyes, strict=True)) < 0.15
    assert np.median(off_px(find, slow.uv, slow.found, filmed)) < 0.15


def test_a_frozen_video_is_found_at_the_last_given_camera(scene: Scene, find: Finder) -> None:
    still = find.follow(views.frozen(scene, SETTING, 3, 0))
    assert still.registered.all()
    assert max(degrees(p, find.truth.poses[2]) for p in still.poses[3:]) < 0.1
    assert np.nanmedian(np.abs(still.uv[3:] - find.truth.uv[2])) < 0.05


@pytest.mark.parametrize("name", ["noise", "black", "another's floor", "upside down"])
def test_what_shows_something_else_is_not_registered(find: Finder, clip: np.ndarray, name: str) -> None:
    made = clip.copy()
    made[3:] = {
        "noise": np.random.default_rng(12).integers(0, 256, made[3:].shape, dtype=np.uint8),
        "black": np.zeros_like(made[3:]),
        "another's floor": np.roll(clip[3:], 64, axis=1),
        "upside down": clip[3:, ::-1],
    }[name]
    found = find.follow(made)
    assert found.registered[:3].all() and not found.registered[3:].any()
    assert not found.found[3:].any() and np.isnan(found.poses[3:]).all() and (found.share[3:] == 0).all()


@pytest.mark.parametrize("name", ["81-0002", "83-0000"])
def test_bricks_seen_from_elsewhere_are_not_taken_for_the_view(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = Revisit()
    (case,) = suite.cases(name)
    asked = again.ask(suite.walk(case))
    clip = suite.oracle(case).frames
    assert asked.away[5] and not asked.find.follow(clip).found[asked.away].any()
    # The points alone say otherwise: 40 of them and more agree on a camera that never was.
    monkeypatch.setattr(points, "agreement", lambda first, second: 1.0)
    deceived = dataclasses.replace(asked.find, known={}).follow(clip)
    assert deceived.registered[5] and deceived.found[5].sum() >= 40


def test_equal_pictures_are_read_once_and_alike(
    find: Finder, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = dataclasses.replace(find, known={})
    first = fresh.follow(clip)
    read = len(fresh.known)
    assert 0 < read <= len(clip)
    monkeypatch.setattr(Finder, "_sight", lambda *arguments: pytest.fail("read again"))
    again = fresh.follow(clip.copy())
    for name in ("poses", "registered", "uv", "found", "share"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert len(fresh.known) == read


def test_no_more_pictures_are_remembered_than_said(
    find: Finder, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "REMEMBERED", 4)
    fresh = dataclasses.replace(find, known={})
    found = fresh.follow(clip)
    assert 0 < len(fresh.known) <= 4
    np.testing.assert_array_equal(found.uv, find.follow(clip).uv)


def test_the_table_of_errors_holds_what_was_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "card.md"
    page.write_text("# card\n\n<!-- instrument -->\n<!-- /instrument -->\n")
    some = {"none": lambda frames: frames, "white": lambda frames: np.full_like(frames, 255)}
    monkeypatch.setattr(points_table, "ways", lambda suite: some)
    assert points_table.main(["suite=geometry", "scenes=1", "frames=9", f"card={page}"]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed in page.read_text()
    rows = {r.split(" | ")[0].strip("| "): r.strip("| ").split(" | ")[1:] for r in printed.splitlines()[4:]}
    none, white, stale = rows.values()
    assert list(rows)[2] == points_table.STALE
    assert float(none[0]) < 0.1 and none[2] == "0.0" and none[5] == "100.0" and float(none[6]) > 0.9
    assert white[:2] == ["-", "-"] and white[2] == "100.0" and white[3:6] == ["-", "-", "0.0"]
    assert float(white[6]) < 0.0
    # The patch that was given is a worse guess of how a point looks later than the one drawn anew.
    assert float(stale[6]) < float(none[6]) - 0.1 and float(stale[1]) > 2 * float(none[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["suite=permanence"], "suite=permanence finds no points; use for example suite=geometry"),
        (["card=nowhere.md"], "nowhere.md is no page"),
        (["scene=3"], "unknown option scene=3"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert points_table.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_what_is_done_to_the_truth_is_what_it_is_called() -> None:
    grey = np.full((3, 64, 64, 3), 100, np.uint8)
    grained = points_table.grain(grey, 5.0).astype(float)
    assert grained.std() == pytest.approx(5.0, rel=0.05) and np.ptp(grained, axis=-1).max() == 0
    edge = np.where(np.arange(64) < 32, 40, 200).astype(np.uint8)[None, None, :, None].repeat(3, -1)
    soft = points_table.soft(np.broadcast_to(edge, (2, 64, 64, 3)), 64)
    assert soft[0, 0, 4, 0] == 58 and soft[0, 0, -4, 0] == 186
    assert len(np.unique(soft)) > 2
