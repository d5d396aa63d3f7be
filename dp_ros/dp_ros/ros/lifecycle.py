# SPDX-License-Identifier: Apache-2.0
"""Base class of the project's lifecycle nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dp_ros.ros.ending import EndingNode
from dp_ros.ros.guard import note_failure
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn


class CheckedLifecycleNode(LifecycleNode, EndingNode):
    """Lifecycle node that refuses impossible transitions, and logs why one failed.

    rclpy raises for the former, which ends the node, and is silent about the latter.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        service = self._service_change_state
        service.callback = partial(self._change, service.callback)
        for state, callback in self._callbacks.items():
            self._callbacks[state] = partial(self._transition, callback)

    def destroy_node(self) -> None:
        """Destroy the state machine too, which rclpy leaves to garbage collection."""
        super().destroy_node()
        machine, self._state_machine = self._state_machine, None
        if machine is not None:
            machine.destroy_when_not_in_use()

    def _change(
        self,
        change: Callable[..., ChangeState.Response],
        request: ChangeState.Request,
        response: ChangeState.Response,
    ) -> ChangeState.Response:
        asked = request.transition.label or request.transition.id
        try:
            change(request, response)
        except RuntimeError as error:  # The base class of rclpy's RCLError.
            response.success = False
            self.get_logger().debug(str(error))
        if not response.success:
            machine = self._state_machine
            possible = sorted({label for _, label, *_ in machine.available_transitions})
            self.get_logger().warning(
                f'transition {asked!r} refused or failed: the node is '
                f'{machine.current_state[1]}, from where it can {", ".join(possible)}'
            )
        return response

    def _transition(
        self, callback: Callable[..., TransitionCallbackReturn], state: LifecycleState
    ) -> TransitionCallbackReturn:
        try:
            return callback(state)
        except Exception as error:
            note_failure(self, error)
            raise
