# SPDX-License-Identifier: Apache-2.0
"""Training windows: observations, actions, episodes' ends, splits, and folders of no use."""

from dataclasses import replace
import tracemalloc

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
from dp_ros.data.bags.storage import BagError
from dp_ros.data.datasets.dataset import DatasetError, episode_windows, load_dataset
from dp_ros.data.windows.window import ActionSpec, window_spec
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
from dp_ros.task.task import Camera, Task, Topics
import numpy as np
import pytest
import tiny_policy
import torch

TOPICS = BagTopics(trajectories='arm/joint_trajectory')
HORIZON = 8
ACTIONS = ActionSpec(2, HORIZON, pad_after=HORIZON - 2)  # Up to the last image.


def windows(path, actions=ACTIONS):
    return episode_windows(read_bag(path, spec(), TOPICS), actions)


def with_command(rows, stamp_ns, times, positions, at=20, names=JOINTS, topic=TRAJECTORY):
    command = trajectory(stamp_ns, times, positions, names)
    return [*rows[:at], (topic, rows[at][1], command), *rows[at:]]


def refused(folder, **changes):
    with pytest.raises(DatasetError) as caught:
        load_dataset(folder, spec(**changes), TOPICS, ACTIONS)
    return str(caught.value)


def test_a_window_at_every_image_with_a_history(tmp_path):
    found = windows(write(tmp_path / 'bag', episode()))
    stamps = np.arange(0.15, 1.5, 0.1)
    assert len(found.state) == len(stamps)
    expected = [[where(t - 0.1), where(t)] for t in stamps]
    np.testing.assert_allclose(found.state, expected, atol=1e-6)
    assert found.image_index['front'].tolist() == [[i, i + 1] for i in range(len(stamps))]
    np.testing.assert_array_equal(found.images['front'][1], pixels(15))


def test_without_commands_the_measured_positions_are_the_actions(tmp_path):
    found = windows(write(tmp_path / 'bag', episode()))
    for k, t in enumerate(np.arange(0.05, 0.05 + HORIZON * 0.1, 0.1)):
        np.testing.assert_allclose(found.actions[0, k], where(t), atol=1e-5)


def test_measured_actions_are_taken_where_they_are_asked_for(tmp_path):
    rows = with_command(episode(), 0, [0.1], [[5.0, 5.0]])
    write(tmp_path / 'commanded', rows)
    write(tmp_path / 'guided', episode())
    found, lines = load_dataset(tmp_path, spec(), replace(TOPICS, actions='measured'), ACTIONS)
    assert (found.n_measured, lines) == (2, [])
    half = len(found) // 2
    np.testing.assert_array_equal(found.actions[:half], found.actions[half:])


def test_guided_episodes_among_commanded_ones_are_counted(tmp_path):
    write(tmp_path / 'commanded', with_command(episode(), 0, [0.1], [[5.0, 5.0]]))
    write(tmp_path / 'guided', episode())
    found, _ = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    assert (found.n_episodes, found.n_measured) == (2, 1)


def test_an_episode_without_commands_is_refused_where_they_are_asked_for(tmp_path):
    write(tmp_path / 'commanded', with_command(episode(), 0, [0.1], [[5.0, 5.0]]))
    write(tmp_path / 'guided', episode())
    found, lines = load_dataset(tmp_path, spec(), replace(TOPICS, actions='commanded'), ACTIONS)
    assert (found.n_episodes, found.n_measured) == (1, 0)
    assert 'guided: nothing on arm/joint_trajectory' in lines[0]
    with pytest.raises(ValueError, match="actions = 'guessed': needs one of"):
        BagTopics(actions='guessed')


def test_after_the_end_the_last_value_repeats(tmp_path):
    found = windows(write(tmp_path / 'bag', episode()))
    expected = [where(1.35), where(1.45)] + [where(1.49)] * 6
    np.testing.assert_allclose(found.actions[-1], expected, atol=1e-5)


def test_an_episode_shorter_than_the_horizon_is_filled_with_its_last_value(tmp_path):
    found = windows(write(tmp_path / 'bag', episode(0.4)), ActionSpec(2, 16, 14))
    assert len(found.actions) == 3
    np.testing.assert_allclose(found.actions[0, :4], [where(t) for t in np.arange(0.05, 0.4, 0.1)])
    np.testing.assert_allclose(found.actions[0, 4:], [where(0.39)] * 12, atol=1e-5)


