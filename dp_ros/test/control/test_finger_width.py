# SPDX-License-Identifier: Apache-2.0
"""Every convention for how far a gripper is open, to the width between its fingers and back."""

from dp_ros.control.gripper.finger_width import WidthScale, target_widths
from dp_ros.robot.trajectory import Trajectory
import numpy as np
import pytest

PER_FINGER = WidthScale(closed=0.0, open=0.04, stroke=0.08)
FULL_WIDTH = WidthScale(closed=0.0, open=0.08, stroke=0.08)
KNUCKLE = WidthScale(closed=0.8, open=0.0, stroke=0.085)
BYTES = WidthScale(closed=255.0, open=0.0, stroke=0.085)


@pytest.mark.parametrize(
    ('scale', 'number', 'width'),
    [
        (PER_FINGER, 0.04, 0.08),
        (PER_FINGER, 0.01, 0.02),
        (FULL_WIDTH, 0.02, 0.02),
        (KNUCKLE, 0.8, 0.0),
        (KNUCKLE, 0.0, 0.085),
        (KNUCKLE, 0.2, 0.06375),
        (BYTES, 51.0, 0.068),
    ],
)
def test_a_number_is_a_width_and_the_width_that_number(scale, number, width):
    assert scale.width(number) == pytest.approx(width)
    assert scale.number(width) == pytest.approx(number)


def test_a_scale_without_a_range_is_refused():
    with pytest.raises(ValueError, match='closed and open are both 0.8'):
        WidthScale(closed=0.8, open=0.8, stroke=0.085)


def test_one_finger_says_as_much_as_two_and_two_give_their_mean():
    fingers = ('left', 'right')
    both = Trajectory(fingers, 1, np.zeros(1), np.array([[0.01, 0.03]]))
    one = Trajectory(('right',), 1, np.zeros(1), np.array([[0.02]]))
    assert target_widths(both, fingers, PER_FINGER) == pytest.approx([0.04])
    assert target_widths(one, fingers, PER_FINGER) == pytest.approx([0.04])


def test_a_little_beyond_the_stroke_is_the_stroke():
    target = Trajectory(('a',), 1, np.arange(2.0), np.array([[-0.003], [0.043]]))
    assert target_widths(target, ('a',), PER_FINGER) == pytest.approx([0.0, 0.08])
