# SPDX-License-Identifier: Apache-2.0
"""The simulated side of a task: scenes, objects, cameras, and the check of success."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from dp_ros.arrays import Array
import mujoco
import numpy as np

if TYPE_CHECKING:
    from dp_ros.sim.world import FrankaWorld

Point2D = tuple[float, float]
Point3D = tuple[float, float, float]


@dataclass(frozen=True)
class SimCamera:
    """A camera fixed to a body of the model.

    :param eye: position in the body's frame [m]; ``target``: point that it looks at.
    :param up: direction that is up in the image; ``fovy``: vertical field of view [deg].
    """

    body: str
    eye: Point3D
    target: Point3D
    up: Point3D
    fovy: float

    def rotation(self) -> Array:
        """Rotation (3, 3) in the body's frame; columns are right, up, backwards, as in MuJoCo."""
        z = np.subtract(self.eye, self.target)
        z /= np.linalg.norm(z)
        x = np.cross(self.up, z)
        x /= np.linalg.norm(x)
        return np.stack([x, np.cross(z, x), z], axis=1)


class Scene(Protocol):
    """One scene of a task, in the base frame [m]."""

    @property
    def seed(self) -> int:
        """Seed of the scene."""

    @property
    def start(self) -> Point3D:
        """Position of the TCP at the start [m]."""

    @property
    def goal_point(self) -> Point3D:
        """Point where the task ends [m]."""

    def with_goal(self, goal: Point2D) -> Self:
        """Return the same scene with its goal elsewhere.

        :raises ValueError: when the goal cannot be there.
        """


S = TypeVar('S', bound=Scene)


class Scenario(ABC, Generic[S]):
    """The simulated side of one task.

    The methods with a `world` are called after every 10 ms of simulated time.
    """

    name: ClassVar[str]
    cameras: ClassVar[Mapping[str, SimCamera]]
    obstacles: ClassVar[Mapping[str, str]]
    """Geometries that the arm must not touch, and their names in messages."""
    tolerated: ClassVar[frozenset[str]] = frozenset({'fr3_link0_collision'})
    """Geometries that may touch everything."""
    objects: ClassVar[tuple[str, ...]] = ()
    """Names of the bodies that can be moved."""
    sides: ClassVar[tuple[str, ...]]
    """Names of the ways in which the task can be done."""
    finger_start: ClassVar[float] = 0.0
    """Position of each finger at the start [m]."""
    tolerance: ClassVar[float] = 0.0
    """Largest distance from the goal point that counts as reached [m]."""

    @abstractmethod
    def sample(self, seed: int) -> S:
        """Return the scene of a seed."""

    @abstractmethod
    def furnish(self, spec: mujoco.MjSpec) -> None:
        """Add the objects of the task to the model of arm and table."""

    @abstractmethod
    def place(self, model: mujoco.MjModel, data: mujoco.MjData, scene: S) -> None:
        """Put all objects at their start."""

    @abstractmethod
    def rearrange(self, model: mujoco.MjModel, data: mujoco.MjData, scene: S) -> None:
        """Move what people may move, as the goal, to its place in the scene; the rest stays."""

    @abstractmethod
    def distance(self, world: FrankaWorld) -> float:
        """Return the distance that is left to the goal [m]."""

    @abstractmethod
    def succeeded(self, world: FrankaWorld) -> bool:
        """Tell whether the task is done; collisions are judged elsewhere."""

    def failed(self, world: FrankaWorld) -> bool:
        """Tell whether the task can no longer be done; collisions are judged elsewhere."""
        return False

    def progress(self, scene: S, distance: float, side: str) -> float:
        """Return the share of the task that is done, from 0 to 1: that of the way to the goal.

        :param distance: distance that is left to the goal [m].
        :param side: the one of ``sides`` that was taken, '' while that is open.
        """
        way = float(np.linalg.norm(np.subtract(scene.start, scene.goal_point)))
        return min(1.0, max(0.0, 1.0 - distance / way))

    @abstractmethod
    def side(self, world: FrankaWorld) -> str:
        """Return the one of ``sides`` that is taken, '' while that is open."""

    def leads_to(self, scene: S, positions: Array) -> str:
        """Return the one of ``sides`` that joint positions (n, 7) lead to, '' where that is open.

        :param positions: successive positions of a chunk [rad].
        """
        return ''


AnyScenario = Scenario[Any]


def place_mocap(model: mujoco.MjModel, data: mujoco.MjData, body: str, position: Point3D) -> None:
    """Put a mocap body, which only this function moves, at a position [m]."""
    data.mocap_pos[model.body(body).mocapid[0]] = position
