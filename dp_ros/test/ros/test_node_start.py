# SPDX-License-Identifier: Apache-2.0
"""How a node starts: a wrong parameter is one line, an interrupt no traceback."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from ament_index_python.packages import get_package_prefix
import pytest


def ended(domain_id, *command, timeout=60.0):
    """Run a command to its end, in a domain of its own."""
    return subprocess.run(
        command,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.parametrize(
    ('node', 'value', 'reason'),
    [
        ('policy', 'rate:=fast', "parameter 'rate' to 'fast'"),
        ('executor', 'speed_scale:=7.0', 'speed_scale'),
        ('observation_aggregator', 'max_age:=1', "parameter 'max_age' to '1'"),
        ('observation_aggregator', 'task:=nowhere.yaml', 'nowhere.yaml: cannot be read'),
        ('demo_recorder', 'task:=nowhere.yaml', 'nowhere.yaml: cannot be read'),
        ('franka_sim', 'camera_names:=[behind]', "no camera ['behind']"),
        ('gripper', 'open_above:=0.01', 'open_above = 0.01'),
        ('fake_gripper', 'finger_joint_names:=[one]', "finger_joint_names = ['one']: needs two"),
        ('episode_runner', 'chunk_timeout:=0.0', 'chunk_timeout'),
        ('demo_recorder', 'storage:=paper', "storage = 'paper'"),
    ],
)
def test_a_wrong_parameter_is_one_line_and_an_exit_code(domain_id, node, value, reason):
    command = ('ros2', 'run', 'dp_ros', node, '--ros-args', '-p', value)
    done = ended(domain_id, *command, timeout=180.0)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if 'FATAL' in line]
    assert reason in line
    assert 'Traceback' not in done.stderr


def test_an_interrupt_while_it_loads_ends_it_without_a_traceback(domain_id):
    program = Path(get_package_prefix('dp_ros')) / 'lib/dp_ros/policy'
    node = subprocess.Popen(
        [program],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id)},
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60.0
    while 'libtorch' not in Path(f'/proc/{node.pid}/maps').read_text():
        assert time.monotonic() < end
    node.send_signal(signal.SIGINT)
    _, said = node.communicate(timeout=60.0)
    assert (node.returncode, said) == (0, '')


def test_an_interrupt_that_a_library_turns_into_an_error_is_still_one(domain_id):
    program = """
import signal
from dp_ros.ros.node_main import run_node

def make_node():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise RuntimeError('cannot convert')

raise SystemExit(run_node(make_node))
"""
    node = ended(domain_id, sys.executable, '-c', program)
    assert node.returncode == 0
    (domain,) = node.stderr.splitlines()
    assert 'ROS domain' in domain


def test_an_interrupt_in_a_transition_or_while_an_object_is_deleted_shows_no_traceback(domain_id):
    program = """
import signal
from dp_ros.ros.autostart import autostart
from dp_ros.ros.lifecycle import CheckedLifecycleNode
from dp_ros.ros.node_main import run_node

class Deleted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

class Odd(CheckedLifecycleNode):
    def __init__(self):
        super().__init__('odd')
        autostart(self)

    def on_configure(self, state):
        Deleted()
        raise RuntimeError('cannot convert')

raise SystemExit(run_node(Odd))
"""
    node = ended(domain_id, sys.executable, '-c', program)
    assert node.returncode == 0, node.stderr
    (domain,) = node.stderr.splitlines()
    assert 'ROS domain' in domain


def test_small_systems_are_solved_without_threads_that_spin(domain_id):
    """Beside a busy process they made a plan of 5 ms take 150 ms and more."""
    program = """
import os, sys
sys.argv = ['executor', '--ros-args', '-p', 'speed_scale:=7.0']
from dp_ros.nodes.entry import main
assert main() == 2
print(len(os.listdir('/proc/self/task')))
"""
    unset = {k: v for k, v in os.environ.items() if not k.endswith('_NUM_THREADS')}
    counts = []
    for threads in ({}, {'OPENBLAS_NUM_THREADS': '1'}, {'OPENBLAS_NUM_THREADS': '3'}):
        done = subprocess.run(
            [sys.executable, '-c', program],
            env={**unset, **threads, 'ROS_DOMAIN_ID': str(domain_id)},
            capture_output=True,
            text=True,
            timeout=180.0,
            check=False,
        )
        counts.append(int(done.stdout.split()[-1]))
    assert counts[0] == counts[1] < counts[2]
