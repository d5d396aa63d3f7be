# SPDX-License-Identifier: Apache-2.0
"""Continuous widths of a policy become few goals of a gripper that takes one at a time.

```
width wanted   ────────╮                      the motion that is wanted at now + latency …
                       ╰╮
                        ╰───────────          … is one goal: the width at which it ends
            goal ┤←────→┤
        sent now  latency
```
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from dp_ros.control.finger_width import TargetRefused, WidthScale, target_widths
from dp_ros.control.trajectory import NS, Trajectory
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STILL: Final = 0.01  # A wanted width that changes slower rests [m/s].
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
class Counts:
    """What happened since the start."""

    targets: int = 0
    refused: int = 0
    sent: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(eq=False)
class Flight:
    """A goal on its way; ``width``: of the fingers when it was sent [m], None if not known."""

    goal: Goal
    sent_ns: int
    width: float | None
    accepted: bool = False
    overdue: bool = False


@dataclass(frozen=True)
class _Plan:
    """Widths (n,) [m] wanted at the times (n,) [ns]."""

    t_ns: NDArray[np.int64]
    widths: Array

    def ended(self, now_ns: int) -> bool:
        return now_ns > self.t_ns[-1]

    def followed_by(self, new: _Plan, now_ns: int) -> _Plan:
        """Return what is wanted when a new plan replaces this one from its first point on."""
        if self.ended(now_ns):
            return new
        passed, replaced = np.searchsorted(self.t_ns, [now_ns, new.t_ns[0]])
        kept = slice(max(0, passed - 1), replaced)
        return _Plan(
            np.concatenate([self.t_ns[kept], new.t_ns]),
            np.concatenate([self.widths[kept], new.widths]),
        )

    def aim(self, time_ns: int) -> float | None:
        """Return where the motion wanted at a time ends; None before the first point."""
        start_ns = min(time_ns, int(self.t_ns[-1]))
        if start_ns < self.t_ns[0]:
            return None
        ahead = self.t_ns > start_ns
        now = np.interp(start_ns, self.t_ns, self.widths)
        times = np.append(0.0, (self.t_ns[ahead] - start_ns) / NS)
        return run_end(times, np.append(now, self.widths[ahead]))


def run_end(times: Array, widths: Array) -> float:
    """Return the width at which the motion under way at the first of the times (n,) ends."""
    speeds = np.diff(widths) / np.diff(times)
    direction = np.sign(speeds[:1])
    rests = np.flatnonzero(speeds * direction < _STILL)
    return float(widths[rests[0] if len(rests) else -1])


class GripperCore:
    """Says which goal to send when: at most one is on its way, the newest wish goes next."""

    def __init__(self, config: GripperConfig) -> None:
        self.config = config
        self.counts = Counts()
        self.fault = ''
        self.latency: float | None = None
        self.flight: Flight | None = None
        self._withheld: Goal | None = None
        self.forget()

    def forget(self) -> None:
        """Drop what is known of time and fingers, after a jump of the clock."""
        self._plan: _Plan | None = None
        self._measured: tuple[int, float] | None = None
        self._last: Flight | None = None
        self._failed = False
        self.flight = None

    # ---- inputs

    def on_target(self, target: Trajectory, now_ns: int) -> None:
        """Replace the wanted widths.

        :raises TargetRefused: with the reason; what was wanted before goes on.
        """
        widths = target_widths(target, self.config.fingers, self.config.scale)
        if target.start_ns == 0:
            raise TargetRefused('stamp of zero: the widths have no time')
        if not np.isfinite(target.times).all() or (np.diff(target.times) <= 0).any():
            raise TargetRefused('times that do not increase')
        t_ns = target.start_ns + np.round(target.times * NS).astype(np.int64)
        plan = _Plan(t_ns, widths)
        if plan.ended(now_ns):
            raise TargetRefused(f'came {(now_ns - t_ns[-1]) / NS:.2f} s after its last point')
        self._plan = self._plan.followed_by(plan, now_ns) if self._plan is not None else plan

    def on_width(self, stamp_ns: int, width: float) -> None:
        """Take a measured width [m]; the first motion after a goal tells the latency."""
        if not np.isfinite(width):
            return
        self._measured = (stamp_ns, width)
        flight = self.flight
        if flight is None or flight.width is None or stamp_ns < flight.sent_ns:
            return
        if abs(width - flight.width) > _MOVED:
            self.latency = (stamp_ns - flight.sent_ns) / NS
            flight.width = None

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
        width = self._plan.aim(now_ns + round(self.config.latency * NS))
        if width is None:
            return None
        if not self.config.grasps or width >= self.config.open_above:
            return Goal(Kind.MOVE, width)
        return Goal(Kind.GRASP, width) if width <= self.config.close_below else None

    def _stands(self, goal: Goal, now_ns: int) -> bool:
        """Say whether the fingers do already what the goal asks for."""
        width, last = self._width(now_ns), self._last
        reached = width is not None and abs(width - goal.width) <= self.config.min_change
        if last is None or self._failed:
            return goal.kind is Kind.MOVE and reached
        if not self._same(last.goal, goal):
            return False
        if self.flight is not None or width is None:
            return True
        return reached if goal.kind is Kind.MOVE else width < self.config.open_above

    def _same(self, one: Goal, other: Goal | None) -> bool:
        if other is None or one.kind is not other.kind:
            return False
        return one.kind is Kind.GRASP or abs(one.width - other.width) <= self.config.min_change

    def _too_soon(self, goal: Goal, now_ns: int) -> bool:
        if self._last is None:
            return False
        again = self._same(self._last.goal, goal)
        wait_ns = _REPEAT_NS if again else round(self.config.dwell * NS)
        return now_ns - self._last.sent_ns < wait_ns

    def _width(self, now_ns: int) -> float | None:
        if self._measured is None or now_ns - self._measured[0] > _FRESH_NS:
            return None
        return self._measured[1]
