# SPDX-License-Identifier: Apache-2.0
"""The command that writes, checks and shows task files."""

from pathlib import Path
import threading

import bag_maker
from dp_ros.task.commented import commented
from dp_ros.task.task import first_difference
from dp_ros.task.task_file import read_task
from dp_ros.tools import task as task_tool
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
import tiny_policy

SHIPPED = sorted((Path(__file__).parents[3] / 'dp_ros_bringup/config/tasks').glob('*.yaml'))


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr('sys.argv', ['task', *map(str, words)])
        code = task_tool.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.parametrize('file', SHIPPED, ids=lambda file: file.stem)
def test_the_shipped_files_are_as_the_command_writes_them(command, file):
    task = read_task(file)
    assert file.read_text() == commented(task)
    code, said, _ = command('check', file)
    followed = f'15 actions, 1.5 s; {task.n_action_steps} of them followed'
    assert code == 0 and ': valid' in said and followed in said


def test_a_first_file_from_a_recording(command, tmp_path):
    bag_maker.write(tmp_path / 'bag', bag_maker.episode())
    file = tmp_path / 'mine.yaml'
    code, said, _ = command('new', '--bag', tmp_path, '--out', file)
    assert code == 0 and 'record.launch.py task:=' in said
    task = read_task(file)
    assert task.joints == bag_maker.JOINTS
    assert task.image_sizes == {'front': (16, 24)}
    assert task.dt == pytest.approx(0.1, abs=0.01)
    code, _, complaint = command('new', '--bag', tmp_path, '--out', file)
    assert code == 1 and 'exists already' in complaint


def test_a_first_file_from_what_is_on_the_topics_now(
    command, tmp_path, monkeypatch, ros_context, domain_id
):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))
    node = Node('robot', context=ros_context)
    joints = node.create_publisher(JointState, 'joint_states', 10)
    images = node.create_publisher(Image, 'camera/wrist/image_raw', 10)
    image = Image(height=192, width=256, encoding='rgb8', step=768, data=bytes(192 * 768))
    node.create_timer(0.02, lambda: joints.publish(JointState(name=['a', 'b'], position=[0, 0])))
    node.create_timer(0.2, lambda: images.publish(image))
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: [executor.spin_once(timeout_sec=0.05) for _ in iter(stop.is_set, True)]
    )
    thread.start()
    try:
        file = tmp_path / 'task.yaml'
        code, _, complaint = command('new', '--out', file, '--seconds', '4')
    finally:
        stop.set()
        thread.join()
        node.destroy_node()
    assert code == 0, complaint
    task = read_task(file)
    assert task.joints == ('a', 'b')
    assert task.camera_topics == {'wrist': '/camera/wrist/image_raw'}
    assert task.image_sizes == {'wrist': (96, 128)}
    assert task.dt >= 0.18
    assert not rclpy.ok()


def test_the_task_of_a_checkpoint_is_shown(command, tmp_path):
    code, said, _ = command('show', tiny_policy.checkpoint(tmp_path / 'policy'))
    file = tmp_path / 'shown.yaml'
    file.write_text(said)
    assert code == 0
    assert first_difference(read_task(file), tiny_policy.CONFIG.task) is None


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('joints: [a]\ndt: -1', 'task.yaml: dt = -1: needs 0.001 to 60 s'),
        ('joints: [a]\nspeed: 3', 'speed: no such key; there are'),
        ('joints: [a]\ncameras: {front: {size: [0, 4]}}', 'size = (0, 4): needs height and width'),
        ('[1, 2', 'task.yaml: cannot be read: line 2'),
        ('joints: [a]\nstate_names: [x]\ncameras: {}', ''),
    ],
)
def test_what_is_wrong_with_a_file_is_said(command, tmp_path, text, complaint):
    file = tmp_path / 'task.yaml'
    file.write_text(text)
    code, _, said = command('check', file)
    assert complaint in said and code == bool(complaint)


def test_recordings_without_a_task_have_none_to_show(command, tmp_path):
    bag_maker.write(tmp_path / 'bag', bag_maker.episode())
    code, _, complaint = command('show', tmp_path)
    assert code == 1 and 'hold no task file' in complaint
