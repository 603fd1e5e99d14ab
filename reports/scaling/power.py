"""A power law that levels off, E(C) = E_inf + a (C / C0)^-b, fitted robustly by variable projection.

For a given b the law is linear in E_inf and a, and soft-L1 of scaled residuals is convex: one optimum, found
by reweighted least squares. What is left is a function of b alone, searched over all of its range on a grid
and refined where it is least. There is no start to depend on, unlike gradient descent on all three numbers
of an objective that nobody scaled, which stops where its tolerance says (variable projection for scaling
fits: arXiv 2603.22339; its classic: Golub and Pereyra 1973).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_B, MOST_B = 0.01, 3.0
"""Exponents that are searched: below, E loses less than 3 % per decade; above, 99.9 %."""
GRID = 24
REFINED, ROUNDS = 9, 2
COARSE, FINE = 10, 60
"""Steps of reweighting on a grid, and where it is least."""
TINY = 1e-12


@dataclass(frozen=True)
class Law:
    """Parameters of one or many fits, each [...]: E at C is e_inf + a (C / centre)^-b; `loss` is what was
    minimised, the sum of soft-L1 of residuals over their scales."""

    e_inf: np.ndarray
    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray
    centre: float

    def at(self, compute: np.ndarray) -> np.ndarray:
        """E [..., C] at `compute` [C] in FLOPs."""
        shape = (np.asarray(compute, np.float64) / self.centre) ** -self.b[..., None]
        found: np.ndarray = self.e_inf[..., None] + self.a[..., None] * shape
        return found

    def reached(self, error: float) -> np.ndarray:
        """FLOPs [...] at which E falls to `error`; infinite where it never does."""
        left = error - self.e_inf
        falls = (left > 0) & (self.a > 0)
        ratio = np.where(falls, left, 1.0) / np.where(falls, self.a, 1.0)
        with np.errstate(over="ignore"):
            found: np.ndarray = np.where(falls, self.centre * ratio ** (-1 / self.b), np.inf)
        return found

    def bound(self) -> np.ndarray:
        """Whether a fit [...] ended where the search ends, or does not fall at all."""
        found: np.ndarray = (self.a <= 0) | (self.b <= LEAST_B * 1.01) | (self.b >= MOST_B / 1.01)
        return found


def fit(
    compute: np.ndarray, errors: np.ndarray, scale: np.ndarray, e_inf: np.ndarray | float | None = None
) -> Law:
    """Laws through `errors` [..., R] of runs at `compute` [R] FLOPs; residuals count in units of `scale` [R].

    `e_inf` [...] fixes what is never reached; None fits it, at 0 or above. `a` is never below 0: what does
    not fall is a level. ValueError for fewer than two places, or a compute or a scale that is not above 0.
    """
    c, s = np.asarray(compute, np.float64), np.asarray(scale, np.float64)
    if len(np.unique(c)) < 2:
        raise ValueError("a law needs runs at two or more amounts of compute")
    if not (np.all(c > 0) and np.all(s > 0) and np.all(np.isfinite(c)) and np.all(np.isfinite(s))):
        raise ValueError("compute and scale must be finite and above 0")
    y = np.asarray(errors, np.float64)
    flat = y.reshape(-1, y.shape[-1])
    fixed = (
        None if e_inf is None else np.broadcast_to(np.asarray(e_inf, np.float64), y.shape[:-1]).reshape(-1)
    )
    centre = float(np.exp(np.log(c).mean()))
    logs = np.log(c / centre)
    grid = np.broadcast_to(np.geomspace(LEAST_B, MOST_B, GRID), (len(flat), GRID))
    step, rows = np.log(MOST_B / LEAST_B) / (GRID - 1), np.arange(len(flat))
    for turn in range(ROUNDS + 1):
        loss = _inner(grid, logs, flat, s, fixed, COARSE)[2]
        pick = loss.argmin(-1)
        if turn < ROUNDS:
            near = np.log(grid[rows, pick])[:, None] + np.linspace(-step, step, REFINED)
            step *= 2 / (REFINED - 1)
            grid = np.exp(np.clip(near, np.log(LEAST_B), np.log(MOST_B)))
    best = np.exp(np.log(grid[rows, pick]) + step * _vertex(loss, rows, pick))
    best = np.clip(best, LEAST_B, MOST_B)
    e, a, loss = (part[:, 0] for part in _inner(best[:, None], logs, flat, s, fixed, FINE))
    shape = y.shape[:-1]
    return Law(e.reshape(shape), a.reshape(shape), best.reshape(shape), loss.reshape(shape), centre)


def _vertex(loss: np.ndarray, rows: np.ndarray, pick: np.ndarray) -> np.ndarray:
    """Steps from the least of `loss` [D, G] to the vertex of a parabola about it; 0 at an end."""
    inside = (pick > 0) & (pick < loss.shape[1] - 1)
    at = np.clip(pick, 1, loss.shape[1] - 2)
    left, middle, right = (loss[rows, at + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend > TINY, (left - right) / np.maximum(2 * bend, TINY), 0.0)
    found: np.ndarray = np.where(inside, np.clip(shift, -1, 1), 0.0)
    return found


def _inner(
    b: np.ndarray, logs: np.ndarray, y: np.ndarray, s: np.ndarray, fixed: np.ndarray | None, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """E_inf, a and loss, each [D, G], for the exponents b [D, G] and errors y [D, R]."""
    x = np.exp(-b[..., None] * logs)
    target = np.broadcast_to(y[:, None], x.shape)
    weights = np.broadcast_to(1 / s**2, x.shape)
    for _ in range(steps):
        if fixed is None:
            e, a = _both(x, target, weights)
        else:
            e = np.broadcast_to(fixed[:, None], b.shape)
            a = np.maximum(_ratio(weights, x, target - e[..., None]), 0)
        z = (target - e[..., None] - a[..., None] * x) / s
        weights = 1 / (s**2 * np.sqrt(1 + z**2))
    return e, a, 2 * (np.sqrt(1 + z**2) - 1).sum(-1)


def _both(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of y on 1 and x along the last axis, E_inf and a at 0 or above."""
    total = weights.sum(-1)
    mean_x, mean_y = (weights * x).sum(-1) / total, (weights * y).sum(-1) / total
    dx = x - mean_x[..., None]
    spread = (weights * dx * dx).sum(-1)
    a = (weights * dx * (y - mean_y[..., None])).sum(-1) / np.maximum(spread, TINY)
    e = mean_y - a * mean_x
    # The problem is convex: a free optimum beyond a bound means that the best allowed one is on the bound.
    alone = np.maximum(_ratio(weights, x, y), 0)
    e, a = np.where(a < 0, np.maximum(mean_y, 0), e), np.maximum(a, 0)
    return np.where(e < 0, 0.0, e), np.where(e < 0, alone, a)


def _ratio(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weighted least squares of y on x alone."""
    found: np.ndarray = (weights * x * y).sum(-1) / np.maximum((weights * x * x).sum(-1), TINY)
    return found
