# SPDX-License-Identifier: Apache-2.0
"""The model card keeps the newest figures of every command."""

from dp_ros.policy.checkpoint import load_description
from dp_ros.task.task import OBSERVATIONS, Camera
from dp_ros.training.model_card import add_measurement, write_model_card
import pytest
import tiny_policy

TRAINING = {
    'episodes': 2,
    'windows': 20,
    'data_digest': 'ab' * 32,
    'steps': 10,
    'batch_size': 4,
    'seed': 0,
    'duration_s': 60,
    'device': 'CPU',
    'action_error': 0.0149,
    'parameters': 2e6,
}


@pytest.fixture
def folder(tmp_path):
    card_of(tmp_path)
    return tmp_path


def card(folder):
    return (folder / 'README.md').read_text()


def card_of(folder, training=TRAINING, **changes):
    tiny_policy.checkpoint(folder, **changes)
    description = load_description(folder) | {'training': training}
    write_model_card(folder, description, '$ make it')
    return card(folder)


def test_the_card_says_what_it_is_and_how_it_was_made(folder):
    text = card(folder)
    assert '| method | diffusion, num_train_timesteps 20' in text
    assert 'image front 32×40 px, 7 joint positions' in text
    assert 'mean error of sampled actions 0.0149, in their unit' in text
    assert '```console\n$ make it\n```' in text


def test_a_card_without_images_names_the_states(tmp_path):
    text = card_of(tmp_path, TRAINING | {'step': 4}, cameras={}, state_names=('x', 'y', 'angle'))
    assert '0.1 s apart: 3 states, x to angle |' in text
    assert '| training | 4 of 10 steps of 4 windows' in text


def test_the_card_says_how_old_what_is_seen_is_and_where_images_are_cut_out(tmp_path):
    cameras = {
        'front': Camera((32, 40), crop=(0, 8, 64, 80), latency=0.05),
        'wrist': Camera((32, 40), latency=0.0125),
    }
    task = {'cameras': cameras, 'joint_latency': 0.004, 'observations': OBSERVATIONS}
    text = card_of(tmp_path, **task)
    assert (
        '0.1 s apart: image front 32×40 px, cut out at [0, 8, 64, 80] (50 ms old when stamped), '
        'image wrist 32×40 px (12.5 ms old when stamped), '
        '7 joint positions (4 ms old when stamped), 7 commanded positions |'
    ) in text
    assert (
        '| commanded positions of the joints; point k is for the observation time + k·dt' in text
    )


def test_measurements_are_added_and_replaced_by_command(folder):
    add_measurement(folder, 'evaluate --seed 0', 'success 1')
    add_measurement(folder, 'evaluate --seed 0 --move-goal 1', 'success 2')
    add_measurement(folder, 'evaluate --seed 0', 'success 3')
    text = card(folder)
    assert text.count('## Measured') == 1
    assert '$ evaluate --seed 0\nsuccess 3\n' in text
    assert '$ evaluate --seed 0 --move-goal 1\nsuccess 2\n' in text
    assert 'success 1' not in text
    assert '$ make it' in text


def test_a_policy_without_a_card_gets_one(tmp_path):
    add_measurement(tmp_path, 'evaluate', 'success 1')
    assert card(tmp_path).startswith(f'# {tmp_path.name}\n')
    assert '$ evaluate\nsuccess 1' in card(tmp_path)


def test_it_says_what_the_policy_goes_on_from_and_where_its_training_started(tmp_path):
    told = card_of(tmp_path / 'a', TRAINING | {'start': 'models/old'}, max_delay=4)
    assert 'k·dt; goes on from up to 4 committed actions |' in told
    assert '4 windows, from the weights of `models/old`, seed' in told
    plain = card_of(tmp_path / 'b')
    assert 'committed' not in plain and 'weights of' not in plain
