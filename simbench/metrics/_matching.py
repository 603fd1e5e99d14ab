"""Pairs of true and made detections in each frame, and the assignments that `objects` scores.

Only pairs whose score is above 0 matter to an assignment. One that is alone in its row and its column is part of every
best assignment, so all such pairs are taken at once, and only what is left in a frame is solved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.metrics._shapes import shaped

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Frame, slot of the truth and slot of the made of each matched pair, by frame."""

KEPT = 1000.0
"""What a pair of the frame before is worth in CLEAR: more than all similarities of a frame together."""


@dataclass(frozen=True)
class Pairs:
    """`true` [T, N] and `made` [T, M]: tracks numbered from 0 on, -1 where a slot is empty; `similarity`
    [T, N, M], 0 there; `there` bool [T, N, M]: both slots are taken."""

    true: np.ndarray
    made: np.ndarray
    similarity: np.ndarray
    there: np.ndarray

    def track_sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Detections of each true and each made track."""
        return np.bincount(self.true[self.true >= 0]), np.bincount(self.made[self.made >= 0])

    def table(self, trues: np.ndarray, mades: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """How often (or with what weight) each true track [K] goes with each made one [K]."""
        rows, columns = (len(sizes) for sizes in self.track_sizes())
        flat = np.bincount(trues * columns + mades, weights, minlength=rows * columns)
        return flat.reshape(rows, columns)

    def alignment(self) -> np.ndarray:
        """[T, N, M]: Jaccard index over the clip of the two tracks of each pair, before anything is matched.

        A pair counts in a frame as its similarity over all similarities of the two detections there.
        """
        rows = self.similarity.sum(axis=2, keepdims=True)
        columns = self.similarity.sum(axis=1, keepdims=True)
        soft = np.divide(
            self.similarity,
            rows + columns - self.similarity,
            out=np.zeros_like(self.similarity),
            where=self.similarity > 0,
        )
        frame, row, column = np.nonzero(soft)
        true, made = self.true[frame, row], self.made[frame, column]
        common = self.table(true, made, soft[frame, row, column])
        sizes_true, sizes_made = self.track_sizes()
        whole = common / (sizes_true[:, None] + sizes_made - common)
        out = np.zeros_like(soft)
        out[frame, row, column] = whole[true, made]
        return out

    def assigned(self, score: np.ndarray, least: float = 0.0) -> Found:
        """The assignment in each frame with the largest sum of `score` [T, N, M]."""
        may = score > 0
        alone = _alone(may)
        found = [np.nonzero(alone)]
        may &= ~alone
        for t in np.flatnonzero(may.any(axis=(1, 2))):
            found.append(_solved(int(t), may[t], score[t]))
        return _sorted(found)

    def followed(self, threshold: float, eps: float) -> Found:
        """The matches of CLEAR: pairs of the frame before first, then the largest sum of similarities.

        Frames in which one side is empty are passed over.
        """
        may = self.there & (self.similarity >= threshold - eps) & (self.similarity > eps)
        alone = _alone(may)
        found = [np.nonzero(alone)]
        may &= ~alone
        both = np.flatnonzero((self.true >= 0).any(axis=1) & (self.made >= 0).any(axis=1))
        before = dict(zip(both[1:].tolist(), both[:-1].tolist(), strict=True))
        solved: dict[int, Found] = {}
        for t in np.flatnonzero(may.any(axis=(1, 2))).tolist():
            score = self.similarity[t]
            if t in before:
                then = before[t]
                rows, columns = np.nonzero(alone[then])
                if then in solved:
                    rows = np.concatenate([rows, solved[then][1]])
                    columns = np.concatenate([columns, solved[then][2]])
                last = np.full(int(self.true.max()) + 1, -1)
                last[self.true[then, rows]] = self.made[then, columns]
                own = np.where(self.true[t] >= 0, last[self.true[t]], -1)
                score = score + KEPT * ((own[:, None] == self.made[t]) & (own[:, None] >= 0))
            solved[t] = _solved(t, may[t], score)
        return _sorted(found + list(solved.values()))


def pairs_of(true_ids: Any, made_ids: Any, similarity: Any) -> Pairs:
    """Checked and numbered; ValueError names a wrong shape, an id twice in a frame, a similarity outside 0..1."""
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
    there = (trues >= 0)[:, :, None] & (mades >= 0)[:, None, :]
    inside = alike[there]
    # Rounding of an IoU may pass 1 by a last digit.
    if not ((inside >= 0) & (inside <= 1 + 1e-9)).all():
        raise ValueError(f"similarity holds {inside.min():.4g} to {inside.max():.4g}; give shares in 0..1")
    return Pairs(_numbered(trues), _numbered(mades), np.where(there, alike, 0.0), there)


def _numbered(ids: np.ndarray) -> np.ndarray:
    """Ids [T, N] as 0, 1, 2, ...; below 0 as -1."""
    known, numbers = np.unique(ids, return_inverse=True)
    empty = int((known < 0).sum())
    return np.maximum(numbers.reshape(ids.shape) - empty, -1)


def _alone(may: np.ndarray) -> np.ndarray:
    """bool [T, N, M]: pairs of `may` that share neither row nor column with another."""
    rows, columns = may.sum(axis=2, keepdims=True), may.sum(axis=1, keepdims=True)
    return may & (rows == 1) & (columns == 1)


def _solved(frame: int, may: np.ndarray, score: np.ndarray) -> Found:
    """The best assignment of one frame among the pairs of `may` [N, M]."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = np.flatnonzero(may.any(axis=1)), np.flatnonzero(may.any(axis=0))
    block = np.ix_(rows, columns)
    a, b = linear_sum_assignment(np.where(may[block], score[block], 0.0), maximize=True)
    kept = may[rows[a], columns[b]]
    a, b = rows[a[kept]], columns[b[kept]]
    return np.full(len(a), frame), a, b


def _sorted(found: list[Found]) -> Found:
    """All pairs by frame."""
    frame, row, column = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(frame, kind="stable")
    return frame[order], row[order], column[order]
