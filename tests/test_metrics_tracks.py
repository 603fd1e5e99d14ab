"""TAP-Vid's measures against its definition written as loops, and on its edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from simbench.metrics import tracks


def brute_force(made, said, true, real, queries, width, height, mode):
    """AJ, delta_avg and OA of one video, point by point, frame by frame, threshold by threshold."""
    jaccards, shares, agree, asked = [], [], 0, 0
    for threshold in (1, 2, 4, 8, 16):
        right = visible = false = near_visible = 0
        for p in range(made.shape[1]):
            for t in range(made.shape[0]):
                if not (t > queries[p] if mode == "first" else t != queries[p]):
                    continue
                dx = (made[t, p, 0] - true[t, p, 0]) * 256 / width
                dy = (made[t, p, 1] - true[t, p, 1]) * 256 / height
                near = dx * dx + dy * dy < threshold * threshold
                visible += bool(real[t, p])
                near_visible += bool(near and real[t, p])
                if said[t, p] and real[t, p] and near:
                    right += 1
                elif said[t, p]:
                    false += 1
                if threshold == 1:
                    asked += 1
                    agree += said[t, p] == real[t, p]
        jaccards.append(right / (visible + false))
        shares.append(near_visible / visible)
    return np.mean(jaccards), np.mean(shares), agree / asked


def video(seed: int, frames: int = 9, points: int = 14):
    """Tracks with errors of all sizes about every threshold, and visibility that is sometimes wrong."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (frames, points, 2))
    made = true + rng.normal(0, 1, true.shape) * rng.choice([0.3, 1.0, 3.0, 10.0], (frames, points, 1))
    real = rng.random((frames, points)) < 0.7
    said = real ^ (rng.random((frames, points)) < 0.2)
    return made, said, true, real, rng.integers(0, frames - 1, points)


@pytest.mark.parametrize("mode", ["first", "strided"])
@pytest.mark.parametrize("seed", range(6))
def test_as_the_definition_says(seed: int, mode: str) -> None:
    made, said, true, real, queries = video(seed)
    got = tracks.tap_vid(made, said, true, real, queries, 100, 60, mode)
    wanted = brute_force(made, said, true, real, queries, 100, 60, mode)
    assert (got.average_jaccard, got.delta_avg, got.occlusion_accuracy) == pytest.approx(wanted, abs=1e-12)
    assert 0 < got.average_jaccard < got.delta_avg < 1


def test_the_truth_is_perfect_and_a_wrong_visible_point_counts_twice() -> None:
    _, _, true, real, queries = video(0)
    perfect = tracks.tap_vid(true, real, true, real, queries, 100, 100)
    assert perfect == tracks.TapVid(1.0, 1.0, 1.0)
    true = np.full((1, 4, 2), 50.0)
    made = true + np.array([0.0, 0.0, 0.0, 100.0])[None, :, None]
    seen = np.ones((1, 4), bool)
    assert tracks.path_jaccard(made, seen, true, seen, [4.0]) == 3 / (4 + 1)
    # Calling it hidden instead costs one and not two.
    hidden = np.array([[True, True, True, False]])
    assert tracks.path_jaccard(made, hidden, true, seen, [4.0]) == 3 / 4


def test_a_point_exactly_at_a_threshold_is_outside() -> None:
    true = np.zeros((2, 1, 2))
    seen = np.ones((2, 1), bool)
    for threshold in (1.0, 2.0, 4.0, 8.0, 16.0):
        made = true + [threshold, 0.0]
        below = true + [np.nextafter(threshold, 0), 0.0]
        assert tracks.delta_avg(made, true, seen, seen, [threshold]) == 0.0
        assert tracks.delta_avg(below, true, seen, seen, [threshold]) == 1.0


def test_what_is_undefined_is_nan() -> None:
    made, _, true, real, _ = video(1)
    none = np.zeros_like(real)
    gone = tracks.tap_vid(made, none, true, none, np.zeros(14, int), 100, 100)
    assert np.isnan(gone.average_jaccard) and np.isnan(gone.delta_avg) and gone.occlusion_accuracy == 1.0
    last = tracks.tap_vid(made, real, true, real, np.full(14, 8), 100, 100, "first")
    assert np.isnan([last.average_jaccard, last.delta_avg, last.occlusion_accuracy]).all()
    other = tracks.tap_vid(made, real, true, real, np.full(14, 8), 100, 100, "strided")
    assert np.isfinite([other.average_jaccard, other.delta_avg, other.occlusion_accuracy]).all()


