# SPDX-License-Identifier: Apache-2.0
"""Tasks in which the TCP comes to a goal disc around a cylinder, on either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from dp_ros.arrays import Array
from dp_ros.robot.kinematics import forward
from dp_ros.sim.scenario import Scenario, SimCamera, place_mocap
from dp_ros.sim.scenarios.obstacle.scene import GOAL_TOLERANCE, OBSTACLE_HEIGHT, ObstacleScene
import mujoco
import numpy as np

if TYPE_CHECKING:
    from dp_ros.sim.world import FrankaWorld

_OBSTACLE_COLOUR: Final = (0.85, 0.15, 0.1, 1.0)
_GOAL_COLOUR: Final = (0.1, 0.8, 0.2, 1.0)


class ObstacleScenario(Scenario[ObstacleScene]):
    """The TCP comes to the goal point without touching the obstacle or the table."""

    cameras: ClassVar[Mapping[str, SimCamera]] = {
        'front': SimCamera('world', (1.25, 0.0, 0.75), (0.565, 0.0, 0.03), (0.0, 0.0, 1.0), 34.0),
        'wrist': SimCamera('hand', (0.07, 0.0, 0.02), (0.02, 0.0, 0.2), (1.0, 0.0, 0.0), 70.0),
    }
    obstacles: ClassVar[Mapping[str, str]] = {'obstacle': 'obstacle', 'table': 'table'}
    sides: ClassVar[tuple[str, ...]] = ('left', 'right')
    tolerance: ClassVar = GOAL_TOLERANCE
    radius: ClassVar[float]
    """Radius of the obstacle [m]."""

    def furnish(self, spec: mujoco.MjSpec) -> None:
        """Add the obstacle and the disc."""
        for name, size, colour in (
            ('obstacle', [self.radius, OBSTACLE_HEIGHT / 2, 0], _OBSTACLE_COLOUR),
            ('goal', [0.03, 0.001, 0], _GOAL_COLOUR),
        ):
            body = spec.worldbody.add_body(name=name, mocap=True)
            geom = body.add_geom(
                name=name, type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=size, rgba=colour
            )
            geom.contype = geom.conaffinity = int(name == 'obstacle')

    def place(self, model: mujoco.MjModel, data: mujoco.MjData, scene: ObstacleScene) -> None:
        """Put obstacle and disc in their places."""
        place_mocap(model, data, 'obstacle', (*scene.obstacle, OBSTACLE_HEIGHT / 2))
        place_mocap(model, data, 'goal', (*scene.goal, 0.001))

    def rearrange(self, model: mujoco.MjModel, data: mujoco.MjData, scene: ObstacleScene) -> None:
        """Move obstacle and disc to their places."""
        self.place(model, data, scene)

    def distance(self, world: FrankaWorld) -> float:
        """Return the distance of the TCP from the goal point [m]."""
        return float(np.linalg.norm(world.tcp - world.scene.goal_point))

    def succeeded(self, world: FrankaWorld) -> bool:
        """Tell whether the TCP is within the tolerance."""
        return self.distance(world) <= self.tolerance

    def side(self, world: FrankaWorld) -> str:
        """Return on which side the TCP passes the obstacle."""
        tcp, obstacle = world.tcp, world.scene.obstacle
        if tcp[0] < obstacle[0]:
            return ''
        return 'left' if tcp[1] > obstacle[1] else 'right'

    def leads_to(self, scene: ObstacleScene, positions: Array) -> str:
        """Return the side on which the path is where it is level with the obstacle, or nearly."""
        tcp = forward(positions)[:, :2]
        if tcp[0, 0] > scene.obstacle[0]:
            return ''
        aside = tcp[np.abs(tcp[:, 0] - scene.obstacle[0]).argmin(), 1] - scene.obstacle[1]
        if abs(aside) < scene.radius:
            return ''
        return 'left' if aside > 0 else 'right'
