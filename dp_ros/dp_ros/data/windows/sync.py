# SPDX-License-Identifier: Apache-2.0
"""Match images of several cameras in a recording as the live synchronizer does.

The rule is that of message_filters.ApproximateTimeSynchronizer, on stamps only: a new image is
matched with the nearest ones of the other cameras; matched images leave the queues.
Source: ros2/message_filters, src/message_filters/__init__.py.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools


class CameraMatcher:
    """Finds the sets of images that belong together, in the order they were received.

    :param queue_size: number of images of a camera kept while the others are awaited.
    :param slop_ns: difference that the stamps of a set stay below [ns].
    """

    def __init__(self, cameras: Sequence[str], queue_size: int, slop_ns: int) -> None:
        self._queues: dict[str, set[int]] = {camera: set() for camera in cameras}
        self._queue_size = queue_size
        self._slop_ns = slop_ns

    def add(self, camera: str, stamp_ns: int) -> tuple[int, ...] | None:
        """Take an image's stamp; return the stamps of the set it completes, one per camera."""
        queue = self._queues[camera]
        queue.add(stamp_ns)
        while len(queue) > self._queue_size:
            queue.remove(min(queue))
        if stamp_ns not in queue:
            return None
        choices = [
            [stamp_ns] if name == camera else self._near(stamp_ns, other)
            for name, other in self._queues.items()
        ]
        for stamps in itertools.product(*choices):
            if max(stamps) - min(stamps) < self._slop_ns:
                for other, stamp in zip(self._queues.values(), stamps, strict=True):
                    other.remove(stamp)
                return stamps
        return None

    def _near(self, stamp_ns: int, queue: set[int]) -> list[int]:
        near = [s for s in sorted(queue) if abs(s - stamp_ns) <= self._slop_ns]
        return sorted(near, key=lambda s: abs(s - stamp_ns))
