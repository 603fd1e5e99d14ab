"""Two views without a known world: the truth of rendered pairs found again, degenerate ones called so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simbench.instruments import epipolar_fit as fit
from simbench.instruments.footage import agreement_on, measure, pairs, versions
from simbench.instruments.matching import Matches, features, match
from simbench.instruments.rectified import ROWS, Rig, dense_disparity, known_disparity, sampled
from simbench.instruments.twoview import TwoView, register, two_view
from simbench.metrics.epipolar import sampson
from simbench.metrics.reprojection import absrel
from simbench.video import Video, encode
from simbench.worlds.clip import Clip, make_clip
from simbench.worlds.families import build
from simbench.worlds.sheet import write_png
from suites import footage

REAL = Path(os.environ.get("SIMBENCH_FOOTAGE", Path(__file__).resolve().parents[2] / "shared" / "data"))
K = np.array([[300.0, 0.0, 160.0], [0.0, 300.0, 120.0], [0.0, 0.0, 1.0]])
SIZE, FRAMES = 256, 7


def filmed(family: str, seed: int = 0, **chosen: object) -> Clip:
    return make_clip(build(family, seed, 2.0, "rich", 0.25, **chosen), SIZE, SIZE, FRAMES, 8.0)


@pytest.fixture(scope="module")
def orbit() -> Clip:
    return filmed("orbit", pace="even", bare=False, camera="orbit")


@pytest.fixture(scope="module")
def truck() -> Clip:
    """A camera that goes to its right without turning: every pair of its frames is rectified."""
    return filmed("orbit", 2, pace="even", bare=False, camera="truck")


def seen(clip: Clip, first: int, second: int, cameras: bool = False) -> TwoView:
    k = (clip.intrinsics[first], clip.intrinsics[second]) if cameras else None
    return two_view(features(clip.rgb[first]), features(clip.rgb[second]), k)


def cloud(seed: int, count: int, turn: float, shift: float, noise: float, wrong: int) -> Matches:
    """Matches of `count` points 4 to 10 m away from a camera that turns (radians) and shifts (m) by that
    much; `wrong` of them anywhere."""
    rng = np.random.default_rng(seed)
    x = rng.uniform([-2, -1.5, 4], [2, 1.5, 10], (count, 3))
    c, s = np.cos(turn), np.sin(turn)
    y = x @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + [shift, 0.3 * shift, 0.1 * shift]
    a, b = ((p @ K.T)[:, :2] / p[:, 2:] + rng.normal(0, noise, (count, 2)) for p in (x, y))
    b[:wrong] = rng.uniform([0, 0], [320, 240], (wrong, 2))
    return Matches(a, b)


def hasty(seed: int) -> Matches:
    """Some matches of a still world seen by a camera that goes a step, up to half of them false."""
    import cv2

    rng = np.random.default_rng(seed)
    count = int(rng.integers(16, 200))
    points = np.c_[rng.uniform(-3, 3, (count, 2)), rng.uniform(4, 9, count)]
    camera = np.array([[200.0, 0.0, 120.0], [0.0, 200.0, 120.0], [0.0, 0.0, 1.0]])
    turn, way = cv2.Rodrigues(rng.normal(0, 0.03, 3))[0], rng.normal(0, 0.05, 3) * rng.uniform(0, 2)
    first, second = (
        (p @ camera.T)[:, :2] / p[:, 2:] + rng.normal(0, 0.1, (count, 2))
        for p in (points, points @ turn.T + way)
    )
    false = rng.random(count) < rng.uniform(0, 0.5)
    second[false] = rng.uniform(0, 240, (int(false.sum()), 2))
    return Matches(first, second)


@pytest.mark.parametrize("seed", [239, 429, 495, 608, 653, 800, 1068])
def test_matches_at_which_opencv_stops_are_registered_all_the_same(seed: int) -> None:
    """OpenCV 5.0.0 raises for each of these: an assertion in usac/estimator.cpp."""
    view = register(hasty(seed), None, 0.5)
    assert view.f is not None and view.kept > 0.9
    assert np.linalg.matrix_rank(view.f, 1e-9) == 2 and np.linalg.norm(view.f) == pytest.approx(1.0)


def test_another_start_leads_to_the_same_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    matches, asked, find = hasty(18), [], cv2.findFundamentalMat

    def failing(first: np.ndarray, second: np.ndarray, method: int, *rest: object) -> object:
        """Stops at an assertion for all methods but one."""
        asked.append(method)
        if method != works:
            raise cv2.error("estimator.cpp:418: (-215:Assertion failed)")
        return find(first, second, method, *rest)

    usual = register(matches, None, 0.5)
    monkeypatch.setattr(cv2, "findFundamentalMat", failing)
    works = cv2.FM_RANSAC
    other = register(matches, None, 0.5)
    assert asked == [cv2.USAC_MAGSAC, cv2.FM_RANSAC]
    assert other.kind == usual.kind and other.kept == pytest.approx(usual.kept, abs=0.01)
    np.testing.assert_allclose(np.abs(other.f), np.abs(usual.f), atol=1e-3)
    works = -1
    none = register(matches, None, 0.5)
    assert none.f is None and none.kept == 0.0


def test_the_truth_of_a_rendered_pair_is_found(orbit: Clip) -> None:
    for cameras in (False, True):
        view = seen(orbit, 0, 2, cameras)
        assert view.kind == "parallax" and view.reason == "" and view.kept > 0.8
        both = orbit.visible[0] & orbit.visible[2]
        off = sampson(view.f, orbit.uv[0][both], orbit.uv[2][both])
        assert np.median(off) < 0.25 and np.percentile(off, 90) < 0.6, np.percentile(off, [50, 90])
        assert view.sampson_px() < 0.25 and view.sampson_px() <= view.sampson_px(kept=False)
        assert view.symmetric_px() == pytest.approx(2 * view.sampson_px(), rel=0.1)


def test_camera_and_depth_of_a_rendered_pair(orbit: Clip) -> None:
    view = seen(orbit, 0, 3, cameras=True)
    true = orbit.poses[3] @ np.linalg.inv(orbit.poses[0])
    length = np.linalg.norm(true[:3, 3])
    turned = np.degrees(np.arccos((np.trace(view.pose[:3, :3].T @ true[:3, :3]) - 1) / 2))
    aside = np.degrees(np.arccos(view.pose[:3, 3] @ true[:3, 3] / length))
    assert turned < 0.4 and aside < 2.0, (turned, aside)
    assert np.nanmedian(view.reproj_px) < 0.3
    depth = sampled(orbit.depth[0], view.matches.first)
    known = view.agrees & np.isfinite(view.points[:, 2]) & (depth > 0)
    assert known.sum() > 40 and absrel(view.points[known, 2] * length, depth[known]) < 0.06


def test_a_turn_is_degenerate() -> None:
    clip = filmed("look-away", 2, angle=40.0)
    first, second = 2, 3
    assert seen(clip, first, second).kind == "flat"
    view = seen(clip, first, second, cameras=True)
    assert view.kind == "turn" and "turn of the camera is enough" in view.reason and view.pose is None


def test_a_flat_picture_is_degenerate(orbit: Clip) -> None:
    import cv2

    # A picture on a slanted wall 5 m away, the camera 0.6 m further to the right.
    k, wall = orbit.intrinsics[0], np.array([0.35, 0.1, 1.0]) / 5.0
    plane = k @ (np.eye(3) + np.outer([-0.6, 0.05, 0.1], wall)) @ np.linalg.inv(k)
    card = cv2.warpPerspective(orbit.rgb[0], plane, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    a, b = features(orbit.rgb[0]), features(card)
    for cameras in (None, (k, k)):
        view = two_view(a, b, cameras)
        assert view.kind == "flat" and "flat picture" in view.reason
        assert view.kept > 0.9, "it agrees: agreement alone does not tell it from a world"


def test_nothing_to_see_has_a_reason(orbit: Clip) -> None:
    picture, black = orbit.rgb[0], np.zeros_like(orbit.rgb[0])
    noise = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    for first, second, word in (
        (black, black, "0 features"),
        (picture, black, "second picture"),
        (black, picture, "first picture"),
        (noise[0], noise[1], "little in common"),
        (noise[0], picture, "little in common"),
    ):
        view = two_view(features(first), features(second))
        assert view.kind == "lost" and word in view.reason, view.reason
        assert view.kept == 0.0 and np.isnan(view.sampson_px())
    still = two_view(features(picture), features(picture), (K, K))
    assert still.kind == "still" and "nothing moved" in still.reason and still.kept == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_outliers_make_no_world_of_a_turn(seed: int) -> None:
    for wrong in (0, 60):
        matches = cloud(seed, 200, 0.1, 0.0, 0.3, wrong)
        assert register(matches).kind == "flat"
        assert register(matches, (K, K)).kind == "turn"


@pytest.mark.parametrize("seed", range(6))
def test_noise_reads_as_the_noise_that_it_is(seed: int) -> None:
    for cameras in (None, (K, K)):
        view = register(cloud(seed, 300, 0.05, 0.8, 0.3, 75), cameras)
        assert view.kind == "parallax" and not view.agrees[:75].mean() > 0.1
        # The median of |N(0, s)| is 0.674 s.
        right = sampson(view.f, view.matches.first[75:], view.matches.second[75:])
        assert np.median(right) == pytest.approx(0.674 * 0.3, rel=0.25)


def test_matches_without_a_motion_are_lost() -> None:
    rng = np.random.default_rng(0)
    view = register(Matches(*rng.uniform(0, 300, (2, 100, 2))))
    assert view.kind == "lost" and view.reason
    one = np.tile([[10.0, 20.0]], (40, 1))
    line = np.stack([np.linspace(0, 300, 40), np.linspace(5, 200, 40)], axis=1)
    for first, second in ((one, one + 5), (line, line + [7.0, 0.0]), (one, one)):
        for cameras in (None, (K, K)):
            assert register(Matches(first, second), cameras).kind in ("lost", "flat", "turn", "still")


def test_the_estimators_give_none_for_what_they_cannot_fit() -> None:
    few = np.arange(6.0).reshape(3, 2)
    assert fit.homography(few, few, 1.0) is None and fit.refined_fundamental(few, few, 1.0) is None
    assert fit.refined_pose(few, few, (K, K), 1.0) is None
    assert np.isinf(fit.homography_error(None, few, few)).all()
    with pytest.raises(ValueError, match="uint8"):
        features(np.zeros((8, 8)))


def test_each_match_is_mutual_and_comes_once(orbit: Clip) -> None:
    own = features(orbit.rgb[0])
    found = match(own, own)
    assert len(found.first) > 100 and found.moved().max() == 0.0
    assert len(np.unique(found.first, axis=0)) == len(found.first)
    # Pixel centres lie at +0.5: a picture that is mirrored has its features mirrored about width / 2.
    there = match(own, features(np.roll(orbit.rgb[0], 6, axis=1)))
    assert np.median(there.second - there.first, axis=0) == pytest.approx([6.0, 0.0], abs=0.02)


def test_what_no_camera_filmed_and_what_sees_it(orbit: Clip) -> None:
    clips = versions(orbit.rgb)
    views = {name: pairs(clip) for name, clip in clips.items()}
    result = {name: measure(each, (SIZE, SIZE)) for name, each in views.items()}
    own = result["original"]
    assert own.kinds["parallax"] == FRAMES - 1 and own.kept > 0.85 and own.gated == own.kept
    # Blind: agreement rewards what stands still or is flat; gated it is nothing.
    assert result["frozen"].kept == 1.0 and result["frozen"].gated == 0.0
    assert result["frozen"].kinds["still"] == FRAMES - 1 and np.isnan(result["frozen"].jerk)
    assert result["postcard"].kept > 0.9 and result["postcard"].gated == 0.0
    # Blind: time turned round.
    assert result["backwards"].gated == pytest.approx(own.gated, abs=0.05)
    # Seen: bending by agreement and its error, shuffling by the motion alone.
    assert result["wobbled"].gated < 0.75 * own.gated
    assert result["wobbled"].sampson_all_px > 3 * own.sampson_all_px
    assert result["shuffled"].jerk > 0.8 > own.jerk
    nowhere = agreement_on(views["original"], np.zeros(orbit.rgb.shape[:3], bool))
    assert np.isnan(nowhere[0]) and 0.85 < nowhere[1] <= 1.0


def test_a_rectified_pair_in_metres(truck: Clip) -> None:
    rel = truck.poses[2] @ np.linalg.inv(truck.poses[0])
    assert rel[:3, :3] == pytest.approx(np.eye(3), abs=1e-6), "the camera does not turn"
    first, second = (0, 2) if rel[0, 3] < 0 else (2, 0)
    k, base = truck.intrinsics[0], float(np.linalg.norm(rel[:3, 3]))
    rig = Rig(k[0, 0], k[0, 2], k[1, 2], 0.0, base)
    depth = np.where(truck.depth[first] > 0, truck.depth[first], np.nan).astype(float)
    true = rig.focal * base / depth
    assert rig.depth(true)[np.isfinite(true)] == pytest.approx(depth[np.isfinite(true)])
    assert np.isnan(rig.depth(np.array([0.0, -1.0]))).all()
    view = seen(truck, first, second, cameras=True)
    floor = sampson(ROWS, view.matches.first, view.matches.second)
    assert view.kind == "parallax" and np.median(floor) < 0.1
    dense = dense_disparity(truck.rgb[first], truck.rgb[second], 64)
    off = known_disparity(dense, true)
    assert off["median_px"] < 0.5 and off["coverage"] > 0.5
    both = np.isfinite(dense) & np.isfinite(true)
    assert np.median(np.abs(rig.depth(dense[both]) / depth[both] - 1)) < 0.05


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, np.ndarray], Path]:
    def write(name: str, frames: np.ndarray) -> Path:
        path = tmp_path / name
        path.mkdir()
        for t, frame in enumerate(frames):
            write_png(path / f"{t:05d}.png", frame)
        return path

    return write


def test_the_command_on_a_clip(orbit: Clip, folder, capsys, tmp_path: Path) -> None:
    path = folder("clip", orbit.rgb[:5])
    masks = folder("masks", np.repeat((orbit.depth[:5, ..., None] < 5.0) * np.uint8(255), 3, axis=-1))
    sheet = tmp_path / "sheet.png"
    assert footage.main([f"clip={path}", f"masks={masks}", f"sheet={sheet}"]) == 0
    printed = capsys.readouterr().out
    for words in (
        "original",
        "4/4",
        "wobbled",
        "agreement rewards standing still",
        "Blind:",
        "matches on what",
    ):
        assert words in printed, printed
    assert sheet.stat().st_size > 1000
    video = tmp_path / "clip.mkv"
    encode(Video(orbit.rgb[:5], 8.0), video)
    assert footage.main([f"clip={video}", "gap=2"]) == 0
    assert "5 frames 256x256, 2 apart" in capsys.readouterr().out
    assert footage.main([f"clip={video}", "gap=4"]) == 2
    assert "gap=4 needs 6 frames" in capsys.readouterr().err
    black = folder("black", np.zeros_like(orbit.rgb[:4]))
    assert footage.main([f"clip={black}"]) == 3
    assert "nothing registered: 0 features" in capsys.readouterr().out


def test_the_command_on_a_pair(truck: Clip, tmp_path: Path, capsys) -> None:
    rel = truck.poses[2] @ np.linalg.inv(truck.poses[0])
    first, second = (0, 2) if rel[0, 3] < 0 else (2, 0)
    k, base = truck.intrinsics[0], float(np.linalg.norm(rel[:3, 3]))
    for name, t in (("left", first), ("right", second)):
        write_png(tmp_path / f"{name}.png", truck.rgb[t])
    depth = np.where(truck.depth[first] > 0, truck.depth[first], np.nan)
    np.savez(tmp_path / "true.npz", k[0, 0] * base / depth)
    asked = [f"pair={tmp_path}/left.png,{tmp_path}/right.png", "rectified=true"]
    asked += [f"disparity={tmp_path}/true.npz", f"focal={k[0, 0]}", f"x={k[0, 2]}", f"y={k[1, 2]}"]
    assert footage.main([*asked, f"baseline={base}"]) == 0
    printed = capsys.readouterr().out
    for words in (
        "kind parallax",
        "the floor of this footage",
        "true depth",
        "fitted camera",
        "triangulated",
    ):
        assert words in printed, printed
    write_png(tmp_path / "right.png", np.zeros_like(truck.rgb[0]))
    assert footage.main(asked[:2]) == 3
    assert "0 features in the second picture" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clip=nowhere"], "is not there"),
        (["pair=one.png"], "give two"),
        (["pair=one.png,two.png"], "not a file"),
        (["clip=a", "pair=b,c"], "either"),
        (["size=3"], "unknown option"),
        (["pair=a,b", "threshold=0"], "must be above 0"),
        (["clip=a", "rectified=perhaps"], "true or false"),
    ],
)
def test_bad_input_is_named(arguments: list[str], words: str, capsys) -> None:
    assert footage.main(arguments) == 2
    assert words in capsys.readouterr().err


def test_bad_calibration_and_truth_are_named(truck: Clip, tmp_path: Path, capsys) -> None:
    write_png(tmp_path / "a.png", truck.rgb[0])
    np.save(tmp_path / "small.npy", np.zeros((4, 4)))
    pair = f"pair={tmp_path}/a.png,{tmp_path}/a.png"
    for extra, words in (
        (["focal=100"], "x= is needed"),
        (["focal=0", "x=1", "y=1", "baseline=1"], "above 0"),
        ([f"disparity={tmp_path}/small.npy"], "as the picture"),
        ([f"disparity={tmp_path}/no.npy"], "cannot be read"),
    ):
        assert footage.main([pair, *extra]) == 2
        assert words in capsys.readouterr().err


def test_real_clip(capsys) -> None:
    path = REAL / "davis_horsejump"
    if not path.is_dir():
        pytest.skip(f"no {path}: real footage is not part of the repository; set SIMBENCH_FOOTAGE")
    assert footage.main([f"clip={path}/video", f"masks={path}/masks", "frames=6"]) == 0
    printed = capsys.readouterr().out
    own = next(line for line in printed.splitlines() if line.startswith("original  "))
    assert "5/5" in own and float(own.split("%")[0].split()[-1]) > 90


def test_real_stereo_pair() -> None:
    path = REAL / "stereo"
    if not path.is_dir():
        pytest.skip(f"no {path}: real footage is not part of the repository; set SIMBENCH_FOOTAGE")
    from simbench.decoding import read_image

    left, right = (read_image(path / f"motorcycle_{side}.png", side) for side in ("left", "right"))
    rig = Rig(994.978, 311.193, 254.877, 31.086, 0.193001)
    view = two_view(features(left), features(right), rig.cameras())
    assert view.kind == "parallax" and view.kept > 0.9
    assert np.median(sampson(ROWS, view.matches.first, view.matches.second)) < 0.15
    assert view.pose[:3, 3] == pytest.approx([-1.0, 0.0, 0.0], abs=0.01)
    want = rig.depth(sampled(np.load(path / "motorcycle_disp.npz")["arr_0"], view.matches.first))
    known = view.agrees & np.isfinite(want) & np.isfinite(view.points[:, 2])
    assert absrel(view.points[known, 2] * rig.baseline, want[known]) < 0.03
