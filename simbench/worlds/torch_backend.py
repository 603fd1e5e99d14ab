"""The reference backend: whole clips as tensors, one operation at a time, on CPU or CUDA.

On CPU it gives the same bytes as the compiled kernels; no operation fuses or reorders a float.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from simbench.errors import UserError
from simbench.worlds.compile import CompiledClip
from simbench.worlds.raster import Frames, raster
from simbench.worlds.torch_base import Batch, Body, F, batch
from simbench.worlds.torch_hits import (
    BOX,
    CAPSULE,
    PLANE,
    SPHERE,
    VOXELS,
    Vector,
    along,
    carve_march,
    direction,
    hits,
    lit,
    voxel_march,
)

FLAT, CHECKER, STRIPE, NOISE, BRICK, DOTS = range(6)
CHUNK = 400_000
VOXEL_A, VOXEL_B = torch.from_numpy(F.VOXEL_A), torch.from_numpy(F.VOXEL_B)


def render(
    compiled: CompiledClip,
    width: int,
    height: int,
    samples: int,
    threads: int,
    device: str,
    chosen: list[int],
    truth: bool,
) -> Frames:
    """See `simbench.worlds.render.render`; `threads` is left to torch."""
    where = _device(device)
    fine = raster(width, height, samples, compiled.tangent)
    centre = raster(width, height, 1, compiled.tangent)
    share = float(np.float32(1.0) / np.float32(samples * samples))
    kept = len(chosen) if truth else 0
    rgb = np.empty((len(chosen), height, width, 3), dtype=np.uint8)
    depth = np.empty((kept, height, width), dtype=np.float32)
    ids = np.empty((kept, height, width), dtype=np.int32)
    per_chunk = max(1, CHUNK // (width * height * samples * samples))
    for first in range(0, len(chosen), per_chunk):
        part = slice(first, first + per_chunk)
        frames = batch(compiled, chosen[part], where)
        us = torch.from_numpy(fine.us).to(where).view(1, 1, -1)
        vs = torch.from_numpy(fine.vs).to(where).view(1, -1, 1)
        light = _colour(frames, us, vs, float(np.float32(fine.pitch)))
        total = torch.zeros_like(light[:, ::samples, ::samples])
        for sy in range(samples):
            for sx in range(samples):
                total = total + light[:, sy::samples, sx::samples]
        value = torch.floor(F.sqrt(total * share) * 255.0 + F.HALF)
        rgb[part] = torch.where(value < 255.0, value, 255.0).to(torch.uint8).cpu().numpy()
        if truth:
            us = torch.from_numpy(centre.us).to(where).view(1, 1, -1)
            vs = torch.from_numpy(centre.vs).to(where).view(1, -1, 1)
            t, n = hits(frames, us, vs)
            depth[part], ids[part] = t.cpu().numpy(), n.cpu().numpy()
    return Frames(rgb, depth, ids)


def trace(
    compiled: CompiledClip, uv: np.ndarray, chosen: list[int], depth: np.ndarray, ids: np.ndarray
) -> None:
    """See `simbench.worlds.render.trace`: fills `depth` and `ids` [T, P]."""
    frames = batch(compiled, chosen, torch.device("cpu"))
    rays = torch.from_numpy(np.ascontiguousarray(uv[chosen]))
    t, n = hits(frames, rays[:, None, :, 0], rays[:, None, :, 1])
    depth[chosen], ids[chosen] = t[:, 0].numpy(), n[:, 0].numpy()


def _device(name: str) -> torch.device:
    if name == "cpu":
        return torch.device(name)
    if not name.startswith("cuda"):
        raise UserError(f"unknown device {name!r}; choose cpu or cuda")
    if not torch.cuda.is_available():
        raise UserError(f"device {name!r} is not available here; use device='cpu'")
    return torch.device(name)


def _colour(batch: Batch, us: torch.Tensor, vs: torch.Tensor, pitch: float) -> torch.Tensor:
    """Linear light [F, H, W, 3] of every ray."""
    t, ids = hits(batch, us, vs)
    bright = torch.ones_like(t)
    if bool((batch.frames["shadow"] > 0).any()):
        bright = lit(batch, us, vs, t, ids)
    light = {name: value.view(-1, 1, 1) for name, value in batch.frames.items()}
    length2 = F.ONE + vs * vs + us * us
    far = F.sqrt(length2)
    w = F.sky_weight((light["rz"] + vs * light["ry"] + us * light["rx"]) / far)
    low, high = [light[k] for k in ("r0", "g0", "b0")], [light[k] for k in ("r1", "g1", "b1")]
    out = torch.stack([F.mix(a, b, w) for a, b in zip(low, high, strict=True)], dim=-1)
    for n in range(len(batch.clip.tables.kind)):
        f, y, x = torch.nonzero(ids == n, as_tuple=True)
        if len(f) == 0:
            continue
        b = batch.body(n, partial(_at, f))
        depth = t[f, y, x]
        ambient = batch.frames["ambient"][f]
        seen = _shade(
            batch, b, f, depth, us[0, 0, x], vs[0, y, 0], far[0, y, x], pitch, ambient, bright[f, y, x]
        )
        fog2 = batch.frames["fog2"][f]
        w = F.haze(fog2, depth * depth * length2[0, y, x])
        hazy = [F.mix(c, batch.frames[k][f], w) for c, k in zip(seen, ("r0", "g0", "b0"), strict=True)]
        out[f, y, x] = torch.stack(
            [torch.where(fog2 > F.ZERO, h, c) for h, c in zip(hazy, seen, strict=True)], dim=-1
        )
    return out


def _at(f: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Values of a column [F] at the frames of hits."""
    return column[f]


