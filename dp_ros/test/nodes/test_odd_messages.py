# SPDX-License-Identifier: Apache-2.0
"""No message of any content ends a node, nor makes one of its callbacks fail."""

from contextlib import closing
from inspect import iscoroutinefunction
from itertools import chain
import os
import time
import traceback

import cv2
from dp_ros.nodes.demo_recorder.node import DemoRecorderNode
from dp_ros.nodes.episode_runner.node import EpisodeRunnerNode
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.nodes.fake_gripper.node import FakeGripperNode
from dp_ros.nodes.franka_sim.node import FrankaSimNode
from dp_ros.nodes.gripper.node import GripperNode
from dp_ros.nodes.observation_aggregator.node import ObservationAggregatorNode
from dp_ros.nodes.policy.node import PolicyNode
from dp_ros.nodes.teleop.node import TeleopNode
from dp_ros.nodes.teleop_keyboard.node import TeleopKeyboardNode
from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.ros.contract import contract_msg
from dp_ros.ros.conversions import ns_to_duration, ns_to_time
from dp_ros.ros.guard import failures
from dp_ros.ros.polled_topic import Never
from dp_ros.task.task import Camera, Task, task_to_dict
from dp_ros.task.task_file import task_text
from dp_ros_msgs.msg import Contract, EpisodeStatus, ExecutorStatus, Observation, PolicyStatus
from dp_ros_msgs.srv import StartEpisode
from fake_robot import HOME, JOINTS, FakeRobot
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped, TransformStamped, TwistStamped
from node_bench import NodeBench
import numpy as np
from odd_messages import odd, spoilt
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState, Joy
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
import tiny_policy
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
import yaml

MANY = 300
FEW = 20
FINGERS = list(FINGER_NAMES)
GARBAGE = [
    b'',
    b'\x00\x01\x00\x00',
    b'\x00\x01\x00\x00\xff\xff\xff\x7fabc',
    bytes(200),
    b'\xff' * 99,
]
NOT_OURS = ('/parameter_events', '/clock', '/rosout')


# ---- messages that are as they should be


def joint_state(now, names=(*JOINTS, *FINGERS)):
    message = JointState(name=list(names), position=np.resize(HOME, len(names)).tolist())
    message.header.stamp = now
    return message


def trajectory(now, names=JOINTS, start=HOME):
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = now
    for k in range(1, 6):
        point = JointTrajectoryPoint(
            positions=(np.resize(start, len(names)) + 0.01 * k).tolist(),
            velocities=[0.0] * len(names),
            accelerations=[0.0] * len(names),
            time_from_start=ns_to_duration(k * 100_000_000),
        )
        message.points.append(point)
    return message


def image(now, height=16, width=24):
    pixels = np.zeros((height, width, 3), np.uint8)
    message = Image(height=height, width=width, encoding='rgb8', step=width * 3)
    message.data.frombytes(pixels.tobytes())
    message.header.stamp = now
    return message


def compressed(now):
    message = CompressedImage(format='png')
    message.data.frombytes(cv2.imencode('.png', np.zeros((16, 24, 3), np.uint8))[1].tobytes())
    message.header.stamp = now
    return message


def observation(now):
    values = tiny_policy.observation()
    message = Observation(
        dt=0.1,
        n_obs_steps=2,
        joint_names=list(tiny_policy.JOINT_NAMES),
        joint_positions=values['state'].ravel().tolist(),
        camera_names=['front'],
        images=[image(now, 32, 40), image(now, 32, 40)],
    )
    message.header.stamp = now
    return message


def transforms(now):
    message = TransformStamped(child_frame_id='tcp')
    message.header.stamp, message.header.frame_id = now, 'base'
    message.transform.rotation.w = 1.0
    return TFMessage(transforms=[message])


TASK = Task(
    joints=JOINTS,
    gripper_joints=FINGERS,
    cameras={'front': Camera((16, 24), 'front/image'), 'wrist': Camera((8, 12), 'wrist/image')},
)


def contract(now):
    message = contract_msg(TASK, 'policies/mine', 'abc')
    message.header.stamp = now
    return message


def odd_tasks():
    """Give the texts of tasks with one value, at any depth, that makes no sense."""
    values = [
        None,
        True,
        -1,
        0,
        10**30,
        1e308,
        float('nan'),
        '',
        'a b',
        [],
        ['a'],
        [[1]],
        {'a': 1},
    ]
    for path in paths(task_to_dict(TASK)):
        for value in values:
            changed = task_to_dict(TASK)
            place = changed
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            yield yaml.safe_dump(changed)
    yield from (
        '[' * 9000,
        'a: &a [*a]',
        '\x00',
        '!!python/object:os.system {}',
        'joints: ü' * 9999,
    )


