# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM end every tool quietly, with nothing left behind."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from ament_index_python.packages import get_package_prefix
import psutil
import pytest

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'dp_ros_bringup' / 'config'
REACH = str(ROOT / 'models' / 'reach')
# Tools that work for a while, and what shows that they do: a line, or a child process.
WORKING = {
    'evaluate': (['--policy', REACH, '--episodes', '50', '--json', 'out.json'], 'franka_sim'),
    'record_expert': (['--out', 'demos', '--episodes', '500'], 'franka_sim'),
    'bench': (['--cases', 'paper', '--rounds', '100000'], 'bench.cases'),
}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def start(tool, words, folder, domain_id):
    temporary = folder / 'tmp'
    temporary.mkdir()
    domain = {'ROS_DOMAIN_ID': str(domain_id), 'TMPDIR': str(temporary)}
    return subprocess.Popen(
        ['ros2', 'run', 'dp_ros', tool, *words],
        cwd=folder,
        env=os.environ | domain,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(condition, process, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end


def children(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def words_of(child):
    try:
        return ' '.join(child.cmdline())
    except psutil.Error:
        return ''


def handles(process, number):
    """Say whether a process has a handler of a signal."""
    status = Path(f'/proc/{process.pid}/status').read_text()
    (caught,) = [int(line.split()[1], 16) for line in status.splitlines() if 'SigCgt' in line]
    return bool(caught >> (number - 1) & 1)


def ends(process, number, left=()):
    """Send the signal; check that the process ends as it should, with its children."""
    process.send_signal(number)
    said, failed = process.communicate(timeout=60.0)
    assert process.returncode == CODES[number], said + failed
    assert 'Traceback' not in said + failed and 'Exception' not in said + failed
    end = time.monotonic() + 60.0
    while any(child.is_running() and child.status() != 'zombie' for child in left):
        assert time.monotonic() < end, left


@pytest.mark.parametrize('number', CODES, ids=lambda number: number.name)
@pytest.mark.parametrize('tool', WORKING)
def test_a_tool_at_work_ends_with_its_children_and_its_folders(tmp_path, domain_id, tool, number):
    words, shown = WORKING[tool]
    process = start(tool, words, tmp_path, domain_id)
    until(lambda: any(shown in words_of(child) for child in children(process)), process)
    ends(process, number, children(process))
    names = [path.name for path in (tmp_path / 'tmp').iterdir()]
    assert not [name for name in names if name.startswith(('tmp', 'launch_params'))], names


@pytest.mark.parametrize('number', CODES, ids=lambda number: number.name)
@pytest.mark.parametrize(
    ('tool', 'words'),
    [
        ('train', ['--data', '.', '--config', 'pipe', '--out', 'out']),
        ('compare', ['--data', 'pipe', '--config', 'pipe', '--out', 'out']),
        ('inspect', ['.', '--config', 'pipe']),
        ('import_checkpoint', ['pipe', '--out', 'out']),
        ('evaluate_pusht', ['--policy', 'policy', '--json', 'out.json']),
    ],
)
def test_a_tool_that_reads_ends(tmp_path, domain_id, tool, words, number):
    """It waits for somebody to write what it wants to read, the time to interrupt it."""
    for folder in ('bag', 'policy'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').touch()
    for pipe in ('pipe', 'policy/policy.json'):
        os.mkfifo(tmp_path / pipe)
    process = start(tool, words, tmp_path, domain_id)
    wait = Path(f'/proc/{process.pid}/wchan')
    until(lambda: 'fifo' in wait.read_text() or 'wait_for_partner' in wait.read_text(), process)
    ends(process, number)


@pytest.mark.parametrize('number', CODES, ids=lambda number: number.name)
@pytest.mark.parametrize('tool', ['demo', 'settings', 'parameters'])
def test_a_tool_that_still_loads_ends(tmp_path, tool, number):
    program = Path(get_package_prefix('dp_ros')) / 'lib/dp_ros' / tool
    process = subprocess.Popen(
        [sys.executable, program, '--help'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: handles(process, number) and handles(process, signal.SIGTERM), process)
    ends(process, number)


@pytest.mark.parametrize('number', CODES, ids=lambda number: number.name)
def test_an_interrupt_that_comes_while_an_object_is_deleted_is_not_lost(number):
    program = f"""
import signal, sys, time
from dp_ros.tools import entry, settings

class Deleted:
    def __del__(self):
        signal.raise_signal({int(number)})

def work():
    Deleted()
    while True:
        time.sleep(100.0)

settings.main = work
sys.argv = ['settings']
sys.exit(entry.main())
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, timeout=60.0)
    assert (done.returncode, done.stdout, done.stderr) == (CODES[number], b'', b'')
