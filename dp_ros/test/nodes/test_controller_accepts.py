# SPDX-License-Identifier: Apache-2.0
"""The controller accepts every trajectory, and a real FR3 every command that comes of it.

The chunks lead to a target that jumps, and differ by noise of 0.01 rad. The test through the nodes
also runs against a joint_trajectory_controller that is up already, such as upstream's with mock
hardware, on a machine quiet enough for 1 kHz::

    ros2 launch dp_ros_bringup arm.launch.py robot_ip:=none use_fake_hardware:=true
    DP_ROS_JOINT_STATES=franka/joint_states pytest dp_ros/test/test_controller_accepts.py
"""

from contextlib import closing
import os

from dp_ros.control.executor.chunk import Chunk
from dp_ros.control.executor.chunk_executor import ChunkExecutor, ExecutorConfig
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import MS, NS
from dp_ros.ros.conversions import time_to_ns, trajectory_from_msg, trajectory_to_msg
from dp_ros.sim.judge import boundary_velocity_steps, judge
from fake_robot import CONTROLLER, HOME, JOINTS, Bench, FakeRobot, chunk_message
import numpy as np
import pytest
from rcl_interfaces.msg import Log
import rclpy
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from upstream_controller import MovingTarget, rejection

TIMES = np.arange(1, 16) * 0.1
RUNNING = os.environ.get('DP_ROS_JOINT_STATES')


def test_a_thousand_chunks_are_accepted_and_their_commands_pass_the_judge():
    policy, controller = MovingTarget(0, HOME), TrajectoryReference(JOINTS, HOME)
    core = ChunkExecutor(JOINTS, FR3, ExecutorConfig())
    commands, ids = [], []

    def command(begin, end):
        times = np.arange(-(-begin // MS) * MS, end, MS)
        commands.append(controller.sample(times)[0])
        ids.extend([controller.trajectory_id] * len(times))

    for now in range(100 * NS, 150 * NS, 50 * MS):
        core.on_joints(now, now, JOINTS, controller.sample(np.array([now]))[0][0])
        core.tick(now)
        stamp = now - policy.latency_ns()
        observed = controller.sample(np.array([stamp]))[0][0]
        chunk = Chunk(stamp, tuple(JOINTS), TIMES, policy.points(observed, TIMES))
        message = trajectory_to_msg(core.on_chunk(chunk, now))
        arrives = now + int(policy.rng.integers(0, 6 * MS))
        assert rejection(message, JOINTS, arrives) is None
        command(now, arrives)
        controller.accept(trajectory_from_msg(message), arrives)
        command(arrives, now + 50 * MS)
    assert core.counts.executed + core.counts.approached == 1000
    assert len(ids) == 50_000
    assert judge(np.concatenate(commands)) == []
    assert boundary_velocity_steps(np.concatenate(commands), np.array(ids)).max() < 0.015


@pytest.fixture
def bench(request):
    """Give an executor, and a fake robot where none is running."""
    context = rclpy.Context()
    context.init(domain_id=None if RUNNING else request.getfixturevalue('domain_id'))
    robots = [] if RUNNING else [FakeRobot(context)]
    # A test that shares its machine sends and hears late.
    lead = 0.3 if robots else 0.06
    values = {'execute': True, 'joint_state_timeout': 3.0, 'lead_time': lead}
    node = ExecutorNode(
        context=context,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        cli_args=['--ros-args', '-r', f'joint_states:={RUNNING or "joint_states"}'],
    )
    with closing(Bench(context, node, *robots)) as bench:
        yield bench
    context.try_shutdown()


@pytest.fixture
def record(bench):
    bench.until_reason('waiting for a chunk')
    record = Commands(bench) if RUNNING else bench.robots[0]
    bench.until(lambda: record.commands)
    return record


class Commands:
    """What a controller commands, seen in the joint states of mock hardware."""

    def __init__(self, bench):
        self.stamps, self.commands = [], []
        qos = QoSProfile(depth=1000)
        bench.user.create_subscription(JointState, RUNNING, self._on_joints, qos)

    def _on_joints(self, message):
        position = dict(zip(message.name, message.position, strict=True))
        self.stamps.append(time_to_ns(message.header.stamp))
        self.commands.append([position[joint] for joint in JOINTS])


def at_every_millisecond(stamps, positions):
    """Interpolate by the cubic through the four nearest samples (n, 7)."""
    stamps, positions = np.array(stamps), np.array(positions)
    assert np.diff(stamps).max() < 5 * MS, 'cycles were missed: needs a quieter machine'
    times = np.arange(stamps[2], stamps[-2], MS)
    near = np.searchsorted(stamps, times, side='right')[:, None] + np.arange(-2, 2)
    t = (stamps[near] - times[:, None]) / MS
    weights = np.ones(near.shape)
    for k in range(4):
        for other in {0, 1, 2, 3} - {k}:
            weights[:, k] *= t[:, other] / (t[:, other] - t[:, k])
    return np.einsum('tk,tkj->tj', weights, positions[near])


def complaints(bench):
    """Return the list in which the controller's errors will be."""
    found = []

    def on_log(message):
        if message.name.endswith(CONTROLLER) and message.level >= LoggingSeverity.ERROR:
            found.append(message.msg)

    bench.user.create_subscription(Log, '/rosout', on_log, QoSProfile(depth=100))
    return found


def followed(status):
    return status.chunks_executed + status.chunks_approached


def test_through_the_nodes_it_is_the_same(bench, record):
    policy, found = MovingTarget(1, np.array(record.commands[-1])), complaints(bench)

    def publish():
        points = policy.points(np.array(record.commands[-1]), TIMES)
        bench.chunks.publish(chunk_message(record.stamps[-1], TIMES, points))

    n_chunks = 1000 if RUNNING else 40
    bench.user.create_timer(0.1, publish)
    bench.until(lambda: followed(bench.status) >= n_chunks, deadline=40 + 0.2 * n_chunks)
    assert found == []
    assert np.ptp(record.commands, axis=0).max() > 0.1
    assert judge(at_every_millisecond(record.stamps, record.commands)) == []


def test_a_trajectory_that_is_rejected_would_be_noticed(bench, record):
    found = complaints(bench)
    backwards = chunk_message(record.stamps[-1], TIMES[::-1], np.zeros((15, 7)))
    bench.node._commands.publish(backwards)
    bench.until(lambda: found)


def test_a_cubic_is_interpolated_exactly():
    stamps = np.cumsum(np.random.default_rng(0).integers(0.5 * MS, 2 * MS, 200))
    cubic = np.polynomial.Polynomial([1.0, -2.0, 0.3, 0.7])
    found = at_every_millisecond(stamps, cubic(stamps / NS)[:, None])
    times = stamps[2] + np.arange(len(found)) * MS
    np.testing.assert_allclose(found[:, 0], cubic(times / NS), atol=1e-12)
