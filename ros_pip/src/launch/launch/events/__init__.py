# SPDX-License-Identifier: Apache-2.0
"""Events of the launch itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..event import Event
from ..lacking import lacking
from . import process

if TYPE_CHECKING:
    from ..action import Action
    from ..launch_description import LaunchDescription

__all__ = ['IncludeLaunchDescription', 'Shutdown', 'TimerEvent', 'matches_action', 'process']

__getattr__ = lacking(__name__, ('ExecutionComplete',))


class IncludeLaunchDescription(Event):
    """A launch description is to be visited."""

    name = 'launch.events.IncludeLaunchDescription'

    def __init__(self, launch_description: LaunchDescription) -> None:
        self.launch_description = launch_description


class Shutdown(Event):
    """The launch is to end.

    :param due_to_sigint: whether the terminal has told the processes already.
    """

    name = 'launch.events.Shutdown'

    def __init__(self, *, reason: str = 'reason not given', due_to_sigint: bool = False) -> None:
        self.reason = reason
        self.due_to_sigint = due_to_sigint


class TimerEvent(Event):
    """A timer's period is over."""

    name = 'launch.events.TimerEvent'

    def __init__(self, *, timer_action: Action) -> None:
        self.timer_action = timer_action


def matches_action(target_action: Action) -> Callable[[Action], bool]:
    """Return a matcher of this one action."""
    return lambda action: action is target_action
