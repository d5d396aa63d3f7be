# SPDX-License-Identifier: Apache-2.0
"""Messages of the simulated scene, robot and episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builtin_interfaces.msg import Time as TimeMsg
from dp_ros.arrays import Array
from dp_ros.robot.chain import quaternion
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES, LINK_NAMES, link_poses
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import ns_to_time, place_to_msg
from dp_ros.sim.scenario import Scene, SimCamera
from dp_ros.sim.scenarios.obstacle.scene import OBSTACLE_HEIGHT, ObstacleScene
from dp_ros.sim.simulation import Simulation
from dp_ros.sim.world import FrankaWorld, Thing, intrinsics
from dp_ros_msgs.msg import EpisodeStatus
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped
import numpy as np
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

_N_JOINTS = 7
_OPTICAL = np.diag([1.0, -1.0, -1.0])
"""MuJoCo's cameras look along -z with y up, optical frames along z with y down."""
_MARKERS = {'box': Marker.CUBE, 'cylinder': Marker.CYLINDER, 'sphere': Marker.SPHERE}


class RobotTransforms:
    """Transforms of the robot's links and cameras."""

    def __init__(self, base_frame: str, cameras: Mapping[str, SimCamera]) -> None:
        self._base_frame = base_frame
        self._cameras = cameras

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
        """Return the constant transforms: base, flange, hand, TCP and cameras."""
        poses = link_poses(np.zeros(_N_JOINTS))
        transforms = []
        if self._base_frame != LINK_NAMES[0]:
            transforms.append(_transform(self._base_frame, LINK_NAMES[0], stamp, np.eye(4)))
        for link in range(_N_JOINTS + 1, len(LINK_NAMES)):
            pose = _relative(poses[link - 1 : link + 1])
            transforms.append(_transform(LINK_NAMES[link - 1], LINK_NAMES[link], stamp, pose))
        for name, camera in self._cameras.items():
            transforms.append(self._camera(name, camera, stamp))
        return transforms

    def _camera(self, name: str, camera: SimCamera, stamp: TimeMsg) -> TransformStamped:
        pose = np.eye(4)
        pose[:3, :3] = camera.rotation() @ _OPTICAL
        pose[:3, 3] = camera.eye
        parent = self._base_frame if camera.body == 'world' else 'fr3_hand'
        return _transform(parent, f'camera_{name}_optical_frame', stamp, pose)


def camera_info(camera: SimCamera, height: int, width: int, header: Header) -> CameraInfo:
    """Return the CameraInfo of an image: pinhole, square pixels, no distortion."""
    k = intrinsics(camera, height, width)
    info = CameraInfo(header=header, height=height, width=width, distortion_model='plumb_bob')
    info.d = [0.0] * 5
    info.k = k.ravel()
    info.r = np.eye(3).ravel()
    info.p = np.hstack([k, np.zeros((3, 1))]).ravel()
    return info


def joint_state(simulation: Simulation) -> JointState:
    """Return the present joint state of arm and hand."""
    message = JointState(name=[*JOINT_NAMES, *FINGER_NAMES])
    message.header.stamp = ns_to_time(simulation.now_ns)
    message.position = simulation.world.joint_positions.tolist()
    message.velocity = simulation.world.joint_velocities.tolist()
    return message


def episode_status(simulation: Simulation, frame: str, speed: float) -> EpisodeStatus:
    """Return the present state of the episode.

    :param speed: simulated time per real time, NaN: not known.
    """
    world, scene = simulation.world, simulation.world.scene
    status = EpisodeStatus(
        state=int(simulation.state),
        seed=scene.seed,
        elapsed=(simulation.now_ns - simulation.start_ns) / NS,
        real_time_factor=speed,
        distance=world.distance,
        side=simulation.side,
        collision_with=world.collision,
        tcp=_point(world.tcp),
        goal=_point(scene.goal_point),
        object_names=list(world.scenario.objects),
        objects=[_pose(pose) for pose in world.object_poses],
    )
    if isinstance(scene, ObstacleScene):
        status.obstacle = _point((*scene.obstacle, 0.0))
        status.obstacle_radius, status.obstacle_height = scene.radius, OBSTACLE_HEIGHT
    status.header.stamp = ns_to_time(simulation.now_ns)
    status.header.frame_id = frame
    return status


def goal_pose(scene: Scene, frame: str, stamp: TimeMsg) -> PoseStamped:
    """Return the goal point."""
    return place_to_msg(scene.goal_point, stamp, frame)


def scene_markers(world: FrankaWorld, frame: str, stamp: TimeMsg) -> MarkerArray:
    """Return markers of the objects, and of the sphere in which the goal counts as reached."""
    things = world.things
    if world.scenario.tolerance:
        size = np.full(3, 2 * world.scenario.tolerance)
        pose = np.array([*world.scene.goal_point, 1.0, 0.0, 0.0, 0.0])
        things.append(Thing('sphere', size, pose, np.array([0.1, 0.8, 0.2, 0.3])))
    markers = [_marker(thing, number) for number, thing in enumerate(things)]
    for marker in markers:
        marker.header.frame_id, marker.header.stamp = frame, stamp
    return MarkerArray(markers=markers)


def _marker(thing: Thing, number: int) -> Marker:
    marker = Marker(ns='scene', id=number, type=_MARKERS[thing.kind], action=Marker.ADD)
    marker.pose = _pose(thing.pose)
    marker.scale.x, marker.scale.y, marker.scale.z = thing.size.tolist()
    c = marker.color
    c.r, c.g, c.b, c.a = thing.colour.tolist()
    return marker


def _pose(values: Array) -> Pose:
    """Convert (7,) position and quaternion, w first, to a pose."""
    x, y, z, qw, qx, qy, qz = values.tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=qw, x=qx, y=qy, z=qz))


def _point(position: Sequence[float] | Array) -> Point:
    x, y, z = (float(value) for value in position)
    return Point(x=x, y=y, z=z)


def _relative(poses: Array) -> Array:
    """Return the pose of the second in the frame of the first; poses (2, 4, 4)."""
    return np.asarray(np.linalg.inv(poses[0]) @ poses[1])


def _transform(parent: str, child: str, stamp: TimeMsg, pose: Array) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, stamp
    t, r = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = (float(value) for value in pose[:3, 3])
    r.w, r.x, r.y, r.z = quaternion(pose[:3, :3]).tolist()
    return message
