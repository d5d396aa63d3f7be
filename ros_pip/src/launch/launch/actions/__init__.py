# SPDX-License-Identifier: Apache-2.0
"""What a launch description can do."""

from ..lacking import lacking
from .arguments import DeclareLaunchArgument, SetLaunchConfiguration, UnsetLaunchConfiguration
from .environment import (
    AppendEnvironmentVariable,
    SetEnvironmentVariable,
    UnsetEnvironmentVariable,
)
from .events import EmitEvent, RegisterEventHandler, Shutdown, UnregisterEventHandler
from .execute_process import ExecuteProcess
from .include_launch_description import IncludeLaunchDescription
from .scopes import (
    GroupAction,
    PopEnvironment,
    PopLaunchConfigurations,
    PushEnvironment,
    PushLaunchConfigurations,
    ResetEnvironment,
    ResetLaunchConfigurations,
)
from .simple import LogInfo, OpaqueFunction
from .timer_action import TimerAction

__all__ = [
    'AppendEnvironmentVariable',
    'DeclareLaunchArgument',
    'EmitEvent',
    'ExecuteProcess',
    'GroupAction',
    'IncludeLaunchDescription',
    'LogInfo',
    'OpaqueFunction',
    'PopEnvironment',
    'PopLaunchConfigurations',
    'PushEnvironment',
    'PushLaunchConfigurations',
    'RegisterEventHandler',
    'ResetEnvironment',
    'ResetLaunchConfigurations',
    'SetEnvironmentVariable',
    'SetLaunchConfiguration',
    'Shutdown',
    'TimerAction',
    'UnregisterEventHandler',
    'UnsetEnvironmentVariable',
    'UnsetLaunchConfiguration',
]

__getattr__ = lacking(__name__, ('ExecuteLocal', 'OpaqueCoroutine'))
