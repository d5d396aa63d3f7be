# SPDX-License-Identifier: Apache-2.0
"""The ros2 command against a running node, verb by verb."""

import os
from queue import SimpleQueue
import shlex
import signal
import subprocess
from threading import Thread
import time

from geometry_msgs.msg import PoseStamped
import pytest
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
import rclpy
from rclpy.action import ActionServer, CancelResponse
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tf2_msgs.action import LookupTransform
import yaml

DOMAIN = '46'
ENVIRONMENT = {**os.environ, 'ROS_DOMAIN_ID': DOMAIN}


class Peer(LifecycleNode):
    """What the command looks at."""

    def __init__(self, context):
        super().__init__('peer', context=context)
        limits = FloatingPointRange(from_value=0.0, to_value=50.0)
        self.declare_parameter(
            'rate',
            10.0,
            ParameterDescriptor(description='how often', floating_point_range=[limits]),
        )
        self.declare_parameter('group.sizes', [1, 2])
        self.declare_parameter('name', 'x')
        self.poses = SimpleQueue()
        self.canceled = SimpleQueue()
        self._joints = self.create_publisher(JointState, 'joint_states', 10)
        self._image = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._latched = self.create_publisher(String, 'latched', latched)
        self._latched.publish(String(data='hello'))
        self.create_subscription(PoseStamped, 'pose', self.poses.put, 10)
        self.create_timer(0.05, self._tick)
        self.create_service(Trigger, 'fire', self._fire)
        self._cancel_asked = Future()
        self._slow_goal = None
        self._action = ActionServer(
            self, LookupTransform, 'look_up', self._look_up, cancel_callback=self._cancel
        )

    def _tick(self):
        self._joints.publish(JointState(name=['a', 'b'], position=[1.0, 2.5]))
        self._image.publish(Image(encoding='rgb8', height=2, width=2, step=6, data=bytes(12)))
        if self._slow_goal is not None:
            self._slow_goal.publish_feedback(LookupTransform.Feedback())

    def _fire(self, request, response):
        response.success, response.message = True, 'done'
        return response

    def _cancel(self, goal):
        self._cancel_asked.set_result(True)
        return CancelResponse.ACCEPT

    async def _look_up(self, goal):
        if goal.request.target_frame == 'slow':
            self._slow_goal = goal
            await self._cancel_asked
            self._slow_goal = None
            goal.canceled()
            self.canceled.put(goal)
        else:
            goal.succeed()
        return LookupTransform.Result()


