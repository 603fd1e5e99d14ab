"""Feature spaces by name, the untrained ones, weights by digest, and the protocols against torch's resize."""

from __future__ import annotations

import hashlib
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.features import protocols, random3d, space, weights
from simbench.features.protocols import PRESETS, preset_named, resized
from simbench.features.space import Missing, space_named
from simbench.features.weights import located

PINNED = 0.017224475741386414
"""First weight of the second layer of seed 0."""
CLIPS = np.random.default_rng(0).integers(0, 256, (3, 5, 40, 52, 3), dtype=np.uint8)
LARGE = np.random.default_rng(1).integers(0, 256, (1, 2, 300, 380, 3), dtype=np.uint8)
FIELDS = ("half_pixel", "ddof", "rounding", "keep_aspect", "antialias", "data_side")
DOCUMENTED = {
    "tf2018": (False, 1, "none", False, False, None),
    "stylegan-v": (True, 0, "round", False, False, None),
    "videogpt": (True, 1, "truncate", True, False, None),
    "cd-fvd": (True, 0, "truncate", False, False, 256),
    "simbench": (True, 1, "round", True, True, None),
}


def interpolated(clips: np.ndarray, height: int, width: int, antialias: bool = False) -> np.ndarray:
    """torch's bilinear resize of [..., H, W, 3], pixel centres at k + 1/2."""
    import torch
    from torch.nn import functional

    x = torch.tensor(clips.astype(np.float32)).reshape(-1, *clips.shape[-3:]).permute(0, 3, 1, 2)
    out = functional.interpolate(
        x, size=(height, width), mode="bilinear", align_corners=False, antialias=antialias
    )
    return out.permute(0, 2, 3, 1).numpy().reshape(*clips.shape[:-3], height, width, 3)


def by_lines(clips: np.ndarray, height: int, width: int) -> np.ndarray:
    """TensorFlow 1: out[i] at i * old / new, one axis after the other."""
    x = clips.astype(np.float64)
    for axis, new in ((-3, height), (-2, width)):
        old = x.shape[axis]
        at = np.arange(new) * (old / new)
        x = np.apply_along_axis(lambda line, at=at, old=old: np.interp(at, np.arange(old), line), axis, x)
    return x


