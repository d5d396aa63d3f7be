# SPDX-License-Identifier: Apache-2.0
"""The buffer's answers and refusals, as upstream's `tf2::BufferCore` gives them."""

import math
import threading
import time
from types import SimpleNamespace

from geometry_msgs.msg import TransformStamped
import numpy as np
import pytest
from rclpy.clock import ClockType, ROSClock
from rclpy.duration import Duration
from rclpy.time import Time
import tf2_ros
from tf2_ros import (
    Buffer,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)

LATEST = Time()


def at(seconds):
    return Time(nanoseconds=round(seconds * 1e9), clock_type=ClockType.ROS_TIME)


def about_z(angle):
    return (0.0, 0.0, math.sin(angle / 2), math.cos(angle / 2))


def transform(parent, child, seconds, xyz=(0.0, 0.0, 0.0), rotation=(0.0, 0.0, 0.0, 1.0)):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = at(seconds).to_msg()
    t, r = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = map(float, xyz)
    r.x, r.y, r.z, r.w = map(float, rotation)
    return message


def filled(*transforms, static=()):
    buffer = Buffer()
    for message in transforms:
        buffer.set_transform(message, 'test')
    for message in static:
        buffer.set_transform_static(message, 'test')
    return buffer


def translation(message):
    t = message.transform.translation
    return [t.x, t.y, t.z]


def rotation(message):
    r = message.transform.rotation
    return [r.x, r.y, r.z, r.w]


def moving():
    """Give a buffer in which `b` moves in `a` from x = 1 to 3 and turns by 90 degrees."""
    return filled(
        transform('a', 'b', 10, (1, 0, 0)),
        transform('a', 'b', 12, (3, 0, 0), about_z(math.pi / 2)),
    )


@pytest.mark.parametrize(
    ('seconds', 'x', 'angle'),
    [(10, 1, 0), (10.5, 1.5, 22.5), (11, 2, 45), (12, 3, 90), (0, 3, 90)],
)
def test_interpolates_between_two_times(seconds, x, angle):
    found = moving().lookup_transform('a', 'b', at(seconds))
    np.testing.assert_allclose(translation(found), [x, 0, 0], atol=1e-9)
    np.testing.assert_allclose(rotation(found), about_z(math.radians(angle)), atol=1e-9)
    assert found.header.frame_id == 'a'
    assert found.child_frame_id == 'b'
    assert found.header.stamp == at(seconds or 12).to_msg()


def test_slerp_takes_the_shorter_way():
    there = [-v for v in about_z(math.radians(60))]
    buffer = filled(transform('a', 'b', 10), transform('a', 'b', 12, rotation=there))
    found = buffer.lookup_transform('a', 'b', at(11))
    np.testing.assert_allclose(rotation(found), about_z(math.radians(30)), atol=1e-9)


def test_inverse_chain_and_siblings():
    buffer = filled(
        transform('root', 'left', 10, (1, 0, 0), about_z(math.pi / 2)),
        transform('root', 'right', 10, (0, 5, 0)),
        transform('left', 'tip', 10, (2, 0, 0)),
    )
    cases = {
        ('root', 'tip'): (1, 2, 0),
        ('tip', 'root'): (-2, 1, 0),
        ('right', 'tip'): (1, -3, 0),
        ('left', 'right'): (5, 1, 0),
        ('tip', 'left'): (-2, 0, 0),
    }
    for (target, source), expected in cases.items():
        found = buffer.lookup_transform(target, source, at(10))
        np.testing.assert_allclose(translation(found), expected, atol=1e-9)


def test_latest_is_the_newest_time_that_all_links_have():
    buffer = filled(
        transform('a', 'b', 10),
        transform('a', 'b', 13),
        transform('b', 'c', 9, (1, 0, 0)),
        transform('b', 'c', 11, (3, 0, 0)),
        static=[transform('c', 'd', 500)],
    )
    assert buffer.lookup_transform('a', 'd', LATEST).header.stamp == at(11).to_msg()
    assert buffer.get_latest_common_time('a', 'd') == Time(seconds=11)
    assert buffer.lookup_transform('c', 'd', LATEST).header.stamp == at(0).to_msg()
    assert buffer.lookup_transform('c', 'd', at(3)).header.stamp == at(3).to_msg()


def test_a_frame_in_itself_needs_no_data():
    found = Buffer().lookup_transform('nowhere', 'nowhere', at(5))
    assert rotation(found) == [0, 0, 0, 1]
    assert found.header.stamp == at(5).to_msg()


def test_full_lookup_goes_through_the_fixed_frame():
    buffer = moving()
    found = buffer.lookup_transform_full('b', at(12), 'b', at(10), 'a')
    np.testing.assert_allclose(translation(found), [0, 2, 0], atol=1e-9)
    assert buffer.can_transform_full('b', at(12), 'b', at(10), 'a')
    assert not buffer.can_transform_full('b', at(14), 'b', at(10), 'a')


IN_B = ', when looking up transform from frame [b] to frame [a]'


