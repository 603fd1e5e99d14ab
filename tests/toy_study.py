"""A study that says what it was called with, and one that breaks its contract."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from simbench import exits
from simbench.errors import UserError
from simbench.files import write_text
from simbench.study import Call

TALLY = "# Counts scenes.\n_target_: toy_study.Tally\nruns: ''\nsuites: permanence\nmost: 99\n"


@dataclass(frozen=True)
class Tally:
    """Writes how many scenes each suite has in the folders `runs` names, at most `most`."""

    runs: str = ""
    suites: str = "permanence"
    most: int = 99

    def run(self, call: Call) -> int:
        """See Study."""
        suites = call.suites(self.suites, "tally.suites")
        if call.request.scenes > self.most:
            raise UserError(f"cases={call.request.scenes} is above tally.most={self.most}; use fewer")
        lines = [f"{s.name} {s.setting.name()} {call.request.scenes} {self.runs}" for s in suites]
        if not call.planned:
            write_text(call.request.out / "tally.txt", "\n".join(lines) + "\n")
        return exits.OK if self.runs or call.planned else exits.INCOMPLETE


@dataclass
class Loose:
    """Options that may change, and a plan that writes."""

    runs: str = ""

    def run(self, call: Call) -> int:
        """See Study."""
        write_text(call.request.out / "loose.txt", str(dataclasses.asdict(self)))
        return exits.OK


class Empty:
    """No study."""


def write_config(folder: Path, target: str = "", name: str = "tally") -> Path:
    """A folder for --config-dir with the study `name`."""
    path = folder / "study-conf" / "study" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Another.\n_target_: {target}\nruns: ''\n" if target else TALLY)
    return path.parent.parent
