# SPDX-License-Identifier: Apache-2.0
"""The cube and the bin: both grips work, and what counts as done, dropped or touched."""

from dataclasses import replace

from dp_ros.robot import kinematics
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS
from dp_ros.sim.expert_motion import down
from dp_ros.sim.hand import SimulatedHand
from dp_ros.sim.judge import judge
from dp_ros.sim.scenarios.pick_place.expert import GRIPS, ORDERS, grip_yaw, plan_pick_place
from dp_ros.sim.scenarios.pick_place.scenario import BIN_X, CUBE_SIZE, PICK_PLACE
from dp_ros.sim.simulation import EpisodeState, Simulation
from dp_ros.sim.world import READY, FrankaWorld
import numpy as np
import pytest

TICK_NS = NS // 100


@pytest.fixture(scope='module')
def simulation():
    world = FrankaWorld(PICK_PLACE.sample(0), PICK_PLACE)
    yield Simulation(world, NS)
    world.close()


def demonstrate(simulation, scene, grip, order, until=None, fingers=True):
    """Run the expert as the nodes do, the gripper's part through its adapter and the Hand."""
    plan = plan_pick_place(scene, grip, order, np.random.default_rng(scene.seed))
    simulation.reset(scene, NS)
    simulation.accept(plan.arm)
    hand = SimulatedHand()
    hand.on_target(replace(plan.fingers, start_ns=NS), NS)
    end_ns = NS + round((until or plan.duration) * NS)
    while simulation.now_ns < end_ns:
        width = float(simulation.world.joint_positions[7:].sum())
        motion = hand.tick(simulation.now_ns, width)
        if motion is not None and fingers:
            simulation.accept_fingers(motion)
        simulation.advance(simulation.now_ns + TICK_NS)
    return plan


def go(simulation, *points):
    """Lead the TCP over points from where it is, half a second each."""
    near = simulation.world.joint_positions[:7]
    positions = []
    for point in points:
        near = kinematics.inverse(np.array(point), near)
        positions.append(near)
    times = 0.5 * np.arange(1, len(points) + 1)
    simulation.accept(Trajectory(JOINT_NAMES, 0, times, np.array(positions)))
    simulation.advance(simulation.now_ns + round((times[-1] + 0.2) * NS))


@pytest.mark.parametrize(
    ('seed', 'grip', 'order'), [(k, GRIPS[k % 2], ORDERS[k // 2]) for k in range(4)]
)
def test_the_expert_brings_the_cube_into_the_bin_by_the_grip_it_is_told(
    simulation, seed, grip, order
):
    demonstrate(simulation, PICK_PLACE.sample(seed), grip, order)
    assert simulation.state is EpisodeState.SUCCESS, simulation.world.collision
    assert simulation.side == grip
    assert simulation.world.distance < 0.02
    assert judge(simulation.log.read().positions) == []


def test_the_grips_are_a_quarter_turn_apart_and_within_the_hands_reach():
    for yaw in np.linspace(-np.pi / 4, np.pi / 4, 9):
        side, end = (grip_yaw(yaw, grip) for grip in GRIPS)
        assert abs(side - end) == pytest.approx(np.pi / 2)
        assert abs(end) <= np.pi / 2


def test_a_cube_that_is_held_in_the_bin_is_not_yet_there(simulation):
    scene = PICK_PLACE.sample(0)
    plan = plan_pick_place(scene, GRIPS[0], ORDERS[0], np.random.default_rng(0))
    release = float(plan.fingers.times[3])
    demonstrate(simulation, scene, GRIPS[0], ORDERS[0], until=release)
    assert simulation.world.distance < 0.02
    assert simulation.state is EpisodeState.RUNNING
    assert simulation.world.object_poses[0, 2] > CUBE_SIZE


def test_without_fingers_the_cube_stays_and_no_side_is_named(simulation):
    scene = PICK_PLACE.sample(1)
    demonstrate(simulation, scene, GRIPS[0], ORDERS[0], fingers=False)
    assert (simulation.state, simulation.side) == (EpisodeState.RUNNING, '')
    np.testing.assert_allclose(simulation.world.object_poses[0, :2], scene.cube, atol=0.02)


def test_a_cube_out_of_reach_is_a_failure(simulation):
    simulation.reset(replace(PICK_PLACE.sample(0), cube=(0.7, -0.4)), NS)
    simulation.advance(2 * NS)
    assert simulation.state is EpisodeState.FAILURE


@pytest.mark.parametrize(('thing', 'height'), [('table', -0.02), ('bin', 0.03)])
def test_the_arm_must_not_touch(simulation, thing, height):
    scene = PICK_PLACE.sample(2)
    simulation.reset(scene, NS)
    x, y = (0.6, 0.0) if thing == 'table' else scene.goal
    go(simulation, (x, y, 0.2), (x, y, height))
    assert (simulation.state, simulation.world.collision) == (EpisodeState.COLLISION, thing)


def test_the_bin_can_be_moved_while_the_cube_stays_where_it_is(simulation):
    scene = PICK_PLACE.sample(3)
    simulation.reset(scene, NS)
    cube = simulation.world.object_poses
    simulation.world.set_scene(scene.with_goal((BIN_X[0], 0.2)))
    simulation.advance(NS + TICK_NS)
    np.testing.assert_allclose(simulation.world.object_poses, cube, atol=1e-3)
    boxes = {tuple(thing.pose[:2].round(3)) for thing in simulation.world.things}
    assert (BIN_X[0], 0.2) in boxes
    with pytest.raises(ValueError, match=r'goal x = 0.900 m: needs'):
        scene.with_goal((0.9, 0.2))


def coloured(image):
    """Count the pixels of the cube and of the bin."""
    red, _, blue = np.moveaxis(image.astype(int), -1, 0)
    return ((red > 150) & (blue < 60)).sum(), ((blue > 120) & (red < 80)).sum()


def test_the_fixed_camera_sees_every_scene_and_the_wrists_what_is_below_it(simulation):
    for seed in range(20):
        simulation.reset(PICK_PLACE.sample(seed), NS)
        cube, tray = coloured(simulation.world.render('front', 48, 48))
        assert cube >= 5 and tray >= 40, seed
    scene = PICK_PLACE.sample(8)
    simulation.reset(scene, NS)
    go(simulation, (*scene.cube, 0.13))
    assert coloured(simulation.world.render('wrist', 48, 48))[0] >= 20


def test_the_same_seed_gives_the_same_scene_and_another_another():
    assert PICK_PLACE.sample(5) == PICK_PLACE.sample(5)
    assert PICK_PLACE.sample(5) != PICK_PLACE.sample(6)


def test_a_hand_that_points_down_keeps_its_yaw():
    q = kinematics.inverse(np.array([0.5, 0.0, 0.2]), READY, down(0.5))
    y_axis = kinematics.link_poses(q)[-1, :3, 1]
    np.testing.assert_allclose(y_axis, [np.sin(0.5), -np.cos(0.5), 0.0], atol=1e-5)


def test_progress_is_half_for_the_lift_and_half_for_the_way_to_the_bin():
    scene = PICK_PLACE.sample(3)
    way = float(np.linalg.norm(np.subtract(scene.cube, scene.goal)))
    assert PICK_PLACE.progress(scene, 0.1 * way, '') == 0.0  # Pushed, not lifted.
    assert PICK_PLACE.progress(scene, way, 'end_faces') == 0.5
    assert PICK_PLACE.progress(scene, 0.2 * way, 'end_faces') == pytest.approx(0.9)
    assert PICK_PLACE.progress(scene, 2 * way, 'side_faces') == 0.5
