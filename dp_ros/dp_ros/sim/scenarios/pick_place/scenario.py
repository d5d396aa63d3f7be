# SPDX-License-Identifier: Apache-2.0
"""The task `pick_place`: a cube, wherever it lies, is put into a bin.

The cube can be gripped by either of its two pairs of faces, and looks the same from both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from dp_ros.arrays import Array
from dp_ros.robot.kinematics import forward, hand_yaw
from dp_ros.sim.model import FINGER_OPEN
from dp_ros.sim.scenario import Point2D, Point3D, Scenario, SimCamera, place_mocap
import mujoco
import numpy as np

if TYPE_CHECKING:
    from dp_ros.sim.world import FrankaWorld


CUBE_SIZE: Final = 0.04
CUBE_MASS: Final = 0.05
CUBE_X: Final = (0.44, 0.58)
CUBE_Y: Final = (-0.16, 0.02)
BIN_X: Final = (0.48, 0.54)
BIN_Y: Final = (0.17, 0.21)
BIN_INSIDE: Final = 0.12
BIN_HEIGHT: Final = 0.05
START: Final = (0.48, 0.0, 0.26)

_WALL: Final = 0.004
_LIFTED: Final = CUBE_SIZE
_LOW: Final = 3 * CUBE_SIZE
_AT_REST: Final = 0.05
_WORKSPACE: Final = 0.75
_CUBE_COLOUR: Final = (0.9, 0.45, 0.05, 1.0)
_BIN_COLOUR: Final = (0.1, 0.35, 0.8, 1.0)


@dataclass(frozen=True)
class PickPlaceScene:
    """One scene of the task, in the base frame [m].

    :param start: position of the TCP at the start (x, y, z).
    :param cube: centre of the cube (x, y); ``yaw``: its angle about z, within ±45° [rad].
    :param goal: centre of the bin (x, y).
    """

    seed: int
    start: Point3D
    cube: Point2D
    yaw: float
    goal: Point2D

    @property
    def goal_point(self) -> Point3D:
        """Centre of the cube when it lies in the middle of the bin [m]."""
        return (*self.goal, _WALL + CUBE_SIZE / 2)

    def with_goal(self, goal: Point2D) -> PickPlaceScene:
        """Return the same scene with its bin elsewhere.

        :raises ValueError: when the bin would be outside the area that the arm can reach.
        """
        for axis, value, (low, high) in zip('xy', goal, (BIN_X, BIN_Y), strict=True):
            if not low <= value <= high:
                raise ValueError(f'goal {axis} = {value:.3f} m: needs {low} to {high} m')
        return replace(self, goal=goal)


class PickPlace(Scenario[PickPlaceScene]):
    """The task: the released cube lies in the bin; the arm touched neither bin nor table."""

    name: ClassVar = 'pick_place'
    cameras: ClassVar[Mapping[str, SimCamera]] = {
        'front': SimCamera('world', (1.1, 0.02, 0.62), (0.49, 0.02, 0.04), (0.0, 0.0, 1.0), 42.0),
        'wrist': SimCamera('hand', (0.07, 0.0, 0.02), (0.02, 0.0, 0.2), (1.0, 0.0, 0.0), 75.0),
    }
    obstacles: ClassVar[Mapping[str, str]] = {
        'table': 'table',
        **{f'bin_{part}': 'bin' for part in ('floor', 'left', 'right', 'near', 'far')},
    }
    tolerated: ClassVar = Scenario.tolerated | {'cube'}
    objects: ClassVar = ('cube',)
    sides: ClassVar[tuple[str, ...]] = ('side_faces', 'end_faces')
    finger_start: ClassVar = FINGER_OPEN

    def sample(self, seed: int) -> PickPlaceScene:
        """Return the scene of a seed."""
        rng = np.random.default_rng(seed)
        return PickPlaceScene(
            seed=seed,
            start=(
                START[0] + rng.uniform(-0.02, 0.02),
                START[1] + rng.uniform(-0.02, 0.02),
                START[2] + rng.uniform(-0.01, 0.01),
            ),
            cube=(rng.uniform(*CUBE_X), rng.uniform(*CUBE_Y)),
            yaw=rng.uniform(-np.pi / 4, np.pi / 4),
            goal=(rng.uniform(*BIN_X), rng.uniform(*BIN_Y)),
        )

    def furnish(self, spec: mujoco.MjSpec) -> None:
        """Add the cube and the bin, with contacts that hold a gripped cube."""
        spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        spec.option.impratio = 10
        cube = spec.worldbody.add_body(name='cube')
        cube.add_freejoint(name='cube')
        cube.add_geom(
            name='cube',
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[CUBE_SIZE / 2] * 3,
            mass=CUBE_MASS,
            condim=4,
            friction=[1.0, 0.02, 0.001],
            rgba=_CUBE_COLOUR,
        )
        tray = spec.worldbody.add_body(name='bin', mocap=True)
        for name, (position, size) in _bin_parts().items():
            tray.add_geom(
                name=f'bin_{name}',
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=position,
                size=size,
                rgba=_BIN_COLOUR,
            )

    def place(self, model: mujoco.MjModel, data: mujoco.MjData, scene: PickPlaceScene) -> None:
        """Put the cube on the table and the bin in its place."""
        half = scene.yaw / 2
        data.joint('cube').qpos = (
            *scene.cube,
            CUBE_SIZE / 2,
            np.cos(half),
            0.0,
            0.0,
            np.sin(half),
        )
        self.rearrange(model, data, scene)

    def rearrange(self, model: mujoco.MjModel, data: mujoco.MjData, scene: PickPlaceScene) -> None:
        """Move the bin to the goal."""
        place_mocap(model, data, 'bin', (*scene.goal, 0.0))

    def distance(self, world: FrankaWorld) -> float:
        """Return the distance of the cube from the middle of the bin, in the plane [m]."""
        cube = world.object_poses[0]
        return float(np.linalg.norm(cube[:2] - world.scene.goal))

    def succeeded(self, world: FrankaWorld) -> bool:
        """Tell whether the cube lies inside the bin's walls and the arm does not hold it."""
        cube = world.object_poses[0]
        inside = np.abs(cube[:2] - world.scene.goal).max() < (BIN_INSIDE - CUBE_SIZE) / 2 + 0.01
        if not inside or cube[2] > BIN_HEIGHT:
            return False
        return set(world.touching('cube')) <= {'bin'} and world.speed('cube') < _AT_REST

    def failed(self, world: FrankaWorld) -> bool:
        """Tell whether the cube has left the arm's reach."""
        cube = world.object_poses[0]
        return bool(cube[2] < 0.0 or np.linalg.norm(cube[:2]) > _WORKSPACE)

    def progress(self, scene: PickPlaceScene, distance: float, side: str) -> float:
        """Return half for the cube lifted, and half for the share of its way to the bin."""
        if not side:
            return 0.0
        way = float(np.linalg.norm(np.subtract(scene.cube, scene.goal)))
        return 0.5 + 0.5 * min(1.0, max(0.0, 1.0 - distance / way))

    def side(self, world: FrankaWorld) -> str:
        """Return by which faces the cube is lifted: those at its sides, or those at its ends."""
        cube = world.object_poses[0]
        if cube[2] < _LIFTED or 'left_finger' not in world.touching('cube'):
            return ''
        return grip_side(cube[3:], world.hand_yaw)

    def leads_to(self, scene: PickPlaceScene, positions: Array) -> str:
        """Return by which faces the cube would be gripped where the path ends, low above it."""
        tcp = forward(positions[-1])
        if tcp[2] > _LOW or np.linalg.norm(tcp[:2] - scene.cube) > CUBE_SIZE / 2:
            return ''
        half = scene.yaw / 2
        return grip_side(np.array([np.cos(half), 0.0, 0.0, np.sin(half)]), hand_yaw(positions[-1]))


PICK_PLACE: Final = PickPlace()


def grip_side(quaternion: Array, hand_yaw: float) -> str:
    """Return the name of the faces between the fingers, which move along the hand's y.

    :param quaternion: (4,) orientation of the cube; its y faces are those at its sides.
    """
    w, x, y, z = quaternion
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    across = np.abs(np.sin(hand_yaw - yaw)) > np.sqrt(0.5)
    return 'end_faces' if across else 'side_faces'


def _bin_parts() -> Mapping[str, tuple[Point3D, Point3D]]:
    """Return positions and half sizes of the bin's boxes in its frame [m]."""
    half, height, wall = BIN_INSIDE / 2, BIN_HEIGHT / 2, _WALL / 2
    reach, outer = half + wall, half + _WALL
    return {
        'floor': ((0.0, 0.0, wall), (outer, outer, wall)),
        'left': ((0.0, reach, height), (outer, wall, height)),
        'right': ((0.0, -reach, height), (outer, wall, height)),
        'near': ((-reach, 0.0, height), (wall, outer, height)),
        'far': ((reach, 0.0, height), (wall, outer, height)),
    }
