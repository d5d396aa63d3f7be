# SPDX-License-Identifier: Apache-2.0
"""What teleoperation decides: chunks that move the arm as a person says, from moment to moment.

```
            now    begin                input old              at rest
  plan    ───●───────●─────────────────────●──────────────────────●────────
             │ lead  │ towards the wanted  │ braking by itself
             └ as the last chunk said      └ unless an input comes before
```

A chunk says what the arm will do if no further input comes, and the next one continues it. It goes
to the executor, like a policy's, and so through all of its checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dp_ros.control.chunk import Chunk
from dp_ros.control.limits import JointLimits
from dp_ros.control.trajectory import NS, Trajectory, TrajectoryReference, TrajectoryRejected
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Wish = Callable[[Array, Array, Array], Array]
"""From positions and the lowest and highest velocities allowed there to wanted velocities."""

_MARGIN = 0.05  # [rad], from the position limits
_CLOSE = 0.005  # [rad], from where a joint stops at its limit
_SLOW = 0.02  # [rad/s], of an arm that is as good as at rest
_REST = 1e-6  # [rad/s]
_APART = 0.03  # [rad], by which the executor may deviate from what it was asked for
_MOVED = 0.02  # [rad], by which an arm at rest may be elsewhere than it was left
_REST_POINTS = 8
_SETTLED_NS = NS // 2  # How long after a motion the arm is where it was left.
_GRIPPER_NS = NS // 2  # For how long a new target of the fingers is repeated.


@dataclass(frozen=True)
class TeleopConfig:
    """How inputs are followed.

    :param period: between chunks, and between the points of a chunk [s].
    :param lead: from now to where a chunk may differ from the last one [s]; the executor's.
    :param velocity: of a joint [rad/s]; ``acceleration``: [rad/s²].
    :param input_timeout: how long an input counts [s].
    :param joint_state_timeout: likewise joint states [s].
    """

    period: float = 0.04
    lead: float = 0.06
    velocity: float = 1.0
    acceleration: float = 4.0
    input_timeout: float = 0.25
    joint_state_timeout: float = 0.25


@dataclass(frozen=True)
class Plan:
    """Positions and velocities (n, n_joints) of the joints, ``period_ns`` apart; then rest."""

    start_ns: int
    period_ns: int
    positions: Array
    velocities: Array

    @property
    def end_ns(self) -> int:
        """From when on nothing moves."""
        return self.start_ns + (len(self.positions) - 1) * self.period_ns

    def at(self, time_ns: int) -> tuple[Array, Array]:
        """Return position and velocity; before the start those of the start."""
        if time_ns >= self.end_ns:
            return self.positions[-1], np.zeros_like(self.velocities[-1])
        since = max(0, time_ns - self.start_ns)
        k, rest_ns = divmod(since, self.period_ns)
        share, t = rest_ns / self.period_ns, rest_ns / NS
        velocity = self.velocities[k] + share * (self.velocities[k + 1] - self.velocities[k])
        return self.positions[k] + t * (self.velocities[k] + velocity) / 2, velocity


class Teleop:
    """Turns inputs into chunks.

    It hears what the executor commands, and goes on from there where that is not what it asked
    for: at the border of the workspace, or slowed down. After whatever makes it hold, the input
    has to let go before the arm moves again.

    :param finger_names: joints of the gripper, all commanded alike; may be empty.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        finger_names: Sequence[str],
        limits: JointLimits,
        config: TeleopConfig,
    ) -> None:
        self.joint_names = tuple(joint_names)
        self.finger_names = tuple(finger_names)
        self.config = config
        self.speed_scale = 1.0
        self.finger: float | None = None
        self.reason = ''
        """Why an input is not followed, empty when it is."""
        self._limits = limits
        self._finger_until_ns = 0
        self._measured: tuple[int, Array] | None = None
        self._commanded: TrajectoryReference | None = None
        self._plan: Plan | None = None
        self._held_back_ns = 0

    def obstacle(self, now_ns: int) -> str:
        """Say what keeps an arm back that is to move, empty when nothing does."""
        if self._plan is None:
            return ''
        position, limits = self._plan.positions[-1], self._limits
        room = np.minimum(position - limits.lower, limits.upper - position) - _MARGIN
        joint = int(room.argmin())
        if room[joint] < _CLOSE:
            return f'{self.joint_names[joint]} is at its limit'
        held_back = now_ns - self._held_back_ns < _SETTLED_NS
        return 'the executor holds it back' if held_back else ''

    def on_joints(self, stamp_ns: int, positions: Array) -> None:
        """Take measured positions (n_joints,) [rad]."""
        self._measured = stamp_ns, positions
        if self._commanded is None:
            self._commanded = TrajectoryReference(self.joint_names, positions)

    def on_command(self, trajectory: Trajectory, now_ns: int) -> None:
        """Take what the executor sends to the controller."""
        if self._commanded is not None:
            with suppress(TrajectoryRejected):
                self._commanded.accept(trajectory, now_ns)

    def position(self, now_ns: int) -> Array | None:
        """Return where the arm will be when a chunk of now acts, None when that is not known."""
        acts_ns = now_ns + round((self.config.lead + self.config.period / 2) * NS)
        if self._plan is not None:
            return self._plan.at(acts_ns)[0]
        return None if self._commanded is None else self._commanded.sample(_one(acts_ns))[0][0]

    def hold(self, reason: str) -> None:
        """Move nothing until the input has let go; what runs is left to the executor."""
        self._plan = None
        self.reason = reason

    def set_finger(self, position: float, now_ns: int) -> None:
        """Command the fingers to a position [m], each."""
        if self.finger_names and position != self.finger:
            self.finger, self._finger_until_ns = position, now_ns + _GRIPPER_NS

    def tick(self, wish: Wish | None, input_ns: int, now_ns: int) -> Chunk | None:
        """Return the chunk to send now, or None when nothing is to change.

        :param wish: what is wanted, None for rest, as of ``input_ns``.
        """
        begin_ns = now_ns + round(self.config.lead * NS)
        start = self._start(now_ns, begin_ns)
        if start is None:
            return None
        left = self.config.input_timeout - (now_ns - input_ns) / NS
        if wish is None or left <= 0:
            self.reason = ''
        if self.reason or wish is None:
            wish, left = _nothing, 0.0
        if left <= 0 and not start[1].any() and now_ns >= self._finger_until_ns:
            return None
        self._plan = self._roll(start, begin_ns, wish, left)
        return self._chunk(self._plan, now_ns)

    def _start(self, now_ns: int, begin_ns: int) -> tuple[Array, Array] | None:
        """Return position and velocity from which to go on; None holds the arm."""
        if self._measured is None or self._commanded is None:
            return None
        stamp_ns, measured = self._measured
        age = (now_ns - stamp_ns) / NS
        if age > self.config.joint_state_timeout:
            self.hold(f'no joint states for {age:.2f} s')
            return None
        position, velocity, _ = (value[0] for value in self._commanded.sample(_one(begin_ns)))
        settled = now_ns > self._commanded.end_ns + _SETTLED_NS
        if settled and np.abs(position - measured).max() > _MOVED:
            self._commanded = TrajectoryReference(self.joint_names, measured)
            self._plan, position = None, measured
        if self._plan is None:
            return position, velocity
        planned = self._plan.at(begin_ns)
        if np.abs(planned[0] - position).max() < _APART:
            return planned
        if np.abs(velocity).max() < _SLOW:
            self._held_back_ns = now_ns
        return position, velocity

    def _roll(self, start: tuple[Array, Array], start_ns: int, wish: Wish, left: float) -> Plan:
        """Move as wished for ``left`` seconds, then brake to rest."""
        period = self.config.period
        step = self.config.acceleration * period
        positions, velocities = [start[0]], [start[1]]
        while len(positions) < 2 or left > 0 or velocities[-1].any():
            q, dq = positions[-1], velocities[-1]
            wanted = wish(q, *self._bounds(q)) if left > 0 else np.zeros_like(dq)
            change = self.speed_scale * wanted - dq
            dq = dq + change * min(1.0, step / max(float(np.abs(change).max()), step))
            positions.append(q + period * (velocities[-1] + dq) / 2)
            velocities.append(dq)
            left -= period
        return Plan(start_ns, round(period * NS), np.array(positions), np.array(velocities))

    def _bounds(self, q: Array) -> tuple[Array, Array]:
        """Velocities (n_joints,) from which every joint can stop before its limits."""
        cap = np.minimum(self.config.velocity, 0.8 * self._limits.velocity)
        below = np.maximum(0.0, q - self._limits.lower - _MARGIN)
        above = np.maximum(0.0, self._limits.upper - _MARGIN - q)
        acceleration = self.config.acceleration
        return (
            -np.minimum(cap, np.sqrt(acceleration * below)),
            np.minimum(cap, np.sqrt(acceleration * above)),
        )

    def _chunk(self, plan: Plan, now_ns: int) -> Chunk:
        # Without the rest at its end the executor would brake only after the last point.
        moving = plan.positions[1:]
        positions = np.concatenate([moving, np.repeat(moving[-1:], _REST_POINTS, axis=0)])
        steps = np.arange(1, len(positions) + 1, dtype=np.float64)
        times = self.config.lead + self.config.period * steps
        names = self.joint_names
        if self.finger is not None:
            names = names + self.finger_names
            fingers = np.full((len(positions), len(self.finger_names)), self.finger)
            positions = np.concatenate([positions, fingers], axis=1)
        return Chunk(now_ns, names, times, positions)


def _one(time_ns: int) -> NDArray[np.int64]:
    return np.array([time_ns], dtype=np.int64)


def _nothing(q: Array, low: Array, high: Array) -> Array:
    return np.zeros_like(q)


def scaled(velocity: Array) -> Wish:
    """Wish for joint velocities (n_joints,), all slowed alike so that the TCP keeps its way."""

    def wish(q: Array, low: Array, high: Array) -> Array:
        room = np.where(velocity > 0, high, low)
        ratios = np.divide(room, velocity, out=np.ones_like(room), where=np.abs(velocity) > _REST)
        return velocity * min(1.0, float(ratios.min()))

    return wish
