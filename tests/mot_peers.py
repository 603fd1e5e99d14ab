"""What TrackEval (PyPI trackeval, MIT) says of `mot_scenes`, for tests/data/mot.json.

    pip install 'simbench-worlds[bench]' && python tests/mot_peers.py

It is a peer of the tests only: it needs OpenCV's other wheel and prints its settings on every start.
"""

from __future__ import annotations

import contextlib
import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from mot_scenes import Tracked, clips, masks

from simbench.metrics.masks import BOUND

STORED = Path(__file__).resolve().parent / "data" / "mot.json"

MEANS = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")
CLEAR = (
    "MOTA",
    "MOTP",
    "CLR_TP",
    "CLR_FN",
    "CLR_FP",
    "IDSW",
    "Frag",
    "MT",
    "PT",
    "ML",
)
IDENTITY = ("IDF1", "IDP", "IDR", "IDTP", "IDFN", "IDFP")


def as_peer_data(clip: Tracked) -> dict[str, Any]:
    """A clip as trackeval's metrics take it: ids from 0 on without gaps, one array for each frame."""

    def numbered(ids: np.ndarray) -> tuple[list[np.ndarray], int]:
        """Ids by frame, and how many there are."""
        known = {int(i): n for n, i in enumerate(np.unique(ids[ids >= 0]))}
        return [np.array([known[int(i)] for i in row if i >= 0], int) for row in ids], len(known)

    (truth, trues), (made, mades) = numbered(clip.true_ids), numbered(clip.made_ids)
    alike = [
        s[a >= 0][:, b >= 0].copy()
        for s, a, b in zip(clip.similarity, clip.true_ids, clip.made_ids, strict=True)
    ]
    return {
        "num_timesteps": len(truth),
        "num_gt_ids": trues,
        "num_tracker_ids": mades,
        "num_gt_dets": sum(map(len, truth)),
        "num_tracker_dets": sum(map(len, made)),
        "gt_ids": truth,
        "tracker_ids": made,
        "similarity_scores": alike,
    }


def judges() -> dict[str, Any]:
    """The peer's metrics by name; they print their settings when they are made."""
    from trackeval.metrics import CLEAR as Clear
    from trackeval.metrics import HOTA, Identity

    with contextlib.redirect_stdout(io.StringIO()):
        return {"hota": HOTA(), "clear": Clear(), "identity": Identity()}


def said_of(clip: Tracked, judge: dict[str, Any]) -> dict[str, float]:
    """All numbers of one clip, means over alpha where the peer gives one for each."""
    data = as_peer_data(clip)
    results = {name: each.eval_sequence(data) for name, each in judge.items()}
    out = {name: float(np.mean(results["hota"][name])) for name in MEANS}
    out |= {name: float(results["clear"][name]) for name in CLEAR}
    return out | {name: float(results["identity"][name]) for name in IDENTITY}


def said_of_masks(made: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """J and F of DAVIS, mean over the frames of two clips bool [T, H, W]."""
    from pycocotools import mask
    from trackeval.metrics import JAndF

    coded = [[[mask.encode(np.asfortranarray(m.astype(np.uint8)))] for m in clip] for clip in (true, made)]
    outlines = JAndF._compute_f(coded[0], coded[1], 0, 0, BOUND)
    regions = [mask.iou(b, a, [0])[0, 0] for a, b in zip(*coded, strict=True)]
    return {"J": float(np.mean(regions)), "F": float(np.mean(outlines))}


def all_said() -> dict[str, dict[str, dict[str, float]]]:
    """The numbers of all clips and of all masks."""
    judge = judges()
    rows = {name: said_of(clip, judge) for name, clip in clips().items()}
    return {"clips": rows, "masks": {name: said_of_masks(*pair) for name, pair in masks().items()}}


def main() -> None:
    """Write the file."""
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps({"trackeval": version("trackeval"), **all_said()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
