# SPDX-License-Identifier: Apache-2.0
"""Bags as other programs write them, and as a recorder leaves them that was killed."""

import shutil
import struct

from bag_maker import (
    IMAGE,
    JOINT_STATE,
    JOINTS,
    MS,
    START,
    TRAJECTORY,
    TYPES,
    episode,
    joint_state,
    message,
    spec,
    trajectory,
    where,
    write,
)
from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.bags.checksums import seal
from dp_ros.data.bags.storage import BagError, bag_info
from dp_ros.data.datasets.dataset import DatasetError, find_bags, load_dataset
from dp_ros.data.datasets.discovery import discover
from dp_ros.data.windows.window import ActionSpec
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
import yaml

TOPICS = BagTopics(trajectories='arm/joint_trajectory')


def read(path, **changes):
    return read_bag(path, spec(**changes), TOPICS)


def taken(recording):
    builder = recording.builder
    return recording.stamps_ns, builder.joints.stamps, builder.images['front'].stamps


def record(content, kind):
    return struct.pack('<BQ', kind, len(content)) + content


def text(value):
    return struct.pack('<I', len(value)) + value.encode()


def beside(path, topic, encoding, schema=('thing', 'jsonschema', '{}')):
    """Put a channel with a message beside those of a file, outside of its chunks."""
    (file,) = path.glob('*.mcap')
    data = file.read_bytes()
    begin = 8 + 9 + struct.unpack_from('<BQ', data, 8)[1]
    added = record(struct.pack('<H', 77) + b''.join(map(text, schema)), 0x03)
    channel = struct.pack('<HH', 99, 77) + text(topic) + text(encoding) + struct.pack('<I', 0)
    added += record(channel, 0x04)
    added += record(struct.pack('<HIQQ', 99, 0, START, START) + b'{"a": 1}', 0x05)
    end = data.index(struct.pack('<BQ', 0x0F, 4), begin)
    tail = record(struct.pack('<I', 0), 0x0F) + record(struct.pack('<QQI', 0, 0, 0), 0x02)
    file.write_bytes(data[:begin] + added + data[begin:end] + tail + data[:8])
    return path


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_without_metadata(tmp_path, storage):
    path = write(tmp_path / 'bag', episode(), storage)
    wanted = read(path)
    (path / 'metadata.yaml').unlink()
    found = read(path)
    assert taken(found) == taken(wanted) and found.digest == wanted.digest
    assert find_bags(tmp_path) == [path]


def test_without_metadata_the_notes_are_those_of_the_file(tmp_path):
    path = write(tmp_path / 'bag', episode(), info={'succeeded': 'false', 'seed': '7'})
    (path / 'metadata.yaml').unlink()
    assert bag_info(path) == {'succeeded': 'false', 'seed': '7'}
    with pytest.raises(DatasetError, match='not a success'):
        load_dataset(tmp_path, spec(), TOPICS, ActionSpec(2, 4, 0))


def test_a_bag_that_does_not_say_its_storage(tmp_path):
    path = write(tmp_path / 'bag', episode())
    wanted, file = read(path), path / 'metadata.yaml'
    content = yaml.safe_load(file.read_text())
    content['rosbag2_bagfile_information']['storage_identifier'] = ''
    file.write_text(yaml.safe_dump(content))
    assert taken(read(path)) == taken(wanted)


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9, 0.99])
def test_a_killed_recording_is_read_up_to_the_break(tmp_path, share):
    """Also with the metadata of the whole, which `ros2 bag reindex` or a copy may leave."""
    path = write(tmp_path / 'bag', episode())
    wanted, data = read(path), (path / 'bag.mcap').read_bytes()
    (path / 'bag.mcap').write_bytes(data[: int(share * len(data))])
    found = read(path)
    for ours, theirs in zip(taken(found), taken(wanted), strict=True):
        assert ours == theirs[: len(ours)]
    read_share = len(found.builder.joints.stamps) / len(wanted.builder.joints.stamps)
    assert abs(read_share - share) < 0.1 or share > 0.9 and read_share == 1
    assert found.cut.startswith('bag.mcap was cut off: read up to byte ')
    assert not found.has_checksums and not wanted.cut


def test_training_says_what_was_cut_off(tmp_path):
    path = write(tmp_path / 'bag', episode())
    data = (path / 'bag.mcap').read_bytes()
    (path / 'bag.mcap').write_bytes(data[: int(0.8 * len(data))])
    dataset, skipped = load_dataset(tmp_path, spec(), TOPICS, ActionSpec(2, 4, 0))
    assert not skipped and len(dataset) > 5
    assert dataset.cut[0].startswith(f'{path}: bag.mcap was cut off')


