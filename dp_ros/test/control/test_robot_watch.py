# SPDX-License-Identifier: Apache-2.0
"""Whether the robot lets itself be moved, by its mode, its errors and its silence."""

from dp_ros.control.checks.robot_watch import Mode, RobotWatch
from dp_ros.robot.units import MS, NS
import pytest


def watch(mode=Mode.MOVE, errors=(), last=()):
    robot = RobotWatch(timeout=0.25)
    robot.on_state(mode, errors, last, NS)
    return robot


def test_a_robot_that_moves_is_not_held():
    assert watch().inhibition(NS) is None


def test_a_robot_that_never_spoke_is_not_watched():
    assert RobotWatch(timeout=0.25).inhibition(100 * NS) is None


@pytest.mark.parametrize(
    ('mode', 'reason'),
    [
        (Mode.IDLE, 'the robot is idle: no controller moves it'),
        (Mode.GUIDING, 'the robot is guided by hand'),
        (Mode.OTHER, 'the robot is in a mode in which it is not controlled'),
        (99, 'the robot is in a mode in which it is not controlled'),
    ],
)
def test_a_mode_without_motion_holds_the_arm_until_it_is_over(mode, reason):
    robot = watch(mode)
    assert robot.inhibition(NS) == reason
    robot.on_state(Mode.MOVE, (), (), NS)
    assert robot.inhibition(NS) is None


@pytest.mark.parametrize(
    ('mode', 'words'),
    [
        (Mode.REFLEX, 'reflex'),
        (Mode.USER_STOPPED, 'the user stop is pressed'),
        (Mode.RECOVERY, 'the robot recovers from an error'),
    ],
)
def test_a_fault_is_kept_until_it_is_recovered_from(mode, words):
    robot = watch(mode)
    robot.on_state(Mode.MOVE, (), (), NS)
    assert robot.inhibition(NS) == f'{words}: call executor/recover'
    robot.recovered()
    robot.on_state(Mode.MOVE, (), (), NS)
    assert robot.inhibition(NS) is None


def test_the_names_of_the_errors_are_in_the_reason():
    robot = watch(Mode.REFLEX, ['joint_reflex', 'cartesian_reflex'])
    assert robot.inhibition(NS).startswith('reflex (joint_reflex, cartesian_reflex): ')


def test_errors_that_are_over_are_named_by_what_ended_the_last_motion():
    assert watch(Mode.REFLEX, (), ['power_limit_violation']).fault == (
        'reflex (power_limit_violation)'
    )


def test_a_robot_that_falls_silent_has_a_fault():
    robot = watch()
    assert robot.inhibition(NS + 250 * MS) is None
    assert robot.inhibition(NS + 400 * MS).startswith('the robot is silent for 0.4 s')
    robot.on_state(Mode.MOVE, (), (), NS + 500 * MS)
    assert robot.inhibition(NS + 500 * MS).startswith('the robot is silent for 0.4 s')


def test_a_robot_that_has_recovered_is_held_until_it_speaks_again():
    robot = watch(Mode.REFLEX)
    robot.recovered()
    assert robot.inhibition(9 * NS) == 'the robot is silent since it recovered'
    robot.on_state(Mode.MOVE, (), (), 9 * NS)
    assert robot.inhibition(9 * NS) is None


def test_what_a_silent_robot_said_last_does_not_count_but_its_fault_is_kept():
    robot = watch(Mode.USER_STOPPED)
    assert robot.mode is Mode.USER_STOPPED
    assert robot.inhibition(2 * NS) == 'the user stop is pressed: call executor/recover'
    assert robot.mode is None
