# SPDX-License-Identifier: Apache-2.0
"""The executor follows the configured policy as it was trained, or says why it cannot."""

from dp_ros.nodes.executor.parameters import PARAMETERS, executor_config
from dp_ros.nodes.policy.pace import Pace
from dp_ros.ros.contract import LATCHED, contract_msg
from dp_ros.ros.conversions import ns_to_duration
from dp_ros.task.task import Task
from dp_ros_msgs.msg import Contract
from executor_bench import JOINTS, MS, QOS, benches
from fake_arm import Arm
import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

FINGER = 'fr3_finger_joint1'
FAST = Task(joints=JOINTS, dt=0.02, horizon=64, n_action_steps=32)  # a policy of 50 Hz
PERIOD_NS = Pace().period_ns(0.0, FAST)
SPEED = 0.2


@pytest.fixture
def make(ros_context):
    with benches(ros_context) as make_bench:
        yield make_bench


def tell(bench, trained, **changes):
    """Say what the policy was trained for, and wait until the executor knows."""
    message = contract_msg(trained, 'policies/mine', 'abc')
    for name, value in changes.items():
        setattr(message, name, value)
    node, told = bench.core_node, []
    on_task = node._contract._on_task
    node._contract._on_task = lambda *given: (on_task(*given), told.append(given))
    sender = bench.node.create_publisher(Contract, 'policy/contract', LATCHED)
    sender.publish(message)
    bench.until(lambda: told)
    node._contract._on_task = on_task
    bench.node.destroy_publisher(sender)


def chunk(bench, names=JOINTS, dt_ms=20, n_points=63):
    """Return a chunk that moves each joint at 0.1 rad/s, and holds its fingers."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = bench.chunk().header.stamp
    start = np.append(bench.position(), [0.03] * (len(names) - 7))
    speed = np.append(np.full(7, 0.1), np.zeros(len(names) - 7))
    for k in range(n_points):
        time_ns = k * dt_ms * MS
        point = JointTrajectoryPoint(positions=(start + speed * time_ns / 1e9).tolist())
        point.time_from_start = ns_to_duration(time_ns)
        message.points.append(point)
    return message


def test_as_many_steps_are_followed_as_the_policy_was_trained_with(make):
    bench = make()
    core = bench.core_node._core
    assert core.config.n_action_steps == 8
    tell(bench, FAST)
    assert core.config.n_action_steps == 32
    assert bench.set('n_action_steps', 4).successful
    tell(bench, FAST)
    assert core.config.n_action_steps == 4
    assert bench.set('n_action_steps', 0).successful
    assert core.config.n_action_steps == 32
    bench.follow(chunk(bench))


def followed(task, number=10):
    """Follow chunks that come as a policy of 50 Hz gives them; return arm and speeds (n, 7)."""
    config = executor_config(
        PARAMETERS.defaults() | {'execute': True, 'slow_start_time': 0.0}, task
    )
    arm = Arm(**vars(config)).run(0.1)
    times, speeds = np.arange(FAST.n_points) * FAST.dt, []
    for index in range(number):
        positions = arm.state()[0] + SPEED * times[:, None] * np.ones(7)
        arm.follow(times=times, positions=positions)
        sent_ns = arm.now
        while arm.now < sent_ns + PERIOD_NS:
            arm.run(0.02)
            if index >= 5:  # The start is slow.
                speeds.append(arm.state()[1])
    return arm, np.array(speeds)


def test_a_policy_of_50_hz_is_followed_without_a_stop_and_the_tail_comes_after_its_steps():
    arm, speeds = followed(FAST)
    assert speeds.min() > 0.8 * SPEED
    arm.run(32 * FAST.dt - PERIOD_NS / 1e9)
    assert arm.core.reason == 'following a chunk'
    assert arm.state()[1].min() > 0.8 * SPEED
    arm.run(0.1)
    assert arm.core.reason == 'no new chunk: in the braking tail'
    arm.assert_accepted()


def test_with_fewer_steps_than_it_was_trained_with_it_would_stop_and_go():
    _, speeds = followed(None)
    assert speeds.min() < 0.3 * SPEED


def test_joints_that_differ_are_named_and_the_policy_s_chunks_are_refused(make, monkeypatch):
    bench = make()
    others = tuple(f'other_joint{k}' for k in range(7))
    tell(bench, Task(joints=others))
    warned = bench.texts(monkeypatch)
    bench.refused(bench.chunk())
    expected = f'joint_names is {JOINTS}, and the policy was trained with {list(others)}'
    assert warned == [f'chunk refused: {expected}']
    said = f'chunks of the policy are refused: {expected}'
    bench.until(lambda: any(report.message == said for report in bench.reports))
    tell(bench, Task(joints=JOINTS[::-1]))  # A chunk names its joints: their order is free.
    bench.follow()


def test_teleoperation_goes_on_whatever_the_policy_was_trained_with(make):
    bench = make()
    tell(bench, Task(joints=('a',)))
    teleop = bench.node.create_publisher(JointTrajectory, 'teleop/chunk', QOS)
    bench.until(teleop.get_subscription_count)
    teleop.publish(bench.chunk())
    bench.until(lambda: bench.sent)


@pytest.mark.parametrize('text', ['', '[', 'joints: 3', '{joints: [a], dt: -1.0}'])
def test_a_contract_that_makes_no_sense_is_named_until_the_next_one(make, monkeypatch, text):
    bench = make()
    tell(bench, FAST, task=text)
    warned = bench.texts(monkeypatch)
    bench.refused(bench.chunk())
    (reason,) = warned
    assert reason.startswith('chunk refused: /policy/contract')
    tell(bench, FAST)
    bench.follow(chunk(bench))


def test_the_joints_of_the_gripper_are_those_of_the_policy(make, monkeypatch):
    bench = make()
    warned = bench.texts(monkeypatch)
    bench.refused(chunk(bench, [*JOINTS, FINGER]))
    assert FINGER in warned[0]
    wanted = []
    bench.node.create_subscription(JointTrajectory, 'gripper/target', wanted.append, QOS)
    tell(bench, Task(joints=JOINTS, gripper_joints=(FINGER,), dt=0.02))
    bench.until(lambda: bench.core_node._fingers.get_subscription_count())
    bench.follow(chunk(bench, [*JOINTS, FINGER]))
    bench.until(lambda: wanted)
    assert wanted[0].joint_names == [FINGER]
    assert wanted[0].points[0].positions[0] == pytest.approx(0.03)
    tell(bench, FAST)
    bench.refused(chunk(bench, [*JOINTS, FINGER]))


def test_joints_of_the_gripper_that_are_given_have_to_be_the_policy_s(make, monkeypatch):
    bench = make(gripper_joint_names=['left_finger'])
    tell(bench, Task(joints=JOINTS, gripper_joints=(FINGER,)))
    warned = bench.texts(monkeypatch)
    bench.refused(bench.chunk())
    assert "gripper_joint_names is ['left_finger'], and the policy was trained with" in warned[0]
    tell(bench, Task(joints=JOINTS, gripper_joints=('left_finger',), dt=0.02))
    bench.follow(chunk(bench, [*JOINTS, 'left_finger']))
