# SPDX-License-Identifier: Apache-2.0
"""What forbids motion: each reason brakes, and each has to be taken back by itself."""

from collections import Counter
from dataclasses import replace

from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.control.executor.chunk_executor import Phase
from dp_ros.control.executor.interlocks import DEADMAN, ESTOP, EXECUTE, Interlocks
from dp_ros.control.executor.workspace import Workspace
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES, forward
from fake_arm import HOME, MS, TIMES, Arm
import numpy as np
import pytest


@pytest.fixture
def arm():
    return Arm(slow_start_time=1.0).run(0.1)


def moving(arm):
    """Lead the arm for a second and a half; it then moves at full speed."""
    for _ in range(3):
        arm.follow()
        arm.run(0.5)
    return arm


def test_several_reasons_hold_the_arm_until_the_last_is_taken_back(arm):
    moving(arm)
    assert arm.send(arm.core.inhibit(DEADMAN, 'hold the button', arm.now)) is not None
    assert arm.core.inhibit('robot', 'reflex', arm.now) is None, 'it is braking already'
    assert arm.core.phase is Phase.INHIBITED
    assert arm.core.interlocks.names == (DEADMAN, 'robot')
    assert arm.core.reason == 'hold the button; reflex'
    arm.run(0.6)
    arm.assert_at_rest()
    arm.core.permit(DEADMAN)
    assert arm.follow() is None and arm.core.reason == 'reflex'
    arm.core.permit('robot')
    arm.run(0.02)
    assert (arm.core.phase, arm.core.reason) == (Phase.WAITING, 'waiting for a chunk')
    moving(arm)
    arm.assert_accepted()


@pytest.mark.parametrize(
    ('names', 'phase'),
    [
        (['pause'], Phase.PAUSED),
        (['pause', 'stop'], Phase.STOPPED),
        (['stop', ESTOP], Phase.INHIBITED),
        ([ESTOP, EXECUTE], Phase.SHADOW),
    ],
)
def test_the_phase_shown_is_that_of_the_reason_hardest_to_take_back(names, phase):
    interlocks = Interlocks()
    for name in names:
        interlocks.set(name, name)
    assert interlocks.phase is phase


def test_an_emergency_stop_outlasts_resume_and_a_new_activation(arm):
    moving(arm)
    arm.send(arm.core.inhibit(ESTOP, 'emergency stop', arm.now))
    with pytest.raises(ChunkRefused, match='still braking'):
        arm.core.resume(arm.now, ESTOP)
    arm.run(0.6)
    arm.core.resume(arm.now)
    arm.core.restart(arm.now)
    arm.run(0.1)
    assert arm.core.reason == 'emergency stop' and arm.follow() is None
    arm.core.resume(arm.now, ESTOP)
    moving(arm)
    arm.assert_accepted()


def test_a_motion_that_is_about_to_begin_does_not_begin(arm):
    """Between the message and where it joins the arm still rests, but is not to stay so."""
    arm.follow()
    arm.run(0.02)
    arm.assert_at_rest()
    assert arm.send(arm.core.inhibit(ESTOP, 'emergency stop', arm.now)) is not None
    arm.run(1.0)
    assert np.ptp(arm.assert_accepted(), axis=0).max() < 1e-9


def test_after_each_release_the_arm_starts_slowly(arm):
    moving(arm)
    arm.send(arm.core.inhibit(DEADMAN, 'hold the button', arm.now))
    arm.run(0.8)
    arm.core.permit(DEADMAN)
    begin = arm.state()[0][0]
    arm.follow()
    arm.run(0.46)
    assert 0.0 < arm.state()[0][0] - begin < 0.2 * 0.4 / 2


def test_a_chunk_observed_before_the_release_is_refused(arm):
    arm.send(arm.core.inhibit(DEADMAN, 'hold the button', arm.now))
    arm.run(0.1)
    arm.core.permit(DEADMAN)
    assert arm.refusal(stamp_ns=arm.now - 20 * MS) == 'chunk is older than the release of the arm'
    arm.follow()


# ---- shadow mode


def test_in_shadow_mode_chunks_are_checked_and_counted_and_nothing_is_sent():
    arm = Arm(execute=False).run(0.1)
    assert arm.core.phase is Phase.SHADOW
    assert arm.core.reason == 'shadow mode: chunks are checked, nothing is sent'
    assert 'after its last point' in arm.refusal(stamp_ns=arm.now - 1600 * MS)
    assert 'not finite' in arm.refusal(positions=np.full((15, 7), np.nan))
    assert arm.follow() is None
    counts = arm.core.counts
    assert (counts.received, counts.late, counts.refused) == (3, 1, 1)
    assert (counts.checked, counts.executed) == (1, 0)
    assert arm.controller.trajectory_id == 0


def test_shadow_mode_says_what_the_workspace_would_refuse():
    box = Workspace(tuple(forward(HOME) - 0.2), tuple(forward(HOME) - 0.1))
    arm = Arm(execute=False, workspace=box).run(0.1)
    assert 'outside the workspace' in arm.refusal()


