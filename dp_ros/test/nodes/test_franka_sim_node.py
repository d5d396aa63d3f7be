# SPDX-License-Identifier: Apache-2.0
"""The simulation node in one process: its topics and stamps, its clock, and bad input."""

import time

from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from dp_ros.nodes.franka_sim.node import FrankaSimNode
from dp_ros.robot import kinematics
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import time_to_ns, trajectory_to_msg
from dp_ros.ros.polled_topic import PolledTopic
from dp_ros.sim.judge import judge
from dp_ros.sim.scenarios.pick_place.scenario import PICK_PLACE
from dp_ros.sim.scenarios.reach.expert import plan
from dp_ros.sim.scenarios.reach.scene import sample_scene
from dp_ros_msgs.msg import EpisodeStatus
from dp_ros_msgs.srv import GetCommandLog, ResetEpisode
from geometry_msgs.msg import PoseStamped
import numpy as np
import pytest
from rcl_interfaces.msg import Log
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformListener
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

DEADLINE = 60.0
VOLATILE = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
TOPICS = {
    'camera/front/image_raw': (Image, VOLATILE),
    'camera/front/camera_info': (CameraInfo, VOLATILE),
    'joint_states': (JointState, VOLATILE),
    'episode/status': (EpisodeStatus, LATCHED),
    'goal': (PoseStamped, LATCHED),
    'scene/markers': (MarkerArray, LATCHED),
    '/clock': (Clock, VOLATILE),
    '/rosout': (Log, LATCHED),
    '/diagnostics': (DiagnosticArray, VOLATILE),
    '/tf_static': (TFMessage, LATCHED),
}


def stamp_ns(message):
    """Return when a message was true; transforms count as ever new."""
    if isinstance(message, Clock):
        return time_to_ns(message.clock)
    if isinstance(message, Log):
        return time_to_ns(message.stamp)
    if isinstance(message, MarkerArray):
        return time_to_ns(message.markers[0].header.stamp)
    return time_to_ns(message.header.stamp) if hasattr(message, 'header') else 1 << 63


class Bench:
    """The node, and one that hears all its topics and sends it commands."""

    def __init__(self, domain_id, **parameters):
        self.context = rclpy.Context()
        self.context.init(domain_id=domain_id)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.sim = FrankaSimNode(context=self.context, parameter_overrides=overrides)
        self.node = Node('bench', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.sim)
        self.executor.add_node(self.node)
        self.heard = {topic: [] for topic in TOPICS}
        self.since_ns = self.since_real_ns = 0
        # Read in one go after each turn: a simulation that is behind publishes more in a turn than
        # the one message of a topic that a callback takes, and what waits too long is lost.
        self.topics = {}
        for topic, (kind, qos) in TOPICS.items():
            self.topics[topic] = PolledTopic(self.node, kind, topic, qos)
        command = QoSProfile(depth=1)
        self.arm = self.node.create_publisher(
            JointTrajectory, 'fr3_arm_controller/joint_trajectory', command
        )
        self.hand = self.node.create_publisher(
            JointTrajectory, 'gripper/joint_trajectory', command
        )
        self.goal = self.node.create_publisher(PoseStamped, 'goal_pose', command)
        self.obstacle = self.node.create_publisher(PoseStamped, 'obstacle_pose', command)
        self.until(lambda: self.arm.get_subscription_count() == 1)
        self.until(lambda: self.obstacle.get_subscription_count() == 1)
        self.until(lambda: self.goal.get_subscription_count() == 1)
        self.until(lambda: self.status is not None)

    def until(self, condition, deadline=DEADLINE):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, 'nothing came in time'
            self.executor.spin_once(timeout_sec=0.02)
            self.hear()

    def hear(self):
        for topic, polled in self.topics.items():
            while (taken := polled.take()) is not None:
                if self.is_new(taken[0]):
                    self.heard[topic].append(taken[0])

    def is_new(self, message):
        """Tell whether a message is of this episode; the log has real time, unlike all others."""
        since_ns = self.since_real_ns if isinstance(message, Log) else self.since_ns
        return stamp_ns(message) >= since_ns

    @property
    def status(self):
        heard = self.heard['episode/status']
        return heard[-1] if heard else None

    @property
    def elapsed(self):
        return self.status.elapsed if self.status else 0.0

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def reset(self, seed=0):
        answer = self.call(ResetEpisode, 'franka_sim/reset', ResetEpisode.Request(seed=seed))
        assert answer.success
        self.since_ns = time_to_ns(answer.stamp)
        self.since_real_ns = time.time_ns()
        for topic, heard in self.heard.items():
            self.heard[topic] = [m for m in heard if self.is_new(m)]
        return answer

    def log(self, **request):
        return self.call(GetCommandLog, 'franka_sim/command_log', GetCommandLog.Request(**request))

    def says(self, text):
        self.until(lambda: any(text in log.msg for log in self.heard['/rosout']))

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.sim.destroy_node()
        self.context.try_shutdown()


