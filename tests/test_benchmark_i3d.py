"""I3D's features against cd-fvd (Ge et al., CVPR 2024; MIT): the same weights, the same clips, one thread."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simbench.features.space import space_named
from simbench.metrics.distances import frechet

pytestmark = [pytest.mark.benchmark, pytest.mark.torch]
CLIPS, THEIR_BATCH, RUNS = 4, 16, 3
RATIO = 4
"""Asserted; docs/distances.md has what was measured."""


@pytest.mark.filterwarnings("ignore")
def test_i3d_features_are_those_of_cd_fvd_in_less_time(tmp_path: Path) -> None:
    """Their weights are random: those that they fetch are a pickle on a server. `protocol=stylegan-v` brings
    pictures to 224 px as their `preprocess_i3d` does."""
    utils = pytest.importorskip("cdfvd.third_party.i3d.utils", reason="pip install 'simbench-worlds[bench]'")
    import torch
    from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    torch.manual_seed(0)
    theirs = InceptionI3d(400).eval()
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
            layer.eps = 1e-3
    kept = {k: v.contiguous() for k, v in theirs.state_dict().items() if "num_batches" not in k}
    save_file(kept, tmp_path / "i3d.safetensors")
    ours = space_named("i3d", weights=str(tmp_path / "i3d.safetensors"), protocol="stylegan-v")
    clips = np.random.default_rng(0).integers(0, 256, (CLIPS, 16, 128, 128, 3), dtype=np.uint8)

    def peer() -> Any:
        """Their loop: a batch is prepared and asked, without gradients."""
        found = []
        with torch.no_grad():
            for i in range(0, CLIPS, THEIR_BATCH):
                found.append(theirs(utils.preprocess_i3d(clips[i : i + THEIR_BATCH])))
        return torch.cat(found).numpy()

    wanted, made = peer(), ours.features(clips)
    np.testing.assert_allclose(made, wanted, rtol=1e-3, atol=1e-5 * float(np.abs(wanted).max()))
    times: dict[str, list[float]] = {"ours": [], "cd-fvd": []}
    for _ in range(RUNS):
        for name, work in (("ours", lambda: ours.features(clips)), ("cd-fvd", peer)):
            begin = time.process_time()
            work()
            times[name].append((time.process_time() - begin) / CLIPS)
    found = {name: statistics.median(taken) for name, taken in times.items()}
    print(
        "\nI3D, 16 frames of 128 px: " + ", ".join(f"{n} {1000 * t:.0f} ms a clip" for n, t in found.items())
    )
    assert found["cd-fvd"] >= RATIO * found["ours"], found


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_the_float32_square_root_of_videogpt_is_off_by_a_little(scale: float) -> None:
    utils = pytest.importorskip("cdfvd.third_party.i3d.utils", reason="pip install 'simbench-worlds[bench]'")
    import torch

    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(400, 400)) * np.linspace(0.1, 0.0025, 400) * scale
    a, b = ((rng.normal(size=(256, 400)) @ mixed).astype(np.float32) for _ in range(2))
    for other in (a, b):
        spread = sum(x.var(axis=0, ddof=1, dtype=np.float64).sum() for x in (a, other))
        theirs = float(utils.frechet_distance(torch.tensor(a), torch.tensor(other)))
        assert 1e-6 < abs(theirs - frechet(a, other)) / spread < 1e-4
