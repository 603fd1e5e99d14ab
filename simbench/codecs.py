"""Codecs by name: what encodes a video and gives it back, with no model of the world between."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from simbench.errors import UserError
from simbench.files import read_mapping

FORMS = "model, model:FOLDER, h264:CRF or diffusers:FOLDER"

SPATIAL, TEMPORAL = 32, 8
"""Pixels and frames after the first that a latent of any published video VAE stands for at the most; clips
are filled up to a multiple by their own edge, and cut again."""


class Codec(Protocol):
    """Encodes and decodes a video."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Everything that changes what comes back, as plain data."""
        ...

    def roundtrip(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """uint8 [T, H, W, 3] sRGB at `fps` through the codec: of the same shape."""
        ...


def codec_named(text: str) -> Codec:
    """The codec that `text` names. It pickles: a worker process opens its own weights.

    UserError for another form, a quality out of range, or a folder without a VAE.
    """
    kind, _, what = text.partition(":")
    if kind == "h264":
        return H264(text, _crf(text, what))
    if kind == "model":
        return Model(text, what)
    if kind == "diffusers" and what:
        return Diffusers(text, str(_folder(Path(what))))
    raise UserError(f"codec={text} is none; use {FORMS}")


@dataclass(frozen=True)
class H264:
    """libx264, 4:2:0, at a constant rate factor from 0 (best) to 51."""

    name: str
    crf: int

    def identity(self) -> Mapping[str, Any]:
        """The rate factor, how pixels and x264 are set, and the versions of FFmpeg and x264 in PyAV."""
        import av

        from simbench.references.nuisance import PIXELS, X264

        versions = {"ffmpeg": av.ffmpeg_version_info, "x264": _x264()}
        return {"codec": "h264", "crf": self.crf, "pixels": PIXELS, "options": dict(X264), **versions}

    def roundtrip(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """See Codec. UserError for odd sizes, which 4:2:0 does not have."""
        from simbench.references.nuisance import codec

        height, width = frames.shape[1:3]
        if height % 2 or width % 2:
            raise UserError(
                f"{self.name} takes even sizes, the clips are {width}x{height}; use another size="
            )
        return codec(frames, fps, self.crf)


@lru_cache(maxsize=1)
def _x264() -> str:
    """The version that x264 writes into what it encodes, `164 r3108 31e19f9`; empty where it writes none."""
    import av

    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 16, 16, "yuv420p"
    encoder.time_base = Fraction(1, 8)
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    written = b"".join(bytes(packet) for part in (frame, None) for packet in encoder.encode(part))
    found = re.search(rb"x264 - core ([\w. ]+?) - ", written)
    return found[1].decode() if found else ""


@dataclass(frozen=True)
class Model:
    """The codec inside `generator=model`; `folder` is empty for the weights that ship."""

    name: str
    folder: str

    def identity(self) -> Mapping[str, Any]:
        """That of the generator."""
        return dict(_generator(self.folder).identity())

    def roundtrip(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """See Codec."""
        from simbench.video import Video

        back: np.ndarray = _generator(self.folder).roundtrip(Video(frames, fps)).frames
        return back


@lru_cache(maxsize=1)
def _generator(folder: str) -> Any:
    import yaml

    from simbench import assemble
    from simbench.overrides import CONF

    node = yaml.safe_load((CONF / "generator" / "model.yaml").read_text(encoding="utf-8"))
    return assemble.load({**node, "dir": folder})


@dataclass(frozen=True)
class Diffusers:
    """An autoencoder of diffusers (Wan, LTX, CogVideoX, Hunyuan, KL, ...) in a local folder: config.json and
    safetensors. A video VAE takes the clip, an image VAE frame by frame; both give the mean of the latent."""

    name: str
    folder: str

    def identity(self) -> Mapping[str, Any]:
        """The options of the VAE, and the sha256 of every file of weights."""
        folder = Path(self.folder)
        digests = {}
        for path in sorted(folder.glob("*.safetensors")):
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        return {"codec": "diffusers", "options": _options(folder), "weights": digests}

    def roundtrip(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """See Codec. UserError where the VAE does not give so many frames back."""
        import torch

        vae, video = _vae(self.folder)
        count, height, width = frames.shape[:3]
        filled = _filled(frames, TEMPORAL if video else 1)
        values = torch.from_numpy(filled).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        with torch.no_grad():
            back = _through(vae, values.movedim(0, 1)[None] if video else values)
        back = back[0].movedim(1, 0) if video else back
        levels = ((back.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
        out = levels.permute(0, 2, 3, 1).numpy()[:count, :height, :width]
        if out.shape != frames.shape:
            raise UserError(
                f"{self.name} gives {list(out.shape)} back for {list(frames.shape)}; use another VAE"
            )
        return np.ascontiguousarray(out)


def _through(vae: Any, values: Any) -> Any:
    """[B, 3, (T,) H, W] in [-1, 1] through encoder and decoder; classes name their latents differently."""
    found = vae.encode(values)
    if hasattr(found, "latent_dist"):
        latent = found.latent_dist.mode()
    else:
        latent = found.latents if hasattr(found, "latents") else found.latent
    return vae.decode(latent).sample


def _filled(frames: np.ndarray, temporal: int) -> np.ndarray:
    """`frames` with edges repeated up to 1 + a multiple of `temporal` frames, and multiples of SPATIAL px."""
    count, height, width = frames.shape[:3]
    more = [(0, -(count - 1) % temporal), (0, -height % SPATIAL), (0, -width % SPATIAL), (0, 0)]
    return np.pad(frames, more, mode="edge")


@lru_cache(maxsize=1)
def _vae(folder: str) -> tuple[Any, bool]:
    """The VAE in evaluation mode, and whether it takes videos."""
    import torch

    try:
        import diffusers
    except ModuleNotFoundError as error:
        raise UserError(f"codec=diffusers:{folder} needs diffusers; pip install diffusers") from error
    name = str(_options(Path(folder)).get("_class_name", ""))
    if not name.startswith(("Autoencoder", "AsymmetricAutoencoder")) or not hasattr(diffusers, name):
        raise UserError(f"{folder}/config.json says _class_name={name!r}; name the folder of an autoencoder")
    kind = getattr(diffusers, name)
    try:
        vae = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, torch_dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{folder} cannot be read as {name}: {' '.join(str(error).split())}") from error
    first = next(weights for weights in vae.encoder.parameters() if weights.ndim >= 4)
    return vae.eval(), first.ndim == 5


def _options(folder: Path) -> dict[str, Any]:
    """What config.json of a VAE says. UserError where it is no mapping in JSON."""
    return read_mapping(folder / "config.json", "save the VAE anew")


def _folder(path: Path) -> Path:
    if not (path / "config.json").is_file():
        raise UserError(
            f"{path} holds no config.json; name the folder of a diffusers VAE, for example DIR/vae"
        )
    if not list(path.glob("*.safetensors")):
        raise UserError(f"{path} holds no safetensors; pickled weights are not read: save the VAE anew")
    _options(path)
    return path.absolute()


def _crf(text: str, what: str) -> int:
    if not what.isdecimal() or int(what) > 51:
        raise UserError(f"codec={text} must be h264:0 (best) to h264:51 (worst)")
    return int(what)
