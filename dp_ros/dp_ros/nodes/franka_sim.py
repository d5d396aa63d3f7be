# SPDX-License-Identifier: Apache-2.0
"""The simulated FR3 with its cameras, as the real one shows itself in ROS."""

from __future__ import annotations

from typing import Any

from cv_bridge import CvBridge
from dp_ros.control.trajectory import NS, TrajectoryRejected
from dp_ros.nodes.conversions import ns_to_time, trajectory_from_msg
from dp_ros.nodes.diagnostics import OK, Diagnostics, Report
from dp_ros.nodes.franka_sim_parameters import PARAMETERS
from dp_ros.nodes.live_parameters import LiveParameters
from dp_ros.nodes.node_main import run_node
from dp_ros.nodes.scene_messages import RobotTransforms, camera_info, goal_pose, scene_markers
from dp_ros.sim.kinematics import JOINT_NAMES
from dp_ros.sim.model import CAMERAS
from dp_ros.sim.scene import OBSTACLE_HEIGHT, OBSTACLE_RADIUS, sample_scene
from dp_ros.sim.simulation import FINGER_NAMES, PERIOD_NS, Simulation, State
from dp_ros.sim.world import PERIOD
from dp_ros_msgs.msg import EpisodeStatus
from dp_ros_msgs.srv import GetCommandLog, ResetEpisode
from geometry_msgs.msg import Point, PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

TICK = 0.01
TICK_NS = round(TICK * NS)
STATUS_NS = NS // 10
TRANSFORMS_NS = NS // 50

RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class FrankaSimNode(Node):
    """Node `franka_sim`.

    Simulated time follows the wall clock, and catches up after a stall: what is published has the
    stamp of the moment at which it was true, never one in the future.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('franka_sim', **kwargs)
        self._parameters = LiveParameters(self, PARAMETERS, check=_check)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._started_ns = self._steady.now().nanoseconds
        self._epoch_ns = NS if self._own_clock else self.get_clock().now().nanoseconds
        scene = sample_scene(self._parameters['seed'])
        self._simulation = Simulation(scene, self._epoch_ns)
        self._bridge = CvBridge()
        self._due: dict[str, int] = {}
        self._rejected = 0
        self._make_publishers()
        self._make_inputs()
        self._show_scene()
        self._diagnostics = Diagnostics(self, self._report)
        factor = self._parameters['real_time_factor']
        self.create_timer(TICK / factor if factor else 1e-4, self._tick, clock=self._steady)
        self.get_logger().info(f'simulating the FR3, scene {scene.seed}')

    def destroy_node(self) -> None:
        """Free the renderers too."""
        self._simulation.world.close()
        super().destroy_node()

    @property
    def _own_clock(self) -> bool:
        return bool(self._parameters['publish_clock'])

    def _make_publishers(self) -> None:
        p = self._parameters
        self._clock_out = self.create_publisher(ClockMsg, '/clock', RELIABLE)
        self._joints_out = self.create_publisher(JointState, 'joint_states', RELIABLE)
        self._status_out = self.create_publisher(EpisodeStatus, 'episode/status', LATCHED)
        self._goal_out = self.create_publisher(PoseStamped, 'goal', LATCHED)
        self._markers_out = self.create_publisher(MarkerArray, 'scene/markers', LATCHED)
        self._images_out = {
            name: (
                self.create_publisher(Image, f'camera/{name}/image_raw', RELIABLE),
                self.create_publisher(CameraInfo, f'camera/{name}/camera_info', RELIABLE),
            )
            for name in p['camera_names']
        }
        self._tf_out = TransformBroadcaster(self)
        self._static_tf_out = StaticTransformBroadcaster(self)
        self._transforms = RobotTransforms(p['base_frame'], p['camera_names'])

    def _make_inputs(self) -> None:
        controller = self._parameters['controller_name']
        self.create_subscription(
            JointTrajectory, f'{controller}/joint_trajectory', self._on_trajectory, COMMAND
        )
        self.create_subscription(
            JointTrajectory, 'gripper/joint_trajectory', self._on_gripper, COMMAND
        )
        self.create_subscription(PoseStamped, 'goal_pose', self._on_goal, COMMAND)
        self.create_service(ResetEpisode, '~/reset', self._on_reset)
        self.create_service(GetCommandLog, '~/command_log', self._on_command_log)

    # ---- time

    def _tick(self) -> None:
        simulation, before = self._simulation, self._simulation.state
        until_ns = self._target_ns()
        while simulation.now_ns + TICK_NS <= until_ns:
            simulation.advance(simulation.now_ns + TICK_NS)
            if self._own_clock:
                self._clock_out.publish(ClockMsg(clock=ns_to_time(simulation.now_ns)))
            self._publish_due()
        if simulation.state is not before:
            self._publish_status()

    def _target_ns(self) -> int:
        """Time up to which to simulate now."""
        if not self._own_clock:
            return self.get_clock().now().nanoseconds
        factor = self._parameters['real_time_factor']
        if factor == 0.0:
            return self._simulation.now_ns + TICK_NS
        elapsed_ns = self._steady.now().nanoseconds - self._started_ns
        return self._epoch_ns + round(factor * elapsed_ns)

    def _publish_due(self) -> None:
        p = self._parameters
        if self._is_due('joints', NS / p['joint_state_rate']):
            self._publish_joints()
        if self._is_due('tf', TRANSFORMS_NS):
            self._publish_transforms()
        if self._is_due('images', NS / p['camera_rate']):
            self._publish_images()
        if self._is_due('status', STATUS_NS):
            self._publish_status()

    def _is_due(self, what: str, period_ns: float) -> bool:
        """Tell whether a period has passed, counted from the start of the episode."""
        count = int((self._simulation.now_ns - self._simulation.start_ns) // period_ns)
        if self._due.get(what) == count:
            return False
        self._due[what] = count
        return True

    # ---- outputs

    def _publish_joints(self) -> None:
        world = self._simulation.world
        message = JointState(name=[*JOINT_NAMES, *FINGER_NAMES])
        message.header.stamp = self._stamp()
        message.position = world.joint_positions.tolist()
        message.velocity = world.joint_velocities.tolist()
        self._joints_out.publish(message)

    def _publish_transforms(self) -> None:
        joints = self._simulation.world.joint_positions
        self._tf_out.sendTransform(self._transforms.moving(joints, self._stamp()))

    def _publish_images(self) -> None:
        height, width = self._parameters['camera_height'], self._parameters['camera_width']
        for name, (image_out, info_out) in self._images_out.items():
            pixels = self._simulation.world.render(name, height, width)
            image = self._bridge.cv2_to_imgmsg(pixels, 'rgb8')
            image.header.stamp = self._stamp()
            image.header.frame_id = f'camera_{name}_optical_frame'
            image_out.publish(image)
            info_out.publish(camera_info(name, height, width, image.header))

    def _publish_status(self) -> None:
        self._status_out.publish(self._status())

    def _show_scene(self) -> None:
        """Publish what changes only with the scene."""
        base, scene = self._parameters['base_frame'], self._simulation.world.scene
        self._goal_out.publish(goal_pose(scene, base, self._stamp()))
        self._markers_out.publish(scene_markers(scene, base, self._stamp()))
        self._static_tf_out.sendTransform(self._transforms.fixed(self._stamp()))

    def _status(self) -> EpisodeStatus:
        simulation, world = self._simulation, self._simulation.world
        x, y, z = (float(value) for value in world.tcp)
        goal = world.scene.goal_point
        status = EpisodeStatus(
            state=int(simulation.state),
            seed=world.scene.seed,
            elapsed=(simulation.now_ns - simulation.start_ns) / NS,
            distance=world.distance,
            side=simulation.side,
            collision_with=world.collision,
            tcp=Point(x=x, y=y, z=z),
            goal=Point(x=goal[0], y=goal[1], z=goal[2]),
            obstacle=Point(x=world.scene.obstacle[0], y=world.scene.obstacle[1]),
            obstacle_radius=OBSTACLE_RADIUS,
            obstacle_height=OBSTACLE_HEIGHT,
        )
        status.header.stamp = self._stamp()
        status.header.frame_id = self._parameters['base_frame']
        return status

    def _stamp(self) -> Any:
        return ns_to_time(self._simulation.now_ns)

    # ---- inputs

    def _on_trajectory(self, message: JointTrajectory) -> None:
        try:
            self._simulation.accept(trajectory_from_msg(message))
        except (TrajectoryRejected, ValueError) as error:
            self._rejected += 1
            self.get_logger().error(f'trajectory rejected: {error}')

    def _on_gripper(self, message: JointTrajectory) -> None:
        try:
            if FINGER_NAMES[0] not in message.joint_names or not message.points:
                raise ValueError(f'joints {message.joint_names}: needs {FINGER_NAMES[0]}')
            index = message.joint_names.index(FINGER_NAMES[0])
            self._simulation.move_fingers(message.points[-1].positions[index])
        except (ValueError, IndexError) as error:
            self.get_logger().error(f'gripper command refused: {error}')

    def _on_goal(self, message: PoseStamped) -> None:
        base = self._parameters['base_frame']
        try:
            if message.header.frame_id not in ('', base):
                raise ValueError(f'frame {message.header.frame_id!r}: needs {base!r}')
            position = message.pose.position
            world = self._simulation.world
            world.set_scene(world.scene.with_goal((position.x, position.y)))
        except ValueError as error:
            self.get_logger().error(f'goal refused: {error}')
            return
        self._show_scene()

    def _on_reset(
        self, request: ResetEpisode.Request, response: ResetEpisode.Response
    ) -> ResetEpisode.Response:
        self._simulation.reset(sample_scene(request.seed), self._simulation.now_ns)
        self._due.clear()
        self._show_scene()
        self._publish_status()
        response.success = True
        response.message = f'scene {request.seed}'
        response.stamp = self._stamp()
        response.status = self._status()
        return response

    def _on_command_log(
        self, request: GetCommandLog.Request, response: GetCommandLog.Response
    ) -> GetCommandLog.Response:
        log = self._simulation.log()
        end = request.start + request.max_samples if request.max_samples else None
        wanted = slice(request.start, end)
        response.success = True
        response.stamp = ns_to_time(log.stamp_ns + request.start * PERIOD_NS)
        response.period = PERIOD
        response.total = len(log.trajectory_ids)
        response.joint_names = list(JOINT_NAMES)
        response.positions = log.positions[wanted].ravel().tolist()
        response.measured = log.measured[wanted].ravel().tolist()
        response.trajectory_ids = log.trajectory_ids[wanted].tolist()
        return response

    def _report(self) -> Report:
        simulation = self._simulation
        values = {
            'scene': simulation.world.scene.seed,
            'state': State(simulation.state).name,
            'distance [m]': simulation.world.distance,
            'trajectories rejected': self._rejected,
        }
        return OK, 'simulating', values


def _check(values: Any) -> str | None:
    unknown = [name for name in values['camera_names'] if name not in CAMERAS]
    if unknown:
        return f'camera_names: no camera {unknown}; there are {sorted(CAMERAS)}'
    if values['real_time_factor'] != 1.0 and not values['publish_clock']:
        return (
            f'real_time_factor = {values["real_time_factor"]} needs publish_clock: true, '
            'so that others can follow the time'
        )
    return None


def main() -> int:
    """Run the node."""
    return run_node(FrankaSimNode)
