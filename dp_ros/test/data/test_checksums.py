# SPDX-License-Identifier: Apache-2.0
"""Damage in a recording is noticed where it has checksums, and said to be unnoticed where not."""

import random
import shutil
import sqlite3
import struct

from bag_maker import TYPES, episode, message, spec, write
from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.bags.checksums import seal
from dp_ros.data.bags.definitions import standard_types
from dp_ros.data.bags.recording import EpisodeFolder
from dp_ros.data.bags.storage import BagError, check_bag
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
import yaml

TOPICS = BagTopics(trajectories='arm/joint_trajectory')
DEEP = '[' * 50_000


def recorded(folder, storage='mcap'):
    """Record an episode as the recorder does; return its folder."""
    made = EpisodeFolder(folder)
    written = made.open(storage, standard_types())
    for topic, time_ns, content in episode():
        if topic not in written.counts:
            written.add_topic(topic, content.__msgtype__)
        data = TYPES.serialize_cdr(content, content.__msgtype__)
        written.write(topic, time_ns, bytes(data))
    return made.keep(written, {'succeeded': 'true'})


def taken(bag):
    """Return all that training would see of a bag."""
    recording = read_bag(bag, spec(), TOPICS)
    builder = recording.builder
    return (
        recording.digest,
        recording.info,
        recording.stamps_ns,
        builder.joints.stamps,
        [stream.stamps for stream in builder.images.values()],
    )


