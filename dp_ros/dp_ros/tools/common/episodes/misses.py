# SPDX-License-Identifier: Apache-2.0
"""Why an episode was no success: its kind, and a line."""

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


def kind_of_miss(status: EpisodeStatus) -> str:
    """Return which of `summary.FAILURES` an episode with this last status is; '' for a success."""
    if status.state == EpisodeStatus.SUCCESS:
        return ''
    if status.state == EpisodeStatus.COLLISION:
        return 'collision'
    if status.state == EpisodeStatus.FAILURE or _is_put_down(status):
        return 'dropped'
    return 'time'


def _is_put_down(status: EpisodeStatus) -> bool:
    """Tell whether an object that was lifted is not held any more."""
    if not status.object_names or not status.side:
        return False
    return bool(status.objects[0].position.z <= _LIFTED)


def _situation(status: EpisodeStatus) -> str:
    if not status.object_names:
        return ''
    name = status.object_names[0]
    if not status.side:
        return f'{name} never lifted, '
    return f'{name} {"put down or dropped" if _is_put_down(status) else "held"}, '
