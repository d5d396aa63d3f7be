# SPDX-License-Identifier: Apache-2.0
"""Commands of somebody else on the controller's topic: the executor brakes what they began."""

from dp_ros.control.executor.interlocks import ESTOP, PAUSE, STOP
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS
from fake_arm import HOME, MS, START, Arm
import numpy as np
import pytest

STILL = np.zeros((1, 7))


def command(arm, offset, seconds):
    """Return a smooth motion of each joint by an offset (7,) [rad], from now on."""
    target = (HOME + offset)[None]
    return Trajectory(JOINT_NAMES, arm.now, np.array([seconds]), target, STILL, STILL)


def overrule(arm, trajectory, delay_ms, error_ms=0.0):
    """Let the controller take a foreign command, and the executor hear it after a delay."""
    came_ns = arm.now
    arm.controller.accept(trajectory, came_ns)
    arm.to(arm.now + round(delay_ms * MS))
    came_ns += round(error_ms * MS)
    return arm.send(arm.core.overruled(trajectory, came_ns, arm.now, 'somebody commanded'))


@pytest.mark.parametrize('held', [None, ESTOP, PAUSE, STOP])
def test_an_arm_that_rests_is_braked_whatever_holds_it(held):
    arm = Arm().run(0.1)
    if held:
        arm.send(arm.core.inhibit(held, 'held', arm.now))
    arm.run(0.2)
    assert overrule(arm, command(arm, 0.5 * np.ones(7), 2.0), delay_ms=20) is not None
    assert arm.core.is_moving(arm.now) and STOP in arm.core.interlocks
    arm.run(0.6)
    arm.assert_at_rest()
    assert np.abs(arm.state()[0] - HOME).max() < 0.02
    arm.assert_accepted()


def test_foreign_commands_at_any_time_end_in_a_brake_that_a_real_arm_accepts():
    """Heard up to 30 ms late, and as if 3 ms earlier or later than they came."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        arm = Arm().run(0.1)
        for _ in range(rng.integers(1, 5)):
            if not arm.core.interlocks:
                arm.follow()
            arm.run(rng.uniform(0.0, 0.5))
            foreign = command(arm, rng.uniform(-0.4, 0.4, 7), rng.uniform(2.0, 4.0))
            overrule(arm, foreign, rng.uniform(0, 30), rng.uniform(-3, 3))
        arm.run(0.7)
        arm.assert_at_rest()
        assert not arm.core.is_moving(arm.now)
        arm.core.resume(arm.now)
        arm.follow()
        arm.run(0.3)
        arm.assert_accepted()


def test_what_the_controller_rejects_changes_nothing_but_stops():
    arm = Arm().run(0.1)
    arm.follow()
    arm.run(0.3)
    early = Trajectory(JOINT_NAMES, START - NS, np.array([0.5]), HOME[None], STILL, STILL)
    for unusable in (early, None):
        arm.send(arm.core.overruled(unusable, arm.now, arm.now, 'somebody commanded'))
    arm.run(0.6)
    arm.assert_at_rest()
    arm.assert_accepted()
    assert arm.core.reason == 'somebody commanded'


def test_in_a_dry_run_nothing_is_sent():
    arm = Arm(execute=False).run(0.1)
    assert overrule(arm, command(arm, 0.2 * np.ones(7), 1.0), delay_ms=20) is None
    arm.run(1.5)
    assert arm.controller.trajectory_id == 1
    np.testing.assert_allclose(arm.state()[0], HOME + 0.2)
