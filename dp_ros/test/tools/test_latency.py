# SPDX-License-Identifier: Apache-2.0
"""`ros2 run dp_ros latency`: the way of each chunk, joined from three messages."""

import json
from pathlib import Path
import sys
import time

from ament_index_python.packages import get_package_share_path
from dp_ros.data.bags.definitions import define, standard_types
from dp_ros.data.bags.recording import STORAGES
from dp_ros.robot.units import MS, NS
from dp_ros.ros.conversions import ns_to_time
from dp_ros.ros.ledger import POINTS, Ledger, clock_step_ns, followed, stages
from dp_ros.ros.qos import EVERY, NEWEST
from dp_ros.tools.latency import main as tool
from dp_ros.tools.latency.report import as_table, draw, figures
from dp_ros.tools.latency.sources import LedgerNode
from dp_ros_msgs.msg import ExecutorStatus, Observation, PolicyStatus
import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rich.console import Console
from rosbags.rosbag2 import Writer
from sensor_msgs.msg import Image

START = 1_700_000_000 * NS
OFFSETS = (0, 12, 13, 15, 16, 80, 81, 83, 90, 92, 150)  # of the points [ms]
KINDS = (Observation, PolicyStatus, ExecutorStatus)


def at(ms):
    return ns_to_time(START + round(ms * MS))


def messages(stamp_ms=0.0, shift=lambda ms: ms):
    """Return the three messages of a chunk, all of whose times are ``shift``ed."""
    times = [at(shift(stamp_ms + offset)) for offset in OFFSETS]
    observation = Observation(
        received=times[1],
        completed=times[2],
        joint_names=['joint1'],
        joint_positions=[0.1],
        commanded_positions=[0.1],
        camera_names=['front'],
        images=[Image(height=1, width=1, encoding='rgb8', step=3, data=[1, 2, 3])],
    )
    policy = PolicyStatus(
        received=times[3], inference_begun=times[4], inference_ended=times[5], published=times[6]
    )
    executor = ExecutorStatus(
        chunk_received=times[7],
        chunk_planned=times[8],
        chunk_sent=times[9],
        chunk_join=times[10],
        chunk_stamp=at(stamp_ms),
    )
    observation.header.stamp = policy.header.stamp = at(stamp_ms)
    return observation, policy, executor


def add(ledger, observation=None, policy=None, executor=None):
    if observation is not None:
        ledger.add_observation(observation)
    if policy is not None:
        ledger.add_policy(policy)
    if executor is not None:
        ledger.add_executor(executor)


def noisy(number=40, seed=0):
    """Return a ledger of chunks whose times are those of a clock that is not simulated."""
    ledger, rng = Ledger(), np.random.default_rng(seed)
    for k in range(number):
        add(ledger, *messages(100.0 * k, lambda ms: ms + rng.uniform(0, 0.5)))
    return ledger


def by_points(found):
    return {(stage.begin, stage.end): stage for stage in found}


def test_the_stages_of_a_chunk_follow_each_other_from_the_exposure_to_the_arm():
    chunks = noisy().chunks()
    found = stages(chunks)
    assert (len(chunks), followed(chunks)) == (40, 40)
    assert [stage.begin for stage in found[:-1]] == list(POINTS[:-1])
    assert [stage.end for stage in found[:-1]] == list(POINTS[1:])
    durations = [1e3 * stage.percentiles()[0] for stage in found]
    np.testing.assert_allclose(durations, [*np.diff(OFFSETS), 150], atol=0.5)


def test_a_chunk_that_was_not_followed_and_a_status_that_repeats_are_told_apart():
    ledger = Ledger()
    for k in range(3):
        observation, policy, executor = messages(100.0 * k)
        add(ledger, observation, policy, executor if k == 0 else None)
        add(ledger, executor=messages()[2])
    chunks = ledger.chunks()
    assert (len(chunks), followed(chunks)) == (3, 1)
    found = by_points(stages(chunks))
    assert len(found['inference begins', 'inference ends'].seconds) == 3
    assert found['trajectory sent', 'it moves the arm'].seconds == (0.058,)


def test_without_observations_the_way_begins_at_the_policy():
    ledger = Ledger()
    add(ledger, None, *messages()[1:])
    assert by_points(stages(ledger.chunks()))['exposure', 'policy has it'].seconds == (0.015,)


def test_what_is_no_chunk_of_the_policy_is_left_out():
    ledger = Ledger()
    add(ledger, messages()[0], None, messages(100.0)[2])
    ledger.add_executor(ExecutorStatus())
    assert ledger.chunks() == [] == stages([])


def test_the_newest_chunks_are_kept():
    ledger = Ledger(kept=2)
    for k in range(4):
        add(ledger, *messages(100.0 * k))
    assert [times['exposure'] for times in ledger.chunks()] == [START + k * MS for k in (200, 300)]


@pytest.mark.parametrize(('ahead', 'point'), [(7.0, 'executor has it'), (-6.0, 'policy has it')])
def test_clocks_that_contradict_each_other_are_named_not_computed(ahead, point):
    ledger, rng = Ledger(), np.random.default_rng(0)
    for k in range(10):
        observation, _, executor = messages(100.0 * k, lambda ms: ms + rng.uniform(0, 0.3))
        policy = messages(100.0 * k, lambda ms: ms + ahead + rng.uniform(0, 0.3))[1]
        add(ledger, observation, policy, executor)
    chunks = ledger.chunks()
    found = stages(chunks)
    (wrong,) = (stage for stage in found if stage.behind)
    assert (wrong.end, wrong.seconds) == (point, ())
    assert 1e3 * wrong.behind == pytest.approx(abs(ahead) - 2, abs=0.5)
    assert found[-1].seconds == ()
    shown = figures(chunks)
    assert f'the clock of "{point}" is at least' in shown['contradictions'][0]
    assert shown['stages'][-1]['p50_ms'] is None
    assert all('-' not in row for row in _cells(as_table(chunks))[:2])


