# SPDX-License-Identifier: Apache-2.0
"""Describe and run systems of processes.

A stand-in for ros2/launch (jazzy): what a Python launch file of a bringup uses, with the same
names, signatures, defaults and output, written anew. Unlike upstream, no process is left behind
when the launch is killed. What it lacks raises an error that names the real package.
"""

from . import actions, conditions, event_handlers, events, logging, substitutions
from .action import Action
from .condition import Condition
from .event import Event
from .event_handler import EventHandler
from .invalid_launch_file_error import InvalidLaunchFileError
from .lacking import lacking
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType
from .launch_description_source import LaunchDescriptionSource
from .launch_service import LaunchService
from .substitution import SomeSubstitutionsType, Substitution

__all__ = [
    'Action',
    'Condition',
    'Event',
    'EventHandler',
    'InvalidLaunchFileError',
    'LaunchContext',
    'LaunchDescription',
    'LaunchDescriptionEntity',
    'LaunchDescriptionSource',
    'LaunchService',
    'SomeEntitiesType',
    'SomeSubstitutionsType',
    'Substitution',
    'actions',
    'conditions',
    'event_handlers',
    'events',
    'logging',
    'substitutions',
]

__getattr__ = lacking(
    __name__,
    ('LaunchIntrospector', 'SomeEntitiesType_types_tuple', 'SomeSubstitutionsType_types_tuple')
    + ('descriptions', 'frontend'),
)
