"""Boards of 8 x 8 tiles: how they are drawn at any size, and read back.

The board is the largest square in the middle of the image, 8 tiles each way, the bar in its top row. A
reader draws a board full of each tile once, finds the shift of a frame that fits these best, the brightness
curve of each channel, and takes for every cell the tile that is nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Setting
from simbench.worlds.games._art import BAR_TILES, PICTURES, SIDE, THEMES

CELLS = SIDE * SIDE
INNER = slice(1, 7)
"""Of a cell's 8 pixels those that its neighbours do not bleed into."""
SOFT = 0.7
"""Deviation of the blur, in 1/8 of a tile, that frames and pictures are compared under."""
FAR = 40.0
"""Grey levels (root mean square) that the best tile may be off, and ..."""
CLEAR = 0.7
"""... the share of the distance to the second best."""
FITS = 3.0
"""Grey levels, root mean square over cells, below which a frame is read as it came."""
HOPELESS = 45.0
"""Grey levels, mean over cells, above which no shift is sought."""
LOST = 16.0
"""The same, above which the whole frame is unread."""
EXPONENTS = (1.0, 0.6, 0.75, 1.3)
RIDGE = 40.0
ROUNDS = 3
UNREAD = -1


def _colour(theme: str, letter: str) -> tuple[int, int, int]:
    text = THEMES[theme][letter]
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


@lru_cache(maxsize=16)
def _pictures(theme: str, tiles: tuple[str, ...]) -> np.ndarray:
    """uint8 [K, 8, 8, 3] of tiles by name."""
    rows = [[[_colour(theme, letter) for letter in row] for row in PICTURES[t].split()] for t in tiles]
    return np.array(rows, dtype=np.uint8)


