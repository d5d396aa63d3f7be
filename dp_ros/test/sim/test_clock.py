# SPDX-License-Identifier: Apache-2.0
"""Simulated time: as fast as real time, or as fast as it can be computed."""

import math

from dp_ros.robot.units import MS, NS
from dp_ros.sim.clock import SlippingClock, Speed, TimeTable, slowness
import pytest

EPOCH = 1_800_000_000 * NS
STEADY = 5_000 * NS


@pytest.fixture(params=[1.0, 0.1, 3.0])
def clock(request):
    return SlippingClock(request.param, EPOCH, STEADY)


def test_time_passes_as_fast_as_is_wanted_for_one_who_keeps_up(clock):
    simulated_ns = EPOCH
    for real_ns in range(0, 2 * NS, MS):
        simulated_ns = clock.now_ns(STEADY + real_ns, simulated_ns)
        assert simulated_ns == EPOCH + round(clock.factor * real_ns)


def test_time_waits_for_one_who_does_not_and_never_goes_back(clock):
    simulated_ns, last_ns = EPOCH, EPOCH
    for real_ns in range(0, 100 * NS, NS // 10):
        now_ns = clock.now_ns(STEADY + real_ns, simulated_ns)
        assert 0 <= now_ns - simulated_ns <= 20 * MS
        assert now_ns >= last_ns
        last_ns, simulated_ns = now_ns, min(now_ns, simulated_ns + MS)
    # Then it keeps up, and what was lost stays lost.
    later_ns = clock.now_ns(STEADY + 100 * NS, simulated_ns)
    assert later_ns < EPOCH + 2 * NS


def test_as_fast_as_possible_is_as_far_as_was_simulated():
    assert SlippingClock(0.0, EPOCH, STEADY).now_ns(STEADY + NS, EPOCH + 7 * NS) == EPOCH + 7 * NS


def test_the_speed_is_that_of_the_last_second():
    speed = Speed()
    simulated_ns, measured = EPOCH, []
    for step in range(40):
        measured.append(speed.measure(STEADY + step * NS // 10, simulated_ns))
        simulated_ns += NS // 10 if step < 20 else NS // 50
    assert math.isnan(measured[4])
    assert measured[5:21] == pytest.approx([1.0] * 16)
    assert measured[25] == pytest.approx(0.6)
    assert measured[30:] == pytest.approx([0.2] * 10)


@pytest.mark.parametrize(
    ('speed', 'wanted', 'words'),
    [
        (0.2, 1.0, 'the simulation runs at 0.2 of real time'),
        (0.95, 1.0, ''),
        (0.95, 3.0, 'the simulation runs at 0.95 of real time'),
        (20.0, 0.0, ''),
        (math.nan, 1.0, ''),
    ],
)
def test_what_is_slow_is_said(speed, wanted, words):
    assert slowness(speed, wanted) == words


def test_real_and_simulated_times_are_told_of_each_other():
    real = [EPOCH, EPOCH + 100 * MS, EPOCH + 600 * MS]
    simulated = [EPOCH - NS, EPOCH - NS + 100 * MS, EPOCH - NS + 200 * MS]
    table = TimeTable(real, simulated)
    assert table.real_ns(EPOCH - 850 * MS) == EPOCH + 350 * MS
    assert table.simulated_ns(EPOCH + 350 * MS) == EPOCH - 850 * MS
    assert table.real_ns(EPOCH) == real[-1]
    assert table.speed == pytest.approx(1 / 3)
    assert math.isnan(TimeTable([], []).speed)
