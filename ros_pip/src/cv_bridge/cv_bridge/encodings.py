# SPDX-License-Identifier: Apache-2.0
"""What the encodings of sensor_msgs/Image mean, and how to get from one to another.

The rules and the wording of the refusals are cv_bridge's (`cv_bridge/src/cv_bridge.cpp`).
"""

from __future__ import annotations

from dataclasses import dataclass
import re

import cv2
import numpy as np

NUMPY_TYPES = {
    '8U': 'uint8',
    '8S': 'int8',
    '16U': 'uint16',
    '16S': 'int16',
    '32S': 'int32',
    '32F': 'float32',
    '64F': 'float64',
}

# Name and number of channels of each colour space as OpenCV calls it; OpenCV names a Bayer
# pattern by the second row's second and third pixel.
_COLOURS = {
    'mono': ('GRAY', 1),
    'rgb': ('RGB', 3),
    'bgr': ('BGR', 3),
    'rgba': ('RGBA', 4),
    'bgra': ('BGRA', 4),
    'bayer_rggb': ('BayerBG', 1),
    'bayer_bggr': ('BayerRG', 1),
    'bayer_gbrg': ('BayerGR', 1),
    'bayer_grbg': ('BayerGB', 1),
}
_YUV = {'yuv422': 'UYVY', 'yuv422_yuy2': 'YUY2'}


@dataclass(frozen=True)
class Encoding:
    """An encoding taken apart.

    :param depth: type of one value as OpenCV writes it: ``8U``, ``32F`` ….
    :param colour: the colour space as OpenCV calls it; None if the values are just values.
    """

    name: str
    depth: str
    channels: int
    colour: str | None

    @property
    def bits(self) -> int:
        """Bits of one value."""
        return int(self.depth[:-1])


_NAMED = {
    name + bits: Encoding(name + bits, f'{bits}U', channels, colour)
    for name, (colour, channels) in _COLOURS.items()
    for bits in ('8', '16')
} | {name: Encoding(name, '8U', 2, colour) for name, colour in _YUV.items()}


def parse(name: str) -> Encoding:
    """Take an encoding apart; raises RuntimeError for an unknown one."""
    if name in _NAMED:
        return _NAMED[name]
    generic = re.fullmatch(r'(8U|8S|16U|16S|32S|32F|64F)(?:C([0-9]+))?', name)
    if generic is None:
        raise RuntimeError(f'Unrecognized image encoding [{name}]')
    return Encoding(name, generic[1], int(generic[2] or 1), None)


def convert(image: np.ndarray, source_name: str, target_name: str) -> np.ndarray:
    """Return a copy of the image in another encoding; raises RuntimeError if there is none."""
    if target_name in ('', source_name):
        return image.copy()
    source, target = parse(source_name), parse(target_name)
    code = _conversion_code(source, target)
    if code is not None:
        image = cv2.cvtColor(image, code)
    return _to_depth(image, source, target)


def _conversion_code(source: Encoding, target: Encoding) -> int | None:
    """Return OpenCV's colour conversion code, None if the colours stay."""
    if source.colour is None and target.colour is not None:
        raise RuntimeError(
            f'[{source.name}] is not a color format. but [{target.name}] is. '
            'The conversion does not make sense'
        )
    if source.colour is None or target.colour is None:
        if source.channels != target.channels:
            raise RuntimeError(_channels_differ(source, target))
        return None
    if source.colour == target.colour and not source.colour.startswith('Bayer'):
        return None
    code = getattr(cv2, _code_name(source.colour, target.colour), None)
    if code is None:
        raise RuntimeError(f'Unsupported conversion from [{source.name}] to [{target.name}]')
    return code


def _channels_differ(source: Encoding, target: Encoding) -> str:
    if source.colour is None:
        return f'[{source.name}] and [{target.name}] do not have the same number of channel'
    return (
        f'[{source.name}] is a color format but [{target.name}] is not so they must have '
        'the same OpenCV type, CV_8UC3, CV16UC1 ....'
    )


def _code_name(source: str, target: str) -> str:
    if source.startswith('Bayer') and target.endswith('A'):
        return 'unsupported'
    if source in _YUV.values():
        return f'COLOR_YUV2{target}_{source}'
    return f'COLOR_{source}2{target}'


def _to_depth(image: np.ndarray, source: Encoding, target: Encoding) -> np.ndarray:
    """Convert the type of the values as `cv::Mat::convertTo` does: round half to even, saturate.

    Between 8 and 16 bits the range is scaled, 255 to 65535.
    """
    if source.depth == target.depth:
        return image
    scale = {(8, 16): 65535 / 255, (16, 8): 255 / 65535}.get((source.bits, target.bits), 1.0)
    dtype = np.dtype(NUMPY_TYPES[target.depth])
    values = image if scale == 1.0 else image * scale
    if dtype.kind == 'f':
        return values.astype(dtype)
    if values.dtype.kind == 'f':
        # OpenCV rounds to int32 first; what does not fit, NaN included, becomes its lowest value.
        values = np.where(np.abs(values) < 2.0**31, np.rint(values), -(2.0**31))
    limits = np.iinfo(dtype)
    return np.clip(values.astype(np.int64), limits.min, limits.max).astype(dtype)
