"""Reads the game `voxel` by drawing what could come next: the state whose picture fits the frame.

From the state read last, every step, turn and nod is drawn, and what the plans lead to; the picture that
explains most of the frame's detail is the walker's. Then each cube that could be another is judged alone:
how far the frame lies on the way from the picture with the one material to that with the other. A cube that
is out of view keeps what it was, and is judged again once it is back. What nothing explains is unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from simbench.worlds.games import UNREAD, _voxel_film, roll
from simbench.worlds.games import _voxel_land as land

if TYPE_CHECKING:
    from simbench.case import Setting
    from simbench.worlds.games.voxel import State, Voxel

ROUGH, FINE = (44, 1), (64, 2)
"""Rows at the most, and rays per pixel and axis, of the pictures that tell poses and cubes."""
LIKELY, EXPLAINED, COLOURED = 0.35, 0.81, 0.89
"""Least share of a frame's detail that the picture of a state must explain to be looked at more closely; and
then, in register and with its cubes judged, of the detail, and the least correlation of colours."""
SURE = 0.93
"""A step that explains this much is not compared with where the plans lead."""
HALF, DOUBT = 0.5, 0.16
"""A cube is another from HALF of the way to its picture; within DOUBT of HALF it is unread."""
STRIP, BAR_LIKE = (72, 8), 0.7
"""Size of the bars that are compared, and the least share of one that a known bar explains."""
SEEN = 6.0
"""Pixels of a full difference of 40 grey levels that a cube must make to be judged."""
ROUNDS, CHANCES = 5, 3
"""Cubes that may change from frame to frame, and places that are looked at more closely."""
PICTURES, FRAMES = 4096, 1024
"""Pictures, and frames with what was read of them, that are kept: the clips of a scene share most of them."""
SAME = 10.0
"""Grey levels: a frame that differs by less from its picture, at the size of a cube, has its cubes."""


@dataclass(frozen=True)
class View:
    """One frame, reduced: `seen` float32 [h, w, 3] without its bar, its `detail`, and that squared."""

    seen: np.ndarray
    detail: np.ndarray
    energy: float


@dataclass(frozen=True)
class Lens:
    """How pictures are made: `width`, `height` of the reduced picture, `rows` of it above the bar, `samples`
    by `samples` rays per pixel, `look`."""

    width: int
    height: int
    rows: int
    samples: int
    look: str

    def pictures(self, states: Sequence[State]) -> np.ndarray:
        """What the states look like above the bar, float32 [K, rows, width, 3]."""
        return np.stack([self.picture(state).image for state in states]).astype(np.float32)

    def picture(self, state: State) -> Picture:
        """What a state looks like above the bar."""
        # Neither the stock nor what the yard once was is in it.
        return _picture(self, replace(state, stock=0, first=state.yard))


@dataclass(frozen=True)
class Picture:
    """A drawn state, uint8 [rows, width, 3], and what is compared of it."""

    image: np.ndarray

    @cached_property
    def detail(self) -> np.ndarray:
        """float32 [rows, width, 3]."""
        return detail(self.image.astype(np.float32))

    @cached_property
    def hues(self) -> np.ndarray:
        """float32 [rows, width, 2]."""
        return hues(self.image.astype(np.float32))


@lru_cache(maxsize=PICTURES)
def _picture(lens: Lens, state: State) -> Picture:
    frame = _voxel_film.film([state], lens.width, lens.height, lens.look, lens.samples)[0, : lens.rows]
    frame.setflags(write=False)
    return Picture(frame)


def read(
    game: Voxel, frames: np.ndarray, start: State, plans: Sequence[Sequence[str]], setting: Setting
) -> np.ndarray:
    """Cells int64 [T, N] of frames uint8 [T, H, W, 3]; UNREAD where nothing explains them."""
    lenses = (lens_of(frames, setting.look, *ROUGH), lens_of(frames, setting.look, *FINE))
    paths = [roll(game, start, plan) for plan in plans]
    stocks = read_bars(frames)
    out = np.full((len(frames), len(game.cells(start))), UNREAD, dtype=np.int64)
    state = start
    for t, frame in enumerate(frames):
        likely = tuple(path[t] for path in paths if t < len(path))
        judged = _frame(game, lenses, frame.tobytes(), frame.shape, state, likely)
        if judged is None:
            continue
        doubtful, state = judged
        row = game.cells(state)
        row[list(doubtful)] = UNREAD
        row[4] = stocks[t]
        if stocks[t] != UNREAD:
            state = replace(state, stock=int(stocks[t]))
        out[t] = row
    return out


@lru_cache(maxsize=FRAMES)
def _frame(
    game: Voxel,
    lenses: tuple[Lens, Lens],
    pixels: bytes,
    shape: tuple[int, ...],
    state: State,
    likely: tuple[State, ...],
) -> tuple[tuple[int, ...], State] | None:
    """The cells in doubt and the state that a frame of uint8 `pixels` shows after `state`; None: none."""
    frame = np.frombuffer(pixels, np.uint8).reshape(shape)
    rough, fine = lenses
    seen = view(frame, fine).seen
    places = _places(game, rough, view(frame, rough), state, likely)
    found = (_cubes(fine, seen, here, state, likely) for here in places)
    return next((f for f in found if f is not None), None)


def lens_of(frames: np.ndarray, look: str, most: int, samples: int) -> Lens:
    """The size at which frames [T, H, W, 3] are compared: `most` rows."""
    height, width = frames.shape[1:3]
    share = min(1.0, most / height)
    rows = int((height - _voxel_film.bar_height(height)) * share)
    return Lens(max(8, round(width * share)), round(height * share), rows, samples, look)


def view(frame: np.ndarray, lens: Lens) -> View:
    """A frame uint8 [H, W, 3], ready to be compared."""
    import cv2

    small = frame.astype(np.float32)
    if frame.shape[:2] != (lens.height, lens.width):
        small = np.asarray(
            cv2.resize(small, (lens.width, lens.height), interpolation=cv2.INTER_AREA), np.float32
        )
    seen = small[: lens.rows]
    part = detail(seen)
    return View(seen, part, float((part * part).sum()))


def detail(image: np.ndarray) -> np.ndarray:
    """What is smaller than a sixth of the picture and larger than a pixel or two, [h, w, 3]."""
    import cv2

    fine = cv2.GaussianBlur(image, (0, 0), 0.018 * image.shape[0])
    return np.asarray(fine - cv2.GaussianBlur(fine, (0, 0), 0.16 * image.shape[0]))


def explained(look: View, parts: np.ndarray) -> np.ndarray:
    """Share of a frame's detail [K] that the detail of each picture [K, h, w, 3] explains, with a gain per
    channel."""
    if look.energy < 2.0 * look.seen.size:
        return np.zeros(len(parts))
    both = (parts * look.detail).sum(axis=(1, 2))
    power = np.maximum((parts * parts).sum(axis=(1, 2)), 1e-3)
    gain = np.maximum(both, 0.0) / power
    return np.asarray((gain * both).sum(axis=1) / look.energy)


def _places(game: Voxel, lens: Lens, look: View, state: State, likely: Sequence[State]) -> Iterator[State]:
    """What an action makes of `state`, where the plans lead, or the one or the other without what was done
    before: those that explain the frame best, the best first."""
    near = _shootable(game.step(state, action) for action in game.actions)
    share = _likeness(look, lens, near)
    if share.max() < SURE:
        led = (game.step(s, a) for s in likely for a in game.actions)
        far = _shootable([*likely, *led, *(replace(s, yard=s.first) for s in near)])
        far = [s for s in far if s not in near]
        near, share = near + far, np.concatenate([share, _likeness(look, lens, far)])
    for best in np.argsort(-share)[:CHANCES]:
        if share[best] >= LIKELY:
            yield near[best]


def _likeness(look: View, lens: Lens, states: Sequence[State]) -> np.ndarray:
    """Share of a frame's detail [K] that states explain, times the correlation of their colours."""
    if not states:
        return np.zeros(0)
    pictures = [lens.picture(state) for state in states]
    shares = explained(look, np.stack([picture.detail for picture in pictures]))
    own = hues(look.seen)
    return shares * [max(_correlation(own, picture.hues), 0.0) for picture in pictures]


