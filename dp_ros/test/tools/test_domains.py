# SPDX-License-Identifier: Apache-2.0
"""Work in several processes: each has a domain of its own, and none outlives a failure."""

import os
from pathlib import Path
import subprocess
import sys
import time

from dp_ros.tools.common.episodes.domains import domains_from, in_domains
import psutil
import pytest

LONGEST = 120.0
_PATH = os.pathsep + os.environ.get('PYTHONPATH', '')


def meet(item):
    """Wait until another process works too; return the domain of this one."""
    folder, number = item
    (folder / f'{number}').touch()
    end = time.monotonic() + LONGEST
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < end, 'no other process came'
    return os.environ['ROS_DOMAIN_ID']


def work(item):
    """Say which process this is, and never end; as item 0, fail once the other has begun."""
    folder, number = item
    (folder / f'{number}.{os.getpid()}').touch()
    end = time.monotonic() + 10 * LONGEST
    while time.monotonic() < end:
        if number == 0 and list(folder.glob('1.*')):
            raise ValueError('item 0 failed')
        time.sleep(0.01)


def pids(folder):
    """Return the processes that work on item 1."""
    return [int(file.suffix[1:]) for file in folder.glob('1.*')]


def wait_for(found):
    end = time.monotonic() + LONGEST
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def test_each_process_has_a_domain_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '101')
    items = [(tmp_path, number) for number in range(2)]
    found = dict(in_domains(meet, items, 2))
    assert set(found) == set(items)
    assert sorted(found.values()) == ['0', '101']
    assert os.environ['ROS_DOMAIN_ID'] == '101'


def test_the_failure_of_one_ends_all(tmp_path):
    with pytest.raises(ValueError, match='item 0 failed'):
        list(in_domains(work, [(tmp_path, number) for number in range(2)], 2))
    (other,) = pids(tmp_path)
    assert not psutil.pid_exists(other) or psutil.Process(other).status() == 'zombie'


def test_no_process_outlives_the_one_that_started_it(tmp_path):
    script = (
        'from pathlib import Path\nfrom test_domains import in_domains, work\n'
        'if __name__ == "__main__":\n'
        f'    list(in_domains(work, [(Path({str(tmp_path)!r}), 1)], 1))'
    )
    folder = str(Path(__file__).parent)
    parent = subprocess.Popen(
        [sys.executable, '-c', script], env={**os.environ, 'PYTHONPATH': folder + _PATH}
    )
    try:
        child = psutil.Process(wait_for(lambda: pids(tmp_path))[0])
    finally:
        parent.kill()
        parent.wait()
    child.wait(LONGEST)


@pytest.mark.parametrize(
    ('first', 'count', 'domains'), [(0, 3, [0, 1, 2]), (100, 4, [100, 101, 0, 1]), (7, 1, [7])]
)
def test_domains_begin_with_the_one_that_is_set(first, count, domains):
    assert domains_from(first, count) == domains