def _cells(table):
    return list(zip(*(column.cells for column in table.columns), strict=True))


def test_simulated_time_is_recognised_by_its_steps_and_may_be_read_late():
    ledger = Ledger()
    for k in range(20):
        observation, policy, executor = messages(
            100.0 * k, lambda ms: 10 * (ms // 10) + (10 if ms % 100 > 92 else 0)
        )
        executor.chunk_received = at(10 * ((100 * k + 70) // 10))  # one step before its sending
        add(ledger, observation, policy, executor)
    chunks = ledger.chunks()
    assert clock_step_ns(chunks) == 10 * MS
    assert figures(chunks)['clock'] == 'simulated time in steps of 10 ms'
    stage = by_points(stages(chunks))['chunk published', 'executor has it']
    assert set(stage.seconds) == {0.0}
    assert figures(noisy().chunks())['clock'] == "the system's clock"


def test_the_table_fits_into_80_columns(capsys):
    console = Console(width=80)
    chunks = noisy(2000).chunks()
    console.print(as_table(chunks))
    text = capsys.readouterr().out
    assert '…' not in text and max(map(len, text.splitlines())) <= 80
    for word in (*POINTS, 'p50 [ms]'):
        assert word in text
    assert "2000 chunks, 2000 moved the arm; the system's clock" in text


def test_the_picture_is_drawn_of_incomplete_chunks_too(tmp_path):
    ledger = noisy(5)
    add(ledger, None, messages(900.0)[1])
    draw(ledger.chunks(), tmp_path / 'way.png')
    assert (tmp_path / 'way.png').stat().st_size > 10_000


def bag(folder, kinds=KINDS, number=3):
    """Write a bag of the statuses of a few chunks, as `demo_recorder` does."""
    store = standard_types()
    with Writer(folder, version=9, storage_plugin=STORAGES['mcap']) as writer:
        for column, kind in enumerate(KINDS):
            if kind not in kinds:
                continue
            name = f'dp_ros_msgs/msg/{kind.__name__}'
            define(store, name, lambda package: Path(get_package_share_path(package)))
            connection = writer.add_connection(f'/left/{name[16:]}', name, typestore=store)
            for k in range(number):
                message = messages(100.0 * k)[column]
                writer.write(connection, START + k, serialize_message(message))
    return folder


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['latency', *map(str, arguments)])
    return tool.main()


def test_recordings_are_read(tmp_path, monkeypatch, capsys):
    bag(tmp_path / 'bag')
    figures_file, picture = tmp_path / 'out.json', tmp_path / 'out.png'
    code = run(monkeypatch, '--bag', tmp_path, '--json', figures_file, '--plot', picture)
    assert code == 0
    assert '3 chunks, 3 moved the arm' in capsys.readouterr().out
    shown = json.loads(figures_file.read_text())
    assert shown['stages'][-1] == {
        'from': 'exposure',
        'to': 'it moves the arm',
        'chunks': 3,
        'p50_ms': 150.0,
        'p95_ms': 150.0,
        'max_ms': 150.0,
    }
    assert picture.is_file()


def test_what_a_recording_lacks_is_said(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, '--bag', bag(tmp_path / 'bag', kinds=KINDS[:1])) == 1
    assert 'no policy/status in it' in capsys.readouterr().out
    assert run(monkeypatch, '--bag', tmp_path / 'nothing') == 1
    assert 'nothing' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [(['--seconds', '0'], 'needs to be positive'), (['--json', '/none/x'], 'no such folder')],
)
def test_a_wrong_command_line_is_refused(monkeypatch, capsys, arguments, reason):
    with pytest.raises(SystemExit):
        run(monkeypatch, *arguments)
    assert reason in capsys.readouterr().err


def test_running_nodes_are_listened_to(ros_context):
    ledger, speaker = Ledger(), Node('speaker', context=ros_context)
    listener = LedgerNode(ledger, context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(listener)
    topics = {'observation': NEWEST, 'policy/status': EVERY, 'executor/status': EVERY}
    assert any('/executor/status: is executor running?' in line for line in listener.missing())
    publishers = [
        speaker.create_publisher(kind, topic, qos)
        for kind, (topic, qos) in zip(KINDS, topics.items(), strict=True)
    ]
    end = time.monotonic() + 20.0
    while not any(len(times) == len(POINTS) for times in ledger.chunks()):
        assert time.monotonic() < end
        for publisher, message in zip(publishers, messages(), strict=True):
            publisher.publish(message)
        executor.spin_once(timeout_sec=0.02)
    assert listener.missing() == []
    executor.shutdown()
    listener.destroy_node()
    speaker.destroy_node()


def test_when_nothing_runs_it_says_what_is_missing(domain_id, monkeypatch, capsys):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))
    assert run(monkeypatch, '--seconds', 0.2) == 1
    said = capsys.readouterr().out.replace('\n', ' ')
    assert 'nothing publishes /policy/status: is policy running?' in said
