# SPDX-License-Identifier: Apache-2.0
"""Conversion of observation messages to a policy's arrays, and of chunks to messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dp_ros.arrays import Array, Rgb
from dp_ros.data.images import ImageError, decode
from dp_ros.data.windows.window import Refusal
from dp_ros.policy.config import PolicyConfig
from dp_ros.ros.conversions import ns_to_duration, ns_to_time
from dp_ros_msgs.msg import Observation
import numpy as np
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint


def observation_from_msg(message: Observation, config: PolicyConfig) -> dict[str, Any]:
    """Convert an observation; joints and cameras may have another order, with others among them.

    :returns: `state` (To, S), and `images` (To, H, W, 3) by camera.
    :raises Refusal: when it does not fit the policy, with the first difference.
    """
    if message.n_obs_steps != config.n_obs_steps:
        raise Refusal(f'observation: {message.n_obs_steps} frames, needs {config.n_obs_steps}')
    if abs(message.dt - config.dt) > 1e-6:
        raise Refusal(f'observation: frames {message.dt:g} s apart, needs {config.dt:g} s')
    cameras = _columns('camera', message.camera_names, config.camera_names)
    images = _rows('images', message.images, message, message.camera_names)
    return {
        'state': _state(message, config),
        'images': {
            name: np.stack([_image(name, row[camera], config.image_sizes[name]) for row in images])
            for name, camera in zip(config.camera_names, cameras, strict=True)
        },
    }


def chunk_to_msg(
    stamp_ns: int, frame_id: str, config: PolicyConfig, positions: Array
) -> JointTrajectory:
    """Convert a chunk; point k of ``positions`` (n_points, J) is for the stamp + k·dt."""
    message = JointTrajectory(joint_names=list(config.joint_names))
    message.header.stamp = ns_to_time(stamp_ns)
    message.header.frame_id = frame_id
    dt_ns = round(config.dt * 1e9)
    message.points = [
        JointTrajectoryPoint(positions=row.tolist(), time_from_start=ns_to_duration(k * dt_ns))
        for k, row in enumerate(positions)
    ]
    return message


def _state(message: Observation, config: PolicyConfig) -> Array:
    """Return the state (To, S): measured, then commanded positions if observed."""
    names = config.task.state_names or config.joint_names
    joints = _columns('joint', message.joint_names, names)

    def positions(field: str) -> Array:
        rows = _rows(field, getattr(message, field), message, message.joint_names)
        return np.array(rows, dtype=np.float64)[:, joints]

    measured = positions('joint_positions')
    if not config.task.observes_commands:
        return measured
    return np.hstack([measured, positions('commanded_positions')])


def _columns(kind: str, have: Sequence[str], need: Sequence[str]) -> list[int]:
    missing = [name for name in need if name not in have]
    if missing:
        raise Refusal(f'observation: no {kind} {", ".join(missing)} among {list(have)}')
    return [list(have).index(name) for name in need]


def _rows(
    field: str, values: Sequence[Any], message: Observation, names: Sequence[str]
) -> list[Sequence[Any]]:
    width = len(names)
    needed = message.n_obs_steps * width
    if len(values) != needed:
        raise Refusal(f'observation: {len(values)} {field}, needs {needed}')
    return [values[step * width : (step + 1) * width] for step in range(message.n_obs_steps)]


def _image(camera: str, message: Any, size: tuple[int, int]) -> Rgb:
    try:
        image = decode(message)
    except ImageError as error:
        raise Refusal(f'observation: camera {camera}: {error}') from error
    if image.shape[:2] != size:
        raise Refusal(
            f'observation: camera {camera}: image of {image.shape[0]}×{image.shape[1]} px, '
            f'needs {size[0]}×{size[1]}'
        )
    return image
