"""One look for all figures: column widths, type that stays type, colours with markers and dashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reports.aggregate import ReportError

COLUMN, PAGE = 3.25, 6.75
"""Widths in inches: one column and both of a two-column page."""

BLACK, GREY, PALE = "#000000", "#7F7F7F", "#E4E4E4"
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW = "#E69F00", "#56B4E9", "#F0E442"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Okabe and Ito (2008) without yellow, too pale for a line: told apart with every colour vision."""

TRUTH = " in truth"
"""How the trace of the truth is called beside that of an answer."""

NEUTRAL = (BLACK, GREY, PALE, "#FFFFFF", "#444444")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

ROLE_STYLE: Mapping[str, tuple[str, str]] = {
    "subject": (BLUE, "o"),
    "oracle": (BLACK, "D"),
    "observer": (GREEN, "s"),
    "baseline": (ORANGE, "^"),
    "cheat": (VERMILLION, "X"),
}
"""Colour and marker of a row where rows are told apart by role."""

RC: Mapping[str, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "text.parse_math": False,
    "text.usetex": False,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Drawn:
    """A figure with exactly the numbers that it shows. `figure` is a matplotlib Figure."""

    name: str
    figure: Any
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    note: str = ""


@contextmanager
def style() -> Iterator[None]:
    """Everything is drawn and saved inside this. ReportError where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise ReportError(
            "figures need matplotlib, which is not installed: pip install -e '.[paper]', or only=tables"
        ) from error
    look: dict[Any, Any] = {**matplotlib.rcParamsDefault, **RC, "backend": "agg"}
    with matplotlib.rc_context(rc=look):
        yield


def canvas(width: float, height: float) -> Any:
    """An empty Figure of exactly this size in inches, without pyplot's list of open figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def series(i: int) -> dict[str, Any]:
    """Colour, marker and dashes of the i-th series."""
    return {
        "color": PALETTE[i % len(PALETTE)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[(i + i // len(PALETTE)) % len(DASHES)],
    }


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family="STIXGeneral"))).get_charmap())


def shown(text: str, most: int = 0) -> str:
    """`text` as the font can show it: what it lacks is named by its code point. Cut at `most` letters."""
    known = _glyphs()
    plain = "".join(c if c.isprintable() else " " for c in text)
    if most and len(plain) > most:
        plain = plain[: most - 1] + "…"
    return "".join(c if ord(c) in known else f"[U+{ord(c):04X}]" for c in plain)


def ordinary(text: str) -> str:
    """`hiding_cost` as words."""
    return text.replace("_", " ")


def slug(text: str) -> str:
    """A file's name of letters, digits and hyphens, whatever a generator is called."""
    kept = "".join(c.lower() if c.isascii() and c.isalnum() else "-" for c in text)
    return "-".join(part for part in kept.split("-") if part)[:40] or "run"
