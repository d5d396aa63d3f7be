# SPDX-License-Identifier: Apache-2.0
"""What a transform cannot be given for."""


class TransformException(Exception):  # noqa: N818
    """Base of all that this package raises about transforms."""


class ConnectivityException(TransformException):
    """The frames are in trees that are not connected."""


class LookupException(TransformException):
    """A frame is not known."""


class ExtrapolationException(TransformException):
    """The time lies outside of what is stored."""


class InvalidArgumentException(TransformException):
    """A frame name is not one."""


class TimeoutException(TransformException):
    """It took too long."""
