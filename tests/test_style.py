"""What a reader may rely on in every file: small, documented, no swallowed errors, no unsafe loading."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("simbench", "suites", "model", "reports", "examples")
FILE_LINES, FUNCTION_LINES = 400, 65
# A class of one letter each, so that this file does not trip its own check.
UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
MACHINE = re.compile(r"(?<![\w.~}])/(?:work|farm|root|Users|scratch|mnt|home/\w+)/")
TEXT = (".py", ".md", ".yaml", ".yml", ".toml", ".html", ".j2", ".json", ".sh", ".css", ".js")
CHECKS = r"raises|assert|check|approx|warns"
SKIP = {"__pycache__", "outputs", "multirun", "build", "dist"}


def files(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    """Files below `folders` of the repository with one of `suffixes`."""
    found = []
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            parts = set(path.relative_to(ROOT).parts)
            if path.suffix in suffixes and path.is_file() and not parts & SKIP:
                found.append(path)
    return sorted(found)


def texts() -> list[Path]:
    """All texts that the repository holds, those of its root and hidden folders included."""
    top = [p for p in ROOT.iterdir() if p.is_file() and p.suffix in TEXT]
    folders = (*PACKAGES, "tests", "conf", "docs", ".github")
    return sorted(top) + files(*folders, suffixes=TEXT) + [ROOT / ".ci" / "run"]


def broad_handlers(tree: ast.AST) -> Iterator[int]:
    """Lines of `except:`, `except Exception:` and `except BaseException:`, alone or in a tuple."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(c is None or ast.unparse(c) in ("Exception", "BaseException") for c in caught):
                yield node.lineno


def unsafe_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls that can run what they read: unpickling, torch.load without weights_only, eval, a shell."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if re.search(r"(?:^|\.)(?:c?[pP]ickle|dill|joblib|cloudpickle)\.loads?$|Unpickler$", name):
            yield node.lineno, name
        elif name.endswith("torch.load") and given.get("weights_only") != "True":
            yield node.lineno, f"{name} without weights_only=True"
        elif given.get("allow_pickle") == "True" or given.get("shell") == "True":
            yield node.lineno, f"{name} with allow_pickle or shell"
        elif name in ("eval", "exec", "os.system", "yaml.load", "yaml.unsafe_load"):
            yield node.lineno, name


def long_functions(tree: ast.AST, limit: int) -> Iterator[tuple[int, str]]:
    """Functions of more than `limit` lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > limit:
                yield node.lineno, f"{node.name} is {size} lines"


def undocumented(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Functions, classes and methods without a docstring that are not private, inside functions and private
    classes too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            private = node.name.startswith("_")
            if not private and ast.get_docstring(node) is None:
                yield node.lineno, node.name
        yield from undocumented(node)


def asserts(function: ast.FunctionDef) -> bool:
    """Whether a test can fail by itself: an assert, a raise, or a call that says it checks."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call) and re.search(
            r"raises|assert|check|approx|warns", ast.unparse(node.func)
        ):
            return True
    return False


def report(path: Path, found: list[object]) -> str:
    """One line that says where and what."""
    return f"{path.relative_to(ROOT)}: {found}"


def named(path: Path) -> str:
    """How a file is called in the names of tests."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files(*PACKAGES), ids=named)
def test_source_file(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    lines = text.count("\n")
    assert lines <= FILE_LINES, f"{lines} lines, at most {FILE_LINES}: split it by what it is about"
    for found in (
        list(broad_handlers(tree)),
        list(unsafe_calls(tree)),
        list(long_functions(tree, FUNCTION_LINES)),
        list(undocumented(tree)),
        [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Global)],
    ):
        assert not found, report(path, found)
    assert ast.get_docstring(tree) or not tree.body, "a module says in its first line what it is"


@pytest.mark.parametrize("path", files("tests"), ids=named)
def test_test_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not list(broad_handlers(tree)), report(path, list(broad_handlers(tree)))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    idle = [f.name for f in functions if f.name.startswith("test_") and not asserts(f)]
    assert not idle, report(path, idle)


def test_no_text_is_unfinished_or_knows_a_machine() -> None:
    for path in texts():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not UNFINISHED.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            assert not MACHINE.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_links_of_the_pages_lead_somewhere() -> None:
    for path in [p for p in texts() if p.suffix == ".md"]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if not re.match(r"[a-z]+:", target):
                assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text and len(text.splitlines()) > 190


@pytest.mark.parametrize(
    ("source", "check"),
    [
        ("try:\n    f()\nexcept:\n    pass\n", broad_handlers),
        ("try:\n    f()\nexcept (ValueError, Exception):\n    pass\n", broad_handlers),
        ("pickle.loads(b)\n", unsafe_calls),
        ("torch.load(p)\n", unsafe_calls),
        ("torch.load(p, weights_only=False)\n", unsafe_calls),
        ("np.load(p, allow_pickle=True)\n", unsafe_calls),
        ("subprocess.run('ls', shell=True)\n", unsafe_calls),
        ("def f():\n    pass\n", undocumented),
        ("def _f():\n    def g():\n        pass\n", undocumented),
        ("class C:\n    '''Doc.'''\n    def m(self):\n        pass\n", undocumented),
        ("class _C:\n    def m(self):\n        pass\n", undocumented),
    ],
)
def test_each_check_can_fail(source: str, check) -> None:
    assert list(check(ast.parse(source)))


def test_each_check_can_pass() -> None:
    fine = ast.parse("def f():\n    '''Doc.'''\n    return torch.load(p, weights_only=True)\n")
    assert not [*broad_handlers(fine), *unsafe_calls(fine), *undocumented(fine), *long_functions(fine, 65)]
    assert list(long_functions(ast.parse("def f():\n" + "    x = 1\n" * 65), 65))
    assert UNFINISHED.search("x = 1  # fixme: later".upper())
    assert MACHINE.search("see " + "/".join(("", "root", "x")))
