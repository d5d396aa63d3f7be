# SPDX-License-Identifier: Apache-2.0
"""Busy processes end with what they are beside, in whatever way that ends."""

import signal
import subprocess
import sys
import time

from dp_ros.tools.common.busy import busy_processes
import psutil
import pytest

_MEASURE = """
import time
from dp_ros.tools.common.busy import busy_processes
with busy_processes(2) as pids:
    print(*pids, flush=True)
    time.sleep(600)
"""


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def until_gone(pids):
    end = time.monotonic() + 60
    while any(map(alive, pids)):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_they_run_and_are_gone_afterwards():
    with busy_processes(2) as pids:
        assert len(pids) == 2 and all(map(alive, pids))
    until_gone(pids)


def test_an_error_ends_them():
    with pytest.raises(KeyboardInterrupt), busy_processes(1) as pids:
        raise KeyboardInterrupt
    until_gone(pids)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_they_end_with_their_parent(number):
    parent = subprocess.Popen([sys.executable, '-c', _MEASURE], stdout=subprocess.PIPE)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.send_signal(number)
    parent.wait(60)
    parent.stdout.close()
    until_gone(pids)
