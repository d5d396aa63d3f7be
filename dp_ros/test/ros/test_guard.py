# SPDX-License-Identifier: Apache-2.0
"""A callback that fails ends no node: it is logged, counted and answered."""

from contextlib import closing
import os
import signal
import subprocess
import sys

from diagnostic_msgs.msg import DiagnosticStatus
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.nodes.policy.node import PolicyNode
from dp_ros.ros.diagnostics import OK, Diagnostics
from dp_ros.ros.guard import failures
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_bench import NodeBench
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger


class Careless(Node):
    """Fails whenever it is asked to."""

    def __init__(self, **kwargs):
        super().__init__('careless', **kwargs)
        self.heard = []
        self.create_subscription(String, 'words', self._on_words, 10)
        self.create_service(Trigger, 'fail', self._fail)
        self.create_service(Trigger, 'fail_later', self._fail_later)
        self.create_service(Trigger, 'work', self._work)
        self._diagnostics = Diagnostics(self, self._report, period=0.1)

    def _on_words(self, message):
        self.heard.append(message.data)
        raise ZeroDivisionError(message.data)

    def _fail(self, request, response):
        raise KeyError('fail')

    async def _fail_later(self, request, response):
        raise KeyError('later')

    def _work(self, request, response):
        response.success = True
        return response

    def _report(self):
        if 'no report' in self.heard:
            raise ValueError('nothing to say')
        return OK, 'well', {}


class Bench(NodeBench):
    """A node under the guard, and one that talks to it."""

    def __init__(self, context, node, **options):
        super().__init__(context, node, **options)
        self.words = self.user.create_publisher(String, 'words', 10)

    def say(self, text):
        self.until(lambda: self.words.get_subscription_count() == 1)
        self.words.publish(text if isinstance(text, bytes) else String(data=text))


@pytest.fixture
def bench(ros_context):
    with closing(Bench(ros_context, Careless(context=ros_context))) as bench:
        yield bench


def test_a_failed_callback_is_counted_on_diagnostics_and_the_next_message_is_heard(bench):
    bench.say('one')
    bench.until(lambda: bench.node.heard == ['one'])
    bench.say('two')
    bench.until(lambda: bench.node.heard == ['one', 'two'])
    bench.until(lambda: any(r.values[0].value == '2' for r in bench.reports))
    said = [r for r in bench.reports if r.level == DiagnosticStatus.ERROR]
    assert 'a callback failed, see the log: ZeroDivisionError: ' in said[0].message
    assert bench.reports[-1].values[0].key == 'callbacks failed'
    bench.until(lambda: bench.reports[-1].level == DiagnosticStatus.OK)
    assert failures(bench.user).count == 0


@pytest.mark.parametrize('name', ['fail', 'fail_later'])
def test_a_service_that_fails_says_so_and_the_next_call_is_answered(bench, name):
    answer = bench.call(Trigger, name, Trigger.Request())
    assert not answer.success and answer.message.startswith('failed: KeyError: ')
    assert bench.call(Trigger, 'work', Trigger.Request()).success
    assert failures(bench.node).count == 1


def test_a_report_that_fails_does_not_hide_the_failure(bench):
    bench.say('no report')
    bench.until(lambda: any('ValueError: nothing to say' in r.message for r in bench.reports))


def test_bytes_that_are_no_message_do_not_deafen_a_node(bench):
    bench.say(b'\x00\x01\x00\x00\xff\xff\xff\x7fabc')
    bench.say('after')
    bench.until(lambda: 'after' in bench.node.heard)
    assert bench.call(Trigger, 'work', Trigger.Request()).success


def test_an_interrupt_still_ends_a_node_whose_callbacks_fail(domain_id):
    program = """
from dp_ros.ros.node_main import run_node
from rclpy.node import Node

class Failing(Node):
    def __init__(self):
        super().__init__('failing')
        self.create_timer(0.01, self._fail)
        self.turns = 0

    def _fail(self):
        self.turns += 1
        if self.turns == 3:
            print('goes on', flush=True)
        raise RuntimeError('on purpose')

raise SystemExit(run_node(Failing))
"""
    node = subprocess.Popen(
        [sys.executable, '-c', program],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain_id)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert node.stdout.readline() == 'goes on\n'
    node.send_signal(signal.SIGINT)
    _, said = node.communicate(timeout=60.0)
    assert node.returncode == 0
    assert 'RuntimeError: on purpose' in said and said.count('Traceback') == 1


@pytest.mark.parametrize('kind', [ExecutorNode, PolicyNode])
@pytest.mark.parametrize(
    'transition',
    [
        Transition(id=Transition.TRANSITION_ACTIVATE),
        Transition(id=99),
        Transition(label='deactivate'),
        Transition(label='fly'),
    ],
)
def test_a_transition_that_is_not_possible_now_is_refused(ros_context, kind, transition):
    overrides = [Parameter('autostart', value=False)]
    node = kind(context=ros_context, parameter_overrides=overrides)
    with closing(Bench(ros_context, node, executor=SingleThreadedExecutor)) as bench:
        name = node.get_name()
        request = ChangeState.Request(transition=transition)
        assert not bench.call(ChangeState, f'{name}/change_state', request).success
        state = bench.call(GetState, f'{name}/get_state', GetState.Request()).current_state
        assert state.id == State.PRIMARY_STATE_UNCONFIGURED


def test_a_transition_that_fails_says_why(ros_context, monkeypatch):
    node = ExecutorNode(
        context=ros_context, parameter_overrides=[Parameter('autostart', value=False)]
    )
    with closing(Bench(ros_context, node)) as bench:
        assert node.trigger_configure().name == 'SUCCESS'
        monkeypatch.setattr(node._core, 'restart', lambda _: 1 / 0)
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
        assert not bench.call(ChangeState, 'executor/change_state', request).success
        assert failures(node).last == 'ZeroDivisionError: division by zero'
