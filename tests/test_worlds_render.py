"""The renderer draws the same bytes whichever way it is asked, and flat looks stay exactly flat."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from worlds_scenes import ball, plain_scene, random_scene

from simbench.worlds.compile import CompiledClip, compile_scene
from simbench.worlds.render import Frames, render, trace
from simbench.worlds.scene import Light, Scene, constant


def check_same(a: Frames, b: Frames) -> None:
    assert np.array_equal(a.rgb, b.rgb)
    assert np.array_equal(a.depth.view(np.int32), b.depth.view(np.int32))
    assert np.array_equal(a.ids, b.ids)


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(8))
def test_backends_agree_in_every_byte(seed: int) -> None:
    clip = compile_scene(random_scene(seed), 17, 8.0)
    width, height, samples = ((32, 32, 2), (24, 17, 3), (19, 32, 1), (16, 16, 4))[seed % 4]
    frames = [0, 5, 9, 16]
    fast = render(clip, width, height, samples, "numba", only=frames)
    check_same(fast, render(clip, width, height, samples, "torch", only=frames))


def test_random_scenes_show_every_body() -> None:
    seen: set[int] = set()
    for seed in range(8):
        clip = compile_scene(random_scene(seed), 17, 8.0)
        seen |= set(np.unique(render(clip, 24, 24, 1, only=[0, 9]).ids).tolist())
    assert seen == set(range(-1, 11))


@pytest.mark.torch
def test_single_rays_agree_with_both_backends_and_with_the_image() -> None:
    clip = compile_scene(random_scene(1), 17, 8.0)
    size = 16
    pitch = 2 * clip.tangent / size
    at = ((np.arange(size) + 0.5) - size / 2) * pitch
    grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(1, -1, 2).astype(np.float32)
    rays = np.tile(grid, (17, 1, 1))
    image = render(clip, size, size, 1)
    for backend in ("numba", "torch"):
        depth, ids = trace(clip, rays, backend)
        assert np.array_equal(depth, image.depth.reshape(17, -1))
        assert np.array_equal(ids, image.ids.reshape(17, -1))


@pytest.mark.torch
def test_threads_chunks_and_chosen_frames_never_change_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = compile_scene(random_scene(2), 9, 8.0)
    whole = render(clip, 20, 16, 2)
    check_same(whole, render(clip, 20, 16, 2, threads=2))
    check_same(whole, render(clip, 20, 16, 2, threads=7))
    some = render(clip, 20, 16, 2, only=[7, 0, 3])
    check_same(some, Frames(whole.rgb[[7, 0, 3]], whole.depth[[7, 0, 3]], whole.ids[[7, 0, 3]]))
    assert render(clip, 20, 16, 2, only=[]).rgb.shape == (0, 16, 20, 3)
    monkeypatch.setattr("simbench.worlds.torch_backend.CHUNK", 3000)
    check_same(whole, render(clip, 20, 16, 2, "torch"))


@pytest.mark.torch
def test_without_truth_the_colours_stay_and_the_rest_is_empty() -> None:
    clip = compile_scene(random_scene(0), 3, 8.0)
    for backend in ("numba", "torch"):
        bare = render(clip, 12, 10, 2, backend, truth=False)
        assert np.array_equal(bare.rgb, render(clip, 12, 10, 2).rgb)
        assert bare.depth.shape == (0, 10, 12)
        assert bare.ids.shape == (0, 10, 12)


def test_a_fresh_process_draws_the_same_from_the_disk_cache() -> None:
    clip = compile_scene(random_scene(5), 4, 8.0)
    drawn = render(clip, 24, 24, 2)
    pixels = hashlib.sha256(drawn.rgb.tobytes() + drawn.depth.tobytes()).hexdigest()
    code = (
        "import hashlib; from worlds_scenes import random_scene;"
        "from simbench.worlds.compile import compile_scene; from simbench.worlds.render import render;"
        "c = compile_scene(random_scene(5), 4, 8.0); r = render(c, 24, 24, 2);"
        "from simbench.worlds import kernel;"
        "print(c.digest(), hashlib.sha256(r.rgb.tobytes() + r.depth.tobytes()).hexdigest(),"
        "sum(kernel.draw.stats.cache_hits.values()))"
    )
    here = str(Path(__file__).parent)
    out = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    assert out.stdout.split() == [clip.digest(), pixels, "1"]


def test_scenes_survive_json_and_digests_see_every_change() -> None:
    scene = random_scene(3)
    again = Scene.from_json(scene.to_json())
    assert again == scene
    digest = compile_scene(scene, 5, 8.0).digest()
    assert compile_scene(again, 5, 8.0).digest() == digest
    others = [
        compile_scene(scene, 6, 8.0),
        compile_scene(scene, 5, 8.5),
        compile_scene(
            dataclasses.replace(scene, light=dataclasses.replace(scene.light, ambient=0.7)), 5, 8.0
        ),
        compile_scene(dataclasses.replace(scene, carves=scene.carves[1:]), 5, 8.0),
        compile_scene(dataclasses.replace(scene, paints=scene.paints[:2]), 5, 8.0),
        compile_scene(dataclasses.replace(scene, voxel_edits=()), 9, 8.0),
        compile_scene(dataclasses.replace(scene, bodies=scene.bodies[::-1]), 5, 8.0),
    ]
    assert len({digest, *(clip.digest() for clip in others)}) == len(others) + 1


@pytest.mark.parametrize("kind", ["sphere", "box", "capsule", "cylinder"])
def test_full_ambient_light_shows_colours_exactly(kind: str) -> None:
    scene = plain_scene(ball("it", (0.0, 0.0, 0.0), 0.3, (200 / 255, 30 / 255, 99 / 255), kind))
    for samples in (1, 2, 3):
        drawn = render(compile_scene(scene, 1, 8.0), 32, 32, samples)
        colours = {tuple(c) for c in drawn.rgb[0, 12:20, 12:20].reshape(-1, 3).tolist()}
        assert colours == {(200, 30, 99)}
        assert drawn.rgb[0, 0, 0].tolist() == [51, 102, 153]


def test_a_shadow_darkens_the_ground_by_the_light_it_takes() -> None:
    light = Light(ambient=0.4)
    ground = dataclasses.replace(ball("ground", (0.0, 0.0, 0.0), 1.0, (0.8, 0.8, 0.8)), kind="plane")
    base = plain_scene(ground, ball("ball", (0.0, 0.6, 0.0)), light=light)
    scene = dataclasses.replace(
        base, camera=dataclasses.replace(base.camera, eye=constant(0.0, 1.5, 4.0), fov=60.0)
    )
    clip = compile_scene(scene, 1, 8.0)
    dark = render(clip, 192, 192, 1)
    open_sky = dataclasses.replace(scene, light=dataclasses.replace(light, shadow=False))
    bright = render(compile_scene(open_sky, 1, 8.0), 192, 192, 1)
    shaded = np.argwhere((dark.rgb != bright.rgb).any(-1)[0] & (dark.ids[0] == 0))
    assert len(shaded) > 30
    points = _world(clip, dark.depth[0], shaded)
    sun = clip.sun[0]
    reach = np.linalg.norm(np.cross(points - clip.positions[0, 1], sun), axis=-1)
    assert reach.max() <= 0.2 + 1e-4
    lambert = sun[1]
    up = 0.4 * (1 + 0.6 * 0.35 * 0.75)
    ratio = dark.rgb[0][tuple(shaded.T)] / bright.rgb[0][tuple(shaded.T)]
    assert np.allclose(ratio, np.sqrt(up / (up + 0.6 * lambert)), atol=0.01)


def _world(clip: CompiledClip, depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """World points of pixels (row, column) of the first frame."""
    height = depth.shape[0]
    pitch = 2 * clip.tangent / height
    v, u = (((pixels + 0.5) - np.array(depth.shape) / 2) * pitch).T
    rays = np.stack([u, v, np.ones_like(u)], axis=-1)
    return clip.eyes[0] + depth[tuple(pixels.T)][:, None] * (rays @ clip.axes[0])


def test_four_rays_come_close_to_sixty_four() -> None:
    for size, bar in ((64, 34.0), (128, 36.0)):
        errors = []
        for seed in (0, 1, 4, 6):
            clip = compile_scene(random_scene(seed), 17, 8.0)
            fine = render(clip, size, size, 8, only=[8], truth=False).rgb.astype(np.float64)
            coarse = render(clip, size, size, 2, only=[8], truth=False).rgb
            errors.append(10 * np.log10(255**2 / np.mean((fine - coarse) ** 2)))
        assert np.mean(errors) >= bar, (size, errors)


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["generic", "x86-64-v3"])
def test_other_instruction_sets_draw_the_same(cpu: str, tmp_path: Path) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("instruction sets of x86-64")
    code = (
        "import hashlib; from worlds_scenes import random_scene;"
        "from simbench.worlds.compile import compile_scene; from simbench.worlds.render import render;"
        "h = hashlib.sha256();"
        "r = [render(compile_scene(random_scene(s), 9, 8.0), 40, 40, 2) for s in range(4)];"
        "[h.update(x.rgb.tobytes() + x.depth.tobytes() + x.ids.tobytes()) for x in r]; print(h.hexdigest())"
    )
    env = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    here = str(Path(__file__).parent)
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=env, capture_output=True, text=True, check=True
    )
    h = hashlib.sha256()
    for seed in range(4):
        drawn = render(compile_scene(random_scene(seed), 9, 8.0), 40, 40, 2)
        h.update(drawn.rgb.tobytes() + drawn.depth.tobytes() + drawn.ids.tobytes())
    assert out.stdout.strip() == h.hexdigest()


@pytest.mark.gpu
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("seed", range(4))
def test_cuda_draws_what_the_cpu_draws(seed: int) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    clip = compile_scene(random_scene(seed), 17, 8.0)
    check_same(render(clip, 48, 32, 2), render(clip, 48, 32, 2, "torch", device="cuda"))
