# SPDX-License-Identifier: Apache-2.0
"""`ros2 param`: parameters of running nodes."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
import re
import sys
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import (
    PARAMETER_SEPARATOR_STRING,
    get_parameter_value,
    parameter_dict_from_yaml_file,
)
from rclpy.parameter import (
    Parameter as ParameterClass,
)
import yaml

from ..graph import (
    absolute_name,
    add_node_arguments,
    cli_node,
    node_names,
    settle,
    wait_for_node,
)
from ..parameters import LABELS, NodeNotFoundError, Parameters, python_value, type_name
from ..parser import Result, add_verbs


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {
            'describe': (_describe_arguments, describe),
            'dump': (_node_arguments, dump),
            'get': (_get_arguments, get),
            'list': (_list_arguments, list_parameters),
            'load': (_load_arguments, load),
            'set': (_set_arguments, set_parameter),
        },
    )


def _node_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('node_name', help='Name of the ROS node')
    _hidden_argument(parser)
    parser.add_argument(
        '--timeout',
        metavar='N',
        type=int,
        default=1,
        help='Wait for N seconds until node becomes available (default %(default)s sec)',
    )


def _hidden_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--include-hidden-nodes', action='store_true', help='Consider hidden nodes as well'
    )


@contextmanager
def _parameters_of(args: Namespace) -> Iterator[Parameters]:
    """Give the parameters of the node that the arguments name.

    :raises NodeNotFoundError: where it does not appear in time.
    """
    name = absolute_name(args.node_name)
    with cli_node(args) as node:
        timeout = max(args.spin_time, args.timeout)
        if not wait_for_node(node, name, args.include_hidden_nodes, timeout):
            raise NodeNotFoundError
        yield Parameters(node, name)


def _get_arguments(parser: ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_name', help='Name of the parameter')
    parser.add_argument('--hide-type', action='store_true', help='Hide the type information')


def get(args: Namespace) -> Result:
    """Get parameter."""
    with _parameters_of(args) as parameters:
        values = parameters.values([args.parameter_name])
    if not values:
        return 'Parameter not set'
    label, _ = LABELS[ParameterClass.Type(values[0].type)]
    value = python_value(values[0])
    words = [value] if args.hide_type else [label] if value is None else [label, value]
    print(*words)
    return None


def _set_arguments(parser: ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_name', help='Name of the parameter')
    parser.add_argument('value', help='Value of the parameter')


def set_parameter(args: Namespace) -> Result:
    """Set parameter."""
    value = get_parameter_value(args.value)
    with _parameters_of(args) as parameters:
        result = parameters.set([Parameter(name=args.parameter_name, value=value)])[0]
    _report('Set parameter successful', 'Setting parameter failed', result)
    return None


def _report(success: str, failure: str, result: Any) -> None:
    reason = f': {result.reason}' if result.reason else ''
    if result.successful:
        print(success + reason)
    else:
        print(failure + reason, file=sys.stderr)


def _load_arguments(parser: ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_file', help='Parameter file')
    parser.add_argument(
        '--no-use-wildcard',
        action='store_true',
        help="Do not load parameters in the '/**' namespace into the node",
    )


def load(args: Namespace) -> Result:
    """Load parameter file for a node."""
    name = absolute_name(args.node_name)
    wanted = parameter_dict_from_yaml_file(
        args.parameter_file, not args.no_use_wildcard, target_nodes=[name]
    )
    with _parameters_of(args) as parameters:
        messages = list(wanted.values())
        for message, result in zip(messages, parameters.set(messages), strict=True):
            _report(
                f'Set parameter {message.name} successful',
                f'Set parameter {message.name} failed',
                result,
            )
    return None


def dump(args: Namespace) -> Result:
    """Show all of the parameters of a node in a YAML file format."""
    tree: dict[str, Any] = {}
    with _parameters_of(args) as parameters:
        names = parameters.names()
        for name, value in zip(names, parameters.values(names), strict=True):
            _insert(tree, name, python_value(value))
    content = {absolute_name(args.node_name): {'ros__parameters': tree}}
    print(yaml.dump(content, default_flow_style=False))
    return None


def _insert(tree: dict[str, Any], name: str, value: Any) -> None:
    *groups, leaf = name.split(PARAMETER_SEPARATOR_STRING)
    for group in groups:
        tree = tree.setdefault(group, {})
    tree[leaf] = value


def _describe_arguments(parser: ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_names', nargs='+', help='Names of the parameters')


def describe(args: Namespace) -> Result:
    """Show descriptive information about declared parameters."""
    with _parameters_of(args) as parameters:
        descriptors = parameters.descriptors(args.parameter_names)
    for descriptor in descriptors:
        print(*_description(descriptor), sep='\n')
    return None


def _description(descriptor: ParameterDescriptor) -> Iterator[str]:
    yield f'Parameter name: {descriptor.name}'
    yield f'  Type: {type_name(descriptor)}'
    if descriptor.description:
        yield f'  Description: {descriptor.description}'
    yield '  Constraints:'
    if descriptor.read_only:
        yield '    Read only: true'
    for limits in [*descriptor.floating_point_range, *descriptor.integer_range][:1]:
        yield f'    Min value: {limits.from_value}'
        yield f'    Max value: {limits.to_value}'
        if limits.step:
            yield f'    Step: {limits.step}'
    if descriptor.additional_constraints:
        yield f'    Additional constraints: {descriptor.additional_constraints}'


def _list_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('node_name', nargs='?', help='Name of the ROS node')
    _hidden_argument(parser)
    parser.add_argument(
        '--filter', type=re.compile, help='Show only parameters that match this expression'
    )
    parser.add_argument(
        '--param-prefixes',
        nargs='+',
        default=[],
        help='Only list parameters with the provided prefixes',
    )
    parser.add_argument(
        '--param-type', action='store_true', help='Print parameter types with parameter names'
    )


def list_parameters(args: Namespace) -> Result:
    """Output a list of available parameters."""
    with cli_node(args) as node:
        for name in _listed_nodes(node, args):
            parameters = Parameters(node, name)
            try:
                names = parameters.names(args.param_prefixes)
            except RuntimeError as error:
                print(error)
                continue
            if args.filter:
                names = [n for n in names if args.filter.match(n)]
            if names and not args.node_name:
                print(f'{name}:')
            kinds = _kinds(parameters, names) if args.param_type else dict.fromkeys(names, '')
            for parameter_name in names:
                print(f'  {parameter_name}{kinds[parameter_name]}')
    return None


def _listed_nodes(node: Node, args: Namespace) -> list[str]:
    if not args.node_name:
        settle(node, args.spin_time)
        return sorted(n.full_name for n in node_names(node, args.include_hidden_nodes))
    name = absolute_name(args.node_name)
    if not wait_for_node(node, name, args.include_hidden_nodes, args.spin_time):
        raise NodeNotFoundError
    return [name]


def _kinds(parameters: Parameters, names: list[str]) -> dict[str, str]:
    return {d.name: f' (type: {type_name(d)})' for d in parameters.descriptors(names)}
