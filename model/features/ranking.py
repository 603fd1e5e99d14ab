"""Feature spaces ranked by what damage they see: Frechet distances over those between real clips.

Two disjoint sets of `count` held-out clips are compared, the second one damaged. What is printed is the
distance over that of the same two sets undamaged, the mean of several draws: 1 is "not seen". Wobble and
flicker are damages that the encoder was never taught.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.clips.pool import Pool
from model.features.damage import blurred, shuffle_order
from model.options import build, words_of
from simbench.errors import UserError
from simbench.features.worlds import DIM, POOLED, WEIGHTS, Worlds, embedded, shapes
from simbench.files import write_text
from simbench.metrics.distances import frechet
from simbench.progress import progress

Space = Callable[[np.ndarray], np.ndarray]
"""Clips uint8 [N, T, H, W, 3] as features [N, D]."""
COARSE = 16
"""Pixels to a side of what the space `pixels` looks at."""
FITTED = 512


@dataclass(frozen=True)
class Order:
    """What one call asks for. `clips` are read of `held`, `count` of them make a side; `weights` are one or
    several files, separated by commas."""

    data: str = ""
    held: str = ""
    weights: str = str(WEIGHTS)
    count: int = 64
    clips: int = 256
    draws: int = 8
    seed: int = 0
    json: str = ""


@dataclass(frozen=True)
class Kind:
    """A damage: `make(clip, other, strength, rng)`, its unit, and strengths from weak to strong."""

    make: Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
    unit: str
    strengths: tuple[float, ...]


def shuffle(clip: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A share of the frames exchanged among themselves."""
    return clip[shuffle_order(len(clip), share, rng)]


