# SPDX-License-Identifier: Apache-2.0
"""From messages to what is stored, and back."""

from __future__ import annotations

from collections.abc import Iterator
import math
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.time import Time

from .rigid import Rigid, canonical, dot

QUATERNION_TOLERANCE = 10e-3


def nanoseconds(time: Any) -> int:
    """Return a time or duration, of rclpy or as a message, in nanoseconds."""
    if hasattr(time, 'sec') and hasattr(time, 'nanosec'):
        return time.sec * 10**9 + time.nanosec
    if hasattr(time, 'nanoseconds'):
        return time.nanoseconds
    raise TypeError('time must have sec and nanosec, or nanoseconds.')


def from_message(message: TransformStamped) -> Rigid:
    """Return a message's transform."""
    t, r = message.transform.translation, message.transform.rotation
    return Rigid((t.x, t.y, t.z), (r.x, r.y, r.z, r.w))


def to_message(transform: Rigid, stamp: int, target: str, source: str) -> TransformStamped:
    """Return the message about the source frame in the target frame."""
    message = TransformStamped(child_frame_id=source)
    message.header.stamp = Time(nanoseconds=stamp).to_msg()
    message.header.frame_id = target
    t, r = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = transform.translation
    r.x, r.y, r.z, r.w = canonical(transform.rotation)
    return message


def problems(parent: str, child: str, transform: Rigid, authority: str) -> Iterator[str]:
    """Give what is wrong with a transform, as upstream logs it."""
    numbers = ' '.join(f'{v:f}' for v in transform.rotation)
    if child == parent:
        yield (
            f'TF_SELF_TRANSFORM: Ignoring transform from authority "{authority}" with frame_id and'
            f'  child_frame_id "{child}" because they are the same'
        )
    if not child:
        yield (
            f'TF_NO_CHILD_FRAME_ID: Ignoring transform from authority "{authority}" because '
            'child_frame_id not set '
        )
    if not parent:
        yield (
            f'TF_NO_FRAME_ID: Ignoring transform with child_frame_id "{child}"  from authority '
            f'"{authority}" because frame_id not set'
        )
    if any(map(math.isnan, (*transform.translation, *transform.rotation))):
        moved = ' '.join(f'{v:f}' for v in transform.translation)
        yield (
            f'TF_NAN_INPUT: Ignoring transform for child_frame_id "{child}" from authority '
            f'"{authority}" because of a nan value in the transform ({moved}) ({numbers})'
        )
    if not abs(dot(transform.rotation, transform.rotation) - 1.0) < QUATERNION_TOLERANCE:
        yield (
            f'TF_DENORMALIZED_QUATERNION: Ignoring transform for child_frame_id "{child}" from '
            f'authority "{authority}" because of an invalid quaternion in the transform '
            f'({numbers})'
        )
