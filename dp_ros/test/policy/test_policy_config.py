# SPDX-License-Identifier: Apache-2.0
"""Configurations refuse contradictions, and name the value."""

from dataclasses import replace
from pathlib import Path

from dp_ros.policy.config import ConfigError, policy_from_dict, to_dict
from dp_ros.training.config import parse_run
import pytest
import tiny_policy
import yaml

CONFIGS = Path(__file__).parents[3] / 'dp_ros_bringup' / 'config'


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'joint_names': ()}, 'joint_names is empty'),
        ({'joint_names': ('a', 'a')}, 'a name is used twice'),
        ({'dt': 0.0}, 'dt = 0.0'),
        ({'n_obs_steps': 0}, 'n_obs_steps = 0'),
        ({'n_action_steps': 16}, 'n_action_steps = 16: needs 1 to .* = 15'),
        ({'state_names': ('a', 'a')}, 'state_names .* a name is used twice'),
        ({'past_actions': True, 'state_names': ('a',)}, 'past_actions = True: needs the joints'),
        ({'state_modes': 'max'}, "state_modes = 'max': needs one of"),
        ({'action_modes': ['none', 'none']}, 'action_modes = .* needs 1 or 7 modes'),
        ({'horizon': 15}, 'horizon = 15: needs a multiple of 2'),
        ({'image_sizes': {'front': [32]}}, r"'front' = \[32\]: needs height and width"),
        ({'image_sizes': {'front': [32, 'a']}}, "'front' = .* needs height and width"),
        ({'image_sizes': {'a.b': [32, 40]}}, "'a.b': a name cannot hold a dot"),
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
        replace(tiny_policy.CONFIG, **change)


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
        parse_run({'policy': to_dict(tiny_policy.CONFIG), 'train': train})


def test_a_part_with_a_value_of_the_wrong_kind_is_refused():
    values = to_dict(tiny_policy.CONFIG) | {'method': {'name': 'diffusion', 'clip_sample': 1}}
    with pytest.raises(ConfigError, match='method diffusion: clip_sample = 1: needs bool'):
        policy_from_dict(values)


def test_an_unknown_section_is_refused():
    with pytest.raises(ConfigError, match='modle'):
        parse_run({'modle': {}})


def test_a_configuration_survives_being_written():
    assert policy_from_dict(to_dict(tiny_policy.CONFIG)) == tiny_policy.CONFIG


def test_one_mode_or_one_for_each_dimension():
    config = replace(tiny_policy.CONFIG, action_modes='none', state_modes=['min_max'] * 7)
    assert (config.action_modes, config.state_modes) == (('none',), ('min_max',) * 7)


@pytest.mark.parametrize('name', ['train_reach', 'train_reach_mse'])
def test_the_configurations_that_are_shipped_are_valid(name):
    values = yaml.safe_load((CONFIGS / f'{name}.yaml').read_text())
    values.pop('topics')
    assert parse_run(values).policy.n_points == 15


def test_the_baseline_differs_in_method_and_steps_only():
    runs = []
    for name in ('train_reach', 'train_reach_mse'):
        values = yaml.safe_load((CONFIGS / f'{name}.yaml').read_text())
        values['policy'].pop('method')
        values['train'].pop('steps')
        runs.append(values)
    assert runs[0] == runs[1]