@pytest.fixture(scope='module')
def bench():
    made = Bench(41)
    yield made
    made.close()


@pytest.fixture(scope='module')
def fast():
    made = Bench(51, real_time_factor=0.0)
    yield made
    made.close()


@pytest.fixture(scope='module')
def slow():
    made = Bench(71, real_time_factor=0.02)
    yield made
    made.close()


@pytest.fixture
def easy(domain_id):
    """Give a simulation that a slow machine can run as fast as is wanted."""
    made = Bench(domain_id, real_time_factor=0.3)
    yield made
    made.close()


@pytest.fixture(scope='module')
def picking():
    made = Bench(61, real_time_factor=0.0, task='pick_place')
    yield made
    made.close()


def hold(**changes):
    """Return a trajectory that moves a little and then rests."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    start = kinematics.inverse(np.array(sample_scene(0).start), np.array([0, 0, 0, -2, 0, 2, 1.0]))
    point = JointTrajectoryPoint(
        positions=start.tolist(), time_from_start=Duration(nanosec=500_000_000)
    )
    for name, value in changes.items():
        setattr(point, name, value)
    message.points = [point]
    return message


def taken_ns(log):
    first = log.trajectory_ids.index(1)
    return time_to_ns(log.stamp) + first * round(log.period * NS)


def level_of(bench):
    """Return the level of the simulation's newest diagnostics, None before the first."""
    heard = bench.heard['/diagnostics']
    return heard[-1].status[0].level if heard else None


def busy_until(bench, time_ns):
    """Keep the node from its callbacks; return when it got back to them."""
    while (now_ns := bench.sim.get_clock().now().nanoseconds) < time_ns:
        pass
    return now_ns


