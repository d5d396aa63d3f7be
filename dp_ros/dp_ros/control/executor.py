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

It follows nothing while an interlock forbids it, and joins a braking motion when one begins to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dp_ros.control.chunk import Chunk, ChunkLate, ChunkRefused, check_chunk
from dp_ros.control.interlocks import EXECUTE, PAUSE, STOP, Interlocks, Phase
from dp_ros.control.limits import JointLimits
from dp_ros.control.measured import MeasuredJoints
from dp_ros.control.splice import Motion, SpliceError, State, brake, follow
from dp_ros.control.trajectory import NS, Trajectory, TrajectoryReference
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ExecutorConfig:
    """How chunks are followed.

    :param execute: false: shadow mode, in which chunks are checked and nothing is sent.
    :param lead: from now to where a new trajectory joins the running one [s]; longer than a
        message takes to the controller.
    :param speed_scale: 1: as the policy says; less: the same path, slower.
    :param joint_state_timeout: without joint states for this long nothing is followed [s].
    :param max_tracking_error: largest distance of the arm from where it is commanded [rad].
    """

    execute: bool = True
    n_action_steps: int = 8
    lead: float = 0.06
    speed_scale: float = 1.0
    joint_state_timeout: float = 0.25
    max_tracking_error: float = 0.15


@dataclass
class Counts:
    """Chunks since activation; ``checked`` were found good in shadow mode and not sent."""

    received: int = 0
    executed: int = 0
    checked: int = 0
    late: int = 0
    refused: int = 0


