# SPDX-License-Identifier: Apache-2.0
"""The ros2 command without a graph: its parser, packages, run, launch and messages as text."""

import os
import signal
import subprocess
import sys

from geometry_msgs.msg import PoseStamped
import pytest
from ros2cli.message_fields import parse_values, set_message_fields
from ros2cli.message_text import Detail, message_to_csv, message_to_yaml
from ros2cli.verbs.launch import parse_launch_arguments
from ros2cli.verbs.topic_hz import RateMeter
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

PROGRAM = """#!/bin/sh
[ "$1" = exit ] && exit $2
trap 'echo interrupted; exit 5' INT
echo ready
while :; do sleep 0.05; done
"""
LAUNCH_FILE = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration

def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('word', default_value='nothing', description='What to say'),
        DeclareLaunchArgument('needed'),
        ExecuteProcess(cmd=['echo', 'said', LaunchConfiguration('word')], output='screen'),
    ])
"""


def ros2(*words, code=0, **variables):
    done = subprocess.run(
        ['ros2', *words],
        env={**os.environ, 'ROS_DOMAIN_ID': '46', **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def prefix(tmp_path):
    """Make a prefix with the package `demo`, its program and its launch file."""
    marker = tmp_path / 'share/ament_index/resource_index/packages/demo'
    program = tmp_path / 'lib/demo/program'
    launch_file = tmp_path / 'share/demo/launch/say.launch.py'
    for file, text in ((marker, ''), (program, PROGRAM), (launch_file, LAUNCH_FILE)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    program.chmod(0o755)
    return {'AMENT_PREFIX_PATH': f'{tmp_path}:{os.environ["AMENT_PREFIX_PATH"]}'}


def test_help_loads_nothing_of_ros():
    program = (
        'import sys; from ros2cli.cli import main\n'
        "try: main(['--help'])\n"
        "except SystemExit: print([m for m in ('rclpy', 'launch', 'rosbags') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.stdout.endswith('[]\n'), done.stderr
    assert 'Various topic related sub-commands' in done.stdout
    assert ros2('bag').startswith('usage: ros2 bag ')


def test_an_interrupt_that_comes_while_an_object_is_deleted_is_not_lost():
    program = """
import signal, sys, time
from ros2cli import cli

class Deleted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def work(argv):
    Deleted()
    time.sleep(100.0)

signal.signal(signal.SIGINT, signal.default_int_handler)
cli._run = work
sys.exit(cli.main())
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (signal.SIGINT, b'', b'')


def test_unknown_words_name_the_real_package():
    assert 'ros-jazzy-ros2cli ' in ros2('doctor', code=2)
    assert 'ros-jazzy-ros2topic ' in ros2('topic', 'bw', '/a', code=2)
    told = ros2('bag', 'record', '-a', '--snapshot-mode', code=2)
    assert 'unrecognized arguments: --snapshot-mode' in told
    assert 'ros-jazzy-ros2bag ' in told


def test_packages(prefix, tmp_path):
    assert ros2('pkg', 'prefix', 'demo', **prefix) == f'{tmp_path}\n'
    assert ros2('pkg', 'prefix', '--share', 'demo', **prefix) == f'{tmp_path}/share/demo\n'
    assert ros2('pkg', 'prefix', 'absent', code=1) == 'Package not found\n'
    assert ros2('pkg', 'executables', 'demo', **prefix) == 'demo program\n'
    assert 'demo' in ros2('pkg', 'list', **prefix).splitlines()


def test_run_becomes_the_program(prefix):
    assert ros2('run', 'demo', 'program', 'exit', '7', code=7, **prefix) == ''
    told = ros2('run', '--prefix', 'echo a', 'demo', 'program', '--flag', **prefix)
    assert told.startswith('a ')
    assert told.endswith('/lib/demo/program --flag\n')
    assert ros2('run', 'demo', 'absent', code=1, **prefix) == 'No executable found\n'
    assert ros2('run', 'absent', 'x', code=1) == "Package 'absent' not found\n"


def test_run_passes_signals(prefix):
    process = subprocess.Popen(
        ['ros2', 'run', 'demo', 'program'],
        env={**os.environ, **prefix},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=30.0)
    assert (told, process.returncode) == ('interrupted\n', 5)


