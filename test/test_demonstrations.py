# SPDX-License-Identifier: Apache-2.0
"""A person at a keyboard moves the simulated arm and records episodes, as the page tells them."""

from contextlib import contextmanager
import errno
import fcntl
from functools import partial
import os
from pathlib import Path
import pty
import select
import signal
import subprocess
import termios
import time

from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.bags.storage import bag_info
from dp_ros.data.datasets.dataset import training_windows
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.data.windows.window import ActionSpec, window_spec
from dp_ros.robot.kinematics import forward
from dp_ros.sim.judge import judge
from dp_ros.task.task import first_difference
from dp_ros.task.task_file import read_task
from dp_ros_msgs.srv import GetCommandLog
from launched import DEADLINE, running, until
import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
import yaml

CONFIG = Path(__file__).parents[1] / 'dp_ros_bringup' / 'config' / 'dp_ros.yaml'
REPEAT = 1 / 30


class Keyboard:
    """`teleop_keyboard` in a terminal of its own."""

    def __init__(self, domain_id):
        self._hand, self.terminal = pty.openpty()
        self.before = termios.tcgetattr(self.terminal)
        self._shown = ''
        self.process = subprocess.Popen(
            ['ros2', 'run', 'dp_ros', 'teleop_keyboard'],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id)},
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
            preexec_fn=self._own_terminal,
        )

    def _own_terminal(self):
        os.setsid()
        fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0)

    def type(self, key):
        os.write(self._hand, key.encode())

    def shown(self):
        """Return what it shows, once it has shown something in its own mode."""
        while select.select([self._hand], [], [], 0)[0]:
            self._shown += os.read(self._hand, 4096).decode()
        return self._shown

    def until_shown(self, text):
        until(lambda: text in self.shown(), self.shown)

    def hold(self, key, condition):
        """Repeat a key as a terminal does until something has happened."""

        def repeat():
            self.type(key)
            time.sleep(REPEAT)
            return condition()

        until(repeat, self.shown)

    def answer(self, key, text):
        """Press a key and wait for what is said of it."""
        already = len(self.shown())
        self.type(key)
        until(lambda: text in self.shown()[already:], self.shown)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._hand)
        os.close(self.terminal)


@contextmanager
def open_keyboard(domain_id):
    keyboard = Keyboard(domain_id)
    try:
        yield keyboard
    finally:
        keyboard.end()


@pytest.fixture
def keyboard(domain_id):
    with open_keyboard(domain_id) as opened:
        opened.until_shown('Ctrl-C')
        yield opened


@pytest.fixture
def launch(tmp_path, domain_id):
    """Return launch(*words), a context in which these run."""
    return partial(running, tmp_path, ROS_DOMAIN_ID=str(domain_id))


@pytest.fixture
def command_log(ros_context):
    """Give what asks the simulation for every command so far, (n, 7) [rad]."""
    node = Node('listener', context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)
    client = node.create_client(GetCommandLog, 'franka_sim/command_log')

    def ask():
        answer = client.call_async(GetCommandLog.Request())
        end = time.monotonic() + DEADLINE
        while not answer.done() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.02)
        return np.reshape(answer.result().positions, (-1, 7))

    yield ask
    node.destroy_node()


@pytest.fixture
def config(tmp_path):
    """Return a configuration in which time goes slowly, for a machine that is busy."""
    values = yaml.safe_load(CONFIG.read_text())
    for section in values.values():
        section['ros__parameters']['use_sim_time'] = True
    values['/**/franka_sim']['ros__parameters']['real_time_factor'] = 0.1
    values['/**/executor']['ros__parameters']['slow_start_time'] = 0.0
    values['/**/demo_recorder']['ros__parameters'] |= {'max_silence': 30.0, 'min_free_space': 0}
    file = tmp_path / 'dp_ros.yaml'
    file.write_text(yaml.safe_dump(values))
    return f'config:={file}'


def test_an_episode_is_driven_and_kept_with_its_mark(
    launch, keyboard, command_log, config, tmp_path
):
    what = ('task:=reach', 'instruction:=reach the disc')
    words = ('sim:=true', 'teleop:=keyboard', *what, f'directory:={tmp_path}/mine')
    with launch('record.launch.py', *words, config) as launched:
        launched.until_said('executor.*waiting for a chunk')
        until(lambda: 'recording' in keyboard.shown() or start(keyboard), keyboard.shown)
        first = forward(command_log()[0])
        keyboard.hold('r', lambda: forward(command_log()[-1])[2] > first[2] + 0.02)
        keyboard.answer('y', 'episode_000000 kept as a success')
        keyboard.answer('n', 'recording episode_000001')
        keyboard.hold('\x1b[D', lambda: forward(command_log()[-1])[1] > first[1] + 0.01)
        keyboard.answer('x', 'episode_000001 kept as a failure')
        assert '1 of 2 episodes succeeded' in keyboard.shown()
        keyboard.answer('n', 'recording episode_000002')
        keyboard.answer('\x7f', 'episode_000002 discarded')
        commands = command_log()
        launched.interrupt()
    assert not judge(commands)
    kept = sorted(tmp_path.glob('mine/episode_*'))
    marks = [bag_info(bag)['succeeded'] for bag in kept]
    assert (marks, bag_info(kept[0])['task']) == (
        ['true', 'false'],
        'reach the disc',
    )
    task = recorded_task(kept)
    assert first_difference(task, read_task(CONFIG.parent / 'tasks' / 'reach.yaml')) is None
    recording = read_bag(kept[0], window_spec(task), BagTopics.of(task, 'commanded'))
    actions = forward(training_windows(recording, ActionSpec(2, 8, 6)).actions.reshape(-1, 7))
    assert np.ptp(actions[:, 2]) > 0.01


def start(keyboard):
    """Ask for an episode; the recorder may not see the cameras yet."""
    keyboard.type('n')
    time.sleep(0.5)


def test_ctrl_c_ends_the_keyboard_and_gives_the_terminal_back(keyboard):
    assert termios.tcgetattr(keyboard.terminal) != keyboard.before
    keyboard.type('\x03')
    assert keyboard.process.wait(DEADLINE) == 0
    assert termios.tcgetattr(keyboard.terminal) == keyboard.before
    assert 'Traceback' not in keyboard.shown()


def test_a_termination_gives_the_terminal_back(keyboard):
    os.killpg(keyboard.process.pid, signal.SIGTERM)
    keyboard.process.wait(DEADLINE)
    until(partial(restored, keyboard), keyboard.shown)


def restored(keyboard):
    try:
        return termios.tcgetattr(keyboard.terminal) == keyboard.before
    except termios.error as error:
        assert error.args[0] == errno.EIO
        return True


def test_without_a_terminal_it_says_so():
    done = subprocess.run(
        ['ros2', 'run', 'dp_ros', 'teleop_keyboard'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 2
    assert 'no terminal: start it in one, not by a launch file' in done.stderr
