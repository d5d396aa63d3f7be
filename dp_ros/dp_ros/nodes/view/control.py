# SPDX-License-Identifier: Apache-2.0
"""Who steers: no page, or one of the open pages."""

from __future__ import annotations


class Control:
    """Gives the control to the first page that asks for something, until it leaves.

    :param allowed: whether pages may steer at all.
    """

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed
        self.owner: int | None = None

    def admit(self, page: int) -> str:
        """Return why a page may not steer now, or an empty text; it has the control then."""
        if not self.allowed:
            return 'this view only watches: start it with --control to steer an arm'
        if self.owner not in (None, page):
            return 'another page has the control: press "Take control"'
        self.owner = page
        return ''

    def take(self, page: int) -> str:
        """Give the control to a page, also if another one has it."""
        if self.allowed:
            self.owner = page
        return self.admit(page)

    def leave(self, page: int) -> None:
        """Free the control if this page has it."""
        if self.owner == page:
            self.owner = None
