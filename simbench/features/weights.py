"""Weights that others trained: by path, file:// or https://, with a digest that was known before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from simbench.errors import UserError
from simbench.features.space import Missing
from simbench.files import replacing
from simbench.scripted import unlike
from simbench.store import default_store

SECONDS = 60.0
"""How long a server may be silent."""

Open = Callable[..., Any]


def digest_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_folder(folder: Path) -> str:
    """sha256 of the names and contents of the files of a folder that a model is loaded from."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors"))
    return hashlib.sha256("".join(f"{p.name} {digest_of(p)}\n" for p in files).encode()).hexdigest()


def located(weights: str, sha256: str = "", open_url: Open = urlopen) -> tuple[Path, str]:
    """The file that `weights` names, with its digest.

    A path, or file:// or https://; what comes over https must have the `sha256` given before, and is kept in
    the user's cache under it. Missing where there is no file, UserError for another digest.
    """
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UserError(f"sha256={sha256} is not 64 hexadecimal digits; give all of them")
    wanted = sha256.lower()
    try:
        parts = urlsplit(weights)
    except ValueError as error:
        raise UserError(
            f"weights={weights} is no address ({error}); use a path, file:// or https://"
        ) from error
    if parts.scheme == "https":
        path = _fetched(weights, wanted, open_url)
    elif parts.scheme in ("", "file") or len(parts.scheme) == 1:
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(weights)
    else:
        raise UserError(f"weights={weights} starts with {parts.scheme}:; use a path, file:// or https://")
    if not path.is_file():
        raise Missing(f"weights missing; {path} is no file, give weights=FILE")
    found = digest_of(path)
    if wanted and found != wanted:
        raise UserError(unlike(path, found, wanted, "weights"))
    return path, found


def _fetched(url: str, wanted: str, open_url: Open) -> Path:
    if not wanted:
        raise UserError(f"weights={url} needs sha256=, so that nobody can send another file")
    path = default_store() / "weights" / f"{wanted}{Path(urlsplit(url).path).suffix}"
    if path.is_file():
        return path
    try:
        with open_url(url, timeout=SECONDS) as answer, replacing(path) as temporary:
            found = _copied(answer, temporary)
            if found != wanted:
                raise UserError(f"{url} sent a file with sha256 {found}, not {wanted}; it was thrown away")
    except (OSError, HTTPException) as error:
        raise Missing(f"weights missing; {url} cannot be fetched ({error}), give weights=FILE") from error
    return path


def _copied(answer: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while part := answer.read(1 << 20):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()
