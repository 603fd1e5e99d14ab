"""What every public function of simbench/metrics keeps: documented, pure, deterministic, strict about shapes.

The functions are found on disk; EXAMPLES has one call of each.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics_scenes import camera_path, cloud, intrinsics_of
from mot_scenes import crowd

from simbench.metrics.reprojection import project

ROOT = Path(__file__).resolve().parent.parent
UNITS = re.compile(r"\b(px|m|degrees|radians|frames?|no unit)\b")
SHAPE = re.compile(r"\[(\.\.\.|\d|[A-Z])(, (\.\.\.|\d|[A-Z]))*\]")

POSES, OTHER = camera_path(0), camera_path(1)
CAMERAS, POINTS = intrinsics_of(9), cloud(0, 12)
UV = project(POINTS, POSES, CAMERAS)
RNG = np.random.default_rng(0)
NOISY = UV + RNG.normal(0, 2, UV.shape)
SEEN, SAID = RNG.random((9, 12)) < 0.8, RNG.random((9, 12)) < 0.8
QUERIES = RNG.integers(0, 8, 12)
DEPTH = RNG.uniform(2, 5, (9, 12))
F = RNG.normal(size=(3, 3))
TURNS = POSES[:, :3, :3]
FLOW = RNG.normal(size=(6, 8, 2))
MATCH = {"f": F, "first": UV[0], "second": NOISY[1]}
PATHS = {"made": OTHER, "true": POSES}
PLACES = {"made": NOISY, "true": UV}
LONE = {"made": DEPTH[0], "true": DEPTH[1]}
CLIP = RNG.integers(0, 256, (4, 17, 20, 3), np.uint8)
SOFT = RNG.random((4, 17, 20, 3))
CLIPS = {"made": np.clip(SOFT + 0.1, 0, 1), "true": SOFT, "data_range": 1.0}
BLOBS = {"made": SOFT[..., 0] > 0.4, "true": SOFT[..., 0] > 0.6}
TRACKED = crowd(0).arguments()

SETS = {"a": RNG.normal(size=(40, 6)), "b": RNG.normal(1, 2, size=(36, 6))}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "probes.probe": {
        "features": np.random.default_rng(0).normal(size=(40, 3)),
        "targets": np.random.default_rng(1).normal(size=(40, 2)),
        "scenes": np.arange(40) % 10,
    },
    "probes.probe_blocks": {
        "features": np.random.default_rng(0).normal(size=(40, 3)),
        "targets": np.random.default_rng(1).normal(size=(40, 3)),
        "blocks": np.array([0, 0, 1]),
        "scenes": np.arange(40) % 10,
    },
    "probes.split": {"scenes": np.arange(40) % 10, "folds": 5, "seed": 0},
    "distances.frechet": SETS,
    "distances.frechet_infinity": {**SETS, "seed": 0},
    "distances.kernel_distance": SETS,
    "distances.kernel_interval": SETS,
    "distances.kernel_between": {"a": SETS["a"], "b": 2 * SETS["a"], "scenes": np.arange(40) // 4},
    "distances.frechet_at": {**SETS, "size": 16, "seed": 0},
    "distances.floor": {"real": SETS["a"], "size": 16, "seed": 0},
    "epipolar.essential": {"first_pose": POSES[0], "second_pose": POSES[1]},
    "epipolar.fundamental": {
        "first_pose": POSES[0],
        "second_pose": POSES[1],
        "first_camera": CAMERAS[0],
        "second_camera": CAMERAS[1],
    },
    "epipolar.sampson_squared": MATCH,
    "epipolar.sampson": MATCH,
    "epipolar.symmetric_epipolar_squared": MATCH,
    "epipolar.epipolar_distance_mean": MATCH,
    "epipolar.sqrt_median": {"squared": DEPTH[0]},
    "masks.mask_j": BLOBS,
    "masks.boundary_f": BLOBS,
    "motion.change": {"frames": SOFT, "data_range": 1.0},
    "motion.flow_magnitude": {"frames": CLIP, "data_range": 255},
    "motion.flicker": {"frames": CLIP, "data_range": 255},
    "objects.box_iou": {"first": DEPTH[:, :4], "second": DEPTH[:, 4:8]},
    "objects.hota": TRACKED,
    "objects.clear": TRACKED,
    "objects.identity": TRACKED,
    "parallax.best_homography": {"source": UV[0], "target": UV[4]},
    "parallax.flattened": {"true": UV, "start": UV[0], "seen": SEEN},
    "parallax.capped_distance": {"made": NOISY, "true": UV, "seen": SEEN, "cap": 8.0},
    "parallax.parallax_errors": {"found": NOISY, "true": UV, "start": UV[0], "seen": SEEN, "cap": 8.0},
    "pictures.squared_errors": CLIPS,
    "pictures.psnr_frames": CLIPS,
    "pictures.psnr_mean": CLIPS,
    "pictures.psnr_pooled": CLIPS,
    "pictures.ssim_frames": CLIPS,
    "pictures.ssim": CLIPS,
    "reprojection.to_camera": {"points": POINTS, "poses": POSES},
    "reprojection.project": {"points": POINTS, "poses": POSES, "intrinsics": CAMERAS},
    "reprojection.reprojection_error": {
        "points": POINTS,
        "uv": NOISY,
        "poses": POSES,
        "intrinsics": CAMERAS,
    },
    "reprojection.triangulate": {"uv": NOISY, "seen": SEEN, "poses": POSES, "intrinsics": CAMERAS},
    "reprojection.baseline_angle": {"points": POINTS, "seen": SEEN, "poses": POSES},
    "reprojection.absrel": LONE,
    "reprojection.depth_error_median": LONE,
    "reprojection.depth_within": LONE,
    "reprojection.warp_first_to_second_nearest": {
        "first": DEPTH,
        "second": DEPTH[::-1],
        "poses": POSES[:2],
        "intrinsics": CAMERAS[:2],
    },
    "rotations.rotation_angles": {"rotations": TURNS},
    "rotations.quaternions": {"rotations": TURNS},
    "rotations.matrices": {"quaternions": RNG.normal(size=(5, 4))},
    "rotations.rotation_vectors": {"rotations": TURNS},
    "rotations.rotations_of": {"vectors": RNG.normal(size=(5, 3))},
    "stability.loop_error": {"there": FLOW, "back": -FLOW[:, ::-1]},
    "stability.carried_back": {"picture": RNG.random((6, 8, 3)), "flow": FLOW},
    "stability.survival": {"kept": SAID[0], "inside": SEEN[0]},
    "stability.unevenness": {"uv": NOISY},
    "stability.histogram_distance": {"first": DEPTH[0], "second": DEPTH[1]},
    "stability.outliers": {"values": DEPTH[0], "sigmas": 1.0, "floor": 0.01},
    "stability.aligned_error": LONE,
    "tracks.to_raster": {"points": UV, "width": 128, "height": 96},
    "tracks.first_queries": {"visible": SEEN},
    "tracks.strided_queries": {"visible": SEEN},
    "tracks.query_mask": {"queries": QUERIES, "frames": 9},
    "tracks.delta_avg": {**PLACES, "true_visible": SEEN, "judged": SAID},
    "tracks.occlusion_accuracy": {"made_visible": SAID, "true_visible": SEEN, "judged": SAID | SEEN},
    "tracks.average_jaccard": {**PLACES, "made_visible": SAID, "true_visible": SEEN, "judged": SAID | SEEN},
    "tracks.path_jaccard": {
        **PLACES,
        "made_visible": SAID,
        "true_visible": SEEN,
        "thresholds": [1.0, 3.0],
    },
    "tracks.tap_vid": {
        **PLACES,
        "made_visible": SAID,
        "true_visible": SEEN,
        "queries": QUERIES,
        "width": 128,
        "height": 128,
    },
    "trajectory.eyes": {"poses": POSES},
    "trajectory.inverted": {"poses": POSES},
    "trajectory.align": {"made": POINTS, "true": cloud(1, 12)},
    "trajectory.absolute_errors": PATHS,
    "trajectory.absolute_error": PATHS,
    "trajectory.relative_error": PATHS,
    "trajectory.rmse": {"errors": DEPTH[0]},
    "trajectory.excursions": {"true": POSES, "depth": 5.0},
    "trajectory.excursion_error": {**PATHS, "depth": 5.0},
    "trajectory.gain": {**PATHS, "depth": 5.0},
    "trajectory.motion_gain": {**PATHS, "depth": 5.0},
    "trajectory.path_correlation": {**PATHS, "depth": 5.0},
}


def found() -> dict[str, Callable[..., Any]]:
    """module.function -> every public function of simbench/metrics, private modules left out."""
    out = {}
    for path in sorted((ROOT / "simbench" / "metrics").glob("[a-z]*.py")):
        module = importlib.import_module(f"simbench.metrics.{path.stem}")
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_":
                out[f"{path.stem}.{name}"] = value
    return out


FOUND = found()


def values(result: Any) -> list[np.ndarray]:
    """All arrays and numbers of a result."""
    if isinstance(result, list) and all(dataclasses.is_dataclass(part) for part in result):
        return [value for part in result for value in values(part)]
    if dataclasses.is_dataclass(result):
        return [np.asarray(getattr(result, f.name)) for f in dataclasses.fields(result)]
    return [np.asarray(r) for r in result] if isinstance(result, tuple) else [np.asarray(result)]


def arrays(name: str) -> list[str]:
    """Names of the arguments of an example that are arrays."""
    return [k for k, v in EXAMPLES[name].items() if isinstance(v, np.ndarray)]


def test_every_function_on_disk_has_an_example() -> None:
    assert len(FOUND) > 30
    assert set(EXAMPLES) == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_docstring_says_shapes_and_units(name: str) -> None:
    text = inspect.getdoc(FOUND[name]) or ""
    assert SHAPE.search(text), text
    assert UNITS.search(text), text
    for argument in arrays(name):
        assert argument in text or len(arrays(name)) <= 2 or re.search(r"matches|poses|bool|depth", text), (
            f"{name} says nothing of {argument}"
        )


@pytest.mark.parametrize("name", FOUND)
def test_inputs_stay_as_they_are_and_twice_gives_the_same(name: str) -> None:
    given = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in EXAMPLES[name].items()}
    for key in arrays(name):
        given[key].setflags(write=False)
    first, second = values(FOUND[name](**given)), values(FOUND[name](**given))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    for key in arrays(name):
        np.testing.assert_array_equal(given[key], EXAMPLES[name][key])


@pytest.mark.parametrize("name", FOUND)
def test_results_are_finite_and_new(name: str) -> None:
    result = values(FOUND[name](**EXAMPLES[name]))
    assert any(np.isfinite(r).any() for r in result)
    for r in result:
        assert r.dtype in (np.float64, np.bool_, np.int64), r.dtype
        if r.ndim:
            assert not any(np.shares_memory(r, EXAMPLES[name][k]) for k in arrays(name))


@pytest.mark.parametrize("name", FOUND)
def test_single_precision_and_any_layout_will_do(name: str) -> None:
    wanted = values(FOUND[name](**EXAMPLES[name]))
    layouts = {
        "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
        "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
        "fortran": np.asfortranarray,
    }
    for change in layouts.values():
        given = {k: change(v) if isinstance(v, np.ndarray) else v for k, v in EXAMPLES[name].items()}
        for a, b in zip(values(FOUND[name](**given)), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7)
    single = {
        k: v.astype(np.float32) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
        for k, v in EXAMPLES[name].items()
    }
    for a, b in zip(values(FOUND[name](**single)), wanted, strict=True):
        if b.dtype == np.float64:
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
        else:
            assert (a == b).mean() > 0.95


@pytest.mark.parametrize("name", FOUND)
def test_a_wrong_shape_or_type_is_refused_by_name(name: str) -> None:
    assert arrays(name)
    for key in arrays(name):
        good = EXAMPLES[name][key]
        for bad in (good[..., None], np.zeros((), good.dtype), good.astype(str)):
            with pytest.raises(ValueError, match=r"shape|holds"):
                FOUND[name](**{**EXAMPLES[name], key: bad})


@pytest.mark.parametrize("name", [n for n in FOUND if "made" in EXAMPLES[n]])
def test_two_lengths_are_refused(name: str) -> None:
    for key in ("made", "true"):
        with pytest.raises(ValueError, match="shape"):
            FOUND[name](**{**EXAMPLES[name], key: EXAMPLES[name][key][:-1]})


def test_the_checks_can_fail() -> None:
    assert not SHAPE.search("an array") and not UNITS.search("an array [N, 2] of numbers")
    assert SHAPE.search("uv [T, P, 2]") and SHAPE.search("f [..., 3, 3]") and UNITS.search("errors, px,")
    assert "_shapes.shaped" not in FOUND and "epipolar._parts" not in FOUND
