# SPDX-License-Identifier: Apache-2.0
"""The real arm's launch files, told to packages that stand for franka_ros2 and the drivers."""

from functools import partial
import json
from pathlib import Path
import re

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launched import running, until
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'dp_ros_bringup' / 'config'
# Arguments of franka_bringup/launch/franka.launch.py in franka_ros2 v3.4.0, with their defaults.
UPSTREAM = {
    'robot_type': '',
    'arm_prefix': '',
    'namespace': '',
    'robot_ip': '172.16.0.3',
    'load_gripper': 'false',
    'use_fake_hardware': 'false',
    'fake_sensor_commands': 'false',
    'joint_state_rate': '30',
    'load_franka_robot_state_broadcaster': 'true',
    'controllers_yaml': 'theirs',
}
DRIVER = f"""
import json
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction

UPSTREAM = {UPSTREAM}

def tell(context):
    told = {{name: context.launch_configurations[name] for name in UPSTREAM}}
    return [LogInfo(msg='franka_bringup is told ' + json.dumps(told))]

def generate_launch_description():
    arguments = [DeclareLaunchArgument(n, default_value=v) for n, v in UPSTREAM.items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=tell)])
"""
PROGRAM = """#!/usr/bin/env python3
import os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
print(name, 'is told', *' '.join(sys.argv[1:]).split())
print(name, 'is found in', os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'])
"""
CAMERAS = """
front:
  package: usb_cam
  executable: usb_cam_node_exe
  parameters: {video_device: /dev/video2, framerate: 30.0, brightness: -1}
wrist:
  package: realsense2_camera
  executable: realsense2_camera_node
  parameters: {serial_no: '012345', enable_depth: false}
  remappings: {~/color/image_raw: image_raw}
"""
LEFT = ('franka.launch.py', 'robot_ip:=10.0.0.2', 'namespace:=left')


def is_installed(package):
    try:
        return bool(get_package_prefix(package))
    except PackageNotFoundError:
        return False


@pytest.fixture
def launch(tmp_path, domain_id):
    """Return launch(*words), a context in which these run."""
    return partial(running, tmp_path, ROS_DOMAIN_ID=str(domain_id))


@pytest.fixture
def upstream(tmp_path, monkeypatch):
    """Install what is known of upstream: a launch file, a spawner, two camera drivers."""
    prefix = tmp_path / 'upstream'

    def install(package, path, text):
        marker = prefix / 'share/ament_index/resource_index/packages' / package
        for file, content in ((marker, ''), (prefix / path, text)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        (prefix / path).chmod(0o755)

    install('franka_bringup', 'share/franka_bringup/launch/franka.launch.py', DRIVER)
    install('controller_manager', 'lib/controller_manager/spawner', PROGRAM)
    install('usb_cam', 'lib/usb_cam/usb_cam_node_exe', PROGRAM)
    install('realsense2_camera', 'lib/realsense2_camera/realsense2_camera_node', PROGRAM)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix), prepend=':')
    monkeypatch.setenv('PYTHONUNBUFFERED', '1')


@pytest.fixture
def cameras(tmp_path):
    path = tmp_path / 'my_cameras.yaml'
    path.write_text(CAMERAS)
    return f'cameras:={path}'


def fails(launched, *patterns):
    """Wait until the launch has given up, and check what it said."""
    until(lambda: launched.process.poll() is not None, launched.said)
    assert launched.process.returncode == 1
    for pattern in patterns:
        assert re.search(pattern, launched.said()), launched.said()
    assert 'Traceback' not in launched.said()


def told_to_driver(launched):
    return json.loads(re.search(r'franka_bringup is told (\{.*\})', launched.said())[1])


def test_the_whole_cell_comes_up_and_moves_nothing(launch, upstream, cameras):
    policy = f'policy:={ROOT / "models" / "reach"}'
    with launch(*LEFT, policy, cameras, 'load_gripper:=true') as launched:
        launched.until_said(
            'left.executor.*shadow mode: chunks are checked, nothing is sent',
            'left.observation_aggregator.*nothing on /left/franka/joint_states',
            'realsense2_camera_node is told',
            'usb_cam_node_exe is told',
            'spawner is told',
            'left.gripper',
        )
        expected = {
            'robot_type': 'fr3',
            'namespace': 'left',
            'robot_ip': '10.0.0.2',
            'load_gripper': 'true',
            'joint_state_rate': '100',
            'controllers_yaml': str(CONFIG / 'franka_controllers.yaml'),
        }
        told = told_to_driver(launched)
        assert {**told, 'controllers_yaml': str(Path(told['controllers_yaml']).resolve())} == {
            **UPSTREAM,
            **expected,
        }
        assert re.search(
            r'spawner is told fr3_arm_controller --param-file \S+/franka_controllers.yaml '
            '--ros-args -r __ns:=/left',
            launched.said(),
        )
        launched.interrupt()


