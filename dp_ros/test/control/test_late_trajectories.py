# SPDX-License-Identifier: Apache-2.0
"""A trajectory changes nothing before its join, whenever the controller gets it until then."""

from copy import copy

from dp_ros.control.executor.commanded import CommandedArm
from dp_ros.control.executor.motion import State
from dp_ros.control.executor.splice import brake, follow
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
from dp_ros.robot.units import MS, NS
from dp_ros.ros.conversions import trajectory_from_msg, trajectory_to_msg
from dp_ros.sim.judge import judge
from fake_arm import HOME, START, Arm
import numpy as np
import pytest

LEAD = 60 * MS


def received(trajectory):
    return trajectory_from_msg(trajectory_to_msg(trajectory))


class Pair:
    """The executor's copy of the commanded motion, and a controller, which hears it later."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.arm = CommandedArm(JOINT_NAMES, HOME)
        self.controller = TrajectoryReference(JOINT_NAMES, HOME)
        self.now = START

    def motion(self, state):
        times = 0.1 * np.arange(1, 9)
        points = state.position + np.cumsum(self.rng.normal(0, 0.02, (8, 7)), axis=0)
        return follow(state, times, points, FR3_LIMITS)

    def next(self, make):
        """Return the next trajectory that is sent now, and its join."""
        join = self.arm.join(self.now + LEAD, self.now)
        trajectory = join.trajectory(make(join.state))
        self.arm.send(trajectory, join.time_ns, self.now)
        return received(trajectory), join.time_ns

    def play(self, n_trajectories):
        """Send trajectories at any times; each comes within its lead."""
        for _ in range(n_trajectories):
            trajectory, _ = self.next(self.motion)
            self.controller.accept(trajectory, self.now + int(self.rng.integers(0, LEAD)))
            self.now += int(self.rng.integers(LEAD, 400 * MS))


def at_a_kilohertz(reference, begin_ns):
    return reference.sample(np.arange(begin_ns, begin_ns + 3 * NS, MS))


@pytest.mark.parametrize('make', ['motion', 'brake'])
@pytest.mark.parametrize('seed', range(4))
def test_whenever_it_comes_until_the_join_the_controller_commands_the_same(seed, make):
    pair = Pair(seed)
    pair.play(5)
    make = pair.motion if make == 'motion' else lambda state: brake(state, FR3_LIMITS)
    runs = copy(pair.controller)
    trajectory, join_ns = pair.next(make)
    assert trajectory.start_ns < pair.now < join_ns
    expected = None
    for came_ns in range(pair.now, join_ns, MS):
        controller = copy(runs)
        controller.accept(trajectory, came_ns)
        found = at_a_kilohertz(controller, came_ns)
        before = np.arange(came_ns, join_ns, MS)
        for new, old in zip(controller.sample(before), runs.sample(before), strict=True):
            np.testing.assert_allclose(new, old, atol=1e-9)
        if expected is None:
            expected = at_a_kilohertz(controller, pair.now)
        skipped = (came_ns - pair.now) // MS
        for new, old in zip(found, expected, strict=True):
            np.testing.assert_allclose(new[: 3000 - skipped], old[skipped:], atol=1e-9)


def test_the_copy_stays_the_controllers_motion_over_many_trajectories():
    pair = Pair(9)
    pair.play(100)
    for mine, real in zip(
        at_a_kilohertz(pair.arm._reference, pair.now),
        at_a_kilohertz(pair.controller, pair.now),
        strict=True,
    ):
        np.testing.assert_allclose(mine, real, atol=1e-9)


def test_at_rest_it_changes_nothing_before_the_join_either():
    pair = Pair(3)
    pair.play(1)
    pair.now += 20 * NS
    trajectory, join_ns = pair.next(pair.motion)
    pair.controller.accept(trajectory, join_ns - MS)
    positions, velocities, _ = pair.controller.sample(np.arange(pair.now, join_ns, MS))
    assert np.ptp(positions, axis=0).max() == 0 and np.abs(velocities).max() < 1e-12


def test_nothing_is_assumed_of_a_controller_that_rests_elsewhere():
    """At a start the controller's reference is a tracking error away from the measured arm."""
    pair = Pair(0)
    trajectory, join_ns = pair.next(pair.motion)
    assert trajectory.start_ns == join_ns
    pair.now += 10 * MS
    trajectory, _ = pair.next(pair.motion)
    assert trajectory.start_ns == join_ns


def test_nothing_is_assumed_after_another_node_commanded_the_arm():
    pair = Pair(0)
    pair.play(3)
    foreign = Trajectory(JOINT_NAMES, 0, np.array([0.5]), HOME[None])
    pair.arm.obey(foreign, pair.now)
    trajectory, join_ns = pair.next(lambda state: brake(state, FR3_LIMITS))
    assert trajectory.start_ns == join_ns


def test_a_trajectory_that_was_not_sent_after_all_leaves_no_trace():
    pair = Pair(1)
    pair.play(4)
    before = at_a_kilohertz(pair.arm._reference, pair.now)
    pair.next(lambda state: brake(state, FR3_LIMITS))
    pair.arm.unsend()
    for mine, real in zip(at_a_kilohertz(pair.arm._reference, pair.now), before, strict=True):
        np.testing.assert_array_equal(mine, real)


@pytest.mark.parametrize('late_ms', [0, 20, 50])
def test_the_judge_accepts_chunks_that_come_up_to_50_ms_late(late_ms):
    arm = Arm().run(0.1)
    arm.core.lead.bound(0.1, 0.1)
    for k in range(12):
        chunk = arm.chunk(positions=HOME + 0.05 * np.sin(0.7 * (np.arange(15)[:, None] + k)))
        trajectory = arm.core.on_chunk(chunk, arm.now)
        arm.run(late_ms / 1000)
        arm.send(trajectory)
        arm.run(0.15)
    arm.run(2.0)
    assert judge(np.concatenate(arm.commands)) == []


def test_a_brake_that_took_long_to_make_begins_later():
    arm = Arm().run(0.1)
    arm.follow()
    arm.run(0.4)
    trajectory = arm.core.stop(arm.now)
    arm.to(arm.now + 50 * MS)
    tries = 0
    while not arm.core.brake_in_time(arm.now):
        tries += 1
        trajectory = arm.core.brake_again(arm.now, tries)
    assert tries == 1
    arm.send(trajectory)
    arm.run(1.0)
    arm.assert_at_rest()
    assert judge(np.concatenate(arm.commands)) == []


def test_a_brake_that_can_not_be_made_in_time_is_left_to_the_braking_tail():
    arm = Arm().run(0.1)
    arm.follow()
    arm.run(0.4)
    end_ns = arm.core._arm.end_ns
    arm.core.stop(arm.now)
    for tries in range(1, 4):
        assert arm.core.brake_again(arm.now, tries) is not None
    assert arm.core.brake_again(arm.now, 4) is None
    assert arm.core._arm.end_ns == end_ns
    assert arm.core.tick(arm.now) is not None, 'the next tick tries again'


def test_state_of_a_join_is_the_commanded_one():
    pair = Pair(2)
    pair.play(3)
    join = pair.arm.join(pair.now + LEAD, pair.now)
    expected = State(*(v[0] for v in pair.controller.sample(np.array([join.time_ns]))))
    np.testing.assert_allclose(join.state.position, expected.position, atol=1e-12)
