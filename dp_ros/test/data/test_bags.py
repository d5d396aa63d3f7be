# SPDX-License-Identifier: Apache-2.0
"""Bags that can be read, whoever made them, and bags that cannot, each with its reason."""

import shutil
import sqlite3

from bag_maker import (
    IMAGE,
    JOINT_STATE,
    JOINTS,
    MS,
    NS,
    START,
    TRAJECTORY,
    episode,
    image,
    joint_state,
    message,
    pixels,
    spec,
    trajectory,
    where,
    write,
)
import cv2
from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.bags.storage import BagError, bag_info
import numpy as np
import pytest
import yaml

TOPICS = BagTopics(trajectories='arm/joint_trajectory')


def renamed(rows, old, new):
    return [(new if topic == old else topic, t, content) for topic, t, content in rows]


def refused(path, topics=TOPICS, **changes):
    with pytest.raises(BagError) as caught:
        read_bag(path, spec(**changes), topics)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_both_formats(tmp_path, storage):
    recording = read_bag(write(tmp_path / 'bag', episode(), storage), spec(), TOPICS)
    assert recording.stamps_ns == [START + ms * MS for ms in range(50, 1500, 100)]
    np.testing.assert_array_equal(recording.builder.images['front'].samples[0], pixels(5))
    assert len(recording.builder.joints.stamps) == 150
    assert not recording.refused


def test_topics_in_a_namespace(tmp_path):
    rows = renamed(renamed(episode(), IMAGE, f'/lab{IMAGE}'), JOINT_STATE, '/lab/joint_states')
    assert read_bag(write(tmp_path / 'bag', rows), spec(), TOPICS).stamps_ns


def test_the_exact_topic_comes_before_one_that_ends_the_same(tmp_path):
    other = [('/franka/joint_states', t, joint_state(t, [9.0, 9.0])) for _, t, _ in episode()[:5]]
    recording = read_bag(write(tmp_path / 'bag', episode() + other), spec(), TOPICS)
    assert len(recording.builder.joints.stamps) == 150


def test_two_topics_that_end_the_same(tmp_path):
    rows = renamed(episode(), JOINT_STATE, '/a/joint_states')
    rows += renamed(episode()[:3], JOINT_STATE, '/b/joint_states')
    text = refused(write(tmp_path / 'bag', rows))
    assert "['/a/joint_states', '/b/joint_states'] all end in 'joint_states'" in text


@pytest.mark.parametrize('topic', [IMAGE, JOINT_STATE])
def test_a_missing_topic_is_named_with_those_that_are_there(tmp_path, topic):
    rows = [row for row in episode() if row[0] != topic]
    there = IMAGE if topic == JOINT_STATE else JOINT_STATE
    text = refused(write(tmp_path / 'bag', rows))
    assert f'no topic {topic[1:]!r}' in text and there in text


@pytest.mark.parametrize(
    'topics',
    [
        {'joint_states': IMAGE},
        {'trajectories': IMAGE},
        {'trajectories': JOINT_STATE},
        {'images': {'front': JOINT_STATE}},
    ],
)
def test_a_topic_of_another_type_is_named_with_both(tmp_path, topics):
    text = refused(write(tmp_path / 'bag', episode()), BagTopics(**topics))
    assert ' holds sensor_msgs/msg/' in text and ': needs ' in text


def test_compressed_images(tmp_path):
    rows = []
    for topic, t, content in episode():
        if topic == IMAGE:
            data = cv2.imencode('.png', content.data.reshape(16, 24, 3)[..., ::-1])[1]
            kind = 'sensor_msgs/msg/CompressedImage'
            content = message(kind, header=content.header, format='png', data=data)
            topic = f'{IMAGE}/compressed'
        rows.append((topic, t, content))
    recording = read_bag(write(tmp_path / 'bag', rows), spec(), TOPICS)
    np.testing.assert_array_equal(recording.builder.images['front'].samples[0], pixels(5))


