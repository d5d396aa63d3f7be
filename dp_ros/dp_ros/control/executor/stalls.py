# SPDX-License-Identifier: Apache-2.0
"""Time for which this process was not run: a watchdog must not take it for others' silence."""

from __future__ import annotations

from dp_ros.robot.units import to_ns


class Stalls:
    """Measures delays of something that should happen every ``period`` [s]."""

    def __init__(self, period: float) -> None:
        self._period_ns = to_ns(period)
        self._last_ns: int | None = None

    def late_ns(self, now_ns: int) -> int:
        """Return the delay of what happens now [ns], 0 if it is on time."""
        last_ns, self._last_ns = self._last_ns, now_ns
        return 0 if last_ns is None else max(0, now_ns - last_ns - self._period_ns)
