# SPDX-License-Identifier: Apache-2.0
"""The matches of ros2/message_filters (jazzy, 4.11), read off its Python implementation."""

from types import SimpleNamespace

import message_filters
from message_filters import (
    ApproximateTimeSynchronizer,
    Cache,
    SimpleFilter,
    Subscriber,
    TimeSynchronizer,
)
import pytest
import rclpy
from rclpy.time import Time
from std_msgs.msg import Header

MILLISECOND = 1_000_000


def message(name, stamp_ms):
    stamp = Time(nanoseconds=stamp_ms * MILLISECOND).to_msg()
    return SimpleNamespace(name=name, header=SimpleNamespace(stamp=stamp))


def matches(make_synchronizer, arrivals):
    """Send `a10 b12` (input, stamp [ms]) in order; return the matches, like `a10+b12`."""
    inputs = {letter: SimpleFilter() for letter in sorted({word[0] for word in arrivals.split()})}
    synchronizer = make_synchronizer(list(inputs.values()))
    found = []
    synchronizer.registerCallback(lambda *set_: found.append('+'.join(m.name for m in set_)))
    for word in arrivals.split():
        inputs[word[0]].signalMessage(message(word, int(word[1:])))
    return ' '.join(found)


@pytest.mark.parametrize(
    ('queue_size', 'slop_ms', 'arrivals', 'expected'),
    [
        (5, 10, 'a100 b105', 'a100+b105'),
        (5, 10, 'b105 a100', 'a100+b105'),
        # the spread has to be less than the slop
        (5, 10, 'a100 b110', ''),
        (5, 10, 'a100 b109', 'a100+b109'),
        (5, 0, 'a100 b100', ''),
        # the nearest partner wins, the earlier arrival among equals
        (5, 10, 'a100 a108 b107', 'a108+b107'),
        (5, 10, 'a100 a106 b103', 'a100+b103'),
        # a match takes its messages out and leaves older ones in
        (5, 10, 'a100 a108 b107 b104', 'a108+b107 a100+b104'),
        (5, 10, 'a100 b101 b102', 'a100+b101'),
        # stamps may come in any order, also backwards
        (5, 10, 'a200 a100 b101 b201', 'a100+b101 a200+b201'),
        # a full queue drops the oldest stamp, even the one that has just come
        (2, 10, 'a100 a200 a300 b101 b201', 'a200+b201'),
        (2, 10, 'a200 a300 a100 b101', ''),
        (1, 10, 'a100 a200 b101 b201', 'a200+b201'),
        # an equal stamp replaces
        (5, 10, 'a100 a100 b101 b102', 'a100+b101'),
        # three inputs: all within the slop of each other, not only of the newest
        (5, 10, 'a100 b109 c104', 'a100+b109+c104'),
        (5, 10, 'a100 b112 c106', ''),
        (5, 10, 'a100 b112 b107 c106', 'a100+b107+c106'),
        (5, 10, 'a100 b101 c300', ''),
    ],
)
def test_approximate_matches(queue_size, slop_ms, arrivals, expected):
    def make(inputs):
        return ApproximateTimeSynchronizer(inputs, queue_size, slop_ms / 1000)

    assert matches(make, arrivals) == expected


@pytest.mark.parametrize(
    ('queue_size', 'arrivals', 'expected'),
    [
        (5, 'a100 b100', 'a100+b100'),
        (5, 'a100 b101', ''),
        (5, 'b200 b100 a100 a200', 'a100+b100 a200+b200'),
        # what is older than a match stays (newer than Jazzy, it is dropped)
        (5, 'a100 a200 b200 b100', 'a200+b200 a100+b100'),
        (1, 'a100 a200 b100 b200', 'a200+b200'),
        (5, 'a100 b100 c200 c100', 'a100+b100+c100'),
    ],
)
def test_exact_matches(queue_size, arrivals, expected):
    assert matches(lambda inputs: TimeSynchronizer(inputs, queue_size), arrivals) == expected


def test_headerless_messages_are_refused_unless_allowed():
    for allowed, expected in ((False, 0), (True, 1)):
        inputs = SimpleFilter(), SimpleFilter()
        synchronizer = ApproximateTimeSynchronizer(inputs, 5, 10.0, allow_headerless=allowed)
        found = []
        synchronizer.registerCallback(lambda *set_, found=found: found.append(set_))
        for source in inputs:
            source.signalMessage(SimpleNamespace(data=1))
        assert len(found) == expected


def test_a_failing_callback_does_not_block_the_synchronizer():
    source = SimpleFilter()
    synchronizer = ApproximateTimeSynchronizer([source], 5, 0.1)
    synchronizer.registerCallback(lambda m: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        source.signalMessage(message('a', 100))
    assert synchronizer.lock.acquire(blocking=False)


def test_callbacks_get_their_arguments_in_order_of_registration():
    source, got = SimpleFilter(), []
    assert source.registerCallback(lambda m, extra: got.append((m, extra)), 'first') == 0
    assert source.registerCallback(lambda m: got.append(m)) == 1
    source.signalMessage('m')
    assert got == [('m', 'first'), 'm']


def test_cache_answers_by_time():
    source = SimpleFilter()
    cache = Cache(source, cache_size=3)
    assert cache.getLast() is None
    messages = [message(str(ms), ms) for ms in (100, 200, 300, 400)]
    for m in messages:
        source.signalMessage(m)

    def at(ms):
        return Time.from_msg(message('', ms).header.stamp)

    assert cache.getInterval(at(150), at(300)) == messages[1:3]
    assert cache.getElemAfterTime(at(201)) is messages[2]
    assert cache.getElemBeforeTime(at(299)) is messages[1]
    assert cache.getElemBeforeTime(at(199)) is None
    assert (cache.getOldestTime(), cache.getLastestTime()) == (at(200), at(400))
    assert cache.getLast() is messages[3]


def test_subscriber_passes_messages_on():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=47)
    node = rclpy.create_node('filters', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        subscriber = Subscriber(node, Header, 'header', qos_profile=5)
        got = []
        subscriber.registerCallback(got.append)
        publisher = node.create_publisher(Header, 'header', 5)
        publisher.publish(Header(frame_id='here'))
        executor.spin_once(timeout_sec=5.0)
        assert [m.frame_id for m in got] == ['here']
        assert subscriber.getTopic() == 'header'
        assert subscriber.topic_name == '/header'
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def test_what_is_missing_names_the_real_package():
    with pytest.raises(ImportError, match='ros-jazzy-message-filters'):
        message_filters.TimeSequencer  # noqa: B018
    with pytest.raises(AttributeError):
        message_filters.NoSuchThing  # noqa: B018
