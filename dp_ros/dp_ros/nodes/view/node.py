# SPDX-License-Identifier: Apache-2.0
"""The node `view`: a page in the browser that shows what runs, and steers it.

```
robot_description, joint_states, policy/…, executor/status, camera/… ──→ scene and panel (viser)
        a person ──→ services and parameters of the nodes, goal_pose ──→ what they answer
```

Without an open page it listens to statuses only. The page needs nothing that RViz does not have,
so it serves a simulation and a real arm alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
import sys
import threading
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from dp_ros.nodes.view import texts
from dp_ros.nodes.view.arm_view import ArmView
from dp_ros.nodes.view.chunk_view import ChunkView, paths_of
from dp_ros.nodes.view.controls import Controls
from dp_ros.nodes.view.door import close_server, door_for, link, open_server
from dp_ros.nodes.view.dragging import Dragging
from dp_ros.nodes.view.episodes import Episodes
from dp_ros.nodes.view.images import Images
from dp_ros.nodes.view.link_tree import LinkTree
from dp_ros.nodes.view.marker_view import MarkerView
from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.parameters import AUTO, ON, PARAMETERS
from dp_ros.nodes.view.remote import Remote, RemoteParameters, Unanswered
from dp_ros.nodes.view.reports import MOST_LINES, Reports
from dp_ros.nodes.view.running import RunningPolicy
from dp_ros.nodes.view.steering import Steering
from dp_ros.robot.description import DescriptionError
from dp_ros.ros.diagnostics import OK, Diagnostics, Report
from dp_ros.ros.ending import EndingNode
from dp_ros.ros.live_parameters import LiveParameters
from dp_ros.ros.node_main import run_node
from dp_ros.ros.polled_topic import PolledTopic
from dp_ros.ros.qos import EVERY, LATCHED, NEWEST
from dp_ros_msgs.msg import EpisodeStatus, ExecutorStatus, PolicyStatus
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import Log
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

_TICK = 0.05
_IMAGE_TICKS = 4
_SLOW = 0.5


class ViewNode(EndingNode):
    """Serves the page until it ends; a page that is lost stops nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('view', **kwargs)
        self._values = LiveParameters(self, PARAMETERS)
        host, port = self._values['host'], self._values['port']
        door = door_for(host, self._values['token'])
        self._server = open_server(host, port, door)
        self._page = Page(self._server, f'dp_ros {self.get_namespace()}'.rstrip(' /'))
        remote = Remote(self)
        self._steering = Steering(self, self._page, remote, self._may_steer)
        self._controls = Controls(self, self._page, self._steering, lambda: self._episodes.scene)
        self._reports = Reports(self._page)
        play = self._controls.play
        self._episodes = Episodes(self, play, self._steering)
        self._running = RunningPolicy(
            self, self._controls.parameters.policy, play, self._reports.warn
        )
        self._make_scene()
        self._pages: set[int] = set()
        self._chunk: JointTrajectory | None = None
        self._ticks = 0
        self._listen()
        self._server.on_client_connect(partial(self._post_page, self._arrive))
        self._server.on_client_disconnect(partial(self._post_page, self._leave))
        self._diagnostics = Diagnostics(self, self._report)
        self.link = link(host, self._server.get_port(), door)
        self.get_logger().info(f'the view is at {self.link}')

    def destroy_node(self) -> None:
        """Close the page, then destroy the node."""
        close_server(self._server)
        super().destroy_node()

    def _make_scene(self) -> None:
        scene = self._server.scene
        self._arm: ArmView | None = None
        self._text = ''
        self._chunk_view = ChunkView(scene)
        self._scene_view = MarkerView(scene, '/scene')
        self._dragging = Dragging(self, scene, self._steering)
        page = self._page
        for layer, box in page.layers.items():
            self._chunk_view.visible[layer] = box.value
            page.on_change(box, lambda _, value, layer=layer: self._show_layer(layer, value))
        page.on_change(page.step, lambda _, value: self._show_step(value))
        page.on_change(page.opacity, lambda _, value: self._on_arm('set_opacity', value))
        for control in (page.ghost, page.ghost_step):
            page.on_change(control, lambda *_: self._steering.post(self._show_ghost))
        page.on_press(
            self._controls.play.clear, lambda _: self._steering.post(self._episodes.clear)
        )

    # ---- topics

    def _listen(self) -> None:
        """Listen to what is little and always wanted."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_subscription(String, 'robot_description', self._on_description, LATCHED)
        self.create_subscription(PolicyStatus, 'policy/status', self._reports.take_policy, EVERY)
        self.create_subscription(EpisodeStatus, 'episode/status', self._on_episode, LATCHED)
        self.create_subscription(Log, '/rosout', self._on_log, EVERY)
        self._seen: list[Any] = []
        self._joints: PolledTopic | None = None
        self._images = Images(self, self._page.show_image, self._reports.warn)
        self._tick_timer = self.create_timer(_TICK, self._tick, clock=steady)
        self._slow_timer = self.create_timer(_SLOW, self._tick_slowly, clock=steady)
        self._tick_timer.cancel()

    def _open(self) -> None:
        """Listen to what only a page needs."""
        self._seen = [
            self.create_subscription(ExecutorStatus, 'executor/status', self._on_executor, EVERY),
            self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, EVERY),
            self.create_subscription(MarkerArray, 'policy/markers', self._on_paths, NEWEST),
            self.create_subscription(MarkerArray, 'scene/markers', self._on_scene, LATCHED),
            self.create_subscription(JointTrajectory, 'policy/chunk', self._on_chunk, NEWEST),
            self.create_subscription(PoseStamped, 'goal', self._dragging.show_goal, LATCHED),
        ]
        self._joints = PolledTopic(self, JointState, 'joint_states')
        self._tick_timer.reset()
        self._running.list()
        self._tick_slowly()

    def _close(self) -> None:
        for subscription in self._seen:
            self.destroy_subscription(subscription)
        self._seen = []
        if self._joints is not None:
            self._joints.close()
            self._joints = None
        self._images.close()
        self._tick_timer.cancel()

    def _post_page(self, call: Any, client: Any) -> None:
        self._steering.post(partial(call, client.client_id))

    def _arrive(self, page: int) -> None:
        self.get_logger().info(f'page {page} is open')
        if not self._pages:
            self._open()
        self._pages.add(page)

    def _leave(self, page: int) -> None:
        self.get_logger().info(f'page {page} has gone')
        self._pages.discard(page)
        self._steering.control.leave(page)
        if not self._pages:
            self._close()

    # ---- the scene

    def _on_description(self, message: String) -> None:
        if message.data == self._text:
            return
        self._text = message.data
        if self._arm is not None:
            self._arm.remove()
        try:
            tree = LinkTree(message.data)
        except DescriptionError as error:
            self._arm = None
            self._reports.warn(str(error))
            return
        self._arm = ArmView(self._server.scene, tree, self._page.opacity.value)
        threading.Thread(target=self._load, args=(self._arm,), daemon=True).start()

    def _load(self, arm: ArmView) -> None:
        """Read the meshes, in a thread of its own."""
        arm.load()
        if arm.missing:
            lines = [(texts.AMBER, text) for text in arm.missing[:MOST_LINES]]
            self._steering.post(partial(self._page.show_missing, texts.notes(lines)))

    def _on_arm(self, method: str, *values: Any) -> None:
        if self._arm is not None:
            self._steering.post(partial(getattr(self._arm, method), *values))

    def _tick(self) -> None:
        message = None if self._joints is None else self._joints.newest()
        if message is not None and self._arm is not None:
            self._arm.show(dict(zip(message.name, message.position, strict=False)))
        self._ticks += 1
        if self._ticks % _IMAGE_TICKS == 0:
            self._images.read()

    def _on_scene(self, message: MarkerArray) -> None:
        self._scene_view.show(message)

    def _on_paths(self, message: MarkerArray) -> None:
        paths = paths_of(message)
        self._chunk_view.step = self._page.set_steps(len(paths.get('denoising', [])))
        self._chunk_view.show(paths)

    def _on_chunk(self, message: JointTrajectory) -> None:
        self._chunk = message
        last = max(1, len(message.points) - 1)
        if self._page.ghost_step.max != last:
            self._page.ghost_step.max = last
        self._show_ghost()

    def _show_ghost(self) -> None:
        if self._arm is None or self._chunk is None or not self._chunk.points:
            return
        points, wanted = self._chunk.points, self._page.ghost.value
        point = points[min(int(self._page.ghost_step.value), len(points) - 1)]
        positions = dict(zip(self._chunk.joint_names, point.positions, strict=False))
        self._arm.show_ghost(wanted, positions if wanted else None)

    def _show_layer(self, layer: str, value: bool) -> None:
        self._chunk_view.visible[layer] = value
        self._steering.post(self._chunk_view.draw)

    def _show_step(self, value: float) -> None:
        self._chunk_view.step = int(value)
        self._steering.post(self._chunk_view.draw)

    # ---- the panel

    def _on_executor(self, message: ExecutorStatus) -> None:
        reports = self._reports
        reports.take_executor(message)
        self._page.show_offers(reports.stopped, reports.dry_run and self._may_steer())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._reports.take_diagnostics(message)
        for status in message.status:
            self._controls.recorder.hear(status)

    def _on_log(self, message: Log) -> None:
        self._controls.loader.hear(message)
        self._reports.take_log(message)

    def _on_episode(self, message: EpisodeStatus) -> None:
        self._episodes.see(message, self._reports.policy_name)
        if self._pages:
            self._dragging.show_obstacle(message)

    def _tick_slowly(self) -> None:
        if not self._pages:
            return
        self._images.look()
        self._reports.show()
        self._controls.show_control(self._may_steer(), self._steering.control.owner)
        self._dragging.settle()
        self._running.look()
        bound = self._controls.parameters
        for parameters in (bound.policy, bound.executor):
            if parameters.ready and not parameters.values:
                assert self.executor is not None
                self.executor.create_task(_read(parameters))

    def _may_steer(self) -> bool:
        wanted = self._values['control']
        return wanted == ON or (wanted == AUTO and self._steering.remote.simulated)

    def _report(self) -> Report:
        return OK, self.link, {'pages': len(self._pages)}


async def _read(parameters: RemoteParameters) -> None:
    try:
        await parameters.read()
    except Unanswered:
        return  # It is asked again.


def _overrides(argv: Sequence[str]) -> list[Parameter]:
    """Return the parameters that the command line gives by short names."""
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros view', description=__doc__)
    parser.add_argument('--host', help='address to serve on (default: 127.0.0.1)')
    parser.add_argument('--port', type=int, help='port to serve on (default: 8080)')
    parser.add_argument('--token', help='word in the link of other machines (default: random)')
    parser.add_argument(
        '--control', action='store_const', const=ON, help='let the page steer an arm, too'
    )
    own = list(argv)[: list(argv).index('--ros-args')] if '--ros-args' in argv else list(argv)
    given = vars(parser.parse_args(own))
    return [Parameter(name, value=value) for name, value in given.items() if value is not None]


def main() -> int:
    """Run the node."""
    return run_node(partial(ViewNode, parameter_overrides=_overrides(sys.argv[1:])))


if __name__ == '__main__':
    sys.exit(main())