@pytest.mark.parametrize('pad_after', [0, 3, 6])
def test_actions_reach_past_the_end_as_far_as_they_may(tmp_path, pad_after):
    found = windows(write(tmp_path / 'bag', episode()), ActionSpec(2, HORIZON, pad_after))
    last = START + 1490 * MS
    newest = START + np.arange(150, 1500, 100) * MS
    left = (last - newest) // (100 * MS)
    assert len(found.actions) == len(found.state) == np.sum(HORIZON - 2 - left <= pad_after)
    repeated = np.sum((found.actions[-1] == found.actions[-1, -1]).all(axis=1))
    assert repeated == max(pad_after, 1)


def resting(seconds):
    """Return an episode that rests for a time [s] before it moves as the others do."""
    rest = [joint_state(START + k * 10 * MS, where(0.0)) for k in range(round(seconds * 100))]
    rows = [(JOINT_STATE, START + k * 10 * MS + MS, each) for k, each in enumerate(rest)]
    for step in range(5, round(seconds * 100), 10):
        stamp_ns = START + step * 10 * MS
        rows.append((IMAGE, stamp_ns + 2 * MS, image(stamp_ns, pixels(step))))
    later = episode(1.5, START + round(seconds * 1e9))
    return sorted([*rows, *later], key=lambda row: row[1])


def test_an_idle_start_is_left_out_up_to_a_step_before_the_motion(tmp_path):
    path = write(tmp_path / 'bag', resting(1.0))
    whole, trimmed = windows(path), windows(path, replace(ACTIONS, trim_idle=True))
    assert (len(whole.actions), len(trimmed.actions)) == (24, 16)
    np.testing.assert_array_equal(trimmed.actions, whole.actions[-16:])
    moves = np.abs(trimmed.actions - where(0.0)).max(axis=(1, 2))
    assert moves.min() > 0.1, 'the first window leads out of the rest'


def test_an_episode_that_never_moves_is_not_trimmed(tmp_path):
    rows = [row for row in resting(1.5) if row[1] < START + 1500 * MS]
    path = write(tmp_path / 'bag', rows)
    trimmed = windows(path, replace(ACTIONS, trim_idle=True))
    assert len(trimmed.actions) == len(windows(path).actions)


def test_an_episode_too_short_for_its_actions_is_refused(tmp_path):
    write(tmp_path / 'bag', episode(0.5))
    with pytest.raises(DatasetError, match='no window; it is too short for actions 6 steps ahead'):
        windows(tmp_path / 'bag', ActionSpec(2, HORIZON, 0))


def test_actions_are_what_the_controller_was_commanded(tmp_path):
    times, points = [0.5, 1.0], [[1.0, 2.0], [3.0, 4.0]]
    stamp_ns = START + 200 * MS
    found = windows(write(tmp_path / 'bag', with_command(episode(), stamp_ns, times, points)))
    received_ns = START + 181 * MS  # Just before the joint state of 180 ms.
    reference = TrajectoryReference(('fr3_joint1', 'fr3_joint2'), where(0.17))
    reference.accept(
        Trajectory(reference.joint_names, stamp_ns, np.array(times), np.array(points)), received_ns
    )
    for window, t in ((6, 0.75), (10, 1.15)):
        grid = START + np.round((t + np.arange(-1, HORIZON - 1) * 0.1) * 1e3).astype(int) * MS
        expected = reference.sample(np.minimum(grid, START + 1490 * MS))[0]
        np.testing.assert_allclose(found.actions[window], expected, atol=1e-6)


def test_before_the_first_command_what_is_measured_stands_for_it(tmp_path):
    rows = with_command(episode(), START + 800 * MS, [0.5], [[1.0, 2.0]], at=80)
    found = windows(write(tmp_path / 'bag', rows))
    expected = [where(0.05 + 0.1 * step) for step in range(5)]
    np.testing.assert_allclose(found.actions[0, :5], expected, atol=1e-3)


