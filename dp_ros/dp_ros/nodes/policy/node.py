# SPDX-License-Identifier: Apache-2.0
"""The node `policy`: makes chunks of actions from observations, in a worker thread.

```
observation ──→ inbox ──(due)──→ worker: encode, denoise ──→ policy/chunk, policy/status
                  ↑                                    └──→ fan of samples ──→ policy/markers
     the newest one, at most `rate` times a second
```
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
import sys
import threading
import time
import traceback
from typing import Any

from dp_ros.arrays import Array
from dp_ros.data.windows.window import Refusal
from dp_ros.nodes.policy.commitment import Commitment
from dp_ros.nodes.policy.inbox import Inbox
from dp_ros.nodes.policy.job import Inference, Job, durations, sampling, status_msg
from dp_ros.nodes.policy.markers import Intention, MarkerWriter
from dp_ros.nodes.policy.messages import chunk_to_msg, observation_from_msg
from dp_ros.nodes.policy.pace import Pace
from dp_ros.nodes.policy.parameters import PARAMETERS, check_delay, inbox_limits
from dp_ros.policy.checkpoint import CheckpointError, load_policy
from dp_ros.policy.policy import Policy, chunk_seed, warm_up
from dp_ros.policy.prefix import longest_prefix
from dp_ros.robot.arm_model import Tcp, read_tcp, tcp_by_name
from dp_ros.robot.units import to_ns
from dp_ros.ros.autostart import autostart
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.contract import TOPIC as CONTRACT
from dp_ros.ros.contract import contract_msg
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros.ros.described_arm import DescribedArm
from dp_ros.ros.diagnostics import OK, WARN, Diagnostics, Report
from dp_ros.ros.durations import Durations
from dp_ros.ros.guard import note_failure
from dp_ros.ros.lifecycle import CheckedLifecycleNode
from dp_ros.ros.live_parameters import LiveParameters, Values
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import EVERY, LATCHED, NEWEST
from dp_ros.task.task import Task
from dp_ros.values import ConfigError
from dp_ros_msgs.msg import Contract, Observation, PolicyStatus
import numpy as np
from rclpy.clock import Clock, TimeJump
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger
import torch
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

_SILENCE = 2.0
_THROTTLE = 5.0
_TRAIL = 100
_AGAIN = 0.002


@dataclass
class Tally:
    """Figures of the node since its activation."""

    chunks: int = 0
    refused: int = 0
    reason: str = ''
    durations: Durations = field(default_factory=Durations)


class PolicyNode(CheckedLifecycleNode):
    """Loads a policy at configure, and denoises chunks while it is active.

    :param load: function that loads a checkpoint, like ``load_policy``.
    """

    def __init__(self, load: Callable[..., Policy] = load_policy, **kwargs: Any) -> None:
        super().__init__('policy', **kwargs)
        self._load = load
        self._policy: Policy | None = None
        self._commitment: Commitment | None = None
        self._checkpoint = ''
        self._values = LiveParameters(self, PARAMETERS, self._check, self._apply)
        self._pace = Pace()
        self._inbox = Inbox(inbox_limits(self._values.values, None, self._pace))
        self._tally = Tally()
        self._lock = threading.Lock()  # for _run and _active, which both threads change
        self._run, self._active = 0, False
        self._chunk_index, self._seed = 0, self._values['seed']
        self._trail: deque[Array] = deque(maxlen=_TRAIL)
        self._worker = ThreadPoolExecutor(1, 'denoise')
        self._job: Future[None] | None = None
        self._create_interface()
        if self._values['autostart']:
            autostart(self)

    def _create_interface(self) -> None:
        self._subscription = self.create_subscription(
            Observation, 'observation', self._on_observation, NEWEST
        )
        self._chunks = self.create_lifecycle_publisher(JointTrajectory, 'policy/chunk', NEWEST)
        self._statuses = self.create_lifecycle_publisher(PolicyStatus, 'policy/status', EVERY)
        self._markers = self.create_lifecycle_publisher(MarkerArray, 'policy/markers', NEWEST)
        self._arm: DescribedArm[Tcp] = DescribedArm(self, self._on_description)
        self._marker_writer = MarkerWriter(self._values['base_frame'])
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._contracts = self.create_publisher(Contract, CONTRACT, LATCHED)
        self._finished = self.create_guard_condition(self._tick)
        self._heard = time.monotonic()
        self.create_timer(1.0, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._diagnostics = Diagnostics(self, self._report)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the policy, check it, and warm it up, so that the first chunk is not late."""
        values = self._values.values
        try:
            self._policy, self._checkpoint = self._loaded(values), values['checkpoint']
        except (CheckpointError, ConfigError) as error:
            self.get_logger().error(f'not configured: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception:  # rclpy would swallow it silently.
            self.get_logger().error(f'not configured:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.FAILURE
        self._set_limits(values)
        self._describe_sampling(self._policy)
        self._commit(self._policy, values['conditioning'])
        self._publish_contract()
        names = self._policy.config.joint_names
        frames = {name: values[name] for name in ('base_frame', 'tool_frame')}
        self._arm.expect(partial(read_tcp, joint_names=names, **frames), tcp_by_name(names))
        if self._arm.model is None and not self._arm.heard:
            self.get_logger().info(f'no markers: {self._arm.misfit}')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to make chunks."""
        self._tally = Tally()
        self._heard = time.monotonic()
        result = super().on_activate(state)
        self._restart(active=True)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop publishing; a chunk that is being denoised is dropped."""
        self._restart(active=False)
        self._markers.publish(self._marker_writer.clear())
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the policy."""
        self._policy = None
        self._describe_sampling(None)
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop publishing and forget the policy, from any state."""
        self._restart(active=False)
        self._policy = None
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """Wait for the worker, which ends at its next denoising step, then destroy the node."""
        self._restart(active=False)
        self._worker.shutdown(wait=True, cancel_futures=True)
        super().destroy_node()

    def _loaded(self, values: Values) -> Policy:
        if not values['checkpoint']:
            raise ConfigError("checkpoint = '': needs the folder of a policy, as models/reach")
        folder = Path(values['checkpoint']).expanduser()
        device = self._device(values['device'])
        policy = self._load(
            folder, device=device, num_threads=values['num_threads'], engine=values['engine']
        )
        check_delay(values, policy.config.task)
        fan = values['n_samples'] if policy.config.method.stochastic else 1
        warm_up(policy, values['conditioning'], {1, fan}, **sampling(values))
        self.get_logger().info(
            f'{policy.config.method.name} policy of {folder}, {policy.engine.name} on {device}'
        )
        return policy

    def _commit(self, policy: Policy, conditioning: str) -> None:
        """Follow what is committed, if the policy is told."""
        if self._commitment is not None:
            self._commitment.close()
        config = policy.config
        self._commitment = Commitment(self, config.task, longest_prefix(config, conditioning))

    def _publish_contract(self) -> None:
        """Publish the task that the policy was trained for."""
        assert self._policy is not None
        contract = contract_msg(self._policy.config.task, self._checkpoint, self._policy.digest)
        contract.header.stamp = self.get_clock().now().to_msg()
        self._contracts.publish(contract)

    def _device(self, wanted: str) -> str:
        if wanted != 'cpu' and torch.cuda.is_available():
            return 'cuda'
        if wanted != 'cpu':
            self.get_logger().info('no CUDA: the policy runs on the CPU', once=True)
        return 'cpu'

    # Parameters

    @property
    def _task(self) -> Task | None:
        return None if self._policy is None else self._policy.config.task

    def _describe_sampling(self, policy: Policy | None) -> None:
        """Tell whoever asks for the parameters how the loaded policy can be sampled."""
        name: dict[str, Any] = {}
        steps: dict[str, Any] = {}
        if policy is not None:
            method = policy.config.method
            name['choices'] = ('auto', *method.samplers)
            steps = {'high': method.max_inference_steps} if method.samplers else {}
        self._values.describe('sampler.name', **name)
        self._values.describe('sampler.num_inference_steps', **steps)

    def _set_limits(self, values: Values) -> None:
        self._inbox.limits = inbox_limits(values, self._task, self._pace)

    def _check(self, values: Values) -> str | None:
        if self._policy is None:
            return None
        try:
            self._policy.config.method.check_sampling(**sampling(values))
            check_delay(values, self._policy.config.task)
        except ConfigError as error:
            return str(error)
        return None

    def _apply(self, values: Values) -> None:
        self._set_limits(values)
        if values['seed'] != self._seed:
            self._seed, self._chunk_index = values['seed'], 0

    # Input

    def _on_observation(self, message: Observation) -> None:
        if not self._active:
            return
        self._heard = time.monotonic()
        try:
            self._inbox.push(time_to_ns(message.header.stamp), self._now_ns(), message)
        except Refusal as refusal:
            self._refuse(str(refusal))
        self._tick()

    def _on_description(self) -> None:
        self._trail.clear()
        if self._arm.model is None:
            self.get_logger().warning(f'no markers: {self._arm.misfit}')

    def _tick(self) -> None:
        """Start the next chunk if an observation is due and the worker is free."""
        policy, values = self._policy, self._values.values
        if not self._active or policy is None or not (self._job is None or self._job.done()):
            return
        self._set_limits(values)
        try:
            taken = self._inbox.take(self._now_ns())
        except Refusal as refusal:
            self._refuse(str(refusal))
            return
        if taken is not None:
            seed = chunk_seed(values['seed'], self._chunk_index)
            self._chunk_index += 1
            assert self._commitment is not None
            prefix = self._commitment.prefix(taken.stamp_ns)
            job = Job(self._run, policy, self._checkpoint, taken, seed, values, prefix)
            self._job = self._worker.submit(self._work, job)
            self._job.add_done_callback(lambda _: self._finished.trigger())

    def _watch(self) -> None:
        silence = time.monotonic() - self._heard
        if self._active and silence > _SILENCE:
            self.get_logger().warning(
                f'no observation on {self._subscription.topic_name} for {silence:.0f} s: is '
                'observation_aggregator running?',
                throttle_duration_sec=_THROTTLE,
            )

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._restart(active=self._active, not_before_ns=self._now_ns())
        response.success = True
        response.message = f'observations before {self._now_ns()} ns are forgotten'
        return response

    def _on_jump(self, jump: TimeJump) -> None:
        self._start_over('the clock jumped: observations are forgotten')

    def _on_set_back(self, seconds: float) -> None:
        self._start_over(f'the clock was set back by {seconds:.1f} s')

    def _start_over(self, why: str) -> None:
        """Forget all that has times of another clock."""
        self.get_logger().warning(why)
        if self._commitment is not None:
            self._commitment.forget()
        self._restart(active=self._active)

    def _restart(self, active: bool, not_before_ns: int = 0) -> None:
        """Forget observations and the chunk that is being made; restart the chunks' seeds."""
        with self._lock:
            self._run += 1
            self._active = active
        self._inbox.reset(not_before_ns)
        self._chunk_index = 0
        self._trail.clear()

    def _refuse(self, reason: str) -> None:
        self._tally.refused += 1
        self._tally.reason = reason
        self.get_logger().warning(reason, throttle_duration_sec=_THROTTLE)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    # Worker thread

    def _work(self, job: Job) -> None:
        try:
            self._denoise(job)
        except (Refusal, ConfigError) as error:
            self._refuse(str(error))
        except Exception as error:
            note_failure(self, error)

    def _denoise(self, job: Job) -> None:
        started, begun_ns = time.monotonic(), self._now_ns()
        observation = observation_from_msg(job.received.observation, job.policy.config)
        cond = job.policy.encode(observation)
        steps = self._walk(job, cond, 1, lambda: False)
        inference = Inference(begun_ns, self._now_ns(), time.monotonic() - started)
        self._hold(job, inference.ended_ns)
        tcp = self._arm.model
        if not steps or not self._publish(job, steps[-1][0], inference):
            return
        if tcp is not None:
            self._draw(job, tcp.position, cond, np.concatenate(steps), observation['state'])

    def _walk(
        self, job: Job, cond: torch.Tensor, n_samples: int, stop: Callable[[], bool]
    ) -> list[Array]:
        """Denoise and return all steps, or none if the job was dropped meanwhile."""
        steps = []
        for chunks in job.policy.walk(cond, job.seed, n_samples=n_samples, **job.options):
            if job.run != self._run or stop():
                return []
            steps.append(chunks)
        return steps

    def _hold(self, job: Job, ended_ns: int) -> None:
        """Hold the chunk back, as if the inference had taken longer."""
        until_ns = ended_ns + to_ns(job.values['added_delay'])
        while self._now_ns() < until_ns and job.run == self._run:
            time.sleep(_AGAIN)

    def _publish(self, job: Job, chunk: Array, inference: Inference) -> bool:
        """Publish a chunk and its status; tell whether it was still wanted."""
        config, frame = job.policy.config, job.values['base_frame']
        message = chunk_to_msg(job.stamp_ns, frame, config, chunk)
        with self._lock:
            if job.run != self._run or not self._active:
                return False
            self._chunks.publish(message)
            published_ns = self._now_ns()
            self._pace.add(inference.ended_ns - inference.begun_ns, published_ns - job.stamp_ns)
            self._tally.chunks += 1
            self._tally.durations.add(durations(job, inference, published_ns))
            status = status_msg(job, inference, published_ns, self._tally.chunks)
            self._statuses.publish(status)
        return True

    def _draw(
        self,
        job: Job,
        path: Callable[[Array], Array],
        cond: torch.Tensor,
        steps: Array,
        joint_positions: Array,
    ) -> None:
        """Publish markers of the chunk; the fan only while no observation waits."""
        config = job.policy.config
        self._trail.append(path(joint_positions[-1]))
        fan: list[Array] = []
        if job.values['n_samples'] > 1 and config.method.stochastic:
            fan = self._walk(job, cond, job.values['n_samples'], self._inbox.due)
        denoising = steps if job.values['show_denoising'] else steps[:0]
        intention = Intention(
            executed=np.array(list(self._trail)),
            chunk=path(steps[-1]),
            n_committed=config.n_action_steps,
            fan=path(fan[-1] if fan else steps[:0]),
            denoising=path(denoising),
        )
        markers = self._marker_writer.write(intention, ns_to_time(job.stamp_ns))
        with self._lock:
            if job.run == self._run and self._active:
                self._markers.publish(markers)

    def _report(self) -> Report:
        tally, now_ns = self._tally, self._now_ns()
        newest_ns = self._inbox.newest_ns
        age = (now_ns - newest_ns) / 1e9 if newest_ns else float('nan')
        values = {
            'chunks': tally.chunks,
            'observation_age [s]': age,
            'observations_refused': tally.refused,
            'last_refusal': tally.reason,
            **tally.durations.report(),
        }
        if not self._active:
            return OK, 'not active', values
        if time.monotonic() - self._heard > _SILENCE:
            return WARN, f'no observation on {self._subscription.topic_name}', values
        return OK, 'active', values


def main() -> int:
    """Run the node."""
    return run_node(PolicyNode)


if __name__ == '__main__':
    sys.exit(main())
