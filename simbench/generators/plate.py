"""What stands still in the given frames: dense optical flow, the static plate, who moves in front of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

WORKING_SIDE = 128
"""Flow is computed with the shorter side near this many px: sprites of 8 px are too small for its patches."""


@dataclass(frozen=True)
class Plate:
    """`rgb` float32 [H, W, 3], the scene without what moves; `mattes` float32 [k, H, W] in [0, 1], how much
    of a pixel is covered by something that moves; `noise` sd of the frames in levels; `flow` float32
    [k, H, W, 2] pixels per frame (the last frame's is backwards in time, negated)."""

    rgb: np.ndarray
    mattes: np.ndarray
    noise: float
    flow: np.ndarray


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread: the answer of its flow depends on the number of threads."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def noise_level(frames: np.ndarray) -> float:
    """Sd of the noise in levels from frame differences (median absolute deviation: movers are outliers)."""
    if len(frames) < 2:
        return 0.0
    return float(np.median(np.abs(np.diff(frames, axis=0))) / 0.6745 / np.sqrt(2))


def _projections(frames: np.ndarray) -> np.ndarray:
    """uint8 [2, k, H, W]: the two colour directions in which the frames differ the most in time."""
    diff = np.diff(frames, axis=0).reshape(-1, 3)
    _, axes = np.linalg.eigh(diff.T @ diff + 1e-3 * np.eye(3))
    flat = frames @ axes[:, :0:-1]
    low = flat.min(axis=(0, 1, 2))
    span = max(float((flat.max(axis=(0, 1, 2)) - low).max()), 32.0)
    return np.moveaxis((flat - low) * (255.0 / span), -1, 0).astype(np.uint8)


def dense_flow(frames: np.ndarray) -> np.ndarray:
    """float32 [k, H, W, 2]: DIS flow (Kroeger et al. 2016) in pixels per frame, forward in time.

    Where two colour directions disagree the faster one counts: a mover without contrast in one of
    them seems to stand still there.
    """
    import cv2

    k, height, width = frames.shape[:3]
    scale = min(8.0, max(1.0, WORKING_SIDE / min(height, width)))
    scale = scale if min(height, width) < 2 * WORKING_SIDE else WORKING_SIDE / min(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    gain = np.array([width / size[0], height / size[1]], np.float32)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    out = np.zeros((k, height, width, 2), np.float32)
    for view in _projections(frames):
        large = [cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in view]
        for t in range(k):
            if t < k - 1:
                flow = dis.calc(large[t], large[t + 1], None)  # type: ignore[call-overload]
            else:
                flow = -dis.calc(large[t], large[t - 1], None)  # type: ignore[call-overload]
            flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * gain
            faster = (flow**2).sum(-1) > (out[t] ** 2).sum(-1)
            out[t][faster] = flow[faster]
    return out


def distance(a: np.ndarray, b: np.ndarray, noise: float) -> np.ndarray:
    """Colour distance in levels over the last axis, lightly blurred over the image when there is noise."""
    import cv2

    gap = np.sqrt(((a - b) ** 2).sum(-1))
    if noise <= 1.0:
        return gap
    flat = gap.reshape(-1, *gap.shape[-2:])
    return np.stack([cv2.GaussianBlur(g, (3, 3), 0.6) for g in flat]).reshape(gap.shape)


def threshold(noise: float) -> float:
    """Colour distance in levels above which two pixels differ."""
    return max(10.0, 6.0 * noise)


def _fill(mask: np.ndarray, radius: int) -> np.ndarray:
    """bool [H, W]: closed with `radius` px, holes filled."""
    from scipy import ndimage

    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), radius)
    padded = np.pad(mask, radius)
    closed = ndimage.binary_closing(padded, ball)[radius:-radius, radius:-radius]
    return ndimage.binary_fill_holes(closed)


