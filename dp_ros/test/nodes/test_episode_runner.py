# SPDX-License-Identifier: Apache-2.0
"""The episode runner against a small stand-in for the nodes it directs."""

from contextlib import ExitStack, closing
from functools import partial
import math
import time

from action_msgs.msg import GoalStatus
from dp_ros.nodes.episode_runner.node import EpisodeRunnerNode
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros.ros.ending import EndingNode
from dp_ros_msgs.action import RunEpisode
from dp_ros_msgs.msg import EpisodeStatus, ExecutorStatus, Observation, PolicyStatus
from dp_ros_msgs.srv import ResetEpisode
from geometry_msgs.msg import PoseStamped
import pytest
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

Result = RunEpisode.Result
DEADLINE = 60.0
PATIENCE = 2.0  # chunk_timeout and service_timeout of runs that wait in vain
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
START = ['executor/pause', 'seed', 'franka_sim/reset', 'observation_aggregator/reset']
START += ['policy/reset', 'executor/resume']


class World(EndingNode):
    """Answers for all other nodes and notes what it was asked in which order.

    :param absent: services that are not there; ``mute``: that take a call and never answer.
    :param silent: topics on which nothing comes.
    """

    def __init__(self, context, absent=(), mute=(), silent=()):
        super().__init__('world', context=context)
        self.calls, self.outcome = [], EpisodeStatus.RUNNING
        self.goals, self.obstacles = [], []
        self.refusals, self.chunks, self.start_ns = {}, 0, 0
        self.silent = set(silent)
        self.inhibited = {}
        self.mute = mute
        for name, kind in (
            ('executor/pause', Trigger),
            ('executor/resume', Trigger),
            ('observation_aggregator/reset', Trigger),
            ('policy/reset', Trigger),
            ('franka_sim/reset', ResetEpisode),
            ('policy/set_parameters', SetParameters),
        ):
            if name not in absent:
                group = ReentrantCallbackGroup()  # One that never answers holds up no other.
                self.create_service(kind, name, partial(self.answer, name), callback_group=group)
        self.senders = {
            topic: self.create_publisher(kind, topic, LATCHED)
            for topic, kind in (
                ('observation', Observation),
                ('policy/status', PolicyStatus),
                ('executor/status', ExecutorStatus),
                ('episode/status', EpisodeStatus),
            )
        }
        self.create_subscription(PoseStamped, 'goal_pose', self.goals.append, 10)
        self.create_subscription(PoseStamped, 'obstacle_pose', self.obstacles.append, 10)
        self.create_timer(0.02, self.publish)

    async def answer(self, name, request, response):
        if name == 'policy/set_parameters':
            seed = request.parameters[0].value.integer_value
            self.calls.append('seed')
            self.seed = seed
            reason = self.refusals.get('seed', '')
            response.results = [SetParametersResult(successful=not reason, reason=reason)]
            return response
        self.calls.append(name)
        if name in self.mute:
            await Future(executor=self.executor)
        response.message = self.refusals.pop(name, '')
        response.success = not response.message
        if name == 'franka_sim/reset':
            self.scene = request.seed
            response.stamp = self.get_clock().now().to_msg()
            self.start_ns = time_to_ns(response.stamp)
            response.status = self.status(EpisodeStatus.RUNNING)
        return response

    def status(self, state):
        status = EpisodeStatus(state=state, side='left', distance=0.012)
        status.header.frame_id = 'base'
        status.header.stamp = ns_to_time(self.start_ns + 2_500_000_000)
        status.goal.x, status.goal.y = 0.68, 0.1
        status.obstacle.x, status.obstacle.y = 0.55, -0.01
        return status

    def executor_status(self):
        return ExecutorStatus(
            chunks_received=self.chunks,
            inhibited_by=list(self.inhibited),
            reason='; '.join(self.inhibited.values()),
        )

    def publish(self):
        if 'executor/resume' not in self.calls:
            return
        self.chunks += 1
        for topic, message in (
            ('observation', Observation()),
            ('policy/status', PolicyStatus(latency=0.04)),
            ('executor/status', self.executor_status()),
            ('episode/status', self.status(self.outcome)),
        ):
            if topic not in self.silent:
                self.senders[topic].publish(message)


