# SPDX-License-Identifier: Apache-2.0
"""Configurations refuse contradictions, and name the value."""

from dataclasses import replace
import json
from pathlib import Path

from dp_ros.policy.config import PolicyConfig, policy_from_dict, to_dict
from dp_ros.task.task import task_to_dict
from dp_ros.training.config import parse_run
from dp_ros.training.config_file import read_config
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import yaml

TASK = tiny_policy.CONFIG.task
CONFIGS = Path(__file__).parents[3] / 'dp_ros_bringup' / 'config'


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'state_modes': 'max'}, "state_modes = 'max': needs one of"),
        ({'action_modes': ['none', 'none']}, 'action_modes = .* needs 1 or 7 modes'),
        ({'horizon': 15}, 'horizon = 15: needs a multiple of 2'),
        ({'image_sizes': {'front': (16, 40)}}, r"'front' \(16, 40\)"),
        ({'method': 'magic'}, "method = 'magic': needs one of"),
        ({'method': {'name': 'diffusion', 'steps': 3}}, 'method diffusion: steps: no such key'),
        ({'method': {'name': 'diffusion', 'prediction_type': 'x'}}, "prediction_type = 'x'"),
        ({'method': {'name': 'diffusion', 'beta_schedule': 'x'}}, "beta_schedule = 'x'"),
        ({'method': {'name': 'diffusion', 'num_train_timesteps': 0}}, 'num_train_timesteps = 0'),
        ({'method': {'num_train_timesteps': 10}}, 'method = None: needs one of'),
        ({'denoiser': {'name': 'unet', 'down_dims': [16, 20]}}, r'down_dims = \(16, 20\)'),
        ({'denoiser': {'name': 'unet', 'down_dims': []}}, 'down_dims'),
        ({'denoiser': {'name': 'unet', 'kernel_size': 4}}, 'kernel_size = 4'),
        ({'denoiser': {'name': 'unet', 'timestep_dim': 7}}, 'timestep_dim = 7'),
        ({'encoder': {'name': 'cnn', 'channels': [8, 6]}}, r'channels = \(8, 6\)'),
        ({'encoder': {'name': 'cnn', 'channels': []}}, 'channels'),
        ({'encoder': {'name': 'cnn', 'n_keypoints': 0}}, 'n_keypoints = 0'),
        ({'encoder': {'name': 'cnn', 'crop_margin': -1}}, 'crop_margin = -1'),
    ],
)
def test_a_contradiction_is_refused(change, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.changed(**change)


@pytest.mark.parametrize(
    ('train', 'reason'),
    [
        ({'steps': 0}, 'steps = 0'),
        ({'learning_rate': -1.0}, 'learning_rate = -1.0'),
        ({'validation_share': 1.0}, 'validation_share = 1.0'),
        ({'lr_schedule': 'linear'}, "train.lr_schedule = 'linear': needs one of"),
        ({'mixed_precision': 'fp16'}, "train.mixed_precision = 'fp16': needs one of"),
        ({'gradient_accumulation_steps': 0}, 'train.gradient_accumulation_steps = 0'),
        ({'gradient_clip': 0.0}, 'train.gradient_clip = 0.0: needs > 0'),
        ({'ema_max': 1.0}, 'train.ema_max = 1.0'),
        ({'num_inference_steps': 21}, 'num_inference_steps = 21: needs 1 to 20'),
        ({'epochs': 3}, 'epochs: no such key'),
        ({'steps': 'many'}, "train: steps = 'many': needs int"),
        ({'steps': 10.5}, 'train: steps = 10.5: needs int'),
        ({'steps': True}, 'train: steps = True: needs int'),
        ({'learning_rate': '5e-4'}, "train: learning_rate = '5e-4': needs float"),
    ],
)
def test_a_training_that_cannot_be_is_refused(train, reason):
    with pytest.raises(ConfigError, match=reason):
        parse_run({'policy': to_dict(tiny_policy.CONFIG), 'train': train}, TASK)


def test_a_part_with_a_value_of_the_wrong_kind_is_refused():
    values = to_dict(tiny_policy.CONFIG) | {'method': {'name': 'diffusion', 'clip_sample': 1}}
    with pytest.raises(ConfigError, match='method diffusion: clip_sample = 1: needs bool'):
        policy_from_dict(values, TASK)


def test_an_unknown_section_is_refused():
    with pytest.raises(ConfigError, match='modle'):
        parse_run({'modle': {}}, TASK)


def test_a_configuration_survives_being_written():
    written = json.loads(json.dumps(to_dict(tiny_policy.CONFIG)))
    assert policy_from_dict(written, TASK) == tiny_policy.CONFIG


def test_a_task_may_be_given_as_the_keys_of_its_file():
    assert replace(tiny_policy.CONFIG, task=task_to_dict(TASK)) == tiny_policy.CONFIG
    with pytest.raises(ConfigError, match="task: dt = '0.1': needs float"):
        PolicyConfig({'joints': ['a'], 'dt': '0.1'})


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'task': {}}, 'policy: task: no such key; it is a section of its own'),
        ({'dt': 0.1}, 'policy: dt: no such key'),
        ([1], r'policy = \[1\]: needs keys and values'),
        ('x', "policy = 'x': needs keys and values"),
    ],
)
def test_what_is_of_the_task_is_not_in_the_section_of_the_policy(values, reason):
    with pytest.raises(ConfigError, match=reason):
        policy_from_dict(values, TASK)


def test_one_mode_or_one_for_each_dimension():
    config = tiny_policy.changed(action_modes='none', state_modes=['min_max'] * 7)
    assert (config.action_modes, config.state_modes) == (('none',), ('min_max',) * 7)


@pytest.mark.parametrize('file', sorted(CONFIGS.glob('train_*.yaml')), ids=lambda file: file.stem)
def test_the_configurations_that_are_shipped_are_valid(file):
    assert read_config(file).policy.n_points == 15


@pytest.mark.parametrize('task', ['reach', 'dash'])
def test_the_baseline_differs_in_method_and_steps_only(task):
    runs = []
    for name in (f'train_{task}', f'train_{task}_mse'):
        values = yaml.safe_load((CONFIGS / f'{name}.yaml').read_text())
        values['policy'].pop('method')
        values['train'].pop('steps')
        runs.append(values)
    assert runs[0] == runs[1]
