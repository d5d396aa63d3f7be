# SPDX-License-Identifier: Apache-2.0
"""Launch files and evaluations that run in processes of their own, and what is asked of them."""

from contextlib import contextmanager
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import time

DEADLINE = 180.0
ROOT = Path(__file__).resolve().parents[1]


def until(condition, what):
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, f'not within {DEADLINE} s: {what()}'
        time.sleep(0.05)
    return value


def is_running(pid):
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in 'XZ'


class Launch:
    """A running `ros2 launch dp_ros_bringup FILE …`, and what it has said.

    A busy machine may take long to end it, and only an interrupt may: no harder signal helps.
    """

    def __init__(self, folder, *words, **variables):
        self._said = folder / 'said.txt'
        self.temporary = folder / 'tmp'
        self.temporary.mkdir(exist_ok=True)
        if words[0] == 'sim.launch.py' and not any(word.startswith('view:=') for word in words):
            words = (*words, 'view:=false')
        words = (*words, f'sigterm_timeout:={2 * DEADLINE:g}')
        with self._said.open('w') as out:
            self.process = subprocess.Popen(
                ['ros2', 'launch', 'dp_ros_bringup', *words],
                cwd=folder,
                env={**os.environ, **self._folders(folder), **variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def _folders(self, folder):
        return {'ROS_LOG_DIR': str(folder / 'log'), 'TMPDIR': str(self.temporary)}

    def left_behind(self):
        """Return the parameter files, which launch_ros writes and upstream's never removes."""
        return [*self.temporary.glob('launch_params_*')]

    def said(self):
        return self._said.read_text()

    def until_said(self, *patterns):
        until(lambda: all(re.search(p, self.said()) for p in patterns), self.said)

    def pids(self):
        """Return the pid of every process that was started, by its name."""
        return dict(re.findall(r'\[(\w+)-\d+\]: process started with pid \[(\d+)\]', self.said()))

    def ends(self):
        """Wait until the launch is over, and check that it ended well and alone."""
        until(lambda: self.process.poll() is not None, self.said)
        assert self.process.returncode == 0, self.said()
        assert not [name for name, pid in self.pids().items() if is_running(pid)]
        assert 'Traceback' not in self.said(), self.said()
        assert not self.left_behind()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        self.ends()
        cleanly = re.findall(r'\[(\w+)-\d+\]: process has finished cleanly', self.said())
        assert sorted(cleanly) == sorted(self.pids()), self.said()


@contextmanager
def running(folder, *words, **variables):
    """Give the running launch, which is ended after the `with` block whatever happened."""
    launched = Launch(folder, *words, **variables)
    try:
        yield launched
    finally:
        launched.process.kill()
        launched.process.wait()


def evaluated(folder, model, episodes):
    """Return the figures of a shipped policy that `ros2 run dp_ros evaluate` has measured."""
    figures = folder / 'figures.json'
    command = ['ros2', 'run', 'dp_ros', 'evaluate', '--policy', str(ROOT / 'models' / model)]
    run = subprocess.run(
        [*command, '--episodes', str(episodes), '--seed', '0', '--json', str(figures)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(figures.read_text())
