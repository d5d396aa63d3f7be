# SPDX-License-Identifier: Apache-2.0
"""Training configurations that cannot be used are refused by file and value."""

from dp_ros.policy.config import ConfigError, PolicyConfig
from dp_ros.tools.training_config import read_config, window_spec
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
