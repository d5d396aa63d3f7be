# SPDX-License-Identifier: Apache-2.0
"""The error of a substitution that cannot be performed."""


class SubstitutionFailure(Exception):  # noqa: N818 -- upstream's name
    """A substitution cannot be performed."""
