"""How many objects are in view, and whether they are the right ones, over the frames of a trial."""

from __future__ import annotations

import numpy as np

from simbench.instruments.bench import Bench
from simbench.instruments.reading import Reading, Window
from simbench.instruments.trial import PRESENT


def counting(bench: Bench, truth: Reading, video: Reading, window: Window) -> dict[str, float]:
    """`count_error`: mean absolute error of the number of objects in view over the deciding frames;
    `idf1`: 2 IDTP / (2 IDTP + IDFP + IDFN) over all frames after the given ones, a match being the right
    object within half a diameter (Ristani et al., ECCV-W 2016; identities are known here)."""
    frames = sorted(set().union(*window.after))
    first = bench.setting.context
    off, true, extra, missed = [], 0, 0, 0
    for t in range(first, bench.setting.frames):
        want = have = 0
        for i in range(len(bench.layout.lanes)):
            expected = [d for d in truth.found[i][t] if d.area >= PRESENT * float(truth.size[i])]
            actual = [d for d in video.found[i][t] if d.area >= PRESENT * float(video.size[i])]
            want, have = want + len(expected), have + len(actual)
            match = any(
                np.hypot(a.x - e.x, a.y - e.y) <= bench.diameter / 2 for a in actual[:1] for e in expected
            )
            true += match
            extra += len(actual) - match
            missed += len(expected) - match
        if t in frames:
            off.append(abs(want - have))
    total = 2 * true + extra + missed
    return {"count_error": float(np.mean(off)), **({"idf1": 2 * true / total} if total else {})}
