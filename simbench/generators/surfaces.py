"""Surfaces that explain a key frame: planes proposed from local depths, assigned, fitted and merged in turn.

PEARL (Isack and Boykov, Energy-based geometric multi-model fitting, IJCV 2012) with photometric costs. A
surface is a quadric in inverse depth over the image (see `stereo_kernel`); a plane in space is one without
second-order terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.generators.stereo import CAP, SHARE, Views

ROUNDS = 4
JUMP = 12.0
"""Cost of a border between two surfaces per pixel of its length, inside one colour."""
REACH = 8
"""How far a surface may grow in a round, px."""
LOCAL = 5.0
"""What a pixel pays to keep its own depth instead of a surface's."""
NEVER = 40.0
SIMPLER = 30.0
"""What a surface must save, in all, to be kept beside others."""
WIDE = 0.015
"""Share of the image from which on a surface is tried everywhere in place of others."""
BENT = 0.04
"""Largest share of the image that a bent surface owns: what is larger is flat here."""
FIT = 0.7
"""Share of the views that a fit is judged by."""
SEEN = 0.5
"""Share of the views in which it is not hidden that a pixel is judged by."""
CLEARLY = 0.1
"""By how much a pixel must fit better for its surface to bend."""
LAST = 10.0
"""What a pixel pays in the last round to keep its own depth, on top."""
LEAST = 12
"""Smallest surface that is kept, px."""


@dataclass(frozen=True)
class Patches:
    """Surfaces float64 [L, 6] and where each may be, bool [L, H, W]. The first lies at infinity."""

    surfaces: np.ndarray
    allowed: np.ndarray

    def joined(self, other: Patches) -> Patches:
        """Both."""
        surfaces = np.concatenate([self.surfaces, other.surfaces])
        return Patches(surfaces, np.concatenate([self.allowed, other.allowed]))


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) float64 [H, W] of pixels from the middle of the image."""
    y, x = np.mgrid[:height, :width]
    return x - (width - 1) / 2, y - (height - 1) / 2


def evaluate(surfaces: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Inverse depth [H, W] where pixel (y, x) lies on surface `owner` [H, W]."""
    from simbench.generators import stereo_costs

    return np.asarray(stereo_costs.heights(surfaces, owner))


def fitted(views: Views, local: np.ndarray, step: float) -> np.ndarray:
    """Inverse depth [H, W] from `local` planes [H, W, 3] of the sweep whose levels lie `step` apart."""
    from simbench.generators import stereo_costs as costs
    from simbench.generators import stereo_kernel as kernel

    rest = (views.images, views.key, views.turns, views.shifts, views.unhidden())
    ease = kernel.edges(views.key, 12.0, 0.15)
    alone = costs.map_costs(*rest, local[..., 0], np.ones(views.key.shape[:2], bool), CAP, SHARE)
    sure = _textured(views.key) & (_box(alone, 3) < 8.0) & (alone >= 0)
    top = 1.1 * float(local[..., 0].max())
    chance = np.random.default_rng(0)
    far = _box((local[..., 0] < step).astype(np.float32), 5) > 0.5
    patches = Patches(np.zeros((1, 6)), _grown(far)[None])
    patches = patches.joined(_propose(local, sure, 0.5 * step, 60, 14, chance, max(sure.shape)))
    own = np.where(alone >= 0, _box(alone, 3) + LOCAL, NEVER).astype(np.float32)
    depth = local[..., 0]
    for turn in range(ROUNDS):
        share = SHARE
        if turn > 0:
            rest = (*rest[:4], views.buffers(depth))
            share = SEEN
        cost = costs.surface_costs(*rest, patches.surfaces, patches.allowed, CAP, share, NEVER)
        alone_too = own + (LAST if turn == ROUNDS - 1 else 0.0)
        cost = np.concatenate([_box(cost, 3), alone_too[..., None].astype(np.float32)], axis=-1)
        owner = kernel.labels(cost, ease, JUMP, 3)
        owner, surfaces = _split(owner, patches.surfaces, len(patches.surfaces))
        surfaces = _polish(rest, owner, surfaces, bend=turn == ROUNDS - 1)
        depth = np.where(owner < 0, local[..., 0], evaluate(surfaces, np.maximum(owner, 0)))
        depth = np.clip(depth, 0.0, top)
        if turn == ROUNDS - 1:
            break
        patches, free = _merged(rest, owner, surfaces, alone, far, ease)
        patches = patches.joined(_propose(local, free & sure, 0.5 * step, 14, 16, chance, 16))
    return depth


def _box(image: np.ndarray, size: int) -> np.ndarray:
    import cv2

    if image.ndim == 2 or image.shape[2] <= 4:
        return cv2.blur(image, (size, size)).reshape(image.shape)
    parts = [cv2.blur(image[..., i : i + 4], (size, size)) for i in range(0, image.shape[2], 4)]
    return np.concatenate([p[..., None] if p.ndim == 2 else p for p in parts], axis=-1)


