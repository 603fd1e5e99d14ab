"""What came back, looked at before it is scored: `python -m simbench.check dir=RETURNED cases=EXPORTED`."""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.case import Condition
from simbench.errors import UserError
from simbench.video import Video, VideoError, frames_problem, validate

if TYPE_CHECKING:
    from simbench.faults import Alignment
    from simbench.generators.videos import Videos

USAGE = """Looks at videos that came back before they are scored.

  python -m simbench.check dir=RETURNED cases=EXPORTED [continuation=true] [resample=fit|crop]
                           [pattern={name}]

dir      the folder with the videos, named as in cases.csv
cases    the folder that mode=export wrote
The other options are those of generator=videos. Exit codes: 0 all is well, 2 bad input, 3 something is
missing or off. An `error` will not be scored; a `warning` will, and the score is likely to suffer.
"""
OPTIONS = ("dir", "cases", "continuation", "resample", "pattern")
MOVES = r"moves|turns|pans|tilts|rolls|orbits|circles|zooms|dollies|flies|follows|swings|leaves|travels"
STAYS = r"\b(not|never|no|without)\b"
OK, BAD_INPUT, OFF = 0, 2, 3


@dataclass(frozen=True)
class Finding:
    """One thing that is off. `kind` is a short fixed name, `detail` says what and how much, `severity`
    is `error` (it will not be scored) or `warning`."""

    kind: str
    detail: str
    severity: str = "warning"


def check(video: Video, condition: Condition) -> list[Finding]:
    """Everything that is off in `video` as an answer to `condition`; an empty list when nothing is.

    Kinds: shape, cut, letterbox, watermark, first frame, first-frame shift, camera motion.
    """
    problem = validate(video, condition)
    findings = [] if problem is None else [Finding("shape", problem, "error")]
    if frames_problem(video.frames) is not None:
        return findings
    return findings + _look(_sized(video, condition), condition)


def _sized(video: Video, condition: Condition) -> Video:
    """The clip at the asked size, so that pixels mean the same; cropped first if the aspect differs."""
    from simbench.resample import cropped, resized

    frames, width, height = video.frames, condition.width, condition.height
    if abs(frames.shape[2] * height / (frames.shape[1] * width) - 1) > 0.05:
        frames = cropped(frames, width, height)
    return dataclasses.replace(video, frames=resized(frames, width, height))


def _look(video: Video, condition: Condition) -> list[Finding]:
    from simbench import faults

    given, frames = condition.given_frames, video.frames
    findings = []
    if len(given):
        findings += _first_frame(faults.align(given[0], frames[0]), max(frames.shape[1:3]))
    for frame in faults.cuts(frames):
        findings.append(Finding("cut", f"at frame {frame} ({frame / video.fps:.2f} s)"))
    bars = faults.letterbox(frames, given)
    if bars is not None:
        findings.append(Finding("letterbox", f"bars at the {bars}"))
    mark = faults.watermark(frames, given) if not findings else None
    if mark is not None:
        findings.append(Finding("watermark", f"a still mark at the {mark}, not in first.png"))
    if not may_move(condition) and not any(f.kind == "cut" for f in findings):
        drift = faults.camera_motion(frames)
        if drift is not None:
            findings.append(Finding("camera motion", f"the surroundings drift by {drift:.1f} px, unasked"))
    return findings


def _first_frame(found: Alignment, side: int) -> list[Finding]:
    if found.off > 20 or found.share > 0.08:
        detail = (
            f"differs from first.png by {found.off:.0f} levels on average, {100 * found.share:.0f} % a lot"
        )
        return [Finding("first frame", detail)]
    if max(abs(found.x), abs(found.y)) > max(0.75, 0.01 * side):
        return [Finding("first-frame shift", f"by {found.x:+.1f} px right and {found.y:+.1f} px down")]
    if abs(found.zoom - 1) > 0.015:
        return [Finding("first-frame shift", f"scaled by {100 * (found.zoom - 1):+.1f} %")]
    return []


def may_move(condition: Condition) -> bool:
    """Whether the condition asks for camera motion: poses, actions, words, or given frames that move."""
    from simbench import faults

    if condition.poses is not None or condition.actions is not None:
        return True
    for sentence in re.split(r"[.;]", condition.prompt.lower()):
        if "camera" in sentence and re.search(MOVES, sentence) and not re.search(STAYS, sentence):
            return True
    return len(condition.given_frames) > 1 and faults.camera_motion(condition.given_frames) is not None


