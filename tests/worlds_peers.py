"""Other renderers drawing the same scene, as plainly as their users would: RGB, depth and identities."""

from __future__ import annotations

from typing import Any

import numpy as np

from simbench.worlds.compile import CompiledClip
from simbench.worlds.scene import Scene

# MuJoCo's and Bullet's cylinders, capsules and planes point along z; ours along y.
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
ROUND = ("plane", "capsule", "cylinder")


def axes_of(clip: CompiledClip, scene: Scene, f: int, n: int) -> np.ndarray:
    """Rotation of body n in a peer's convention."""
    turn = clip.rotations[f, n]
    return turn @ UPRIGHT if scene.bodies[n].kind in ROUND else turn


def rays(clip: CompiledClip, f: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions [P, 3] in the world through pixel centres and their depth per metre [P]."""
    at = (np.arange(size) + 0.5 - size / 2) * 2 * clip.tangent / size
    u, v = np.meshgrid(at, at)
    local = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    length = np.linalg.norm(local, axis=-1)
    return (local @ clip.axes[f]) / length[:, None], 1.0 / length


class MuJoCo:
    """Rays by mj_multiRay (float64, one thread), shading in numpy."""

    def __init__(self, scene: Scene, clip: CompiledClip) -> None:
        import mujoco

        self.mj, self.scene, self.clip = mujoco, scene, clip
        parts = []
        for n, body in enumerate(scene.bodies):
            size = clip.tables.vectors("sx sy sz")[0, n]
            shown = {"plane": "0 0 1", "sphere": f"{size[0]}", "box": " ".join(map(str, size))}
            text = shown.get(body.kind, f"{size[0]} {size[1]}")
            parts.append(f'<body name="{n}" mocap="true"><geom type="{body.kind}" size="{text}"/></body>')
        self.model = mujoco.MjModel.from_xml_string(
            f"<mujoco><worldbody>{''.join(parts)}</worldbody></mujoco>"
        )
        self.data = mujoco.MjData(self.model)
        self.colour = clip.tables.vectors("r0 g0 b0")[0]

    def cast(self, origin: np.ndarray, ways: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance (-1: none), geom and normal of rays from one point."""
        count = len(ways)
        ids, far, normal = np.zeros(count, np.int32), np.zeros(count), np.zeros(count * 3)
        flat = np.ascontiguousarray(ways).reshape(-1)
        self.mj.mj_multiRay(
            self.model, self.data, origin, flat, None, True, -1, ids, far, normal, count, 1e10
        )
        return far, ids, normal.reshape(-1, 3)

    def frame(self, f: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """RGB, depth and identities of one frame."""
        quat = np.zeros(4)
        for n in range(len(self.scene.bodies)):
            self.data.mocap_pos[n] = self.clip.positions[f, n]
            self.mj.mju_mat2Quat(quat, axes_of(self.clip, self.scene, f, n).reshape(-1))
            self.data.mocap_quat[n] = quat
        self.mj.mj_kinematics(self.model, self.data)
        ways, share = rays(self.clip, f, size)
        far, ids, normal = self.cast(self.clip.eyes[f], ways)
        hit = far >= 0
        ids = np.where(hit, ids, -1)
        points = self.clip.eyes[f] + far[:, None] * ways
        sun = self.clip.sun[f]
        light = points.mean(axis=0) + 100 * sun
        back = points - light
        reach = np.linalg.norm(back, axis=-1)
        blocked, _, _ = self.cast(light, back / reach[:, None])
        lit = (blocked < 0) | (blocked > reach - 1e-3)
        cells = np.floor(points).sum(axis=-1) % 2
        shade = 0.45 + 0.55 * np.maximum(normal @ sun, 0) * lit
        rgb = self.colour[np.maximum(ids, 0)] * (1 - 0.4 * cells[:, None]) * shade[:, None]
        image = (255 * np.sqrt(np.where(hit[:, None], rgb, 0.5)) + 0.5).astype(np.uint8)
        depth = np.where(hit, far * share, 0).reshape(size, size)
        return image.reshape(size, size, 3), depth, ids.reshape(size, size)


class Bullet:
    """pybullet's TinyRenderer with its shadow; flat colours, no antialiasing."""

    def __init__(self, scene: Scene, clip: CompiledClip) -> None:
        import pybullet

        self.pb, self.scene, self.clip = pybullet, scene, clip
        self.client = pybullet.connect(pybullet.DIRECT)
        self.bodies = []
        for n, body in enumerate(scene.bodies):
            size = clip.tables.vectors("sx sy sz")[0, n]
            colour = [*np.sqrt(clip.tables.vectors("r0 g0 b0")[0, n]), 1.0]
            made: dict[str, tuple[int, dict[str, Any]]] = {
                "plane": (pybullet.GEOM_BOX, {"halfExtents": [20.0, 20.0, 0.01]}),
                "box": (pybullet.GEOM_BOX, {"halfExtents": size.tolist()}),
                "sphere": (pybullet.GEOM_SPHERE, {"radius": size[0]}),
                "cylinder": (pybullet.GEOM_CYLINDER, {"radius": size[0], "length": 2 * size[1]}),
                "capsule": (pybullet.GEOM_CAPSULE, {"radius": size[0], "length": 2 * size[1]}),
            }
            kind, options = made[body.kind]
            shape = pybullet.createVisualShape(kind, rgbaColor=colour, **options)
            self.bodies.append(pybullet.createMultiBody(0, -1, shape))

    def frame(self, f: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """RGB, depth buffer and identities of one frame."""
        pb, clip = self.pb, self.clip
        for n, body in enumerate(self.bodies):
            m = axes_of(clip, self.scene, f, n)
            pb.resetBasePositionAndOrientation(body, clip.positions[f, n].tolist(), quaternion(m))
        eye, axes = clip.eyes[f], clip.axes[f]
        view = pb.computeViewMatrix(eye.tolist(), (eye + axes[2]).tolist(), [0, 1, 0])
        lens = pb.computeProjectionMatrixFOV(self.scene.camera.fov, 1.0, 0.1, 50.0)
        _, _, rgb, depth, ids = pb.getCameraImage(
            size,
            size,
            view,
            lens,
            lightDirection=clip.sun[f].tolist(),
            shadow=1,
            renderer=pb.ER_TINY_RENDERER,
        )
        return np.asarray(rgb).reshape(size, size, 4)[..., :3], np.asarray(depth), np.asarray(ids)


def quaternion(m: np.ndarray) -> list[float]:
    """x, y, z, w of a rotation matrix (K. Shoemake, largest component first)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(m).as_quat().tolist()


class Warp:
    """A straightforward NVIDIA Warp kernel on its CPU device: one thread per pixel, one shadow ray."""

    def __init__(self, scene: Scene, clip: CompiledClip) -> None:
        import warp
        from worlds_warp import draw

        warp.config.quiet = True
        self.wp, self.kernel, self.scene, self.clip = warp, draw, scene, clip
        tb = clip.tables

        def put(x: np.ndarray, kind: Any) -> Any:
            return warp.array(np.ascontiguousarray(x), dtype=kind, device="cpu")

        self.kind = put(tb.kind.astype(np.int32), warp.int32)
        self.size = put(tb.vectors("sx sy sz")[0].astype(np.float32), warp.vec3)
        self.colour = put(tb.vectors("r0 g0 b0")[0].astype(np.float32), warp.vec3)
        self.place = [put(p.astype(np.float32), warp.vec3) for p in clip.positions]
        self.turn = [put(r.astype(np.float32), warp.mat33) for r in clip.rotations]

    def frame(self, f: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """RGB, depth and identities of one frame."""
        wp, clip = self.wp, self.clip
        rgb = wp.empty((size, size), dtype=wp.vec3, device="cpu")
        depth = wp.empty((size, size), dtype=wp.float32, device="cpu")
        ids = wp.empty((size, size), dtype=wp.int32, device="cpu")
        given = [self.kind, self.size, self.place[f], self.turn[f], self.colour]
        given += [wp.vec3(*clip.eyes[f]), wp.mat33(*clip.axes[f].reshape(-1)), wp.vec3(*clip.sun[f])]
        given += [2 * clip.tangent / size, rgb, depth, ids]
        wp.launch(self.kernel, dim=(size, size), inputs=given, device="cpu")
        image = (255 * np.sqrt(rgb.numpy()) + 0.5).astype(np.uint8)
        return image, depth.numpy(), ids.numpy()