def test_what_it_publishes_has_the_stamp_of_when_it_was_true(bench):
    bench.reset()
    bench.until(lambda: len(bench.heard['camera/front/image_raw']) >= 4)
    bench.until(lambda: len(bench.heard['joint_states']) >= 40)
    now_ns = bench.sim.get_clock().now().nanoseconds
    for topic, step_ns in (('camera/front/image_raw', NS // 10), ('joint_states', NS // 100)):
        stamps = [time_to_ns(m.header.stamp) for m in bench.heard[topic]]
        steps = np.diff(stamps)
        assert steps.min() == step_ns
        assert not (steps % step_ns).any()
        assert stamps[-1] <= now_ns


def test_the_joint_states_name_arm_and_fingers(bench):
    bench.reset()
    bench.until(lambda: bench.heard['joint_states'])
    message = bench.heard['joint_states'][0]
    assert list(message.name) == [*JOINT_NAMES, 'fr3_finger_joint1', 'fr3_finger_joint2']
    assert len(message.position) == len(message.velocity) == 9


def test_the_image_and_its_info_fit(bench):
    bench.reset()
    bench.until(lambda: bench.heard['camera/front/camera_info'])
    image = bench.heard['camera/front/image_raw'][0]
    info = bench.heard['camera/front/camera_info'][0]
    assert (image.height, image.width, image.encoding, image.step) == (96, 96, 'rgb8', 288)
    assert info.header == image.header
    assert (info.height, info.width) == (96, 96)


def test_the_goal_is_where_camera_info_and_tf_say_it_is(bench):
    buffer = Buffer(node=bench.node)
    listener = TransformListener(buffer, bench.node)
    bench.reset(seed=1)
    bench.until(lambda: bench.heard['camera/front/camera_info'] and bench.heard['goal'])
    bench.until(
        lambda: buffer.can_transform('camera_front_optical_frame', 'base', rclpy.time.Time())
    )
    image = bench.heard['camera/front/image_raw'][0]
    info = bench.heard['camera/front/camera_info'][0]
    t = buffer.lookup_transform(info.header.frame_id, 'base', rclpy.time.Time()).transform
    goal = bench.heard['goal'][-1].pose.position
    q, p = t.rotation, t.translation
    imaginary, disc = np.array([q.x, q.y, q.z]), np.array([goal.x, goal.y, 0.002])
    cross = 2 * np.cross(imaginary, disc)
    point = disc + q.w * cross + np.cross(imaginary, cross) + [p.x, p.y, p.z]
    u, v, w = np.array(info.k).reshape(3, 3) @ point
    rgb = np.frombuffer(bytes(image.data), np.uint8).reshape(96, 96, 3).astype(int)
    rows, columns = np.nonzero((rgb[..., 1] > 150) & (rgb[..., 0] < 100) & (rgb[..., 2] < 120))
    assert abs(columns.mean() + 0.5 - u / w) < 0.5
    assert abs(rows.mean() + 0.5 - v / w) < 0.5
    listener.unregister()


def test_the_tcp_of_tf_is_that_of_the_joints(bench):
    buffer = Buffer(node=bench.node)
    listener = TransformListener(buffer, bench.node)
    bench.reset(seed=4)
    bench.until(lambda: len(bench.heard['joint_states']) > 10)
    joints = bench.heard['joint_states'][10]
    when = rclpy.time.Time.from_msg(joints.header.stamp)
    bench.until(lambda: buffer.can_transform('base', 'fr3_hand_tcp', when))
    t = buffer.lookup_transform('base', 'fr3_hand_tcp', when).transform.translation
    tcp = kinematics.forward(np.array(joints.position[:7]))
    np.testing.assert_allclose([t.x, t.y, t.z], tcp, atol=1e-4)
    listener.unregister()


def test_a_trajectory_takes_effect_when_it_comes_and_not_before(bench):
    bench.reset()
    sent_ns = bench.sim._now_ns()
    bench.arm.publish(hold(positions=[0.0, 0.1, 0.0, -2.5, 0.0, 2.6, 0.8]))
    bench.until(lambda: bench.elapsed > 0.3)
    assert sent_ns <= taken_ns(bench.log()) <= bench.sim._now_ns()


def test_a_trajectory_takes_effect_when_it_came_although_the_node_was_busy(slow):
    slow.reset()
    sent_ns = slow.sim._now_ns()
    slow.arm.publish(hold())
    busy_until(slow, slow.sim.get_clock().now().nanoseconds + 4 * NS // 10)
    idle_ns = slow.sim._now_ns()
    slow.until(lambda: any(slow.log().trajectory_ids))
    assert sent_ns < taken_ns(slow.log()) < sent_ns + (idle_ns - sent_ns) / 2


def test_what_was_sent_before_a_reset_does_not_move_the_arm_after_it(bench):
    bench.reset()
    bench.until(lambda: bench.elapsed > 0.1)
    bench.arm.publish(hold())
    busy_until(bench, bench.sim.get_clock().now().nanoseconds + NS // 5)
    bench.sim._on_reset(ResetEpisode.Request(), ResetEpisode.Response())
    bench.until(lambda: bench.log().total > 100)
    assert not any(bench.log().trajectory_ids)


def test_the_log_has_every_millisecond_and_can_be_read_in_parts(bench):
    bench.reset()
    bench.until(lambda: bench.elapsed > 0.35)
    log = bench.log()
    assert log.success
    assert log.total == len(log.trajectory_ids) >= 350
    assert len(log.positions) == len(log.measured) == 7 * log.total
    part = bench.log(start=100, max_samples=50)
    assert list(part.positions) == list(log.positions[700:1050])
    assert time_to_ns(part.stamp) - time_to_ns(log.stamp) == 100_000_000


@pytest.mark.parametrize(
    ('message', 'reason'),
    [
        (hold(positions=[0.0, 0.0, float('nan'), 0.0, 0.0, 0.0, 0.0]), 'finite'),
        (hold(velocities=[0.1] * 7), 'last point'),
        (hold(positions=[0.0] * 6), 'positions'),
        (hold(time_from_start=Duration(nanosec=60_000_000), positions=[1.0] * 7), 'the reset has'),
        (JointTrajectory(joint_names=JOINT_NAMES[:6], points=hold().points), 'joints'),
        (JointTrajectory(joint_names=JOINT_NAMES), 'no p'),
    ],
)
def test_a_bad_trajectory_is_rejected_with_its_reason(bench, message, reason):
    bench.reset()
    bench.arm.publish(message)
    bench.says('trajectory rejected')
    assert any(reason in log.msg for log in bench.heard['/rosout']), bench.heard['/rosout']
    assert not any(bench.log().trajectory_ids)


def test_a_bad_gripper_command_is_rejected(bench):
    bench.reset()
    message = JointTrajectory(joint_names=['fr3_finger_joint1', 'fr3_finger_joint2'])
    message.points = [JointTrajectoryPoint(positions=[0.5, 0.5])]
    bench.hand.publish(message)
    bench.says('gripper trajectory rejected')


def pose(x, y, frame='base'):
    message = PoseStamped()
    message.header.frame_id = frame
    message.pose.position.x, message.pose.position.y = x, y
    return message


def test_the_goal_can_be_moved_while_it_runs(bench):
    bench.reset()
    bench.goal.publish(pose(0.7, 0.1))
    bench.until(lambda: any(goal.pose.position.y == 0.1 for goal in bench.heard['goal']))
    bench.until(lambda: bench.status is not None and bench.status.goal.x == pytest.approx(0.7))


@pytest.mark.parametrize(
    'message', [pose(0.7, 0.9), pose(float('nan'), 0.0), pose(0.7, 0.0, 'camera')]
)
def test_a_goal_that_cannot_be_is_refused_with_its_reason(bench, message):
    before = bench.reset().status.goal
    bench.goal.publish(message)
    bench.says('goal refused')
    bench.until(lambda: bench.status is not None)
    assert bench.status.goal == before


def test_the_obstacle_can_be_moved_while_it_runs(bench):
    scene = sample_scene(0)
    bench.reset(seed=0)
    bench.obstacle.publish(pose(0.57, 0.05))
    bench.until(lambda: bench.status and bench.status.obstacle.x == pytest.approx(0.57))
    assert (bench.status.goal.x, bench.status.goal.y) == pytest.approx(scene.goal)
    bench.until(lambda: bench.heard['scene/markers'])
    drawn = [marker.pose.position.x for marker in bench.heard['scene/markers'][-1].markers]
    assert pytest.approx(0.57) in drawn


@pytest.mark.parametrize(
    ('message', 'reason'),
    [
        (pose(0.7, 0.0), 'obstacle refused: obstacle x = 0.700 m: needs 0.52 to 0.58 m'),
        (pose(0.55, float('nan')), 'obstacle refused: obstacle y = nan m'),
        (pose(0.55, 0.0, 'camera'), "obstacle refused: frame 'camera'"),
    ],
)
def test_an_obstacle_that_cannot_be_is_refused_with_its_reason(bench, message, reason):
    before = bench.reset().status.obstacle
    bench.obstacle.publish(message)
    bench.says(reason)
    bench.until(lambda: bench.status is not None)
    assert bench.status.obstacle == before


def test_an_obstacle_is_refused_where_the_task_has_none(picking, capfd):
    picking.reset()
    picking.obstacle.publish(pose(0.55, 0.0))
    picking.until(lambda: 'obstacle refused: pick_place has none' in capfd.readouterr().err)


def test_time_waits_for_a_simulation_that_was_kept_from_running(bench):
    bench.reset()
    bench.until(lambda: bench.heard['/clock'])
    begin_ns = bench.sim.get_clock().now().nanoseconds
    busy_until(bench, begin_ns + 2 * NS)
    count = len(bench.heard['/clock'])
    bench.until(lambda: len(bench.heard['/clock']) > count + 50)
    times = [time_to_ns(clock.clock) for clock in bench.heard['/clock']]
    assert set(np.diff(times)) == {NS // 100}
    assert times[-1] - begin_ns < bench.sim.get_clock().now().nanoseconds - begin_ns - NS
    assert bench.status.seed == 0
    assert not any('jumped' in log.msg for log in bench.heard['/rosout'])


def test_a_slow_simulation_says_how_fast_it_runs(easy, capfd):
    easy.until(lambda: easy.status.real_time_factor > 0.9 * 0.3)

    def burden():
        busy_until(easy, easy.sim.get_clock().now().nanoseconds + NS // 5)

    heavy = easy.node.create_timer(0.02, burden)
    easy.until(lambda: easy.status.real_time_factor < 0.5 * 0.3)
    easy.until(lambda: 'the simulation runs at 0.' in capfd.readouterr().err)
    easy.until(lambda: level_of(easy) == DiagnosticStatus.WARN)
    easy.node.destroy_timer(heavy)
    easy.until(lambda: easy.status.real_time_factor > 0.9 * 0.3)
    easy.until(lambda: level_of(easy) == DiagnosticStatus.OK)


def test_its_parameters_can_be_read_and_wrong_ones_are_refused(bench):
    assert bench.sim.get_parameter('camera_names').value == ['front']
    for parameters, reason in (
        ({'camera_names': ['side']}, 'side'),
        ({'real_time_factor': -1.0}, 'real_time_factor'),
        ({'camera_rate': 0.0}, 'camera_rate'),
    ):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        with pytest.raises(Exception, match=reason):
            FrankaSimNode(context=bench.context, parameter_overrides=overrides)


def test_the_expert_succeeds_through_the_node_faster_than_real_time(fast):
    for side, seed in (('left', 11), ('right', 11)):
        fast.reset(seed)
        trajectory = plan(sample_scene(seed), side, np.random.default_rng(0))
        fast.arm.publish(trajectory_to_msg(trajectory))
        fast.until(lambda: fast.elapsed > 5.0 and fast.status.state != EpisodeStatus.RUNNING)
        assert (fast.status.state, fast.status.side) == (EpisodeStatus.SUCCESS, side)
        log = fast.log()
        assert judge(np.array(log.positions).reshape(-1, 7)) == []


def test_the_clock_it_publishes_increases_and_stamps_agree_with_it(fast):
    fast.reset(1)
    fast.until(lambda: len(fast.heard['/clock']) > 50 and fast.heard['joint_states'])
    times = [time_to_ns(clock.clock) for clock in fast.heard['/clock']]
    assert set(np.diff(times) % (NS // 100)) == {0}
    assert min(np.diff(times)) > 0
    assert time_to_ns(fast.heard['joint_states'][-1].header.stamp) <= times[-1]


def test_what_can_be_moved_is_in_the_status_and_drawn_where_it_is(picking):
    picking.reset(seed=3)
    picking.until(lambda: picking.status and picking.heard['scene/markers'])
    scene, status = PICK_PLACE.sample(3), picking.status
    assert status.object_names == ['cube']
    where = status.objects[0].position
    np.testing.assert_allclose([where.x, where.y], scene.cube, atol=1e-3)
    assert (status.goal.x, status.goal.y) == pytest.approx(scene.goal)
    assert status.obstacle_height == 0.0
    cube, *tray = picking.heard['scene/markers'][-1].markers
    assert (cube.type, cube.scale.x, len(tray)) == (Marker.CUBE, pytest.approx(0.04), 5)
    assert cube.pose.position.x == pytest.approx(where.x, abs=1e-3)


def test_fingers_begin_open_where_something_is_to_be_gripped(picking):
    picking.reset()
    picking.until(lambda: picking.heard['joint_states'])
    assert picking.heard['joint_states'][-1].position[7:] == pytest.approx([0.04, 0.04], abs=1e-3)
