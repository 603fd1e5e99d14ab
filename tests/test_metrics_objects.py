"""HOTA, CLEAR and identity against TrackEval's own numbers, the definitions as loops, and what they must obey."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import mot_peers
import numpy as np
import pytest
from mot_scenes import Tracked, clips, crowd

from simbench.metrics import objects

CLIPS = clips()
STORED = json.loads(mot_peers.STORED.read_text())

UNDEFINED = {
    "empty_tracker": {"AssA", "LocA", "AssRe", "AssPr", "MOTP", "IDP", "DetPr"},
    "empty_truth": {"AssA", "LocA", "AssRe", "AssPr", "MOTP", "MOTA", "IDR", "DetRe"},
    "nothing_alike": {"AssA", "LocA", "AssRe", "AssPr", "MOTP"},
    "below_threshold": {"MOTP"},
    "low": {"MOTP"},
}
"""Where TrackEval prints 0 or 1 for what has no value; here it is NaN."""


def ours(clip: Tracked) -> dict[str, float]:
    """Our numbers under the peer's names."""
    h = objects.hota(**clip.arguments())
    c = objects.clear(**clip.arguments())
    i = objects.identity(**clip.arguments())
    means = (h.hota, h.det_a, h.ass_a, h.loc_a, h.det_re, h.det_pr, h.ass_re, h.ass_pr)
    counts = (c.matches, c.misses, c.false, c.switches, c.fragments)
    tracks = (c.mostly_tracked, c.partly_tracked, c.mostly_lost)
    shares = (i.idf1, i.idp, i.idr, i.true_positives, i.false_negatives, i.false_positives)
    return {
        **dict(zip(mot_peers.MEANS, means, strict=True)),
        **dict(zip(mot_peers.CLEAR, (c.mota, c.motp, *counts, *tracks), strict=True)),
        **dict(zip(mot_peers.IDENTITY, shares, strict=True)),
    }


@pytest.mark.parametrize("name", CLIPS)
def test_equal_to_trackeval(name: str) -> None:
    got, wanted = ours(CLIPS[name]), STORED["clips"][name]
    assert set(got) == set(wanted)
    undefined = UNDEFINED.get(name, set())
    assert {key for key, value in got.items() if np.isnan(value)} == undefined
    for key in set(got) - undefined:
        assert got[key] == pytest.approx(wanted[key], abs=1e-12), key
    assert all(wanted[key] in (0.0, 1.0) for key in undefined)