def short_side(clips: np.ndarray, side: int, antialias: bool) -> np.ndarray:
    """The shorter side at `side`, the longer rounded up, the middle cropped."""
    height, width = clips.shape[-3:-1]
    tall, wide = (side, -(-width * side // height)) if height < width else (-(-height * side // width), side)
    x = interpolated(clips, tall, wide, antialias)
    top, left = (tall - side) // 2, (wide - side) // 2
    return x[..., top : top + side, left : left + side, :]


REFERENCES: dict[str, Any] = {
    "tf2018": lambda clips: by_lines(clips, 224, 224),
    "stylegan-v": lambda clips: interpolated(clips, 224, 224),
    "videogpt": lambda clips: short_side(clips, 224, False),
    # Version 0.1.1: pictures in [0, 1] are resized, taken times 255 and made bytes, which truncates.
    "cd-fvd": lambda clips: interpolated(
        (short_side(clips / 255, 256, True) * 255).astype(np.uint8), 224, 224
    ),
    "simbench": lambda clips: short_side(clips, 224, True),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("clips", [CLIPS[:1, :2], LARGE, LARGE[..., 80:, :]], ids=["small", "large", "tall"])
def test_a_protocol_is_what_it_stands_for(name: str, clips: np.ndarray) -> None:
    clips = clips.swapaxes(2, 3) if clips.shape[3] == 300 else clips
    made = PRESETS[name].pictures(clips)
    assert made.shape == (*clips.shape[:2], 224, 224, 3) and made.dtype == np.float32
    expected = REFERENCES[name](clips) / 127.5 - 1
    if name == "cd-fvd":
        # Which whole number a value within rounding of it becomes is chance: one level here and there.
        off = np.abs(made - expected)
        assert (
            off.max() < 1.01 / 127.5 and (off > 2e-4).mean() < 0.05 and abs((made - expected).mean()) < 1e-3
        )
    else:
        np.testing.assert_allclose(made, expected, atol=2e-4)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(PRESETS, 2)))
def test_no_two_protocols_give_the_same(one: str, other: str) -> None:
    a, b = PRESETS[one], PRESETS[other]
    assert np.abs(a.pictures(LARGE) - b.pictures(LARGE)).max() > 0.05


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_as_documented_and_frozen(name: str) -> None:
    preset = preset_named(name)
    record = preset.record()
    assert record["frames"] == 16 and record["stride"] == 1 and record["side"] == 224
    assert (record["low"], record["high"]) == (-1.0, 1.0)
    assert tuple(record[key] for key in FIELDS) == DOCUMENTED[name]
    with pytest.raises(AttributeError):
        preset.frames = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "grey"), [("videogpt", 100), ("simbench", 101), ("stylegan-v", 101), ("tf2018", 100.7)]
)
def test_pictures_that_are_not_8_bits_are_brought_there(name: str, grey: float) -> None:
    flat = np.full((1, 224, 224, 3), 100.7 / 255)
    np.testing.assert_allclose(PRESETS[name].pictures(flat), grey / 127.5 - 1, atol=1e-6)
    whole = np.full((1, 224, 224, 3), 101, np.uint8)
    np.testing.assert_allclose(PRESETS[name].pictures(whole), 101 / 127.5 - 1, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(("height", "width"), [(7, 90), (40, 20), (80, 52), (13, 17)])
def test_resize_is_torchs(height: int, width: int, antialias: bool) -> None:
    made = resized(CLIPS, width, height, antialias, True)
    np.testing.assert_allclose(made, interpolated(CLIPS, height, width, antialias), atol=0.02)


@pytest.mark.torch
@pytest.mark.parametrize(("antialias", "half_pixel"), [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize(("height", "width"), [(7, 90), (64, 20), (80, 1), (1, 1)])
def test_resize_is_the_product_with_all_weights(
    height: int, width: int, antialias: bool, half_pixel: bool
) -> None:
    old_height, old_width = CLIPS.shape[2:4]
    tall = protocols.weights(old_height, height, antialias, half_pixel).astype(np.float64)
    wide = protocols.weights(old_width, width, antialias, half_pixel).astype(np.float64)
    made = resized(CLIPS, width, height, antialias, half_pixel)
    np.testing.assert_allclose(made, np.einsum("ih,jw,nthwc->ntijc", tall, wide, CLIPS), atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(20, 90), (80, 26)])
def test_resize_is_opencvs(height: int, width: int) -> None:
    import cv2

    one = CLIPS[0, 0].astype(np.float32)
    expected = cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(resized(one, width, height, False, True), expected, atol=0.02)


def test_frames_are_taken_from_the_start() -> None:
    preset = PRESETS["simbench"].changed(frames=3, stride=2)
    assert preset.span == 5 and preset.name == "simbench frames=3 stride=2"
    np.testing.assert_array_equal(preset.taken(np.arange(8)), [0, 2, 4])
    assert PRESETS["simbench"].changed() is PRESETS["simbench"]
    with pytest.raises(UserError, match=r"clip of 4 frames is too short for .* 3 frames 2 apart need 5"):
        preset.taken(CLIPS[0, :4])
    with pytest.raises(UserError, match="give 1 or more"):
        preset.changed(frames=-1)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: preset_named("tf2019"), "protocol=tf2019 is unknown; use one of tf2018"),
        (lambda: space_named("i3b"), "space=i3b is unknown; use one of random"),
        (lambda: space_named("random", weights="x"), "space=random takes no weights=; it takes seed"),
    ],
)
def test_unknown_names_are_refused(call: Any, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        call()


def test_a_space_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "SPACES", {"later": "later:Later"})
    with pytest.raises(Missing, match="space=later is not part of this installation"):
        space_named("later")
    assert not space.takes("later", "weights")


