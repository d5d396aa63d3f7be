# SPDX-License-Identifier: Apache-2.0
"""The training command: what it writes and what it says when it cannot."""

from dataclasses import replace
import json
from pathlib import Path

import bag_maker
from dp_ros.data.datasets.dataset import DatasetError, load_dataset
from dp_ros.policy.checkpoint import load_description, load_policy
from dp_ros.policy.config import to_dict
from dp_ros.task.task import Camera, Task, task_to_dict
from dp_ros.task.task_file import task_text
from dp_ros.tools import train
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import yaml

TASK = tiny_policy.CONFIG.task
SEEN = Task(joints=bag_maker.JOINTS, cameras={'front': Camera((16, 24))})
SHORT = ['train.batch_size=4', 'train.validation_share=0.25', 'train.num_inference_steps=2']


@pytest.fixture
def config(tmp_path):
    file = tmp_path / 'tiny.yaml'
    policy = json.loads(json.dumps(to_dict(tiny_policy.CONFIG)))
    file.write_text(yaml.safe_dump({'task': task_to_dict(TASK), 'policy': policy}))
    return file


@pytest.fixture
def command(monkeypatch, config, tmp_path):
    def run(*words):
        argv = ['train', '--data', 'bags', '--config', str(config), '--out', str(tmp_path / 'out')]
        changes = [word for change in SHORT for word in ('--set', change)]
        monkeypatch.setattr('sys.argv', [*argv, '--threads', '1', *changes, *words])
        return train.main()

    monkeypatch.chdir(tmp_path)
    bag_maker.write(tmp_path / 'bags' / 'bag', bag_maker.episode(0.2))
    monkeypatch.setattr(train, 'load_dataset', lambda *args: (tiny_policy.dataset(), ['bag: bad']))
    return run


@pytest.fixture
def recorded(command, config, monkeypatch, tmp_path):
    """Train on bags that hold these task files, with a configuration without a task."""

    def run(*tasks, named=None):
        policy = {'encoder': {**tiny_policy.CONFIG.encoder.to_dict(), 'crop_margin': 0}}
        section = {} if named is None else {'task': task_to_dict(named)}
        config.write_text(yaml.safe_dump(json.loads(json.dumps(section | {'policy': policy}))))
        for index, task in enumerate(tasks):
            info = {} if task is None else {'task_file': task_text(task)}
            bag_maker.write(tmp_path / 'held' / str(index), bag_maker.episode(), info=info)
        monkeypatch.setattr(train, 'load_dataset', load_dataset)
        return command('--data', 'held', '--steps', '2')

    return run


def test_it_leaves_a_checkpoint_a_picture_a_card_and_the_curves(command, tmp_path, capsys):
    assert command('--steps', '4') == 0
    out = tmp_path / 'out'
    names = {path.name for path in out.iterdir()}
    pictures = {'training.png', 'metrics.jsonl', 'tensorboard'}
    expected = {'policy.json', 'policy.safetensors', 'README.md'} | pictures
    assert names == expected
    load_policy(out, engine='torch').infer(tiny_policy.observation(), 0)
    record = load_description(out)['training']
    assert (record['steps'], record['episodes'], record['data_digest']) == (4, 4, 'random-0')
    said = capsys.readouterr().out
    assert 'skipped: bag: bad\nrecordings skipped: 1; see `ros2 run dp_ros inspect bags`' in said


def test_the_card_says_how_it_was_made(command, config, tmp_path):
    command('--steps', '2')
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert f'$ ros2 run dp_ros train --data bags --config {config}' in card
    assert '| training | 2 steps of 4 windows, seed 0' in card
    assert 'front 32×40 px, 7 joint positions' in card
    assert 'mean error of sampled actions' in card


def test_demonstrations_guided_by_hand_are_trained_on(recorded, tmp_path, capsys):
    assert recorded(None, None, named=SEEN) == 0
    said = ' '.join(capsys.readouterr().out.split())
    assert '2 of 2 episodes without commands, as guided by hand: their actions are' in said
    assert '2 of 2 episodes without checksums: damage in them may go unnoticed' in said
    load_policy(tmp_path / 'out', engine='torch')