def test_enable_starts_slowly_from_where_the_arm_has_been_put():
    arm = Arm(execute=False, slow_start_time=1.0).run(0.1)
    arm.controller = type(arm.controller)(JOINT_NAMES, HOME + 0.4)
    arm.run(0.1)
    assert arm.configure(execute=True) is None
    trajectory = arm.follow()
    np.testing.assert_allclose(trajectory.positions[0], HOME + 0.4)


def test_disable_brakes(arm):
    moving(arm)
    assert arm.configure(execute=False) is not None
    arm.run(0.6)
    arm.assert_at_rest()
    arm.assert_accepted()


# ---- fingers


def with_fingers(arm):
    """Return a chunk that also closes the fingers, its joints in any order."""
    chunk = arm.chunk()
    fingers = np.stack([0.04 - 0.02 * TIMES, 0.04 - 0.02 * TIMES], axis=1)
    positions = np.concatenate([fingers, chunk.positions], axis=1)
    return replace(chunk, joint_names=FINGER_NAMES + JOINT_NAMES, positions=positions)


def test_fingers_are_handed_on_with_the_times_at_which_the_arm_follows():
    arm = Arm(fingers=FINGER_NAMES, speed_scale=0.5).run(0.1)
    trajectory = arm.send(arm.core.on_chunk(with_fingers(arm), arm.now))
    assert trajectory.joint_names == JOINT_NAMES
    fingers = arm.core.fingers
    assert (fingers.joint_names, fingers.start_ns) == (FINGER_NAMES, trajectory.start_ns)
    np.testing.assert_allclose(np.diff(fingers.times), 0.2)
    np.testing.assert_allclose(fingers.positions[:, 0], 0.04 - 0.02 * TIMES[1:9])
    arm.follow()
    assert arm.core.fingers is None, 'a chunk without fingers leaves them alone'


def test_fingers_are_refused_where_no_gripper_is_configured(arm):
    with pytest.raises(ChunkRefused, match='chunk for joints'):
        arm.core.on_chunk(with_fingers(arm), arm.now)


# ---- every command of every transition is one that a real FR3 accepts


def change(arm, rng):
    """Do one of the things that a user, a button or a fault does."""
    core, now = arm.core, arm.now
    what = rng.choice(['estop', 'deadman', 'speed', 'execute', *['release', 'nothing'] * 4])
    if what == 'estop':
        return what, core.inhibit(ESTOP, 'emergency stop', now)
    if what == 'deadman':
        return what, core.inhibit(DEADMAN, 'hold the button', now)
    if what == 'speed':
        scale = float(rng.choice([1.0, 0.3, 0.01, 0.0]))
        return what, core.configure(replace(core.config, speed_scale=scale), now)
    if what == 'execute':
        return what, core.configure(replace(core.config, execute=False), now)
    if what == 'release':
        core.configure(replace(core.config, execute=True, speed_scale=1.0), now)
        core.permit(DEADMAN)
        try:
            core.resume(now, ESTOP, 'stop')
        except ChunkRefused:
            pass
    return what, None


def transitions(seed, n_changes=120):
    rng, done = np.random.default_rng(seed), Counter()
    box = Workspace(
        tuple(forward(HOME) - [0.3, 0.08, 0.3]), tuple(forward(HOME) + [0.3, 0.08, 0.3])
    )
    arm = Arm(slow_start_time=0.5, limit_margin=0.1, workspace=box).run(0.1)
    for _ in range(n_changes):
        arm.to(arm.now + int(rng.integers(20 * MS, 400 * MS)))
        what, trajectory = change(arm, rng)
        done[what] += trajectory is not None
        arm.to(arm.now + int(rng.integers(0, 6 * MS)))
        arm.send(trajectory)
        target = HOME + rng.uniform(-0.4, 0.4, 7)
        share = np.minimum(1.0, TIMES * rng.choice([0.5, 1.0, 3.0]))[:, None]
        try:
            trajectory = arm.core.on_chunk(
                arm.chunk(positions=(1 - share) * arm.state()[0] + share * target), arm.now
            )
        except ChunkRefused:
            continue
        done['chunk'] += trajectory is not None
        arm.to(arm.now + int(rng.integers(0, 6 * MS)))
        arm.send(trajectory)
    arm.run(2.0)
    return arm, done, box


@pytest.mark.parametrize('seed', range(3))
def test_a_real_arm_accepts_every_command_of_every_transition(seed):
    arm, done, box = transitions(seed)
    commands = arm.assert_accepted()
    assert done['chunk'] > 40 and done['estop'] > 2 and done['deadman'] > 2
    tcp = forward(commands)
    outside = np.maximum(box.low - tcp, tcp - box.high).max()
    assert outside < 0.005, 'a brake may leave the path, but not by more than this'
