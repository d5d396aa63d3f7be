# SPDX-License-Identifier: Apache-2.0
"""What the executor decides: which trajectory to send for a chunk, and when to send none.

```
                 now     join                                 last point   rest
  commanded ──────●───────●──────────────── …
  chunk         k=2    k=3 │ k=4   k=5   k=6        k=11
  sent                     ●──●──●──●──●──●──●──●──●──●──●────●───●───●───●
                     lead     └──── n_action_steps ──────┘    └ braking ──┘
```

It knows what the arm is commanded to do because it sent it: it keeps the same reference as the
controller. When no chunk comes, the braking tail of the last one brings the arm to rest, also when
this process is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from dp_ros.control.chunk import Chunk, ChunkLate, ChunkRefused, check_chunk
from dp_ros.control.limits import JointLimits
from dp_ros.control.splice import Motion, SpliceError, State, brake, follow
from dp_ros.control.trajectory import NS, Trajectory, TrajectoryReference
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Phase(IntEnum):
    """What the executor is doing; the numbers are those of dp_ros_msgs/ExecutorStatus."""

    WAITING = 0
    RUNNING = 1
    BRAKING = 2
    PAUSED = 3
    STOPPED = 4


_SLACK = 0.05  # [rad], by which a joint may seem to be faster than it can
_MAX_FUTURE = 0.1  # [s], of a joint state's stamp; clocks of two machines differ a little


@dataclass(frozen=True)
class ExecutorConfig:
    """How chunks are followed.

    :param lead: from now to where a new trajectory joins the running one [s]; longer than a
        message takes to the controller.
    :param speed_scale: 1: as the policy says; less: the same path, slower.
    :param joint_state_timeout: without joint states for this long nothing is followed [s].
    :param max_tracking_error: largest distance of the arm from where it is commanded [rad].
    """

    n_action_steps: int = 8
    lead: float = 0.06
    speed_scale: float = 1.0
    joint_state_timeout: float = 0.25
    max_tracking_error: float = 0.15


@dataclass
class Counts:
    """Chunks since activation."""

    received: int = 0
    executed: int = 0
    late: int = 0
    refused: int = 0


class ChunkExecutor:
    """Turns chunks into trajectories.

    Every method that may have to move the arm takes ``now_ns`` and returns the trajectory to
    send, or None.
    """

    def __init__(
        self, joint_names: Sequence[str], limits: JointLimits, config: ExecutorConfig
    ) -> None:
        self.joint_names = tuple(joint_names)
        self.config = config
        self.counts = Counts()
        self.phase = Phase.WAITING
        self.reason = 'waiting for joint states'
        self._limits = limits
        self.forget()

    def forget(self) -> None:
        """Forget where the arm is and what it was sent, as after a jump of the clock."""
        self._reference: TrajectoryReference | None = None
        self._measured: tuple[int, Array] | None = None
        self._tail_ns = 0
        self._newest_ns = 0

    # ---- inputs

    def on_joints(
        self, stamp_ns: int, now_ns: int, names: Sequence[str], positions: Sequence[float]
    ) -> None:
        """Take a joint state; its joints may come in any order and be more than needed.

        :raises ChunkRefused: when a joint or its position is missing, it is not finite, or the
            stamp is in the future.
        """
        ahead = (stamp_ns - now_ns) / NS
        if ahead > _MAX_FUTURE:
            raise ChunkRefused(
                f'joint_states: stamp is {ahead:.3f} s in the future: are clocks synchronized?'
            )
        order = {name: index for index, name in enumerate(names)}
        missing = [name for name in self.joint_names if name not in order]
        if missing:
            raise ChunkRefused(f'joint_states: no {", ".join(missing)} among {list(names)}')
        if len(positions) != len(names):
            raise ChunkRefused(f'joint_states: {len(names)} names, {len(positions)} positions')
        values = np.array([positions[order[name]] for name in self.joint_names], dtype=np.float64)
        if not np.isfinite(values).all():
            raise ChunkRefused(f'joint_states: position that is not finite: {values.tolist()}')
        jump = self._jump(stamp_ns, values)
        self._measured = (stamp_ns, values)
        if self._reference is None:
            self._reference = TrajectoryReference(self.joint_names, values)
        if jump is not None and self.phase is not Phase.PAUSED:
            # A brake would begin where the arm is not; what runs ends in one by itself.
            self.phase, self.reason = Phase.STOPPED, jump

    def on_chunk(self, chunk: Chunk, now_ns: int) -> Trajectory | None:
        """Follow a chunk from now on.

        :raises ChunkRefused: when it is not followed; the arm goes on and brakes by itself.
        """
        self.counts.received += 1
        if self.phase in (Phase.PAUSED, Phase.STOPPED):
            return None
        try:
            return self._followed(chunk, now_ns)
        except ChunkLate:
            self.counts.late += 1
            raise
        except ChunkRefused:
            self.counts.refused += 1
            raise

    def pause(self, now_ns: int) -> Trajectory | None:
        """Brake, and follow nothing until `resume`."""
        return self._halt(Phase.PAUSED, 'paused', now_ns)

    def stop(self, now_ns: int, reason: str = 'stopped') -> Trajectory | None:
        """Brake, and follow nothing until `resume`; the reason is kept."""
        return self._halt(Phase.STOPPED, reason, now_ns)

    def resume(self, now_ns: int) -> None:
        """Follow chunks again, from where the arm is measured to be.

        :raises ChunkRefused: when it is not known where the arm is, or it still moves.
        """
        measured = self._fresh(now_ns)
        if self._reference is not None and not self._state(now_ns).at_rest:
            raise ChunkRefused('the arm is still braking: call again when it is at rest')
        self._reference = TrajectoryReference(self.joint_names, measured)
        self._newest_ns = now_ns
        self.phase, self.reason = Phase.WAITING, 'waiting for a chunk'

    def tick(self, now_ns: int) -> Trajectory | None:
        """Watch over time passing: joint states, tracking, the end of the chunk."""
        if self.phase in (Phase.PAUSED, Phase.STOPPED):
            return None
        if self._reference is None or self._measured is None:
            self.phase, self.reason = Phase.WAITING, 'waiting for joint states'
            return None
        if self.phase is Phase.WAITING:
            self.reason = self._awaited(now_ns)
        if self.phase is Phase.RUNNING:
            fault = self._fault(now_ns)
            if fault is not None:
                return self.stop(now_ns, fault)
            if now_ns >= self._tail_ns:
                self.phase, self.reason = Phase.BRAKING, 'no new chunk: in the braking tail'
        if self.phase is Phase.BRAKING and now_ns >= self._reference.end_ns:
            self.phase, self.reason = Phase.WAITING, 'waiting for a chunk'
        return None

    # ---- state

    def chunk_left(self, now_ns: int) -> float:
        """Time until the braking tail begins [s], NaN when nothing is followed."""
        return (self._tail_ns - now_ns) / NS if self.phase is Phase.RUNNING else float('nan')

    def is_moving(self, now_ns: int) -> bool:
        """Tell whether the arm is commanded to move."""
        return self._reference is not None and not self._state(now_ns).at_rest

    def _followed(self, chunk: Chunk, now_ns: int) -> Trajectory:
        check_chunk(chunk, now_ns, self._newest_ns)
        chunk = chunk.reordered(self.joint_names)
        self._fresh(now_ns)
        astray = self._astray()
        if astray is not None:
            raise ChunkRefused(f'{astray}: the chunk would begin elsewhere')
        join_ns = now_ns + round(self.config.lead * NS)
        times, points = chunk.due_after(join_ns, self.config.n_action_steps)
        times = times / max(self.config.speed_scale, 1e-3)
        try:
            motion = follow(self._state(join_ns), times, points, self._limits)
        except SpliceError as error:
            raise ChunkRefused(str(error)) from error
        trajectory = self._send(motion, join_ns, now_ns)
        self.counts.executed += 1
        self._newest_ns = chunk.stamp_ns
        self._tail_ns = join_ns + round(float(times[-1]) * NS)
        self.phase, self.reason = Phase.RUNNING, 'following a chunk'
        return trajectory

    def _halt(self, phase: Phase, reason: str, now_ns: int) -> Trajectory | None:
        self.phase, self.reason = phase, reason
        if self._reference is None or not self.is_moving(now_ns):
            return None
        join_ns = now_ns + round(self.config.lead * NS)
        try:
            motion = brake(self._state(join_ns), self._limits)
        except SpliceError:
            return None  # What runs ends in a braking tail by itself.
        return self._send(motion, join_ns, now_ns)

    def _send(self, motion: Motion, join_ns: int, now_ns: int) -> Trajectory:
        assert self._reference is not None
        trajectory = Trajectory(
            self.joint_names,
            join_ns,
            motion.times,
            motion.positions,
            motion.velocities,
            motion.accelerations,
        )
        self._reference.accept(trajectory, now_ns)
        return trajectory

    def _state(self, time_ns: int) -> State:
        assert self._reference is not None
        return State(*(value[0] for value in self._reference.sample(np.array([time_ns]))))

    def _fresh(self, now_ns: int) -> Array:
        """Return the measured positions.

        :raises ChunkRefused: when there are none or they are too old.
        """
        if self._measured is None:
            raise ChunkRefused('no joint states yet')
        stamp_ns, positions = self._measured
        age = (now_ns - stamp_ns) / NS
        if age > self.config.joint_state_timeout:
            raise ChunkRefused(f'no joint states for {age:.2f} s')
        return positions

    def _awaited(self, now_ns: int) -> str:
        try:
            self._fresh(now_ns)
        except ChunkRefused:
            return 'waiting for joint states'
        return 'waiting for a chunk'

    def _fault(self, now_ns: int) -> str | None:
        try:
            self._fresh(now_ns)
        except ChunkRefused as error:
            return str(error)
        return self._astray()

    def _astray(self) -> str | None:
        """Say how far the arm is from where it is commanded, when it is too far."""
        assert self._measured is not None
        stamp_ns, measured = self._measured
        distance = np.abs(measured - self._state(stamp_ns).position)
        joint = int(distance.argmax())
        if distance[joint] > self.config.max_tracking_error:
            return (
                f'{self.joint_names[joint]} is {distance[joint]:.3f} rad from where it is '
                f'commanded, more than {self.config.max_tracking_error} rad'
            )
        return None

    def _jump(self, stamp_ns: int, positions: Array) -> str | None:
        """Say which joint moved further since the last joint state than it can."""
        if self._measured is None:
            return None
        last_ns, last = self._measured
        moved = np.abs(positions - last)
        excess = moved - self._limits.velocity * max(0.0, (stamp_ns - last_ns) / NS) - _SLACK
        joint = int(excess.argmax())
        if excess[joint] <= 0:
            return None
        return (
            f'{self.joint_names[joint]} jumped by {moved[joint]:.3f} rad from one joint state to '
            'the next: call ~/resume when it is where it should be'
        )