@pytest.mark.torch
@pytest.mark.parametrize("name", ["random", "random-motion"])
def test_an_untrained_space_repeats_itself(name: str) -> None:
    one = space_named(name)
    found = one.features(CLIPS)
    assert found.shape == (3, 112) and found.dtype == np.float32 and np.isfinite(found).all()
    np.testing.assert_array_equal(space_named(name).features(CLIPS), found)
    alone = np.concatenate([one.features(clip[None]) for clip in CLIPS])
    np.testing.assert_allclose(alone, found, rtol=1e-4, atol=1e-6)
    assert one.identity() == space_named(name).identity() != space_named(name, seed=1).identity()
    assert np.abs(space_named(name, seed=1).features(CLIPS) - found).max() > 1e-3
    assert "fvd" not in str(one.identity()).lower()


def test_the_weights_of_an_untrained_space_stay_the_same() -> None:
    """Pinned: another digest is another space, and no stored distance compares with it."""
    first = random3d.layers(0, False)
    assert [w.shape for w in first] == [(16, 3, 3, 3, 3), (32, 16, 3, 3, 3), (64, 32, 3, 3, 3)]
    assert float(first[1][0, 0, 0, 0, 0]) == pytest.approx(PINNED, rel=1e-6)
    np.testing.assert_allclose(first[0].sum(axis=(1, 2, 3, 4)), 0, atol=1e-5)
    np.testing.assert_allclose(random3d.layers(0, True)[0].sum(axis=2), 0, atol=1e-6)


@pytest.mark.torch
def test_random_motion_sees_change_alone() -> None:
    still = np.repeat(CLIPS[:, :1], 5, axis=1)
    one = space_named("random-motion")
    assert np.abs(one.features(still)).max() < 1e-5 < np.abs(one.features(CLIPS)).max()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("clips", "hint"),
    [
        (CLIPS[:, :2], "clips of 2 frames are too short for space=random, which needs 3"),
        (CLIPS.astype(np.float32), r"takes clips uint8 \[N, T, H, W, 3\], got float32"),
        (CLIPS[0], "takes clips uint8"),
        (CLIPS[:0], "takes clips uint8"),
    ],
)
def test_clips_that_do_not_fit_are_refused(clips: np.ndarray, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        space_named("random").features(clips)


def test_weights_are_found_by_path_and_by_file_url(tmp_path: Path) -> None:
    file = tmp_path / "a file.bin"
    file.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert located(str(file)) == located(file.as_uri(), digest.upper()) == (file, digest)
    with pytest.raises(UserError, match=f"has sha256 {digest}, not {'0' * 64}"):
        located(str(file), "0" * 64)
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        located(str(file), "abc")
    with pytest.raises(Missing, match="weights missing"):
        located(str(tmp_path / "none.bin"))
    with pytest.raises(UserError, match="starts with http:"):
        located("http://example.org/x.bin", digest)


def test_weights_from_a_server_need_their_digest() -> None:
    digest, calls = hashlib.sha256(b"abc").hexdigest(), []

    def server(url: str, timeout: float) -> io.BytesIO:
        """Answers with three bytes."""
        calls.append(url)
        return io.BytesIO(b"abc")

    def silent(url: str, timeout: float) -> io.BytesIO:
        """A server that is away."""
        raise OSError("no route")

    url = "https://example.org/x.safetensors"
    with pytest.raises(UserError, match="needs sha256="):
        located(url, "", server)
    with pytest.raises(Missing, match="cannot be fetched"):
        located(url, digest, silent)
    for wrong in ("https://a b/x.pt", "https://localhost:port/x.pt"):
        with pytest.raises(Missing, match="cannot be fetched"):
            located(wrong, digest)
    with pytest.raises(UserError, match="is no address"):
        located("https://[x/y.pt", digest)
    with pytest.raises(UserError, match="thrown away"):
        located(url, "0" * 64, server)
    path, found = located(url, digest, server)
    assert path.read_bytes() == b"abc" and found == digest and path.suffix == ".safetensors"
    assert located(url, digest, silent) == (path, digest)
    assert len(calls) == 2 and not list(path.parent.glob("*" + "0" * 64 + "*"))


def test_a_folder_has_a_digest_of_what_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = weights.digest_of_folder(tmp_path)
    (tmp_path / "readme.md").write_text("x")
    assert weights.digest_of_folder(tmp_path) == first
    (tmp_path / "config.json").write_text("{ }")
    assert weights.digest_of_folder(tmp_path) != first
    assert protocols.ROUNDINGS == ("none", "round", "truncate")
