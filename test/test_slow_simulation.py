# SPDX-License-Identifier: Apache-2.0
"""A simulation that gets a fifth of the time it needs: the loop slows down and does not break."""

from contextlib import contextmanager
import os
from pathlib import Path
import signal
import threading

from dp_ros.tools.common.episodes.rollout import RolloutClient
from launched import running, until
import pytest

ROOT = Path(__file__).resolve().parents[1]
POLICY = f'policy:={ROOT / "models" / "reach"}'
STOPPED, RUNNING = 0.8, 0.2


@contextmanager
def starved(pid):
    """Let a process run for a fifth of the time only."""
    over = threading.Event()

    def starve():
        while not over.wait(RUNNING):
            os.kill(pid, signal.SIGSTOP)
            over.wait(STOPPED)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=starve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def client(ros_context):
    made = RolloutClient(context=ros_context)
    yield made
    made.destroy_node()


def test_an_episode_of_a_slow_simulation_goes_as_one_of_a_fast_one(client, tmp_path, domain_id):
    with running(tmp_path, 'sim.launch.py', POLICY, ROS_DOMAIN_ID=str(domain_id)) as launched:
        client.wait_until_ready(lambda: None)
        with starved(int(launched.pids()['franka_sim'])):
            rollout = client.run(seed=0)
        launched.until_said(r'franka_sim\]: the simulation runs at 0\.\d+ of real time')
        launched.process.send_signal(signal.SIGINT)
        until(lambda: launched.process.poll() is not None, launched.said)
    result, timing = rollout.result, rollout.timing
    assert (result.success, result.judge_violations) == (True, 0), rollout
    assert timing.max_velocity_step_rad_s < 0.05, timing
    # A busy machine may plan one too slowly; of a loop that falls apart, hardly any is in time.
    assert timing.late_chunks <= timing.chunks // 2, timing
    assert timing.real_time_factor < 0.5
    assert 'after its stamp' not in launched.said()
    assert 'jumped' not in launched.said()
