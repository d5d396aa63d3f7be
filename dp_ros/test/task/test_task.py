# SPDX-License-Identifier: Apache-2.0
"""A task checks itself: whatever cannot be is refused by its name, with what can be."""

from collections import UserDict
from dataclasses import FrozenInstanceError, replace
import math

from dp_ros.task.task import (
    OBSERVATIONS,
    Camera,
    Task,
    Topics,
    first_difference,
    task_from_dict,
    task_to_dict,
)
from dp_ros.values import ConfigError
import pytest

CAMERAS = {
    'front': Camera((96, 128), crop=(0, 8, 480, 640)),
    'wrist': Camera((48, 48), '/w/image'),
}
TASK = Task(
    joints=('a', 'b'),
    name='stack',
    gripper_joints=('finger',),
    observations=OBSERVATIONS,
    cameras=CAMERAS,
    topics=Topics(gripper='hand/target'),
)


def refused(values):
    with pytest.raises(ConfigError) as caught:
        task_from_dict({'joints': ['a', 'b']} | values)
    said = str(caught.value)
    assert said.startswith('task') and '\n' not in said and len(said) < 700
    return said


# ---- what follows from it


def test_a_task_of_joints_alone():
    task = Task(joints=('a', 'b'))
    assert task.joint_names == task.observed_names == ('a', 'b')
    assert (task.camera_names, task.image_sizes, task.camera_topics) == ((), {}, {})
    assert (task.dt, task.n_obs_steps, task.horizon, task.n_action_steps) == (0.1, 2, 16, 8)
    assert task.n_points == 15
    assert not task.observes_commands


def test_names_follow_from_joints_gripper_and_observations():
    assert TASK.joint_names == ('a', 'b', 'finger')
    assert TASK.observed_names == (
        *('a', 'b', 'finger'),
        *('a commanded', 'b commanded', 'finger commanded'),
    )
    assert Task(joints=('a',), state_names=('x', 'y')).observed_names == ('x', 'y')


def test_cameras_keep_their_order_sizes_and_topics():
    assert TASK.camera_names == ('front', 'wrist')
    assert TASK.image_sizes == {'front': (96, 128), 'wrist': (48, 48)}
    assert TASK.camera_topics == {'front': 'camera/front/image_raw', 'wrist': '/w/image'}


def test_a_task_does_not_change():
    with pytest.raises(FrozenInstanceError):
        TASK.dt = 0.2
    with pytest.raises(TypeError):
        TASK.cameras['front'] = CAMERAS['wrist']
    given = dict(CAMERAS)
    task = replace(TASK, cameras=given)
    given.clear()
    assert task == TASK