@pytest.mark.parametrize('compression', ['zstd', 'none'])
def test_whole_chunks_before_the_break_are_checked(tmp_path, compression):
    path = tmp_path / 'bag'
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    if compression == 'zstd':
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        kinds = {topic: content.__msgtype__ for topic, _, content in episode()}
        held = {t: writer.add_connection(t, k, typestore=TYPES) for t, k in kinds.items()}
        for topic, time_ns, content in episode(60.0):
            writer.write(held[topic], time_ns, TYPES.serialize_cdr(content, kinds[topic]))
    wanted, file = taken(read(path)), path / 'bag.mcap'
    seal(file)
    data = file.read_bytes()
    file.write_bytes(data[: int(0.9 * len(data))])
    found = taken(read(path))
    assert found[0] == wanted[0][: len(found[0])] and len(found[0]) > len(wanted[0]) / 2
    if compression == 'zstd':
        return  # What was compressed has its checksum inside, and this writer's is zero.
    file.write_bytes(data[:9000] + bytes([data[9000] ^ 1]) + data[9001 : int(0.9 * len(data))])
    with pytest.raises(BagError, match='altered: the checksum'):
        read(path)


@pytest.mark.parametrize('encoding', ['json', 'protobuf', ''])
def test_channels_of_other_encodings_are_passed_over(tmp_path, encoding):
    wanted = taken(read(write(tmp_path / 'plain', episode())))
    path = beside(write(tmp_path / 'bag', episode()), '/diagnostics_json', encoding)
    assert taken(read(path)) == wanted


def test_a_wanted_topic_of_another_encoding_is_named_with_it(tmp_path):
    rows = [row for row in episode() if row[0] != JOINT_STATE]
    path = write(tmp_path / 'bag', rows)
    beside(path, JOINT_STATE, 'json', ('sensor_msgs/msg/JointState', 'jsonschema', '{}'))
    with pytest.raises(BagError, match=r'/joint_states holds sensor_msgs/msg/JointState \(json\)'):
        read(path)


def test_messages_without_definitions_are_those_of_jazzy(tmp_path):
    """As of mcap writers that store no schema's text; the others keep theirs."""
    path = write(tmp_path / 'bag', episode())
    wanted, file = taken(read(path)), path / 'bag.mcap'
    data = file.read_bytes()
    definition = text('ros2msg')
    file.write_bytes(data.replace(definition, text('ros2xyz')))
    assert taken(read(path)) == wanted


def test_messages_come_in_the_order_of_their_times(tmp_path):
    """Chunks may overlap, where a recorder wrote what came late."""
    rows = episode(30.0)
    late = [row for row in rows if row[0] == IMAGE]
    others = [row for row in rows if row[0] != IMAGE]
    path = write(tmp_path / 'bag', [*others, *late])
    assert taken(read(path)) == taken(read(write(tmp_path / 'sorted', rows)))


def split(path, parts, name):
    """Write an episode in files of equal length."""
    rows, count = episode(3.0), 3.0 * 110 / parts
    path.mkdir()
    for index in range(parts):
        share = rows[int(index * count) : int((index + 1) * count)]
        other = write(path.parent / f'part{index}', share)
        shutil.move(other / f'part{index}.mcap', path / f'{name}_{index}.mcap')
        shutil.rmtree(other)
    return path


def test_the_parts_of_a_split_recording_are_one_episode(tmp_path):
    wanted = taken(read(write(tmp_path / 'whole', episode(3.0))))
    shutil.rmtree(tmp_path / 'whole')
    path = split(tmp_path / 'bag', 12, 'bag')
    assert find_bags(tmp_path) == [path]
    assert taken(read(path)) == wanted


def test_files_of_a_flat_folder_are_an_episode_each(tmp_path):
    path = split(tmp_path / 'bag', 2, 'episode')
    assert find_bags(tmp_path) == [path / 'episode_0.mcap', path / 'episode_1.mcap']
    dataset, skipped = load_dataset(tmp_path, spec(), TOPICS, ActionSpec(2, 4, 0))
    assert dataset.n_episodes == 2 and not skipped


def test_a_folder_of_metadata_alone(tmp_path):
    path = write(tmp_path / 'bag', [])
    for file in path.glob('*.mcap'):
        file.unlink()
    with pytest.raises(BagError, match=r'bag.mcap is missing'):
        read(path)


