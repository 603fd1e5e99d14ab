"""The text of --help and of mode=list, written by hand so that it is there at once."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from simbench.exits import MEANING
from simbench.overrides import DEFAULT_SUITE, Found, config_folders, options

HELP = """python -m simbench OPTION=VALUE ...    how far is a video model a simulator of its world?

  python -m simbench                                              a real table in a minute, on a CPU
  python -m simbench suite=permanence size=64 look=rich           the setting for publication
  python -m simbench generator=python generator.target=my_model.MyModel
  python -m simbench mode=export given=i2v out=asked              conditions out, for a model elsewhere
  python -m simbench generator=videos generator.dir=videos given=i2v

What is asked
  suite=NAME[,NAME]   a suite, a group of suites, or all; or a study (default {suite})
  cases=64            scenes, each with its crossed set of cases; cases=32 is a prefix of cases=64
  samples=1           draws of the generator for each case
  seed=public         the seed space of the worlds: public, or any integer
  noise=0             other seeds for the generator in the same worlds: what luck alone changes
  given=v2v           v2v (first frames), i2v (first frame), t2v (words), cam (camera), act (actions)
  size=32             32, 64, or WxH         frames=17 fps=8 context=5      length, rate, frames given
  look=plain          plain or rich          difficulty=0.25  0 to 1        prompt=plain or telling
  SUITE.OPTION=       an option of one suite, for example permanence.setting.context=4
Who answers
  generator=model     one of the generators below; generator.OPTION= sets its options
  anchors=all         oracle, observer and baselines beside it; oracle for the truth alone, or none
  cheats=none         scripted bad models beside it: all, or names by comma
  label=              what to call it in the table
  exposure=           has it seen these worlds: zero-shot, worlds-train (trained or tuned on them) or unknown
How
  mode=all            plan, generate, score, export (conditions out), list
  out=                results                                       (default outputs/DATE/TIME)
  store=              videos and scores, reused by later runs       (default ~/.cache/simbench)
  workers=0           processes (0: one per core)                   engine=local, inline or ray
  batch=4             cases asked at once; does not change a score  device=cpu
  shard=i/n           one part of the scenes, over the same store; RANK and WORLD_SIZE do the same
  max_incomplete=0    missing, invalid and failed videos that are still not an incomplete run
  rescore=false       read again what the store has scores for      clips=12 worst and random cases shown
Hydra's own: -m (sweeps), --cfg job, --config-dir DIR (your suites and generators), --hydra-help
"""


def help_text(arguments: Sequence[str]) -> str:
    """Commands to copy, options, what is on disk, exit codes."""
    codes = "\n".join(f"  {code:<5}{meaning}" for code, meaning in MEANING.items())
    return f"{HELP.format(suite=DEFAULT_SUITE)}\n{list_text(arguments)}\n\nExit codes\n{codes}"


def list_text(arguments: Sequence[str]) -> str:
    """Suites with their settings, groups, studies and generators found on disk and in --config-dir."""
    folders = config_folders(arguments)
    lines = ["Suites"]
    for name, found in options(folders, "suite").items():
        setting = {k: v for k, v in (found.content.get("setting") or {}).items() if not k.startswith("_")}
        lines.append(f"  {name:<20}{found.about}")
        if setting:
            lines.append("  " + " " * 20 + " ".join(f"{k}={v}" for k, v in setting.items()))
    groups = options(folders, "group")
    for name, found in groups.items():
        lines.append(f"  {name:<20}group: {', '.join(found.content['suites'])}")
    studies = options(folders, "study")
    if studies:
        lines.append("Studies (suite=NAME, alone; not part of suite=all)")
        for name, found in studies.items():
            lines += _with_options(name, name, found)
    lines.append("Generators")
    for name, found in options(folders, "generator").items():
        lines += _with_options(name, "generator", found)
    return "\n".join(lines)


def _with_options(name: str, owner: str, found: Found) -> list[str]:
    words = " ".join(f"{owner}.{key}=" for key in found.keys)
    return [f"  {name:<20}{found.about}", *(" " * 22 + line for line in textwrap.wrap(words, 110))]
