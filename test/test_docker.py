# SPDX-License-Identifier: Apache-2.0
"""What the image is made of exists, and holds what the packages and the launch files ask for."""

import json
import os
from pathlib import Path
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / 'docker'
HOME = '/home/ubuntu/dp_ros/'
# Keys of rosdep that it installs by pip, and what they are there.
BY_PIP = {
    'python3-mujoco-pip': 'mujoco',
    'python3-pytorch-pip': 'torch',
    'python3-rosbags-pip': 'rosbags',
}
BUILT = {'franka_msgs'}  # By build_franka.sh; rosdep has no such key.


@pytest.fixture(scope='module')
def instructions():
    """Return [(instruction, its words)] of the Dockerfile."""
    text = (DOCKER / 'Dockerfile').read_text()
    text = re.sub(r'^#.*\n', '', text, flags=re.MULTILINE).replace('\\\n', ' ')
    return [(line.split()[0], line.split()[1:]) for line in text.splitlines() if line]


@pytest.fixture(scope='module')
def compose():
    return yaml.safe_load((DOCKER / 'compose.yaml').read_text())


def commands(instructions):
    return ' '.join(word for name, words in instructions if name == 'RUN' for word in words)


def keys():
    return {
        element.text
        for package in ('dp_ros', 'dp_ros_msgs', 'dp_ros_bringup')
        for element in ElementTree.parse(ROOT / package / 'package.xml').getroot()
        if element.tag.endswith('depend')
    }


def ignored(path):
    """Say whether the image's context lacks a path of the repository."""
    lines = (DOCKER / 'Dockerfile.dockerignore').read_text().split()
    return any(Path(path).match(line.removeprefix('**/')) for line in lines)


def test_what_is_copied_is_there(instructions):
    copied = [
        word
        for name, words in instructions
        if name == 'COPY'
        for word in [w for w in words if not w.startswith('--')][:-1]
    ]
    assert {'docker/build_franka.sh', 'dp_ros/package.xml', '.'} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert not ignored(path), path


def test_what_is_run_of_this_repository_is_there(instructions):
    entry = json.loads(' '.join(dict(instructions)['ENTRYPOINT']))[0]
    run = {entry.removeprefix(HOME), *re.findall(r'ros_pip/\w+\.sh', commands(instructions))}
    assert run == {'docker/entrypoint.sh', 'ros_pip/setup.sh'}
    for path in run:
        assert (ROOT / path).stat().st_mode & 0o111, path
        assert not ignored(path), path
    assert f'~/{Path(HOME).name}/docker/env.sh' in commands(instructions)


def test_what_rosdep_would_install_by_pip_is_left_to_the_pinned_packages(instructions):
    skipped = set(re.search(r'--skip-keys\s+"(.+?)"', commands(instructions))[1].split())
    pinned = re.findall(r'^([\w-]+)==', (ROOT / 'ros_pip' / 'python.txt').read_text(), re.M)
    assert {key for key in keys() if key.endswith('-pip')} == BY_PIP.keys()
    assert skipped == BY_PIP.keys() | BUILT
    assert set(BY_PIP.values()) <= set(pinned)


def test_camera_drivers_are_installed(instructions):
    text = (ROOT / 'dp_ros_bringup' / 'config' / 'cameras.yaml').read_text()
    packages = set(re.findall(r'^#? +package: (\w+)', text, re.MULTILINE))
    assert packages == {'usb_cam', 'realsense2_camera', 'v4l2_camera'}
    for package in packages:
        assert f'ros-jazzy-{package.replace("_", "-")} ' in commands(instructions)


def test_the_driver_of_the_arm_is_pinned_and_the_one_that_the_launch_file_names():
    repositories = yaml.safe_load((DOCKER / 'franka.repos').read_text())['repositories']
    assert repositories.keys() == {'libfranka', 'franka_description', 'franka_ros2'}
    for repository in repositories.values():
        assert re.fullmatch(r'v?\d+\.\d+\.\d+', repository['version'])
    launch = (ROOT / 'dp_ros_bringup' / 'launch' / 'arm.launch.py').read_text()
    assert f'franka_ros2 {repositories["franka_ros2"]["version"]}' in launch


def test_services_build_the_image_and_ask_for_no_more_than_they_need(compose):
    for name, service in compose['services'].items():
        context = (DOCKER / service['build']['context']).resolve()
        assert context == ROOT
        assert (context / service['build']['dockerfile']).is_file()
        assert not {'privileged', 'cap_add', 'pid'} & service.keys(), name
        assert 'no-new-privileges:true' in service['security_opt']
        assert service['network_mode'] == service['ipc'] == 'host'
    assert compose['services']['arm']['ulimits']['rtprio'] == 99
    gpu = compose['services']['gpu']['deploy']['resources']['reservations']['devices'][0]
    assert (gpu['driver'], gpu['capabilities']) == ('nvidia', ['gpu'])


def test_services_find_no_other_computer_unless_told_by_name(compose):
    for service in compose['services'].values():
        assert service['environment']['ROS_AUTOMATIC_DISCOVERY_RANGE'] == (
            '${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}'
        )
        assert service['environment']['ROS_STATIC_PEERS'] == '${ROS_STATIC_PEERS:-}'


@pytest.mark.parametrize(
    ('given', 'kept'),
    [({}, 'LOCALHOST'), ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}, 'SUBNET')],
)
def test_the_entrypoint_keeps_to_this_machine_without_compose_and_says_so(tmp_path, given, kept):
    for name in ('docker/entrypoint.sh', 'docker/env.sh', 'ros_pip/env.sh'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = (ROOT / name).read_text()
        (tmp_path / name).write_text(re.sub(r'^\. /opt/\S+', ':', text, flags=re.MULTILINE))
    (tmp_path / '.dp').mkdir()
    (tmp_path / '.dp' / 'full_ros').touch()
    done = subprocess.run(
        ['bash', str(tmp_path / 'docker/entrypoint.sh'), 'env'],
        env={'PATH': os.environ['PATH'], 'ROS_DOMAIN_ID': '0', **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f'ROS_AUTOMATIC_DISCOVERY_RANGE={kept}' in done.stdout.splitlines()
    assert done.stderr.strip() == f'ROS domain 0, discovery {kept}'


def test_what_services_mount_of_the_repository_goes_where_the_image_has_it(compose):
    for service in compose['services'].values():
        mounts = [volume.split(':') for volume in service['volumes'] if volume.startswith('.')]
        assert mounts
        for source, target, *_ in mounts:
            place = Path(HOME) / (DOCKER / source).resolve().relative_to(ROOT)
            assert Path(target) == place


def test_the_development_container_opens_a_service_that_mounts_the_checkout(compose):
    container = json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text())
    assert (ROOT / '.devcontainer' / container['dockerComposeFile']).resolve() == (
        DOCKER / 'compose.yaml'
    )
    volumes = compose['services'][container['service']]['volumes']
    assert f'..:{container["workspaceFolder"]}' in volumes
