# SPDX-License-Identifier: Apache-2.0
"""What Jazzy's joint_trajectory_controller rejects, and a policy to try it with.

Source: ros2_controllers 4, joint_trajectory_controller.cpp, validate_trajectory_msg.
"""

from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import time_to_ns
import numpy as np

FLOAT_EPSILON = float(np.finfo(np.float32).eps)


def rejection(message, joints, now_ns):
    """Return why the controller of these joints would reject a JointTrajectory, or None."""
    names, points = message.joint_names, message.points
    if len(names) != len(joints) or not set(names) <= set(joints):
        return f'joints {list(names)}'
    if not points:
        return 'no points'
    if any(abs(velocity) > FLOAT_EPSILON for velocity in points[-1].velocities):
        return 'velocity at the last point'
    times = [time_to_ns(point.time_from_start) for point in points]
    stamp = time_to_ns(message.header.stamp)
    if stamp and stamp + times[-1] < now_ns:
        return 'ends in the past'
    if any(after <= before for before, after in zip(times, times[1:], strict=False)):
        return 'times do not increase'
    for point in points:
        if len(point.positions) != len(names) or point.effort:
            return 'positions missing, or effort'
        if any(len(v) not in (0, len(names)) for v in (point.velocities, point.accelerations)):
            return 'sizes of velocities or accelerations'
    return None


class MovingTarget:
    """Plays a policy: leads to a target that jumps now and then, each chunk a little off."""

    def __init__(self, seed, start, jumps=0.03):
        self.rng = np.random.default_rng(seed)
        self._start = self._target = start
        self._jumps = jumps

    def points(self, position, times):
        """Return positions (n_points, 7) [rad] at times (n_points,) [s] from a position on."""
        if self.rng.random() < self._jumps:
            anywhere = self._start + self.rng.uniform(-0.5, 0.5, 7)
            self._target = np.clip(anywhere, FR3_LIMITS.lower + 0.1, FR3_LIMITS.upper - 0.1)
        left = np.exp(-times / 0.5)[:, None]
        noise = self.rng.normal(0, 0.01, 7) + self.rng.normal(0, 0.0005, (len(times), 7))
        return self._target + left * (position - self._target) + noise

    def latency_ns(self):
        """Return how long after its observation a chunk comes."""
        return int(self.rng.uniform(0.04, 0.08) * NS)
