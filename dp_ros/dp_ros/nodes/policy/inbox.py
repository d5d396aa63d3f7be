# SPDX-License-Identifier: Apache-2.0
"""Choice of the observation for the next chunk, and of its time.

It is the newest unused one, at most every ``period_ns``, and none that is too old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dp_ros.data.windows.window import Refusal
from dp_ros.robot.units import MS


@dataclass(frozen=True)
class Received:
    """An observation, its stamp [ns] and the time at which it came [ns]."""

    stamp_ns: int
    received_ns: int
    observation: Any


@dataclass(frozen=True)
class InboxLimits:
    """Conditions for the use of an observation.

    :param period_ns: shortest time between the stamps of two used observations [ns].
    :param slack_ns: time by which one may be earlier, because cameras are irregular [ns].
    :param max_age_ns: largest age of a used observation [ns].
    :param max_future_ns: largest time that a stamp may be ahead of the clock [ns].
    """

    period_ns: int
    slack_ns: int = 0
    max_age_ns: int = 500 * MS
    max_future_ns: int = 100 * MS


class Inbox:
    """The newest observation; all times are of one clock [ns]."""

    def __init__(self, limits: InboxLimits) -> None:
        self.limits = limits
        self._waiting: Received | None = None
        self._newest_ns = 0
        self._used_ns: int | None = None
        self._not_before_ns = 0

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest observation, 0 before the first."""
        return self._newest_ns

    def push(self, stamp_ns: int, now_ns: int, observation: Any) -> None:
        """Take an observation in place of the one that waits.

        :raises Refusal: for a stamp of zero, too old, from the future, from before the reset or
            not newer than the last.
        """
        if stamp_ns <= 0:
            raise Refusal(f'observation: stamp {stamp_ns} ns; its sender must set header.stamp')
        if stamp_ns < self._not_before_ns:
            early = (self._not_before_ns - stamp_ns) / MS
            raise Refusal(f'observation: stamp is {early:.1f} ms before the reset')
        if stamp_ns <= self._newest_ns:
            back = (self._newest_ns - stamp_ns) / MS
            raise Refusal(f'observation: stamp goes back by {back:.1f} ms')
        self._check_age(stamp_ns, now_ns)
        self._newest_ns = stamp_ns
        self._waiting = Received(stamp_ns, now_ns, observation)

    def due(self) -> bool:
        """Whether an observation waits that may be used for the next chunk."""
        waiting, used_ns = self._waiting, self._used_ns
        if waiting is None or used_ns is None:
            return waiting is not None
        return waiting.stamp_ns - used_ns >= self.limits.period_ns - self.limits.slack_ns

    def take(self, now_ns: int) -> Received | None:
        """Return the observation that waits if it is due, else None.

        :raises Refusal: when it became too old while it waited.
        """
        if not self.due() or self._waiting is None:
            return None
        taken, self._waiting = self._waiting, None
        self._check_age(taken.stamp_ns, now_ns)
        self._used_ns = taken.stamp_ns
        return taken

    def reset(self, not_before_ns: int = 0) -> None:
        """Forget everything, and refuse what is older than ``not_before_ns`` from now on."""
        self._waiting = None
        self._newest_ns = 0
        self._used_ns = None
        self._not_before_ns = not_before_ns

    def _check_age(self, stamp_ns: int, now_ns: int) -> None:
        age_ns = now_ns - stamp_ns
        if age_ns > self.limits.max_age_ns:
            raise Refusal(
                f'observation: {age_ns / MS:.1f} ms old, max_observation_age is '
                f'{self.limits.max_age_ns / MS:g} ms'
            )
        if -age_ns > self.limits.max_future_ns:
            raise Refusal(
                f'observation: stamp is {-age_ns / MS:.1f} ms in the future: are the clocks '
                'synchronized?'
            )
