# SPDX-License-Identifier: Apache-2.0
"""The window of observations that a policy sees, from streams of images and joint positions.

The one resampler: the live aggregator and the training data both push what they receive, in the
order received, into a `WindowBuilder`. It never asks a clock and never invents data::

    images      I         I         I          one set of all cameras each
    joints    j j j j j j j j j j j j j
    grid                  ^         ^          stamp - dt, stamp;  stamp = newest image of the set

Images are the nearest ones to the grid times, joint positions are interpolated at them. A window
is complete when a joint sample at or after its stamp is there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

NS = 1_000_000_000
JOINT_STREAM = 'joint_states'
_KEEP_NS = 2 * NS


def to_ns(seconds: float) -> int:
    """Return a duration in nanoseconds."""
    return round(seconds * NS)


@dataclass(frozen=True)
class WindowSpec:
    """What a window holds and how exact it must be.

    :param image_sizes: (height, width) [px] of each camera, in the cameras' order.
    :param dt: spacing of the frames [s].
    :param image_tolerance: how far an image may be from its grid time [s]; 0.45 dt if not given.
    :param max_joint_gap: longest time between two joint samples to interpolate over [s].
    :param image_latencies: what is subtracted from a camera's stamps [s].
    :param joint_latency: what is subtracted from the joints' stamps [s].
    :param camera_slop: largest difference of the stamps within one set of images [s].
    :param queue_size: images of a camera kept while the other cameras' are awaited.
    """

    joint_names: tuple[str, ...]
    image_sizes: Mapping[str, tuple[int, int]]
    dt: float = 0.1
    n_obs_steps: int = 2
    image_tolerance: float | None = None
    max_joint_gap: float = 0.1
    image_latencies: Mapping[str, float] = field(default_factory=dict)
    joint_latency: float = 0.0
    camera_slop: float = 0.02
    queue_size: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, 'joint_names', tuple(self.joint_names))
        if not self.joint_names or not self.image_sizes:
            raise ValueError('joint_names and image_sizes need at least one entry each')
        if self.dt <= 0 or self.n_obs_steps < 1:
            raise ValueError(f'dt = {self.dt}, n_obs_steps = {self.n_obs_steps}: need > 0, >= 1')
        if not 0 < self.tolerance < self.dt / 2:
            raise ValueError(
                f'image_tolerance = {self.tolerance} s: needs more than 0 and less than dt / 2 = '
                f'{self.dt / 2} s, or one image would serve two frames'
            )
        for name in self.image_latencies:
            if name not in self.image_sizes:
                raise ValueError(f'image_latencies: there is no camera {name!r}')

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, in order."""
        return tuple(self.image_sizes)

    @property
    def tolerance(self) -> float:
        """How far an image may be from its grid time [s]."""
        return 0.45 * self.dt if self.image_tolerance is None else self.image_tolerance

    @property
    def span_ns(self) -> int:
        """Time from the oldest to the newest frame [ns]."""
        return (self.n_obs_steps - 1) * to_ns(self.dt)

    def grid(self, stamp_ns: int) -> NDArray[np.int64]:
        """Times of the frames (To,) of the window at ``stamp_ns``, oldest first [ns]."""
        steps = np.arange(self.n_obs_steps - 1, -1, -1, dtype=np.int64)
        return stamp_ns - steps * to_ns(self.dt)


@dataclass(frozen=True)
class Frame:
    """One image (H, W, 3), rgb, and the stamp its camera gave it [ns]."""

    stamp_ns: int
    image: Image = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """Why data was not taken or a window not made."""

    stream: str
    reason: str

    def __str__(self) -> str:
        return f'{self.stream}: {self.reason}'


@dataclass(frozen=True)
class ObservationWindow:
    """One observation.

    :param stamp_ns: time of the newest image, latency subtracted [ns].
    :param joint_positions: (To, J) at the grid times [rad].
    :param frames: of each camera (To,), nearest to the grid times.
    """

    stamp_ns: int
    joint_positions: Array
    frames: Mapping[str, tuple[Frame, ...]]

    @property
    def images(self) -> dict[str, Image]:
        """Images of each camera (To, H, W, 3)."""
        return {name: np.stack([f.image for f in row]) for name, row in self.frames.items()}


