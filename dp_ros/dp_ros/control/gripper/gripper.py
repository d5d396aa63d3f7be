# SPDX-License-Identifier: Apache-2.0
"""Continuous widths of a policy become few goals of a gripper that takes one at a time.

The motion that the policy wants at now + latency becomes one goal: the width at which it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math
from typing import Final

from dp_ros.control.gripper.finger_width import WidthScale
from dp_ros.control.gripper.width_plan import WidthPlan
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS, to_ns

_MOVED: Final = 0.001  # Change of the width from which on the fingers have moved [m].
_FRESH_NS: Final = NS // 2  # Largest age of a measured width.
_REPEAT_NS: Final = 2 * NS  # Shortest time between a goal and the same goal again.


class Kind(Enum):
    """Kind of a goal."""

    MOVE = 'move'
    GRASP = 'grasp'


@dataclass(frozen=True)
class Goal:
    """One command of the gripper; ``width`` [m] is a motion's end, or the width to grasp at."""

    kind: Kind
    width: float


@dataclass(frozen=True)
class GripperConfig:
    """Settings of a `GripperCore`: when a wanted width becomes a goal.

    :param grasps: whether to close by a grasp, with force, rather than by a motion to a width.
    :param close_below: largest wanted width that becomes a grasp [m].
    :param open_above: smallest wanted width that becomes a motion [m]; between the two
        the fingers stay as they are.
    :param min_change: largest difference of two widths that are the same goal [m].
    :param dwell: shortest time between two goals [s].
    :param latency: time from sending a goal to the fingers' first motion [s].
    :param answer_timeout: time without an answer after which a goal is a fault [s].
    """

    fingers: tuple[str, ...]
    scale: WidthScale
    grasps: bool = True
    close_below: float = 0.05
    open_above: float = 0.06
    min_change: float = 0.01
    dwell: float = 0.5
    latency: float = 0.2
    answer_timeout: float = 5.0


@dataclass
class GripperCounts:
    """Numbers of targets and goals since the start."""

    targets: int = 0
    refused: int = 0
    sent: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(eq=False)
class Flight:
    """A goal on its way; ``width`` [m]: width before the fingers' first motion, else NaN."""

    goal: Goal
    sent_ns: int
    width: float
    accepted: bool = False
    overdue: bool = False


class GripperCore:
    """Decides which goal to send and when: one at a time, the newest wanted width next."""

    def __init__(self, config: GripperConfig) -> None:
        self.config = config
        self.counts = GripperCounts()
        self.fault = ''
        self.latency = math.nan
        self.flight: Flight | None = None
        self._withheld: Goal | None = None
        self.forget()

    def forget(self) -> None:
        """Forget wanted and measured widths, after a jump of the clock."""
        self._plan: WidthPlan | None = None
        self._measured = (0, math.nan)
        self._last: Flight | None = None
        self._failed = False
        self._left = math.nan
        self.flight = None

    # ---- inputs

    def on_target(self, target: Trajectory, now_ns: int) -> None:
        """Replace the wanted widths.

        :raises TargetRefused: with the reason; the widths wanted before are kept.
        """
        new = WidthPlan.read(target, self.config.fingers, self.config.scale, now_ns)
        self._plan = new if self._plan is None else self._plan.followed_by(new, now_ns)

    def on_width(self, stamp_ns: int, width: float) -> None:
        """Take a measured width [m]; the first motion after a goal gives the latency."""
        if not math.isfinite(width):
            return
        self._measured = (stamp_ns, width)
        flight = self.flight
        if flight is None:
            self._left = width if math.isnan(self._left) else self._left
        elif stamp_ns >= flight.sent_ns and abs(width - flight.width) > _MOVED:
            self.latency = (stamp_ns - flight.sent_ns) / NS
            flight.width = math.nan

    def drop(self) -> None:
        """Drop the wanted widths; a goal on its way goes on."""
        self._plan = None

    def tick(self, now_ns: int, ready: bool = True) -> Flight | None:
        """Return the goal to send now, if any.

        :param ready: whether the gripper's action server is there.
        """
        self._watch(now_ns, ready)
        goal = self._wish(now_ns)
        if goal is not None and self._stands(goal, now_ns):
            goal = None
        if self._withheld is not None and not self._same(self._withheld, goal):
            self.counts.skipped += 1
        self._withheld = goal
        if goal is None or not ready or self.flight is not None or self._too_soon(goal, now_ns):
            return None
        self._withheld = None
        self.counts.sent += 1
        self.flight = self._last = Flight(goal, now_ns, self._width(now_ns))
        return self.flight

    def on_accepted(self, flight: Flight) -> None:
        """Note that the gripper has taken a goal."""
        flight.accepted = True

    def on_finished(self, flight: Flight, ok: bool, error: str = '') -> None:
        """Note the end of a goal; a grasp that held nothing, without an error, did not fail."""
        self.fault = ''
        if not self.awaits(flight):
            return
        self.flight = None
        self._left = math.nan
        self._failed = not ok and (bool(error) or flight.goal.kind is Kind.MOVE)
        self.counts.failed += not ok

    def awaits(self, flight: Flight) -> bool:
        """Tell whether this goal is the one on its way, and not given up."""
        return flight is self.flight

    # ---- decisions

    def _watch(self, now_ns: int, ready: bool) -> None:
        flight, timeout = self.flight, self.config.answer_timeout
        if flight is None:
            return
        if not ready:
            self.flight, self._failed = None, True
        elif now_ns - flight.sent_ns > timeout * NS:
            flight.overdue = True
            self.fault = f'{flight.goal.kind.value} has not been answered for {timeout:g} s'
            if not flight.accepted:
                self.flight, self._failed = None, True

    def _wish(self, now_ns: int) -> Goal | None:
        if self._plan is None or self._plan.ended(now_ns):
            return None
        width = self._plan.aim(now_ns + to_ns(self.config.latency))
        if width is None:
            return None
        if not self.config.grasps or width >= self.config.open_above:
            return Goal(Kind.MOVE, width)
        return Goal(Kind.GRASP, width) if width <= self.config.close_below else None

    def _stands(self, goal: Goal, now_ns: int) -> bool:
        """Tell whether the fingers are at the goal already, or on their way there."""
        width, last, tolerance = self._width(now_ns), self._last, self.config.min_change
        if last is None or self._failed:
            return goal.kind is Kind.MOVE and abs(width - goal.width) <= tolerance
        if not self._same(last.goal, goal):
            return False
        moved_since = abs(width - self._left) > tolerance
        return self.flight is not None or not moved_since

    def _same(self, one: Goal, other: Goal | None) -> bool:
        if other is None or one.kind is not other.kind:
            return False
        return one.kind is Kind.GRASP or abs(one.width - other.width) <= self.config.min_change

    def _too_soon(self, goal: Goal, now_ns: int) -> bool:
        if self._last is None:
            return False
        again = self._same(self._last.goal, goal)
        wait_ns = _REPEAT_NS if again else to_ns(self.config.dwell)
        return now_ns - self._last.sent_ns < wait_ns

    def _width(self, now_ns: int) -> float:
        stamp_ns, width = self._measured
        return width if now_ns - stamp_ns <= _FRESH_NS else math.nan
