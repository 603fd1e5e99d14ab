"""Others reward what S does not: videos and camera paths of our orbit worlds under six public measures."""

from __future__ import annotations

import numpy as np
import pytest
import rivals_3d
import rivals_3d_measures as theirs
from metrics_scenes import camera_path, cloud, intrinsics_of

from simbench.metrics import epipolar, reprojection
from simbench.references import shots
from simbench.worlds.families import build

pytestmark = pytest.mark.slow
Table = dict[str, dict[str, float]]
BROKEN = [n for n in rivals_3d.VIDEOS if not n.startswith("truth")]


@pytest.fixture(scope="module")
def table() -> Table:
    return rivals_3d.compare(2, seed="other")


def test_gvgc_prefers_frozen_and_flat_videos_to_the_truth(table: Table) -> None:
    truth = table["truth"]
    assert table["frozen"]["keep"] > 0.99 and table["frozen"]["error"] < 0.01
    for name in ("flat postcard", "half speed"):
        assert table[name]["keep"] > truth["keep"], name
    assert table["flat postcard"]["error"] < 1.1 * truth["error"]
    assert table["depth redrawn in every frame"]["error"] < truth["error"]


def test_tsed_does_not_see_what_stays_on_its_lines(table: Table) -> None:
    for name in ("truth", "frozen", "flat postcard", "melts sideways", "half speed"):
        assert table[name]["tsed"] > 0.99, name
    assert table["bobs up and down"]["tsed"] < 0.3


def test_vbench_multi_view_is_texture_times_speed(table: Table) -> None:
    truth = table["truth"]["vbench"]
    for name in ("flat postcard", "melts sideways"):
        assert table[name]["vbench"] > 0.9 * truth, name
    assert table["another world"]["vbench"] > 0.4 * truth
    plain = rivals_3d.compare(2, "plain", "other", ("truth",))["truth"]["vbench"]
    assert plain < 0.6 * truth


def test_worldscore_hardly_charges_noise(table: Table) -> None:
    truth, noise = table["truth"], table["noise"]
    assert noise["mse"] > 10 * truth["mse"]
    assert noise["wrapped"] < 4 * truth["wrapped"]
    assert table["frozen"]["wrapped"] == 0


def test_motsmooth_charges_motion_itself(table: Table) -> None:
    assert table["frozen"]["motion"] == pytest.approx(1.0)
    assert table["truth"]["motion_right"] > 0.95 > 0.8 > table["truth"]["motion"]
    assert table["half speed"]["motion"] > table["truth"]["motion"]


def test_ours_scores_the_truth_alone(table: Table) -> None:
    for name in ("truth", "truth + noise sd 8"):
        assert table[name]["geometry"] > 90 and table[name]["camera"] > 95, name
    for name in BROKEN:
        assert table[name]["geometry"] <= 5, name
    assert abs(table["frozen"]["camera"]) < 5
    assert 30 < table["half speed"]["camera"] < 70


def test_redrawn_depth_stays_on_epipolar_lines() -> None:
    scene = build("orbit", 401, 2.0, "rich", camera="orbit")
    truth = shots.shot(scene, rivals_3d.SETTING)
    f = epipolar.fundamental(truth.poses[4], truth.poses[14], truth.camera, truth.camera)
    factor = np.where(truth.ids[14] % 2 == 0, 0.8, 1.25)
    place, source = rivals_3d.misplaced(truth, 14, 4, factor), truth.carried(14, 4)[0]
    solid = truth.ids[14] >= 0
    # What is off by several pixels lies on its epipolar line: within the rounding of poses to 2^-20.
    assert epipolar.sampson(f, source[solid], place[solid]).max() < 0.01
    here = rivals_3d.misplaced(truth, 14, 4, np.ones_like(factor))
    assert np.median(np.linalg.norm(place - here, axis=-1)[solid]) > 2
    y, x = np.indices(solid.shape) + 0.5
    assert np.abs(here - np.stack([x, y], axis=-1))[solid].max() < 0.01


