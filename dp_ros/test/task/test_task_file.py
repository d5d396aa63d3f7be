# SPDX-License-Identifier: Apache-2.0
"""Task files: what is written is read bit for bit, what cannot be read is refused by its file."""

from dataclasses import replace
import json
from pathlib import Path

from dp_ros.outside import MOST_BYTES
from dp_ros.task.task import OBSERVATIONS, Camera, Task, Topics
from dp_ros.task.task_file import parse_task, read_task, task_of_policy, task_text
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import yaml

REPOSITORY = Path(__file__).parents[3]
FILES = sorted((REPOSITORY / 'dp_ros_bringup' / 'config' / 'tasks').glob('*.yaml'))
MODELS = sorted(file.parent for file in (REPOSITORY / 'models').glob('*/policy.json'))
TASKS = {
    'short': Task(joints=('a',)),
    'whole': Task(
        joints=('a', 'b'),
        name='stack: "cubes" # é',
        gripper_joints=('finger',),
        observations=OBSERVATIONS,
        cameras={
            'wrist': Camera((48, 64), 'w', (1, 2, 3, 4), 0.1 / 7, 1 / 3),
            'front': Camera((1, 4096)),
        },
        dt=0.1 + 1e-17 + 1e-16,
        n_obs_steps=3,
        horizon=32,
        n_action_steps=9,
        camera_slop=1e-9,
        joint_latency=0.1 + 0.2,
        max_joint_gap=10.0,
        topics=Topics('/x/joint_states', 'on', '1'),
    ),
    'odd names': Task(joints=('yes', 'null', '1e3', '~', '2001-01-01'), state_names=('=', '- a')),
}


def refused(read, *arguments):
    with pytest.raises(ConfigError) as caught:
        read(*arguments)
    said = str(caught.value)
    assert '\n' not in said and len(said) < 800
    return said


@pytest.mark.parametrize('name', TASKS)
def test_what_is_written_is_read_bit_for_bit(tmp_path, name):
    text = task_text(TASKS[name])
    (tmp_path / 'task.yaml').write_text(text)
    for read in (parse_task(text, 'text'), read_task(tmp_path / 'task.yaml')):
        assert read == TASKS[name]
        assert read.camera_names == TASKS[name].camera_names
        assert task_text(read) == text


def test_numbers_of_whole_seconds_stay_what_they_are():
    task = parse_task('{joints: [a], dt: 1}', 'text')
    assert task_text(parse_task(task_text(task), 'text')) == task_text(task)


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.stem)
def test_the_files_that_are_shipped_are_whole(file):
    task = read_task(file)
    assert task.name == file.stem
    given, whole = yaml.safe_load(file.read_text()), yaml.safe_load(task_text(task))
    assert given | {'state_names': []} == whole


@pytest.mark.parametrize('folder', MODELS, ids=lambda folder: folder.name)
def test_the_models_that_are_shipped_hold_the_task_they_are_for(folder):
    task = read_task(folder)
    files = {file.stem: file for file in FILES}
    assert task.name in (*files, 'pusht')
    if task.name in files:
        assert task == read_task(files[task.name])


def test_a_checkpoint_holds_its_task(tmp_path):
    changes = {
        'gripper_joints': ('finger',),
        'cameras': {'front': Camera((32, 40), '/f', (0, 0, 64, 80), 0.01, 1 / 3)},
        'joint_latency': 0.1 + 0.2,
        'topics': Topics('a', 'b', 'c'),
    }
    tiny_policy.checkpoint(tmp_path, **changes)
    assert read_task(tmp_path) == tiny_policy.changed(**changes).task


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{', 'policy.json: cannot be read'),
        ('[' * 100_000, 'policy.json: cannot be read: nested deeper than 64'),
        ('[]', 'policy.json: holds no task; `ros2 run dp_ros import_checkpoint` converts it'),
        ('7', 'policy.json: holds no task'),
        ('{"format": 1, "policy": {}}', 'policy.json: holds no task; `ros2 run dp_ros import_'),
        ('{"task": 7}', 'policy.json: 7: needs the keys of a task'),
        ('{"task": {"joints": ["a"], "dt": 0}}', 'policy.json: dt = 0: needs 0.001 to 60 s'),
        ('{"task": {"joints": [], "dt": 0.1}}', 'policy.json: joints is empty'),
    ],
)
def test_a_checkpoint_without_a_task_that_can_be_is_refused(tmp_path, text, reason):
    (tmp_path / 'policy.json').write_text(text)
    assert refused(read_task, tmp_path).startswith(f'{tmp_path}/{reason}')