def paths(values, before=()):
    for key, value in values.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from paths(value, (*before, key))


def stamped(kind, **values):
    def make(now):
        message = kind(**values)
        message.header.stamp = now
        return message

    return make


VALID = {
    JointState: joint_state,
    JointTrajectory: trajectory,
    Image: image,
    CompressedImage: compressed,
    Observation: observation,
    TFMessage: transforms,
    Contract: contract,
    Joy: stamped(Joy, axes=[0.5] * 6, buttons=[1] * 21),
    TwistStamped: stamped(TwistStamped),
    PoseStamped: stamped(PoseStamped),
    ExecutorStatus: stamped(ExecutorStatus, state=ExecutorStatus.RUNNING, speed_scale=1.0),
    EpisodeStatus: stamped(EpisodeStatus, state=EpisodeStatus.RUNNING),
    PolicyStatus: stamped(PolicyStatus),
    FrankaRobotState: stamped(FrankaRobotState, robot_mode=2),
    String: lambda now: String(data='<robot name="fr3"><link name="base"/></robot>'),
}
NASTY = {
    Contract: [Contract(task=text) for text in odd_tasks()],
    String: [
        String(data=text) for text in ('<', '<a>' * 3000, '<a b="1"', '\x1b[2J', 'ü' * 100000)
    ],
    Joy: [Joy(axes=[float('nan')] * 6, buttons=[-(2**31)] * 21), Joy(axes=[1e38] * 6)],
}


# ---- the nodes


def made(kind, context, **values):
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return kind(context=context, parameter_overrides=overrides)


def executor(context, folder):
    calm = {'execute': True, 'joint_state_timeout': 3.0, 'deadman_button': 4}
    robot = FakeRobot(context)
    return made(ExecutorNode, context, **calm), robot.nodes


def policy(context, folder):
    checkpoint = str(tiny_policy.checkpoint(folder / 'policy'))
    calm = {'engine': 'torch', 'rate': 50.0, 'max_observation_age': 30.0}
    return made(PolicyNode, context, checkpoint=checkpoint, **calm), ()


def aggregator(context, folder):
    values = {
        'compressed_cameras': ['wrist'],
        'eef_frame': 'tcp',
    }
    (folder / 'task.yaml').write_text(task_text(TASK))
    values['task'] = str(folder / 'task.yaml')
    return made(ObservationAggregatorNode, context, **values), ()


def told_aggregator(context, folder):
    return made(ObservationAggregatorNode, context), ()


def teleop(device):
    def make(context, folder):
        fingers = {'gripper_joint_names': FINGERS, 'leader_joint_names': JOINTS}
        return made(TeleopNode, context, device=device, **fingers), ()

    return make


def keyboard(context, folder):
    _, terminal = os.openpty()
    return TeleopKeyboardNode(terminal, context=context), ()


def recorder(context, folder):
    topics = ['joint_states', 'camera/front/image_raw', 'tf_static', 'words']
    calm = {'min_free_space': 0, 'warn_free_space': 0, 'max_silence': 60.0}
    values = {'topics': topics, 'required_topics': topics[:2], 'directory': str(folder)}
    node = made(DemoRecorderNode, context, **calm, **values)
    source = Node('source', context=context)
    kinds = (JointState, Image, TFMessage, String)
    latched = QoSProfile(depth=1, durability=1)
    senders = [
        source.create_publisher(kind, topic, latched if topic == 'tf_static' else 10)
        for kind, topic in zip(kinds, topics, strict=True)
    ]
    end = time.monotonic() + 30
    while any(topic.subscription is None for topic in node._topics.topics.values()):
        assert time.monotonic() < end, senders
        node._topics.search()
    request = StartEpisode.Request(task='storm')
    for topic in topics[:2]:
        node._topics.topics[topic].last_ns = node._steady.now().nanoseconds
    assert node._on_start(request, StartEpisode.Response()).success
    return node, (source,)


def simulation(context, folder):
    small = {'camera_height': 16, 'camera_width': 16, 'camera_rate': 1.0}
    return made(FrankaSimNode, context, **small), ()


def plain(kind):
    return lambda context, folder: (kind(context=context), ())


