# SPDX-License-Identifier: Apache-2.0
"""The simulated scene, robot and episode as messages."""

from __future__ import annotations

from collections.abc import Sequence

from builtin_interfaces.msg import Time as TimeMsg
from dp_ros.control.trajectory import NS
from dp_ros.nodes.conversions import ns_to_time
from dp_ros.sim.kinematics import JOINT_NAMES, LINK_NAMES, link_poses
from dp_ros.sim.model import CAMERAS
from dp_ros.sim.scene import GOAL_HEIGHT, GOAL_TOLERANCE, OBSTACLE_HEIGHT, OBSTACLE_RADIUS, Scene
from dp_ros.sim.simulation import FINGER_NAMES, Simulation
from dp_ros.sim.world import intrinsics
from dp_ros_msgs.msg import EpisodeStatus
from geometry_msgs.msg import Point, PoseStamped, TransformStamped
import mujoco
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

Array = NDArray[np.float64]

_N_JOINTS = 7
_OPTICAL = np.diag([1.0, -1.0, -1.0])
"""MuJoCo's cameras look along -z with y up, optical frames along z with y down."""


class RobotTransforms:
    """The transforms of the robot's links and of its cameras."""

    def __init__(self, base_frame: str, camera_names: Sequence[str]) -> None:
        self._base_frame = base_frame
        self._camera_names = camera_names

    def moving(self, joint_positions: Array, stamp: TimeMsg) -> list[TransformStamped]:
        """Return the transforms of links 1 to 7, each from the link before it."""
        poses = link_poses(joint_positions[:_N_JOINTS])
        return [
            _transform(
                LINK_NAMES[link - 1],
                LINK_NAMES[link],
                stamp,
                _relative(poses[link - 1 : link + 1]),
            )
            for link in range(1, _N_JOINTS + 1)
        ]

    def fixed(self, stamp: TimeMsg) -> list[TransformStamped]:
        """Return the transforms that never change: base, flange, hand, TCP and cameras."""
        poses = link_poses(np.zeros(_N_JOINTS))
        transforms = []
        if self._base_frame != LINK_NAMES[0]:
            transforms.append(_transform(self._base_frame, LINK_NAMES[0], stamp, np.eye(4)))
        for link in range(_N_JOINTS + 1, len(LINK_NAMES)):
            pose = _relative(poses[link - 1 : link + 1])
            transforms.append(_transform(LINK_NAMES[link - 1], LINK_NAMES[link], stamp, pose))
        for name in self._camera_names:
            transforms.append(self._camera(name, stamp))
        return transforms

    def _camera(self, name: str, stamp: TimeMsg) -> TransformStamped:
        camera = CAMERAS[name]
        pose = np.eye(4)
        pose[:3, :3] = camera.rotation() @ _OPTICAL
        pose[:3, 3] = camera.eye
        parent = self._base_frame if camera.body == 'world' else 'fr3_hand'
        return _transform(parent, f'camera_{name}_optical_frame', stamp, pose)


def camera_info(name: str, height: int, width: int, header: Header) -> CameraInfo:
    """Describe a camera's image: pinhole, square pixels, no distortion."""
    k = intrinsics(name, height, width)
    info = CameraInfo(header=header, height=height, width=width, distortion_model='plumb_bob')
    info.d = [0.0] * 5
    info.k = k.ravel()
    info.r = np.eye(3).ravel()
    info.p = np.hstack([k, np.zeros((3, 1))]).ravel()
    return info


def joint_state(simulation: Simulation) -> JointState:
    """Return the joints of arm and hand as they are now."""
    message = JointState(name=[*JOINT_NAMES, *FINGER_NAMES])
    message.header.stamp = ns_to_time(simulation.now_ns)
    message.position = simulation.world.joint_positions.tolist()
    message.velocity = simulation.world.joint_velocities.tolist()
    return message


def episode_status(simulation: Simulation, frame: str) -> EpisodeStatus:
    """Return how the episode stands now."""
    world, scene = simulation.world, simulation.world.scene
    status = EpisodeStatus(
        state=int(simulation.state),
        seed=scene.seed,
        elapsed=(simulation.now_ns - simulation.start_ns) / NS,
        distance=world.distance,
        side=simulation.side,
        collision_with=world.collision,
        tcp=_point(world.tcp),
        goal=_point(scene.goal_point),
        obstacle=_point((*scene.obstacle, 0.0)),
        obstacle_radius=OBSTACLE_RADIUS,
        obstacle_height=OBSTACLE_HEIGHT,
    )
    status.header.stamp = ns_to_time(simulation.now_ns)
    status.header.frame_id = frame
    return status


def goal_pose(scene: Scene, frame: str, stamp: TimeMsg) -> PoseStamped:
    """Return the point that the TCP is to reach."""
    message = PoseStamped()
    message.header.frame_id, message.header.stamp = frame, stamp
    message.pose.position = _point(scene.goal_point)
    message.pose.orientation.w = 1.0
    return message


def scene_markers(scene: Scene, frame: str, stamp: TimeMsg) -> MarkerArray:
    """Draw the obstacle, the goal's disc and the sphere in which the TCP counts as there."""
    obstacle = _marker(frame, stamp, 0, Marker.CYLINDER, (0.85, 0.15, 0.1, 1.0))
    _place(obstacle, (*scene.obstacle, OBSTACLE_HEIGHT / 2))
    _scale(obstacle, 2 * OBSTACLE_RADIUS, OBSTACLE_HEIGHT)
    disc = _marker(frame, stamp, 1, Marker.CYLINDER, (0.1, 0.8, 0.2, 1.0))
    _place(disc, (*scene.goal, 0.001))
    _scale(disc, 0.06, 0.002)
    sphere = _marker(frame, stamp, 2, Marker.SPHERE, (0.1, 0.8, 0.2, 0.3))
    _place(sphere, (*scene.goal, GOAL_HEIGHT))
    _scale(sphere, 2 * GOAL_TOLERANCE, 2 * GOAL_TOLERANCE)
    return MarkerArray(markers=[obstacle, disc, sphere])


def _marker(
    frame: str, stamp: TimeMsg, number: int, kind: int, rgba: tuple[float, float, float, float]
) -> Marker:
    marker = Marker(ns='scene', id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id, marker.header.stamp = frame, stamp
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = rgba
    marker.pose.orientation.w = 1.0
    return marker


def _point(position: Sequence[float] | Array) -> Point:
    x, y, z = (float(value) for value in position)
    return Point(x=x, y=y, z=z)


def _place(marker: Marker, position: Sequence[float]) -> None:
    marker.pose.position = _point(position)


def _scale(marker: Marker, width: float, height: float) -> None:
    marker.scale.x = marker.scale.y = width
    marker.scale.z = height


def _relative(poses: Array) -> Array:
    """Pose of the second in the frame of the first; poses (2, 4, 4)."""
    return np.asarray(np.linalg.inv(poses[0]) @ poses[1])


def _transform(parent: str, child: str, stamp: TimeMsg, pose: Array) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, stamp
    t, r = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = (float(value) for value in pose[:3, 3])
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(pose[:3, :3]).ravel())
    r.w, r.x, r.y, r.z = (float(value) for value in quaternion)
    return message
