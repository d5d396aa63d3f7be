# SPDX-License-Identifier: Apache-2.0
"""Training configurations that cannot be used are refused by file and value."""

from dp_ros.policy.config import ConfigError, PolicyConfig
from dp_ros.training.config_file import read_config, window_spec
import pytest


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r'none.yaml: cannot be read \(No such file'):
        read_config(tmp_path / 'none.yaml')


def test_a_file_that_is_no_yaml(tmp_path):
    file = tmp_path / 'torn.yaml'
    file.write_text('policy: {dt: 0.1')
    with pytest.raises(ConfigError, match='torn.yaml: .*'):
        read_config(file)


def test_recordings_have_no_states_in_another_order_than_the_actions():
    config = PolicyConfig(joint_names=('a', 'b'), state_names=('b', 'a'))
    with pytest.raises(ConfigError, match=r"state_names = \('b', 'a'\): .* leave state_names out"):
        window_spec(config)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('policy.horizon.x=3', r'--set policy.horizon.x=3: horizon = 16 holds no keys'),
        ('policy.dt=[', r'--set policy.dt=\[: cannot be read: line 2: .+'),
        ('policy.dt=' + '[' * 50_000, r'--set policy.dt=\[+…: cannot be read: line 1 is nested'),
        ('policy.image_sizes=3', r'image_sizes = 3: needs height and width'),
        ('policy.method=[1]', r'method = \[1\]: needs the settings of one of'),
        ('policy.method.name=[1]', r'method = \[1\]: needs one of'),
        ('policy.joint_names={a: 1}', r"joint_names = \{'a': 1\}: needs tuple\[str"),
        ('policy.1=2', r'policy: 1: no such key'),
        ('topics.images=7', r'images = 7: needs a topic by camera'),
        ('topics.joint_states=[a]', r"topics: joint_states = \['a'\]: needs str"),
        ('train.learning_rate=.nan', r'learning_rate = nan: needs float'),
        ('train.steps=99999999999999999999', r'steps = 99999999999999999999: needs int'),
        ('train.pad_after=soon', r"pad_after = 'soon': needs int \| None"),
        ('train.pad_after=20', r'train.pad_after = 20: needs 0 to horizon - n_obs_steps = 14'),
        ('a.b=1', r"sections \['a', 'policy'\]"),
    ],
)
def test_a_change_that_cannot_be_is_told_in_a_line(tmp_path, change, message):
    file = tmp_path / 'train.yaml'
    file.write_text('policy: {joint_names: [a], horizon: 16}')
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(file, [change])
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 1000


def test_a_file_that_is_nested_too_deep_is_named_with_its_line(tmp_path):
    file = tmp_path / 'deep.yaml'
    file.write_text('policy:\n  dt: ' + '[' * 50_000)
    with pytest.raises(ConfigError, match=r'deep.yaml: cannot be read: line 2 is nested deeper'):
        read_config(file)
