"""What `simbench.evaluate` returns: the table of a run, its scores as attributes, and where its files lie."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simbench.errors import UserError

COLUMNS = (
    "suite", "version", "setting", "given", "generator", "role", "exposure", "score", "low", "high", "scenes",
    "planned", "ok", "invalid", "missing", "failed", "refused", "bound", "mde", "kappa",
)  # fmt: skip
"""Fields of a row that are one value each."""

TEXTS = ("suite", "setting", "given", "generator", "role", "scene", "case", "metric", "status", "reason")
NEEDS_PANDAS = "to_pandas() needs pandas, which is not installed: pip install pandas"


@dataclass(frozen=True)
class Clip:
    """One case that the run drew. `strip` is a PNG: frames of the truth above, of the generator below;
    `video` is WebM (VP9): truth left, generator right. `distance` is how far its measures are from the
    oracle's, None where it was not scored."""

    suite: str
    case: str
    why: str
    status: str
    reason: str
    distance: float | None
    strip: Path
    video: Path


@dataclass(frozen=True)
class Table:
    """The results of one run. `rows` are those of summary.json (reports/schema/summary.schema.json): one for
    each suite and generator, with `score`, `low`, `high`, `role`, counts and metrics.

    `complete` is False where more videos than max_incomplete are missing, invalid or failed (exit code 3 of
    the command line); they score as zero, here as there. `str(table)` is the printed table.
    """

    rows: tuple[Mapping[str, Any], ...] = field(repr=False)
    folder: Path
    complete: bool
    text: str = field(repr=False)
    html: str = field(repr=False)

    @property
    def subject(self) -> Mapping[str, Any]:
        """The row of the generator that was asked. UserError for a run of several suites."""
        found = [row for row in self.rows if row["role"] == "subject"]
        if len(found) != 1:
            names = ", ".join(str(row["suite"]) for row in found)
            raise UserError(
                f"this table holds {len(found)} suites ({names}), which are never averaged; take the row of"
                ' one from table.rows, or say suite="..." for one'
            )
        return found[0]

    @property
    def score(self) -> float | None:
        """The generator's S: 0 is the suite's zero, 100 the truth. None where it is not defined."""
        return self._number("score")

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % interval over scenes; None for a single scene."""
        return self._number("low")

    @property
    def high(self) -> float | None:
        """Upper end of the 95 % interval over scenes; None for a single scene."""
        return self._number("high")

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The cases that the run drew, worst first, then some drawn by chance; empty with clips=0."""
        folder = self.folder / "clips"
        if not (folder / "clips.json").is_file():
            return ()
        listing = json.loads((folder / "clips.json").read_text(encoding="utf-8"))["clips"]
        shared = ("suite", "case", "why", "status", "reason", "distance")
        return tuple(
            Clip(
                **{key: entry[key] for key in shared},
                strip=folder / f"{entry['name']}.png",
                video=folder / f"{entry['name']}.webm",
            )
            for entry in listing
        )

    def to_pandas(self, scores: bool = False) -> Any:
        """The rows as a pandas DataFrame, metrics left out; with `scores`, every line of scores.csv instead,
        typed as docs/data.md says. UserError where pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UserError(NEEDS_PANDAS) from error
        if not scores:
            return pandas.DataFrame([dict(row) for row in self.rows], columns=list(COLUMNS))
        types = {"version": "int32", "world_seed": "Int64", "sample": "Int32", "value": "float64"}
        # Only an empty field is undefined: a generator may well be called "NA".
        return pandas.read_csv(
            self.folder / "scores.csv",
            dtype=types | {name: "str" for name in TEXTS},
            keep_default_na=False,
            na_values=[""],
        )

    def _number(self, key: str) -> float | None:
        found = self.subject[key]
        return None if found is None else float(found)

    def __str__(self) -> str:
        return self.text

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return self.html
