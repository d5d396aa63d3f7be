# SPDX-License-Identifier: Apache-2.0
"""Conversions between messages and the core's values."""

from __future__ import annotations

from collections.abc import Iterable

from builtin_interfaces.msg import Duration as DurationMsg
from builtin_interfaces.msg import Time as TimeMsg
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.trajectory_message import trajectory_from_msg as trajectory_from_msg
from dp_ros.robot.units import NS, to_ns
from geometry_msgs.msg import PoseStamped
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint


def time_to_ns(stamp: TimeMsg | DurationMsg) -> int:
    """Return the nanoseconds of a stamp or a duration."""
    return int(stamp.sec) * NS + int(stamp.nanosec)


def ns_to_time(time_ns: int) -> TimeMsg:
    """Convert nanoseconds to a stamp."""
    sec, nanosec = divmod(time_ns, NS)
    return TimeMsg(sec=sec, nanosec=nanosec)


def ns_to_duration(duration_ns: int) -> DurationMsg:
    """Convert nanoseconds to a duration."""
    sec, nanosec = divmod(duration_ns, NS)
    return DurationMsg(sec=sec, nanosec=nanosec)


def place_to_msg(place: Iterable[float], stamp: TimeMsg, frame_id: str = '') -> PoseStamped:
    """Convert a place (x, y, z) [m] to a pose that is not turned."""
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = stamp, frame_id
    p = message.pose.position
    p.x, p.y, p.z = place
    message.pose.orientation.w = 1.0
    return message


def trajectory_to_msg(trajectory: Trajectory, frame_id: str = '') -> JointTrajectory:
    """Convert a trajectory to a JointTrajectory; ``start_ns`` 0 becomes a stamp of zero."""
    message = JointTrajectory(joint_names=list(trajectory.joint_names))
    message.header.stamp = ns_to_time(trajectory.start_ns)
    message.header.frame_id = frame_id
    columns = {
        name: values
        for name in ('positions', 'velocities', 'accelerations')
        if (values := getattr(trajectory, name)) is not None
    }
    for index, time in enumerate(trajectory.times):
        message.points.append(
            JointTrajectoryPoint(
                time_from_start=ns_to_duration(to_ns(float(time))),
                **{name: values[index].tolist() for name, values in columns.items()},
            )
        )
    return message
