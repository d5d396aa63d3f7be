# SPDX-License-Identifier: Apache-2.0
"""A robot description says which arm it is: an FR3 exactly, another by its own limits, or none."""

from arms import FR3_JOINTS, SIX_HOME, SIX_JOINTS, fr3, joint, robot, six
from dp_ros.robot import arm_model, kinematics
from dp_ros.robot.arm_model import FR3, read_arm, read_tcp
from dp_ros.robot.description import ACCELERATION, JERK, DescriptionError
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.sim.urdf import robot_description
import numpy as np
import pytest

# lower, upper [rad] and velocity [rad/s] of robots/fer/joint_limits.yaml of franka_description.
PANDA = [
    (-2.8973, 2.8973, 2.1750),
    (-1.7628, 1.7628, 2.1750),
    (-2.8973, 2.8973, 2.1750),
    (-3.0718, -0.0698, 2.1750),
    (-2.8973, 2.8973, 2.6100),
    (-0.0175, 3.7525, 2.6100),
    (-2.8973, 2.8973, 2.6100),
]
SEEN = np.random.default_rng(0).uniform(FR3_LIMITS.lower, FR3_LIMITS.upper, (50, 7))


def read(text, names=FR3_JOINTS, base='base', tool='fr3_hand_tcp'):
    return read_arm(text, names, base, tool)


def misfit(text, *args, **kwargs):
    with pytest.raises(DescriptionError) as refused:
        read(text, *args, **kwargs)
    return str(refused.value)


# ---- an FR3


@pytest.mark.parametrize('base', ['base', 'fr3_link0', 'table'])
def test_the_simulated_fr3_has_exactly_the_table_and_the_kinematics_of_an_fr3(base):
    model = read(robot_description(base))
    assert model is FR3
    assert model.limits is FR3_LIMITS
    np.testing.assert_array_equal(model.tcp.position(SEEN), kinematics.forward(SEEN))
    np.testing.assert_array_equal(model.tcp.pose(SEEN), kinematics.link_poses(SEEN)[:, -1])
    np.testing.assert_array_equal(model.tcp.jacobian(SEEN[0]), kinematics.jacobian(SEEN[0]))


def test_so_has_one_as_franka_description_writes_it():
    assert read(fr3()) is FR3


def test_so_has_one_whose_description_is_rounded():
    assert read(fr3().replace('1.5707963267948966', '1.5708').replace('2.7437', '2.744')) is FR3


def test_so_has_one_with_a_prefix():
    text = fr3().replace('"fr3_', '"left_fr3_')
    assert read(text, [f'left_{name}' for name in FR3_JOINTS]) is FR3


def test_another_tool_on_an_fr3_keeps_the_table_and_is_where_it_is_mounted():
    fixed = (('gripper', '0 0 0.107', '0 0 0.5'), ('gripper_tip', '0.01 0 0.2', '0 0.3 0'))
    model = read(fr3(fixed=fixed))
    assert model.limits is FR3_LIMITS
    assert model.summary == 'an FR3, tool_frame gripper_tip in base_frame base'
    flange = kinematics.link_poses(SEEN)[:, 8]
    turn = np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1]])
    expected = flange[:, :3, 3] + flange[:, :3, :3] @ turn @ [0.01, 0, 0.2]
    np.testing.assert_allclose(model.tcp.position(SEEN), expected, rtol=0, atol=1e-12)


def test_an_fr3_that_stands_elsewhere_is_seen_from_its_base_frame():
    model = read(fr3(at='0.1 0 0.7'))
    expected = kinematics.forward(SEEN) + [0.1, 0, 0.7]
    np.testing.assert_allclose(model.tcp.position(SEEN), expected, rtol=0, atol=1e-12)
    assert read(fr3(at='0.1 0 0.7'), base='fr3_link0') is FR3


def test_its_joints_may_be_among_others_and_in_another_order():
    names = ('fr3_finger_joint1', *FR3_JOINTS[::-1])
    tcp = read_tcp(fr3(), names, 'base', 'fr3_hand_tcp')
    q = np.concatenate([np.full((50, 1), 0.04), SEEN[:, ::-1]], axis=1)
    np.testing.assert_array_equal(tcp.position(q), kinematics.forward(SEEN))
    np.testing.assert_array_equal(tcp.jacobian(q[0])[:, :0:-1], kinematics.jacobian(SEEN[0]))
    assert (tcp.jacobian(q[0])[:, 0] == 0).all()
    by_name = arm_model.tcp_by_name(names)
    np.testing.assert_array_equal(by_name.position(q), kinematics.forward(SEEN))