class ChunkExecutor:
    """Turns chunks into trajectories.

    Every method that may have to move the arm takes ``now_ns`` and returns the trajectory to
    send, or None.

    :param finger_names: joints of a gripper, which a chunk may hold beside the arm's.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        limits: JointLimits,
        config: ExecutorConfig,
        finger_names: Sequence[str] = (),
    ) -> None:
        self.joint_names = tuple(joint_names)
        self.finger_names = tuple(finger_names)
        self.interlocks = Interlocks()
        self._limits = limits
        self.restart()
        self.configure(config, 0)

    def restart(self) -> None:
        """Begin anew; what others forbid stays forbidden."""
        self.counts = Counts()
        self.interlocks.clear(PAUSE, STOP)
        self._motion = (Phase.WAITING, 'waiting for joint states')
        self.forget()

    def forget(self) -> None:
        """Forget where the arm is and what it was sent, as after a jump of the clock."""
        self._reference: TrajectoryReference | None = None
        self._measured = MeasuredJoints(self.joint_names, self._limits)
        self.fingers: Trajectory | None = None
        self._tail_ns = self._newest_ns = self._held_ns = 0

    def configure(self, config: ExecutorConfig, now_ns: int) -> Trajectory | None:
        """Follow chunks in another way from now on."""
        self.config = config
        if config.execute:
            self.permit(EXECUTE)
            return None
        return self.inhibit(EXECUTE, 'shadow mode: chunks are checked, nothing is sent', now_ns)

    # ---- what forbids motion

    def inhibit(self, name: str, reason: str, now_ns: int) -> Trajectory | None:
        """Brake, and follow nothing as long as anything is forbidden."""
        held = bool(self.interlocks)
        self.interlocks.set(name, reason)
        return None if held else self._brake(now_ns)

    def permit(self, name: str) -> None:
        """Take back what `inhibit` forbade under this name."""
        self.interlocks.clear(name)

    def pause(self, now_ns: int) -> Trajectory | None:
        """Brake, and follow nothing until `resume`."""
        return self.inhibit(PAUSE, 'paused', now_ns)

    def stop(self, now_ns: int, reason: str = 'stopped') -> Trajectory | None:
        """Brake, and follow nothing until `resume`; the reason is kept."""
        return self.inhibit(STOP, reason, now_ns)

    def resume(self, now_ns: int, *names: str) -> None:
        """Take back what is forbidden, and begin from where the arm is measured to be.

        :param names: of the interlocks; without any, `pause` and `stop`.
        :raises ChunkRefused: when it is not known where the arm is, or it still moves.
        """
        measured = self._fresh(now_ns)
        if self.is_moving(now_ns):
            raise ChunkRefused('the arm is still braking: call again when it is at rest')
        self._reference = TrajectoryReference(self.joint_names, measured)
        self._held_ns = now_ns
        self._motion = (Phase.WAITING, 'waiting for a chunk')
        self.interlocks.clear(*(names or (PAUSE, STOP)))

    # ---- inputs

    def on_joints(
        self, stamp_ns: int, now_ns: int, names: Sequence[str], positions: Sequence[float]
    ) -> None:
        """Take a joint state; its joints may come in any order and be more than needed.

        :raises ChunkRefused: when it cannot be used; it counts as none.
        """
        jump = self._measured.take(stamp_ns, now_ns, names, positions)
        shadow = EXECUTE in self.interlocks and not self.is_moving(now_ns)
        if self._reference is None or shadow:
            self._reference = TrajectoryReference(self.joint_names, self._fresh(stamp_ns))
        if jump is not None and not shadow and PAUSE not in self.interlocks:
            # A brake would begin where the arm is not; what runs ends in one by itself.
            self.interlocks.set(STOP, jump)

    def on_chunk(self, chunk: Chunk, now_ns: int) -> Trajectory | None:
        """Follow a chunk from now on; what is for the fingers is then in ``fingers``.

        :raises ChunkRefused: when it is not followed; the arm goes on and brakes by itself.
        """
        self.counts.received += 1
        try:
            if not self.interlocks:
                return self._followed(chunk, now_ns)
            if EXECUTE in self.interlocks:
                self._shadowed(chunk, now_ns)
        except ChunkLate:
            self.counts.late += 1
            raise
        except ChunkRefused:
            self.counts.refused += 1
            raise
        return None

    def tick(self, now_ns: int) -> Trajectory | None:
        """Watch over time passing: joint states, tracking, the end of the chunk."""
        if self.interlocks:
            self._held_ns = now_ns
        if self._reference is None or self._measured.newest is None:
            self._motion = (Phase.WAITING, 'waiting for joint states')
            return None
        phase = self._motion[0]
        if phase is Phase.WAITING:
            self._motion = (phase, self._awaited(now_ns))
        if phase is Phase.RUNNING:
            fault = self._fault(now_ns)
            if fault is not None:
                return self.stop(now_ns, fault)
            if now_ns >= self._tail_ns:
                self._motion = (Phase.BRAKING, 'no new chunk: in the braking tail')
        if phase is Phase.BRAKING and now_ns >= self._reference.end_ns:
            self._motion = (Phase.WAITING, 'waiting for a chunk')
        return None

    # ---- state

    @property
    def phase(self) -> Phase:
        """What the executor is doing."""
        return self.interlocks.phase if self.interlocks else self._motion[0]

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self.interlocks.reason or self._motion[1]

    def chunk_left(self, now_ns: int) -> float:
        """Time until the braking tail begins [s], NaN when nothing is followed."""
        return (self._tail_ns - now_ns) / NS if self.phase is Phase.RUNNING else float('nan')

    def is_moving(self, now_ns: int) -> bool:
        """Tell whether the arm is commanded to move."""
        return self._reference is not None and not self._state(now_ns).at_rest

    def _shadowed(self, chunk: Chunk, now_ns: int) -> None:
        arm, _ = self._split(chunk, now_ns)
        at_rest = np.zeros(len(self.joint_names))
        self._plan(State(self._fresh(now_ns), at_rest, at_rest), arm, now_ns)
        self.counts.checked += 1
        self._newest_ns = chunk.stamp_ns

    def _followed(self, chunk: Chunk, now_ns: int) -> Trajectory:
        arm, fingers = self._split(chunk, now_ns)
        self._fresh(now_ns)
        if chunk.stamp_ns < self._held_ns:
            raise ChunkRefused('chunk is older than the release of the arm')
        astray = self._astray()
        if astray is not None:
            raise ChunkRefused(f'{astray}: the chunk would begin elsewhere')
        join_ns = now_ns + round(self.config.lead * NS)
        motion, times = self._plan(self._state(join_ns), arm, join_ns)
        trajectory = self._send(motion, join_ns, now_ns)
        self.fingers = None
        if fingers is not None:
            points = fingers.due_after(join_ns, len(times))[1]
            self.fingers = Trajectory(self.finger_names, join_ns, times, points)
        self.counts.executed += 1
        self._newest_ns = chunk.stamp_ns
        self._tail_ns = join_ns + round(float(times[-1]) * NS)
        self._motion = (Phase.RUNNING, 'following a chunk')
        return trajectory

    def _split(self, chunk: Chunk, now_ns: int) -> tuple[Chunk, Chunk | None]:
        check_chunk(chunk, now_ns, self._newest_ns)
        return chunk.split(self.joint_names, self.finger_names)

    def _plan(self, start: State, chunk: Chunk, join_ns: int) -> tuple[Motion, Array]:
        """Return the motion that follows a chunk, and when its points are due in it (m,) [s]."""
        times, points = chunk.due_after(join_ns, self.config.n_action_steps)
        times = times / max(self.config.speed_scale, 1e-3)
        try:
            return follow(start, times, points, self._limits), times
        except SpliceError as error:
            raise ChunkRefused(str(error)) from error

    def _brake(self, now_ns: int) -> Trajectory | None:
        self._motion = (Phase.BRAKING, 'braking')
        if not self.is_moving(now_ns):
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
        return self._measured.fresh(now_ns, self.config.joint_state_timeout)

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
        assert self._measured.newest is not None
        stamp_ns, measured = self._measured.newest
        distance = np.abs(measured - self._state(stamp_ns).position)
        joint = int(distance.argmax())
        if distance[joint] > self.config.max_tracking_error:
            return (
                f'{self.joint_names[joint]} is {distance[joint]:.3f} rad from where it is '
                f'commanded, more than {self.config.max_tracking_error} rad'
            )
        return None