def test_a_command_on_another_topic_is_named_not_replaced_by_measured_positions(tmp_path):
    rows = episode()
    rows.insert(50, (TRAJECTORY, rows[50][1], trajectory(0, [1.0], [where(1.0)])))
    path = write(tmp_path / 'bag', rows)
    topics = BagTopics(trajectories='fr3_arm_controller/joint_trajectory')
    with pytest.raises(BagError) as caught:
        read_bag(path, spec(), topics)
    assert 'nothing on fr3_arm_controller/joint_trajectory, but /arm/joint' in str(caught.value)
    measured = BagTopics(trajectories=topics.trajectories, actions='measured')
    assert not read_bag(path, spec(), measured).trajectories


@pytest.mark.parametrize('change', [{'topic': '/policy/chunk'}, {'names': ('other_1', 'other_2')}])
def test_trajectories_that_command_other_joints_or_nothing(tmp_path, change):
    rows = episode()
    command = trajectory(0, [1.0], [where(1.0)], change.get('names', JOINTS))
    rows.insert(50, (change.get('topic', '/other/joint_trajectory'), rows[50][1], command))
    assert not read(write(tmp_path / 'bag', rows)).trajectories


def apart(rows, shift_ms=0):
    """Give each joint messages of its own, the second one's stamped later."""
    found = []
    for topic, time_ns, content in rows:
        if topic != JOINT_STATE:
            found.append((topic, time_ns, content))
            continue
        stamp_ns = time_ns - MS
        first, second = content.position
        found.append((topic, time_ns, joint_state(stamp_ns, [first], JOINTS[:1])))
        stamp_ns += shift_ms * MS
        t = (stamp_ns - START) / 1e9
        second = where(t)[1] if shift_ms else second
        found.append((topic, time_ns, joint_state(stamp_ns, [second], JOINTS[1:])))
    return found


@pytest.mark.parametrize('shift_ms', [0, 3])
def test_joints_in_messages_of_their_own_are_merged_by_their_stamps(tmp_path, shift_ms):
    recording = read(write(tmp_path / 'bag', apart(episode(), shift_ms)))
    joints = recording.builder.joints
    assert len(joints.stamps) >= 149 and recording.refused.keys() <= {
        "joint_states: no fr3_joint2 among ['fr3_joint1'], nor in another message of the last "
        '100 ms'
    }
    wanted = [where((stamp_ns - START) / 1e9) for stamp_ns in joints.stamps]
    np.testing.assert_allclose(joints.samples, wanted, atol=2e-5)
    assert recording.arrivals['joint_states'][3] == (START + 31 * MS, START + 30 * MS)


def test_a_joint_that_is_missing_beyond_the_gap_is_named(tmp_path):
    rows = apart(episode())
    fingers = [row for row in rows if row[0] == JOINT_STATE and row[2].name == [JOINTS[1]]]
    lost = [row for row in rows if not any(row is each for each in fingers[30:60])]
    recording = read(write(tmp_path / 'bag', lost))
    assert any('no fr3_joint2 among' in reason for reason in recording.refused)
    assert max(np.diff(recording.builder.joints.stamps)) > 250 * MS


def test_messages_of_other_joints_alone_are_passed_over(tmp_path):
    rows = []
    for topic, time_ns, content in episode():
        rows.append((topic, time_ns, content))
        if topic == JOINT_STATE:
            rows.append((topic, time_ns, joint_state(time_ns - MS, [0.0], ['other'])))
    recording = read(write(tmp_path / 'bag', rows))
    assert not recording.refused and len(recording.builder.joints.stamps) == 150


def test_the_joints_of_a_task_are_those_of_all_messages(tmp_path):
    rows = apart(episode(0.5))
    for name, positions in (('/arm/joint_trajectory', where(1.0)[:1]), ('/gripper/target', [0.0])):
        names = JOINTS[:1] if 'arm' in name else JOINTS[1:]
        rows.append((name, rows[-1][1], trajectory(0, [1.0], [positions], names)))
    task = discover([write(tmp_path / 'bag', rows)])
    assert (task.joints, task.gripper_joints) == (JOINTS[:1], JOINTS[1:])


def test_a_message_of_an_unknown_type_beside(tmp_path):
    wanted = taken(read(write(tmp_path / 'plain', episode())))
    kind = 'std_msgs/msg/String'
    path = write(tmp_path / 'bag', [*episode(), ('/chatter', START, message(kind, data='x'))])
    data = (path / 'bag.mcap').read_bytes()
    (path / 'bag.mcap').write_bytes(data.replace(kind.encode(), b'std_msgs/msg/Strinx'))
    assert taken(read(path)) == wanted
