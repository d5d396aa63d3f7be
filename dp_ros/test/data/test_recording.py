# SPDX-License-Identifier: Apache-2.0
"""The folder of episodes: whole bags or none, an index, and order after a crash."""

import errno
import json

from bag_maker import IMAGE, TYPES, image, pixels
from dp_ros.data.bags.definitions import define, standard_types
from dp_ros.data.bags.recording import INDEX, EpisodeFolder, RecordingError
from dp_ros.data.bags.storage import bag_info
import pytest
from rosbags.highlevel import AnyReader

KIND = 'sensor_msgs/msg/Image'
DATA = bytes(TYPES.serialize_cdr(image(1, pixels(0)), KIND))


def record(folder, storage='mcap'):
    episode = folder.open(storage, standard_types())
    episode.add_topic(IMAGE, KIND)
    episode.write(IMAGE, 5, DATA)
    return episode


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_kept_episode(tmp_path, storage):
    folder = EpisodeFolder(tmp_path / 'new')
    path = folder.keep(record(folder, storage), {'seed': '3'})
    assert path == tmp_path / 'new' / 'episode_000000'
    assert folder.index() == [{'episode': 'episode_000000', 'seed': '3'}]
    assert bag_info(path) == {'seed': '3'}
    with AnyReader([path]) as reader:
        assert [(c.topic, t, raw) for c, t, raw in reader.messages()] == [(IMAGE, 5, DATA)]


def test_an_open_episode_is_not_among_the_bags(tmp_path):
    folder = EpisodeFolder(tmp_path)
    episode = record(folder)
    assert not list(tmp_path.glob('episode_*'))
    episode.abandon()
    assert not list((tmp_path / '.open').iterdir())
    assert folder.index() == []


def test_numbers_go_on(tmp_path):
    folder = EpisodeFolder(tmp_path)
    names = [folder.keep(record(folder), {}).name for _ in range(2)]
    (tmp_path / 'episode_notes.txt').write_text('by hand')
    record(folder).abandon()
    names.append(EpisodeFolder(tmp_path).keep(record(folder), {}).name)
    assert names == ['episode_000000', 'episode_000001', 'episode_000002']


def test_after_a_crash(tmp_path):
    """One episode was open, one kept but not yet in the index, a line half written."""
    folder = EpisodeFolder(tmp_path)
    folder.keep(record(folder), {'seed': '0'})
    folder.keep(record(folder), {'seed': '1'})
    record(folder)
    lines = (tmp_path / INDEX).read_text().splitlines()
    (tmp_path / INDEX).write_text(f'{lines[0]}\n{lines[1][:20]}')
    found = EpisodeFolder(tmp_path).recover()
    assert found == [
        'episode_000002 was open when the recorder ended: lost, its remains are in '
        f'{tmp_path}/.lost/episode_000002',
        f'episode_000001 was not in {INDEX} and is added',
    ]
    index = [json.loads(line) for line in (tmp_path / INDEX).read_text().splitlines()]
    assert [entry['seed'] for entry in index] == ['0', '1']
    assert EpisodeFolder(tmp_path).recover() == []


def test_a_bag_that_was_taken_away_leaves_the_index(tmp_path):
    folder = EpisodeFolder(tmp_path)
    path = folder.keep(record(folder), {})
    path.rename(tmp_path / 'elsewhere')
    assert folder.recover() == [f'episode_000000 is in {INDEX}, but its bag is gone']
    assert folder.index() == []


def test_a_full_disk_while_writing(tmp_path, monkeypatch):
    folder = EpisodeFolder(tmp_path)
    episode = record(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(episode._writer.storage, 'write', full)
    with pytest.raises(RecordingError, match='episode_000000: .*No space left on device'):
        episode.write(IMAGE, 6, DATA)
    episode.abandon()
    assert not episode.path.exists()


def test_a_full_disk_while_closing(tmp_path, monkeypatch):
    folder = EpisodeFolder(tmp_path)
    episode = record(folder)
    monkeypatch.setattr(
        episode._writer, 'close', lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, 'full'))
    )
    with pytest.raises(RecordingError, match='full'):
        folder.keep(episode, {})
    assert not list(tmp_path.glob('episode_*')) and folder.index() == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(RecordingError, match='cannot make'):
        EpisodeFolder(tmp_path / 'file' / 'below')


def test_definitions_of_own_messages_come_from_their_package(tmp_path):
    (tmp_path / 'msg').mkdir()
    (tmp_path / 'msg' / 'Outer.msg').write_text('own/Inner[] parts\nstd_msgs/Header header\n')
    (tmp_path / 'msg' / 'Inner.msg').write_text('float64[3] x\nuint8 A=1\n')
    store = standard_types()
    define(store, 'own/msg/Outer', lambda package: tmp_path)
    text, _ = store.generate_msgdef('own/msg/Outer', ros_version=2)
    assert 'MSG: own/Inner' in text and 'MSG: std_msgs/Header' in text
    with pytest.raises(OSError, match='Missing.msg'):
        define(store, 'own/msg/Missing', lambda package: tmp_path)
