# SPDX-License-Identifier: Apache-2.0
"""Services and parameters of the other nodes, as the page asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dp_ros.ros.asking import Unanswered, ask, pause, setting
from dp_ros_msgs.srv import ResetEpisode
from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent, ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import qos_profile_parameter_events
from std_srvs.srv import Trigger

_PATIENCE: Final = 5.0
_STEP: Final = 0.1

Values = Mapping[str, Any]


class Refused(RuntimeError):
    """Another node refused what it was asked to do; the message is its reason."""


class RemoteParameters:
    """Some parameters of another node; their values are followed, whoever sets them.

    :param changed: function that gets the values by name when some have changed.
    """

    def __init__(
        self, node: Node, other: str, names: Sequence[str], changed: Callable[[Values], None]
    ) -> None:
        self._node, self._names, self._changed = node, tuple(names), changed
        self.other = other
        self._full_name = node.resolve_service_name(other)
        self._set = node.create_client(SetParameters, f'{other}/set_parameters')
        self._get = node.create_client(GetParameters, f'{other}/get_parameters')
        self._describe = node.create_client(DescribeParameters, f'{other}/describe_parameters')
        self.values: dict[str, Any] = {}
        node.create_subscription(
            ParameterEvent, '/parameter_events', self._on_event, qos_profile_parameter_events
        )

    @property
    def ready(self) -> bool:
        """Whether the other node is there."""
        return bool(self._get.service_is_ready())

    async def read(self) -> None:
        """Read all values."""
        request = GetParameters.Request(names=list(self._names))
        answer = await ask(self._node, _PATIENCE, self._get, request)
        self._take(zip(self._names, answer.values, strict=False))

    async def describe(self, *names: str) -> list[ParameterDescriptor]:
        """Return what values are allowed now."""
        request = DescribeParameters.Request(names=list(names))
        answer = await ask(self._node, _PATIENCE, self._describe, request)
        return list(answer.descriptors)

    async def write(self, name: str, value: Any) -> None:
        """Set a value.

        :raises Refused: with the reason of the other node.
        """
        answer = await ask(self._node, _PATIENCE, self._set, setting(name, value))
        result = answer.results[0]
        if not result.successful:
            raise Refused(result.reason or f'{name} = {value} is refused')

    def _on_event(self, event: ParameterEvent) -> None:
        if event.node == self._full_name:
            changed = (*event.new_parameters, *event.changed_parameters)
            self._take((each.name, each.value) for each in changed)

    def _take(self, pairs: Any) -> None:
        known = {
            name: parameter_value_to_python(value)
            for name, value in pairs
            if name in self._names and value.type != ParameterType.PARAMETER_NOT_SET
        }
        if known:
            self.values.update(known)
            self._changed(known)


class Remote:
    """The services by which the page steers."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._triggers: dict[str, Any] = {}
        for name in ('enable', 'disable', 'pause', 'resume', 'estop', 'reset', 'recover'):
            self._add(f'executor/{name}')
        self._add('policy/reset')
        self._add('observation_aggregator/reset')
        self._reset = node.create_client(ResetEpisode, 'franka_sim/reset')

    def _add(self, name: str) -> None:
        self._triggers[name] = self._node.create_client(Trigger, name)

    @property
    def simulated(self) -> bool:
        """Whether a simulation is there, whose scene can be reset."""
        return bool(self._reset.service_is_ready())

    async def trigger(self, name: str) -> None:
        """Call a service.

        :raises Refused: with its reason.
        """
        answer = await ask(self._node, _PATIENCE, self._triggers[name], Trigger.Request())
        if not answer.success:
            raise Refused(answer.message or f'{name} is refused')

    async def begin(self, policy: RemoteParameters, scene: int, noise: int) -> None:
        """Begin an episode: a scene by its seed, and noise of the policy by its own.

        :raises Refused: when a node refuses its part; the arm is then paused.
        """
        await self.trigger('executor/pause')
        await policy.write('seed', noise)
        request = ResetEpisode.Request(seed=scene)
        answer = await ask(self._node, _PATIENCE, self._reset, request)
        if not answer.success:
            raise Refused(answer.message)
        await self.trigger('observation_aggregator/reset')
        await self.trigger('policy/reset')
        await self._resume()

    async def _resume(self) -> None:
        """Resume, as soon as the arm is at rest."""
        for _ in range(round(_PATIENCE / _STEP)):
            try:
                await self.trigger('executor/resume')
            except Refused as error:
                reason = error
            else:
                return
            await pause(self._node, _STEP)
        raise reason


ERRORS: Final = (Refused, Unanswered)
