"""LPIPS: what is fed to the package, from where its trunk comes, and what is refused."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from picture_peers import texture

torch = pytest.importorskip("torch")
import lpips_stubs  # noqa: E402  (needs torch)

from simbench.errors import UserError  # noqa: E402
from simbench.metrics.perceptual import Lpips  # noqa: E402

pytestmark = pytest.mark.torch
TRUE = texture(0, 5, 40, 36)
MADE = np.clip(TRUE + np.random.default_rng(0).normal(0, 20, TRUE.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lpips:
    """LPIPS over the stub package with weights of its own."""
    lpips_stubs.install(monkeypatch)
    sha256 = lpips_stubs.stub_weights(tmp_path / "trunk.pth")
    return Lpips(str(tmp_path / "trunk.pth"), "alex", sha256)


def test_the_package_gets_minus_one_to_one_and_the_trunk_of_the_file(measure: Lpips) -> None:
    got = measure.frames(MADE, TRUE)
    assert lpips_stubs.Stub.asked == {"net": "alex", "version": "0.1", "pnet_rand": True, "verbose": False}
    assert got.shape == (5,) and got.dtype == np.float64 and measure(MADE, TRUE) == pytest.approx(got.mean())

    with pytest.warns(UserWarning, match="deprecated"):
        stub = lpips_stubs.Stub()
    given = torch.load(measure.weights, weights_only=True)
    own = {key: given[f"features.{key.split('.', 1)[1]}"] for key in stub.net.state_dict()}
    stub.net.load_state_dict(own)
    one, two = (torch.from_numpy(np.moveaxis(c, -1, 1) / 127.5 - 1.0).float() for c in (MADE, TRUE))
    with torch.inference_mode():
        wanted = stub(one, two).ravel().numpy()
        # What a clip in [0, 1] would read: half the distance, a quarter of its square.
        wrong = stub((one + 1) / 2, (two + 1) / 2).ravel().numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert (wrong < 0.3 * got).all()


def test_identical_is_zero_and_frames_are_independent(measure: Lpips) -> None:
    assert measure.frames(TRUE, TRUE).tolist() == [0.0] * 5
    np.testing.assert_allclose(
        measure.frames(MADE[1:2], TRUE[1:2])[0], measure.frames(MADE, TRUE)[1], rtol=1e-6
    )


def test_floats_and_small_or_grey_pictures_are_refused_in_one_line(measure: Lpips) -> None:
    for made, true, what in (
        (MADE / 255.0, TRUE, "made holds float64; give uint8 in 0..255: LPIPS takes .-1, 1."),
        (MADE, TRUE.astype(np.float32) / 127.5 - 1, "true holds float32"),
        (MADE[:, :31], TRUE[:, :31], "32 px a side"),
        (MADE[..., :1], TRUE[..., :1], "3 channels"),
        (MADE, TRUE[:4], "true has shape"),
    ):
        with pytest.raises(ValueError, match=what) as caught:
            measure(made, true)
        assert "\n" not in str(caught.value)


def test_weights_that_are_missing_or_others_are_refused(
    measure: Lpips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lpips_stubs.saved(tmp_path / "other.pth", {"features.0.weight": torch.zeros(1)})
    bare = lpips_stubs.saved(tmp_path / "bare.pth", torch.zeros(3))
    epoch = lpips_stubs.saved(tmp_path / "epoch.pth", {"features.0.weight": torch.zeros(1), "epoch": 3})
    (tmp_path / "junk.pth").write_bytes(b"junk")
    junk = hashlib.sha256(b"junk").hexdigest()
    for weights, net, sha256, what in (
        ("", "alex", None, r"weights=\(none\) is no file; LPIPS needs alexnet-owt-7be5be79.pth"),
        (str(tmp_path / "no.pth"), "vgg", None, "no.pth is no file; LPIPS needs vgg16-397923af.pth"),
        (measure.weights, "alex", None, "has sha256 [0-9a-f]{64}, not 7be5be79"),
        (measure.weights, "alex", "00" * 32, "not 0000"),
        (measure.weights, "resnet", None, "net=resnet is unknown; use one of alex, vgg, squeeze"),
        (str(tmp_path / "other.pth"), "alex", other, "has no features.0.weight of alex"),
        (str(tmp_path / "junk.pth"), "alex", junk, "junk.pth holds no tensors"),
        (str(tmp_path / "bare.pth"), "alex", bare, "bare.pth holds no tensors by name"),
        (str(tmp_path / "epoch.pth"), "alex", epoch, "epoch.pth holds no tensors by name"),
    ):
        with pytest.raises(UserError, match=what) as caught:
            Lpips(weights, net, sha256)(MADE, TRUE)
        assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "lpips", None)
    sha256 = lpips_stubs.stub_weights(tmp_path / "again.pth")
    with pytest.raises(UserError, match="LPIPS is not installed"):
        Lpips(str(tmp_path / "again.pth"), "alex", sha256)(MADE, TRUE)


@pytest.mark.benchmark
def test_the_real_package_takes_our_trunk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its linear layers on an AlexNet of random weights: layers are found, its option for [0, 1] agrees."""
    lpips_stubs.install_torchvision(monkeypatch)
    lpips = pytest.importorskip(
        "lpips", reason="lpips is not installed: pip install 'simbench-worlds[lpips]'"
    )
    monkeypatch.setattr(lpips.pretrained_networks.tv, "alexnet", lambda pretrained: lpips_stubs.alexnet())
    torch.manual_seed(1)
    sha256 = lpips_stubs.saved(tmp_path / "alex.pth", lpips_stubs.alexnet().state_dict())
    got = Lpips(str(tmp_path / "alex.pth"), "alex", sha256).frames(MADE, TRUE)
    theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    given = torch.load(tmp_path / "alex.pth", weights_only=True)
    own = theirs.net.state_dict()
    theirs.net.load_state_dict({key: given[f"features.{key.split('.', 1)[1]}"] for key in own})
    one, two = (torch.from_numpy(np.moveaxis(c, -1, 1) / 255.0).float() for c in (MADE, TRUE))
    with torch.inference_mode():
        wanted = theirs(one, two, normalize=True).ravel().numpy()
        wrong = theirs(one, two).ravel().numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
    print(f"\n[0, 1] fed as [-1, 1] reads {(wrong / wanted).mean():.2f} of the distance")
    assert (wrong < 0.6 * wanted).all()


@pytest.mark.network
def test_the_published_trunk() -> None:
    """With torchvision's own file in LPIPS_ALEX: far pictures are farther than near ones."""
    if not os.environ.get("LPIPS_ALEX"):
        pytest.skip("LPIPS_ALEX names no file: it should be alexnet-owt-7be5be79.pth of torchvision")
    measure = Lpips(os.environ["LPIPS_ALEX"])
    near = np.clip(TRUE.astype(int) + 2, 0, 255).astype(np.uint8)
    assert 0 < measure(near, TRUE) < measure(MADE, TRUE) < 2
