"""The observer of plates: what given frames and commands determine, for someone who only remembers.

It sees the condition only. What was seen is pasted where the commands put it; what was never seen (the rest
of the plate, the panel's pattern) is filled with the mean colour, since no point asked lies there. What moves
goes on evenly, as far as its few given frames can be told from the ground.
"""

from __future__ import annotations

import numpy as np

from simbench.case import Condition
from simbench.generators.rollout import roll_out as carried
from simbench.instruments.plates_course import over, told
from simbench.video import Video


def roll_out(condition: Condition) -> Video:
    """The clip that memory and the condition determine."""
    height, width, start = condition.height, condition.width, len(condition.given_frames)
    out = carried(condition, highest=1, hide=False)
    shift, panel, side = told(condition.actions or (), width, height)
    for t in range(start, condition.frames):
        seen = out[t].copy()
        out[t] = seen.reshape(-1, 3).mean(axis=0)
        x, y = (int(v) for v in shift[t])
        rows, columns = slice(max(y, 0), height + min(y, 0)), slice(max(x, 0), width + min(x, 0))
        if abs(x) < width and abs(y) < height:
            there = (slice(max(-y, 0), height - max(y, 0)), slice(max(-x, 0), width - max(x, 0)))
            out[t][there] = seen[rows, columns]
        if panel[t]:
            out[t][over(side, int(panel[t]), width, height)] = seen.reshape(-1, 3).mean(axis=0)
    return Video(np.ascontiguousarray(out), condition.fps)
