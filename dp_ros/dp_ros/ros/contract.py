# SPDX-License-Identifier: Apache-2.0
"""The topic `policy/contract`: the task that the running policy was trained for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dp_ros.ros.qos import LATCHED
from dp_ros.task.task import Task
from dp_ros.task.task_file import parse_task, task_text
from dp_ros.values import ConfigError
from dp_ros_msgs.msg import Contract
from rclpy.node import Node

TOPIC: Final = 'policy/contract'


def contract_msg(task: Task, checkpoint: str, digest: str) -> Contract:
    """Return the message of the policy node, without a stamp."""
    return Contract(
        name=task.name, task=task_text(task), checkpoint=checkpoint, checkpoint_digest=digest
    )


class ContractTopic:
    """Reports the task of the configured policy, and of every later one.

    :param on_task: function that gets the task, or None and the reason if it cannot be read.
    """

    def __init__(self, node: Node, on_task: Callable[[Task | None, str], None]) -> None:
        self._on_task = on_task
        self._subscription = node.create_subscription(Contract, TOPIC, self._on_contract, LATCHED)

    def _on_contract(self, message: Contract) -> None:
        try:
            task = parse_task(message.task, self._subscription.topic_name)
        except ConfigError as error:
            self._on_task(None, str(error))
        else:
            self._on_task(task, '')
