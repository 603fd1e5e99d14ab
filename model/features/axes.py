"""The last map of the encoder, in closed form: where damage moves clips, in the spread of real ones.

A Frechet distance adds up squares. Along directions in which real clips differ most, its value between two
sets of real clips is largest, and small damage drowns in it. So what the layers pool is measured in units of
the spread of real clips, and the axes are those along which damage moves clips furthest (generalised
eigenvectors, as in Fisher's discriminant analysis); to these come the axes in which worlds differ most, so
that a set of wrong worlds is seen, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.data import chance
from model.features.damage import KINDS, one
from model.features.network import Encoder
from model.features.tasks import Taught
from simbench.features.worlds import DIM, prepared

TAUGHT = tuple(kind for kind in KINDS if kind != "hurried")
"""Kinds that keep a clip's length."""
EACH = 20
"""Axes of each of these kinds."""
CONTENT = DIM - EACH * len(TAUGHT)
"""Axes in which worlds differ."""
WEIGHT = 0.25
"""How much these count; the first axis of each damage counts 1."""
SHRINK = 0.2
"""Share of the identity in the covariance of real clips, which has fewer clips than numbers."""
STILL = 1e-3
"""Numbers whose deviation over real clips is smaller are left out: what never changes says nothing."""


@dataclass(frozen=True)
class Pairs:
    """`real` float64 [N, P] of clips as they are and `moved` [N, P], how far one damage moved each; `kinds`
    int [N] is the index of it in TAUGHT."""

    real: np.ndarray
    moved: np.ndarray
    kinds: np.ndarray


def pairs(encoder: Encoder, source: Taught, count: int, seed: int) -> Pairs:
    """`count` clips spread over `source`, whole, each with one damage; kinds take turns."""
    real, moved, kinds = [], [], []
    for number, index in enumerate(np.linspace(0, len(source) - 1, count).astype(int)):
        rng = chance(seed, number, len(source))
        kind = TAUGHT[number % len(TAUGHT)]
        video = source.sample(int(index)).video
        other = source.sample(int(rng.integers(len(source)))).video
        both = np.stack([video, one(kind, video, other, rng)[0]])
        with torch.inference_mode():
            found = encoder.pooled(prepared(torch.from_numpy(both))).double().numpy()
        real.append(found[0])
        moved.append(found[1] - found[0])
        kinds.append(TAUGHT.index(kind))
    return Pairs(np.stack(real), np.stack(moved), np.array(kinds))


def fitted(found: Pairs) -> tuple[Tensor, Tensor]:
    """Weight [DIM, P] and bias [DIM] of the map; real clips have mean 0, and a spread of at most about 1.

    An axis counts by the square of how far damage of its kind moves clips along it, over that of the first.
    """
    mean, spread = found.real.mean(0), found.real.std(0)
    scale = np.where(spread > STILL, 1.0 / np.maximum(spread, STILL), 0.0)
    real, moved = (found.real - mean) * scale, found.moved * scale
    covariance = real.T @ real / len(real)
    values, vectors = np.linalg.eigh((1 - SHRINK) * covariance + SHRINK * np.eye(len(covariance)))
    white = vectors / np.sqrt(values) @ vectors.T
    rows = []
    for kind in np.unique(found.kinds):
        part = moved[found.kinds == kind] @ white
        # The right singular vectors are the eigenvectors of part' part; a small set has fewer than EACH.
        _, lengths, axes = np.linalg.svd(part, full_matrices=False)
        gains = np.square(lengths[:EACH] / lengths[0])
        chosen = np.zeros((EACH, part.shape[1]))
        chosen[: len(gains)] = gains[:, None] * axes[:EACH]
        rows.append(chosen @ white)
    wide = slice(-1, -1 - CONTENT, -1)
    rows.append(WEIGHT * (vectors[:, wide] / np.sqrt(values[wide])).T)
    weight = np.concatenate(rows) * scale
    bias = -weight @ mean
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
