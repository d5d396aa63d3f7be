# SPDX-License-Identifier: Apache-2.0
"""Checkpoints come back as they were written, or are refused with the file and the reason."""

import hashlib
import json
from pathlib import Path
import re

from dp_ros.policy.checkpoint import (
    CheckpointError,
    load_description,
    load_network,
    load_policy,
    save_checkpoint,
)
import numpy as np
import pytest
import tiny_policy
import torch


@pytest.fixture
def folder(tmp_path):
    return tiny_policy.checkpoint(tmp_path / 'policy')


def refused(folder, message):
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load_network(folder)


def rewrite(folder, change):
    """Alter the description as someone would who also renews its digest."""
    file = folder / 'policy.json'
    description = json.loads(file.read_text())
    change(description)
    content = {k: v for k, v in description.items() if k != 'sha256'}
    text = json.dumps(content, sort_keys=True)
    description['sha256'] = hashlib.sha256(text.encode()).hexdigest()
    file.write_text(json.dumps(description))


def test_weights_configuration_and_normalisers_come_back(folder):
    written, read = tiny_policy.network(), load_network(folder)
    assert read.config == written.config
    state = read.state_dict()
    assert all(torch.equal(state[name], value) for name, value in written.state_dict().items())


def test_the_files_are_small_and_hold_no_pickle(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ['policy.json', 'policy.safetensors']
    assert folder.joinpath('policy.safetensors').stat().st_size < 500_000


def test_the_description_says_everything_needed_to_run(folder):
    description = load_description(folder)
    assert set(description['policy']) == set(tiny_policy.CONFIG.__dataclass_fields__) - {'task'}
    assert set(description['task']) == set(tiny_policy.CONFIG.task.__dataclass_fields__)
    assert description['task']['joints'] == list(tiny_policy.JOINT_NAMES)
    assert description['task']['cameras']['front']['topic'] == 'camera/front/image_raw'
    assert len(description['normalizer']['actions']['low']) == 7
    assert {'dp_ros', 'torch', 'diffusers'} <= set(description['versions'])


def test_a_missing_folder_is_named(tmp_path):
    refused(tmp_path / 'none', f'{tmp_path}/none/policy.json: no such file')


def test_missing_weights_are_named(folder):
    (folder / 'policy.safetensors').unlink()
    refused(folder, 'policy.safetensors: cannot be read (No such file')


@pytest.mark.parametrize('share', [0.0, 0.5, 0.99])
def test_truncated_weights_are_refused(folder, share):
    file = folder / 'policy.safetensors'
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refused(folder, 'policy.safetensors: is truncated or was altered')


def test_altered_weights_are_refused(folder):
    file = folder / 'policy.safetensors'
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    refused(folder, 'policy.safetensors: is truncated or was altered')


@pytest.mark.parametrize('share', [0.0, 0.5])
def test_a_truncated_description_is_refused(folder, share):
    file = folder / 'policy.json'
    text = file.read_text()
    file.write_text(text[: int(len(text) * share)])
    refused(folder, 'policy.json: cannot be read')


def test_an_altered_description_is_refused(folder):
    file = folder / 'policy.json'
    file.write_text(file.read_text().replace('"dt": 0.1', '"dt": 0.2'))
    refused(folder, 'policy.json: was altered')


@pytest.mark.parametrize('text', ['[]', '{}', '{"format": 99}', '{"format": "1"}'])
def test_a_description_of_something_else_is_refused(folder, text):
    (folder / 'policy.json').write_text(text)
    refused(folder, 'policy.json: not a dp_ros checkpoint of format 2')


def test_the_older_format_is_refused_with_the_command_that_renews_it(folder):
    (folder / 'policy.json').write_text('{"format": 1}')
    command = '`ros2 run dp_ros import_checkpoint OLD --out NEW` converts it'
    refused(folder, f'policy.json: of the older format 1: {command}')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda d: d['policy']['denoiser'].update(down_dims=[24, 32]),
            'weights and description do not fit',
        ),
        (lambda d: d['policy'].update(method='mixture'), 'weights and description do not fit'),
        (lambda d: d['policy'].update(method='magic'), "method = 'magic': needs one of"),
        (lambda d: d['policy'].update(encoder='resnet'), 'weights and description do not fit'),
        (lambda d: d['task'].update(horizon=15), 'horizon = 15'),
        (lambda d: d['task'].update(joints=[]), 'joints is empty'),
        (lambda d: d['task']['joints'].append('more'), 'weights and description do not fit'),
        (lambda d: d['task'].update(new_key=1), 'task: new_key: no such key'),
        (lambda d: d['task'].pop('joint_latency'), 'task.joint_latency is missing'),
        (
            lambda d: d['task']['cameras']['front'].pop('crop'),
            'cameras.front.crop is missing',
        ),
        (lambda d: d['task']['topics'].pop('gripper'), 'task.topics.gripper is missing'),
        (lambda d: d.pop('task'), 'task = None: needs its settings'),
        (lambda d: d.update(policy=[]), 'policy = []: needs its settings'),
        (lambda d: d['policy'].pop('state_modes'), 'policy.state_modes is missing'),
        (lambda d: d['policy']['denoiser'].pop('skips'), 'policy.denoiser.skips is missing'),
        (lambda d: d['policy'].update(new_key=1), 'new_key: no such key'),
        (lambda d: d.pop('normalizer'), 'normalizer'),
        (lambda d: d.pop('weights'), 'its sha256 is not the one in policy.json'),
        (lambda d: d['normalizer']['actions'].update(low=[0.0]), 'do not fit'),
    ],
)
def test_a_description_that_does_not_fit_its_weights_is_refused(folder, change, message):
    rewrite(folder, change)
    refused(folder, message)


def test_weights_of_another_policy_are_refused(folder, tmp_path):
    other = tiny_policy.checkpoint(tmp_path / 'other', seed=1)
    (folder / 'policy.safetensors').write_bytes((other / 'policy.safetensors').read_bytes())
    refused(folder, 'policy.safetensors: is truncated or was altered')


def test_a_loaded_policy_answers_as_the_one_that_was_stored(folder):
    observation = tiny_policy.observation()
    answers = [load_policy(folder, engine='torch').infer(observation, 5).actions for _ in range(2)]
    np.testing.assert_array_equal(*answers)
    other = tiny_policy.checkpoint(folder.parent / 'other', seed=1)
    different = load_policy(other, engine='torch').infer(observation, 5).actions
    assert np.abs(different - answers[0]).max() > 1e-3


def test_writing_again_replaces_both_files(folder):
    before = load_description(folder)['weights']['sha256']
    save_checkpoint(folder, tiny_policy.network(seed=1), {'steps': 1})
    assert load_description(folder)['weights']['sha256'] != before
    load_network(folder)


@pytest.mark.parametrize(
    ('section', 'key', 'value'), [('task', 'start_positions', ()), ('policy', 'max_delay', 0)]
)
def test_a_checkpoint_from_before_a_setting_loads_as_it_was_trained(folder, section, key, value):
    rewrite(folder, lambda description: description[section].pop(key))
    config = load_network(folder).config
    assert getattr(config.task if section == 'task' else config, key) == value


@pytest.mark.parametrize('name', ['dash', 'pick_place', 'pusht', 'reach', 'reach_mse'])
def test_the_shipped_policies_load(name):
    load_network(Path(__file__).parents[3] / 'models' / name)
