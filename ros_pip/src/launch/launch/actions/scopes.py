# SPDX-License-Identifier: Apache-2.0
"""Groups of actions, with configurations and an environment of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..substitution import SomeSubstitutionsType
from ..utilities import perform
from .arguments import SetLaunchConfiguration

Configurations = Mapping[SomeSubstitutionsType, SomeSubstitutionsType]


class PushLaunchConfigurations(Action):
    """Saves the launch configurations."""

    def execute(self, context: LaunchContext) -> None:
        """Save them."""
        context._push_launch_configurations()


class PopLaunchConfigurations(Action):
    """Restores the launch configurations saved last."""

    def execute(self, context: LaunchContext) -> None:
        """Restore them."""
        context._pop_launch_configurations()


class PushEnvironment(Action):
    """Saves the environment."""

    def execute(self, context: LaunchContext) -> None:
        """Save it."""
        context._push_environment()


class PopEnvironment(Action):
    """Restores the environment saved last."""

    def execute(self, context: LaunchContext) -> None:
        """Restore it."""
        context._pop_environment()


class ResetEnvironment(Action):
    """Restores the environment that the launch was started with."""

    def execute(self, context: LaunchContext) -> None:
        """Restore it."""
        context._reset_environment()


class ResetLaunchConfigurations(Action):
    """Removes all launch configurations but those given, which it sets."""

    def __init__(self, launch_configurations: Configurations | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kept = dict(launch_configurations or {})

    def execute(self, context: LaunchContext) -> None:
        """Evaluate those that are kept, and remove the others."""
        kept = {perform(context, k): perform(context, v) for k, v in self._kept.items()}
        context.launch_configurations.clear()
        context.launch_configurations.update(kept)


class GroupAction(Action):
    """Actions that belong together.

    :param scoped: what they change of configurations and environment ends with the group.
    :param forwarding: a scoped group begins with the configurations and environment outside.
    :param launch_configurations: set for the group.
    """

    def __init__(
        self,
        actions: Iterable[Action],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: Configurations | None = None,
        **left_over_kwargs: Any,
    ) -> None:
        super().__init__(**left_over_kwargs)
        self._actions = list(actions)
        self._scoped = scoped
        self._forwarding = forwarding
        self._configurations = dict(launch_configurations or {})

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return the actions with what makes their scope around them."""
        sets = [SetLaunchConfiguration(k, v) for k, v in self._configurations.items()]
        if not self._scoped:
            return [*sets, *self._actions]
        if not self._forwarding:
            sets = [ResetEnvironment(), ResetLaunchConfigurations(self._configurations)]
        push = [PushLaunchConfigurations(), PushEnvironment()]
        return [*push, *sets, *self._actions, PopEnvironment(), PopLaunchConfigurations()]

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Yield the actions."""
        return self.get_sub_entities()
