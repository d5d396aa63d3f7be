# SPDX-License-Identifier: Apache-2.0
"""A tool that is killed takes all that it has started with it."""

import os
from pathlib import Path
import subprocess
import sys

from launched import is_running, until
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
EVALUATE = ('-m', 'dp_ros.tools.evaluate', '--policy', str(ROOT / 'models' / 'reach'))
EXPERT = ('-m', 'dp_ros.tools.record_expert.main', '--out', 'demos')
NODES = {
    EVALUATE: {'franka_sim', 'episode_runner', 'policy', 'observation_aggregator', 'executor'},
    EXPERT: {'franka_sim', 'demo_recorder'},
}


@pytest.fixture
def start(tmp_path, domain_id):
    """Return start(*words), which runs a tool."""
    processes = []

    def run(*words):
        with (tmp_path / 'said.txt').open('w') as out:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=tmp_path,
                env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


def nodes_of(process):
    """Return the process of each node that a tool has started, by the node's name."""
    children = psutil.Process(process.pid).children(recursive=True)
    words = {child.pid: ' '.join(child.cmdline()) for child in children}
    names = set().union(*NODES.values())
    return {
        name: pid
        for pid, command in words.items()
        for name in names
        if f'/dp_ros/{name} ' in f'{command} ' or f'dp_ros.nodes.{name}.node ' in command
    }


@pytest.mark.parametrize('words', [EVALUATE, EXPERT], ids=['evaluate', 'record_expert'])
def test_no_node_outlives_a_tool_that_is_killed(start, tmp_path, words):
    tool = start(*words)

    def said():
        return (tmp_path / 'said.txt').read_text()

    def nodes():
        return nodes_of(tool) if tool.poll() is None else {}

    until(lambda: nodes().keys() == NODES[words], said)
    started = [child.pid for child in psutil.Process(tool.pid).children(recursive=True)]
    tool.kill()
    until(lambda: not [pid for pid in started if is_running(pid)], said)
