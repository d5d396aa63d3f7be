# SPDX-License-Identifier: Apache-2.0
"""Why an episode was no success, in a line."""

from __future__ import annotations

from typing import Final

from dp_ros_msgs.msg import EpisodeStatus

_LIFTED: Final = 0.06  # Height above which an object is held [m].


def why_missed(status: EpisodeStatus, timeout: float) -> str:
    """Return why an episode with this last status was no success; '' for a success.

    :param timeout: longest duration of the episode [s].
    """
    left = f'{status.distance * 1e3:.0f} mm from the goal'
    if status.state == EpisodeStatus.SUCCESS:
        return ''
    if status.state == EpisodeStatus.COLLISION:
        return f'collision with {status.collision_with or "something"}, {left}'
    if status.state == EpisodeStatus.FAILURE:
        return f'{" and ".join(status.object_names) or "the goal"} out of reach, {left}'
    return f'not done in {timeout:g} s: {_situation(status)}{left}'


def _situation(status: EpisodeStatus) -> str:
    if not status.object_names:
        return ''
    name, height = status.object_names[0], status.objects[0].position.z
    if not status.side:
        return f'{name} never lifted, '
    return f'{name} {"held" if height > _LIFTED else "put down or dropped"}, '