def truncated(path, storage, share):
    write(path, episode(), storage)
    file = next(f for f in path.iterdir() if f.suffix in ('.mcap', '.db3'))
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    return path


@pytest.mark.parametrize(
    ('storage', 'share'),
    [
        *(('sqlite3', share) for share in (0.0, 0.001, 0.3, 0.9, 0.98)),
        *(('mcap', share) for share in (0.0, 0.0001)),
    ],
)
def test_a_truncated_bag_without_anything_whole(tmp_path, storage, share):
    refused(truncated(tmp_path / 'bag', storage, share))


def test_messages_that_are_missing(tmp_path):
    path = write(tmp_path / 'bag', episode(), 'sqlite3')
    with sqlite3.connect(path / 'bag.db3') as database:
        database.execute('DELETE FROM messages WHERE id > 150')
    assert '150 messages where 165 were written' in refused(path)


def test_an_altered_bag(tmp_path):
    path = write(tmp_path / 'bag', episode(), 'sqlite3')
    file = path / 'bag.db3'
    data = bytearray(file.read_bytes())
    for place in range(100, len(data), 997):
        data[place] ^= 0xFF
    file.write_bytes(data)
    assert 'cannot be read' in refused(path)


@pytest.mark.parametrize('text', ['', '{', 'a: b', 'rosbag2_bagfile_information: 3'])
def test_metadata_that_are_none(tmp_path, text):
    path = write(tmp_path / 'bag', episode())
    (path / 'metadata.yaml').write_text(text)
    assert 'metadata.yaml cannot be read' in refused(path)


def test_metadata_that_name_a_missing_file(tmp_path):
    path = write(tmp_path / 'bag', episode())
    (path / 'bag.mcap').unlink()
    assert 'cannot be read' in refused(path)


def test_a_bag_without_messages(tmp_path):
    path = write(tmp_path / 'bag', [])
    assert 'no topic' in refused(path)


def test_samples_that_are_refused_live_are_refused_here(tmp_path):
    rows = episode()
    rows[3] = (JOINT_STATE, rows[3][1], joint_state(START + 30 * MS, [np.nan, 0.0]))
    rows.insert(20, (IMAGE, START, image(0, pixels(0))))
    rows.insert(40, (IMAGE, START, image(START + 260 * MS, pixels(0), 'yuv400')))
    recording = read_bag(write(tmp_path / 'bag', rows), spec(), TOPICS)
    assert sorted(reason.split(':')[0] for reason in recording.refused) == [
        'camera front',
        "encoding 'yuv400'",
        'joint_states',
    ]
    assert len(recording.builder.joints.stamps) == 149


def test_nothing_but_nan(tmp_path):
    rows = [
        (topic, t, joint_state(t, [0.0, np.nan]) if topic == JOINT_STATE else content)
        for topic, t, content in episode()
    ]
    text = refused(write(tmp_path / 'bag', rows))
    assert (
        'no message on /joint_states can be used (150 refused; most often: joint_states: ' in text
    )
    assert 'position of fr3_joint2 is not finite: nan' in text


def test_images_of_another_size(tmp_path):
    text = refused(write(tmp_path / 'bag', episode()), image_sizes={'front': (96, 96)})
    assert 'image is 24×16, 96×96 is needed' in text


def test_what_is_older_than_the_start_is_left_out(tmp_path):
    info = {'start_ns': str(START + 100 * MS), 'seed': '7'}
    path = write(tmp_path / 'bag', episode(), info=info)
    assert bag_info(path) == info
    recording = read_bag(path, spec(), TOPICS)
    assert recording.builder.joints.stamps[0] == START + 100 * MS
    assert recording.stamps_ns[0] == START + 150 * MS


