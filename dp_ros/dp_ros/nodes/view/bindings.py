# SPDX-License-Identifier: Apache-2.0
"""Controls of the page that show parameters of other nodes, and set them."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.remote import RemoteParameters, Values
from dp_ros.nodes.view.steering import Steering
from rclpy.node import Node

_POLICY: Final = (
    'checkpoint',
    'sampler.name',
    'sampler.num_inference_steps',
    'n_samples',
    'show_denoising',
    'seed',
)
_EXECUTOR: Final = ('n_action_steps', 'speed_scale')


class Bindings:
    """The parameters of the policy and the executor, and the controls that are bound to them."""

    def __init__(self, node: Node, page: Page, steering: Steering) -> None:
        self._page, self._steering = page, steering
        self._shown: dict[tuple[str, str], Any] = {}
        self.policy = RemoteParameters(node, 'policy', _POLICY, partial(self._show, 'policy'))
        self.executor = RemoteParameters(
            node, 'executor', _EXECUTOR, partial(self._show, 'executor')
        )

    def bind(self, parameters: RemoteParameters, name: str, control: Any) -> None:
        """Let a control show a parameter, and set it."""
        self._shown[parameters.other, name] = control
        self._page.on_change(
            control, lambda who, value: self._steering.set(who, parameters, name, value)
        )

    def restore(self) -> None:
        """Show the true values."""
        self._show('policy', self.policy.values)
        self._show('executor', self.executor.values)

    def _show(self, other: str, values: Values) -> None:
        for name, value in values.items():
            control = self._shown.get((other, name))
            if control is not None and control.value != value:
                _set(control, value)


def _set(control: Any, value: Any) -> None:
    """Show a value, as near to it as the control can; a list shows only what is in it."""
    low, high = getattr(control, 'min', None), getattr(control, 'max', None)
    if low is not None and high is not None:
        control.value = min(max(value, low), high)
    elif value in getattr(control, 'options', (value,)):
        control.value = value