@lru_cache(maxsize=4)
def _texture(pixels: int) -> np.ndarray:
    """Gain float32 [pixels, pixels, 1] of the rich look: smooth and fine unevenness, the same everywhere."""
    import cv2

    rng = np.random.default_rng(7)
    out = np.ones((pixels, pixels), np.float32)
    for cells, strength in ((5, 0.10), (24, 0.05)):
        coarse = rng.uniform(-strength, strength, (cells, cells)).astype(np.float32)
        out += cv2.resize(coarse, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
    return out[:, :, None]


def draw(boards: np.ndarray, theme: str, tiles: tuple[str, ...], setting: Setting) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] of boards int [T, 64] of indices into `tiles`."""
    import cv2

    side = min(setting.width, setting.height)
    scale = max(1, -(-side // CELLS))
    pictures = _pictures(theme, tiles)
    art = pictures[boards.reshape(-1, SIDE, SIDE)]
    fine = art.transpose(0, 1, 3, 2, 4, 5).reshape(len(boards), CELLS, CELLS, 3)
    fine = fine.repeat(scale, axis=1).repeat(scale, axis=2)
    if setting.look == "rich":
        fine = np.clip(np.rint(fine * _texture(CELLS * scale)), 0, 255).astype(np.uint8)
    out = np.empty((len(boards), setting.height, setting.width, 3), np.uint8)
    out[:] = _colour(theme, "k")
    y, x = (setting.height - side) // 2, (setting.width - side) // 2
    for frame, board in zip(out, fine, strict=True):
        if side != CELLS * scale:
            board = cv2.resize(board, (side, side), interpolation=cv2.INTER_AREA)
        frame[y : y + side, x : x + side] = board
    return out


@dataclass(frozen=True)
class Book:
    """Boards full of one tile each. `cells` float32 [64, K, P]: what every cell looks like, blurred, 0-255;
    `power` [64, K] its square; `whole` float32 [K, 64, 64, 3] the boards; `never` bool [64, K]: a tile that
    is never there, of the bar below its row or of the field in it."""

    cells: np.ndarray
    power: np.ndarray
    whole: np.ndarray
    never: np.ndarray


@lru_cache(maxsize=2)
def book(theme: str, tiles: tuple[str, ...], setting: Setting) -> Book:
    """The pictures of a theme. The last two are kept."""
    full = np.repeat(np.arange(len(tiles))[:, None], CELLS, axis=1)
    whole = _canonical(draw(full, theme, tiles, setting))
    cells = _cells(whole).transpose(1, 0, 2)
    of_bar = np.array([tile in BAR_TILES for tile in tiles])
    never = (np.arange(CELLS) < SIDE)[:, None] != of_bar
    return Book(np.ascontiguousarray(cells), (cells**2).sum(axis=2), whole, never)


def _canonical(frames: np.ndarray) -> np.ndarray:
    """The board of each frame at 64 x 64 pixels, blurred, float32 [T, 64, 64, 3]."""
    import cv2

    height, width = frames.shape[1:3]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    out = np.empty((len(frames), CELLS, CELLS, 3), np.float32)
    for t, frame in enumerate(frames):
        board: np.ndarray = np.ascontiguousarray(frame[y : y + side, x : x + side]).astype(np.float32)
        if side != CELLS:
            how = cv2.INTER_AREA if side > CELLS else cv2.INTER_LINEAR
            board = cv2.resize(board, (CELLS, CELLS), interpolation=how)
        out[t] = cv2.GaussianBlur(board, (0, 0), SOFT, borderType=cv2.BORDER_REPLICATE)
    return out


def _cells(boards: np.ndarray) -> np.ndarray:
    """The inner pixels of every cell, float32 [T, 64, P]."""
    split = boards.reshape(-1, SIDE, SIDE, SIDE, SIDE, 3).transpose(0, 1, 3, 2, 4, 5)
    return split[:, :, :, INNER, INNER].reshape(len(boards), CELLS, -1)


def _distances(known: Book, boards: np.ndarray) -> np.ndarray:
    """Root mean square grey levels [T, 64, K] between every cell and every tile."""
    cells = _cells(boards).transpose(1, 0, 2)
    cross = cells @ known.cells.transpose(0, 2, 1)
    square = (cells**2).sum(axis=2)[:, :, None] + known.power[:, None, :] - 2.0 * cross
    out = np.sqrt(np.maximum(square, 0.0) / cells.shape[2])
    return np.where(known.never[:, None, :], np.float32(1e6), out).transpose(1, 0, 2)


def _moved(board: np.ndarray, x: float, y: float, zoom: float) -> np.ndarray:
    """A board seen `x` and `y` pixels off its place and grown by `zoom`, brought back."""
    import cv2

    middle = (CELLS - 1) / 2
    matrix = np.array([[zoom, 0.0, middle * (1 - zoom) + x], [0.0, zoom, middle * (1 - zoom) + y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(board, matrix, (CELLS, CELLS), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _placed(known: Book, boards: np.ndarray) -> np.ndarray:
    """Every board moved to where the tiles fit it best: shifts to 3 pixels of 64, growth to 6 %."""
    out = boards.copy()
    fit = _unfit(_distances(known, out))
    place = np.tile([0.0, 0.0, 1.0], (len(boards), 1))
    for step in (1.0, 1.0, 0.5, 0.5):
        # Always from the board as it came: moved twice it would be blurred twice.
        start = place.copy()
        for move in _moves(step):
            there = start + move
            tried = np.stack([_moved(board, *at) for board, at in zip(boards, there, strict=True)])
            found = _unfit(_distances(known, tried))
            # What is hardly better is not: interpolation alone smooths noise away.
            better = found < 0.97 * fit - 0.05
            out[better], fit[better], place[better] = tried[better], found[better], there[better]
    return out


def _moves(step: float) -> list[np.ndarray]:
    ways = (
        (-1.0, 0.0, 0.0),
        (1.0, 0.0, 0.0),
        (0.0, -1.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 0.03),
        (0.0, 0.0, -0.03),
    )
    return [step * np.array(way) for way in ways]


def _misfit(distances: np.ndarray) -> np.ndarray:
    """Mean distance [T] of the cells to their nearest tiles, those far from all capped."""
    return np.minimum(distances.min(axis=2), 2.0 * FAR).mean(axis=1)


def _unfit(distances: np.ndarray) -> np.ndarray:
    """The same as the root of a mean square [T], in which a few squares off count beside many flat ones."""
    return np.sqrt((np.minimum(distances.min(axis=2), 2.0 * FAR) ** 2).mean(axis=1))


def _toned(known: Book, boards: np.ndarray) -> np.ndarray:
    """Boards with the brightness of their tiles: per channel a curve of second degree and a ramp across."""
    boards = _curved(known, boards)
    out = boards
    ramp = np.linspace(-1.0, 1.0, CELLS, dtype=np.float32)[None, :].repeat(CELLS, axis=0)
    for _ in range(ROUNDS):
        near = _distances(known, out)
        best, trust = near.argmin(axis=2), near.min(axis=2) < 2.0 * FAR
        wanted = known.whole[best.reshape(-1, SIDE, SIDE).repeat(SIDE, 1).repeat(SIDE, 2),
                             np.arange(CELLS)[None, :, None], np.arange(CELLS)[None, None, :]]  # fmt: skip
        used = trust.reshape(-1, SIDE, SIDE).repeat(SIDE, 1).repeat(SIDE, 2)
        out = np.stack([_fitted(b, w, u, ramp) for b, w, u in zip(boards, wanted, used, strict=True)])
    return out


def _curved(known: Book, boards: np.ndarray) -> np.ndarray:
    """Each board through that of a few exponents which brings it nearest to tiles: where the fit begins."""
    tried = np.stack([255.0 * (np.maximum(boards, 0.0) / 255.0) ** power for power in EXPONENTS])
    found = np.stack([_misfit(_distances(known, part)) for part in tried])
    return tried[found.argmin(axis=0), np.arange(len(boards))]


def _fitted(board: np.ndarray, wanted: np.ndarray, used: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """One board through the curves that bring it nearest to what is `wanted`; as it came where that
    needs more than twice or less than half of its contrast."""
    if used.mean() < 0.25:
        return board
    out = np.empty_like(board)
    for c in range(3):
        y = board[:, :, c] / 255.0
        design = np.stack([y * (1.0 - y), y * ramp, ramp * 0.0 + 1.0, y], axis=2)
        part, goal = design[used], wanted[:, :, c][used] / 255.0 - y[used]
        pull = RIDGE * np.eye(4) * np.array([0.2, 0.2, 1.0, 0.2])
        change = np.linalg.solve(part.T @ part + pull, part.T @ goal)
        slope = 1.0 + change[3] + np.array([1.0, -1.0]) * change[0]
        if slope.min() < 0.4 or slope.max() > 3.0:
            return board
        out[:, :, c] = 255.0 * (y + design @ change)
    return out


def read(frames: np.ndarray, theme: str, tiles: Sequence[str], setting: Setting) -> np.ndarray:
    """Indices int64 [T, 64] into `tiles` of the cells of frames uint8 [T, H, W, 3]; UNREAD where the best
    tile is far off, or hardly better than the second."""
    known = book(theme, tuple(tiles), setting)
    # Equal frames are read once; np.unique sorts whole frames for it, which took three quarters of the time.
    first: dict[bytes, int] = {}
    back = [first.setdefault(frame.tobytes(), len(first)) for frame in frames]
    boards = _canonical(frames[[back.index(k) for k in range(len(first))]])
    near = _distances(known, boards)
    # What fits as it came needs no curve and no shift, and these take most of the time.
    loose = np.flatnonzero(_unfit(near) > FITS)
    if len(loose):
        toned = _toned(known, boards[loose])
        near[loose] = _distances(known, toned)
        some = _misfit(near[loose]) < HOPELESS
        if some.any():
            near[loose[some]] = _distances(known, _toned(known, _placed(known, toned[some])))
    order = np.sort(near, axis=2)
    sure = (order[:, :, 0] < FAR) & (order[:, :, 0] < CLEAR * order[:, :, 1])
    sure &= (_misfit(near) < LOST)[:, None]
    return np.where(sure, near.argmin(axis=2), UNREAD).astype(np.int64)[back]