def check_folder(
    folder: Path,
    exported: Path,
    continuation: bool = False,
    resample: str | None = None,
    pattern: str = "{name}",
) -> dict[str, list[Finding]]:
    """Findings by file name for every exported case, and for files that belong to no case.

    Raises UserError when either folder is not what it should be.
    """
    from simbench.export import load_condition
    from simbench.generators.videos import Videos

    if not folder.is_dir():
        raise UserError(f"dir={folder} is not a folder; give the one that holds the videos")
    videos = Videos(str(folder), resample, continuation, pattern)
    entries = videos.entries()
    conditions = [load_condition(exported / name) for name in _case_names(exported)]
    answers = {c.name: _samples(videos, c.name, entries) for c in conditions}
    strays = sorted(set(entries) - {name for names in answers.values() for name in names})
    report: dict[str, list[Finding]] = {}
    for condition in conditions:
        names = answers[condition.name]
        if not names:
            report[condition.name] = [_missing(videos, condition.name, strays)]
        for name in names:
            for path in entries[name]:
                report[path.name] = _check_file(path, condition, videos)
            if len(entries[name]) > 1:
                twice = Finding("twice", "two files for one case; keep one", "error")
                report[entries[name][0].name].append(twice)
    for name in strays:
        for path in entries[name]:
            report[path.name] = [Finding("unexpected", "belongs to no exported case")]
    return report


def _case_names(exported: Path) -> list[str]:
    import csv

    try:
        with (exported / "cases.csv").open(newline="", encoding="utf-8") as file:
            return [row["case"] for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise UserError(f"cases={exported} is not an export: no readable cases.csv in it") from error


def _samples(videos: Videos, name: str, entries: Mapping[str, Sequence[Path]]) -> list[str]:
    """Entries that answer the case: sample 0, then 1, 2, ... as far as they go."""
    found = [n for n in videos.names(name, 0) if n in entries]
    sample = 1
    while videos.names(name, sample)[0] in entries:
        found.append(videos.names(name, sample)[0])
        sample += 1
    return found


def _missing(videos: Videos, name: str, strays: Sequence[str]) -> Finding:
    wanted = videos.names(name, 0)[0]
    close = difflib.get_close_matches(wanted, strays, 1, 0.8)
    hint = f"; there is {close[0]}" if close else ""
    return Finding(
        "missing",
        f"expected {wanted}.mp4 (or mkv, webm, mov, avi, m4v, gif, a folder of frames){hint}",
        "error",
    )


def _check_file(path: Path, condition: Condition, videos: Videos) -> list[Finding]:
    from simbench.generators.videos import REFUSED

    if path.name.endswith(REFUSED):
        words = path.read_text(encoding="utf-8", errors="replace").split()
        return [Finding("refused", " ".join(words) or "the service declined", "error")]
    try:
        return check(videos.load(path, condition), condition)
    except VideoError as error:
        return [Finding("unreadable", error.reason.removeprefix(f"{path.name}: "), "error")]


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """`key=value` arguments. Raises UserError with what is unknown or lacking."""
    options: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in OPTIONS:
            close = difflib.get_close_matches(key, OPTIONS, 1)
            hint = f"; did you mean {close[0]}=" if close else f"; options are {', '.join(OPTIONS)}"
            raise UserError(f"{argument} is not an option{hint}")
        options[key] = value
    for key in ("dir", "cases"):
        if key not in options:
            raise UserError(f"{key}= is needed; see python -m simbench.check --help")
    if options.get("continuation", "false") not in ("true", "false"):
        raise UserError(f"continuation={options['continuation']} must be true or false")
    return options


def main(arguments: Sequence[str]) -> int:
    """Print what is off, one line each, and return the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE, end="")
        return OK if arguments else BAD_INPUT
    try:
        options = parse(arguments)
        report = check_folder(
            Path(options["dir"]),
            Path(options["cases"]),
            options.get("continuation") == "true",
            options.get("resample"),
            options.get("pattern", "{name}"),
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    for name, findings in report.items():
        for finding in findings:
            print(f"{name}: {finding.severity}: {finding.kind}: {finding.detail}")
    off = sum(bool(findings) for findings in report.values())
    missing = sum(f.kind == "missing" for findings in report.values() for f in findings)
    print(f"{len(report) - off} of {len(report)} are well, {missing} missing, {off - missing} off")
    return OFF if off else OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
