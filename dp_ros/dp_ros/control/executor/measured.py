# SPDX-License-Identifier: Apache-2.0
"""Measured positions of the arm, and when they are not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.robot.joint_names import in_order
from dp_ros.robot.limits import JointLimits
from dp_ros.robot.units import NS
import numpy as np

_SLACK: Final = 0.05  # [rad], by which a joint may go beyond its velocity limit between states
_MAX_FUTURE: Final = 0.1  # [s], of a joint state's stamp; clocks of two machines differ a little


class MeasuredJoints:
    """The newest joint state of an arm: stamp [ns] and positions (n,) [rad], or None.

    Its age is judged in two ways. It is too old to act on after a timeout, for whatever reason
    (`lack`). The robot fell silent (`silent`) only if this process ran meanwhile: while it did
    not run, it read nothing.

    :param limits: limits whose velocities tell a jump; None: jumps are not detected.
    """

    def __init__(self, joint_names: Sequence[str], limits: JointLimits | None) -> None:
        self.joint_names = tuple(joint_names)
        self._limits = limits
        self.newest: tuple[int, Array] | None = None
        self._missed_ns = 0

    def take(
        self, stamp_ns: int, now_ns: int, names: Sequence[str], positions: Sequence[float]
    ) -> str | None:
        """Take a joint state; its joints may come in any order, with others among them.

        :returns: a text that names the joint that jumped since the last one, or None.
        :raises ChunkRefused: when a joint or its position is missing, it is not finite, or the
            stamp is in the future.
        """
        ahead = (stamp_ns - now_ns) / NS
        if ahead > _MAX_FUTURE:
            raise ChunkRefused(
                f'joint_states: stamp is {ahead:.3f} s in the future: are clocks synchronized?'
            )
        try:
            values = in_order(self.joint_names, names, positions)
        except ValueError as error:
            raise ChunkRefused(f'joint_states: {error}') from error
        jump = self._jump(stamp_ns, values)
        self.newest = (stamp_ns, values)
        self._missed_ns = 0
        return jump

    def missed(self, duration_ns: int, now_ns: int) -> None:
        """Note that this process was not run for ``duration_ns`` before now."""
        if self.newest is not None:
            self._missed_ns += max(0, min(duration_ns, now_ns - self.newest[0]))

    def silent(self, now_ns: int, timeout: float) -> str | None:
        """Return a text if the robot was silent over ``timeout`` [s] while this process ran."""
        return self.lack(now_ns - self._missed_ns, timeout)

    def lack(self, now_ns: int, timeout: float) -> str | None:
        """Return a text if there is no joint state, or none younger than ``timeout`` [s]."""
        if self.newest is None:
            return 'no joint states yet'
        age = (now_ns - self.newest[0]) / NS
        return f'no joint states for {age:.2f} s' if age > timeout else None

    def fresh(self, now_ns: int, timeout: float) -> Array:
        """Return the positions (n,) [rad].

        :raises ChunkRefused: when there are none or they are older than ``timeout`` [s].
        """
        lack = self.lack(now_ns, timeout)
        if self.newest is None or lack is not None:
            raise ChunkRefused(lack)
        return self.newest[1]

    def astray(self, commanded: Array, most: float) -> str | None:
        """Return a text if a joint is over ``most`` [rad] from its commanded position (n,)."""
        if self.newest is None:
            return None
        distance = np.abs(self.newest[1] - commanded)
        joint = int(distance.argmax())
        if distance[joint] <= most:
            return None
        return (
            f'{self.joint_names[joint]} is {distance[joint]:.3f} rad from where it is commanded, '
            f'more than {most} rad'
        )

    def _jump(self, stamp_ns: int, positions: Array) -> str | None:
        if self.newest is None or self._limits is None:
            return None
        last_ns, last = self.newest
        moved = np.abs(positions - last)
        excess = moved - self._limits.velocity * max(0.0, (stamp_ns - last_ns) / NS) - _SLACK
        joint = int(excess.argmax())
        if excess[joint] <= 0:
            return None
        return (
            f'{self.joint_names[joint]} jumped by {moved[joint]:.3f} rad from one joint state to '
            'the next: call ~/resume when it is where it should be'
        )
