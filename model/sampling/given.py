"""Files that a user gives beside videos: a first frame, actions, a camera, depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from model.actions import encode
from model.sampling.wishes import camera_rows
from simbench.errors import UserError


def read_image(path: Path) -> np.ndarray:
    """uint8 [1, H, W, 3] of a picture file. UserError when it is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))[None].copy()
    except FileNotFoundError as error:
        raise UserError(f"image={path} does not exist; name a PNG or JPEG file") from error
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"image={path} cannot be read as a picture; name a PNG or JPEG file") from error


def read_actions(path: Path) -> np.ndarray:
    """float32 [T, A] of a JSON file: a command (model.actions), or A numbers, for each frame."""
    rows = _rows(path, "actions", "actions")
    if all(isinstance(row, str) for row in rows):
        return encode(rows)
    says = f"actions={path} must hold a name, or a row of numbers, for each frame"
    found = _array(rows, says)
    if found.ndim != 2:
        raise UserError(says)
    return found.astype(np.float32)


def read_camera(path: Path) -> np.ndarray:
    """float32 [T, 12] (see wishes.camera_rows) of a JSON file: a 4x4, world to camera, for each frame."""
    says = f"camera={path} must hold an invertible 4x4 matrix for each frame"
    poses = _array(_rows(path, "camera", "poses_world_to_camera"), says)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or np.abs(np.linalg.det(poses)).min() < 1e-6:
        raise UserError(says)
    return camera_rows(poses)


def read_depth(path: Path) -> np.ndarray:
    """float32 [T, H, W] of an NPZ file with `depth`: metres along the axis, 0 is the sky. UserError else."""
    says = f"depth={path} must be an NPZ with 'depth' [frames, height, width], metres of 0 (the sky) or more"
    try:
        with np.load(path, allow_pickle=False) as file:
            found = file["depth"]
    except FileNotFoundError as error:
        raise UserError(f"depth={path} does not exist; name an NPZ file") from error
    except (OSError, ValueError, KeyError, IndexError, TypeError, BadZipFile) as error:
        raise UserError(says) from error
    if found.ndim != 3 or found.dtype.kind not in "fiu" or not np.isfinite(found).all() or found.min() < 0:
        raise UserError(says)
    return found.astype(np.float32)


def _rows(path: Path, option: str, key: str) -> list[Any]:
    """The list in a JSON file, bare or under `key`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{option}={path} cannot be read ({error.strerror}); name a JSON file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{option}={path} is not JSON: {error}") from error
    rows = content.get(key) if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{option}={path} must hold a list, or an object with one under {key!r}")
    return rows


def _array(rows: list[Any], says: str) -> np.ndarray:
    try:
        found = np.asarray(rows, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UserError(says) from error
    if not np.isfinite(found).all():
        raise UserError(f"{says}, all finite")
    return found
