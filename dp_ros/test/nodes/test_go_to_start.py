# SPDX-License-Identifier: Apache-2.0
"""`executor/go_to_start` through the node: where to, what holds it, and who goes on after it."""

from dp_ros.ros.contract import TOPIC, contract_msg
from dp_ros.ros.qos import LATCHED
from dp_ros.sim.judge import judge
from dp_ros.task.task import Task
from dp_ros.task.task_file import task_text
from dp_ros_msgs.msg import Contract, ExecutorStatus
from executor_bench import HOME, JOINTS, QOS, benches
import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory

START = HOME + np.array([0.3, 0.1, -0.2, 0.2, 0.0, 0.1, -0.3])
TASK = Task(joints=JOINTS, start_positions=START.tolist())


@pytest.fixture
def make(ros_context):
    with benches(ros_context) as make_bench:
        yield make_bench


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'task.yaml'
    path.write_text(task_text(TASK))
    return str(path)


def publish_contract(bench, task):
    publisher = bench.node.create_publisher(Contract, TOPIC, LATCHED)
    publisher.publish(contract_msg(task, 'toy', ''))
    bench.until(lambda: bench.core_node._task == task)


def arrived(bench):
    return bench.status().reason.startswith('at the start pose')


def go(bench):
    answer = bench.call('go_to_start')
    assert answer.success, answer.message
    return answer.message


def test_it_goes_to_the_pose_of_the_file_and_a_real_arm_accepts_it(make, file):
    bench = make(task=file)
    assert go(bench) == 'going to the start pose: fr3_joint1 by 0.30 rad'
    bench.until(lambda: bench.status().source == 'start')
    assert bench.status().reason == 'going to the start pose'
    bench.until(lambda: arrived(bench))
    assert bench.status().state == ExecutorStatus.WAITING
    np.testing.assert_allclose(bench.position(), START, atol=0.005)
    assert judge(bench.commands()) == []


def test_the_joints_of_the_task_may_come_in_another_order(make):
    bench = make()
    turned = Task(joints=JOINTS[::-1], start_positions=START[::-1].tolist())
    publish_contract(bench, turned)
    go(bench)
    bench.until(lambda: arrived(bench))
    np.testing.assert_allclose(bench.position(), START, atol=0.005)


def test_it_takes_the_arm_from_the_policy_until_resume(make):
    bench = make()
    publish_contract(bench, TASK)
    bench.follow()
    bench.until_moving()
    go(bench)
    bench.until(lambda: bench.status().source == 'start')
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.core_node._sources.left_out == 1)
    bench.until(lambda: arrived(bench))
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.core_node._sources.left_out == 2)
    assert arrived(bench) and bench.call('resume').success
    bench.follow()
    bench.until(lambda: bench.status().source == 'policy')
    assert judge(bench.commands()) == []


def test_a_person_ends_it_with_the_first_chunk(make, file):
    bench = make(task=file)
    teleop = bench.node.create_publisher(JointTrajectory, 'teleop/chunk', QOS)
    bench.until(teleop.get_subscription_count)
    go(bench)
    bench.until_moving()
    bench.follow(publish=teleop.publish)
    bench.until(lambda: bench.status().source == 'teleop')
    assert not bench.core_node._way.runs
    bench.until_at_rest()
    assert not arrived(bench)


@pytest.mark.parametrize('stop', ['pause', 'stop', 'estop', 'disable'])
def test_every_stop_ends_it_and_releasing_the_stop_does_not_move_the_arm(make, file, stop):
    bench = make(task=file)
    go(bench)
    bench.until_moving()
    assert bench.call(stop).success
    bench.until_at_rest()
    if stop == 'estop':
        assert not bench.call('go_to_start').success
        assert bench.call('reset').success
    bench.call('enable' if stop == 'disable' else 'resume')
    sent = len(bench.sent)
    bench.until(lambda: not bench.status().inhibited_by)
    seen = len(bench.statuses)
    bench.until(lambda: len(bench.statuses) > seen + 5)
    assert len(bench.sent) == sent and not bench.core_node._way.runs


def test_it_releases_pause_and_stop_as_resume_does(make, file):
    bench = make(task=file)
    bench.call('pause')
    bench.call('stop')
    go(bench)
    bench.until(lambda: arrived(bench))
    assert not bench.status().inhibited_by


@pytest.mark.parametrize(
    ('before', 'said'),
    [
        ('estop', 'emergency stop: call ~/reset'),
        ('disable', 'shadow mode: chunks are checked, nothing is sent'),
    ],
)
def test_an_arm_that_is_held_stays(make, file, before, said):
    bench = make(task=file)
    bench.call(before)
    answer = bench.call('go_to_start')
    assert not answer.success and said in answer.message
    assert not bench.sent and not bench.core_node._way.runs


def test_without_a_start_pose_it_says_where_to_write_one(make):
    bench = make()
    answer = bench.call('go_to_start')
    assert not answer.success
    assert 'write start_positions into the task file' in answer.message


def test_two_start_poses_are_refused_with_both(make, file):
    bench = make(task=file)
    publish_contract(bench, Task(joints=JOINTS, start_positions=HOME.tolist()))
    answer = bench.call('go_to_start')
    assert not answer.success and 'differ: ' in answer.message


def test_joints_of_another_arm_are_refused(make):
    bench = make()
    other = [name.replace('fr3', 'other') for name in JOINTS]
    publish_contract(bench, Task(joints=other, start_positions=START.tolist()))
    answer = bench.call('go_to_start')
    assert not answer.success and answer.message.startswith('start_positions: ')


def test_a_border_of_the_workspace_on_the_way_is_named(make, file):
    bench = make(task=file, workspace_low=[-1.5, -0.02, -1.5])
    publish_contract(bench, Task(joints=JOINTS, start_positions=(HOME - 0.3).tolist()))
    bench.core_node._file_task = None
    go(bench)
    bench.until(lambda: 'would leave the workspace at y = -0.02' in bench.status().reason)
    assert bench.status().reason.startswith('did not arrive at the start pose: ')
    assert bench.status().state == ExecutorStatus.WAITING
