"""`python -m reports.screenshots run=FOLDER out=docs`: the page of a run, light, dark and narrow, as PNG.

Needs Playwright (`pip install -e '.[dev]'`) and a Chromium of the system; nothing is downloaded.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.command import helped
from reports.files import write_bytes
from reports.options import options

USAGE = "usage: python -m reports.screenshots run=FOLDER out=FOLDER"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LARGEST = 300_000
"""Bytes of a picture that may be committed."""
DRAWN = """() => [...document.querySelectorAll(".player")].every((one) => {
  const place = one.getBoundingClientRect();
  return place.bottom < 0 || place.top > innerHeight || one.dataset.ready;
})"""
"""Whether every clip in view is drawn."""


@dataclass(frozen=True)
class Shot:
    """One picture: its file, the window in px, the colours, and what it begins with."""

    name: str
    width: int
    height: int
    scheme: str
    anchor: str


SHOTS = (
    Shot("page.png", 1240, 1500, "light", ""),
    Shot("page-dark.png", 1240, 1500, "dark", "clips"),
    Shot("page-360.png", 360, 1500, "light", ""),
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser of the system. ReportError when there is none."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise ReportError(f"no browser here: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def take(browser: Any, page: Path, shot: Shot) -> bytes:
    """One picture of a page, once the clips in view are drawn."""
    size = {"width": shot.width, "height": shot.height}
    tab = browser.new_page(viewport=size, color_scheme=shot.scheme, reduced_motion="reduce")
    tab.goto(f"{page.resolve().as_uri()}#{shot.anchor}")
    tab.wait_for_function(DRAWN)
    picture: bytes = tab.screenshot()
    tab.close()
    return picture


def reduced(picture: bytes) -> bytes:
    """The picture in as many colours as fit into LARGEST bytes."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise ReportError(f"a picture of {image.width}x{image.height} px does not fit into {LARGEST} bytes")


def main(arguments: Sequence[str]) -> int:
    """Write the pictures; 0, or 2 with one line on stderr."""
    if helped(__doc__, arguments):
        return 0
    try:
        given = options(arguments, needed=("run", "out"), allowed=(), usage=USAGE)
        page = Path(given["run"]) / "report.html"
        if not page.is_file():
            raise ReportError(f"{page} is not there: python -m reports.page run={given['run']} writes it")
        with chromium() as browser:
            for shot in SHOTS:
                path = Path(given["out"]) / shot.name
                write_bytes(path, reduced(take(browser, page, shot)))
                print(path)
    except (ReportError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
