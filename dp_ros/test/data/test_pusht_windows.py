# SPDX-License-Identifier: Apache-2.0
"""Push-T's demonstrations as windows: columns, padding, digest, and files of no use."""

from dataclasses import replace
import tracemalloc

from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.data.formats.pusht import (
    ACTIONS,
    CAMERA,
    STATES,
    is_pusht,
    load_pusht,
    observe,
    window_rows,
)
from dp_ros.data.windows.window import ActionSpec
from dp_ros.policy.config import PolicyConfig
from dp_ros.task.task import Camera, Task
from dp_ros.training.config import RunConfig, TrainConfig
from dp_ros.training.config_file import action_spec
from dp_ros.values import ConfigError
import numpy as np
import pytest

ENDS = np.array([9, 21])
TASK = Task(joints=ACTIONS, state_names=('agent_x', 'block_angle'))
CONFIG = PolicyConfig(TASK)
IMAGE_SIZE = (32, 40)


def arrays():
    steps = np.arange(ENDS[-1], dtype=np.float32)
    return {
        'action': np.stack([steps, steps + 100], axis=1),
        'state': np.stack([steps + 200, steps, steps, steps, steps / 10], axis=1),
        'episode_ends': ENDS,
    }


@pytest.fixture
def folder(tmp_path):
    def write(**changes):
        held = {name: value for name, value in (arrays() | changes).items() if value is not None}
        np.savez(tmp_path / 'pusht_lowdim.npz', **held)
        return tmp_path

    return write


def load(folder, task):
    return load_pusht(folder, task, action_spec(RunConfig(PolicyConfig(task))))


def refused(folder, task=TASK):
    with pytest.raises(DatasetError) as caught:
        load(folder, task)
    return str(caught.value)


def test_windows_are_padded_by_repetition_as_the_papers_make_them():
    rows, episode = window_rows(ENDS, ActionSpec(n_obs_steps=2, horizon=8, pad_after=3))
    assert rows[0].tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    first = rows[episode == 0]
    assert first[-1].tolist() == [4, 5, 6, 7, 8, 8, 8, 8]
    assert rows[episode == 1][0].tolist() == [9, 9, 10, 11, 12, 13, 14, 15]
    assert np.bincount(episode).tolist() == [9 - 8 + 1 + 3 + 1, 12 - 8 + 1 + 3 + 1]


def test_windows_reach_past_the_end_as_far_as_they_may():
    for pad_after, last in ((0, 8), (1, 9), (6, 14)):
        rows, episode = window_rows(
            ENDS, ActionSpec(n_obs_steps=2, horizon=8, pad_after=pad_after)
        )
        expected = np.minimum(np.arange(last - 7, last + 1), 8)
        np.testing.assert_array_equal(rows[episode == 0][-1], expected)


@pytest.mark.parametrize(('given', 'pad_after'), [(None, 7), (0, 0), (14, 14)])
def test_the_papers_padding_is_the_default(given, pad_after):
    run = RunConfig(CONFIG, TrainConfig(pad_after=given))
    assert action_spec(run) == ActionSpec(2, 16, pad_after)


@pytest.mark.parametrize('pad_after', [-1, 15])
def test_no_window_lies_outside_its_episode(pad_after):
    with pytest.raises(ConfigError, match=f'train.pad_after = {pad_after}: needs 0 to .* = 14'):
        RunConfig(CONFIG, TrainConfig(pad_after=pad_after))


def test_an_episode_too_short_is_named():
    with pytest.raises(DatasetError, match='episode 1: 3 steps: needs at least 4'):
        window_rows(np.array([9, 12]), ActionSpec(2, 8, 3))


def test_windows_hold_the_columns_that_the_policy_names(folder):
    data = load(folder(), TASK)
    assert (data.n_episodes, len(data)) == (2, 21 - 2 * 7)
    batch = data.batch(np.array([0, 1]))
    np.testing.assert_allclose(batch.state, [[[200, 0], [200, 0]], [[200, 0], [201, 0.1]]])
    np.testing.assert_array_equal(batch.actions[1, :, 0], [*range(9), *[8] * 7])
    np.testing.assert_array_equal(batch.actions[1, :, 1], batch.actions[1, :, 0] + 100)
    swapped = load(folder(), replace(TASK, joints=ACTIONS[::-1]))
    np.testing.assert_array_equal(swapped.actions, data.actions.flip(-1))


