# SPDX-License-Identifier: Apache-2.0
"""Cameras in a recording are matched as message_filters matches them live."""

from bag_maker import MS, START
from builtin_interfaces.msg import Time
from dp_ros.data.windows.sync import CameraMatcher
from message_filters import ApproximateTimeSynchronizer, SimpleFilter
import numpy as np
import pytest
from sensor_msgs.msg import Image


def live(arrivals, cameras, queue_size, slop_ns):
    """Return the sets that the live synchronizer finds."""
    found = []
    filters = {camera: SimpleFilter() for camera in cameras}
    synchronizer = ApproximateTimeSynchronizer(list(filters.values()), queue_size, slop_ns / 1e9)
    synchronizer.registerCallback(lambda *images: found.append(tuple(map(stamp, images))))
    for camera, stamp_ns in arrivals:
        message = Image()
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        filters[camera].signalMessage(message)
    return found


def stamp(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def arrivals(cameras, seed):
    """Return images with jitter, drops and delays, in the order of their arrival."""
    rng = np.random.default_rng(seed)
    rows = []
    for camera in cameras:
        for index in np.flatnonzero(rng.random(60) > 0.2):
            stamp_ns = START + int(index) * 33 * MS + int(rng.integers(-8, 8)) * MS
            rows.append((stamp_ns + int(rng.integers(0, 40)) * MS, camera, stamp_ns))
    return [(camera, stamp_ns) for _, camera, stamp_ns in sorted(rows)]


@pytest.mark.parametrize('cameras', [('a',), ('a', 'b'), ('a', 'b', 'c')])
@pytest.mark.parametrize('queue_size', [1, 3, 10])
def test_the_same_sets_as_live(cameras, queue_size):
    for seed in range(5):
        rows = arrivals(cameras, seed)
        matcher = CameraMatcher(cameras, queue_size, 15 * MS)
        sets = [matcher.add(camera, stamp_ns) for camera, stamp_ns in rows]
        expected = live(rows, cameras, queue_size, 15 * MS)
        assert [found for found in sets if found is not None] == expected
        assert expected or queue_size == 1


def test_images_further_apart_than_the_slop_stay_alone():
    matcher = CameraMatcher(('a', 'b'), 10, 20 * MS)
    assert matcher.add('a', START) is None
    assert matcher.add('b', START + 20 * MS) is None
    assert matcher.add('a', START + 30 * MS) == (START + 30 * MS, START + 20 * MS)
