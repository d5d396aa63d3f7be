# SPDX-License-Identifier: Apache-2.0
"""What a launch file gives: a list of entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .actions.arguments import DeclareLaunchArgument
from .actions.scopes import ResetLaunchConfigurations
from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .action import Action
    from .actions.include_launch_description import IncludeLaunchDescription
    from .launch_context import LaunchContext

    Found = dict[str, tuple[DeclareLaunchArgument, list[IncludeLaunchDescription]]]


class LaunchDescription(LaunchDescriptionEntity):
    """Entities, visited in order."""

    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None) -> None:
        self.entities = list(initial_entities or ())

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Yield the entities."""
        return self.entities

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return the entities."""
        return self.entities

    def add_entity(self, entity: LaunchDescriptionEntity) -> None:
        """Add an entity at the end."""
        self.entities.append(entity)

    def add_action(self, action: Action) -> None:
        """Add an action at the end."""
        self.add_entity(action)

    def get_launch_arguments(
        self, conditional_inclusion: bool = False
    ) -> list[DeclareLaunchArgument]:
        """Return the arguments that this and what it includes declare, each name once."""
        pairs = self.get_launch_arguments_with_include_launch_description_actions(
            conditional_inclusion
        )
        return [argument for argument, _ in pairs]

    def get_launch_arguments_with_include_launch_description_actions(
        self, conditional_inclusion: bool = False
    ) -> list[tuple[DeclareLaunchArgument, list[IncludeLaunchDescription]]]:
        """Return the arguments, each with the actions below this that include its file."""
        found: Found = {}
        _collect(self.entities, conditional_inclusion, [], found)
        return list(found.values())


def _collect(
    entities: Iterable[LaunchDescriptionEntity],
    conditional: bool,
    includes: list[IncludeLaunchDescription],
    found: Found,
) -> None:
    from .actions.include_launch_description import IncludeLaunchDescription

    for entity in entities:
        if isinstance(entity, ResetLaunchConfigurations):
            return
        if isinstance(entity, DeclareLaunchArgument) and entity.name not in found:
            entity._conditionally_included = conditional or entity.condition is not None
            found[entity.name] = (entity, includes)
        below = [*includes, entity] if isinstance(entity, IncludeLaunchDescription) else includes
        _collect(entity.describe_sub_entities(), False, below, found)
        for _, sub_entities in entity.describe_conditional_sub_entities():
            _collect(sub_entities, True, below, found)