def _shootable(states: Iterable[State]) -> list[State]:
    """States without repetition, and without those that have the eye in a cube."""
    return [s for s in dict.fromkeys(states) if s.yard[land.at((s.x, land.FLOOR + 1, s.z))] == "0"]


def _cubes(
    lens: Lens, seen: np.ndarray, here: State, last: State, likely: Sequence[State]
) -> tuple[tuple[int, ...], State] | None:
    """The state with its cubes judged by a frame [h, w, 3], and the cells (of N) in doubt; None where
    the frame is still another picture then."""
    doubtful: list[land.Cell] = []
    for _ in range(ROUNDS):
        picture = lens.pictures([here])[0]
        if _alike(seen, picture):
            return (), here
        options = list(_options(here, last, likely))
        placed = _registered(seen, picture)
        if not options:
            break
        states = [replace(here, yard=land.changed(here.yard, *option)) for option in options]
        shares, gains = judge(placed, picture, lens.pictures(states))
        doubtful = [o[0] for o, s in zip(options, shares, strict=True) if abs(s - HALF) < DOUBT]
        best = int(np.argmax(np.where(shares >= HALF + DOUBT, gains, 0.0)))
        if not shares[best] >= HALF + DOUBT:
            break
        here = states[best]
    cells = land.editable()
    return (tuple(game_cell(cells, cell) for cell in doubtful), here) if _fits(placed, picture) else None


