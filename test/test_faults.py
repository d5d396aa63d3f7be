# SPDX-License-Identifier: Apache-2.0
"""What breaks while the policy runs: it is named, the arm comes to rest, the rest goes on.

One launched simulation serves the whole module. Its camera reaches the aggregator through this
module, which can so take it away.
"""

from contextlib import contextmanager
import os
from pathlib import Path
import re
import signal
import subprocess
import threading

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from dp_ros.policy.checkpoint import WEIGHTS, load_description, store
from dp_ros.sim.judge import judge
from dp_ros_msgs.action import RunEpisode
from dp_ros_msgs.msg import ExecutorStatus
from dp_ros_msgs.srv import GetCommandLog
from launched import DEADLINE, until
import numpy as np
import pytest
import rclpy
from rclpy.action import ActionClient
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from conftest import DOMAINS, domain_is_free

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / 'models' / 'reach'
CONFIG = ROOT / 'dp_ros_bringup' / 'config' / 'dp_ros.yaml'
CAMERA, RELAYED = 'camera/front/image_raw', 'camera/front/relayed'
FOLLOWING = 'following a chunk'
REST = 300  # samples of the 1 kHz command log


class Loop(Node):
    """The running simulation as seen from outside, and the cable of its camera."""

    def __init__(self, context, process, said):
        super().__init__('outside', context=context)
        self.process, self._said = process, said
        self.connected = True
        self.reports, self.reasons = {}, []
        self._relay = self.create_publisher(Image, RELAYED, qos_profile_sensor_data)
        self.create_subscription(Image, CAMERA, self._on_image, qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)
        self.create_subscription(ExecutorStatus, 'executor/status', self._on_status, 10)
        self._log = self.create_client(GetCommandLog, 'franka_sim/command_log')
        self._episodes = ActionClient(self, RunEpisode, 'episode_runner/run')

    def _on_image(self, image):
        if self.connected:
            self._relay.publish(image)

    def _on_report(self, array):
        self.reports.update((status.name, status.message) for status in array.status)

    def _on_status(self, status):
        if status.reason not in self.reasons[-1:]:
            self.reasons.append(status.reason)

    def said(self):
        return self._said.read_text()

    def wait(self, future):
        until(future.done, self.said)
        return future.result()

    def start_episode(self):
        """Start an episode and return its goal handle when the arm follows a chunk of it."""
        chunks = []
        self.connected = True
        self.reasons.clear()
        until(self._episodes.server_is_ready, self.said)
        handle = self.wait(
            self._episodes.send_goal_async(
                RunEpisode.Goal(seed=3, timeout=60.0), lambda m: chunks.append(m.feedback.chunks)
            )
        )
        assert handle.accepted
        # What it said first may still be of the scene before, whose chunks it followed.
        until(
            lambda: (
                chunks and chunks[-1] and len(self.reasons) > 1 and self.reasons[-1] == FOLLOWING
            ),
            self.said,
        )
        return handle

    def end_episode(self, handle):
        answer = self.wait(handle.get_result_async())
        return answer.status, answer.result

    def assert_the_arm_came_to_rest(self):
        """Check that the arm moved, stands still, and was never commanded what an FR3 refuses."""
        until(lambda: np.ptp(self.commands()[-REST:], axis=0).max() == 0.0, self.said)
        commands = self.commands()
        assert np.ptp(commands, axis=0).max() > 0.01
        assert judge(commands) == []

    def commands(self):
        log = self.wait(self._log.call_async(GetCommandLog.Request()))
        assert log.success, log.message
        return np.array(log.positions).reshape(-1, len(log.joint_names))

    def pid(self, name):
        return int(
            re.search(rf'\[{name}-\d+\]: process started with pid \[(\d+)\]', self.said())[1]
        )


def trained_for_the_relayed(folder):
    """Return the shipped policy as if it had been trained with the camera's relayed images."""
    description = load_description(MODEL)
    description['task']['cameras']['front']['topic'] = RELAYED
    store(folder, description, (MODEL / WEIGHTS).read_bytes())
    return folder


