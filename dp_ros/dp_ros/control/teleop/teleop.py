# SPDX-License-Identifier: Apache-2.0
"""Chunks that move the arm as a person says, from moment to moment.

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
from dataclasses import dataclass, replace

from dp_ros.arrays import Array, Times
from dp_ros.control.executor.chunk import Chunk
from dp_ros.control.executor.motion import State
from dp_ros.control.executor.ruckig_motion import solve
from dp_ros.robot.arm_model import ArmModel
from dp_ros.robot.limits import JointLimits
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference, TrajectoryRejected
from dp_ros.robot.units import NS, to_ns
import numpy as np
from ruckig import ControlInterface, InputParameter, OutputParameter, Ruckig, Synchronization

Wish = Callable[[Array, Array, Array], Array]
"""A function of positions and the lowest and highest velocities there; it returns wanted ones."""

_MARGIN = 0.05  # [rad], kept from the position limits
_APPROACH = 3.0  # [1/s], velocity towards a position limit per distance from it
_CLOSE = 0.005  # [rad], distance from its end within which a joint counts as at its limit
_SLOW = 0.02  # [rad/s], below which an arm counts as at rest
_REST = 1e-6  # [rad/s]
_APART = 0.03  # [rad], by which the executor may deviate from what it was asked for
_MOVED = 0.02  # [rad], by which an arm at rest may differ from where its last chunk left it
_REST_POINTS = 8
_SETTLED_NS = NS // 2  # Time in which an arm settles after a motion.
_GRIPPER_NS = NS // 2  # Time for which a new target of the fingers is repeated.


@dataclass(frozen=True)
class TeleopConfig:
    """Settings of a `Teleop`.

    :param period: time between chunks, and between the points of a chunk [s].
    :param lead: the executor's lead time, from now to where a chunk may change the motion [s].
    :param velocity: largest velocity of a joint [rad/s].
    :param acceleration: largest acceleration of a joint [rad/s²].
    :param jerk: largest jerk of a joint [rad/s³].
    :param input_timeout: time for which an input counts [s].
    :param joint_state_timeout: largest age of joint states [s].
    """

    period: float = 0.04
    lead: float = 0.06
    velocity: float = 1.0
    acceleration: float = 4.0
    jerk: float = 80.0
    input_timeout: float = 0.25
    joint_state_timeout: float = 0.25


@dataclass(frozen=True)
class TeleopPlan:
    """States of the joints, ``period_ns`` apart, the last one at rest."""

    start_ns: int
    period_ns: int
    states: tuple[State, ...]

    @property
    def end_ns(self) -> int:
        """Time of the last state, from which on the arm rests [ns]."""
        return self.start_ns + (len(self.states) - 1) * self.period_ns

    @property
    def positions(self) -> Array:
        """Positions (n, n_joints) [rad]."""
        return np.array([state.position for state in self.states])

    def at(self, time_ns: int) -> State:
        """Return the state at a time; before the start, the first one."""
        last = self.states[-1].position
        if time_ns >= self.end_ns:
            return State(last, np.zeros_like(last), np.zeros_like(last))
        k, rest_ns = divmod(max(0, time_ns - self.start_ns), self.period_ns)
        before, after = self.states[k : k + 2]
        t = rest_ns / NS
        jerk = (after.acceleration - before.acceleration) * NS / self.period_ns
        acceleration = before.acceleration + t * jerk
        velocity = before.velocity + t * (before.acceleration + t / 2 * jerk)
        move = t * (before.velocity + t / 2 * (before.acceleration + t / 3 * jerk))
        return State(before.position + move, velocity, acceleration)


class Teleop:
    """Turns inputs into chunks.

    It listens to what the executor commands. Where that differs from its chunks, as at the border
    of the workspace or when slowed down, it goes on from what is commanded. After any hold the
    input has to be released before the arm moves again.

    :param finger_names: joints of the gripper, all commanded alike; may be empty.
    :param model: model of the arm; None: not known yet, nothing is moved.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        finger_names: Sequence[str],
        model: ArmModel | None,
        config: TeleopConfig,
    ) -> None:
        self.joint_names = tuple(joint_names)
        self.finger_names = tuple(finger_names)
        self.config = config
        self.speed_scale = 1.0
        self.finger: float | None = None
        self.reason = ''
        """Reason why an input is not followed; empty when it is."""
        self._model = model
        self._finger_until_ns = self._held_back_ns = 0
        self.forget()

    def forget(self) -> None:
        """Forget where the arm is and what it was sent, for example after a jump of the clock."""
        self._measured: tuple[int, Array] | None = None
        self._commanded: TrajectoryReference | None = None
        self._plan: TeleopPlan | None = None
        self._driven_until_ns = 0

    def adopt(self, model: ArmModel | None) -> None:
        """Use another model of the arm; the input then has to be released first."""
        if model is not self._model:
            self._model = model
            self.hold('robot_description describes another arm than before')

    def obstacle(self, now_ns: int) -> str:
        """Return what keeps the arm from moving as wished; empty when nothing does."""
        if self._plan is None or self._model is None:
            return ''
        position, limits = self._plan.states[-1].position, self._model.limits
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
        """Take a trajectory that the executor sent to the controller."""
        if self._commanded is not None:
            with suppress(TrajectoryRejected):
                self._commanded.accept(trajectory, now_ns)

    def position(self, now_ns: int) -> Array | None:
        """Return positions (n_joints,) when a chunk sent now takes effect; None: not known."""
        acts_ns = now_ns + to_ns(self.config.lead + self.config.period / 2)
        if self._plan is not None:
            return self._plan.at(acts_ns).position
        return None if self._commanded is None else self._commanded.sample(_one(acts_ns))[0][0]

    def hold(self, reason: str) -> None:
        """Send no motion until the input is released; the last chunk is left to the executor."""
        self._plan = None
        self.reason = reason

    def set_finger(self, position: float, now_ns: int) -> None:
        """Command each finger to a position [m]."""
        if self.finger_names and position != self.finger:
            self.finger, self._finger_until_ns = position, now_ns + _GRIPPER_NS

    def tick(self, wish: Wish | None, input_ns: int, now_ns: int) -> Chunk | None:
        """Return the chunk to send now, or None when nothing is to change.

        :param wish: wanted velocities, None for rest; they are from ``input_ns``.
        """
        begin_ns = now_ns + to_ns(self.config.lead)
        start = self._start(now_ns, begin_ns)
        if start is None or self._model is None:
            return None
        age = (now_ns - input_ns) / NS
        left = self.config.input_timeout - age if age >= 0 else 0.0
        if wish is None or left <= 0:
            self.reason = ''
        if self.reason or wish is None:
            wish, left = _nothing, 0.0
        if left <= 0 and now_ns >= self._finger_until_ns and not self._drives(begin_ns):
            self._plan = None
            return None
        self._plan = self._roll(start, begin_ns, wish, left, self._model.limits)
        self._driven_until_ns = self._plan.end_ns
        return self._chunk(self._plan, now_ns)

    def _drives(self, begin_ns: int) -> bool:
        """Tell whether the arm still moves by a chunk from here, not by another source's."""
        return begin_ns < self._driven_until_ns

    def _start(self, now_ns: int, begin_ns: int) -> State | None:
        """Return the state from which to go on, or hold the arm and return None."""
        if self._measured is None or self._commanded is None:
            return None
        stamp_ns, measured = self._measured
        age = (now_ns - stamp_ns) / NS
        if age > self.config.joint_state_timeout:
            self.hold(f'no joint states for {age:.2f} s')
            return None
        commanded = State(*(value[0] for value in self._commanded.sample(_one(begin_ns))))
        settled = now_ns > self._commanded.end_ns + _SETTLED_NS
        if settled and np.abs(commanded.position - measured).max() > _MOVED:
            self._commanded = TrajectoryReference(self.joint_names, measured)
            self._plan, commanded = None, replace(commanded, position=measured)
        if self._plan is None:
            return commanded
        planned = self._plan.at(begin_ns)
        if np.abs(planned.position - commanded.position).max() < _APART:
            return planned
        if np.abs(commanded.velocity).max() < _SLOW:
            self._held_back_ns = now_ns
        return commanded

    def _roll(
        self, start: State, start_ns: int, wish: Wish, left: float, limits: JointLimits
    ) -> TeleopPlan:
        """Move as wished for ``left`` seconds, then brake to rest, with limited jerk."""
        config, n_joints = self.config, len(self.joint_names)
        steer, output = Ruckig(n_joints, config.period), OutputParameter(n_joints)
        problem = InputParameter(n_joints)
        problem.control_interface = ControlInterface.Velocity
        problem.synchronization = Synchronization.Phase
        problem.current_position = start.position
        problem.current_velocity = start.velocity
        problem.current_acceleration = start.acceleration
        problem.max_acceleration = np.minimum(config.acceleration, 0.8 * limits.acceleration)
        problem.max_jerk = np.minimum(config.jerk, 0.4 * limits.jerk)
        states = [start]
        while len(states) < 2 or left > 0 or not states[-1].at_rest:
            q = states[-1].position
            wanted = wish(q, *self._bounds(q, limits)) if left > 0 else np.zeros(n_joints)
            problem.target_velocity = self.speed_scale * wanted
            solve(lambda: steer.update(problem, output), problem)
            output.pass_to_input(problem)
            states.append(
                State(
                    np.array(output.new_position),
                    np.array(output.new_velocity),
                    np.array(output.new_acceleration),
                )
            )
            left -= config.period
        return TeleopPlan(start_ns, to_ns(config.period), tuple(states))

    def _bounds(self, q: Array, limits: JointLimits) -> tuple[Array, Array]:
        """Return velocities (n_joints,), lowest and highest, that allow to brake before limits."""
        cap = np.minimum(self.config.velocity, 0.8 * limits.velocity)
        below = np.maximum(0.0, q - limits.lower - _MARGIN)
        above = np.maximum(0.0, limits.upper - _MARGIN - q)
        low, high = (
            np.minimum(
                np.minimum(cap, _APPROACH * room), np.sqrt(0.8 * limits.acceleration * room)
            )
            for room in (below, above)
        )
        return -low, high

    def _chunk(self, plan: TeleopPlan, now_ns: int) -> Chunk:
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


def _one(time_ns: int) -> Times:
    return np.array([time_ns], dtype=np.int64)


def _nothing(q: Array, low: Array, high: Array) -> Array:
    return np.zeros_like(q)


def scaled(velocity: Array) -> Wish:
    """Wish for joint velocities (n_joints,), all slowed alike so that the TCP keeps its path."""

    def wish(q: Array, low: Array, high: Array) -> Array:
        room = np.where(velocity > 0, high, low)
        ratios = np.divide(room, velocity, out=np.ones_like(room), where=np.abs(velocity) > _REST)
        return velocity * min(1.0, float(ratios.min()))

    return wish