def _grown(mask: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * REACH + 1,) * 2, np.uint8)) > 0


def _textured(image: np.ndarray) -> np.ndarray:
    """Where colours change by more than 2 a pixel nearby, bool [H, W]."""
    import cv2

    slope = sum(np.abs(cv2.Scharr(image, cv2.CV_32F, 1 - i, i, scale=1 / 32)).mean(-1) for i in (0, 1))
    return cv2.GaussianBlur(np.asarray(slope, np.float32), (0, 0), 1.5) > 2.0


def _propose(
    local: np.ndarray,
    free: np.ndarray,
    tolerance: float,
    least: int,
    most: int,
    chance: np.random.Generator,
    radius: int,
) -> Patches:
    """Up to `most` planes, each near `least` or more of the `free` [H, W] pixels within `radius` px;
    greedily.
    """
    from simbench.generators import stereo_kernel as kernel

    height, width = free.shape
    x, y = grid(height, width)
    place = np.stack([x, y], -1).reshape(-1, 2)
    terms = np.concatenate([np.ones((len(place), 1)), place], axis=1)
    w = np.ascontiguousarray(local[..., 0]).ravel()
    slope = local[..., 1:].reshape(-1, 2)
    planes = np.concatenate([(w - (slope * place).sum(1))[:, None], slope], axis=1)
    left = free.ravel().copy()
    found: list[np.ndarray] = []
    areas: list[np.ndarray] = []
    misses = 0
    while len(found) < most and misses < 6 and left.sum() >= least:
        inside = np.flatnonzero(left)
        tried = chance.choice(inside, min(100, len(inside)), replace=False)
        voters = inside[:: max(1, len(inside) // 1500)]
        fits = kernel.votes(w, place, planes, tried, voters, tolerance, radius)
        seed = tried[fits.argmax()]
        plane = planes[seed]
        for _ in range(4):
            use = kernel.agreeing(w, place, plane, left, seed, tolerance, radius)
            if use.sum() >= 8:
                plane = np.linalg.lstsq(terms[use], w[use], rcond=None)[0]
        use = kernel.agreeing(w, place, plane, left, seed, 1.5 * tolerance, radius)
        left &= ~use
        left[seed] = False
        if use.sum() < least:
            misses += 1
            continue
        found.append(np.concatenate([plane, np.zeros(3)]))
        everywhere = kernel.agreeing(w, place, plane, free.ravel(), seed, tolerance, np.inf)
        areas.append(_grown(_opened(everywhere, free.shape)))
    surfaces = np.array(found).reshape(-1, 6)
    return Patches(surfaces, np.array(areas, dtype=bool).reshape(-1, height, width))


def _opened(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    import cv2

    return (
        cv2.morphologyEx(mask.reshape(shape).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    )


def _split(owner: np.ndarray, surfaces: np.ndarray, alone: int) -> tuple[np.ndarray, np.ndarray]:
    """Every connected piece of 25 px and more of a surface becomes its own; -1 where pixels stand `alone`."""
    import cv2

    out = np.where(owner == alone, -1, owner)
    made = list(surfaces)
    for n in range(1, len(surfaces)):
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(
            (owner == n).astype(np.uint8), connectivity=4
        )
        big = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= 25]
        for i in sorted(big, key=lambda i: -stats[i, cv2.CC_STAT_AREA])[1:]:
            out[pieces == i] = len(made)
            made.append(surfaces[n])
    return out, np.array(made)


def _sums(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(owner.ravel() + 1, values.ravel(), count + 1)[1:]


def _polish(rest: tuple, owner: np.ndarray, surfaces: np.ndarray, bend: bool) -> np.ndarray:
    """Surfaces [L, 6] fitted to the colours of the pixels they own; kept as they were where that is no
    better.
    """
    from simbench.generators import stereo_costs as costs

    count, own = len(surfaces), np.maximum(owner, 0)
    area, mean, size = _moments(owner, count)
    middle = np.array([(owner.shape[1] - 1) / 2, (owner.shape[0] - 1) / 2])
    fits = (area >= LEAST) & (np.arange(count) > 0)
    small = area <= BENT * owner.size
    fitted = np.where(fits[own] & (owner >= 0), owner, -1)
    best, now = surfaces.copy(), surfaces.copy()
    limit, cost = np.full(count, CAP), np.full(count, np.inf)
    kept = np.zeros(owner.shape, np.float32)
    turns = 9 if bend else 6
    for turn in range(turns):
        depth = evaluate(now, own)
        gaps = costs.map_costs(*rest, depth, fitted >= 0, CAP, FIT)
        if turn in (0, 2, 4, 7):
            limit = np.clip(4 * costs.medians(gaps, fitted, count, CAP) + 2, 4.0, CAP)
            cost = _sums(np.minimum(gaps if turn == 0 else kept, limit[own]), owner, count)
        errors = _sums(np.minimum(gaps, limit[own]), owner, count)
        margin = CLEARLY if bend and turn > 3 else 0.0
        better = errors < cost - margin * area - 1e-9
        best[better], cost = now[better], np.minimum(errors, cost)
        kept = np.where(better[own], gaps, kept) if turn > 0 else gaps
        if turn == turns - 1:
            break
        left, right = costs.normal_equations(*rest, depth, fitted, limit, mean + middle, size)
        change = _step(left, right, 6 if bend and turn >= 3 else 3)
        change[~fits] = 0.0
        change[~small, 3:] = 0.0
        now = now + _shifted(change, mean, size)
    return best


def _moments(owner: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Area [L], centre [L, 2] and root mean square radius [L] of what each surface owns, px."""
    x, y = grid(*owner.shape)
    area = _sums(np.ones(owner.shape), owner, count)
    some = np.maximum(area, 1)
    mean = np.stack([_sums(x, owner, count), _sums(y, owner, count)], -1) / some[:, None]
    spread = _sums(x * x + y * y, owner, count) / some - (mean**2).sum(-1)
    return area, mean, np.sqrt(np.maximum(spread, 1.0))


def _step(left: np.ndarray, right: np.ndarray, terms: int) -> np.ndarray:
    """The change [L, 6] that the first `terms` terms of the normal equations ask for.

    A surface bends only where the colours insist: a ridge on its second order.
    """
    scale = np.einsum("lii->li", left)[:, :terms] + 1e-6
    ridge = scale * np.array([1e-4] * 3 + [0.02] * 3)[:terms]
    system = left[:, :terms, :terms] + ridge[:, :, None] * np.eye(terms)
    change = np.zeros((len(left), 6))
    change[:, :terms] = -np.linalg.solve(system, right[:, :terms, None])[..., 0]
    return change


def _shifted(change: np.ndarray, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Quadrics [L, 6] about `centre` in units of `size` as quadrics about the middle of the image in px."""
    a0, p, q, a, b, c = (change / size[:, None] ** np.array([0, 1, 1, 2, 2, 2])).T
    x, y = centre.T
    return np.stack(
        [
            a0 - p * x - q * y + a * x * x + b * x * y + c * y * y,
            p - 2 * a * x - b * y,
            q - 2 * c * y - b * x,
            a,
            b,
            c,
        ],
        axis=-1,
    )


def _borders(owner: np.ndarray, ease: np.ndarray, count: int) -> np.ndarray:
    """Length of the border between any two surfaces [L, L], weighed by `ease` [2, H, W]."""
    out = np.zeros((count, count))
    for a, b, weight in (
        (owner[:, :-1], owner[:, 1:], ease[0, :, :-1]),
        (owner[:-1], owner[1:], ease[1, :-1]),
    ):
        meet = (a != b) & (a >= 0) & (b >= 0)
        np.add.at(out, (a[meet], b[meet]), weight[meet])
    return out + out.T


def _merged(
    rest: tuple, owner: np.ndarray, surfaces: np.ndarray, alone: np.ndarray, far: np.ndarray, ease: np.ndarray
) -> tuple[Patches, np.ndarray]:
    """What is left when a surface does another's work (small ones first), and the pixels not yet
    explained.
    """
    from simbench.generators import stereo_costs as costs

    count = len(surfaces)
    area = _sums(np.ones(owner.shape), owner, count)
    zones = np.stack([_grown(owner == n) for n in range(count)])
    tried = zones | (area > WIDE * owner.size)[:, None, None]
    everywhere = costs.surface_costs(*rest, surfaces, tried, CAP, FIT, NEVER)
    table = np.stack([_sums(everywhere[..., n], owner, count) for n in range(count)])
    border = _borders(owner, ease, count)
    alive = area >= LEAST
    alive[0] = True
    for j in np.argsort(area, kind="stable"):
        if not alive[j] or j == 0:
            continue
        extra = table[:, j] - table[j, j]
        extra[j] = np.inf
        extra[~alive] = np.inf
        extra -= border[j] * JUMP
        i = int(extra.argmin())
        if extra[i] < max(SIMPLER, 0.3 * area[j]):
            border[i] += border[j]
            border[:, i] += border[:, j]
            alive[j] = False
            table[:, i] += table[:, j]
            area[i] += area[j]
            zones[i] |= zones[j]
    mine = np.take_along_axis(everywhere, np.maximum(owner, 0)[..., None], -1)[..., 0]
    free = (owner < 0) | (mine - alone > 4.0)
    zones[0] |= _grown(far)
    return Patches(surfaces[alive], zones[alive]), free