def test_without_a_description_names_tell_an_fr3():
    assert arm_model.by_name(FR3_JOINTS) is FR3
    assert arm_model.by_name([f'left_{name}' for name in FR3_JOINTS]) is FR3
    for names in (
        FR3_JOINTS[:6],
        FR3_JOINTS[::-1],
        SIX_JOINTS,
        [f'panda_joint{i}' for i in '1234567'],
    ):
        assert arm_model.by_name(names) is None
    assert arm_model.tcp_by_name(SIX_JOINTS) is None


@pytest.mark.parametrize(
    ('was', 'is_now'), [('2.62', '2.0'), ('-1.7837', '-1.5'), ('4.5169', '5')]
)
def test_every_joint_of_an_fr3_with_another_limit_is_named_with_both(was, is_now):
    found = misfit(fr3().replace(f'"{was}"', f'"{is_now}"')).split('; ')
    assert found and all(f'{float(is_now):g}' in each and was in each for each in found)


def test_a_panda_under_the_names_of_an_fr3_is_recognized_by_its_limits():
    assert misfit(fr3(PANDA)).startswith(
        'robot_description has the limits of a Panda under the names of an FR3'
    )


# ---- another arm


def test_a_panda_under_its_own_names_has_its_own_limits():
    text = fr3(PANDA).replace('fr3_', 'panda_')
    assert 'has no joint fr3_joint1' in misfit(text) and "it has ['panda_joint1'" in misfit(text)
    model = read(text, [name.replace('fr3', 'panda') for name in FR3_JOINTS])
    assert model.summary.startswith('a Panda, tool_frame panda_hand_tcp')
    limits = model.limits
    np.testing.assert_array_equal(np.stack([limits.lower, limits.upper, limits.velocity]).T, PANDA)
    assert (limits.acceleration == ACCELERATION).all() and (limits.jerk == JERK).all()


def test_an_arm_of_six_joints_has_its_own_limits_in_the_order_asked_for():
    order = SIX_JOINTS[::-1]
    model, other = read(six(), SIX_JOINTS), read(six(), order)
    assert model.summary == 'an arm of 6 joints, tool_frame tool0 in base_frame base'
    assert model.limits.lower.tolist() == [-6.2832, -3.1416, -3.0, -6.2832, -6.2832, -6.2832]
    np.testing.assert_array_equal(other.limits.lower[::-1], model.limits.lower)
    q = np.array(SIX_HOME)
    np.testing.assert_array_equal(other.tcp.pose(q[::-1]), model.tcp.pose(q))
    np.testing.assert_array_equal(other.tcp.jacobian(q[::-1])[:, ::-1], model.tcp.jacobian(q))


def test_accelerations_and_jerks_are_taken_where_a_description_has_them():
    text = six().replace('velocity="3.1416"', 'velocity="3.1416" acceleration="7" jerk="900"', 2)
    limits = read(text, SIX_JOINTS).limits
    assert limits.acceleration.tolist() == [7, 7, *[ACCELERATION] * 4]
    assert limits.jerk.tolist() == [900, 900, *[JERK] * 4]


def test_no_joint_may_be_faster_than_it_can_stop_before_its_limit():
    limits = read(six(), SIX_JOINTS).limits
    low, high = limits.velocity_bounds(limits.upper - 0.2)
    np.testing.assert_allclose(high, np.sqrt(2 * ACCELERATION * 0.2))
    np.testing.assert_array_equal(low, -limits.velocity)


def test_a_prefix_of_the_joint_names_is_named():
    found = misfit(six().replace('"elbow"', '"left_elbow"'), SIX_JOINTS)
    assert 'is elbow the same as left_elbow? Then set joint_names' in found


# ---- frames


def test_a_frame_that_is_not_there_is_named_with_those_that_are():
    found = misfit(six(), SIX_JOINTS, tool='tool1')
    assert found.startswith("robot_description has no tool_frame tool1, it has ['base', 'six_li")
    assert 'no base_frame bas,' in misfit(six(), SIX_JOINTS, base='bas')


def test_of_two_last_links_one_has_to_be_named():
    text = six(['camera'], [joint('camera_joint', 'six_link6', 'camera')])
    found = misfit(text, SIX_JOINTS)
    assert 'has no tool_frame fr3_hand_tcp: set it to one of' in found
    assert found.endswith(', as camera or tool0')
    assert read(text, SIX_JOINTS, tool='camera').summary.startswith('an arm of 6 joints, tool_f')


def test_fingers_are_not_taken_for_the_tool():
    finger = joint('finger', 'tool0', 'fingertip', limits=(0, 0.5, 1))
    text = six(['fingertip', 'tcp'], [finger, joint('tcp_joint', 'tool0', 'tcp')])
    assert 'tool_frame tcp ' in read(text, SIX_JOINTS).summary
    found = misfit(text, SIX_JOINTS, tool='fingertip')
    assert 'tool_frame fingertip is moved by finger, which is none of' in found


