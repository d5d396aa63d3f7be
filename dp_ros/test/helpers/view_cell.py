# SPDX-License-Identifier: Apache-2.0
"""The view's node with its pages, and stand-ins for the nodes that it talks to."""

from contextlib import contextmanager

from dp_ros.nodes.view.node import ViewNode
from dp_ros_msgs.srv import ResetEpisode
from geometry_msgs.msg import PoseStamped
from node_bench import NodeBench
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger
from view_page import ViewPage

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEW = ['executor/pause', 'seed', 'franka_sim/reset', 'observation_aggregator/reset']
NEW += ['policy/reset', 'executor/resume']
"""What is asked for to begin an episode."""


class World(Node):
    """The executor and the simulation, and what they were asked."""

    def __init__(self, context, simulated):
        super().__init__('executor', context=context)
        self.calls, self.scenes, self.goals, self.refuse = [], [], [], ''
        self.obstacles = []
        services = [f'executor/{name}' for name in ('pause', 'resume', 'estop', 'reset')]
        for name in (*services, 'observation_aggregator/reset'):
            self.create_service(Trigger, name, lambda _, answer, name=name: self.on(name, answer))
        if simulated:
            self.create_service(ResetEpisode, 'franka_sim/reset', self.on_reset)
        self.create_subscription(PoseStamped, 'goal_pose', self.goals.append, 10)
        self.create_subscription(PoseStamped, 'obstacle_pose', self.obstacles.append, 10)
        self.declare_parameter('n_action_steps', 0)
        self.declare_parameter('speed_scale', 1.0)
        self.add_on_set_parameters_callback(self.judge)

    def on(self, name, answer):
        self.calls.append(name)
        answer.success, answer.message = not self.refuse, self.refuse
        return answer

    def on_reset(self, request, answer):
        self.scenes.append(request.seed)
        return self.on('franka_sim/reset', answer)

    def judge(self, parameters):
        is_fast = any(p.name == 'speed_scale' and p.value > 0.5 for p in parameters)
        return SetParametersResult(successful=not is_fast, reason='too fast here')

    def say(self, kind, topic, message, qos=LATCHED):
        publisher = self.create_publisher(kind, topic, qos)
        publisher.publish(message)
        return publisher


class Policy(Node):
    """The parameters of a policy, and those that were set."""

    def __init__(self, context, world):
        super().__init__('policy', context=context)
        self.create_service(
            Trigger, 'policy/reset', lambda _, answer: world.on('policy/reset', answer)
        )
        for name, value in (
            ('checkpoint', 'models/reach'),
            ('sampler.name', 'auto'),
            ('sampler.num_inference_steps', 10),
            ('n_samples', 1),
            ('show_denoising', False),
            ('seed', 0),
        ):
            self.declare_parameter(name, value)
        self.add_post_set_parameters_callback(
            lambda given: world.calls.extend(p.name for p in given)
        )


class Cell(NodeBench):
    """A view, what it shows, and its pages.

    :param others: nodes beside the executor and the policy.
    """

    def __init__(self, context, simulated=True, control='auto', policy=None, others=()):
        given = [Parameter('port', value=0), Parameter('control', value=control)]
        self.world = World(context, simulated)
        policy = policy or Policy(context, self.world)
        view = ViewNode(context=context, parameter_overrides=given)
        super().__init__(context, view, self.world, policy, *others)
        self.page, self.controls = view._page, view._controls
        self.port = view._server.get_port()
        self.pages, self.notes = [], []
        self.page.notify = lambda page, title, text, colour='red': self.notes.append((page, text))
        self.until(lambda: view._steering.remote._triggers['executor/estop'].service_is_ready())

    def open(self):
        before = len(self.node._pages)
        self.pages.append(ViewPage(self.port))
        self.until(lambda: len(self.node._pages) == before + 1)
        bound = self.controls.parameters
        self.until(lambda: bound.policy.values and bound.executor.values)
        return self.pages[-1]

    def steers(self, page):
        return self.node._steering.control.owner == page

    def close(self):
        for page in self.pages:
            page.close()
        super().close()


@contextmanager
def cells(context):
    """Give a function that makes cells, and close what it made."""
    made = []

    def make(**given):
        made.append(Cell(context, **given))
        return made[-1]

    yield make
    for cell in made:
        cell.close()
