# SPDX-License-Identifier: Apache-2.0
"""What a task is to the simulation: scenes, things on the table, cameras, and a judgement."""

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

    :param eye: its position in the body's frame [m]; ``target``: the point it looks at.
    :param up: the direction that is up in the image; ``fovy``: vertical field of view [deg].
    """

    body: str
    eye: Point3D
    target: Point3D
    up: Point3D
    fovy: float

    def rotation(self) -> Array:
        """Columns are x right, y up, z backwards in the body's frame, as MuJoCo's cameras."""
        z = np.subtract(self.eye, self.target)
        z /= np.linalg.norm(z)
        x = np.cross(self.up, z)
        x /= np.linalg.norm(x)
        return np.stack([x, np.cross(z, x), z], axis=1)


class Scene(Protocol):
    """One scene of a task, in the base frame [m]."""

    @property
    def seed(self) -> int:
        """The seed that gives this scene."""

    @property
    def start(self) -> Point3D:
        """TCP position at the start."""

    @property
    def goal_point(self) -> Point3D:
        """The point where the task ends."""

    def with_goal(self, goal: Point2D) -> Self:
        """Return the same scene with its goal elsewhere.

        :raises ValueError: when the goal cannot be there.
        """


S = TypeVar('S', bound=Scene)


class Scenario(ABC, Generic[S]):
    """The simulated side of one task.

    What is asked about a `world` is asked after every ten milliseconds of it.
    """

    name: ClassVar[str]
    cameras: ClassVar[Mapping[str, SimCamera]]
    obstacles: ClassVar[Mapping[str, str]]
    """Geometries that the arm must not touch, and what they are called when it does."""
    tolerated: ClassVar[frozenset[str]] = frozenset({'fr3_link0_collision'})
    """Geometries that may touch everything."""
    objects: ClassVar[tuple[str, ...]] = ()
    """Bodies that can be moved."""
    sides: ClassVar[tuple[str, ...]]
    """The ways in which the task can be done."""
    finger_start: ClassVar[float] = 0.0
    """Position of each finger at the start [m]."""
    tolerance: ClassVar[float] = 0.0
    """How far from the goal point counts as there [m]."""

    @abstractmethod
    def sample(self, seed: int) -> S:
        """Return the scene of a seed."""

    @abstractmethod
    def furnish(self, spec: mujoco.MjSpec) -> None:
        """Put the task's things into the model, beside the arm and the table."""

    @abstractmethod
    def place(self, model: mujoco.MjModel, data: mujoco.MjData, scene: S) -> None:
        """Put everything where it is at the start."""

    @abstractmethod
    def move_goal(self, model: mujoco.MjModel, data: mujoco.MjData, scene: S) -> None:
        """Put the goal where it lies in the scene; the rest stays."""

    @abstractmethod
    def distance(self, world: FrankaWorld) -> float:
        """Return how far the task is from its end [m]."""

    @abstractmethod
    def succeeded(self, world: FrankaWorld) -> bool:
        """Whether the task is done, collisions aside."""

    def failed(self, world: FrankaWorld) -> bool:
        """Whether the task cannot be done any more, collisions aside."""
        return False

    @abstractmethod
    def side(self, world: FrankaWorld) -> str:
        """Name which one of ``sides`` is taken, '' while that is open."""


AnyScenario = Scenario[Any]


def place_mocap(model: mujoco.MjModel, data: mujoco.MjData, body: str, position: Point3D) -> None:
    """Put a body that nothing moves but this at a position [m]."""
    data.mocap_pos[model.body(body).mocapid[0]] = position
