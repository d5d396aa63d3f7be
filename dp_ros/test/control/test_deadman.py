# SPDX-License-Identifier: Apache-2.0
"""The button that has to be held: what counts as held, and how soon the arm brakes."""

from dp_ros.control.executor.chunk_executor import Phase
from dp_ros.control.executor.deadman import Deadman
from dp_ros.robot.units import NS
from fake_arm import MS, START, Arm
import numpy as np
import pytest

UP, DOWN = [0] * 6, [0, 0, 0, 0, 1, 0]


def pressed(*states, button=4, period=0.05, timeout=0.2):
    """Return the switch and the time after messages with these buttons, one every period."""
    deadman, now = Deadman(button, timeout), NS
    for buttons in states:
        now += round(period * NS)
        deadman.on_buttons(buttons, now)
    return deadman, now


def test_while_it_is_held_the_arm_may_move():
    deadman, now = pressed(UP, DOWN, DOWN)
    assert deadman.reason(now) is None
    assert deadman.reason(now + 199 * MS) is None


def test_no_button_is_needed_where_none_is_configured():
    assert Deadman(-1, 0.2).reason(NS) is None


@pytest.mark.parametrize(
    ('states', 'after_ms', 'reason'),
    [
        ([], 0, 'nothing on joy, whose button 4 has to be held: is joy_node running'),
        ([UP], 0, 'hold button 4 of joy to move'),
        ([UP, DOWN, UP], 0, 'hold button 4 of joy to move'),
        ([UP, DOWN], 201, 'nothing on joy for more than 0.2 s'),
        ([DOWN, DOWN], 0, 'release button 4 of joy, then hold it'),
        ([UP, [1, 1]], 0, 'deadman_button = 4: joy has only 2 buttons'),
        ([UP, []], 0, 'deadman_button = 4: joy has only 0 buttons'),
    ],
)
def test_otherwise_the_message_says_what_to_do(states, after_ms, reason):
    deadman, now = pressed(*states)
    assert reason in deadman.reason(now + after_ms * MS)


def test_messages_that_return_with_the_button_down_do_not_move_the_arm():
    deadman, now = pressed(UP, DOWN)
    now += 500 * MS
    deadman.on_buttons(DOWN, now)
    assert deadman.reason(now) == 'release button 4 of joy, then hold it'
    for buttons in (UP, DOWN):
        now += 50 * MS
        deadman.on_buttons(buttons, now)
    assert deadman.reason(now) is None


def moving():
    arm = Arm().run(0.1)
    arm.follow()
    return arm.run(0.4)


def watched(arm, deadman):
    reason = deadman.reason(arm.now)
    if reason is None:
        return arm.core.permit('deadman')
    return arm.send(arm.core.inhibit('deadman', reason, arm.now))


def test_a_release_joins_a_braking_motion_within_100_ms():
    arm = moving()
    deadman, _ = pressed(UP, DOWN)
    deadman.on_buttons(UP, arm.now)
    braking = watched(arm, deadman)
    assert braking.start_ns - arm.now <= 100 * MS
    assert_braked(arm, braking)


def test_a_silence_joins_a_braking_motion_within_100_ms_of_its_timeout():
    arm = moving()
    deadman = Deadman(4, timeout=0.2)
    deadman.on_buttons(UP, arm.now - 50 * MS)
    deadman.on_buttons(DOWN, arm.now)
    silent_from = arm.now
    for _ in range(15):
        arm.to(arm.now + 20 * MS)
        braking = watched(arm, deadman)
        if braking is not None:
            break
    assert braking.start_ns - silent_from <= 200 * MS + 100 * MS
    assert_braked(arm, braking)


def assert_braked(arm, braking):
    """The speed falls from the join on and never rises again."""
    begin = (braking.start_ns - START) // MS
    arm.run(0.8)
    arm.assert_at_rest()
    assert arm.core.phase is Phase.INHIBITED
    speed = np.diff(arm.assert_accepted()[:, 0]) / 1e-3
    assert speed[begin - 1] > 0.15
    assert np.diff(speed[begin:]).max() < 1e-3
