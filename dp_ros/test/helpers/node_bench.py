# SPDX-License-Identifier: Apache-2.0
"""A node under the guard, in one executor with the node that a test acts through."""

import time

from diagnostic_msgs.msg import DiagnosticArray
from dp_ros.ros.guard import GuardedExecutor
from rclpy.node import Node


class NodeBench:
    """A node, one that talks to it, and others that it needs.

    What the node says of itself on `/diagnostics` is in ``reports``.
    """

    def __init__(self, context, node, *others, executor=GuardedExecutor):
        self.node, self.user = node, Node('user', context=context)
        self.nodes = [node, self.user, *others]
        self.executor = executor(context=context)
        for each in self.nodes:
            self.executor.add_node(each)
        self.reports = []
        self.user.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)

    def close(self):
        for each in self.nodes:
            each.destroy_node()

    def _on_report(self, array):
        self.reports += [s for s in array.status if s.name == self.node.get_fully_qualified_name()]

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, 'nothing came in time'
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, kind, name, request):
        """Return the answer of a service."""
        client = self.user.create_client(kind, name)
        self.until(client.service_is_ready)
        answer = client.call_async(request)
        self.until(answer.done)
        return answer.result()
