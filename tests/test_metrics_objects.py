"""HOTA, CLEAR and identity against TrackEval's numbers, definitions as loops, and what they must obey."""

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


def test_the_stored_clips_try_everything() -> None:
    """Every count is above 0 somewhere and every share in between, else equality would prove little."""
    rows = STORED["clips"].values()
    for key in mot_peers.CLEAR + mot_peers.IDENTITY + mot_peers.MEANS:
        assert len({row[key] for row in rows}) >= 3, key
    assert STORED["clips"]["at_threshold"]["CLR_TP"] == STORED["clips"]["a_rounding_below"]["CLR_TP"] == 4
    assert STORED["clips"]["a_rounding_below"]["IDTP"] == 0 < STORED["clips"]["at_threshold"]["IDTP"]


def brute_force_hota(clip: Tracked) -> float:
    """HOTA from the paper, with every assignment of every frame tried."""
    frames = range(len(clip.true_ids))
    trues, mades = (np.unique(ids[ids >= 0]).tolist() for ids in (clip.true_ids, clip.made_ids))
    like = {}
    for t in frames:
        for n, m in itertools.product(range(clip.true_ids.shape[1]), range(clip.made_ids.shape[1])):
            if clip.true_ids[t, n] >= 0 and clip.made_ids[t, m] >= 0:
                like[t, clip.true_ids[t, n], clip.made_ids[t, m]] = clip.similarity[t, n, m]
    soft = dict.fromkeys(itertools.product(trues, mades), 0.0)
    for (t, g, p), s in like.items():
        whole = sum(v for (u, a, b), v in like.items() if u == t and (a == g or b == p))
        soft[g, p] += s / whole if whole > 0 else 0.0
    both_ids = enumerate((clip.true_ids, clip.made_ids))
    size = {(k, i): int((ids == i).sum()) for k, ids in both_ids for i in ids.flat}
    aligned = {(g, p): c / (size[0, g] + size[1, p] - c) for (g, p), c in soft.items()}
    matches = []
    for t in frames:
        ours, theirs = (ids[t][ids[t] >= 0].tolist() for ids in (clip.true_ids, clip.made_ids))
        theirs += [-1] * len(ours)
        tries = [list(zip(ours, chosen, strict=True)) for chosen in itertools.permutations(theirs, len(ours))]
        worth = [sum(aligned[g, p] * like[t, g, p] for g, p in each if p >= 0) for each in tries]
        best = tries[int(np.argmax(worth))]
        matches += [(g, p, like[t, g, p]) for g, p in best if p >= 0]
    detections = sum(n for (k, i), n in size.items() if i >= 0)
    values = []
    for alpha in np.arange(1, 20) / 20:
        hits = [(g, p) for g, p, s in matches if s >= alpha - 1e-12]
        total = 0.0
        for g, p in hits:
            both = hits.count((g, p))
            total += both / (size[0, g] + size[1, p] - both)
        values.append(np.sqrt(total / (detections - len(hits))))
    return float(np.mean(values))


@pytest.mark.parametrize("seed", range(3))
def test_hota_as_the_paper_defines_it(seed: int) -> None:
    clip = crowd(seed, 3, 6, 50.0, 6.0)
    clip = Tracked(clip.true_ids, clip.made_ids[:, :5], clip.similarity[:, :, :5])
    got = objects.hota(**clip.arguments())
    assert got.hota == pytest.approx(brute_force_hota(clip), abs=1e-12)
    assert 0.05 < got.hota < 0.95


@pytest.mark.parametrize("name", ["crowd_1", "dense", "poor"])
def test_names_and_slots_play_no_part(name: str) -> None:
    clip, rng = CLIPS[name], np.random.default_rng(0)
    base = ours(clip)
    # Any numbers, in any slots, with more empty ones and nonsense beside them.
    names = rng.permutation(1000)
    made_ids = np.where(clip.made_ids >= 0, names[clip.made_ids], -7)
    order = rng.permutation(made_ids.shape[1])
    made_ids = np.pad(made_ids[:, order], ((0, 0), (0, 3)), constant_values=-1)
    similarity = np.pad(clip.similarity[:, :, order], ((0, 0), (0, 0), (0, 3)), constant_values=np.nan)
    similarity[np.broadcast_to((clip.true_ids < 0)[:, :, None], similarity.shape)] = 5.0
    assert ours(Tracked(clip.true_ids, made_ids, similarity)) == pytest.approx(base, abs=1e-12)


