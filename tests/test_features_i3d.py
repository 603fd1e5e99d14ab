"""I3D: the network of the paper on random weights, and which files are loaded as its weights."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.features.protocols import PRESETS
from simbench.features.space import Missing, space_named

pytestmark = pytest.mark.torch
CLIPS = np.random.default_rng(0).integers(0, 256, (1, 10, 36, 36, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def net() -> Any:
    """I3D with random weights."""
    import torch

    from simbench.features.inception import Inception

    torch.manual_seed(0)
    return Inception().eval()


@pytest.fixture(scope="module")
def saved(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights as safetensors."""
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("i3d") / "i3d.safetensors"
    save_file({k: v for k, v in net.state_dict().items() if "num_batches" not in k}, path)
    return path


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TorchScript file with the call of StyleGAN-V's detector: the mean colour of a clip."""
    import torch

    class Net(torch.nn.Module):
        """Answers with the mean colour where it is asked for features of pictures as they are."""

        def forward(
            self, x: torch.Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
        ) -> torch.Tensor:
            """[N, 3, T, H, W] to [N, 3]."""
            if rescale or resize or not return_features:
                return torch.zeros(len(x), 3)
            return x.mean(dim=[2, 3, 4])

    path = tmp_path_factory.mktemp("script") / "i3d.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Net()).save(str(path))
    return path


def test_the_network_has_the_size_of_the_papers(net: Any) -> None:
    assert sum(p.numel() for p in net.parameters()) == 12_697_264
    names = set(net.state_dict())
    for name in ("Conv3d_1a_7x7.conv3d.weight", "Mixed_3b.b1b.bn.running_var", "logits.conv3d.bias"):
        assert name in names


PUBLIC = {"Conv3d_1a_7x7": (3, 64, 7), "Conv3d_2b_1x1": (64, 64, 1), "Conv3d_2c_3x3": (64, 192, 3)} | {
    f"Mixed_{name}.{branch}": (before, after, kernel)
    for name, seen, (one, less, more, few, many, last) in (
        ("3b", 192, (64, 96, 128, 16, 32, 32)),
        ("3c", 256, (128, 128, 192, 32, 96, 64)),
        ("4b", 480, (192, 96, 208, 16, 48, 64)),
        ("4c", 512, (160, 112, 224, 24, 64, 64)),
        ("4d", 512, (128, 128, 256, 24, 64, 64)),
        ("4e", 512, (112, 144, 288, 32, 64, 64)),
        ("4f", 528, (256, 160, 320, 32, 128, 128)),
        ("5b", 832, (256, 160, 320, 32, 128, 128)),
        ("5c", 832, (384, 192, 384, 48, 128, 128)),
    )
    for branch, before, after, kernel in (
        ("b0", seen, one, 1),
        ("b1a", seen, less, 1),
        ("b1b", less, more, 3),
        ("b2a", seen, few, 1),
        ("b2b", few, many, 3),
        ("b3b", seen, last, 1),
    )
}
"""Layers of the public state dicts (rgb_imagenet.pt): channels in and out, kernel. The widths are those of
table 1 of Szegedy et al. (CVPR 2015), which I3D inflates."""


def test_the_state_has_the_names_and_shapes_of_the_public_one(net: Any) -> None:
    expected: dict[str, tuple[int, ...]] = {
        "logits.conv3d.weight": (400, 1024, 1, 1, 1),
        "logits.conv3d.bias": (400,),
    }
    for name, (before, after, kernel) in PUBLIC.items():
        expected[f"{name}.conv3d.weight"] = (after, before, kernel, kernel, kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{name}.bn.{part}"] = (after,)
    found = {k: tuple(v.shape) for k, v in net.state_dict().items() if "num_batches" not in k}
    assert found == expected and len(PUBLIC) == 57
    trunk = sum(p.numel() for name, p in net.named_parameters() if not name.startswith("logits"))
    assert trunk == 12_287_264


def lively(epsilon: float = 1e-3) -> Any:
    """I3D with random weights and random statistics, so that folding has something to fold."""
    import torch

    from simbench.features.inception import Inception

    torch.manual_seed(1)
    net = Inception(epsilon=epsilon).eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.01, 0.2)
            layer.weight.data.uniform_(0.5, 2)
            layer.bias.data.normal_(0, 0.2)
    return net


