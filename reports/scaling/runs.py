"""Training runs as records: run.json beside the scores of the model (schema/training.schema.json).

`python -m model.train` writes one; for any other run a few lines by hand do. Scores are folders that
`python -m simbench` wrote: those that the record names, else scores/ (or scores-in/ and scores-out/) beside
it and the folders in there, one for each suite, else the newest evaluation/step-*/ of a run that evaluated
itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.figures.source import Run, read_run
from reports.files import read_json

SCHEMA = Path(__file__).parent.parent / "schema" / "training.schema.json"
NUMBERS = ("params", "tokens", "clips", "seconds", "mfu", "seed")
GROUPS = ("all", "in", "out")
"""Scenes of no stated kind, like those of training, and unlike them."""
RISEN = 1.5
"""A last loss above the first by this factor is a run that diverged."""
KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "object": (dict,),
    "array": (list,),
    "boolean": (bool,),
}


@dataclass(frozen=True)
class Trained:
    """One training run. Numbers that its record lacks are None; `loss` are pairs of FLOPs and loss.

    `flops` hold those of the weights that it began with. `diverged` is empty or says how. `scores` are
    (group, run of simbench).
    """

    folder: Path
    name: str
    flops: float | None
    params: float | None
    tokens: float | None
    clips: float | None
    seconds: float | None
    mfu: float | None
    device: str
    seed: int | None
    data: str
    loss: tuple[tuple[float, float], ...]
    diverged: str
    scores: tuple[tuple[str, Run], ...]

    def last_loss(self) -> float | None:
        """The loss at the end of training; None where it is not known or not finite."""
        found = self.loss[-1][1] if self.loss else None
        return found if found is not None and math.isfinite(found) else None


def folders(given: Sequence[Path]) -> Iterator[Path]:
    """The runs: each folder itself, or those in it that hold a run.json where it holds none."""
    for folder in given:
        inside = sorted(path.parent for path in folder.glob("*/run.json"))
        yield from [folder] if (folder / "run.json").is_file() or not inside else inside


def read_all(folders: Sequence[Path]) -> list[Trained]:
    """Every run, in the order given. ReportError for a folder that cannot be used or a name twice."""
    runs = [read(folder) for folder in folders]
    for run in runs:
        same = [str(other.folder) for other in runs if other.name == run.name]
        if len(same) > 1:
            raise ReportError(
                f"{' and '.join(same)} are both called {run.name!r}; name one otherwise in run.json"
            )
    return runs


def read(folder: Path) -> Trained:
    """The run in `folder`. ReportError names the field or the file that is wrong."""
    path = folder / "run.json"
    if not path.is_file():
        what = "there is no such folder" if not folder.is_dir() else "it has no run.json"
        raise ReportError(
            f"runs={folder}: {what}; a run's folder holds run.json with its flops (docs/scaling.md)"
        )
    found = checked(read_json(path), path)
    loss = tuple((float(flops), float(value)) for flops, value in found.get("loss", ()))
    name = found.get("name", folder.resolve().name)
    return Trained(
        folder=folder,
        name=name,
        flops=_total(found),
        device=found.get("device", ""),
        **{key: found.get(key) for key in NUMBERS},
        data=found.get("data", ""),
        loss=loss,
        diverged=diverged(loss, bool(found.get("diverged", False))),
        scores=tuple((group, read_run(place)) for group, place in _places(folder, found.get("scores"))),
    )


def _total(found: Mapping[str, Any]) -> float | None:
    own = found.get("flops")
    return None if own is None else own + found.get("flops_before", 0)


def diverged(loss: Sequence[tuple[float, float]], said: bool) -> str:
    """How a run diverged, from its curve or its own word; empty where it did not."""
    if said:
        return "its record says so"
    bad = next((flops for flops, value in loss if not math.isfinite(value)), None)
    if bad is not None:
        return f"its loss is not finite at {bad:.3g} FLOPs"
    if len(loss) > 1 and loss[-1][1] > RISEN * loss[0][1] > 0:
        return f"its loss rose from {loss[0][1]:.4g} to {loss[-1][1]:.4g}"
    return ""


def wrong(paths: Sequence[str]) -> str:
    """What is wrong with the first run.json of `paths` that cannot be used; empty where all can. For who is
    about to score the runs, which takes longer than to read these."""
    try:
        for path in paths:
            checked(read_json(Path(path)), Path(path))
    except ReportError as error:
        return str(error)
    return ""


def checked(found: Any, path: Path) -> Mapping[str, Any]:
    """`found` itself where it is as the schema has it; a ReportError names the first field that is not."""
    if not isinstance(found, dict):
        raise ReportError(f"{path} holds no object")
    if "flops" not in found and "generator" in found and "kind" not in found:
        raise ReportError(f"{path} is that of a folder of scores; give the folder of the training run")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    unknown = sorted(set(found) - set(schema["properties"]))
    if unknown:
        known = ", ".join(schema["properties"])
        raise ReportError(f"{path}: {unknown[0]!r} is no field of a training run; fields are {known}")
    for name in schema["required"]:
        if name not in found:
            raise ReportError(
                f'{path}: {name!r} is missing; write "{name}": {json.dumps(_const(schema, name))}'
            )
    for name, value in found.items():
        _field(path, name, value, schema["properties"][name])
    total, most = _total(found), schema["properties"]["flops"]["maximum"]
    if total is not None and total > most:
        raise ReportError(f"{path}: flops with flops_before are {total:.3g}, and must be {most:g} or less")
    return found


def _finite(value: float) -> bool:
    """Whether a number can be computed with; JSON's whole numbers have no largest, those of a machine do."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _const(schema: Mapping[str, Any], name: str) -> Any:
    return schema["properties"][name].get("const")


