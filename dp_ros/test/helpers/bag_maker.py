# SPDX-License-Identifier: Apache-2.0
"""Bags made by hand, without ROS, in the order and with the stamps a test wants."""

from dp_ros.data.bags.recording import STORAGES
from dp_ros.data.windows.window import WindowSpec
from dp_ros.robot.units import MS, NS
import numpy as np
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

TYPES = get_typestore(Stores.ROS2_JAZZY)
JOINTS = ('fr3_joint1', 'fr3_joint2')
START = 1_700_000_000 * NS
IMAGE, JOINT_STATE = '/camera/front/image_raw', '/joint_states'
TRAJECTORY = '/arm/joint_trajectory'


def message(kind, /, **fields):
    return TYPES.types[kind](**fields)


def header(stamp_ns, frame_id=''):
    stamp = message('builtin_interfaces/msg/Time', sec=stamp_ns // NS, nanosec=stamp_ns % NS)
    return message('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def joint_state(stamp_ns, positions, names=JOINTS):
    empty = np.zeros(0)
    return message(
        'sensor_msgs/msg/JointState',
        header=header(stamp_ns),
        name=list(names),
        position=np.asarray(positions, dtype=np.float64),
        velocity=empty,
        effort=empty,
    )


def image(stamp_ns, pixels, encoding='rgb8'):
    pixels = np.ascontiguousarray(pixels)
    return message(
        'sensor_msgs/msg/Image',
        header=header(stamp_ns, 'camera'),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels[0].nbytes,
        data=pixels.view(np.uint8).ravel(),
    )


def trajectory(stamp_ns, times, positions, names=JOINTS):
    empty = np.zeros(0)
    points = [
        message(
            'trajectory_msgs/msg/JointTrajectoryPoint',
            positions=np.asarray(row, dtype=np.float64),
            velocities=empty,
            accelerations=empty,
            effort=empty,
            time_from_start=message(
                'builtin_interfaces/msg/Duration', sec=int(t), nanosec=round(t % 1 * NS)
            ),
        )
        for t, row in zip(times, positions, strict=True)
    ]
    return message(
        'trajectory_msgs/msg/JointTrajectory',
        header=header(stamp_ns),
        joint_names=list(names),
        points=points,
    )


def pixels(seed, height=16, width=24, channels=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def where(t):
    """Joint positions of the made-up motion, t [s] after START."""
    return np.array([np.sin(t), 0.5 * t])


def spec(**changes):
    values = {
        'joint_names': JOINTS,
        'image_sizes': {'front': (16, 24)},
        'dt_ns': 100 * MS,
        'n_obs_steps': 2,
    }
    return WindowSpec(**values | changes)


def episode(duration=1.5, start_ns=START):
    """(topic, time, message) of joint states at 100 Hz and images at 10 Hz, in order."""
    rows = []
    for step in range(round(duration * 100)):
        stamp_ns = start_ns + step * 10 * MS
        rows.append((JOINT_STATE, stamp_ns + MS, joint_state(stamp_ns, where(step / 100))))
        if step % 10 == 5:
            rows.append((IMAGE, stamp_ns + 2 * MS, image(stamp_ns, pixels(step))))
    return rows


def write(path, rows, storage='mcap', info=None):
    """Write a bag folder; ``rows`` of (topic, time [ns], message)."""
    with Writer(path, version=9, storage_plugin=STORAGES[storage]) as writer:
        connections = {}
        for topic, time_ns, content in rows:
            name = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=TYPES)
            writer.write(connections[topic], time_ns, TYPES.serialize_cdr(content, name))
        for key, value in (info or {}).items():
            writer.set_custom_data(key, value)
    return path
