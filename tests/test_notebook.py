"""docs/evaluate.ipynb runs from top to bottom, and what is stored in it is small and knows no machine.

`python tests/test_notebook.py` runs it and stores its outputs again.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "evaluate.ipynb"
BYTES = 300_000


def executed(folder: Path) -> Any:
    """The notebook with fresh outputs, run in `folder`; an exception in a cell is raised."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=250, record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return client.execute(env={**os.environ, "PYTHONPATH": paths})


def cleaned(notebook: Any) -> Any:
    """Without what is different on every machine: progress, versions of the kernel, random ids."""
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i}"
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell["outputs"] = [o for o in cell["outputs"] if o.get("name") != "stderr"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def outputs(notebook: Any) -> list[list[str]]:
    """The kinds of every code cell's outputs: a stream's name, or its richest form."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            shown = [o for o in cell["outputs"] if o.get("name") != "stderr"]
            found.append([o.get("name") or "+".join(sorted(o["data"])) for o in shown])
    return found


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(tmp_path: Path) -> None:
    for package in ("torch", "nbclient", "ipykernel", "pandas"):
        pytest.importorskip(package)
    fresh = executed(tmp_path)
    assert outputs(fresh) == outputs(json.loads(NOTEBOOK.read_text()))
    shown = [
        o["data"]["text/html"]
        for c in fresh.cells
        for o in c.get("outputs", [])
        if "data" in o and "text/html" in o["data"]
    ]
    assert "simbench-table" in shown[0] and "> model" in shown[0].replace("&gt;", ">")
    assert list(tmp_path.glob("outputs/*/*/report.html"))


def test_what_is_stored_is_small_and_knows_no_machine() -> None:
    from test_style import MACHINE, UNFINISHED

    text = NOTEBOOK.read_text()
    assert len(text) < BYTES
    assert not MACHINE.search(text) and not UNFINISHED.search(text)
    assert "/tmp/" not in text and "Traceback" not in text
    stored = json.loads(text)
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [1, 2, 3, 4, 5, 6]
    assert all(outputs(stored)), "every cell shows something"


if __name__ == "__main__":
    import nbformat

    with tempfile.TemporaryDirectory() as place:
        nbformat.write(cleaned(executed(Path(place))), NOTEBOOK)
    print(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size} bytes", file=sys.stderr)
