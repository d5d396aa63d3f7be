# SPDX-License-Identifier: Apache-2.0
"""The way to the start pose: where it ends, what ends it, and that a real FR3 accepts it."""

from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.control.executor.way_to_start import PERIOD, TOLERANCE, WayToStart
from dp_ros.control.executor.workspace import Workspace
from dp_ros.robot.kinematics import forward
from dp_ros.robot.units import to_ns
from fake_arm import HOME, Arm
import numpy as np
import pytest

FAR = HOME + np.array([1.6, 0.5, -0.7, 0.9, 0.4, 0.3, -1.2])
NEAR = HOME + 0.05


class Walker(Arm):
    """An arm whose node goes on to the start pose at every tick."""

    def __init__(self, **config):
        super().__init__(**config)
        self.way = WayToStart()

    def to(self, time_ns, joints=True):
        super().to(time_ns, joints)
        chunk = self.way.tick(self.core, self.now)
        if chunk is not None:
            try:
                self.send(self.core.on_chunk(chunk, self.now))
            except ChunkRefused as error:
                self.way.end(str(error))

    def go(self, goal):
        self.run(0.1)
        self.way.begin(np.asarray(goal), self.core, self.now)
        return self

    def arrive(self, most=60.0):
        begin = self.now
        while self.way.runs:
            assert self.now - begin < to_ns(most), self.way.said
            self.run(0.1)
        return (self.now - begin) / 1e9


@pytest.mark.parametrize('speed', [1.0, 0.2, 0.05])
@pytest.mark.parametrize('goal', [FAR, NEAR, HOME], ids=['far', 'near', 'there already'])
def test_it_rests_at_the_pose_and_a_real_arm_accepts_every_command(goal, speed):
    arm = Walker(speed_scale=speed, slow_start_time=1.0).go(goal)
    arm.arrive(most=200.0)
    assert arm.way.said == 'at the start pose; executor/resume lets the policy go on'
    np.testing.assert_allclose(arm.state()[0], goal, atol=TOLERANCE)
    arm.assert_at_rest()
    commands = arm.assert_accepted()
    assert np.abs(np.diff(commands, axis=0)).max(initial=0) * 1000 < 0.6 * speed


def test_a_lower_speed_is_heeded_on_the_way():
    arm = Walker().go(FAR).run(1.5)
    before = np.abs(arm.state()[1]).max()
    arm.configure(speed_scale=0.1)
    arm.run(2 * PERIOD)
    assert np.abs(arm.state()[1]).max() < 0.2 * before
    assert arm.way.runs


def test_it_joins_a_motion_that_runs_without_a_stop():
    arm = Walker().run(0.1)
    arm.follow()
    arm.run(0.6)
    speed = np.abs(arm.state()[1]).min()
    arm.way.begin(arm.state()[0] + 1.0, arm.core, arm.now)
    slowest = []
    for _ in range(25):
        arm.run(0.02)
        slowest.append(np.abs(arm.state()[1]).min())
    assert min(slowest) > 0.3 * speed > 0
    arm.arrive()
    arm.assert_accepted()


@pytest.mark.parametrize(
    ('hold', 'said'),
    [
        (lambda core, now: core.pause(now), 'paused'),
        (lambda core, now: core.stop(now, 'stopped by service'), 'stopped by service'),
        (lambda core, now: core.inhibit('estop', 'emergency stop', now), 'emergency stop'),
        (lambda core, now: core.inhibit('deadman', 'button released', now), 'button released'),
    ],
)
def test_an_interlock_brakes_and_ends_the_way_for_good(hold, said):
    arm = Walker().go(FAR).run(1.0)
    arm.send(hold(arm.core, arm.now))
    arm.run(1.0)
    assert not arm.way.runs and said in arm.way.said
    arm.assert_at_rest()
    where = arm.state()[0]
    arm.core.resume(arm.now, *arm.core.interlocks.names)
    arm.run(2.0)
    np.testing.assert_array_equal(arm.state()[0], where)
    arm.assert_accepted()


def test_speed_zero_ends_it_too():
    arm = Walker().go(FAR).run(1.0)
    arm.configure(speed_scale=0.0)
    arm.run(1.0)
    assert not arm.way.runs and 'speed_scale is 0' in arm.way.said
    arm.assert_at_rest()


def test_a_way_that_leaves_the_workspace_is_refused_and_the_arm_stays_inside():
    tcp = forward(HOME[None])[0]
    low, high = tuple((tcp - 0.1).tolist()), tuple((tcp + 0.1).tolist())
    arm = Walker(workspace=Workspace(low, high)).go(FAR)
    arm.arrive()
    assert 'the way to the pose would leave the workspace at' in arm.way.said
    arm.run(2.0)
    assert (np.abs(forward(arm.state()[0][None])[0] - tcp) <= 0.1).all()


def test_a_pose_out_of_reach_is_refused_with_the_joint_and_its_range():
    arm = Walker().run(0.1)
    goal = HOME.copy()
    goal[3] = 0.5
    with pytest.raises(ChunkRefused, match='fr3_joint4 at 0.500 rad: needs -3.0'):
        arm.way.begin(goal, arm.core, arm.now)
    assert not arm.way.runs


def test_without_joint_states_there_is_no_way():
    arm = Walker().run(0.1, joints=False)
    with pytest.raises(ChunkRefused, match='waiting for joint states'):
        arm.way.begin(HOME, arm.core, arm.now)


def test_it_gives_up_where_the_arm_comes_no_nearer():
    arm = Walker().go(FAR)
    arm.core.on_chunk = lambda chunk, now_ns: None
    assert 9.0 < arm.arrive(most=15.0) < 11.0
    assert '1.60 rad are left, and the arm comes no nearer' in arm.way.said


def test_a_chunk_of_the_way_is_smooth_from_rest_to_rest():
    arm = Walker(slow_start_time=1.0).go(FAR)
    arm.arrive()
    speeds = np.linalg.norm(np.diff(arm.assert_accepted(), axis=0), axis=1)
    fast = np.flatnonzero(speeds > 0.2 * speeds.max())
    assert speeds[fast[0] : fast[-1]].min() > 0.1 * speeds.max(), 'it stops on its way'
