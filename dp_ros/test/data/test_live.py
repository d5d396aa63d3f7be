# SPDX-License-Identifier: Apache-2.0
"""What the aggregator decides on live streams, message by message."""

from bag_maker import JOINTS, MS, START, pixels, spec, where
from dp_ros.data.windows.live import LiveLimits, LiveWindows
import numpy as np
import pytest


class Streams:
    """Pushes samples stamped `ms` after START as if they came `delay` ms later."""

    def __init__(self, limits=None, **changes):
        self.live = LiveWindows(spec(**changes), limits or LiveLimits())

    def joints(self, ms, delay=1):
        now_ns = START + (ms + delay) * MS
        self.live.push_joints(START + ms * MS, now_ns, JOINTS, where(ms / 1000))

    def image(self, ms, delay=2):
        now_ns = START + (ms + delay) * MS
        time_ns = self.live.push_image('front', START + ms * MS, now_ns, pixels(0))
        if time_ns is not None:
            self.live.push_set({'front': time_ns}, now_ns)

    def windows(self, ms):
        return [w.stamp_ns for w in self.live.windows(START + ms * MS)]


def running(until_ms=160):
    """Streams after two images and the joint states around them."""
    streams = Streams()
    for ms in range(0, until_ms, 10):
        streams.joints(ms)
    streams.image(50)
    streams.image(150)
    return streams


def test_a_window_waits_for_the_joint_states_it_needs():
    streams = running(until_ms=150)
    assert streams.windows(152) == []
    streams.joints(155)
    assert streams.windows(156) == [START + 150 * MS]
    assert streams.windows(157) == []


def test_a_window_is_given_up_when_the_joint_states_stay_away():
    streams = running(until_ms=150)
    assert streams.windows(252) == []
    assert streams.live.counts['joint_states'].dropped == 0
    assert streams.windows(253) == []
    assert streams.live.last_refusal == 'joint_states: the newest is 10.0 ms before the image'
    streams.joints(255)
    assert streams.windows(256) == []


def test_nothing_at_all_on_joint_states():
    streams = Streams()
    streams.image(50)
    assert streams.windows(300) == []
    assert streams.live.last_refusal == 'joint_states: no sample to use'


@pytest.mark.parametrize(
    ('period_ms', 'count'), [(33, 26), (50, 18), (100, 9), (110, 8), (200, 0), (250, 0)]
)
def test_a_camera_of_another_rate_gives_windows_or_the_reason_why_not(period_ms, count):
    """The frames are 100 ms apart: for each an image within 40 ms has to be there."""
    streams = Streams()
    for ms in range(0, 1000, 10):
        streams.joints(ms)
    for ms in range(0, 990, period_ms):
        streams.image(ms)
    assert len(streams.windows(1000)) == count
    if count == 0:
        assert 'camera front: nearest image is' in streams.live.last_refusal


def test_what_comes_late_is_counted_and_named():
    streams = running()
    streams.image(250, delay=501)
    count = streams.live.counts['front']
    assert (count.received, count.matched, count.dropped, count.late) == (3, 2, 1, 1)
    assert count.last_refusal == ('camera front: came 501.0 ms after its stamp, max_age is 500 ms')


@pytest.mark.parametrize(
    ('ms', 'delay', 'reason'),
    [
        (300, -101, 'stamp is 101.0 ms in the future'),
        (140, 5, 'stamp goes back by 10.0 ms'),
        (-START // MS, START // MS, 'stamp 0 ns; the driver must set header.stamp'),
    ],
)
def test_stamps_that_are_refused(ms, delay, reason):
    streams = running()
    streams.image(ms, delay)
    streams.joints(ms, delay)
    for stream in ('front', 'joint_states'):
        count = streams.live.counts[stream]
        assert reason in count.last_refusal
        assert (count.dropped, count.late) == (1, 0)


def test_the_limits_can_change_while_it_runs():
    streams = running()
    streams.live.limits = LiveLimits(max_age_ns=1000 * MS)
    streams.image(250, delay=501)
    assert streams.live.counts['front'].late == 0


def test_a_reset_forgets_windows_that_were_due():
    streams = running(until_ms=150)
    streams.live.reset(START + 160 * MS)
    for ms in range(155, 300, 10):
        streams.joints(ms)
    assert streams.windows(300) == []
    streams.image(170)
    assert streams.windows(301) == []
    streams.image(270)
    assert streams.windows(302) == [START + 270 * MS]


def test_silence_is_noticed_once_per_question():
    streams = running()
    count = streams.live.counts['front']
    assert not count.silent()
    assert count.silent()
    streams.image(250)
    assert not count.silent()


def test_every_message_is_accounted_for():
    streams = running()
    streams.live.refuse('front', 'image of another encoding')
    for stream, count in streams.live.counts.items():
        assert count.received == count.matched + count.dropped, stream


def test_an_arm_and_its_hand_in_messages_of_their_own():
    """Live as from a bag: each joint is interpolated at the stamps of all messages."""
    streams = Streams(joint_names=('arm', 'finger'))
    for ms in range(0, 180, 10):
        for name, ahead in (('arm', 0), ('finger', 4)):
            stamp_ns = START + (ms + ahead) * MS
            position = [(ms + ahead) / 1000]
            streams.live.push_joints(stamp_ns, stamp_ns + MS, [name], position)
    streams.image(50)
    streams.image(150)
    (window,) = list(streams.live.windows(START + 180 * MS))
    np.testing.assert_allclose(window.state, [[0.05, 0.05], [0.15, 0.15]], atol=1e-9)
    streams.live.push_joints(START + 300 * MS, START + 301 * MS, ['arm'], [0.0])
    refusal = streams.live.counts['joint_states'].last_refusal
    assert refusal.startswith("joint_states: no finger among ['arm'], nor in another message")
