# SPDX-License-Identifier: Apache-2.0
"""The observation window: images and joint positions at n_obs_steps times, dt apart.

The live aggregator and the data set both build their windows here.

```
images   ─┬────────┬────────┬────────┬──→   nearest to each frame, within a tolerance
joints   ┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬┬→   interpolated at each frame
frames            t - dt            t       t: newest camera stamp of the synchronized set
```

Late, missing or disordered samples raise a Refusal with its reason; nothing is filled in.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dp_ros.arrays import Array, Rgb
from dp_ros.data.images import fit_image
from dp_ros.data.windows.commands import CommandHistory
from dp_ros.data.windows.joint_merger import JointMerger
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.units import MS, to_ns
from dp_ros.task.task import Task
from dp_ros.values import require
import numpy as np
from numpy.typing import NDArray

JOINTS = 'joint_states'

Sample = TypeVar('Sample')


class Refusal(ValueError):
    """A sample is not taken, or an observation is not made; the message says why."""


def label(stream: str) -> str:
    """Return the name of a camera or of ``joint_states`` for messages."""
    return stream if stream == JOINTS else f'camera {stream}'


@dataclass(frozen=True)
class WindowSpec:
    """Contents of a window.

    :param image_sizes: size (height, width) of each camera's images [px].
    :param crops: part (top, left, height, width) of a camera's images that is kept [px].
    :param tolerance_ns: largest time from a camera's image to its frame [ns]; default 0.4 dt.
    :param joint_gap_ns: largest time between two joint states to interpolate between [ns].
    :param slop_ns: largest difference of the stamps of a synchronized set [ns].
    :param queue_size: number of images of a camera kept while the others are awaited.
    :param latency_ns: latency of a camera or of ``joint_states`` [ns], subtracted from its stamps.
    :param past_actions: whether a window holds the commanded positions at its frames.
    """

    joint_names: tuple[str, ...]
    image_sizes: Mapping[str, tuple[int, int]]
    dt_ns: int
    n_obs_steps: int
    crops: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tolerance_ns: Mapping[str, int] = field(default_factory=dict)
    joint_gap_ns: int = 100 * MS
    slop_ns: int = 20 * MS
    queue_size: int = 10
    latency_ns: Mapping[str, int] = field(default_factory=dict)
    past_actions: bool = False

    def __post_init__(self) -> None:
        if not self.joint_names or self.dt_ns <= 0 or self.n_obs_steps < 1:
            raise ValueError(
                f'joint_names {list(self.joint_names)}, dt {self.dt_ns} ns, n_obs_steps '
                f'{self.n_obs_steps}: needs a joint, a positive dt and at least one step'
            )
        tolerance_ns = dict.fromkeys(self.image_sizes, self.dt_ns * 2 // 5)
        tolerance_ns.update(self.tolerance_ns)
        object.__setattr__(self, 'tolerance_ns', tolerance_ns)
        for name, value_ns in tolerance_ns.items():
            if not 0 < value_ns < self.dt_ns / 2:
                raise ValueError(
                    f'{label(name)}: tolerance {value_ns / MS:g} ms: needs more than 0 and less '
                    f'than dt / 2 = {self.dt_ns / 2 / MS:g} ms, or an image would serve two frames'
                )
        for what, given in (
            ('latency', self.latency_ns.keys() - {JOINTS}),
            ('tolerance', tolerance_ns.keys()),
            ('crop', self.crops.keys()),
        ):
            unknown = sorted(given - self.image_sizes.keys())
            if unknown:
                raise ValueError(f'{what} of {unknown}: no such camera')

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras, in order."""
        return tuple(self.image_sizes)

    def fit(self, camera: str, rgb: Rgb) -> Rgb:
        """Cut and resize an image of a camera to the policy's size.

        :raises ImageError: when it is too small, or would be distorted.
        """
        return fit_image(rgb, *self.image_sizes[camera], self.crops.get(camera, ()))

    @property
    def span_ns(self) -> int:
        """Time between the oldest and the newest frame [ns]."""
        return (self.n_obs_steps - 1) * self.dt_ns

    def corrected(self, stream: str, stamp_ns: int) -> int:
        """Return the stamp of a camera or of ``joint_states`` minus its latency [ns]."""
        return stamp_ns - self.latency_ns.get(stream, 0)

    def frame_times(self, stamp_ns: int) -> list[int]:
        """Return the times of the frames of the window at ``stamp_ns`` [ns], oldest first."""
        return [stamp_ns - k * self.dt_ns for k in reversed(range(self.n_obs_steps))]


