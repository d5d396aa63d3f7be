# SPDX-License-Identifier: Apache-2.0
"""The window builder: what it makes of samples, and what it refuses, each by its reason."""

from bag_maker import JOINTS, MS, START, pixels, spec, where
from dp_ros.data.images import fit_image
from dp_ros.data.windows.window import Refusal, WindowBuilder, WindowSpec, window_spec
from dp_ros.task.task import OBSERVATIONS, Camera, Task
from dp_ros.values import ConfigError
import numpy as np
import pytest


def filled(held=None, joints=range(0, 300, 10), images=(50, 150, 250)):
    """Build from joint states and images at these milliseconds after START."""
    builder = WindowBuilder(held or spec())
    for ms in joints:
        builder.push_joints(START + ms * MS, JOINTS, where(ms / 1000))
    for ms in images:
        builder.push_image('front', START + ms * MS, pixels(ms))
    return builder


def refusal(action, *args):
    with pytest.raises(Refusal) as caught:
        action(*args)
    return str(caught.value)


def test_a_window_has_the_nearest_images_and_interpolated_joints():
    builder = filled(joints=[0, 40, 60, 140, 160], images=(52, 148))
    window = builder.build(START + 148 * MS)
    assert window.image_stamps_ns['front'] == (START + 52 * MS, START + 148 * MS)
    np.testing.assert_array_equal(window.images['front'], [pixels(52), pixels(148)])
    expected = [
        where(0.04) + 0.4 * (where(0.06) - where(0.04)),
        where(0.14) + 0.4 * (where(0.16) - where(0.14)),
    ]
    np.testing.assert_allclose(window.joint_positions, expected, rtol=0, atol=1e-15)


def test_a_joint_state_at_the_frame_is_taken_as_it_is():
    window = filled().build(START + 150 * MS)
    np.testing.assert_array_equal(window.joint_positions, [where(0.05), where(0.15)])


def test_an_image_newer_than_the_stamp_is_never_used():
    window = filled(images=(50, 145, 155)).build(START + 145 * MS)
    assert window.image_stamps_ns['front'][-1] == START + 145 * MS


def test_covered_only_when_nothing_later_changes_the_window():
    builder = filled(joints=range(0, 150, 10))
    assert not builder.covered(START + 150 * MS)
    builder.push_joints(START + 155 * MS, JOINTS, where(0.155))
    assert builder.covered(START + 150 * MS)


def test_joints_in_another_order_and_more_than_needed():
    builder = filled(joints=[])
    names = ('finger', *reversed(JOINTS))
    builder.push_joints(START + 50 * MS, names, [9.0, 2.0, 1.0])
    builder.push_joints(START + 150 * MS, names, [9.0, 2.0, 1.0])
    window = builder.build(START + 150 * MS)
    np.testing.assert_array_equal(window.joint_positions, [[1.0, 2.0]] * 2)


@pytest.mark.parametrize(
    ('stamp_ms', 'names', 'positions', 'reason'),
    [
        (310, ('fr3_joint1',), [0.0], 'no fr3_joint2 among'),
        (310, JOINTS, [0.0], '2 names, 1 positions'),
        (310, JOINTS, [0.0, np.nan], 'position of fr3_joint2 is not finite: nan'),
        (310, JOINTS, [np.inf, 0.0], 'position of fr3_joint1 is not finite: inf'),
        (280, JOINTS, [0.0, 0.0], 'goes back by 10.0 ms'),
        (290, JOINTS, [0.0, 0.0], 'goes back by 0.0 ms'),
        (-START // MS, JOINTS, [0.0, 0.0], 'stamp 0 ns'),
    ],
)
def test_refused_joint_states(stamp_ms, names, positions, reason):
    builder = filled()
    text = refusal(builder.push_joints, START + stamp_ms * MS, names, positions)
    assert text.startswith('joint_states: ') and reason in text
    assert builder.joints.newest_ns == START + 290 * MS


@pytest.mark.parametrize(
    ('stamp_ns', 'image', 'reason'),
    [
        (0, pixels(0), 'stamp 0 ns'),
        (START, pixels(0), 'goes back by 250.0 ms'),
        (START + 350 * MS, pixels(0, height=15), 'shape (15, 24, 3), needs (16, 24, 3)'),
    ],
)
def test_refused_images(stamp_ns, image, reason):
    text = refusal(filled().push_image, 'front', stamp_ns, image)
    assert text.startswith('camera front: ') and reason in text


@pytest.mark.parametrize(
    ('kept', 'stamp_ms', 'reason'),
    [
        ({'images': (150,)}, 150, 'camera front: nearest image is 100.0 ms from its frame'),
        ({'images': ()}, 150, 'camera front: no image yet'),
        ({'joints': range(100, 300, 10)}, 150, 'joint_states: none before the frame'),
        ({'joints': range(0, 100, 10)}, 150, 'joint_states: none after the frame'),
        ({'joints': (0, 40, 145, 160)}, 150, 'joint_states: gap of 105.0 ms'),
    ],
)
def test_no_window_of_what_is_not_there(kept, stamp_ms, reason):
    builder = filled(**kept)
    assert reason in refusal(builder.build, START + stamp_ms * MS)


def test_a_reset_forgets_and_refuses_the_past():
    builder = filled()
    builder.reset(START + 300 * MS)
    text = refusal(builder.push_joints, START + 295 * MS, JOINTS, [0.0, 0.0])
    assert text == 'joint_states: stamp is 5.0 ms before the reset'
    builder.push_joints(START + 300 * MS, JOINTS, [0.0, 0.0])
    assert 'none before the frame' in refusal(builder.build, START + 300 * MS)
    assert builder.images['front'].newest_ns == 0


def test_latencies_move_the_stamps():
    builder = filled(spec(latency_ns={'front': 30 * MS, 'joint_states': 10 * MS}))
    assert builder.images['front'].newest_ns == START + 220 * MS
    assert builder.joints.newest_ns == START + 280 * MS
    window = builder.build(START + 220 * MS)
    np.testing.assert_allclose(window.joint_positions[-1], where(0.23), atol=1e-15)


def test_old_samples_are_dropped():
    builder = WindowBuilder(spec(), keep_ns=200 * MS)
    for ms in range(0, 1000, 10):
        builder.push_joints(START + ms * MS, JOINTS, where(ms / 1000))
    assert builder.joints.stamps[0] == START + 790 * MS


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'joint_names': ()}, 'needs a joint'),
        ({'dt_ns': 0}, 'positive dt'),
        ({'n_obs_steps': 0}, 'at least one step'),
        ({'tolerance_ns': {'front': 50 * MS}}, 'camera front: tolerance 50 ms: .* two frames'),
        ({'tolerance_ns': {'front': 0}}, 'camera front: tolerance 0 ms: needs more than 0'),
        ({'latency_ns': {'wrist': 1}}, r"latency of \['wrist'\]: no such camera"),
        ({'tolerance_ns': {'wrist': 1}}, r"tolerance of \['wrist'\]: no such camera"),
        ({'crops': {'wrist': (0, 0, 8, 8)}}, r"crop of \['wrist'\]: no such camera"),
    ],
)
def test_a_spec_that_contradicts_itself(changes, reason):
    with pytest.raises(ValueError, match=reason):
        spec(**changes)


