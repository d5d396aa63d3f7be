# SPDX-License-Identifier: Apache-2.0
"""Observation windows from live streams, message by message, or the reason why there is none.

Training data uses the same `WindowBuilder`. This module adds what only a running system has:
late messages, stamps from the future, and joint states that are still to come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dp_ros.arrays import Rgb
from dp_ros.data.windows.window import (
    JOINTS,
    ObservationWindow,
    Refusal,
    WindowBuilder,
    WindowSpec,
    label,
)
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.units import MS

_MARGIN_NS = 2000 * MS


@dataclass(frozen=True)
class LiveLimits:
    """Limits of ages and waiting times.

    :param max_age_ns: largest age of a stamp when its message comes [ns].
    :param max_future_ns: largest time that a stamp may be ahead of the clock [ns].
    :param max_wait_ns: longest time that a window waits for its joint states [ns].
    """

    max_age_ns: int = 500 * MS
    max_future_ns: int = 100 * MS
    max_wait_ns: int = 100 * MS


@dataclass
class StreamCount:
    """Numbers of messages of one stream.

    :param matched: messages used for windows; ``dropped``: refused ones, ``late``: by their age.
    """

    received: int = 0
    matched: int = 0
    dropped: int = 0
    late: int = 0
    last_refusal: str = ''
    _known: int = 0

    def silent(self) -> bool:
        """Whether no message was received since this was last asked."""
        silent = self.received == self._known
        self._known = self.received
        return silent


class LiveWindows:
    """Windows of live streams; all times are of one clock [ns]."""

    def __init__(self, spec: WindowSpec, limits: LiveLimits) -> None:
        self.spec = spec
        self.limits = limits
        self.counts = {stream: StreamCount() for stream in (*spec.camera_names, JOINTS)}
        self.commands = StreamCount()
        self.last_refusal = ''
        self._builder = WindowBuilder(spec, spec.span_ns + _MARGIN_NS)
        self._due: deque[tuple[int, int]] = deque()

    def reset(self, not_before_ns: int) -> None:
        """Forget everything, and refuse what is older than ``not_before_ns`` from now on."""
        self._builder.reset(not_before_ns)
        self._due.clear()

    def push_image(self, camera: str, stamp_ns: int, now_ns: int, image: Rgb) -> int | None:
        """Take an image; return its time, the latency subtracted, or None when it is refused."""
        time_ns = self.spec.corrected(camera, stamp_ns)
        push = self._builder.push_image
        taken = self._take(camera, time_ns, now_ns, lambda: push(camera, stamp_ns, image))
        return time_ns if taken else None

    def push_set(self, stamps_ns: Mapping[str, int], now_ns: int) -> None:
        """Take the stamps of a synchronized set, an image of each camera: its window is due."""
        for camera in stamps_ns:
            self.counts[camera].matched += 1
        self._due.append((max(stamps_ns.values()), now_ns))

    def push_joints(
        self, stamp_ns: int, now_ns: int, names: Sequence[str], positions: Sequence[float]
    ) -> None:
        """Take a joint state, or refuse it."""
        time_ns = self.spec.corrected(JOINTS, stamp_ns)
        push = self._builder.push_joints
        if self._take(JOINTS, time_ns, now_ns, lambda: push(stamp_ns, names, positions)):
            self.counts[JOINTS].matched += 1

    def push_command(self, now_ns: int, trajectory: Trajectory) -> None:
        """Take a trajectory that was sent to arm or gripper, or count it as dropped."""
        self.commands.received += 1
        try:
            self._builder.push_command(now_ns, trajectory)
        except TrajectoryRejected as error:
            self._drop(self.commands, f'commands: {error}')

    def refuse_command(self, reason: str) -> None:
        """Count a trajectory that cannot be read."""
        self.commands.received += 1
        self._drop(self.commands, f'commands: {reason}')

    def windows(self, now_ns: int) -> Iterator[ObservationWindow]:
        """Yield the complete windows, oldest first."""
        while self._due:
            stamp_ns, since_ns = self._due[0]
            covered = self._builder.covered(stamp_ns)
            if not covered and now_ns - since_ns <= self.limits.max_wait_ns:
                return
            self._due.popleft()
            try:
                if not covered:
                    raise Refusal(self._uncovered(stamp_ns))
                yield self._builder.build(stamp_ns)
            except Refusal as refusal:
                self.last_refusal = str(refusal)

    @property
    def waits(self) -> bool:
        """Whether a window waits for joint states."""
        return bool(self._due)

    def refuse(self, stream: str, reason: str) -> None:
        """Count a message of the stream that cannot be used."""
        count = self.counts[stream]
        count.received += 1
        self._drop(count, f'{label(stream)}: {reason}')

    def _take(self, stream: str, time_ns: int, now_ns: int, push: Callable[[], object]) -> bool:
        count, age_ns = self.counts[stream], now_ns - time_ns
        count.received += 1
        # A stamp of zero has no age; the builder refuses it.
        late = time_ns > 0 and age_ns > self.limits.max_age_ns
        try:
            if late:
                raise Refusal(
                    f'{label(stream)}: came {age_ns / MS:.1f} ms after its stamp, max_age is '
                    f'{self.limits.max_age_ns / MS:g} ms'
                )
            if -age_ns > self.limits.max_future_ns:
                raise Refusal(
                    f'{label(stream)}: stamp is {-age_ns / MS:.1f} ms in the future: are the '
                    'clocks synchronized?'
                )
            push()
        except Refusal as refusal:
            count.late += late
            self._drop(count, str(refusal))
            return False
        return True

    def _drop(self, count: StreamCount, reason: str) -> None:
        count.dropped += 1
        count.last_refusal = self.last_refusal = reason

    def _uncovered(self, stamp_ns: int) -> str:
        newest_ns = self._builder.joints.newest_ns
        if newest_ns == 0:
            return f'{JOINTS}: no sample to use'
        return f'{JOINTS}: the newest is {(stamp_ns - newest_ns) / MS:.1f} ms before the image'