def test_a_later_command_replaces_the_first(tmp_path):
    rows = with_command(episode(), 0, [0.1], [[5.0, 5.0]], at=100)
    rows = with_command(rows, 0, [0.1], [[1.0, 1.0]], at=20)
    found = windows(write(tmp_path / 'bag', rows))
    np.testing.assert_allclose(found.actions[5, 0], [1.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(found.actions[-1, -1], [5.0, 5.0], atol=1e-6)


def test_commands_that_no_controller_accepts(tmp_path):
    rows = episode()
    rows.insert(20, (TRAJECTORY, rows[20][1], trajectory(0, [0.1], [[1.0, 1.0]], ('a', 'b'))))
    write(tmp_path / 'bag', rows)
    reason = "joints ['a', 'b']: none of those that are observed; name the topic"
    assert f'no trajectory can be followed: {reason}' in refused(tmp_path)


def test_a_command_that_is_not_finite_is_passed_over(tmp_path):
    rows = with_command(episode(), 0, [0.1], [[np.nan, 1.0]], at=100)
    rows = with_command(rows, 0, [0.1], [[1.0, 1.0]], at=20)
    found = windows(write(tmp_path / 'bag', rows))
    np.testing.assert_allclose(found.actions[-1, -1], [1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize('names', [('fr3_joint2',), ('fr3_joint2', 'the_other_finger')])
def test_fingers_are_where_the_gripper_was_asked_to_put_them(tmp_path, names):
    rows = with_command(episode(), 0, [0.1], [[5.0]], names=('fr3_joint1',))
    positions = [[0.04] * len(names), [0.0] * len(names)]
    rows = with_command(rows, START, [0.5, 0.7], positions, names=names, topic='/gripper/target')
    found = windows(write(tmp_path / 'bag', rows))
    np.testing.assert_allclose(found.actions[5, :3, 1], [0.03, 0.01, 0.0], atol=1e-6)
    np.testing.assert_allclose(found.actions[5, :, 0], 5.0, atol=1e-6)
    np.testing.assert_allclose(found.actions[-1, :, 1], 0.0, atol=1e-6)


def test_fingers_alone_are_commanded_where_the_arm_is_guided_by_hand(tmp_path):
    rows = with_command(
        episode(), START, [0.5], [[0.04]], names=('fr3_joint2',), topic='/gripper/target'
    )
    found = windows(write(tmp_path / 'bag', rows))
    np.testing.assert_allclose(found.actions[8, 0], [where(0.85)[0], 0.04], atol=1e-5)


def test_images_of_several_sizes_are_of_the_policys(tmp_path):
    rows = episode()
    pictures = [index for index, row in enumerate(rows) if row[0] == IMAGE]
    for index, size in zip(pictures[5:7], [(32, 48), (16, 48)], strict=True):
        stamp_ns = rows[index][1] - 2 * MS
        rows[index] = (IMAGE, rows[index][1], image(stamp_ns, pixels(0, *size)))
    found = windows(write(tmp_path / 'bag', rows))
    assert found.images['front'].shape[1:] == (16, 24, 3)
    assert len(found.images['front']) == len(pictures) - 1
    assert len(found.state) == len(windows(write(tmp_path / 'whole', episode())).state) - 2


@pytest.mark.parametrize('name', ['state', 'actions'])
@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named(name, bad):
    values = getattr(tiny_policy.dataset(), name).clone()
    values[13, 1, 4] = bad
    with pytest.raises(DatasetError, match=f'{name} of episode 1: dimension 4 is {bad}: needs'):
        replace(tiny_policy.dataset(), **{name: values})


def test_a_folder_of_bags_of_any_layout(tmp_path):
    write(tmp_path / 'one', episode())
    (tmp_path / 'deep' / 'er').mkdir(parents=True)
    write(tmp_path / 'deep' / 'er' / 'two', episode(0.8), 'sqlite3')
    (tmp_path / '.open').mkdir()
    write(tmp_path / '.open' / 'three', episode())
    dataset, skipped = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    assert (dataset.n_episodes, len(dataset), skipped) == (2, 7 + 14, [])
    batch = dataset.batch(np.array([0, 20]))
    assert batch.actions.shape == (2, HORIZON, 2)
    assert batch.images['front'].shape == (2, 2, 3, 16, 24)
    expected = np.stack([pixels(135), pixels(145)]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(batch.images['front'][1], expected)


def test_the_digest_is_of_the_data(tmp_path):
    def digest(name, duration, storage='mcap'):
        (tmp_path / name).mkdir()
        write(tmp_path / name / 'bag', episode(duration), storage)
        return load_dataset(tmp_path / name, spec(), TOPICS, ACTIONS)[0].digest

    assert digest('a', 1.0) == digest('b', 1.0, 'sqlite3')
    assert digest('c', 1.1) != digest('d', 1.0)


def test_whole_episodes_go_to_validation(tmp_path):
    for index in range(5):
        write(tmp_path / f'bag{index}', episode(0.5 + 0.1 * index))
    dataset, _ = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    train, validation = dataset.split(0.4, seed=3)
    assert sorted([*train, *validation]) == list(range(len(dataset)))
    kept, held = set(dataset.episode[train]), set(dataset.episode[validation])
    assert (len(kept), len(held), kept & held) == (3, 2, set())
    assert (dataset.split(0.4, seed=3)[1] == validation).all()


def test_demonstrations_of_one_scene_stay_together(tmp_path):
    for index in range(10):
        info = {'task': 'reach', 'seed': str(1000 + index // 2)}
        write(tmp_path / f'bag{index}', episode(0.5), info=info)
    dataset, _ = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    for seed in range(5):
        _, validation = dataset.split(0.2, seed)
        held = sorted(set(dataset.episode[validation]))
        assert len(held) == 2
        assert held[0] // 2 == held[1] // 2


def test_a_scene_is_of_its_task_and_an_episode_that_names_none_of_its_own(tmp_path):
    scenes = [{'task': 'reach', 'seed': '3'}, {'task': 'place', 'seed': '3'}, {}, {}]
    for index, info in enumerate(scenes):
        write(tmp_path / f'bag{index}', episode(0.5), info=info)
    dataset, _ = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    assert sorted(dataset.scene) == [0, 1, 2, 3]


def test_no_scene_outweighs_the_share_where_a_smaller_one_is_there():
    data = replace(tiny_policy.dataset(), scene=np.array([0, 0, 0, 1]))
    for seed in range(5):
        _, validation = data.split(0.25, seed)
        assert set(data.episode[validation]) == {3}
    pairs = replace(tiny_policy.dataset(), scene=np.array([0, 0, 1, 1]))
    held = {tuple(np.unique(pairs.episode[pairs.split(0.05, seed)[1]])) for seed in range(9)}
    assert held == {(0, 1), (2, 3)}


def test_episodes_of_one_scene_alone_are_split_by_themselves():
    data = tiny_policy.dataset()
    together = replace(data, scene=np.zeros(4, np.int64))
    for one, other in zip(together.split(0.25, seed=2), data.split(0.25, seed=2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_images_are_in_memory_once_while_a_data_set_is_read(tmp_path):
    size = (96, 128)
    for index in range(16):
        rows = [
            (topic, time, content if topic != IMAGE else image(time - 2 * MS, pixels(0, *size)))
            for topic, time, content in episode(0.8)
        ]
        write(tmp_path / f'bag{index}', rows)
    tracemalloc.start()
    dataset, _ = load_dataset(tmp_path, spec(image_sizes={'front': size}), TOPICS, ACTIONS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * dataset.images['front'].nbytes


def test_the_memory_of_windows_is_that_of_all_their_values():
    dataset = tiny_policy.dataset()
    tensors = dataset.state, dataset.actions, *dataset.images.values()
    indices = dataset.image_index.values()
    assert dataset.n_bytes == sum(
        tensor.numel() * tensor.element_size() for tensor in (*tensors, *indices)
    )
    assert dataset.to(torch.device('cpu')).n_bytes == dataset.n_bytes


def test_one_episode_cannot_be_split(tmp_path):
    write(tmp_path / 'bag', episode())
    dataset, _ = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    with pytest.raises(DatasetError, match='needs at least 2'):
        dataset.split(0.1, seed=0)


def test_a_bag_of_no_use_is_skipped_by_name(tmp_path):
    write(tmp_path / 'good', episode())
    write(tmp_path / 'short', episode(0.1))
    write(tmp_path / 'blind', [row for row in episode() if row[0] != IMAGE])
    write(tmp_path / 'failed', episode(), info={'succeeded': 'false'})
    (write(tmp_path / 'torn', episode()) / 'torn.mcap').write_bytes(b'')
    dataset, skipped = load_dataset(tmp_path, spec(), TOPICS, ACTIONS)
    assert dataset.n_episodes == 1
    reasons = dict(line.removeprefix(f'{tmp_path}/').split(': ', 1) for line in skipped)
    assert sorted(reasons) == ['blind', 'failed', 'short', 'torn']
    assert reasons['short'].startswith('no window (1 refused; most often: ')
    assert reasons['failed'] == 'not a success: metadata.yaml says succeeded: false'


def test_a_policy_without_cameras(tmp_path):
    write(tmp_path / 'bag', episode())
    assert 'windows are cut at images: name a camera' in refused(tmp_path, image_sizes={})


def of_task(folder, **changes):
    """Return the windows of a task; its wrist camera, if it has one, is at 20 Hz."""
    rows = episode()
    for ms in range(0, 1500, 50):
        stamp_ns = START + ms * MS
        rows.append(('/camera/wrist/image_raw', stamp_ns + 2 * MS, image(stamp_ns, pixels(ms))))
    rows.sort(key=lambda row: row[1])
    task = Task(**{'joints': JOINTS, 'cameras': {'front': Camera((16, 24))}} | changes)
    path = write(folder / f'bag{len(list(folder.iterdir()))}', rows)
    recording = read_bag(path, window_spec(task), BagTopics.of(task))
    return recording, episode_windows(recording, ACTIONS)


def test_a_latency_in_the_task_file_changes_what_a_window_holds(tmp_path):
    plain, late = Camera((16, 24)), Camera((16, 24), latency=0.05)
    _, found = of_task(tmp_path)
    stamps = np.arange(0.15, 1.5, 0.1)
    np.testing.assert_allclose(found.state[:, 1], [where(t) for t in stamps], atol=1e-6)

    recording, found = of_task(tmp_path, cameras={'front': late})
    assert recording.stamps_ns[0] == START
    np.testing.assert_allclose(found.state[:, 1], [where(t - 0.05) for t in stamps], atol=1e-6)
    np.testing.assert_array_equal(
        found.images['front'][found.image_index['front'][0, 1]], pixels(15)
    )

    _, found = of_task(tmp_path, joint_latency=0.05)
    held = stamps < 1.44
    expected = [where(t + 0.05) for t in stamps[held]]
    np.testing.assert_allclose(found.state[: held.sum(), 1], expected, atol=1e-6)

    for wrist, shift in ((plain, 0), (late, 50)):
        _, found = of_task(tmp_path, cameras={'front': plain, 'wrist': wrist})
        chosen = found.images['wrist'][found.image_index['wrist'][3]]
        expected = [pixels(ms + shift) for ms in (350, 450)]
        np.testing.assert_array_equal(chosen, expected)
        np.testing.assert_allclose(found.state[3, 1], where(0.45), atol=1e-6)


def test_a_crop_in_the_task_file_is_what_a_window_holds(tmp_path):
    _, found = of_task(tmp_path, cameras={'front': Camera((8, 12), crop=(3, 5, 8, 12))})
    np.testing.assert_array_equal(found.images['front'][1], pixels(15)[3:11, 5:17])
    with pytest.raises(BagError, match='crop of 12×15 px from 5, 3 on reaches beyond it'):
        of_task(tmp_path, cameras={'front': Camera((8, 12), crop=(3, 5, 15, 12))})


def test_a_tolerance_in_the_task_file_decides_which_windows_there_are(tmp_path):
    def count(**camera):
        cameras = {'front': Camera((16, 24), **camera)}
        return len(of_task(tmp_path, cameras=cameras, dt=0.09)[1].state)

    assert (count(), count(tolerance=0.011)) == (14, 14)
    with pytest.raises(DatasetError, match='is 10.0 ms from its frame, tolerance 9.0 ms'):
        count(tolerance=0.009)


def test_topics_are_those_of_the_task(tmp_path):
    topics = Topics('a', 'b', 'c')
    task = Task(
        joints=JOINTS, cameras={'x': Camera((8, 8)), 'y': Camera((8, 8), 'd')}, topics=topics
    )
    images = {'x': 'camera/x/image_raw', 'y': 'd'}
    assert BagTopics.of(task) == BagTopics(images, 'a', 'b', 'c')
    assert BagTopics.of(task, 'measured').actions == 'measured'


def test_an_empty_folder(tmp_path):
    assert refused(tmp_path).startswith(f'{tmp_path}: no rosbag2 in it: record with ')


def test_no_folder(tmp_path):
    assert refused(tmp_path / 'nowhere') == f'{tmp_path}/nowhere: no such folder'


def test_a_folder_without_one_usable_bag(tmp_path):
    write(tmp_path / 'blind', [row for row in episode() if row[0] == JOINT_STATE])
    text = refused(tmp_path)
    assert 'no bag can be used' in text and "no topic 'camera/front/image_raw'" in text