def test_a_tool_that_not_every_joint_moves_and_a_base_that_moves_are_refused():
    found = misfit(six(), SIX_JOINTS, tool='six_link4')
    assert found.endswith(
        'tool_frame six_link4 in base_frame base is not moved by wrist_2, wrist_3'
    )
    assert misfit(six(), SIX_JOINTS, base='six_link2').endswith(
        'moved by shoulder_pan, shoulder_lift'
    )
    text = six(['camera'], [joint('camera_joint', 'six_link1', 'camera')])
    found = misfit(text, SIX_JOINTS, base='camera', tool='tool0')
    assert found.endswith('base_frame camera is not moved by shoulder_pan')
    found = misfit(text, SIX_JOINTS, base='tool0', tool='camera')
    assert found.endswith('base_frame tool0 is moved by shoulder_lift')


def test_without_a_frame_base_the_link_of_the_first_joint_counts():
    text = six().replace('"base"', '"pedestal"')
    assert read(text, SIX_JOINTS).summary.endswith('in base_frame six_link0')


# ---- nonsense


@pytest.mark.parametrize(
    'text',
    [
        '',
        'not xml',
        '<robot>',
        '<mujoco/>',
        six().replace('"3.1416"', '"fast"'),
        six().replace('0 0 0.1625', '0 0'),
        six().replace('0 0 0.1625', '0 0 1e300'),
        six().replace('0 0 0.1625', 'nan 0 0'),
        six().replace('<axis xyz="0 0 1"/>', '<axis xyz="0 0 0"/>'),
        six() + ' ' * 1_000_000,
        '<robot>' + '<link name="a"/>' * 20_000 + '</robot>',
        '<robot>' * 1000 + '</robot>' * 1000,
        '<!DOCTYPE robot [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><robot name="&b;"/>',
    ],
)
def test_what_is_no_urdf_is_said_to_be_unreadable(text):
    assert ': cannot be read: ' in misfit(text, SIX_JOINTS)


@pytest.mark.parametrize(
    ('was', 'is_now', 'says'),
    [
        ('type="revolute"', 'type="continuous"', 'shoulder_pan is continuous: only revolute'),
        ('type="revolute"', 'type="prismatic"', 'shoulder_pan is prismatic: only revolute'),
        ('upper="0.5"', '', 'shoulder_lift to a upper of nan: needs -100 to 100'),
        ('upper="0.5"', 'upper="inf"', 'shoulder_lift to a upper of inf: needs'),
        ('upper="0.5"', 'upper="-4"', 'shoulder_lift to -3.1416 … -4 rad: no room'),
        ('velocity="3.1416"', '', 'shoulder_pan to a velocity of nan: needs 0.001 to 30'),
        ('velocity="3.1416"', 'velocity="0"', 'shoulder_pan to a velocity of 0: needs'),
        ('velocity="3.1416"', 'velocity="1e9"', 'shoulder_pan to a velocity of 1e+09: needs'),
        ('effort="87"', 'jerk="0"', 'shoulder_pan to a jerk of 0: needs'),
        ('effort="87"/>', '/><mimic joint="elbow"/>', 'shoulder_pan follows another joint'),
        ('child link="six_link2"', 'child link="six_link1"', 'child link six_link1 is there more'),
        (
            'parent link="six_link1"',
            'parent link="six_link9"',
            'is at six_link9, which is no link',
        ),
        ('parent link="world"', 'parent link="tool0"', 'is in a loop of joints'),
        ('"elbow"', '"wrist_1"', 'joint wrist_1 is there more than once'),
        ('link name="tool0"', 'link name="base"', 'link base is there more than once'),
    ],
)
def test_an_arm_that_cannot_be_driven_is_refused_by_name(was, is_now, says):
    assert was in six()
    assert says in misfit(six().replace(was, is_now), SIX_JOINTS)


def test_a_joint_without_limits_is_refused_and_so_is_every_other_one():
    found = misfit(
        robot(
            ['a', *'bcdefgh'],
            [
                joint(name, 'a', child).replace('fixed', 'revolute')
                for name, child in zip(FR3_JOINTS, 'bcdefgh', strict=True)
            ],
        )
    )
    assert found.count('to a lower of nan') == 7


def test_a_chain_that_is_very_long_is_refused():
    links = [f'link{i}' for i in range(400)]
    joints = [joint(f'j{i}', links[i], links[i + 1]) for i in range(399)]
    assert 'over 200 from the root' in misfit(
        robot([*links], [*joints[:-1], joint('elbow', links[398], links[399], limits=(0, 1, 1))]),
        ['elbow'],
        tool='link399',
    )
