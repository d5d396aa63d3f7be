# SPDX-License-Identifier: Apache-2.0
"""The core of the nodes `gripper` and `fake_gripper` together, without ROS."""

from __future__ import annotations

from typing import Final

from dp_ros.control.gripper.fake_hand import STROKE, Command, FakeHand
from dp_ros.control.gripper.finger_width import WidthScale
from dp_ros.control.gripper.gripper import Flight, GripperConfig, GripperCore, Kind
from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.sim.model import FINGER_OPEN

_SPEED: Final = 0.1
_EPSILON: Final = (0.08, 0.08)
_LATENCY: Final = 0.2


class SimulatedHand:
    """Converter from a policy's targets of the fingers to commands."""

    def __init__(self) -> None:
        scale = WidthScale(0.0, FINGER_OPEN, STROKE)
        self._core = GripperCore(GripperConfig(FINGER_NAMES, scale, latency=_LATENCY))
        self._hand = FakeHand(FINGER_NAMES, _LATENCY)

    def on_target(self, target: Trajectory, now_ns: int) -> None:
        """Take a target of the fingers.

        :raises TargetRefused: with the reason.
        """
        self._core.on_target(target, now_ns)

    def tick(self, now_ns: int, width: float) -> Trajectory | None:
        """Return the motion that the fingers begin now, if any.

        :param width: measured width between the fingers [m].
        """
        self._core.on_width(now_ns, width)
        self._hand.on_width(now_ns, width)
        flight = self._core.tick(now_ns)
        if flight is not None:
            self._core.on_accepted(flight)
            self._hand.submit(_command(flight))
        motion, outcome = self._hand.tick(now_ns)
        if outcome is not None:
            error = outcome.error
            self._core.on_finished(outcome.command.token, ok=outcome.success, error=error)
        return motion


def _command(flight: Flight) -> Command:
    goal = flight.goal
    epsilon = _EPSILON if goal.kind is Kind.GRASP else None
    return Command((goal.width,), _SPEED, epsilon, flight)