class Bench:
    """The runner, the world it directs and a client."""

    def __init__(self, context, parameters, world):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.runner = EpisodeRunnerNode(context=context, parameter_overrides=overrides)
        self.world = World(context, **world)
        self.client = ActionClient(self.world, RunEpisode, 'episode_runner/run')
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.runner)
        self.executor.add_node(self.world)
        self.feedback = []

    def until(self, condition):
        end = time.monotonic() + DEADLINE
        while not (value := condition()):
            assert time.monotonic() < end, f'nothing came in time; so far {self.world.calls}'
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def wait(self, future):
        self.until(future.done)
        return future.result()

    def send(self, **goal):
        self.until(self.client.server_is_ready)
        goal = RunEpisode.Goal(**{'seed': 4, 'timeout': 20.0, **goal})
        return self.wait(self.client.send_goal_async(goal, self.feedback.append))

    def end(self, handle):
        answer = self.wait(handle.get_result_async())
        if 'executor/pause' in self.world.calls:
            assert self.world.calls[-1] == 'executor/pause', self.world.calls
        return answer.status, answer.result

    def run(self, **goal):
        handle = self.send(**goal)
        assert handle.accepted
        return self.end(handle)

    def fails(self, code, *words, **goal):
        status, result = self.run(**goal)
        assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, code), result.error_msg
        assert all(word in result.error_msg for word in words), result.error_msg
        return result

    def close(self):
        self.executor.shutdown()
        self.client.destroy()
        self.runner.destroy_node()
        self.world.destroy_node()


@pytest.fixture
def bench(ros_context):
    with ExitStack() as stack:

        def make(world=(), **parameters):
            return stack.enter_context(closing(Bench(ros_context, parameters, dict(world))))

        yield make


@pytest.mark.parametrize(
    'outcome', [EpisodeStatus.SUCCESS, EpisodeStatus.COLLISION, EpisodeStatus.FAILURE]
)
def test_a_decided_episode_ends_with_its_outcome_and_duration(bench, outcome):
    test = bench()
    handle = test.send()
    test.until(lambda: test.feedback)
    test.world.outcome = outcome
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_SUCCEEDED, Result.NONE)
    assert (result.status.state, result.status.side) == (outcome, 'left')
    assert result.duration == pytest.approx(2.5)
    assert 0 < result.chunks <= test.world.chunks
    assert test.feedback[-1].feedback.status.state == EpisodeStatus.RUNNING


def test_everything_is_prepared_in_order_before_the_arm_may_move(bench):
    test = bench()
    test.world.outcome = EpisodeStatus.SUCCESS
    test.run(seed=11)
    assert test.world.calls == [*START, 'executor/pause']
    assert test.world.seed == 11


def test_another_roll_of_the_noise_is_in_the_same_scene(bench):
    test = bench(reroll=2)
    test.world.outcome = EpisodeStatus.SUCCESS
    test.run(seed=11)
    assert test.world.seed not in (11, 12)
    assert test.world.scene == 11


def test_an_undecided_episode_ends_when_its_time_is_up(bench):
    status, result = bench().run(timeout=0.5)
    assert (status, result.error_code) == (GoalStatus.STATUS_SUCCEEDED, Result.NONE)
    assert result.status.state == EpisodeStatus.RUNNING


def test_a_cancelled_episode_ends_and_says_so(bench):
    test = bench()
    handle = test.send()
    test.until(lambda: test.feedback)
    assert test.wait(handle.cancel_goal_async()).goals_canceling
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_CANCELED, Result.CANCELED)


@pytest.mark.parametrize(
    ('silent', 'code', 'reason'),
    [
        (('policy/status', 'observation'), Result.NO_OBSERVATION, 'observation_aggregator'),
        (('policy/status',), Result.NO_CHUNK, 'is the policy active?'),
    ],
)
@pytest.mark.parametrize('from_the_start', [True, False])
def test_silence_ends_the_episode_and_is_named(bench, silent, code, reason, from_the_start):
    test = bench({'silent': silent if from_the_start else ()}, chunk_timeout=PATIENCE)
    handle = test.send()
    test.until(lambda: test.feedback)
    if not from_the_start:
        test.until(lambda: test.feedback[-1].feedback.chunks > 2)
        test.world.silent |= set(silent)
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, code)
    assert reason in result.error_msg


