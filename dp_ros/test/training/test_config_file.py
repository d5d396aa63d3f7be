# SPDX-License-Identifier: Apache-2.0
"""Training configurations that cannot be used are refused by file and value."""

from dp_ros.task.task import Camera, Task
from dp_ros.task.task_file import task_text
from dp_ros.training.config_file import read_config
from dp_ros.values import ConfigError
import pytest

TASK = Task(joints=('a', 'b'), cameras={'front': Camera((32, 40), latency=0.05)}, dt=0.05)


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / 'train.yaml').write_text(text)
        return tmp_path / 'train.yaml'

    return write


def refused(file, *changes):
    with pytest.raises(ConfigError) as caught:
        read_config(file, changes)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 1000
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    assert 'none.yaml: cannot be read (No such file' in refused(tmp_path / 'none.yaml')


def test_a_file_that_is_no_yaml(file):
    assert 'train.yaml: cannot be read: line 2' in refused(file('policy: {dt: 0.1'))


@pytest.mark.parametrize('text', ['[1]', '3', 'task'])
def test_a_file_without_sections(file, text):
    assert 'train.yaml: needs the sections task, policy and train' in refused(file(text))


def test_a_task_is_of_the_file_that_is_named_beside_the_configuration(tmp_path, file):
    (tmp_path / 'tasks').mkdir()
    (tmp_path / 'tasks' / 'mine.yaml').write_text(task_text(TASK))
    run = read_config(file('task: tasks/mine.yaml'), recorded=Task(joints=('c',)))
    assert run.policy.task == TASK


def test_a_task_may_be_written_in_the_configuration(file):
    assert read_config(file('task: {joints: [a, b]}')).policy.task == Task(joints=('a', 'b'))


@pytest.mark.parametrize('text', ['train: {steps: 3}', 'task:', 'policy:'])
def test_a_task_that_is_not_named_is_the_recordings(file, text):
    assert read_config(file(text), recorded=TASK).policy.task == TASK


def test_values_of_a_task_file_can_be_changed(tmp_path, file):
    (tmp_path / 'mine.yaml').write_text(task_text(TASK))
    changes = ['task.dt=0.2', 'task.cameras.front.latency=0.1']
    task = read_config(file('task: mine.yaml'), changes).policy.task
    assert (task.dt, task.cameras['front'].latency) == (0.2, 0.1)
    recorded = read_config(file('policy:'), ['task.dt=0.2'], TASK).policy.task
    assert (recorded.dt, recorded.joints) == (0.2, TASK.joints)


def test_a_task_file_can_be_named_among_the_changes(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine.yaml').write_text(task_text(TASK))
    changes = ['task=mine.yaml', 'task.dt=0.2']
    task = read_config(file('task: {joints: [c]}'), changes, Task(joints=('d',))).policy.task
    assert (task.joints, task.dt) == (TASK.joints, 0.2)
    assert 'none.yaml: cannot be read' in refused(file('policy:'), 'task=none.yaml')


def test_no_task_at_all_says_where_one_is_named(file):
    assert refused(file('policy: {}')) == (
        'no task: name a task file (`task: tasks/reach.yaml`); the recordings hold none either'
    )


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('task: nowhere.yaml', 'nowhere.yaml: cannot be read (No such file'),
        ('task: 7', 'task = 7: needs a file, or the keys of one'),
        ('task: [a]', "task = ['a']: needs a file, or the keys of one"),
        ('task: {joints: []}', 'task: joints is empty'),
        ('task: {joint: [a]}', 'task: joint: no such key; there are '),
        ('{task: {joints: [a]}, topics: {images: {}}}', "sections ['topics']: needs task, policy"),
        ('{task: {joints: [a]}, policy: 3}', 'policy = 3: needs keys and values'),
        ('{task: {joints: [a]}, policy: {dt: 0.1}}', 'policy: dt: no such key'),
    ],
)
def test_sections_that_cannot_be(file, text, reason):
    assert reason in refused(file(text))


def test_a_fault_in_the_task_file_names_that_file(tmp_path, file):
    (tmp_path / 'mine.yaml').write_text('joints: [a]\ndt: soon')
    assert "mine.yaml: dt = 'soon': needs float" in refused(file('task: mine.yaml'))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('task.horizon.x=3', '--set task.horizon.x=3: horizon = 16 holds no keys'),
        ('task.dt=[', '--set task.dt=[: cannot be read: line 2: '),
        ('task.dt=' + '[' * 50_000, '…: cannot be read: line 1 is nested'),
        ('task.cameras=3', 'cameras = 3: needs the settings of each camera by its name'),
        ('task.cameras.front=[1, 2]', 'cameras.front = [1, 2]: needs keys and values'),
        ('policy.method=[1]', 'method = [1]: needs the settings of one of'),
        ('policy.method.name=[1]', 'method = [1]: needs one of'),
        ('task.joints={a: 1}', "joints = {'a': 1}: needs tuple[str"),
        ('task.1=2', 'task: 1: no such key'),
        ('policy.1=2', 'policy: 1: no such key'),
        ('task.topics=7', 'topics = 7: needs keys and values'),
        ('task.topics.joint_states=[a]', "topics: joint_states = ['a']: needs str"),
        ('task.topics.images=a', 'topics: images: no such key'),
        ('train.actions=guessed', "train.actions = 'guessed': needs one of ('auto', 'commanded'"),
        ('train.learning_rate=.nan', 'learning_rate = nan: needs float'),
        ('train.steps=99999999999999999999', 'steps = 99999999999999999999: needs int'),
        ('train.pad_after=soon', "pad_after = 'soon': needs int | None"),
        ('train.pad_after=20', 'train.pad_after = 20: needs 0 to horizon - n_obs_steps = 14'),
        ('a.b=1', "sections ['a']: needs task, policy and train"),
    ],
)
def test_a_change_that_cannot_be_is_told_in_a_line(file, change, message):
    assert message in refused(file('task: {joints: [a], horizon: 16}'), change)


def test_a_file_that_is_nested_too_deep_is_named_with_its_line(file):
    said = refused(file('task:\n  dt: ' + '[' * 50_000))
    assert 'train.yaml: cannot be read: line 2 is nested deeper' in said