def _field(path: Path, name: str, value: Any, rule: Mapping[str, Any]) -> None:
    if "const" in rule:
        if value != rule["const"]:
            raise ReportError(f"{path}: {name} is {value!r}, not {rule['const']!r}")
        return
    # JSON's true is an int to Python, and no number to anyone else; 2e9 is a whole number to JSON alone.
    whole = rule["type"] == "integer" and type(value) is float and value.is_integer()
    if type(value) not in KINDS[rule["type"]] and not whole:
        raise ReportError(f"{path}: {name} is {value!r}, no {rule['type']}")
    if value == "" and "minLength" in rule:
        raise ReportError(f"{path}: {name} is empty; write it, or leave the field out")
    if name == "name" and not value.isprintable():
        raise ReportError(f"{path}: {name} is {value!a}; tables need one line of characters that print")
    if rule["type"] in ("number", "integer"):
        _number(path, name, value, rule)
    if name == "loss":
        _loss(path, value)
    if name == "scores":
        _named(path, value)


def _number(path: Path, name: str, value: float, rule: Mapping[str, Any]) -> None:
    """ReportError for a number that no machine has, or one beyond its rule."""
    if not _finite(value):
        raise ReportError(f"{path}: {name} is no finite number; write one, or leave the field out")
    least, above, most = (rule.get(end) for end in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and value < least:
        raise ReportError(f"{path}: {name}={value} must be {least} or more")
    if above is not None and value <= above:
        raise ReportError(f"{path}: {name}={value} must be above {above}")
    if most is not None and value > most:
        raise ReportError(f"{path}: {name}={value:.3g} must be {most:g} or less")


def _loss(path: Path, pairs: Sequence[Any]) -> None:
    """ReportError where these are no pairs of FLOPs and loss in order. A loss may be infinite or no number:
    that is a run which diverged."""
    for pair in pairs:
        numbers = isinstance(pair, list) and len(pair) == 2
        if not numbers or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair):
            raise ReportError(f"{path}: loss holds {pair!r}, not [FLOPs, loss]")
        if not _finite(pair[0]) or (isinstance(pair[1], int) and not _finite(pair[1])):
            raise ReportError(f"{path}: loss holds a pair whose FLOPs or loss no machine can hold")
    at = [float(pair[0]) for pair in pairs]
    if at != sorted(at):
        raise ReportError(f"{path}: loss goes back in FLOPs; give its pairs in order, the last at the end")


def _named(path: Path, given: Mapping[str, Any]) -> None:
    """ReportError where a group of scores is neither a folder nor a list of folders."""
    for group, names in given.items():
        every = names if isinstance(names, list) else [names]
        if not all(isinstance(name, str) for name in every):
            raise ReportError(f"{path}: scores of {group} are {names!r}; name a folder, or a list of folders")


def _places(folder: Path, given: Any) -> list[tuple[str, Path]]:
    """Folders of scores with their group."""
    if given is not None:
        found = []
        for group, names in given.items():
            if group not in GROUPS:
                raise ReportError(
                    f"{folder / 'run.json'}: scores has {group!r}; groups are {', '.join(GROUPS)}"
                )
            for name in [names] if isinstance(names, str) else names:
                found.append((group, folder / str(name)))
        return found
    beside = [("all", folder / "scores"), ("in", folder / "scores-in"), ("out", folder / "scores-out")]
    found = [(group, part) for group, place in beside if place.is_dir() for part in _scored(place)]
    if found:
        return found
    own = sorted(p.parent for p in (folder / "evaluation").glob("step-*/summary.json"))
    return [("all", own[-1])] if own else []


def _scored(place: Path) -> list[Path]:
    """The folder itself, those in it that were scored, or both; itself where there is nothing, so that it is
    named."""
    inside = sorted(path.parent for path in place.glob("*/summary.json"))
    return [place, *inside] if (place / "summary.json").is_file() or not inside else inside
