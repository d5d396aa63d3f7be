# SPDX-License-Identifier: Apache-2.0
"""A simulated Franka Hand: its commands, their timing, and when they fail.

It runs one command after another; only `stop` interrupts one. A grasp closes until the fingers
stop, whatever its width, and keeps pushing. A motion that is blocked fails and stops pushing.
Source: libfranka, `franka::Gripper`; franka_ros2, franka_gripper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dp_ros.arrays import Array
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
from dp_ros.robot.units import to_ns
import numpy as np

STROKE: Final = 0.08
TOLERANCE: Final = 0.003
"""Largest distance from its goal at which a motion may end [m]."""

_LEAD: Final = 0.02  # Time from the start of a motion to its first point [s].
_RAMP: Final = 0.1  # Time from rest to full speed [s].
_SETTLE_NS: Final = to_ns(0.15)  # Fingers that do not move for this long are at rest.
_REST: Final = 0.0003  # A larger change of the width is a motion [m].


@dataclass(frozen=True)
class Command:
    """A command: widths to go to, one after the other [m].

    :param epsilon: tolerances (inner, outer) of a grasp's width [m]; None: a motion to a width.
    :param token: object of the caller, kept for the outcome.
    """

    widths: tuple[float, ...]
    speed: float
    epsilon: tuple[float, float] | None = None
    token: Any = None

    @property
    def flaw(self) -> str:
        """Reason why the Hand refuses it; empty if it does not."""
        for width in self.widths:
            if not 0.0 <= width <= STROKE:
                return f'width {width:g} m: needs 0 to {STROKE:g} m'
        if not 0.0 < self.speed < float('inf'):
            return f'speed {self.speed:g} m/s: needs to be positive'
        return ''


@dataclass(frozen=True)
class CommandOutcome:
    """Outcome of a command; a grasp that held nothing is no success, without an error."""

    command: Command
    success: bool
    error: str = ''


class _FingerMotion:
    """Fingers on their way, and whether they have come to rest.

    :param width: width at the start [m]; ``end_ns``: time when unblocked fingers would rest.
    """

    def __init__(self, start_ns: int, width: float, end_ns: int) -> None:
        self._seen = deque([(start_ns, width)])
        self._start_ns, self._start, self._end_ns = start_ns, width, end_ns
        self._moved = False

    def see(self, stamp_ns: int, width: float) -> None:
        self._seen.append((stamp_ns, width))
        self._moved = self._moved or abs(width - self._start) > _REST
        while stamp_ns - self._seen[1][0] > _SETTLE_NS:
            self._seen.popleft()

    @property
    def at_rest(self) -> bool:
        """Whether the fingers moved and stopped, or had the time to."""
        since_ns = self._start_ns if self._moved else self._end_ns
        widths = [width for _, width in self._seen]
        return self._seen[-1][0] > since_ns + _SETTLE_NS and max(widths) - min(widths) < _REST


class FakeHand:
    """The Hand; without measured widths it also simulates the fingers.

    :param latency: time from a command to the first motion [s].
    :param width: width between the fingers at the start [m].
    """

    def __init__(self, fingers: Sequence[str], latency: float, width: float = STROKE) -> None:
        self.latency = latency
        self.object_width = 0.0
        self.running: Command | None = None
        self._fingers = tuple(fingers)
        self._reference = TrajectoryReference(fingers, np.full(len(fingers), width / 2))
        self._measured: float | None = None
        self._queue: deque[Command] = deque()
        self._goals: list[float] = []
        self._motion: _FingerMotion | None = None
        self._due_ns = 0

    def submit(self, command: Command) -> None:
        """Take a command; it starts when those before it have ended."""
        self._queue.append(command)

    def on_width(self, stamp_ns: int, width: float) -> None:
        """Take a measured width between the fingers [m]."""
        self._measured = width
        if self._motion is not None:
            self._motion.see(stamp_ns, width)

    def width(self, now_ns: int) -> float:
        """Return the width between the fingers [m]."""
        if self._measured is not None:
            return self._measured
        commanded = float(self._reference.sample(np.array([now_ns]))[0].sum())
        return max(commanded, self.object_width)

    def stop(self, now_ns: int) -> tuple[Trajectory, list[CommandOutcome]]:
        """Stop the fingers where they are and end all commands."""
        ended = [*([self.running] if self.running else []), *self._queue]
        self._queue.clear()
        self.running = self._motion = None
        return self._hold(now_ns), [CommandOutcome(command, False, 'stopped') for command in ended]

    def tick(self, now_ns: int) -> tuple[Trajectory | None, CommandOutcome | None]:
        """Return the motion that begins now and the command that has ended now, if any."""
        if self.running is None:
            return None, self._begin(now_ns)
        if self._motion is None:
            return self._move(self.running, now_ns) if now_ns >= self._due_ns else None, None
        if self._measured is None:
            self._motion.see(now_ns, self.width(now_ns))
        return self._arrive(self.running, now_ns) if self._motion.at_rest else (None, None)

    # ---- the course of a command

    def _begin(self, now_ns: int) -> CommandOutcome | None:
        if not self._queue:
            return None
        command = self._queue.popleft()
        if command.flaw:
            return CommandOutcome(command, False, command.flaw)
        self.running = command
        self._goals = [0.0] if command.epsilon else list(command.widths)
        self._due_ns = now_ns + to_ns(self.latency)
        return None

    def _move(self, command: Command, now_ns: int) -> Trajectory:
        width = self.width(now_ns)
        trajectory = self._follow(now_ns, *_profile(width, self._goals[0], command.speed))
        self._motion = _FingerMotion(now_ns, width, self._reference.end_ns)
        return trajectory

    def _arrive(
        self, command: Command, now_ns: int
    ) -> tuple[Trajectory | None, CommandOutcome | None]:
        goal, width = self._goals.pop(0), self.width(now_ns)
        if command.epsilon is not None:
            inner, outer = command.epsilon
            success = command.widths[0] - inner < width < command.widths[0] + outer
        else:
            success = abs(width - goal) <= TOLERANCE
        if success and self._goals:
            return self._move(command, now_ns), None
        self.running = self._motion = None
        blocked = not success and command.epsilon is None
        return self._hold(now_ns) if blocked else None, CommandOutcome(command, success)

    # ---- trajectories

    def _hold(self, now_ns: int) -> Trajectory:
        width = np.array([self.width(now_ns)])
        return self._follow(now_ns, np.zeros(1), width, np.zeros(1))

    def _follow(self, now_ns: int, times: Array, widths: Array, speeds: Array) -> Trajectory:
        def each(values: Array) -> Array:
            return np.repeat(values[:, None] / len(self._fingers), len(self._fingers), axis=1)

        trajectory = Trajectory(
            self._fingers,
            now_ns,
            times + _LEAD,
            each(np.clip(widths, 0.0, STROKE)),
            each(speeds),
            each(np.zeros(len(times))),
        )
        self._reference.accept(trajectory, now_ns)
        return trajectory


def _profile(start: float, goal: float, speed: float) -> tuple[Array, Array, Array]:
    """Return times [s], widths [m] and their speeds [m/s]: ramp up, go, ramp down, rest."""
    way = goal - start
    top = min(speed, abs(way) / (2 * _RAMP))
    if top == 0.0:
        return np.zeros(1), np.array([goal]), np.zeros(1)
    cruise = abs(way) / top - _RAMP
    times = np.cumsum([0.0, _RAMP, cruise, _RAMP])
    ramp = np.sign(way) * top * _RAMP / 2
    widths = np.array([start, start + ramp, goal - ramp, goal])
    speeds = np.sign(way) * np.array([0.0, top, top, 0.0])
    return times, widths, speeds