# ---- what is refused


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'joints': []}, 'task: joints is empty: name the joints that the policy moves'),
        ({'joints': ['a', 'a']}, "joints and gripper_joints ('a', 'a'): a name is used twice"),
        ({'gripper_joints': ['b']}, "joints and gripper_joints ('a', 'b', 'b'): a name is used"),
        ({'state_names': ['x', 'x']}, "state_names ('x', 'x'): a name is used twice"),
        ({'observations': []}, 'observations = (): needs joint_positions, and behind it'),
        ({'observations': ['images']}, "observations: ['images']: needs some of ('joint_pos"),
        ({'observations': ['commanded_positions']}, "= ('commanded_positions',): needs joint_"),
        ({'observations': [*OBSERVATIONS[::-1]]}, 'needs joint_positions, and behind it'),
        ({'observations': ['joint_positions'] * 2}, 'observations (.*): a name is used twice'),
        ({'action': 'velocities'}, "action = 'velocities': needs one of ('joint_positions',)"),
        ({'state_names': ['x'], 'observations': [*OBSERVATIONS]}, 'leave state_names out'),
        ({'horizon': 0}, 'horizon = 0: needs 1 to 4096'),
        ({'horizon': 4097}, 'horizon = 4097: needs 1 to 4096'),
        ({'n_obs_steps': 0}, 'n_obs_steps = 0: needs 1 to 100'),
        ({'n_obs_steps': 101}, 'n_obs_steps = 101: needs 1 to 100'),
        ({'n_action_steps': 0}, 'n_action_steps = 0: needs 1 to horizon - n_obs_steps + 1 = 15'),
        ({'n_action_steps': 16}, 'n_action_steps = 16: needs 1 to horizon - n_obs_steps + 1 = 15'),
        ({'n_obs_steps': 10}, 'n_action_steps = 8: needs 1 to horizon - n_obs_steps + 1 = 7'),
        ({'dt': 0.0}, 'dt = 0.0: needs 0.001 to 60 s'),
        ({'dt': 0.0009}, 'dt = 0.0009: needs 0.001 to 60 s'),
        ({'dt': 60.1}, 'dt = 60.1: needs 0.001 to 60 s'),
        ({'camera_slop': -0.01}, 'camera_slop = -0.01: needs 0 to 10 s'),
        ({'camera_slop': 11}, 'camera_slop = 11: needs 0 to 10 s'),
        ({'joint_latency': -0.01}, 'joint_latency = -0.01: needs 0 to 10 s'),
        ({'joint_latency': 11}, 'joint_latency = 11: needs 0 to 10 s'),
        ({'max_joint_gap': -1}, 'max_joint_gap = -1: needs 0 to 10 s'),
        (
            {'start_positions': [0.1]},
            'start_positions = (0.1,): needs a position [rad] of each of',
        ),
        ({'start_positions': [0.1] * 3}, 'of each of the 2 joints, or none'),
        ({'start_positions': [0.1, math.nan]}, 'needs'),
        ({'max_joint_gap': 10.5}, 'max_joint_gap = 10.5: needs 0 to 10 s'),
    ],
)
def test_a_value_out_of_what_is_allowed_is_named_with_that(values, reason):
    before, _, after = reason.partition('(.*)')
    said = refused(values)
    assert before in said and after in said


@pytest.mark.parametrize(
    ('camera', 'reason'),
    [
        ({}, 'size'),
        ({'size': []}, 'size = (): needs height and width, up to 4096 px'),
        ({'size': [32]}, 'size = (32,): needs height and width, up to 4096 px'),
        ({'size': [32, 0]}, 'size = (32, 0): needs height and width, up to 4096 px'),
        ({'size': [4097, 32]}, 'size = (4097, 32): needs height and width, up to 4096 px'),
        ({'size': [32, 32, 3]}, 'size = (32, 32, 3): needs height and width'),
        ({'size': [32, 32.0]}, 'size = [32, 32.0]: needs tuple[int'),
        ({'size': '32x32'}, "size = '32x32': needs tuple[int"),
        ({'size': [32, True]}, 'size = [32, True]: needs tuple[int'),
        ({'crop': [1, 2, 3]}, 'crop = (1, 2, 3): needs top, left, height and width, up to 4096'),
        ({'crop': [-1, 0, 8, 8]}, 'crop = (-1, 0, 8, 8): needs top, left, height and width'),
        ({'crop': [0, 0, 0, 8]}, 'crop = (0, 0, 0, 8): needs top, left'),
        ({'crop': [0, 0, 8, 4097]}, 'crop = (0, 0, 8, 4097): needs top, left'),
        ({'crop': 'all'}, "crop = 'all': needs tuple[int"),
        ({'tolerance': -0.01}, 'tolerance = -0.01: needs 0 to 10'),
        ({'tolerance': 0.05}, 'tolerance = 0.05: needs less than dt / 2 = 0.05 s'),
        ({'tolerance': 11}, 'tolerance = 11: needs 0 to 10'),
        ({'latency': -0.01}, 'latency = -0.01: needs 0 to 10'),
        ({'latency': 10.1}, 'latency = 10.1: needs 0 to 10'),
        ({'latency': '50 ms'}, "latency = '50 ms': needs float"),
        ({'topic': 3}, 'topic = 3: needs str'),
        ({'rate': 10}, "rate: no such key; there are ['crop', 'latency', 'size', 'tolerance'"),
    ],
)
def test_a_value_of_a_camera_is_named_with_its_camera(camera, reason):
    values = ({'size': [32, 40]} if camera and 'size' not in camera else {}) | camera
    said = refused({'cameras': {'wrist': values}})
    assert 'cameras.wrist' in said and reason in said


