# SPDX-License-Identifier: Apache-2.0
"""What gamepads, keyboards and leader arms say, and what is refused."""

from dp_ros.control.teleop.inputs import Action, InputRefused, JoyMapping, JoyReader
from dp_ros.control.teleop.keys import N_BUTTONS, Keys
from dp_ros.control.teleop.leader import LeaderConfig, LeaderInput
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.units import NS
from dp_ros.sim.judge import judge
import numpy as np
import pytest
from teleop_loop import HOME, START, Loop

ACTIONS = {
    Action.GRIPPER: 0,
    Action.START: 6,
    Action.SUCCESS: 3,
    Action.FAILURE: 1,
    Action.DISCARD: 4,
    Action.RESUME: 7,
    Action.GO_TO_START: 2,
}
LEADER = [name.replace('fr3', 'leader') for name in JOINT_NAMES]


def reader(**changes):
    return JoyReader(JoyMapping(**{'actions': ACTIONS} | changes))


def joy(axes=None, pressed=()):
    """Return axes and buttons of a gamepad, with some of them pushed."""
    pushed = axes or {}
    return (
        [pushed.get(k, 0.0) for k in range(6)],
        [int(k in pressed) for k in range(N_BUTTONS)],
    )


@pytest.mark.parametrize(
    ('axes', 'pressed', 'expected'),
    [
        ({1: 1.0}, (9,), [1, 0, 0, 0, 0, 0]),
        ({0: 0.5, 3: -1.0}, (9,), [0, 0.5, -1, 0, 0, 0]),
        ({2: 1.0}, (9,), [0, 0, 0, 0, 0, 1]),
        ({1: 1.0}, (9, 10), [0, 0, 0, 0, 1, 0]),
        ({0: 1.0}, (9, 10), [0, 0, 0, -1, 0, 0]),
        ({1: 1.0}, (), [0] * 6),
    ],
)
def test_sticks_move_and_with_a_button_tilt_while_another_is_held(axes, pressed, expected):
    velocities, _ = reader().read(*joy(axes, pressed))
    np.testing.assert_allclose(velocities, expected)


def test_a_button_counts_once_when_it_goes_down():
    joys = reader()
    pressed = [joys.read(*joy(pressed=p))[1] for p in ((6,), (), (6,), (6, 3), ())]
    assert pressed == [set(), set(), {Action.START}, {Action.SUCCESS}, set()]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'enable': 30}, 'joy has no button 30, it has 21 of them: set enable_button'),
        ({'actions': {Action.DISCARD: 21}}, 'joy has no button 21'),
        ({'angular': (-1, -1, 6)}, 'joy has no axis 6, it has 6 of them: set angular_axes'),
    ],
)
def test_a_button_or_axis_that_is_not_there_is_named(changes, message):
    with pytest.raises(InputRefused, match=message):
        reader(**changes).read(*joy({1: 1.0}, (9,)))


def test_what_is_nowhere_is_not_missed():
    mapping = {'linear': (-1,) * 3, 'angular': (-1,) * 3, 'enable': -1, 'rotate': -1}
    velocities, pressed = reader(actions={}, **mapping).read([], [])
    assert not velocities.any() and not pressed