@pytest.mark.parametrize(
    ('given', 'kept', 'who'),
    [
        ('', 'LOCALHOST', 'this machine, and hosts that name it in their ROS_STATIC_PEERS'),
        ('SUBNET', 'SUBNET', 'every computer of this network, which can command the arm too'),
    ],
)
def test_controller_and_drivers_are_found_as_far_as_the_person_says(
    launch, upstream, cameras, given, kept, who
):
    with launch(*LEFT, cameras, ROS_AUTOMATIC_DISCOVERY_RANGE=given) as launched:
        launched.ends()
        assert launched.said().count(f'discovery {kept}: found by {who}') == 1
        for name in ('spawner', 'usb_cam_node_exe', 'realsense2_camera_node'):
            assert f'{name} is found in {kept}' in launched.said()


def test_fake_hardware_takes_positions(launch, upstream):
    fake = ('robot_ip:=none', 'use_fake_hardware:=true', 'load_gripper:=true')
    with launch('arm.launch.py', *fake, 'controller_name:=other') as launched:
        launched.until_said(
            r'spawner is told other --param-file \S+/franka_fake_hardware.yaml --ros-args'
        )
        told = told_to_driver(launched)
        assert (told['use_fake_hardware'], told['load_gripper']) == ('true', 'false')
        launched.ends()


@pytest.mark.parametrize(
    ('policy', 'nodes'),
    [
        (f'policy:={ROOT}/models/reach', {'observation_aggregator', 'policy', 'executor'}),
        ('policy:=remote', {'observation_aggregator', 'executor'}),
        ('rviz:=false', set()),
    ],
)
def test_a_policy_runs_here_or_elsewhere_or_not_at_all(launch, upstream, policy, nodes):
    with launch(*LEFT, policy) as launched:
        launched.until_said('spawner is told', *(rf'\[{name}-\d\]: process' for name in nodes))
        assert launched.pids().keys() == nodes | {'spawner'}


def test_without_a_policy_here_the_nodes_wait_for_what_it_was_trained_for(launch, upstream):
    with launch(*LEFT, 'policy:=remote') as launched:
        launched.until_said(
            'left.observation_aggregator.*no task yet: waiting for policy/contract'
        )


def test_cameras_are_told_what_their_file_says(launch, upstream, cameras):
    with launch('cameras.launch.py', 'namespace:=left', cameras) as launched:
        launched.ends()
        for pattern in (
            'usb_cam_node_exe is told .*__ns:=/left/camera/front',
            '-p video_device:=/dev/video2 .*-p framerate:=30.0 .*-p brightness:=-1',
            r'__node:=realsense2_camera .*-r ~/color/image_raw:=image_raw',
            "-p serial_no:='012345' -p enable_depth:=false",
        ):
            assert re.search(pattern, launched.said()), launched.said()


def test_the_shipped_list_of_cameras_is_understood(launch, upstream):
    with launch('cameras.launch.py') as launched:
        launched.ends()
        assert 'serial_no:=' in launched.said()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('front: {package: nosuch_cam, executable: x}', 'install ros-jazzy-nosuch-cam'),
        ('front: {package: usb_cam}', "camera front: {'package': 'usb_cam'}: needs package and"),
        ('front: {package: usb_cam, executable: x, remap: {}}', 'may have parameters and remapp'),
        ('- front', 'my_cameras.yaml lists no cameras'),
        ('a: 1\nb: ' + '[' * 50_000, 'my_cameras.yaml: cannot be read: line 2 is nested deeper'),
    ],
)
def test_a_list_of_cameras_that_cannot_be_is_refused(launch, upstream, tmp_path, text, message):
    path = tmp_path / 'my_cameras.yaml'
    path.write_text(text)
    with launch('cameras.launch.py', f'cameras:={path}') as launched:
        fails(launched, message)


@pytest.mark.skipif(is_installed('franka_bringup'), reason='franka_ros2 is installed here')
def test_without_franka_ros2_the_way_to_get_it_is_said(launch):
    with launch(*LEFT) as launched:
        fails(launched, "package 'franka_bringup' not found: build and source franka_ros2 v3.4.0")
        assert not launched.pids()


def test_the_controller_ends_at_rest_and_starts_from_what_it_commanded():
    read = yaml.safe_load((CONFIG / 'franka_controllers.yaml').read_text())
    controller = read['/**/fr3_arm_controller']['ros__parameters']
    assert controller['interpolate_from_desired_state'] is True
    assert controller['allow_nonzero_velocity_at_trajectory_end'] is False
    assert controller['allow_trajectory_replacement'] is False
    assert list(controller['gains']) == controller['joints']
    defaults = yaml.safe_load((CONFIG / 'dp_ros.yaml').read_text())
    executor = defaults['/**/executor']['ros__parameters']
    assert controller['joints'] == executor['joint_names']
    for joint in controller['joints']:
        assert controller['constraints'][joint]['trajectory'] > executor['max_tracking_error']
    assert f'/**/{executor["controller_name"]}' in read
