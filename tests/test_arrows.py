"""The direction of imports: suites -> simbench <- model, reports alone, and nothing heavy too early."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("simbench", "suites", "model", "reports")
MAY_IMPORT = {
    "simbench": {"simbench"},
    "suites": {"suites", "simbench"},
    "model": {"model", "simbench"},
    "reports": {"reports"},
}
HEAVY = ("torch", "numba", "cv2", "av", "scipy", "kornia", "hydra", "matplotlib")


def walk(tree: ast.AST, functions: bool) -> Iterator[ast.AST]:
    """All nodes, without what only runs when called (`functions`) and without `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not functions:
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not functions:
            continue
        yield node
        yield from walk(node, functions)


def imports(source: str, package: str = "", functions: bool = True) -> set[str]:
    """First names of all modules that `source` imports, `import_module("name")` included."""
    found: set[str] = set()
    for node in walk(ast.parse(source), functions):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(package if node.level else (node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value.split(".")[0])
    return found


def sources(package: str) -> list[Path]:
    """All Python files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def modules_after(*arguments: str) -> tuple[set[str], str]:
    """First names of all modules that a fresh interpreter loads for `arguments`, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}, done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows(package: str) -> None:
    assert sources(package), f"{package} has no files"
    for path in sources(package):
        wrong = (imports(path.read_text(), package) & set(PACKAGES)) - MAY_IMPORT[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_reports_need_no_torch() -> None:
    for path in sources("reports"):
        assert "torch" not in imports(path.read_text(), "reports"), path.relative_to(ROOT)


def test_worlds_load_neither_hydra_nor_pyav() -> None:
    # The renderer has to run on a bare GPU machine, which has neither.
    for path in sources("simbench/worlds"):
        early = imports(path.read_text(), "simbench", functions=False) & {"hydra", "omegaconf", "av"}
        assert not early, f"{path.relative_to(ROOT)} imports {', '.join(sorted(early))} at module level"


def test_nothing_outside_the_packages_is_imported_by_them() -> None:
    for package in PACKAGES:
        for path in sources(package):
            wrong = imports(path.read_text(), package) & {"tests", "conf", "examples"}
            assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_the_parser_sees_every_way_to_import() -> None:
    source = (
        "import suites.a\n"
        "from model.b import c\n"
        "def f():\n    import reports\n"
        "from . import near\n"
        "x = importlib.import_module('torch.nn')\n"
    )
    assert imports(source, "simbench") == {"suites", "model", "reports", "simbench", "torch"}
    assert imports(source, "simbench", functions=False) == {"suites", "model", "simbench", "torch"}
    guarded = "if TYPE_CHECKING:\n    import av\ntry:\n    import hydra\nexcept ImportError:\n    pass\n"
    assert imports(guarded, functions=False) == {"hydra"}


@pytest.mark.parametrize(
    "statement",
    [
        "import simbench, simbench.case, simbench.suite, simbench.generator, simbench.video",
        "import simbench.worlds, simbench.worlds.scene, simbench.worlds.clip",
        "import reports",
    ],
)
def test_light_modules_stay_light(statement: str) -> None:
    loaded, _ = modules_after("-c", statement)
    assert not loaded & set(HEAVY), sorted(loaded & set(HEAVY))


@pytest.mark.parametrize("module", ["simbench", "simbench.worlds"])
def test_help_loads_nothing_heavy(module: str) -> None:
    loaded, printed = modules_after("-m", module, "--help")
    assert not loaded & set(HEAVY), sorted(loaded & set(HEAVY))
    assert f"python -m {module}" in printed


def commands() -> list[str]:
    """Modules of suites and reports that `python -m` runs."""
    found = []
    for folder in ("suites", "reports"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if '__name__ == "__main__"' in path.read_text():
                found.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


@pytest.mark.parametrize("module", commands())
def test_every_command_tells_how_it_is_used(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module(module).main(["--help"]) == 0
    shown = capsys.readouterr()
    assert f"python -m {module.removesuffix('.__main__')}" in shown.out and shown.err == ""


@pytest.mark.parametrize("module", ["suites.calibrate", "suites.exploit", "reports.screenshots"])
def test_help_of_a_proof_loads_nothing_heavy(module: str) -> None:
    loaded, _ = modules_after("-m", module, "--help")
    assert not loaded & {"torch", "numba", "hydra", "matplotlib", "playwright"}


def test_the_heavy_check_can_fail() -> None:
    loaded, _ = modules_after("-c", "import cv2")
    assert "cv2" in loaded & set(HEAVY)
