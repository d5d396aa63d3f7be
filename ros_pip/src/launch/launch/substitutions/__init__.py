# SPDX-License-Identifier: Apache-2.0
"""Substitutions: text that is known only when the launch runs."""

from ..lacking import lacking
from ..substitution import TextSubstitution
from .context import (
    EnvironmentVariable,
    LaunchConfiguration,
    ThisLaunchFile,
    ThisLaunchFileDir,
)
from .failure import SubstitutionFailure
from .logic import (
    AndSubstitution,
    EqualsSubstitution,
    IfElseSubstitution,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
)
from .programs import Command, FindExecutable
from .text import PathJoinSubstitution, PythonExpression

__all__ = [
    'AndSubstitution',
    'Command',
    'EnvironmentVariable',
    'EqualsSubstitution',
    'FindExecutable',
    'IfElseSubstitution',
    'LaunchConfiguration',
    'NotEqualsSubstitution',
    'NotSubstitution',
    'OrSubstitution',
    'PathJoinSubstitution',
    'PythonExpression',
    'SubstitutionFailure',
    'TextSubstitution',
    'ThisLaunchFile',
    'ThisLaunchFileDir',
]

__getattr__ = lacking(
    __name__,
    ('AllSubstitution', 'AnonName', 'AnySubstitution', 'FileContent', 'LaunchLogDir')
    + ('LocalSubstitution',),
)
