# SPDX-License-Identifier: Apache-2.0
"""Poses of all links of a robot description, and the shapes by which it draws them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import math
from typing import Final
from xml.etree import ElementTree as Xml

from dp_ros.arrays import Array
from dp_ros.outside import parse_xml
from dp_ros.robot.chain import transform, turn
from dp_ros.robot.description import WHAT, Description, DescriptionError, Joint
import numpy as np

GREY: Final = (200, 205, 210)
_TURNING: Final = ('revolute', 'continuous')


@dataclass(frozen=True)
class Shape:
    """A shape of a link.

    :param kind: 'mesh', 'box', 'cylinder' or 'sphere'.
    :param size: (3,) scale of a mesh, edges of a box, or radius, radius and length [m].
    :param pose: transform (4, 4) from the link.
    :param file: address of the mesh, as the description gives it.
    :param colour: (r, g, b) where the description gives one.
    """

    kind: str
    size: tuple[float, float, float]
    pose: Array
    file: str = ''
    colour: tuple[int, int, int] | None = None


class LinkTree:
    """The links of a robot, each at its parent.

    :raises DescriptionError: when the text describes no robot.
    """

    def __init__(self, text: str) -> None:
        joints = Description(text).joints.values()
        root = parse_xml(text, WHAT)
        self._order = _from_the_root(
            [each.get('name', '') for each in root.findall('link')], joints
        )
        self.parents = {joint.child: joint.parent for joint in joints}
        colours = dict(_colours(root))
        self.shapes = {
            link.get('name', ''): list(_shapes(link, colours)) for link in root.findall('link')
        }

    @property
    def joint_names(self) -> list[str]:
        """Names of the joints that move."""
        return [joint.name for _, joint in self._order if joint and joint.kind != 'fixed']

    def poses(self, positions: Mapping[str, float]) -> dict[str, Array]:
        """Return the transform (4, 4) of each link from the root; other joints are at zero.

        :param positions: joint positions by name [rad], [m] for prismatic joints.
        """
        poses: dict[str, Array] = {}
        for link, joint in self._order:
            if joint is None:
                poses[link] = np.eye(4)
            else:
                here = poses[joint.parent] @ joint.origin
                poses[link] = here @ _motion(joint, positions.get(joint.name, 0.0))
        return poses


def _from_the_root(links: list[str], joints: Iterable[Joint]) -> list[tuple[str, Joint | None]]:
    """Return each link with the joint above it, parents first."""
    below: dict[str, list[Joint]] = {}
    above: set[str] = set()
    for joint in joints:
        below.setdefault(joint.parent, []).append(joint)
        above.add(joint.child)
    order: list[tuple[str, Joint | None]] = [(link, None) for link in links if link not in above]
    for link, _ in order:  # It grows meanwhile.
        order += [(joint.child, joint) for joint in below.get(link, [])]
    if len(order) != len(links):
        raise DescriptionError(f'{WHAT}: some links are in a loop of joints')
    return order


def _motion(joint: Joint, position: float) -> Array:
    if not math.isfinite(position):
        position = 0.0
    if joint.kind in _TURNING:
        return turn(joint.axis, position)
    pose = np.eye(4)
    if joint.kind == 'prismatic':
        pose[:3, 3] = position * joint.axis
    return pose


def _colours(root: Xml.Element) -> Iterator[tuple[str, tuple[int, int, int]]]:
    for material in root.iter('material'):
        colour = _colour(material)
        if colour is not None and material.get('name'):
            yield material.get('name', ''), colour


def _colour(material: Xml.Element) -> tuple[int, int, int] | None:
    colour = material.find('color')
    try:
        r, g, b, *_ = (
            float(v) for v in (colour.get('rgba', '') if colour is not None else '').split()
        )
        return round(255 * r), round(255 * g), round(255 * b)
    except (ValueError, OverflowError):
        return None


def _shapes(link: Xml.Element, colours: Mapping[str, tuple[int, int, int]]) -> Iterator[Shape]:
    for visual in link.findall('visual'):
        try:
            shape = _shape(visual, colours)
        except ValueError:
            continue  # What cannot be read is not drawn.
        if shape is not None:
            yield shape


def _shape(visual: Xml.Element, colours: Mapping[str, tuple[int, int, int]]) -> Shape | None:
    origin = visual.find('origin')
    where = {} if origin is None else origin.attrib
    pose = transform(_three(where.get('xyz', '0 0 0')), _three(where.get('rpy', '0 0 0')))
    material = visual.find('material')
    colour = None
    if material is not None:
        colour = _colour(material) or colours.get(material.get('name', ''))
    geometry = visual.find('geometry')
    for form in () if geometry is None else geometry:
        if form.tag == 'mesh':
            size = _three(form.get('scale', '1 1 1'))
        elif form.tag == 'box':
            size = _three(form.get('size', ''))
        elif form.tag in ('cylinder', 'sphere'):
            radius = form.get('radius', '')
            size = _three(f'{radius} {radius} {form.get("length", radius)}')
        else:
            continue
        x, y, z = size.tolist()
        return Shape(form.tag, (x, y, z), pose, form.get('filename', ''), colour)
    return None


def _three(text: str) -> Array:
    values = np.array([float(value) for value in text.split()])
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f'{text[:60]!r} is not three numbers')
    return values
