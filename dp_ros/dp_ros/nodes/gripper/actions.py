# SPDX-License-Identifier: Apache-2.0
"""Actions of each kind of gripper: conversion of goals and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from control_msgs.action import GripperCommand
from control_msgs.msg import GripperCommand as GripperCommandMsg
from dp_ros.control.gripper.gripper import Goal, Kind
from dp_ros.nodes.gripper.parameters import FRANKA_HAND, command_scale
from dp_ros.ros.franka_actions import franka_actions
from dp_ros.ros.live_parameters import Values


@dataclass(frozen=True)
class GripperAction:
    """An action of a gripper.

    :param kind: type of the action; ``name``: its name in ROS.
    :param write: function that converts a goal to a message.
    :param read: function that converts a result message to (ok, error).
    """

    kind: Any
    name: str
    write: Callable[[Goal, Values], Any]
    read: Callable[[Any], tuple[bool, str]]


def gripper_actions(values: Values) -> dict[Kind, GripperAction]:
    """Return the action for each kind of goal."""
    if values['kind'] != FRANKA_HAND:
        action = GripperAction(
            GripperCommand, values['command_action'], _write_position, _read_position
        )
        return {Kind.MOVE: action}
    franka = franka_actions()

    def write_move(goal: Goal, values: Values) -> Any:
        return franka.Move.Goal(width=goal.width, speed=values['move.speed'])

    def write_grasp(goal: Goal, values: Values) -> Any:
        message = franka.Grasp.Goal(
            width=values['grasp.width'], speed=values['grasp.speed'], force=values['grasp.force']
        )
        message.epsilon.inner = values['grasp.epsilon.inner']
        message.epsilon.outer = values['grasp.epsilon.outer']
        return message

    return {
        Kind.MOVE: GripperAction(franka.Move, values['move_action'], write_move, _read_franka),
        Kind.GRASP: GripperAction(franka.Grasp, values['grasp_action'], write_grasp, _read_franka),
    }


def _write_position(goal: Goal, values: Values) -> GripperCommand.Goal:
    position = command_scale(values).number(goal.width)
    command = GripperCommandMsg(position=position, max_effort=values['grasp.force'])
    return GripperCommand.Goal(command=command)


def _read_position(result: GripperCommand.Result) -> tuple[bool, str]:
    """Return (ok, error); fingers that stall on an object count as ok."""
    return result.reached_goal or result.stalled, ''


def _read_franka(result: Any) -> tuple[bool, str]:
    return result.success, result.error
