# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms as a translation [m] and a unit quaternion (x, y, z, w)."""

from __future__ import annotations

import math
from typing import NamedTuple

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Rigid(NamedTuple):
    """A rotation, then a translation."""

    translation: Vector = (0.0, 0.0, 0.0)
    rotation: Quaternion = (0.0, 0.0, 0.0, 1.0)

    def after(self, other: Rigid) -> Rigid:
        """Return the transform that does ``other`` first, then this one."""
        moved = rotate(self.rotation, other.translation)
        translation = tuple(a + b for a, b in zip(moved, self.translation, strict=True))
        return Rigid(translation, multiply(self.rotation, other.rotation))

    def inverse(self) -> Rigid:
        """Return the transform that undoes this one."""
        back = conjugate(self.rotation)
        return Rigid(tuple(-v for v in rotate(back, self.translation)), back)

    def towards(self, other: Rigid, ratio: float) -> Rigid:
        """Return the transform at ``ratio`` of the way to ``other``: straight and slerp."""
        translation = tuple(
            a + ratio * (b - a) for a, b in zip(self.translation, other.translation, strict=True)
        )
        return Rigid(translation, slerp(self.rotation, other.rotation, ratio))


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Return the rotation that does ``b`` first, then ``a``."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by + ay * bw + az * bx - ax * bz,
        aw * bz + az * bw + ax * by - ay * bx,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def conjugate(q: Quaternion) -> Quaternion:
    """Return the inverse of a unit quaternion."""
    return (-q[0], -q[1], -q[2], q[3])


def rotate(q: Quaternion, v: Vector) -> Vector:
    """Return the vector, rotated."""
    return multiply(multiply(q, (*v, 0.0)), conjugate(q))[:3]


def dot(a: Quaternion, b: Quaternion) -> float:
    """Return the dot product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def slerp(a: Quaternion, b: Quaternion, ratio: float) -> Quaternion:
    """Return the rotation at ``ratio`` of the shorter way from ``a`` to ``b``."""
    cosine = dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))
    angle = math.acos(min(abs(cosine), 1.0))
    if angle == 0.0:
        return a
    weight_a = math.sin((1.0 - ratio) * angle) / math.sin(angle)
    weight_b = math.copysign(math.sin(ratio * angle) / math.sin(angle), cosine)
    return tuple(weight_a * x + weight_b * y for x, y in zip(a, b, strict=True))


def canonical(q: Quaternion) -> Quaternion:
    """Return the same rotation with length 1 and the sign that upstream's matrices give it.

    For less than 120 degrees w is positive, above that the largest of x, y, z is.
    """
    length = math.sqrt(dot(q, q))
    leading = q[3] if abs(q[3]) > 0.5 * length else max(q[:3], key=abs)
    return tuple(v / math.copysign(length, leading) for v in q)
