# SPDX-License-Identifier: Apache-2.0
"""Every stop brakes while the arm is commanded to move, and nothing moves by itself after one."""

from dataclasses import replace

from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.control.executor.chunk_executor import Phase
from dp_ros.control.executor.interlocks import DEADMAN, ESTOP, PAUSE, STOP
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import NS
from dp_ros.sim.judge import judge
from fake_arm import HOME, MS, TIMES, Arm
import numpy as np
import pytest

ELSEWHERE = 0.5 * np.eye(7)[3]
LEAD = 0.06
# How long braking takes after it joined [s], by the fastest joint's speed then [rad/s].
REST_WITHIN = {0.5: 0.2, 1.0: 0.32, 1.5: 0.4, 2.62: 0.6}


def moving(arm, speed=0.2):
    """Lead the arm on until it moves at full speed."""
    for _ in range(4):
        positions = arm.state()[0] + speed * TIMES[:, None] * np.sign(0.5 - HOME) * np.ones(7)
        arm.follow(positions=positions)
        arm.run(0.5)
    assert np.abs(arm.state()[1]).max() > 0.4 * speed * arm.core.config.speed_scale
    return arm


def jump(arm):
    """Let one joint state say that joint 4 is elsewhere."""
    measured = arm.state()[0] + ELSEWHERE
    return arm.core.on_joints(arm.now, arm.now, JOINT_NAMES, measured)


def silence(arm):
    """Let the joint states fall silent until that stops a moving arm."""
    arm.to(arm.now + 20 * MS, joints=False)
    while arm.core.is_moving(arm.now) and not arm.core.interlocks:
        arm.to(arm.now + 20 * MS, joints=False)


STOPS = {
    'estop': lambda arm: arm.core.inhibit(ESTOP, 'emergency stop', arm.now),
    'pause': lambda arm: arm.core.pause(arm.now),
    'stop': lambda arm: arm.core.stop(arm.now),
    'disable': lambda arm: arm.core.configure(replace(arm.core.config, execute=False), arm.now),
    'speed 0': lambda arm: arm.core.configure(replace(arm.core.config, speed_scale=0.0), arm.now),
    'deadman': lambda arm: arm.core.inhibit(DEADMAN, 'hold the button', arm.now),
    'jump': jump,
    'silence': silence,
}


def assert_rests_in_time(arm, since_ns):
    """Check that braking joins after the lead time and is as short as safety.md says."""
    joined = arm.controller.sample(np.array([since_ns + round(LEAD * NS)]))
    speed = np.abs(joined[1]).max()
    allowed = next(time for limit, time in REST_WITHIN.items() if speed <= limit)
    assert arm.controller.end_ns <= since_ns + round((LEAD + allowed) * NS), speed


@pytest.mark.parametrize('scale', [1.0, 0.2])
@pytest.mark.parametrize('name', STOPS)
def test_every_stop_brakes_a_moving_arm(name, scale):
    arm = moving(Arm(speed_scale=scale).run(0.1), 0.5)
    arm.send(STOPS[name](arm))
    assert_rests_in_time(arm, arm.now)
    assert arm.core.interlocks
    arm.run(1.0, joints=name != 'jump')
    arm.assert_at_rest()
    arm.assert_accepted()


@pytest.mark.parametrize('second', STOPS)
def test_a_stop_that_could_not_brake_is_made_up_for(second, monkeypatch):
    """Whatever already holds the arm: while it is commanded to move, the next stop brakes."""
    arm = moving(Arm().run(0.1))
    arm.core.interlocks.set(STOP, 'a reason without a brake')
    sent = arm.controller.trajectory_id
    arm.send(STOPS[second](arm))
    assert arm.controller.trajectory_id == sent + 1
    arm.run(0.6, joints=second != 'jump')
    arm.assert_at_rest()


def test_a_held_arm_that_still_moves_is_braked_at_the_next_tick():
    arm = moving(Arm().run(0.1))
    arm.core.interlocks.set(STOP, 'a reason without a brake')
    arm.to(arm.now + 20 * MS)
    assert_rests_in_time(arm, arm.now)


def release(arm):
    """Take back all that a person can take back."""
    arm.core.permit(DEADMAN)
    arm.configure(execute=True, speed_scale=1.0)
    try:
        arm.core.resume(arm.now, ESTOP, PAUSE, STOP)
    except ChunkRefused:
        pass


def anything(arm, rng):
    """Let a random chunk come, or a stop, a fault, a release, a stall or nothing happen."""
    what = rng.choice(['chunk'] * 8 + ['release'] * 3 + ['stall', *STOPS])
    if what == 'chunk':
        speed = rng.uniform(-1.5, 1.5, 7)
        try:
            arm.follow(positions=arm.state()[0] + speed * TIMES[:, None])
        except ChunkRefused:
            pass
    elif what == 'release':
        release(arm)
    elif what == 'stall':
        arm.to(arm.now + int(rng.integers(50 * MS, 400 * MS)), joints=False)
    else:
        arm.send(STOPS[what](arm))


