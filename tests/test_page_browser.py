"""The page in a headless Chromium, from the disk: what a person does with it, and what it never does."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pages
import pytest

from reports.page import write_page
from reports.screenshots import BROWSERS, SHOTS, chromium, reduced, take

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parent.parent
READY = "() => [...document.querySelectorAll('.player')].every((one) => one.dataset.ready)"
FRAMES = """(id) => [...document.querySelectorAll(id + ' .panels canvas')]
  .map((canvas) => Number(canvas.dataset.frame))"""
CARDS = "() => [...document.querySelectorAll('.player')].map((one) => one.dataset.frame)"
GREYS = """(queries) => queries.map((query) => {
  const canvas = document.querySelector(query);
  return canvas.getContext('2d').getImageData(4, 4, 1, 1).data[0];
})"""
GROUND = """() => getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3)
  .reduce((sum, part) => sum + Number(part) / 3, 0)"""
NAME = """() => {
  const e = document.activeElement;
  if (e === document.body) return null;
  const label = e.labels && e.labels[0] && e.labels[0].textContent;
  return (e.ariaLabel || label || e.getAttribute('aria-labelledby') || e.textContent || '').trim();
}"""
LATE = """<p>text</p><script>setTimeout(() => {
  const late = document.createElement('h1');
  late.style.height = '300px';
  document.body.prepend(late);
}, 100)</script><img src='none.png'>"""
EVIL = "<img src=x onerror='window.hit=1'><script>window.hit=1</script></h1>"
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.value; }))
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(sum), 300);
})"""


@dataclass
class Opened:
    """A page in a tab, and all that it asked for, logged or raised."""

    tab: Any
    file: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing was fetched beside the page itself, and nothing was logged."""
        assert {r for r in self.requests if not r.startswith("data:")} == {self.file}
        assert self.errors == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    with chromium() as found:
        yield found


def open_page(browser: Any, run: Path, width: int = 1200, scheme: str = "light") -> Opened:
    """Write the page of a run and open it from the disk."""
    write_page(run)
    return open_file(browser, run / "report.html", width, scheme)


def open_file(browser: Any, path: Path, width: int = 1200, scheme: str = "light", mark: str = "") -> Opened:
    """Open a page from the disk and listen."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = Opened(tab, path.resolve().as_uri())
    tab.on("request", lambda request: opened.requests.append(request.url))
    tab.on("console", lambda message: opened.errors.append(message.text))
    tab.on("pageerror", lambda error: opened.errors.append(str(error)))
    tab.goto(opened.file + mark)
    return opened


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """The page of a small run, its clips drawn."""
    found = open_page(browser, pages.small_run(tmp_path))
    found.tab.locator(".player").last.scroll_into_view_if_needed()
    found.tab.wait_for_function(READY)
    yield found
    found.check()
    found.tab.close()


def column(tab: Any, place: int) -> list[str]:
    """The texts of one column of the rows in view."""
    cells = tab.locator(f"#rows tbody tr:not(.space):not([hidden]) td:nth-child({place})")
    return [str(text) for text in cells.all_inner_texts()]


def test_all_panels_show_one_frame_while_playing(opened: Opened) -> None:
    tab = opened.tab
    card = tab.locator("#clip-1")
    card.locator(".play").click()
    seen = set()
    for _ in range(40):
        frames = tab.evaluate(FRAMES, "#clip-1")
        assert len(frames) == 3
        assert len(set(frames)) == 1, frames
        truth, made = tab.evaluate(GREYS, ["#clip-1 .truth", "#clip-1 .made"])
        frame = (truth - 60) // 20
        assert truth - made == 10 * frame, "truth and answer come from one frame"
        seen.add(frame)
        tab.wait_for_timeout(37)
    assert seen == {0, 1, 2, 3, 4}
    card.locator(".play").click()
    stopped = tab.evaluate(FRAMES, "#clip-1")
    tab.wait_for_timeout(400)
    assert tab.evaluate(FRAMES, "#clip-1") == stopped


