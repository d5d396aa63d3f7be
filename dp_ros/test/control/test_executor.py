# SPDX-License-Identifier: Apache-2.0
"""What the executor decides, and that a real FR3 would accept every command that comes of it."""

from collections import Counter
from dataclasses import replace
import re

from dp_ros.control.executor.chunk import Chunk, ChunkLate, ChunkRefused
from dp_ros.control.executor.chunk_executor import ChunkExecutor, ExecutorConfig, Phase
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
from dp_ros.robot.units import NS
from dp_ros.sim.judge import boundary_velocity_steps, judge
from dp_ros.sim.scenarios.reach.expert import SIDES, plan
from dp_ros.sim.scenarios.reach.scene import sample_scene
from fake_arm import HOME, MS, START, TIMES, Arm
import numpy as np
import pytest


@pytest.fixture
def arm():
    return Arm().run(0.1)


def test_without_joint_states_it_waits_and_says_so():
    arm = Arm().run(0.1, joints=False)
    assert (arm.core.phase, arm.core.reason) == (Phase.WAITING, 'waiting for joint states')
    assert arm.refusal() == 'no joint states yet'
    arm.run(0.1)
    assert arm.core.reason == 'waiting for a chunk'
    arm.run(0.4, joints=False)
    assert arm.core.reason == 'waiting for joint states'


def test_an_arm_at_rest_begins_a_chunk_at_its_first_point_after_the_lead_time(arm):
    trajectory = arm.follow()
    assert (arm.core.phase, arm.core.reason) == (Phase.RUNNING, 'following a chunk')
    assert trajectory.start_ns == arm.now + 60 * MS
    start = arm.state()[0]
    arm.run(0.7)
    np.testing.assert_allclose(arm.state()[0], start + 0.2 * (0.7 - 0.06), atol=2e-3)


def test_n_action_steps_are_followed_then_it_brakes_and_waits(arm):
    arm.core.config = replace(arm.core.config, n_action_steps=4)
    arm.follow()
    assert arm.core.chunk_left(arm.now) == pytest.approx(0.06 + 0.4)
    arm.run(0.44)
    assert arm.core.phase is Phase.RUNNING and arm.core.is_moving(arm.now)
    arm.run(0.06)
    assert (arm.core.phase, arm.core.reason) == (
        Phase.BRAKING,
        'no new chunk: in the braking tail',
    )
    assert np.isnan(arm.core.chunk_left(arm.now))
    arm.run(1.2)
    assert (arm.core.phase, arm.core.reason) == (Phase.WAITING, 'waiting for a chunk')
    arm.assert_at_rest()


def test_every_trajectory_ends_at_rest_so_a_dead_executor_is_a_stopped_arm(arm):
    arm.follow()
    arm.run(0.3)
    arm.follow()
    dead = arm.controller
    late = [v[0] for v in dead.sample(np.array([arm.now + 3 * NS]))]
    assert np.abs(late[1:]).max() == 0
    assert dead.end_ns < arm.now + 1500 * MS


def test_half_the_speed_is_the_same_path_in_twice_the_time(arm):
    slow = Arm(speed_scale=0.5).run(0.1)
    chunk = arm.chunk()
    for each in (arm, slow):
        each.send(each.core.on_chunk(chunk, each.now))
    arm.run(0.06 + chunk.times[8])
    slow.run(0.06 + 2 * chunk.times[8])
    assert arm.core.phase is slow.core.phase is Phase.BRAKING
    for each in (arm, slow):
        np.testing.assert_allclose(each.state()[0], chunk.positions[8], atol=3e-3)


def with_value(arm, value):
    positions = arm.chunk().positions
    positions[5, 2] = value
    return {'positions': positions}


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        (lambda arm: with_value(arm, np.nan), 'not finite'),
        (lambda arm: with_value(arm, -np.inf), 'not finite'),
        (lambda arm: {'joint_names': tuple('abcdefg')}, "chunk for joints ['a', 'b'"),
        (lambda arm: {'stamp_ns': 0}, 'stamp of zero'),
        (lambda arm: {'stamp_ns': arm.now + NS}, 'in the future'),
        (lambda arm: {'stamp_ns': arm.now - 200 * MS}, 'older than the one that runs'),
        (lambda arm: {'times': np.zeros(0), 'positions': np.zeros((0, 7))}, 'no points'),
        (lambda arm: {'times': TIMES[::-1]}, 'do not increase'),
        (lambda arm: {'times': TIMES * 1e6}, 's ahead: at most'),
    ],
)
def test_a_bad_chunk_is_refused_by_name_and_the_next_is_followed(arm, changes, reason):
    arm.follow()
    arm.run(0.1)
    assert reason in arm.refusal(**changes(arm))
    assert arm.core.phase is Phase.RUNNING
    arm.follow()
    counts = arm.core.counts
    assert (counts.received, counts.executed, counts.refused, counts.late) == (3, 2, 1, 0)


