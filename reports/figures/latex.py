"""Text for LaTeX: whatever a name holds, it prints as itself or as its code point and never acts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\char96{}",
    "'": r"'{}",
    '"': r"\char34{}",
    "[": r"{[}",
    "]": r"{]}",
    "*": r"{*}",
    "−": r"\(-\)",
    "×": r"\(\times\)",
    "±": r"\(\pm\)",
    "→": r"\(\rightarrow\)",
    "≤": r"\(\le\)",
    "≥": r"\(\ge\)",
    "·": r"\(\cdot\)",
    "…": r"\ldots{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "°": r"\(^\circ\)",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0327": r"\c",
}
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu", "ξ": "xi",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi",
    "ω": "omega", "Δ": "Delta", "Σ": "Sigma", "Ω": "Omega", "Φ": "Phi", "Π": "Pi", "Λ": "Lambda",
    "Θ": "Theta", "Γ": "Gamma",
}  # fmt: skip


def escaped(text: str, most: int = 0) -> str:
    """`text` as LaTeX, on one line and plain ASCII. Cut at `most` printed letters, with dots."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    if most and sum(_printed(c) for c in flat) > most:
        while sum(_printed(c) for c in flat) > most - 1:
            flat = flat[:-1]
        flat += "…"
    # Two hyphens would print as one dash; a bracket or star that starts a row would be eaten by its `\\`.
    return "".join(_letter(c) for c in flat).replace("--", "-{}-").replace("--", "-{}-")


def _printed(c: str) -> int:
    """A letter that LaTeX lacks prints as its code point."""
    return len(f"[U+{ord(c):04X}]") if "U+" in _letter(c) else 1


def _letter(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    if c in GREEK:
        return rf"\(\{GREEK[c]}\)"
    if c.isascii():
        return c
    parts = unicodedata.normalize("NFD", c)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS:
        # \i carries no dot, so that the accent of an i has room.
        base = r"\i " if parts[0] == "i" else parts[0]
        return f"{ACCENTS[parts[1]]}{{{base}}}"
    return f"{{[}}U+{ord(c):04X}{{]}}"


def comment(text: str) -> str:
    """A comment of one line, whatever `text` holds."""
    return "% " + "".join(c if c.isprintable() else " " for c in text)


def number(value: float | None, digits: int, bold: bool = False) -> str:
    """A number as two cells, joined at the decimal point by the column; `--` where not defined."""
    if value is None:
        return r"\multicolumn{2}{c}{--}"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    whole, _, rest = text.partition(".")
    sign = "$-$" if whole.startswith("-") else ""
    whole = whole.lstrip("-")
    if bold:
        return rf"{sign}\textbf{{{whole}}} & \textbf{{{rest}}}"
    return f"{sign}{whole} & {rest}"


def plain(value: float, digits: int = 1) -> str:
    """A number inside a cell of text."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("-", "$-$")


def table(
    columns: str,
    heads: Sequence[str],
    groups: Sequence[Sequence[str]],
    caption: str,
    label: str,
    wide: bool,
    notes: Sequence[str],
) -> str:
    """A table environment of booktabs: rules above, below the head, between groups and below; no others."""
    name = "table*" if wide else "table"
    body: list[str] = []
    for i, group in enumerate(g for g in groups if g):
        body += ([r"\midrule"] if i else []) + [f"{row} \\\\" for row in group]
    lines = [
        *(comment(note) for note in notes),
        rf"\begin{{{name}}}[t]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3.5pt}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *(f"{head} \\\\" for head in heads),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\end{{{name}}}",
    ]
    return "\n".join(lines) + "\n"