NODES = {
    'executor': executor,
    'policy': policy,
    'aggregator': aggregator,
    'told_aggregator': told_aggregator,
    'gripper': plain(GripperNode),
    'fake_gripper': lambda c, f: (made(FakeGripperNode, c, follow_joint_states=True), ()),
    'teleop_twist': teleop('twist'),
    'teleop_gamepad': teleop('gamepad'),
    'teleop_leader': teleop('leader'),
    'teleop_keyboard': keyboard,
    'demo_recorder': recorder,
    'franka_sim': simulation,
    'episode_runner': plain(EpisodeRunnerNode),
}


class Storm(NodeBench):
    """A node, and one that throws messages at it."""

    def __init__(self, context, node, others):
        super().__init__(context, node, *others)
        self.rng = np.random.default_rng(7)
        self.problems = []

    def turns(self, number):
        for _ in range(number):
            self.executor.spin_once(timeout_sec=0.0)

    @property
    def subscriptions(self):
        """Return the node's own; contracts come last, for they change the others."""
        ours = [s for s in self.node.subscriptions if s.topic_name not in NOT_OURS]
        return sorted(ours, key=lambda s: s.msg_type is Contract)

    def message(self, kind):
        now_ns = self.node.get_clock().now().nanoseconds
        valid = VALID[kind](ns_to_time(now_ns))
        if self.rng.random() < 0.1:
            return valid
        return spoilt(valid, self.rng) if self.rng.random() < 0.7 else odd(kind, self.rng)

    def call_back(self, name, callback, *contents):
        try:
            callback(*contents)
        except Exception:
            self.problems.append((name, str(contents[0])[:500], trace()))

    def throw(self, subscription):
        """Call back as the executor would, which takes most of the time that this takes."""
        kind, name = subscription.msg_type, subscription.topic_name
        messages = chain(NASTY.get(kind, ()), (self.message(kind) for _ in range(MANY)))
        for index, message in enumerate(messages):
            content = serialize_message(message) if subscription.raw else message
            self.call_back(name, subscription.callback, content)
            if index % 20 == 0:
                self.turns(3)
        for data in GARBAGE if subscription.raw else ():
            self.call_back(name, subscription.callback, data)
        if kind is Contract:
            self.call_back(name, subscription.callback, contract(ns_to_time(0)))

    def ask(self, service):
        kind = service.srv_type
        for _ in range(FEW):
            request = odd(kind.Request, self.rng)
            self.call_back(service.srv_name, service.callback, request, kind.Response())

    @property
    def services(self):
        """Those of the node itself; what rclpy adds it answers itself."""
        ours = [s for s in self.node.services if 'rcl_interfaces' not in s.srv_type.__module__]
        return [s for s in ours if not iscoroutinefunction(s.callback)]

    def send(self, subscription):
        """Send some by way of the middleware, bytes that are no message among them."""
        kind, name = subscription.msg_type, subscription.topic_name
        sender = self.user.create_publisher(kind, name, QoSProfile(depth=1, durability=1))
        self.until(sender.get_subscription_count)
        for content in [*(self.message(kind) for _ in range(FEW)), *GARBAGE, self.message(kind)]:
            sender.publish(content)
            self.turns(5)
        self.user.destroy_publisher(sender)


def trace():
    return ''.join(traceback.format_exc().splitlines(keepends=True)[-8:])


@pytest.mark.parametrize('name', NODES)
def test_a_node_stands_a_storm_of_odd_messages(ros_context, tmp_path, name):
    node, others = NODES[name](ros_context, tmp_path)
    with closing(Storm(ros_context, node, others)) as storm:
        storm.turns(200)
        polled = [s for s in storm.subscriptions if isinstance(s.callback_group, Never)]
        called = [s for s in storm.subscriptions if s not in polled]
        assert called
        names = [s.topic_name for s in storm.subscriptions + 4 * polled]
        for subscription in called:
            storm.throw(subscription)
        for name in names:
            # A contract among what was thrown may have made the node subscribe anew, or elsewhere.
            for subscription in [s for s in storm.subscriptions if s.topic_name == name][:1]:
                storm.send(subscription)
        for service in storm.services:
            storm.ask(service)
        assert storm.problems == []
        storm.reports.clear()
        request = GetParameters.Request(names=['use_sim_time'])
        storm.call(GetParameters, f'{node.get_name()}/get_parameters', request)
        storm.until(lambda: storm.reports)
        assert failures(node).count == 0, failures(node).last