def test_a_chunk_that_comes_after_its_last_point_is_counted_as_late(arm):
    with pytest.raises(ChunkLate, match='ms after its last point'):
        arm.follow(stamp_ns=arm.now - 1500 * MS)
    assert (arm.core.counts.late, arm.core.counts.refused) == (1, 0)


def test_a_chunk_that_took_too_long_to_plan_is_late_and_the_arm_goes_on_as_it_was(arm):
    arm.follow()
    arm.run(0.3)
    going_to = arm.core.chunk_left(arm.now)
    planned = arm.core.request(arm.chunk(), arm.now).plan()
    with pytest.raises(ChunkLate, match='ready after 50 ms of a lead time of 60 ms'):
        arm.core.follow(planned, arm.now + 50 * MS)
    assert (arm.core.counts.late, arm.core.counts.executed) == (1, 1)
    assert arm.core.chunk_left(arm.now) == going_to
    assert arm.follow() is not None


def test_chunks_far_away_whose_plans_take_80_ms_are_followed_after_the_first(arm):
    for k in range(10):
        request = arm.core.request(arm.chunk(positions=np.tile(HOME + 1.0, (15, 1))), arm.now)
        planned = request.plan()
        arm.run(0.08)
        if k == 0:
            with pytest.raises(ChunkLate):
                arm.core.follow(planned, arm.now)
        else:
            arm.send(arm.core.follow(planned, arm.now))
        arm.run(0.1)
    assert (arm.core.counts.late, arm.core.counts.approached) == (1, 9)
    assert arm.assert_accepted()[-1][0] > 0.1


def test_a_chunk_with_its_joints_in_another_order_is_the_same_chunk(arm):
    chunk = arm.chunk(positions=HOME + TIMES[:, None] * np.linspace(-0.3, 0.3, 7))
    twin = Arm().run(0.1)
    there = arm.core.on_chunk(chunk, arm.now)
    back = replace(chunk, joint_names=JOINT_NAMES[::-1], positions=chunk.positions[:, ::-1])
    np.testing.assert_array_equal(twin.core.on_chunk(back, twin.now).positions, there.positions)


def test_pause_brakes_and_only_resume_goes_on(arm):
    arm.follow()
    arm.run(0.3)
    assert arm.send(arm.core.pause(arm.now)) is not None
    assert arm.core.phase is Phase.PAUSED
    assert arm.follow() is None
    with pytest.raises(ChunkRefused, match='still braking'):
        arm.core.resume(arm.now)
    arm.run(0.6)
    arm.assert_at_rest()
    assert arm.core.phase is Phase.PAUSED and arm.follow() is None
    assert arm.core.pause(arm.now) is None, 'an arm at rest needs no braking'
    seen_before = arm.chunk(stamp_ns=arm.now - 50 * MS)
    arm.core.resume(arm.now)
    assert (arm.core.phase, arm.core.reason) == (Phase.WAITING, 'waiting for a chunk')
    with pytest.raises(ChunkRefused, match='older'):
        arm.core.on_chunk(seen_before, arm.now)
    arm.follow()
    assert arm.core.phase is Phase.RUNNING


def test_stop_brakes_at_once_and_keeps_its_reason(arm):
    arm.follow()
    arm.run(0.3)
    arm.send(arm.core.stop(arm.now, 'somebody in the cell'))
    before = arm.state()[0]
    arm.run(0.7)
    arm.assert_at_rest()
    assert np.abs(arm.state()[0] - before).max() < 0.2 * 0.5
    assert (arm.core.phase, arm.core.reason) == (Phase.STOPPED, 'somebody in the cell')


def test_resume_starts_from_where_the_arm_is_measured(arm):
    arm.core.stop(arm.now)
    moved = HOME + 0.3
    arm.core.on_joints(arm.now, arm.now, JOINT_NAMES, moved)
    arm.core.resume(arm.now)
    trajectory = arm.core.on_chunk(arm.chunk(positions=np.tile(moved, (15, 1))), arm.now)
    np.testing.assert_allclose(trajectory.positions, np.tile(moved, (len(trajectory.times), 1)))


def test_resume_is_refused_without_joint_states(arm):
    arm.core.stop(arm.now)
    arm.now += 400 * MS
    with pytest.raises(ChunkRefused, match=r'no joint states for 0\.40 s'):
        arm.core.resume(arm.now)
    assert arm.core.phase is Phase.STOPPED


