# SPDX-License-Identifier: Apache-2.0
"""A person takes the simulated arm from a running policy, and gives it back."""

from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from dp_ros_msgs.msg import ExecutorStatus
from geometry_msgs.msg import TwistStamped
from launched import DEADLINE, running
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

POLICY = f'policy:={Path(__file__).resolve().parents[1] / "models" / "reach"}'


class Person:
    """Says velocities 25 times a second, and sees whose chunks are followed.

    The input is released as long as `teleop` asks for it.
    """

    def __init__(self, context, spin_until):
        self.node = Node('person', context=context)
        self.velocity, self.sources, self.statuses = 0.0, [], []
        self.is_asked_to_release = True
        self._out = self.node.create_publisher(TwistStamped, 'teleop/twist', 1)
        self.node.create_subscription(ExecutorStatus, 'executor/status', self._on_status, 10)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.node.create_timer(0.04, self._publish)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(self.node)
        self.until = partial(spin_until, executor, timeout=DEADLINE)

    def _publish(self):
        message = TwistStamped()
        message.twist.linear.z = 0.0 if self.is_asked_to_release else self.velocity
        self._out.publish(message)

    def _on_status(self, status):
        self.statuses.append(status)
        if status.source and status.source not in self.sources[-1:]:
            self.sources.append(status.source)

    def _on_diagnostics(self, message):
        for status in message.status:
            if status.name == '/teleop':
                self.is_asked_to_release = status.message != 'ready'


@pytest.fixture
def person(ros_context, spin_until):
    someone = Person(ros_context, spin_until)
    yield someone
    someone.node.destroy_node()


def test_a_person_takes_the_arm_from_the_policy_and_gives_it_back(person, tmp_path, domain_id):
    folders = [tmp_path / name for name in ('policy', 'teleop')]
    for folder in folders:
        folder.mkdir()
    policy, teleop = (partial(running, each, ROS_DOMAIN_ID=str(domain_id)) for each in folders)
    words = ('teleop:=twist', 'executor:=false', 'use_sim_time:=true', 'directory:=mine')
    with policy('sim.launch.py', POLICY) as loop, teleop('record.launch.py', *words) as by_hand:
        person.until(lambda: person.sources == ['policy'] and not person.is_asked_to_release)
        person.velocity = 0.03
        person.until(lambda: person.sources == ['policy', 'teleop'])
        person.velocity = 0.0
        person.until(lambda: person.sources == ['policy', 'teleop', 'policy'])
        assert not [s.reason for s in person.statuses if 'publishers' in s.inhibited_by]
        assert 'teleop has the arm now, policy had it' in loop.said()
        by_hand.interrupt()
        loop.interrupt()
