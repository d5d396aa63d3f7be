# SPDX-License-Identifier: Apache-2.0
"""The figures of a recorded episode are those of what training takes."""

from dataclasses import replace
import json

from bag_maker import (
    IMAGE,
    JOINT_STATE,
    JOINTS,
    MS,
    START,
    TRAJECTORY,
    episode,
    image,
    joint_state,
    pixels,
    spec,
    trajectory,
    where,
    write,
)
from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.datasets.dataset import find_bags, load_dataset
from dp_ros.data.inspection.episode import inspect_bags, measure
from dp_ros.data.inspection.findings import LIMITS
from dp_ros.data.windows.window import ActionSpec
from dp_ros.robot.kinematics import JOINT_NAMES, forward
import numpy as np
import pytest

TOPICS = BagTopics(trajectories='arm/joint_trajectory')
ACTIONS = ActionSpec(2, 8, pad_after=6)
HOME = np.array([0.0, -0.3, 0.0, -2.2, 0.0, 2.0, 0.785])


def figures(folder, rows, info=None, **changes):
    recording = read_bag(write(folder / 'bag', rows, info=info), spec(**changes), TOPICS)
    return measure(recording, 'bag', ACTIONS)


def without(rows, topic, begin, end):
    """Leave out what comes from ``begin`` to before ``end`` [s]."""
    inside = [begin <= (time_ns - START) / 1e9 < end for _, time_ns, _ in rows]
    return [r for r, i in zip(rows, inside, strict=True) if not (i and r[0] == topic)]


def length(place):
    """Length of the way of an episode's positions."""
    steps = np.diff([place(t) for t in np.linspace(0, 1.48, 1000)], axis=0)
    return np.linalg.norm(steps, axis=1).sum()


def test_streams(tmp_path):
    found = figures(tmp_path, episode())
    joints, front = found.streams['joint_states'], found.streams['front']
    assert (joints.messages, joints.rate) == (150, pytest.approx(100))
    assert (front.messages, front.rate) == (15, pytest.approx(10))
    assert joints.largest_gap.value == pytest.approx(0.01)
    assert joints.latency == pytest.approx((0.001, 0.001))
    assert front.latency == pytest.approx((0.002, 0.002))
    assert (joints.dropped, joints.disorder, joints.jitter) == (0, 0, 0)
    assert found.images['front'].to_joints == 0
    assert found.duration == pytest.approx(1.49)


def test_a_gap_and_what_it_lacks(tmp_path):
    found = figures(tmp_path, without(episode(), JOINT_STATE, 0.5, 0.75))
    joints = found.streams['joint_states']
    assert (joints.largest_gap.value, joints.largest_gap.at) == pytest.approx((0.26, 0.49))
    assert (joints.dropped, joints.messages, joints.jitter) == (25, 125, 0)
    assert found.images['front'].to_joints == pytest.approx(0.1)


def test_what_is_dropped_here_and_there_is_no_jitter(tmp_path):
    rows = episode()
    for second in (0.35, 0.65, 0.95):
        rows = without(rows, IMAGE, second, second + 0.05)
    front = figures(tmp_path, rows).streams['front']
    assert (front.dropped, front.rate, front.jitter) == (3, pytest.approx(10), 0)


def test_a_stream_that_ends_early_has_a_gap_at_the_end(tmp_path):
    front = figures(tmp_path, without(episode(), IMAGE, 1.0, 2.0)).streams['front']
    assert (front.largest_gap.value, front.largest_gap.at) == pytest.approx((0.54, 0.95))


def test_stamps_that_go_back(tmp_path):
    rows = episode()
    rows[50:50] = [(JOINT_STATE, rows[50][1], joint_state(START, where(0.0)))] * 3
    found = figures(tmp_path, rows)
    assert found.streams['joint_states'].disorder == 3
    assert sum(found.refused.values()) == 3


def test_stamps_of_another_clock_are_no_latency(tmp_path):
    rows = [(topic, t + 5_000_000 * MS, content) for topic, t, content in episode()]
    assert figures(tmp_path, rows).streams['front'].latency is None


def shown(rows, picture):
    """Let every image show ``picture`` of its time [s]."""
    return [
        (topic, t, image(t - 2 * MS, picture((t - START) / 1e9)) if topic == IMAGE else content)
        for topic, t, content in rows
    ]


def test_images_that_stand_still_while_the_arm_moves(tmp_path):
    rows = shown(episode(), lambda t: pixels(round(min(max(t, 0.5), 0.9) * 1e3)))
    front = figures(tmp_path, rows).images['front']
    assert front.frozen == 4 + 5
    assert (front.longest_freeze.value, front.longest_freeze.at) == pytest.approx((0.5, 0.95))


def test_images_may_stand_still_while_the_arm_rests(tmp_path):
    rows = [
        (topic, t, joint_state(t - MS, where(0.0)) if topic == JOINT_STATE else content)
        for topic, t, content in shown(episode(), lambda t: pixels(0))
    ]
    found = figures(tmp_path, rows)
    assert found.images['front'].frozen == 0
    assert found.joints.still_start == found.joints.still_end == pytest.approx(1.5)


def test_black_images(tmp_path):
    rows = shown(episode(), lambda t: pixels(0) * (t < 1.1))
    front = figures(tmp_path, rows).images['front']
    assert (front.black, front.black_at) == (4, pytest.approx(1.15))