@pytest.mark.parametrize('name', ['stop', 'estop', 'deadman', 'workspace'])
def test_an_executor_that_stops_the_arm_ends_the_episode_with_its_reason(bench, name):
    test = bench()
    handle = test.send()
    test.until(lambda: test.feedback)
    test.world.inhibited = {name: 'no joint states for 0.30 s'}
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, Result.FAULT)
    assert result.error_msg == 'executor: no joint states for 0.30 s'
    test.world.inhibited = {}
    test.world.outcome = EpisodeStatus.SUCCESS
    assert test.run()[1].error_code == Result.NONE


def test_a_pause_is_no_fault(bench):
    test = bench()
    handle = test.send()
    test.until(lambda: test.feedback)
    test.world.inhibited = {'pause': 'paused'}
    chunks = test.world.chunks
    test.until(lambda: test.world.chunks > chunks + 20)
    test.world.outcome = EpisodeStatus.SUCCESS
    assert test.end(handle)[1].error_code == Result.NONE


def test_a_fault_of_before_the_episode_is_none_of_it(bench):
    test = bench()
    test.world.inhibited = {'stop': 'an earlier fault', 'pause': 'paused'}
    handle = test.send()
    test.until(lambda: 'executor/resume' in test.world.calls)
    chunks = test.world.chunks
    test.until(lambda: test.world.chunks > chunks + 10)
    test.world.inhibited = {}
    test.until(lambda: len(test.feedback) > 2)
    test.world.outcome = EpisodeStatus.SUCCESS
    assert test.end(handle)[1].error_code == Result.NONE


def test_a_decided_episode_is_decided_although_the_executor_stops_after_it(bench):
    test = bench()
    handle = test.send()
    test.until(lambda: test.feedback)
    test.world.outcome = EpisodeStatus.COLLISION
    test.world.inhibited = {'stop': 'the arm is astray'}
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_SUCCEEDED, Result.NONE)


def test_an_executor_that_falls_silent_is_a_fault(bench):
    test = bench(chunk_timeout=PATIENCE)
    handle = test.send()
    test.until(lambda: test.feedback and test.feedback[-1].feedback.chunks > 2)
    test.world.silent = {'executor/status'}
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, Result.FAULT)
    assert 'executor: no status for' in result.error_msg


class Time:
    """Publishes a simulated time, which passes at ``factor`` of the real one."""

    def __init__(self, node, factor):
        self.factor, self.time_ns, self.node = factor, 1_800_000_000 * 10**9, node
        self.topic = node.create_publisher(Clock, '/clock', 1)
        self.real = time.monotonic()
        node.create_timer(0.01, self.tick)

    def tick(self):
        now = time.monotonic()
        self.time_ns += round(self.factor * (now - self.real) * 1e9)
        self.real = now
        self.topic.publish(Clock(clock=ns_to_time(self.time_ns)))


def test_the_time_of_an_episode_is_that_of_a_slow_simulation(bench):
    test = bench(use_sim_time=True)
    Time(test.world, 0.2)
    test.until(lambda: test.runner.get_clock().now().nanoseconds)
    began = time.monotonic()
    status, result = test.run(timeout=0.5)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert time.monotonic() - began > 2.0


def test_a_simulated_time_that_stands_still_is_named(bench):
    test = bench(use_sim_time=True, service_timeout=PATIENCE)
    clock = Time(test.world, 1.0)
    test.until(lambda: test.runner.get_clock().now().nanoseconds)
    handle = test.send()
    test.until(lambda: test.feedback)
    clock.factor = 0.0
    status, result = test.end(handle)
    assert (status, result.error_code) == (GoalStatus.STATUS_ABORTED, Result.NOT_READY)
    assert '/clock stands still' in result.error_msg


@pytest.mark.parametrize('name', ['executor/resume', 'franka_sim/reset', 'policy/set_parameters'])
def test_an_absent_service_is_named(bench, name):
    test = bench({'absent': [name]}, service_timeout=PATIENCE)
    test.fails(Result.NOT_READY, f'no service /{name}', 'is its node up?')


