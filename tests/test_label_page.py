"""label.html in a browser: keys, progress, coming back, the file that it gives."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from labelled import Made, make_run

from reports.label.__main__ import main

EVIL = '<img src=x onerror="bad()"> 世界?'
pytestmark = pytest.mark.browser

PROBE = """<script>
const said = [];
HTMLAnchorElement.prototype.click = function () {
  const name = this.download;
  fetch(this.href).then((r) => r.text()).then((text) => { said.push([name, text]); });
};
const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const text = (id) => document.getElementById(id).textContent;
const look = () => ["where", "done", "question", "frame"].map(text);
addEventListener("load", () => setTimeout(() => {
  const seen = [look()];
  for (const name of KEYS) { key(name); seen.push(look()); }
  setTimeout(() => {
    const ink = ["truth", "made"].map((id) => {
      const c = document.getElementById(id);
      return new Set(c.getContext("2d").getImageData(0, 0, c.width, c.height).data).size;
    });
    const out = document.createElement("pre");
    out.id = "probe";
    out.textContent = JSON.stringify({ seen, said, ink });
    document.body.append(out);
  }, 300);
}, 300));
</script></body>"""


def browser() -> str:
    """The Chromium of this machine."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))


def visit(page: Path, folder: Path, keys: list[str]) -> dict:
    """Open the page, press keys, and return what was seen after each and what was downloaded."""
    text = page.read_text()
    tried = folder / "tried.html"
    tried.write_text(text.replace("</body>", PROBE.replace("KEYS", json.dumps(keys))))
    done = subprocess.run(
        [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
         f"--user-data-dir={folder / 'profile'}", "--dump-dom", tried.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-800:]
    return json.loads(unescape(found[1]))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page of a run with four clips; one has a hostile question."""
    rows = [Made(f"s{i}", f"c{i}", value=float(i % 2)) for i in range(3)]
    run = make_run(
        tmp_path / "run", [*rows, Made("s3", 'c,"3"', question='<img src=x onerror="bad()"> 世界?')]
    )
    assert main([f"run={run}"]) == 0
    return run / "label.html"


def test_keys_answer_go_back_and_step(page: Path, tmp_path: Path) -> None:
    found = visit(page, tmp_path, ["y", "n", "b", "u", ".", ".", ",", "x", "u", "y", "d"])
    where = [s[0] for s in found["seen"]]
    assert where == [f"Clip {i} of 4" for i in (1, 2, 3, 2, 3, 3, 3, 3, 3, 4, 4, 4)]
    assert [s[1] for s in found["seen"]][-2:] == ["all answered: press d"] * 2
    assert [s[3] for s in found["seen"]][4:8] == [f"Frame {i} of 5." for i in (1, 2, 3, 2)]
    assert EVIL in {s[2] for s in found["seen"]}
    assert min(found["ink"]) > 100, "both clips are drawn"
    ((name, text),) = found["said"]
    assert name == "labels.csv"
    rows = list(csv.DictReader(text.splitlines()))
    assert [r["label"] for r in rows] == ["yes", "cannot tell", "cannot tell", "yes"]
    assert {r["case"] for r in rows} == {"c0", "c1", "c2", 'c,"3"'}


def test_what_was_answered_is_there_next_time_and_can_be_stored(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visit(page, tmp_path, ["y", "n", "y"])
    found = visit(page, tmp_path, ["n", "d"])
    assert found["seen"][0][:2] == ["Clip 4 of 4", "3 answered"]
    ((_, text),) = found["said"]
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    assert main([f"run={page.parent}", f"labels={tmp_path / 'labels.csv'}", "labeller=Ada"]) == 0
    assert "4 labels of Ada" in capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable(page: Path, tmp_path: Path, scheme: str) -> None:
    import numpy as np
    from PIL import Image

    if scheme == "dark":
        page.write_text(page.read_text().replace("(prefers-color-scheme: dark)", "all"))
    shot = tmp_path / "shot.png"
    subprocess.run(
        [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--window-size=1000,1000", "--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'profile'}",
         f"--screenshot={shot}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    pixels = np.array(Image.open(shot).convert("L"))
    edge = np.median(pixels[:, -8:])
    assert edge > 240 if scheme == "light" else edge < 50
    assert (np.abs(pixels[:, -8:].astype(int) - edge) < 60).all(), "nothing runs over the edge"