@contextmanager
def launched(folder, domain_id):
    """Launch the simulation with the relayed camera, at half speed for a fault to come in time."""
    config, said = folder / 'config.yaml', folder / 'said.txt'
    text, old = CONFIG.read_text(), 'speed_scale: 1.0'
    assert text.count(old) == 1
    config.write_text(text.replace(old, 'speed_scale: 0.5'))
    command = [
        'ros2',
        'launch',
        'dp_ros_bringup',
        'sim.launch.py',
        f'config:={config}',
        'view:=false',
    ]
    with said.open('w') as out:
        process = subprocess.Popen(
            [*command, f'policy:={trained_for_the_relayed(folder / "policy")}'],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id), 'ROS_LOG_DIR': str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, said
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope='module')
def loop(tmp_path_factory):
    domain_id = next(d for d in DOMAINS if domain_is_free(d))
    context = rclpy.Context()
    context.init(domain_id=domain_id)
    with launched(tmp_path_factory.mktemp('faults'), domain_id) as (process, said):
        node = Loop(context, process, said)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        thread = threading.Thread(target=spin, args=(executor,))
        thread.start()
        node.domain_id = domain_id
        yield node
        executor.shutdown()
        context.try_shutdown()
        thread.join()
        node.destroy_node()


def spin(executor):
    try:
        executor.spin()
    except ExternalShutdownException:
        pass


@pytest.mark.parametrize(
    ('node', 'name', 'value', 'reason'),
    [
        ('observation_aggregator', 'max_age', 'old', 'type'),
        ('observation_aggregator', 'max_age', '-1.0', 'max_age'),
        ('policy', 'sampler.num_inference_steps', '2.5', 'type'),
        ('policy', 'sampler.num_inference_steps', '0', 'num_inference_steps'),
        ('executor', 'speed_scale', 'fast', 'type'),
        ('executor', 'speed_scale', '3.0', 'speed_scale'),
        ('episode_runner', 'chunk_timeout', 'soon', 'type'),
        ('episode_runner', 'chunk_timeout', '0.0', 'chunk_timeout'),
        ('franka_sim', 'camera_rate', '5.0', 'read-only'),
    ],
)
def test_a_wrong_parameter_is_refused_with_the_reason(loop, node, name, value, reason):
    until(lambda: node in loop.get_node_names(), loop.said)
    done = subprocess.run(
        ['ros2', 'param', 'set', f'/{node}', name, value],
        env={**os.environ, 'ROS_DOMAIN_ID': str(loop.domain_id)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    said = done.stdout + done.stderr
    assert 'Setting parameter failed' in said
    assert reason in said
    assert 'Traceback' not in said + loop.said()


def test_a_camera_that_stops_is_named_and_its_return_is_noticed(loop):
    handle = loop.start_episode()
    loop.connected = False
    status, result = loop.end_episode(handle)
    assert status == GoalStatus.STATUS_ABORTED
    assert result.error_code == result.NO_OBSERVATION
    assert 'no observation for' in result.error_msg
    reason = f'nothing on /{RELAYED} (1 publisher)'
    until(lambda: reason in loop.reports['/observation_aggregator'], lambda: loop.reports)
    assert 'no new chunk: in the braking tail' in loop.reasons
    loop.assert_the_arm_came_to_rest()
    handle = loop.start_episode()
    until(lambda: loop.reports['/observation_aggregator'] == 'running', lambda: loop.reports)
    loop.wait(handle.cancel_goal_async())
    assert loop.end_episode(handle)[1].error_code == result.CANCELED


def test_a_policy_that_is_killed_ends_the_episode_and_nothing_else(loop):
    """The last test of the module, for the policy does not come back."""
    handle = loop.start_episode()
    os.kill(loop.pid('policy'), signal.SIGKILL)
    status, result = loop.end_episode(handle)
    assert status == GoalStatus.STATUS_ABORTED
    assert result.error_code == result.NO_CHUNK
    assert 'is the policy active?' in result.error_msg
    assert 'no new chunk: in the braking tail' in loop.reasons
    loop.assert_the_arm_came_to_rest()
    until(lambda: re.search(r'\[policy-\d+\]: process has died', loop.said()), loop.said)
    assert loop.process.poll() is None
    assert 'Traceback' not in loop.said()