def test_launch_shows_arguments(prefix, tmp_path):
    told = ros2('launch', 'demo', 'say.launch.py', '--show-args', **prefix)
    assert told.startswith(
        "Arguments (pass arguments as '<name>:=<value>'):\n\n    'word':\n        What to say\n"
        "        (default: 'nothing')\n\n    'needed':\n"
    )
    path = str(tmp_path / 'share/demo/launch/say.launch.py')
    assert ros2('launch', path, '-s') == told


def test_launch_runs(prefix, tmp_path):
    path = str(tmp_path / 'share/demo/launch/say.launch.py')
    assert 'said hello' in ros2('launch', path, 'word:=hello', 'needed:=1')
    assert 'said hi' in ros2('launch', 'demo', 'say.launch.py', 'word:=hi', 'needed:=1', **prefix)


def test_launch_refuses(prefix):
    told = ros2('launch', 'demo', 'absent.launch.py', code=1, **prefix)
    assert "file 'absent.launch.py' was not found in the share directory" in told
    assert ros2('launch', 'absent', 'x', code=1).startswith("Package 'absent' not found")
    told = ros2('launch', 'demo', 'say.launch.py', 'word', code=1, **prefix)
    assert told == "malformed launch argument 'word', expected format '<name>:=<value>'\n"
    assert parse_launch_arguments(['a:=1', 'b:=x:=y', 'a:=2']) == {'a': '2', 'b': 'x:=y'}
    for word in (':=1', 'a:=', 'a'):
        with pytest.raises(RuntimeError, match='malformed launch argument'):
            parse_launch_arguments([word])


def test_interface_show():
    told = ros2('interface', 'show', 'sensor_msgs/msg/JointState', '--no-comments')
    assert told.startswith(
        'std_msgs/Header header\n\tbuiltin_interfaces/Time stamp\n\t\tint32 sec\n'
    )
    assert told.endswith('float64[] effort\n')
    assert ros2('interface', 'show', 'a/msg/B', code=1) == "Unknown package 'a'\n"


def test_messages_as_yaml():
    image = Image(encoding='rgb8', data=bytes(range(5)))
    told = message_to_yaml(image, Detail(truncate_length=3))
    assert 'encoding: rgb...\n' in told
    assert told.endswith("data:\n- 0\n- 1\n- 2\n- '...'\n")
    hidden = message_to_yaml(CameraInfo(), Detail(no_arr=True, no_str=True), flow_style=True)
    assert "k: '<array type: double[9]>'" in hidden
    assert "distortion_model: '<string length: <0>>'" in hidden
    joints = JointState(name=['a', 'b'], position=[1.0])
    assert message_to_csv(joints) == '0,0,,a,b,1.0'


def test_messages_from_yaml():
    trajectory = JointTrajectory()
    text = '{joint_names: [a], points: [{positions: [1, 2], time_from_start: {sec: 3}}]}'
    assert set_message_fields(trajectory, parse_values(text)) == []
    (point,) = trajectory.points
    assert (list(point.positions), point.time_from_start.sec) == ([1.0, 2.0], 3)
    info = CameraInfo()
    set_message_fields(info, {'k': list(range(9)), 'd': [0.5], 'header': {'frame_id': 'f'}})
    assert (info.k[8], info.d[0], info.header.frame_id) == (8.0, 0.5, 'f')
    with pytest.raises(AttributeError):
        set_message_fields(info, {'absent': 1})
    with pytest.raises(TypeError, match='expected to be a dictionary'):
        set_message_fields(info, {'header': 5})
    with pytest.raises(RuntimeError, match='needs to be a dictionary'):
        parse_values('[1]')


@pytest.mark.parametrize('values', [{'header': 'auto'}, {'header': {'stamp': 'now'}}])
def test_stamps_are_left_to_the_publisher(values):
    pose = PoseStamped()
    (setter,) = set_message_fields(pose, values, expand_times=True)
    setter(type(pose.header.stamp)(sec=7))
    assert pose.header.stamp.sec == 7


def test_rate_is_told_once_per_second_of_the_window():
    meter = RateMeter(window_size=5)
    told = []
    for k in range(30):
        assert not meter.add(k * 100_000_000)
        told.append(meter.report())
    text = 'average rate: 10.000\n\tmin: 0.100s max: 0.100s std dev: 0.00000s window: 5'
    assert [(k, line) for k, line in enumerate(told) if line] == [(11, text), (21, text)]


def test_rate_starts_again_when_the_clock_jumps_back():
    meter = RateMeter(window_size=5)
    for stamp_ns in (10, 20, 2_000_000_000):
        meter.add(stamp_ns)
    assert meter.add(5)
    assert meter.report() is None
    assert not meter.add(6)