def test_what_hurts_lowers_the_score() -> None:
    clip = CLIPS["perfect"]
    perfect = ours(clip)
    assert all(perfect[key] == 1.0 for key in ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1"))
    swapped = clip.made_ids.copy()
    swapped[3:, :2] = swapped[3:, 1::-1]
    split = clip.made_ids.copy()
    split[3:, 0] = 99
    for made_ids, switches in ((swapped, 2), (split, 1)):
        got = ours(replace(clip, made_ids=made_ids))
        assert got["IDSW"] == switches and got["DetA"] == 1.0
        assert got["HOTA"] < 1 and got["IDF1"] < 1 and got["MOTA"] == pytest.approx(1 - switches / 15)
    late = replace(clip, similarity=clip.similarity * 0.6)
    assert ours(late)["MOTA"] == 1.0 and ours(late)["HOTA"] < 0.7


def test_the_pair_of_the_frame_before_is_kept() -> None:
    """CLEAR keeps a match that is still good enough, HOTA takes the one that fits the whole clip."""
    similarity = np.array([[[0.9, 0.0]], [[0.6, 0.9]], [[0.6, 0.9]]])
    clip = Tracked(np.zeros((3, 1), int), np.array([[0, -1], [0, 1], [0, 1]]), similarity)
    got = objects.clear(**clip.arguments())
    assert (got.switches, got.matches, got.motp) == (0, 3, pytest.approx(0.7))
    gone = replace(clip, similarity=np.where(similarity == 0.6, 0.4, similarity))
    assert objects.clear(**gone.arguments()).switches == 1


def test_nothing_at_all() -> None:
    empty = Tracked(np.zeros((3, 0), int), np.zeros((3, 0), int), np.zeros((3, 0, 0)))
    got = ours(empty)
    assert {key for key, value in got.items() if np.isnan(value)} >= {"HOTA", "DetA", "MOTA", "MOTP", "IDF1"}
    counts = ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "Frag", "MT", "PT", "ML", "IDTP", "IDFN", "IDFP")
    assert all(got[key] == 0 for key in counts)


def test_boxes() -> None:
    first = np.array([[[0.0, 0, 10, 10], [0, 0, 0, 0]]])
    second = np.array([[[5.0, 0, 15, 10], [10, 0, 20, 10], [3, 3, 3, 3]]])
    np.testing.assert_allclose(objects.box_iou(first, second), [[[1 / 3, 0, 0], [0, 0, 0]]])
    none = np.full((1, 1, 4), np.nan)
    assert (objects.box_iou(first, none) == 0).all() and (objects.box_iou(none, second) == 0).all()
    with pytest.raises(ValueError, match="second has shape"):
        objects.box_iou(first, second.repeat(2, axis=0))


def test_bad_input_is_refused_by_name() -> None:
    clip = CLIPS["perfect"]
    twice = clip.made_ids.copy()
    twice[2, 1] = twice[2, 0]
    for changed, what in (
        ({"made_ids": twice}, "made_ids holds id 5 twice in frame 2"),
        ({"similarity": clip.similarity * 1.5}, r"similarity holds .* to 1\.5; give shares"),
        ({"similarity": clip.similarity - 0.5}, "similarity holds -0.5"),
        ({"similarity": clip.similarity * np.nan}, "similarity holds nan"),
        ({"made_ids": clip.made_ids[:, :2]}, "similarity has shape"),
        ({"true_ids": clip.true_ids * 1.0}, "true_ids holds float64"),
    ):
        for judge in (objects.hota, objects.clear, objects.identity):
            with pytest.raises(ValueError, match=what):
                judge(**{**clip.arguments(), **changed})
    for judge in (objects.clear, objects.identity):
        for threshold in (0.0, 1.5):
            with pytest.raises(ValueError, match="threshold="):
                judge(**clip.arguments(), threshold=threshold)
