"""Video: the only code that decodes, encodes, validates and hashes frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Video:
    """`frames` uint8 [T, H, W, 3] sRGB at `fps` frames a second; `lossy` says it came from a lossy file."""

    frames: np.ndarray
    fps: float
    lossy: bool = False

    def digest(self) -> str:
        """sha256 of shape, rate and pixels."""
        h = hashlib.sha256(f"{self.frames.shape}{float(self.fps)}".encode())
        h.update(np.ascontiguousarray(self.frames).tobytes())
        return h.hexdigest()