@pytest.mark.parametrize('name', ['', 'a.b', 'a/b', 7, None, True, ('a',)])
def test_a_camera_needs_a_name_that_topics_and_weights_can_have(name):
    said = refused({'cameras': {name: {'size': [32, 40]}}})
    assert f'cameras: {name!r}: needs a name without dots and slashes' in said


@pytest.mark.parametrize('camera', [None, 7, 'front', [32, 40]])
def test_a_camera_needs_keys(camera):
    assert f'cameras.front = {camera!r}: needs keys and values' in refused(
        {'cameras': {'front': camera}}
    )


WRONG = {
    'str': (None, 7, True, ['a'], {'a': 1}),
    'tuple[str, ...]': (None, 7, True, {'a': 1}, [7], ['a', None], [['a']]),
    'tuple[float, ...]': (None, 7, 'a', {'a': 1}, ['a', 'b'], [None], [[0.1, 0.2]], [True, 0.1]),
    'float': (None, '0.1', True, [0.1], {}, math.nan, math.inf, 10**30),
    'int': (None, '2', True, 2.0, [2], {}, 10**30, -(10**30)),
}


@pytest.mark.parametrize(
    ('key', 'kind'),
    [
        (entry.name, entry.type)
        for entry in Task.__dataclass_fields__.values()
        if entry.type in WRONG
    ],
)
def test_a_value_of_another_kind_is_refused(key, kind):
    for wrong in WRONG[kind]:
        assert f'task: {key} = ' in refused({key: wrong})


def test_every_value_of_a_task_is_checked_by_its_kind():
    others = {
        entry.name for entry in Task.__dataclass_fields__.values() if entry.type not in WRONG
    }
    assert others == {'cameras', 'topics'}


@pytest.mark.parametrize('wrong', [7, 'front', [1], ['front'], None])
def test_cameras_and_topics_need_keys(wrong):
    said = refused({'cameras': wrong})
    assert f'cameras = {wrong!r}: needs the settings of each camera by its name' in said
    assert f'topics = {wrong!r}: needs keys and values' in refused({'topics': wrong})


@pytest.mark.parametrize('key', Topics.__dataclass_fields__)
def test_topics_are_text(key):
    for wrong in WRONG['str']:
        assert f'topics: {key} = ' in refused({'topics': {key: wrong}})


def test_unknown_keys_are_named_with_those_that_there_are():
    said = refused({'joint_names': ['a'], 3: 4})
    assert 'task: 3, joint_names: no such key; there are' in said and "'joints'" in said
    said = refused({'topics': {'images': 'a'}})
    assert "topics: images: no such key; there are ['commands', 'gripper', 'joint_states']" in said


def test_joints_are_needed():
    with pytest.raises(ConfigError, match="task: .*'joints'"):
        task_from_dict({'dt': 0.1})


@pytest.mark.parametrize('values', [None, 7, 'joints', ['joints'], [['joints', ['a']]]])
def test_a_task_needs_keys(values):
    with pytest.raises(ConfigError, match='mine.yaml = .*: needs keys and values'):
        task_from_dict(values, 'mine.yaml')


def test_a_long_value_is_told_by_its_beginning():
    assert len(refused({'name': ['x' * 10**6]})) < 700
    assert len(refused({'observations': ['x' * 10**6]})) < 700
    assert len(refused({'state_names': ['x' * 10**6] * 2})) < 700


# ---- as values, and back


def test_a_single_name_may_stand_for_a_list_of_one():
    assert task_from_dict({'joints': 'a', 'observations': 'joint_positions'}) == Task(
        joints=('a',)
    )


def test_whole_numbers_may_stand_for_seconds():
    assert task_from_dict({'joints': ['a'], 'dt': 1, 'joint_latency': 2}).dt == 1


