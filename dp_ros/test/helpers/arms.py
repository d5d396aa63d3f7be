# SPDX-License-Identifier: Apache-2.0
"""Robot descriptions: an FR3 as franka_description writes it, and an arm of six joints."""

from math import pi

FR3_JOINTS = tuple(f'fr3_joint{i}' for i in range(1, 8))
SIX_JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow', 'wrist_1', 'wrist_2', 'wrist_3')
SIX_HOME = (0.3, -1.4, 1.9, -2.0, -1.5, 0.2)
"""Joint positions with the tool in front, pointing down."""

# Of franka_description: origin and limits of each joint, then of what is fixed behind them.
_FR3 = (
    ('0 0 0.333', '0 0 0', -2.7437, 2.7437, 2.62),
    ('0 0 0', f'{-pi / 2} 0 0', -1.7837, 1.7837, 2.62),
    ('0 -0.316 0', f'{pi / 2} 0 0', -2.9007, 2.9007, 2.62),
    ('0.0825 0 0', f'{pi / 2} 0 0', -3.0421, -0.1518, 2.62),
    ('-0.0825 0.384 0', f'{-pi / 2} 0 0', -2.8065, 2.8065, 5.26),
    ('0 0 0', f'{pi / 2} 0 0', 0.5445, 4.5169, 4.18),
    ('0.088 0 0', f'{pi / 2} 0 0', -3.0159, 3.0159, 5.26),
)
_FR3_FIXED = (
    ('fr3_link8', '0 0 0.107', '0 0 0'),
    ('fr3_hand', '0 0 0', f'0 0 {-pi / 4}'),
    ('fr3_hand_tcp', '0 0 0.1034', '0 0 0'),
)
# The lengths of a UR5e, and position limits as people narrow them.
_SIX = (
    ('0 0 0.1625', '0 0 0', -6.2832, 6.2832, 3.1416),
    ('0 0 0', f'{pi / 2} 0 0', -3.1416, 0.5, 3.1416),
    ('-0.425 0 0', '0 0 0', -3.0, 3.0, 3.1416),
    ('-0.3922 0 0.1333', '0 0 0', -6.2832, 6.2832, 3.1416),
    ('0 -0.0997 0', f'{pi / 2} 0 0', -6.2832, 6.2832, 3.1416),
    ('0 0.0996 0', f'{pi / 2} {pi} {pi}', -6.2832, 6.2832, 3.1416),
)


def joint(name, parent, child, xyz='0 0 0', rpy='0 0 0', limits=None, inner=''):
    """Write a joint about z with (lower, upper, velocity), or a fixed one without limits."""
    kind, limit = 'fixed', ''
    if limits is not None:
        kind = 'revolute'
        lower, upper, velocity = limits
        limit = f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="87"/>'
    return (
        f'<joint name="{name}" type="{kind}"><origin xyz="{xyz}" rpy="{rpy}"/>'
        f'<parent link="{parent}"/><child link="{child}"/><axis xyz="0 0 1"/>{limit}{inner}'
        '</joint>'
    )


def robot(links, joints):
    """Write a robot of links, all with looks that are no file, and joints."""
    looks = '<visual><geometry><mesh filename="package://none/no.dae"/></geometry></visual>'
    return (
        '<?xml version="1.0"?><robot name="arm">'
        + ''.join(f'<link name="{link}">{looks}</link>' for link in links)
        + ''.join(joints)
        + '</robot>'
    )


def fr3(limits=None, fixed=_FR3_FIXED, at='0 0 0'):
    """Write an FR3, with other limits (7, 3), other frames behind its flange, or elsewhere."""
    limits = [each[2:] for each in _FR3] if limits is None else limits
    joints = [joint('fr3_base_joint', 'base', 'fr3_link0', at)]
    for i, (xyz, rpy, *_) in enumerate(_FR3):
        parent, child = f'fr3_link{i}', f'fr3_link{i + 1}'
        joints.append(joint(FR3_JOINTS[i], parent, child, xyz, rpy, limits[i]))
    for name, xyz, rpy in fixed:
        joints.append(joint(f'{name}_joint', child, name, xyz, rpy))
        child = name
    links = ['base', *(f'fr3_link{i}' for i in range(8)), *(each[0] for each in fixed)]
    return robot(links, joints)


def six(more_links=(), more_joints=()):
    """Write an arm of six joints with a tool frame, and what else is mounted on it."""
    links = ['world', 'base', *(f'six_link{i}' for i in range(7)), 'tool0']
    joints = [
        joint('world_joint', 'world', 'six_link0', '0.5 0 0', f'0 0 {pi}'),
        joint('base_joint', 'six_link0', 'base', rpy=f'0 0 {pi}'),
    ]
    for i, (xyz, rpy, *limits) in enumerate(_SIX):
        joints.append(joint(SIX_JOINTS[i], f'six_link{i}', f'six_link{i + 1}', xyz, rpy, limits))
    joints.append(joint('tool_joint', 'six_link6', 'tool0', '0 0 0.1'))
    return robot([*links, *more_links], [*joints, *more_joints])
