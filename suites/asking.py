"""What a person is asked about a clip of permanence, in words that say what the readers judge."""

from __future__ import annotations

from simbench.case import Setting
from simbench.instruments.reading import TOLERANCE_S, Window
from simbench.suite import Question
from simbench.worlds.families.occluder import Layout


def ask(layout: Layout, setting: Setting, window: Window | None) -> Question:
    """The question of one trial. `window` holds the frames that decide; only where the truth says which
    (v2v) they are named, elsewhere the clip's own motion says when."""
    marked = window is not None and setting.given == "v2v"
    if layout.post is not None:
        frames = window.quiet if window is not None and marked else ()
        return Question(_stay(layout, marked), asks="alarm", every=False, frames=tuple(frames))
    after = sorted(set().union(*window.after)) if window is not None and marked else ()
    return Question(_return(layout, setting, marked), asks="hit", every=True, frames=tuple(after))


def _return(layout: Layout, setting: Setting, marked: bool) -> str:
    count = len(layout.lanes)
    who = "the object" if count == 1 else f"each of the {count} objects"
    late = max(1, int(TOLERANCE_S * setting.fps + 1e-6))
    frames = f"{late} frame{'s' if late > 1 else ''}"
    place = "where the truth has it" if marked else "where its own motion at the start takes it"
    when = "in most of the marked frames in which the truth shows it" if marked else "to the end of the clip"
    itself = f"once, with its own colour and shape, within about its own width of {place}"
    if layout.hidden:
        return (
            f"Is {who} that went out of view back {when}, {itself}, and no more than {frames} early or late?"
        )
    return f"Is {who} in view {when}, {itself}?"


def _stay(layout: Layout, marked: bool) -> str:
    who = "the object" if len(layout.lanes) == 1 else f"any of the {len(layout.lanes)} objects"
    when = "in two or more of the marked frames" if marked else "in two or more frames after it was stopped"
    if layout.hidden:
        return f"Is {who} clearly in view anywhere {when}, although it should have stayed hidden?"
    place = "where the truth has it" if marked else "where it was stopped"
    return f"Is {who} clearly in view more than about its own width away from {place} {when}?"