def test_play_all_keeps_every_case_in_step(opened: Opened) -> None:
    tab = opened.tab
    tab.locator("#play-all").click()
    assert tab.locator("#play-all").get_attribute("aria-pressed") == "true"
    for _ in range(20):
        frames = tab.evaluate(CARDS)
        assert len(set(frames)) == 1
        tab.wait_for_timeout(41)
    tab.locator("#play-all").click()
    assert tab.locator(".player.playing").count() == 0


def test_a_clip_opens_where_the_answer_differs_most(opened: Opened) -> None:
    assert set(opened.tab.evaluate(FRAMES, "#clip-1")) == {4}
    assert opened.tab.evaluate(GREYS, ["#clip-1 .difference"]) == [2 * 40], "40 apart, doubled"
    assert opened.tab.locator("#clip-0 .absent").first.inner_text() == "ValueError: no"


def test_the_scrubber_seeks(opened: Opened) -> None:
    tab = opened.tab
    tab.locator("#clip-1 input").fill("2")
    assert set(tab.evaluate(FRAMES, "#clip-1")) == {2}
    assert tab.evaluate(GREYS, ["#clip-1 .truth"]) == [100]
    assert tab.locator("#clip-1 input").get_attribute("aria-valuetext") == "frame 3 of 5, 0.25 s"
    now = tab.locator("#clip-1 .curve .now").all_inner_texts()
    assert now == ["answer 0.00 · truth 0.00", "answer –"]


def test_the_keys_play_step_and_move(opened: Opened) -> None:
    tab = opened.tab
    tab.locator("#clip-1").focus()
    pressed = ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight")
    for key, frame in zip(pressed, (0, 1, 2, 1, 4, 4), strict=True):
        tab.keyboard.press(key)
        assert set(tab.evaluate(FRAMES, "#clip-1")) == {frame}, key
    tab.keyboard.press("Space")
    assert tab.locator("#clip-1.playing").count() == 1
    assert tab.locator("#clip-1 .play").get_attribute("aria-label") == "Pause"
    tab.keyboard.press("Space")
    assert tab.locator("#clip-1.playing").count() == 0
    tab.keyboard.press("j")
    assert tab.evaluate("() => document.activeElement.id") == "clip-2"
    tab.keyboard.press("k")
    assert tab.evaluate("() => document.activeElement.id") == "clip-1"


def test_everything_can_be_reached_and_has_a_name(opened: Opened) -> None:
    tab = opened.tab
    names = []
    tab.evaluate("() => document.activeElement.blur()")
    for _ in range(120):
        tab.keyboard.press("Tab")
        name = tab.evaluate(NAME)
        if name is None:
            break
        assert name, tab.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")
        names.append(name)
    assert names[0] == "Skip to the summary"
    assert names[-1] == "Copy"
    assert {"Play", "Frame", "One frame back", "cases-title", "Filter"} <= set(names)


def test_rows_sort_by_any_column(opened: Opened) -> None:
    tab = opened.tab
    off = column(tab, 4)
    assert off[-1] == "–"
    assert sorted(off[:3], reverse=True) == off[:3], "the worst come first"
    hit = tab.locator("#rows th", has_text="hit")
    hit.locator("button").click()
    assert hit.get_attribute("aria-sort") == "descending"
    assert column(tab, 5) == ["0.750", "0.500", "0.250", "–"]
    hit.locator("button").click()
    assert hit.get_attribute("aria-sort") == "ascending"
    assert column(tab, 5) == ["0.250", "0.500", "0.750", "–"], "what is undefined stays last"
    tab.locator("#rows th", has_text="case").locator("button").click()
    assert column(tab, 1) == ["case-0", "case-1", "case-2", "case-3"]
    assert tab.locator("#rows th[aria-sort]").count() == 1


