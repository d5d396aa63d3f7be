# SPDX-License-Identifier: Apache-2.0
"""Joint states are read by name, and what is missing is named."""

from dp_ros.robot.joint_names import in_order
import numpy as np
import pytest

WANTED = ('joint1', 'joint2')


def test_joints_are_taken_by_name_from_among_others():
    names = ('finger', 'joint2', 'joint1')
    np.testing.assert_array_equal(in_order(WANTED, names, (0.04, 2.0, 1.0)), [1.0, 2.0])


@pytest.mark.parametrize(
    ('names', 'positions', 'message'),
    [
        (('joint1', 'finger'), (0.0, 0.0), r"no joint2 among \['joint1', 'finger'\]$"),
        (WANTED, (0.0,), '2 names, 1 positions'),
        (WANTED, (0.0, np.inf), 'position of joint2 is not finite: inf'),
        (WANTED, (0.0, 1e300), r'position of joint2 is 1e\+300: no joint goes that far'),
        ((*WANTED, 'joint2'), (0.0, 1.0, 2.0), 'joint2 is named more than once'),
        (
            ('left_joint1', 'left_joint2'),
            (0.0, 0.0),
            'is joint1 the same as left_joint1.*set arm_joints',
        ),
    ],
)
def test_what_cannot_be_read_is_named(names, positions, message):
    with pytest.raises(ValueError, match=message):
        in_order(WANTED, names, positions, 'arm_joints')
