# SPDX-License-Identifier: Apache-2.0
"""For how long this process itself was not run: a watchdog must not blame others for that."""

from __future__ import annotations

from dp_ros.robot.units import to_ns


class Stalls:
    """Watches something that should happen every ``period`` [s]."""

    def __init__(self, period: float) -> None:
        self._period_ns = to_ns(period)
        self._last_ns: int | None = None

    def late_ns(self, now_ns: int) -> int:
        """Return by how much later than due it happens now [ns]."""
        last_ns, self._last_ns = self._last_ns, now_ns
        return 0 if last_ns is None else max(0, now_ns - last_ns - self._period_ns)