def test_keys_make_the_task_that_wrote_them():
    assert task_from_dict(task_to_dict(TASK)) == TASK
    assert task_from_dict(UserDict(task_to_dict(TASK))) == TASK


def test_what_is_written_relies_on_no_default():
    written = task_to_dict(Task(joints=('a',), cameras={'front': Camera((8, 8))}))
    assert set(written) == set(Task.__dataclass_fields__)
    assert set(written['cameras']['front']) == set(Camera.__dataclass_fields__)
    assert set(written['topics']) == set(Topics.__dataclass_fields__)
    assert written['cameras']['front']['topic'] == 'camera/front/image_raw'


def test_a_topic_that_is_the_default_is_no_difference():
    plain = Task(joints=('a',), cameras={'front': Camera((8, 8))})
    named = Task(joints=('a',), cameras={'front': Camera((8, 8), 'camera/front/image_raw')})
    assert first_difference(plain, named) is None


# ---- differences

FRONT = TASK.cameras['front']
CHANGES = [
    ({'name': 'reach'}, "name: 'stack' and 'reach'"),
    ({'joints': ('b', 'a')}, "joints: ['a', 'b'] and ['b', 'a']"),
    ({'gripper_joints': ()}, "gripper_joints: ['finger'] and []"),
    ({'observations': ('joint_positions',)}, 'observations: '),
    ({'dt': 0.2}, 'dt: 0.1 and 0.2'),
    ({'n_obs_steps': 3}, 'n_obs_steps: 2 and 3'),
    ({'horizon': 32}, 'horizon: 16 and 32'),
    ({'n_action_steps': 4}, 'n_action_steps: 8 and 4'),
    ({'camera_slop': 0.01}, 'camera_slop: 0.02 and 0.01'),
    ({'joint_latency': 0.01}, 'joint_latency: 0.0 and 0.01'),
    ({'max_joint_gap': 0.2}, 'max_joint_gap: 0.1 and 0.2'),
    ({'start_positions': (0.1, 0.2)}, 'start_positions: [] and [0.1, 0.2]'),
    ({'topics': Topics()}, "topics.gripper: 'hand/target' and 'gripper/target'"),
    ({'cameras': {'front': FRONT}}, "cameras.wrist: {'size': [48, 48]"),
    ({'cameras': CAMERAS | {'third': FRONT}}, 'cameras.third: None and {'),
    *(
        ({'cameras': CAMERAS | {'front': replace(FRONT, **{key: value})}}, f'cameras.front.{said}')
        for key, value, said in (
            ('size', (96, 96), 'size: [96, 128] and [96, 96]'),
            ('topic', '/f', "topic: 'camera/front/image_raw' and '/f'"),
            ('crop', (), 'crop: [0, 8, 480, 640] and []'),
            ('tolerance', 0.01, 'tolerance: 0.0 and 0.01'),
            ('latency', 0.05, 'latency: 0.0 and 0.05'),
        )
    ),
]


@pytest.mark.parametrize(('changes', 'said'), CHANGES)
def test_a_difference_is_named_with_both_values(changes, said):
    assert first_difference(TASK, replace(TASK, **changes)).startswith(said)


def test_the_order_of_the_cameras_is_a_difference():
    turned = replace(TASK, cameras=dict(reversed(CAMERAS.items())))
    said = "order of cameras: ('front', 'wrist') and ('wrist', 'front')"
    assert first_difference(TASK, turned) == said


def test_the_same_task_has_no_difference():
    assert first_difference(TASK, task_from_dict(task_to_dict(TASK))) is None


def test_the_first_of_several_differences_is_named():
    other = replace(TASK, dt=0.2, name='reach', joint_latency=0.1)
    assert first_difference(TASK, other) == "name: 'stack' and 'reach'"


def test_every_value_is_compared():
    compared = {key for changes, _ in CHANGES for key in changes}
    assert compared == set(Task.__dataclass_fields__) - {'state_names', 'action'}
    other = Task(joints=('a',), state_names=('x',))
    assert first_difference(Task(joints=('a',)), other) == "state_names: [] and ['x']"
