# SPDX-License-Identifier: Apache-2.0
"""The Hand that is not there: its timing, its successes and its failures."""

import math

from dp_ros.control.gripper.fake_hand import Command, FakeHand
from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import NS
import numpy as np
import pytest

START = 1000 * NS
TICK_NS = NS // 50
ANY = (0.035, 0.04)  # Around a width of 0.04 m: whatever is thicker than 5 mm.


class Bench:
    """The Hand, a clock, and the fingers that follow its motions as the simulation's do."""

    def __init__(self, latency=0.2, width=0.08, object_width=0.0):
        self.hand = FakeHand(FINGER_NAMES, latency, width)
        self.hand.object_width = object_width
        self.fingers = TrajectoryReference(FINGER_NAMES, np.full(2, width / 2))
        self.now_ns = START
        self.motions, self.outcomes = [], []

    def run(self, seconds):
        for _ in range(round(seconds * NS / TICK_NS)):
            self.now_ns += TICK_NS
            motion, outcome = self.hand.tick(self.now_ns)
            self.take(motion, [outcome] if outcome else [])

    def take(self, motion, outcomes):
        if motion is not None:
            self.fingers.accept(motion, self.now_ns)
            self.motions.append(motion)
        self.outcomes += [
            (round((self.now_ns - START) / NS, 2), o.success, o.error) for o in outcomes
        ]

    def do(self, *commands, seconds=3.0):
        for command in commands:
            self.hand.submit(command)
        self.run(seconds)
        return self.outcomes

    def width(self):
        return self.hand.width(self.now_ns)

    def speeds(self):
        times = START + np.arange(0, 3 * NS, NS // 1000)
        return self.fingers.sample(times)[1].sum(axis=1)


def move(width, speed=0.1):
    return Command((width,), speed)


def grasp(width=0.04, epsilon=ANY, speed=0.1):
    return Command((width,), speed, epsilon)


def test_a_full_stroke_takes_about_a_second_and_begins_after_the_latency():
    bench = Bench(latency=0.3)
    ((time, success, error),) = bench.do(move(0.0))
    assert (success, error) == (True, '')
    assert 1.2 < time < 1.6
    assert bench.motions[0].start_ns == START + TICK_NS + round(0.3 * NS)
    assert bench.width() == 0.0


def test_a_motion_keeps_to_its_speed_and_ends_at_rest():
    bench = Bench()
    bench.do(move(0.02, speed=0.05))
    assert np.abs(bench.speeds()).max() == pytest.approx(0.05, abs=0.002)
    (motion,) = bench.motions
    assert not motion.velocities[-1].any() and not motion.accelerations[-1].any()
    assert motion.positions[-1] == pytest.approx([0.01, 0.01])


@pytest.mark.parametrize('width', [0.08, 0.0799, 0.07])
def test_a_short_way_is_slower_than_the_speed_allows(width):
    bench = Bench()
    ((_, success, _),) = bench.do(move(width))
    assert success and bench.width() == pytest.approx(width)
    assert np.abs(bench.speeds()).max() <= 0.102


@pytest.mark.parametrize(
    ('object_width', 'epsilon', 'success'),
    [
        (0.03, ANY, True),
        (0.0, ANY, False),
        (0.03, (0.005, 0.005), False),
        (0.038, (0.005, 0.005), True),
        (0.05, (0.005, 0.005), False),
    ],
)
def test_a_grasp_succeeds_when_what_stops_the_fingers_is_within_epsilon(
    object_width, epsilon, success
):
    bench = Bench(object_width=object_width)
    ((_, succeeded, error),) = bench.do(grasp(epsilon=epsilon))
    assert (succeeded, error) == (success, '')
    assert bench.width() == object_width


def test_a_grasp_goes_on_pushing_and_a_blocked_motion_does_not():
    bench = Bench(object_width=0.03)
    bench.do(grasp())
    assert bench.motions[-1].positions[-1].sum() == 0.0
    ((_, success, _),) = (blocked := Bench(object_width=0.03)).do(move(0.01))
    assert not success
    assert blocked.motions[-1].positions[-1].sum() == pytest.approx(0.03)


def test_commands_are_done_one_after_the_other():
    bench = Bench()
    first, second = bench.do(move(0.0), move(0.08), seconds=4.0)
    assert first[1] and second[1] and second[0] - first[0] > 1.0
    assert bench.width() == pytest.approx(0.08)


def test_homing_closes_and_opens():
    bench = Bench(width=0.05)
    ((_, success, _),) = bench.do(Command((0.0, 0.08), 0.05), seconds=6.0)
    assert success
    assert [motion.positions[-1].sum() for motion in bench.motions] == pytest.approx([0.0, 0.08])


def test_stop_ends_everything_where_the_fingers_are():
    bench = Bench()
    bench.do(move(0.0), move(0.05), seconds=0.7)
    before = bench.width()
    bench.take(*bench.hand.stop(bench.now_ns))
    bench.run(1.0)
    assert [outcome[1:] for outcome in bench.outcomes] == [(False, 'stopped')] * 2
    assert 0.0 < bench.width() == pytest.approx(before, abs=0.003)
    assert bench.do(move(0.08))[-1][1]


@pytest.mark.parametrize(
    ('command', 'reason'),
    [
        (move(math.nan), 'width nan m: needs 0 to 0.08 m'),
        (move(0.09), 'width 0.09 m: needs 0 to 0.08 m'),
        (move(-0.01), 'width -0.01 m'),
        (move(0.04, speed=-0.1), 'speed -0.1 m/s: needs to be positive'),
        (move(0.04, speed=0.0), 'speed 0 m/s'),
        (move(0.04, speed=math.inf), 'speed inf m/s'),
        (grasp(width=math.nan), 'width nan m'),
    ],
)
def test_a_bad_command_fails_with_its_reason_and_moves_nothing(command, reason):
    bench = Bench()
    ((_, success, error),) = bench.do(command)
    assert not success and reason in error
    assert bench.motions == []


@pytest.mark.parametrize('width', [0.0804, -0.0003])
def test_fingers_measured_beyond_their_range_are_commanded_inside(width):
    bench = Bench(latency=0.0)
    bench.hand.on_width(START, width)
    bench.do(move(0.04))
    positions = np.concatenate([motion.positions for motion in bench.motions])
    assert 0.0 <= positions.min() and positions.max() <= 0.04


def follow(bench, seconds, narrowest=0.0, lag_ns=0):
    """Let the measured fingers follow their command, down to what lies between them."""
    for _ in range(round(seconds * NS / TICK_NS)):
        commanded = float(bench.fingers.sample(np.array([bench.now_ns - lag_ns]))[0].sum())
        bench.hand.on_width(bench.now_ns, max(commanded, narrowest))
        bench.run(0.02)


def test_measured_fingers_decide_where_a_grasp_ended():
    bench = Bench()
    bench.hand.submit(grasp())
    follow(bench, 2.0, narrowest=0.045)
    assert bench.outcomes[0][1]
    bench.hand.submit(move(0.08))
    follow(bench, 0.4, narrowest=0.045)
    assert bench.motions[-1].positions[0].sum() == pytest.approx(0.045)


def test_fingers_that_begin_late_or_are_not_seen_for_a_while_are_not_at_rest():
    bench = Bench()
    bench.hand.submit(move(0.0))
    follow(bench, 1.0, lag_ns=NS // 2)
    bench.run(0.5)
    assert bench.outcomes == []
    follow(bench, 1.5, lag_ns=NS // 2)
    assert [outcome[1] for outcome in bench.outcomes] == [True]
