"""What a suite still finds after the round trip through a VAE: how many channels latents need.

    python -m pytest tests/test_model_vae_suite.py -m slow -n0 -s

prints the table: PSNR says little here, 16 channels keep 28 dB and lose half of S_graded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.clips.worlds import draw, named  # noqa: E402
from model.codec.files import psnr, roundtrip  # noqa: E402
from model.codec.fit import fit_linear  # noqa: E402
from model.codec.presets import preset  # noqa: E402
from model.codec.vae import VAE  # noqa: E402
from simbench.suite import CaseScore  # noqa: E402
from simbench.video import Video  # noqa: E402
from suites.permanence import Permanence  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]

Codec = Callable[[np.ndarray], np.ndarray]


def survives(suite: Permanence, codecs: Mapping[str, Codec], scenes: int) -> dict[str, dict[str, float]]:
    """Scores of the oracle after each codec, means over the first public `scenes`, and `first` and `later`:
    its PSNR on frame 0 and after. Cases are rendered once for all codecs."""
    rows: dict[str, list[CaseScore]] = {name: [] for name in codecs}
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in codecs}
    for scene in suite.scenes(scenes, "public"):
        for case in suite.cases(scene):
            truth, scorer = suite.oracle(case), suite.scorer(case)
            for name, codec in codecs.items():
                back = codec(truth.frames)
                measures = scorer(Video(back, truth.fps))
                row = CaseScore(case.id, scene, case.world_seed, case.tags, 0, "ok", "", measures)
                rows[name].append(row)
                pairs[name].append((truth.frames, back))
    found = {}
    for name in codecs:
        values = suite.aggregate(rows[name]).values()
        found[name] = {
            m: float(np.mean([suite.calibrated(m, v[m]) for v in values]))
            for m in ("S", "S_graded", "S_open")
        }
        for part, chosen in (("first", slice(1)), ("later", slice(1, None))):
            both = [np.concatenate([p[i][chosen] for p in pairs[name]]) for i in (0, 1)]
            found[name][part] = psnr(*both)
    return found


def linear(channels: int, clips: list[np.ndarray]) -> Codec:
    """The shipped codec at another number of channels."""
    from dataclasses import replace

    vae = VAE(replace(preset("nano"), channels=channels)).requires_grad_(False)
    fit_linear(vae, clips)
    return lambda frames: roundtrip(vae, frames)


def test_the_channels_of_nano_keep_permanence_and_fewer_would_not() -> None:
    clips = [draw(named("nano"), 0, i).video for i in range(800)]
    codecs = {f"{z} channels": linear(z, clips) for z in (16, 32, 48, 64, 96)}
    found = survives(Permanence(), codecs, 8)
    for name, values in found.items():
        print(f"\n{name}: " + ", ".join(f"{m} {v:.1f}" for m, v in values.items()), end="")
    graded = [v["S_graded"] for v in found.values()]
    assert graded == sorted(graded) and graded[0] < 75
    # What the 8-px objects of 32 px lose below 48 channels is their exact shape and place.
    assert min(found[f"{z} channels"]["S"] for z in (32, 48, 64, 96)) >= 97
    assert found[f"{preset('nano').channels} channels"]["S_graded"] >= 90


def test_nano_keeps_permanence_on_24_scenes() -> None:
    clips = [draw(named("nano"), 0, i).video for i in range(800)]
    found = survives(Permanence(), {"nano": linear(preset("nano").channels, clips)}, 24)["nano"]
    print("\nnano: " + ", ".join(f"{m} {v:.1f}" for m, v in found.items()), end="")
    assert found["S"] >= 97 and found["S_open"] >= 97 and found["S_graded"] >= 90
    # Frame 0 has as many numbers as there are channels.
    assert found["first"] > 50
