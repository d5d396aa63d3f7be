# SPDX-License-Identifier: Apache-2.0
"""Configurations refuse contradictions, and name the value."""

from dataclasses import replace
from pathlib import Path

from dp_ros.policy.config import ConfigError, parse_run, policy_from_dict, to_dict
import pytest
import tiny_policy
import yaml

CONFIGS = Path(__file__).parents[2] / 'dp_ros_bringup' / 'config'


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'joint_names': ()}, 'joint_names is empty'),
        ({'joint_names': ('a', 'a')}, 'a name is used twice'),
        ({'dt': 0.0}, 'dt = 0.0'),
        ({'n_obs_steps': 0}, 'n_obs_steps = 0'),
        ({'n_action_steps': 16}, 'n_action_steps = 16: needs 1 to .* = 15'),
        ({'state_names': ('a', 'a')}, 'state_names .* a name is used twice'),
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
        replace(tiny_policy.CONFIG, **change)


@pytest.mark.parametrize(
    ('train', 'reason'),
    [
        ({'steps': 0}, 'steps = 0'),
        ({'learning_rate': -1.0}, 'learning_rate = -1.0'),
        ({'validation_share': 1.0}, 'validation_share = 1.0'),
        ({'epochs': 3}, 'epochs: no such key'),
        ({'steps': 'many'}, 'train'),
    ],
)
def test_a_training_that_cannot_be_is_refused(train, reason):
    with pytest.raises(ConfigError, match=reason):
        parse_run({'policy': to_dict(tiny_policy.CONFIG), 'train': train})


def test_an_unknown_section_is_refused():
    with pytest.raises(ConfigError, match='modle'):
        parse_run({'modle': {}})


def test_a_configuration_survives_being_written():
    assert policy_from_dict(to_dict(tiny_policy.CONFIG)) == tiny_policy.CONFIG


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
