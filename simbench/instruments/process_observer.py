"""The observer of process worlds: what a condition alone determines, for someone who knows the law.

It sees the given frames and the prompt, which names what is in them, and never the truth. It tries where
the thing stands, reads the state in every given frame with the suite's own reader on its own drawing of the
stage (textures and light as they come), fits a constant rate, and draws the states that follow into the
first given frame. What hides the thing is left out: only what comes back is judged.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np

from simbench.arrays import channel_max
from simbench.case import Condition, Setting
from simbench.instruments import state_reader
from simbench.instruments.state_reader import Atlas, Look
from simbench.video import Video
from simbench.worlds.families import process
from simbench.worlds.families.process import Layout

WORDS = {
    "rail": "ball",
    "dial": "clock",
    "tank": "tank",
    "candle": "candle",
    "plant": "plant",
    "traffic": "lights",
}
STANDS = 0.1
"""What goes one way goes by at least twice as much of its range in a clip, or stands still."""


def roll_out(condition: Condition, setting: Setting) -> Video:
    """The clip that the law and the condition determine."""
    layout = told(condition.prompt, setting)
    given = condition.given_frames
    layout = _placed(layout, given, setting)
    book = state_reader.atlas(layout, setting)
    clear = given[:-1] if "camera turns" in condition.prompt else given
    state, rate = fit(book, state_reader.read(book, clear), condition.fps, condition.frames)
    times = np.arange(len(given), condition.frames) / condition.fps
    states = [process.within(layout.process, state + rate * t) for t in times.tolist()]
    later = _drawn(book, state_reader.render_states(layout, states, setting), given[0])
    return Video(np.concatenate([given, later]), condition.fps)


def told(prompt: str, setting: Setting) -> Layout:
    """The layout as far as the words of a prompt tell it: the thing and the colours."""
    name = next(kind for word, kind in WORDS.items() if word in prompt)
    backdrop = re.search(r"(?:^|\. )A (\S+) wall", prompt)
    thing = prompt.split(". ")[1]
    known = [c for c in process.colours(name) if re.search(rf"\b{c}\b", thing.split(": ")[-1])]
    return state_reader.bare(
        Layout(
            process=name,
            aspect=setting.width / setting.height,
            duration=(setting.frames - 1) / setting.fps,
            path=(),
            colour=known[0] if known else "red",
            backdrop=backdrop.group(1) if backdrop else "grey",
            look=setting.look,
        )
    )


def _placed(layout: Layout, given: np.ndarray, setting: Setting) -> Layout:
    """The layout with the place at which its stage fits the first given frame best, in tenths of a pixel."""
    import cv2

    shrink = max(1, setting.height // 64)
    small = replace(setting, width=setting.width // shrink, height=setting.height // shrink)
    size = (small.width, small.height)
    seen = cv2.resize(given[0], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    room = max(0.0, 0.5 * layout.aspect - 0.06 - process.HALF_WIDTH[layout.process])
    step = 1.0 / small.height
    places = np.arange(-int(room / step) - 1, int(room / step) + 2) * step
    best = 0.0
    for finer, count in ((0.3, 8), (0.1, 16), (0.0, 16)):
        misfit = [_misfit(replace(layout, place=_tenth(p, small)), seen, small, count) for p in places]
        best = float(places[int(np.argmin(misfit))])
        places = best + np.arange(-3, 4) * finer * step
    return replace(layout, place=_tenth(best, small))


def _tenth(place: float, setting: Setting) -> float:
    return round(float(place) * 10 * setting.height) / (10 * setting.height)


@lru_cache(maxsize=64)
def _rough(layout: Layout, setting: Setting, count: int) -> np.ndarray:
    """`count` states of a stage, uint8 [count, H, W, 3]."""
    states = np.linspace(0.02, 0.98, count)
    return state_reader.render_states(layout, states.tolist(), setting)


def _misfit(layout: Layout, seen: np.ndarray, setting: Setting, count: int) -> float:
    """How far a frame [H, W, 3] is from the nearest of some states of a layout, outliers capped."""
    off = channel_max(np.abs(_rough(layout, setting, count) - seen[None]))
    return float(np.minimum(off, 60.0).mean(axis=(1, 2)).min())


def fit(book: Atlas, looks: list[Look], fps: float, frames: int) -> tuple[float, float]:
    """State at time 0 and rate (states per second) of the line through what was read; (0.5, 0) of nothing."""
    read = [(t / fps, look.state) for t, look in enumerate(looks) if look.state is not None]
    if not read:
        return 0.5, 0.0
    times = np.array([t for t, _ in read])
    first = read[0][1]
    states = np.array([first + process.apart(book.process, s, first) for _, s in read])
    if len(read) < 2:
        return float(states[0]), 0.0
    rate = float(np.polyfit(times, states, 1)[0])
    if book.process in process.ONE_WAY and rate < STANDS * fps / max(frames - 1, 1):
        rate = 0.0
    return float(states.mean() - rate * times.mean()), rate


def _drawn(book: Atlas, pictures: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Frames uint8 [T, H, W, 3]: `base` with the thing as in `pictures`, in the frame's own brightness."""
    gain, offset, left = state_reader.tones(book.bank, base[book.region].astype(np.float32))
    best = int(np.argmin(left))
    out = np.repeat(base[None].astype(np.float32), len(pictures), axis=0)
    out[:, book.region] = gain[best] * pictures[:, book.region] + offset[best]
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)
