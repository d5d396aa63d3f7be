# SPDX-License-Identifier: Apache-2.0
"""An arm of six joints, known by its description alone, is moved as an FR3 is."""

from arms import SIX_HOME, SIX_JOINTS, six
from dp_ros.control.executor.chunk_executor import Phase
from dp_ros.control.executor.workspace import Workspace
from dp_ros.control.teleop.inputs import TwistInput
from dp_ros.robot.arm_model import read_arm
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import MS, NS
from fake_arm import TIMES, Arm
import numpy as np
from teleop_loop import Loop

MODEL = read_arm(six(), SIX_JOINTS, 'base', 'tool0')
HOME = np.array(SIX_HOME)
TCP = MODEL.tcp.position(HOME)


def six_arm(**config):
    return Arm(HOME, joints=SIX_JOINTS, model=MODEL, **config).run(0.1)


def commands(arm):
    return np.concatenate(arm.commands)


def assert_inside_limits(positions):
    """Check commands (n, 6) of every millisecond against the limits of the description."""
    limits = MODEL.limits
    assert (positions > limits.lower).all() and (positions < limits.upper).all()
    for order, bound in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
        rate = np.abs(np.diff(positions, order, axis=0)) * 1000**order
        assert (rate < 1.001 * bound).all(), order


def reaching(arm, speed):
    """Return joint positions (n, 6) that move the TCP along x [m/s]."""
    q, path = arm.state()[0], []
    for _ in TIMES:
        path.append(q)
        twist = np.array([speed, 0, 0, 0, 0, 0])
        q = q + 0.1 * np.linalg.solve(MODEL.tcp.jacobian(q), twist)
    return np.array(path)


def test_chunks_are_followed_inside_the_limits_of_the_description():
    arm = six_arm()
    for _ in range(6):
        arm.follow()
        arm.run(0.4)
    assert arm.core.counts.executed == 6
    arm.run(2.0).assert_at_rest()
    assert_inside_limits(commands(arm))
    assert (commands(arm)[-1] > HOME + 0.4).all()


def test_a_stop_of_a_fast_motion_brakes_inside_the_limits_of_the_description():
    arm = six_arm()
    speed, begin_ns = 0.8 * np.array([1, 1, -1, 1, 1, 1]), arm.now
    for _ in range(4):
        t = (arm.now - begin_ns) / NS + TIMES[:, None]
        arm.follow(positions=HOME + speed * np.where(t < 1, t**2 / 2, t - 0.5))
        arm.run(0.4)
    assert np.abs(arm.state()[1]).max() > 0.6
    arm.send(arm.core.stop(arm.now))
    arm.run(1.5).assert_at_rest()
    assert_inside_limits(commands(arm))


def test_a_chunk_far_away_is_approached_inside_the_limits_of_the_description():
    arm = six_arm()
    target = HOME + [2.0, -0.5, -1.0, 2.0, 1.0, -3.0]
    for _ in range(40):
        arm.follow(positions=np.tile(target, (15, 1)))
        arm.run(0.4)
    assert arm.core.counts.approached > 0 and arm.core.counts.refused == 0
    np.testing.assert_allclose(arm.state()[0], target, atol=0.02)
    assert_inside_limits(commands(arm))


def test_the_box_holds_for_its_tool():
    front = float(TCP[0] + 0.05)
    box = Workspace(tuple(TCP - 0.4), (front, *(TCP[1:] + 0.4)))
    arm = six_arm(workspace=box)
    for _ in range(4):
        arm.send(arm.core.on_chunk(arm.chunk(positions=reaching(arm, 0.1)), arm.now))
        arm.run(0.4)
        if 'up to the border' in arm.core.reason:
            break
    assert f'up to the border of the workspace, x = {front:g} m' in arm.core.reason
    arm.run(2.0).assert_at_rest()
    x = MODEL.tcp.position(commands(arm))[:, 0]
    assert front - 0.03 < x.max() < front + 1e-4


def test_a_twist_moves_its_tool_straight():
    loop = Loop(TwistInput(0.15, 0.6, MODEL), joints=SIX_JOINTS, model=MODEL, home=SIX_HOME)
    loop.run(0.2)
    moved = loop.run(2.0, lambda source, now: source.set([0.05, 0, 0, 0, 0, 0], False, now))
    loop.run(1.5)
    way = MODEL.tcp.position(loop.position) - TCP
    assert 0.07 < way[0] < 0.13 and np.abs(way[1:]).max() < 2e-3, way
    turned = MODEL.tcp.pose(loop.position)[:3, :3] @ MODEL.tcp.pose(HOME)[:3, :3].T
    np.testing.assert_allclose(turned, np.eye(3), atol=5e-3)
    assert_inside_limits(moved)
    assert loop.refused == []


def test_a_twist_in_the_directions_of_its_tool_moves_it_there():
    loop = Loop(TwistInput(0.15, 0.6, MODEL), joints=SIX_JOINTS, model=MODEL, home=SIX_HOME)
    loop.run(0.2)
    loop.run(1.0, lambda source, now: source.set([0, 0, 0.05, 0, 0, 0], True, now))
    way = MODEL.tcp.position(loop.position) - TCP
    direction = MODEL.tcp.pose(HOME)[:3, 2]
    assert way @ direction > 0.02
    assert np.linalg.norm(way - direction * (way @ direction)) < 2e-3


def test_as_long_as_it_is_not_known_nothing_moves_and_a_foreign_motion_is_left_alone():
    arm = Arm(HOME, joints=SIX_JOINTS, model=None).run(0.1)
    assert 'not known which arm this is' in arm.refusal()
    foreign = TrajectoryReference(SIX_JOINTS, HOME)
    known = six_arm()
    trajectory = known.follow()
    foreign.accept(trajectory, known.now)
    arm.now = known.now
    assert arm.core.overruled(trajectory, arm.now, arm.now, 'somebody else') is None
    assert arm.core.phase is Phase.STOPPED
    assert not arm.core.adopt(MODEL, arm.now), 'it moves'
    arm.now += 10_000 * MS
    assert arm.core.adopt(MODEL, arm.now)
    arm.run(0.1)
    arm.core.resume(arm.now)
    arm.follow()
    assert arm.core.phase is Phase.RUNNING


def test_another_arm_is_taken_for_it_only_at_rest():
    other = read_arm(six(), SIX_JOINTS, 'base', 'six_link6')
    arm = six_arm()
    arm.follow()
    arm.run(0.1)
    assert not arm.core.adopt(other, arm.now) and arm.core.model is MODEL
    arm.send(arm.core.stop(arm.now))
    arm.run(1.5)
    assert arm.core.adopt(other, arm.now) and arm.core.model is other
