# SPDX-License-Identifier: Apache-2.0
"""The tree of links and joints that a URDF describes, without shapes and masses.

Source: the URDF specification; `acceleration` and `jerk` of a limit are of its version 1.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Final
from xml.etree import ElementTree as Xml

from dp_ros.arrays import Array
from dp_ros.outside import OutsideError, parse_xml
from dp_ros.robot.chain import Chain, transform
from dp_ros.robot.joint_names import renamed
from dp_ros.robot.limits import JointLimits
import numpy as np

WHAT: Final = 'robot_description'
ACCELERATION: Final = 2.5
"""Acceleration limit where a URDF has none [rad/s²]; common arms are built for more."""
JERK: Final = 300.0
"""Jerk limit where a URDF has none [rad/s³]; common arms are built for more."""

_FARTHEST: Final = 100.0  # [m], from one link to the next
_LIMITS: Final = {  # allowed values of a joint's limit: lowest, highest, default
    'lower': (-100.0, 100.0, math.nan),
    'upper': (-100.0, 100.0, math.nan),
    'velocity': (1e-3, 30.0, math.nan),
    'acceleration': (1e-2, 1e3, ACCELERATION),
    'jerk': (1.0, 1e6, JERK),
}
_DEEPEST: Final = 200
_SHOWN: Final = 20


class DescriptionError(ValueError):
    """A robot description does not describe the arm; the message says why."""


@dataclass(frozen=True)
class Joint:
    """A joint: its links, and how it moves.

    :param origin: transform (4, 4) from the parent link to the joint.
    :param axis: unit vector (3,) about or along which the joint moves.
    :param limit: attributes of its limit, as texts.
    :param follows: whether it mimics another joint.
    """

    name: str
    kind: str
    parent: str
    child: str
    origin: Array
    axis: Array
    limit: Mapping[str, str]
    follows: bool

    def misfit(self) -> str | None:
        """Return the reason why it cannot be driven, or None."""
        if self.kind != 'revolute':
            return f'is {self.kind}: only revolute joints with limits are driven'
        if self.follows:
            return 'follows another joint (mimic)'
        return None


class Description:
    """Links and joints of a robot.

    :raises DescriptionError: when the text describes no robot, or is too large.
    """

    def __init__(self, text: str) -> None:
        try:
            root = parse_xml(text, WHAT)
        except OutsideError as error:
            raise DescriptionError(str(error)) from error
        if root.tag != 'robot':
            raise DescriptionError(f'{WHAT}: cannot be read: <{root.tag[:40]}> is no <robot>')
        joints = [_joint(element) for element in root.findall('joint')]
        self.joints = {joint.name: joint for joint in joints}
        self._above = {joint.child: joint for joint in joints}
        links = [element.get('name', '') for element in root.findall('link')]
        self.links = frozenset(links)
        _check_once('joint', [joint.name for joint in joints])
        _check_once('link', links)
        _check_once('child link', [joint.child for joint in joints])
        for joint in joints:
            for link in (joint.parent, joint.child):
                if link not in self.links:
                    raise DescriptionError(f'{WHAT}: {joint.name} is at {link}, which is no link')

    def moving(self) -> list[str]:
        """Return the names of the joints that are not fixed."""
        return [name for name, joint in self.joints.items() if joint.kind != 'fixed']

    def limits(self, joint_names: Sequence[str]) -> JointLimits:
        """Return limits of joints; near an end a joint is only as fast as it can still stop.

        :raises DescriptionError: when joints are missing, cannot be driven or have no limits; it
            names all of these.
        """
        missing = [name for name in joint_names if name not in self.joints]
        if missing:
            moving = self.moving()
            raise DescriptionError(
                f'{WHAT} has no joint {", ".join(missing)}, it has {some(moving)}'
                f'{renamed(missing, moving)}'
            )
        misfits, rows = [], []
        for name in joint_names:
            joint = self.joints[name]
            try:
                rows.append(_limits(joint))
            except DescriptionError as error:
                misfits.append(str(error))
        if misfits:
            raise DescriptionError('; '.join(misfits))
        lower, upper, velocity, acceleration, jerk = np.array(rows, dtype=np.float64).T
        offset = np.zeros_like(velocity)
        return JointLimits(lower, upper, velocity, acceleration, jerk, offset, acceleration)

    def chain(self, joint_names: Sequence[str], base: str, tip: str) -> Chain:
        """Return the kinematics from one link to another.

        :param joint_names: names of the joint positions, in order, with other joints among them.
        :raises DescriptionError: when a link is missing, or is moved by other joints too.
        """
        down, up = self._path(base, 'base_frame'), self._path(tip, 'tool_frame')
        while down and up and down[0] is up[0]:
            down, up = down[1:], up[1:]
        for joint in down:
            if joint.kind != 'fixed':
                raise DescriptionError(f'{WHAT}: base_frame {base} is moved by {joint.name}')
        before: Array = np.asarray(np.linalg.inv(_product(joint.origin for joint in down)))
        fixed, axes, columns = [], [], []
        for joint in up:
            before = before @ joint.origin
            if joint.kind == 'fixed':
                continue
            self._check_driven(joint, tip, joint_names)
            fixed.append(before)
            axes.append(joint.axis)
            columns.append(joint_names.index(joint.name))
            before = np.eye(4)
        return Chain(fixed, axes, before, columns, len(joint_names))

    def base_of(self, joint_names: Collection[str]) -> str:
        """Return the parent link of the joint that is closest to the root.

        :raises DescriptionError: when none of the joints is there, or they are in a loop.
        """
        known = [self.joints[name] for name in joint_names if name in self.joints]
        if not known:
            raise DescriptionError(f'{WHAT} has none of {some(joint_names)}')
        return min((len(self._path(joint.child, 'link')), joint.parent) for joint in known)[1]

    def tips(self, joint_names: Collection[str]) -> list[str]:
        """Return the last links that most of these joints, and no other joints, move.

        :raises DescriptionError: when links are in a loop.
        """
        parents = {joint.parent for joint in self.joints.values()}
        found: dict[int, list[str]] = {}
        for link in sorted(self.links - parents):
            moved_by = [each for each in self._path(link, 'link') if each.kind != 'fixed']
            if all(each.name in joint_names and each.misfit() is None for each in moved_by):
                found.setdefault(len(moved_by), []).append(link)
        return found[max(found)] if found and max(found) else []

    def _path(self, link: str, what: str) -> list[Joint]:
        """Return the joints from the root to a link."""
        if link not in self.links:
            raise DescriptionError(f'{WHAT} has no {what} {link}, it has {some(self.links)}')
        path: list[Joint] = []
        at = link
        while at in self._above:
            path.append(self._above[at])
            at = path[-1].parent
            if len(path) > _DEEPEST:
                raise DescriptionError(
                    f'{WHAT}: {link} is in a loop of joints, or over {_DEEPEST} from the root'
                )
        return path[::-1]

    def _check_driven(self, joint: Joint, tip: str, joint_names: Sequence[str]) -> None:
        if joint.name not in joint_names:
            raise DescriptionError(
                f'{WHAT}: tool_frame {tip} is moved by {joint.name}, which is none of '
                f'{some(joint_names)}'
            )
        misfit = joint.misfit()
        if misfit is not None:
            raise DescriptionError(f'{WHAT}: {joint.name} {misfit}')


def some(names: Collection[str]) -> str:
    """Return names in order as a text, at most `_SHOWN` of them."""
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return f'{ordered[:_SHOWN]}' + (f' and {more} more' if more > 0 else '')


def _joint(element: Xml.Element) -> Joint:
    name = element.get('name', '')
    origin, axis = _find(element, 'origin'), _find(element, 'axis')
    try:
        xyz, rpy = _vector(origin.get('xyz', '0 0 0')), _vector(origin.get('rpy', '0 0 0'))
        along = _vector(axis.get('xyz', '1 0 0'))
    except ValueError as error:
        raise DescriptionError(f'{WHAT}: cannot be read: {name}: {error}') from error
    length = float(np.linalg.norm(along))
    if length < 1e-6:
        raise DescriptionError(f'{WHAT}: cannot be read: {name}: its axis has no direction')
    return Joint(
        name,
        element.get('type', ''),
        _find(element, 'parent').get('link', ''),
        _find(element, 'child').get('link', ''),
        transform(xyz, rpy),
        along / length,
        _find(element, 'limit').attrib,
        element.find('mimic') is not None,
    )


def _find(element: Xml.Element, tag: str) -> Xml.Element:
    found = element.find(tag)
    return Xml.Element(tag) if found is None else found


def _vector(text: str) -> Array:
    values = [float(value) for value in text.split()]
    if len(values) != 3 or not all(abs(value) <= _FARTHEST for value in values):
        raise ValueError(f'{text[:60]!r} is not three numbers of at most {_FARTHEST:g}')
    return np.array(values)


def _limits(joint: Joint) -> list[float]:
    """Return the values of `_LIMITS`."""
    misfit = joint.misfit()
    if misfit is not None:
        raise DescriptionError(f'{WHAT}: {joint.name} {misfit}')
    values = []
    for name, (least, most, default) in _LIMITS.items():
        try:
            value = float(joint.limit.get(name, default))
        except ValueError as error:
            raise DescriptionError(f'{WHAT}: cannot be read: {joint.name}: {error}') from error
        if not least <= value <= most:
            raise DescriptionError(
                f'{WHAT} limits {joint.name} to a {name} of {value:g}: needs {least:g} to {most:g}'
            )
        values.append(value)
    if not values[0] < values[1]:
        raise DescriptionError(
            f'{WHAT} limits {joint.name} to {values[0]:g} … {values[1]:g} rad: no room'
        )
    return values


def _product(transforms: Iterable[Array]) -> Array:
    result = np.eye(4)
    for each in transforms:
        result = result @ each
    return result


def _check_once(what: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DescriptionError(f'{WHAT}: {what} {name} is there more than once')
        seen.add(name)
