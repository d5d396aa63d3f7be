# SPDX-License-Identifier: Apache-2.0
"""Widths become few goals: when, which, and which not."""

from dataclasses import replace
import math

from dp_ros.control.gripper.finger_width import TargetRefused, WidthScale
from dp_ros.control.gripper.gripper import Goal, GripperConfig, GripperCore, Kind
from dp_ros.control.gripper.width_plan import run_end
from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import MS, NS
import numpy as np
import pytest

HAND = WidthScale(closed=0.0, open=0.04, stroke=0.08)
CONFIG = GripperConfig(FINGER_NAMES, HAND, latency=0.0, dwell=0.5)
START = 1000 * NS
OPEN = Goal(Kind.MOVE, 0.08)


class Bench:
    """The core, a clock, and a gripper that does what it is told after a second."""

    def __init__(self, *, answers=True, measured=False, **changes):
        self.core = GripperCore(replace(CONFIG, **changes))
        self.now_ns = START
        self.answers = answers
        self.measured = measured
        self.width = 0.08
        self.goals = []
        self.ready = True
        self._done_ns = 0

    def want(self, *widths, dt=0.1, names=FINGER_NAMES):
        self.core.on_target(target(widths, self.now_ns, dt, names), self.now_ns)

    def run(self, seconds):
        """Let time pass; return the goals sent in it, with the milliseconds from the start."""
        before = len(self.goals)
        for _ in range(round(seconds * 50)):
            self._turn()
            self.now_ns += 20 * MS
        return [goal for _, goal in self.goals[before:]]

    def _turn(self):
        core = self.core
        if self.measured:
            core.on_width(self.now_ns, self.width)
        if core.flight is not None and self.answers and self.now_ns >= self._done_ns:
            self.width = core.flight.goal.width
            core.on_finished(core.flight, ok=True)
        flight = core.tick(self.now_ns, self.ready)
        if flight is not None:
            self.goals.append(((self.now_ns - START) // MS, flight.goal))
            self._done_ns = self.now_ns + NS


def target(widths, start_ns=START, dt=0.1, names=FINGER_NAMES):
    times = dt * np.arange(len(widths))
    each = np.repeat(np.array(widths, dtype=float)[:, None] / 2, len(names), axis=1)
    return Trajectory(tuple(names), start_ns, times, each)


@pytest.mark.parametrize(
    ('widths', 'end'),
    [
        ([0.08, 0.08, 0.08, 0.0], 0.08),
        ([0.08, 0.06, 0.04, 0.04, 0.0], 0.04),
        ([0.0, 0.03, 0.07, 0.05], 0.07),
        ([0.08, 0.0795, 0.04], 0.08),
        ([0.05], 0.05),
    ],
)
def test_a_motion_under_way_ends_where_the_width_rests_or_turns(widths, end):
    assert run_end(0.1 * np.arange(len(widths)), np.array(widths)) == end


def test_a_closing_ramp_is_one_grasp_and_the_opening_one_motion():
    bench = Bench()
    ramp = np.linspace(0.08, 0.0, 9)
    bench.want(*[0.08] * 10, *ramp, *[0.0] * 10, *ramp[::-1], *[0.08] * 10)
    assert bench.run(5.0) == [OPEN, Goal(Kind.GRASP, pytest.approx(0.0)), OPEN]


def test_a_goal_is_sent_by_the_latency_before_the_motion_is_wanted():
    bench = Bench(latency=0.4)
    bench.want(0.08, 0.08, *[0.08] * 20, *[0.0] * 20)
    bench.run(4.0)
    assert [goal.kind for _, goal in bench.goals] == [Kind.MOVE, Kind.GRASP]
    # The motion is wanted from the last open point on, 2.1 s after the start.
    assert bench.goals[1][0] == pytest.approx(1700, abs=30)


def test_noise_makes_no_goals():
    bench = Bench()
    noise = np.random.default_rng(0).uniform(-0.004, 0.004, 100)
    bench.want(*(0.07 + noise), dt=0.05)
    assert [goal.kind for goal in bench.run(5.0)] == [Kind.MOVE]


def test_between_the_thresholds_the_fingers_stay():
    bench = Bench()
    bench.want(0.0, 0.0, 0.055, 0.055, 0.055, 0.055, 0.0, 0.0, dt=0.3)
    assert [goal.kind for goal in bench.run(2.5)] == [Kind.GRASP]


def test_one_goal_is_on_its_way_at_a_time_and_the_newest_wish_goes_next():
    bench = Bench()
    bench.want(*[0.08] * 3, *[0.0] * 3, *[0.062] * 40)
    assert bench.run(3.0) == [OPEN, Goal(Kind.MOVE, pytest.approx(0.062))]
    assert bench.goals[1][0] >= 1000
    assert bench.core.counts.skipped >= 1


def test_goals_keep_their_distance():
    bench = Bench(dwell=2.0)
    bench.want(*[0.08] * 3, *[0.0] * 60)
    bench.run(4.0)
    assert [time for time, _ in bench.goals] == [0, pytest.approx(2000, abs=20)]


def test_a_plan_that_has_ended_wants_nothing():
    bench = Bench()
    bench.want(0.08, 0.08)
    assert bench.run(0.5) == [OPEN]
    bench.want(0.08, 0.08, 0.0)  # Ends while the first goal is on its way.
    assert bench.run(3.0) == []


def test_what_an_inhibited_arm_wanted_is_not_done():
    bench = Bench()
    bench.want(*[0.08] * 20, *[0.0] * 20)
    bench.run(1.0)
    bench.core.drop()
    assert bench.run(3.0) == []


def test_a_plan_replaces_the_one_before_from_its_first_point_on():
    bench = Bench()
    bench.want(*[0.08] * 15, *[0.0] * 20)
    bench.run(0.5)
    later = target([0.08] * 40, bench.now_ns + 500 * MS)
    bench.core.on_target(later, bench.now_ns)
    assert bench.run(3.0) == []


def test_plans_that_never_come_to_their_first_point_are_followed_all_the_same():
    bench = Bench()
    bench.run(0.02)
    goals = []
    for _ in range(20):
        bench.core.on_target(target([0.0] * 8, bench.now_ns + 90 * MS), bench.now_ns)
        goals += bench.run(0.06)
    assert [goal.kind for goal in goals] == [Kind.GRASP]


def test_the_farthest_wish_counts_where_the_plan_is_shorter_than_the_latency():
    bench = Bench(latency=1.0)
    bench.want(0.08, 0.08, 0.0)
    assert [goal.kind for goal in bench.run(0.1)] == [Kind.GRASP]


def test_the_first_wish_needs_no_goal_where_the_fingers_are_there():
    bench = Bench(measured=True)
    bench.want(*[0.08] * 10)
    assert bench.run(0.5) == []


def test_fingers_that_something_else_moved_are_commanded_again():
    bench = Bench(measured=True)
    bench.want(*[0.0] * 100)
    assert bench.run(3.0) == [Goal(Kind.GRASP, 0.0)]
    bench.width = 0.08  # As after a reset of the scene.
    assert bench.run(1.5) == [Goal(Kind.GRASP, 0.0)]


def test_the_latency_is_measured_to_the_first_motion():
    bench = Bench(measured=True)
    bench.want(*[0.0] * 40)
    bench.run(0.3)
    bench.width = 0.07
    bench.run(0.5)
    bench.width = 0.03
    bench.run(0.5)
    assert bench.core.latency == pytest.approx(0.3, abs=0.03)


# ---- a gripper that fails


def test_a_gripper_that_takes_no_goal_is_a_fault_and_is_asked_once_per_timeout():
    bench = Bench(answers=False, answer_timeout=5.0)
    bench.want(*[0.0] * 600)
    bench.run(4.9)
    assert bench.core.fault == ''
    bench.run(0.3)
    assert bench.core.fault == 'grasp has not been answered for 5 s'
    bench.run(14.0)
    assert len(bench.goals) == 4
    bench.answers = True
    bench.run(1.1)
    assert bench.core.fault == ''


def test_a_goal_that_was_taken_and_never_ends_is_waited_for():
    bench = Bench(answers=False, answer_timeout=2.0)
    bench.want(*[0.0] * 100, *[0.08] * 200)
    bench.run(0.1)
    bench.core.on_accepted(bench.core.flight)
    bench.run(20.0)
    assert bench.core.flight.overdue and len(bench.goals) == 1
    assert bench.core.fault == 'grasp has not been answered for 2 s'
    bench.answers = True
    assert bench.run(0.1) == [OPEN]
    assert bench.core.fault == ''


def test_without_somebody_to_take_it_a_goal_waits_and_one_on_its_way_is_lost():
    bench = Bench()
    bench.ready = False
    bench.want(*[0.0] * 60)
    assert bench.run(0.5) == []
    bench.ready = True
    assert [goal.kind for goal in bench.run(0.5)] == [Kind.GRASP]
    bench.ready = False
    bench.run(0.1)
    assert bench.core.flight is None
    bench.ready = True
    assert [goal.kind for goal in bench.run(2.0)] == [Kind.GRASP]


def fail(bench, error=''):
    bench.core.on_finished(bench.core.flight, ok=False, error=error)


def test_a_motion_that_failed_is_tried_again_but_not_at_once():
    bench = Bench(answers=False)
    bench.want(*[0.08] * 100)
    bench.run(0.5)
    fail(bench)
    assert bench.run(1.4) == []
    assert bench.run(0.2) == [OPEN]
    assert bench.core.counts.failed == 1


def test_a_grasp_that_held_nothing_is_not_repeated_and_one_with_an_error_is():
    bench = Bench(answers=False)
    bench.want(*[0.0] * 100)
    bench.run(0.5)
    fail(bench)
    assert bench.run(4.0) == []
    bench = Bench(answers=False)
    bench.want(*[0.0] * 100)
    bench.run(0.5)
    fail(bench, 'not homed')
    assert [goal.kind for goal in bench.run(4.0)] == [Kind.GRASP]


def test_after_a_jump_of_the_clock_nothing_is_wanted():
    bench = Bench()
    bench.want(*[0.0] * 100)
    bench.core.forget()
    assert bench.run(1.0) == []


# ---- a position gripper


def test_a_position_gripper_moves_to_the_widths_themselves():
    bench = Bench(grasps=False)
    bench.want(*[0.08] * 15, *[0.05] * 15, *[0.047] * 15, *[0.01] * 15)
    widths = [goal.width for goal in bench.run(6.0)]
    assert widths == pytest.approx([0.08, 0.05, 0.01])
    assert {goal.kind for _, goal in bench.goals} == {Kind.MOVE}


def test_a_position_gripper_that_holds_an_object_is_left_alone():
    bench = Bench(grasps=False, measured=True, answers=False)
    bench.want(*[0.0] * 100)
    bench.run(1.0)
    bench.width = 0.03
    bench.core.on_finished(bench.core.flight, ok=True)
    bench.run(5.0)
    assert len(bench.goals) == 1


# ---- bad input


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'joint_names': ('a', 'b')}, "joints ['a', 'b']: needs ['fr3_finger_joint1'"),
        ({'joint_names': ()}, 'joints []'),
        ({'positions': np.full((3, 2), math.nan)}, 'width nan m: needs 0 to 0.08 m'),
        ({'positions': np.full((3, 2), 0.08)}, 'width 0.16 m: needs 0 to 0.08 m'),
        ({'positions': np.full((3, 2), -0.02)}, 'width -0.04 m'),
        ({'positions': np.zeros((3, 1))}, 'positions of shape (3, 1): needs (3, 2)'),
        ({'times': np.zeros(0), 'positions': np.zeros((0, 2))}, 'no points'),
        ({'times': np.array([0.0, 0.2, 0.1])}, 'times that do not increase'),
        ({'times': np.array([0.0, 0.1, math.inf])}, 'times that do not increase'),
        ({'start_ns': 0}, 'stamp of zero'),
        ({'start_ns': START - 3 * NS}, 'came 2.80 s after its last point'),
    ],
)
def test_a_bad_target_is_refused_with_its_reason_and_the_one_before_goes_on(change, reason):
    bench = Bench()
    bench.want(*[0.08] * 5, *[0.0] * 30)
    with pytest.raises(TargetRefused) as refused:
        bench.core.on_target(replace(target([0.0] * 3), **change), START)
    assert reason in str(refused.value)
    assert [goal.kind for goal in bench.run(3.0)] == [Kind.MOVE, Kind.GRASP]


def test_a_measured_width_that_is_not_finite_is_none():
    core = GripperCore(CONFIG)
    core.on_target(target([0.08] * 3), START)
    core.on_width(START, math.nan)
    assert core.tick(START) is not None