def _normal(b: Body, p: Vector) -> tuple[Vector, torch.Tensor]:
    """Outward normals of an uncarved body and the axes of its flat faces (3: curved)."""
    kind = int(b.fixed["kind"])
    zero, curved = torch.zeros_like(p[0]), torch.full_like(p[0], 3, dtype=torch.int64)
    if kind == PLANE:
        return (zero, F.sign_of(b.oy), zero), torch.ones_like(curved)
    if kind == SPHERE:
        return (p[0] / b.sx, p[1] / b.sx, p[2] / b.sx), curved
    if kind == BOX:
        axis = F.box_face(*p, b.sx, b.sy, b.sz)
        x, y, z = (torch.where(axis == a, F.sign_of(p[a]), 0.0) for a in range(3))
        return (x, y, z), axis
    if kind == CAPSULE:
        end = F.lower(F.upper(p[1], -b.sy), b.sy)
        return (p[0] / b.sx, (p[1] - end) / b.sx, p[2] / b.sx), curved
    capped = F.cylinder_capped(*p, b.sx, b.sy)
    x, z = torch.where(capped, 0.0, p[0] / b.sx), torch.where(capped, 0.0, p[2] / b.sx)
    return (x, torch.where(capped, F.sign_of(p[1]), 0.0), z), torch.where(capped, 1, curved)


