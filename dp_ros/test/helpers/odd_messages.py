# SPDX-License-Identifier: Apache-2.0
"""Messages that no driver should send, made of a type's fields, and valid ones gone wrong."""

import array
import importlib
import re

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message

JOINTS = ['fr3_joint1', 'fr3_joint2', 'fr3_finger_joint1']
NAMES = ['', *JOINTS, 'front', 'base', 'tcp', '/', 'ü→\t']
ENCODINGS = ['rgb8', 'mono16', 'bayer_rggb8', 'yuv422', '32FC1', 'png', 'jpeg']
TEXTS = [*NAMES, *ENCODINGS, 'x' * 3000, '%s%n', '{}']
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, np.nan, np.inf, -np.inf]
LENGTHS = [0, 0, 1, 2, 7, 9, 40]


def odd(kind, rng, depth=0):
    """Make a message of a type whose fields hold anything that their types allow."""
    return kind(**{n: _value(t, rng, depth) for n, t in _fields(kind).items()})


def spoilt(message, rng, changes=2):
    """Return a copy of a valid message with some of its fields, at any depth, made odd."""
    copy = _copy(message)
    for _ in range(int(rng.integers(1, changes + 1))):
        _spoil(copy, rng)
    return copy


def _spoil(message, rng):
    fields = _fields(type(message))
    name = str(rng.choice(list(fields)))
    value = getattr(message, name)
    inner = [value] if hasattr(value, 'SLOT_TYPES') else _messages(value)
    if inner and rng.random() < 0.8:
        _spoil(inner[int(rng.integers(len(inner)))], rng)
    elif _is_list(fields[name]) and len(value) and rng.random() < 0.7:
        setattr(message, name, _other_length(value, rng))
    else:
        setattr(message, name, _value(fields[name], rng, 0))


def _other_length(values, rng):
    """Cut, repeat, shuffle, or spoil one of the values; a fixed length keeps its own."""
    values = list(values)
    change = int(rng.integers(4))
    if change == 0:
        return values[: int(rng.integers(len(values)))]
    if change == 1:
        return [*values, values[int(rng.integers(len(values)))]]
    if change == 2:
        return [values[i] for i in rng.permutation(len(values))]
    if isinstance(values[0], float):
        values[int(rng.integers(len(values)))] = float(rng.choice(FLOATS))
    return values


def _fields(kind):
    return kind.get_fields_and_field_types()


def _messages(value):
    return [v for v in value if hasattr(v, 'SLOT_TYPES')] if isinstance(value, list) else []


def _is_list(type_name):
    return type_name.startswith('sequence<')


def _copy(message):
    return deserialize_message(serialize_message(message), type(message))


def _value(type_name, rng, depth):
    listed = re.fullmatch(r'sequence<(.*?)(?:, (\d+))?>', type_name)
    fixed = re.fullmatch(r'(.*)\[(\d+)\]', type_name)
    if listed:
        most = int(listed[2] or 10**6) if depth < 3 else 2
        return _many(listed[1], min(most, int(rng.choice(LENGTHS))), rng, depth)
    if fixed:
        return _many(fixed[1], int(fixed[2]), rng, depth)
    return _one(type_name, rng, depth)


def _many(type_name, length, rng, depth):
    if type_name == 'uint8':
        return array.array('B', rng.bytes(int(rng.choice([length, 16 * 24 * 3, 0]))))
    return [_one(type_name, rng, depth) for _ in range(length)]


def _one(type_name, rng, depth):
    if type_name.startswith('string'):
        return str(rng.choice(TEXTS))
    if type_name == 'boolean':
        return bool(rng.integers(2))
    if type_name == 'octet':
        return bytes([int(rng.integers(256))])
    if type_name in ('float', 'double'):
        value = float(rng.choice(FLOATS)) if rng.random() < 0.7 else float(rng.normal())
        return value if type_name == 'double' else float(np.clip(value, -3e38, 3e38))
    number = re.fullmatch(r'(u?)int(\d+)', type_name)
    if number:
        low, high = _range(bool(number[1]), int(number[2]))
        return (low, high, 0, 1, 2, 16, 24)[int(rng.integers(7))]
    package, name = type_name.split('/')
    return odd(getattr(importlib.import_module(f'{package}.msg'), name), rng, depth + 1)


def _range(unsigned, bits):
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