def test_the_tolerance_follows_dt():
    assert spec(dt_ns=50 * MS).tolerance_ns == {'front': 20 * MS}


TWO = {'image_sizes': {'front': (16, 24), 'wrist': (16, 24)}}


def test_each_camera_has_its_tolerance():
    builder = WindowBuilder(spec(**TWO, tolerance_ns={'wrist': 5 * MS}))
    for ms in range(0, 300, 10):
        builder.push_joints(START + ms * MS, JOINTS, where(ms / 1000))
    for ms in (50, 150):
        builder.push_image('front', START + (ms - 10) * MS, pixels(ms))
        builder.push_image('wrist', START + (ms - 3) * MS, pixels(ms))
    assert builder.build(START + 150 * MS).image_stamps_ns == {
        'front': (START + 40 * MS, START + 140 * MS),
        'wrist': (START + 47 * MS, START + 147 * MS),
    }
    text = refusal(builder.build, START + 154 * MS)
    assert text == 'camera wrist: nearest image is 7.0 ms from its frame, tolerance 5.0 ms'


def test_each_camera_has_its_latency():
    builder = WindowBuilder(spec(**TWO, latency_ns={'wrist': 30 * MS}))
    for name in TWO['image_sizes']:
        builder.push_image(name, START + 250 * MS, pixels(0))
    newest = {name: stream.newest_ns - START for name, stream in builder.images.items()}
    assert newest == {'front': 250 * MS, 'wrist': 220 * MS}


def test_each_camera_has_its_crop():
    held = spec(**TWO, crops={'wrist': (8, 12, 16, 24)})
    image = pixels(0, 32, 48)
    np.testing.assert_array_equal(held.fit('wrist', image), image[8:24, 12:36])
    np.testing.assert_array_equal(held.fit('front', image), fit_image(image, 16, 24))


def test_a_task_is_what_its_windows_hold():
    task = Task(
        joints=('a', 'b'),
        gripper_joints=('finger',),
        observations=OBSERVATIONS,
        cameras={
            'front': Camera((16, 24), crop=(1, 2, 32, 48), tolerance=0.01),
            'wrist': Camera((8, 8), latency=0.05),
        },
        dt=0.05,
        n_obs_steps=3,
        camera_slop=0.015,
        joint_latency=0.002,
        max_joint_gap=0.03,
    )
    assert window_spec(task) == WindowSpec(
        joint_names=('a', 'b', 'finger'),
        image_sizes={'front': (16, 24), 'wrist': (8, 8)},
        dt_ns=50 * MS,
        n_obs_steps=3,
        crops={'front': (1, 2, 32, 48)},
        tolerance_ns={'front': 10 * MS, 'wrist': 20 * MS},
        joint_gap_ns=30 * MS,
        slop_ns=15 * MS,
        latency_ns={'front': 0, 'wrist': 50 * MS, 'joint_states': 2 * MS},
        past_actions=True,
    )
    assert not window_spec(task, commands=False).past_actions
    assert not window_spec(Task(joints=('a',))).past_actions


def test_recordings_have_no_states_in_another_order_than_the_actions():
    with pytest.raises(ConfigError, match=r"state_names = \('b', 'a'\): .* leave state_names out"):
        window_spec(Task(joints=('a', 'b'), state_names=('b', 'a')))
    same = Task(joints=('a', 'b'), state_names=('a', 'b'))
    assert window_spec(same) == window_spec(Task(joints=('a', 'b')))