def _line(vector: np.ndarray) -> np.ndarray:
    """uint8 kernel, 1 on the segment from its centre to its centre + `vector` (x, y in px)."""
    reach = int(np.ceil(np.abs(vector).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    steps = np.linspace(0.0, 1.0, 4 * reach + 1)
    kernel[np.rint(reach + steps * vector[1]).astype(int), np.rint(reach + steps * vector[0]).astype(int)] = 1
    return kernel


def _runs(frames: np.ndarray, limit: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """float32 [H, W, 3] twice: mean colour of each pixel before its first and after its last change."""
    from_start = np.cumsum(distance(frames, frames[:1], noise) > limit, axis=0) == 0
    from_end = np.cumsum((distance(frames, frames[-1:], noise) > limit)[::-1], axis=0)[::-1] == 0
    before = (frames * from_start[..., None]).sum(0) / from_start.sum(0)[..., None]
    after = (frames * from_end[..., None]).sum(0) / from_end.sum(0)[..., None]
    return before, after


def _nearest(colours: np.ndarray, samples: np.ndarray, most: int = 300) -> np.ndarray:
    """[N] distance of each colour to the nearest of (a fixed subset of) the samples."""
    from scipy.spatial import cKDTree

    return cKDTree(samples[:: max(1, len(samples) // most)]).query(colours)[0]


@dataclass(frozen=True)
class Swept:
    """A region that something moved over: bool [H, W] and its median velocity in px per frame (x, y)."""

    region: np.ndarray
    velocity: np.ndarray


def _close_along(region: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """`region` closed along its motion: what is covered all the time lies between its two ends."""
    import cv2

    reach = min(region.shape) // 3
    half = _line(velocity / np.hypot(*velocity) * (reach / 2))
    kernel = half | half[::-1, ::-1]
    padded = np.pad(region, reach).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    return closed[reach:-reach, reach:-reach].astype(bool)


def _paced(frames: np.ndarray, region: np.ndarray, velocity: np.ndarray, noise: float) -> np.ndarray:
    """`velocity` with the speed at which the ends of the change travel over `region`.

    Of the two ends the faster one counts: what hides a mover stops an end, nothing speeds it up.
    """
    speed = float(np.hypot(*velocity))
    y, x = np.indices(region.shape)
    along = (x * velocity[0] + y * velocity[1]) / speed
    times, ends = [], []
    for t in range(len(frames) - 1):
        spot = region & (distance(frames[t], frames[t + 1], noise) > threshold(noise))
        if spot.sum() >= 3:
            times.append(t)
            ends.append(np.percentile(along[spot], (3, 97)))
    if len(times) < 3:
        return velocity
    pace = float(np.polyfit(times, np.array(ends), 1)[0].max())
    return velocity * float(np.clip(pace / speed, 0.9, 1.6))


def _swept(frames: np.ndarray, flow: np.ndarray, noise: float) -> list[Swept]:
    """The connected regions in which anything ever changes, holes filled, and how they move."""
    from scipy import ndimage

    height, width = frames.shape[1:3]
    limit = threshold(noise)
    changed = distance(frames, frames[:1], noise).max(axis=0) > limit
    changed |= distance(frames, frames[-1:], noise).max(axis=0) > limit
    steps = distance(frames[1:], frames[:-1], noise) > limit
    steps = np.concatenate([steps, steps[-1:]])
    labels, count = ndimage.label(_fill(changed, max(1, min(height, width) // 24)), np.ones((3, 3)))
    speed = np.sqrt((flow**2).sum(-1))
    out = []
    for i in range(1, count + 1):
        region = labels == i
        moving = steps & region
        if (region & changed).sum() < max(4, height * width / 500) or not moving.any():
            continue
        fast = moving & (speed >= np.percentile(speed[moving], 40))
        velocity = np.median(flow[fast], axis=0).astype(np.float64)
        if np.hypot(*velocity) > 0.15:
            velocity = _paced(frames, region, velocity, noise)
            out.append(Swept(_close_along(region, velocity), velocity))
    return out


def _uncover(
    rgb: np.ndarray, unknown: np.ndarray, swept: Swept, frames: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """The plate with one swept region resolved, and which of its pixels were never seen free.

    Along the motion, what is left first lies within the travelled path of the region's rear end: there
    the plate is what a pixel shows at the end; everywhere else it is what it showed at first. Where that
    still looks more like the mover than like the surroundings, the mover never left.
    """
    import cv2
    from scipy import ndimage

    limit = threshold(noise)
    before, after = _runs(frames, limit, noise)
    path = swept.velocity * (len(frames) - 1)
    region = swept.region.astype(np.uint8)
    rear = swept.region & (cv2.erode(region, _line(-path), borderValue=0) == 0)
    last = swept.region & (cv2.erode(region, _line(-path / 2), borderValue=0) == 0)
    guess = np.where(rear[..., None], after, before)
    gone = np.sqrt(((before - guess) ** 2).sum(-1))
    if not last.any() or gone[last].max() <= limit:
        return rgb, unknown
    mover = before[last & (gone > 0.7 * gone[last].max())]
    ring = ndimage.binary_dilation(swept.region, iterations=max(3, min(rgb.shape[:2]) // 10)) & ~swept.region
    around = rgb[ring & ~unknown]
    strange = _nearest(around, mover) > limit
    around = around[strange] if strange.sum() > len(around) / 4 else around
    rgb, unknown = rgb.copy(), unknown.copy()
    spot = swept.region
    options = np.stack([guess, np.where(rear[..., None], before, after)])[:, spot]
    alien = np.stack([_nearest(o, mover) < _nearest(o, around) for o in options])
    rgb[spot] = np.where((alien[0] & ~alien[1])[:, None], options[1], options[0])
    unknown[spot] = alien.all(axis=0)
    odd = np.zeros_like(spot)
    odd[spot] = _nearest(rgb[spot], around) > limit
    unknown |= ndimage.binary_dilation(unknown & spot, np.ones((3, 3))) & odd
    return rgb, unknown


def _continue(rgb: np.ndarray, unknown: np.ndarray, swept: Swept) -> np.ndarray:
    """`rgb` with the `unknown` pixels of a region continued along its motion, from where it came first.

    Things often slide along what is drawn along their path, so this direction keeps rails whole; ahead
    of them is what may soon hide them.
    """
    source = swept.region & ~unknown
    y, x = np.nonzero(unknown & swept.region)
    unit = swept.velocity / np.hypot(*swept.velocity)
    rgb, open_ = rgb.copy(), np.ones(len(y), bool)
    for sign in (-1.0, 1.0):
        ray = open_.copy()
        for step in range(1, max(rgb.shape[:2])):
            i = np.clip(np.rint(y + sign * step * unit[1]).astype(int), 0, rgb.shape[0] - 1)
            j = np.clip(np.rint(x + sign * step * unit[0]).astype(int), 0, rgb.shape[1] - 1)
            hit = ray & source[i, j]
            rgb[y[hit], x[hit]] = rgb[i[hit], j[hit]]
            open_ &= ~hit
            ray &= ~hit & swept.region[i, j]
            if not ray.any():
                break
    return _inpaint(rgb, y[open_], x[open_])


def _inpaint(rgb: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`rgb` float [H, W, 3] with the pixels (y, x) painted from around them (Telea 2004)."""
    import cv2

    hole = np.zeros(rgb.shape[:2], np.uint8)
    hole[y, x] = 1
    if len(y) == 0 or hole.all():
        return rgb
    image = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return np.where(hole[..., None] > 0, cv2.inpaint(image, hole, 3, cv2.INPAINT_TELEA), rgb)


def read_plate(frames: np.ndarray) -> Plate:
    """Split `frames` (uint8 [k, H, W, 3], k >= 2, still camera) into a static plate and mattes of movers."""
    pixels = frames.astype(np.float32)
    noise = noise_level(pixels)
    with one_thread():
        flow = dense_flow(pixels)
        rgb = np.median(pixels, axis=0)
        unknown = np.zeros(rgb.shape[:2], bool)
        for swept in _swept(pixels, flow, noise):
            rgb, unknown = _uncover(rgb, unknown, swept, pixels, noise)
            rgb = _continue(rgb, unknown & swept.region, swept)
    mattes = np.stack([matte(f, rgb, noise) for f in pixels])
    return Plate(rgb.astype(np.float32), mattes, noise, flow)


def refine(
    frames: np.ndarray,
    plate: Plate,
    covered: np.ndarray,
    inks: np.ndarray,
    paths: Sequence[Swept],
    stuck: np.ndarray,
) -> Plate:
    """The plate again, as the mean of the frames in which a pixel is not `covered` (bool [k, H, W]); where
    it is `stuck` (bool [H, W]) below a mover, it is continued along the `paths`.

    `inks` float32 [k, H, W, 3] is the colour that a mover would give to a pixel, negative where no one knows.
    """
    pixels = frames.astype(np.float32)
    times = (~covered).sum(axis=0)[..., None]
    mean = (pixels * ~covered[..., None]).sum(axis=0) / np.maximum(times, 1)
    rgb = np.where(times > 0, mean, plate.rgb).astype(np.float32)
    for path in paths:
        rgb = _continue(rgb, stuck & path.region, path).astype(np.float32)
    mattes = np.stack([matte(f, rgb, plate.noise, ink) for f, ink in zip(pixels, inks, strict=True)])
    return Plate(rgb, mattes, plate.noise, plate.flow)


def matte(frame: np.ndarray, plate: np.ndarray, noise: float, known: np.ndarray | None = None) -> np.ndarray:
    """float32 [H, W]: share of each pixel covered by what is not `plate`.

    The edge pixels are mixtures of the plate and of the `known` ink [H, W, 3] (negative: not known), or
    of the nearest colour further inside.
    """
    from scipy import ndimage

    gap = distance(frame, plate, noise)
    covered = gap > threshold(noise)
    if not covered.any():
        return np.zeros(gap.shape, np.float32)
    core = ndimage.binary_erosion(covered, np.ones((3, 3)))
    core = core if core.any() else covered
    near = ndimage.distance_transform_edt(~core, return_distances=False, return_indices=True)
    ink = frame[near[0], near[1]]
    if known is not None:
        ink = np.where(known >= 0, known, ink)
    step = ink - plate
    share = ((frame - plate) * step).sum(-1) / np.maximum((step**2).sum(-1), 1.0)
    reach = ndimage.binary_dilation(covered, np.ones((3, 3)))
    return np.where(reach, np.clip(share, 0.0, 1.0), 0.0).astype(np.float32)
