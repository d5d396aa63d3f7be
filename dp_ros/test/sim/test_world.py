# SPDX-License-Identifier: Apache-2.0
"""The world: both ways are open, the way between them is not, and a seed says everything."""

from dataclasses import replace

from dp_ros.robot import kinematics
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.units import NS
from dp_ros.sim.judge import judge
from dp_ros.sim.scenarios.reach.expert import SIDES, GoalJump, plan
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.sim.scenarios.reach.scene import sample_scene
from dp_ros.sim.simulation import EpisodeState, Simulation
from dp_ros.sim.world import FrankaWorld
import numpy as np
import pytest

SEEDS = range(6)


@pytest.fixture(scope='module')
def simulation():
    world = FrankaWorld(REACH.sample(0), REACH)
    yield Simulation(world, NS)
    world.close()


def run(simulation, scene, trajectory, tail=0.1):
    simulation.reset(scene, NS)
    simulation.accept(trajectory)
    simulation.advance(NS + round((trajectory.times[-1] + tail) * NS))
    return simulation


def expert(scene, side, jump=None):
    return plan(scene, side, np.random.default_rng(scene.seed), jump)


@pytest.mark.parametrize('side', SIDES)
@pytest.mark.parametrize('seed', SEEDS)
def test_the_expert_reaches_the_goal_on_the_side_it_is_told(simulation, seed, side):
    scene = sample_scene(seed)
    run(simulation, scene, expert(scene, side))
    assert simulation.state is EpisodeState.SUCCESS, simulation.world.collision
    assert simulation.side == side
    assert simulation.world.distance < 0.001
    assert np.abs(simulation.world.joint_velocities[:7]).max() < 1e-3
    log = simulation.log.read()
    assert judge(log.positions) == []
    assert np.abs(log.positions - log.measured).max() < 0.002


@pytest.mark.parametrize('seed', SEEDS)
def test_the_mean_of_both_ways_hits_the_obstacle(simulation, seed):
    scene = sample_scene(seed)
    left, right = (expert(scene, side) for side in SIDES)
    n = min(len(left.times), len(right.times))
    mean = (left.positions[:n] + right.positions[:n]) / 2
    run(simulation, scene, Trajectory(JOINT_NAMES, 0, left.times[:n], mean))
    assert simulation.state is EpisodeState.COLLISION
    assert simulation.world.collision == 'obstacle'


def test_the_expert_follows_a_goal_that_moves(simulation):
    scene = sample_scene(3)
    moved = scene.with_goal((0.66, scene.goal[1] + 0.08))
    trajectory = expert(scene, 'left', GoalJump(1.2, moved.goal))
    run(simulation, moved, trajectory)
    assert simulation.state is EpisodeState.SUCCESS
    assert judge(simulation.log.read().positions) == []


def test_touching_the_table_is_a_collision(simulation):
    scene = sample_scene(0)
    simulation.reset(scene, NS)
    start = simulation.world.start_positions
    down = kinematics.inverse(np.array([*scene.start[:2], -0.02]), start)
    points = np.stack([start, down])
    run(simulation, scene, Trajectory(JOINT_NAMES, 0, np.array([0.01, 1.5]), points))
    assert simulation.state is EpisodeState.COLLISION
    assert simulation.world.collision == 'table'


def test_nothing_counts_after_a_collision(simulation):
    scene = sample_scene(0)
    simulation.reset(scene, NS)
    simulation.state = EpisodeState.COLLISION
    simulation.accept(expert(scene, 'left'))
    simulation.advance(6 * NS)
    assert simulation.world.reached
    assert simulation.state is EpisodeState.COLLISION


def test_the_same_seed_and_commands_give_the_same_states_and_images(simulation):
    def episode(seed):
        run(simulation, sample_scene(seed), expert(sample_scene(seed), 'right'), tail=-2.0)
        return simulation.log.read().measured, simulation.world.render()

    measured, image = episode(5)
    other_measured, other_image = episode(6)
    again_measured, again_image = episode(5)
    np.testing.assert_array_equal(measured, again_measured)
    np.testing.assert_array_equal(image, again_image)
    assert not np.array_equal(image, other_image)


def test_reset_restores_the_start(simulation):
    scene = sample_scene(2)
    simulation.reset(scene, NS)
    joints, image = simulation.world.joint_positions, simulation.world.render()
    run(simulation, scene, expert(scene, 'left'))
    assert simulation.log.total > 1000
    simulation.reset(scene, 9 * NS)
    np.testing.assert_array_equal(simulation.world.joint_positions, joints)
    np.testing.assert_array_equal(simulation.world.render(), image)
    assert (simulation.state, simulation.side, simulation.log.total) == (
        EpisodeState.RUNNING,
        '',
        0,
    )


@pytest.mark.parametrize('goal', [(0.2, 0.0), (0.9, 0.0), (0.68, 0.4), (float('nan'), 0.0)])
def test_a_goal_out_of_the_area_is_refused_by_name(goal):
    with pytest.raises(ValueError, match='goal [xy] = .* m: needs'):
        sample_scene(0).with_goal(goal)


def test_the_goal_shows_in_the_image_also_below_the_hand(simulation):
    for seed in SEEDS:
        scene = sample_scene(seed)
        run(simulation, scene, expert(scene, 'left'))
        rgb = simulation.world.render().astype(int)
        green = (rgb[..., 1] > 150) & (rgb[..., 0] < 100) & (rgb[..., 2] < 120)
        assert green.sum() >= 40


def test_the_wrist_camera_takes_another_picture(simulation):
    simulation.reset(sample_scene(0), NS)
    wrist = simulation.world.render('wrist', 48, 64)
    assert wrist.shape == (48, 64, 3)
    assert wrist.std() > 10


def test_bad_commands_are_rejected_and_the_arm_stays(simulation):
    scene = sample_scene(0)
    good = expert(scene, 'left')
    bad_values = good.positions.copy()
    bad_values[3, 2] = np.nan
    simulation.reset(scene, 60 * NS)
    for trajectory, reason in (
        (replace(good, positions=bad_values), 'not finite'),
        (replace(good, joint_names=JOINT_NAMES[:6]), 'joints'),
        (replace(good, start_ns=NS), 'ended'),
        (replace(good, velocities=good.velocities + 0.1), 'last point'),
    ):
        with pytest.raises(TrajectoryRejected, match=reason):
            simulation.accept(trajectory)
    simulation.advance(60 * NS + NS // 10)
    log = simulation.log.read()
    np.testing.assert_array_equal(log.positions, np.tile(log.positions[0], (100, 1)))
    assert not log.trajectory_ids.any()


def test_the_fingers_follow_their_trajectory(simulation):
    simulation.reset(sample_scene(0), NS)
    opening = Trajectory(FINGER_NAMES, 0, np.array([0.5]), np.full((1, 2), 0.03))
    simulation.accept_fingers(opening)
    simulation.advance(NS + NS // 4)
    halfway = simulation.world.joint_positions[7:]
    simulation.advance(3 * NS)
    np.testing.assert_allclose(simulation.world.joint_positions[7:], 0.03, atol=0.002)
    assert (halfway < 0.028).all()
    with pytest.raises(TrajectoryRejected, match='finger'):
        simulation.accept_fingers(replace(opening, positions=np.full((1, 2), np.nan)))
