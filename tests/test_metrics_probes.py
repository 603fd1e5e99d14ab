"""Probes read what is there, nothing where nothing is, and never a scene that they were fitted on."""

import numpy as np
import pytest

from simbench.metrics.probes import probe, probe_blocks, split


def planted(rows: int, scenes: int, noise: float, features: int = 12) -> tuple[np.ndarray, ...]:
    """Features, targets linear in them but for noise, and scenes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features))
    y = x @ rng.normal(size=(features, 2))
    y /= y.std(0)
    return x, y + noise * rng.normal(size=y.shape), np.arange(rows) % scenes


def test_a_planted_signal_is_read_as_well_as_its_noise_allows() -> None:
    assert probe(*planted(2000, 100, 0.0)).r2 > 0.999
    found = probe(*planted(4000, 100, 1.0))
    # Half of the variance is noise.
    assert abs(found.r2 - 0.5) < 0.03 and found.low < 0.5 < found.high
    assert (found.scenes, found.rows) == (100, 4000)


def test_wide_features_are_read_as_narrow_ones() -> None:
    x, y, scenes = planted(300, 60, 0.3)
    wide = np.concatenate((x, np.zeros((300, 500))), 1)
    assert abs(probe(wide, y, scenes).r2 - probe(x, y, scenes).r2) < 0.02


def test_nothing_is_read_from_noise() -> None:
    rng = np.random.default_rng(1)
    found = probe(rng.normal(size=(600, 40)), rng.normal(size=(600, 1)), np.arange(600) % 60)
    assert -0.1 < found.r2 < 0.03


def test_the_penalty_is_not_chosen_on_what_is_held_out() -> None:
    """The best of nine penalties on held-out noise is never worse than the mean; one chosen before is."""
    rng = np.random.default_rng(11)
    scenes = np.arange(40)
    found = [probe(rng.normal(size=(40, 10)), rng.normal(size=(40, 1)), scenes).r2 for _ in range(30)]
    assert np.mean(found) < -0.03


def test_the_penalty_is_chosen_on_scenes_that_are_not_fitted() -> None:
    """Eight rows of a scene are alike: chosen on other rows of it, no penalty would seem the best."""
    rng = np.random.default_rng(12)
    scenes = np.repeat(np.arange(50), 8)
    x, y = rng.normal(size=(50, 60))[scenes], rng.normal(size=(50, 1))[scenes]
    assert probe(x, y, scenes).r2 > -0.2


def test_a_scene_known_by_heart_tells_nothing() -> None:
    """Features that name the scene, targets that belong to it: read perfectly where folds share scenes."""
    rng = np.random.default_rng(2)
    scenes = np.repeat(np.arange(50), 8)
    x, y = np.eye(50)[scenes], rng.normal(size=(50, 1))[scenes]
    assert probe(x, y, scenes).r2 < 0.05
    assert probe(x, y, np.arange(400)).r2 > 0.9, "the leak that scenes are there to stop"


def test_folds_never_share_a_scene_and_are_even() -> None:
    scenes = np.random.default_rng(3).integers(0, 40, 500)
    fold = split(scenes, 5, 0)
    assert all(len(set(fold[scenes == s])) == 1 for s in range(40))
    assert [len(set(scenes[fold == k])) for k in range(5)] == [8] * 5
    with pytest.raises(ValueError, match="3 scenes are fewer than 5 folds"):
        split(np.array([0, 1, 2]), 5, 0)


def test_what_a_stratum_alone_tells_counts_for_nothing() -> None:
    """A target that is the frame's number is no knowledge of the clip."""
    scenes, frames = np.repeat(np.arange(60), 3), np.tile(np.arange(3), 60)
    rng = np.random.default_rng(4)
    x, y = np.eye(3)[frames], frames[:, None] + 0.1 * rng.normal(size=(180, 1))
    assert probe(x, y, scenes).r2 > 0.9
    assert probe(x, y, scenes, frames).r2 < 0.05


def test_what_a_group_alone_tells_counts_for_nothing_and_what_differs_in_it_does() -> None:
    """Worlds with depths of their own: to name the world is no knowledge of depth."""
    rng = np.random.default_rng(6)
    scenes, worlds = np.repeat(np.arange(80), 4), np.tile(np.arange(4), 80)
    own = rng.normal(size=(320, 1))
    x, y = np.eye(4)[worlds], np.array([0.0, 5.0, -3.0, 9.0])[worlds][:, None] + own
    assert probe(x, y, scenes).r2 > 0.9
    assert probe(x, y, scenes, groups=worlds).r2 < 0.01
    # Offsets of a group, in features as well, hide nothing that is read with weights that all share.
    x = np.concatenate((x, 0.1 * own + rng.normal(size=4)[worlds][:, None]), 1)
    assert probe(x, y, scenes, groups=worlds).r2 > 0.999


