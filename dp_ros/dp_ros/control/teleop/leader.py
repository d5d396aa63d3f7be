# SPDX-License-Identifier: Apache-2.0
"""Wanted joint velocities from the pose of a leader arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dp_ros.arrays import Array
from dp_ros.control.teleop.inputs import InputRefused
from dp_ros.control.teleop.teleop import Wish
from dp_ros.robot.joint_names import in_order
from dp_ros.robot.units import NS
import numpy as np

_GAIN = 10.0  # [1/s], velocity towards the leader per distance from it.
_BRAKING = 3.0  # [rad/s²], deceleration when the leader is nearly reached.
_SILENCE_NS = NS // 2  # Silence after which the leader is approached slowly again.
_STILL = 1e-3  # [rad], change below which the leader has not moved.


@dataclass(frozen=True)
class LeaderConfig:
    """Settings of a `LeaderInput`.

    :param near: distance of every joint within which the leader is followed at full speed [rad].
    :param far: distance of any joint beyond which the leader is not followed [rad].
    :param approach_velocity: velocity of the joints while the leader is not near [rad/s].
    :param finger_range: positions of the leader's finger for the closed and the open gripper.
    """

    near: float = 0.1
    far: float = 0.8
    approach_velocity: float = 0.2
    finger_range: tuple[float, float] = (0.0, 0.04)


class LeaderInput:
    """The newest positions of a leader arm.

    The arm first approaches the leader slowly, and only from a distance that is not too large: a
    leader held elsewhere, or read with wrong offsets, must not swing the arm.

    :param names: the leader's joints, in the order of the follower's.
    :param finger: joint that moves the gripper, '' for none; ``opening`` is its position, 0 to
        1, in steps that its noise does not reach.

    ``approach`` is a text about the distance while the leader is approached.
    """

    def __init__(self, names: Sequence[str], finger: str, config: LeaderConfig) -> None:
        self._names = tuple(names)
        self._finger = finger
        self.config = config
        self._goal: Array | None = None
        self._engaged = False
        self.opening: float | None = None
        self.approach = ''
        self.stamp_ns = 0

    def set(self, names: Sequence[str], positions: Sequence[float], now_ns: int) -> None:
        """Take the leader's joint positions, in any order.

        :raises InputRefused: when one is missing or not finite; the leader is then not followed.
        """
        self._goal = None
        needed = (*self._names, self._finger) if self._finger else self._names
        try:
            values = in_order(needed, names, positions, 'leader_joint_names')
        except ValueError as error:
            raise InputRefused(f'leader: {error}; see leader_joint_names') from error
        self._goal = values[: len(self._names)]
        if now_ns - self.stamp_ns > _SILENCE_NS:
            self.release()
        self.opening = self._opening(values[-1]) if self._finger else None
        self.stamp_ns = now_ns

    def _opening(self, position: float) -> float:
        closed, opened = self.config.finger_range
        return round(min(1.0, max(0.0, (position - closed) / (opened - closed))), 2)

    def release(self) -> None:
        """Approach the leader slowly again, unless it is near."""
        self._engaged = False

    def wish(self, q: Array) -> Wish | None:
        """Return the wish that leads from positions (n_joints,) to the leader; None: not known.

        :raises InputRefused: when the leader is too far away.
        """
        if self._goal is None:
            return None
        distance = np.abs(self._goal - q)
        joint = int(distance.argmax())
        self.approach = ''
        if distance[joint] > self.config.far:
            self.release()
            raise InputRefused(
                f'leader: {self._names[joint]} is {distance[joint]:.2f} rad from the arm, more '
                f'than {self.config.far} rad: move the leader to where the arm is'
            )
        self._engaged = self._engaged or bool(distance[joint] < self.config.near)
        if distance[joint] < _STILL:
            return None
        if self._engaged:
            return _towards(self._goal, np.inf)
        self.approach = (
            f'approaching the leader slowly: {self._names[joint]} is {distance[joint]:.2f} rad off'
        )
        return _towards(self._goal, self.config.approach_velocity)


def _towards(goal: Array, velocity: float) -> Wish:
    def wish(q: Array, low: Array, high: Array) -> Array:
        error = goal - q
        distance = np.abs(error)
        speed = np.minimum(_GAIN * distance, np.sqrt(2 * _BRAKING * distance))
        return np.clip(np.sign(error) * np.minimum(speed, velocity), low, high)

    return wish
