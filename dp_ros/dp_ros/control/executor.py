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
from typing import Final

from dp_ros.control.chunk import Chunk, ChunkLate, ChunkRefused, check_chunk
from dp_ros.control.commanded import CommandedArm
from dp_ros.control.interlocks import EXECUTE, PAUSE, SPEED, STOP, Interlocks, Phase
from dp_ros.control.limits import JointLimits
from dp_ros.control.measured import MeasuredJoints
from dp_ros.control.pace import REST, Caution, Ramp
from dp_ros.control.planner import Plan, Planner
from dp_ros.control.splice import SpliceError, State, brake
from dp_ros.control.trajectory import NS, Trajectory
from dp_ros.control.workspace import Workspace
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SETTLE: Final = 0.3  # [s]; 10 mrad in this time take 0.7 rad/s².
_ON_THE_WAY: Final = 0.5  # Share of the lead time that is left to a message to the controller.


@dataclass(frozen=True)
class ExecutorConfig:
    """How chunks are followed.

    :param execute: false: shadow mode, in which chunks are checked and nothing is sent.
    :param lead: from now to where a new trajectory joins the running one [s]; longer than a
        message takes to the controller.
    :param speed_scale: 1: as the policy says; less: the same path, slower; 0: rest.
    :param slow_start_time: how long the speed scale takes from 0 to 1, after a start too [s].
    :param limit_margin: distance from a joint's limit where slowing down begins [rad].
    :param workspace: what the TCP is kept in.
    :param joint_state_timeout: without joint states for this long nothing is followed [s].
    :param max_tracking_error: largest distance of the arm from where it is commanded [rad].
    """

    execute: bool = True
    n_action_steps: int = 8
    lead: float = 0.06
    speed_scale: float = 1.0
    slow_start_time: float = 0.0
    limit_margin: float = 0.0
    workspace: Workspace | None = None
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