@pytest.mark.parametrize(("frames", "side"), [(9, 32), (16, 70)])
def test_folded_the_network_is_the_same(frames: int, side: int) -> None:
    import torch

    from simbench.features.folded import FoldedInception

    net = lively()
    folded = FoldedInception(net).eval()
    x = torch.randn(2, 3, frames, side, side)
    with torch.inference_mode():
        wanted = net(x)
        torch.testing.assert_close(folded(x), wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
        with pytest.raises(ValueError, match="x holds 8 frames; give 9"):
            folded(x[:, :, :8])


@pytest.mark.parametrize("shape", [(7, 9, 11), (8, 8, 8), (1, 2, 3)])
def test_pools_with_channels_last_are_torchs(shape: tuple[int, ...]) -> None:
    import torch

    from simbench.features.folded import pooled
    from simbench.features.inception import same

    x = torch.rand(2, 3, *shape)
    for kernel, stride in (
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
    ):
        wanted = torch.nn.functional.max_pool3d(same(x, kernel, stride), kernel, stride)
        found = pooled(x.permute(0, 2, 3, 4, 1).contiguous().numpy(), kernel, stride)
        assert np.array_equal(found, wanted.permute(0, 2, 3, 4, 1).numpy())


def test_the_epsilon_is_the_protocols(tmp_path: Path) -> None:
    """VideoGPT and cd-fvd run I3D with 1e-5 beside the variance, TensorFlow with 1e-3."""
    import torch
    from safetensors.torch import save_file

    save_file(
        {k: v for k, v in lively().state_dict().items() if "num_batches" not in k}, tmp_path / "x.safetensors"
    )
    for protocol, epsilon in (("tf2018", 1e-3), ("stylegan-v", 1e-3), ("videogpt", 1e-5), ("cd-fvd", 1e-5)):
        assert PRESETS[protocol].epsilon == epsilon
    x = torch.randn(1, 3, 9, 32, 32)
    with torch.inference_mode():
        usual, other = (lively(epsilon)(x) for epsilon in (1e-3, 1e-5))
        assert float((usual - other).abs().max()) > 1e-2 * float(usual.abs().max())
        for protocol, wanted in (("tf2018", usual), ("cd-fvd", other)):
            one = space_named("i3d", weights=str(tmp_path / "x.safetensors"), protocol=protocol)
            torch.testing.assert_close(one._net(x), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize(("frames", "side"), [(9, 32), (17, 50)])
def test_clips_become_logits(net: Any, frames: int, side: int) -> None:
    import torch

    with torch.inference_mode():
        x = torch.randn(2, 3, frames, side, side)
        out = net(x)
        assert out.shape == (2, 400) and bool(torch.isfinite(out).all())
        torch.testing.assert_close(net(x[:1]), out[:1], rtol=1e-3, atol=1e-4)


def test_stages_have_the_sizes_of_the_figure(net: Any) -> None:
    """Time 16 -> 8 -> 4 -> 2, space 64 -> 32 -> 16 -> 8 -> 4 -> 2, channels 64, 192, 480, 832, 1024."""
    import torch

    seen: dict[str, tuple[int, ...]] = {}
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
        for name, layer in net.named_children()
    ]
    with torch.inference_mode():
        net(torch.zeros(1, 3, 16, 64, 64))
    for hook in hooks:
        hook.remove()
    assert seen["Conv3d_1a_7x7"] == (64, 8, 32, 32)
    assert seen["Conv3d_2c_3x3"] == (192, 8, 16, 16)
    assert seen["Mixed_3c"] == (480, 8, 8, 8)
    assert seen["Mixed_4f"] == (832, 4, 4, 4)
    assert seen["Mixed_5c"] == (1024, 2, 2, 2)


def test_eight_frames_are_too_few(net: Any) -> None:
    import torch

    with pytest.raises(ValueError, match="x holds 8 frames; give 9"):
        net(torch.zeros(1, 3, 8, 32, 32))


def test_padding_is_tensorflows() -> None:
    """Size 8, kernel 7, stride 2: 4 places need 5 zeros, 2 in front and 3 behind."""
    import torch

    from simbench.features.inception import same

    x = torch.arange(1.0, 9.0).reshape(1, 1, 1, 1, 8)
    assert same(x, (1, 1, 7), (1, 1, 2)).flatten().tolist() == [0, 0, *range(1, 9), 0, 0, 0]
    kernel = torch.randn(1, 1, 1, 1, 3)
    ours = torch.nn.functional.conv3d(same(x, (1, 1, 3), (1, 1, 1)), kernel)
    torch.testing.assert_close(ours, torch.nn.functional.conv3d(x, kernel, padding="same"))


def test_features_are_the_logits_of_prepared_pictures(net: Any, saved: Path) -> None:
    import torch

    one = space_named("i3d", weights=str(saved), protocol="stylegan-v")
    x = torch.from_numpy(PRESETS["stylegan-v"].pictures(CLIPS[:, :9]).transpose(0, 4, 1, 2, 3).copy())
    with torch.inference_mode():
        expected = net(x).numpy()
    np.testing.assert_allclose(one.features(CLIPS[:, :9]), expected, rtol=1e-4, atol=1e-5)
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()
    assert one.identity() == {
        "class": "i3d",
        "kind": "safetensors",
        "weights": digest,
        "protocol": "stylegan-v",
    }
    with pytest.raises(UserError, match="clips of 8 frames are too short for space=i3d, which needs 9"):
        one.features(CLIPS[:, :8])


def test_features_do_not_depend_on_threads_nor_on_the_clips_beside(saved: Path) -> None:
    import torch

    one = space_named("i3d", weights=str(saved))
    clips = np.random.default_rng(1).integers(0, 256, (5, 9, 30, 40, 3), dtype=np.uint8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = one.features(clips)
        torch.set_num_threads(3)
        together = one.features(clips)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(alone, together)
    np.testing.assert_allclose(one.features(clips[2:3]), alone[2:3], atol=1e-5 * abs(alone).max())


def test_torchscript_runs_only_where_its_digest_was_given(scripted: Path) -> None:
    digest = hashlib.sha256(scripted.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"is TorchScript, a program .* sha256={digest}"):
        space_named("i3d", weights=str(scripted))
    with pytest.raises(UserError, match=f"has sha256 {digest}, not 000"):
        space_named("i3d", weights=str(scripted), sha256="0" * 64)
    one = space_named("i3d", weights=str(scripted), sha256=digest, protocol="tf2018")
    expected = PRESETS["tf2018"].pictures(CLIPS).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(one.features(CLIPS), expected, atol=1e-4)
    assert one.least_frames == 10 and one.identity()["kind"] == "torchscript"
    with pytest.raises(UserError, match="clips of 9 frames are too short for space=i3d, which needs 10"):
        one.features(CLIPS[:, :9])


def test_without_weights_the_space_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="weights missing; give weights=FILE"):
        space_named("i3d")
    with pytest.raises(Missing, match=r"weights missing; .* is no file"):
        space_named("i3d", weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(UserError, match="protocol=tf2019 is unknown"):
        space_named("i3d", protocol="tf2019")


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda t: t.pop("Mixed_4c.b0.conv3d.weight"), "holds nothing for Mixed_4c.b0.conv3d.weight"),
        (
            lambda t: t.update({"head.weight": t["logits.conv3d.bias"].clone()}),
            "holds head.weight, which I3D",
        ),
        (lambda t: t.update({"logits.conv3d.bias": t["logits.conv3d.bias"][:3].clone()}), r"holds \[3\] for"),
    ],
)
def test_tensors_that_are_not_i3ds_are_refused(net: Any, tmp_path: Path, change: Any, hint: str) -> None:
    from safetensors.torch import save_file

    tensors = dict(net.state_dict())
    change(tensors)
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=hint):
        space_named("i3d", weights=str(tmp_path / "x.safetensors"))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    for name, hint in (
        ("x.safetensors", "pickled weights are not read"),
        ("x.pt", "is no TorchScript module"),
    ):
        (tmp_path / name).write_bytes(b"\x80\x04 no weights at all")
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        with pytest.raises(UserError, match=hint):
            space_named("i3d", weights=str(tmp_path / name), sha256=digest)
