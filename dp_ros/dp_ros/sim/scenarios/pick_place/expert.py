# SPDX-License-Identifier: Apache-2.0
"""The scripted expert of `pick_place`: two grips of the cube, two ways to approach it.

```
          over the cube    down   grip   up    over the bin   let go  up
TCP    ───╱‾‾‾‾‾‾‾‾‾‾‾╲____________________╱‾‾‾‾‾‾‾‾‾‾‾‾‾‾╲________________╱───
fingers   open                    close ────────────────────── open
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dp_ros.arrays import Array
from dp_ros.robot.trajectory import Trajectory
from dp_ros.sim.expert_motion import joint_trajectory, minimum_jerk, path_times
from dp_ros.sim.model import FINGER_OPEN
from dp_ros.sim.scenarios.pick_place.scenario import PickPlaceScene
import numpy as np

Grip = Literal['side_faces', 'end_faces']
Order = Literal['turn_first', 'move_first']

GRIPS: Final[tuple[Grip, Grip]] = ('side_faces', 'end_faces')
ORDERS: Final[tuple[Order, Order]] = ('turn_first', 'move_first')

FINGER: Final = 'fr3_finger_joint1'
"""Joint that represents both fingers, which move alike."""

_HOVER, _GRASP, _CARRY, _RELEASE, _LEAVE = 0.13, 0.021, 0.16, 0.11, 0.19
_GRIP_TIME, _OPEN_TIME, _HOLD = 1.1, 0.8, 0.4


@dataclass(frozen=True)
class Demonstration:
    """Arm and finger trajectories of one demonstration; ``start_ns`` is 0 in both."""

    arm: Trajectory
    fingers: Trajectory

    @property
    def duration(self) -> float:
        """Length of the demonstration [s]."""
        return float(self.arm.times[-1])


@dataclass(frozen=True)
class _HandMove:
    """A minimum-jerk displacement (4,) in x, y, z [m] and yaw [rad]; motions add up."""

    by: tuple[float, float, float, float]
    begin: float
    duration: float

    @property
    def end(self) -> float:
        return self.begin + self.duration

    def at(self, times: Array) -> Array:
        progress = minimum_jerk((times - self.begin) / self.duration)
        return progress[:, None] * np.array(self.by)


def plan_pick_place(
    scene: PickPlaceScene, grip: Grip, order: Order, rng: np.random.Generator
) -> Demonstration:
    """Plan one demonstration; its pace and its grip vary at random."""
    poses, close, release = hand_path(scene, grip, order, rng)
    arm = joint_trajectory(poses[:, :3], poses[:, 3])
    return Demonstration(arm, _finger_target(close, release, float(arm.times[-1])))


def hand_path(
    scene: PickPlaceScene, grip: Grip, order: Order, rng: np.random.Generator
) -> tuple[Array, float, float]:
    """Return x, y, z [m] and yaw [rad] (n, 4) every 10 ms, and when to close and open [s]."""
    pace = rng.uniform(0.9, 1.15)
    wobble = rng.normal(0.0, 0.002, 2)
    yaw = grip_yaw(scene.yaw, grip)
    cube = (scene.cube[0] + wobble[0], scene.cube[1] + wobble[1])
    approach = _approach(scene, cube, yaw, order, pace)
    down = _HandMove((0.0, 0.0, _GRASP - _HOVER, 0.0), approach[-1].end - 0.2, 0.9 * pace)
    close = down.end + 0.1
    carry = _carry(scene, cube, yaw, close + _GRIP_TIME, pace)
    release = carry[-1].end + 0.1
    leave = _HandMove((0.0, 0.0, _LEAVE - _RELEASE, 0.0), release + _OPEN_TIME, 0.7 * pace)
    times = path_times(leave.end + _HOLD)
    poses = np.array([*scene.start, 0.0]) + sum(
        motion.at(times) for motion in (*approach, down, *carry, leave)
    )
    return poses, close, release


def grip_yaw(cube_yaw: float, grip: Grip) -> float:
    """Return the angle of the hand for a grip [rad], within ±90°."""
    if grip == 'side_faces':
        return cube_yaw
    turned = cube_yaw - np.pi / 2 if cube_yaw > 0 else cube_yaw + np.pi / 2
    return float(turned)


def _approach(
    scene: PickPlaceScene, cube: tuple[float, float], yaw: float, order: Order, pace: float
) -> tuple[_HandMove, _HandMove]:
    """Turn the hand and move it above the cube, one after the other with some overlap."""
    shift = (cube[0] - scene.start[0], cube[1] - scene.start[1], _HOVER - scene.start[2], 0.0)
    turn_time = (0.5 + 0.5 * abs(yaw)) * pace
    move_time = 1.3 * pace
    if order == 'turn_first':
        turn = _HandMove((0.0, 0.0, 0.0, yaw), 0.0, turn_time)
        return turn, _HandMove(shift, 0.6 * turn_time, move_time)
    move = _HandMove(shift, 0.0, move_time)
    turn = _HandMove((0.0, 0.0, 0.0, yaw), 0.7 * move_time, turn_time)
    return (move, turn) if turn.end > move.end else (turn, move)


def _carry(
    scene: PickPlaceScene, cube: tuple[float, float], yaw: float, begin: float, pace: float
) -> tuple[_HandMove, ...]:
    """Lift the cube, bring it above the bin with the hand turned back, and lower it."""
    lift = _HandMove((0.0, 0.0, _CARRY - _GRASP, 0.0), begin, 0.8 * pace)
    shift = (scene.goal[0] - cube[0], scene.goal[1] - cube[1], 0.0, -yaw)
    across = _HandMove(shift, lift.begin + 0.6 * lift.duration, 1.6 * pace)
    lower = _HandMove((0.0, 0.0, _RELEASE - _CARRY, 0.0), across.end - 0.4, 0.7 * pace)
    return lift, across, lower


def _finger_target(close: float, release: float, end: float) -> Trajectory:
    """Return the target of each finger: open, closed on the cube, open."""
    times = np.array([0.04, close, close + 0.1, release, release + 0.1, end])
    positions = np.array([FINGER_OPEN, FINGER_OPEN, 0.0, 0.0, FINGER_OPEN, FINGER_OPEN])
    return Trajectory((FINGER,), 0, times, positions[:, None])
