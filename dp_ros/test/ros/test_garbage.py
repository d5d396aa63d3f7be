# SPDX-License-Identifier: Apache-2.0
"""Garbage is collected at rest, in a long motion bounded, and Python is left as it was."""

import gc
import weakref

from dp_ros.ros import garbage as module
from dp_ros.ros.garbage import Garbage
import pytest


class Loop:
    def __init__(self):
        self.self = self


def leak():
    """Return a reference to an object that only a collection frees."""
    return weakref.ref(Loop())


@pytest.fixture
def garbage():
    garbage = Garbage()
    yield garbage
    garbage.close()
    assert gc.isenabled() and gc.get_freeze_count() == 0


def test_during_a_motion_nothing_is_collected_and_at_rest_all(garbage):
    garbage.set_aside()
    garbage.tick(moving=True)
    leaked = [leak() for _ in range(5000)]
    garbage.tick(moving=True)
    assert all(each() is not None for each in leaked)
    garbage.tick(moving=False)
    assert not any(each() is not None for each in leaked)
    assert gc.isenabled()


def test_in_a_long_motion_it_does_not_grow_without_bound(garbage, monkeypatch):
    monkeypatch.setattr(module, 'MOST', 1000)
    garbage.set_aside()
    garbage.tick(moving=True)
    leaked = []
    for _ in range(50):
        leaked += [leak() for _ in range(100)]
        garbage.tick(moving=True)
        assert sum(each() is not None for each in leaked) <= 1100
    assert not gc.isenabled()


def test_what_was_there_before_is_not_visited_by_later_collections(garbage):
    before = len(gc.get_objects())
    garbage.set_aside()
    assert len(gc.get_objects()) < 0.1 * before
