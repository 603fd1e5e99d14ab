"""The observer of footprints: what given frames and actions determine, for someone who knows the law.

It sees the condition only: the actions say where the boots are in every frame, the given frames how ground,
boots and prints look. The panel is left out, since only what is uncovered is judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from simbench.case import Condition, Setting
from simbench.instruments.push_reader import pixel
from simbench.video import Video
from simbench.worlds.families.footprints import BOOT, PRINT, Spot

PLACE = re.compile(r"at (-?[\d.]+) % from the left, (-?[\d.]+) % from the top")


def roll_out(condition: Condition, setting: Setting) -> Video:
    """The clip that the law and the condition determine."""
    given = condition.given_frames.astype(np.float32)
    steps = [told(words, setting) for words in condition.actions or ()]
    now = len(given) - 1
    stood = [p for places in steps[: now + 1] for p in places]
    apart = [p for p in stood if min(np.hypot(p[0] - b[0], p[1] - b[1]) for b in steps[now]) > BOOT + PRINT]
    plain = np.median(given[now].reshape(-1, 3), axis=0)
    mark = _colour(given[now], apart, 0.6 * PRINT, setting, plain)
    coat = _colour(given[now], list(steps[now]), 0.6 * BOOT, setting, plain)
    # The boots' own places are under them: ground first, then the print that each leaves.
    image = _with(
        given[now], list(steps[now]), BOOT + 1.0 / min(setting.width, setting.height), plain, setting
    )
    frames = [*condition.given_frames]
    image = _with(image, stood, PRINT, mark, setting)
    for places in steps[now + 1 :]:
        image = _with(image, list(places), PRINT, mark, setting)
        shown = _with(image, list(places), BOOT, coat, setting)
        frames.append(np.asarray(np.clip(np.rint(shown), 0, 255), dtype=np.uint8))
    return Video(np.stack(frames), condition.fps)


def told(words: str, setting: Setting) -> tuple[Spot, ...]:
    """Where the boots are, in short sides from the centre."""
    unit = min(setting.width, setting.height)
    return tuple(
        ((float(x) / 100 - 0.5) * setting.width / unit, (0.5 - float(y) / 100) * setting.height / unit)
        for x, y in PLACE.findall(words)
    )


def _share(place: Spot, radius: float, setting: Setting) -> np.ndarray:
    """Soft disc [H, W] of a radius in short sides."""
    x, y = pixel(place, setting)
    rows, columns = np.mgrid[: setting.height, : setting.width]
    reach = radius * min(setting.width, setting.height)
    return np.asarray(np.clip(reach + 0.5 - np.hypot(columns - x, rows - y), 0.0, 1.0), dtype=np.float32)


def _colour(
    frame: np.ndarray, places: Sequence[Spot], radius: float, setting: Setting, otherwise: np.ndarray
) -> np.ndarray:
    """The middle colour [3] of discs in a frame; `otherwise` where there is none."""
    inside = np.zeros(frame.shape[:2], bool)
    for place in places:
        inside |= _share(place, radius, setting) > 0.9
    return np.median(frame[inside], axis=0) if inside.any() else otherwise


def _with(
    image: np.ndarray, places: Sequence[Spot], radius: float, colour: np.ndarray, setting: Setting
) -> np.ndarray:
    """The image [H, W, 3] with discs of one colour."""
    for place in places:
        share = _share(place, radius, setting)[..., None]
        image = image * (1.0 - share) + share * colour
    return image
