# SPDX-License-Identifier: Apache-2.0
"""Continuous widths of a policy become few goals of a gripper that takes one at a time.

The motion that is wanted at now + latency is one goal: the width at which it ends.
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

_MOVED: Final = 0.001  # Fingers that are farther from where they were have moved [m].
_FRESH_NS: Final = NS // 2  # A measured width older than this is not known any more.
_REPEAT_NS: Final = 2 * NS  # Between a goal and the same goal again.


class Kind(Enum):
    """What a goal does with the fingers."""

    MOVE = 'move'
    GRASP = 'grasp'


@dataclass(frozen=True)
class Goal:
    """One command of the gripper; ``width`` [m] is where a motion ends, of a grasp the wish."""

    kind: Kind
    width: float


@dataclass(frozen=True)
class GripperConfig:
    """When a wanted width becomes a goal.

    :param grasps: whether closing is a grasp, with force, rather than a motion to a width.
    :param close_below: a width wanted below it is a grasp; from ``open_above`` on it is a motion;
        between them the fingers stay as they are [m].
    :param min_change: motions to widths that differ by less are the same [m].
    :param dwell: shortest time between two goals [s].
    :param latency: from a goal's sending to the fingers' first motion [s].
    :param answer_timeout: a goal without an answer for longer is a fault [s].
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
    """What happened since the start."""

    targets: int = 0
    refused: int = 0
    sent: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(eq=False)
class Flight:
    """A goal on its way; ``width`` [m]: of the fingers before their first motion, NaN else."""

    goal: Goal
    sent_ns: int
    width: float
    accepted: bool = False
    overdue: bool = False


class GripperCore:
    """Says which goal to send when: at most one is on its way, the newest wish goes next."""

    def __init__(self, config: GripperConfig) -> None:
        self.config = config
        self.counts = GripperCounts()
        self.fault = ''
        self.latency = math.nan
        self.flight: Flight | None = None
        self._withheld: Goal | None = None
        self.forget()

    def forget(self) -> None:
        """Drop what is known of time and fingers, after a jump of the clock."""
        self._plan: WidthPlan | None = None
        self._measured = (0, math.nan)
        self._last: Flight | None = None
        self._failed = False
        self._left = math.nan
        self.flight = None

    # ---- inputs

    def on_target(self, target: Trajectory, now_ns: int) -> None:
        """Replace the wanted widths.

        :raises TargetRefused: with the reason; what was wanted before goes on.
        """
        new = WidthPlan.read(target, self.config.fingers, self.config.scale, now_ns)
        self._plan = new if self._plan is None else self._plan.followed_by(new, now_ns)

    def on_width(self, stamp_ns: int, width: float) -> None:
        """Take a measured width [m]; the first motion after a goal tells the latency."""
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
        """Want nothing any more; a goal on its way goes on."""
        self._plan = None

    def tick(self, now_ns: int, ready: bool = True) -> Flight | None:
        """Return the goal to send now, if any.

        :param ready: whether somebody is there to take it.
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
        """Note the end of a goal; a grasp that held nothing, without an error, stays closed."""
        self.fault = ''
        if not self.awaits(flight):
            return
        self.flight = None
        self._left = math.nan
        self._failed = not ok and (bool(error) or flight.goal.kind is Kind.MOVE)
        self.counts.failed += not ok

    def awaits(self, flight: Flight) -> bool:
        """Say whether this goal is the one on its way, and not given up."""
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
        """Say whether the fingers are where the goal would bring them, or are on their way."""
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
