# SPDX-License-Identifier: Apache-2.0
"""Every launch file: what it takes, that it comes up, and that nothing of it stays behind."""

from functools import partial
import os
from pathlib import Path
import re
import signal
import subprocess
import time

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from dp_ros.task.task import Camera, Task
from dp_ros.task.task_file import task_text
from dp_ros_msgs.msg import Observation
from dp_ros_msgs.srv import StartEpisode, StopEpisode
from launch import LaunchContext
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launched import DEADLINE, running, until
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'dp_ros_bringup' / 'launch'
FILES = sorted(path.name for path in FOLDER.glob('*.launch.py'))
POLICY = f'policy:={ROOT / "models" / "reach"}'
SHARED_TOPICS = {'/clock', '/parameter_events', '/rosout', '/diagnostics', '/tf', '/tf_static'}
ARGUMENT = re.compile(
    r"^    '(\w+)':\*?\n        (.+)\n(?:        \(default: (.+)\)\n)?", re.MULTILINE
)
RVIZ = """#!/bin/sh
echo rviz is told "$@"
"""


@pytest.fixture
def launch(tmp_path, domain_id):
    """Return launch(*words), a context in which these run."""
    return partial(running, tmp_path, ROS_DOMAIN_ID=str(domain_id))


@pytest.fixture
def listener(ros_context):
    node = Node('listener', context=ros_context)
    yield node
    node.destroy_node()


@pytest.fixture
def spin(listener, spin_until):
    executor = SingleThreadedExecutor(context=listener.context)
    executor.add_node(listener)
    return partial(spin_until, executor, timeout=DEADLINE)


def shown(name):
    """Return {argument: (description, default)} as --show-args tells them."""
    done = subprocess.run(
        ['ros2', 'launch', 'dp_ros_bringup', name, '--show-args'],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    return {key: (text, default) for key, text, default in ARGUMENT.findall(done.stdout + '\n')}


@pytest.mark.parametrize('name', FILES)
def test_every_argument_is_used_described_and_shown(name):
    arguments = shown(name)
    source = (FOLDER / name).read_text()
    declared = set(re.findall(r"(?:DeclareLaunchArgument|argument)\(\s*'(\w+)'", source))
    assert set(re.findall(r"LaunchConfiguration\('(\w+)'\)", source)) <= declared
    assert all(source.count(f"'{argument}'") > 1 for argument in declared)
    assert declared <= set(arguments)
    for description, default in arguments.values():
        assert description.endswith(('.', ']')) and description != 'no description given'
        assert ' object at ' not in default
    for place in ('config', 'rviz_config'):
        if place in arguments:
            assert "FindPackageShare(pkg='dp_ros_bringup')" in arguments[place][1]


@pytest.mark.parametrize('name', FILES)
def test_every_launch_file_begins_with_who_finds_what_it_starts(name, monkeypatch):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', '')
    description = get_launch_description_from_python_launch_file(str(FOLDER / name))
    description.entities[0].visit(LaunchContext())
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'


def test_the_documents_give_arguments_that_exist():
    command = re.compile(r'ros2 launch dp_ros_bringup (\w+\.launch\.py)((?: +[\w.-]+:=\S+)*)')
    given = {}
    for page in (ROOT / 'README.md', *ROOT.glob('docs/*.md'), ROOT / 'docker' / 'README.md'):
        for name, words in command.findall(page.read_text().replace('\\\n', ' ')):
            given.setdefault(name, set()).update(re.findall(r'(\w+):=', words))
    assert {'franka.launch.py', 'sim.launch.py'} <= given.keys()
    for name, arguments in given.items():
        assert arguments <= shown(name).keys(), name


@pytest.mark.parametrize('name', ['bringup.launch.py', 'sim.launch.py'])
def test_a_missing_policy_is_asked_for(launch, name):
    with launch(name) as launched:
        until(lambda: launched.process.poll() is not None, launched.said)
        assert launched.process.returncode == 1
        assert "missing required argument 'policy'" in launched.said()
        assert 'Checkpoint folder' in launched.said()


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['bringup.launch.py', 'policy:=nowhere'], 'nowhere: no policy.json in that folder'),
        (['sim.launch.py', 'policy:=nowhere', 'task:=reach'], 'nowhere: no policy.json in that'),
        (
            ['sim.launch.py', f'policy:={ROOT}/models/reech'],
            r'reech: no policy.json in that folder; .*models has .*reach, reach_mse',
        ),
        (
            ['sim.launch.py', f'policy:={ROOT}/models/pusht'],
            "task 'pusht': the simulation has reach",
        ),
    ],
)
def test_a_wrong_policy_is_refused_before_a_node_starts(launch, words, reason):
    with launch(*words) as launched:
        until(lambda: launched.process.poll() is not None, launched.said)
        assert launched.process.returncode == 1
        assert re.search(reason, launched.said())
        assert 'process started' not in launched.said()


def test_the_nodes_wait_and_name_what_is_missing(launch):
    with launch('bringup.launch.py', POLICY, 'namespace:=left', 'joint_states:=arm/q') as launched:
        launched.until_said(
            'left.executor.*waiting for joint states',
            'left.executor.*following policy/chunk on fr3_arm_controller/joint_trajectory',
            'left.observation_aggregator.*nothing on /left/camera/front/image_raw .no publisher.',
            'left.observation_aggregator.*nothing on /left/arm/q .no publisher.',
            'left.policy.*no observation on /left/observation',
        )
        launched.interrupt()


