# SPDX-License-Identifier: Apache-2.0
"""Client of ros2_control's controller manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builtin_interfaces.msg import Duration
from controller_manager_msgs.srv import (
    ListControllers,
    ListHardwareComponents,
    SetHardwareComponentState,
    SwitchController,
)
from dp_ros.control.checks.controller import (
    NEWER_PARAMETERS,
    PARAMETERS,
    Controller,
    Hardware,
)
from dp_ros.ros.asking import Unanswered, ask
from lifecycle_msgs.msg import State
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

_ANSWER = 3.0
_SWITCH = 5.0
_CONNECT = 10.0  # Franka's hardware connects to the robot when it is activated.


class ControllerManager:
    """Lists and activates controllers and hardware; every request may raise `Unanswered`.

    :param controller: name of the arm's controller and of its node.
    """

    def __init__(self, node: Node, controller: str) -> None:
        self._node = node
        self._parameters = node.create_client(GetParameters, f'{controller}/get_parameters')
        self._list, self._switch, self._hardware, self._set_hardware = (
            node.create_client(service, f'controller_manager/{name}')
            for service, name in (
                (ListControllers, 'list_controllers'),
                (SwitchController, 'switch_controller'),
                (ListHardwareComponents, 'list_hardware_components'),
                (SetHardwareComponentState, 'set_hardware_component_state'),
            )
        )

    @property
    def present(self) -> bool:
        """Whether there is a controller manager; a simulation has none."""
        return bool(self._list.service_is_ready())

    async def controllers(self) -> tuple[Controller, ...]:
        """Return all controllers that are loaded."""
        answer = await ask(self._node, _ANSWER, self._list, ListControllers.Request())
        return tuple(
            Controller(
                each.name,
                each.type,
                each.state,
                tuple(each.claimed_interfaces),
                tuple(each.required_command_interfaces),
            )
            for each in answer.controller
        )

    async def hardware(self) -> tuple[Hardware, ...]:
        """Return all hardware components that are loaded."""
        request = ListHardwareComponents.Request()
        answer = await ask(self._node, _ANSWER, self._hardware, request)
        return tuple(
            Hardware(
                each.name,
                each.state.label,
                tuple(interface.name for interface in each.command_interfaces),
            )
            for each in answer.component
        )

    async def parameters(self) -> Mapping[str, Any]:
        """Return the values of the arm's controller that `parameter_misfits` judges."""
        values: dict[str, Any] = {}
        for names in (PARAMETERS, NEWER_PARAMETERS):  # One that is not there leaves no answer.
            request = GetParameters.Request(names=names)
            answer = await ask(self._node, _ANSWER, self._parameters, request)
            found = map(parameter_value_to_python, answer.values)
            values |= dict(zip(names, found, strict=False))
        return values

    async def activate_hardware(self, name: str) -> None:
        """Bring a component to its active state, from any state."""
        request = SetHardwareComponentState.Request(name=name)
        request.target_state = State(id=State.PRIMARY_STATE_ACTIVE, label='active')
        answer = await ask(self._node, _CONNECT, self._set_hardware, request)
        if not answer.ok:
            raise Unanswered(
                f'{name} stays {answer.state.label}: is the robot on, FCI active, no error left?'
            )

    async def activate(self, names: Sequence[str]) -> None:
        """Activate controllers, all or none of them."""
        request = SwitchController.Request(
            activate_controllers=list(names),
            strictness=SwitchController.Request.STRICT,
            timeout=Duration(sec=int(_SWITCH)),
        )
        answer = await ask(self._node, _SWITCH + _ANSWER, self._switch, request)
        if not answer.ok:
            raise Unanswered(
                f'{", ".join(names)} cannot be activated: {answer.message or "see its log"}'
            )