def test_a_group_without_fitted_scenes_has_the_mean_of_all() -> None:
    """Its own mean would be a look at what is held out, which makes its constant target no error at all."""
    x, y, scenes = planted(300, 60, 0.2)
    y[scenes == 0] = 9.0
    alone = (scenes == 0).astype(int)
    kept = probe(x[scenes > 0], y[scenes > 0], scenes[scenes > 0])
    found = probe(x, y, scenes, groups=alone)
    assert found.scenes == 60 and found.r2 < kept.r2 - 0.2


def test_strata_that_never_vary_are_not_counted() -> None:
    x, y, scenes = planted(200, 40, 0.5)
    twice = np.concatenate((y, np.full_like(y, y.mean())))
    found = probe(np.tile(x, (2, 1)), twice, np.tile(scenes, 2), np.repeat([0, 1], 200))
    alone = probe(x, y, scenes)
    assert (found.rows, found.scenes) == (200, 40) and found.r2 == pytest.approx(alone.r2)


def test_a_feature_that_hardly_varies_where_it_is_fitted_does_no_harm_elsewhere() -> None:
    """Pixels of a white page: here and there a scene has something in one, most have traces or nothing."""
    rng = np.random.default_rng(10)
    scenes = np.arange(80)
    page = np.where(rng.random((80, 300)) < 0.02, 1.0, 0.0)
    traces = np.where(rng.random((80, 300)) < 0.02, 1e-4, 0.0)
    y = rng.normal(size=(80, 1))
    assert -0.3 < probe(np.maximum(page, traces), y, scenes).r2 < 0.2
    # What is read from other features is read beside them all the same.
    x = np.hstack([y + 0.1 * rng.normal(size=(80, 1)) for _ in range(30)])
    assert probe(np.hstack((x, np.maximum(page, traces))), y, scenes).r2 > 0.6


def test_targets_side_by_side_are_read_as_each_alone() -> None:
    """With penalties of their own: one is all signal, one is noise, one varies in one stratum alone."""
    rng = np.random.default_rng(9)
    x, y, scenes = planted(240, 40, 0.1, features=60)
    parts, kinds = np.repeat([0, 1], 120), np.tile([0, 1, 2], 80)
    noise = rng.normal(size=(240, 1))
    once = np.where(parts == 0, y[:, 0], 4.0)[:, None]
    found = probe_blocks(x, np.hstack((y, noise, once)), np.array([5, 5, 7, 9]), scenes, parts, kinds)
    alone = [probe(x, values, scenes, parts, kinds) for values in (y, noise, once)]
    for one, other in zip(found, alone, strict=True):
        assert one.r2 == pytest.approx(other.r2, abs=1e-9) and one.low == pytest.approx(other.low, abs=1e-9)
        assert (one.rows, one.scenes) == (other.rows, other.scenes)
    assert [result.rows for result in found] == [240, 240, 120]
    assert found[0].r2 > 0.9 and found[1].r2 < 0.1
    with pytest.raises(ValueError, match="never vary"):
        probe_blocks(x, np.hstack((y, np.ones((240, 1)))), np.array([0, 0, 1]), scenes)


def test_units_of_features_and_targets_have_no_say() -> None:
    x, y, scenes = planted(500, 50, 0.5)
    other = probe(x * np.geomspace(1e-3, 1e3, x.shape[1]), y * [1.0, 1e4] + 7.0, scenes)
    assert abs(other.r2 - probe(x, y, scenes).r2) < 1e-6


def test_the_interval_holds_what_more_scenes_say() -> None:
    held = 0
    rng = np.random.default_rng(5)
    for _ in range(40):
        x = rng.normal(size=(240, 4))
        y = x[:, :1] + rng.normal(size=(240, 1)) + np.repeat(rng.normal(size=(40, 1)), 6, 0)
        found = probe(x, y, np.repeat(np.arange(40), 6))
        held += found.low < 1 / 3 < found.high
    assert held >= 34


def test_wrong_input_is_named() -> None:
    x, y, scenes = planted(50, 10, 0.0)
    with pytest.raises(ValueError, match="shape"):
        probe(x[:-1], y, scenes)
    with pytest.raises(ValueError, match="never vary"):
        probe(x, np.ones((50, 1)), scenes)
    x[3, 2], y[4, 1] = np.inf, np.nan
    with pytest.raises(ValueError, match="1 of 600 features are not finite"):
        probe(x, y, scenes)
    with pytest.raises(ValueError, match="1 of 100 targets are not finite"):
        probe(np.zeros((50, 12)), y, scenes)