def test_paths_as_probed() -> None:
    made = rivals_3d.paths()
    table = rivals_3d.compare_paths(made, made["as asked"])
    precision = {name: round(row["wrbench"], 2) for name, row in table.items()}
    assert precision["as asked"] == 1.0 and precision["turns right and flies 94 m away"] == 1.0
    assert precision["80 %"] == 0.88 and precision["50 %"] == 0.72
    assert precision["4 %"] == 0.53 and precision["3 degrees in one single frame"] == 0.52
    assert precision["never returns"] > 0.6
    assert precision["frozen"] == precision["the other way"] == 0.0
    control = {name: row["memobench"] for name, row in table.items()}
    assert control["90 % of the amplitude"] == pytest.approx(0.656, abs=0.005)
    assert control["80 %"] == pytest.approx(0.311, abs=0.005)
    assert control["50 %"] == control["frozen"] == control["the other way"] == 0.0
    one_way = np.linspace(0, 60, 81)
    still = rivals_3d.turning(0 * one_way)
    assert theirs.memobench_control(still, rivals_3d.turning(one_way)) == pytest.approx(0.421, abs=0.005)


def test_ours_is_the_amplitude_and_nothing_for_a_twitch() -> None:
    made = rivals_3d.paths()
    table = rivals_3d.compare_paths(made, made["as asked"])
    ours = {name: row["ours"] for name, row in table.items()}
    for name, share in (
        ("as asked", 100),
        ("90 % of the amplitude", 90),
        ("80 %", 80),
        ("50 %", 50),
        ("4 %", 4),
    ):
        assert ours[name] == pytest.approx(share, abs=1e-3), name
    assert ours["frozen"] == pytest.approx(0) and ours["the other way"] == pytest.approx(-100)
    assert ours["3 degrees in one single frame"] < 1
    assert ours["turns right and flies 94 m away"] < -100
    assert 40 < ours["never returns"] < 60


def test_worldscores_error_wraps() -> None:
    black = np.zeros((2, 2, 3), np.uint8)
    for level in (16, 32, 64, 128):
        assert theirs.worldscore_mse(black + np.uint8(level), black) == 0
        assert theirs.plain_mse(black + np.uint8(level), black) == level**2
    assert theirs.worldscore_mse(black + np.uint8(100), black) == 10000 % 256
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert theirs.worldscore_mse(*noise) == pytest.approx(105, abs=3)
    assert theirs.plain_mse(*noise) == pytest.approx(10923, rel=0.03)


def test_motsmooth_by_hand() -> None:
    import cv2

    rng = np.random.default_rng(1)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8), (0, 0), 1.5)
    frames = np.stack([wide[:, 20 - 2 * t : 84 - 2 * t] for t in range(4)])
    flow = np.zeros((3, 64, 64, 2), np.float32)
    flow[..., 0] = 2.0
    ways = {w: theirs.motion_smoothness(frames, flow, w) for w in ("theirs", "none", "right")}
    assert ways["right"] > 0.95 > 0.8 > ways["none"] > ways["theirs"]


def test_gvgc_tsed_and_vbench_on_points_without_pictures() -> None:
    # Descriptors that name their point: matches are perfect, and only the geometry is judged.
    poses, k, points = camera_path(3), intrinsics_of(9, 300.0, 256.0), cloud(3, 60)
    words = np.random.default_rng(0).normal(size=(60, 128)).astype(np.float32)
    seen = [theirs.Features(uv, words) for uv in reprojection.project(points, poses, k)]
    keep, error = theirs.gvgc(seen, (4,))
    assert keep == 1.0 and error < 1e-3
    assert theirs.tsed(seen, poses, k[0]) == 1.0
    rng = np.random.default_rng(1)
    shaken = [theirs.Features(s.places + rng.normal(0, 15, s.places.shape), words) for s in seen]
    assert theirs.gvgc(shaken, (4,))[0] < 0.6 and theirs.tsed(shaken, poses, k[0]) == 0.0
    few = [theirs.Features(s.places[:9], words[:9]) for s in seen]
    assert theirs.tsed(few, poses, k[0]) == 0.0
    flow = np.full((8, 16, 16, 2), 3.0, np.float32)
    flow[:, 0, :13] = (6.0, 8.0)
    assert theirs.vbench2_multi_view(seen, flow) == pytest.approx(60 / 750)
    assert theirs.vbench2_multi_view(seen, 0 * flow) == 0.0
    none = [theirs.Features(np.zeros((0, 2)), np.zeros((0, 128), np.float32))] * 9
    assert np.isnan(theirs.gvgc(none)[0]) and theirs.tsed(none, poses, k[0]) == 0.0
