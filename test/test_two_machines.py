# SPDX-License-Identifier: Apache-2.0
"""The policy on another machine than the arm: when the link between them drops, the arm rests.

The machines are two network namespaces with shared memories of their own and a cable between
them. The arm's has simulation, aggregator and executor, the other one has the policy.
"""

import json
import os
from pathlib import Path
import subprocess
import sys

from launched import until
import pytest

ROOT = Path(__file__).resolve().parents[1]
ARM, GPU = '10.77.0.1', '10.77.0.2'
DYING_WITH_US = ('setpriv', '--pdeathsig', 'TERM')
ALONE = (*DYING_WITH_US, 'unshare', '--net', '--mount')
MACHINE = 'mount -t tmpfs shm /dev/shm && echo up && exec sleep 600'
WATCH = """
import json, rclpy
from dp_ros_msgs.msg import ExecutorStatus
from sensor_msgs.msg import JointState

rclpy.init()
node = rclpy.create_node('watch')
speed = [0.0]

def on_joints(state):
    speed[0] = max(map(abs, state.velocity))

def on_status(status):
    following = status.state == ExecutorStatus.RUNNING
    print(json.dumps({'following': following, 'speed': speed[0], 'reason': status.reason}))

node.create_subscription(JointState, 'joint_states', on_joints, 1)
node.create_subscription(ExecutorStatus, 'executor/status', on_status, 10)
rclpy.spin(node)
"""

FOUND = """
import rclpy

rclpy.init()
node = rclpy.create_node('finder')
while True:
    print(node.get_node_names(), flush=True)
    rclpy.spin_once(node, timeout_sec=0.5)
"""


def can_make_machines():
    try:
        return subprocess.run([*ALONE, 'ip', 'link'], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not can_make_machines(), reason='network namespaces need root, and the command ip (iproute2)'
)


class Machine:
    """A network namespace, and what runs in it."""

    def __init__(self, folder, **variables):
        self._folder = folder
        self._environment = {**os.environ, **variables, 'PYTHONUNBUFFERED': '1'}
        self.processes = []
        keeper = subprocess.Popen([*ALONE, 'sh', '-c', MACHINE], stdout=subprocess.PIPE)
        self.processes.append(keeper)
        assert keeper.stdout.readline() == b'up\n'
        self._enter = (*DYING_WITH_US, 'nsenter', '-t', str(keeper.pid), '-n', '-m')
        self.pid = str(keeper.pid)

    def set(self, **variables):
        """Set environment variables of what is started from now on."""
        self._environment.update(variables)

    def ip(self, words):
        subprocess.run([*self._enter, 'ip', *words.split()], check=True)

    def start(self, name, *words):
        """Start a program; return a function that gives what it has said."""
        path = self._folder / f'{name}.txt'
        with path.open('w') as out:
            process = subprocess.Popen(
                [*self._enter, *words],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return path.read_text

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


@pytest.fixture
def connected(tmp_path, domain_id):
    """Return two machines with a cable between them, and discovery as ROS has it by itself."""
    variables = {'ROS_DOMAIN_ID': str(domain_id), 'ROS_AUTOMATIC_DISCOVERY_RANGE': ''}
    arm, gpu = pair = Machine(tmp_path, **variables), Machine(tmp_path, **variables)
    arm.ip(f'link add eth0 type veth peer name eth0 netns {gpu.pid}')
    for machine, address in zip(pair, (ARM, GPU), strict=True):
        machine.ip('link set lo up')
        machine.ip(f'address add {address}/24 dev eth0')
        machine.ip('link set eth0 up')
    yield pair
    for machine in pair:
        machine.end()


@pytest.fixture
def machines(connected):
    """Return the arm's machine and the one with the policy, each naming the other."""
    for machine, peer in zip(connected, (GPU, ARM), strict=True):
        machine.set(ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST', ROS_STATIC_PEERS=peer)
    return connected


@pytest.fixture
def patient(tmp_path):
    """Return a configuration for a busy computer: joint states that are late stop nothing."""
    text = (ROOT / 'dp_ros_bringup' / 'config' / 'dp_ros.yaml').read_text()
    path = tmp_path / 'patient.yaml'
    path.write_text(text.replace('joint_state_timeout: 0.25', 'joint_state_timeout: 5.0'))
    return f'config:={path}'


def test_a_colleague_on_the_network_finds_nothing_unless_told_by_name(connected):
    arm, colleague = connected
    gripper = ('ros2', 'run', 'dp_ros', 'fake_gripper', '--ros-args', '-r')
    quiet = arm.start('quiet', *gripper, '__node:=quiet')
    until(lambda: 'discovery LOCALHOST: found by this machine' in quiet(), quiet)
    here = arm.start('here', sys.executable, '-c', FOUND)
    until(lambda: 'quiet' in here(), here)  # By another program of the machine it is found.
    there = colleague.start('there', sys.executable, '-c', FOUND)
    arm.set(ROS_AUTOMATIC_DISCOVERY_RANGE='SUBNET')
    loud = arm.start('loud', *gripper, '__node:=loud')
    until(lambda: 'loud' in there(), lambda: loud() + there())
    assert 'quiet' not in there()


def test_the_arm_rests_while_the_link_is_down_and_goes_on_when_it_is_back(machines, patient):
    arm, gpu = machines
    given = ('-p', f'checkpoint:={ROOT / "models" / "reach"}', '-p', 'use_sim_time:=true')
    words = ('policy:=remote', 'task:=reach', 'view:=false', patient)
    simulation = ('ros2', 'launch', 'dp_ros_bringup', 'sim.launch.py', *words)
    said = arm.start('arm', *simulation)
    watched = arm.start('watch', sys.executable, '-c', WATCH)
    policy = gpu.start('policy', 'ros2', 'run', 'dp_ros', 'policy', '--ros-args', *given)

    def status():
        lines = [line for line in watched().splitlines(keepends=True) if line.endswith('\n')]
        return json.loads(lines[-1]) if lines else {'following': False, 'speed': 0.0}

    def all_said():
        return said() + watched() + policy()

    until(lambda: status()['following'] and status()['speed'] > 0.1, all_said)
    arm.ip('link set eth0 down')
    until(lambda: not status()['following'] and status()['speed'] < 0.001, all_said)
    assert status()['reason'] == 'waiting for a chunk'
    arm.ip('link set eth0 up')
    until(lambda: status()['following'], all_said)
