# SPDX-License-Identifier: Apache-2.0
"""A launch description and the place it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .launch_context import LaunchContext
from .substitution import SomeSubstitutionsType
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from .launch_description import LaunchDescription


class LaunchDescriptionSource:
    """A launch description, loaded when it is first needed."""

    def __init__(
        self,
        launch_description: LaunchDescription | None = None,
        location: SomeSubstitutionsType = '<string>',
        method: str = 'unspecified mechanism from a script',
    ) -> None:
        self._launch_description = launch_description
        self._location = normalize_to_list_of_substitutions(location)
        self._expanded_location: str | None = None
        self.method = method

    @property
    def location(self) -> str:
        """The path, once it is known; before, a description of it."""
        if self._expanded_location is None:
            return ' + '.join(sub.describe() for sub in self._location)
        return self._expanded_location

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """Return the launch description."""
        self._expanded_location = perform_substitutions(context, self._location)
        if self._launch_description is None:
            self._launch_description = self._get_launch_description(self._expanded_location)
        return self._launch_description

    def try_get_launch_description_without_context(self) -> LaunchDescription | None:
        """Return the launch description if that is possible before the launch runs."""
        if self._launch_description is not None:
            return self._launch_description
        try:
            location = perform_substitutions(LaunchContext(), self._location)
            return self._get_launch_description(location)
        except Exception:  # whatever is wrong is said when the launch runs
            return None

    def _get_launch_description(self, location: str) -> LaunchDescription:
        raise RuntimeError(f'{location}: no launch description was given')
