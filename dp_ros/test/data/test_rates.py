# SPDX-License-Identifier: Apache-2.0
"""When a stream counts as slow."""

from dp_ros.data.bags.rates import WINDOW_NS, RateWatch


def test_a_stream_is_slow_when_a_window_holds_too_few():
    watch = RateWatch({'camera': 10.0, 'joints': 100.0})
    for _ in range(20):
        watch.count('camera')
    for _ in range(150):
        watch.count('joints')
    watch.count('other')
    assert watch.slow(WINDOW_NS - 1) is None
    assert watch.slow(WINDOW_NS) == ['joints comes at 75.0 Hz, less than 100']


def test_every_window_counts_anew():
    watch = RateWatch({'camera': 1.0})
    watch.count('camera')
    watch.restart(WINDOW_NS)
    assert watch.slow(2 * WINDOW_NS) == ['camera comes at 0.0 Hz, less than 1']