def test_what_is_not_there_is_named(tmp_path):
    nothing = 'cannot be read (No such file or directory)'
    assert refused(read_task, tmp_path / 'none.yaml') == f'{tmp_path}/none.yaml: {nothing}'
    assert refused(read_task, tmp_path) == f'{tmp_path}/policy.json: {nothing}'


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'None: needs the keys of a task'),
        ('3', '3: needs the keys of a task'),
        ('[joints]', "['joints']: needs the keys of a task"),
        ('joints', "'joints': needs the keys of a task"),
        ('{', 'cannot be read: line 2: '),
        ('!!python/object:os.system {}', 'cannot be read: '),
        ('joints: ' + '[' * 50_000, 'cannot be read: line 1 is nested deeper than 64 levels'),
        ('a: &a\n  b: *a\n', 'cannot be read: line 2 stands for more than'),
        ('joints: [a]\nhorizon: ' + '1' * 5000, 'cannot be read: line 2 has a number of 5000'),
        ('joints: [a]\ncolour: red', 'colour: no such key; there are'),
        ('joints: []', 'joints is empty'),
        ('joints: [a]\ndt: 100 ms', "dt = '100 ms': needs float"),
        ('joints: [a]\ndt: 0', 'dt = 0: needs 0.001 to 60 s'),
        ('joints: [a]\ncameras: {front: {size: [8]}}', 'cameras.front: size = (8,): needs height'),
        ('joints: [a]\ncameras: {1: {size: [8, 8]}}', 'cameras: 1: needs a name'),
        ('joints: [a]\ntopics: {image: a}', 'topics: image: no such key'),
        ('joints: [yes, no]', 'joints = [True, False]: needs tuple[str'),
        ('joints: [2001-01-01]', 'joints = [datetime.date(2001, 1, 1)]: needs tuple[str'),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_its_name(tmp_path, text, reason):
    file = tmp_path / 'task.yaml'
    file.write_text(text)
    assert refused(read_task, file).startswith(f'{file}: {reason}')
    assert refused(parse_task, text, 'contract').startswith(f'contract: {reason}')


def test_a_file_of_too_many_bytes_or_of_no_text_is_not_read(tmp_path):
    for name in ('task.yaml', 'policy.json'):
        with (tmp_path / name).open('wb') as opened:
            opened.truncate(2**40)
    said = f'cannot be read: over {MOST_BYTES} bytes'
    assert refused(read_task, tmp_path / 'task.yaml') == f'{tmp_path}/task.yaml: {said}'
    assert refused(read_task, tmp_path) == f'{tmp_path}/policy.json: {said}'
    (tmp_path / 'task.yaml').write_bytes(b'\xff\xfe')
    assert 'task.yaml: cannot be read: ' in refused(read_task, tmp_path / 'task.yaml')


def test_a_task_of_json_is_one_of_yaml():
    task = replace(TASKS['whole'], camera_slop=0.25)
    text = json.dumps(yaml.safe_load(task_text(task)))
    assert parse_task(text, 'text') == task


def test_a_folder_without_a_policy_is_told_with_the_policies_beside_it(tmp_path):
    models = Path(__file__).resolve().parents[3] / 'models'
    assert task_of_policy(models / 'reach').name == 'reach'
    with pytest.raises(ConfigError, match='nope: no policy.json in that folder; .* has .*reach'):
        task_of_policy(models / 'nope')
    with pytest.raises(ConfigError, match='nope: no policy.json in that folder$'):
        task_of_policy(tmp_path / 'nope')