@pytest.fixture(scope='module')
def peer():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(DOMAIN))
    node = Peer(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    executor.shutdown()
    thread.join(timeout=5.0)
    node.destroy_node()
    context.try_shutdown()


def start(command):
    # Where the tests run in the background, SIGINT may be ignored; children would inherit that.
    return subprocess.Popen(
        ['ros2', *shlex.split(command)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ros2(*commands):
    """Run commands at the same time, and return what each printed and its exit code."""
    processes = [start(command) for command in commands]
    return [(process.communicate(timeout=90.0)[0], process.returncode) for process in processes]


def read_until(process, text):
    lines = []
    while text not in (line := process.stdout.readline()):
        assert line, f'it ended with {"".join(lines)}'
        lines.append(line)
    return ''.join([*lines, line])


def test_nodes(peer):
    listed, (told, code), absent = ros2(
        'node list', 'node info /peer', 'node info /absent --spin-time 0.5'
    )
    assert listed == ('/peer\n', 0)
    assert told.startswith('/peer\n  Subscribers:\n    /pose: geometry_msgs/msg/PoseStamped\n')
    assert '    /fire: std_srvs/srv/Trigger\n' in told
    assert '  Action Servers:\n    /look_up: tf2_msgs/action/LookupTransform\n' in told
    assert code == 0
    assert absent == ("Unable to find node '/absent'\n", 1)


def test_topics(peer):
    (listed, _), counted, (verbose, _), kind, absent = ros2(
        'topic list -t',
        'topic info /image',
        'topic info -v /image',
        'topic type /latched',
        'topic info /absent --spin-time 0.5',
    )
    assert '/image [sensor_msgs/msg/Image]\n/joint_states [sensor_msgs/msg/JointState]\n' in listed
    count = 'Publisher count: 1\nSubscription count: 0\n'
    assert counted == (f'Type: sensor_msgs/msg/Image\n{count}', 0)
    assert 'Node name: peer\n' in verbose
    assert '  Reliability: BEST_EFFORT\n' in verbose
    assert kind == ('std_msgs/msg/String\n', 0)
    assert absent == ("Unknown topic '/absent'\n", 1)


def test_echo(peer):
    (joints, _), latched, (image, _) = ros2(
        'topic echo --once /joint_states',
        'topic echo --once /latched --field data',
        'topic echo --once /image --no-arr',
    )
    assert joints.endswith('---\n')
    message = yaml.safe_load(joints.removesuffix('---\n'))
    assert list(message) == ['header', 'name', 'position', 'velocity', 'effort']
    assert (message['name'], message['position']) == (['a', 'b'], [1.0, 2.5])
    assert latched == ('hello\n---\n', 0)
    assert "data: '<sequence type: uint8, length: 12>'\n" in image


def test_echo_refuses(peer):
    field, absent = ros2(
        'topic echo --once /joint_states --field nothing', 'topic echo /absent --spin-time 0.5'
    )
    reason = "'JointState' object has no attribute 'nothing'"
    assert field == (f"Invalid field 'nothing': {reason}\n", 1)
    assert absent[0].endswith('Could not determine the type for the passed topic\n')
    assert absent[1] == 1


def test_hz_until_interrupted(peer):
    process = start('topic hz /joint_states')
    told = read_until(process, 'window:')
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=90.0)
    assert process.returncode == signal.SIGINT
    assert 'Traceback' not in rest
    # A busy machine delays messages, but loses few.
    assert 5.0 < float(told.split('average rate: ')[1].split('\n')[0]) < 40.0


def test_pub_fills_the_message(peer):
    stamped = '{header: {stamp: now, frame_id: base}, pose: {position: {x: 1}}}'
    (told, code), refused = ros2(
        f'topic pub --once /pose geometry_msgs/msg/PoseStamped "{stamped}"',
        'topic pub --once /pose geometry_msgs/msg/Pose "{z: 1}"',
    )
    assert 'publisher: beginning loop\npublishing #1: geometry_msgs.msg.PoseStamped(' in told
    assert code == 0
    pose = peer.poses.get(timeout=60.0)
    assert (pose.header.frame_id, pose.pose.position.x) == ('base', 1.0)
    assert abs(pose.header.stamp.sec - time.time()) < 60.0
    assert refused == ("Failed to populate field: 'Pose' object has no attribute 'z'\n", 1)


def test_parameters_are_read(peer):
    told = ros2(
        'param get /peer group.sizes',
        'param get /peer name --hide-type',
        'param get peer absent',
        'param list /peer --filter "group|name" --param-type',
        'param describe /peer rate',
        'param get /absent rate --spin-time 0.5',
    )
    assert told == [
        ('Integer values are: [1, 2]\n', 0),
        ('x\n', 0),
        ('Parameter not set\n', 1),
        ('  group.sizes (type: integer array)\n  name (type: string)\n', 0),
        (
            'Parameter name: rate\n  Type: double\n  Description: how often\n  Constraints:\n'
            '    Min value: 0.0\n    Max value: 50.0\n',
            0,
        ),
        ('Node not found\n', 1),
    ]


def test_parameters_are_set(peer, tmp_path):
    file = tmp_path / 'peer.yaml'
    file.write_text('/peer: {ros__parameters: {name: loaded, group: {sizes: [3]}}}')
    good, (high, code), (kind, _), loaded = ros2(
        'param set /peer rate 20.0',
        'param set /peer rate 99.0',
        'param set /peer rate 3',
        f'param load /peer {file}',
    )
    assert good == ('Set parameter successful\n', 0)
    assert high.startswith('Setting parameter failed: Parameter rate out of range')
    assert code == 0
    assert kind.startswith('Setting parameter failed: ')
    assert loaded == (
        'Set parameter name successful\nSet parameter group.sizes successful\n',
        0,
    )
    ((dumped, _),) = ros2('param dump /peer')
    parameters = yaml.safe_load(dumped)['/peer']['ros__parameters']
    assert (parameters['rate'], parameters['name']) == (20.0, 'loaded')
    assert parameters['group'] == {'sizes': [3]}


def test_services(peer):
    (listed, _), kind, (called, code), absent, wrong = ros2(
        'service list -t',
        'service type /fire',
        'service call /fire std_srvs/srv/Trigger "{}"',
        'service call /fire std_srvs/srv/Absent',
        'service call /fire std_srvs/srv/SetBool "{b: 2}"',
    )
    assert '/fire [std_srvs/srv/Trigger]\n' in listed
    assert kind == ('std_srvs/srv/Trigger\n', 0)
    assert called.endswith(
        'requester: making request: std_srvs.srv.Trigger_Request()\n\n'
        "response:\nstd_srvs.srv.Trigger_Response(success=True, message='done')\n\n"
    )
    assert code == 0
    assert absent == ('The passed service type is invalid\n', 1)
    assert wrong == (
        "Failed to populate field: 'SetBool_Request' object has no attribute 'b'\n",
        1,
    )


def test_lifecycle(peer):
    assert ros2('lifecycle nodes', 'lifecycle get /peer', 'lifecycle set peer explode') == [
        ('/peer\n', 0),
        ('unconfigured [1]\n', 0),
        (
            'Unknown transition requested, available ones are:\n- configure [1]\n- shutdown [5]\n',
            1,
        ),
    ]
    assert ros2('lifecycle set /peer configure') == [('Transitioning successful\n', 0)]
    state, (listed, _) = ros2('lifecycle get', 'lifecycle list /peer')
    assert state == ('/peer: inactive [2]\n', 0)
    assert '- activate [3]\n\tStart: inactive\n\tGoal: activating\n' in listed


def test_actions(peer):
    goal = 'send_goal /look_up tf2_msgs/action/LookupTransform "{target_frame: a}"'
    listed, (told, code) = ros2('action list -t', f'action {goal}')
    assert listed == ('/look_up [tf2_msgs/action/LookupTransform]\n', 0)
    assert 'Goal accepted with ID: ' in told
    assert told.endswith('Goal finished with status: SUCCEEDED\n')
    assert code == 0


def test_interrupted_goal_is_canceled(peer):
    process = start(
        'action send_goal -f /look_up tf2_msgs/action/LookupTransform "target_frame: slow"'
    )
    read_until(process, 'Feedback:')
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=90.0)
    assert 'Canceling goal...\n' in told
    assert told.endswith('Goal canceled.\n')
    assert process.returncode == signal.SIGINT
    peer.canceled.get(timeout=60.0)
