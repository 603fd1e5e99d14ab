"""Files of labels: read strictly, held against the clips, stored beside the run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reports.aggregate import ReportError
from reports.files import write_text
from reports.label.clips import Asked, digest, frames

COLUMNS = ("run", "suite", "version", "case", "sample", "clip", "label", "labeller", "made")
WORDS = {
    "y": "yes", "yes": "yes", "n": "no", "no": "no", "u": "cannot tell", "cannot tell": "cannot tell"
}  # fmt: skip
MOST_NAME = 60
"""Characters of a labeller's name: it stands in a table."""


@dataclass(frozen=True)
class Label:
    """One answer: `label` is yes, no or cannot tell; `clip` is the digest of the pixels that were seen."""

    run: str
    suite: str
    version: int
    case: str
    sample: int
    clip: str
    label: str
    labeller: str
    made: str

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What it is about."""
        return (self.run, self.suite, self.case, self.sample)


class LabelErrors(ReportError):
    """Everything that is wrong with a file of labels, one line each."""


def read_table(path: Path) -> list[dict[str, str]]:
    """The lines of a file of labels as written, other columns left alone. ReportError where it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"labels={path} cannot be read: {error}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise ReportError(f"labels={path} has no column {', '.join(lacking)}; keep the columns it came with")
    try:
        rows = [{k: (row[k] or "").strip() for k in COLUMNS} for row in reader]
    except csv.Error as error:
        raise ReportError(f"labels={path} is no CSV: {error}") from error
    if not rows:
        raise ReportError(f"labels={path} holds no labels; answer the clips first")
    return rows


def checked(rows: Sequence[Mapping[str, str]], clips: Sequence[Asked], labeller: str) -> list[Label]:
    """Labels that hold: of these clips, each once, in the words that count. LabelErrors with all faults."""
    known = {clip.place: clip for clip in clips}
    seen: set[tuple[str, str, str, int]] = set()
    found: list[Label] = []
    faults: list[str] = []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for number, row in enumerate(rows, 2):
        fault, label = _label(row, known, labeller, now)
        if label is not None and label.place in seen:
            fault, label = f"{label.case} sample {label.sample} of {label.run} is labelled twice", None
        if label is None:
            faults.append(f"line {number}: {fault}")
        else:
            seen.add(label.place)
            found.append(label)
    names = sorted({label.labeller for label in found})
    if len(names) > 1:
        faults.append(f"{len(names)} labellers in one file ({', '.join(names)}); give each their own")
    if faults:
        raise LabelErrors("\n".join(faults))
    return found


def _label(
    row: Mapping[str, str], known: Mapping[tuple[str, str, str, int], Asked], labeller: str, now: str
) -> tuple[str, Label | None]:
    """What is wrong with one line, or its label."""
    if not row["sample"].isascii() or not row["sample"].isdigit():
        return f"sample {row['sample']!r} is no whole number", None
    place = (row["run"], row["suite"], row["case"], int(row["sample"]))
    clip = known.get(place)
    if clip is None:
        what = f"{row['case']!r} sample {row['sample']} of suite {row['suite']!r}"
        return f"{what} is no clip of run {row['run']!r} among those given", None
    if row["version"] != str(clip.version):
        return f"version {row['version']!r} of {clip.suite}, but the run has {clip.version}", None
    word = WORDS.get(" ".join(row["label"].lower().split()))
    if word is None:
        said = f"the label {row['label']!r} is none of y, n, u" if row["label"] else "no label"
        return f"{said}; write y (yes), n (no) or u (cannot tell)", None
    who = " ".join((labeller or row["labeller"]).split())
    if not who or len(who) > MOST_NAME:
        return f"labeller {who!r}; add labeller=NAME of 1 to {MOST_NAME} characters", None
    if row["labeller"] and labeller and " ".join(row["labeller"].split()) != who:
        return f"labelled by {row['labeller']!r}, but labeller={labeller}; give the name that it has", None
    if row["made"] and not _is_time(row["made"]):
        return f"made {row['made']!r} is no ISO time such as {now}", None
    seen = digest(frames(clip))
    if row["clip"] != seen:
        return f"{clip.case} was labelled on other pixels ({row['clip']!r}, the run shows {seen})", None
    return "", Label(*place[:2], clip.version, *place[2:], seen, word, who, row["made"] or now)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def stored(folder: Path) -> list[Label]:
    """The labels that lie in a run's folder; none where there is no labels.csv."""
    path = folder / "labels.csv"
    if not path.is_file():
        return []
    found = []
    for number, row in enumerate(read_table(path), 2):
        try:
            place = (
                folder.resolve().name,
                row["suite"],
                int(row["version"]),
                row["case"],
                int(row["sample"]),
            )
        except ValueError as error:
            raise ReportError(f"{path}:{number} is damaged: {error}") from error
        if row["label"] not in WORDS.values():
            raise ReportError(f"{path}:{number} is damaged: the label {row['label']!r}")
        # The folder's name now: a run that was renamed keeps its labels.
        found.append(Label(*place, row["clip"], row["label"], row["labeller"], row["made"]))
    return found


def store(folder: Path, labels: Sequence[Label]) -> int:
    """Put labels into RUN/labels.csv, whole or not at all: a labeller's new answer replaces the old one,
    all else stays. How many lie there now."""
    kept = {(x.labeller, *x.place): x for x in [*stored(folder), *labels]}
    text = csv_text([kept[key] for key in sorted(kept)])
    write_text(folder / "labels.csv", text)
    return len(kept)


def csv_text(labels: Sequence[Label]) -> str:
    """A file of labels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for x in labels:
        writer.writerow([x.run, x.suite, x.version, x.case, x.sample, x.clip, x.label, x.labeller, x.made])
    return text.getvalue()
