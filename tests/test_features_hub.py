"""VideoMAE and V-JEPA 2 from a local folder: tiny, with random weights."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.features.protocols import resized
from simbench.features.space import Missing, space_named

pytestmark = [
    pytest.mark.torch,
    # Importing transformers alone takes seconds.
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("transformers") is None,
        reason="transformers is not installed: pip install -e '.[hub]'",
    ),
]
CLIPS = np.random.default_rng(0).integers(0, 256, (3, 7, 32, 32, 3), dtype=np.uint8)
NAMES = ("videomae", "vjepa2")


def tiny(name: str) -> Any:
    """A network of one layer for 4 frames of 16 px."""
    import torch
    import transformers

    torch.manual_seed(0)
    size = {"patch_size": 8, "tubelet_size": 2, "hidden_size": 16, "num_hidden_layers": 1}
    size["num_attention_heads"] = 2
    if name == "videomae":
        config = transformers.VideoMAEConfig(image_size=16, num_frames=4, intermediate_size=16, **size)
        return transformers.VideoMAEModel(config).eval()
    heads = {"pred_hidden_size": 12, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    config = transformers.VJEPA2Config(crop_size=16, frames_per_clip=4, **size, **heads)
    return transformers.VJEPA2Model(config).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both models as `save_pretrained` leaves them."""
    found = {}
    for name in NAMES:
        found[name] = tmp_path_factory.mktemp(name)
        tiny(name).save_pretrained(found[name])
    return found


@pytest.mark.parametrize(("name", "taken", "least"), [("videomae", 4, 4), ("vjepa2", 6, 2)])
def test_features_are_the_mean_token(folders: dict[str, Path], name: str, taken: int, least: int) -> None:
    import torch

    one = space_named(name, weights=str(folders[name]))
    found = one.features(CLIPS)
    assert found.shape == (3, 16) and found.dtype == np.float32 and one.least_frames == least
    x = resized(CLIPS[:, :taken], 16, 16, True, True) / 255
    x = (x - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    video = torch.tensor(x.transpose(0, 1, 4, 2, 3), dtype=torch.float32)
    with torch.inference_mode():
        key = "pixel_values" if name == "videomae" else "pixel_values_videos"
        expected = tiny(name)(**{key: video}).last_hidden_state.mean(dim=1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert one.identity()["class"] == name and len(one.identity()["weights"]) == 64
    assert one.identity()["side"] == 16 and one.identity()["frames"] == least
    with pytest.raises(UserError, match=f"which needs {least}"):
        one.features(CLIPS[:, : least - 1])


def test_the_folders_own_mean_is_used(folders: dict[str, Path], tmp_path: Path) -> None:
    tiny("videomae").save_pretrained(tmp_path)
    plain = space_named("videomae", weights=str(tmp_path)).features(CLIPS)
    told = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    other = space_named("videomae", weights=str(tmp_path))
    assert np.abs(other.features(CLIPS) - plain).max() > 1e-3
    assert other.identity() != space_named("videomae", weights=str(folders["videomae"])).identity()


def test_folders_that_do_not_fit_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Missing, match="weights missing; give weights=FOLDER"):
        space_named("videomae")
    with pytest.raises(Missing, match="is no folder"):
        space_named("vjepa2", weights=str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds model_type=vjepa2; space=videomae needs videomae"):
        space_named("videomae", weights=str(folders["vjepa2"]))
    with pytest.raises(UserError, match=r"config.json cannot be read"):
        space_named("videomae", weights=str(tmp_path))
    (tmp_path / "config.json").write_text((folders["videomae"] / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(UserError, match=r"holds no \*.safetensors; pickled weights are not read"):
        space_named("videomae", weights=str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match="cannot be loaded"):
        space_named("videomae", weights=str(tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_lack_are_never_drawn_at_random(name: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny(name).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    unused = [key for key in tensors if key.startswith("predictor.")]
    assert bool(unused) == (name == "vjepa2")
    whole = space_named(name, weights=str(tmp_path)).features(CLIPS)
    save_file({k: v for k, v in tensors.items() if k not in unused}, file, metadata={"format": "pt"})
    assert np.array_equal(space_named(name, weights=str(tmp_path)).features(CLIPS), whole)
    lost = next(key for key in tensors if "encoder.layer.0" in key and key.endswith("weight"))
    del tensors[lost]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=rf"has no {lost} \(1 tensors lack\); download it anew"):
        space_named(name, weights=str(tmp_path))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"image_mean": [0.5]}, r"says image_mean=\[0.5\]; give three numbers"),
        ({"image_mean": "x"}, "says image_mean=x; give three numbers"),
        ({"image_std": {"a": 1}}, "says image_std=.*; give three numbers"),
        ({"image_std": [0.2, 0, 0.2]}, "image_std=.*; give numbers above 0"),
    ],
)
def test_a_mean_that_is_none_is_refused(told: dict[str, Any], words: str, tmp_path: Path) -> None:
    tiny("videomae").save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match=words):
        space_named("videomae", weights=str(tmp_path)).features(CLIPS)
