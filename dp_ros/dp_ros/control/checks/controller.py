# SPDX-License-Identifier: Apache-2.0
"""Requirements of the arm's controller, and what has to be active for it to move the arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CONTROLLER_TYPE: Final = 'joint_trajectory_controller/JointTrajectoryController'
PARAMETERS: Final = (
    'joints',
    'command_interfaces',
    'allow_nonzero_velocity_at_trajectory_end',
    'interpolate_from_desired_state',
)
NEWER_PARAMETERS: Final = ('allow_trajectory_replacement',)
"""Parameters that only newer controllers have."""


@dataclass(frozen=True)
class Controller:
    """A controller as controller_manager/list_controllers describes it.

    :param claimed: command interfaces that it owns now, for example 'fr3_joint1/effort'.
    :param required: command interfaces that it needs; empty for a broadcaster.
    """

    name: str
    type: str
    state: str
    claimed: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hardware:
    """A component as controller_manager/list_hardware_components describes it.

    :param interfaces: command interfaces of the component.
    """

    name: str
    state: str
    interfaces: tuple[str, ...] = ()


def controller_misfits(
    name: str, joint_names: Sequence[str], controllers: Iterable[Controller]
) -> tuple[str, ...]:
    """Return reasons why a controller cannot move these joints by trajectories."""
    found = {each.name: each for each in controllers}
    if name not in found:
        return (f'no controller {name} among {sorted(found)}: spawn it, or set controller_name',)
    controller = found[name]
    if controller.type != CONTROLLER_TYPE:
        return (f'{name} is a {controller.type}: needs a {CONTROLLER_TYPE}',)
    if controller.state != 'active':
        return (f'{name} is {controller.state}: activate it, or call executor/recover',)
    owned = {interface.partition('/')[0] for interface in controller.claimed}
    unclaimed = [joint for joint in joint_names if joint not in owned]
    if unclaimed:
        return (f'{name} does not claim {", ".join(unclaimed)}, but {sorted(owned)}',)
    return ()


def parameter_misfits(
    name: str, joint_names: Sequence[str], values: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the parameters of the controller that do not fit, and why; None: not given.

    ================================================  ==========================================
    `joints`                                          the trajectories have just these
    `command_interfaces`                              at least one
    `allow_nonzero_velocity_at_trajectory_end: false` else it lets the arm run on at the end
    `interpolate_from_desired_state: true`            else each trajectory begins with a step
                                                      back, by the arm's tracking error
    `allow_trajectory_replacement: false`             else a controller that has it moves
                                                      trajectories that began before they came
    ================================================  ==========================================
    """
    checks = (
        (
            'joints',
            sorted(values.get('joints') or []) == sorted(joint_names),
            f'{list(joint_names)} in any order, or set joint_names',
        ),
        (
            'command_interfaces',
            bool(values.get('command_interfaces')),
            'position or effort',
        ),
        (
            'allow_nonzero_velocity_at_trajectory_end',
            values.get('allow_nonzero_velocity_at_trajectory_end') is False,
            'false, or it lets the arm run on where a trajectory ends',
        ),
        (
            'interpolate_from_desired_state',
            values.get('interpolate_from_desired_state') is True,
            'true, or every trajectory begins with a step back by the tracking error',
        ),
        (
            'allow_trajectory_replacement',
            not values.get('allow_trajectory_replacement'),
            'false, or it moves trajectories that began before they came',
        ),
    )
    return tuple(
        f'{name}: {parameter} is {_yaml(values.get(parameter))}: needs {needed}'
        for parameter, fits, needed in checks
        if not fits
    )


def _yaml(value: Any) -> str:
    if value is None:
        return 'not set'
    return str(value).lower() if isinstance(value, bool) else str(value)


def hardware_to_activate(
    joint_names: Sequence[str], components: Iterable[Hardware]
) -> tuple[str, ...]:
    """Return the inactive components that command these joints, as after a reflex."""
    return tuple(
        component.name
        for component in components
        if component.state != 'active'
        and {interface.partition('/')[0] for interface in component.interfaces} & set(joint_names)
    )


def controllers_to_activate(name: str, controllers: Iterable[Controller]) -> tuple[str, ...]:
    """Return the inactive controllers to activate: the broadcasters and the arm's controller.

    They become inactive with their hardware. Other controllers are left to whoever started them.
    """
    return tuple(
        each.name
        for each in controllers
        if each.state == 'inactive' and (each.name == name or not each.required)
    )
