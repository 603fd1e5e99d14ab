"""Pairs of true and made detections in each frame, and the assignments that `objects` scores.

Only pairs that are at all alike matter, and they are few: they are kept as a list. A pair that is alone
in its row and its column is part of every best assignment, so all such pairs are taken at once, and only
what is left in a frame is solved. Where scores are exactly equal several assignments are best, and the table
decides which one the solver finds: there the whole table is solved, as TrackEval does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.metrics._shapes import shaped

KEPT = 1000.0
"""What a pair of the frame before is worth in CLEAR: more than all similarities of a frame together."""


@dataclass(frozen=True)
class Pairs:
    """Pairs [K] by frame with similarity above 0: `frame`, slots `row` of [T, N] and `column` of [T, M],
    their tracks `true` and `made` numbered from 0 on, and `alike`. `sizes_true` and `sizes_made`:
    detections of each track; `both`: the frames in which either side has something; `counts` [T, 2]:
    detections of each frame; `ranks` [K, 2]: those of a pair among them."""

    frame: np.ndarray
    row: np.ndarray
    column: np.ndarray
    true: np.ndarray
    made: np.ndarray
    alike: np.ndarray
    slots: tuple[int, int, int]
    sizes_true: np.ndarray
    sizes_made: np.ndarray
    both: np.ndarray
    counts: np.ndarray
    ranks: np.ndarray

    def table(self, which: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """How often (or with what weight) each true track goes with each made one in pairs `which`."""
        rows, columns = len(self.sizes_true), len(self.sizes_made)
        flat = np.bincount(self.true[which] * columns + self.made[which], weights, minlength=rows * columns)
        return flat.reshape(rows, columns)

    def alignment(self) -> np.ndarray:
        """[K]: Jaccard index over the clip of the two tracks of each pair, before anything is matched.

        A pair counts in a frame as its similarity over all similarities of the two detections there.
        """
        detection, answer = self._detections()
        around = np.bincount(detection, self.alike)[detection] + np.bincount(answer, self.alike)[answer]
        common = self.table(np.arange(len(self.alike)), self.alike / (around - self.alike))
        whole = common / (self.sizes_true[:, None] + self.sizes_made - common)
        return whole[self.true, self.made]

    def assigned(self, score: np.ndarray) -> np.ndarray:
        """The pairs, by frame, of the assignment in each frame with the largest sum of `score` [K]."""
        found, frames, shared = self._split(np.arange(len(self.alike)))
        return np.sort(np.concatenate([found, *(self._solved(w, score[w], shared[w]) for w in frames)]))

    def followed(self, least: float) -> np.ndarray:
        """The matches of CLEAR, by frame: of pairs with similarity >= `least` those of the frame before
        first, then the largest sum of similarities. Frames in which one side is empty are passed over."""
        found, frames, shared = self._split(np.flatnonzero(self.alike >= least))
        before = dict(zip(self.both[1:].tolist(), self.both[:-1].tolist(), strict=True))
        starts = np.searchsorted(self.frame[found], np.arange(self.slots[0] + 1))
        solved: dict[int, np.ndarray] = {}
        for which in frames:
            t = int(self.frame[which[0]])
            then = before.get(t)
            score = self.alike[which]
            if then is not None:
                of_then = np.concatenate(
                    [found[starts[then] : starts[then + 1]], solved.get(then, found[:0])]
                )
                last = np.full(len(self.sizes_true), -1)
                last[self.true[of_then]] = self.made[of_then]
                score = score + KEPT * (last[self.true[which]] == self.made[which])
            solved[t] = self._solved(which, score, shared[which])
        return np.sort(np.concatenate([found, *solved.values()]))

    def _detections(self) -> tuple[np.ndarray, np.ndarray]:
        """A number for the true and for the made detection of each pair."""
        _, rows, columns = self.slots
        return self.frame * rows + self.row, self.frame * columns + self.column

    def _split(self, which: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Of pairs `which`: those that share no detection with another; all pairs of each frame in which some
        do; and, of all pairs, bool [K] whether they are such."""
        detection, answer = (numbers[which] for numbers in self._detections())
        alone = (np.bincount(detection)[detection] == 1) & (np.bincount(answer)[answer] == 1)
        shared = np.zeros(len(self.frame), bool)
        shared[which[~alone]] = True
        frames = np.split(which, np.flatnonzero(np.diff(self.frame[which])) + 1)
        return which[alone], [each for each in frames if shared[each].any()], shared

    def _solved(self, which: np.ndarray, score: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """Those of the pairs `which` of one frame that the best assignment takes and that are `shared`."""
        from scipy.optimize import linear_sum_assignment

        if len(np.unique(score[shared])) == shared.sum():
            which, score, shared = which[shared], score[shared], shared[shared]
            (rows, row), (columns, column) = (
                np.unique(slot[which], return_inverse=True) for slot in (self.row, self.column)
            )
            shape = len(rows), len(columns)
        else:
            row, column = self.ranks[which].T
            shape = tuple(self.counts[self.frame[which[0]]])
        table, place = np.zeros(shape), np.full(shape, -1)
        table[row, column], place[row, column] = score, np.arange(len(which))
        taken = place[linear_sum_assignment(table, maximize=True)]
        taken = taken[taken >= 0]
        return which[taken[shared[taken]]]


def pairs_of(true_ids: Any, made_ids: Any, similarity: Any) -> Pairs:
    """Checked and numbered; ValueError names a wrong shape, an id twice in a frame, a similarity outside
    0..1."""
    sizes: dict[str, int] = {}
    trues = shaped("true_ids", true_ids, "T N", sizes, "int")
    mades = shaped("made_ids", made_ids, "T M", sizes, "int")
    alike = shaped("similarity", similarity, "T N M", sizes)
    for name, ids in (("true_ids", trues), ("made_ids", mades)):
        ordered = np.sort(ids, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
        if twice.any():
            frame, place = np.argwhere(twice)[0]
            raise ValueError(f"{name} holds id {ordered[frame, place]} twice in frame {frame}; give it once")
    true, made = _numbered(trues), _numbered(mades)
    # A flat search among truth values: np.nonzero of the floats themselves takes eight times as long.
    frame, row, column = np.unravel_index(np.flatnonzero(alike != 0), alike.shape)
    taken = (true[frame, row] >= 0) & (made[frame, column] >= 0)
    frame, row, column = frame[taken], row[taken], column[taken]
    values = alike[frame, row, column]
    # Rounding of an IoU may pass 1 by a last digit.
    if not ((values >= 0) & (values <= 1 + 1e-9)).all():
        raise ValueError(f"similarity holds {values.min():.4g} to {values.max():.4g}; give shares in 0..1")
    present = [(ids >= 0) for ids in (true, made)]
    orders = [p.cumsum(axis=1) - 1 for p in present]
    return Pairs(
        frame=frame,
        row=row,
        column=column,
        true=true[frame, row],
        made=made[frame, column],
        alike=values,
        slots=(sizes["T"], sizes["N"], sizes["M"]),
        sizes_true=np.bincount(true[true >= 0]),
        sizes_made=np.bincount(made[made >= 0]),
        both=np.flatnonzero(present[0].any(axis=1) & present[1].any(axis=1)),
        counts=np.stack([p.sum(axis=1) for p in present], axis=1),
        ranks=np.stack([orders[0][frame, row], orders[1][frame, column]], axis=1),
    )


def _numbered(ids: np.ndarray) -> np.ndarray:
    """Ids [T, N] as 0, 1, 2, ...; below 0 as -1."""
    known, numbers = np.unique(ids, return_inverse=True)
    empty = int((known < 0).sum())
    return np.maximum(numbers.reshape(ids.shape) - empty, -1)
