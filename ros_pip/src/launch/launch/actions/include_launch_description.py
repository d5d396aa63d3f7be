# SPDX-License-Identifier: Apache-2.0
"""Include another launch file."""

from __future__ import annotations

from collections.abc import Iterable
import os
from typing import TYPE_CHECKING, Any

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..launch_description_source import LaunchDescriptionSource
from ..launch_description_sources import AnyLaunchDescriptionSource
from ..substitution import SomeSubstitutionsType
from ..utilities import perform
from .arguments import SetLaunchConfiguration

if TYPE_CHECKING:
    from ..launch_description import LaunchDescription


class IncludeLaunchDescription(Action):
    """Visits what another launch file describes.

    :param launch_arguments: (name, value) pairs; they stay set after the file, as upstream.
    """

    def __init__(
        self,
        launch_description_source: LaunchDescriptionSource | SomeSubstitutionsType,
        *,
        launch_arguments: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(launch_description_source, LaunchDescriptionSource):
            launch_description_source = AnyLaunchDescriptionSource(launch_description_source)
        self.launch_description_source = launch_description_source
        self.launch_arguments = tuple(launch_arguments or ())

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return the other description, where its path is known already."""
        found = self.launch_description_source.try_get_launch_description_without_context()
        return [] if found is None else [found]

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Set the arguments and yield the description."""
        description = self.launch_description_source.get_launch_description(context)
        path = os.path.abspath(self.launch_description_source.location)
        folder = os.path.dirname(path) if os.path.exists(path) else path
        context.extend_locals(
            {'current_launch_file_path': path, 'current_launch_file_directory': folder}
        )
        self._check_required(context, description)
        sets = [SetLaunchConfiguration(name, value) for name, value in self.launch_arguments]
        return [*sets, description]

    def _check_required(self, context: LaunchContext, description: LaunchDescription) -> None:
        """Configurations that are set already do not count, as upstream."""
        pairs = description.get_launch_arguments_with_include_launch_description_actions()
        for argument, includes in pairs:
            if argument._conditionally_included or argument.default_value is not None:
                continue
            given = [
                perform(context, name)
                for include in (self, *includes)
                for name, _ in include.launch_arguments
            ]
            if argument.name not in given:
                raise RuntimeError(
                    f"Included launch description missing required argument '{argument.name}' "
                    f"(description: '{argument.description}'), given: [{', '.join(given)}]"
                )