def test_an_executor_that_is_absent_is_named_and_the_next_episode_may_run(bench):
    test = bench({'absent': ['executor/pause']}, service_timeout=PATIENCE)
    test.fails(Result.NOT_READY, 'no service /executor/pause')
    assert test.world.calls == []
    test.fails(Result.NOT_READY, 'no service /executor/pause')


def test_a_service_that_does_not_answer_is_named(bench):
    test = bench({'mute': ['policy/reset']}, service_timeout=PATIENCE)
    test.fails(Result.NOT_READY, '/policy/reset does not answer')
    assert 'executor/resume' not in test.world.calls


def test_a_scene_that_cannot_be_reset_is_named(bench):
    test = bench()
    test.world.refusals['franka_sim/reset'] = 'the arm is stuck'
    test.fails(Result.RESET_FAILED, 'the arm is stuck')
    assert 'executor/resume' not in test.world.calls


def test_a_seed_that_the_policy_refuses_is_named(bench):
    test = bench()
    test.world.refusals['seed'] = 'seed = 4 is too much'
    test.fails(Result.NOT_READY, 'seed = 4 is too much')
    assert 'franka_sim/reset' not in test.world.calls


def test_an_arm_that_still_moves_is_waited_for(bench):
    test = bench()
    test.world.refusals['executor/resume'] = 'the arm is moving'
    test.world.outcome = EpisodeStatus.SUCCESS
    assert test.run()[1].error_code == Result.NONE
    assert test.world.calls.count('executor/resume') == 2


def test_without_a_scene_to_reset_the_time_is_that_of_the_runner(bench):
    test = bench({'silent': ['episode/status']}, reset_service='')
    status, result = test.run(timeout=0.5)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert 'franka_sim/reset' not in test.world.calls
    assert 0.5 <= result.duration < DEADLINE


def test_one_episode_at_a_time(bench):
    test = bench()
    first = test.send()
    assert not test.send().accepted
    test.world.outcome = EpisodeStatus.SUCCESS
    assert test.end(first)[1].error_code == Result.NONE
    assert test.run()[1].error_code == Result.NONE


@pytest.mark.parametrize(
    ('goal', 'reason'),
    [
        ({'timeout': 0.0}, 'timeout = 0.0 s'),
        ({'timeout': -1.0}, 'timeout = -1.0 s'),
        ({'timeout': math.nan}, 'timeout = nan s'),
        ({'move_goal': math.nan}, 'move_goal = nan m'),
        ({'move_goal': math.inf}, 'move_goal = inf m'),
        ({'seed': 2**63}, 'seed = 9223372036854775808'),
    ],
)
def test_an_episode_that_cannot_be_is_refused_with_the_reason(bench, monkeypatch, goal, reason):
    test = bench()
    said = []
    monkeypatch.setattr(type(test.runner.get_logger()), 'warning', lambda _, m: said.append(m))
    assert not test.send(**goal).accepted
    assert reason in said[0]
    assert test.world.calls == []


@pytest.mark.parametrize('seed', [4, 5])
@pytest.mark.parametrize(
    ('what', 'parameters', 'goal', 'place'),
    [
        ('goals', {'move_goal_after': 0.1}, {'move_goal': 0.08}, (0.68, 0.1)),
        ('obstacles', {'move_obstacle_after': 0.1, 'move_obstacle': 0.08}, {}, (0.55, -0.01)),
    ],
)
def test_goal_and_obstacle_move_once_in_mid_run(bench, seed, what, parameters, goal, place):
    test = bench(**parameters)
    handle = test.send(seed=seed, **goal)
    moves = {'goals': test.world.goals, 'obstacles': test.world.obstacles}
    test.until(lambda: moves[what])
    chunks = test.world.chunks
    test.until(lambda: test.world.chunks > chunks + 20)
    test.world.outcome = EpisodeStatus.SUCCESS
    test.end(handle)
    (pose,) = moves.pop(what)
    assert list(moves.values()) == [[]]
    assert pose.header.frame_id == 'base'
    x, y = place
    aside = 0.08 if seed == 4 else -0.08
    assert (pose.pose.position.x, pose.pose.position.y) == pytest.approx((x, y + aside))
