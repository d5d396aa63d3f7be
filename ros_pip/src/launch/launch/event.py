# SPDX-License-Identifier: Apache-2.0
"""The base of events."""


class Event:
    """Something that happened, or is asked to happen, while a launch runs."""

    name = 'launch.Event'
