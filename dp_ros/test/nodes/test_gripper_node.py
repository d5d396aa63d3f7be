# SPDX-License-Identifier: Apache-2.0
"""The gripper's node in one process, against the fake Hand and against grippers that fail."""

from contextlib import ExitStack, closing
import math
import sys
import time

from control_msgs.action import GripperCommand
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from dp_ros.nodes.fake_gripper.node import FakeGripperNode
from dp_ros.nodes.gripper.node import GripperNode
from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.robot.units import MS
from dp_ros.ros.conversions import ns_to_duration, ns_to_time
from dp_ros.ros.ending import EndingNode
from dp_ros_msgs.msg import ExecutorStatus
from franka_msgs.action import Grasp, Move
import pytest
from rclpy.action import ActionServer, CancelResponse
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

FINGERS = list(FINGER_NAMES)
QOS = QoSProfile(depth=50)


class Bench:
    """The adapter, and one that plays policy and listens."""

    def __init__(self, context, **parameters):
        self.executor = SingleThreadedExecutor(context=context)
        self.nodes = []
        self.adapter = self.add(GripperNode, context, parameters)
        self.node = EndingNode('bench', context=context)
        self.executor.add_node(self.node)
        self.reports, self.motions, self.widths = [], [], []
        self.targets = self.node.create_publisher(JointTrajectory, 'gripper/target', QOS)
        for kind, topic, callback, qos in (
            (DiagnosticArray, '/diagnostics', self._on_report, QOS),
            (JointTrajectory, 'gripper/joint_trajectory', self.motions.append, QOS),
            (JointState, 'franka_gripper/joint_states', self._on_joints, qos_profile_sensor_data),
        ):
            self.node.create_subscription(kind, topic, callback, qos)
        self.until(self.targets.get_subscription_count)

    def add(self, make_node, context, parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = make_node(context=context, parameter_overrides=overrides)
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def add_hand(self, **parameters):
        self.hand = self.add(FakeGripperNode, self.node.context, parameters)
        self.until(lambda: self.widths and not self.adapter._absent())

    def close(self):
        for node in [*self.nodes, self.node]:
            node.destroy_node()

    def _on_report(self, array):
        self.reports += [s for s in array.status if s.name == '/gripper']

    def _on_joints(self, message):
        self.widths.append(sum(message.position))

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, self.reports[-1:]
            self.executor.spin_once(timeout_sec=0.02)

    def until_done(self, sent):
        """Wait until so many goals were sent and the last one has ended."""
        self.until(lambda: self.core.counts.sent >= sent and self.core.flight is None)
        assert self.core.counts.sent == sent

    def until_reported(self, level, text):
        self.reports.clear()
        self.until(lambda: any(r.level == level and text in r.message for r in self.reports))
        return {value.key: value.value for value in self.reports[-1].values}

    @property
    def core(self):
        return self.adapter._core

    def target(self, *positions, names=FINGERS):
        """Return finger positions, one per 100 ms from now on; the last one holds for long."""
        message = JointTrajectory(joint_names=names)
        message.header.stamp = self.adapter.get_clock().now().to_msg()
        times = [100 * k for k in range(len(positions))] + [60_000]
        for after, position in zip(times, [*positions, positions[-1]], strict=True):
            point = JointTrajectoryPoint(positions=[position] * len(names))
            point.time_from_start = ns_to_duration(after * MS)
            message.points.append(point)
        return message

    def want(self, *positions, **given):
        self.targets.publish(self.target(*positions, **given))


@pytest.fixture
def make(ros_context):
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(closing(Bench(ros_context, **given)))


def test_the_hand_grasps_an_object_with_one_goal_and_opens_with_another(make):
    bench = make()
    bench.add_hand(object_width=0.03, latency=0.1)
    bench.want(0.04, 0.03, 0.02, 0.01, 0.0)
    bench.until_done(1)
    assert bench.widths[-1] == pytest.approx(0.03)
    assert bench.core.latency > 0.1
    bench.want(0.0, 0.01, 0.02, 0.03, 0.04)
    bench.until_done(2)
    assert bench.widths[-1] == pytest.approx(0.08)
    last = bench.motions[-1].points[-1]
    assert list(last.positions) == [0.04, 0.04]
    assert not any(last.velocities) and not any(last.accelerations)
    values = bench.until_reported(DiagnosticStatus.OK, 'ready')
    assert (values['targets'], values['goals sent'], values['goals failed']) == ('2', '2', '0')
    assert float(values['latency [s]']) > 0.1


def test_a_grasp_of_nothing_is_said_and_not_repeated(make):
    bench = make()
    bench.add_hand(latency=0.0)
    bench.want(0.0)
    bench.until_done(1)
    bench.until_reported(DiagnosticStatus.WARN, 'grasp to 0.000 m failed: nothing is held')
    assert bench.core.counts.sent == 1


def test_when_the_arm_is_held_what_was_wanted_is_dropped(make):
    bench = make()
    bench.add_hand()
    statuses = bench.node.create_publisher(ExecutorStatus, 'executor/status', QOS)
    bench.until(statuses.get_subscription_count)
    bench.want(*[0.04] * 30, 0.0)
    bench.until(lambda: bench.core._plan is not None)
    statuses.publish(ExecutorStatus(state=ExecutorStatus.RUNNING))
    statuses.publish(ExecutorStatus(state=ExecutorStatus.INHIBITED, inhibited_by=['estop']))
    bench.until(lambda: bench.core._plan is None)
    assert bench.widths[-1] == pytest.approx(0.08)


# ---- grippers that fail


class Stuck:
    """Action servers of a Hand that take goals and end none until they are told to."""

    def __init__(self, node):
        self.handles, self.cancelled = [], 0
        for action, name in ((Move, 'move'), (Grasp, 'grasp')):
            ActionServer(
                node,
                action,
                f'franka_gripper/{name}',
                lambda handle: None,
                handle_accepted_callback=self.handles.append,
                cancel_callback=self._on_cancel,
            )

    def _on_cancel(self, handle):
        self.cancelled += 1
        return CancelResponse.REJECT

    def end(self, result):
        def succeed(handle):
            handle.succeed()
            return result

        self.handles[-1].execute(succeed)


def test_a_gripper_that_never_answers_is_a_fault_without_further_goals_until_it_does(make):
    bench = make(answer_timeout=1.5, **{'move.speed': 0.2, 'grasp.speed': 0.2})
    stuck = Stuck(bench.node)
    bench.want(0.0)
    values = bench.until_reported(
        DiagnosticStatus.ERROR, 'grasp has not been answered for 1.5 s: is the driver of the'
    )
    assert values['goals sent'] == '1'
    bench.want(0.04)
    bench.until(lambda: bench.core.counts.targets == 2 and stuck.cancelled)
    bench.until_reported(DiagnosticStatus.ERROR, 'grasp has not been answered')
    assert (len(stuck.handles), stuck.cancelled) == (1, 1)
    stuck.end(Grasp.Result(success=True))
    bench.until(lambda: len(stuck.handles) == 2)
    assert isinstance(stuck.handles[-1].request, Move.Goal)
    stuck.end(Move.Result(success=True))
    bench.until_reported(DiagnosticStatus.OK, 'ready')


def test_a_gripper_that_is_not_there_is_named_and_gets_its_goal_when_it_comes(make):
    bench = make()
    bench.want(0.0)
    values = bench.until_reported(
        DiagnosticStatus.ERROR, 'no action server franka_gripper/move: is the driver of the'
    )
    assert values['goals sent'] == '0'
    bench.add_hand(object_width=0.03)
    bench.until_done(1)
    bench.until_reported(DiagnosticStatus.OK, 'ready')


def test_an_error_of_the_gripper_is_said(make):
    bench = make()
    stuck = Stuck(bench.node)
    bench.want(0.04)
    bench.until(lambda: stuck.handles)
    stuck.end(Move.Result(success=False, error='libfranka: not homed'))
    bench.until_reported(DiagnosticStatus.WARN, 'move to 0.080 m failed: libfranka: not homed')


# ---- another gripper


def test_a_2f85_gets_the_angle_of_its_knuckle(make):
    bench = make(
        kind='position',
        command_action='gripper_cmd',
        finger_joint_names=['robotiq_85_left_knuckle_joint'],
        stroke=0.085,
        joint_open=0.0,
        joint_closed=0.8,
        command_open=0.0,
        command_closed=0.8,
    )
    goals = []

    def done(handle):
        goals.append(handle.request.command)
        handle.succeed()
        return GripperCommand.Result(stalled=True)

    server = ActionServer(bench.node, GripperCommand, 'gripper_cmd', done)
    bench.want(0.6, names=['robotiq_85_left_knuckle_joint'])
    bench.until_done(1)
    assert goals[0].position == pytest.approx(0.6)
    assert goals[0].max_effort == 30.0
    assert bench.core.counts.failed == 0
    server.destroy()


def test_without_franka_msgs_it_says_what_to_do(ros_context, monkeypatch):
    monkeypatch.setitem(sys.modules, 'franka_msgs.action', None)
    with pytest.raises(ValueError, match="franka_msgs is not installed: .* 'position'"):
        GripperNode(context=ros_context)


# ---- bad input


def other_joints(message):
    message.joint_names = ['fr3_joint1', 'fr3_joint2']


def not_a_number(message):
    message.points[1].positions[0] = math.nan


def too_wide(message):
    message.points[0].positions = [0.08, 0.08]


def uneven(message):
    message.points[0].positions = [0.04]


def without_time(message):
    message.header.stamp = ns_to_time(0)


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        (other_joints, "joints ['fr3_joint1', 'fr3_joint2']: needs ['fr3_finger_joint1'"),
        (not_a_number, 'width nan m: needs 0 to 0.08 m'),
        (too_wide, 'width 0.16 m: needs 0 to 0.08 m; are the numbers of'),
        (uneven, 'points of different lengths'),
        (without_time, 'stamp of zero'),
    ],
)
def test_a_bad_target_is_refused_with_its_reason_and_moves_nothing(
    make, monkeypatch, spoil, reason
):
    bench = make()
    Stuck(bench.node)
    bench.until(lambda: not bench.adapter._absent())
    warnings = []
    monkeypatch.setattr(bench.adapter, '_warn', warnings.append)
    message = bench.target(0.04)
    spoil(message)
    bench.targets.publish(message)
    bench.until(lambda: warnings)
    assert warnings[0].startswith('gripper/target refused: ') and reason in warnings[0]
    assert (bench.core.counts.targets, bench.core.counts.refused) == (1, 1)
    assert bench.core._plan is None and bench.core.counts.sent == 0


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'close_below': 0.07}, 'close_below = 0.07, open_above = 0.06, stroke = 0.08'),
        ({'joint_open': 0.0}, 'closed and open are both 0.0'),
        ({'grasp.speed': 0.01}, 'answer_timeout = 5.0: a full stroke takes 8 s at the speeds'),
        ({'move.speed': -0.1}, r'move\.speed'),
        ({'kind': 'suction'}, "kind = 'suction': needs one of 'franka_hand', 'position'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(ros_context, parameters, reason):
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    with pytest.raises(Exception, match=reason):
        GripperNode(context=ros_context, parameter_overrides=overrides)