def test_any_arm_is_an_argument_and_a_policy_of_another_is_named(launch):
    other = ("joint_names:=['a', 'b', 'c', 'd', 'e', 'f', 'g']", 'controller_name:=other')
    with launch('bringup.launch.py', POLICY, *other) as launched:
        launched.until_said(
            'following policy/chunk on other/joint_trajectory',
            r"chunks of the policy are refused: joint_names is \['a', .* with \['fr3_joint1'",
        )
        launched.interrupt()


@pytest.fixture
def cell(tmp_path):
    """Return an overlay by which the aggregator observes for a task file of two cameras."""
    cameras = {name: Camera((48, 64), f'/{name}/image') for name in ('one', 'two')}
    (tmp_path / 'cell.yaml').write_text(task_text(Task(joints=('a',), cameras=cameras)))
    values = {'/**/observation_aggregator': {'ros__parameters': {'task': f'{tmp_path}/cell.yaml'}}}
    (tmp_path / 'overlay.yaml').write_text(yaml.safe_dump(values))
    return f'overlay:={tmp_path}/overlay.yaml'


def test_cameras_are_those_of_a_task_file_where_there_is_no_policy(launch, cell):
    with launch('bringup.launch.py', 'policy:=remote', cell) as launched:
        launched.until_said(
            'nothing on /one/image .no publisher.; nothing on /two/image .no publisher.'
        )
        launched.interrupt()


def test_a_task_file_that_is_not_the_policy_s_is_named(launch, cell):
    with launch('bringup.launch.py', POLICY, cell) as launched:
        launched.until_said("the task file and policy/contract differ: name: '' and 'reach'")
        launched.interrupt()


def test_the_simulation_of_a_remote_policy_is_told_the_task(launch, listener, spin):
    with launch('sim.launch.py', 'policy:=remote', 'task:=pick_place') as launched:
        spin(lambda: listener.count_publishers('camera/wrist/image_raw'))
        launched.until_said('no task yet: waiting for policy/contract')
    with launch('sim.launch.py', 'policy:=remote') as launched:
        launched.until_said('simulating the FR3, reach')


def test_the_simulation_runs_in_a_namespace_until_it_ends(launch, listener, spin):
    heard = []
    listener.create_subscription(Observation, '/left/observation', heard.append, 10)
    with launch('sim.launch.py', POLICY, 'namespace:=left', 'seed:=3') as launched:
        launched.until_said('left.policy.*diffusion policy of')
        spin(lambda: heard)
        assert len(heard[0].joint_names) == 7
        spin(lambda: ('episode_runner', '/left') in listener.get_node_names_and_namespaces())
        topics = {name for name, _ in listener.get_topic_names_and_types()} - SHARED_TOPICS
        assert {
            '/left/joint_states',
            '/left/camera/front/image_raw',
            '/left/policy/chunk',
        } <= topics
        assert not [name for name in topics if not name.startswith('/left/')]
        os.kill(int(launched.pids()['franka_sim']), signal.SIGTERM)
        launched.ends()
        assert 'was required: shutting down launched system' in launched.said()


@pytest.mark.parametrize(
    'words',
    [
        ('bringup.launch.py', POLICY, 'execute:=false', 'joint_names:=[a, b]'),
        ('gripper.launch.py', 'fake:=true'),
        ('record.launch.py', 'teleop:=leader'),
        ('sim.launch.py', POLICY, 'task:=pick_place'),
    ],
)
def test_no_launch_writes_a_file_that_a_kill_would_leave_behind(launch, words):
    with launch(*words) as launched:
        launched.until_said('process started with pid')
        assert not launched.left_behind()


def test_an_episode_of_the_simulation_is_recorded(launch, listener, spin, tmp_path):
    def call(client, **values):
        """Return the answer; none where the server met the client too late to send it."""
        spin(client.service_is_ready)
        late = time.monotonic() + 5.0
        answer = client.call_async(client.srv_type.Request(**values))
        spin(lambda: answer.done() or time.monotonic() > late)
        return answer.result()

    def is_open():
        answer = call(start, task='reach')
        return answer and (answer.success or 'is open' in answer.message)

    start = listener.create_client(StartEpisode, '/left/demo_recorder/start')
    stop = listener.create_client(StopEpisode, '/left/demo_recorder/stop')
    with launch('record.launch.py', 'directory:=here', 'namespace:=left', 'sim:=true') as launched:
        until(is_open, launched.said)
        stopped = call(stop, succeeded=True)
        assert Path(stopped.path).parent == Path('here'), stopped
        assert (tmp_path / stopped.path).is_dir()
        launched.interrupt()


@pytest.fixture
def rviz(tmp_path, monkeypatch):
    """Install an RViz that says what it was told."""
    marker = tmp_path / 'share/ament_index/resource_index/packages/rviz2'
    program = tmp_path / 'lib/rviz2/rviz2'
    for file, text in ((marker, ''), (program, RVIZ)):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path), prepend=':')


def test_rviz_opens_the_view_in_the_namespace(launch, rviz):
    with launch('rviz.launch.py', 'namespace:=left') as launched:
        launched.ends()
        assert re.search(
            r'rviz is told -d \S+/dp_ros_bringup/rviz/dp_ros.rviz --ros-args -r __ns:=/left',
            launched.said(),
        )


def has_rviz():
    try:
        return bool(get_package_prefix('rviz2'))
    except PackageNotFoundError:
        return False


@pytest.mark.skipif(has_rviz(), reason='RViz is installed here')
def test_an_absent_rviz_is_named(launch):
    with launch('rviz.launch.py') as launched:
        until(lambda: launched.process.poll() is not None, launched.said)
        assert launched.process.returncode == 1
        assert 'rviz2) is not installed' in launched.said()
        assert 'ros2 run dp_ros view' in launched.said()
        assert 'Traceback' not in launched.said()