def test_a_trajectory_is_placed_on_the_clock_of_the_stamps(tmp_path):
    """As `ros2 bag record` does with a simulation: bag times of the wall clock, other stamps."""
    shift = 5_000 * NS
    rows = [(topic, t + shift, content) for topic, t, content in episode()]
    command = trajectory(0, [1.0], [where(1.0)])
    rows.insert(50, (TRAJECTORY, rows[50][1], command))
    received_ns, found = read_bag(write(tmp_path / 'bag', rows), spec(), TOPICS).trajectories[0]
    assert abs(received_ns - (rows[49][1] - shift)) <= 10 * MS
    assert found.joint_names == JOINTS
    np.testing.assert_array_equal(found.positions, [where(1.0)])


def test_a_trajectory_keeps_its_time_where_the_clock_is_that_of_the_stamps(tmp_path):
    """What lies between a joint state's stamp and its arrival is not added to a command's."""
    late = [
        (topic, t + (40 * MS if topic == JOINT_STATE else 0), content)
        for topic, t, content in episode()
    ]
    command = (TRAJECTORY, START + 500 * MS, trajectory(0, [1.0], [where(1.0)]))
    rows = sorted([*late, command], key=lambda row: row[1])
    received_ns, _ = read_bag(write(tmp_path / 'bag', rows), spec(), TOPICS).trajectories[0]
    assert received_ns == START + 500 * MS


def commands(tmp_path, *contents, actions='auto'):
    """Read an episode in which these trajectories come after half a second, a message apart."""
    rows = episode()
    for content in reversed(contents):
        rows.insert(50, (TRAJECTORY, rows[50][1], content))
    topics = BagTopics(trajectories='arm/joint_trajectory', actions=actions)
    return read_bag(write(tmp_path / 'bag', rows), spec(), topics)


def odd(change):
    content = trajectory(0, [0.1, 0.2], [where(1.0), where(1.1)])
    for point in content.points:
        point.velocities = np.zeros(2)
    change(content)
    return content


def no_first_velocity(content):
    content.points[0].velocities = np.zeros(0)


def no_last_velocity(content):
    content.points[1].velocities = np.zeros(0)


def ragged(content):
    content.points[1].positions = np.zeros(1)


def named_twice(content):
    content.joint_names = [JOINTS[0], JOINTS[0]]


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (no_first_velocity, 'points of different lengths: 0 velocities in the first, 2 in point'),
        (no_last_velocity, 'points of different lengths: 2 velocities in the first, 0 in point'),
        (ragged, 'points of different lengths: 2 positions in the first, 1 in point 1'),
        (named_twice, 'one is named twice'),
    ],
)
def test_a_bad_command_costs_itself_and_not_the_episode(tmp_path, change, reason):
    recording = commands(tmp_path, odd(change), odd(lambda content: None))
    assert len(recording.stamps_ns) == 15 and not recording.unfollowed
    ((said, count),) = recording.rejected.items()
    assert reason in said and count == 1
    where_at_end = recording.builder.commands.sample(
        np.array([START + 1400 * MS]), np.zeros((1, 2))
    )
    np.testing.assert_allclose(where_at_end, [where(1.1)])


@pytest.mark.parametrize('actions', ['auto', 'commanded'])
def test_commands_of_which_none_can_be_read_are_not_taken_for_none(tmp_path, actions):
    recording = commands(tmp_path, odd(ragged), actions=actions)
    assert 'points of different lengths' in recording.unfollowed


def test_a_bag_of_an_older_rosbag2_without_definitions(tmp_path):
    """Bags of sqlite3 from Humble carry no definitions; those of Jazzy's messages are known."""
    path = write(tmp_path / 'bag', episode(), 'sqlite3')
    with sqlite3.connect(path / 'bag.db3') as database:
        database.execute('DELETE FROM message_definitions')
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    for topic in metadata['rosbag2_bagfile_information']['topics_with_message_count']:
        topic['topic_metadata']['type_description_hash'] = ''
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    assert read_bag(path, spec(), TOPICS).stamps_ns


def test_a_bag_that_was_moved(tmp_path):
    path = shutil.move(write(tmp_path / 'bag', episode()), tmp_path / 'elsewhere')
    assert read_bag(path, spec(), TOPICS).path.name == 'elsewhere'