def test_a_lost_coordinate_is_a_miss() -> None:
    _, _, true, real, queries = video(2)
    lost = np.full_like(true, np.nan)
    got = tracks.tap_vid(lost, real, true, real, queries, 100, 100)
    assert (got.average_jaccard, got.delta_avg, got.occlusion_accuracy) == (0.0, 0.0, 1.0)


def test_frames_before_the_query_play_no_part_in_mode_first() -> None:
    made, said, true, real, _ = video(3)
    queries = np.full(14, 4)
    base = tracks.tap_vid(made, said, true, real, queries, 100, 100, "first")
    made[:5], said[:5] = 1e6, ~said[:5]
    assert tracks.tap_vid(made, said, true, real, queries, 100, 100, "first") == base
    assert tracks.tap_vid(made, said, true, real, queries, 100, 100, "strided") != base


def test_coordinates_are_scaled_to_the_raster_per_axis() -> None:
    assert tracks.to_raster(np.array([[100.0, 30.0]]), 100, 60).tolist() == [[256.0, 128.0]]
    true, seen = np.zeros((2, 1, 2)), np.ones((2, 1), bool)
    near = tracks.tap_vid(true + [0.5, 0], seen, true, seen, np.zeros(1, int), 64, 64)
    # 0.5 px of 64 are 2 px of 256: at the second threshold, and so outside it.
    assert near.delta_avg == pytest.approx(3 / 5)


def test_queries() -> None:
    visible = np.zeros((11, 3), bool)
    visible[[0, 5, 6], 0] = True
    visible[7:, 1] = True
    assert [a.tolist() for a in tracks.first_queries(visible)] == [[0, 7], [0, 1]]
    assert [a.tolist() for a in tracks.strided_queries(visible)] == [[0, 5, 10], [0, 0, 1]]
    assert tracks.query_mask(np.array([1, 2]), 3, "first").tolist() == [[0, 0], [0, 0], [1, 0]]
    assert tracks.query_mask(np.array([1, 2]), 3, "strided").tolist() == [[1, 1], [0, 1], [1, 0]]
    with pytest.raises(ValueError, match="queries holds frames 3"):
        tracks.query_mask(np.array([3]), 3)
    with pytest.raises(ValueError, match="mode='last'"):
        tracks.query_mask(np.array([1]), 3, "last")


def test_a_still_video_loses_over_a_path_that_looks_away() -> None:
    # Five landmarks drift out to the left, are gone for four frames, and come back.
    away = np.concatenate([np.arange(5), np.full(2, 4), np.arange(4, -1, -1)]) * 20.0
    true = np.stack([np.add.outer(-away, np.arange(5) * 5 + 60), np.full((12, 5), 50.0)], -1)
    real = (true[..., 0] >= 50) & (true[..., 0] < 100)
    frozen = np.broadcast_to(true[:1], true.shape)
    shown = np.broadcast_to(real[:1], real.shape)
    thresholds = [2.0, 4.0, 8.0]
    assert tracks.path_jaccard(true, real, true, real, thresholds) == 1.0
    assert tracks.path_jaccard(frozen, shown, true, real, thresholds) < 0.3
    never = np.zeros_like(real)
    assert tracks.path_jaccard(true, never, true, real, thresholds) == 0.0


def test_order_of_points_and_frames_plays_no_part() -> None:
    made, said, true, real, queries = video(4)
    base = tracks.tap_vid(made, said, true, real, queries, 100, 60)
    order = np.random.default_rng(0).permutation(14)
    moved = [a[:, order] for a in (made, said, true, real)]
    assert tracks.tap_vid(*moved, queries[order], 100, 60) == base
    judged = np.ones_like(real)
    backwards = [a[::-1] for a in (made, said, true, real)]
    assert tracks.average_jaccard(*backwards, judged) == tracks.average_jaccard(
        made, said, true, real, judged
    )
