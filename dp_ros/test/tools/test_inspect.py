# SPDX-License-Identifier: Apache-2.0
"""The command that shows a data set: what it prints, draws and writes, and its exit status."""

from dataclasses import replace
import json

from bag_maker import IMAGE, JOINT_STATE, JOINTS, MS, START, episode, trajectory, where, write
import cv2
from dp_ros.data.bags.checksums import seal
from dp_ros.task.task import Camera, Task, Topics, task_to_dict
from dp_ros.task.task_file import parse_task, task_text
from dp_ros.tools.inspect_recordings import main as inspect
import numpy as np
import pytest
import yaml

COMMAND = '/fr3_arm_controller/joint_trajectory'
TASK = Task(joints=JOINTS, cameras={'front': Camera((16, 24))})
WHOLE_IMAGES = ('--set', 'policy.encoder={name: cnn, crop_margin: 0}')


def demonstration(duration=1.5):
    times = np.arange(0.2, duration, 0.1)
    command = trajectory(START, times, [where(t) for t in times])
    return [(COMMAND, START + MS, command), *episode(duration)]


@pytest.fixture
def bags(tmp_path):
    folder = tmp_path / 'bags'
    folder.mkdir()
    for index in range(10):
        write(folder / f'episode_{index}', demonstration(), info={'succeeded': 'true'})
    return folder


@pytest.fixture
def command(monkeypatch, tmp_path):
    config = tmp_path / 'config.yaml'
    policy = {'encoder': {'name': 'cnn', 'crop_margin': 0}}
    sections = {'task': task_to_dict(TASK), 'policy': policy, 'train': {'steps': 1}}
    config.write_text(yaml.safe_dump(sections))

    def run(*words, config=config):
        words = [*words, '--config', config] if config else words
        monkeypatch.setattr('sys.argv', ['inspect', *map(str, words)])
        monkeypatch.setenv('COLUMNS', '200')
        return inspect.main()

    return run


def test_a_sound_set_is_ok(command, bags, capsys):
    assert command(bags) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith('OK: 10 of 10 episodes, 70 windows, 15 s, ')


def test_findings_are_a_line_each_and_a_status(command, bags, capsys):
    rows = [row for row in demonstration() if not 0.5 < (row[1] - START) / 1e9 < 0.8]
    write(bags / 'gap', rows)
    (write(bags / 'torn', demonstration()) / 'torn.mcap').write_bytes(b'')
    assert command(bags) == 3
    said = capsys.readouterr().out.splitlines()
    gap = 'gap: joint_states: nothing for 0.31 s from 0.49 s on, 30 messages missing in all. '
    assert any(line.startswith(f'{gap}Training leaves out ') for line in said)
    assert any(line.startswith('torn: cannot be read: ') for line in said)
    assert said[-1].startswith('look at these: 11 of 12 episodes')


def test_recordings_without_checksums_are_named(command, bags, capsys):
    for index in range(9):
        seal(bags / f'episode_{index}' / f'episode_{index}.mcap')
    assert command(bags) == 0
    said = capsys.readouterr().out
    assert 'episode_9: without checksums, as sqlite3 and some writers' in said
    seal(bags / 'episode_9' / 'episode_9.mcap')
    command(bags)
    assert 'without checksums' not in capsys.readouterr().out


def test_what_cannot_be_trained_on_says_so(command, tmp_path, capsys):
    write(tmp_path / 'bags' / 'only', demonstration())
    assert command(tmp_path / 'bags') == 1
    said = capsys.readouterr().out.splitlines()
    assert '1 of 1 episodes can be used. Training is refused' in str(said)
    assert said[-1].startswith('not trainable: ')


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['nowhere'], 'inspect: nowhere: no such folder'),
        (['.', '--set', 'task.horizon=15'], 'horizon'),
        (['.', '--set', 'policy.colour=red'], 'colour: no such key'),
    ],
)
def test_what_cannot_be_is_one_line(command, tmp_path, monkeypatch, capsys, words, reason):
    monkeypatch.chdir(write(tmp_path / 'bag', episode(0.2)))
    assert command(*words) == 1
    said = capsys.readouterr().out
    assert reason in said
    assert 'Traceback' not in said


def test_without_a_configuration_it_says_what_it_takes(command, tmp_path, capsys):
    bag = write(tmp_path / 'bag', demonstration())
    command(bag, *WHOLE_IMAGES, config=None)
    said = capsys.readouterr().out
    assert 'no --config, no task in the recordings: using the topics of the first one' in said
    assert parse_task(said[said.index('name:') : said.index('reading bags')], 'said') == Task(
        joints=JOINTS,
        cameras={'front': Camera((16, 24), IMAGE)},
        topics=Topics(joint_states=JOINT_STATE, commands=COMMAND),
        start_positions=(0.0, 0.0),
    )


def test_without_a_configuration_the_recorded_task_is_taken(command, tmp_path, capsys):
    def verdict(task):
        info = {'task_file': task_text(task)}
        bag = write(tmp_path / f'bag_{task.dt}', demonstration(), info=info)
        command(bag, *WHOLE_IMAGES, config=None)
        return capsys.readouterr().out

    said = verdict(TASK)
    assert 'no --config' not in said and '1 of 1 episodes, 7 windows' in said
    assert '1 of 1 episodes, 8 windows' in verdict(replace(TASK, dt=0.09))


def test_recordings_of_two_tasks_are_named(command, tmp_path, capsys):
    for dt in (0.1, 0.2):
        info = {'task_file': task_text(replace(TASK, dt=dt))}
        write(tmp_path / 'bags' / f'dt_{dt}', demonstration(), info=info)
    assert command(tmp_path / 'bags', config=None) == 1
    assert 'were recorded for different tasks: dt: 0.1 and 0.2' in capsys.readouterr().out


def test_pictures_and_a_summary(command, tmp_path):
    bags = tmp_path / 'bags'
    write(bags / 'deep' / 'whole', demonstration())
    rows = [row for row in demonstration() if not 0.5 < (row[1] - START) / 1e9 < 0.8]
    write(bags / 'gap', rows)
    out = tmp_path / 'out'
    assert command(bags, '--out', out) == 3
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['verdict'] == 'look at these'
    assert [each['name'] for each in summary['episodes']] == ['deep/whole', 'gap']
    assert summary['windows'] == sum(each['windows'] for each in summary['episodes'])
    assert {path.name for path in out.iterdir()} == {
        'summary.json',
        'overview.png',
        'deep_whole.png',
        'gap.png',
    }
    assert reddish(out / 'gap.png') > reddish(out / 'deep_whole.png') + 5000


def reddish(file):
    """Count the pixels of the colour of a gap."""
    blue, green, red = np.moveaxis(cv2.imread(str(file)).astype(int), -1, 0)
    return int(((red > 200) & (abs(green - 207) < 25) & (abs(blue - 210) < 25)).sum())
