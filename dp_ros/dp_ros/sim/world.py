# SPDX-License-Identifier: Apache-2.0
"""A Franka FR3 in MuJoCo that follows commanded joint positions at 1 kHz and takes pictures."""

from __future__ import annotations

from typing import Final

from dp_ros.sim import kinematics
from dp_ros.sim.model import CAMERAS, FINGER_OPEN, HULL_GROUP, build_model
from dp_ros.sim.scene import GOAL_TOLERANCE, OBSTACLE_HEIGHT, Scene
import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PERIOD: Final = 0.001
"""Time between two commands, and the simulation's step [s]."""

READY: Final = np.array([0.0, 0.1, 0.0, -2.6, 0.0, 2.7, np.pi / 4])
"""A joint position on the branch of solutions that the task uses [rad]."""

_N = 7
_FINGER_COMMAND = 255.0 / FINGER_OPEN


class FrankaWorld:
    """The simulated arm, its scene and its cameras.

    Deterministic: the same scene and commands give the same states and images.
    """

    def __init__(self, scene: Scene) -> None:
        self._model = build_model()
        self._model.opt.timestep = PERIOD
        self._data = mujoco.MjData(self._model)
        self._lag = self._servo_lag()
        self._goal_id = self._model.body('goal').mocapid[0]
        self._obstacle_id = self._model.body('obstacle').mocapid[0]
        self._renderers: dict[tuple[int, int], mujoco.Renderer] = {}
        self._options = mujoco.MjvOption()
        self._options.geomgroup[HULL_GROUP] = 1
        self.reset(scene)

    def reset(self, scene: Scene) -> None:
        """Put the arm at rest at the scene's start, fingers closed, and forget all contacts."""
        mujoco.mj_resetData(self._model, self._data)
        self.collision = ''
        self.start_positions = kinematics.inverse(np.asarray(scene.start), READY)
        self._data.qpos[:_N] = self.start_positions
        self._data.ctrl[:_N] = self.start_positions
        self._data.mocap_pos[self._obstacle_id] = (*scene.obstacle, OBSTACLE_HEIGHT / 2)
        self.set_scene(scene)
        mujoco.mj_forward(self._model, self._data)

    def set_scene(self, scene: Scene) -> None:
        """Move the goal to where it lies in ``scene``; the arm goes on."""
        self.scene = scene
        self._data.mocap_pos[self._goal_id] = (*scene.goal, 0.001)

    def step(self, positions: Array, velocities: Array, fingers: Array | float = 0.0) -> Array:
        """Follow commands, one per millisecond.

        :param positions: (n, 7) [rad]; ``velocities`` (n, 7) [rad/s] of the same commands, fed
            forward against the servos' lag.
        :param fingers: (n,) commanded position of each of the two fingers [m].
        :returns: (n, 7) the joint positions reached [rad].
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

    def render(
        self, camera: str = 'front', height: int = 96, width: int = 96
    ) -> NDArray[np.uint8]:
        """Return the camera's image (height, width, 3), rgb."""
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
        """(9,) joints 1 to 7 [rad] and the two fingers [m]."""
        return self._data.qpos[: _N + 2].copy()

    @property
    def joint_velocities(self) -> Array:
        """(9,) [rad/s], fingers [m/s]."""
        return self._data.qvel[: _N + 2].copy()

    @property
    def tcp(self) -> Array:
        """(3,) TCP position in the base frame [m]."""
        return kinematics.forward(self._data.qpos[:_N])

    @property
    def distance(self) -> float:
        """From the TCP to the goal point [m]."""
        return float(np.linalg.norm(self.tcp - self.scene.goal_point))

    @property
    def reached(self) -> bool:
        """Whether the TCP is at the goal and nothing was touched since the reset."""
        return not self.collision and self.distance <= GOAL_TOLERANCE

    def _servo_lag(self) -> Array:
        gain = self._model.actuator_gainprm[:_N, 0]
        damping = -self._model.actuator_biasprm[:_N, 2]
        return damping / gain

    def _contact(self) -> str:
        """Name what the arm touches: 'obstacle', 'table' or ''."""
        for geoms in self._data.contact.geom[: self._data.ncon]:
            names = {self._model.geom(int(geom)).name for geom in geoms}
            for thing in ('obstacle', 'table'):
                if thing in names and not names <= {'obstacle', 'table', 'fr3_link0_collision'}:
                    return thing
        return ''


def intrinsics(camera: str, height: int, width: int) -> Array:
    """Pinhole matrix (3, 3) of a camera's image [px]; pixels are square, no distortion."""
    focal = height / 2 / np.tan(np.deg2rad(CAMERAS[camera].fovy) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