def flipped(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def zeroed(data, rng):
    place, count = rng.randrange(len(data)), rng.choice([16, 512, 4096])
    return data[:place] + bytes(min(count, len(data) - place)) + data[place + count :]


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def swapped(data, rng):
    """Exchange two parts, as of sectors that were written in another order."""
    one, other = sorted(512 * place for place in rng.sample(range(len(data) // 512), 2))
    first, second = data[one : one + 512], data[other : other + 512]
    return data[:one] + second + data[one + 512 : other] + first + data[other + 512 :]


@pytest.mark.parametrize('damage', [flipped, zeroed, swapped])
def test_every_damage_to_a_recording_is_noticed(tmp_path, damage):
    bag = recorded(tmp_path)
    file = bag / f'{bag.name}.mcap'
    whole, rng = file.read_bytes(), random.Random(damage.__name__)
    assert check_bag(bag).has_checksums
    tried = 0
    while tried < 150:
        data = damage(whole, rng)
        if data == whole:
            continue
        tried += 1
        file.write_bytes(data)
        with pytest.raises(BagError, match=f'{bag}: cannot be read: .*; copy it again'):
            read_bag(bag, spec(), TOPICS)


def test_every_cut_is_said_and_nothing_before_it_is_lost(tmp_path):
    bag = recorded(tmp_path)
    file = bag / f'{bag.name}.mcap'
    whole, rng, wanted = file.read_bytes(), random.Random('cut'), taken(bag)
    lengths = []
    for _ in range(150):
        file.write_bytes(cut(whole, rng))
        try:
            recording = read_bag(bag, spec(), TOPICS)
        except BagError as error:
            assert str(bag) in str(error)
            continue
        assert f'{file.name} was cut off: read up to byte ' in recording.cut
        stamps = recording.builder.joints.stamps
        assert stamps == wanted[3][: len(stamps)]
        lengths.append(len(stamps) / len(wanted[3]) - file.stat().st_size / len(whole))
    assert len(lengths) > 100 and np.abs(lengths).max() < 0.15


@pytest.mark.parametrize('damage', [flipped, zeroed, cut, swapped])
def test_without_checksums_no_damage_ends_in_anything_but_a_word(tmp_path, damage):
    """Where nothing is noticed there, the recording says that it has no checksums."""
    for storage in ('mcap', 'sqlite3'):
        bag = write(tmp_path / storage, episode(), storage)
        assert not read_bag(bag, spec(), TOPICS).has_checksums
        file = next(each for each in bag.iterdir() if each.suffix in ('.mcap', '.db3'))
        whole, rng = file.read_bytes(), random.Random(damage.__name__)
        for _ in range(40):
            file.write_bytes(damage(whole, rng))
            try:
                recording = read_bag(bag, spec(), TOPICS)
            except BagError as error:
                assert str(bag) in str(error)
            else:
                assert not recording.has_checksums


def test_sealing_changes_nothing_that_is_read(tmp_path):
    plain = write(tmp_path / 'bag', episode())
    before = taken(plain)
    seal(plain / 'bag.mcap')
    assert check_bag(plain).has_checksums and taken(plain) == before
    sealed = (plain / 'bag.mcap').read_bytes()
    seal(plain / 'bag.mcap')
    assert (plain / 'bag.mcap').read_bytes() == sealed


def test_a_checksum_of_each_chunk_is_enough(tmp_path):
    """As rosbag2 writes them by default: chunks and the summary, not the data section."""
    bag = write(tmp_path / 'bag', episode())
    file = bag / 'bag.mcap'
    seal(file)
    data = bytearray(file.read_bytes())
    end = data.index(struct.pack('<BQ', 0x0F, 4)) + 9
    data[end : end + 4] = bytes(4)
    file.write_bytes(data)
    assert check_bag(bag).has_checksums
    chunk = data.index(struct.pack('<B', 0x06), 40)
    data[chunk + 5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(BagError, match='bag.mcap: altered: the checksum at byte'):
        check_bag(bag)


def test_compressed_chunks_are_checked_as_they_lie_in_the_file(tmp_path):
    path = tmp_path / 'bag'
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        kind = 'std_msgs/msg/String'
        connection = writer.add_connection('/chatter', kind, typestore=TYPES)
        writer.write(connection, 1, TYPES.serialize_cdr(message(kind, data='x' * 1000), kind))
    assert not check_bag(path).has_checksums
    seal(path / 'bag.mcap')
    assert check_bag(path).has_checksums
    data = (path / 'bag.mcap').read_bytes()
    place = data.index(b'zstd') + 20
    (path / 'bag.mcap').write_bytes(data[:place] + b'?' + data[place + 1 :])
    with pytest.raises(BagError, match='altered: the checksum'):
        check_bag(path)


def deep_channel(path):
    """Write a bag whose channel says more brackets of its quality of service than any has."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = 'std_msgs/msg/String'
        connection = writer.add_connection('/chatter', kind, typestore=TYPES)
        writer.storage.channels[0] = writer.storage.channels[0]._replace(
            metadata=b''.join(
                struct.pack('<I', len(text)) + text
                for text in (b'offered_qos_profiles', DEEP.encode())
            )
        )
        writer.write(connection, 1, TYPES.serialize_cdr(message(kind, data='x'), kind))
    return path


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_qualities_of_service_that_are_nested_too_deep(tmp_path, storage):
    bag = write(tmp_path / 'bag', episode(), storage)
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())
    topics = metadata['rosbag2_bagfile_information']['topics_with_message_count']
    topics[0]['topic_metadata']['offered_qos_profiles'] = DEEP
    whole = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    with pytest.raises(BagError, match='metadata.yaml cannot be read: .*line 1 is nested deeper'):
        read_bag(bag, spec(), TOPICS)
    (bag / 'metadata.yaml').write_text(whole)
    if storage == 'sqlite3':
        with sqlite3.connect(bag / 'bag.db3') as database:
            database.execute('UPDATE topics SET offered_qos_profiles = ?', [DEEP])
    else:
        (bag / 'bag.mcap').unlink()
        shutil.move(deep_channel(tmp_path / 'deep') / 'deep.mcap', bag / 'bag.mcap')
    with pytest.raises(BagError, match='offered_qos_profiles'):
        read_bag(bag, spec(), TOPICS)


def test_metadata_of_brackets(tmp_path):
    bag = write(tmp_path / 'bag', episode())
    (bag / 'metadata.yaml').write_text(DEEP)
    with pytest.raises(BagError, match='metadata.yaml cannot be read: line 1 is nested deeper'):
        read_bag(bag, spec(), TOPICS)


@pytest.mark.parametrize('noted', ['soon', '-1', '9' * 5000, '1.5', '[1]'])
def test_a_start_that_is_no_time(tmp_path, noted):
    bag = write(tmp_path / 'bag', episode(), info={'start_ns': noted})
    with pytest.raises(BagError, match='bag: start_ns = .*: needs a time'):
        read_bag(bag, spec(), TOPICS)


def test_a_mark_without_quotes_counts_as_it_reads(tmp_path):
    bag = write(tmp_path / 'bag', episode(), info={'succeeded': 'true'})
    text = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(text.replace("succeeded: 'true'", 'succeeded: true'))
    assert read_bag(bag, spec(), TOPICS).info == {'succeeded': 'true'}


def test_a_copy_is_as_good(tmp_path):
    bag = recorded(tmp_path / 'here')
    assert taken(shutil.copytree(bag, tmp_path / 'there')) == taken(bag)
