# SPDX-License-Identifier: Apache-2.0
"""Widths that a policy wants over time.

```
wanted ────────────╮
                   ╰╮               the motion under way at a time …
                    ╰───────────    … aims at the width at which it ends
                  ↑ time
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array, Times
from dp_ros.control.gripper.finger_width import TargetRefused, WidthScale, target_widths
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS
import numpy as np

_STILL: Final = 0.01  # Speed below which a width rests [m/s].


@dataclass(frozen=True)
class WidthPlan:
    """Widths (n,) [m] wanted at the times (n,) [ns], increasing."""

    t_ns: Times
    widths: Array

    @classmethod
    def read(
        cls, target: Trajectory, fingers: tuple[str, ...], scale: WidthScale, now_ns: int
    ) -> WidthPlan:
        """Return the widths that a target of the fingers asks for.

        :raises TargetRefused: where stamp, times, names or widths do not fit.
        """
        widths = target_widths(target, fingers, scale)
        if target.start_ns == 0:
            raise TargetRefused('stamp of zero: the widths have no time')
        if not np.isfinite(target.times).all() or (np.diff(target.times) <= 0).any():
            raise TargetRefused('times that do not increase')
        plan = cls(target.start_ns + np.round(target.times * NS).astype(np.int64), widths)
        if plan.ended(now_ns):
            late = (now_ns - plan.t_ns[-1]) / NS
            raise TargetRefused(f'came {late:.2f} s after its last point')
        return plan

    def ended(self, now_ns: int) -> bool:
        """Tell whether the last point has passed: no width is wanted any more."""
        return now_ns > int(self.t_ns[-1])

    def followed_by(self, new: WidthPlan, now_ns: int) -> WidthPlan:
        """Return this plan, replaced by a new one from the new one's first point on."""
        if self.ended(now_ns):
            return new
        passed, replaced = np.searchsorted(self.t_ns, [now_ns, new.t_ns[0]])
        kept = slice(max(0, passed - 1), replaced)
        return WidthPlan(
            np.concatenate([self.t_ns[kept], new.t_ns]),
            np.concatenate([self.widths[kept], new.widths]),
        )

    def aim(self, time_ns: int) -> float | None:
        """Return the width [m] at which the motion wanted at a time ends.

        After the last point this is the last width, before the first one None.
        """
        if time_ns < self.t_ns[0]:
            return None
        ahead = self.t_ns > time_ns
        width = np.interp(time_ns, self.t_ns, self.widths)
        times = np.append(0.0, (self.t_ns[ahead] - time_ns) / NS)
        return run_end(times, np.append(width, self.widths[ahead]))


def run_end(times: Array, widths: Array) -> float:
    """Return the width at which the motion under way at the first of the times (n,) ends."""
    speeds = np.diff(widths) / np.diff(times)
    direction = np.sign(speeds[:1])
    rests = np.flatnonzero(speeds * direction < _STILL)
    return float(widths[rests[0] if len(rests) else -1])