def window_spec(task: Task, commands: bool | None = None) -> WindowSpec:
    """Return the contents of the windows of a task, the same live and in training.

    :param commands: whether they hold commanded positions; None: if the task observes them.
    :raises ConfigError: for a task with other states than the positions of its joints.
    """
    require(
        task.state_names in ((), task.joint_names),
        f'state_names = {task.state_names}: from recordings a policy observes its own joints: '
        'leave state_names out',
    )
    require(JOINTS not in task.cameras, f'cameras: {JOINTS!r} is the name of another stream')
    cameras = task.cameras.items()
    latencies = {name: camera.latency for name, camera in cameras} | {JOINTS: task.joint_latency}
    return WindowSpec(
        joint_names=task.joint_names,
        image_sizes=task.image_sizes,
        dt_ns=to_ns(task.dt),
        n_obs_steps=task.n_obs_steps,
        crops={name: camera.crop for name, camera in cameras if camera.crop},
        tolerance_ns={
            name: to_ns(camera.tolerance) for name, camera in cameras if camera.tolerance
        },
        joint_gap_ns=to_ns(task.max_joint_gap),
        slop_ns=to_ns(task.camera_slop),
        latency_ns={name: to_ns(latency) for name, latency in latencies.items()},
        past_actions=task.observes_commands if commands is None else commands,
    )


