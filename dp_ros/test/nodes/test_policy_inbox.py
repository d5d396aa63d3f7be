# SPDX-License-Identifier: Apache-2.0
"""Which observation the next chunk is denoised from, and when."""

from dp_ros.data.windows.window import Refusal
from dp_ros.nodes.policy.inbox import Inbox, InboxLimits, Received
from dp_ros.nodes.policy.pace import Pace
from dp_ros.nodes.policy.parameters import PARAMETERS, check_delay, inbox_limits
from dp_ros.robot.units import MS
from dp_ros.task.task import Task
from dp_ros.values import ConfigError
import pytest

START = 10_000 * MS


@pytest.fixture
def inbox():
    return Inbox(InboxLimits(period_ns=500 * MS, slack_ns=25 * MS))


def test_the_first_observation_is_due_at_once(inbox):
    inbox.push(START, START, 'a')
    assert inbox.due()
    assert inbox.take(START) == Received(START, START, 'a')
    assert inbox.take(START) is None


def test_the_newest_one_is_taken_when_the_period_is_over(inbox):
    inbox.push(START, START, 0)
    inbox.take(START)
    for k in range(1, 5):
        stamp = START + k * 100 * MS
        inbox.push(stamp, stamp, k)
        assert inbox.take(stamp) is None
    stamp = START + 480 * MS
    inbox.push(stamp, stamp, 5)
    assert inbox.take(stamp) == Received(stamp, stamp, 5)


@pytest.mark.parametrize(
    ('stamp', 'reason'),
    [
        (0, 'stamp 0 ns'),
        (START - 501 * MS, '501.0 ms old, max_observation_age is 500 ms'),
        (START + 101 * MS, '101.0 ms in the future'),
    ],
)
def test_a_wrong_stamp_is_refused(inbox, stamp, reason):
    with pytest.raises(Refusal, match=reason):
        inbox.push(stamp, START, 'a')
    assert not inbox.due()


def test_a_stamp_that_goes_back_or_repeats_is_refused(inbox):
    inbox.push(START, START, 'a')
    for back in (0, 5 * MS):
        with pytest.raises(Refusal, match='goes back'):
            inbox.push(START - back, START, 'b')
    assert inbox.take(START) == Received(START, START, 'a')


def test_what_became_too_old_while_it_waited_is_refused(inbox):
    inbox.push(START, START, 'a')
    with pytest.raises(Refusal, match='501.0 ms old'):
        inbox.take(START + 501 * MS)
    assert inbox.take(START + 501 * MS) is None


def test_a_reset_forgets_and_refuses_what_is_older(inbox):
    inbox.push(START, START, 'a')
    inbox.reset(START + 50 * MS)
    assert inbox.take(START) is None
    with pytest.raises(Refusal, match='10.0 ms before the reset'):
        inbox.push(START + 40 * MS, START + 60 * MS, 'b')
    inbox.push(START + 60 * MS, START + 60 * MS, 'c')
    assert inbox.take(START + 60 * MS) == Received(START + 60 * MS, START + 60 * MS, 'c')


def test_a_reset_without_a_time_lets_the_clock_begin_again(inbox):
    inbox.push(START, START, 'a')
    inbox.reset()
    inbox.push(MS, MS, 'b')
    assert inbox.take(MS) == Received(MS, MS, 'b')


@pytest.mark.parametrize(
    ('dt', 'n_action_steps', 'rate', 'period_ms'),
    [
        (0.1, 8, 0.0, 300),
        (0.02, 32, 0.0, 240),
        (0.05, 8, 0.0, 150),
        (0.1, 2, 0.0, 100),
        (0.1, 8, 2.5, 400),
        (0.1, 8, 50.0, 20),
        (0.02, 32, 4.0, 250),
    ],
)
def test_chunks_are_due_as_the_rate_says_or_when_a_part_of_the_last_one_is_followed(
    dt, n_action_steps, rate, period_ms
):
    task = Task(joints=('a',), dt=dt, horizon=40, n_action_steps=n_action_steps)
    limits = inbox_limits(PARAMETERS.defaults() | {'rate': rate}, task, Pace())
    assert limits.period_ns == period_ms * MS
    assert limits.slack_ns == dt / 4 * 1000 * MS


TASK = Task(joints=('a',), dt=0.1, horizon=16, n_action_steps=8)


@pytest.mark.parametrize(
    ('inference_ms', 'period_ms'), [(20, 370), (150, 500), (300, 650), (390, 780), (600, 800)]
)
def test_a_slow_machine_is_left_time_for_its_other_work_but_no_gap_between_chunks(
    inference_ms, period_ms
):
    pace = Pace()
    for _ in range(30):
        pace.add(inference_ms * MS, (inference_ms + 50) * MS)
    assert pace.period_ns(0.0, TASK) == period_ms * MS


def test_chunks_whose_latency_varies_are_begun_sooner():
    pace = Pace()
    for latency_ms in (500, 650):
        pace.add(450 * MS, latency_ms * MS)
    assert pace.period_ns(0.0, TASK) == 650 * MS
    pace.add(450 * MS, 5000 * MS)
    assert pace.period_ns(0.0, TASK) == 300 * MS


@pytest.mark.parametrize('latency_ms', [0, 50, 250])
def test_as_much_of_a_chunk_is_followed_before_the_next_however_late_it_came(latency_ms):
    pace = Pace()
    pace.add(20 * MS, latency_ms * MS)
    assert pace.period_ns(0.0, TASK) == (300 + latency_ms) * MS


def test_only_the_last_chunks_count():
    pace = Pace()
    for inference_ms in [400] * 50 + [10] * 20:
        pace.add(inference_ms * MS, inference_ms * MS)
    assert pace.period_ns(0.0, TASK) == 310 * MS


def test_without_a_policy_there_is_a_period_too():
    assert inbox_limits(PARAMETERS.defaults(), None, Pace()).period_ns == 500 * MS


@pytest.mark.parametrize('delay', [1.4, 5.0])
def test_a_delay_as_long_as_a_chunk_is_refused(delay):
    values = PARAMETERS.defaults()
    check_delay(values | {'added_delay': 1.3}, TASK)
    with pytest.raises(ConfigError, match=r'the last point of a chunk is 1\.4 s after its obs'):
        check_delay(values | {'added_delay': delay}, TASK)