def test_joints(tmp_path):
    joints = figures(tmp_path, episode()).joints
    assert joints.lowest == pytest.approx((0.0, 0.0))
    assert joints.highest == pytest.approx((np.sin(1.49), 0.745))
    assert joints.speed == pytest.approx((1.0, 0.5), rel=1e-3)
    assert joints.margin == pytest.approx((2.7437 - np.sin(1.49), 1.7837 - 0.745), abs=1e-4)
    assert joints.path == pytest.approx(length(where), rel=1e-3)
    assert (joints.jumps, joints.tcp_path) == (0, None)


def test_a_step_that_no_arm_makes(tmp_path):
    rows = episode()
    rows[60] = (JOINT_STATE, rows[60][1], joint_state(rows[60][1] - MS, [0.5, 0.9]))
    joints = figures(tmp_path, rows).joints
    assert joints.jumps == 2
    assert (joints.largest_jump.joint, joints.largest_jump.value) == (
        JOINTS[1],
        pytest.approx(0.6, abs=0.1),
    )


def test_the_path_of_the_tcp_of_an_fr3(tmp_path):
    def at(t):
        return HOME + 0.3 * t

    rows = [
        (topic, t, joint_state(t - MS, at((t - MS - START) / 1e9), JOINT_NAMES))
        if topic == JOINT_STATE
        else (topic, t, content)
        for topic, t, content in episode()
    ]
    found = figures(tmp_path, rows, joint_names=JOINT_NAMES)
    assert found.joints.tcp_path == pytest.approx(length(lambda t: forward(at(t))), rel=1e-3)


def test_commands_against_what_was_measured(tmp_path):
    rows = episode()
    good = trajectory(START + 100 * MS, [0.4, 0.9], [where(0.5) + [0, 0.3], where(1.0)])
    bad = trajectory(0, [0.1], [[1.0, 1.0]], ('a', 'b'))
    rows[10:10] = [(TRAJECTORY, rows[10][1], good), (TRAJECTORY, rows[10][1], bad)]
    commands = figures(tmp_path, rows).commands
    assert (commands.trajectories, list(commands.rejected.values())) == (2, [1])
    assert commands.error.joint == JOINTS[1]
    assert (commands.error.value, commands.error.at) == (pytest.approx(0.3, abs=0.01), 0.5)


def test_commands_that_repeat_where_the_arm_is_are_told_from_those_that_lead_it(tmp_path):
    times = np.arange(0.02, 1.49, 0.01)
    for name, ahead in (('repeat', 0.0), ('delayed', 0.04), ('lead', 0.3)):
        rows = episode()
        led = trajectory(START, times, [where(t + ahead) for t in times])
        rows[3:3] = [(TRAJECTORY, rows[3][1], led)]
        recording = read_bag(write(tmp_path / name, rows), spec(), TOPICS)
        found = measure(recording, name, ACTIONS).commands.ahead
        assert (found < LIMITS.ahead) == (name != 'lead'), (name, found)


def test_what_is_left_out_as_idle_is_counted(tmp_path):
    rows = episode()
    still = [
        (topic, t, joint_state(t - MS, where(0.0)))
        if topic == JOINT_STATE and t < START + 700 * MS
        else (topic, t, each)
        for topic, t, each in rows
    ]
    recording = read_bag(write(tmp_path / 'bag', still), spec(), TOPICS)
    assert measure(recording, 'bag', ACTIONS).idle == 0
    found = measure(recording, 'bag', replace(ACTIONS, trim_idle=True))
    whole = measure(recording, 'bag', ACTIONS)
    assert found.idle == 6 and found.windows == whole.windows - 5


@pytest.mark.parametrize('pad_after', [0, 6])
def test_windows_are_lost_to_a_stream_and_not_to_the_rule_for_the_end(tmp_path, pad_after):
    actions = ActionSpec(2, 8, pad_after)

    def lost(name, rows):
        recording = read_bag(write(tmp_path / name, rows), spec(), TOPICS)
        return sum(measure(recording, name, actions).no_window.values())

    sound = episode()
    half = [row for row in sound if row[0] != JOINT_STATE or row[1] < START + 800 * MS]
    assert (lost('sound', sound), lost('half', half)) == (1, 8)


def test_windows_are_those_of_training(tmp_path):
    write(tmp_path / 'good', episode())
    write(tmp_path / 'gap', without(episode(), JOINT_STATE, 0.5, 0.75))
    write(tmp_path / 'failed', episode(), info={'succeeded': 'false'})
    write(tmp_path / 'short', episode(0.1))
    write(tmp_path / 'blind', without(episode(), IMAGE, 0, 9))
    (write(tmp_path / 'torn', episode()) / 'torn.mcap').write_bytes(b'')
    dataset, skipped = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    bags = find_bags(tmp_path)
    found = [each for each, _ in inspect_bags(tmp_path, bags, spec(), TOPICS, ACTIONS)]
    windows = {each.name: each.windows for each in found}
    assert windows == {'good': 14, 'gap': 11, 'failed': 0, 'short': 0, 'blind': 0, 'torn': 0}
    assert sum(windows.values()) == len(dataset)
    reasons = [f'{tmp_path / each.name}: {each.skipped}' for each in found if each.skipped]
    assert reasons == skipped


def test_one_bag_is_read_at_a_time(tmp_path):
    write(tmp_path / 'one', episode())
    bags = iter([tmp_path / 'one', tmp_path / 'two'])
    next(inspect_bags(tmp_path, bags, spec(), TOPICS, ACTIONS))
    assert list(bags) == [tmp_path / 'two']


def test_figures_are_json(tmp_path):
    found = json.loads(json.dumps(figures(tmp_path, episode(), {'succeeded': 'true'}).summary()))
    assert found['info'] == {'succeeded': 'true'}
    assert found['streams']['front']['largest_gap']['value'] == 0.1
    assert found['joints']['highest'][1] == 0.745
