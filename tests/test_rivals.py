"""Others reward what S does not: the same videos of our worlds under three public measures of permanence."""

from __future__ import annotations

import numpy as np
import pytest
import rivals

from simbench.case import Setting
from suites.permanence import Permanence

Table = dict[str, dict[str, float]]
BROKEN = (
    "always comes out",
    "other colour",
    "spray of objects",
    "never comes out",
    "copy last frame",
    "frozen",
    "objects removed",
    "noise",
)


@pytest.fixture(scope="module")
def table() -> Table:
    return rivals.compare(Permanence(), 4)


def test_worldproof_gives_full_marks_to_another_colour_and_to_what_always_comes_out(table: Table) -> None:
    assert table["truth"]["proof"] == 1.0
    assert table["other colour"]["proof"] >= 0.99
    assert table["always comes out"]["proof"] >= 0.99


def test_worldproof_hardly_misses_what_never_comes_out_once_something_rests_in_view(table: Table) -> None:
    assert table["truth"]["proof_resting"] == 1.0
    for name in ("never comes out", "copy last frame", "objects removed"):
        assert table[name]["proof_resting"] > 0.7, name


def test_worldproofs_count_is_kept_best_by_what_never_changes(table: Table) -> None:
    assert table["truth"]["drift"] > 0
    for name in ("copy last frame", "frozen", "objects removed"):
        assert table[name]["drift"] == 0, name


def test_worldbench_prefers_missing_objects_to_the_truth_with_sensor_noise(table: Table) -> None:
    for name in ("never comes out", "objects removed", "other colour"):
        assert table[name]["composite"] > table["truth + noise sd 8"]["composite"], name


@pytest.mark.parametrize("cap", [30.0, 60.0, 100.0])
def test_that_order_does_not_hang_on_the_unit_of_psnr(cap: float) -> None:
    suite = Permanence()
    gains = []
    for case in (c for scene in suite.scenes(3, rivals.SEED) for c in suite.cases(scene)):
        if case.tags["hidden"] and case.tags["trial"] in ("exit", "stay"):
            truth = suite.oracle(case).frames[5:]
            swapped = suite.cheats()["colour_swap"](case).frames[5:]
            noisy = rivals.noisy(case, suite).frames[5:]
            gains.append(
                rivals.worldbench_composite(truth, swapped, cap)
                - rivals.worldbench_composite(truth, noisy, cap)
            )
    assert np.mean(gains) > 0


def test_worldbenchs_permanence_prefers_a_frozen_video_and_does_not_score_an_empty_one(table: Table) -> None:
    assert table["frozen"]["colour"] > table["truth"]["colour"]
    assert table["truth"]["colour_defined"] == 1.0
    assert table["objects removed"]["colour_defined"] <= 0.25


def test_dreambench_prefers_noise_to_what_never_comes_out(table: Table) -> None:
    assert table["truth"]["events"] == 1.0
    assert table["other colour"]["events"] >= 0.95
    assert table["noise"]["events"] > table["never comes out"]["events"] > table["frozen"]["events"]


def test_ours_scores_the_truth_alone(table: Table) -> None:
    assert table["truth"]["S"] > 95
    assert table["truth + noise sd 8"]["S"] > 90
    for name in BROKEN:
        assert table[name]["S"] <= 5, name


@pytest.mark.slow
def test_the_same_in_the_rich_look() -> None:
    table = rivals.compare(Permanence(setting=Setting(width=64, height=64, look="rich")), 6)
    assert table["other colour"]["proof"] >= 0.99
    assert table["copy last frame"]["composite"] > table["truth + noise sd 8"]["composite"]
    assert table["truth + noise sd 8"]["S"] > 90
    for name in BROKEN:
        assert table[name]["S"] <= 5, name


def test_worldproof_by_hand() -> None:
    truth = [np.array([[5.0, 5.0], [20.0, 20.0]]), np.array([[6.0, 5.0]]), np.empty((0, 2))]
    near = [np.array([[5.0, 8.0]]), np.array([[6.0, 8.9]]), np.array([[1.0, 1.0]])]
    assert rivals.worldproof_permanence(truth, near, 32) == pytest.approx(1 / 3)
    assert rivals.worldproof_permanence(truth, near, 40) == pytest.approx(2 / 3)
    assert rivals.worldproof_permanence(truth, truth, 32) == 1.0
    assert rivals.worldproof_permanence(truth[2:], near[2:], 32) is None
    assert rivals.worldproof_drift(truth) == pytest.approx((0 + 1 + 2) / 3)


def test_worldbench_by_hand() -> None:
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 200, (2, 24, 24, 3), dtype=np.uint8)
    assert rivals.ssim(clip[0, ..., 0], clip[0, ..., 0]) == pytest.approx(1.0)
    assert rivals.worldbench_composite(clip, clip) == pytest.approx(100.0)
    brighter = clip + np.uint8(25)
    alike = np.mean([rivals.ssim(a.mean(-1), b.mean(-1)) for a, b in zip(clip, brighter, strict=True)])
    mse = (25 / 255) ** 2
    wanted = 100 * (0.35 * (1 - mse) + 0.30 * -10 * np.log10(mse) / 40 + 0.35 * alike)
    assert rivals.worldbench_composite(clip, brighter, 40.0) == pytest.approx(wanted)
    green = np.zeros((4, 8, 8, 3), np.uint8)
    green[:2, 2:5, 2:5] = (20, 200, 40)
    assert rivals.worldbench_permanence(green, np.array([20, 200, 40])) == 0.5
    assert rivals.worldbench_permanence(green[2:], np.array([20, 200, 40])) is None


def test_dreambench_by_hand() -> None:
    truth = [1, 1, 0, 0, 0, 0, 1, 1]
    assert rivals.dreambench_permanence(truth, truth) == 1.0
    assert rivals.dreambench_permanence(truth, [1, 1, 0, 0, 0, 0, 0, 0]) == 0.5
    assert rivals.dreambench_permanence(truth, [1] * 8) == 0.0
    assert rivals.dreambench_permanence(truth, [1, 1, 1, 0, 0, 1, 1, 1]) == 1.0
    assert rivals.dreambench_permanence(truth, [1, 1, 1, 1, 0, 0, 0, 1], 0) == 0.0
    assert rivals.dreambench_permanence([1, 1, 1], [1, 0, 1]) is None


def test_blobs_are_regions_that_differ_from_the_stage() -> None:
    stage = np.full((20, 20, 3), 100, np.uint8)
    frame = stage.copy()
    frame[2:5, 3:6] = 200
    frame[12:16, 10:14] = 10
    frame[18, 18] = 255
    assert rivals.blobs(frame, stage).tolist() == [[4.0, 3.0], [11.5, 13.5]]
    assert rivals.blobs(stage, stage).shape == (0, 2)
