# SPDX-License-Identifier: Apache-2.0
"""Units of time; times are whole nanoseconds, durations in settings are seconds."""

from __future__ import annotations

from typing import Final

NS: Final = 1_000_000_000
"""Nanoseconds of a second."""

MS: Final = 1_000_000
"""Nanoseconds of a millisecond."""


def to_ns(seconds: float) -> int:
    """Convert seconds to whole nanoseconds."""
    return round(seconds * NS)
