"""Pairs of true and made detections in each frame, and the assignments that `objects` scores.

Only pairs that are at all alike matter, and they are few: they are kept as a list. A pair that is alone
in its row and its column is part of every best assignment, so all such pairs are taken at once, and only
what is left in a frame is solved.
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
    detections of each track; `both`: the frames in which either side has something."""

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
        found, left = self._alone(np.arange(len(self.alike)))
        return np.sort(np.concatenate([found, *(self._solved(w, score[w]) for w in self._frames(left))]))

    def followed(self, least: float) -> np.ndarray:
        """The matches of CLEAR, by frame: of pairs with similarity >= `least` those of the frame before
        first, then the largest sum of similarities. Frames in which one side is empty are passed over."""
        found, left = self._alone(np.flatnonzero(self.alike >= least))
        before = dict(zip(self.both[1:].tolist(), self.both[:-1].tolist(), strict=True))
        starts = np.searchsorted(self.frame[found], np.arange(self.slots[0] + 1))
        solved: dict[int, np.ndarray] = {}
        for which in self._frames(left):
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
            solved[t] = self._solved(which, score)
        return np.sort(np.concatenate([found, *solved.values()]))

    def _detections(self) -> tuple[np.ndarray, np.ndarray]:
        """A number for the true and for the made detection of each pair."""
        _, rows, columns = self.slots
        return self.frame * rows + self.row, self.frame * columns + self.column

    def _alone(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of pairs `which`: those that share no detection with another, and the rest."""
        detection, answer = (numbers[which] for numbers in self._detections())
        alone = (np.bincount(detection)[detection] == 1) & (np.bincount(answer)[answer] == 1)
        return which[alone], which[~alone]

    def _frames(self, which: np.ndarray) -> list[np.ndarray]:
        """Pairs `which`, one array for each frame that has any."""
        return np.split(which, np.flatnonzero(np.diff(self.frame[which])) + 1) if len(which) else []

    def _solved(self, which: np.ndarray, score: np.ndarray) -> np.ndarray:
        """The best assignment among pairs `which` of one frame."""
        from scipy.optimize import linear_sum_assignment

        rows, row = np.unique(self.row[which], return_inverse=True)
        columns, column = np.unique(self.column[which], return_inverse=True)
        table = np.zeros((len(rows), len(columns)))
        pair = np.full(table.shape, -1)
        table[row, column], pair[row, column] = score, which
        taken = pair[linear_sum_assignment(table, maximize=True)]
        return taken[taken >= 0]


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
        both=np.flatnonzero((true >= 0).any(axis=1) & (made >= 0).any(axis=1)),
    )


def _numbered(ids: np.ndarray) -> np.ndarray:
    """Ids [T, N] as 0, 1, 2, ...; below 0 as -1."""
    known, numbers = np.unique(ids, return_inverse=True)
    empty = int((known < 0).sum())
    return np.maximum(numbers.reshape(ids.shape) - empty, -1)