def test_without_joint_states_the_arm_brakes_and_stops(arm):
    arm.follow()
    arm.run(0.2)
    arm.run(0.3, joints=False)
    assert arm.core.phase is Phase.STOPPED
    assert arm.core.reason.startswith('no joint states for 0.2')
    arm.run(0.6)
    arm.assert_at_rest()
    assert arm.core.phase is Phase.STOPPED and arm.follow() is None


def held_back(arm, distance):
    """Let joint states say that joint 4 falls behind what it is commanded."""
    for share in np.linspace(0, 1, 11):
        behind = share * distance * np.eye(7)[3]
        arm.to(arm.now + 20 * MS, joints=False)
        arm.core.on_joints(arm.now, arm.now, JOINT_NAMES, arm.state()[0] + behind)


def test_an_arm_that_is_not_where_it_is_commanded_stops(arm):
    arm.follow()
    held_back(arm, 0.2)
    arm.send(arm.core.tick(arm.now))
    assert arm.core.phase is Phase.STOPPED
    assert re.match('fr3_joint4 is 0.1.. rad from where it is commanded', arm.core.reason)
    arm.run(0.6)
    arm.assert_at_rest()


def test_no_chunk_begins_where_the_arm_is_not(arm):
    arm.run(0.1)
    held_back(arm, 0.2)
    assert 'fr3_joint4 is 0.200 rad from where it is commanded' in arm.refusal()


@pytest.mark.parametrize('running', [True, False])
def test_after_a_jump_of_the_arm_it_brakes_and_sends_nothing_until_it_is_resumed(arm, running):
    if running:
        arm.follow()
        arm.run(0.3)
    elsewhere = HOME + 0.5 * np.eye(7)[3]
    sent = arm.controller.trajectory_id + running
    arm.send(arm.core.on_joints(arm.now, arm.now, JOINT_NAMES, elsewhere))
    assert arm.core.phase is Phase.STOPPED
    assert 'fr3_joint4 jumped by' in arm.core.reason
    assert arm.controller.trajectory_id == sent
    for k in range(100):
        assert arm.core.is_moving(arm.now) == (running and k < 9)
        arm.to(arm.now + 20 * MS, joints=False)
        arm.core.on_joints(arm.now, arm.now, JOINT_NAMES, elsewhere)
    assert arm.follow() is None
    assert arm.controller.trajectory_id == sent
    arm.core.resume(arm.now)
    arm.controller = TrajectoryReference(JOINT_NAMES, elsewhere)
    np.testing.assert_allclose(arm.follow().positions[0], elsewhere)


def test_a_paused_arm_may_be_put_elsewhere(arm):
    arm.core.pause(arm.now)
    elsewhere = HOME + 0.5 * np.eye(7)[3]
    arm.core.on_joints(arm.now, arm.now, JOINT_NAMES, elsewhere)
    assert arm.core.phase is Phase.PAUSED
    arm.core.resume(arm.now)
    arm.controller = TrajectoryReference(JOINT_NAMES, elsewhere)
    assert arm.follow() is not None


@pytest.mark.parametrize(
    ('names', 'positions', 'reason'),
    [
        (JOINT_NAMES, [np.nan] * 7, 'not finite'),
        (JOINT_NAMES[1:], [0.0] * 6, 'no fr3_joint1 among'),
        (JOINT_NAMES, [], '7 names, 0 positions'),
    ],
)
def test_bad_joint_states_are_refused_and_do_not_count_as_joint_states(
    arm, names, positions, reason
):
    arm.follow()
    for _ in range(20):
        with pytest.raises(ChunkRefused, match=reason):
            arm.core.on_joints(arm.now, arm.now, names, positions)
        arm.to(arm.now + 20 * MS, joints=False)
    assert arm.core.phase is Phase.STOPPED


def test_joint_states_from_the_future_do_not_count_as_joint_states(arm):
    arm.follow()
    arm.to(arm.now + 100 * MS)
    with pytest.raises(ChunkRefused, match='stamp is 5.000 s in the future'):
        arm.core.on_joints(arm.now + 5 * NS, arm.now, JOINT_NAMES, arm.state()[0])
    arm.run(0.4, joints=False)
    assert arm.core.phase is Phase.STOPPED


def test_joint_states_may_hold_more_joints_in_any_order():
    core = ChunkExecutor(JOINT_NAMES, FR3, ExecutorConfig())
    core.on_joints(START, START, ('finger', *JOINT_NAMES[::-1]), [0.04, *HOME[::-1]])
    chunk = Chunk(START, JOINT_NAMES, TIMES, np.tile(HOME, (15, 1)))
    np.testing.assert_allclose(core.on_chunk(chunk, START).positions[0], HOME)


