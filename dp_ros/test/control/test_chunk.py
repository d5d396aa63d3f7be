# SPDX-License-Identifier: Apache-2.0
"""Which points of a chunk are followed, and which chunks are not."""

from dataclasses import replace

from dp_ros.control.executor.chunk import Chunk, ChunkLate, ChunkRefused, check_chunk
from dp_ros.robot.units import MS, NS
import numpy as np
import pytest

STAMP = 10 * NS
CHUNK = Chunk(STAMP, ('a', 'b'), np.arange(6) * 0.1, np.arange(12.0).reshape(6, 2))


def test_points_that_have_passed_are_dropped():
    times, positions = CHUNK.due_after(STAMP + 250 * MS, 8)
    np.testing.assert_allclose(times, [0.05, 0.15, 0.25])
    np.testing.assert_array_equal(positions, CHUNK.positions[3:])


def test_a_point_that_is_due_just_now_is_dropped():
    times, _ = CHUNK.due_after(STAMP, 8)
    np.testing.assert_allclose(times, [0.1, 0.2, 0.3, 0.4, 0.5])


def test_at_most_n_action_steps_points_are_followed():
    times, positions = CHUNK.due_after(STAMP + 150 * MS, 2)
    np.testing.assert_allclose(times, [0.05, 0.15])
    np.testing.assert_array_equal(positions, CHUNK.positions[2:4])


def test_a_chunk_of_the_future_has_all_points_ahead():
    times, positions = CHUNK.due_after(STAMP - 50 * MS, 8)
    np.testing.assert_allclose(times, 0.05 + CHUNK.times)
    np.testing.assert_array_equal(positions, CHUNK.positions)


@pytest.mark.parametrize('late_ms', [1, 700])
def test_a_chunk_with_no_point_left_is_late(late_ms):
    with pytest.raises(ChunkLate, match=f'came {late_ms} ms after its last point'):
        CHUNK.due_after(STAMP + (500 + late_ms) * MS, 8)


def test_joints_are_put_in_the_arms_order():
    chunk = CHUNK.reordered(('b', 'a'))
    assert chunk.joint_names == ('b', 'a')
    np.testing.assert_array_equal(chunk.positions, CHUNK.positions[:, ::-1])


def test_joints_of_a_gripper_may_come_along_and_are_put_last():
    chunk = CHUNK.reordered(('b',), optional=('a',))
    assert chunk.joint_names == ('b', 'a')
    assert CHUNK.reordered(('a', 'b'), optional=('c',)).joint_names == ('a', 'b')
    assert CHUNK.reordered(('b',), optional=('c', 'a')).joint_names == ('b', 'a')
    with pytest.raises(ChunkRefused, match=r"needs \['b'\], with \['c'\]"):
        CHUNK.reordered(('b',), optional=('c',))


@pytest.mark.parametrize(
    ('arms', 'given'), [('fr3_joint1', 'left_fr3_joint1'), ('left_fr3_joint1', 'fr3_joint1')]
)
def test_names_with_a_prefix_of_their_own_are_refused_with_a_hint(arms, given):
    chunk = replace(CHUNK, joint_names=(given, 'b'))
    with pytest.raises(ChunkRefused, match=f'is {arms} the same as {given}. Then set joint_names'):
        chunk.reordered((arms, 'b'))


@pytest.mark.parametrize('names', [('a',), ('a', 'c'), ('a', 'b', 'c')])
def test_other_joints_are_refused_by_name(names):
    with pytest.raises(ChunkRefused, match=r"chunk for joints \['a', 'b'\]: needs \['a'"):
        CHUNK.reordered(names)


def test_a_good_chunk_passes():
    check_chunk(CHUNK, STAMP, STAMP)


def with_position(value):
    positions = CHUNK.positions.copy()
    positions[3, 1] = value
    return replace(CHUNK, positions=positions)


@pytest.mark.parametrize(
    ('chunk', 'reason'),
    [
        (replace(CHUNK, stamp_ns=0), 'stamp of zero'),
        (replace(CHUNK, stamp_ns=STAMP + 1500 * MS), 'stamped 1.500 s in the future'),
        (replace(CHUNK, stamp_ns=STAMP - 1), 'older than the one that runs'),
        (replace(CHUNK, times=np.zeros(0), positions=np.zeros((0, 2))), 'no points'),
        (
            replace(CHUNK, times=np.arange(257) * 0.1, positions=np.zeros((257, 2))),
            'has 257 points: at most 256',
        ),
        (replace(CHUNK, positions=np.zeros((6, 3))), r'shape \(6, 3\), needs \(6, 2\)'),
        (replace(CHUNK, positions=np.zeros((5, 2))), r'shape \(5, 2\), needs \(6, 2\)'),
        (with_position(np.nan), 'not finite'),
        (with_position(np.inf), 'not finite'),
        (replace(CHUNK, times=np.array([0, 1, 2, 2, 3, 4.0])), 'do not increase'),
        (replace(CHUNK, times=np.array([0, 1, 2, np.nan, 3, 4])), 'not finite'),
    ],
)
def test_a_chunk_that_is_refused(chunk, reason):
    with pytest.raises(ChunkRefused, match=reason):
        check_chunk(chunk, STAMP, STAMP)