@pytest.mark.parametrize(
    ('query', 'error', 'words'),
    [
        (
            ('a', 'b', at(12.5)),
            ExtrapolationException,
            'Lookup would require extrapolation into the future.  Requested time 12.500000 but '
            'the latest data is at time 12.000000' + IN_B,
        ),
        (
            ('a', 'b', at(9)),
            ExtrapolationException,
            'Lookup would require extrapolation into the past.  Requested time 9.000000 but the '
            'earliest data is at time 10.000000' + IN_B,
        ),
        (
            ('p', 'q', at(9)),
            ExtrapolationException,
            'Lookup would require extrapolation at time 9.000000, but only time 10.000000 is in '
            'the buffer, when looking up transform from frame [q] to frame [p]',
        ),
        (
            ('b', 'q', at(10)),
            ConnectivityException,
            "Could not find a connection between 'b' and 'q' because they are not part of the "
            'same tree.Tf has two or more unconnected trees.',
        ),
        (
            ('a', 'gone', at(10)),
            LookupException,
            '"gone" passed to lookupTransform argument source_frame does not exist. ',
        ),
        (
            ('', 'b', at(10)),
            InvalidArgumentException,
            'Invalid argument "" passed to lookupTransform argument target_frame - in tf2 '
            'frame_ids cannot be empty',
        ),
        (
            ('/a', 'b', at(10)),
            InvalidArgumentException,
            'Invalid argument "/a" passed to lookupTransform argument target_frame - in tf2 '
            "frame_ids cannot start with a '/'",
        ),
    ],
)
def test_refusals_in_the_words_of_upstream(query, error, words):
    buffer = moving()
    buffer.set_transform(transform('p', 'q', 10), 'test')
    with pytest.raises(error) as caught:
        buffer.lookup_transform(*query)
    assert str(caught.value) == words
    assert isinstance(caught.value, TransformException)
    possible, reason = buffer.can_transform(*query, return_debug_tuple=True)
    assert not possible
    assert reason
    assert not buffer.can_transform(*query)


def test_why_a_frame_cannot_be_transformed():
    assert moving().can_transform('a', 'gone', at(10), return_debug_tuple=True) == (
        0,
        'Invalid frame ID "gone" passed to canTransform argument source_frame - '
        'frame does not exist',
    )


def test_a_loop_is_named():
    buffer = filled(transform('a', 'b', 10), transform('b', 'a', 10), transform('x', 'y', 10))
    with pytest.raises(LookupException, match='contains a loop'):
        buffer.lookup_transform('x', 'b', at(10))


@pytest.mark.parametrize(
    'wrong',
    [
        transform('a', 'a', 10),
        transform('a', '', 10),
        transform('', 'b', 10),
        transform('a', 'b', 10, (math.nan, 0, 0)),
        transform('a', 'b', 10, rotation=(0, 0, 0, 0)),
    ],
)
def test_a_transform_that_makes_no_sense_is_ignored(wrong):
    assert filled(wrong).all_frames_as_yaml() == '[]'


def test_leading_slashes_of_what_is_published_are_dropped():
    assert filled(transform('/a', '/b', 10)).can_transform('a', 'b', at(10))


def test_transforms_may_come_in_any_order_but_not_too_old():
    buffer = Buffer(cache_time=Duration(seconds=5))
    for seconds in (10, 12, 11, 6.9):
        buffer.set_transform(transform('a', 'b', seconds, (seconds, 0, 0)), 'test')
    assert translation(buffer.lookup_transform('a', 'b', at(11)))[0] == 11
    assert not buffer.can_transform('a', 'b', at(6.9))
    buffer.set_transform(transform('a', 'b', 16), 'test')
    buffer.set_transform(transform('a', 'b', 16.5), 'test')
    assert not buffer.can_transform('a', 'b', at(10))


def test_a_new_parent_is_not_interpolated_to():
    buffer = filled(transform('a', 'b', 10, (1, 0, 0)), transform('c', 'b', 12, (3, 0, 0)))
    assert translation(buffer.lookup_transform('a', 'b', at(11))) == [1, 0, 0]
    assert not buffer.can_transform('c', 'b', at(11))
    assert buffer.can_transform('c', 'b', LATEST)


def test_waits_for_what_comes_later():
    buffer = moving()
    timer = threading.Timer(0.1, buffer.set_transform, (transform('a', 'b', 14), 'test'))
    timer.start()
    found = buffer.lookup_transform('a', 'b', at(13), timeout=Duration(seconds=10))
    timer.join()
    assert found.header.stamp == at(13).to_msg()


def test_gives_up_after_the_timeout():
    start = time.monotonic()
    assert not moving().can_transform('a', 'b', at(13), Duration(seconds=0.1))
    assert 0.1 <= time.monotonic() - start < 5.0


def test_a_jump_back_of_the_clock_clears_all_but_static():
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(at(20))
    buffer = Buffer(node=SimpleNamespace(get_clock=lambda: clock, create_service=lambda *_: None))
    buffer.set_transform(transform('a', 'b', 20), 'test')
    buffer.set_transform_static(transform('c', 'd', 20), 'test')
    clock.set_ros_time_override(at(19.5))
    assert buffer.can_transform('a', 'b', LATEST)
    clock.set_ros_time_override(at(10))
    assert not buffer.can_transform('a', 'b', LATEST)
    assert buffer.can_transform('c', 'd', LATEST)


def test_what_is_missing_names_the_real_package():
    with pytest.raises(ImportError, match='ros-jazzy-tf2-ros-py'):
        tf2_ros.BufferClient  # noqa: B018
    with pytest.raises(NotImplementedError, match='ros-jazzy-tf2-ros-py'):
        Buffer().transform  # noqa: B018
    with pytest.raises(TypeError, match='time must have sec and nanosec'):
        Buffer().lookup_transform('a', 'b', 12.0)
