# SPDX-License-Identifier: Apache-2.0
"""A node that is destroyed is gone, and leaves nothing to a later garbage collection."""

import gc
from importlib import import_module

import pytest

from conftest import domain_is_free

NODES = [
    'policy.PolicyNode',
    'executor.ExecutorNode',
    'observation_aggregator.ObservationAggregatorNode',
    'franka_sim.FrankaSimNode',
    'gripper.GripperNode',
    'fake_gripper.FakeGripperNode',
    'episode_runner.EpisodeRunnerNode',
    'demo_recorder.DemoRecorderNode',
    'teleop.TeleopNode',
]


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize('name', NODES)
def test_a_destroyed_node_leaves_its_domain_at_once(ros_context, domain_id, no_collection, name):
    module, kind = name.split('.')
    node = getattr(import_module(f'dp_ros.nodes.{module}.node'), kind)(context=ros_context)
    assert not domain_is_free(domain_id)
    node.destroy_node()
    assert domain_is_free(domain_id)


def test_a_lifecycle_node_may_be_destroyed_twice(ros_context):
    node = import_module('dp_ros.nodes.executor.node').ExecutorNode(context=ros_context)
    node.destroy_node()
    node.destroy_node()