@dataclass(frozen=True)
class Prepared:
    """What following a chunk would be, if it is sent before ``join_ns``."""

    chunk: Chunk
    plan: Plan
    ramp: Ramp
    now_ns: int
    join_ns: int


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
        self._arm: CommandedArm | None = None
        self._measured = MeasuredJoints(self.joint_names, self._limits)
        self.fingers: Trajectory | None = None
        self._ramp = REST
        self._tail_ns = self._newest_ns = self._held_ns = 0

    def configure(self, config: ExecutorConfig, now_ns: int) -> Trajectory | None:
        """Follow chunks in another way from now on."""
        self.config = config
        shadow = 'shadow mode: chunks are checked, nothing is sent'
        trajectory = None
        for name, reason, forbidden in (
            (EXECUTE, shadow, not config.execute),
            (SPEED, 'speed_scale is 0', config.speed_scale == 0),
        ):
            if forbidden:
                trajectory = self.inhibit(name, reason, now_ns) or trajectory
            else:
                self.permit(name)
        return trajectory

    # ---- what forbids motion

    def inhibit(self, name: str, reason: str, now_ns: int) -> Trajectory | None:
        """Brake, and follow nothing as long as anything is forbidden."""
        held = bool(self.interlocks)
        self.interlocks.set(name, reason)
        self._ramp = REST
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
        self._arm = CommandedArm(self.joint_names, measured)
        self._ramp = REST
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
        if self._arm is None or shadow:
            self._arm = CommandedArm(self.joint_names, self._fresh(stamp_ns))
        if jump is not None and not shadow and PAUSE not in self.interlocks:
            # A brake would begin where the arm is not; what runs ends in one by itself.
            self.interlocks.set(STOP, jump)

    def on_chunk(self, chunk: Chunk, now_ns: int) -> Trajectory | None:
        """Follow a chunk from now on; what is for the fingers is then in ``fingers``.

        :raises ChunkRefused: when it is not followed; the arm goes on and brakes by itself.
        """
        prepared = self.prepare(chunk, now_ns)
        return None if prepared is None else self.follow(prepared, now_ns)

    def prepare(self, chunk: Chunk, now_ns: int) -> Prepared | None:
        """Plan how to follow a chunk, for `follow`; None while nothing is followed.

        :raises ChunkRefused: when it cannot be followed.
        """
        self.counts.received += 1
        try:
            if not self.interlocks:
                return self._prepared(chunk, now_ns)
            if EXECUTE in self.interlocks:
                self._shadowed(chunk, now_ns)
        except ChunkLate:
            self.counts.late += 1
            raise
        except ChunkRefused:
            self.counts.refused += 1
            raise
        return None

    def follow(self, prepared: Prepared, now_ns: int) -> Trajectory:
        """Follow what was prepared just before.

        :raises ChunkLate: when that took so long that the controller would get it too late to
            join without a step.
        """
        assert self._arm is not None
        left = (prepared.join_ns - now_ns) / NS
        if left < _ON_THE_WAY * self.config.lead:
            self.counts.late += 1
            took = (now_ns - prepared.now_ns) / NS
            raise ChunkLate(
                f'planning took {took * 1e3:.0f} ms of a lead_time of {self.config.lead * 1e3:.0f}'
                ' ms: this machine is too busy, or lead_time too short'
            )
        chunk, plan, join_ns = prepared.chunk, prepared.plan, prepared.join_ns
        trajectory = self._arm.send(plan.motion, join_ns, now_ns)
        self._ramp = prepared.ramp
        self.fingers = self._alongside(plan, chunk, join_ns)
        self.counts.executed += 1
        self._newest_ns = chunk.stamp_ns
        self._tail_ns = join_ns + round(float(plan.times[-1]) * NS)
        until = f' up to the border of the workspace, {plan.border}' if plan.border else ''
        self._motion = (Phase.RUNNING, f'following a chunk{until}')
        return trajectory

    def tick(self, now_ns: int) -> Trajectory | None:
        """Watch over time passing: joint states, tracking, the end of the chunk."""
        if self.interlocks:
            self._held_ns = now_ns
        if self._arm is None or self._measured.newest is None:
            self._motion = (Phase.WAITING, 'waiting for joint states')
            return None
        phase = self._motion[0]
        if phase is Phase.WAITING:
            awaited = 'joint states' if self._lack(now_ns) else 'a chunk'
            self._motion = (phase, f'waiting for {awaited}')
        if phase is Phase.RUNNING:
            fault = self._lack(now_ns) or self._astray(self._arm)
            if fault is not None:
                return self.stop(now_ns, fault)
            if now_ns >= self._tail_ns:
                self._motion = (Phase.BRAKING, 'no new chunk: in the braking tail')
        if phase is Phase.BRAKING and now_ns >= self._arm.end_ns:
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
        """Tell whether the arm is commanded to move, or soon will be."""
        return self._arm is not None and now_ns < self._arm.end_ns

    def _shadowed(self, chunk: Chunk, now_ns: int) -> None:
        chunk = self._checked(chunk, now_ns)
        rest = np.zeros(len(self.joint_names))
        self._plan(State(self._fresh(now_ns), rest, rest), chunk, now_ns, now_ns)
        self.counts.checked += 1
        self._newest_ns = chunk.stamp_ns

    def _prepared(self, chunk: Chunk, now_ns: int) -> Prepared:
        chunk = self._checked(chunk, now_ns)
        if chunk.stamp_ns < self._held_ns:
            raise ChunkRefused('chunk is older than the release of the arm')
        assert self._arm is not None
        astray = self._astray(self._arm)
        if astray is not None:
            raise ChunkRefused(f'{astray}: the chunk would begin elsewhere')
        lead_ns = now_ns + round(self.config.lead * NS)
        # The controller holds the arm off from where it is measured by its tracking error. At a
        # start the time before the first point is its to lead from one to the other, gently.
        settling = min(_SETTLE, self.config.slow_start_time) if self._arm.sent_nothing else 0.0
        join_ns = lead_ns + round(settling * NS)
        plan, ramp = self._plan(self._arm.state(join_ns), chunk, lead_ns, join_ns)
        return Prepared(chunk, plan, ramp, now_ns, join_ns)

    def _checked(self, chunk: Chunk, now_ns: int) -> Chunk:
        check_chunk(chunk, now_ns, self._newest_ns)
        chunk = chunk.reordered(self.joint_names, self.finger_names)
        self._fresh(now_ns)
        return chunk

    def _plan(self, begin: State, chunk: Chunk, lead_ns: int, join_ns: int) -> tuple[Plan, Ramp]:
        config = self.config
        caution = Caution(self._limits, config.limit_margin)
        ramp = self._ramp.towards(config.speed_scale, join_ns, config.slow_start_time)
        done = ramp.done(chunk.stamp_ns, join_ns) * float(caution.factor(begin.position[None])[0])
        times, points = chunk.due_after(lead_ns, config.n_action_steps, done)
        planner = Planner(self._limits, caution, config.workspace)
        return planner.plan(begin, times, points, ramp, join_ns), ramp

    def _alongside(self, plan: Plan, chunk: Chunk, join_ns: int) -> Trajectory | None:
        """Return what the fingers do while the arm follows the plan."""
        n_arm = len(self.joint_names)
        names = chunk.joint_names[n_arm:]
        return Trajectory(names, join_ns, plan.times, plan.points[:, n_arm:]) if names else None

    def _brake(self, now_ns: int) -> Trajectory | None:
        self._motion = (Phase.BRAKING, 'braking')
        if self._arm is None or not self.is_moving(now_ns):
            return None
        join_ns = now_ns + round(self.config.lead * NS)
        try:
            motion = brake(self._arm.state(join_ns), self._limits)
        except SpliceError:
            return None  # What runs ends in a braking tail by itself.
        return self._arm.send(motion, join_ns, now_ns)

    def _fresh(self, now_ns: int) -> Array:
        return self._measured.fresh(now_ns, self.config.joint_state_timeout)

    def _lack(self, now_ns: int) -> str | None:
        return self._measured.lack(now_ns, self.config.joint_state_timeout)

    def _astray(self, arm: CommandedArm) -> str | None:
        stamp_ns = self._measured.newest[0] if self._measured.newest else 0
        return self._measured.astray(arm.state(stamp_ns).position, self.config.max_tracking_error)
