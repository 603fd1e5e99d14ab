"""`videomae` and `vjepa2`: self-supervised video networks of `transformers`, from a folder on this disk.

Features of networks that were not trained on labels of actions see motion rather than content (Ge et al.,
CVPR 2024). Nothing is downloaded, no code of the folder runs, and pickled weights are refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simbench.errors import UserError
from simbench.features.protocols import PRESETS
from simbench.features.space import Missing, checked
from simbench.features.weights import digest_of_folder
from simbench.files import read_mapping

REMEDY = "give the folder of a model"
BATCH = 2
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, for folders without preprocessor_config.json."""


@dataclass(frozen=True)
class _Hub(ABC):
    """What the two share: a folder with config.json and *.safetensors, as huggingface_hub leaves it."""

    weights: str = ""
    name: str = ""
    least_frames: int = 0
    _digest: str = field(init=False, repr=False, compare=False)
    _net: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        folder = Path(self.weights)
        if not self.weights or not folder.is_dir():
            where = f"{self.weights} is no folder, " if self.weights else ""
            raise Missing(
                f"weights missing; {where}give weights=FOLDER with config.json and *.safetensors"
                " (docs/distances.md says where they come from)"
            )
        kind = read_mapping(folder / "config.json", REMEDY).get("model_type")
        if kind != self.name:
            raise UserError(f"{folder} holds model_type={kind}; space={self.name} needs {self.name}")
        if not list(folder.glob("*.safetensors")):
            raise UserError(f"{folder} holds no *.safetensors; pickled weights are not read, convert them")
        net = _loaded(folder)
        frames = int(getattr(net.config, "num_frames", 0)) or int(net.config.tubelet_size)
        object.__setattr__(self, "_net", net)
        object.__setattr__(self, "_digest", digest_of_folder(folder))
        object.__setattr__(self, "least_frames", frames)

    def identity(self) -> Mapping[str, Any]:
        """Kind, the side that pictures are brought to (px), the frames that one reading or tubelet takes, and
        the digest of the folder's files, which say the rest."""
        return {
            "class": self.name,
            "side": self._side(),
            "frames": self.least_frames,
            "weights": self._digest,
        }

    def _side(self) -> int:
        size = self._net.config
        return int(getattr(size, "image_size", 0) or size.crop_size)

    def features(self, clips: np.ndarray) -> np.ndarray:
        """float32 [N, D]: mean over all tokens of the last layer, of clips uint8 [N, T, H, W, 3].

        The shorter side is scaled to the network's and the middle cropped. VideoMAE has places for a fixed
        number of frames and reads the first ones; V-JEPA 2 reads all but what fills no tubelet.
        """
        import torch

        clips = self._cut(checked(clips, self.name, self.least_frames))
        mean, sd = self._normal()
        found = []
        with torch.inference_mode():
            for i in range(0, len(clips), BATCH):
                x = (self._pictures(clips[i : i + BATCH]) - mean) / sd
                video = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 1, 4, 2, 3)))
                found.append(self._tokens(video).mean(dim=1).float().numpy())
        return np.concatenate(found)

    def _pictures(self, clips: np.ndarray) -> np.ndarray:
        import dataclasses

        return dataclasses.replace(PRESETS["simbench"], side=self._side(), low=0.0).pictures(clips)

    def _normal(self) -> tuple[np.ndarray, np.ndarray]:
        for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
            file = Path(self.weights) / name
            if file.is_file():
                told = read_mapping(file, REMEDY)
                mean = _triple(file, "image_mean", told.get("image_mean", MEAN))
                sd = _triple(file, "image_std", told.get("image_std", SD))
                if not (sd > 0).all():
                    raise UserError(f"{file} says image_std={sd.tolist()}; give numbers above 0")
                return mean, sd
        return np.asarray(MEAN, np.float32), np.asarray(SD, np.float32)

    @abstractmethod
    def _cut(self, clips: np.ndarray) -> np.ndarray:
        """The frames of clips [N, T, H, W, 3] that the network reads."""

    @abstractmethod
    def _tokens(self, video: Any) -> Any:
        """Tokens [N, L, D] of the last layer for normalised videos [N, T, 3, H, W]."""


@dataclass(frozen=True)
class VideoMAE(_Hub):
    """Features of VideoMAE's encoder (Tong et al. 2022); UserError and Missing as the module says."""

    name: str = "videomae"

    def _cut(self, clips: np.ndarray) -> np.ndarray:
        return clips[:, : self.least_frames]

    def _tokens(self, video: Any) -> Any:
        return self._net(pixel_values=video).last_hidden_state


@dataclass(frozen=True)
class VJEPA2(_Hub):
    """Features of V-JEPA 2's encoder (Assran et al. 2025); UserError and Missing as the module says."""

    name: str = "vjepa2"

    def _cut(self, clips: np.ndarray) -> np.ndarray:
        return clips[:, : clips.shape[1] // self.least_frames * self.least_frames]

    def _tokens(self, video: Any) -> Any:
        return self._net(pixel_values_videos=video, skip_predictor=True).last_hidden_state


def _loaded(folder: Path) -> Any:
    from safetensors import SafetensorError

    try:
        from transformers import AutoModel
    except ModuleNotFoundError as error:
        raise Missing("not measured without transformers: pip install 'simbench-worlds[hub]'") from error
    try:
        net, report = AutoModel.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{folder} cannot be loaded ({str(error).splitlines()[0]})") from error
    # What lacks is drawn at random, anew in each run, and said nowhere but in a warning.
    # The predictor of V-JEPA 2 is never run.
    lacking = sorted(key for key in report["missing_keys"] if not key.startswith("predictor."))
    if lacking:
        raise UserError(f"{folder} has no {lacking[0]} ({len(lacking)} tensors lack); download it anew")
    return net.eval()


def _triple(file: Path, name: str, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} says {name}={values}; give three numbers") from error
    if found.shape != (3,) or not np.isfinite(found).all():
        raise UserError(f"{file} says {name}={values}; give three numbers")
    return found
