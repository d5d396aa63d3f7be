# SPDX-License-Identifier: Apache-2.0
"""The observation window: what was seen and measured at n_obs_steps times, dt apart.

The one resampler: the live aggregator and the data set both build their windows here.

```
images   ─┬────────┬────────┬────────┬──→   nearest to each frame, within a tolerance
joints   ┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬→   interpolated at each frame
frames            t - dt            t       t: newest camera stamp of the synchronized set
```

What is late, missing or out of order is a Refusal with its reason; nothing is invented.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rgb = NDArray[np.uint8]

MS = 1_000_000

Sample = TypeVar('Sample')


class Refusal(ValueError):
    """Why a sample is not taken or an observation is not made."""


@dataclass(frozen=True)
class WindowSpec:
    """What a window holds.

    :param image_sizes: (height, width) [px] of each camera.
    :param image_tolerance_ns: how far an image may be from its frame's time.
    :param joint_gap_ns: how far apart two joint states may be to interpolate between them.
    """

    joint_names: tuple[str, ...]
    image_sizes: Mapping[str, tuple[int, int]]
    dt_ns: int
    n_obs_steps: int
    image_tolerance_ns: int = 40 * MS
    joint_gap_ns: int = 100 * MS

    def frame_times(self, stamp_ns: int) -> list[int]:
        """Return the times of the frames of the window at ``stamp_ns``, oldest first."""
        return [stamp_ns - k * self.dt_ns for k in reversed(range(self.n_obs_steps))]


@dataclass(frozen=True)
class ObservationWindow:
    """One window, To frames.

    :param joint_positions: (To, J) [rad].
    :param images: (To, H, W, 3) of each camera; ``image_stamps_ns``: (To,) likewise.
    """

    stamp_ns: int
    joint_positions: Array
    images: Mapping[str, Rgb]
    image_stamps_ns: Mapping[str, tuple[int, ...]]


class Stream(Generic[Sample]):
    """Samples in the order of their stamps, the oldest ones forgotten.

    :param keep_ns: how long samples are kept behind the newest one; None: for ever.
    """

    def __init__(self, name: str, keep_ns: int | None) -> None:
        self.name = name
        self._keep_ns = keep_ns
        self.stamps: list[int] = []
        self.samples: list[Sample] = []

    def push(self, stamp_ns: int, sample: Sample) -> None:
        """Take a sample.

        :raises Refusal: for a stamp of zero or one that is not newer than the last.
        """
        if stamp_ns <= 0:
            raise Refusal(f'{self.name}: stamp {stamp_ns} ns; the driver must set header.stamp')
        if self.stamps and stamp_ns <= self.stamps[-1]:
            late = (self.stamps[-1] - stamp_ns) / MS
            raise Refusal(f'{self.name}: stamp goes back by {late:.1f} ms')
        self.stamps.append(stamp_ns)
        self.samples.append(sample)
        if self._keep_ns is not None:
            passed = bisect_left(self.stamps, stamp_ns - self._keep_ns)
            del self.stamps[:passed], self.samples[:passed]

    def clear(self) -> None:
        """Forget everything."""
        self.stamps.clear()
        self.samples.clear()

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest sample, 0 without one."""
        return self.stamps[-1] if self.stamps else 0


class WindowBuilder:
    """Collect joint states and images, and build windows from them.

    :param keep_ns: how long to keep samples; None for a recording.
    """

    def __init__(self, spec: WindowSpec, keep_ns: int | None = None) -> None:
        self.spec = spec
        self.joints: Stream[Array] = Stream('joint_states', keep_ns)
        self.images: dict[str, Stream[Rgb]] = {
            name: Stream(f'camera {name}', keep_ns) for name in spec.image_sizes
        }

    def push_joints(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Take a joint state; its joints may come in any order and be more than needed.

        :raises Refusal: with the reason.
        """
        missing = [name for name in self.spec.joint_names if name not in names]
        if missing:
            raise Refusal(f'joint_states: no {", ".join(missing)} among {list(names)}')
        if len(positions) != len(names):
            raise Refusal(f'joint_states: {len(names)} names, {len(positions)} positions')
        order = {name: index for index, name in enumerate(names)}
        values = [float(positions[order[name]]) for name in self.spec.joint_names]
        for name, value in zip(self.spec.joint_names, values, strict=True):
            if not math.isfinite(value):
                raise Refusal(f'joint_states: position of {name} is {value}')
        self.joints.push(stamp_ns, np.array(values))

    def push_image(self, camera: str, stamp_ns: int, image: Rgb) -> None:
        """Take an image of the policy's size.

        :raises Refusal: with the reason.
        """
        size = self.spec.image_sizes[camera]
        if image.shape != (*size, 3):
            raise Refusal(f'camera {camera}: image of shape {image.shape}, needs {(*size, 3)}')
        self.images[camera].push(stamp_ns, image)

    def covered(self, stamp_ns: int) -> bool:
        """Whether the joint states reach up to ``stamp_ns``, so that nothing later changes it."""
        return self.joints.newest_ns >= stamp_ns

    def build(self, stamp_ns: int) -> ObservationWindow:
        """Build the window whose newest frame is at ``stamp_ns``.

        :raises Refusal: when a frame is not covered by a stream, with the stream and the gap.
        """
        times = self.spec.frame_times(stamp_ns)
        joints = np.array([self._joints_at(time) for time in times])
        chosen = {
            name: [self._image_at(name, time, stamp_ns) for time in times] for name in self.images
        }
        return ObservationWindow(
            stamp_ns,
            joints,
            {
                name: np.stack([self.images[name].samples[i] for i in indices])
                for name, indices in chosen.items()
            },
            {
                name: tuple(self.images[name].stamps[i] for i in indices)
                for name, indices in chosen.items()
            },
        )

    def clear(self) -> None:
        """Forget all samples."""
        self.joints.clear()
        for stream in self.images.values():
            stream.clear()

    def _joints_at(self, time_ns: int) -> Array:
        stamps, samples = self.joints.stamps, self.joints.samples
        after = bisect_left(stamps, time_ns)
        if after < len(stamps) and stamps[after] == time_ns:
            return samples[after]
        if after == 0 or after == len(stamps):
            edge = 'after' if after == 0 else 'before'
            raise Refusal(f'joint_states: none {_other(edge)} the frame, only {edge} it')
        before_ns, after_ns = stamps[after - 1], stamps[after]
        if after_ns - before_ns > self.spec.joint_gap_ns:
            raise Refusal(f'joint_states: gap of {(after_ns - before_ns) / MS:.1f} ms')
        share = (time_ns - before_ns) / (after_ns - before_ns)
        return samples[after - 1] + share * (samples[after] - samples[after - 1])

    def _image_at(self, camera: str, time_ns: int, newest_ns: int) -> int:
        stamps = self.images[camera].stamps
        end = bisect_right(stamps, newest_ns)
        right = bisect_left(stamps, time_ns, 0, end)
        near = [i for i in (right - 1, right) if 0 <= i < end]
        if not near:
            raise Refusal(f'camera {camera}: no image yet')
        best = min(near, key=lambda i: abs(stamps[i] - time_ns))
        distance = abs(stamps[best] - time_ns)
        if distance > self.spec.image_tolerance_ns:
            raise Refusal(
                f'camera {camera}: nearest image is {distance / MS:.1f} ms from its frame, '
                f'tolerance {self.spec.image_tolerance_ns / MS:.1f} ms'
            )
        return best


def _other(edge: str) -> str:
    return 'before' if edge == 'after' else 'after'