def test_keypoints_are_those_of_the_demonstrations():
    """The state and the first keypoints of step 60 of the original data."""
    state = np.array([[266.7359, 332.57343, 228.03712, 339.15698, 2.585039]])
    keypoints = [(172.5993, 267.60098), (280.44312, 307.94608), (177.05396, 372.51709)]
    found = observe(state, STATES)[0]
    np.testing.assert_allclose(found[:5], state[0], rtol=1e-6)
    np.testing.assert_allclose(found[5:11].reshape(3, 2), keypoints, atol=0.05)
    np.testing.assert_array_equal(observe(state, ('keypoint1_y', 'agent_x'))[0], found[[8, 0]])


def test_images_are_those_of_the_same_steps(folder):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (ENDS[-1], *IMAGE_SIZE, 3), dtype=np.uint8)
    np.savez(folder() / 'pusht_img_uint8.npz', img=images)
    task = replace(TASK, cameras={CAMERA: Camera(IMAGE_SIZE)})
    data = load(folder(), task)
    seen = data.batch(np.array([0, 3])).images[CAMERA]
    np.testing.assert_array_equal(seen[0, 0], images[0].transpose(2, 0, 1))
    np.testing.assert_array_equal(seen[1, 1], images[10].transpose(2, 0, 1))
    assert data.digest != load(folder(), TASK).digest


def test_images_are_in_memory_once_while_they_are_read(folder):
    size = (256, 256)
    np.savez(folder() / 'pusht_img_uint8.npz', img=np.zeros((ENDS[-1], *size, 3), np.uint8))
    tracemalloc.start()
    data = load(folder(), replace(TASK, cameras={CAMERA: Camera(size)}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * data.images[CAMERA].nbytes


def test_images_of_another_size_or_length_are_refused(folder):
    task = replace(TASK, cameras={CAMERA: Camera(IMAGE_SIZE)})
    assert 'pusht_img_uint8.npz: no such file' in refused(folder(), task)
    np.savez(folder() / 'pusht_img_uint8.npz', img=np.zeros((20, *IMAGE_SIZE, 3), np.uint8))
    assert 'img is (20, 32, 40, 3): needs (21, 32, 40, 3)' in refused(folder(), task)


def test_the_digest_is_of_the_data(folder):
    first = load(folder(), TASK).digest
    assert load(folder(), TASK).digest == first
    assert load(folder(action=arrays()['action'] + 1), TASK).digest != first


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'state': None}, 'no state in it: needs action, state, episode_ends'),
        ({'action': np.zeros((21, 3))}, 'action is (21, 3): needs (21, 2)'),
        ({'action': np.float32(1)}, 'action is (): needs'),
        ({'state': np.zeros((20, 5))}, 'state is (20, 5): needs (21, 5)'),
        ({'state': np.full((21, 5), np.nan)}, 'state of step 0 is not finite'),
        ({'episode_ends': np.array([9, 20])}, 'episode_ends: needs'),
        ({'episode_ends': np.array([9, 9, 21])}, 'episode_ends: needs'),
        ({'episode_ends': np.array([9.0, 21.0])}, 'episode_ends: needs'),
        ({'episode_ends': np.array([], int)}, 'episode_ends: needs'),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(folder, changes, reason):
    said = refused(folder(**changes))
    assert 'pusht_lowdim.npz' in said
    assert reason in said


def test_a_torn_file_is_refused(folder):
    file = folder() / 'pusht_lowdim.npz'
    file.write_bytes(file.read_bytes()[:100])
    assert 'cannot be read' in refused(folder=file.parent)


def test_a_folder_is_recognised_by_its_file(folder, tmp_path):
    assert not is_pusht(tmp_path)
    assert is_pusht(folder())


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'joints': ('fr3_joint1',)}, "joints: .'fr3_joint1'.: Push-T has"),
        ({'state_names': ('agent_x', 'agent_z')}, "state_names: .'agent_z'."),
        ({'cameras': {'front': Camera((96, 96))}}, "cameras: .'front'."),
    ],
)
def test_a_policy_of_another_task_is_refused(folder, changes, reason):
    with pytest.raises(ConfigError, match=reason):
        load(folder(), replace(TASK, **changes))
