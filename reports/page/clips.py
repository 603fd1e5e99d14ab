"""The clips of a run for the page: what clips.json says, with the sheets of frames as data addresses."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.files import read_json, read_webp
from reports.table import number

NEEDED = (
    "suite", "case", "why", "status", "reason", "distance", "name", "tags", "frames", "height", "width",
    "fps", "given", "made", "trace", "columns", "sheet_width", "sheet_height", "exact",
)  # fmt: skip

IN_TRUTH = " in truth"


@dataclass(frozen=True)
class Clip:
    """One case to look at. `entry` is what clips.json says; `truth`, `made` and `rival` are data addresses of
    sheets of frames, empty where there are none; `files` (label, address) beside the page."""

    entry: Mapping[str, Any]
    truth: str
    made: str
    files: Sequence[tuple[str, str]]
    rival: str = ""
    rival_trace: Mapping[str, Any] | None = None
    rival_reason: str = ""

    @property
    def tags(self) -> str:
        """What kind of case it is, in words."""
        return " · ".join(_tag(str(k), v) for k, v in self.entry["tags"].items() if _tag(str(k), v))

    @property
    def distance(self) -> str:
        """How far from the truth it was read."""
        return "" if self.entry["distance"] is None else number(self.entry["distance"], 2)

    @property
    def curves(self) -> list[str]:
        """Names of the numbers by frame; `X in truth` is drawn with `X`."""
        names = [*self.entry["trace"], *(self.rival_trace or {})]
        return [
            n
            for n in dict.fromkeys(names)
            if n.removesuffix(IN_TRUTH) == n or n[: -len(IN_TRUTH)] not in names
        ]

    def player(self) -> dict[str, Any]:
        """What the page's players need, and nothing else."""
        keys = ("case", "suite", "frames", "fps", "given", "columns", "sheet_width", "sheet_height", "trace")
        sheets = {"truth": self.truth, "made": self.made, "rival": self.rival}
        return {**{k: self.entry[k] for k in keys}, **sheets, "rival_trace": self.rival_trace or {}}


def _tag(name: str, value: object) -> str:
    if isinstance(value, bool):
        return name.replace("_", " ") if value else ""
    if isinstance(value, int | float):
        return f"{name} {number(value, 2)}"
    return str(value)


def read_clips(folder: Path) -> list[Clip]:
    """The clips of a run; none where it drew none. ReportError for what is damaged or missing."""
    listing = folder / "clips" / "clips.json"
    if not listing.is_file():
        return []
    found = read_json(listing)
    if not isinstance(found, dict) or not isinstance(found.get("clips"), list):
        raise ReportError(f"{listing} is no list of clips")
    return [_clip(folder, listing, entry) for entry in found["clips"]]


def _clip(folder: Path, listing: Path, entry: Any) -> Clip:
    missing = [k for k in NEEDED if not isinstance(entry, dict) or k not in entry]
    if missing:
        raise ReportError(
            f"{listing} lacks {missing[0]!r}: it is of another version; run the same command again"
        )
    base = Path(str(entry["name"])).name
    sheets = {
        kind: inlined(folder / "clips" / f"{base}-{kind}.webp")
        for kind in ("truth", "made")
        if kind == "truth" or entry["made"]
    }
    files = [("truth, lossless", f"{base}-truth.mkv"), ("side by side", f"{base}.webm")]
    if entry["made"]:
        files.insert(1, ("answer, lossless", f"{base}-made.mkv"))
    present = [(label, f"clips/{name}") for label, name in files if (folder / "clips" / name).is_file()]
    return Clip(entry, sheets["truth"], sheets.get("made", ""), present)


def inlined(path: Path) -> str:
    """A picture as a data address."""
    return f"data:image/webp;base64,{base64.b64encode(read_webp(path)).decode('ascii')}"


def beside(clips: Sequence[Clip], others: Sequence[Clip], suites: set[str]) -> list[Clip]:
    """`clips` with the answers of another run to the same cases, in the suites that can be compared."""
    known = {(c.entry["suite"], c.entry["case"]): c for c in others if c.entry["suite"] in suites}
    found = []
    for clip in clips:
        other = known.get((clip.entry["suite"], clip.entry["case"]))
        if other is None or other.entry["frames"] != clip.entry["frames"]:
            found.append(replace(clip, rival_reason="not among the clips of that run"))
        elif not other.made:
            found.append(replace(clip, rival_reason=f"{other.entry['status']}: {other.entry['reason']}"))
        else:
            found.append(replace(clip, rival=other.made, rival_trace=other.entry["trace"]))
    return found
