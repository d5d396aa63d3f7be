# SPDX-License-Identifier: Apache-2.0
"""A Franka FR3 in MuJoCo that follows commanded joint positions at 1 kHz, with its cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dp_ros.arrays import Array, Rgb
from dp_ros.robot import kinematics
from dp_ros.sim.model import FINGER_OPEN, HULL_GROUP, build_model
from dp_ros.sim.scenario import AnyScenario, Scene, SimCamera
import mujoco
import numpy as np
from numpy.typing import NDArray

PERIOD: Final = 0.001
"""Time between two commands, and the simulation's step [s]."""

READY: Final = np.array([0.0, 0.1, 0.0, -2.6, 0.0, 2.7, np.pi / 4])
"""Joint positions (7,) on the branch of solutions that the tasks use [rad]."""

_N = 7
_FINGER_COMMAND = 255.0 / FINGER_OPEN
_ARM, _TOLERATED = 0, -1


@dataclass(frozen=True)
class Thing:
    """A simple body on the table.

    :param kind: shape: 'box' or 'cylinder'; ``size``: (3,) diameters [m].
    :param pose: (7,) position [m] and quaternion, w first; ``colour``: red, green, blue, alpha.
    """

    kind: str
    size: Array
    pose: Array
    colour: Array


class FrankaWorld:
    """The simulated arm, its scene and its cameras.

    It is deterministic: the same scene and commands give the same states and images.
    """

    def __init__(self, scene: Scene, scenario: AnyScenario) -> None:
        self.scenario = scenario
        self._model = build_model(scenario)
        self._model.opt.timestep = PERIOD
        self._data = mujoco.MjData(self._model)
        self._lag = self._servo_lag()
        self._touched = ('', *dict.fromkeys(scenario.obstacles.values()))
        self._kinds = self._geom_kinds()
        roots = self._model.body_rootid[self._model.geom_bodyid]
        arm = self._model.body('base').id
        self._thing_ids = np.flatnonzero((roots != arm) & (roots != 0)).tolist()
        self._renderers: dict[tuple[int, int], mujoco.Renderer] = {}
        self._options = mujoco.MjvOption()
        self._options.geomgroup[HULL_GROUP] = 1
        self.reset(scene)

    def reset(self, scene: Scene) -> None:
        """Put the arm at rest at the scene's start, and forget all contacts."""
        mujoco.mj_resetData(self._model, self._data)
        self.collision = ''
        self.start_positions = kinematics.inverse(np.asarray(scene.start), READY)
        self._data.qpos[:_N] = self.start_positions
        self._data.qpos[_N : _N + 2] = self.scenario.finger_start
        self._data.ctrl[:_N] = self.start_positions
        self._data.ctrl[_N] = self.scenario.finger_start * _FINGER_COMMAND
        self.scene: Any = scene
        self.scenario.place(self._model, self._data, scene)
        mujoco.mj_forward(self._model, self._data)

    def set_scene(self, scene: Scene) -> None:
        """Move what people may move to its place in ``scene``; the arm goes on."""
        self.scene = scene
        self.scenario.rearrange(self._model, self._data, scene)
        mujoco.mj_kinematics(self._model, self._data)  # So that `things` are there too.

    def step(self, positions: Array, velocities: Array, fingers: Array | float = 0.0) -> Array:
        """Follow n commands, one per millisecond.

        :param positions: (n, 7) commanded positions [rad].
        :param velocities: (n, 7) commanded velocities [rad/s], fed forward against servo lag.
        :param fingers: (n,) commanded position of each of the two fingers [m].
        :returns: (n, 7) reached joint positions [rad].
        """
        measured = np.empty_like(positions)
        controls = np.empty((len(positions), _N + 1))
        controls[:, :_N] = positions + self._lag * velocities
        controls[:, _N] = np.multiply(fingers, _FINGER_COMMAND)
        for index, control in enumerate(controls):
            self._data.ctrl[:] = control
            mujoco.mj_step(self._model, self._data)
            measured[index] = self._data.qpos[:_N]
            self.collision = self.collision or self._contact()
        return measured

    def render(self, camera: str = 'front', height: int = 96, width: int = 96) -> Rgb:
        """Return the image (height, width, 3) of a camera, rgb."""
        renderer = self._renderers.get((height, width))
        if renderer is None:
            renderer = mujoco.Renderer(self._model, height, width)
            renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
            renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
            self._renderers[height, width] = renderer
        renderer.update_scene(self._data, camera, self._options)
        return renderer.render()

    def close(self) -> None:
        """Free the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    @property
    def joint_positions(self) -> Array:
        """Positions (9,) of joints 1 to 7 [rad] and of the two fingers [m]."""
        return self._data.qpos[: _N + 2].copy()

    @property
    def joint_velocities(self) -> Array:
        """Velocities (9,) of joints 1 to 7 [rad/s] and of the two fingers [m/s]."""
        return self._data.qvel[: _N + 2].copy()

    @property
    def tcp(self) -> Array:
        """Position (3,) of the TCP in the base frame [m]."""
        return kinematics.forward(self._data.qpos[:_N])

    @property
    def hand_yaw(self) -> float:
        """Angle of the hand about the vertical [rad], 0 at the start."""
        return kinematics.hand_yaw(self._data.qpos[:_N])

    @property
    def object_poses(self) -> Array:
        """Poses (n, 7) of the task's objects: position [m] and quaternion, w first."""
        bodies = [self._data.body(name) for name in self.scenario.objects]
        return np.array([[*body.xpos, *body.xquat] for body in bodies]).reshape(-1, 7)

    @property
    def things(self) -> list[Thing]:
        """Bodies of the task on the table, with their present poses."""
        return [self._thing(geom) for geom in self._thing_ids]

    @property
    def distance(self) -> float:
        """Distance that is left to the goal [m]."""
        return self.scenario.distance(self)

    @property
    def reached(self) -> bool:
        """Whether the task is done, and no obstacle was touched since the reset."""
        return not self.collision and self.scenario.succeeded(self)

    def touching(self, body: str) -> list[str]:
        """Return the names of the bodies that a body touches."""
        number = self._model.body(body).id
        pairs = self._model.geom_bodyid[self._data.contact.geom[: self._data.ncon]]
        mine = pairs[(pairs == number).any(axis=1)]
        return [self._model.body(int(other)).name for other in mine[mine != number]]

    def speed(self, body: str) -> float:
        """Return the speed of an object of the task [m/s]."""
        return float(np.linalg.norm(self._data.joint(body).qvel[:3]))

    def _servo_lag(self) -> Array:
        gain = self._model.actuator_gainprm[:_N, 0]
        damping = -self._model.actuator_biasprm[:_N, 2]
        return damping / gain

    def _geom_kinds(self) -> NDArray[np.int64]:
        """Kind of each geometry: part of the arm, tolerated, or an index into ``_touched``."""
        kinds = np.full(self._model.ngeom, _ARM)
        for geom, label in self.scenario.obstacles.items():
            kinds[self._model.geom(geom).id] = self._touched.index(label)
        for geom in self.scenario.tolerated:
            kinds[self._model.geom(geom).id] = _TOLERATED
        return kinds

    def _thing(self, geom: int) -> Thing:
        """Return a geometry with diameters; MuJoCo has radii and half lengths."""
        kind = mujoco.mjtGeom(self._model.geom_type[geom])
        size = self._model.geom_size[geom]
        if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
            size = size[[0, 0, 1]]
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, self._data.geom_xmat[geom])
        pose = np.concatenate([self._data.geom_xpos[geom], quaternion])
        name = kind.name.removeprefix('mjGEOM_').lower()
        return Thing(name, 2 * size, pose, self._model.geom_rgba[geom].astype(np.float64))

    def _contact(self) -> str:
        """Return the name of the obstacle that the arm touches, or ''."""
        pairs = self._kinds[self._data.contact.geom[: self._data.ncon]]
        hit = pairs.max(axis=1)[pairs.min(axis=1) == _ARM]
        return self._touched[hit[0]] if len(hit) else ''


def intrinsics(camera: SimCamera, height: int, width: int) -> Array:
    """Return the pinhole matrix (3, 3) of a camera's image [px]: square pixels, no distortion."""
    focal = height / 2 / np.tan(np.deg2rad(camera.fovy) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