def reverse(clip: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A share of the clips played backwards."""
    return clip[::-1] if rng.random() < share else clip


def blur(clip: np.ndarray, other: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Every frame through a Gaussian of `sigma` px."""
    return blurred(clip, [sigma] * len(clip))


def swap(clip: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The last share of the frames from another scene."""
    kept = len(clip) - max(1, round(share * len(clip)))
    return np.concatenate([clip[:kept], other[kept:]])


def wobble(clip: np.ndarray, other: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Every frame through a homography of its own: corners moved by `sigma` px (standard deviation)."""
    import cv2

    height, width = clip.shape[1:3]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    made = []
    for frame in clip:
        moved = corners + rng.normal(0.0, sigma, (4, 2)).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(corners, moved)
        made.append(cv2.warpPerspective(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))
    return np.stack(made)


def flicker(clip: np.ndarray, other: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Every frame brighter or darker by a factor of its own, of standard deviation `sigma`."""
    gains = 1.0 + rng.normal(0.0, sigma, (len(clip), 1, 1, 1))
    return np.clip(np.rint(clip * gains), 0, 255).astype(np.uint8)


KINDS: Mapping[str, Kind] = {
    "shuffle": Kind(shuffle, "share of frames", (0.2, 0.5, 1.0)),
    "reversal": Kind(reverse, "share of clips", (0.25, 0.5, 1.0)),
    "blur": Kind(blur, "px of 64", (0.5, 1.0, 2.0)),
    "swap": Kind(swap, "share of frames", (0.125, 0.25, 0.5)),
    "wobble": Kind(wobble, "px of 64", (0.25, 0.5, 1.0, 2.0)),
    "flicker": Kind(flicker, "of 1", (0.02, 0.05, 0.1)),
}


def spoiled(clips: np.ndarray, kind: str, strength: float, seed: int) -> np.ndarray:
    """Clips uint8 [N, T, H, W, 3], each damaged by its own draw; the same for the same `seed`."""
    made = []
    for number, clip in enumerate(clips):
        rng = np.random.default_rng((seed, list(KINDS).index(kind), number))
        other = clips[(number + 1 + int(rng.integers(len(clips) - 1))) % len(clips)]
        made.append(KINDS[kind].make(clip, other, strength, rng))
    return np.ascontiguousarray(np.stack(made))


def random_space(seed: int) -> Space:
    """The same network with random weights, variance 2 over the fan-in, and a random orthogonal map at its
    end: features that nobody trained."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes().items():
        fan = int(np.prod(shape[1:]))
        weights[name] = torch.randn(shape, generator=generator) * (
            (2.0 / fan) ** 0.5 if len(shape) > 1 else 0.0
        )
    mixed = torch.randn((POOLED, DIM), generator=generator)
    weights["out.weight"] = torch.linalg.qr(mixed)[0].T.contiguous()

    def features(clips: np.ndarray) -> np.ndarray:
        """One clip at a time."""
        with torch.inference_mode():
            return np.stack([embedded(weights, torch.from_numpy(clip)[None])[0].numpy() for clip in clips])

    return features


def pixel_space(clips: np.ndarray) -> Space:
    """The first DIM principal components of whole clips of COARSE x COARSE px, fitted to `clips`."""
    rows = _coarse(clips)
    mean = rows.mean(0)
    gram = (rows - mean) @ (rows - mean).T
    values, vectors = np.linalg.eigh(gram)
    top = slice(-min(DIM, len(clips) - 1), None)
    axes = (rows - mean).T @ vectors[:, top] / np.sqrt(np.maximum(values[top], 1e-9))

    def features(chosen: np.ndarray) -> np.ndarray:
        """Coordinates on the components."""
        return (_coarse(chosen) - mean) @ axes

    return features


def _coarse(clips: np.ndarray) -> np.ndarray:
    import cv2

    size = (COARSE, COARSE)
    small = [[cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in clip] for clip in clips]
    return np.asarray(small, np.float32).reshape(len(clips), -1) / np.float32(255.0)


def ranked(
    spaces: Mapping[str, Space], clips: np.ndarray, count: int, draws: int, seed: int
) -> dict[str, Any]:
    """By space: `floor` (mean and standard deviation over draws), and by damage and strength the mean and
    standard deviation of distance over floor. `clips` uint8 [N, T, H, W, 3], N of 2 `count` or more."""
    rng = np.random.default_rng(seed)
    pairs = [rng.permutation(len(clips))[: 2 * count].reshape(2, count) for _ in range(draws)]
    real = {name: space(clips) for name, space in spaces.items()}
    floors = {name: np.array([frechet(f[a], f[b]) for a, b in pairs]) for name, f in real.items()}
    table: dict[str, Any] = {name: {"floor": _spread(found)} for name, found in floors.items()}
    with progress("damages", sum(len(kind.strengths) for kind in KINDS.values())) as bar:
        for kind, about in KINDS.items():
            for strength in about.strengths:
                bad = spoiled(clips, kind, strength, seed)
                for name, space in spaces.items():
                    features = space(bad)
                    far = np.array([frechet(real[name][a], features[b]) for a, b in pairs])
                    table[name].setdefault(kind, {})[f"{strength:g}"] = _spread(far / floors[name])
                bar.step()
    return table


def _spread(values: np.ndarray) -> list[float]:
    return [float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0]


def shown(table: Mapping[str, Any]) -> str:
    """The table as Markdown: rows are damages, columns are spaces."""
    spaces = list(table)
    lines = [f"| damage | strength | {' | '.join(spaces)} |", f"|---|---:|{'---:|' * len(spaces)}"]
    for kind, about in KINDS.items():
        for strength in about.strengths:
            cells = ["{:.2f} ± {:.2f}".format(*table[name][kind][f"{strength:g}"]) for name in spaces]
            lines.append(f"| {kind} | {strength:g} {about.unit} | {' | '.join(cells)} |")
    floors = ["{:.3g} ± {:.2g}".format(*table[name]["floor"]) for name in spaces]
    return "\n".join([*lines, f"| floor (distance) | | {' | '.join(floors)} |"])


def command(arguments: Sequence[str]) -> str:
    """`rank`: the table as text, written as JSON too where `json` names a file."""
    asked = build(Order, words_of(arguments), {})
    if not asked.data or not asked.held:
        raise UserError("rank needs data= (pools that pixels are fitted to) and held= (pools of other seeds)")
    if asked.count < 2 or asked.draws < 2:
        raise UserError(f"count={asked.count} draws={asked.draws}: at least 2 clips to a side and 2 draws")
    if asked.clips < 2 * asked.count or asked.seed < 0:
        raise UserError(
            f"clips={asked.clips} count={asked.count} seed={asked.seed}: clips is twice count or more, seed 0"
            " or more"
        )
    held = _spread_over(asked.held, asked.clips)
    if len(held) < 2 * asked.count:
        raise UserError(f"count={asked.count} needs {2 * asked.count} held clips, there are {len(held)}")
    spaces: dict[str, Space] = {}
    for path in asked.weights.split(","):
        name = _named(path)
        if name in {*spaces, "random", "pixels"}:
            raise UserError(f"weights={asked.weights}: the name {name} is taken; rename the folder of {path}")
        spaces[name] = Worlds(path).features
    spaces["random"] = random_space(asked.seed)
    spaces["pixels"] = pixel_space(_spread_over(asked.data, FITTED))
    table = ranked(spaces, held, asked.count, asked.draws, asked.seed)
    if asked.json:
        about = {"count": asked.count, "clips": len(held), "draws": asked.draws, "seed": asked.seed}
        write_text(Path(asked.json), json.dumps({**about, "spaces": table}, indent=1) + "\n")
    return shown(table)


def _named(path: str) -> str:
    """`worlds` for the weights that ship, else the name of the folder of the run."""
    return "worlds" if Path(path).resolve() == WEIGHTS.resolve() else Path(path).resolve().parent.name


def _spread_over(pools: str, count: int) -> np.ndarray:
    """At most `count` clips, uint8 [N, T, H, W, 3]: the first of each pool, as many of each as there are, one
    more or less; what a small pool lacks the others give."""
    opened = [Pool(Path(path)) for path in pools.split(",")]
    taken = shares([len(pool) for pool in opened], count)
    return np.stack([pool.sample(i).video for pool, n in zip(opened, taken, strict=True) for i in range(n)])


def shares(sizes: Sequence[int], count: int) -> list[int]:
    """`count` things taken from stores of `sizes`, one of each in turn until they are empty."""
    taken = [0] * len(sizes)
    for _ in range(min(count, sum(sizes))):
        least = min((n, i) for i, n in enumerate(taken) if n < sizes[i])
        taken[least[1]] += 1
    return taken