@dataclass(frozen=True)
class ActionSpec:
    """Actions that go with a window, and how far they may reach past the episode's end.

    ```
    frames    -1  0                     in steps of dt from the newest frame
    actions   -1  0  1  2  …  Tp - To
    episode   ………………………………|← pad →|     past its last step that step repeats
    ```

    :param horizon: Tp, number of actions of a window; the first To - 1 belong to its past.
    :param pad_after: number of steps that may lie past the end; windows with more are left out.
    :param trim_idle: whether windows are left out that end over one step before the first motion.
    """

    n_obs_steps: int
    horizon: int
    pad_after: int
    trim_idle: bool = False

    @property
    def steps(self) -> NDArray[np.int64]:
        """Times (Tp,) of the actions, in steps of dt from the newest frame."""
        return np.arange(self.horizon) - self.n_obs_steps + 1

    def fits(self, n_left: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which windows are taken, by the number of steps left after their newest frame."""
        return n_left + self.pad_after >= self.steps[-1]


@dataclass(frozen=True)
class ObservationWindow:
    """One window of To frames.

    :param joint_positions: (To, J) measured positions [rad].
    :param images: (To, H, W, 3) images of each camera; ``image_stamps_ns``: (To,) their stamps.
    :param commanded_positions: (To, J) commanded positions [rad]; None: not part of the window.
    """

    stamp_ns: int
    joint_positions: Array
    images: Mapping[str, Rgb]
    image_stamps_ns: Mapping[str, tuple[int, ...]]
    commanded_positions: Array | None = None

    @property
    def state(self) -> Array:
        """State (To, S): the measured positions, then the commanded ones if there are any."""
        if self.commanded_positions is None:
            return self.joint_positions
        return np.hstack([self.joint_positions, self.commanded_positions])


class Stream(Generic[Sample]):
    """Samples in the order of their stamps; the oldest ones are forgotten.

    :param keep_ns: time for which samples are kept behind the newest one [ns]; None: for ever.
    """

    def __init__(self, name: str, keep_ns: int | None) -> None:
        self.name = name
        self._keep_ns = keep_ns
        self._not_before_ns = 0
        self.stamps: list[int] = []
        self.samples: list[Sample] = []

    def push(self, stamp_ns: int, sample: Sample) -> None:
        """Take a sample.

        :raises Refusal: for a stamp of zero, from before the reset, or not newer than the last.
        """
        if stamp_ns <= 0:
            raise Refusal(f'{self.name}: stamp {stamp_ns} ns; the driver must set header.stamp')
        if stamp_ns < self._not_before_ns:
            early = (self._not_before_ns - stamp_ns) / MS
            raise Refusal(f'{self.name}: stamp is {early:.1f} ms before the reset')
        if self.stamps and stamp_ns <= self.stamps[-1]:
            late = (self.stamps[-1] - stamp_ns) / MS
            raise Refusal(f'{self.name}: stamp goes back by {late:.1f} ms')
        self.stamps.append(stamp_ns)
        self.samples.append(sample)
        if self._keep_ns is not None:
            passed = bisect_left(self.stamps, stamp_ns - self._keep_ns)
            del self.stamps[:passed], self.samples[:passed]

    def reset(self, not_before_ns: int) -> None:
        """Forget everything, and refuse what is older than ``not_before_ns`` from now on."""
        self._not_before_ns = not_before_ns
        self.stamps.clear()
        self.samples.clear()

    @property
    def newest_ns(self) -> int:
        """Stamp of the newest sample, 0 without one."""
        return self.stamps[-1] if self.stamps else 0


class WindowBuilder:
    """Collect joint states and images, and build windows from them.

    :param keep_ns: time for which samples are kept [ns]; None: for ever, for a recording.
    """

    def __init__(self, spec: WindowSpec, keep_ns: int | None = None) -> None:
        self.spec = spec
        self.joints: Stream[Array] = Stream(JOINTS, keep_ns)
        self._merger = JointMerger(spec.joint_names, spec.joint_gap_ns)
        self.commands = CommandHistory(spec.joint_names, keep_ns)
        self.images: dict[str, Stream[Rgb]] = {
            name: Stream(label(name), keep_ns) for name in spec.image_sizes
        }

    def push_joints(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Take a joint state; its joints may come in any order, with others among them.

        Those of an arm and of its hand may come in messages of their own: `JointMerger`. A
        message of other joints alone is passed over, once there are joint states.

        :raises Refusal: with the reason.
        """
        if self.joints.stamps and not set(names) & set(self.spec.joint_names):
            return
        try:
            merged = self._merger.add(self.spec.corrected(JOINTS, stamp_ns), names, positions)
        except ValueError as error:
            raise Refusal(f'joint_states: {error}') from error
        for time_ns, values in merged:
            self.joints.push(time_ns, values)

    def push_command(
        self, received_ns: int, trajectory: Trajectory, n_known: int | None = None
    ) -> None:
        """Take a trajectory that was sent to arm or gripper at ``received_ns``.

        :param n_known: number of joint states that had come by then; None: all of them.
        :raises TrajectoryRejected: where the controller rejects it, or no joint state came yet.
        """
        if not self.joints.samples:
            raise TrajectoryRejected('no joint state yet')
        before = max(1, bisect_right(self.joints.stamps, received_ns, 0, n_known))
        self.commands.accept(received_ns, trajectory, self.joints.samples[before - 1])

    def push_image(self, camera: str, stamp_ns: int, image: Rgb) -> int:
        """Take an image of the policy's size; return its time, the latency subtracted.

        :raises Refusal: with the reason.
        """
        size = self.spec.image_sizes[camera]
        if image.shape != (*size, 3):
            raise Refusal(f'camera {camera}: image of shape {image.shape}, needs {(*size, 3)}')
        time_ns = self.spec.corrected(camera, stamp_ns)
        self.images[camera].push(time_ns, image)
        return time_ns

    def covered(self, stamp_ns: int) -> bool:
        """Tell whether joint states reach ``stamp_ns``: later ones cannot change the window."""
        return self.joints.newest_ns >= stamp_ns

    def build(self, stamp_ns: int) -> ObservationWindow:
        """Build the window whose newest frame is at ``stamp_ns``.

        :raises Refusal: when a stream does not cover a frame, with the stream and the gap.
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
            self.commands.sample(np.array(times), joints) if self.spec.past_actions else None,
        )

    def reset(self, not_before_ns: int) -> None:
        """Forget all samples, and refuse samples older than ``not_before_ns`` from now on."""
        self.joints.reset(not_before_ns)
        self._merger.forget()
        self.commands.forget()
        for stream in self.images.values():
            stream.reset(not_before_ns)

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
        if distance > self.spec.tolerance_ns[camera]:
            raise Refusal(
                f'camera {camera}: nearest image is {distance / MS:.1f} ms from its frame, '
                f'tolerance {self.spec.tolerance_ns[camera] / MS:.1f} ms'
            )
        return best


def _other(edge: str) -> str:
    return 'before' if edge == 'after' else 'after'
