# SPDX-License-Identifier: Apache-2.0
"""The dash: both sides can be done at its speed, their mean cannot, and nothing tells the side."""

from dataclasses import replace
import math
from pathlib import Path

from dp_ros.nodes.policy.pace import Pace
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS, to_ns
from dp_ros.sim.judge import judge
from dp_ros.sim.scenarios.dash.expert import plan
from dp_ros.sim.scenarios.dash.scenario import DASH
from dp_ros.sim.scenarios.experts import expert_path
from dp_ros.sim.simulation import EpisodeState, Simulation
from dp_ros.sim.world import FrankaWorld
from dp_ros.task.task_file import read_task
from dp_ros.tools.record_expert.episodes import make_dash_episode
import numpy as np
import pytest

SEEDS = range(3)
TASK = read_task(Path(__file__).parents[3] / 'dp_ros_bringup' / 'config' / 'tasks' / 'dash.yaml')


@pytest.fixture(scope='module')
def simulation():
    world = FrankaWorld(DASH.sample(0), DASH)
    yield Simulation(world, NS)
    world.close()


def expert(scene, side):
    return plan(scene, side, np.random.default_rng(scene.seed))


def run(simulation, scene, trajectory, duration):
    simulation.reset(scene, NS)
    simulation.accept(trajectory)
    simulation.advance(NS + round(duration * NS))
    return simulation.state


@pytest.mark.parametrize('side', DASH.sides)
@pytest.mark.parametrize('seed', SEEDS)
def test_the_expert_reaches_the_goal_on_the_side_it_is_told(simulation, seed, side):
    scene = DASH.sample(seed)
    trajectory = expert(scene, side)
    state = run(simulation, scene, trajectory, trajectory.times[-1] + 0.1)
    assert state is EpisodeState.SUCCESS, simulation.world.collision
    assert simulation.side == side
    assert simulation.world.distance < 0.001
    log = simulation.log.read()
    assert judge(log.positions) == []
    assert np.abs(log.positions - log.measured).max() < 0.002


@pytest.mark.parametrize('seed', SEEDS)
def test_the_mean_of_both_sides_collides_before_a_second_chunk_joins(simulation, seed):
    scene = DASH.sample(seed)
    frames = math.ceil(Pace().period_ns(0.0, TASK) / to_ns(TASK.dt))
    left, right = (expert(scene, side) for side in DASH.sides)
    mean = Trajectory(JOINT_NAMES, 0, left.times, (left.positions + right.positions) / 2)
    assert run(simulation, scene, mean, frames * TASK.dt) is EpisodeState.COLLISION
    assert simulation.world.collision == 'obstacle'


def test_both_sides_of_every_scene_are_shown_and_a_demonstration_is_repeatable():
    episodes = [make_dash_episode(1000, attempt) for attempt in range(8)]
    shown = [(episode.scene.seed, episode.side) for episode in episodes]
    assert shown == [(seed, side) for seed in range(1000, 1004) for side in DASH.sides]
    again = make_dash_episode(1000, 7)
    np.testing.assert_array_equal(again.trajectory.positions, episodes[7].trajectory.positions)


def test_a_scene_begins_close_before_its_obstacle():
    for scene in map(DASH.sample, range(20)):
        ahead, aside = np.subtract(scene.obstacle, scene.start[:2])
        assert 0.09 <= ahead <= 0.10 and abs(aside) <= 0.01
        assert scene.radius == DASH.radius


def test_what_chunks_lead_to_is_the_side_of_the_expert():
    scene = DASH.sample(3)
    for side in DASH.sides:
        assert DASH.leads_to(scene, expert(scene, side).positions[::3]) == side
        path = expert_path('dash', scene, side)
        beside = np.abs(path[:, 0] - scene.obstacle[0]).argmin()
        assert (path[beside, 1] > scene.obstacle[1]) == (side == 'left')


def test_an_obstacle_that_moves_into_the_way_is_touched(simulation):
    scene = DASH.sample(1)
    trajectory = expert(scene, 'left')
    run(simulation, scene, trajectory, 0.2)
    simulation.world.set_scene(scene.with_obstacle((scene.obstacle[0], scene.obstacle[1] + 0.05)))
    simulation.advance(4 * NS)
    assert simulation.state is EpisodeState.COLLISION
    with pytest.raises(ValueError, match=r'obstacle y = 0.200 m: needs -0.08 to 0.08 m'):
        replace(scene, seed=2).with_obstacle((0.55, 0.2))


def test_progress_is_the_share_of_the_way_to_the_goal():
    scene = DASH.sample(0)
    way = math.dist(scene.start, scene.goal_point)
    for distance, progress in ((way, 0.0), (way / 4, 0.75), (0.0, 1.0), (2 * way, 0.0)):
        assert DASH.progress(scene, distance, '') == pytest.approx(progress)