def test_rows_filter_by_words_measures_and_choices(opened: Opened) -> None:
    tab = opened.tab
    assert tab.locator("#count").inner_text() == "4 of 8 videos", "the subject comes first"
    tab.locator("#generator").select_option("")
    assert tab.locator("#count").inner_text() == "8 of 8 videos"
    asked = {"case-2": 2, "oracle": 4, "ValueError": 1, "hit<0.5": 1, "hit>=0.5 box": 2, "nothing": 0}
    for query, count in asked.items():
        tab.locator("#filter").fill(query)
        tab.wait_for_function(f"() => document.querySelector('#count').textContent === '{count} of 8 videos'")
        assert len(column(tab, 1)) == count
    tab.locator("#filter").fill("")
    tab.locator("#status").select_option("failed")
    assert column(tab, 1) == ["case-0"]
    tab.locator("#status").select_option("")
    tab.locator("#generator").select_option("box")
    tab.locator(".show-failures").click()
    assert column(tab, 3)[0] == "failed"
    assert tab.evaluate("() => document.activeElement.id") == "rows"


def test_a_case_leads_to_its_clip(opened: Opened) -> None:
    tab = opened.tab
    tab.locator("#rows a", has_text="case-1").click()
    assert tab.evaluate("() => location.hash") == "#clip-1"


def test_the_command_is_copied(opened: Opened) -> None:
    tab = opened.tab
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.locator("#copy").click()
    tab.wait_for_function("() => document.querySelector('#copy').textContent === 'Copied'")
    assert tab.evaluate("() => navigator.clipboard.readText()") == "python -m simbench suite=toy"


def test_light_and_dark_follow_the_system_and_the_toggle(browser: Any, tmp_path: Path) -> None:
    run = pages.small_run(tmp_path)
    for scheme, dark in (("light", False), ("dark", True)):
        found = open_page(browser, run, scheme=scheme)
        assert (found.tab.evaluate(GROUND) < 50) is dark
        for name, now_dark in (("light", False), ("dark", True), ("auto", dark)):
            found.tab.locator("#theme").click()
            assert found.tab.locator("#theme span").inner_text() == name
            assert (found.tab.evaluate(GROUND) < 50) is now_dark
        found.check()
        found.tab.close()


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_nothing_moves_and_nothing_is_cut_off(browser: Any, tmp_path: Path, width: int) -> None:
    found = open_page(browser, pages.small_run(tmp_path), width=width)
    assert found.tab.evaluate(SHIFTS) == 0
    inside = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert found.tab.evaluate(inside)
    found.tab.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    assert found.tab.evaluate(inside)
    assert found.tab.evaluate(SHIFTS) == 0
    found.check()
    found.tab.close()


def test_what_shifts_is_seen(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "late.html").write_text(LATE)
    found = open_file(browser, tmp_path / "late.html", 800)
    found.tab.wait_for_timeout(200)
    assert found.tab.evaluate(SHIFTS) > 0
    with pytest.raises(AssertionError):
        found.check()
    found.tab.close()


def test_hostile_texts_are_text(browser: Any, tmp_path: Path) -> None:
    for i, evil in enumerate(pages.HOSTILE):
        run = pages.small_run(tmp_path / str(i), suite=evil, generator=evil, setting=evil, reasons={evil: 1})
        found = open_page(browser, run)
        assert found.tab.evaluate("() => window.hit") is None
        assert found.tab.locator("h1").text_content() == evil
        assert any(evil in text for text in found.tab.locator("#rows td:nth-child(2)").all_text_contents())
        found.check()
        found.tab.close()


def test_nothing_runs_that_is_not_the_pages_own(browser: Any, tmp_path: Path) -> None:
    run = pages.small_run(tmp_path)
    write_page(run)
    text = (run / "report.html").read_text().replace("</h1>", EVIL)
    (run / "report.html").write_text(text)
    found = open_file(browser, run / "report.html", 800)
    found.tab.wait_for_timeout(200)
    assert found.tab.evaluate("() => window.hit") is None
    assert any("Content Security Policy" in error for error in found.errors)
    found.tab.close()


