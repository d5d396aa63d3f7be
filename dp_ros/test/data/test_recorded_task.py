# SPDX-License-Identifier: Apache-2.0
"""The task that recordings hold: of all of them one, or a refusal that names two."""

from dataclasses import replace

from bag_maker import JOINTS, episode, write
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.task.task import Camera, Task
from dp_ros.task.task_file import task_text
from dp_ros.values import ConfigError
import pytest

TASK = Task(joints=JOINTS, cameras={'front': Camera((16, 24))})


@pytest.fixture
def bag(tmp_path):
    """Return a maker of bags, with a text as their task file."""

    def make(name, text=None):
        info = {'seed': '7'} | ({} if text is None else {'task_file': text})
        return write(tmp_path / name, episode(0.2), info=info)

    return make


def test_recordings_without_a_task(bag):
    assert recorded_task([]) is None
    assert recorded_task([bag('a'), bag('b', '')]) is None


@pytest.mark.parametrize('order', [1, -1])
def test_a_recording_that_holds_one_speaks_for_those_that_hold_none(bag, order):
    assert recorded_task([bag('a'), bag('b', task_text(TASK))][::order]) == TASK


def test_the_same_task_may_be_written_in_several_ways(bag):
    short = f'joints: [{", ".join(JOINTS)}]\ncameras: {{front: {{size: [16, 24]}}}}  # in short'
    whole = task_text(TASK)
    assert recorded_task([bag('a', whole), bag('b', short), bag('c', whole)]) == TASK


def test_two_different_tasks_are_named_with_what_differs(tmp_path, bag):
    late = replace(TASK, cameras={'front': Camera((16, 24), latency=0.05)})
    bags = [bag('a', task_text(TASK)), bag('b'), bag('c', task_text(late))]
    with pytest.raises(DatasetError) as caught:
        recorded_task(bags)
    assert str(caught.value) == (
        f'{tmp_path}/a and {tmp_path}/c were recorded for different tasks: '
        'cameras.front.latency: 0.0 and 0.05: name the right task file in the '
        'configuration'
    )


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{', 'cannot be read: line 2'),
        ('[' * 50_000, 'nested deeper'),
        ('3', '3: needs the keys of a task'),
        ('joints: []', 'joints is empty'),
        ('{joints: [a], colour: red}', 'colour: no such key'),
    ],
)
def test_a_task_that_cannot_be_is_refused_with_its_bag(tmp_path, bag, text, reason):
    with pytest.raises(ConfigError) as caught:
        recorded_task([bag('a', text)])
    assert str(caught.value).startswith(f'{tmp_path}/a: task_file: ')
    assert reason in str(caught.value)


def test_a_bag_that_cannot_be_read_is_passed_over(bag):
    torn = bag('torn', task_text(TASK))
    (torn / 'metadata.yaml').write_text('{')
    assert recorded_task([torn, bag('whole', task_text(TASK))]) == TASK
