"""A document of two columns that takes in every table and figure at its print size, and a picture of it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.figures.latex import comment
from reports.figures.style import COLUMN
from reports.files import write_bytes

HEAD = r"""\documentclass[10pt,twocolumn]{article}
\usepackage[letterpaper,textwidth=6.75in,textheight=9.6in,columnsep=0.25in]{geometry}
\usepackage{booktabs,graphicx}
\setlength{\textfloatsep}{10pt}\setlength{\dbltextfloatsep}{10pt}
\setcounter{topnumber}{9}\setcounter{dbltopnumber}{9}\setcounter{totalnumber}{9}
\renewcommand{\topfraction}{1}\renewcommand{\dbltopfraction}{1}\renewcommand{\floatpagefraction}{0.1}
\renewcommand{\dblfloatpagefraction}{0.1}
\pagestyle{empty}
\begin{document}
"""
MARGIN = 24
"""White around what a page holds, pixels."""


def document(tables: Sequence[str], figures: Sequence[tuple[str, float]], command: str) -> str:
    """The text of example.tex: narrow floats for one column, wide ones over both."""
    body = [comment(f"Made by: {command}"), HEAD]
    for name, width in figures:
        body.append(_figure(name, "figure*" if width > COLUMN else "figure"))
    body += [rf"\input{{{name}}}" for name in tables]
    return "\n".join([*body, r"\mbox{}", r"\end{document}"]) + "\n"


def _figure(name: str, environment: str) -> str:
    return (
        rf"\begin{{{environment}}}[t]\centering\includegraphics{{{name}}}"
        rf"\caption{{\texttt{{\detokenize{{{name}}}}}}}\end{{{environment}}}"
    )


def sheet(folder: Path, picture: Path, dpi: int = 130) -> None:
    """Compile example.tex of `folder` and lay its pages side by side in a PNG. ReportError without LaTeX."""
    for tool in ("pdflatex", "pdftoppm"):
        if shutil.which(tool) is None:
            raise ReportError(f"sheet= needs {tool} (texlive-latex-recommended, poppler-utils)")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for path in (*folder.glob("*.tex"), *folder.glob("*.pdf")):
            shutil.copy(path, work / path.name)
        _called("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "example.tex", work=work)
        _called("pdftoppm", "-r", str(dpi), "-png", "example.pdf", "page", work=work)
        write_bytes(picture, _joined(sorted(work.glob("page*.png"))))


def _called(*arguments: str, work: Path) -> None:
    done = subprocess.run(arguments, cwd=work, capture_output=True, timeout=180, check=False)
    if done.returncode:
        last = [x for x in done.stdout.decode("utf-8", "replace").splitlines() if x.startswith("!")]
        raise ReportError(f"{arguments[0]} failed: {' '.join(last) or done.stderr.decode()[-200:]}")


def _joined(pages: Sequence[Path]) -> bytes:
    from PIL import Image

    pictures = [_cropped(Image.open(path).convert("RGB")) for path in pages]
    width, height = sum(p.width for p in pictures), max(p.height for p in pictures)
    whole = Image.new("RGB", (width, height), "white")
    left = 0
    for p in pictures:
        whole.paste(p, (left, 0))
        left += p.width
    buffer = io.BytesIO()
    whole.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


def _cropped(page: Any) -> Any:
    """A page without its empty margins."""
    from PIL import Image, ImageChops

    box = ImageChops.difference(page, Image.new("RGB", page.size, "white")).getbbox() or (0, 0, *page.size)
    size = (box[2] - box[0] + 2 * MARGIN, box[3] - box[1] + 2 * MARGIN)
    whole = Image.new("RGB", size, "white")
    whole.paste(page.crop(box), (MARGIN, MARGIN))
    return whole