def _surface(
    batch: Batch, b: Body, frame: torch.Tensor, p: Vector, d: Vector
) -> tuple[Vector, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normals, face axes, carved balls (-1: none) and voxel materials (0: none) at hits."""
    o = (b.ox, b.oy, b.oz)
    none = torch.zeros_like(frame)
    if int(b.fixed["kind"]) == VOXELS:
        _, axis, material = voxel_march(batch, b, o, d, F.NEAR)
        x, y, z = (torch.where(axis == a, -F.sign_of(d[a]), 0.0) for a in range(3))
        return (x, y, z), axis, none - 1, material
    normal, axis = _normal(b, p)
    if not b.edited:
        return normal, axis, none - 1, none
    _, wall = carve_march(batch, b, o, d, frame, F.NEAR)
    for s in range(int(b.fixed["carve0"]), int(b.fixed["carve1"])):
        ball = batch.clip.tables.carves[s]
        k = float(ball["radius"])
        inner = [(float(ball[c]) - p[a]) / k for a, c in enumerate("xyz")]
        x, y, z = (torch.where(wall == s, inner[a], normal[a]) for a in range(3))
        normal = (x, y, z)
    return normal, axis, wall, none


def _pattern(b: Body, p: Vector, axis: torch.Tensor, foot: torch.Tensor) -> Vector:
    """Linear colour of a body's own material at points."""
    first, second = (b.r0, b.g0, b.b0), (b.r1, b.g1, b.b1)
    texture = int(b.fixed["texture"])
    if texture == FLAT:
        return first
    shift = (b.tx, b.ty, b.tz)
    x, y, z = (torch.where(axis == a, F.HALF, (p[a] + shift[a]) / b.scale) for a in range(3))
    size = foot / b.scale
    if texture == BRICK:
        w, tone = F.brick(F.brick_u(x, z, axis), F.brick_v(y, z, axis), size)
        first = (first[0] * tone, first[1] * tone, first[2] * tone)
    else:
        formula = {CHECKER: F.checker, STRIPE: F.stripe, NOISE: F.noise, DOTS: F.dots}[texture]
        w = formula(x, y, z, size)
    return F.mix(first[0], second[0], w), F.mix(first[1], second[1], w), F.mix(first[2], second[2], w)


def _voxel(
    b: Body, p: Vector, normal: Vector, axis: torch.Tensor, material: torch.Tensor, foot: torch.Tensor
) -> Vector:
    """Linear colour of voxel texels."""
    k = b.sx * F.SKIN
    x, y, z = (p[a] - normal[a] * k for a in range(3))
    height = y / b.sx + int(b.fixed["ny"]) * F.HALF
    tone = F.texel_hash(x, y, z, b.sx)
    row = F.turf(material, axis, normal[1], height - torch.floor(height), tone)
    w = F.grain(tone, foot * F.TEXELS / b.sx)
    one, two = VOXEL_A.to(row.device)[row], VOXEL_B.to(row.device)[row]
    return F.mix(one[:, 0], two[:, 0], w), F.mix(one[:, 1], two[:, 1], w), F.mix(one[:, 2], two[:, 2], w)


def _painted(
    batch: Batch, b: Body, frame: torch.Tensor, p: Vector, axis: torch.Tensor, sign: torch.Tensor
) -> torch.Tensor:
    """The stroke that covers each point, the latest painted one, or -1."""
    best = torch.full_like(frame, -1)
    latest = best
    u, v = F.brick_u(p[0], p[2], axis), F.brick_v(p[1], p[2], axis)
    for s in range(int(b.fixed["stroke0"]), int(b.fixed["stroke1"])):
        face = batch.clip.tables.strokes[s]
        i = torch.floor((u - float(face["u"])) * float(face["density"]))
        j = torch.floor((v - float(face["v"])) * float(face["density"]))
        side = float(face["side"])
        on = (axis == int(face["axis"])) & (sign == float(face["sign"]))
        on = on & (i >= 0.0) & (j >= 0.0) & (i < side) & (j < side)
        column, line = torch.where(on, i, 0.0).to(torch.int64), torch.where(on, j, 0.0).to(torch.int64)
        when = batch.painted[s, line, column].to(torch.int64)
        on = on & (when <= frame) & (when >= latest)
        latest = torch.where(on, when, latest)
        best = torch.where(on, s, best)
    return best


def _shade(
    batch: Batch,
    b: Body,
    f: torch.Tensor,
    t: torch.Tensor,
    us: torch.Tensor,
    vs: torch.Tensor,
    far: torch.Tensor,
    pitch: float,
    ambient: torch.Tensor,
    bright: torch.Tensor,
) -> Vector:
    """Linear colour of hits of one body; all arguments are one value per hit."""
    frame = batch.numbers[f]
    d = direction(b, us, vs)
    p = along(b, t, d)
    normal, axis, wall, material = _surface(batch, b, frame, p, d)
    facing = F.upper(-_dot(normal, d) / far, F.GRAZE)
    foot = t * pitch / F.sqrt(facing)
    if int(b.fixed["kind"]) == VOXELS:
        colour = _voxel(b, p, normal, axis, material, foot)
    else:
        colour = _pattern(b, p, axis, foot)
        inner = (b.r2, b.g2, b.b2)
        colour = _select(wall >= 0, inner, colour)
    if int(b.fixed["stroke1"]) > int(b.fixed["stroke0"]):
        stroke = _painted(batch, b, frame, p, axis, normal[0] + normal[1] + normal[2])
        for s in range(int(b.fixed["stroke0"]), int(b.fixed["stroke1"])):
            face = batch.clip.tables.strokes[s]
            paint = tuple(torch.full_like(t, float(face[k])) for k in "rgb")
            colour = _select((stroke == s) & (wall < 0), (paint[0], paint[1], paint[2]), colour)
    sun = (b.lx, b.ly, b.lz)
    lambert = F.upper(_dot(normal, sun), F.ZERO)
    shade = F.daylight(ambient, lambert, bright, _dot(normal, (b.ux, b.uy, b.uz)))
    half = (sun[0] - d[0] / far, sun[1] - d[1] / far, sun[2] - d[2] / far)
    shine = b.specular * bright * F.highlight(_dot(normal, half), _dot(half, half))
    shine = torch.where((b.specular > F.ZERO) & (lambert > F.ZERO) & (wall < 0), shine, 0.0)
    return colour[0] * shade + shine, colour[1] * shade + shine, colour[2] * shade + shine


def _dot(a: Vector, b: Vector) -> torch.Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _select(mask: torch.Tensor, a: Vector, b: Vector) -> Vector:
    x, y, z = (torch.where(mask, a[i], b[i]) for i in range(3))
    return x, y, z