def test_after_a_jump_of_the_clock_it_begins_anew(arm):
    arm.follow()
    arm.core.forget()
    arm.core.tick(1 * NS)
    assert (arm.core.phase, arm.core.reason) == (Phase.WAITING, 'waiting for joint states')
    arm.core.on_joints(2 * NS, 2 * NS, JOINT_NAMES, HOME)
    chunk = Chunk(2 * NS, JOINT_NAMES, TIMES, np.tile(HOME, (15, 1)))
    assert arm.core.on_chunk(chunk, 2 * NS) is not None


# ---- every command is one that a real FR3 accepts


class WildPolicy:
    """Chunks from either way around the obstacle, noisy, and some from anywhere."""

    def __init__(self, seed, wild):
        self.rng = np.random.default_rng(seed)
        self._wild = wild
        self._routes = []
        for side in SIDES:
            route = plan(sample_scene(seed), side, self.rng)
            self._routes.append(TrajectoryReference(JOINT_NAMES, route.positions[0]))
            self._routes[-1].accept(route, START)
        self.start = self._routes[0].sample(np.array([START]))[0][0]

    def chunk(self, stamp_ns):
        if self.rng.random() < self._wild:
            anywhere = self.rng.uniform(FR3_LIMITS.lower - 0.3, FR3_LIMITS.upper + 0.3)
            return Chunk(stamp_ns, JOINT_NAMES, TIMES, np.tile(anywhere, (15, 1)))
        route = self._routes[self.rng.integers(2)]
        phase = START + (stamp_ns - START) % (4 * NS)
        sigma = self.rng.choice([0.0, 0.005, 0.02, 0.1])
        noise = self.rng.normal(0, sigma, (15, 7)) + self.rng.normal(0, sigma, 7)
        positions = route.sample(phase + np.arange(15) * 100 * MS)[0]
        return Chunk(stamp_ns, JOINT_NAMES, TIMES, positions + noise)


def stressed(seed, wild, n_chunks=150):
    """Play random chunks, pauses and speeds at random moments; messages take up to 6 ms."""
    policy = WildPolicy(seed, wild)
    rng, arm, outcomes = policy.rng, Arm(policy.start), Counter()
    newest = START
    for _ in range(n_chunks):
        arm.to(arm.now + int(rng.integers(20 * MS, 700 * MS)))
        if arm.core.phase is Phase.PAUSED and not arm.core.is_moving(arm.now):
            arm.core.resume(arm.now)
            newest = arm.now
        scale = float(rng.choice([1.0, 1.0, 0.5, 0.1]))
        arm.core.config = replace(arm.core.config, speed_scale=scale)
        if rng.random() < 0.15:
            trajectory = arm.core.pause(arm.now)
        else:
            newest = max(newest, arm.now - int(rng.integers(0, 150 * MS)))
            trajectory = arm.core.on_chunk(policy.chunk(newest), arm.now)
        outcomes[arm.core.phase] += trajectory is not None
        arm.to(arm.now + int(rng.integers(0, 6 * MS)))
        arm.send(trajectory)
    arm.to(arm.now + 12 * NS)
    return arm, outcomes


@pytest.mark.parametrize(('seed', 'wild'), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.5)])
def test_a_real_arm_accepts_every_command_for_any_chunks(seed, wild):
    arm, outcomes = stressed(seed, wild)
    assert outcomes[Phase.RUNNING] > 80 and outcomes[Phase.PAUSED] >= 3
    commands, ids = np.concatenate(arm.commands), np.array(arm.ids)
    assert judge(commands) == []
    steps = boundary_velocity_steps(commands, ids)
    assert len(steps) > 80
    assert steps.max() < 0.015
    boundaries = np.flatnonzero(np.diff(ids))
    travel = np.abs(np.diff(commands, axis=0))[boundaries]
    assert (travel <= FR3_LIMITS.velocity * 0.001).all(), 'a step of position'
    arm.assert_at_rest()


def test_the_judge_would_notice_points_sent_as_they_are():
    """The stress test can fail: the same chunks without the splice are refused."""
    policy = WildPolicy(0, 0.0)
    controller = TrajectoryReference(JOINT_NAMES, policy.start)
    commands = []
    for now in range(START, START + 4 * NS, 500 * MS):
        chunk = policy.chunk(now)
        controller.accept(Trajectory(JOINT_NAMES, now, TIMES + 0.06, chunk.positions), now)
        commands.append(controller.sample(np.arange(now, now + 500 * MS, MS))[0])
    assert len(judge(np.concatenate(commands))) > 10