@pytest.mark.parametrize('seed', range(12))
def test_after_the_last_stop_the_arm_is_at_rest_in_time(seed):
    rng = np.random.default_rng(seed)
    arm = Arm(slow_start_time=0.3, limit_margin=0.1).run(0.1)
    stopped = 0
    for _ in range(20):
        for _ in range(rng.integers(1, 6)):
            anything(arm, rng)
            arm.run(rng.uniform(0.02, 0.4))
        moved = arm.core.is_moving(arm.now)
        since = arm.now
        arm.send(STOPS[rng.choice(['estop', 'pause', 'stop', 'disable', 'deadman'])](arm))
        stopped += moved
        if moved:
            assert_rests_in_time(arm, since)
        arm.run(0.9)
        arm.assert_at_rest()
        release(arm)
    assert stopped >= 3
    assert judge(np.concatenate(arm.commands)) == []


# ---- nothing moves by itself, nor at full speed


def done_at_first(arm):
    """Follow a chunk; return how far it leads in the first 0.4 s, 0.08 rad at full speed."""
    begin = arm.state()[0][0]
    arm.follow()
    arm.run(LEAD + 0.4)
    return arm.state()[0][0] - begin


@pytest.mark.parametrize('silence', [1.2, 60.0])
def test_after_a_silence_of_the_policy_the_motion_starts_slowly(silence):
    arm = moving(Arm(slow_start_time=1.0).run(0.1))
    arm.run(silence + 1.0)
    arm.assert_at_rest()
    assert 0.0 < done_at_first(arm) < 0.2 * 0.4 / 2


def test_between_chunks_that_follow_each_other_it_keeps_its_speed():
    arm = moving(Arm(slow_start_time=1.0).run(0.1))
    arm.run(1.2)
    arm.assert_at_rest()
    assert done_at_first(arm) > 0.2 * 0.4 * 0.8


def test_a_new_activation_while_it_brakes_goes_on_from_what_is_commanded():
    arm = moving(Arm().run(0.1))
    arm.send(arm.core.stop(arm.now))
    arm.run(0.06)
    assert np.abs(arm.state()[1]).max() > 0.05
    arm.core.restart(arm.now)
    arm.run(0.02)
    arm.follow()
    arm.run(1.0)
    arm.assert_accepted()


# ---- whose silence it is


def test_a_stall_of_this_process_brakes_and_then_it_goes_on_slowly():
    arm = moving(Arm(slow_start_time=1.0).run(0.1))
    arm.to(arm.now + 300 * MS, joints=False)
    assert not arm.core.interlocks
    assert arm.core.reason == 'braking: this process was not run for 0.28 s'
    assert_rests_in_time(arm, arm.now)
    arm.run(0.5)
    arm.assert_at_rest()
    assert 0.0 < done_at_first(arm) < 0.2 * 0.4 / 2


def test_a_stall_after_which_joint_states_are_there_is_no_reason_to_brake():
    arm = moving(Arm(n_action_steps=15).run(0.1))
    sent = arm.controller.trajectory_id
    arm.to(arm.now + 300 * MS)
    assert (arm.core.phase, arm.controller.trajectory_id) == (Phase.RUNNING, sent)


def test_joint_states_that_stay_away_after_a_stall_stop_the_arm():
    arm = moving(Arm(joint_state_timeout=0.1).run(0.1))
    arm.to(arm.now + 300 * MS, joints=False)
    assert not arm.core.interlocks
    arm.run(0.12, joints=False)
    assert arm.core.phase is Phase.STOPPED
    assert arm.core.reason.startswith('no joint states for 0.1')


def test_joint_states_lost_in_the_braking_tail_stop_the_arm():
    arm = moving(Arm(n_action_steps=3, joint_state_timeout=0.1).run(0.1))
    arm.follow()
    arm.run(0.36)
    assert arm.core.phase is Phase.BRAKING and not arm.core.interlocks
    arm.run(0.14, joints=False)
    assert arm.core.phase is Phase.STOPPED


def test_an_arm_that_is_put_elsewhere_is_resumed_from_there():
    arm = moving(Arm().run(0.1))
    arm.send(jump(arm))
    arm.controller = TrajectoryReference(JOINT_NAMES, HOME + ELSEWHERE)
    arm.run(0.6)
    arm.core.resume(arm.now)
    np.testing.assert_allclose(arm.follow().positions[0], HOME + ELSEWHERE)
