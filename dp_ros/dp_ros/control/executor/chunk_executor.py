# SPDX-License-Identifier: Apache-2.0
"""Decisions of the executor: which trajectory to send for a chunk, and when to send none.

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

Every stop brakes as long as the arm is commanded to move, whatever already forbids its motion.
After any stop, and after a rest, the motion starts slowly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import Chunk, ChunkLate, ChunkRefused, check_chunk
from dp_ros.control.executor.commanded import CommandedArm, Join
from dp_ros.control.executor.fit import EXACT, Smoothing
from dp_ros.control.executor.interlocks import EXECUTE, PAUSE, SPEED, STOP, Interlocks, Phase
from dp_ros.control.executor.lead import Lead
from dp_ros.control.executor.measured import MeasuredJoints
from dp_ros.control.executor.motion import SpliceError
from dp_ros.control.executor.pace import REST, Caution, Ramp
from dp_ros.control.executor.planner import ChunkPlan, Planner
from dp_ros.control.executor.request import ChunkTimes, Planned, Request, Spent
from dp_ros.control.executor.splice import brake
from dp_ros.control.executor.stalls import Stalls
from dp_ros.control.executor.workspace import Workspace
from dp_ros.robot.arm_model import ArmModel
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.units import NS, to_ns

TICK: Final = 0.02
"""Period at which `ChunkExecutor.tick` is called [s]."""

_SETTLE: Final = 0.3  # [s]; 10 mrad in this time take 0.7 rad/s².
_NO_JOINTS: Final = 'waiting for joint states'
_REST: Final = 1.0  # After a rest longer than this the motion starts slowly [s].
_TRIES: Final = 3
_LONGER: Final = 2.0  # Factor of the lead of a brake that took too long to make.


@dataclass(frozen=True)
class ExecutorConfig:
    """Settings of a `ChunkExecutor`.

    :param execute: whether trajectories are sent; False: shadow mode, which only checks chunks.
    :param n_action_steps: number of actions of a chunk that are followed before braking.
    :param lead: shortest time from now to where a new trajectory joins the running one [s].
    :param max_lead: longest such time [s], where planning and delivery take long.
    :param speed_scale: speed as a share of the policy's, 0 to 1, on the same path; 0: rest.
    :param slow_start_time: time in which the speed scale rises from 0 to 1, as at a start [s].
    :param smoothing: how much smoother the motion is than a chunk that is not smooth.
    :param limit_margin: distance from a joint's limit where slowing down begins [rad].
    :param workspace: box that the TCP is kept in; None: no box.
    :param joint_state_timeout: largest age of joint states [s]; with older ones the arm brakes.
    :param max_tracking_error: largest distance of a joint from where it is commanded [rad].
    """

    execute: bool = True
    n_action_steps: int = 8
    lead: float = 0.06
    max_lead: float = 0.2
    speed_scale: float = 1.0
    slow_start_time: float = 0.0
    smoothing: Smoothing = EXACT
    limit_margin: float = 0.0
    workspace: Workspace | None = None
    joint_state_timeout: float = 0.25
    max_tracking_error: float = 0.15


@dataclass
class ChunkCounts:
    """Numbers of chunks since activation.

    :param executed: chunks followed as asked (`ChunkPlan.as_asked`).
    :param approached: chunks followed later, slower or less far than asked.
    :param checked: chunks that could be followed, but were not sent: shadow mode.
    """

    received: int = 0
    executed: int = 0
    approached: int = 0
    checked: int = 0
    late: int = 0
    refused: int = 0


class ChunkExecutor:
    """Turns chunks into trajectories.

    Every method that may have to move the arm takes ``now_ns`` and returns the trajectory to
    send, or None.

    :param model: model of the arm; None: not known yet, nothing is followed.
    :param finger_names: joints of a gripper, which a chunk may hold beside those of the arm.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        model: ArmModel | None,
        config: ExecutorConfig,
        finger_names: Sequence[str] = (),
    ) -> None:
        self.joint_names = tuple(joint_names)
        self.finger_names = tuple(finger_names)
        self.interlocks = Interlocks()
        self.lead = Lead(config.lead, config.max_lead)
        self.model = model
        self.forget()
        self.restart(0)
        self.configure(config, 0)

    def restart(self, now_ns: int) -> None:
        """Start over from where the arm is; only the interlocks PAUSE and STOP are cleared."""
        self.counts = ChunkCounts()
        self.times = ChunkTimes()
        self.interlocks.clear(PAUSE, STOP)
        self._motion = (Phase.WAITING, _NO_JOINTS)
        if self.is_moving(now_ns):
            self._held_ns = now_ns
        else:
            self.forget()

    def forget(self) -> None:
        """Forget where the arm is and what it was sent, for example after a jump of the clock."""
        self._arm: CommandedArm | None = None
        self._measured = MeasuredJoints(
            self.joint_names, None if self.model is None else self.model.limits
        )
        self.fingers: Trajectory | None = None
        self._ramp = REST
        self._tail_ns = self._newest_ns = self._held_ns = self._brake_ns = 0
        self._deviation = float('nan')
        self._ticks = Stalls(TICK)

    def adopt(self, model: ArmModel | None, now_ns: int) -> bool:
        """Use another model of the arm; return False while the arm moves by the last one."""
        if model is self.model:
            return True
        if self.is_moving(now_ns):
            return False
        self.model = model
        self.forget()
        return True

    def configure(self, config: ExecutorConfig, now_ns: int) -> Trajectory | None:
        """Replace the settings; return a braking trajectory where they forbid motion."""
        self.config = config
        self.lead.bound(config.lead, config.max_lead)
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
        """Set an interlock and brake; nothing is followed while any interlock is set."""
        self.interlocks.set(name, reason)
        return self._brake(now_ns)

    def permit(self, name: str) -> None:
        """Clear the interlock of this name."""
        self.interlocks.clear(name)

    def pause(self, now_ns: int) -> Trajectory | None:
        """Brake, and follow nothing until `resume`."""
        return self.inhibit(PAUSE, 'paused', now_ns)

    def stop(self, now_ns: int, reason: str = 'stopped') -> Trajectory | None:
        """Brake, and follow nothing until `resume`; show ``reason`` until then."""
        return self.inhibit(STOP, reason, now_ns)

    def overruled(
        self, trajectory: Trajectory | None, came_ns: int, now_ns: int, reason: str
    ) -> Trajectory | None:
        """Stop, because another node commanded the arm at ``came_ns``.

        The controller follows that command now. The commanded arm kept here obeys it by the
        controller's own rules, so the brake begins in the state that the controller is in, and is
        no more abrupt than the command that it ends. A command that cannot be read is rejected by
        the controller too. In shadow mode nothing is sent: another node commands the arm then.
        """
        if self._arm is not None and trajectory is not None and EXECUTE not in self.interlocks:
            with suppress(TrajectoryRejected):
                self._arm.obey(trajectory, came_ns)
        return self.stop(now_ns, reason)

    def start_slowly(self) -> None:
        """Raise the speed from 0 again when the next chunk is followed."""
        self._ramp = REST

    def resume(self, now_ns: int, *names: str) -> None:
        """Clear interlocks, and begin from where the arm is measured to be.

        :param names: interlocks to clear; none given: `pause` and `stop`.
        :raises ChunkRefused: when joint states are missing or too old, or the arm still brakes.
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
    ) -> Trajectory | None:
        """Take a joint state; its joints may come in any order, with others among them.

        If a joint has jumped, the arm brakes on its commanded path: the controller keeps it there,
        whatever was measured.

        :raises ChunkRefused: when it cannot be used; it is ignored.
        """
        jump = self._measured.take(stamp_ns, now_ns, names, positions)
        shadow = EXECUTE in self.interlocks and not self.is_moving(now_ns)
        if self._arm is None or shadow:
            self._arm = CommandedArm(self.joint_names, self._fresh(stamp_ns))
        if jump is None or shadow or PAUSE in self.interlocks:
            return None
        return self.stop(now_ns, jump)

    def on_chunk(self, chunk: Chunk, now_ns: int) -> Trajectory | None:
        """Plan a chunk and follow it; ``fingers`` then holds the trajectory of the fingers.

        :raises ChunkRefused: when it is not followed; the last trajectory goes on and brakes.
        """
        request = self.request(chunk, now_ns)
        if request is None:
            return None
        with self.counted():
            planned = request.plan()
        return self.follow(planned, now_ns)

    def request(self, chunk: Chunk, now_ns: int) -> Request | None:
        """Accept a chunk and return what to plan; None while an interlock is set.

        :raises ChunkRefused: when it cannot be followed.
        """
        self.counts.received += 1
        with self.counted():
            if not self.interlocks:
                return self._request(chunk, now_ns)
            if EXECUTE in self.interlocks:
                return self._shadow_request(chunk, now_ns)
        return None

    def refuse(self) -> None:
        """Count a chunk that cannot be read as refused."""
        self.counts.received += 1
        self.counts.refused += 1

    def superseded(self) -> None:
        """Count a chunk as late that a newer one replaced before it was planned."""
        self.counts.received += 1
        self.counts.late += 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a chunk whose planning or following raises, as late or refused."""
        try:
            yield
        except ChunkLate:
            self.counts.late += 1
            raise
        except ChunkRefused:
            self.counts.refused += 1
            raise

    def follow(
        self, planned: Planned, now_ns: int, spent: Spent | None = None
    ) -> Trajectory | None:
        """Return the trajectory of a plan to send; None in shadow mode.

        Call it when the message is made, and send that at once.

        :raises ChunkRefused: when the arm was stopped or commanded otherwise meanwhile.
        :raises ChunkLate: when the controller would get it too late to join without a step.
        """
        request = planned.request
        self.lead.planned((now_ns - request.now_ns) / NS)
        if request.arm is None:
            self.counts.checked += 1
            self._newest_ns = request.chunk.stamp_ns
            return None
        with self.counted():
            self._check_still_possible(request, now_ns, spent)
        self._followed(planned, now_ns, spent)
        return planned.trajectory

    def _check_still_possible(self, request: Request, now_ns: int, spent: Spent | None) -> None:
        if self.interlocks or request.arm != self._commanded():
            raise ChunkRefused('the arm was stopped while the chunk was planned')
        if self.in_time(request.join.time_ns, now_ns):
            return
        lead, took = (request.join.time_ns - request.now_ns) / NS, (now_ns - request.now_ns) / NS
        raise ChunkLate(
            f'chunk was ready after {took * 1e3:.0f} ms of a lead time of {lead * 1e3:.0f} ms, '
            f'{self.lead.on_the_way * 1e3:.0f} ms of which are for its delivery'
            + (f': {spent}' if spent else '')
        )

    def in_time(self, join_ns: int, now_ns: int) -> bool:
        """Tell whether a message that is sent now comes to the controller before its join."""
        return (join_ns - now_ns) / NS >= self.lead.on_the_way

    def _followed(self, planned: Planned, now_ns: int, spent: Spent | None) -> None:
        assert self._arm is not None
        request, plan = planned.request, planned.plan
        chunk, join_ns = request.chunk, request.join.time_ns
        self._arm.send(planned.trajectory, join_ns, now_ns)
        self._ramp = request.ramp
        self.fingers = self._alongside(plan, chunk, join_ns)
        self.counts.executed += plan.as_asked
        self.counts.approached += not plan.as_asked
        self._deviation = plan.deviation
        self._newest_ns = chunk.stamp_ns
        self._tail_ns = join_ns + to_ns(float(plan.times[-1]))
        self._motion = (Phase.RUNNING, plan.summary)
        planned_ns = spent.planned_ns if spent else now_ns
        self.times = ChunkTimes(chunk.stamp_ns, chunk.received_ns, planned_ns, now_ns, join_ns)

    def tick(self, now_ns: int) -> Trajectory | None:
        """Check joint states, tracking error and the chunk's end; call it every `TICK`."""
        late_ns = self._ticks.late_ns(now_ns)
        self._measured.missed(late_ns, now_ns)
        if self.interlocks:
            self._held_ns = now_ns
        if self._arm is None or self._measured.newest is None:
            self._motion = (Phase.WAITING, _NO_JOINTS)
            return None
        if self.is_moving(now_ns):
            trajectory = self._watch(self._arm, now_ns, late_ns)
            if trajectory is not None:
                return trajectory
        self._go_on(self._arm, now_ns)
        return None

    def _watch(self, arm: CommandedArm, now_ns: int, late_ns: int) -> Trajectory | None:
        """Brake a moving arm that is forbidden to move, is silent, or strays from its path."""
        if self.interlocks:
            return self._brake(now_ns)  # No braking motion was found when the interlock was set.
        fault = self._measured.silent(now_ns, self.config.joint_state_timeout) or self._astray(arm)
        if fault is not None:
            return self.stop(now_ns, fault)
        if arm.stopping or self._lack(now_ns) is None:
            return None
        return self._brake(now_ns, f'braking: this process was not run for {late_ns / NS:.2f} s')

    def _go_on(self, arm: CommandedArm, now_ns: int) -> None:
        phase = self._motion[0]
        if phase is Phase.WAITING:
            self._motion = (phase, _NO_JOINTS if self._lack(now_ns) else 'waiting for a chunk')
        if phase is Phase.RUNNING and now_ns >= self._tail_ns:
            self._motion = (Phase.BRAKING, 'no new chunk: in the braking tail')
        if self._motion[0] is Phase.BRAKING and now_ns >= arm.end_ns:
            self._motion = (Phase.WAITING, 'waiting for a chunk')

    # ---- state

    @property
    def phase(self) -> Phase:
        """Phase of the executor."""
        return self.interlocks.phase if self.interlocks else self._motion[0]

    @property
    def reason(self) -> str:
        """Reason of the phase, in words."""
        held, awaited = self.interlocks.reason, self._motion[1]
        if held and awaited == _NO_JOINTS:
            return f'{held}; {awaited}'
        return held or awaited

    def chunk_left(self, now_ns: int) -> float:
        """Return the time until the braking tail begins [s], NaN when nothing is followed."""
        return (self._tail_ns - now_ns) / NS if self.phase is Phase.RUNNING else float('nan')

    @property
    def deviation(self) -> float:
        """Distance of the motion from the chunk's points [rad], NaN when none is followed."""
        return self._deviation if self.phase is Phase.RUNNING else float('nan')

    def is_moving(self, now_ns: int) -> bool:
        """Tell whether the arm is commanded to move, or soon will be."""
        return self._arm is not None and now_ns < self._arm.end_ns

    def position(self, now_ns: int) -> Array | None:
        """Return the positions (n,) at which the arm is commanded to be now; None: not known."""
        return None if self._arm is None else self._arm.state(now_ns).position

    def _commanded(self) -> tuple[CommandedArm, int] | None:
        """Return the arm and its number of trajectories: both change with what is commanded."""
        return None if self._arm is None else (self._arm, self._arm.trajectory_id)

    def _shadow_request(self, chunk: Chunk, now_ns: int) -> Request:
        chunk = self._checked(chunk, now_ns)
        join = CommandedArm(self.joint_names, self._fresh(now_ns)).join(now_ns, now_ns)
        return self._requested(chunk, join, REST, now_ns, now_ns, None)

    def _request(self, chunk: Chunk, now_ns: int) -> Request:
        chunk = self._checked(chunk, now_ns)
        if chunk.stamp_ns < self._held_ns:
            raise ChunkRefused('chunk is older than the release of the arm')
        arm = self._arm
        assert arm is not None
        astray = self._astray(arm)
        if astray is not None:
            raise ChunkRefused(f'{astray}: the chunk would begin elsewhere')
        lead_ns = now_ns + to_ns(self.lead.time)
        # At a start the arm rests a tracking error away from its last reference, and the new one
        # begins where it is measured. The controller gets some time to even that out gently.
        settling = min(_SETTLE, self.config.slow_start_time) if arm.sent_nothing else 0.0
        join_ns = lead_ns + to_ns(settling)
        rested = now_ns - arm.end_ns > _REST * NS
        ramp = REST if rested else self._ramp
        join = arm.join(join_ns, now_ns)
        return self._requested(chunk, join, ramp, now_ns, lead_ns, self._commanded())

    def _requested(
        self,
        chunk: Chunk,
        join: Join,
        ramp: Ramp,
        now_ns: int,
        lead_ns: int,
        arm: tuple[CommandedArm, int] | None,
    ) -> Request:
        config, model = self.config, self._known()
        caution = Caution(model.limits, config.limit_margin)
        smoothing = EXACT if chunk.smooth else config.smoothing
        planner = Planner(model, caution, config.workspace, smoothing)
        rise = config.slow_start_time
        ramp = ramp.towards(config.speed_scale, join.time_ns, rise, hurry=chunk.smooth)
        return Request(chunk, planner, config.n_action_steps, join, ramp, now_ns, lead_ns, arm)

    def _checked(self, chunk: Chunk, now_ns: int) -> Chunk:
        check_chunk(chunk, now_ns, self._newest_ns)
        chunk = chunk.reordered(self.joint_names, self.finger_names)
        self._fresh(now_ns)
        return chunk

    def _alongside(self, plan: ChunkPlan, chunk: Chunk, join_ns: int) -> Trajectory | None:
        """Return the trajectory of the fingers that goes with the plan of the arm."""
        n_arm = len(self.joint_names)
        names = chunk.joint_names[n_arm:]
        return Trajectory(names, join_ns, plan.times, plan.points[:, n_arm:]) if names else None

    def brake_in_time(self, now_ns: int) -> bool:
        """Tell whether the last braking trajectory may be sent now."""
        return self.in_time(self._brake_ns, now_ns)

    def brake_again(self, now_ns: int, tries: int) -> Trajectory | None:
        """Return a braking trajectory that joins later, in place of the last one, never sent.

        After several tries it is None: what runs ends in a braking tail by itself.
        """
        assert self._arm is not None
        self._arm.unsend()
        if tries > _TRIES:
            return None
        return self._brake(now_ns, self._motion[1], self.lead.stop * _LONGER**tries)

    def _brake(
        self, now_ns: int, reason: str = 'braking', lead: float | None = None
    ) -> Trajectory | None:
        """Come to rest, unless the arm already does so or rests; the next start is slow."""
        self._ramp = REST
        if self._arm is None or not self.is_moving(now_ns) or self._arm.stopping:
            return None
        if self.model is None:
            return None  # Somebody else moves an arm of which it is not known how it may brake.
        self._motion = (Phase.BRAKING, reason)
        self._brake_ns = now_ns + to_ns(self.lead.stop if lead is None else lead)
        join = self._arm.join(self._brake_ns, now_ns)
        try:
            motion = brake(join.state, self.model.limits)
        except SpliceError:
            return None  # The next tick tries again; what runs ends in a braking tail by itself.
        trajectory = join.trajectory(motion)
        self._arm.send(trajectory, join.time_ns, now_ns, stopping=True)
        return trajectory

    def _known(self) -> ArmModel:
        if self.model is None:
            raise ChunkRefused('it is not known which arm this is: no robot_description fits')
        return self.model

    def _fresh(self, now_ns: int) -> Array:
        return self._measured.fresh(now_ns, self.config.joint_state_timeout)

    def _lack(self, now_ns: int) -> str | None:
        return self._measured.lack(now_ns, self.config.joint_state_timeout)

    def _astray(self, arm: CommandedArm) -> str | None:
        stamp_ns = self._measured.newest[0] if self._measured.newest else 0
        return self._measured.astray(arm.state(stamp_ns).position, self.config.max_tracking_error)
