# SPDX-License-Identifier: Apache-2.0
"""The arm that the topic `robot_description` describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from dp_ros.robot.description import DescriptionError
from dp_ros.ros.qos import LATCHED
from rclpy.node import Node
from std_msgs.msg import String

UNDESCRIBED: Final = 'no robot_description: is robot_state_publisher running?'

Model = TypeVar('Model')


class DescribedArm(Generic[Model]):
    """A model of the arm, from `robot_description`, or before it comes from the joints' names.

    ``model`` is None when the arm is not known; ``misfit`` says why then.

    :param changed: function that is called whenever ``model`` or ``misfit`` has changed.
    """

    def __init__(self, node: Node, changed: Callable[[], None]) -> None:
        self.model: Model | None = None
        self.misfit: str | None = UNDESCRIBED
        self._read: Callable[[str], Model] | None = None
        self._text: str | None = None
        self._changed = changed
        self._logger = node.get_logger()
        node.create_subscription(String, 'robot_description', self._on_description, LATCHED)

    def expect(self, read: Callable[[str], Model], by_name: Model | None) -> None:
        """Read descriptions in another way from now on, and read the last one again.

        :param read: function that makes the model; it raises DescriptionError where a description
            does not fit.
        :param by_name: model without a description, or None.
        """
        self._read = read
        if self._text is not None:
            self._make(self._text)
            return
        self.model, self.misfit = by_name, UNDESCRIBED if by_name is None else None
        if by_name is not None:
            self._logger.info(
                'no robot_description yet: taken for an FR3 by the names of the joints'
            )

    @property
    def heard(self) -> bool:
        """Whether a description came."""
        return self._text is not None

    def _on_description(self, message: String) -> None:
        if message.data != self._text:
            self._text = message.data
            self._make(message.data)

    def _make(self, text: str) -> None:
        if self._read is None:
            return
        try:
            self.model, self.misfit = self._read(text), None
        except DescriptionError as error:
            self.model, self.misfit = None, str(error)
        self._changed()
