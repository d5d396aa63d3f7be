# SPDX-License-Identifier: Apache-2.0
"""The node `franka_sim`: a simulated FR3 with cameras, with the ROS interface of a real one."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from cv_bridge import CvBridge
from dp_ros.nodes.franka_sim.messages import (
    RobotTransforms,
    camera_info,
    episode_status,
    goal_pose,
    joint_state,
    scene_markers,
)
from dp_ros.nodes.franka_sim.parameters import PARAMETERS
from dp_ros.robot.kinematics import JOINT_NAMES, LINK_NAMES
from dp_ros.robot.units import NS, to_ns
from dp_ros.ros.conversions import ns_to_time, trajectory_from_msg
from dp_ros.ros.diagnostics import OK, WARN, Diagnostics, Report
from dp_ros.ros.live_parameters import LiveParameters
from dp_ros.ros.node_main import run_node
from dp_ros.ros.polled_topic import PolledTopic
from dp_ros.ros.qos import LATCHED, NEWEST, reliable
from dp_ros.sim.clock import SlippingClock, Speed, slowness
from dp_ros.sim.scenario import Point2D, Scene
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
from dp_ros.sim.scenarios.registry import SCENARIOS
from dp_ros.sim.simulation import Simulation
from dp_ros.sim.urdf import robot_description
from dp_ros.sim.world import PERIOD, FrankaWorld
from dp_ros_msgs.msg import EpisodeStatus
from dp_ros_msgs.srv import GetCommandLog, ResetEpisode
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

TICK = 0.01
TICK_NS = to_ns(TICK)
_STREAM = reliable(1000)
STATUS_NS = NS // 10
TRANSFORMS_NS = NS // 50
THROTTLE = 10.0

# Large enough for a recorder that is behind: faster than real time, 50 last only 20 ms.


class FrankaSimNode(Node):
    """Simulates the FR3 and publishes its topics.

    Its time is published on `/clock`. It begins at the system's time and passes at the wanted
    speed, or slower where the machine cannot keep up. Messages are stamped with the time at which
    their contents held, never with a future one. An input takes effect at the millisecond at
    which it came.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('franka_sim', **kwargs)
        self._values = LiveParameters(self, PARAMETERS, check=_check)
        # Not the node's clock, which may follow the one that is published here.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._system = Clock(clock_type=ClockType.SYSTEM_TIME)
        self._bridge = CvBridge()
        self._due: dict[str, int] = {}
        self._rejected = 0
        self._scenario = SCENARIOS[self._values['task']]
        world = FrankaWorld(self._scenario.sample(self._values['seed']), self._scenario)
        self._make_publishers()
        self._make_inputs()
        for name in self._images_out:  # the first picture is slow: take it before time counts
            world.render(name, self._values['camera_height'], self._values['camera_width'])
        self._start(world)
        self._diagnostics = Diagnostics(self, self._report)
        self.get_logger().info(
            f'simulating the FR3, {self._scenario.name}, scene {world.scene.seed}'
        )

    def destroy_node(self) -> None:
        """Free the renderers, then destroy the node."""
        self._simulation.world.close()
        super().destroy_node()

    def _make_publishers(self) -> None:
        p = self._values
        self._clock_out = self.create_publisher(ClockMsg, '/clock', _STREAM)
        self._joints_out = self.create_publisher(JointState, 'joint_states', _STREAM)
        self._status_out = self.create_publisher(EpisodeStatus, 'episode/status', LATCHED)
        self._goal_out = self.create_publisher(PoseStamped, 'goal', LATCHED)
        self._markers_out = self.create_publisher(MarkerArray, 'scene/markers', LATCHED)
        self._images_out = {
            name: (
                self.create_publisher(Image, f'camera/{name}/image_raw', _STREAM),
                self.create_publisher(CameraInfo, f'camera/{name}/camera_info', _STREAM),
            )
            for name in p['camera_names']
        }
        self._tf_out = TransformBroadcaster(self)
        self._static_tf_out = StaticTransformBroadcaster(self)
        self._description_out = self.create_publisher(String, 'robot_description', LATCHED)
        self._description_out.publish(String(data=robot_description(p['base_frame'])))
        cameras = {name: self._scenario.cameras[name] for name in p['camera_names']}
        self._transforms = RobotTransforms(p['base_frame'], cameras)

    def _make_inputs(self) -> None:
        controller = self._values['controller_name']
        self._arm_in = PolledTopic(self, JointTrajectory, f'{controller}/joint_trajectory', NEWEST)
        self._hand_in = PolledTopic(self, JointTrajectory, 'gripper/joint_trajectory', NEWEST)
        self.create_subscription(PoseStamped, 'goal_pose', self._on_goal, NEWEST)
        self.create_subscription(PoseStamped, 'obstacle_pose', self._on_obstacle, NEWEST)
        self.create_service(ResetEpisode, '~/reset', self._on_reset)
        self.create_service(GetCommandLog, '~/command_log', self._on_command_log)

    # ---- time

    def _start(self, world: FrankaWorld) -> None:
        factor = self._values['real_time_factor']
        start_ns, real_ns = self._system.now().nanoseconds, self._steady.now().nanoseconds
        self._time, self._speed = SlippingClock(factor, start_ns, real_ns), Speed()
        period = TICK / factor if factor else 1e-4
        self._timer = self.create_timer(period, self._tick, clock=self._steady)
        self._simulation = Simulation(world, start_ns)
        self._show_scene()

    def _tick(self) -> None:
        self._take_commands()
        ahead_ns = 0 if self._time.factor else TICK_NS
        until_ns = self._now_ns() + ahead_ns
        while (tick_ns := self._next_tick_ns()) <= until_ns:
            self._run_to(tick_ns)
            self._take_commands()  # A real controller also takes them while images are rendered.

    def _meet(self, age_ns: int = 0) -> None:
        """Advance the simulation to the time at which an input came, unless it is past that.

        :param age_ns: age of the input [ns]: it may have waited while images were rendered.
        """
        came_ns = self._now_ns() - round(self._time.factor * age_ns)
        self._run_to(came_ns)
        self._simulation.advance(came_ns)

    def _now_ns(self) -> int:
        """Return the present simulated time, up to which the simulation may run [ns]."""
        return self._time.now_ns(self._steady.now().nanoseconds, self._simulation.now_ns)

    def _run_to(self, until_ns: int) -> None:
        """Simulate up to the last tick before a time; publish at each tick what is due."""
        simulation = self._simulation
        while (tick_ns := self._next_tick_ns()) <= until_ns:
            before = simulation.state
            simulation.advance(tick_ns)
            self._clock_out.publish(ClockMsg(clock=ns_to_time(simulation.now_ns)))
            self._publish_due()
            if simulation.state is not before:
                self._publish_status()

    def _next_tick_ns(self) -> int:
        start_ns = self._simulation.start_ns
        return start_ns + ((self._simulation.now_ns - start_ns) // TICK_NS + 1) * TICK_NS

    def _begin(self, scene: Scene, now_ns: int) -> None:
        for topic in (self._arm_in, self._hand_in):
            topic.newest()  # Earlier messages are not for this scene.
        # In phase with the ticks of the episode, so that no message waits to be published.
        self._timer.reset()
        self._simulation.reset(scene, now_ns)
        self._due.clear()
        self._show_scene()
        self._publish_status()

    def _publish_due(self) -> None:
        p = self._values
        if self._is_due('joints', NS / p['joint_state_rate']):
            self._joints_out.publish(joint_state(self._simulation))
        if self._is_due('tf', TRANSFORMS_NS):
            self._publish_transforms()
        if self._is_due('status', STATUS_NS):
            self._publish_status()
        if self._is_due('images', NS / p['camera_rate']):
            self._publish_images()

    def _is_due(self, what: str, period_ns: float) -> bool:
        """Tell whether a multiple of a period has passed since the episode's first tick."""
        first_ns = self._simulation.start_ns + TICK_NS
        count = int((self._simulation.now_ns - first_ns) // period_ns)
        if self._due.get(what) == count:
            return False
        self._due[what] = count
        return True

    # ---- outputs

    def _publish_transforms(self) -> None:
        joints = self._simulation.world.joint_positions
        self._tf_out.sendTransform(self._transforms.moving(joints, self._stamp()))

    def _publish_images(self) -> None:
        height, width = self._values['camera_height'], self._values['camera_width']
        for name, (image_out, info_out) in self._images_out.items():
            pixels = self._simulation.world.render(name, height, width)
            image = self._bridge.cv2_to_imgmsg(pixels, 'rgb8')
            image.header.stamp = self._stamp()
            image.header.frame_id = f'camera_{name}_optical_frame'
            image_out.publish(image)
            info_out.publish(
                camera_info(self._scenario.cameras[name], height, width, image.header)
            )

    def _publish_status(self) -> None:
        self._status_out.publish(self._status())
        if self._scenario.objects:
            self._publish_markers()

    def _publish_markers(self) -> None:
        base, world = self._values['base_frame'], self._simulation.world
        self._markers_out.publish(scene_markers(world, base, self._stamp()))

    def _status(self) -> EpisodeStatus:
        return episode_status(self._simulation, self._values['base_frame'], self._measured_speed())

    def _measured_speed(self) -> float:
        return self._speed.measure(self._steady.now().nanoseconds, self._simulation.now_ns)

    def _show_scene(self) -> None:
        """Publish the messages that change only with the scene."""
        base, scene = self._values['base_frame'], self._simulation.world.scene
        self._goal_out.publish(goal_pose(scene, base, self._stamp()))
        self._publish_markers()
        self._static_tf_out.sendTransform(self._transforms.fixed(self._stamp()))

    def _stamp(self) -> Any:
        return ns_to_time(self._simulation.now_ns)

    # ---- inputs

    def _take_commands(self) -> None:
        for topic, accept, what in (
            (self._arm_in, self._simulation.accept, 'trajectory'),
            (self._hand_in, self._simulation.accept_fingers, 'gripper trajectory'),
        ):
            while (taken := topic.take()) is not None:
                message, received_ns = taken
                self._meet(max(0, self._system.now().nanoseconds - received_ns))
                try:
                    accept(trajectory_from_msg(message))
                except ValueError as error:
                    self._rejected += 1
                    self.get_logger().error(f'{what} rejected: {error}')

    def _on_goal(self, message: PoseStamped) -> None:
        self._move('goal', lambda place: self._simulation.world.scene.with_goal(place), message)

    def _on_obstacle(self, message: PoseStamped) -> None:
        def moved(place: Point2D) -> Scene:
            scene = self._simulation.world.scene
            if not isinstance(scene, ObstacleScene):
                raise ValueError(f'{self._scenario.name} has none')
            return scene.with_obstacle(place)

        self._move('obstacle', moved, message)

    def _move(self, what: str, moved: Callable[[Point2D], Scene], message: PoseStamped) -> None:
        """Replace the scene by one in which something is elsewhere, if it can be there."""
        self._meet()
        frames = ('', self._values['base_frame'], LINK_NAMES[0])
        position = message.pose.position
        try:
            if message.header.frame_id not in frames:
                raise ValueError(f'frame {message.header.frame_id!r}: needs {frames[1]!r}')
            self._simulation.world.set_scene(moved((position.x, position.y)))
        except ValueError as error:
            self.get_logger().error(f'{what} refused: {error}')
            return
        self._show_scene()

    def _on_reset(
        self, request: ResetEpisode.Request, response: ResetEpisode.Response
    ) -> ResetEpisode.Response:
        self._begin(
            self._scenario.sample(request.seed), max(self._now_ns(), self._simulation.now_ns)
        )
        response.success = True
        response.message = f'scene {request.seed}'
        response.stamp = self._stamp()
        response.status = self._status()
        return response

    def _on_command_log(
        self, request: GetCommandLog.Request, response: GetCommandLog.Response
    ) -> GetCommandLog.Response:
        try:
            log = self._simulation.log.read(request.start, request.max_samples)
        except ValueError as error:
            response.message = str(error)
            return response
        response.success = True
        response.stamp = ns_to_time(log.stamp_ns)
        response.period = PERIOD
        response.total = self._simulation.log.total
        response.joint_names = list(JOINT_NAMES)
        response.positions = array('d', log.positions.tobytes())
        response.measured = array('d', log.measured.tobytes())
        response.trajectory_ids = array('I', log.trajectory_ids.tobytes())
        return response

    def _report(self) -> Report:
        simulation, speed = self._simulation, self._measured_speed()
        values = {
            'scene': simulation.world.scene.seed,
            'state': simulation.state.name,
            'distance [m]': simulation.world.distance,
            'trajectories rejected': self._rejected,
            'real time factor': speed,
        }
        slow = slowness(speed, self._time.factor)
        if slow:
            self.get_logger().warning(slow, throttle_duration_sec=THROTTLE)
        return (WARN, slow, values) if slow else (OK, 'simulating', values)


def _check(values: Any) -> str | None:
    cameras = SCENARIOS[values['task']].cameras
    unknown = [name for name in values['camera_names'] if name not in cameras]
    if unknown:
        return f'camera_names: no camera {unknown}; there are {sorted(cameras)}'
    return None


def main() -> int:
    """Run the node."""
    return run_node(FrankaSimNode)