class WindowBuilder:
    """Makes windows of what is pushed; keeps no more of the past than they need."""

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self._latency_ns = {
            name: to_ns(spec.image_latencies.get(name, 0.0)) for name in spec.camera_names
        }
        self.reset(0)

    def reset(self, not_before_ns: int) -> None:
        """Forget everything, and refuse what is stamped before ``not_before_ns`` from now on."""
        self._not_before_ns = not_before_ns
        self._joint_stamps: list[int] = []
        self._joints: list[Array] = []
        self._frames: dict[str, list[tuple[int, Frame]]] = {n: [] for n in self.spec.camera_names}
        self._pending: deque[int] = deque()

    def push_joints(self, stamp_ns: int, positions: Sequence[float] | Array) -> Refusal | None:
        """Take one joint sample (J,) [rad]."""
        value = np.asarray(positions, dtype=np.float64)
        last = self._joint_stamps[-1] if self._joint_stamps else 0
        corrected = stamp_ns - to_ns(self.spec.joint_latency)
        reason = self._check_stamp(stamp_ns, corrected, last) or self._check_joints(value)
        if reason is not None:
            return Refusal(JOINT_STREAM, reason)
        self._joint_stamps.append(corrected)
        self._joints.append(value)
        self._forget_joints(corrected - self.spec.span_ns - _KEEP_NS)
        return None

    def push_images(self, frames: Mapping[str, Frame]) -> Refusal | None:
        """Take one set of images, one of each camera; a window becomes due."""
        stamps = {
            name: frames[name].stamp_ns - self._latency_ns[name] for name in self.spec.camera_names
        }
        newest = max(stamps.values())
        for name, frame in frames.items():
            reason = self._check_stamp(frame.stamp_ns, stamps[name], self._newest(name))
            reason = reason or self._check_image(name, frame.image)
            if reason is not None:
                return Refusal(name, reason)
        for name, buffer in self._frames.items():
            buffer.append((stamps[name], frames[name]))
            oldest = newest - self.spec.span_ns - _KEEP_NS
            while buffer[0][0] < oldest:
                del buffer[0]
        self._pending.append(newest)
        return None

    @property
    def pending_ns(self) -> int | None:
        """Stamp of the oldest window that waits for joint samples [ns]."""
        return self._pending[0] if self._pending else None

    def give_up(self) -> Refusal:
        """Refuse the oldest waiting window for want of joint samples."""
        stamp_ns = self._pending.popleft()
        if not self._joint_stamps:
            return Refusal(JOINT_STREAM, 'no sample received')
        behind = (stamp_ns - self._joint_stamps[-1]) / NS
        return Refusal(JOINT_STREAM, f'newest sample is {behind:.3f} s older than the image')

    def poll(self) -> ObservationWindow | Refusal | None:
        """Return the oldest due window or why there is none; None while it waits for joints."""
        if not self._pending or not self._joint_stamps:
            return None
        if self._joint_stamps[-1] < self._pending[0]:
            return None
        return self._build(self._pending.popleft())

    def _build(self, stamp_ns: int) -> ObservationWindow | Refusal:
        grid = [int(t) for t in self.spec.grid(stamp_ns)]
        frames: dict[str, tuple[Frame, ...]] = {}
        for name in self.spec.camera_names:
            row = [self._nearest(name, t, stamp_ns) for t in grid]
            for found in row:
                if isinstance(found, Refusal):
                    return found
            frames[name] = tuple(found for found in row if isinstance(found, Frame))
        positions = np.empty((len(grid), len(self.spec.joint_names)))
        for index, t in enumerate(grid):
            value = self._interpolated(t)
            if isinstance(value, Refusal):
                return value
            positions[index] = value
        return ObservationWindow(stamp_ns, positions, frames)

    def _nearest(self, camera: str, t_ns: int, stamp_ns: int) -> Frame | Refusal:
        known = [(abs(s - t_ns), frame) for s, frame in self._frames[camera] if s <= stamp_ns]
        distance, frame = min(known, key=lambda item: item[0])
        if distance <= to_ns(self.spec.tolerance):
            return frame
        return Refusal(
            camera,
            f'no image {(stamp_ns - t_ns) / NS:.3f} s before the newest, the nearest is '
            f'{distance / NS:.3f} s off',
        )

    def _interpolated(self, t_ns: int) -> Array | Refusal:
        stamps = self._joint_stamps
        after = bisect_left(stamps, t_ns)
        if stamps[after] == t_ns:
            return self._joints[after]
        if after == 0:
            late = (stamps[0] - t_ns) / NS
            return Refusal(JOINT_STREAM, f'oldest sample is {late:.3f} s too young for the window')
        before = after - 1
        gap = stamps[after] - stamps[before]
        if gap > to_ns(self.spec.max_joint_gap):
            return Refusal(JOINT_STREAM, f'a gap of {gap / NS:.3f} s between two samples')
        weight = (t_ns - stamps[before]) / gap
        return self._joints[before] + weight * (self._joints[after] - self._joints[before])

    def _check_stamp(self, stamp_ns: int, corrected_ns: int, last_ns: int) -> str | None:
        if stamp_ns <= 0:
            return 'stamp is zero'
        if corrected_ns < self._not_before_ns:
            return f'stamped {(self._not_before_ns - corrected_ns) / NS:.3f} s before the reset'
        if corrected_ns <= last_ns:
            return f'stamp goes back by {(last_ns - corrected_ns) / NS:.3f} s, out of order'
        return None

    def _check_joints(self, value: Array) -> str | None:
        if value.shape != (len(self.spec.joint_names),):
            return f'{value.shape} positions: needs {len(self.spec.joint_names)}'
        for name, position in zip(self.spec.joint_names, value, strict=True):
            if not np.isfinite(position):
                return f'position of {name} is {position}'
        return None

    def _check_image(self, camera: str, image: Image) -> str | None:
        needed = (*self.spec.image_sizes[camera], 3)
        if image.shape == needed and image.dtype == np.uint8:
            return None
        return f'image of shape {image.shape} and type {image.dtype}: needs {needed} uint8'

    def _newest(self, camera: str) -> int:
        return self._frames[camera][-1][0] if self._frames[camera] else 0

    def _forget_joints(self, before_ns: int) -> None:
        passed = bisect_left(self._joint_stamps, before_ns)
        if passed > 100:
            del self._joint_stamps[:passed]
            del self._joints[:passed]
