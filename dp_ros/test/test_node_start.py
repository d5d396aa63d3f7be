# SPDX-License-Identifier: Apache-2.0
"""A node that cannot start as it is told says why in one line."""

import os
import subprocess

import pytest


@pytest.mark.parametrize(
    ('node', 'value', 'reason'),
    [
        ('policy', 'rate:=fast', "parameter 'rate' to 'fast'"),
        ('executor', 'speed_scale:=7.0', 'speed_scale'),
        ('observation_aggregator', 'dt:=1', "parameter 'dt' to '1'"),
        ('franka_sim', 'camera_names:=[behind]', "no camera ['behind']"),
        ('episode_runner', 'chunk_timeout:=0.0', 'chunk_timeout'),
        ('demo_recorder', 'storage:=paper', "storage = 'paper'"),
    ],
)
def test_a_wrong_parameter_is_one_line_and_an_exit_code(domain_id, node, value, reason):
    done = subprocess.run(
        ['ros2', 'run', 'dp_ros', node, '--ros-args', '-p', value],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id)},
        capture_output=True,
        text=True,
        timeout=90.0,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if 'FATAL' in line]
    assert reason in line
    assert 'Traceback' not in done.stderr
