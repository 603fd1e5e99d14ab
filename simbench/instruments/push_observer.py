"""The observer of push tables: what given frames and actions determine, for someone who knows the law.

It sees the condition only: it finds the coloured blocks and their outlines in the given frames, takes the
rod's places from the actions, rolls the law of contact out and moves the pictures of the blocks over the
table. The panel is left out, since only what is uncovered is judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from simbench.case import Condition, Setting
from simbench.instruments.decoder import paste
from simbench.instruments.push_reader import pixel
from simbench.instruments.stage_reader import Seen, colour_shares, empty_stage, find_object
from simbench.video import Video
from simbench.worlds.families import push
from simbench.worlds.families.push import Path

TIP = re.compile(r"rod tip at (-?[\d.]+) % from the left, (-?[\d.]+) % from the top")


def roll_out(condition: Condition, setting: Setting) -> Video:
    """The clip that the law and the condition determine."""
    given = condition.given_frames.astype(np.float32)
    unit = min(setting.width, setting.height)
    rod = told(condition.actions or (), setting)
    side = 1 if rod[0][1] < 0 else -1
    shares = colour_shares(given)
    taken = np.max(list(shares.values()), axis=0) if shares else np.zeros(given.shape[:3], np.float32)
    base, _ = empty_stage(given, taken)
    whole = np.ones(given.shape[:3], np.float32)
    found = [
        block
        for colour, share in shares.items()
        if (block := find_object(colour, share[:1], given[:1], whole[:1], push.SIZE * unit, setting.fps))
    ]
    paths = [_path(block, rod, side, setting) for block in found]
    frames = [*condition.given_frames]
    for t in range(len(given), condition.frames):
        places = [push.at(path, t / condition.fps) for path in paths]
        image = _with_rod(base, push.at(rod, t / condition.fps), side, setting)
        frames.append(_composed(image, found, places, setting))
    return Video(np.stack(frames), condition.fps)


def told(actions: Sequence[str], setting: Setting) -> Path:
    """The rod's path out of the actions, in short sides, with a knot in each frame."""
    unit = min(setting.width, setting.height)
    wide, high = setting.width / unit, setting.height / unit
    path = []
    for t, words in enumerate(actions):
        found = TIP.search(words)
        assert found is not None, words
        left, top = (float(g) / 100 for g in found.groups())
        path.append((t / setting.fps, (left - 0.5) * wide, (0.5 - top) * high))
    return tuple(path)


def _path(block: Seen, rod: Path, side: int, setting: Setting) -> Path:
    """The path of a block that was found, by the law."""
    unit = min(setting.width, setting.height)
    x = (float(block.track[0]) - (setting.width - 1) / 2) / unit
    y = ((setting.height - 1) / 2 - float(block.track[1])) / unit
    half = push.HALF["cylinder" if block.shape == "ball" else "cube"]
    return push.carried(rod, (x, y), half, side)


def _with_rod(base: np.ndarray, tip: tuple[float, float], side: int, setting: Setting) -> np.ndarray:
    """The table [H, W, 3] with the rod as far as `tip`: its head, and the bar behind it."""
    out = base.copy()
    colour = 255.0 * np.array(push.ROD, np.float32)
    x, y = pixel(tip, setting)
    unit = min(setting.width, setting.height)
    ahead = side * (x - np.arange(setting.width))
    for wide, length in ((push.HEAD, 0.06 * unit), (0.022, float(setting.width + setting.height))):
        along = np.clip(np.minimum(ahead, length - ahead) + 0.5, 0.0, 1.0)
        across = np.clip(wide * unit + 0.5 - np.abs(np.arange(setting.height) - y), 0.0, 1.0)
        share = (across[:, None] * along[None])[..., None].astype(np.float32)
        out = out * (1.0 - share) + share * colour
    return out


def _composed(
    image: np.ndarray, found: Sequence[Seen], places: Sequence[tuple[float, float]], setting: Setting
) -> np.ndarray:
    """The blocks' pictures at their places, uint8 [H, W, 3]."""
    for block, place in zip(found, places, strict=True):
        placed = paste(block.patch, [pixel(place, setting)], image.shape)[0]
        image = image * (1.0 - placed[..., 3:]) + placed[..., :3]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
