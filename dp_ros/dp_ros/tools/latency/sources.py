# SPDX-License-Identifier: Apache-2.0
"""Where the ledger's messages come from: a running system, or bags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dp_ros.data.bags.storage import open_bag
from dp_ros.data.datasets.dataset import find_bags
from dp_ros.ros.ledger import Ledger
from dp_ros.ros.qos import EVERY, NEWEST
from dp_ros_msgs.msg import ExecutorStatus, Observation, PolicyStatus
from rclpy.node import Node


def read_bags(folder: Path, ledger: Ledger) -> None:
    """Read the bag or the bags of a folder, whatever the namespace of their topics.

    :raises BagError, DatasetError: when they cannot be read, or there are none.
    """
    takers: dict[str, Callable[[Any], None]] = {
        'dp_ros_msgs/msg/Observation': ledger.add_observation,
        'dp_ros_msgs/msg/PolicyStatus': ledger.add_policy,
        'dp_ros_msgs/msg/ExecutorStatus': ledger.add_executor,
    }
    for bag in find_bags(folder):
        with open_bag(bag) as reader:
            wanted = [c for c in reader.connections if c.msgtype in takers]
            for connection, _, raw in reader.messages(wanted) if wanted else ():
                takers[connection.msgtype](reader.deserialize(raw, connection.msgtype))


class LedgerNode(Node):
    """Listens to the nodes that are running."""

    def __init__(self, ledger: Ledger, **kwargs: Any) -> None:
        super().__init__('latency', enable_rosout=False, **kwargs)
        for kind, topic, take, qos in (
            (Observation, 'observation', ledger.add_observation, NEWEST),
            (PolicyStatus, 'policy/status', ledger.add_policy, EVERY),
            (ExecutorStatus, 'executor/status', ledger.add_executor, EVERY),
        ):
            self.create_subscription(kind, topic, take, qos)
        self._topics = {
            self.resolve_topic_name(topic): node
            for topic, node in (('policy/status', 'policy'), ('executor/status', 'executor'))
        }

    def missing(self) -> list[str]:
        """Return what does not run, with its topic."""
        return [
            f'nothing publishes {topic}: is {node} running?'
            for topic, node in self._topics.items()
            if self.count_publishers(topic) == 0
        ]
