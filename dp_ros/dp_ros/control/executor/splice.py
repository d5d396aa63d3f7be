# SPDX-License-Identifier: Apache-2.0
"""Join a chunk to what the arm is commanded to do, and end in a braking tail.

The motion starts exactly in the commanded state of the arm, keeps the limits (`Motion.keeps`)
and ends at rest. It follows the points in time where it can (`fit`), more smoothly
where it has to, and approaches them where they are too far away or too fast::

              due     due+reach
    points     ●─●─●─●
               .      \
    approach  ─┬──────→●──●──●──●        the same points, later and in as much time or more
               start

An arm that begins outside of the limits that are used, for example after it was guided there by
hand, may move inwards and goes no further out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.fit import EXACT, Fit, Smoothing
from dp_ros.control.executor.motion import Motion, SpliceError, State
from dp_ros.control.executor.ruckig_motion import approach, time_optimal_brake
from dp_ros.robot.limits import JointLimits
import numpy as np

_FOLLOW: Final = ((0.092, 0.4), (0.135, 0.5), (0.2, 0.6), (0.29, 0.8), (0.43, 1.0), (0.63, 1.2))
"""Tries of a motion in time: smoothing, and time to brake in [s]."""
_GENTLER: Final = (1.0, 0.6, 0.36)
_AWAY: Final = 0.1  # Most by which smoothing leads away from the points after a blend [rad].
_FAR: Final = 0.1  # A first point further away is approached at the speed that is set [rad].
_LATER: Final = (0.29, 0.8)  # Of a motion after an approach, likewise.
_SLOWER: Final = (1.0, 2.0, 4.0)
_BRAKE_SMOOTHING: Final = 1.0  # Without points every one gives the same motion.
_BRAKE: Final = (0.12, 0.2, 0.28, 0.4, 0.6, 0.8, 1.2)
_INWARDS: Final = 0.01  # [rad], by which a motion may overshoot a point where it turns or stops
_LONGEST: Final = 60.0
_MOST_POINTS: Final = 128  # Of more, every second is followed, or every third, …
_LONGEST_SLOWER: Final = 4.0  # Longest time in which the points may be followed late [s].


@dataclass
class Effort:
    """Remaining computation for a plan, counted in knots to solve for.

    It limits the time of planning, and unlike a clock it gives the same motion each time.
    """

    knots: int = 1200

    @property
    def spent(self) -> bool:
        """Whether no computation is left."""
        return self.knots <= 0


def follow(
    start: State,
    times: Array,
    points: Array,
    limits: JointLimits,
    speed: float = 1.0,
    effort: Effort | None = None,
    smoothing: Smoothing = EXACT,
) -> Motion:
    """Lead from ``start`` through points (m, n) due at ``times`` (m,) [s], then brake to rest.

    Points that cannot be reached in time inside the limits are followed more smoothly, and
    where that is not enough, later than they are due. The motion's ``deviation`` is its distance
    from the points as they were given, beyond the limits or not.

    :param speed: share of the approach's velocity, 0 to 1.
    :param effort: limit of the computation; None: that of one plan.
    :param smoothing: how much smoother than the points the motion is.
    :raises SpliceError: when the points reach too far into the future, or no motion inside the
        limits leads on from ``start``.
    """
    if times[-1] > _LONGEST:
        raise SpliceError(f'points reach {times[-1]:.1f} s ahead: at most {_LONGEST:.0f} s')
    effort = effort or Effort()
    every = -(-len(times) // _MOST_POINTS)
    some = slice((len(times) - 1) % every, None, every)  # The last is among them.
    due, reachable = times[some], np.clip(points[some], *_room(start.position, limits))
    motion = None
    if not _is_far(reachable[0] - start.position, speed * limits.velocity * due[0]):
        motion = _in_time(Fit(start, due, reachable), limits, effort, smoothing)
    if motion is None:
        motion = replace(_later(start, due, reachable, limits, speed, effort), approach=True)
    return replace(motion, deviation=motion.distance(times, points))


def brake(start: State, limits: JointLimits) -> Motion:
    """Come to rest in the shortest time that a smooth motion allows.

    :raises SpliceError: when there is no braking motion from such a state.
    """
    fit = Fit(start, np.zeros(0), np.zeros((0, len(start.position))))
    for duration in _BRAKE:
        motion = fit.motion(duration, _BRAKE_SMOOTHING)
        if motion.keeps(limits):
            return motion
    return time_optimal_brake(start, limits)


def _room(position: Array, limits: JointLimits) -> tuple[Array, Array]:
    """Return the lowest and highest goals (n,) of a motion from a position (n,) [rad]."""
    lower, upper = limits.range()
    return (
        np.where(position < lower, position, lower + _INWARDS),
        np.where(position > upper, position, upper - _INWARDS),
    )


def _is_far(way: Array, most: Array) -> bool:
    """Tell whether the way (n,) to the first point is none of the chunk, and too long [rad]."""
    return bool(np.abs(way).max() > _FAR and (np.abs(way) > most).any())


def _in_time(fit: Fit, limits: JointLimits, effort: Effort, smoothing: Smoothing) -> Motion | None:
    for time, tail in _FOLLOW:
        if effort.spent:
            break
        motion = fit.motion(float(fit.times[-1]) + tail, time)
        effort.knots -= len(motion.times)
        if motion.keeps(limits):
            return _gentler(motion, time, fit, limits, effort, smoothing)
    return None


def _gentler(
    motion: Motion,
    least: float,
    fit: Fit,
    limits: JointLimits,
    effort: Effort,
    smoothing: Smoothing,
) -> Motion:
    """Return a smoother motion that is as near to the points after the blend, or this one."""
    end = float(fit.times[-1])
    after = fit.times >= min(smoothing.blend, end)
    blended = fit.blended(smoothing.blend)
    for share in _GENTLER:
        time = share * min(smoothing.time, end)
        if effort.spent or time <= least:
            break
        gentle = blended.motion(float(motion.times[-1]), time)
        effort.knots -= len(gentle.times)
        near = gentle.distance(fit.times[after], fit.points[after]) <= _AWAY
        if near and gentle.keeps(limits):
            return gentle
    return motion


def _later(
    start: State, times: Array, points: Array, limits: JointLimits, speed: float, effort: Effort
) -> Motion:
    """Approach the first point gently, and follow the others later where limits allow."""
    straight = approach(start, points[0], limits, speed)
    time, tail = _LATER
    for slower in _SLOWER:
        due = straight.times[-1] + slower * (times - times[0])
        if effort.spent or due[-1] > _LONGEST_SLOWER:
            break
        motion = Fit(start, due, points).motion(float(due[-1]) + tail, time)
        effort.knots -= len(motion.times)
        if motion.keeps(limits):
            return motion
    return straight