def test_the_task_of_the_recordings_needs_no_naming(recorded, tmp_path, capsys):
    late = replace(SEEN, cameras={'front': Camera((16, 24), latency=0.05)}, joint_latency=0.02)
    assert recorded(late, None, late) == 0
    assert 'another task' not in capsys.readouterr().out
    assert load_policy(tmp_path / 'out', engine='torch').config.task == late
    description = load_description(tmp_path / 'out')
    assert description['task']['cameras']['front']['latency'] == 0.05
    assert description['task']['joint_latency'] == 0.02
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert 'image front 16×24 px (50 ms old when stamped)' in card
    assert '2 joint positions (20 ms old when stamped)' in card


def test_recordings_of_another_task_than_is_named_are_told(recorded, tmp_path, capsys):
    late = replace(SEEN, joint_latency=0.02)
    assert recorded(SEEN, SEEN, named=late) == 0
    said = capsys.readouterr().out
    assert (
        'recordings and configuration differ: joint_latency: 0.0 and 0.02: the second is used'
    ) in said
    assert load_policy(tmp_path / 'out', engine='torch').config.task == late


def test_recordings_of_two_tasks_are_refused_by_both(recorded, capsys):
    assert recorded(SEEN, replace(SEEN, dt=0.05)) == 1
    said = capsys.readouterr().out.replace('\n', ' ')
    assert 'held/0 and held/1 were recorded for different tasks: dt: 0.1 and 0.05' in said


def test_neither_a_task_named_nor_recorded(recorded, capsys):
    assert recorded(None) == 1
    said = capsys.readouterr().out.replace('\n', ' ')
    assert 'train: no task: name a task file' in said and 'Traceback' not in said


def test_what_cannot_be_is_one_line_and_an_exit_code(command, monkeypatch, capsys):
    assert command('--set', 'task.horizon=15') == 1
    assert 'horizon = 15' in capsys.readouterr().out

    def nothing(*args):
        raise DatasetError('bags: no rosbag2')

    monkeypatch.setattr(train, 'load_dataset', nothing)
    assert command() == 1
    said = capsys.readouterr().out
    assert 'train: bags: no rosbag2' in said
    assert 'Traceback' not in said


def test_a_missing_configuration_is_named(command, config, capsys):
    config.unlink()
    assert command() == 1
    assert 'tiny.yaml' in capsys.readouterr().out.replace('\n', '')


def test_ctrl_c_says_how_to_go_on(command, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, 'train', interrupted)
    assert command() == 130
    assert '--resume' in capsys.readouterr().out


def test_an_interrupted_run_is_resumed(command, monkeypatch, tmp_path):
    class PowerCutError(BaseException):
        pass

    advance = train.train

    def cut(dataset, config, out, report, **kwargs):
        def stop(step, loss):
            if step == 3:
                raise PowerCutError

        return advance(dataset, config, out, stop, **kwargs)

    every = ('--steps', '4', '--set', 'train.checkpoint_every=2')
    monkeypatch.setattr(train, 'train', cut)
    with pytest.raises(PowerCutError):
        command(*every)
    monkeypatch.setattr(train, 'train', advance)
    assert command(*every) == 1
    assert command(*every, '--resume') == 0
    assert '--resume' not in (tmp_path / 'out' / 'README.md').read_text()


@pytest.mark.parametrize(
    ('text', 'changes', 'reason'),
    [
        ('[1]', [], 'needs the sections'),
        ('policy: {}', ['steps=3'], 'needs SECTION.KEY=VALUE'),
        ('policy: {}', ['train.steps'], 'needs SECTION.KEY=VALUE'),
        ('task: {joints: [a], topics: {pictures: a}}', [], 'topics: pictures: no such key'),
        ('{task: {joints: [a]}, train: {actions: a}}', [], "train.actions = 'a': needs one of"),
        ('task: {dt: 0.1}', [], 'joints'),
        ('policy: {}', [], 'no task: name a task file'),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(tmp_path, text, changes, reason):
    file = Path(tmp_path / 'config.yaml')
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        train.read_config(file, changes)


def test_values_can_be_changed_on_the_command_line(config):
    run = train.read_config(config, ['train.steps=12', 'policy.method=regression'])
    assert (run.train.steps, run.policy.method.name) == (12, 'regression')


@pytest.mark.filterwarnings('error')
def test_a_loss_below_zero_is_drawn(tmp_path):
    metrics = [
        {'step': step, 'loss': -step, 'validation_loss': 1.0, 'action_error': 0.1}
        for step in (1, 2)
    ]
    train.draw_training(metrics, tmp_path / 'training.png')
    assert (tmp_path / 'training.png').is_file()