def _fits(seen: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a frame in register shows a picture, in detail and in colour."""
    part = detail(seen)
    share = explained(View(seen, part, float((part * part).sum())), detail(picture)[None])[0]
    return bool(share >= EXPLAINED and _correlation(hues(seen), hues(picture)) >= COLOURED)


def _correlation(own: np.ndarray, goal: np.ndarray) -> float:
    """Correlation of the hues of two images [h, w, 2]."""
    both = float((own * own).sum() * (goal * goal).sum())
    return float((own * goal).sum()) / max(both, 1.0) ** 0.5


def hues(image: np.ndarray) -> np.ndarray:
    """Red less green and blue less green of an image [h, w, 3], without grain: [h, w, 2]."""
    import cv2

    smooth = cv2.GaussianBlur(image, (0, 0), 0.03 * image.shape[0])
    return np.asarray(smooth[..., ::2] - smooth[..., 1:2])


def _alike(seen: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a frame is its picture but for edges and grain."""
    import cv2

    off = cv2.blur(seen - picture, (3, 3))
    return bool(np.abs(off).max() < SAME)


def game_cell(cells: Sequence[land.Cell], cell: land.Cell) -> int:
    """Where the material of a cube stands in a state's cells."""
    from simbench.worlds.games.voxel import POSE

    return POSE + cells.index(cell)


def _options(here: State, last: State, likely: Sequence[State]) -> Iterator[tuple[land.Cell, int]]:
    """Cubes that could be another material: what was aimed at, what was changed, what plans say."""
    found: dict[tuple[land.Cell, int], None] = {}
    hit = land.ahead(last.yard, land.eye(last.x, last.z), land.gaze(last.heading, last.nod))
    for cell, value in () if hit is None else ((hit[0], land.AIR), (hit[1], land.WOOD)):
        found[cell, value] = None
    yards = [last.first, *(s.yard for s in likely)]
    for cell in land.editable():
        place = land.at(cell)
        told = {yard[place] for yard in yards}
        if len(told | {here.yard[place]}) > 1:
            values = {int(value) for value in told}
            for value in (*sorted(values), land.AIR, land.WOOD):
                found[cell, value] = None
    for cell, value in found:
        stands = (cell[0], cell[2]) == (here.x, here.z) and cell[1] > land.FLOOR
        if land.inner(cell) and int(here.yard[land.at(cell)]) != value and not stands and _near(here, cell):
            yield cell, value


def _near(here: State, cell: land.Cell) -> bool:
    """Whether some of a cube may be in view, by its middle and its longest half diagonal."""
    start = land.eye(here.x, here.z)
    way = [c + 0.5 - s for c, s in zip(cell, start, strict=True)]
    axes = land.axes(here.heading, here.nod)
    right, up, forward = (sum(a * b for a, b in zip(way, axis, strict=True)) for axis in axes)
    return forward > -0.9 and abs(right) < 2.0 * (forward + 0.9) + 0.9 and abs(up) < forward + 2.0


def _registered(seen: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A frame [h, w, 3] on the grid of the picture of its state."""
    from simbench.instruments.registration import register

    off = np.abs(seen - picture).max(axis=-1)
    return register(seen[None], picture[None]).frames[0] if np.median(off) > 1.5 else seen


def _toned(seen: np.ndarray, picture: np.ndarray, still: np.ndarray) -> np.ndarray:
    """A frame with the tones of a picture: a parabola and a ramp across the image per channel, fitted where
    it is `still` bool [h, w], and once more without what differs most. Grain would flatten the fit, by which
    dark leaves come half way to wood: both are smoothed for it."""
    import cv2

    height, width = seen.shape[:2]
    smooth, goal = cv2.blur(seen, (3, 3)), cv2.blur(picture, (3, 3))
    keep = still.ravel() if still.mean() > 0.2 else np.ones(height * width, dtype=bool)
    designs = [_curve(smooth[..., c]) for c in range(3)]
    for turn in range(2):
        fits = []
        for c, design in enumerate(designs):
            part = design[keep]
            normal = part.T @ part + 1e-3 * np.eye(4)
            fits.append(np.linalg.solve(normal, part.T @ goal[..., c].ravel()[keep]))
        if turn == 0:
            made = np.stack([d @ f for d, f in zip(designs, fits, strict=True)], axis=1)
            off = np.abs(made - goal.reshape(-1, 3)).max(axis=1)
            keep = keep & (off <= max(float(np.quantile(off[keep], 0.9)), 2.0))
    toned = [_curve(seen[..., c]) @ fit for c, fit in enumerate(fits)]
    return np.stack(toned, axis=1).reshape(seen.shape).astype(np.float32)


def _curve(channel: np.ndarray) -> np.ndarray:
    """What tones are fitted with [h * w, 4]: one, the channel [h, w], its square, and it times the column."""
    ramp = np.tile(np.linspace(-1.0, 1.0, channel.shape[1], dtype=np.float32), len(channel))
    own = channel.ravel() / 128.0
    return np.stack([np.ones_like(own), own, own * own, ramp * own], axis=1)


def judge(seen: np.ndarray, picture: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far a frame lies on the way from a picture to each other one [K], 0 where they hardly differ; and
    by how much that one is nearer [K], in squared grey levels. Tones are fitted where all look the same."""
    way = others - picture
    seen = _toned(seen, picture, (np.abs(way) < 6.0).all(axis=(0, 3)))
    power = (way * way).sum(axis=(1, 2, 3))
    along = (way * (seen - picture)).sum(axis=(1, 2, 3))
    shares = np.where(power > SEEN * 3 * 40.0**2, along / np.maximum(power, 1.0), 0.0)
    return shares, 2.0 * along - power


def read_bars(frames: np.ndarray) -> np.ndarray:
    """Pieces in stock int64 [T] by the bars of frames uint8 [T, H, W, 3]; UNREAD where unlike any bar."""
    import cv2

    height, width = frames.shape[1:3]
    stocks, own = _bars(width, height)
    power = (own * own).sum(axis=1)
    out = np.full(len(frames), UNREAD, dtype=np.int64)
    for t, frame in enumerate(frames):
        strip = frame[height - _voxel_film.bar_height(height) :].astype(np.float32)
        seen = cv2.resize(strip, STRIP, interpolation=cv2.INTER_AREA).ravel()
        seen = seen - seen.mean()
        both = np.maximum(own @ seen, 0.0)
        share = both * both / power / max(float((seen * seen).sum()), 1.0)
        if share.max() > BAR_LIKE and seen.std() > 6.0:
            out[t] = stocks[int(share.argmax())]
    return out


@lru_cache(maxsize=1)
def _bars(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Stocks [K] and bars float32 [K, N] less their means: each as it is, and zoomed and shifted with its
    picture by as much as a video may be."""
    import cv2

    rows = _voxel_film.bar_height(height)
    x, y = (width - 1) / 2, rows - (height + 1) / 2
    stocks, bars = [], []
    for stock in range(_voxel_film.STOCK + 1):
        strip = _voxel_film.bar(stock, width, height).astype(np.float32)
        for zoom, right, down in product(
            (0.97, 1.0, 1.03), (-0.02, 0.0, 0.02), (-0.02, -0.01, 0.0, 0.01, 0.02)
        ):
            way = np.array([[zoom, 0, x - zoom * x + right * width], [0, zoom, y - zoom * y + down * width]])
            moved = cv2.warpAffine(strip, way, (width, rows), borderMode=cv2.BORDER_REPLICATE)
            bar = cv2.resize(moved, STRIP, interpolation=cv2.INTER_AREA).ravel()
            stocks.append(stock)
            bars.append(bar - bar.mean())
    return np.array(stocks), np.stack(bars)