def test_a_key_counts_for_a_moment_and_while_it_repeats():
    keys = Keys()
    keys.type('w', START)
    axes, buttons = keys.joy(START)
    assert (axes[1], buttons[9], buttons[10]) == (1.0, 1, 0)
    keys.type('w', START + NS // 10)
    assert keys.joy(START + NS // 4)[0][1] == 1.0
    axes, buttons = keys.joy(START + NS)
    assert not any(axes) and not any(buttons)


def test_keys_mean_what_the_gamepad_means():
    joys, keys = reader(), Keys()
    joys.read(*keys.joy(START))
    expected = {
        'n': Action.START,
        'y': Action.SUCCESS,
        'x': Action.FAILURE,
        '\x7f': Action.DISCARD,
        ' ': Action.GRIPPER,
        'c': Action.RESUME,
        'h': Action.GO_TO_START,
    }
    for key, action in expected.items():
        keys.type(key, START)
        assert joys.read(*keys.joy(START))[1] == {action}
        assert joys.read(*keys.joy(START))[1] == set()


@pytest.mark.parametrize(
    ('typed', 'expected'),
    [
        ('\x1b[A', [1, 0, 0, 0, 0, 0]),
        ('\x1b[C', [0, -1, 0, 0, 0, 0]),
        ('F', [0, 0, -1, 0, 0, 0]),
        ('q', [0, 0, 0, 0, 0, 1]),
        ('i', [0, 0, 0, 0, 1, 0]),
        ('--w', [0.25, 0, 0, 0, 0, 0]),
        ('?', [0] * 6),
    ],
)
def test_keys_move_the_tool(typed, expected):
    keys = Keys()
    keys.type(typed, START)
    np.testing.assert_allclose(reader().read(*keys.joy(START))[0], expected)


def leader(**changes):
    return LeaderInput(LEADER, '', LeaderConfig(**changes))


def held(positions, names=LEADER):
    """Return what feeds the loop with a leader that is held still, its joints in any order."""
    return lambda source, now_ns: source.set(names[::-1], positions[::-1].tolist(), now_ns)


def test_a_leader_nearby_is_followed():
    loop = Loop(leader())
    goal = HOME + 0.08
    commands = loop.run(1.5, held(goal))
    np.testing.assert_allclose(commands[-1], goal, atol=2e-3)
    assert np.abs(np.diff(commands, axis=0)).max() * 1e3 > 0.25
    assert not loop.refused and not judge(commands)


def test_a_leader_further_off_is_approached_slowly_then_followed():
    loop = Loop(leader())
    goal = HOME + np.array([0.5, 0, 0, 0, 0, 0, 0])
    commands = loop.run(1.0, held(goal))
    assert np.abs(np.diff(commands, axis=0)).max() * 1e3 < 0.25
    assert loop.source.approach.startswith('approaching the leader slowly: leader_joint1 is 0.')
    loop.run(3.0, held(goal))
    np.testing.assert_allclose(loop.position, goal, atol=2e-3)
    faster = loop.run(1.0, held(HOME))
    assert np.abs(np.diff(faster, axis=0)).max() * 1e3 > 0.5
    assert not judge(np.array(loop.commanded))


def test_a_leader_too_far_off_does_not_move_the_arm():
    far = leader()
    far.set(LEADER, (HOME + [0, 0, 0, 1.5, 0, 0, 0]).tolist(), START)
    with pytest.raises(InputRefused, match=r'leader_joint4 is 1.50 rad from the arm, more than'):
        far.wish(HOME)


def test_a_leader_that_jumps_is_not_followed():
    near = leader()
    near.set(LEADER, HOME.tolist(), START)
    assert near.wish(HOME + 0.05) is not None
    near.set(LEADER, (HOME + 1.0).tolist(), START + NS // 100)
    with pytest.raises(InputRefused, match='from the arm'):
        near.wish(HOME + 0.05)


def test_a_leader_that_was_silent_is_approached_anew():
    loop = Loop(leader())
    loop.run(0.5, held(HOME))
    loop.run(1.0)
    commands = loop.run(0.5, held(HOME + 0.4))
    assert np.abs(np.diff(commands, axis=0)).max() * 1e3 < 0.25


@pytest.mark.parametrize(
    ('names', 'positions', 'message'),
    [
        (LEADER[:6], [0.0] * 6, 'no leader_joint7 among'),
        (LEADER, [0.0] * 6, '7 names, 6 positions'),
        (LEADER, [np.nan] * 7, 'position of leader_joint1 is not finite: nan'),
    ],
)
def test_a_leader_that_cannot_be_read_moves_nothing(names, positions, message):
    broken = leader()
    broken.set(LEADER, (HOME + 0.05).tolist(), START)
    with pytest.raises(InputRefused, match=message):
        broken.set(names, positions, START)
    assert broken.wish(HOME) is None


@pytest.mark.parametrize(('position', 'opening'), [(0.0, 1.0), (-0.8, 0.0), (-0.4, 0.5), (9, 1.0)])
def test_the_leaders_finger_opens_the_gripper(position, opening):
    hand = LeaderInput(LEADER, 'finger', LeaderConfig(finger_range=(-0.8, 0.0)))
    hand.set([*LEADER, 'finger'], [*HOME, position], START)
    assert hand.opening == opening