def test_a_hundred_thousand_rows_are_usable_in_three_seconds(browser: Any, tmp_path: Path) -> None:
    run = pages.large_run(tmp_path, 100_000)
    write_page(run)
    started = time.perf_counter()
    found = open_file(browser, run / "report.html")
    tab = found.tab
    tab.get_by_text("100,000 of 100,000 videos").wait_for()
    tab.locator("#rows th", has_text="distance").locator("button").click()
    assert column(tab, 6)[0] == "100.002"
    assert time.perf_counter() - started < 3
    acted = time.perf_counter()
    tab.locator("#filter").fill("hit=1 distance<0.01")
    tab.wait_for_function("() => /^[0-9] of/.test(document.querySelector('#count').textContent)")
    tab.locator("#filter").fill("")
    tab.wait_for_function("() => document.querySelector('#count').textContent.startsWith('100,000')")
    tab.locator("#rows").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    tab.wait_for_function("() => document.querySelector(\"#rows tr[aria-rowindex='100001']\")")
    assert column(tab, 6)[-1] == "0.000"
    assert time.perf_counter() - acted < 3
    assert tab.locator("#rows tbody tr").count() < 60, "only what is in view exists"
    found.check()
    tab.close()


@pytest.mark.parametrize("kind", ["empty", "one", "failed"])
def test_small_and_broken_runs_open(browser: Any, tmp_path: Path, kind: str) -> None:
    one = pages.row(planned=1, ok=1, low=None, high=None, mde=None, scenes=1)
    lost = pages.row(planned=1, ok=0, failed=1, score=0.0, metrics={}, reasons={"failed: no": 1})
    rows, lines = {
        "empty": ([], []),
        "one": ([one], [pages.case_line(one, "only", "hit", 1.0)]),
        "failed": ([lost], [pages.case_line(lost, "only", "hit", None, "no")]),
    }[kind]
    found = open_page(browser, pages.write_run(tmp_path, rows, lines))
    assert found.tab.locator("h1").inner_text() == ("An empty run" if kind == "empty" else "box")
    if kind != "empty":
        assert column(found.tab, 3) == [{"one": "ok", "failed": "failed"}[kind]]
    found.check()
    found.tab.close()


def test_another_run_plays_beside(browser: Any, tmp_path: Path) -> None:
    run, other = pages.small_run(tmp_path / "run"), pages.small_run(tmp_path / "other", generator="rival")
    write_page(run, other)
    found = open_file(browser, run / "report.html", mark="#clip-1")
    found.tab.wait_for_function("() => document.querySelector('#clip-1').dataset.ready")
    found.tab.locator("#clip-1").focus()
    found.tab.keyboard.press("Home")
    found.tab.keyboard.press("ArrowRight")
    assert found.tab.evaluate(FRAMES, "#clip-1") == [1, 1, 1, 1]
    assert found.tab.evaluate(GREYS, ["#clip-1 .rival"]) == [70]
    found.check()
    found.tab.close()


def test_the_pictures_of_the_docs_are_a_command(tmp_path: Path) -> None:
    run = pages.small_run(tmp_path / "run")
    command = [sys.executable, "-m", "reports.screenshots", f"run={run}", f"out={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "python -m reports.page" in done.stderr) == (2, True)
    write_page(run)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for shot in SHOTS:
        assert 1000 < (tmp_path / shot.name).stat().st_size <= 300_000


def test_the_browser_is_the_systems(browser: Any, tmp_path: Path) -> None:
    assert any(map(shutil.which, BROWSERS))
    write_page(pages.small_run(tmp_path))
    picture = take(browser, tmp_path / "report.html", SHOTS[0])
    assert len(reduced(picture)) < len(picture)
