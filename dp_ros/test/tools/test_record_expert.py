# SPDX-License-Identifier: Apache-2.0
"""record_expert: which demonstrations it gives, and a folder filled through the nodes."""

import json
from pathlib import Path
import signal
import subprocess
import sys
import time

from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.datasets.dataset import episode_windows, find_bags, load_dataset
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.data.windows.window import ActionSpec, window_spec
from dp_ros.robot.kinematics import forward
from dp_ros.sim.scenarios.obstacle.scene import GOAL_X, GOAL_Y
from dp_ros.sim.scenarios.pick_place.scenario import CUBE_SIZE
from dp_ros.task.task_file import read_task
from dp_ros.tools.record_expert import main as record_expert
from dp_ros.tools.record_expert.episodes import make_episode
import numpy as np
import psutil
import pytest

ACTIONS = ActionSpec(2, 16, pad_after=14)
TASKS = Path(__file__).parents[3] / 'dp_ros_bringup' / 'config' / 'tasks'
REACH = read_task(TASKS / 'reach.yaml')
SPEC = window_spec(REACH)
COMMAND = [sys.executable, '-m', 'dp_ros.tools.record_expert.main', '--seed', '5', '--out']


def test_pairs_pass_the_same_scene_on_either_side():
    left, right = make_episode(3, 4, 0.0), make_episode(3, 5, 0.0)
    assert (left.side, right.side) == ('left', 'right')
    assert left.scene == right.scene and left.scene.seed == 5
    again = make_episode(3, 4, 0.0)
    np.testing.assert_array_equal(again.trajectory.positions, left.trajectory.positions)


def test_a_goal_moves_within_its_area_in_both_of_a_pair():
    for attempt in range(0, 20, 2):
        episode, other = make_episode(0, attempt, 1.0), make_episode(0, attempt + 1, 1.0)
        assert episode.jump == other.jump
        x, y = episode.jump.goal
        assert GOAL_X[0] <= x <= GOAL_X[1] and GOAL_Y[0] <= y <= GOAL_Y[1]
    assert make_episode(0, 0, 0.0).jump is None


def test_an_obstacle_moves_in_scenes_whose_goal_stays_and_is_passed_where_it_is_then():
    assert make_episode(0, 0, 0.0).obstacle_jump is None
    assert make_episode(0, 0, 1.0, 1.0).obstacle_jump is None
    for attempt in range(12):
        episode = make_episode(0, attempt, 0.0, 1.0)
        moved = episode.obstacle_jump.obstacle
        assert 0.02 <= abs(moved[1] - episode.scene.obstacle[1]) <= 0.05
        way = forward(episode.trajectory.positions)[:, :2] - moved
        assert np.linalg.norm(way, axis=1).min() > episode.scene.radius + 0.03
        beside = np.abs(way[:, 0]).argmin()
        assert (way[beside, 1] > 0) == (episode.side == 'left')


@pytest.fixture(autouse=True)
def own_domain(domain_id, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))


def index(folder):
    file = folder / 'episodes.jsonl'
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def run(folder, *arguments):
    command = [*COMMAND, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def test_a_killed_recording_goes_on_and_leaves_no_process(tmp_path):
    log = (tmp_path / 'log').open('w')
    process = subprocess.Popen([*COMMAND, str(tmp_path)], stdout=log)
    end = time.monotonic() + 250
    while not index(tmp_path):
        assert process.poll() is None and time.monotonic() < end
    children = psutil.Process(process.pid).children()
    assert len(children) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert psutil.wait_procs(children, timeout=60)[1] == []

    done = run(tmp_path, '--episodes', '4')
    assert done.returncode == 0, done.stdout
    entries = index(tmp_path)
    assert len(entries) >= 4
    attempts = [int(e['attempt']) for e in entries]  # A discarded one is not among them.
    assert attempts == sorted(set(attempts))
    assert [e['side'] for e in entries] == [('left', 'right')[k % 2] for k in attempts]
    assert recorded_task(find_bags(tmp_path)) == REACH
    dataset, _ = load_dataset(tmp_path, SPEC, BagTopics.of(REACH), ACTIONS)
    scenes = [k // 2 for k in attempts]
    assert dataset.scene.tolist() == [sorted(set(scenes)).index(scene) for scene in scenes]
    for entry in entries:
        check_episode(tmp_path / entry['episode'], float(entry['duration_s']))


def test_the_fingers_are_commanded_through_the_grippers_nodes(tmp_path):
    done = run(tmp_path, '--task', 'pick_place', '--episodes', '1')
    assert done.returncode == 0, done.stdout
    (entry,) = index(tmp_path)
    assert (entry['task'], entry['side'], entry['succeeded']) == (
        'pick_place',
        'side_faces',
        'true',
    )
    bag = tmp_path / entry['episode']
    task = recorded_task([bag])
    assert task == read_task(TASKS / 'pick_place.yaml')
    windows = episode_windows(read_bag(bag, window_spec(task), BagTopics.of(task)), ACTIONS)
    asked, measured = windows.actions[:, 1, 7], windows.state[:, 1, 7]
    assert asked[0] == asked[-1] == pytest.approx(0.04)
    assert asked.min() < 1e-6
    assert measured[asked < 1e-6].min() == pytest.approx(CUBE_SIZE / 2, abs=0.002)


def check_episode(path: Path, duration):
    """Nothing is missing, and the arm is where it was commanded to be."""
    recording = read_bag(path, SPEC, BagTopics.of(REACH))
    assert set(np.diff(recording.builder.joints.stamps)) == {10_000_000}
    windows = episode_windows(recording, ACTIONS)
    assert len(windows.actions) >= duration * 10 - 5
    assert np.abs(windows.actions[:, 1] - windows.state[:, 1]).max() < 2e-3


def test_attaching_to_nothing_names_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record_expert, '_READY_TIMEOUT', 0.2)
    monkeypatch.setattr(sys, 'argv', ['record_expert', '--attach', '--out', str(tmp_path)])
    assert record_expert.main() == 1
    assert 'no service franka_sim/reset' in ' '.join(capsys.readouterr().out.split())
